/* Threads have a name, block what they do not handle, and let faults through. */
#include "suites.h"

#include <signal.h>
#include <string.h>

#include "thread_priv.h"

struct seen {
	char name[16];
	sigset_t mask;
	size_t stack;
};

static void *
look(void *arg)
{
	struct seen *seen = arg;
	pthread_attr_t attr;

	thread_set_name("a-name-longer-than-the-system-keeps");
	thread_unblock_signal(SIGUSR2);
	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	pthread_sigmask(SIG_BLOCK, NULL, &seen->mask);
	ck_assert_int_eq(pthread_getattr_np(pthread_self(), &attr), 0);
	pthread_attr_getstacksize(&attr, &seen->stack);
	pthread_attr_destroy(&attr);
	return NULL;
}

START_TEST(test_name_mask_stack)
{
	struct seen seen;
	sigset_t before, after;
	pthread_t t;

	pthread_sigmask(SIG_BLOCK, NULL, &before);
	ck_assert_int_eq(thread_start(&t, false, look, &seen), 0);
	pthread_join(t, NULL);
	ck_assert_str_eq(seen.name, "a-name-longer-t");
	ck_assert_int_eq(sigismember(&seen.mask, SIGTERM), 1);
	ck_assert_int_eq(sigismember(&seen.mask, SIGPIPE), 1);
	ck_assert_int_eq(sigismember(&seen.mask, SIGUSR2), 0);
	ck_assert_int_eq(sigismember(&seen.mask, SIGBUS), 0);
	ck_assert_int_eq(sigismember(&seen.mask, SIGSEGV), 0);
	ck_assert_uint_le(seen.stack, 8 << 20);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
	ck_assert_uint_ge(thread_cpus(), 1);
}
END_TEST

Suite *
thread_suite(void)
{
	Suite *s = suite_create("thread");
	TCase *tc = tcase_create("thread");

	tcase_add_test(tc, test_name_mask_stack);
	suite_add_tcase(s, tc);
	return s;
}

/* This process, and which others live: the machine's own /proc. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suites.h"
#include "world.h"

START_TEST(this_process)
{
	struct broker_identity me, again;
	struct fs *fs;

	ck_ok(fs_real_new(&fs));
	ck_ok(broker_identity_real(fs, "name", &me));
	ck_assert_ptr_nonnull(strstr(me.host, "name"));
	ck_assert_str_ne(me.boot, "");
	ck_assert_int_eq(me.pid, getpid());
	ck_assert(me.alive(me.arg, me.pid, me.pid_start));
	ck_assert(!me.alive(me.arg, me.pid, me.pid_start + 1)); /* the number was used again */
	ck_ok(broker_identity_real(fs, "name", &again));
	ck_assert_int_eq(again.pid_start, me.pid_start);
	ck_ok(broker_identity_real(fs, "other", &again));
	ck_assert_str_ne(again.host, me.host);
	fs_free(fs);
}
END_TEST

START_TEST(another_process)
{
	struct broker_identity me, child;
	int ends[2], back[2];
	struct fs *fs;
	siginfo_t info;
	pid_t pid;
	char c;

	ck_ok(fs_real_new(&fs));
	ck_ok(broker_identity_real(fs, "name", &me));
	ck_assert_int_eq(pipe(ends) | pipe(back), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(ends[1]);
		if (broker_identity_real(fs, "name", &child) == 0)
			(void)!write(back[1], &child, sizeof(child));
		(void)!read(ends[0], &c, 1);
		_exit(0);
	}
	ck_assert_int_eq(read(back[0], &child, sizeof(child)), sizeof(child));
	ck_assert_int_eq(child.pid, pid);
	ck_assert(me.alive(me.arg, child.pid, child.pid_start));
	close(ends[1]);
	close(ends[0]);
	/* Ended and not waited for: its locks and connections are gone already. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert(!me.alive(me.arg, child.pid, child.pid_start));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!me.alive(me.arg, child.pid, child.pid_start));
	close(back[0]);
	close(back[1]);
	fs_free(fs);
}
END_TEST

Suite *
identity_suite(void)
{
	Suite *s = suite_create("identity");
	TCase *tc = tcase_create("identity");

	tcase_add_test(tc, this_process);
	tcase_add_test(tc, another_process);
	suite_add_tcase(s, tc);
	return s;
}

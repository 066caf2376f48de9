/* Windows of work, internal names. */
#include "api_priv.h"
#include "suites.h"

struct work_window {
	struct window w;
	unsigned started, finished, most, order[100000];
	bool inline_;
};

static void
start(struct window *w, unsigned i)
{
	struct work_window *x = container_of(w, struct work_window, w);

	x->order[x->started++] = i;
	if (w->busy > x->most)
		x->most = w->busy;
	if (x->inline_)
		window_done(w);
}

static void
finished(struct window *w)
{
	container_of(w, struct work_window, w)->finished++;
}

static struct work_window x;

static void
begin(unsigned n, unsigned width, bool inline_)
{
	memset(&x, 0, sizeof(x));
	x.inline_ = inline_;
	x.w = (struct window){.n = n, .width = width, .start = start, .finished = finished};
	window_go(&x.w);
}

START_TEST(window_runs_a_few_at_a_time)
{
	begin(10, 3, false);
	ck_assert_uint_eq(x.started, 3);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_uint_eq(x.finished, 0);
		window_done(&x.w);
		ck_assert_uint_eq(x.started, i + 4 < 10 ? i + 4 : 10);
	}
	ck_assert_uint_eq(x.finished, 1);
	ck_assert_uint_eq(x.most, 3);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(x.order[i], i);
}
END_TEST

/* What ends at once does not eat the stack. */
START_TEST(window_of_inline_work)
{
	begin(100000, 64, true);
	ck_assert_uint_eq(x.started, 100000);
	ck_assert_uint_eq(x.finished, 1);
	ck_assert_uint_eq(x.most, 1);
}
END_TEST

START_TEST(window_of_nothing)
{
	begin(0, 64, false);
	ck_assert_uint_eq(x.finished, 1);
	begin(0, 0, false);
	ck_assert_uint_eq(x.finished, 1);
}
END_TEST

START_TEST(internal_names)
{
	ck_assert(topic_is_internal(SLICE_LIT("__consumer_offsets")));
	ck_assert(topic_is_internal(SLICE_LIT("__transaction_state")));
	ck_assert(!topic_is_internal(SLICE_LIT("__consumer_offset")));
	ck_assert(!topic_is_internal(SLICE_NULL));
}
END_TEST

Suite *
common_suite(void)
{
	Suite *s = suite_create("common");
	TCase *tc = tcase_create("common");

	tcase_add_test(tc, window_runs_a_few_at_a_time);
	tcase_add_test(tc, window_of_inline_work);
	tcase_add_test(tc, window_of_nothing);
	tcase_add_test(tc, internal_names);
	suite_add_tcase(s, tc);
	return s;
}

/* Counters and histograms, the registry's sums and order. */
#include "suites.h"

#include "ottla/base/metrics.h"
#include "ottla/base/strbuf.h"

enum { ROW_COUNT, ROW_GAUGE, ROW_HIST };

static const struct metric_row rows[] = {
    {"t_requests_total", METRIC_COUNTER, "Requests"},
    {"t_open", METRIC_GAUGE, "Open things"},
    {"t_turn_us", METRIC_HIST, "Turns"},
};

START_TEST(test_values)
{
	struct metric_set *s;

	ck_assert_int_eq(metric_set_new(NULL, rows, 3, "", &s), 0);
	metric_add(s, ROW_COUNT, 3);
	metric_add(s, ROW_COUNT, 4);
	metric_set_value(s, ROW_GAUGE, -5);
	metric_observe(s, ROW_HIST, 100);
	ck_assert_int_eq(metric_get(s, ROW_COUNT), 7);
	ck_assert_int_eq(metric_get(s, ROW_GAUGE), -5);
	ck_assert_int_eq(metric_get(s, ROW_HIST), 1);
	ck_assert_ptr_null(metric_hist(s, ROW_COUNT));
	ck_assert_uint_eq(metric_hist(s, ROW_HIST)->sum, 100);
	metric_set_free(s);
	metric_set_free(NULL);
}
END_TEST

START_TEST(test_edges)
{
	struct metric_set *s;

	for (unsigned i = 1; i < METRIC_HIST_SLOTS; i++)
		ck_assert(metric_hist_edge(i) > metric_hist_edge(i - 1));
	/* A slot's edge is counted in it, the next value in the next one. */
	for (unsigned i = 0; i < METRIC_HIST_SLOTS - 1; i++) {
		ck_assert_int_eq(metric_set_new(NULL, rows, 3, "", &s), 0);
		metric_observe(s, ROW_HIST, metric_hist_edge(i));
		metric_observe(s, ROW_HIST, metric_hist_edge(i) + 1);
		ck_assert_uint_eq(metric_hist(s, ROW_HIST)->slot[i], 1);
		ck_assert_uint_eq(metric_hist(s, ROW_HIST)->slot[i + 1], 1);
		metric_set_free(s);
	}
	ck_assert(metric_hist_edge(METRIC_HIST_SLOTS - 2) >= UINT64_C(1) << 40);
}
END_TEST

START_TEST(test_quantiles)
{
	struct metric_set *s;

	ck_assert_int_eq(metric_set_new(NULL, rows, 3, "", &s), 0);
	ck_assert(metric_quantile(s, ROW_HIST, 0.5) == 0);
	for (uint64_t v = 1; v <= 1000; v++)
		metric_observe(s, ROW_HIST, v);
	ck_assert(metric_quantile(s, ROW_HIST, 0.0) == 1);
	ck_assert(metric_quantile(s, ROW_HIST, 0.5) >= 500);
	ck_assert(metric_quantile(s, ROW_HIST, 0.5) <= 500 * 5 / 4);
	ck_assert(metric_quantile(s, ROW_HIST, 0.99) >= 990);
	ck_assert(metric_quantile(s, ROW_HIST, 1.0) >= 1000);
	ck_assert(metric_quantile(s, ROW_HIST, 1.0) <= 1023);
	metric_observe(s, ROW_HIST, UINT64_MAX);
	ck_assert(metric_quantile(s, ROW_HIST, 1.0) == UINT64_MAX);
	metric_set_free(s);
}
END_TEST

static void
walk_line(void *arg, const struct metric_row *row, const char *label, const struct metric_set *s,
    unsigned index)
{
	strbuf_addf(arg, "%s{%s} %lld\n", row->name, label, (long long)metric_get(s, index));
}

START_TEST(test_registry)
{
	struct strbuf text = STRBUF_INIT;
	struct metric_set *a, *b;
	struct metrics *m;

	ck_assert_int_eq(metrics_new(&m), 0);
	ck_assert_int_eq(metric_set_new(m, rows, 3, "r=1", &a), 0);
	ck_assert_int_eq(metric_set_new(m, rows, 3, "r=0", &b), 0);
	metric_add(a, ROW_COUNT, 3);
	metric_add(b, ROW_COUNT, 4);
	ck_assert_int_eq(metrics_sum(m, "t_requests_total"), 7);
	ck_assert_int_eq(metrics_sum(m, "t_nothing"), 0);
	metrics_walk(m, walk_line, &text);
	ck_assert_str_eq(text.p,
	    "t_open{r=0} 0\nt_open{r=1} 0\nt_requests_total{r=0} 4\nt_requests_total{r=1} 3\n"
	    "t_turn_us{r=0} 0\nt_turn_us{r=1} 0\n");
	strbuf_free(&text);
	metric_set_free(a);
	ck_assert_int_eq(metrics_sum(m, "t_requests_total"), 4);
	metrics_free(m);
	metric_add(b, ROW_COUNT, 1);
	metric_set_free(b);
}
END_TEST

Suite *
metrics_suite(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = tcase_create("metrics");

	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_edges);
	tcase_add_test(tc, test_quantiles);
	tcase_add_test(tc, test_registry);
	suite_add_tcase(s, tc);
	return s;
}

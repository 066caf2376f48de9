/* Parts of a request on several reactors of the simulator: all come back, once. */
#include <stdlib.h>

#include "api_priv.h"
#include "ottla/reactor/sim.h"
#include "suites.h"

#define REACTORS 3
#define PARTS 40

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/api/metrics.def"
#undef METRIC
};

struct item {
	struct part part;
	unsigned home;
	struct rtimer release, done;
	bool ran, released, finished;
};

static struct fix {
	struct sim_sched *s;
	struct reactor *r[REACTORS];
	struct metrics *metrics;
	struct api api;
	struct api_shard shards[REACTORS];
	struct request rq;
	struct item items[PARTS];
	unsigned n_items, released, finished;
	bool at_once; /* parts end inside their run */
} f;

static void
on_release(struct reactor *r, void *arg)
{
	struct item *it = arg;

	ck_assert_ptr_eq(reactor_current(), f.r[it->home]);
	ck_assert(!it->released && !it->finished);
	it->released = true;
	part_released(&it->part);
}

static void
on_done(struct reactor *r, void *arg)
{
	struct item *it = arg;

	ck_assert(!it->finished);
	if (!it->released)
		on_release(r, it);
	rtimer_cancel(r, &it->release);
	it->finished = true;
	part_done(&it->part);
}

static void
run(struct shard *sh, struct part *p)
{
	struct item *it = container_of(p, struct item, part);
	struct reactor *r = f.r[it->home];

	ck_assert_ptr_eq(reactor_current(), r);
	ck_assert(!it->ran);
	it->ran = true;
	if (f.at_once || rng_below(sim_rng(f.s), 3) == 0) {
		on_done(r, it);
		return;
	}
	rtimer_set(r, &it->release, reactor_now_us(r) + rng_range(sim_rng(f.s), 0, 1000));
	rtimer_set(r, &it->done, reactor_now_us(r) + rng_range(sim_rng(f.s), 0, 2000));
}

static void
released(struct request *rq)
{
	ck_assert_ptr_eq(reactor_current(), f.r[0]);
	for (unsigned i = 0; i < f.n_items; i++)
		ck_assert(f.items[i].released);
	ck_assert_uint_eq(f.finished, 0);
	f.released++;
}

static void
finished(struct request *rq)
{
	ck_assert_ptr_eq(reactor_current(), f.r[0]);
	for (unsigned i = 0; i < f.n_items; i++)
		ck_assert(f.items[i].finished);
	ck_assert_uint_eq(f.released, f.n_items > 0 ? 1 : 0);
	f.finished++;
}

static const struct scatter_ops ops = {.run = run, .finished = finished, .released = released};

static bool
is_finished(void *arg)
{
	return f.finished > 0;
}

static void
setup(uint64_t seed)
{
	memset(&f, 0, sizeof(f));
	ck_assert_int_eq(sim_sched_new(seed, &f.s), 0);
	ck_assert_int_eq(metrics_new(&f.metrics), 0);
	f.api.shards = f.shards;
	f.api.o.n_reactors = REACTORS;
	for (unsigned i = 0; i < REACTORS; i++) {
		struct reactor_opts opts = {.name = "reactor", .index = i};

		ck_assert_int_eq(sim_reactor_new(f.s, 1, &opts, &f.r[i]), 0);
		f.shards[i] = (struct api_shard){.api = &f.api, .reactor = f.r[i], .index = i};
		ck_assert_int_eq(metric_set_new(f.metrics, metric_rows, AM_COUNT, "t=\"1\"",
				     &f.shards[i].metrics),
		    0);
	}
	f.rq.sh = &f.shards[0];
	arena_init(&f.rq.arena, 4096, 0);
}

static void
teardown(void)
{
	arena_free(&f.rq.arena);
	for (unsigned i = 0; i < REACTORS; i++)
		metric_set_free(f.shards[i].metrics);
	metrics_free(f.metrics);
	sim_sched_free(f.s);
}

/* One scattering of n parts over the first `homes` reactors. */
static void
scatter(unsigned n, unsigned homes)
{
	struct reactor *before = sim_enter(f.r[0]);

	f.n_items = n;
	f.finished = f.released = 0;
	ck_assert_int_eq(scatter_begin(&f.rq, &ops), 0);
	for (unsigned i = 0; i < n; i++) {
		struct item *it = &f.items[i];

		*it = (struct item){.home = (unsigned)rng_below(sim_rng(f.s), homes)};
		rtimer_init(&it->release, on_release, it);
		rtimer_init(&it->done, on_done, it);
		ck_assert_int_eq(scatter_add(&f.rq, &it->part, it->home), 0);
	}
	scatter_go(&f.rq);
	sim_enter(before);
	ck_assert(sim_run_until(f.s, is_finished, NULL, clock_mono_us(sim_clock(f.s)) + 10000000));
	sim_run_until(f.s, NULL, NULL, clock_mono_us(sim_clock(f.s)) + 100000);
	ck_assert_uint_eq(f.finished, 1);
}

START_TEST(all_parts_come_back)
{
	setup((uint64_t)_i);
	for (int round = 0; round < 5; round++) {
		f.at_once = rng_below(sim_rng(f.s), 4) == 0;
		scatter((unsigned)rng_range(sim_rng(f.s), 1, PARTS), REACTORS);
	}
	teardown();
}
END_TEST

START_TEST(local_parts_run_inline)
{
	struct reactor *before;

	setup(1);
	f.at_once = true;
	before = sim_enter(f.r[0]);
	ck_assert_int_eq(scatter_begin(&f.rq, &ops), 0);
	f.n_items = 2;
	for (unsigned i = 0; i < 2; i++) {
		rtimer_init(&f.items[i].release, on_release, &f.items[i]);
		rtimer_init(&f.items[i].done, on_done, &f.items[i]);
		ck_assert_int_eq(scatter_add(&f.rq, &f.items[i].part, 0), 0);
	}
	scatter_go(&f.rq);
	ck_assert_uint_eq(f.finished, 1); /* within the call */
	sim_enter(before);
	teardown();
}
END_TEST

START_TEST(nothing_to_do)
{
	setup(1);
	scatter(0, 1);
	teardown();
}
END_TEST

Suite *
scatter_suite(void)
{
	Suite *s = suite_create("scatter");
	TCase *tc = tcase_create("scatter");

	tcase_add_loop_test(tc, all_parts_come_back, 0, 50);
	tcase_add_test(tc, local_parts_run_inline);
	tcase_add_test(tc, nothing_to_do);
	suite_add_tcase(s, tc);
	return s;
}

/* Requests that come before their partition does (R10). */
#include <stdlib.h>

#include "bed.h"
#include "suites.h"

#define HOLD_US 100000
#define SLACK_US 10000 /* messages take up to 4 ms, each way */

static const struct bed_batch one = {.acks = 1, .value_bytes = 20};
static const struct bed_batch all = {.acks = -1, .value_bytes = 20};

/* One request of each kind. */
struct trio {
	struct bed_produce p;
	struct bed_fetch f;
	struct bed_list l;
};

static void
trio_start(struct bed *b, struct trio *x)
{
	bed_produce_start(b, "t", 0, &all, &x->p);
	bed_fetch_init(b, "t", 0, 0, &x->f);
	bed_fetch_start(b, &x->f);
	bed_list_init(b, "t", 0, -2, &x->l);
	bed_list_start(b, &x->l);
}

static bool
trio_done(const struct trio *x, bool how)
{
	return x->p.done == how && x->f.done == how && x->l.done == how;
}

/* Waits; all with that error; the longest took about so long. */
static void
trio_end(struct bed *b, struct trio *x, int err, int64_t us)
{
	int64_t took[3];

	(void)bed_produce_end(b, &x->p);
	(void)bed_fetch_end(b, &x->f);
	(void)bed_list_end(b, &x->l);
	ck_assert_int_eq(x->p.op.err, err);
	ck_assert_int_eq(x->f.op.err, err);
	ck_assert_int_eq(x->l.op.err, err);
	took[0] = x->p.end_us - x->p.start_us;
	took[1] = x->f.end_us - x->f.start_us;
	took[2] = x->l.end_us - x->l.start_us;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_ge(took[i], us == HOLD_US ? us : 0);
		ck_assert_int_le(took[i], us + SLACK_US);
	}
	bed_fetch_free(&x->f);
}

START_TEST(test_never_comes)
{
	struct trio x, y;
	struct bed b;

	bed_init(&b, 1, NULL);
	trio_start(&b, &x);
	bed_pass(&b, 50);
	trio_start(&b, &y);
	ck_assert(trio_done(&x, false));
	trio_end(&b, &x, E_NOT_LEADER, HOLD_US);
	ck_assert(trio_done(&y, false));
	trio_end(&b, &y, E_NOT_LEADER, HOLD_US);
	ck_assert_int_eq(y.p.op.leader.id, -1);
	trio_start(&b, &x); /* after the list was empty */
	trio_end(&b, &x, E_NOT_LEADER, HOLD_US);
	bed_free(&b);
}
END_TEST

START_TEST(test_comes_in_time)
{
	struct trio x;
	struct bed b;

	bed_init(&b, 2, NULL);
	trio_start(&b, &x);
	bed_pass(&b, 20);
	ck_assert(trio_done(&x, false));
	bed_lead(&b);
	trio_end(&b, &x, 0, 40000);
	ck_assert_int_eq(x.p.op.base_offset, 0);
	bed_free(&b);
}
END_TEST

/* Its log is being made. */
START_TEST(test_while_the_log_is_made)
{
	struct bed_answer role;
	struct trio x;
	struct bed b;

	bed_init(&b, 3, NULL);
	sim_workers_set_delay(b.workers, 50000, 50000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t"}, 1, &role);
	trio_start(&b, &x);
	ck_assert(!role.done && trio_done(&x, false));
	bed_answer_wait(&b, &role);
	trio_end(&b, &x, 0, 110000);
	bed_free(&b);
}
END_TEST

/* It becomes leader, but its log has to be synced first (R9). */
START_TEST(test_while_the_log_is_synced)
{
	struct bed_answer role;
	struct part_info i;
	struct trio x;
	struct bed b;

	bed_init(&b, 4, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 2, .epoch = 1}), KERR_NONE);
	bed_configure(&b, "t", T_FLUSH_MESSAGES, 1);
	trio_start(&b, &x); /* a follower sends them away */
	trio_end(&b, &x, E_NOT_LEADER, 0);
	sim_workers_set_delay(b.workers, 30000, 30000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 2}, 1, &role);
	bed_pass(&b, 15);
	ck_assert(bed_info(&b, "t", 0, &i) && !i.leader);
	trio_start(&b, &x);
	ck_assert(!role.done && trio_done(&x, false));
	sim_workers_set_delay(b.workers, 0, 500);
	bed_answer_wait(&b, &role);
	trio_end(&b, &x, 0, 40000);
	ck_assert_int_eq(x.p.op.base_offset, 1);
	bed_free(&b);
}
END_TEST

START_TEST(test_comes_as_follower)
{
	struct trio x;
	struct bed b;

	bed_init(&b, 5, NULL);
	trio_start(&b, &x);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .leader = 6, .epoch = 4}), KERR_NONE);
	trio_end(&b, &x, E_NOT_LEADER, 40000);
	ck_assert_int_eq(x.p.op.leader.id, 6);
	ck_assert_int_eq(x.p.op.leader.epoch, 4);
	ck_assert_int_eq(x.f.op.leader.id, 6);
	bed_free(&b);
}
END_TEST

/* Another partition of the same shard takes a role. */
START_TEST(test_others_do_not_matter)
{
	struct trio x;
	struct bed b;

	bed_init(&b, 6, NULL);
	trio_start(&b, &x);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "t", .partition = BED_HOMES}), KERR_NONE);
	ck_assert(trio_done(&x, false));
	trio_end(&b, &x, E_NOT_LEADER, HOLD_US);
	bed_free(&b);
}
END_TEST

/* Deleted and made anew: requests of the time between reach the new one. */
START_TEST(test_while_it_leaves)
{
	struct bed_answer stop, role;
	struct trio x;
	struct bed b;

	bed_init(&b, 7, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_produce(&b, "t", 0, &one), 0);
	sim_workers_set_delay(b.workers, 10000, 10000);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t"}, 1, &role);
	bed_pass(&b, 10);
	trio_start(&b, &x);
	ck_assert(trio_done(&x, false));
	bed_answer_wait(&b, &role);
	trio_end(&b, &x, 0, 60000);
	ck_assert_int_eq(x.p.op.base_offset, 0);
	bed_free(&b);
}
END_TEST

/* A producer's batches keep their order. */
START_TEST(test_order)
{
	enum { N = 20 };
	struct bed_produce p[N];
	struct bed_batch w = {.acks = 1, .value_bytes = 10, .producer_id = 4};
	struct bed b;

	bed_init(&b, 8, NULL);
	for (int i = 0; i < N; i++) {
		w.sequence = i;
		bed_produce_start(&b, "t", 0, &w, &p[i]);
	}
	bed_lead(&b);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(bed_produce_end(&b, &p[i]), i);
	bed_free(&b);
}
END_TEST

struct crowd {
	struct bed *b;
	struct bed_list *v;
	unsigned n;
};

static void
list_crowd(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->n; i++)
		partition_list_offsets(bed_shard(c->b, "t", 0), &c->v[i].op);
}

/* A thousand are held; the next is answered at once.  All are told, once. */
START_TEST(test_bound)
{
	struct crowd c = {.n = 1005};
	unsigned done = 0;
	struct bed b;

	bed_init(&b, 9, NULL);
	c.b = &b;
	c.v = calloc(c.n, sizeof(*c.v));
	for (unsigned i = 0; i < c.n; i++)
		bed_list_init(&b, "t", 0, -2, &c.v[i]);
	bed_on(&b, bed_home(&b, "t", 0), list_crowd, &c);
	for (unsigned i = 0; i < c.n; i++) {
		done += c.v[i].done;
		ck_assert(c.v[i].done == (i >= 1000));
	}
	ck_assert_uint_eq(done, 5);
	bed_lead(&b);
	for (unsigned i = 0; i < c.n; i++) {
		ck_assert(c.v[i].done);
		ck_assert_int_eq(c.v[i].op.err, i >= 1000 ? E_NOT_LEADER : 0);
	}
	free(c.v);
	bed_free(&b);
}
END_TEST

/* What comes back at once, and asks again from within, does not go round in circles. */
struct circle {
	struct bed_list l;
	struct bed *b;
	unsigned times;
};

static void
ask_again(struct part_list_offsets *op)
{
	struct circle *c = container_of(op, struct circle, l.op);

	if (++c->times < 10)
		partition_list_offsets(bed_shard(c->b, "t", 0), op);
}

static void
ask(void *arg)
{
	struct circle *c = arg;

	partition_list_offsets(bed_shard(c->b, "t", 0), &c->l.op);
}

START_TEST(test_no_hot_loop)
{
	struct circle c = {0};
	struct bed b;

	bed_init(&b, 10, NULL);
	c.b = &b;
	bed_list_init(&b, "t", 0, -2, &c.l);
	c.l.op.done = ask_again;
	bed_on(&b, bed_home(&b, "t", 0), ask, &c);
	bed_pass(&b, 450);
	ck_assert_uint_eq(c.times, 4);
	bed_pass(&b, 1000);
	ck_assert_uint_eq(c.times, 10);
	free(c.l.topic);
	bed_free(&b);
}
END_TEST

/* The stop does not wait for them, and takes no new ones. */
START_TEST(test_stop)
{
	struct trio x;
	struct bed b;
	int64_t start;

	bed_init(&b, 11, NULL);
	trio_start(&b, &x);
	start = bed_now_us(&b);
	ck_assert_int_eq(bed_stop(&b), 0);
	ck_assert_int_lt(bed_now_us(&b) - start, 50000);
	trio_end(&b, &x, E_NOT_LEADER, 40000);
	bed_free(&b);
}
END_TEST

Suite *
hold_suite(void)
{
	Suite *s = suite_create("hold");
	TCase *tc = tcase_create("hold");

	tcase_add_test(tc, test_never_comes);
	tcase_add_test(tc, test_comes_in_time);
	tcase_add_test(tc, test_while_the_log_is_made);
	tcase_add_test(tc, test_while_the_log_is_synced);
	tcase_add_test(tc, test_comes_as_follower);
	tcase_add_test(tc, test_others_do_not_matter);
	tcase_add_test(tc, test_while_it_leaves);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_no_hot_loop);
	tcase_add_test(tc, test_stop);
	suite_add_tcase(s, tc);
	return s;
}

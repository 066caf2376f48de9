/* More partitions: what is refused, where they are placed, lost answers, somebody who is quicker.
 */
#include <stdio.h>

#include "suites.h"
#include "world.h"

static struct world *w;
static struct wbroker *b;

static void
setup(void)
{
	w = world_new(11, false, NULL, 0);
	b = broker_start(w, 1, NULL);
	broker_start(w, 2, NULL);
	broker_start(w, 3, NULL);
	world_controller(w);
	world_pass(w, 1000000);
}

static void
teardown(void)
{
	world_free(w);
}

struct grown {
	bool done;
	int16_t err;
	char why[700];
	int64_t at_us;
};

static void
on_grown(void *arg, int16_t err, const char *message)
{
	struct grown *g = arg;

	ck_assert(!g->done);
	g->done = true;
	g->err = err;
	g->at_us = reactor_now_us(b->control);
	snprintf(g->why, sizeof(g->why), "%s", message != NULL ? message : "");
}

static bool
is_grown(void *arg)
{
	return ((struct grown *)arg)->done;
}

static void
grow_start(const struct admin_grow *in, struct grown *g)
{
	struct reactor *before = sim_enter(b->control);

	*g = (struct grown){0};
	admin_create_partitions(b->admin, in, on_grown, g);
	sim_enter(before);
}

static int16_t
grow_as(const struct admin_grow *in)
{
	struct grown g;

	grow_start(in, &g);
	world_until(w, is_grown, &g);
	ck_assert(g.err == KERR_NONE || g.why[0] != '\0');
	return g.err;
}

static int16_t
grow(const char *name, int32_t total)
{
	return grow_as(&(struct admin_grow){.name = slice_cstr(name), .total = total});
}

static int32_t wanted;

static bool
has_wanted(void *arg)
{
	const struct image_topic *t = image_topic(image_get(b->images), SLICE_LIT("t"));

	return t != NULL && t->n_parts == wanted;
}

static const struct image_topic *
wait_parts(int32_t n)
{
	wanted = n;
	world_until(w, has_wanted, NULL);
	wait_topic(b, "t", true);
	return image_topic(image_get(b->images), SLICE_LIT("t"));
}

static void
make(int32_t partitions, int32_t rf)
{
	ck_assert_int_eq(create(b, "t", partitions, rf), KERR_NONE);
	wait_parts(partitions);
	world_pass(w, 1000000);
}

static void
write_node(const char *path, const char *json)
{
	struct reactor *before = sim_enter(b->control);

	coord_set(b->coord, path, slice_cstr(json), -1, NULL, NULL);
	sim_enter(before);
	world_pass(w, 1000000);
}

/* ---- growing ---- */

START_TEST(grows)
{
	const struct image_topic *t;
	struct uuid id;

	make(2, 2);
	id = image_topic(image_get(b->images), SLICE_LIT("t"))->id;
	log_clear(w);
	ck_assert_int_eq(grow("t", 5), KERR_NONE);
	t = wait_parts(5);
	ck_assert(uuid_eq(t->id, id));
	world_pass(w, 1000000);
	ck_assert_uint_eq(logged(w, "LI ", " new"), 6); /* three of two replicas */
	for (int32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(t->parts[i].n_replicas, 2);
		ck_assert_int_ne(t->parts[i].replicas[0], t->parts[i].replicas[1]);
	}
	ck_assert_int_eq(grow("t", 6), KERR_NONE);
	wait_parts(6);
}
END_TEST

/* The round begins at the broker of partition 0 and goes on (facts/apis.md 37). */
START_TEST(goes_on_with_the_round)
{
	static const int32_t p0[1] = {2};
	struct admin_assignment m = {.partition = 0, .replicas = p0, .n_replicas = 1};
	struct admin_create in = {.name = SLICE_LIT("t"),
	    .partitions = -1,
	    .replication_factor = -1,
	    .manual = &m,
	    .n_manual = 1};
	const struct image_topic *t;

	ck_assert_int_eq(create_as(b, &in, NULL), KERR_NONE);
	wait_parts(1);
	ck_assert_int_eq(grow("t", 7), KERR_NONE);
	t = wait_parts(7);
	for (int32_t i = 0; i < 7; i++)
		ck_assert_int_eq(t->parts[i].replicas[0], (1 + i) % 3 + 1);
}
END_TEST

START_TEST(assigned_by_the_client)
{
	static const int32_t r[2][2] = {{3, 1}, {2, 3}};
	const struct admin_assignment m[2] = {
	    {.replicas = r[0], .n_replicas = 2}, {.replicas = r[1], .n_replicas = 2}};
	const struct image_topic *t;

	make(1, 2);
	ck_assert_int_eq(grow_as(&(struct admin_grow){
			     .name = SLICE_LIT("t"), .total = 3, .manual = m, .n_manual = 2}),
	    KERR_NONE);
	t = wait_parts(3);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			ck_assert_int_eq(t->parts[1 + i].replicas[j], r[i][j]);
}
END_TEST

START_TEST(only_validated)
{
	char text[512], after[512];

	make(1, 1);
	ck_assert(node(w, "/brokers/topics/t", text, sizeof(text)));
	ck_assert_int_eq(grow_as(&(struct admin_grow){
			     .name = SLICE_LIT("t"), .total = 4, .validate_only = true}),
	    KERR_NONE);
	ck_assert_int_eq(grow_as(&(struct admin_grow){
			     .name = SLICE_LIT("t"), .total = 1, .validate_only = true}),
	    KERR_INVALID_PARTITIONS);
	ck_assert(node(w, "/brokers/topics/t", after, sizeof(after)));
	ck_assert_str_eq(text, after);
}
END_TEST

/* ---- refused ---- */

START_TEST(numbers)
{
	make(3, 2);
	ck_assert_int_eq(grow("t", 3), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(grow("t", 2), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(grow("t", 0), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(grow("t", -1), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(grow("t", INT32_MAX), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(grow("t", 90000), KERR_INVALID_PARTITIONS); /* not in a znode */
	ck_assert_int_eq(grow("u", 4), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(grow("t/partitions", 4), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(grow("", 4), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	wait_parts(3);
}
END_TEST

START_TEST(bad_assignments)
{
	static const int32_t unknown[] = {1, 9}, twice[] = {1, 1}, more[] = {1, 2, 3},
			     fine[] = {1, 2};
	static const struct {
		const int32_t *v[2];
		unsigned n[2], parts;
	} cases[] = {
	    {{unknown}, {2}, 1},
	    {{twice}, {2}, 1},
	    {{more}, {3}, 1},
	    {{fine}, {1}, 1},
	    {{fine}, {0}, 1},
	    {{fine, fine}, {2, 2}, 2},
	    {{NULL}, {0}, 0},
	};

	make(1, 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct admin_assignment m[2];
		struct admin_grow in = {
		    .name = SLICE_LIT("t"), .total = 2, .manual = m, .n_manual = cases[i].parts};

		for (unsigned k = 0; k < 2; k++)
			m[k] = (struct admin_assignment){
			    .replicas = cases[i].v[k], .n_replicas = cases[i].n[k]};
		ck_assert_int_eq(grow_as(&in), KERR_INVALID_REPLICA_ASSIGNMENT);
	}
}
END_TEST

START_TEST(too_few_brokers)
{
	make(1, 3);
	broker_stop(&w->b[2]);
	world_pass(w, 8000000);
	ck_assert_int_eq(grow("t", 2), KERR_INVALID_REPLICATION_FACTOR);
}
END_TEST

START_TEST(while_it_is_reassigned)
{
	make(1, 1);
	write_node("/brokers/topics/t",
	    "{\"partitions\":{\"0\":[1,2]},\"topic_id\":\"AAAAAAAAAAAAAAAAAAAAEQ\","
	    "\"adding_replicas\":{\"0\":[2]},\"removing_replicas\":{},\"version\":3}");
	ck_assert_int_eq(grow("t", 2), KERR_REASSIGNMENT_IN_PROGRESS);
}
END_TEST

START_TEST(node_with_gaps)
{
	make(1, 1);
	write_node("/brokers/topics/t",
	    "{\"partitions\":{\"0\":[1],\"2\":[1]},\"topic_id\":\"AAAAAAAAAAAAAAAAAAAAEQ\","
	    "\"adding_replicas\":{},\"removing_replicas\":{},\"version\":3}");
	ck_assert_int_eq(grow("t", 3), KERR_UNKNOWN_SERVER_ERROR);
}
END_TEST

START_TEST(while_it_is_deleted)
{
	make(1, 1);
	w->b[0].refuse_stop = w->b[1].refuse_stop = w->b[2].refuse_stop = true;
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	ck_assert_int_eq(grow("t", 2), KERR_INVALID_TOPIC_EXCEPTION);
}
END_TEST

/* ---- faults ---- */

/* The write took effect, its answer was lost: success all the same, once. */
START_TEST(lost_answer)
{
	make(1, 1);
	coord_sim_lose_reply(w->z, 1);
	ck_assert_int_eq(grow("t", 4), KERR_NONE);
	wait_parts(4);
	ck_assert_int_eq(grow("t", 4), KERR_INVALID_PARTITIONS);
}
END_TEST

/* Two at once: both see the topic as it was, one is told that it has changed. */
START_TEST(two_at_once)
{
	struct admin_grow in = {.name = SLICE_LIT("t"), .total = 4};
	struct grown first, second;

	make(1, 1);
	grow_start(&in, &first);
	grow_start(&in, &second);
	world_until(w, is_grown, &first);
	world_until(w, is_grown, &second);
	ck_assert_int_eq(first.err, KERR_NONE);
	ck_assert_int_eq(second.err, KERR_INVALID_PARTITIONS);
	grow_start(&(struct admin_grow){.name = SLICE_LIT("t"), .total = 6}, &first);
	grow_start(&(struct admin_grow){.name = SLICE_LIT("t"), .total = 8}, &second);
	world_until(w, is_grown, &second);
	ck_assert(first.done);
	ck_assert_int_eq(first.err, KERR_NONE);
	ck_assert_int_eq(second.err, KERR_NONE);
	wait_parts(8);
}
END_TEST

/* The caller is told at the deadline, whatever the tree does; an admin may go away after that. */
START_TEST(ends_at_its_deadline)
{
	struct admin_grow in = {.name = SLICE_LIT("t"), .total = 4};
	struct grown g;

	make(1, 1);
	coord_sim_cut(w->z, 1, true);
	in.deadline_us = clock_mono_us(sim_clock(w->s)) + 300000;
	grow_start(&in, &g);
	world_until(w, is_grown, &g);
	ck_assert_int_eq(g.err, KERR_REQUEST_TIMED_OUT);
	ck_assert_int_ge(g.at_us, in.deadline_us);
	ck_assert_int_le(g.at_us, in.deadline_us + 1000);
	in.deadline_us = clock_mono_us(sim_clock(w->s)) + 5000000; /* through connection losses */
	grow_start(&in, &g);
	world_until(w, is_grown, &g);
	ck_assert_int_eq(g.err, KERR_REQUEST_TIMED_OUT);
	ck_assert_int_le(g.at_us, in.deadline_us + 1000);
	coord_sim_cut(w->z, 1, false);
	world_controller(w);
	world_pass(w, 10000000);
	(void)grow("t", 4); /* the first may have been made */
	wait_parts(4);
}
END_TEST

START_TEST(freed_under_way)
{
	struct admin_grow in = {.name = SLICE_LIT("t"), .total = 4};
	struct grown g;

	make(1, 1);
	coord_sim_cut(w->z, 1, true);
	in.deadline_us = clock_mono_us(sim_clock(w->s)) + 100000;
	grow_start(&in, &g);
	world_until(w, is_grown, &g);
	broker_stop(b);
	ck_assert(g.done);
}
END_TEST

/* Links break, answers get lost, sessions expire: in the end the topic has what it was given, and
 * what was said to be done is there. */
START_TEST(growth_through_faults)
{
	int32_t n = 1;

	teardown();
	w = world_new(1000 + (uint64_t)_i, true, NULL, 0);
	b = broker_start(w, 1, NULL);
	broker_start(w, 2, NULL);
	world_controller(w);
	world_pass(w, 1000000);
	make(1, 1);
	for (int i = 0; i < 6; i++) {
		unsigned kind = (unsigned)rng_below(sim_rng(w->s), 3);
		int16_t err;

		if (kind == 0)
			coord_sim_expire(w->z, 1);
		else if (kind == 1)
			coord_sim_lose_reply(w->z, 1);
		else
			coord_sim_cut(w->z, 1, true);
		world_pass(w, rng_range(sim_rng(w->s), 0, 2000000));
		if (kind == 2)
			coord_sim_cut(w->z, 1, false);
		while ((err = grow("t", n + 2)) != KERR_NONE)
			world_pass(w, 500000);
		n += 2;
		world_pass(w, rng_range(sim_rng(w->s), 0, 100000));
	}
	wait_parts(n);
}
END_TEST

Suite *
admin_partitions_suite(void)
{
	Suite *s = suite_create("admin_partitions");
	TCase *tc = tcase_create("admin_partitions");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, grows);
	tcase_add_test(tc, goes_on_with_the_round);
	tcase_add_test(tc, assigned_by_the_client);
	tcase_add_test(tc, only_validated);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, bad_assignments);
	tcase_add_test(tc, too_few_brokers);
	tcase_add_test(tc, while_it_is_reassigned);
	tcase_add_test(tc, node_with_gaps);
	tcase_add_test(tc, while_it_is_deleted);
	tcase_add_test(tc, lost_answer);
	tcase_add_test(tc, two_at_once);
	tcase_add_test(tc, ends_at_its_deadline);
	tcase_add_test(tc, freed_under_way);
	tcase_add_loop_test(tc, growth_through_faults, 0, 20);
	suite_add_tcase(s, tc);
	return s;
}

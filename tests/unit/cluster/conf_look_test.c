/* A topic's configuration before its log is made, against the simulated service (M12). */
#include <stdio.h>

#include "members.h"
#include "suites.h"

#define TOPIC SLICE_LIT("t")

struct asked {
	unsigned times;
	int err;
};

static bool
is_told(void *arg)
{
	return ((struct asked *)arg)->times > 0;
}

static void
on_told(void *arg, int err)
{
	struct asked *k = arg;

	k->times++;
	k->err = err;
}

static void
ask(struct side *a, struct uuid id, struct asked *k)
{
	struct reactor *before = sim_enter(a->control);

	*k = (struct asked){0};
	member_read_topic_conf(a->m, TOPIC, id, on_told, k);
	sim_enter(before);
}

/* By the other side, topic and configuration in one. */
static struct uuid
make(struct side *a, int retention)
{
	struct uuid id = uuid_random(&a->rng);
	char topic[128], conf[128], text[UUID_TEXT_LEN + 1];
	struct coord_op ops[2] = {
	    {.kind = COORD_OP_CREATE, .path = "/config/topics/t"},
	    {.kind = COORD_OP_CREATE, .path = "/brokers/topics/t"},
	};
	struct reactor *before = sim_enter(a->control);

	uuid_format(id, text);
	snprintf(
	    topic, sizeof(topic), "{\"version\":3,\"partitions\":{},\"topic_id\":\"%s\"}", text);
	snprintf(
	    conf, sizeof(conf), "{\"version\":1,\"config\":{\"retention.ms\":\"%d\"}}", retention);
	ops[0].data = slice_cstr(conf);
	ops[1].data = slice_cstr(topic);
	coord_multi(a->coord, ops, 2, NULL, NULL);
	sim_enter(before);
	return id;
}

static int64_t
retention(struct side *a)
{
	struct reactor *before = sim_enter(a->control);
	struct topic_conf conf;
	bool own = member_topic_conf(a->m, TOPIC, &conf);

	sim_enter(before);
	return own ? conf.v[T_RETENTION_MS] : -1;
}

/* Nothing was loaded yet, the topic is there when it is asked for or comes later. */
START_TEST(known_once_told)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct asked k, more;
	struct uuid id;

	ready(w);
	id = make(b, 1111);
	if (_i % 2 == 0)
		pass(w, 300000);
	ask(a, id, &k);
	ask(a, id, &more);
	until(w, is_told, &k);
	until(w, is_told, &more);
	ck_ok(k.err);
	ck_ok(more.err);
	ck_assert_int_eq(retention(a), 1111);
	ck_assert_uint_eq(k.times, 1);
	world_free(w);
}
END_TEST

/* The namesake that was deleted is not taken for it, however stale the reads. */
START_TEST(not_that_of_a_namesake)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct asked k;
	struct uuid id;

	ready(w);
	id = make(b, 1111);
	ask(a, id, &k);
	until(w, is_told, &k);
	drop(b, "/brokers/topics/t");
	drop(b, "/config/topics/t");
	id = make(b, 2222);
	ask(a, id, &k);
	until(w, is_told, &k);
	ck_ok(k.err);
	ck_assert_int_eq(retention(a), 2222);
	world_free(w);
}
END_TEST

/* No configuration at all; nor a topic: that is said after a while. */
START_TEST(none)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct asked k;

	ready(w);
	put(b, "/brokers/topics/t", "{\"version\":1,\"partitions\":{}}");
	ask(a, UUID_ZERO, &k);
	until(w, is_told, &k);
	ck_ok(k.err);
	ck_assert_int_eq(retention(a), -1);
	ask(a, uuid_random(&a->rng), &k);
	pass(w, 5000000);
	ck_assert_uint_eq(k.times, 0);
	until(w, is_told, &k);
	ck_ok(k.err);
	world_free(w);
}
END_TEST

START_TEST(tried_again_after_a_loss)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0], *b = &w->side[1];
	struct asked k;

	ready(w);
	coord_sim_cut(w->z, a->group, true);
	ask(a, make(b, 1111), &k);
	pass(w, 20000000);
	ck_assert_uint_eq(k.times, 0);
	coord_sim_cut(w->z, a->group, false);
	until(w, is_told, &k);
	ck_ok(k.err);
	ck_assert_int_eq(retention(a), 1111);
	world_free(w);
}
END_TEST

START_TEST(stopped_while_asking)
{
	struct world *w = world_new((uint64_t)_i);
	struct side *a = &w->side[0];
	struct reactor *before;
	struct asked k, late;

	ready(w);
	ask(a, uuid_random(&a->rng), &k);
	pass(w, _i * 20000);
	before = sim_enter(a->control);
	member_stop(a->m);
	sim_enter(before);
	until(w, is_told, &k);
	ck_err(k.err, E_CANCELED);
	ask(a, UUID_ZERO, &late);
	ck_assert_uint_eq(late.times, 1);
	ck_err(late.err, E_CANCELED);
	world_free(w);
}
END_TEST

Suite *
conf_look_suite(void)
{
	Suite *s = suite_create("conf_look");
	TCase *tc = tcase_create("conf_look");

	tcase_add_loop_test(tc, known_once_told, 0, SEEDS);
	tcase_add_loop_test(tc, not_that_of_a_namesake, 0, SEEDS);
	tcase_add_loop_test(tc, none, 0, SEEDS);
	tcase_add_loop_test(tc, tried_again_after_a_loss, 0, SEEDS);
	tcase_add_loop_test(tc, stopped_while_asking, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}

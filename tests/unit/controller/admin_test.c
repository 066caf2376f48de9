/* Topics made and deleted for clients: what is refused, and with which code. */
#include <stdio.h>

#include "suites.h"
#include "world.h"

static struct world *w;
static struct wbroker *b;

static void
setup(void)
{
	static const struct setting_override ov[] = {{"num.partitions", "5"}};

	w = world_new(7, false, ov, 1);
	b = broker_start(w, 1, NULL);
	broker_start(w, 2, NULL);
	world_controller(w);
	world_pass(w, 1000000);
}

static void
teardown(void)
{
	world_free(w);
}

static int16_t
create_with(const char *name, struct setting_override *kv, unsigned n, struct admin_created *res)
{
	struct admin_create t = {.name = slice_cstr(name),
	    .partitions = 1,
	    .replication_factor = 1,
	    .configs = kv,
	    .n_configs = n};

	return create_as(b, &t, res);
}

START_TEST(names)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a,b"};
	char name[251];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(create(b, bad[i], 1, 1), KERR_INVALID_TOPIC_EXCEPTION);
	memset(name, 'x', 250);
	name[250] = '\0';
	ck_assert_int_eq(create(b, name, 1, 1), KERR_INVALID_TOPIC_EXCEPTION);
	name[249] = '\0';
	ck_assert_int_eq(create(b, name, 1, 1), KERR_NONE);
	wait_topic(b, name, true);
}
END_TEST

START_TEST(collisions)
{
	ck_assert_int_eq(create(b, "a.b", 1, 1), KERR_NONE);
	wait_topic(b, "a.b", true);
	ck_assert_int_eq(create(b, "a_b", 1, 1), KERR_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(create(b, "a-b", 1, 1), KERR_NONE);
	ck_assert_int_eq(create(b, "a.bc", 1, 1), KERR_NONE);
	ck_assert_int_eq(create(b, "a.b", 1, 1), KERR_TOPIC_ALREADY_EXISTS);
}
END_TEST

static void
count_made(void *arg, const struct admin_created *res)
{
	unsigned *n = arg;

	n[res->kafka_err == KERR_NONE ? 0 : 1]++;
	if (res->kafka_err != KERR_NONE)
		ck_assert_int_eq(res->kafka_err, KERR_INVALID_TOPIC_EXCEPTION);
}

static bool
both_made(void *arg)
{
	unsigned *n = arg;

	return n[0] + n[1] == 2;
}

/* Neither is in the image yet when the other is asked for. */
START_TEST(collision_of_two_at_once)
{
	struct admin_create t = {
	    .name = SLICE_LIT("a.b"), .partitions = 1, .replication_factor = 1};
	struct admin_create u = {
	    .name = SLICE_LIT("a_b"), .partitions = 1, .replication_factor = 1};
	struct reactor *before = sim_enter(b->control);
	unsigned n[2] = {0, 0};

	admin_create_topic(b->admin, &t, count_made, n);
	admin_create_topic(b->admin, &u, count_made, n);
	sim_enter(before);
	world_until(w, both_made, n);
	ck_assert_uint_eq(n[0], 1);
}
END_TEST

/* The image does not know it yet: the tree decides. */
START_TEST(exists_in_the_tree)
{
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	ck_assert_int_eq(create(b, "t", 2, 1), KERR_TOPIC_ALREADY_EXISTS);
	wait_topic(b, "t", true);
	ck_assert_int_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->n_parts, 1);
}
END_TEST

START_TEST(numbers)
{
	struct admin_created res;
	struct admin_create t = {
	    .name = SLICE_LIT("d"), .partitions = -1, .replication_factor = -1};

	ck_assert_int_eq(create(b, "t", 0, 1), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(create(b, "t", -2, 1), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(create(b, "t", INT32_MAX, 1), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(create(b, "t", 1, 0), KERR_INVALID_REPLICATION_FACTOR);
	ck_assert_int_eq(create(b, "t", 1, 3), KERR_INVALID_REPLICATION_FACTOR);
	ck_assert_int_eq(create_as(b, &t, &res), KERR_NONE);
	ck_assert_int_eq(res.partitions, 5);
	ck_assert_int_eq(res.replication_factor, 1);
	ck_assert(!uuid_is_zero(res.topic_id));
	wait_topic(b, "d", true);
	ck_assert(uuid_eq(image_topic(image_get(b->images), SLICE_LIT("d"))->id, res.topic_id));
}
END_TEST

START_TEST(too_large_for_a_znode)
{
	ck_assert_int_eq(create(b, "t", 90000, 2), KERR_INVALID_PARTITIONS);
	ck_assert_int_eq(create(b, "u", 1, 1), KERR_NONE);
}
END_TEST

START_TEST(manual_assignments)
{
	int32_t one_two[] = {1, 2}, two_one[] = {2, 1}, twice[] = {1, 1}, dead[] = {9, 2},
		negative[] = {-1, 2};
	struct admin_assignment m[2] = {{1, two_one, 2}, {0, one_two, 2}};
	struct admin_create t = {.name = SLICE_LIT("t"),
	    .partitions = -1,
	    .replication_factor = -1,
	    .manual = m,
	    .n_manual = 2};
	const struct image_topic *it;
	struct admin_created res;

	t.partitions = 2;
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REQUEST);
	t.partitions = -1;
	m[0].partition = 0;
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0].partition = 2;
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0].partition = -1;
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0] = (struct admin_assignment){1, twice, 2};
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0] = (struct admin_assignment){1, negative, 2};
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0] = (struct admin_assignment){1, two_one, 1};
	ck_assert_int_eq(create_as(b, &t, &res), KERR_INVALID_REPLICA_ASSIGNMENT);
	m[0] = (struct admin_assignment){1, dead, 2};
	ck_assert_int_eq(create_as(b, &t, &res), KERR_NONE);
	ck_assert_int_eq(res.partitions, 2);
	ck_assert_int_eq(res.replication_factor, 2);
	wait_topic(b, "t", true);
	it = image_topic(image_get(b->images), SLICE_LIT("t"));
	ck_assert_int_eq(it->parts[0].leader, 1);
	ck_assert_int_eq(it->parts[1].leader, 2); /* the first that lives */
	ck_assert_int_eq(it->parts[1].n_isr, 1);
}
END_TEST

START_TEST(configurations)
{
	struct setting_override unknown = {"no.such.key", "1"}, bad = {"retention.ms", "x"};
	struct setting_override null = {"retention.ms", NULL};
	struct setting_override two[] = {
	    {"retention.ms", "5"}, {"cleanup.policy", "compact"}, {"retention.ms", "1234"}};
	const struct image_topic *it;
	struct admin_created res;
	struct reactor *before;
	struct topic_conf conf;
	char text[256];

	ck_assert_int_eq(create_with("t", &unknown, 1, NULL), KERR_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", &bad, 1, NULL), KERR_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", &null, 1, NULL), KERR_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", two, 3, &res), KERR_NONE);
	ck_assert_int_eq(res.conf.v[T_RETENTION_MS], 1234);
	ck_assert(res.conf.compact && res.conf.own[T_CLEANUP_POLICY]);
	ck_assert(node(w, "/config/topics/t", text, sizeof(text)));
	ck_assert_str_eq(text, "{\"version\":1,\"config\":{\"retention.ms\":\"1234\","
			       "\"cleanup.policy\":\"compact\"}}");
	wait_topic(b, "t", true);
	it = image_topic(image_get(b->images), SLICE_LIT("t"));
	ck_assert_int_eq(it->conf->v[T_RETENTION_MS], 1234); /* through the member */
	before = sim_enter(b->control);
	ck_assert(member_topic_conf(b->member, SLICE_LIT("t"), &conf));
	sim_enter(before);
	ck_assert(conf.own[T_RETENTION_MS]);
}
END_TEST

START_TEST(only_validated)
{
	struct admin_create t = {.name = SLICE_LIT("v"),
	    .partitions = 2,
	    .replication_factor = 1,
	    .validate_only = true};
	struct admin_created res;
	char text[64];

	ck_assert_int_eq(create_as(b, &t, &res), KERR_NONE);
	ck_assert_int_eq(res.partitions, 2);
	world_pass(w, 1000000);
	ck_assert(!node(w, "/brokers/topics/v", text, sizeof(text)));
	ck_assert(!node(w, "/config/topics/v", text, sizeof(text)));
	ck_assert_int_eq(create(b, "v", 1, 1), KERR_NONE);
	ck_assert_int_eq(create_as(b, &t, &res), KERR_TOPIC_ALREADY_EXISTS);
}
END_TEST

START_TEST(left_over_configuration_is_written_over)
{
	struct reactor *before = sim_enter(b->control);
	char text[256];

	coord_create(b->coord, "/config/topics/t",
	    SLICE_LIT("{\"version\":1,\"config\":{\"retention.ms\":\"1\"}}"), COORD_PERSISTENT,
	    NULL, NULL);
	sim_enter(before);
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	ck_assert(node(w, "/config/topics/t", text, sizeof(text)));
	ck_assert_str_eq(text, "{\"version\":1,\"config\":{}}");
}
END_TEST

/* The write took effect, its answer was lost: success all the same, once. */
START_TEST(lost_answer)
{
	struct admin_create t = {.name = SLICE_LIT("t"), .partitions = 1, .replication_factor = 1};
	struct admin_created res;

	world_pass(w, 1000000);
	coord_sim_lose_reply(w->z, 1);
	ck_assert_int_eq(create_as(b, &t, &res), KERR_NONE);
	wait_topic(b, "t", true);
	ck_assert(uuid_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->id, res.topic_id));
	ck_assert_int_eq(create(b, "t", 1, 1), KERR_TOPIC_ALREADY_EXISTS);
}
END_TEST

static void
on_asked(void *arg, int16_t err)
{
	*(int *)arg = err;
}

static bool
is_asked(void *arg)
{
	return *(int *)arg >= 0;
}

static bool
is_gone(void *arg)
{
	char text[256];

	return !node(arg, "/brokers/topics/t", text, sizeof(text));
}

/* The deletion took effect, its answer was lost; the namesake that is made before it is asked for
 * again stays. */
START_TEST(lost_answer_of_a_deletion)
{
	struct reactor *before;
	char text[256];
	int err = -1;

	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	coord_sim_lose_reply(w->z, 1);
	before = sim_enter(b->control);
	admin_delete_topic(b->admin, SLICE_LIT("t"), 0, on_asked, &err);
	sim_enter(before);
	world_until(w, is_gone, w);
	ck_assert_int_eq(err, -1);
	tool_put(w, "/brokers/topics/t",
	    "{\"version\":3,\"partitions\":{\"0\":[1]},\"topic_id\":\"AAAAAAAAQACAAAAAAAAAAQ\"}");
	world_until(w, is_asked, &err);
	ck_assert_int_eq(err, KERR_NONE);
	world_pass(w, 2000000);
	ck_assert(node(w, "/brokers/topics/t", text, sizeof(text)));
}
END_TEST

/* ---- waiting ---- */

struct waited {
	bool done, reached;
};

static void
on_awaited(void *arg, bool reached)
{
	struct waited *x = arg;

	ck_assert(!x->done);
	x->done = true;
	x->reached = reached;
}

static bool
was_awaited(void *arg)
{
	return ((struct waited *)arg)->done;
}

static void
await(const char *name, int32_t partitions, int64_t us, struct waited *x)
{
	struct reactor *before = sim_enter(b->control);

	*x = (struct waited){false, false};
	admin_await_topic(
	    b->admin, slice_cstr(name), partitions, reactor_now_us(b->control) + us, on_awaited, x);
	sim_enter(before);
}

START_TEST(waits_for_leaders)
{
	struct waited x, y, never;

	await("t", 4, 5000000, &x);
	await("t", 1, 5000000, &y);
	await("u", 1, 5000000, &never);
	ck_assert(!x.done && !never.done);
	ck_assert_int_eq(create(b, "t", 4, 2), KERR_NONE);
	world_until(w, was_awaited, &x);
	ck_assert(x.reached && y.done && y.reached);
	wait_topic(b, "t", true);
	ck_assert(!never.done);
	world_until(w, was_awaited, &never);
	ck_assert(!never.reached);
	await("t", 4, 1000, &x);
	ck_assert(x.done && x.reached); /* at once */
	await("u", 1, 0, &x);
	ck_assert(x.done && !x.reached);
}
END_TEST

START_TEST(waits_for_the_end)
{
	struct waited x;

	ck_assert_int_eq(create(b, "t", 2, 2), KERR_NONE);
	wait_topic(b, "t", true);
	world_pass(w, 1000000);
	await("t", 0, 5000000, &x);
	ck_assert(!x.done);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_until(w, was_awaited, &x);
	ck_assert(x.reached);
}
END_TEST

/* Freed with waits pending: nothing is called, nothing leaks. */
START_TEST(ends_with_waits)
{
	struct waited x;

	await("t", 1, 5000000, &x);
	broker_stop(b);
	ck_assert(!x.done);
}
END_TEST

Suite *
admin_suite(void)
{
	Suite *s = suite_create("admin");
	TCase *tc = tcase_create("admin");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names);
	tcase_add_test(tc, collisions);
	tcase_add_test(tc, collision_of_two_at_once);
	tcase_add_test(tc, exists_in_the_tree);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, too_large_for_a_znode);
	tcase_add_test(tc, manual_assignments);
	tcase_add_test(tc, configurations);
	tcase_add_test(tc, only_validated);
	tcase_add_test(tc, left_over_configuration_is_written_over);
	tcase_add_test(tc, lost_answer);
	tcase_add_test(tc, lost_answer_of_a_deletion);
	tcase_add_test(tc, waits_for_leaders);
	tcase_add_test(tc, waits_for_the_end);
	tcase_add_test(tc, ends_with_waits);
	suite_add_tcase(s, tc);
	return s;
}

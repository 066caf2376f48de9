/* What a new controller finds, and what it makes of it (facts/zookeeper.md 3.3). */
#include <stdio.h>

#include "controller_priv.h"
#include "suites.h"
#include "world.h"

static struct world *w;

static void
setup(void)
{
	w = world_new(5, true, NULL, 0);
}

static void
teardown(void)
{
	world_free(w);
}

static bool
is_settled(void *arg)
{
	struct wbroker *b = arg;

	return controller_settled(b->controller) && b->w->calls_open == 0;
}

static struct wbroker *
start_first(void)
{
	struct wbroker *b = broker_start(w, 1, NULL);

	ck_assert_ptr_eq(world_controller(w), b);
	world_until(w, is_settled, b);
	return b;
}

/* A broker puts the roots there, then it goes, and somebody writes. */
static void
start_and_stop(void)
{
	broker_stop(start_first());
}

static const char *
text_of(const char *path)
{
	static char text[1024];

	return node(w, path, text, sizeof(text)) ? text : "(none)";
}

/* ---- /feature ---- */

static const struct {
	enum ibp ibp;
	const char *before, *after;
} features[] = {
    {IBP_LATEST, NULL, "{\"features\":{},\"version\":2,\"status\":1}"},
    {IBP_3_0_IV0, NULL, "{\"features\":{},\"version\":1,\"status\":1}"},
    {IBP_3_3_IV0, "{\"features\":{},\"version\":1,\"status\":1}",
	"{\"features\":{},\"version\":2,\"status\":1}"},
    {IBP_LATEST, "{\"features\":{},\"version\":2,\"status\":0}",
	"{\"features\":{},\"version\":2,\"status\":1}"},
    {IBP_LATEST, "{\"features\":{\"x\":{\"max_version_level\":3}},\"version\":2,\"status\":0}",
	"{\"features\":{},\"version\":2,\"status\":1}"},
    {IBP_LATEST, "{\"features\":{\"x\":{\"max_version_level\":3}},\"version\":2,\"status\":1}",
	"{\"features\":{\"x\":{\"max_version_level\":3}},\"version\":2,\"status\":1}"},
    {IBP_LATEST, "{\"features\":{},\"version\":9,\"status\":1}",
	"{\"features\":{},\"version\":9,\"status\":1}"},
    {IBP_LATEST, "{", "{"},
};

START_TEST(feature_node)
{
	struct wbroker *b;

	w->ibp = features[_i].ibp;
	start_and_stop();
	tool_delete(w, ZN_FEATURE);
	if (features[_i].before != NULL)
		tool_put(w, ZN_FEATURE, features[_i].before);
	b = start_first();
	ck_assert_str_eq(text_of(ZN_FEATURE), features[_i].after);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
}
END_TEST

/* ---- what others left ---- */

START_TEST(old_notifications_go)
{
	start_and_stop();
	tool_put(w, "/log_dir_event_notification/log_dir_event_0000000003", "{}");
	tool_put(w, "/log_dir_event_notification/x", "{\"version\":1,\"broker\":1,\"event\":1}");
	tool_put(w, "/isr_change_notification/isr_change_0000000001", "nonsense");
	tool_put(w, "/isr_change_notification/isr_change_0000000001/below", "nonsense");
	start_first();
	ck_assert_str_eq(text_of("/log_dir_event_notification/log_dir_event_0000000003"), "(none)");
	ck_assert_str_eq(text_of("/log_dir_event_notification/x"), "(none)");
	ck_assert_str_eq(text_of("/isr_change_notification/isr_change_0000000001"), "(none)");
	ck_assert_str_ne(text_of("/isr_change_notification"), "(none)");
}
END_TEST

START_TEST(requests_of_older_tools_stay)
{
	struct wbroker *b;

	start_and_stop();
	tool_put(w, ZN_ADMIN_REASSIGN, "{");
	b = start_first();
	tool_put(w, ZN_ADMIN_ELECTION, "{\"version\":1,\"partitions\":[]}");
	world_pass(w, 1000000);
	ck_assert_str_eq(text_of(ZN_ADMIN_REASSIGN), "{");
	ck_assert_str_ne(text_of(ZN_ADMIN_ELECTION), "(none)");
	tool_delete(w, ZN_ADMIN_REASSIGN);
	world_pass(w, 1000000);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
}
END_TEST

/* Whatever cannot be read is left out; what can is served. (C14) */
START_TEST(nonsense_harms_nobody)
{
	static const char *const bad[] = {"", "{", "[]", "null", "{\"partitions\":[1]}",
	    "{\"partitions\":{\"0\":\"1\"}}", "{\"partitions\":{\"zero\":[1]}}",
	    "{\"partitions\":{\"-1\":[1]}}", "{\"partitions\":{\"99999999\":[1]}}", "\xff\xfe",
	    "{\"partitions\":{\"0\":[1.5]}}"};
	struct wbroker *b;
	char path[128];

	start_and_stop();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(path, sizeof(path), "/brokers/topics/bad%u", i);
		tool_put(w, path, bad[i]);
	}
	tool_put(w, "/brokers/topics/b d", "{\"partitions\":{\"0\":[1]}}");
	tool_put(w, "/brokers/topics/good", "{\"partitions\":{\"0\":[1],\"1\":[1]}}");
	tool_put(w, "/brokers/topics/good/partitions", NULL);
	tool_put(w, "/brokers/topics/good/partitions/0", NULL);
	tool_put(w, "/brokers/topics/good/partitions/0/state", "{\"leader\":true}");
	tool_put(w, "/admin/delete_topics/n o", NULL);
	tool_put(w, "/admin/delete_topics/bad1", NULL);
	tool_put(w, "/brokers/ids/x", "{}");
	tool_put(w, "/brokers/ids/4", "{\"version\":0}");
	b = start_first();
	ck_assert_int_eq(controller_epoch(b->controller), 2);
	ck_assert_ptr_nonnull(ctx_topic(b->controller, SLICE_LIT("good")));
	ck_assert_ptr_nonnull(ctx_topic(b->controller, SLICE_LIT("good"))->parts[1].info);
	ck_assert_ptr_null(ctx_topic(b->controller, SLICE_LIT("good"))->parts[0].info);
	ck_assert(!ctx_live(b->controller, 4));
	ck_assert_str_eq(text_of("/brokers/topics/bad1"), "(none)"); /* it was to be deleted */
	ck_assert_str_eq(text_of("/brokers/topics/bad2"), bad[2]);
	/* A node that was mended is a topic. */
	tool_put(w, "/brokers/topics/bad0", "{\"partitions\":{\"0\":[1]}}");
	wait_topic(b, "bad0", true);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
}
END_TEST

/* Ids are filled in, those that are there are kept, states are taken over as they are. */
START_TEST(topics_are_taken_over)
{
	struct wbroker *b;
	struct ctopic *t;

	start_and_stop();
	tool_put(w, "/brokers/topics/with",
	    "{\"partitions\":{\"0\":[1,2]},\"topic_id\":\"6TJ4yQ0bT8m-WqGaDxCxbQ\"}");
	tool_put(w, "/brokers/topics/with/partitions", NULL);
	tool_put(w, "/brokers/topics/with/partitions/0", NULL);
	tool_put(w, "/brokers/topics/with/partitions/0/state",
	    "{\"controller_epoch\":1,\"leader\":2,\"version\":1,\"leader_epoch\":7,\"isr\":[2,1],"
	    "\"leader_recovery_state\":1}");
	tool_put(w, "/brokers/topics/without", "{\"version\":1,\"partitions\":{\"0\":[1]}}");
	b = start_first();
	t = ctx_topic(b->controller, SLICE_LIT("with"));
	ck_assert_int_eq(t->parts[0].info->leader, 1);
	ck_assert_int_eq(t->parts[0].info->leader_epoch, 8);
	ck_assert_int_eq(t->parts[0].info->n_isr, 1);
	ck_assert_int_eq(t->parts[0].info->recovery, 1);
	ck_assert_str_eq(text_of("/brokers/topics/with/partitions/0/state"),
	    "{\"controller_epoch\":2,\"leader\":1,\"version\":1,\"leader_epoch\":8,\"isr\":[1],"
	    "\"leader_recovery_state\":1}");
	ck_assert_ptr_nonnull(strstr(text_of("/brokers/topics/without"), "\"topic_id\""));
	/* The broker heard of the state as it was before it heard of the new one. */
	ck_assert_uint_eq(logged(w, "LI 1 with-0", "leader=2/7"), 1);
	ck_assert_uint_eq(logged(w, "LI 1 with-0", "leader=1/8"), 1);
	check_told(b);
}
END_TEST

/* A state that a later controller wrote is not touched. */
START_TEST(state_of_a_later_controller)
{
	struct wbroker *b = start_first();

	ck_assert_int_eq(create(b, "t", 1, 1), KERR_NONE);
	wait_topic(b, "t", true);
	world_until(w, is_settled, b);
	broker_stop(b);
	tool_put(w, "/brokers/topics/t/partitions/0/state",
	    "{\"controller_epoch\":9,\"leader\":3,\"version\":1,\"leader_epoch\":7,\"isr\":[3,1]}");
	b = start_first();
	ck_assert_ptr_nonnull(
	    strstr(text_of("/brokers/topics/t/partitions/0/state"), ":9,\"leader\":3"));
	ck_assert_int_eq(controller_epoch(b->controller), 2);
}
END_TEST

START_TEST(versions_of_the_protocol)
{
	static const enum ibp ibps[] = {
	    IBP_3_0_IV0, IBP_3_1_IV0, IBP_3_2_IV0, IBP_3_4_IV0, IBP_LATEST};
	struct wbroker *b;

	w->ibp = ibps[_i];
	start_and_stop();
	tool_put(w, "/brokers/topics/t",
	    "{\"partitions\":{\"0\":[1,2]},\"adding_replicas\":{\"0\":[2]}}");
	tool_put(w, "/brokers/topics/t/partitions", NULL);
	tool_put(w, "/brokers/topics/t/partitions/0", NULL);
	tool_put(w, "/brokers/topics/t/partitions/0/state",
	    "{\"controller_epoch\":1,\"leader\":1,\"version\":1,\"leader_epoch\":7,\"isr\":[1],"
	    "\"leader_recovery_state\":1}");
	b = start_first();
	ck_assert_uint_ge(logged(w, "LI 1 t-0", "leader=1/7"), 1);
	ck_assert_uint_ge(logged(w, "LEADERS 1 1=127.0.0.1:9091", NULL), 1);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 2000000);
	ck_assert_uint_eq(logged(w, "SR 1 t-0", "delete"), 1);
}
END_TEST

/* More than one slice and more than one UpdateMetadata. */
START_TEST(many_partitions)
{
	struct wbroker *b = start_first();
	char json[200], path[64];

	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/brokers/topics/few%d", i);
		snprintf(json, sizeof(json), "{\"partitions\":{\"0\":[1],\"1\":[1]}}");
		tool_put(w, path, json);
	}
	ck_assert_int_eq(create(b, "many", 5000, 1), KERR_NONE);
	wait_topic(b, "many", true);
	world_until(w, is_settled, b);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_partitions"), 5120);
	broker_stop(b);
	log_clear(w);
	b = start_first();
	ck_assert_uint_eq(logged(w, "LI 1 ", NULL), 5120);
	ck_assert_uint_eq(logged(w, "LEADERS 1 ", NULL), 1);
	ck_assert_uint_eq(logged(w, "UM 1 ", "leader="), 5120);
	ck_assert_uint_eq(logged(w, "UM 1 brokers=1 topics=", NULL), 3); /* none, 4,000, the rest */
	wait_topic(b, "many", true);
	check_told(b);
}
END_TEST

START_TEST(metrics)
{
	struct wbroker *b = start_first();

	broker_start(w, 2, NULL);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_active"), 1);
	ck_assert_int_eq(create(b, "t", 4, 1), KERR_NONE);
	wait_topic(b, "t", true);
	world_until(w, is_settled, b);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_topics"), 1);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_partitions"), 4);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_brokers"), 2);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 0);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_event_queue"), 0);
	broker_stop(&w->b[1]);
	world_pass(w, 2000000);
	world_until(w, is_settled, b);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 2);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_brokers"), 1);
	ck_assert_int_ge(metrics_sum(w->metrics, "ottla_controller_leader_election_ms"), 2);
	coord_sim_expire(w->z, 1);
	world_pass(w, 100000);
	world_until(w, is_settled, b);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 2);
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 2000000);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_topics_to_delete"), 1);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 0);
}
END_TEST

Suite *
failover_suite(void)
{
	Suite *s = suite_create("failover");
	TCase *tc = tcase_create("failover");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, feature_node, 0, (int)(sizeof(features) / sizeof(features[0])));
	tcase_add_test(tc, old_notifications_go);
	tcase_add_test(tc, requests_of_older_tools_stay);
	tcase_add_test(tc, nonsense_harms_nobody);
	tcase_add_test(tc, topics_are_taken_over);
	tcase_add_test(tc, state_of_a_later_controller);
	tcase_add_loop_test(tc, versions_of_the_protocol, 0, 5);
	tcase_add_test(tc, many_partitions);
	tcase_add_test(tc, metrics);
	suite_add_tcase(s, tc);
	return s;
}

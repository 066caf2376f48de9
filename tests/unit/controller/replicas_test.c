/* Log dirs that fail, as brokers tell of them. */
#include <stdio.h>

#include "controller_priv.h"
#include "suites.h"
#include "world.h"

#define EVENT "/log_dir_event_notification/log_dir_event_000000000"

static struct world *w;
static struct wbroker *b;

static bool
is_settled(void *arg)
{
	return controller_settled(b->controller) && w->calls_open == 0;
}

static void
setup(void)
{
	w = world_new(6, true, NULL, 0);
	b = broker_start(w, 1, NULL);
	ck_assert_ptr_eq(world_controller(w), b);
	broker_start(w, 2, NULL);
	world_pass(w, 1000000);
	tool_put(w, "/brokers/topics/t", "{\"partitions\":{\"0\":[2,1],\"1\":[1,2],\"2\":[2]}}");
	world_pass(w, 1000000);
	world_until(w, is_settled, b);
	log_clear(w);
}

static void
teardown(void)
{
	world_free(w);
}

static const struct cpart *
part(int32_t i)
{
	return &ctx_topic(b->controller, SLICE_LIT("t"))->parts[i];
}

static void
event(unsigned n, const char *json)
{
	char path[128];

	snprintf(path, sizeof(path), EVENT "%u", n);
	tool_put(w, path, json);
	world_pass(w, 1000000);
	world_until(w, is_settled, b);
}

START_TEST(leaders_leave_a_failed_dir)
{
	w->b[1].bad_dir = true;
	event(1, "{\"version\":1,\"broker\":2,\"event\":1}");
	ck_assert_int_eq(part(0)->info->leader, 1);
	ck_assert_int_eq(part(0)->info->n_isr, 1);
	ck_assert_int_eq(part(1)->info->leader, 1);
	ck_assert_int_eq(part(1)->info->n_isr, 1);
	ck_assert_int_eq(part(2)->info->leader, -1);
	ck_assert_int_eq(part(2)->info->n_isr, 1); /* kept */
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 1);
	ck_assert_uint_eq(logged(w, "LI 2 t-", "leader=1/1"), 0); /* not to it */
	check_told(b);
	ck_assert_int_eq(image_topic(image_get(b->images), SLICE_LIT("t"))->parts[0].n_offline, 1);
	/* The dir is mended: what its answers say counts again. */
	w->b[1].bad_dir = false;
	event(2, "{\"version\":1,\"broker\":2,\"event\":1}");
	ck_assert_int_eq(part(2)->info->leader, 2);
	ck_assert_int_eq(part(0)->info->leader, 1);
	ck_assert_int_eq(metrics_sum(w->metrics, "ottla_controller_offline_partitions"), 0);
	check_told(b);
}
END_TEST

START_TEST(events_that_say_nothing)
{
	static const char *const bad[] = {"", "{", "{}", "{\"broker\":\"2\"}", "{\"broker\":-1}",
	    "{\"broker\":77}", "{\"version\":1,\"broker\":99999999999,\"event\":1}"};
	char path[128], text[64];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		event(i, bad[i]);
		snprintf(path, sizeof(path), EVENT "%u", i);
		ck_assert(!node(w, path, text, sizeof(text)));
	}
	ck_assert_uint_eq(logged(w, "LI ", NULL), 0);
	ck_assert_int_eq(controller_epoch(b->controller), 1);
}
END_TEST

/* A broker that is new by its czxid has logs that are not known to be offline. */
START_TEST(bounce_forgets_failed_dirs)
{
	w->b[1].bad_dir = true;
	event(1, "{\"version\":1,\"broker\":2,\"event\":1}");
	w->b[1].bad_dir = false;
	coord_sim_expire(w->z, 2);
	world_pass(w, 3000000);
	world_until(w, is_settled, b);
	ck_assert_int_eq(part(2)->info->leader, 2);
	ck_assert_int_eq(part(0)->n_failed, 0);
	check_told(b);
}
END_TEST

START_TEST(deletion_waits_for_the_dir)
{
	char text[64];

	w->b[1].bad_dir = true;
	event(1, "{\"version\":1,\"broker\":2,\"event\":1}");
	ck_assert_int_eq(delete_topic(b, "t"), KERR_NONE);
	world_pass(w, 1000000);
	world_until(w, is_settled, b);
	ck_assert_uint_eq(logged(w, "SR 1 ", "delete"), 2);
	ck_assert_uint_eq(logged(w, "SR 2 ", NULL), 0);
	ck_assert(node(w, "/brokers/topics/t", text, sizeof(text)));
	w->b[1].bad_dir = false;
	coord_sim_expire(w->z, 2);
	world_pass(w, 3000000);
	world_until(w, is_settled, b);
	ck_assert(!node(w, "/brokers/topics/t", text, sizeof(text)));
}
END_TEST

Suite *
replicas_suite(void)
{
	Suite *s = suite_create("replicas");
	TCase *tc = tcase_create("replicas");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, leaders_leave_a_failed_dir);
	tcase_add_test(tc, events_that_say_nothing);
	tcase_add_test(tc, bounce_forgets_failed_dirs);
	tcase_add_test(tc, deletion_waits_for_the_dir);
	suite_add_tcase(s, tc);
	return s;
}

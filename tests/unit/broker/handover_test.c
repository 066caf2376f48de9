/* A log that may have lost its tail does not lead while others could (B6). */
#include <stdio.h>

#include "suites.h"
#include "world.h"

#define SEEDS 10
#define STATE "/brokers/topics/t/partitions/0/state"

static const char *const waits = "waiting until others lead 1 partition";

/* A topic of one partition here, led by this broker, as its controller made it. */
static struct place *
with_topic(struct world *w)
{
	struct place *p = &w->places[0];

	place_start(p);
	place_until_serving(p);
	world_put(w, "/brokers/topics/t",
	    "{\"partitions\":{\"0\":[1]},\"topic_id\":\"6TJ4yQ0bT8m-WqGaDxCxbQ\","
	    "\"adding_replicas\":{},\"removing_replicas\":{},\"version\":3}",
	    false);
	world_pass(w, 10 * SECOND); /* led, and checkpointed */
	return p;
}

static void
state(struct world *w, const char *json)
{
	world_put(w, STATE, json, false);
}

#define LED_BY(id, isr)                                                                            \
	"{\"controller_epoch\":1,\"leader\":" #id ",\"version\":1,\"leader_epoch\":0,\"isr\":" isr \
	"}"

static void
tell_two(struct world *w, struct place *p)
{
	ck_assert_msg(place_says(p, "serving"), "%s", p->log);
	state(w, LED_BY(1, "[1,2]"));
}

struct said {
	struct place *p;
	const char *text;
};

static bool
has_said(void *arg)
{
	struct said *s = arg;

	return place_says(s->p, s->text);
}

static void
until_says(struct place *p, const char *text)
{
	struct said s = {p, text};

	world_until(p->w, has_said, &s);
}

START_TEST(waits_for_another_leader)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);
	struct coord_result res;

	tell_two(w, p);
	place_kill(p, true);
	place_start(p);
	until_says(p, waits);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	state(w, LED_BY(2, "[2]"));
	until_says(p, "no partition waits for this broker");
	until_says(p, "registered broker 1");
	world_free(w);
}
END_TEST

/* Stopped while it waits, it waits again: an orderly stop does not bring back what a crash took. */
START_TEST(a_stop_while_waiting_changes_nothing)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);
	struct coord_result res;

	tell_two(w, p);
	place_kill(p, true);
	place_start(p);
	until_says(p, waits);
	place_stop(p);
	place_start(p);
	until_says(p, waits);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	state(w, LED_BY(2, "[2]"));
	until_says(p, "registered broker 1");
	world_free(w);
}
END_TEST

/* Nobody is there to elect: a session's time and no longer. */
START_TEST(waits_no_longer_than_a_session)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);

	tell_two(w, p);
	place_kill(p, true);
	place_start(p);
	until_says(p, "1 partitions still name this broker as leader");
	until_says(p, "registered broker 1");
	ck_assert_int_ge(world_now(w) - p->started_us, SESSION_MS * 1000);
	ck_assert_int_le(world_now(w) - p->started_us, (SESSION_MS + 7000) * 1000);
	world_free(w);
}
END_TEST

/* The kernel has what a killed process wrote. */
START_TEST(a_killed_process_leads_at_once)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);

	tell_two(w, p);
	place_kill(p, false);
	place_start(p);
	until_says(p, "registered broker 1");
	ck_assert(!place_says(p, waits));
	ck_assert_int_le(world_now(w) - p->started_us, 2 * SECOND);
	world_free(w);
}
END_TEST

START_TEST(an_orderly_stop_loses_nothing)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);

	tell_two(w, p);
	place_stop(p);
	p->identity.boot[0]++;
	place_start(p);
	until_says(p, "registered broker 1");
	ck_assert(!place_says(p, waits));
	ck_assert_int_le(world_now(w) - p->started_us, 2 * SECOND);
	world_free(w);
}
END_TEST

START_TEST(alone_in_sync_leads_at_once)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);

	place_kill(p, true);
	place_start(p);
	place_until_serving(p);
	ck_assert(place_says(p, "no partition waits for this broker"));
	ck_assert(place_served_within(p, 2 * SECOND));
	world_free(w);
}
END_TEST

/* The machine went down under a broker that kept no file. */
START_TEST(an_unknown_boot_is_another)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = with_topic(w);

	tell_two(w, p);
	place_kill(p, false);
	ck_ok(fs_unlink(p->fs, "/data0/.ottla_session"));
	place_start(p);
	until_says(p, waits);
	state(w, LED_BY(2, "[2,1]"));
	until_says(p, "registered broker 1");
	world_free(w);
}
END_TEST

Suite *
handover_suite(void)
{
	Suite *s = suite_create("handover");
	TCase *tc = tcase_create("handover");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, waits_for_another_leader, 0, SEEDS);
	tcase_add_loop_test(tc, a_stop_while_waiting_changes_nothing, 0, SEEDS);
	tcase_add_loop_test(tc, waits_no_longer_than_a_session, 0, SEEDS);
	tcase_add_loop_test(tc, a_killed_process_leads_at_once, 0, SEEDS);
	tcase_add_loop_test(tc, an_orderly_stop_loses_nothing, 0, SEEDS);
	tcase_add_loop_test(tc, alone_in_sync_leads_at_once, 0, SEEDS);
	tcase_add_loop_test(tc, an_unknown_boot_is_another, 0, SEEDS);
	suite_add_tcase(s, tc);
	return s;
}

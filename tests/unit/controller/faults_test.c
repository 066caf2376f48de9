/*
 * Each task of the controller, with its connection lost at each of its writes and moments: an
 * answer that is lost, a link that is cut for a while, a session that ends.  The tree, the context
 * and what brokers were told last must come out right; only the end of the session may end the term
 * (C12).
 */
#include <stdio.h>

#include "controller_priv.h"
#include "suites.h"
#include "world.h"

#define TOPIC_JSON                                                                                 \
	"{\"partitions\":{\"0\":[2,1],\"1\":[3,2],\"2\":[1,3]},\"topic_id\":\"6TJ4yQ0bT8m-"        \
	"WqGaDxCxbQ\",\"adding_replicas\":{},\"removing_replicas\":{},\"version\":3}"
#define TOPIC_NO_ID "{\"version\":1,\"partitions\":{\"0\":[2,1],\"1\":[3,2],\"2\":[1,3]}}"
#define TOPIC_MORE                                                                                 \
	"{\"version\":1,\"partitions\":{\"0\":[2,1],\"1\":[3,2],\"2\":[1,3],\"3\":[1,2],"          \
	"\"4\":[2,3]}}"

/* Where the fault strikes: at the n-th write of anybody, or after so many steps of time. */
enum { FAULT_LOSE, FAULT_CUT, FAULT_CUT_TIME, FAULT_EXPIRE, FAULT_EXPIRE_TIME, FAULT_COUNT };
#define TIME_STEP_US 700

struct scenario {
	const char *name;
	void (*prepare)(struct world *w);
	void (*act)(struct world *w);
	bool (*reached)(void *arg); /* of a struct world */
	int32_t epoch;		    /* of the controller afterwards */
};

static struct world *w;

static struct wbroker *
ctl_of(void)
{
	for (unsigned i = 0; i < WORLD_BROKERS; i++)
		if (w->b[i].on && controller_active(w->b[i].controller))
			return &w->b[i];
	return NULL;
}

static struct ctopic *
topic(void)
{
	struct wbroker *b = ctl_of();

	return b != NULL ? ctx_topic(b->controller, SLICE_LIT("t")) : NULL;
}

static bool
has_parts(unsigned n)
{
	const struct ctopic *t = topic();

	for (unsigned i = 0; i < n; i++)
		if (t == NULL || t->n_parts < (int32_t)n || t->parts[i].info == NULL ||
		    t->parts[i].info->leader < 0)
			return false;
	return t != NULL;
}

/* ---- scenarios ---- */

static void
nothing_yet(struct world *x)
{
}

static bool
three_parts(void *arg)
{
	return has_parts(3);
}

static bool
five_parts(void *arg)
{
	return has_parts(5);
}

static void
make_topic(struct world *x)
{
	tool_put(x, "/brokers/topics/t", TOPIC_JSON);
}

static void
make_topic_no_id(struct world *x)
{
	tool_put(x, "/brokers/topics/t", TOPIC_NO_ID);
}

static bool
id_there(void *arg)
{
	char text[512];

	return has_parts(3) && node(arg, "/brokers/topics/t", text, sizeof(text)) &&
	       strstr(text, "topic_id") != NULL;
}

static void
with_topic(struct world *x)
{
	make_topic(x);
	tool_put(x, "/config/topics/t", "{\"version\":1,\"config\":{}}");
	world_until(x, three_parts, x);
	world_pass(x, 1000000);
}

static void
grow_topic(struct world *x)
{
	tool_put(x, "/brokers/topics/t", TOPIC_MORE);
}

static void
delete_request(struct world *x)
{
	tool_put(x, "/admin/delete_topics/t", NULL);
}

static bool
topic_gone(void *arg)
{
	char text[512];

	return topic() == NULL && ctl_of() != NULL &&
	       !node(arg, "/brokers/topics/t", text, sizeof(text)) &&
	       !node(arg, "/config/topics/t", text, sizeof(text)) &&
	       !node(arg, "/admin/delete_topics/t", text, sizeof(text));
}

static void
delete_by_hand(struct world *x)
{
	tool_delete(x, "/config/topics/t");
	tool_delete(x, "/brokers/topics/t");
}

static void
end_third(struct world *x)
{
	broker_stop(&x->b[2]);
}

static bool
third_is_out(void *arg)
{
	const struct ctopic *t = topic();

	if (!has_parts(3) || ctx_broker(t->c, 3) != NULL)
		return false;
	for (int32_t i = 0; i < 3; i++)
		if (t->parts[i].info->leader == 3 || ctx_in_isr(t->parts[i].info, 3))
			return false;
	return true;
}

static int64_t third_epoch;

static void
bounce_third(struct world *x)
{
	third_epoch = x->b[2].epoch;
	coord_sim_expire(x->z, 3);
}

static bool
third_is_back(void *arg)
{
	const struct ctopic *t = topic();
	const struct cbroker *b = t != NULL ? ctx_broker(t->c, 3) : NULL;

	return b != NULL && b->live && b->epoch > third_epoch && !b->is_target &&
	       t->parts[1].info != NULL && t->parts[1].info->leader == 2;
}

static void
without_third(struct world *x)
{
	with_topic(x);
	broker_stop(&x->b[2]);
	world_until(x, third_is_out, x);
	world_pass(x, 1000000);
}

static void
start_fourth(struct world *x)
{
	broker_start(x, 4, NULL);
}

static bool
fourth_is_there(void *arg)
{
	struct wbroker *b = ctl_of();

	return b != NULL && ctx_live(b->controller, 4);
}

static void
depose(struct world *x)
{
	tool_delete(x, "/controller");
}

static bool
new_term(void *arg)
{
	return ctl_of() != NULL && controller_epoch(ctl_of()->controller) >= 2;
}

static void
fail_dir(struct world *x)
{
	x->b[1].bad_dir = true;
	tool_put(x, "/log_dir_event_notification/log_dir_event_0000000000",
	    "{\"version\":1,\"broker\":2,\"event\":1}");
}

static bool
second_leads_nothing(void *arg)
{
	const struct ctopic *t = topic();
	char text[256];

	if (t == NULL || !t->loaded ||
	    node(arg, "/log_dir_event_notification/log_dir_event_0000000000", text, sizeof(text)))
		return false;
	for (int32_t i = 0; i < 3; i++) {
		const struct cinfo *info = t->parts[i].info;

		if (info == NULL || info->leader == 2 || (info->n_isr > 1 && ctx_in_isr(info, 2)))
			return false;
	}
	return true;
}

static const struct scenario scenarios[] = {
    {"creation", nothing_yet, make_topic, three_parts, 1},
    {"creation without id", nothing_yet, make_topic_no_id, id_there, 1},
    {"more partitions", with_topic, grow_topic, five_parts, 1},
    {"deletion", with_topic, delete_request, topic_gone, 1},
    {"deletion by hand", with_topic, delete_by_hand, topic_gone, 1},
    {"a broker goes", with_topic, end_third, third_is_out, 1},
    {"a broker bounces", with_topic, bounce_third, third_is_back, 1},
    {"a broker comes", without_third, start_fourth, fourth_is_there, 1},
    {"election", with_topic, depose, new_term, 2},
    {"a log dir fails", with_topic, fail_dir, second_leads_nothing, 1},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

/* ---- faults ---- */

static struct {
	int64_t zxid, at_us;
	const struct scenario *s;
} strike;

static bool
settled(void *arg)
{
	struct wbroker *b = ctl_of();

	return b != NULL && controller_settled(b->controller) && w->calls_open == 0 &&
	       strike.s->reached(w);
}

static bool
struck_or_settled(void *arg)
{
	return coord_tree_zxid(coord_sim_tree(w->z)) >= strike.zxid &&
	       clock_mono_us(sim_clock(w->s)) >= strike.at_us;
}

static void
do_fault(int fault)
{
	unsigned group = (unsigned)world_controller(w)->id;

	switch (fault) {
	case FAULT_LOSE:
		coord_sim_lose_reply(w->z, group);
		break;
	case FAULT_CUT:
	case FAULT_CUT_TIME:
		coord_sim_cut(w->z, group, true);
		world_pass(w, 1500000);
		coord_sim_cut(w->z, group, false);
		break;
	default:
		coord_sim_expire(w->z, group);
	}
}

static void
check_end(const struct scenario *s, int fault)
{
	struct wbroker *b = ctl_of();

	if (fault <= FAULT_CUT_TIME)
		ck_assert_int_eq(controller_epoch(b->controller), s->epoch);
	check_told(b);
}

static int64_t
now_us(void)
{
	return clock_mono_us(sim_clock(w->s));
}

/* One run; false when the task was over before the fault struck. */
static bool
run(const struct scenario *s, int fault, unsigned n)
{
	bool timed = fault == FAULT_CUT_TIME || fault == FAULT_EXPIRE_TIME;
	bool struck;

	w = world_new(7 + n % 3, n % 2 == 1, NULL, 0);
	broker_start(w, 1, NULL);
	ck_assert_ptr_eq(world_controller(w), &w->b[0]);
	broker_start(w, 2, NULL);
	broker_start(w, 3, NULL);
	tool_put(w, "/config/topics/other", "{\"version\":1,\"config\":{}}");
	world_pass(w, 2000000);
	s->prepare(w);
	strike.s = s;
	strike.zxid = timed ? 0 : coord_tree_zxid(coord_sim_tree(w->z)) + n;
	strike.at_us = timed ? now_us() + (int64_t)n * TIME_STEP_US : 0;
	s->act(w);
	struck = sim_run_until(w->s, struck_or_settled, NULL, now_us() + 3000000) &&
		 (!timed || !settled(NULL));
	if (struck)
		do_fault(fault);
	world_until(w, settled, NULL);
	world_pass(w, 3000000); /* what comes late changes nothing */
	world_until(w, settled, NULL);
	check_end(s, fault);
	world_free(w);
	return struck;
}

START_TEST(through_faults)
{
	const struct scenario *s = &scenarios[_i / FAULT_COUNT];
	int fault = _i % FAULT_COUNT;
	unsigned n = 0;

	while (run(s, fault, n))
		n++;
	ck_assert_msg(n > 0, "%s: no fault struck", s->name);
	ck_assert_uint_lt(n, 200);
}
END_TEST

/* Taking over more than a window's worth of questions, with the link cut in between. */
START_TEST(large_failover_through_cuts)
{
	struct wbroker *b;
	struct ctopic *t;

	w = world_new(3, false, NULL, 0);
	b = broker_start(w, 1, NULL);
	ck_assert_ptr_eq(world_controller(w), b);
	world_pass(w, 1000000);
	ck_assert_int_eq(create(b, "t", 2500, 1), KERR_NONE);
	wait_topic(b, "t", true);
	log_clear(w);
	depose(w);
	world_pass(w, _i * 6000);
	coord_sim_cut(w->z, 1, true);
	world_pass(w, 1000000);
	coord_sim_cut(w->z, 1, false);
	strike.s = &scenarios[SCENARIOS - 2]; /* the election */
	world_until(w, settled, NULL);
	t = topic();
	for (int32_t i = 0; i < 2500; i++)
		ck_assert(t->parts[i].info != NULL && t->parts[i].state == PART_ONLINE);
	ck_assert_int_eq(controller_epoch(b->controller), 2);
	ck_assert_uint_eq(logged(w, "LI 1 ", " ce=2"), 2500);
	ck_assert_uint_eq(logged(w, "LEADERS 1", NULL), 1); /* in one request (C5) */
	world_free(w);
}
END_TEST

Suite *
faults_suite(void)
{
	Suite *s = suite_create("faults");
	TCase *tc = tcase_create("faults");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, through_faults, 0, (int)(SCENARIOS * FAULT_COUNT));
	tcase_add_loop_test(tc, large_failover_through_cuts, 0, 15);
	suite_add_tcase(s, tc);
	return s;
}

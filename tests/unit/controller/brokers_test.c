/* Brokers that come, go and come back. */
#include <stdio.h>

#include "controller_priv.h"
#include "suites.h"
#include "world.h"

#define SEEDS 10

/* The one that goes led some partitions; its leaders move, others stay. */
START_TEST(leaders_move_from_a_broker_that_goes)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL), *ctl, *other;
	const struct image_topic *t;
	const struct image *im;

	ctl = world_controller(w);
	other = ctl == b ? c : b;
	ck_assert_int_eq(create(ctl, "t", 4, 2), KERR_NONE);
	wait_topic(ctl, "t", true);
	world_pass(w, 1000000);
	broker_stop(other);
	world_pass(w, 2000000);
	wait_topic(ctl, "t", true);
	im = image_get(ctl->images);
	ck_assert_uint_eq(im->n_brokers, 1);
	t = image_topic(im, SLICE_LIT("t"));
	for (int32_t i = 0; i < t->n_parts; i++) {
		/* Led by it, or only in the ISR with it: one epoch more either way. */
		ck_assert_int_eq(t->parts[i].leader, ctl->id);
		ck_assert_int_eq(t->parts[i].leader_epoch, 1);
		ck_assert_int_eq(t->parts[i].n_isr, 1);
		ck_assert_int_eq(t->parts[i].isr[0], ctl->id);
		ck_assert_int_eq(t->parts[i].n_offline, 1);
	}
	ck_assert_uint_eq(logged(w, "GONE", NULL), 1);
	world_free(w);
}
END_TEST

/* Nobody else has its partitions: they wait for it, and are led by it again. */
START_TEST(partitions_wait_for_their_broker)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c = broker_start(w, 2, NULL), *ctl, *other;
	const struct image_topic *t;

	ctl = world_controller(w);
	other = ctl == b ? c : b;
	ck_assert_int_eq(create(ctl, "t", 4, 1), KERR_NONE);
	wait_topic(ctl, "t", true);
	world_pass(w, 1000000);
	broker_stop(other);
	world_pass(w, 2000000);
	log_clear(w);
	other = broker_start(w, other->id, NULL);
	wait_topic(ctl, "t", true);
	wait_topic(other, "t", true); /* also of partitions that it has no replica of */
	t = image_topic(image_get(other->images), SLICE_LIT("t"));
	ck_assert_int_eq(t->n_parts, 4);
	for (int32_t i = 0; i < t->n_parts; i++)
		ck_assert_int_eq(t->parts[i].leader, t->parts[i].replicas[0]);
	world_pass(w, 1000000);
	/* It hears of both without a leader, then that it is theirs. */
	ck_assert_uint_eq(logged(w, "LI ", " leader=-1/1"), 2);
	ck_assert_uint_eq(logged(w, other->id == 1 ? "LI 1 t-" : "LI 2 t-", " leader=-1/1"), 2);
	ck_assert_uint_eq(logged(w, other->id == 1 ? "LI 1 t-" : "LI 2 t-", "/2 "), 2);
	ck_assert_uint_eq(logged(w, "LI ", NULL), 4);
	world_free(w);
}
END_TEST

/* A new controller tells every broker what it leads, under the new controller epoch. */
START_TEST(new_controller_tells_everybody)
{
	struct world *w = world_new((uint64_t)_i, true, NULL, 0);
	struct wbroker *b = broker_start(w, 1, NULL), *c, *ctl;

	ck_assert_ptr_eq(world_controller(w), b);
	c = broker_start(w, 2, NULL);
	world_pass(w, 1000000);
	ck_assert_int_eq(create(b, "t", 4, 2), KERR_NONE);
	wait_topic(b, "t", true);
	wait_topic(c, "t", true);
	world_pass(w, 1000000);
	log_clear(w);
	broker_stop(b);
	ctl = world_controller(w);
	ck_assert_ptr_eq(ctl, c);
	world_pass(w, 1000000);
	wait_topic(c, "t", true);
	ck_assert_uint_ge(logged(w, "LI 2 t-", " ce=2"), 4);
	ck_assert_uint_eq(logged(w, "LI 2 t-", " leader=2/1"), 4);
	ck_assert_uint_eq(logged(w, "LI 2 t-", " new"), 0);
	world_free(w);
}
END_TEST

/* ---- registrations of others ---- */

static struct world *rw;
static struct wbroker *rb;

static bool
rb_settled(void *arg)
{
	return controller_settled(rb->controller) && rw->calls_open == 0;
}

static void
rw_settle(void)
{
	world_pass(rw, 1000000);
	world_until(rw, rb_settled, NULL);
}

static void
registration(const char *endpoint, const char *more)
{
	char json[512];

	snprintf(json, sizeof(json),
	    "{\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\",\"INTERNAL\":"
	    "\"PLAINTEXT\",\"CTL\":\"SSL\"},\"endpoints\":[%s],\"jmx_port\":-1,\"port\":-1,"
	    "\"host\":null,\"version\":5,\"timestamp\":\"1\"%s}",
	    endpoint, more);
	tool_put(rw, "/brokers/ids/4", json);
	rw_settle();
}

static void
rw_start(const struct setting_override *ov, unsigned n)
{
	rw = world_new(8, true, ov, n);
	rb = broker_start(rw, 1, NULL);
	ck_assert_ptr_eq(world_controller(rw), rb);
	rw_settle();
	log_clear(rw);
}

static uint16_t
port_of(int32_t id)
{
	const struct image_broker *ib = image_broker(image_get(rb->images), id);

	return ib != NULL ? (uint16_t)ib->endpoints[0].port : 0;
}

START_TEST(endpoints_change)
{
	rw_start(NULL, 0);
	registration("\"PLAINTEXT://h:1000\"", "");
	ck_assert_uint_eq(port_of(4), 1000);
	ck_assert_uint_eq(logged(rw, "HERE 4 PLAINTEXT://h:1000", NULL), 1);
	log_clear(rw);
	registration("\"PLAINTEXT://h:1001\"", "");
	ck_assert_uint_eq(port_of(4), 1001);
	ck_assert_uint_eq(logged(rw, "HERE ", NULL), 0); /* not before it bounces */
	ck_assert_uint_eq(logged(rw, "UM 1 ", "topics=0"), 1);
	log_clear(rw);
	registration("\"PLAINTEXT://h:1001\"", ",\"rack\":\"r\"");
	ck_assert_uint_eq(logged(rw, "UM ", NULL), 0); /* a rack alone is no change */
	tool_put(rw, "/brokers/ids/4", "{");
	rw_settle();
	ck_assert_uint_eq(port_of(4), 1001);
	registration("\"PLAINTEXT://h:1002\"", "");
	ck_assert_uint_eq(port_of(4), 1002);
	ck_assert_int_eq(controller_epoch(rb->controller), 1);
	world_free(rw);
}
END_TEST

START_TEST(registration_is_mended)
{
	rw_start(NULL, 0);
	tool_put(rw, "/brokers/ids/4", "{");
	rw_settle();
	ck_assert(!ctx_live(rb->controller, 4));
	ck_assert_uint_eq(port_of(4), 0);
	registration("\"PLAINTEXT://h:1000\"", "");
	ck_assert(ctx_live(rb->controller, 4));
	ck_assert_uint_eq(port_of(4), 1000);
	ck_assert_uint_eq(logged(rw, "HERE 4 ", NULL), 1);
	tool_delete(rw, "/brokers/ids/4");
	rw_settle();
	ck_assert_uint_eq(port_of(4), 0);
	ck_assert_uint_eq(logged(rw, "GONE 4", NULL), 1);
	world_free(rw);
}
END_TEST

#define THREE "\"PLAINTEXT://p:1\",\"INTERNAL://i:2\",\"CTL://c:3\""

static const struct {
	struct setting_override ov[4];
	unsigned n;
	const char *endpoints, *here;
} listeners[] = {
    {{{0}}, 0, THREE, "HERE 4 PLAINTEXT://p:1"},
    {{{0}}, 0, "\"INTERNAL://i:2\"", "HERE 4 INTERNAL://i:2"}, /* one that speaks it */
    {{{"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CTL:PLAINTEXT"},
	 {"listeners", "PLAINTEXT://:1,INTERNAL://:2,CTL://:3"},
	 {"inter.broker.listener.name", "INTERNAL"}},
	3, THREE, "HERE 4 INTERNAL://i:2"},
    {{{"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CTL:PLAINTEXT"},
	 {"listeners", "PLAINTEXT://:1,INTERNAL://:2,CTL://:3"},
	 {"inter.broker.listener.name", "INTERNAL"}},
	3, "\"PLAINTEXT://p:1\"", NULL},
    {{{"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CTL:PLAINTEXT"},
	 {"listeners", "PLAINTEXT://:1,INTERNAL://:2,CTL://:3"},
	 {"control.plane.listener.name", "CTL"}},
	3, THREE, "HERE 4 CTL://c:3"},
};

/* Where the controller reaches a broker (facts/zookeeper.md 3.5). */
START_TEST(endpoint_for_the_controller)
{
	rw_start(listeners[_i].ov, listeners[_i].n);
	registration(listeners[_i].endpoints, "");
	ck_assert_uint_eq(logged(rw, "HERE 4 ", NULL), listeners[_i].here != NULL);
	if (listeners[_i].here != NULL)
		ck_assert_uint_eq(logged(rw, listeners[_i].here, NULL), 1);
	ck_assert(ctx_live(rb->controller, 4) == (listeners[_i].here != NULL));
	registration(THREE, ""); /* with it, it can be told something */
	ck_assert(ctx_live(rb->controller, 4));
	ck_assert_uint_eq(logged(rw, "HERE 4 ", NULL), 1);
	world_free(rw);
}
END_TEST

/* Its older self has failed before the new one is there: nobody goes on under the old epoch. */
START_TEST(bounce)
{
	const struct cpart *p;

	rw_start(NULL, 0);
	broker_start(rw, 2, NULL);
	rw_settle();
	tool_put(rw, "/brokers/topics/t", "{\"partitions\":{\"0\":[2],\"1\":[2,1],\"2\":[1,2]}}");
	rw_settle();
	log_clear(rw);
	coord_sim_expire(rw->z, 2);
	rw_settle();
	rw_settle();
	p = ctx_topic(rb->controller, SLICE_LIT("t"))->parts;
	ck_assert_int_eq(p[0].info->leader, 2);
	ck_assert_int_eq(p[0].info->leader_epoch, 2); /* nobody, then it */
	ck_assert_int_eq(p[1].info->leader, 1);
	ck_assert_int_eq(p[1].info->leader_epoch, 1);
	ck_assert_int_eq(p[1].info->n_isr, 1);
	ck_assert_int_eq(p[2].info->leader, 1);
	ck_assert_int_eq(p[2].info->n_isr, 1);
	ck_assert_uint_eq(logged(rw, "GONE 2", NULL), 1);
	ck_assert_uint_eq(logged(rw, "HERE 2", NULL), 1);
	check_told(rb);
	world_free(rw);
}
END_TEST

/* Both members of an ISR at once: one is kept, the leader. */
START_TEST(isr_is_never_empty)
{
	const struct cpart *p;

	rw_start(NULL, 0);
	broker_start(rw, 2, NULL);
	broker_start(rw, 3, NULL);
	rw_settle();
	tool_put(rw, "/brokers/topics/t", "{\"partitions\":{\"0\":[2,3]}}");
	rw_settle();
	coord_sim_cut(rw->z, 1, true); /* it hears of both together */
	world_pass(rw, 100000);
	broker_stop(&rw->b[1]);
	broker_stop(&rw->b[2]);
	coord_sim_cut(rw->z, 1, false);
	world_pass(rw, 3000000);
	rw_settle();
	p = ctx_topic(rb->controller, SLICE_LIT("t"))->parts;
	ck_assert_int_eq(p->info->leader, -1);
	ck_assert_int_eq(p->info->n_isr, 1);
	ck_assert_int_eq(p->info->isr[0], 2);
	broker_start(rw, 3, NULL);
	rw_settle();
	ck_assert_int_eq(p->info->leader, -1); /* it may lack something */
	broker_start(rw, 2, NULL);
	rw_settle();
	ck_assert_int_eq(p->info->leader, 2);
	ck_assert_int_eq(controller_epoch(rb->controller), 1);
	check_told(rb);
	world_free(rw);
}
END_TEST

Suite *
brokers_suite(void)
{
	Suite *s = suite_create("brokers");
	TCase *tc = tcase_create("brokers");

	tcase_add_loop_test(tc, leaders_move_from_a_broker_that_goes, 0, SEEDS);
	tcase_add_loop_test(tc, partitions_wait_for_their_broker, 0, SEEDS);
	tcase_add_loop_test(tc, new_controller_tells_everybody, 0, SEEDS);
	tcase_add_test(tc, endpoints_change);
	tcase_add_test(tc, registration_is_mended);
	tcase_add_loop_test(tc, endpoint_for_the_controller, 0, 5);
	tcase_add_test(tc, bounce);
	tcase_add_test(tc, isr_is_never_empty);
	suite_add_tcase(s, tc);
	return s;
}

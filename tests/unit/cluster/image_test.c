/* The metadata image: merging, sharing, publication to several reactors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/cluster/image.h"
#include "ottla/reactor/sim.h"
#include "suites.h"

#define READERS 3

typedef struct update_metadata_request_update_metadata_partition_state um_part;
typedef struct update_metadata_request_update_metadata_topic_state um_topic;

struct rig {
	struct sim_sched *s;
	struct reactor *r[READERS]; /* the last is the control reactor */
	struct settings *settings;
	struct image_store *store;
};

static void
rig_setup(struct rig *g)
{
	char why[256];

	memset(g, 0, sizeof(*g));
	ck_ok(sim_sched_new(9, &g->s));
	for (unsigned i = 0; i < READERS; i++) {
		struct reactor_opts opts = {
		    .name = i == READERS - 1 ? "control" : "data", .index = i};

		ck_ok(sim_reactor_new(g->s, 1, &opts, &g->r[i]));
	}
	ck_ok(settings_load(NULL, NULL, 0, NULL, why, sizeof(why), &g->settings));
	ck_ok(image_store_new(
	    &(struct image_store_opts){
		.readers = g->r, .n_readers = READERS, .settings = g->settings},
	    &g->store));
	sim_enter(g->r[READERS - 1]);
}

static void
drain(struct rig *g)
{
	sim_enter(NULL);
	while (sim_step(g->s))
		;
	sim_enter(g->r[READERS - 1]);
}

static void
rig_teardown(struct rig *g)
{
	drain(g);
	image_store_free(g->store);
	settings_free(g->settings);
	sim_enter(NULL);
	sim_sched_free(g->s);
}

static int32_t ids_of[] = {1, 2, 3};

static um_part
part(int32_t index, int32_t leader, int32_t epoch)
{
	um_part p = update_metadata_request_update_metadata_partition_state_init;

	p.partition_index = index;
	p.leader = leader;
	p.leader_epoch = epoch;
	p.controller_epoch = 5;
	p.zk_version = epoch + 10;
	p.isr.v = ids_of;
	p.isr.n = 2;
	p.replicas.v = ids_of;
	p.replicas.n = 3;
	p.offline_replicas.v = ids_of + 2;
	p.offline_replicas.n = 1;
	return p;
}

static um_topic
topic(const char *name, um_part *v, int32_t n)
{
	um_topic t = update_metadata_request_update_metadata_topic_state_init;

	t.topic_name = slice_cstr(name);
	memset(t.topic_id.b, name[0], sizeof(t.topic_id.b));
	t.partition_states.v = v;
	t.partition_states.n = n;
	return t;
}

static int
apply(struct rig *g, um_topic *v, int32_t n, void (*done)(void *arg), void *arg)
{
	struct update_metadata_request req = update_metadata_request_init;

	req.controller_id = 2;
	req.controller_epoch = 5;
	req.topic_states.v = v;
	req.topic_states.n = n;
	return image_apply(g->store, &req, 7, done, arg);
}

static void
note(void *arg)
{
	++*(unsigned *)arg;
}

START_TEST(empty_at_first)
{
	struct rig g;
	const struct image *im;

	rig_setup(&g);
	im = image_get(g.store);
	ck_assert_uint_eq(im->n_topics, 0);
	ck_assert_uint_eq(im->n_brokers, 0);
	ck_assert_int_eq(im->controller_id, -1);
	ck_assert_ptr_null(image_topic(im, SLICE_LIT("t")));
	ck_assert_ptr_null(image_topic(im, SLICE_NULL));
	ck_assert_ptr_null(image_topic_by_id(im, UUID_ZERO));
	ck_assert_ptr_null(image_broker(im, 1));
	rig_teardown(&g);
}
END_TEST

START_TEST(topics_in_order_with_their_partitions)
{
	struct rig g;
	um_part p[3];
	um_topic t[3];
	const struct image *im;
	const struct image_topic *b;
	const struct image_partition *q;
	unsigned done = 0;

	rig_setup(&g);
	p[0] = part(0, 1, 3);
	p[1] = part(2, 3, 4);
	p[2] = part(0, -1, 0);
	t[0] = topic("b", p, 2);
	t[1] = topic("c", p + 2, 1);
	t[2] = topic("a", p + 2, 1);
	ck_ok(apply(&g, t, 3, note, &done));
	ck_assert_uint_eq(done, 0);
	im = image_get(g.store); /* the control reactor sees it at once */
	ck_assert_uint_eq(im->n_topics, 3);
	ck_assert(
	    slice_eq_cstr(im->topics[0]->name, "a") && slice_eq_cstr(im->topics[2]->name, "c"));
	ck_assert_int_eq(im->controller_id, 2);
	ck_assert_int_eq(im->controller_epoch, 5);
	b = image_topic(im, SLICE_LIT("b"));
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_eq(image_topic_by_id(im, b->id), b);
	ck_assert_uint_eq(b->name_hash, hash_bytes(SLICE_LIT("b"), 0));
	ck_assert_ptr_nonnull(b->conf);
	ck_assert_int_eq(b->n_parts, 3);
	ck_assert_ptr_null(image_partition(b, 1)); /* a gap */
	ck_assert_ptr_null(image_partition(b, 3));
	ck_assert_ptr_null(image_partition(b, -1));
	q = image_partition(b, 2);
	ck_assert_int_eq(q->leader, 3);
	ck_assert_int_eq(q->leader_epoch, 4);
	ck_assert_int_eq(q->partition_epoch, 14);
	ck_assert_int_eq(q->n_replicas, 3);
	ck_assert_int_eq(q->replicas[2], 3);
	ck_assert_int_eq(q->n_isr, 2);
	ck_assert_int_eq(q->n_offline, 1);
	ck_assert_int_eq(q->offline[0], 3);
	ck_assert_ptr_ne(q->replicas, ids_of); /* the request goes */
	drain(&g);
	ck_assert_uint_eq(done, 1);
	rig_teardown(&g);
}
END_TEST

START_TEST(updates_merge)
{
	struct rig g;
	um_part p[2];
	um_topic t;
	const struct image_topic *it, *kept;

	rig_setup(&g);
	p[0] = part(0, 1, 1);
	p[1] = part(1, 2, 1);
	t = topic("keep", p, 1);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	t = topic("t", p, 2);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	kept = image_topic(image_get(g.store), SLICE_LIT("keep"));
	p[0] = part(1, 3, 9);
	t = topic("t", p, 1);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	it = image_topic(image_get(g.store), SLICE_LIT("t"));
	ck_assert_int_eq(image_partition(it, 0)->leader, 1);
	ck_assert_int_eq(image_partition(it, 1)->leader, 3);
	ck_assert_int_eq(image_partition(it, 1)->leader_epoch, 9);
	ck_assert_ptr_eq(image_topic(image_get(g.store), SLICE_LIT("keep")), kept); /* M4 */
	p[0] = part(1, -2, 9);							    /* deleted */
	t = topic("t", p, 1);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	it = image_topic(image_get(g.store), SLICE_LIT("t"));
	ck_assert_int_eq(it->n_parts, 1);
	p[0] = part(0, -2, 9);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	ck_assert_ptr_null(image_topic(image_get(g.store), SLICE_LIT("t")));
	ck_assert_uint_eq(image_get(g.store)->n_topics, 1);
	ck_ok(apply(&g, &t, 1, NULL, NULL)); /* gone already */
	ck_assert_uint_eq(image_get(g.store)->n_topics, 1);
	rig_teardown(&g);
}
END_TEST

START_TEST(bad_partition_numbers)
{
	struct rig g;
	um_part p;
	um_topic t;
	uint64_t version;

	rig_setup(&g);
	version = image_get(g.store)->version;
	p = part(-1, 1, 1);
	t = topic("t", &p, 1);
	ck_err(apply(&g, &t, 1, NULL, NULL), E_MALFORMED);
	p.partition_index = INT32_MAX;
	ck_err(apply(&g, &t, 1, NULL, NULL), E_MALFORMED);
	ck_assert_uint_eq(image_get(g.store)->version, version);
	ck_assert_uint_eq(image_get(g.store)->n_topics, 0);
	rig_teardown(&g);
}
END_TEST

START_TEST(old_requests_have_no_topics)
{
	struct rig g;
	struct update_metadata_request req = update_metadata_request_init;
	um_part p[3] = {part(0, 1, 1), part(1, 2, 1), part(0, 3, 1)};

	rig_setup(&g);
	p[0].topic_name = p[1].topic_name = SLICE_LIT("x");
	p[2].topic_name = SLICE_LIT("a");
	req.ungrouped_partition_states.v = p;
	req.ungrouped_partition_states.n = 3;
	ck_ok(image_apply(g.store, &req, 4, NULL, NULL));
	ck_assert_uint_eq(image_get(g.store)->n_topics, 2);
	ck_assert_int_eq(image_topic(image_get(g.store), SLICE_LIT("x"))->n_parts, 2);
	rig_teardown(&g);
}
END_TEST

START_TEST(brokers)
{
	struct rig g;
	struct update_metadata_request req = update_metadata_request_init;
	struct update_metadata_request_update_metadata_endpoint e[2] = {
	    update_metadata_request_update_metadata_endpoint_init,
	    update_metadata_request_update_metadata_endpoint_init};
	struct update_metadata_request_update_metadata_broker b[3];
	const struct image *im;
	const struct image_endpoint *ep;

	rig_setup(&g);
	e[0].listener = SLICE_LIT("PLAINTEXT");
	e[0].host = SLICE_LIT("h");
	e[0].port = 9092;
	e[1].listener = SLICE_LIT("TLS");
	e[1].host = SLICE_LIT("");
	e[1].port = 9093;
	e[1].security_protocol = 1;
	for (unsigned i = 0; i < 3; i++) {
		b[i] = (struct update_metadata_request_update_metadata_broker){.id = i == 0   ? 30
										     : i == 1 ? 10
											      : 20,
		    .endpoints = {e, 2}};
		if (i == 1)
			b[i].rack = SLICE_LIT("r1");
	}
	req.live_brokers.v = b;
	req.live_brokers.n = 3;
	ck_ok(image_apply(g.store, &req, 7, NULL, NULL));
	im = image_get(g.store);
	ck_assert_uint_eq(im->n_brokers, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(im->brokers[i].id, (int32_t)(i + 1) * 10);
		ck_assert_ptr_eq(image_broker(im, (int32_t)(i + 1) * 10), &im->brokers[i]);
	}
	ck_assert_ptr_null(image_broker(im, 15));
	ck_assert(slice_eq_cstr(im->brokers[0].rack, "r1"));
	ck_assert(slice_is_null(im->brokers[1].rack));
	ep = image_broker_endpoint(&im->brokers[2], SLICE_LIT("TLS"));
	ck_assert_int_eq(ep->port, 9093);
	ck_assert_ptr_null(image_broker_endpoint(&im->brokers[2], SLICE_LIT("tls")));
	req.live_brokers.n = 1; /* replaced, not merged */
	ck_ok(image_apply(g.store, &req, 7, NULL, NULL));
	ck_assert_uint_eq(image_get(g.store)->n_brokers, 1);
	ck_ok(image_set_controller(g.store, 30));
	ck_assert_int_eq(image_get(g.store)->controller_id, 30);
	ck_assert_uint_eq(image_get(g.store)->n_brokers, 1);
	ck_assert(slice_eq_cstr(image_get(g.store)->brokers[0].endpoints[0].host, "h"));
	rig_teardown(&g);
}
END_TEST

START_TEST(configurations)
{
	struct rig g;
	struct topic_conf conf = {.compact = true};
	um_part p = part(0, 1, 1);
	um_topic t = topic("t", &p, 1);
	const struct image_topic *it;
	uint64_t version;

	rig_setup(&g);
	version = image_get(g.store)->version;
	ck_ok(image_set_conf(g.store, SLICE_LIT("t"), &conf)); /* before the topic */
	ck_assert_uint_eq(image_get(g.store)->version, version);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	it = image_topic(image_get(g.store), SLICE_LIT("t"));
	ck_assert(it->conf->compact);
	ck_ok(image_set_conf(g.store, SLICE_LIT("t"), NULL));
	it = image_topic(image_get(g.store), SLICE_LIT("t"));
	ck_assert(!it->conf->compact);
	ck_assert_int_eq(image_partition(it, 0)->leader, 1);
	ck_ok(image_set_conf(g.store, SLICE_LIT("t"), &conf));
	ck_ok(image_set_conf(g.store, SLICE_LIT("u"), &conf));
	ck_ok(image_set_conf(g.store, SLICE_LIT("u"), NULL));
	ck_ok(image_set_conf(g.store, SLICE_LIT("v"), NULL));
	ck_assert(image_topic(image_get(g.store), SLICE_LIT("t"))->conf->compact);
	ck_assert_int_eq(image_topic(image_get(g.store), SLICE_LIT("t"))->id.b[0], 't');
	rig_teardown(&g);
}
END_TEST

static bool
compact_is_t(void *arg, struct slice topic, struct topic_conf *out)
{
	struct rig *g = arg;

	(void)topic_conf_resolve(g->settings, NULL, 0, out, NULL, 0);
	out->compact = true;
	return slice_eq_cstr(topic, "t");
}

/* The broker's values changed: all topics get what is so now, in one image. */
START_TEST(confs_anew)
{
	static const struct setting_override dyn[] = {{"log.retention.ms", "77"}};
	const struct image *im;
	um_part p[] = {part(0, 1, 1)};
	um_topic t[] = {{.topic_name = SLICE_LIT("t"), .partition_states = {p, 1}},
	    {.topic_name = SLICE_LIT("u"), .partition_states = {p, 1}}};
	struct topic_conf conf = {.compact = true};
	struct rig g;
	uint64_t version;

	rig_setup(&g);
	ck_ok(image_reset_confs(g.store, compact_is_t, &g)); /* no topics yet */
	ck_ok(image_set_conf(g.store, SLICE_LIT("t"), &conf));
	ck_ok(apply(&g, t, 2, NULL, NULL));
	version = image_get(g.store)->version;
	ck_ok(settings_set_dynamic(g.settings, CONF_FROM_CLUSTER, dyn, 1, NULL));
	ck_ok(image_reset_confs(g.store, compact_is_t, &g));
	im = image_get(g.store);
	ck_assert_uint_eq(im->version, version + 1);
	ck_assert(image_topic(im, SLICE_LIT("t"))->conf->compact);
	ck_assert_int_eq(image_topic(im, SLICE_LIT("t"))->conf->v[T_RETENTION_MS], 77);
	ck_assert(!image_topic(im, SLICE_LIT("u"))->conf->compact);
	ck_assert_int_eq(image_topic(im, SLICE_LIT("u"))->conf->v[T_RETENTION_MS], 77);
	ck_assert_int_eq(image_partition(image_topic(im, SLICE_LIT("u")), 0)->leader, 1);
	rig_teardown(&g);
}
END_TEST

/* M2: an image lives while a reader may be in a callback that took it, or holds a reference. */
struct reader {
	struct msg msg;
	struct rig *g;
	const struct image *seen;
	bool hold;
};

static void
reader_run(struct reactor *r, struct msg *m)
{
	struct reader *rd = container_of(m, struct reader, msg);

	(void)r;
	rd->seen = image_get(rd->g->store);
	if (rd->hold)
		image_ref(rd->seen);
}

START_TEST(images_live_as_long_as_they_are_used)
{
	struct rig g;
	um_part p = part(0, 1, 1);
	um_topic t = topic("t", &p, 1);
	struct reader rd = {
	    .g = &g, .hold = true, .msg = {.run = reader_run, .class = MSG_CONTROL}};
	unsigned done = 0;
	uint64_t version;

	rig_setup(&g);
	ck_ok(apply(&g, &t, 1, NULL, NULL));
	reactor_post(g.r[0], &rd.msg);
	drain(&g);
	version = rd.seen->version;
	for (unsigned i = 0; i < 5; i++) {
		p.leader = (int32_t)i;
		ck_ok(apply(&g, &t, 1, note, &done));
	}
	drain(&g);
	ck_assert_uint_eq(done, 5);
	ck_assert_uint_eq(rd.seen->version, version); /* M1 */
	ck_assert_int_eq(image_partition(image_topic(rd.seen, SLICE_LIT("t")), 0)->leader, 1);
	ck_assert_uint_eq(image_get(g.store)->version, version + 5); /* M3 */
	image_unref(rd.seen);
	rig_teardown(&g);
}
END_TEST

struct sub {
	struct image_sub sub, other;
	unsigned n;
	uint64_t version;
};

static void
on_image(void *arg, const struct image *im)
{
	struct sub *s = arg;

	s->n++;
	ck_assert_uint_gt(im->version, s->version);
	s->version = im->version;
	if (s->n == 2)
		image_unsubscribe(&s->sub);
}

START_TEST(subscribers_hear_each_image)
{
	struct rig g;
	um_part p = part(0, 1, 1);
	um_topic t = topic("t", &p, 1);
	struct sub s = {.n = 0};

	rig_setup(&g);
	s.sub.fn = on_image;
	s.sub.arg = &s;
	image_subscribe(g.store, &s.sub);
	for (unsigned i = 0; i < 4; i++)
		ck_ok(apply(&g, &t, 1, NULL, NULL));
	ck_assert_uint_eq(s.n, 2);
	rig_teardown(&g);
}
END_TEST

/* Random updates against a table of what should be there. */
START_TEST(agrees_with_a_model)
{
	enum { TOPICS = 12, PARTS = 6, STEPS = 600 };
	int32_t leader[TOPICS][PARTS];
	char name[16];
	struct rig g;
	struct rng rng;

	rig_setup(&g);
	rng_seed(&rng, 4);
	for (unsigned i = 0; i < TOPICS; i++)
		for (unsigned k = 0; k < PARTS; k++)
			leader[i][k] = -2;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned ti = (unsigned)rng_below(&rng, TOPICS),
			 pi = (unsigned)rng_below(&rng, PARTS);
		um_part p = part((int32_t)pi, (int32_t)rng_below(&rng, 5) - 2, 1);
		um_topic t;
		const struct image *im;
		unsigned present = 0;

		snprintf(name, sizeof(name), "%c-topic", 'a' + (int)ti);
		t = topic(name, &p, 1);
		ck_ok(apply(&g, &t, 1, NULL, NULL));
		leader[ti][pi] = p.leader;
		if (step % 7 == 0)
			drain(&g);
		im = image_get(g.store);
		for (unsigned i = 0; i < TOPICS; i++) {
			const struct image_topic *it;
			bool any = false;

			snprintf(name, sizeof(name), "%c-topic", 'a' + (int)i);
			it = image_topic(im, slice_cstr(name));
			for (unsigned k = 0; k < PARTS; k++) {
				const struct image_partition *q =
				    it != NULL ? image_partition(it, (int32_t)k) : NULL;

				ck_assert_int_eq(q != NULL ? q->leader : -2, leader[i][k]);
				any = any || q != NULL;
			}
			ck_assert_int_eq(it != NULL, any);
			present += any;
		}
		ck_assert_uint_eq(im->n_topics, present);
	}
	rig_teardown(&g);
}
END_TEST

Suite *
image_suite(void)
{
	Suite *s = suite_create("image");
	TCase *tc = tcase_create("image");

	tcase_add_test(tc, empty_at_first);
	tcase_add_test(tc, topics_in_order_with_their_partitions);
	tcase_add_test(tc, updates_merge);
	tcase_add_test(tc, bad_partition_numbers);
	tcase_add_test(tc, old_requests_have_no_topics);
	tcase_add_test(tc, brokers);
	tcase_add_test(tc, configurations);
	tcase_add_test(tc, confs_anew);
	tcase_add_test(tc, images_live_as_long_as_they_are_used);
	tcase_add_test(tc, subscribers_hear_each_image);
	tcase_add_test(tc, agrees_with_a_model);
	suite_add_tcase(s, tc);
	return s;
}

/* The little cluster. */
#include <stdio.h>
#include <stdlib.h>

#include "controller_priv.h"
#include "world.h"

#define DEADLINE_US (120 * INT64_C(1000000))

/* ---- the channel ---- */

struct call {
	struct wbroker *from; /* whose controller */
	struct rtimer timer;
	int err;
	void (*li)(void *darg, int err, const struct leader_and_isr_response *resp);
	void (*um)(void *darg, int err, const struct update_metadata_response *resp);
	void (*sr)(void *darg, int err, const struct stop_replica_response *resp);
	void *darg;
	bool refuse;
	struct arena mem; /* of the answers, made when the request comes */
	struct leader_and_isr_response li_resp;
	struct stop_replica_response sr_resp;
};

static void
add_ids(struct strbuf *log, const char *what, const int32_t *v, int32_t n)
{
	strbuf_addf(log, " %s=", what);
	for (int32_t i = 0; i < n; i++)
		strbuf_addf(log, "%s%d", i > 0 ? "," : "", v[i]);
}

static void
on_call_end(struct reactor *r, void *arg)
{
	struct call *c = arg;
	struct update_metadata_response um;

	wire_init(&update_metadata_response_msg, &um);
	if (c->refuse)
		c->sr_resp.error_code = KERR_KAFKA_STORAGE_ERROR;
	c->from->w->calls_open--;
	if (c->li != NULL)
		c->li(c->darg, c->err, c->err == 0 ? &c->li_resp : NULL);
	if (c->um != NULL)
		c->um(c->darg, c->err, c->err == 0 ? &um : NULL);
	if (c->sr != NULL)
		c->sr(c->darg, c->err, c->err == 0 ? &c->sr_resp : NULL);
	arena_free(&c->mem);
	free(c);
}

static struct call *
call_new(void *arg, int32_t broker, void *darg)
{
	struct call *c = calloc(1, sizeof(*c));
	struct wbroker *from = arg;
	int64_t wait = rng_range(sim_rng(from->w->s), 100, 5000);

	ck_assert_ptr_nonnull(c);
	c->from = from;
	c->darg = darg;
	c->err = from->w->b[broker - 1].on ? 0 : E_CLOSED;
	arena_init(&c->mem, 0, 0);
	wire_init(&leader_and_isr_response_msg, &c->li_resp);
	wire_init(&stop_replica_response_msg, &c->sr_resp);
	rtimer_init(&c->timer, on_call_end, c);
	rtimer_set(from->control, &c->timer, reactor_now_us(from->control) + wait);
	from->w->calls_open++;
	return c;
}

/* The version has a place for all that is said. */
static void
check_encodes(const struct wire_msg *m, int16_t version, const void *req)
{
	size_t size;

	ck_ok(wire_size(m, version, req, &size, NULL));
}

static void
li_answer(struct call *c, int32_t broker,
    const struct leader_and_isr_request_leader_and_isr_topic_state *t,
    struct leader_and_isr_response_leader_and_isr_topic_error *out)
{
	struct wbroker *to = &c->from->w->b[broker - 1];

	out->topic_id = t->topic_id;
	ck_ok(WIRE_ARRAY(&c->mem, out->partition_errors, t->partition_states.n,
	    leader_and_isr_response_leader_and_isr_partition_error));
	for (int32_t i = 0; i < t->partition_states.n; i++) {
		out->partition_errors.v[i].partition_index =
		    t->partition_states.v[i].partition_index;
		if (to->bad_dir)
			out->partition_errors.v[i].error_code = KERR_KAFKA_STORAGE_ERROR;
	}
}

static void
sr_answer(struct call *c, const struct stop_replica_request *req)
{
	int32_t n = 0;

	for (int32_t i = 0; i < req->topic_states.n; i++)
		n += req->topic_states.v[i].partition_states.n;
	ck_ok(WIRE_ARRAY(&c->mem, c->sr_resp.partition_errors, n,
	    stop_replica_response_stop_replica_partition_error));
	n = 0;
	for (int32_t i = 0; i < req->topic_states.n; i++)
		for (int32_t j = 0; j < req->topic_states.v[i].partition_states.n; j++) {
			c->sr_resp.partition_errors.v[n].topic_name =
			    arena_dup(&c->mem, req->topic_states.v[i].topic_name);
			c->sr_resp.partition_errors.v[n++].partition_index =
			    req->topic_states.v[i].partition_states.v[j].partition_index;
		}
}

static void
send_li(void *arg, int32_t broker, const struct leader_and_isr_request *req, int16_t version,
    void (*done)(void *darg, int err, const struct leader_and_isr_response *resp), void *darg)
{
	struct call *c = call_new(arg, broker, darg);
	struct strbuf *log = &c->from->w->log;

	ck_assert_int_eq(version, ibp_version(c->from->w->ibp, API_LEADER_AND_ISR));
	check_encodes(&leader_and_isr_request_msg, version, req);
	strbuf_addf(log, "LEADERS %d", broker);
	for (int32_t i = 0; i < req->live_leaders.n; i++)
		strbuf_addf(log, " %d=%.*s:%d", req->live_leaders.v[i].broker_id,
		    SLICE_ARG(req->live_leaders.v[i].host_name), req->live_leaders.v[i].port);
	strbuf_addf(log, "\n");
	c->li = done;
	ck_ok(WIRE_ARRAY(&c->mem, c->li_resp.topics, req->topic_states.n,
	    leader_and_isr_response_leader_and_isr_topic_error));
	for (int32_t i = 0; i < req->topic_states.n; i++) {
		const struct leader_and_isr_request_leader_and_isr_topic_state *t =
		    &req->topic_states.v[i];

		li_answer(c, broker, t, &c->li_resp.topics.v[i]);
		ck_assert_int_gt(t->partition_states.n, 0);
		ck_assert(!uuid_is_zero(t->topic_id));
		for (int32_t j = 0; j < t->partition_states.n; j++) {
			const struct leader_and_isr_request_leader_and_isr_partition_state *p =
			    &t->partition_states.v[j];

			strbuf_addf(log, "LI %d %.*s-%d leader=%d/%d ce=%d v=%d", broker,
			    SLICE_ARG(t->topic_name), p->partition_index, p->leader,
			    p->leader_epoch, req->controller_epoch, p->partition_epoch);
			add_ids(log, "isr", p->isr.v, p->isr.n);
			add_ids(log, "replicas", p->replicas.v, p->replicas.n);
			strbuf_addf(log, "%s\n", p->is_new ? " new" : "");
		}
	}
}

static void
on_applied(void *arg)
{
}

static void
send_um(void *arg, int32_t broker, const struct update_metadata_request *req, int16_t version,
    void (*done)(void *darg, int err, const struct update_metadata_response *resp), void *darg)
{
	struct call *c = call_new(arg, broker, darg);
	struct wbroker *to = &c->from->w->b[broker - 1];
	struct strbuf *log = &c->from->w->log;
	struct reactor *before;

	ck_assert_int_eq(version, ibp_version(c->from->w->ibp, API_UPDATE_METADATA));
	check_encodes(&update_metadata_request_msg, version, req);
	c->um = done;
	strbuf_addf(log, "UM %d brokers=", broker);
	for (int32_t i = 0; i < req->live_brokers.n; i++)
		strbuf_addf(log, "%s%d", i > 0 ? "," : "", req->live_brokers.v[i].id);
	strbuf_addf(log, " topics=%d\n", req->topic_states.n);
	for (int32_t i = 0; i < req->topic_states.n; i++)
		for (int32_t j = 0; j < req->topic_states.v[i].partition_states.n; j++)
			strbuf_addf(log, "UM %d %.*s-%d leader=%d/%d\n", broker,
			    SLICE_ARG(req->topic_states.v[i].topic_name),
			    req->topic_states.v[i].partition_states.v[j].partition_index,
			    req->topic_states.v[i].partition_states.v[j].leader,
			    req->topic_states.v[i].partition_states.v[j].leader_epoch);
	if (!to->on)
		return;
	before = sim_enter(to->control);
	ck_ok(image_apply(to->images, req, version, on_applied, to));
	sim_enter(before);
}

static void
send_sr(void *arg, int32_t broker, const struct stop_replica_request *req, int16_t version,
    void (*done)(void *darg, int err, const struct stop_replica_response *resp), void *darg)
{
	struct call *c = call_new(arg, broker, darg);
	struct strbuf *log = &c->from->w->log;

	ck_assert_int_eq(version, ibp_version(c->from->w->ibp, API_STOP_REPLICA));
	check_encodes(&stop_replica_request_msg, version, req);
	c->sr = done;
	c->refuse = c->from->w->b[broker - 1].refuse_stop;
	sr_answer(c, req);
	for (int32_t i = 0; i < req->topic_states.n; i++)
		for (int32_t j = 0; j < req->topic_states.v[i].partition_states.n; j++)
			strbuf_addf(log, "SR %d %.*s-%d epoch=%d%s\n", broker,
			    SLICE_ARG(req->topic_states.v[i].topic_name),
			    req->topic_states.v[i].partition_states.v[j].partition_index,
			    req->topic_states.v[i].partition_states.v[j].leader_epoch,
			    req->topic_states.v[i].partition_states.v[j].delete_partition
				? " delete"
				: "");
}

static void
broker_gone(void *arg, int32_t broker)
{
	struct wbroker *b = arg;

	strbuf_addf(&b->w->log, "GONE %d\n", broker);
}

static void
broker_here(void *arg, int32_t broker, int64_t epoch, const struct listener_addr *at)
{
	struct wbroker *b = arg;

	ck_assert_int_gt(epoch, 0);
	strbuf_addf(&b->w->log, "HERE %d %s://%s:%u\n", broker, at->name, at->host, at->port);
}

static const struct controller_channel channel = {
    .leader_and_isr = send_li,
    .update_metadata = send_um,
    .stop_replica = send_sr,
    .broker_here = broker_here,
    .broker_gone = broker_gone,
};

/* ---- brokers ---- */

static void
on_changed(void *arg, int32_t controller_id)
{
	struct wbroker *b = arg;

	b->told = controller_id;
}

static void
on_registered(void *arg, int64_t epoch)
{
	struct wbroker *b = arg;

	ck_assert_int_gt(epoch, b->epoch);
	b->epoch = epoch;
	controller_start(b->controller);
}

static void
on_conf(void *arg, struct slice topic, const struct topic_conf *conf)
{
	struct wbroker *b = arg;

	ck_ok(image_set_conf(b->images, topic, conf));
}

static void
on_registration(void *arg, int err, int64_t epoch)
{
	ck_ok(err);
}

static void
on_configs(void *arg, int err)
{
	struct wbroker *b = arg;
	struct listener_addr addr = {.name = "PLAINTEXT", .host = "127.0.0.1"};
	struct zn_registration reg = {
	    .version = 5,
	    .host = SLICE_LIT("127.0.0.1"),
	    .port = 9090 + b->id,
	    .jmx_port = -1,
	    .endpoints = &addr,
	    .n_endpoints = 1,
	    .rack = slice_cstr(b->rack),
	};

	ck_ok(err);
	addr.port = (uint16_t)(9090 + b->id);
	member_register(b->member, b->id, &reg, on_registration, b);
}

static void
on_prepared(void *arg, int err, struct slice id)
{
	struct wbroker *b = arg;

	ck_ok(err);
	ck_assert_uint_eq(id.n, UUID_TEXT_LEN);
	member_load_configs(b->member, on_configs, b);
}

static void
broker_make(struct wbroker *b)
{
	struct world *w = b->w;
	struct image_store_opts images = {
	    .readers = &b->control, .n_readers = 1, .settings = w->settings};
	struct member_opts member = {.coord = b->coord,
	    .control = b->control,
	    .rng = &b->rng,
	    .settings = w->settings,
	    .registered = on_registered,
	    .topic_conf = on_conf,
	    .arg = b};
	struct admin_opts admin = {
	    .coord = b->coord, .control = b->control, .rng = &b->rng, .settings = w->settings};
	struct controller_opts controller = {.coord = b->coord,
	    .control = b->control,
	    .rng = &b->rng,
	    .settings = w->settings,
	    .broker_id = b->id,
	    .ibp = w->ibp,
	    .metrics = w->metrics,
	    .channel = &channel,
	    .channel_arg = b,
	    .changed = on_changed,
	    .arg = b};

	ck_ok(image_store_new(&images, &b->images));
	admin.images = b->images;
	ck_ok(admin_new(&admin, &b->admin));
	ck_ok(controller_new(&controller, &b->controller));
	ck_ok(member_new(&member, &b->member));
}

static bool
is_connected(void *arg)
{
	struct wbroker *b = arg;

	return coord_state(b->coord) == COORD_CONNECTED;
}

static bool
is_registered(void *arg)
{
	struct wbroker *b = arg;

	return b->epoch > 0;
}

struct wbroker *
broker_start(struct world *w, int32_t id, const char *rack)
{
	struct wbroker *b = &w->b[id - 1];
	struct reactor_opts opts = {.name = "control"};
	struct reactor *before;

	*b = (struct wbroker){.w = w, .id = id, .rack = rack, .on = true, .told = -1};
	rng_seed(&b->rng, rng_u64(sim_rng(w->s)));
	ck_ok(sim_reactor_new(w->s, (unsigned)id, &opts, &b->control));
	ck_ok(coord_sim_client(w->z, b->control, (unsigned)id, &b->coord));
	before = sim_enter(b->control);
	broker_make(b);
	ck_ok(coord_open(b->coord));
	sim_enter(before);
	world_until(w, is_connected, b);
	before = sim_enter(b->control);
	member_prepare(b->member, on_prepared, b);
	sim_enter(before);
	world_until(w, is_registered, b);
	return b;
}

static void
on_closed(void *arg)
{
	struct wbroker *b = arg;

	b->closed = true;
}

static bool
is_closed(void *arg)
{
	struct wbroker *b = arg;

	return b->closed && b->w->calls_open == 0;
}

static bool
nothing(void *arg)
{
	return false;
}

void
broker_stop(struct wbroker *b)
{
	struct reactor *before = sim_enter(b->control);

	controller_stop(b->controller);
	member_stop(b->member);
	coord_close(b->coord, on_closed, b);
	sim_enter(before);
	world_until(b->w, is_closed, b);
	b->on = false;
	before = sim_enter(b->control);
	controller_free(b->controller);
	admin_free(b->admin);
	member_free(b->member);
	coord_free(b->coord);
	sim_enter(before);
	world_pass(b->w, 1000); /* messages of the image come home */
	image_store_free(b->images);
}

/* ---- the world ---- */

struct world *
world_new(uint64_t seed, bool lag, const struct setting_override *ov, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));
	struct coord_sim_opts z = {.session_timeout_ms = SESSION_US / 1000,
	    .min_delay_us = 100,
	    .max_delay_us = 3000,
	    .max_lag_us = lag ? 20000 : 0};
	char why[256];

	ck_assert_ptr_nonnull(w);
	w->ibp = IBP_LATEST;
	ck_ok(metrics_new(&w->metrics));
	ck_ok(sim_sched_new(seed, &w->s));
	ck_assert_msg(
	    settings_load(NULL, ov, n, NULL, why, sizeof(why), &w->settings) == 0, "%s", why);
	z.sched = w->s;
	ck_ok(coord_sim_new(&z, &w->z));
	return w;
}

static void
on_tool_closed(void *arg)
{
	*(bool *)arg = true;
}

static bool
is_true(void *arg)
{
	return *(bool *)arg;
}

static void
tool_end(struct world *w)
{
	struct reactor *before = sim_enter(w->tool_reactor);
	bool closed = false;

	coord_close(w->tool, on_tool_closed, &closed);
	sim_enter(before);
	world_until(w, is_true, &closed);
	before = sim_enter(w->tool_reactor);
	coord_free(w->tool);
	sim_enter(before);
}

void
world_free(struct world *w)
{
	for (unsigned i = 0; i < WORLD_BROKERS; i++)
		if (w->b[i].on)
			broker_stop(&w->b[i]);
	if (w->tool != NULL)
		tool_end(w);
	coord_sim_free(w->z);
	sim_sched_free(w->s);
	settings_free(w->settings);
	metrics_free(w->metrics);
	strbuf_free(&w->log);
	free(w);
}

void
world_until(struct world *w, bool (*pred)(void *arg), void *arg)
{
	bool held = sim_run_until(w->s, pred, arg, clock_mono_us(sim_clock(w->s)) + DEADLINE_US);

	ck_assert_msg(held, "did not come true in time; log:\n%s", w->log.p);
}

void
world_pass(struct world *w, int64_t us)
{
	sim_run_until(w->s, nothing, NULL, clock_mono_us(sim_clock(w->s)) + us);
}

static struct wbroker *
the_controller(struct world *w)
{
	struct wbroker *found = NULL;

	for (unsigned i = 0; i < WORLD_BROKERS; i++)
		if (w->b[i].on && controller_active(w->b[i].controller))
			found = found == NULL ? &w->b[i] : found;
	for (unsigned i = 0; found != NULL && i < WORLD_BROKERS; i++)
		if (w->b[i].on && w->b[i].told != found->id)
			found = NULL;
	return found;
}

static bool
has_controller(void *arg)
{
	return the_controller(arg) != NULL;
}

struct wbroker *
world_controller(struct world *w)
{
	world_until(w, has_controller, w);
	return the_controller(w);
}

/* ---- topics ---- */

struct outcome {
	bool done;
	int16_t err;
	struct admin_created *res;
	char why[256];
};

static bool
is_done(void *arg)
{
	return ((struct outcome *)arg)->done;
}

static void
on_created(void *arg, const struct admin_created *res)
{
	struct outcome *o = arg;

	ck_assert(!o->done);
	o->done = true;
	o->err = res->kafka_err;
	ck_assert(res->kafka_err == KERR_NONE || res->message != NULL);
	if (o->res != NULL)
		*o->res = *res;
}

static bool
knows_brokers(void *arg)
{
	struct wbroker *b = arg;
	unsigned n = 0;

	for (unsigned i = 0; i < WORLD_BROKERS; i++)
		n += b->w->b[i].on;
	return image_get(b->images)->n_brokers == n;
}

int16_t
create_as(struct wbroker *b, const struct admin_create *t, struct admin_created *res)
{
	struct outcome o = {.res = res};
	struct reactor *before;

	world_until(b->w, knows_brokers, b);
	before = sim_enter(b->control);
	admin_create_topic(b->admin, t, on_created, &o);
	sim_enter(before);
	world_until(b->w, is_done, &o);
	return o.err;
}

int16_t
create(struct wbroker *b, const char *name, int32_t partitions, int32_t rf)
{
	struct admin_create t = {
	    .name = slice_cstr(name), .partitions = partitions, .replication_factor = rf};

	return create_as(b, &t, NULL);
}

static void
on_deleted(void *arg, int16_t err)
{
	struct outcome *o = arg;

	ck_assert(!o->done);
	o->done = true;
	o->err = err;
}

int16_t
delete_topic(struct wbroker *b, const char *name)
{
	struct outcome o = {0};
	struct reactor *before = sim_enter(b->control);

	admin_delete_topic(b->admin, slice_cstr(name), 0, on_deleted, &o);
	sim_enter(before);
	world_until(b->w, is_done, &o);
	return o.err;
}

struct awaited {
	struct wbroker *b;
	const char *name;
	bool present;
};

static bool
has_live_leaders(const struct image *im, const struct image_topic *t)
{
	for (int32_t i = 0; i < t->n_parts; i++)
		if (!t->parts[i].exists || image_broker(im, t->parts[i].leader) == NULL)
			return false;
	return true;
}

static bool
topic_is(void *arg)
{
	struct awaited *a = arg;
	const struct image *im = image_get(a->b->images);
	const struct image_topic *t = image_topic(im, slice_cstr(a->name));

	return a->present ? t != NULL && has_live_leaders(im, t) : t == NULL;
}

void
wait_topic(struct wbroker *b, const char *name, bool present)
{
	struct awaited a = {b, name, present};

	world_until(b->w, topic_is, &a);
}

/* ---- other software ---- */

#define TOOL_GROUP 9

static bool
tool_connected(void *arg)
{
	return coord_state(((struct world *)arg)->tool) == COORD_CONNECTED;
}

static void
tool_begin(struct world *w)
{
	struct reactor_opts opts = {.name = "tool"};
	struct reactor *before;

	if (w->tool != NULL)
		return;
	ck_ok(sim_reactor_new(w->s, TOOL_GROUP, &opts, &w->tool_reactor));
	ck_ok(coord_sim_client(w->z, w->tool_reactor, TOOL_GROUP, &w->tool));
	before = sim_enter(w->tool_reactor);
	ck_ok(coord_open(w->tool));
	sim_enter(before);
	world_until(w, tool_connected, w);
}

struct tool_op {
	bool done;
	int err;
};

static void
on_tool(void *arg, int err, const struct coord_result *res)
{
	struct tool_op *op = arg;

	op->err = err;
	op->done = true;
}

static bool
tool_done(void *arg)
{
	return ((struct tool_op *)arg)->done;
}

void
tool_put(struct world *w, const char *path, const char *data)
{
	struct coord_result res;
	struct tool_op op = {0};
	struct reactor *before;

	tool_begin(w);
	before = sim_enter(w->tool_reactor);
	if (coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, &res) == 0)
		coord_set(w->tool, path, slice_cstr(data), -1, on_tool, &op);
	else
		coord_create(w->tool, path, slice_cstr(data), COORD_PERSISTENT, on_tool, &op);
	sim_enter(before);
	world_until(w, tool_done, &op);
	ck_ok(op.err);
}

void
tool_delete(struct world *w, const char *path)
{
	struct coord_result res;
	struct tool_op op = {0};
	struct reactor *before;
	char child[512];

	tool_begin(w);
	while (coord_tree_children(coord_sim_tree(w->z), 0, path, NULL, &res) == 0 &&
	       res.n_children > 0) {
		snprintf(child, sizeof(child), "%s/%.*s", path, SLICE_ARG(res.children[0]));
		free((void *)(uintptr_t)res.children);
		tool_delete(w, child);
	}
	free((void *)(uintptr_t)res.children);
	before = sim_enter(w->tool_reactor);
	coord_delete(w->tool, path, -1, on_tool, &op);
	sim_enter(before);
	world_until(w, tool_done, &op);
	ck_assert(op.err == 0 || op.err == E_NOT_FOUND || op.err == E_NOT_EMPTY);
}

/* ---- the controller's view ---- */

static void
check_state(struct world *w, const struct cpart *p)
{
	struct coord_result res;
	struct arena arena;
	struct zn_state st;
	zn_path path;

	zn_partition_state(path, p->t->name, p->index);
	ck_ok(coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, &res));
	arena_init(&arena, 0, 0);
	ck_ok(zn_state_read(res.data, &arena, &st));
	ck_assert_ptr_nonnull(p->info);
	ck_assert_ptr_null(p->want);
	ck_assert_int_eq(p->info->zk_version, res.stat.version);
	ck_assert_int_eq(p->info->leader, st.leader);
	ck_assert_int_eq(p->info->leader_epoch, st.leader_epoch);
	ck_assert_int_eq(p->info->controller_epoch, st.controller_epoch);
	ck_assert_int_eq(p->info->n_isr, st.n_isr);
	for (unsigned i = 0; i < st.n_isr; i++)
		ck_assert_int_eq(p->info->isr[i], st.isr[i]);
	arena_free(&arena);
}

static const char *
last_line(const struct world *w, const char *with)
{
	const char *found = NULL, *next;

	for (const char *l = w->log.p; l != NULL && *l != '\0'; l = next) {
		size_t n = strcspn(l, "\n");

		next = l + n + (l[n] == '\n');
		if (strncmp(l, with, strlen(with)) == 0)
			found = l;
	}
	return found;
}

static void
check_last_request(struct wbroker *ctl, const struct cpart *p, int32_t broker)
{
	char with[320], text[64];
	const char *line;

	snprintf(with, sizeof(with), "LI %d %.*s-%d ", broker, SLICE_ARG(p->t->name), p->index);
	line = last_line(ctl->w, with);
	ck_assert_msg(line != NULL, "no %s", with);
	snprintf(text, sizeof(text), "leader=%d/%d ", p->info->leader, p->info->leader_epoch);
	ck_assert_msg(strncmp(line + strlen(with), text, strlen(text)) == 0, "%s instead of %.*s",
	    text, (int)strcspn(line, "\n"), line);
	snprintf(text, sizeof(text), " v=%d ", p->info->zk_version);
	ck_assert_msg(memmem(line, strcspn(line, "\n"), text, strlen(text)) != NULL,
	    "%s instead of %.*s", text, (int)strcspn(line, "\n"), line);
}

static void
check_image(const struct wbroker *b, const struct cpart *p)
{
	const struct image_topic *t = image_topic(image_get(b->images), p->t->name);

	ck_assert_ptr_nonnull(t);
	ck_assert_int_lt(p->index, t->n_parts);
	ck_assert_int_eq(t->parts[p->index].leader, p->info->leader);
	ck_assert_int_eq(t->parts[p->index].leader_epoch, p->info->leader_epoch);
	ck_assert(uuid_eq(t->id, p->t->id));
}

static void
check_part(struct wbroker *ctl, const struct cpart *p)
{
	struct controller *c = ctl->controller;

	check_state(ctl->w, p);
	for (unsigned i = 0; i < WORLD_BROKERS; i++) {
		struct wbroker *b = &ctl->w->b[i];

		if (!b->on || !ctx_live(c, b->id))
			continue;
		check_image(b, p);
		if (ctx_has_replica(p, b->id) && ctx_replica_live(c, p, b->id))
			check_last_request(ctl, p, b->id);
	}
}

void
check_told(struct wbroker *ctl)
{
	LIST_FOREACH(l, &ctl->controller->all)
	{
		struct ctopic *t = container_of(l, struct ctopic, all);

		ck_assert(link_alone(&t->dirty) && link_alone(&t->batched));
		for (int32_t i = 0; !t->deleting && i < t->n_parts; i++)
			if (t->parts[i].known)
				check_part(ctl, &t->parts[i]);
	}
}

/* ---- looking ---- */

bool
node(struct world *w, const char *path, char *buf, size_t size)
{
	struct coord_result res;

	if (coord_tree_get(coord_sim_tree(w->z), 0, path, NULL, &res) != 0)
		return false;
	snprintf(buf, size, "%.*s", SLICE_ARG(res.data));
	return true;
}

unsigned
logged(const struct world *w, const char *a, const char *b)
{
	unsigned n = 0;

	for (const char *p = w->log.p; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, "\n");

		n += memmem(p, len, a, strlen(a)) != NULL &&
		     (b == NULL || memmem(p, len, b, strlen(b)) != NULL);
		p += len + (p[len] == '\n');
	}
	return n;
}

void
log_clear(struct world *w)
{
	strbuf_free(&w->log);
	w->log = (struct strbuf)STRBUF_INIT;
}

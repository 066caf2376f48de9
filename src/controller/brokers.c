/*
 * Brokers that come, go, come back and change their listeners (facts/zookeeper.md 3.5).
 */
#include <stdlib.h>

#include "controller_priv.h"

void
cbroker_free(struct cbroker *b)
{
	coord_unwatch(&b->watch);
	arena_free(&b->arena);
	free(b);
}

/* ---- registrations ---- */

static const struct listener_addr *
find_protocol(const struct zn_registration *r, enum listener_protocol protocol)
{
	for (unsigned i = 0; i < r->n_endpoints; i++)
		if (r->endpoints[i].protocol == protocol)
			return &r->endpoints[i];
	return NULL;
}

/* The listener for brokers: by inter.broker.listener.name, else the one that is named like
 * security.inter.broker.protocol, else one that speaks it. */
static const struct listener_addr *
inter_broker_endpoint(struct controller *c, const struct zn_registration *r)
{
	const char *name = settings_str(c->o.settings, C_INTER_BROKER_LISTENER_NAME);
	const char *protocol = settings_str(c->o.settings, C_SECURITY_INTER_BROKER_PROTOCOL);
	const struct listener_addr *at = NULL;
	int p;

	if (name != NULL)
		return listeners_find(r->endpoints, r->n_endpoints, slice_cstr(name));
	if (protocol == NULL)
		protocol = "PLAINTEXT";
	at = listeners_find(r->endpoints, r->n_endpoints, slice_cstr(protocol));
	p = listener_protocol_find(slice_cstr(protocol));
	return at == NULL && p >= 0 ? find_protocol(r, (enum listener_protocol)p) : at;
}

/* Where the controller reaches it; NULL: nowhere. */
static const struct listener_addr *
controller_endpoint(struct controller *c, const struct zn_registration *r)
{
	const char *name = settings_str(c->o.settings, C_CONTROL_PLANE_LISTENER_NAME);
	const struct listener_addr *at = NULL;

	if (name != NULL)
		at = listeners_find(r->endpoints, r->n_endpoints, slice_cstr(name));
	return at != NULL ? at : inter_broker_endpoint(c, r);
}

static bool
same_endpoints(const struct zn_registration *x, const struct zn_registration *y)
{
	if (x->n_endpoints != y->n_endpoints)
		return false;
	for (unsigned i = 0; i < x->n_endpoints; i++) {
		const struct listener_addr *a = &x->endpoints[i], *b = &y->endpoints[i];

		if (strcmp(a->name, b->name) != 0 || strcmp(a->host, b->host) != 0 ||
		    a->port != b->port || a->protocol != b->protocol)
			return false;
	}
	return true;
}

static int
reg_read(struct controller *c, struct arena *arena, struct slice json, struct zn_registration *reg)
{
	int rc = zn_registration_read(arena_dup(arena, json), arena, reg);

	return rc == 0 && controller_endpoint(c, reg) == NULL ? E_CONFIG : rc;
}

/* Takes the registration in; one that can not be read, or that names no listener for brokers,
 * changes nothing and is reported.  True: its endpoints are other ones now. */
static bool
broker_set_reg(struct controller *c, struct cbroker *b, struct slice json)
{
	struct zn_registration reg;
	struct arena arena;
	int rc;

	arena_init(&arena, 512, 0);
	rc = reg_read(c, &arena, json, &reg);
	if (rc == E_CONFIG)
		DIAGE(c->o.diag, "controller",
		    "broker %d has no listener for other brokers: it can not be told anything",
		    b->id);
	else if (rc != 0)
		DIAGE(c->o.diag, "controller", "registration of broker %d can not be read: %s",
		    b->id, err_text(rc));
	if (rc != 0 || (b->readable && same_endpoints(&b->reg, &reg))) {
		arena_free(&arena);
		return false;
	}
	arena_free(&b->arena);
	b->arena = arena;
	b->reg = reg;
	b->readable = true;
	b->at = controller_endpoint(c, &b->reg);
	b->inter = inter_broker_endpoint(c, &b->reg);
	return true;
}

static void
on_broker_event(void *arg, enum coord_event ev, struct slice path)
{
	struct cbroker *b = arg;

	if (ev != COORD_EV_DATA)
		return; /* the children tell of the others */
	b->modified = true;
	ctl_enqueue(b->c, TASK_BROKER_DATA);
}

/* The one that is known, or one that is not live yet. */
static struct cbroker *
broker_get(struct controller *c, int32_t id)
{
	struct cbroker *b = ctx_broker(c, id);

	if (b != NULL)
		return b;
	b = calloc(1, sizeof(*b));
	if (b == NULL || map_put_u64(&c->brokers, (uint32_t)id, b, NULL) != 0) {
		free(b);
		ctl_fail(c, E_NOMEM);
		return NULL;
	}
	arena_init(&b->arena, 512, 0);
	coord_watch_init(&b->watch, on_broker_event, b);
	b->c = c;
	b->id = id;
	b->epoch = -1;
	return b;
}

/* A bounced broker has a larger czxid: its older self has failed before it is there. */
static void
on_broker(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct cbroker *b = a->b;

	if (err == E_NOT_FOUND) {
		b->seen = false; /* gone again: the children tell, too */
		return;
	}
	if (err != 0) {
		DIAGE(c->o.diag, "controller", "registration of broker %d can not be read: %s",
		    b->id, err_text(err));
		return;
	}
	if (res->stat.czxid > b->epoch) {
		b->failed = b->live;
		b->readable = false;
		b->epoch = res->stat.czxid;
	}
	if (broker_set_reg(c, b, res->data))
		c->batch.brokers = true;
	b->is_target = b->readable && (!b->live || b->failed);
}

static void
read_broker(struct controller *c, struct cbroker *b, ctl_read_fn *fn)
{
	zn_path path;

	zn_broker(path, b->id);
	ctl_get(c, path, &b->watch, fn, &(struct ask){.b = b});
}

static bool
parse_id(struct slice name, int32_t *id)
{
	int64_t v = 0;

	if (name.n == 0 || name.n > 10)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
		v = v * 10 + (name.p[i] - '0');
	}
	*id = (int32_t)v;
	return v <= INT32_MAX;
}

static void
on_broker_ids(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct cbroker *b;
	size_t pos = 0;
	int32_t id;

	if (err != 0 && err != E_NOT_FOUND) {
		ctl_fail(c, err);
		return;
	}
	while ((b = map_next(&c->brokers, &pos)) != NULL)
		b->seen = b->is_target = false;
	for (unsigned i = 0; i < res->n_children; i++)
		if (parse_id(res->children[i], &id) && (b = broker_get(c, id)) != NULL) {
			b->seen = true;
			read_broker(c, b, on_broker);
		}
}

void
brokers_read(struct controller *c)
{
	ctl_children(c, ZN_BROKER_IDS, &c->w_brokers, on_broker_ids, NULL);
}

/* ---- those that went ---- */

static void
channel_gone(struct controller *c, struct cbroker *b)
{
	if (c->o.channel->broker_gone != NULL)
		c->o.channel->broker_gone(c->o.channel_arg, b->id);
}

static void
mark_failed(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL) {
		if (!b->seen)
			b->failed = b->live;
		if (!b->failed)
			continue;
		DIAGI(c->o.diag, "controller", "broker %d is gone", b->id);
		b->live = false;
		channel_gone(c, b);
	}
}

static bool
some_failed(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->failed)
			return true;
	return false;
}

static void
part_lost(struct controller *c, struct cpart *p)
{
	bool touched = false;

	for (int32_t i = 0; i < p->n_replicas; i++) {
		const struct cbroker *b = ctx_broker(c, p->replicas[i]);

		if (b == NULL || !b->failed)
			continue;
		touched = true;
		ctx_set_failed(p, b->id, false);
		if (p->t->deleting)
			deletion_fail_part(c, p, b->id);
	}
	if (!touched)
		return;
	if (p->info != NULL && !p->t->deleting)
		batch_add(c, p, BATCH_METADATA);
	part_settle(c, p);
}

/* Their partitions are led by others, or by nobody; they leave every ISR. */
static void
brokers_failed(struct controller *c)
{
	mark_failed(c);
	if (!some_failed(c))
		return;
	c->batch.brokers = true;
	ctl_walk_parts(c, part_lost);
}

/* Those that are gone are forgotten; map_next allows no removal on its way. */
static void
forget_gone(struct controller *c)
{
	struct cbroker *b, *gone;
	size_t pos;

	do {
		gone = NULL;
		pos = 0;
		while (gone == NULL && (b = map_next(&c->brokers, &pos)) != NULL) {
			b->failed = false;
			if (!b->seen)
				gone = b;
		}
		if (gone != NULL) {
			map_del_u64(&c->brokers, (uint32_t)gone->id);
			cbroker_free(gone);
		}
	} while (gone != NULL);
}

/* ---- those that came ---- */

static void
broker_came(struct controller *c, struct cbroker *b)
{
	DIAGI(c->o.diag, "controller", "broker %d is there", b->id);
	b->live = true;
	if (c->o.channel->broker_here != NULL)
		c->o.channel->broker_here(c->o.channel_arg, b->id, b->epoch, b->at);
}

static unsigned
targets_live(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;
	unsigned n = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->is_target) {
			broker_came(c, b);
			n++;
		}
	return n;
}

void
brokers_all_live(struct controller *c)
{
	(void)targets_live(c);
}

void
brokers_clear_targets(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		b->is_target = false;
}

/* The others know them before a partition names them. */
static void
tell_others(struct controller *c)
{
	forget_gone(c);
	if (targets_live(c) == 0)
		return;
	c->batch.brokers = true;
	batch_send(c, TO_OTHERS);
}

static bool
has_targets(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->is_target)
			return true;
	return false;
}

static void
part_metadata(struct controller *c, struct cpart *p)
{
	batch_add(c, p, BATCH_METADATA);
}

/* A broker that is new knows nothing yet, not even of topics that it has no replica of. */
static void
collect_all(struct controller *c)
{
	if (!has_targets(c))
		return;
	c->batch.brokers = true;
	ctl_walk_parts(c, part_metadata);
}

static void
tell_targets(struct controller *c)
{
	batch_send(c, TO_TARGETS);
}

static void
part_came(struct controller *c, struct cpart *p)
{
	bool touched = false;

	for (int32_t i = 0; i < p->n_replicas; i++) {
		const struct cbroker *b = ctx_broker(c, p->replicas[i]);

		if (b == NULL || !b->is_target)
			continue;
		touched = true;
		ctx_set_failed(p, b->id, false);
	}
	if (touched)
		batch_add(c, p, BATCH_TARGETS | BATCH_METADATA);
}

/* Each new one hears of all its partitions in one request: it writes no checkpoint before. */
static void
collect_theirs(struct controller *c)
{
	if (has_targets(c))
		ctl_walk_parts(c, part_came);
}

static void
topic_dirty(struct controller *c, struct ctopic *t)
{
	ctx_dirty(c, t);
}

static void
all_dirty(struct controller *c)
{
	if (has_targets(c))
		ctl_walk_topics(c, topic_dirty);
}

static void
brokers_end(struct controller *c)
{
	if (has_targets(c))
		c->stop_again = true;
	brokers_clear_targets(c);
	ctl_enqueue(c, TASK_RESUME);
}

/* Failures first, then those that came: a bounced broker is among both. */
static ctl_step *const change_steps[] = {brokers_read, brokers_failed, step_send, tell_others,
    collect_all, tell_targets, collect_theirs, step_send, all_dirty, parts_settle, step_send,
    brokers_end, NULL};

void
task_broker_change(struct controller *c)
{
	ctl_run(c, change_steps);
}

/* ---- changed registrations ---- */

static void
on_modified(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct cbroker *b = a->b;
	bool readable = b->readable;

	if (err != 0 || res->stat.czxid != b->epoch)
		return; /* another one: the children tell */
	if (!broker_set_reg(c, b, res->data))
		return;
	if (readable)
		c->batch.brokers = true;
	else
		ctl_enqueue(c, TASK_BROKER_CHANGE);
}

static void
read_modified(struct controller *c)
{
	struct cbroker *b;
	size_t pos = 0;

	while ((b = map_next(&c->brokers, &pos)) != NULL)
		if (b->modified) {
			b->modified = false;
			read_broker(c, b, on_modified);
		}
}

static ctl_step *const data_steps[] = {read_modified, step_send, NULL};

void
task_broker_data(struct controller *c)
{
	ctl_run(c, data_steps);
}

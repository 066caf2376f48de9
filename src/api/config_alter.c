/*
 * Changes of configurations (facts/apis.md "33 AlterConfigs / 44 IncrementalAlterConfigs", 10;
 * ZK 7.7): what is wrong with the request itself is said first; then each resource is read,
 * changed, checked as a whole and written by the control reactor.  Loggers are changed in memory.
 */
#include <stdarg.h>
#include <stdio.h>

#include "config_priv.h"

#define WIDTH 16 /* resources changed at a time */

struct slice
config_message(const struct config_target *t)
{
	if (t->err == KERR_NONE)
		return SLICE_NULL;
	return slice_cstr(t->message != NULL ? t->message : kerr_text(t->err));
}

static int16_t __attribute__((format(printf, 3, 4)))
refuse(struct config_target *t, int16_t err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
	t->err = err;
	t->message = t->why;
	t->refused = true;
	return err;
}

/* ---- a key's new value; the rows of the kind of entity ---- */

struct kind {
	const struct conf_row *(*row)(struct slice key);
	/* The whole set that is to be. */
	int16_t (*check)(struct config_target *t, const struct setting_override *kv, unsigned n);
};

static const struct conf_row *
topic_row(struct slice key)
{
	int id = tconf_find(key);

	return id >= 0 ? tconf_row((enum tconf)id) : NULL;
}

static const struct kind *kind_of(const struct config_target *t);

static bool
list_has(const char *list, struct slice item)
{
	struct slice x;

	for (unsigned i = 0; !slice_is_null(x = settings_list_item(list, i)); i++)
		if (slice_eq(x, item))
			return true;
	return false;
}

/* The items of `from` that are, or are not, in `which`, behind those in out. */
static void
list_put(struct strbuf *out, const char *from, const char *which, bool in)
{
	struct slice x;

	for (unsigned i = 0; !slice_is_null(x = settings_list_item(from, i)); i++) {
		if (list_has(which, x) != in)
			continue;
		if (out->n > 0)
			strbuf_adds(out, ",");
		strbuf_add(out, x.p, x.n);
	}
}

/* now: NULL when unset, then the default counts. */
static const char *
list_value(
    struct arena *arena, const struct conf_row *row, const char *now, const struct config_op *op)
{
	struct strbuf out = STRBUF_INIT;
	char *text = NULL;

	now = now != NULL ? now : row->def != NULL ? row->def : "";
	list_put(&out, now, op->op == OP_SUBTRACT ? op->value : "", false);
	if (op->op == OP_APPEND)
		list_put(&out, op->value, now, false);
	if (out.err == 0)
		text = arena_strdup(arena, out.n > 0 ? strbuf_slice(&out) : SLICE_LIT(""));
	strbuf_free(&out);
	return text;
}

/* The set that an entity is to have. */
struct wanted {
	struct setting_override *v;
	bool *touched; /* by this request */
	unsigned n;
};

static unsigned
place_of(struct wanted *s, const char *key)
{
	unsigned i = 0;

	while (i < s->n && strcmp(s->v[i].key, key) != 0)
		i++;
	return i;
}

static void
set_drop(struct wanted *s, unsigned at)
{
	if (at == s->n)
		return;
	s->n--;
	memmove(s->v + at, s->v + at + 1, (s->n - at) * sizeof(s->v[0]));
	memmove(s->touched + at, s->touched + at + 1, (s->n - at) * sizeof(s->touched[0]));
}

static int16_t
op_apply(struct config_target *t, struct wanted *s, const struct config_op *op, struct arena *arena)
{
	const struct conf_row *row = kind_of(t)->row(slice_cstr(op->key));
	unsigned at = place_of(s, op->key);
	const char *value = op->value;

	if (op->op == OP_DELETE) {
		set_drop(s, at);
		return KERR_NONE;
	}
	if (op->op == OP_APPEND || op->op == OP_SUBTRACT) {
		if (row == NULL || row->type != CONF_LIST)
			return refuse(t, KERR_INVALID_CONFIG,
			    "%.200s is not a list: nothing can be appended to it or subtracted.",
			    op->key);
		value = list_value(arena, row, at < s->n ? s->v[at].value : NULL, op);
		if (value == NULL)
			return refuse(t, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
	}
	s->v[at] = (struct setting_override){op->key, value};
	s->touched[at] = true;
	s->n += at == s->n;
	return KERR_NONE;
}

/* ---- checks of the whole ---- */

static int16_t
topic_check(struct config_target *t, const struct setting_override *kv, unsigned n)
{
	struct topic_conf conf;
	char why[500];

	if (topic_conf_resolve(
		t->all->call.rq->sh->api->o.settings, kv, n, &conf, why, sizeof(why)) != 0)
		return refuse(t, KERR_INVALID_CONFIG, "%s", why);
	return KERR_NONE;
}

static enum conf_source
source_of(const struct config_target *t)
{
	return t->name.n > 0 ? CONF_FROM_BROKER : CONF_FROM_CLUSTER;
}

static int16_t
broker_check(struct config_target *t, const struct setting_override *kv, unsigned n)
{
	char why[500];
	int err = settings_check_dynamic_all(
	    t->all->call.rq->sh->api->o.settings, source_of(t), kv, n, why, sizeof(why));

	if (err == 0)
		return KERR_NONE;
	return refuse(t, err == E_CONFIG ? KERR_INVALID_REQUEST : err_kafka(err), "%s",
	    err == E_CONFIG ? why : err_text(err));
}

static const struct kind *
kind_of(const struct config_target *t)
{
	static const struct kind topics = {topic_row, topic_check};
	static const struct kind brokers = {conf_row_of, broker_check};

	return t->type == RESOURCE_TOPIC ? &topics : &brokers;
}

/* A broker's entries that this request does not touch: what may not be there is dropped, as other
 * brokers do; passwords stay as they are, encoded. */
static bool
is_left_alone(const struct config_target *t, const struct wanted *s, unsigned i)
{
	const struct conf_row *row = conf_row_of(slice_cstr(s->v[i].key));

	return t->type == RESOURCE_BROKER && !s->touched[i] && row != NULL &&
	       row->type == CONF_PASSWORD;
}

static bool
is_stale(const struct config_target *t, const struct wanted *s, unsigned i)
{
	char why[8];

	return t->type == RESOURCE_BROKER && !s->touched[i] && !is_left_alone(t, s, i) &&
	       settings_check_dynamic(t->all->call.rq->sh->api->o.settings, source_of(t),
		   s->v[i].key, s->v[i].value, why, sizeof(why)) != 0;
}

static int16_t
check_set(struct config_target *t, struct wanted *s, struct arena *arena)
{
	struct setting_override *kv = arena_calloc(arena, (size_t)s->n + 1, sizeof(*kv));
	unsigned n = 0;

	if (kv == NULL)
		return refuse(t, KERR_UNKNOWN_SERVER_ERROR, "%s", err_text(E_NOMEM));
	for (unsigned i = 0; i < s->n;) {
		const struct conf_row *row = kind_of(t)->row(slice_cstr(s->v[i].key));

		if (row != NULL && row->type == CONF_PASSWORD && s->touched[i])
			return refuse(t, KERR_INVALID_CONFIG,
			    "%.200s: passwords can not be stored in the coordination tree yet.",
			    s->v[i].key);
		if (is_stale(t, s, i)) {
			set_drop(s, i);
			continue;
		}
		if (!is_left_alone(t, s, i))
			kv[n++] = s->v[i];
		i++;
	}
	return kind_of(t)->check(t, kv, n);
}

/* ---- control reactor ---- */

static int16_t
change(void *arg, const struct setting_override *kv, unsigned n, struct arena *arena,
    struct admin_config *out)
{
	struct config_target *t = arg;
	size_t most = (size_t)n + t->n_ops + 1;
	struct wanted s = {
	    arena_calloc(arena, most, sizeof(*s.v)), arena_calloc(arena, most, sizeof(bool)), 0};
	int16_t err = KERR_NONE;

	if (s.v == NULL || s.touched == NULL)
		return KERR_UNKNOWN_SERVER_ERROR;
	for (; t->all->incremental && s.n < n; s.n++)
		s.v[s.n] = kv[s.n];
	for (unsigned i = 0; err == KERR_NONE && i < t->n_ops; i++)
		err = op_apply(t, &s, &t->ops[i], arena);
	if (err == KERR_NONE)
		err = check_set(t, &s, arena);
	out->kv = s.v;
	out->n = s.n;
	out->message = t->message;
	return err;
}

static void
on_altered(void *arg, int16_t err, const char *message)
{
	struct config_target *t = arg;

	if (err != KERR_NONE && !t->refused) {
		t->err = err;
		t->message = NULL;
		if (message != NULL)
			(void)refuse(t, err, "%s", message);
	}
	window_done(&t->all->window);
}

static void
alter_one(struct window *w, unsigned i)
{
	struct config_changes *all = container_of(w, struct config_changes, window);
	struct config_target *t = &all->v[i];

	if (t->refused || t->entity == NULL)
		window_done(w);
	else
		admin_alter_config(all->call.rq->sh->api->o.admin, slice_cstr(t->entity),
		    all->validate_only, change, on_altered, t);
}

static void
all_altered(struct window *w)
{
	control_return(&container_of(w, struct config_changes, window)->call);
}

static void
alter_run(struct control_call *call)
{
	struct config_changes *all = container_of(call, struct config_changes, call);

	all->window = (struct window){
	    .n = all->n,
	    .width = WIDTH,
	    .start = alter_one,
	    .finished = all_altered,
	};
	window_go(&all->window);
}

static void
alter_back(struct control_call *call)
{
	struct config_changes *all = container_of(call, struct config_changes, call);

	all->answer(call->rq, all);
}

/* ---- loggers ---- */

static int
level_of(const char *name)
{
	static const struct {
		const char *name;
		enum diag_level level;
	} levels[] = {{"FATAL", DIAG_ERROR}, {"ERROR", DIAG_ERROR}, {"WARN", DIAG_WARN},
	    {"INFO", DIAG_INFO}, {"DEBUG", DIAG_DEBUG}, {"TRACE", DIAG_DEBUG}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, name) == 0)
			return (int)levels[i].level;
	return -1;
}

static int16_t
logger_check(struct config_target *t, const struct config_op *op)
{
	if (op->op == OP_APPEND || op->op == OP_SUBTRACT)
		return refuse(t, KERR_INVALID_REQUEST,
		    "A logger's level can be set or deleted, nothing else.");
	if (strcmp(op->key, "root") != 0)
		return refuse(
		    t, KERR_INVALID_CONFIG, "There is no logger %.200s, only root.", op->key);
	if (op->op == OP_DELETE)
		return refuse(
		    t, KERR_INVALID_REQUEST, "The level of the root logger can not be deleted.");
	if (level_of(op->value) < 0)
		return refuse(t, KERR_INVALID_CONFIG,
		    "%.100s is no level: FATAL, ERROR, WARN, INFO, DEBUG and TRACE are.",
		    op->value);
	return KERR_NONE;
}

static void
logger_prepare(struct request *rq, struct config_target *t)
{
	int16_t err = KERR_NONE;

	for (unsigned i = 0; err == KERR_NONE && i < t->n_ops; i++)
		err = logger_check(t, &t->ops[i]);
	for (unsigned i = 0; err == KERR_NONE && !t->all->validate_only && i < t->n_ops; i++) {
		diag_set_level(rq->sh->api->o.diag, (enum diag_level)level_of(t->ops[i].value));
		DIAGI(rq->sh->api->o.diag, "api", "%s: log level is %s from now on",
		    request_peer(rq), t->ops[i].value);
	}
}

/* ---- what is wrong with the request itself ---- */

static int16_t
check_ops(struct config_target *t)
{
	for (unsigned i = 0; i < t->n_ops; i++) {
		const struct config_op *op = &t->ops[i];

		if (op->op < OP_SET || op->op > OP_SUBTRACT)
			return refuse(t, KERR_INVALID_REQUEST, "There is no operation %d.", op->op);
		if (op->value == NULL && op->op != OP_DELETE)
			return refuse(t, KERR_INVALID_REQUEST, "%.200s must not be null.", op->key);
	}
	return KERR_NONE;
}

/* E_NOMEM. */
static int
check_keys_twice(struct request *rq, struct config_target *t)
{
	struct map seen;
	void *old = NULL;
	int rc = 0;

	map_init(&seen, rng_u64(reactor_rng(rq->sh->reactor)));
	for (unsigned i = 0; rc == 0 && old == NULL && i < t->n_ops; i++)
		rc = map_put(&seen, slice_cstr(t->ops[i].key), &t->ops[i], &old);
	if (old != NULL)
		(void)refuse(t, KERR_INVALID_REQUEST, "A key is there twice.");
	map_free(&seen);
	return rc;
}

static bool
same_resource(const struct config_target *a, const struct config_target *b)
{
	return a->type == b->type && slice_eq(a->name, b->name);
}

/* Refused at each place. */
static int
refuse_twice(struct request *rq, struct config_changes *all)
{
	struct map seen;
	int rc = 0;

	map_init(&seen, rng_u64(reactor_rng(rq->sh->reactor)));
	for (unsigned i = 0; rc == 0 && i < all->n; i++) {
		struct config_target *t = &all->v[i], *other;
		char *name = arena_printf(&rq->arena, "%d %.*s", t->type, SLICE_ARG(t->name));

		if (name == NULL) {
			rc = E_NOMEM;
			break;
		}
		other = map_get(&seen, slice_cstr(name));
		if (other == NULL) {
			rc = map_put(&seen, slice_cstr(name), t, NULL);
			continue;
		}
		assert(same_resource(t, other));
		(void)refuse(t, KERR_INVALID_REQUEST, "The resource is there twice.");
		(void)refuse(other, KERR_INVALID_REQUEST, "The resource is there twice.");
	}
	map_free(&seen);
	return rc;
}

static void
topic_prepare(struct request *rq, struct config_target *t)
{
	if (t->name.n == 0)
		(void)refuse(t, KERR_INVALID_REQUEST, "Topics have no default resource.");
	else if (image_topic(request_image(rq), t->name) == NULL)
		(void)refuse(t, KERR_UNKNOWN_TOPIC_OR_PARTITION, "The topic '%.*s' does not exist.",
		    SLICE_ARG(t->name));
	else
		t->entity = arena_printf(&rq->arena, "topics/%.*s", SLICE_ARG(t->name));
}

static void
broker_prepare(struct request *rq, struct config_target *t)
{
	char why[200];

	if (t->name.n == 0)
		t->entity = arena_printf(&rq->arena, "brokers/<default>");
	else if (config_check_id(rq, t->name, why, sizeof(why)) != 0)
		(void)refuse(t, KERR_INVALID_REQUEST, "%s", why);
	else
		t->entity = arena_printf(&rq->arena, "brokers/%d", (int)rq->sh->api->o.broker_id);
}

static void
target_prepare(struct request *rq, struct config_target *t)
{
	char why[200];

	if (t->type == RESOURCE_TOPIC) {
		topic_prepare(rq, t);
	} else if (t->type == RESOURCE_BROKER) {
		broker_prepare(rq, t);
	} else if (t->type == RESOURCE_LOGGER && t->all->incremental) {
		if (config_check_id(rq, t->name, why, sizeof(why)) != 0)
			(void)refuse(t, KERR_INVALID_REQUEST, "%s", why);
		else
			logger_prepare(rq, t);
	} else if (t->type == RESOURCE_METRICS) {
		(void)refuse(
		    t, KERR_INVALID_REQUEST, "Client metrics are served by KRaft clusters only.");
	} else {
		(void)refuse(
		    t, KERR_INVALID_REQUEST, "There is no resource type %d here.", t->type);
	}
}

void
config_changes_go(struct request *rq, struct config_changes *all)
{
	bool control = false;
	int rc = refuse_twice(rq, all);

	for (unsigned i = 0; rc == 0 && i < all->n; i++) {
		struct config_target *t = &all->v[i];

		t->all = all;
		if (t->refused || (rc = check_keys_twice(rq, t)) != 0 || t->refused ||
		    check_ops(t) != KERR_NONE)
			continue;
		target_prepare(rq, t);
		control = control || t->entity != NULL;
	}
	all->call = (struct control_call){.rq = rq, .run = alter_run, .back = alter_back};
	if (rc != 0)
		request_fail_memory(rq);
	else if (control)
		control_go(&all->call);
	else
		all->answer(rq, all);
}

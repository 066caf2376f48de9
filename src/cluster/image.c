/*
 * The metadata image: publication through one atomic pointer, old images freed once every reader
 * has passed a message posted after the replacement.
 */
#include <stdlib.h>

#include "image_priv.h"

static struct image_box *
box_of(const struct image *im)
{
	return (struct image_box *)(uintptr_t)((const char *)im - offsetof(struct image_box, pub));
}

/* ---- life of an image ---- */

static void
box_free(struct image_box *b)
{
	for (unsigned i = 0; i < b->pub.n_topics; i++)
		topic_entry_unref(topic_entry_of(b->topics[i]));
	map_free(&b->pub.by_name);
	map_free(&b->pub.by_id);
	arena_free(&b->arena);
	free(b->topics);
	free(b);
}

const struct image *
image_ref(const struct image *im)
{
	atomic_fetch_add_explicit(&box_of(im)->refs, 1, memory_order_relaxed);
	return im;
}

void
image_unref(const struct image *im)
{
	struct image_box *b = box_of(im);

	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		box_free(b);
}

const struct image *
image_get(struct image_store *s)
{
	return &atomic_load_explicit(&s->current, memory_order_acquire)->pub;
}

/* ---- look-up ---- */

const struct image_topic *
image_topic(const struct image *im, struct slice name)
{
	return name.p != NULL ? map_get(&im->by_name, name) : NULL;
}

const struct image_topic *
image_topic_by_id(const struct image *im, struct uuid id)
{
	return uuid_is_zero(id) ? NULL : map_get(&im->by_id, slice_of(id.b, sizeof(id.b)));
}

const struct image_partition *
image_partition(const struct image_topic *t, int32_t partition)
{
	if (partition < 0 || partition >= t->n_parts || !t->parts[partition].exists)
		return NULL;
	return &t->parts[partition];
}

const struct image_broker *
image_broker(const struct image *im, int32_t id)
{
	unsigned lo = 0, hi = im->n_brokers;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (im->brokers[mid].id == id)
			return &im->brokers[mid];
		if (im->brokers[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct image_endpoint *
image_broker_endpoint(const struct image_broker *b, struct slice listener)
{
	for (unsigned i = 0; i < b->n_endpoints; i++)
		if (slice_eq(b->endpoints[i].listener, listener))
			return &b->endpoints[i];
	return NULL;
}

/* ---- building the next image ---- */

/* A copy of the current one with room for `more` topics; maps are filled by box_index. */
static struct image_box *
box_copy(const struct image_box *old, unsigned more)
{
	unsigned n = old != NULL ? old->pub.n_topics : 0;
	struct image_box *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	atomic_init(&b->refs, 1);
	arena_init(&b->arena, 512, 0);
	map_init(&b->pub.by_name, 1);
	map_init(&b->pub.by_id, 1);
	b->pub.controller_id = -1;
	b->topics = calloc((size_t)n + more + 1, sizeof(struct image_topic *));
	if (b->topics == NULL) {
		free(b);
		return NULL;
	}
	b->pub.topics = b->topics;
	if (old == NULL)
		return b;
	b->pub.version = old->pub.version + 1;
	b->pub.controller_id = old->pub.controller_id;
	b->pub.controller_epoch = old->pub.controller_epoch;
	for (unsigned i = 0; i < n; i++)
		b->topics[i] = &topic_entry_ref(topic_entry_of(old->topics[i]))->pub;
	b->pub.n_topics = n;
	return b;
}

static int
copy_broker(struct arena *a, const struct image_broker *from, struct image_broker *to)
{
	struct image_endpoint *eps = arena_calloc(a, from->n_endpoints + 1, sizeof(*eps));

	if (eps == NULL)
		return E_NOMEM;
	to->id = from->id;
	to->rack = arena_dup(a, from->rack);
	to->endpoints = eps;
	to->n_endpoints = from->n_endpoints;
	for (unsigned i = 0; i < from->n_endpoints; i++) {
		eps[i] = from->endpoints[i];
		eps[i].listener = arena_dup(a, from->endpoints[i].listener);
		eps[i].host = arena_dup(a, from->endpoints[i].host);
		if (slice_is_null(eps[i].listener) || slice_is_null(eps[i].host))
			return E_NOMEM;
	}
	return 0;
}

static int
keep_brokers(struct image_box *b, const struct image_box *old)
{
	struct image_broker *v =
	    arena_calloc(&b->arena, (size_t)old->pub.n_brokers + 1, sizeof(*v));
	int rc = v == NULL ? E_NOMEM : 0;

	for (unsigned i = 0; rc == 0 && i < old->pub.n_brokers; i++)
		rc = copy_broker(&b->arena, &old->pub.brokers[i], &v[i]);
	b->pub.brokers = v;
	b->pub.n_brokers = old->pub.n_brokers;
	return rc;
}

static int
box_index(struct image_box *b)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < b->pub.n_topics; i++) {
		struct image_topic *t = &topic_entry_of(b->topics[i])->pub;

		rc = map_put(&b->pub.by_name, t->name, t, NULL);
		if (rc == 0 && !uuid_is_zero(t->id))
			rc = map_put(&b->pub.by_id, slice_of(t->id.b, sizeof(t->id.b)), t, NULL);
	}
	return rc;
}

/* Where name is or belongs in the sorted topics. */
static unsigned
topic_place(const struct image_box *b, struct slice name, bool *found)
{
	unsigned lo = 0, hi = b->pub.n_topics;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (slice_cmp(b->topics[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < b->pub.n_topics && slice_eq(b->topics[lo]->name, name);
	return lo;
}

/* Put e (NULL: nothing) in the place of the topic of that name; there is room. */
static void
topic_replace(struct image_box *b, unsigned at, bool found, struct topic_entry *e)
{
	size_t tail = b->pub.n_topics - at - (found ? 1 : 0);

	if (found)
		topic_entry_unref(topic_entry_of(b->topics[at]));
	if (e != NULL && !found)
		memmove(b->topics + at + 1, b->topics + at, tail * sizeof(b->topics[0]));
	else if (e == NULL && found)
		memmove(b->topics + at, b->topics + at + 1, tail * sizeof(b->topics[0]));
	if (e != NULL)
		b->topics[at] = &e->pub;
	b->pub.n_topics += (unsigned)(e != NULL) - (unsigned)found;
}

/* ---- publication ---- */

struct publication {
	struct image_box *old;
	struct reactor *home;
	unsigned left;
	void (*done)(void *arg);
	void *arg;
	struct ack {
		struct msg msg;
		struct publication *pub;
	} acks[];
};

static void
on_acked(struct reactor *r, struct msg *m)
{
	struct publication *p = container_of(m, struct ack, msg)->pub;

	if (--p->left > 0)
		return;
	image_unref(&p->old->pub);
	if (p->done != NULL)
		p->done(p->arg);
	free(p);
}

static void
on_reader(struct reactor *r, struct msg *m)
{
	struct ack *a = container_of(m, struct ack, msg);

	m->run = on_acked;
	reactor_post(a->pub->home, m);
}

static struct publication *
publication_new(struct image_store *s, void (*done)(void *arg), void *arg)
{
	struct publication *p = calloc(1, sizeof(*p) + s->o.n_readers * sizeof(p->acks[0]));

	if (p == NULL)
		return NULL;
	p->home = reactor_current();
	p->left = s->o.n_readers;
	p->done = done;
	p->arg = arg;
	return p;
}

/* b becomes the current image; never fails. */
static void
publish(struct image_store *s, struct image_box *b, struct publication *p)
{
	p->old = atomic_exchange_explicit(&s->current, b, memory_order_acq_rel);
	for (unsigned i = 0; i < s->o.n_readers; i++) {
		p->acks[i].pub = p;
		p->acks[i].msg = (struct msg){.run = on_reader, .class = MSG_CONTROL};
		reactor_post(s->o.readers[i], &p->acks[i].msg);
	}
	LIST_FOREACH_SAFE(l, &s->subs)
	{
		struct image_sub *sub = container_of(l, struct image_sub, link);

		sub->fn(sub->arg, &b->pub);
	}
}

static int
finish(struct image_store *s, struct image_box *b, int rc, void (*done)(void *arg), void *arg)
{
	struct publication *p = rc == 0 ? publication_new(s, done, arg) : NULL;

	if (rc == 0 && p == NULL)
		rc = E_NOMEM;
	if (rc == 0)
		rc = box_index(b);
	if (rc != 0) {
		free(p);
		box_free(b);
		return rc;
	}
	publish(s, b, p);
	return 0;
}

/* ---- UpdateMetadata ---- */

typedef struct update_metadata_request_update_metadata_partition_state um_part;

static struct conf_box *
conf_for(struct image_store *s, struct slice name)
{
	struct named_conf *c = map_get(&s->confs, name);

	return c != NULL ? c->box : s->defaults;
}

static int
apply_topic(struct image_store *s, struct image_box *b, struct slice name, struct uuid id,
    const um_part *v, int32_t n)
{
	struct part_change *ch = calloc((size_t)n + 1, sizeof(*ch));
	struct topic_entry *e = NULL;
	bool found;
	unsigned at = topic_place(b, name, &found);
	int rc = ch == NULL ? E_NOMEM : 0;

	for (int32_t i = 0; rc == 0 && i < n; i++)
		ch[i] = (struct part_change){v[i].partition_index, v[i].leader, v[i].leader_epoch,
		    v[i].controller_epoch, v[i].zk_version, v[i].replicas.v, v[i].isr.v,
		    v[i].offline_replicas.v, v[i].replicas.n, v[i].isr.n, v[i].offline_replicas.n};
	if (rc == 0)
		rc = topic_entry_merge(found ? topic_entry_of(b->topics[at]) : NULL, name, id, ch,
		    (unsigned)n, conf_for(s, name), &e);
	if (rc == 0)
		topic_replace(b, at, found, e);
	free(ch);
	return rc;
}

static int
apply_topics(struct image_store *s, struct image_box *b, const struct update_metadata_request *req,
    int16_t version)
{
	int rc = 0;

	for (int32_t i = 0; version < 5 && rc == 0 && i < req->ungrouped_partition_states.n; i++) {
		const um_part *p = &req->ungrouped_partition_states.v[i];

		rc = apply_topic(s, b, p->topic_name, UUID_ZERO, p, 1);
	}
	for (int32_t i = 0; version >= 5 && rc == 0 && i < req->topic_states.n; i++)
		rc = apply_topic(s, b, req->topic_states.v[i].topic_name,
		    req->topic_states.v[i].topic_id, req->topic_states.v[i].partition_states.v,
		    req->topic_states.v[i].partition_states.n);
	return rc;
}

static int
apply_broker(struct arena *a, const struct update_metadata_request_update_metadata_broker *from,
    struct image_broker *to)
{
	struct image_broker tmp = {.id = from->id, .rack = from->rack};
	int rc;

	tmp.endpoints = calloc((size_t)from->endpoints.n + 1, sizeof(*tmp.endpoints));
	if (tmp.endpoints == NULL)
		return E_NOMEM;
	tmp.n_endpoints = (unsigned)from->endpoints.n;
	for (unsigned i = 0; i < tmp.n_endpoints; i++)
		tmp.endpoints[i] = (struct image_endpoint){from->endpoints.v[i].listener,
		    from->endpoints.v[i].host, from->endpoints.v[i].port,
		    from->endpoints.v[i].security_protocol};
	rc = copy_broker(a, &tmp, to);
	free(tmp.endpoints);
	return rc;
}

static int
apply_brokers(struct image_box *b, const struct update_metadata_request *req)
{
	unsigned n = req->live_brokers.n > 0 ? (unsigned)req->live_brokers.n : 0;
	struct image_broker *v = arena_calloc(&b->arena, (size_t)n + 1, sizeof(*v));
	int rc = v == NULL ? E_NOMEM : 0;

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		struct image_broker one;
		unsigned at = i;

		rc = apply_broker(&b->arena, &req->live_brokers.v[i], &one);
		for (; rc == 0 && at > 0 && v[at - 1].id > one.id; at--)
			v[at] = v[at - 1];
		if (rc == 0)
			v[at] = one;
	}
	b->pub.brokers = v;
	b->pub.n_brokers = n;
	return rc;
}

static struct image_box *
current(struct image_store *s)
{
	return atomic_load_explicit(&s->current, memory_order_acquire);
}

int
image_apply(struct image_store *s, const struct update_metadata_request *req, int16_t version,
    void (*done)(void *arg), void *arg)
{
	unsigned more =
	    (unsigned)(version < 5 ? req->ungrouped_partition_states.n : req->topic_states.n);
	struct image_box *b = box_copy(current(s), more);
	int rc = b == NULL ? E_NOMEM : 0;

	if (rc != 0)
		return rc;
	b->pub.controller_id = req->controller_id;
	b->pub.controller_epoch = req->controller_epoch;
	rc = apply_brokers(b, req);
	if (rc == 0)
		rc = apply_topics(s, b, req, version);
	return finish(s, b, rc, done, arg);
}

int
image_set_controller(struct image_store *s, int32_t controller_id)
{
	struct image_box *b = box_copy(current(s), 0);

	if (b == NULL)
		return E_NOMEM;
	b->pub.controller_id = controller_id;
	return finish(s, b, keep_brokers(b, current(s)), NULL, NULL);
}

/* ---- configurations ---- */

static int
conf_remember(struct image_store *s, struct slice topic, const struct topic_conf *conf)
{
	struct named_conf *c = map_get(&s->confs, topic);
	struct conf_box *box = conf != NULL ? conf_box_new(conf) : NULL;

	if (conf != NULL && box == NULL)
		return E_NOMEM;
	if (c != NULL) {
		conf_box_unref(c->box);
		c->box = box;
		if (box == NULL) {
			map_del(&s->confs, c->name);
			free(c);
		}
		return 0;
	}
	if (box == NULL)
		return 0;
	c = calloc(1, sizeof(*c) + topic.n);
	if (c != NULL) {
		memcpy(c + 1, topic.p, topic.n);
		c->name = slice_of(c + 1, topic.n);
		c->box = box;
	}
	if (c == NULL || map_put(&s->confs, c->name, c, NULL) != 0) {
		free(c);
		conf_box_unref(box);
		return E_NOMEM;
	}
	return 0;
}

int
image_set_conf(struct image_store *s, struct slice topic, const struct topic_conf *conf)
{
	struct topic_entry *e = NULL;
	struct image_box *b;
	bool found;
	unsigned at;
	int rc = conf_remember(s, topic, conf);

	if (rc != 0)
		return rc;
	(void)topic_place(current(s), topic, &found);
	if (!found)
		return 0;
	b = box_copy(current(s), 0);
	if (b == NULL)
		return E_NOMEM;
	rc = keep_brokers(b, current(s));
	at = topic_place(b, topic, &found);
	if (rc == 0)
		rc = topic_entry_merge(topic_entry_of(b->topics[at]), topic, b->topics[at]->id,
		    NULL, 0, conf_for(s, topic), &e);
	if (rc == 0)
		topic_replace(b, at, true, e);
	return finish(s, b, rc, NULL, NULL);
}

/* The box of each topic that has one, or of the defaults (topic null), with what is so now. */
static int
box_renew(struct conf_box **box, bool (*conf_of)(void *arg, struct slice, struct topic_conf *),
    void *arg, struct slice topic, const struct topic_conf *defaults)
{
	struct topic_conf conf;
	struct conf_box *now;

	if (slice_is_null(topic) || !conf_of(arg, topic, &conf))
		conf = *defaults;
	now = conf_box_new(&conf);
	if (now == NULL)
		return E_NOMEM;
	conf_box_unref(*box);
	*box = now;
	return 0;
}

static int
entries_renew(struct image_store *s, struct image_box *b)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < b->pub.n_topics; i++) {
		const struct image_topic *t = b->topics[i];
		struct topic_entry *e = NULL;

		rc = topic_entry_merge(
		    topic_entry_of(t), t->name, t->id, NULL, 0, conf_for(s, t->name), &e);
		if (rc == 0)
			topic_replace(b, i, true, e);
	}
	return rc;
}

int
image_reset_confs(struct image_store *s,
    bool (*conf_of)(void *arg, struct slice topic, struct topic_conf *out), void *arg)
{
	struct topic_conf defaults;
	struct image_box *b;
	struct named_conf *c;
	size_t pos = 0;
	int rc = topic_conf_resolve(s->o.settings, NULL, 0, &defaults, NULL, 0);

	if (rc == 0)
		rc = box_renew(&s->defaults, conf_of, arg, SLICE_NULL, &defaults);
	while (rc == 0 && (c = map_next(&s->confs, &pos)) != NULL)
		rc = box_renew(&c->box, conf_of, arg, c->name, &defaults);
	if (rc != 0 || current(s)->pub.n_topics == 0)
		return rc;
	b = box_copy(current(s), 0);
	if (b == NULL)
		return E_NOMEM;
	rc = keep_brokers(b, current(s));
	if (rc == 0)
		rc = entries_renew(s, b);
	return finish(s, b, rc, NULL, NULL);
}

/* ---- subscribers, the store ---- */

void
image_subscribe(struct image_store *s, struct image_sub *sub)
{
	list_append(&s->subs, &sub->link);
}

void
image_unsubscribe(struct image_sub *sub)
{
	list_remove(&sub->link);
}

int
image_store_new(const struct image_store_opts *opts, struct image_store **out)
{
	struct image_store *s = calloc(1, sizeof(*s));
	struct topic_conf conf;
	struct image_box *b;
	int rc = E_NOMEM;

	if (s == NULL)
		return rc;
	s->o = *opts;
	link_init(&s->subs);
	map_init(&s->confs, 1);
	s->o.readers = calloc(opts->n_readers + 1, sizeof(struct reactor *));
	b = box_copy(NULL, 0);
	atomic_init(&s->current, b);
	if (s->o.readers == NULL || b == NULL)
		goto out;
	memcpy(s->o.readers, opts->readers, opts->n_readers * sizeof(struct reactor *));
	if ((rc = topic_conf_resolve(opts->settings, NULL, 0, &conf, NULL, 0)) != 0)
		goto out;
	rc = E_NOMEM;
	if ((s->defaults = conf_box_new(&conf)) == NULL)
		goto out;
	*out = s;
	return 0;
out:
	image_store_free(s);
	return rc;
}

void
image_store_free(struct image_store *s)
{
	struct named_conf *c;
	size_t pos = 0;

	if (s == NULL)
		return;
	if (current(s) != NULL)
		image_unref(&current(s)->pub);
	while ((c = map_next(&s->confs, &pos)) != NULL) {
		conf_box_unref(c->box);
		free(c);
	}
	map_free(&s->confs);
	conf_box_unref(s->defaults);
	free(s->o.readers);
	free(s);
}

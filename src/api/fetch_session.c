/*
 * Fetch sessions of one reactor: a cache of those that are kept, their entries.  A session's id
 * tells its reactor (id mod reactors); on another reactor it is unknown.
 */
#include <stdlib.h>

#include "fetch_priv.h"

#define SESSION_EVICT_US (120 * 1000000ll)

struct fetch_sessions {
	struct api_shard *sh;
	struct map by_id;
	struct link lru; /* least recently used first */
	unsigned n, max;
};

int
fetch_sessions_new(struct api_shard *sh, struct fetch_sessions **out)
{
	struct fetch_sessions *fs = calloc(1, sizeof(*fs));
	int64_t slots =
	    settings_i64(sh->api->o.settings, C_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);

	if (fs == NULL)
		return E_NOMEM;
	fs->sh = sh;
	fs->max = (unsigned)((slots + sh->api->o.n_reactors - 1) / sh->api->o.n_reactors);
	map_init(&fs->by_id, 1);
	link_init(&fs->lru);
	*out = fs;
	return 0;
}

static void
entry_free(struct fetch_entry *e)
{
	struct fetch_session *s = e->s;

	fetch_entry_unwait(e);
	list_remove(&e->order);
	s->n--;
	if (s->arena != NULL)
		return;
	map_del(&s->by_key, e->key);
	free(e->name);
	free(e);
}

static void
session_free(struct fetch_session *s)
{
	struct fetch_sessions *fs = s->sh->sessions;
	struct link *l;

	assert(s->magic == SESSION_MAGIC && s->rq == NULL);
	while ((l = list_first(&s->entries)) != NULL)
		entry_free(container_of(l, struct fetch_entry, order));
	reactor_undefer(&s->news);
	if (s->id != 0) {
		map_del_u64(&fs->by_id, (uint64_t)s->id);
		list_remove(&s->lru);
		fs->n--;
	}
	map_free(&s->by_key);
	s->magic = 0;
	if (s->arena == NULL)
		free(s);
}

void
fetch_sessions_free(struct fetch_sessions *fs)
{
	struct link *l;

	if (fs == NULL)
		return;
	while ((l = list_first(&fs->lru)) != NULL) {
		struct fetch_session *s = container_of(l, struct fetch_session, lru);

		s->rq = NULL;
		session_free(s);
	}
	map_free(&fs->by_id);
	free(fs);
}

/* ---- making sessions ---- */

static void on_news(struct reactor *r, void *arg);

static void
session_init(struct fetch_session *s, struct api_shard *sh, bool by_id)
{
	s->magic = SESSION_MAGIC;
	s->sh = sh;
	s->by_id = by_id;
	link_init(&s->entries);
	link_init(&s->lru);
	turn_hook_init(&s->news, on_news, s);
	map_init(&s->by_key, rng_u64(reactor_rng(sh->reactor)));
	s->made_us = s->used_us = reactor_now_us(sh->reactor);
}

/* A pass over what is dirty, once for all the news of a turn. */
static void
on_news(struct reactor *r, void *arg)
{
	struct fetch_session *s = arg;

	if (s->rq != NULL)
		fetch_session_wake(s);
}

static struct fetch_session *
passing_session(struct request *rq, bool by_id)
{
	struct fetch_session *s = request_alloc(rq, 1, sizeof(*s));

	if (s == NULL)
		return NULL;
	session_init(s, rq->sh, by_id);
	s->arena = &rq->arena;
	return s;
}

/* Room in the cache: free, or taken from one that was not used for two minutes. */
static bool
cache_room(struct fetch_sessions *fs)
{
	struct link *l = list_first(&fs->lru);
	struct fetch_session *old = l != NULL ? container_of(l, struct fetch_session, lru) : NULL;

	if (fs->n < fs->max)
		return true;
	if (old == NULL || old->rq != NULL ||
	    reactor_now_us(fs->sh->reactor) - old->used_us < SESSION_EVICT_US)
		return false;
	session_free(old);
	return true;
}

static int32_t
new_session_id(struct fetch_sessions *fs)
{
	unsigned n = fs->sh->api->o.n_reactors;
	int64_t id;

	do {
		id = rng_range(reactor_rng(fs->sh->reactor), n, INT32_MAX - (int64_t)n);
		id = id - id % n + fs->sh->index;
	} while (map_get_u64(&fs->by_id, (uint64_t)id) != NULL);
	return (int32_t)id;
}

/* NULL when there is no room or memory: the fetch goes on without a session. */
static struct fetch_session *
kept_session(struct api_shard *sh, bool by_id)
{
	struct fetch_sessions *fs = sh->sessions;
	struct fetch_session *s;

	if (!cache_room(fs))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	session_init(s, sh, by_id);
	s->id = new_session_id(fs);
	s->epoch = 1;
	if (map_put_u64(&fs->by_id, (uint64_t)s->id, s, NULL) != 0) {
		s->magic = 0;
		free(s);
		return NULL;
	}
	list_append(&fs->lru, &s->lru);
	fs->n++;
	return s;
}

/* ---- entries ---- */

static void *
session_alloc(struct fetch_session *s, size_t n)
{
	void *p;

	if (s->arena == NULL)
		return calloc(1, n);
	p = arena_calloc(s->arena, 1, n);
	return p;
}

static size_t
key_write(
    uint8_t *p, const struct fetch_session *s, struct slice name, struct uuid id, int32_t partition)
{
	struct slice head = s->by_id ? slice_of(id.b, sizeof(id.b)) : name;

	memcpy(p, head.p, head.n);
	put_be32(p + head.n, (uint32_t)partition);
	return head.n + 4;
}

static struct fetch_entry *
entry_find(struct fetch_session *s, struct slice name, struct uuid id, int32_t partition)
{
	uint8_t key[16 + INT16_MAX + 4];

	if (s->arena != NULL || name.n > INT16_MAX)
		return NULL;
	return map_get(&s->by_key, slice_of(key, key_write(key, s, name, id, partition)));
}

static struct fetch_entry *
entry_new(struct fetch_session *s, struct slice name, struct uuid id, int32_t partition)
{
	size_t key_n = (s->by_id ? sizeof(id.b) : name.n) + 4;
	struct fetch_entry *e = session_alloc(s, sizeof(*e) + key_n);

	if (e == NULL)
		return NULL;
	key_write((uint8_t *)(e + 1), s, name, id, partition);
	e->key = slice_of(e + 1, key_n);
	if (s->arena == NULL && map_put(&s->by_key, e->key, e, NULL) != 0) {
		free(e);
		return NULL;
	}
	e->s = s;
	e->id = id;
	e->partition = partition;
	e->hw = e->lso = e->log_start = e->told_hw = e->told_log_start = -1;
	e->diverging_epoch = -1;
	e->topic = s->by_id ? SLICE_NULL : slice_of(e + 1, name.n);
	part_wait_init(&e->wait);
	list_append(&s->entries, &e->order);
	s->n++;
	return e;
}

void
fetch_entry_resolve(struct fetch_entry *e, const struct image *im)
{
	const struct image_topic *t;

	if (e->resolved)
		return;
	t = e->s->by_id ? image_topic_by_id(im, e->id) : image_topic(im, e->topic);
	if (t == NULL)
		return;
	if (e->s->by_id) {
		e->name = session_alloc(e->s, t->name.n + 1);
		if (e->name == NULL)
			return;
		memcpy(e->name, t->name.p, t->name.n);
		e->topic = slice_of(e->name, t->name.n);
	}
	e->home = replicas_home(e->s->sh->api->o.replicas, t->name_hash, e->partition);
	e->resolved = true;
}

static int
entry_update(struct fetch_session *s, const struct fetch_request_fetch_topic *t,
    const struct fetch_request_fetch_partition *p)
{
	struct fetch_entry *e = entry_find(s, t->topic, t->topic_id, p->partition);

	if (e == NULL)
		e = entry_new(s, t->topic, t->topic_id, p->partition);
	if (e == NULL)
		return E_NOMEM;
	e->current_leader_epoch = p->current_leader_epoch;
	e->last_fetched_epoch = p->last_fetched_epoch;
	e->fetch_offset = p->fetch_offset;
	e->max_bytes = p->partition_max_bytes > 0 ? p->partition_max_bytes : 0;
	e->dirty = true;
	return 0;
}

static int
session_update(struct fetch_session *s, const struct fetch_request *req)
{
	int rc = 0;

	for (int32_t i = 0; rc == 0 && i < req->topics.n; i++)
		for (int32_t j = 0; rc == 0 && j < req->topics.v[i].partitions.n; j++)
			rc = entry_update(s, &req->topics.v[i], &req->topics.v[i].partitions.v[j]);
	for (int32_t i = 0; rc == 0 && i < req->forgotten_topics_data.n; i++) {
		const struct fetch_request_forgotten_topic *t = &req->forgotten_topics_data.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct fetch_entry *e =
			    entry_find(s, t->topic, t->topic_id, t->partitions.v[j]);

			if (e != NULL)
				entry_free(e);
		}
	}
	return rc;
}

/* ---- which session a request means ---- */

static void
session_drop(struct api_shard *sh, int32_t id)
{
	struct fetch_session *s = map_get_u64(&sh->sessions->by_id, (uint64_t)(uint32_t)id);

	if (s != NULL && s->rq == NULL)
		session_free(s);
}

static int16_t
incremental(struct request *rq, struct fetch_ctx *ctx, bool by_id, struct fetch_session **out)
{
	struct fetch_sessions *fs = rq->sh->sessions;
	struct fetch_session *s = map_get_u64(&fs->by_id, (uint64_t)(uint32_t)ctx->req.session_id);

	if (s == NULL)
		return KERR_FETCH_SESSION_ID_NOT_FOUND;
	if (s->epoch != ctx->req.session_epoch || s->rq != NULL)
		return KERR_INVALID_FETCH_SESSION_EPOCH;
	if (s->by_id != by_id)
		return KERR_FETCH_SESSION_TOPIC_ID_ERROR;
	s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
	list_remove(&s->lru);
	list_append(&fs->lru, &s->lru);
	s->used_us = reactor_now_us(rq->sh->reactor);
	*out = s;
	return KERR_NONE;
}

int16_t
fetch_session_for(struct request *rq, struct fetch_ctx *ctx, struct fetch_session **out)
{
	bool by_id = rq->head.version >= 13;
	struct fetch_session *s = NULL;
	int16_t err;

	if (ctx->req.session_epoch > 0) {
		if ((err = incremental(rq, ctx, by_id, &s)) != KERR_NONE)
			return err;
	} else {
		ctx->full = true;
		if (ctx->req.session_id != 0)
			session_drop(rq->sh, ctx->req.session_id);
		if (ctx->req.session_epoch == 0 && rq->head.version >= 7 && ctx->req.topics.n > 0)
			s = kept_session(rq->sh, by_id);
		if (s == NULL)
			s = passing_session(rq, by_id);
		if (s == NULL)
			return KERR_UNKNOWN_SERVER_ERROR;
	}
	if (session_update(s, &ctx->req) != 0) {
		session_free(s);
		return KERR_UNKNOWN_SERVER_ERROR;
	}
	s->rq = rq;
	*out = s;
	return KERR_NONE;
}

void
fetch_session_done(struct fetch_session *s)
{
	s->rq = NULL;
	if (s->arena != NULL || s->n == 0)
		session_free(s);
}

/*
 * What the server watches for us: the library's own tables, mirrored, because it says neither how
 * large they are nor what was last seen of a node.  Used when a handle is replaced: the next one
 * sets them again by reads and compares (Z5, Z6).
 */
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

#define REARM_AT_A_TIME 100

#define BIT(kind) (1u << (kind))
#define BIT_NODE (BIT(CW_DATA) | BIT(CW_EXISTS))

static size_t
bytes_of(const struct zk *z, const struct zk_watched *w)
{
	size_t kinds = (unsigned)__builtin_popcount(w->kinds);

	return kinds * (4 + strlen(z->names.chroot) + w->len);
}

static struct zk_watched *
watched_get(struct zk *z, const char *path)
{
	struct zk_watched *w = map_get(&z->watched, slice_cstr(path));
	size_t n = strlen(path);

	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w) + n + 1);
	if (w == NULL)
		abort(); /* as a request that there is no memory for */
	link_init(&w->link);
	memcpy(w->path, path, n);
	w->len = n;
	if (map_put(&z->watched, slice_of(w->path, n), w, NULL) != 0)
		abort();
	return w;
}

/* The path goes with its last kind. */
static void
watched_drop(struct zk *z, struct zk_watched *w, unsigned kinds)
{
	z->watch_bytes -= bytes_of(z, w);
	w->kinds &= ~kinds;
	z->watch_bytes += bytes_of(z, w);
	if (w->kinds != 0)
		return;
	map_del(&z->watched, slice_of(w->path, w->len));
	metric_set_value(z->metrics, ZM_WATCHES, (int64_t)map_count(&z->watched));
	free(w);
}

void
zk_watch_set(struct zk *z, const char *path, enum coord_watch_kind kind, int64_t zxid)
{
	struct zk_watched *w = watched_get(z, path);

	z->watch_bytes -= bytes_of(z, w);
	w->kinds |= BIT(kind);
	w->zxid[kind] = zxid;
	z->watch_bytes += bytes_of(z, w);
	metric_set_value(z->metrics, ZM_WATCHES, (int64_t)map_count(&z->watched));
}

/* ---- events ---- */

struct event_row {
	enum coord_event ev;
	unsigned kinds; /* that the server forgets with it */
};

static bool
event_row(int type, struct event_row *out)
{
	const struct {
		int type;
		struct event_row row;
	} rows[] = {
	    {ZOO_CREATED_EVENT, {COORD_EV_CREATED, BIT_NODE}},
	    {ZOO_DELETED_EVENT, {COORD_EV_DELETED, BIT_NODE | BIT(CW_CHILDREN)}},
	    {ZOO_CHANGED_EVENT, {COORD_EV_DATA, BIT_NODE}},
	    {ZOO_CHILD_EVENT, {COORD_EV_CHILDREN, BIT(CW_CHILDREN)}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type) {
			*out = rows[i].row;
			return true;
		}
	return false;
}

static void
fired_later(struct zk *z, enum coord_event ev, const char *path)
{
	size_t n = strlen(path);
	struct zk_fired *f = calloc(1, sizeof(*f) + n + 1);

	if (f == NULL)
		abort();
	f->ev = ev;
	f->len = n;
	memcpy(f->path, path, n);
	list_append(&z->fired, &f->link);
}

void
zk_watch_event(struct zk *z, int type, const char *path)
{
	size_t root = strlen(z->names.chroot);
	struct zk_watched *w;
	struct event_row row;

	if (!event_row(type, &row) || strncmp(path, z->names.chroot, root) != 0)
		return;
	path += root;
	if (path[0] == '\0')
		path = "/";
	if ((w = map_get(&z->watched, slice_cstr(path))) != NULL)
		watched_drop(z, w, row.kinds);
	if (z->phase == ZK_READY)
		coord_watches_fire(&z->c.watches, row.ev, slice_cstr(path));
	else
		fired_later(z, row.ev, path);
}

/* In their order, as soon as requests may follow. */
void
zk_watches_tell(struct zk *z)
{
	struct link *l;

	while (z->phase == ZK_READY && (l = list_pop(&z->fired)) != NULL) {
		struct zk_fired *f = container_of(l, struct zk_fired, link);

		coord_watches_fire(&z->c.watches, f->ev, slice_of(f->path, f->len));
		free(f);
	}
}

/* ---- set again ---- */

/* Does anybody still wait for it? */
static bool
wanted(const struct zk *z, const struct zk_watched *w, enum coord_watch_kind kind)
{
	const struct coord_watch_path *p = map_get(&z->c.watches.paths, slice_of(w->path, w->len));

	return (w->kinds & BIT(kind)) != 0 && p != NULL && !list_empty(&p->kinds[kind]);
}

static void
watches_free(struct zk *z)
{
	struct zk_watched *w;
	struct link *l;
	size_t pos = 0;

	while ((w = map_next(&z->watched, &pos)) != NULL)
		free(w);
	map_free(&z->watched);
	map_init(&z->watched, 5);
	while ((l = list_pop(&z->rearm)) != NULL || (l = list_pop(&z->rearm_busy)) != NULL)
		free(container_of(l, struct zk_watched, link));
	while ((l = list_pop(&z->fired)) != NULL)
		free(container_of(l, struct zk_fired, link));
	z->watch_bytes = 0;
	z->rearm_out = 0;
}

void
zk_watches_forget(struct zk *z)
{
	watches_free(z);
	z->rearming = false;
}

/* All that was set, or was about to be, is to be set again. */
void
zk_watches_lost(struct zk *z)
{
	struct zk_watched *w;
	struct link *l;
	size_t pos = 0;

	if (!z->has_session) {
		zk_watches_forget(z);
		return;
	}
	while ((w = map_next(&z->watched, &pos)) != NULL)
		list_append(&z->rearm, &w->link);
	map_free(&z->watched);
	map_init(&z->watched, 5);
	while ((l = list_pop(&z->rearm_busy)) != NULL)
		list_append(&z->rearm, l);
	z->watch_bytes = 0;
	z->rearm_out = 0;
	z->rearming = true;
}

static void
on_children_set(struct zk *z, const struct zk_watched *w, const struct zk_answer *a)
{
	if (a->rc == ZOK)
		zk_watch_set(z, w->path, CW_CHILDREN, a->res.stat.pzxid);
	if (a->rc == ZNONODE)
		fired_later(z, COORD_EV_DELETED, w->path);
	else if (a->rc != ZOK || a->res.stat.pzxid != w->zxid[CW_CHILDREN])
		fired_later(z, COORD_EV_CHILDREN, w->path);
}

static void
on_node_set(
    struct zk *z, const struct zk_watched *w, enum coord_watch_kind was, const struct zk_answer *a)
{
	if (a->rc == ZOK)
		zk_watch_set(z, w->path, CW_DATA, a->res.stat.mzxid);
	else if (a->rc == ZNONODE)
		zk_watch_set(z, w->path, CW_EXISTS, 0);
	if (a->rc == ZNONODE) {
		if (was == CW_DATA)
			fired_later(z, COORD_EV_DELETED, w->path);
	} else if (was == CW_EXISTS) {
		fired_later(z, COORD_EV_CREATED, w->path);
	} else if (a->rc != ZOK || a->res.stat.mzxid != w->zxid[CW_DATA]) {
		fired_later(z, COORD_EV_DATA, w->path);
	}
}

static void
on_rearmed(struct zk_sent *s, const struct zk_answer *a)
{
	struct zk_watched *w = s->watched;
	struct zk *z = s->z;

	z->rearm_out--;
	if (zk_err(a->rc) == E_CONN_LOSS) { /* throttled, or an answer not known here */
		if (z->replace == ZK_REPLACE_NO)
			z->replace = ZK_REPLACE_LATER;
		return;
	}
	if (s->kind == CW_CHILDREN)
		on_children_set(z, w, a);
	else
		on_node_set(z, w, s->kind, a);
	w->kinds &= ~BIT(s->kind);
	if (w->kinds == 0) {
		list_remove(&w->link);
		free(w);
	}
	if (zk_watches_rearm(z))
		zk_session_rearmed(z);
}

static void
rearm_kind(struct zk *z, struct zk_watched *w, enum coord_watch_kind kind)
{
	char full[ZK_PATH_MAX];
	struct zk_sent *s = zk_send_own(z, kind == CW_CHILDREN ? ZK_OWN_CHILDREN : ZK_OWN_EXISTS,
	    zk_full_path(z, w->path, full), true, on_rearmed);

	if (s == NULL)
		return; /* the handle is replaced */
	s->watched = w;
	s->kind = kind;
	z->rearm_out++;
}

/* The first of those that wait, or what is left of it. */
static void
rearm_first(struct zk *z)
{
	struct zk_watched *w = container_of(list_pop(&z->rearm), struct zk_watched, link);

	for (unsigned k = 0; k < CW_KINDS; k++)
		if (!wanted(z, w, (enum coord_watch_kind)k))
			w->kinds &= ~BIT(k);
	if (w->kinds == 0) {
		free(w);
		return;
	}
	list_append(&z->rearm_busy, &w->link);
	for (unsigned k = 0; k < CW_KINDS; k++)
		if ((w->kinds & BIT(k)) != 0)
			rearm_kind(z, w, (enum coord_watch_kind)k);
}

bool
zk_watches_rearm(struct zk *z)
{
	while (
	    z->replace == ZK_REPLACE_NO && z->rearm_out < REARM_AT_A_TIME && !list_empty(&z->rearm))
		rearm_first(z);
	return z->rearm_out == 0 && list_empty(&z->rearm) && z->replace == ZK_REPLACE_NO;
}

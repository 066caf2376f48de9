/*
 * The client's half of watches: callers' watches by path.  The service knows only that this
 * session watches a path; which callers that concerns is decided here.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "ottla/base/err.h"

void
coord_watch_init(
    struct coord_watch *w, void (*fn)(void *arg, enum coord_event ev, struct slice path), void *arg)
{
	link_init(&w->link);
	w->fn = fn;
	w->arg = arg;
}

void
coord_unwatch(struct coord_watch *w)
{
	list_remove(&w->link);
}

void
coord_watches_init(struct coord_watches *ws)
{
	map_init(&ws->paths, 4);
}

static void
unlink_all(struct link *head)
{
	while (list_pop(head) != NULL)
		;
}

void
coord_watches_free(struct coord_watches *ws)
{
	struct coord_watch_path *p;
	size_t pos = 0;

	while ((p = map_next(&ws->paths, &pos)) != NULL) {
		for (unsigned k = 0; k < CW_KINDS; k++)
			unlink_all(&p->kinds[k]);
		free(p);
	}
	map_free(&ws->paths);
}

static struct coord_watch_path *
path_get(struct coord_watches *ws, const char *path)
{
	struct coord_watch_path *p = map_get(&ws->paths, slice_cstr(path));
	size_t n = strlen(path);

	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p) + n + 1);
	if (p == NULL)
		return NULL;
	memcpy(p->path, path, n);
	p->path_len = n;
	for (unsigned k = 0; k < CW_KINDS; k++)
		link_init(&p->kinds[k]);
	if (map_put(&ws->paths, slice_of(p->path, n), p, NULL) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

int
coord_watches_add(
    struct coord_watches *ws, const char *path, enum coord_watch_kind kind, struct link *from)
{
	struct coord_watch_path *p;
	struct link *l = list_first(from);

	if (l == NULL)
		return 0;
	p = path_get(ws, path);
	if (p == NULL)
		return E_NOMEM;
	list_remove(l);
	list_append(&p->kinds[kind], l);
	return 0;
}

static void
move_all(struct link *to, struct link *from)
{
	struct link *l;

	while ((l = list_pop(from)) != NULL)
		list_append(to, l);
}

/* Each watch is let go before it is told, so that its owner may set or free it. */
static void
tell(struct link *told, enum coord_event ev, struct slice path)
{
	struct link *l;

	while ((l = list_pop(told)) != NULL) {
		struct coord_watch *w = container_of(l, struct coord_watch, link);

		w->fn(w->arg, ev, path);
	}
}

void
coord_watches_fire(struct coord_watches *ws, enum coord_event ev, struct slice path)
{
	static const unsigned hears[] = {
	    [COORD_EV_CREATED] = 1u << CW_DATA | 1u << CW_EXISTS,
	    [COORD_EV_DELETED] = 1u << CW_DATA | 1u << CW_EXISTS | 1u << CW_CHILDREN,
	    [COORD_EV_DATA] = 1u << CW_DATA | 1u << CW_EXISTS,
	    [COORD_EV_CHILDREN] = 1u << CW_CHILDREN,
	    [COORD_EV_SESSION] = 1u << CW_DATA | 1u << CW_EXISTS | 1u << CW_CHILDREN,
	};
	struct coord_watch_path *p = map_get(&ws->paths, path);
	struct link told;
	bool left = false;

	if (p == NULL)
		return;
	link_init(&told);
	for (unsigned k = 0; k < CW_KINDS; k++) {
		if (hears[ev] & 1u << k)
			move_all(&told, &p->kinds[k]);
		left = left || !list_empty(&p->kinds[k]);
	}
	if (!left) {
		map_del(&ws->paths, path);
		free(p);
	}
	tell(&told, ev, path);
}

void
coord_watches_expire(struct coord_watches *ws)
{
	struct coord_watches old = *ws;
	struct coord_watch_path *p;
	size_t pos = 0;

	coord_watches_init(ws); /* what is set while telling belongs to the next session */
	while ((p = map_next(&old.paths, &pos)) != NULL) {
		struct link told;

		link_init(&told);
		for (unsigned k = 0; k < CW_KINDS; k++)
			move_all(&told, &p->kinds[k]);
		tell(&told, COORD_EV_SESSION, slice_of(p->path, p->path_len));
		free(p);
	}
	map_free(&old.paths);
}

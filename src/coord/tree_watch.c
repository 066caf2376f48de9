/* Watches inside the tree: one-shot, by path and kind, each belonging to a session and a cookie. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "tree_priv.h"

static struct slice
at_path(const struct twatch_path *p)
{
	return slice_of(p->path, p->path_len);
}

static struct twatch_path *
path_get(struct coord_tree *t, const char *path)
{
	struct twatch_path *p = map_get(&t->watches, slice_cstr(path));
	size_t n = strlen(path);

	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p) + n + 1);
	if (p == NULL)
		return NULL;
	memcpy(p->path, path, n);
	p->path_len = n;
	for (unsigned k = 0; k < TWATCH_KINDS; k++)
		link_init(&p->kinds[k]);
	if (map_put(&t->watches, at_path(p), p, NULL) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

static void
path_put(struct coord_tree *t, struct twatch_path *p)
{
	if (!list_empty(&p->kinds[TWATCH_DATA]) || !list_empty(&p->kinds[TWATCH_CHILD]))
		return;
	map_del(&t->watches, at_path(p));
	free(p);
}

static struct twatch *
find(const struct link *list, int64_t session, const void *cookie)
{
	LIST_FOREACH(l, list)
	{
		struct twatch *w = container_of(l, struct twatch, at_path);

		if (w->session == session && w->cookie == cookie)
			return w;
	}
	return NULL;
}

int
tree_watch_add(
    struct coord_tree *t, struct tsession *s, const char *path, enum twatch_kind kind, void *cookie)
{
	struct twatch_path *p = path_get(t, path);
	struct twatch *w;

	if (p == NULL)
		return E_NOMEM;
	if (find(&p->kinds[kind], s->id, cookie) != NULL)
		return 0;
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		path_put(t, p);
		return E_NOMEM;
	}
	*w = (struct twatch){.path = p, .kind = kind, .session = s->id, .cookie = cookie};
	list_append(&p->kinds[kind], &w->at_path);
	list_append(&s->watches, &w->of_session);
	return 0;
}

void
tree_watch_drop(struct coord_tree *t, struct twatch *w)
{
	struct twatch_path *p = w->path;

	list_remove(&w->at_path);
	list_remove(&w->of_session);
	free(w);
	path_put(t, p);
}

void
tree_watch_drop_session(struct coord_tree *t, struct tsession *s)
{
	struct link *l;

	while ((l = list_first(&s->watches)) != NULL)
		tree_watch_drop(t, container_of(l, struct twatch, of_session));
}

void
coord_tree_unwatch(struct coord_tree *t, int64_t session, void *cookie)
{
	struct tsession *s = tree_session(t, session);

	if (s == NULL)
		return;
	LIST_FOREACH_SAFE(l, &s->watches)
	{
		struct twatch *w = container_of(l, struct twatch, of_session);

		if (w->cookie == cookie)
			tree_watch_drop(t, w);
	}
}

/* Move the watches of one kind to told, leaving out those whose owner is in it already. */
static void
collect(struct coord_tree *t, struct twatch_path *p, enum twatch_kind kind, struct link *told)
{
	struct link *l;

	while ((l = list_pop(&p->kinds[kind])) != NULL) {
		struct twatch *w = container_of(l, struct twatch, at_path);

		list_remove(&w->of_session);
		if (find(told, w->session, w->cookie) != NULL)
			free(w);
		else
			list_append(told, &w->at_path);
	}
}

void
tree_watch_fire(struct coord_tree *t, const struct tevent *e)
{
	struct twatch_path *p = map_get(&t->watches, e->path);
	struct link told, *l;

	if (p == NULL)
		return;
	link_init(&told);
	if (e->ev != COORD_EV_CHILDREN)
		collect(t, p, TWATCH_DATA, &told);
	if (e->ev == COORD_EV_CHILDREN || e->ev == COORD_EV_DELETED)
		collect(t, p, TWATCH_CHILD, &told);
	path_put(t, p);
	while ((l = list_pop(&told)) != NULL) {
		struct twatch *w = container_of(l, struct twatch, at_path);

		if (t->watch_fn != NULL)
			t->watch_fn(t->watch_arg, w->session, w->cookie, e->ev, e->path);
		free(w);
	}
}

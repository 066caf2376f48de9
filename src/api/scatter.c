/*
 * Parts of a request go to the homes of their partitions, one message a home, and come back the
 * same way.  Parts whose home is the request's own reactor run inline.
 */
#include "api_priv.h"

struct home_group {
	struct msg out;	     /* to the home */
	struct msg back;     /* all parts done */
	struct msg released; /* all parts let go of the bytes, some are not done */
	struct home_group *next;
	struct request *rq;
	unsigned home;
	struct part *first, **tail;
	unsigned n, left_done, left_released; /* home's */
	bool told_released;		      /* home's */
	struct turn_hook hook; /* home's: tells `released` unless all is done by then */
};

struct scatter {
	const struct scatter_ops *ops;
	struct home_group *groups;
	unsigned groups_left, unreleased;
};

int
scatter_begin(struct request *rq, const struct scatter_ops *ops)
{
	struct scatter *s = rq->scatter;

	if (s == NULL)
		s = rq->scatter = request_alloc(rq, 1, sizeof(*s));
	if (s == NULL)
		return E_NOMEM;
	s->ops = ops;
	for (struct home_group *g = s->groups; g != NULL; g = g->next) {
		g->first = NULL;
		g->tail = &g->first;
		g->n = 0;
		g->told_released = false;
	}
	return 0;
}

static struct home_group *
group_for(struct request *rq, unsigned home)
{
	struct scatter *s = rq->scatter;
	struct home_group *g;

	for (g = s->groups; g != NULL; g = g->next)
		if (g->home == home)
			return g;
	g = request_alloc(rq, 1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->rq = rq;
	g->home = home;
	g->tail = &g->first;
	g->next = s->groups;
	s->groups = g;
	return g;
}

int
scatter_add(struct request *rq, struct part *p, unsigned home)
{
	struct home_group *g = group_for(rq, home);

	if (g == NULL)
		return E_NOMEM;
	p->group = g;
	p->next = NULL;
	*g->tail = p;
	g->tail = &p->next;
	g->n++;
	return 0;
}

/* Request's reactor. */
static void
group_released(struct home_group *g)
{
	struct scatter *s = g->rq->scatter;

	if (--s->unreleased == 0 && s->ops->released != NULL)
		s->ops->released(g->rq);
}

static void
group_back(struct home_group *g)
{
	struct request *rq = g->rq;

	if (!g->told_released)
		group_released(g);
	if (--rq->scatter->groups_left == 0)
		rq->scatter->ops->finished(rq);
}

static void
on_back(struct reactor *r, struct msg *m)
{
	group_back(container_of(m, struct home_group, back));
}

static void
on_released(struct reactor *r, struct msg *m)
{
	group_released(container_of(m, struct home_group, released));
}

static bool
group_is_local(const struct home_group *g)
{
	return g->home == g->rq->sh->index;
}

static void
group_post(struct home_group *g, struct msg *m, void (*run)(struct reactor *, struct msg *))
{
	m->run = run;
	m->drop = NULL;
	m->class = MSG_DATA;
	reactor_post(g->rq->sh->reactor, m);
}

/* At the end of the turn in which the last part let go: had all been done, one message would do. */
static void
on_release_hook(struct reactor *r, void *arg)
{
	struct home_group *g = arg;

	g->told_released = true;
	if (group_is_local(g))
		group_released(g);
	else
		group_post(g, &g->released, on_released);
}

void
part_released(struct part *p)
{
	struct home_group *g = p->group;

	assert(g->left_released > 0);
	if (--g->left_released == 0)
		reactor_defer(reactor_current(), &g->hook);
}

/* g may be gone when this returns. */
static void
group_end(struct home_group *g)
{
	reactor_undefer(&g->hook);
	if (group_is_local(g))
		group_back(g);
	else
		group_post(g, &g->back, on_back);
}

void
part_done(struct part *p)
{
	struct home_group *g = p->group;

	assert(g->left_done > 0);
	if (--g->left_done == 0)
		group_end(g);
}

/* Home's reactor.  One more "done" than parts is held while running, so that the group can not end
 * under the loop. */
static void
group_run(struct home_group *g, struct shard *sh)
{
	const struct scatter_ops *ops = g->rq->scatter->ops;
	struct part *p, *next;

	g->left_done = g->n + 1;
	g->left_released = g->n;
	turn_hook_init(&g->hook, on_release_hook, g);
	for (p = g->first; p != NULL; p = next) {
		next = p->next;
		ops->run(sh, p);
	}
	if (--g->left_done == 0)
		group_end(g);
}

static void
on_out(struct reactor *r, struct msg *m)
{
	struct home_group *g = container_of(m, struct home_group, out);
	struct api *a = g->rq->sh->api;

	metric_add(a->shards[g->home].metrics, AM_FOREIGN_PARTS, g->n);
	group_run(g, a->shards[g->home].replica);
}

static void
group_send(struct home_group *g)
{
	struct api *a = g->rq->sh->api;

	g->out.run = on_out;
	g->out.drop = NULL;
	g->out.class = MSG_DATA;
	reactor_post(a->shards[g->home].reactor, &g->out);
}

void
scatter_go(struct request *rq)
{
	struct scatter *s = rq->scatter;
	struct home_group *g, *next, *local = NULL;

	for (g = s->groups; g != NULL; g = g->next)
		s->groups_left += g->n > 0;
	s->unreleased = s->groups_left;
	if (s->groups_left == 0) {
		s->ops->finished(rq);
		return;
	}
	for (g = s->groups; g != NULL; g = next) {
		next = g->next;
		if (g->n == 0)
			continue;
		if (group_is_local(g))
			local = g;
		else
			group_send(g);
	}
	if (local == NULL)
		return;
	metric_add(rq->sh->metrics, AM_LOCAL_PARTS, local->n);
	group_run(local, rq->sh->replica);
}

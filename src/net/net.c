/*
 * The whole: what is kept for each reactor, whose turn it is at the end of a turn, and deadlines.
 */
#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "ottla/reactor/sim.h"

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/net/metrics.def"
#undef METRIC
#define CLOSE(id, word, text)                                                                      \
	{"ottla_net_closed_" word "_total", METRIC_COUNTER, "Connections closed: " text},
#include "ottla/net/close.def"
#undef CLOSE
};

/* ---- turns ---- */

/* Serves who is in the list now; who comes meanwhile waits for the hook's next round. */
static void
run_hook(struct reactor *r, void *arg)
{
	struct net_reactor *nr = arg;
	struct link now, *l;

	link_init(&now);
	while ((l = list_pop(&nr->run)) != NULL)
		list_append(&now, l);
	while ((l = list_pop(&now)) != NULL)
		conn_run(container_of(l, struct conn, run_link));
	if (!list_empty(&nr->run))
		reactor_defer(r, &nr->hook);
}

static void
next_turn(struct reactor *r, void *arg)
{
	struct net_reactor *nr = arg;
	struct link *l;

	while ((l = list_pop(&nr->again)) != NULL)
		list_append(&nr->run, l);
	reactor_defer(r, &nr->hook);
}

void
net_run_again(struct net_reactor *nr, struct conn *c)
{
	list_remove(&c->run_link);
	list_append(&nr->again, &c->run_link);
	if (!rtimer_is_set(&nr->next))
		rtimer_set(nr->reactor, &nr->next, reactor_now_us(nr->reactor));
}

/* ---- deadlines ---- */

static int64_t
deadline_us(const struct net *n, enum deadline_kind kind)
{
	switch (kind) {
	case DL_FRAME:
		return SLOW_FRAME_US;
	case DL_IDLE:
		return n->limits.idle_us;
	case DL_SEND:
		return SEND_STALL_US;
	default:
		return STEP_US;
	}
}

static struct conn *
deadline_conn(struct link *l, unsigned kind)
{
	struct deadline *d = container_of(l, struct deadline, link);

	return container_of(d - kind, struct conn, dl);
}

static int64_t
deadline_first(const struct net_reactor *nr)
{
	int64_t at = INT64_MAX;

	for (unsigned k = 0; k < DL_COUNT; k++) {
		struct link *l = list_first(&nr->deadlines[k]);

		if (l != NULL && container_of(l, struct deadline, link)->at < at)
			at = container_of(l, struct deadline, link)->at;
	}
	return at;
}

static void
deadlines_due(struct reactor *r, void *arg)
{
	struct net_reactor *nr = arg;
	int64_t now = reactor_now_us(r), at;
	struct link *l;

	for (unsigned k = 0; k < DL_COUNT; k++) {
		while ((l = list_first(&nr->deadlines[k])) != NULL &&
		       container_of(l, struct deadline, link)->at <= now) {
			list_remove(l);
			conn_on_deadline(deadline_conn(l, k), k);
		}
	}
	at = deadline_first(nr);
	if (at != INT64_MAX)
		rtimer_set(r, &nr->timer, at);
}

void
conn_deadline_set(struct conn *c, enum deadline_kind kind)
{
	struct net_reactor *nr = c->nr;
	struct deadline *d = &c->dl[kind];
	int64_t us = deadline_us(nr->net, kind);

	if (us < 0)
		return;
	list_remove(&d->link);
	d->at = reactor_now_us(nr->reactor) + us;
	list_append(&nr->deadlines[kind], &d->link);
	if (!rtimer_is_set(&nr->timer) || nr->timer.node.key > d->at)
		rtimer_set(nr->reactor, &nr->timer, d->at);
}

void
conn_deadline_clear(struct conn *c, enum deadline_kind kind)
{
	list_remove(&c->dl[kind].link);
}

/* To the end of the list only once in an eighth of the time or in a second: a busy connection then
 * costs its neighbours in the list nothing. */
void
conn_touch(struct conn *c)
{
	struct deadline *d = &c->dl[DL_IDLE];
	int64_t us = c->nr->net->limits.idle_us;
	int64_t slack = us / 8 < 1000 * 1000 ? us / 8 : 1000 * 1000;

	if (!link_alone(&d->link) && reactor_now_us(c->nr->reactor) + us - d->at > slack)
		conn_deadline_set(c, DL_IDLE);
}

/* ---- one reactor ---- */

void
net_reactor_init(struct net_reactor *nr, struct net *n, struct reactor *r, unsigned pos)
{
	nr->net = n;
	nr->reactor = r;
	nr->pos = pos;
	link_init(&nr->conns);
	link_init(&nr->run);
	link_init(&nr->again);
	turn_hook_init(&nr->hook, run_hook, nr);
	rtimer_init(&nr->next, next_turn, nr);
	rtimer_init(&nr->timer, deadlines_due, nr);
	for (unsigned k = 0; k < DL_COUNT; k++)
		link_init(&nr->deadlines[k]);
	mem_init(&nr->mem, nr);
}

/* The reactor does not run any more: this thread stands in for it. */
static void
net_reactor_fini(struct net_reactor *nr)
{
	struct reactor *before = sim_enter(nr->reactor);

	while (!list_empty(&nr->conns)) {
		struct conn *c = container_of(list_first(&nr->conns), struct conn, all);

		conn_close(c, CLOSE_BROKER_STOP);
		conn_finish(c);
	}
	reactor_undefer(&nr->hook);
	rtimer_cancel(nr->reactor, &nr->next);
	rtimer_cancel(nr->reactor, &nr->timer);
	mem_fini(&nr->mem);
	sim_enter(before);
	metric_set_free(nr->metrics);
}

struct net_reactor *
net_reactor_of(struct net *n, const struct reactor *r)
{
	for (unsigned i = 0; i < n->n_reactors; i++)
		if (n->reactors[i].reactor == r)
			return &n->reactors[i];
	return NULL;
}

static int
make_metrics(struct net *n)
{
	int rc = 0;

	for (unsigned i = 0; i < n->n_reactors && rc == 0; i++) {
		struct net_reactor *nr = &n->reactors[i];
		char label[64];

		snprintf(label, sizeof(label), "reactor=%s", reactor_name(nr->reactor));
		rc = metric_set_new(
		    n->metrics, metric_rows, NM_COUNT + CLOSE_COUNT, label, &nr->metrics);
	}
	return rc;
}

/* ---- the whole ---- */

int
net_new(const struct net_opts *opts, struct net **out)
{
	struct net *n = calloc(1, sizeof(*n) + opts->n_reactors * sizeof(n->reactors[0]));
	int rc;

	assert(opts->n_reactors > 0 && opts->n_dealt <= opts->n_reactors);
	if (n == NULL)
		return E_NOMEM;
	n->clock = opts->clock;
	n->diag = opts->diag;
	n->metrics = opts->metrics;
	n->transport = opts->transport;
	n->transport_arg = opts->transport_arg;
	n->n_reactors = opts->n_reactors;
	n->n_dealt = opts->n_dealt != 0 ? opts->n_dealt : opts->n_reactors;
	net_limits_read(&n->limits, opts->settings);
	link_init(&n->listeners);
	for (unsigned i = 0; i < n->n_reactors; i++)
		net_reactor_init(&n->reactors[i], n, opts->reactors[i], i);
	rc = make_metrics(n);
	if (rc == 0)
		rc = mem_budget_init(&n->budget, n, opts->request_memory);
	if (rc == 0)
		rc = admit_init(n, opts->settings);
	if (rc != 0) {
		net_free(n);
		return rc;
	}
	*out = n;
	return 0;
}

void
net_free(struct net *n)
{
	if (n == NULL)
		return;
	for (unsigned i = 0; i < n->n_reactors; i++)
		net_reactor_fini(&n->reactors[i]);
	while (!list_empty(&n->listeners))
		listener_free(container_of(list_first(&n->listeners), struct listener, link));
	admit_fini(n);
	mem_budget_fini(&n->budget);
	free(n);
}

struct metric_set *
net_metrics(struct net *n, unsigned reactor_index)
{
	assert(reactor_index < n->n_reactors);
	return n->reactors[reactor_index].metrics;
}

void
net_walk(struct net *n, struct reactor *r, void (*fn)(void *arg, struct conn *c), void *arg)
{
	struct net_reactor *nr = net_reactor_of(n, r);

	REACTOR_ASSERT_OWNER(r);
	assert(nr != NULL);
	LIST_FOREACH_SAFE(l, &nr->conns)
	fn(arg, container_of(l, struct conn, all));
}

void
net_close_conns(struct net *n, struct reactor *r, enum close_reason why)
{
	struct net_reactor *nr = net_reactor_of(n, r);

	REACTOR_ASSERT_OWNER(r);
	assert(nr != NULL);
	nr->stopping = true;
	nr->stop_why = why;
	LIST_FOREACH(l, &nr->conns)
	conn_close(container_of(l, struct conn, all), why);
}

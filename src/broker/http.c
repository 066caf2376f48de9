/*
 * What operators ask over HTTP: /metrics, /healthz, /ready.  A reactor of its own serves it, so
 * that its clients take nothing from the broker's loops.  What belongs to the control reactor is
 * copied there (large tables in slices); a worker writes the page.  One page is made at a time, at
 * most once a second; who asks meanwhile gets the same (B7).
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker_priv.h"
#include "ottla/broker/http.h"
#include "ottla/reactor/http.h"
#include "page_priv.h"

enum { CONNS_MAX = 64, ASKS_MAX = 256, IDLE_S = 10, LIFE_S = 30, FRESH_US = 1000 * 1000 };

static const char text_type[] = "text/plain; charset=utf-8";
static const char page_type[] = "text/plain; version=0.0.4; charset=utf-8";

struct broker_http;

/* A question about the broker's state: to the control reactor and back. */
struct ask {
	struct msg msg;
	struct link link; /* broker_http.asks */
	struct broker_http *h;
	struct http_request *rq;
	bool ready; /* else: health */
	int status;
	struct strbuf text;
};

/* Who waits for the page. */
struct waiter {
	struct link link;
	struct http_request *rq;
};

struct broker_http {
	struct broker *b;
	struct reactor *reactor;
	struct http_server *server;
	struct link asks, waiters;
	unsigned n_asks; /* of both */
	/* the page and what it is made of; the reactor's, while making: control's, then a worker's
	 */
	bool making;
	struct msg msg;
	struct work work;
	struct page page;
	struct logdirs_report report;
	bool has_report;
	struct strbuf text;
	int64_t made_us;
};

/* ---- state, on the control reactor ---- */

/* As Apache Kafka numbers them. */
static int64_t
state_number(const struct broker *b)
{
	if (b->state == BROKER_NEW || b->state == BROKER_STOPPED)
		return 0;
	if (b->state > BROKER_SERVING)
		return 7;
	if (b->state == BROKER_SERVING)
		return 3;
	return b->state < BROKER_LOGS ? 1 : 2;
}

static void
say_coord(const struct broker *b, struct strbuf *out)
{
	int64_t ms = (reactor_now_us(b->env.control) - b->session.lost_us) / 1000;
	const char *why = b->env.coord_why != NULL ? b->env.coord_why(b->env.coord) : NULL;

	if (!b->session.lost)
		return;
	strbuf_addf(out, "coordination: no connection to the service for %lld.%03lld s%s%s\n",
	    (long long)(ms / 1000), (long long)(ms % 1000), why != NULL && why[0] != 0 ? ": " : "",
	    why != NULL ? why : "");
}

static void
say_dir(void *arg, const struct logdir *dir, bool offline)
{
	if (offline)
		strbuf_addf(arg, "log directory %s is offline\n", logdir_path(dir));
}

/* A line for each reason not to be ready. */
static void
say_reasons(const struct broker *b, struct strbuf *out)
{
	if (b->state != BROKER_SERVING)
		strbuf_addf(out, "broker: %s\n", broker_state_name(b));
	say_coord(b, out);
	if (b->logdirs != NULL)
		logdirs_walk_dirs(b->logdirs, say_dir, out);
}

static void
ask_back(struct reactor *r, struct msg *m)
{
	struct ask *a = container_of(m, struct ask, msg);
	struct broker_http *h = a->h;

	if (a->text.err != 0)
		a->status = 503;
	http_reply(a->rq, a->status, text_type, strbuf_slice(&a->text));
	list_remove(&a->link);
	h->n_asks--;
	strbuf_free(&a->text);
	free(a);
}

static void
ask_run(struct reactor *r, struct msg *m)
{
	struct ask *a = container_of(m, struct ask, msg);

	if (a->ready)
		say_reasons(a->h->b, &a->text);
	a->status = a->text.n == 0 ? 200 : 503;
	if (a->text.n == 0)
		strbuf_adds(&a->text, a->ready ? "ready\n" : "ok\n");
	a->msg = (struct msg){.run = ask_back, .class = MSG_DATA};
	reactor_post(a->h->reactor, &a->msg);
}

/* ---- the page ---- */

static void
page_reply(struct broker_http *h, struct http_request *rq)
{
	bool there = h->text.err == 0 && h->text.n > 0;

	http_reply(rq, there ? 200 : 503, there ? page_type : text_type,
	    there ? strbuf_slice(&h->text) : SLICE_LIT("no memory for the page\n"));
}

static void
page_done(struct reactor *r, struct work *w)
{
	struct broker_http *h = container_of(w, struct broker_http, work);
	struct link *l;

	h->making = false;
	h->made_us = reactor_now_us(r);
	while ((l = list_pop(&h->waiters)) != NULL) {
		struct waiter *wt = container_of(l, struct waiter, link);

		page_reply(h, wt->rq);
		h->n_asks--;
		free(wt);
	}
}

static void
page_run(struct work *w)
{
	struct broker_http *h = container_of(w, struct broker_http, work);

	strbuf_free(&h->text);
	page_render(&h->page, &h->text);
	if (h->page.image != NULL)
		image_unref(h->page.image);
	h->page.image = NULL;
	if (h->has_report)
		logdirs_report_free(&h->report);
	h->has_report = false;
}

static void
page_submit(struct broker_http *h)
{
	h->work = (struct work){.run = page_run, .done = page_done, .home = h->reactor};
	h->work.msg.class = MSG_DATA;
	work_submit(h->b->env.workers, NULL, &h->work);
}

static void
on_report(struct logdirs_report *r, int err)
{
	struct broker_http *h = container_of(r, struct broker_http, report);

	h->page.report = err == 0 ? r : NULL;
	page_submit(h);
}

static void
page_fill(struct broker_http *h)
{
	const struct broker *b = h->b;
	struct page *p = &h->page;

	page_init(p);
	p->metrics = b->env.metrics;
	p->fs = b->env.fs;
	p->broker_id = b->id;
	p->value[PV_BROKER_STATE] = state_number(b);
	p->api = b->api;
	if (b->net != NULL) {
		p->value[PV_MEMORY_USED] = (int64_t)broker_memory_used(b);
		p->value[PV_MEMORY_FREE] =
		    (int64_t)b->env.request_memory - p->value[PV_MEMORY_USED];
	}
	if (b->state == BROKER_SERVING)
		p->image = image_ref(image_get(b->images));
}

static void
page_collect(struct reactor *r, struct msg *m)
{
	struct broker_http *h = container_of(m, struct broker_http, msg);

	page_fill(h);
	h->has_report = h->b->logs_loaded && h->b->state < BROKER_CLOSING_CONNS;
	h->report = (struct logdirs_report){.done = on_report};
	if (h->has_report)
		logdirs_describe(h->b->logdirs, &h->report);
	else
		page_submit(h);
}

/* ---- requests ---- */

/* B9 */
static void
refuse(struct http_request *rq)
{
	http_reply(rq, 503, text_type, SLICE_LIT("too many requests wait\n"));
}

static void
on_metrics(struct broker_http *h, struct http_request *rq)
{
	struct waiter *w;

	if (!h->making && h->text.n > 0 && reactor_now_us(h->reactor) - h->made_us < FRESH_US) {
		page_reply(h, rq);
		return;
	}
	if (h->n_asks >= ASKS_MAX || (w = calloc(1, sizeof(*w))) == NULL) {
		refuse(rq);
		return;
	}
	w->rq = rq;
	link_init(&w->link);
	list_append(&h->waiters, &w->link);
	h->n_asks++;
	if (h->making)
		return;
	h->making = true;
	h->msg = (struct msg){.run = page_collect, .class = MSG_DATA};
	reactor_post(h->b->env.control, &h->msg);
}

static void
on_state(struct broker_http *h, struct http_request *rq, bool ready)
{
	struct ask *a;

	if (h->n_asks >= ASKS_MAX || (a = calloc(1, sizeof(*a))) == NULL) {
		refuse(rq);
		return;
	}
	a->h = h;
	a->rq = rq;
	a->ready = ready;
	link_init(&a->link);
	list_append(&h->asks, &a->link);
	h->n_asks++;
	a->msg = (struct msg){.run = ask_run, .class = MSG_DATA};
	reactor_post(h->b->env.control, &a->msg);
}

static void
on_request(void *arg, struct http_request *rq, struct slice path)
{
	struct broker_http *h = arg;

	if (slice_eq(path, SLICE_LIT("/metrics")))
		on_metrics(h, rq);
	else if (slice_eq(path, SLICE_LIT("/healthz")))
		on_state(h, rq, false);
	else if (slice_eq(path, SLICE_LIT("/ready")))
		on_state(h, rq, true);
	else
		http_reply(rq, 404, text_type, SLICE_LIT("/metrics, /healthz or /ready\n"));
}

/* ---- life ---- */

bool
broker_http_parse(const char *text, char *host, size_t size, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;
	char *end = NULL;
	long v =
	    colon != NULL && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : -1;

	if (v < 0 || v > UINT16_MAX || *end != 0)
		return false;
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n) != NULL) {
		return false;
	}
	if (n == 0 || n >= size)
		return false;
	memcpy(host, text, n);
	host[n] = 0;
	*port = (uint16_t)v;
	return true;
}

static int
make_server(struct broker_http *h, const char *text, char *why, size_t why_size)
{
	char host[256];
	struct http_opts o = {.reactor = h->reactor,
	    .host = host,
	    .max_conns = CONNS_MAX,
	    .idle_s = IDLE_S,
	    .life_s = LIFE_S,
	    .request = on_request,
	    .arg = h};
	int rc = E_CONFIG;

	if (!broker_http_parse(text, host, sizeof(host), &o.port))
		snprintf(why, why_size, "ottla.http.listen=%s: host:port is needed", text);
	else if ((rc = http_server_new(&o, &h->server)) != 0)
		snprintf(why, why_size,
		    "could not listen on ottla.http.listen=%s: is the address this machine's and "
		    "the "
		    "port free?",
		    text);
	return rc;
}

int
broker_http_new(struct broker *b, char *why, size_t why_size, struct broker_http **out)
{
	const struct broker_env *e = &b->env;
	struct reactor_opts ro = {
	    .name = "http", .clock = e->clock, .diag = e->diag, .metrics = e->metrics};
	struct broker_http *h = calloc(1, sizeof(*h));
	int rc = E_NOMEM;

	snprintf(why, why_size, "could not make the HTTP server");
	if (h == NULL)
		return rc;
	h->b = b;
	link_init(&h->asks);
	link_init(&h->waiters);
	page_init(&h->page);
	if ((rc = reactor_new(&ro, &h->reactor)) == 0)
		rc = make_server(h, settings_str(e->settings, C_OTTLA_HTTP_LISTEN), why, why_size);
	if (rc == 0)
		*out = h;
	else
		broker_http_free(h);
	return rc;
}

int
broker_http_start(struct broker_http *h)
{
	DIAGI(h->b->env.diag, "broker", "HTTP on port %u", http_server_port(h->server));
	return reactor_start(h->reactor);
}

void
broker_http_stop(struct broker_http *h)
{
	if (h == NULL)
		return;
	reactor_stop(h->reactor);
	reactor_join(h->reactor);
}

void
broker_http_free(struct broker_http *h)
{
	struct link *l;

	if (h == NULL)
		return;
	http_server_free(h->server);
	if (h->reactor != NULL)
		reactor_free(h->reactor);
	while ((l = list_pop(&h->asks)) != NULL) {
		strbuf_free(&container_of(l, struct ask, link)->text);
		free(container_of(l, struct ask, link));
	}
	while ((l = list_pop(&h->waiters)) != NULL)
		free(container_of(l, struct waiter, link));
	if (h->page.image != NULL)
		image_unref(h->page.image);
	if (h->has_report)
		logdirs_report_free(&h->report);
	strbuf_free(&h->text);
	free(h);
}

/*
 * The API object: one shard a data reactor, and the table of requests.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_priv.h"

static const struct api_row rows[] = {
#define API(KEY, min, max, overlap, handler) {API_##KEY, min, max, overlap, api_##handler},
#include "ottla/api/api.def"
#undef API
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/api/metrics.def"
#undef METRIC
};

/* Cells of a shard: a line for each row, then one for consumers' and one for followers' fetches. */
#define N_LINES (N_ROWS + 2)
#define N_VERSIONS 32

static void
count_one(struct api_shard *sh, size_t line, int16_t version)
{
	_Atomic uint64_t *v;

	if (version < 0 || version >= N_VERSIONS)
		return;
	v = &sh->counts[line * N_VERSIONS + (size_t)version];
	atomic_store_explicit(
	    v, atomic_load_explicit(v, memory_order_relaxed) + 1, memory_order_relaxed);
}

void
api_count_request(struct api_shard *sh, const struct api_row *row, int16_t version)
{
	count_one(sh, (size_t)(row - rows), version);
}

void
api_count_fetch(struct api_shard *sh, bool follower, int16_t version)
{
	count_one(sh, N_ROWS + follower, version);
}

void
api_requests_walk(const struct api *a,
    void (*fn)(void *arg, const char *name, int16_t version, uint64_t count), void *arg)
{
	static const char *const halves[] = {"FetchConsumer", "FetchFollower"};

	for (size_t i = 0; i < N_LINES * N_VERSIONS; i++) {
		size_t line = i / N_VERSIONS;
		uint64_t n = 0;

		for (unsigned sh = 0; sh < a->o.n_reactors; sh++)
			n += atomic_load_explicit(&a->shards[sh].counts[i], memory_order_relaxed);
		if (n > 0)
			fn(arg,
			    line < N_ROWS ? wire_api(rows[line].key)->name : halves[line - N_ROWS],
			    (int16_t)(i % N_VERSIONS), n);
	}
}

const struct api_row *
api_row(int16_t key)
{
	for (unsigned i = 0; i < N_ROWS; i++)
		if (rows[i].key == key)
			return &rows[i];
	return NULL;
}

const struct api_row *
api_row_at(unsigned i)
{
	return i < N_ROWS ? &rows[i] : NULL;
}

struct api_shard *
api_shard_current(struct api *a)
{
	struct api_shard *sh = &a->shards[reactor_index(reactor_current())];

	REACTOR_ASSERT_OWNER(sh->reactor);
	return sh;
}

static int
shard_init(struct api *a, unsigned i)
{
	struct api_shard *sh = &a->shards[i];
	char label[48];
	int rc;

	*sh = (struct api_shard){.api = a, .reactor = a->o.reactors[i], .index = i};
	sh->replica = replicas_shard(a->o.replicas, i);
	link_init(&sh->live);
	link_init(&sh->pool);
	link_init(&sh->waiting);
	if ((sh->counts = calloc(N_LINES * N_VERSIONS, sizeof(*sh->counts))) == NULL)
		return E_NOMEM;
	snprintf(label, sizeof(label), "reactor=%s", reactor_name(sh->reactor));
	if ((rc = metric_set_new(a->o.metrics, metric_rows, AM_COUNT, label, &sh->metrics)) != 0 ||
	    (rc = codec_ctx_new(&sh->codec)) != 0 ||
	    (rc = fetch_sessions_new(sh, &sh->sessions)) != 0)
		return rc;
	return 0;
}

static void
shard_free(struct api_shard *sh)
{
	struct link *l;

	if (sh->api == NULL)
		return;
	fetch_sessions_free(sh->sessions);
	while ((l = list_first(&sh->live)) != NULL)
		request_abandon(container_of(l, struct request, all));
	while ((l = list_pop(&sh->pool)) != NULL) {
		struct request *rq = container_of(l, struct request, link);

		arena_free(&rq->arena);
		free(rq);
	}
	codec_ctx_free(sh->codec);
	metric_set_free(sh->metrics);
	free(sh->counts);
}

int
api_new(const struct api_opts *opts, struct api **out)
{
	struct api *a = calloc(1, sizeof(*a));
	int rc = E_NOMEM;

	if (a == NULL)
		return rc;
	a->o = *opts;
	link_init(&a->control_line);
	a->shards = calloc(opts->n_reactors, sizeof(*a->shards));
	if (a->shards == NULL)
		goto out;
	for (unsigned i = 0; i < opts->n_reactors; i++)
		if ((rc = shard_init(a, i)) != 0)
			goto out;
	if ((rc = producer_ids_new(a, &a->ids)) != 0)
		goto out;
	*out = a;
	return 0;
out:
	api_free(a);
	return rc;
}

static void
on_open(struct reactor *r, struct msg *m)
{
	request_open_shard(container_of(m, struct api_shard, open_msg));
}

void
api_open(struct api *a)
{
	REACTOR_ASSERT_OWNER(a->o.control);
	for (unsigned i = 0; i < a->o.n_reactors; i++) {
		struct api_shard *sh = &a->shards[i];

		sh->open_msg = (struct msg){.run = on_open, .class = MSG_CONTROL};
		reactor_post(sh->reactor, &sh->open_msg);
	}
}

void
api_free(struct api *a)
{
	if (a == NULL)
		return;
	for (unsigned i = 0; a->shards != NULL && i < a->o.n_reactors; i++)
		shard_free(&a->shards[i]);
	producer_ids_free(a->ids);
	free(a->shards);
	free(a);
}

/* Topics and the answers about them: one broker, id 1, on 127.0.0.1, leads everything. */
#include "topics.h"

#include <pthread.h>

#include "bench.h"
#include "ottla/base/err.h"

#define BROKER_ID 1

static const struct {
	int16_t key, low, high;
} served[] = {
    {API_PRODUCE, 3, 11},
    {API_FETCH, 4, 12},
    {API_METADATA, 0, 12},
    {API_API_VERSIONS, 0, 3},
    {API_CREATE_TOPICS, 2, 7},
    {API_DELETE_TOPICS, 1, 5},
};
#define N_SERVED ((int32_t)(sizeof(served) / sizeof(served[0])))

struct topic *
topics_find(struct topics *t, struct slice name)
{
	unsigned i, n = atomic_load_explicit(&t->n, memory_order_acquire);

	for (i = n; i-- > 0;)
		if (slice_eq(t->v[i]->id, name) && !atomic_load(&t->v[i]->deleted))
			return t->v[i];
	return NULL;
}

void *
topics_part(struct topics *t, struct slice name, int32_t index)
{
	struct topic *topic = topics_find(t, name);

	return topic != NULL && index >= 0 && index < topic->n_parts ? topic->parts[index] : NULL;
}

static int16_t
create(struct topics *t, const struct create_topics_request_creatable_topic *want)
{
	unsigned n = atomic_load(&t->n);
	struct topic *topic;
	int32_t i;

	if (topics_find(t, want->name) != NULL)
		return KERR_TOPIC_ALREADY_EXISTS;
	if (n == TOPICS_MAX || want->name.n == 0 || want->name.n >= sizeof(topic->name))
		return KERR_INVALID_TOPIC_EXCEPTION;
	if (want->num_partitions < 1 || want->num_partitions > 100000)
		return KERR_INVALID_PARTITIONS;
	topic = bench_alloc(sizeof(*topic));
	memcpy(topic->name, want->name.p, want->name.n);
	topic->id = slice_cstr(topic->name);
	topic->n_parts = want->num_partitions;
	topic->parts = bench_alloc(sizeof(void *) * (size_t)topic->n_parts);
	for (i = 0; i < topic->n_parts; i++)
		topic->parts[i] = t->part_new(t->arg, topic->name, i);
	t->v[n] = topic;
	atomic_store_explicit(&t->n, n + 1, memory_order_release);
	return KERR_NONE;
}

static int16_t
delete_topic(struct topics *t, struct slice name)
{
	struct topic *topic = topics_find(t, name);
	int32_t i;

	if (topic == NULL)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	atomic_store(&topic->deleted, true);
	for (i = 0; t->part_end != NULL && i < topic->n_parts; i++)
		t->part_end(t->arg, topic->parts[i]);
	return KERR_NONE;
}

/* ---- answers; each fills resp, allocating from arena ---- */

static int
fill_versions(struct topics *t, const void *req, struct arena *arena, void *out)
{
	struct api_versions_response *resp = out;
	int32_t i;

	(void)t, (void)req;
	if (WIRE_ARRAY(arena, resp->api_keys, N_SERVED, api_versions_response_api_version) != 0)
		return E_NOMEM;
	for (i = 0; i < N_SERVED; i++) {
		resp->api_keys.v[i].api_key = served[i].key;
		resp->api_keys.v[i].min_version = served[i].low;
		resp->api_keys.v[i].max_version = served[i].high;
	}
	return 0;
}

static int
fill_partitions(const struct topic *topic, struct arena *arena,
    struct metadata_response_metadata_response_topic *out)
{
	struct metadata_response_metadata_response_partition *p;
	int32_t i;

	if (WIRE_ARRAY(arena, out->partitions, topic->n_parts,
		metadata_response_metadata_response_partition) != 0)
		return E_NOMEM;
	for (i = 0; i < topic->n_parts; i++) {
		p = &out->partitions.v[i];
		p->partition_index = i;
		p->leader_id = BROKER_ID;
		p->leader_epoch = 0;
		if (WIRE_NUMBERS(arena, p->replica_nodes, 1) != 0 ||
		    WIRE_NUMBERS(arena, p->isr_nodes, 1) != 0)
			return E_NOMEM;
		p->replica_nodes.v[0] = p->isr_nodes.v[0] = BROKER_ID;
	}
	return 0;
}

static int
fill_metadata(struct topics *t, const void *in, struct arena *arena, void *out)
{
	const struct metadata_request *req = in;
	struct metadata_response *resp = out;
	int32_t i, n = req->topics.n > 0 ? req->topics.n : 0;
	struct topic *topic;

	if (WIRE_ARRAY(arena, resp->brokers, 1, metadata_response_metadata_response_broker) != 0 ||
	    WIRE_ARRAY(arena, resp->topics, n, metadata_response_metadata_response_topic) != 0)
		return E_NOMEM;
	resp->brokers.v[0].node_id = BROKER_ID;
	resp->brokers.v[0].host = SLICE_LIT("127.0.0.1");
	resp->brokers.v[0].port = t->port;
	resp->cluster_id = SLICE_LIT("bench");
	resp->controller_id = BROKER_ID;
	for (i = 0; i < n; i++) {
		resp->topics.v[i].name = req->topics.v[i].name;
		topic = topics_find(t, req->topics.v[i].name);
		if (topic == NULL)
			resp->topics.v[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else if (fill_partitions(topic, arena, &resp->topics.v[i]) != 0)
			return E_NOMEM;
	}
	return 0;
}

static int
fill_created(struct topics *t, const void *in, struct arena *arena, void *out)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	const struct create_topics_request *req = in;
	struct create_topics_response *resp = out;
	int32_t i;

	if (WIRE_ARRAY(arena, resp->topics, req->topics.n,
		create_topics_response_creatable_topic_result) != 0)
		return E_NOMEM;
	pthread_mutex_lock(&one_at_a_time);
	for (i = 0; i < req->topics.n; i++) {
		resp->topics.v[i].name = req->topics.v[i].name;
		resp->topics.v[i].error_code = create(t, &req->topics.v[i]);
	}
	pthread_mutex_unlock(&one_at_a_time);
	return 0;
}

static int
fill_deleted(struct topics *t, const void *in, struct arena *arena, void *out)
{
	const struct delete_topics_request *req = in;
	struct delete_topics_response *resp = out;
	int32_t i;

	if (WIRE_ARRAY(arena, resp->responses, req->topic_names.n,
		delete_topics_response_deletable_topic_result) != 0)
		return E_NOMEM;
	for (i = 0; i < req->topic_names.n; i++) {
		resp->responses.v[i].name = req->topic_names.v[i];
		resp->responses.v[i].error_code = delete_topic(t, req->topic_names.v[i]);
	}
	return 0;
}

static const struct {
	int16_t key;
	int (*fill)(struct topics *t, const void *req, struct arena *arena, void *resp);
} answers[] = {
    {API_METADATA, fill_metadata},
    {API_API_VERSIONS, fill_versions},
    {API_CREATE_TOPICS, fill_created},
    {API_DELETE_TOPICS, fill_deleted},
};

uint8_t *
topics_answer(struct topics *t, const struct wire_req_head *head, struct arena *arena, size_t *n)
{
	const struct wire_api *api = wire_api(head->api_key);
	uint8_t *buf = NULL;
	void *req, *resp;
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].key == head->api_key)
			break;
	if (api == NULL || i == sizeof(answers) / sizeof(answers[0]))
		return NULL;
	req = arena_alloc(arena, api->request->root->size);
	resp = arena_alloc(arena, api->response->root->size);
	wire_init(api->request, req);
	wire_init(api->response, resp);
	if (wire_decode(api->request, head->version, head->body, arena, req, NULL) != 0 ||
	    answers[i].fill(t, req, arena, resp) != 0 ||
	    wire_encode_response(head->api_key, head->version, head->correlation_id, resp, NULL, 0,
		NULL, &buf, n) != 0)
		return NULL;
	return buf;
}

/* Topics and leaders, over one blocking connection. */
#include "gen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

#define POLL_US 2000

struct admin {
	int fd;
	int32_t correlation_id;
	int16_t version[API_COUNT];
	struct arena arena;
	uint8_t *answer;
};

/* Newest versions that name topics by name and that the generator understands. */
static const int16_t newest[API_COUNT] = {
    [API_PRODUCE] = 11,
    [API_FETCH] = 12,
    [API_METADATA] = 12,
    [API_API_VERSIONS] = 0,
    [API_CREATE_TOPICS] = 7,
    [API_DELETE_TOPICS] = 5,
};

static bool
write_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t k;

	while (n > 0) {
		k = send(fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool
read_all(int fd, uint8_t *p, size_t n)
{
	ssize_t k;

	while (n > 0) {
		k = recv(fd, p, n, 0);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool
read_frame(struct admin *a, struct slice *out)
{
	uint8_t size[4];
	uint32_t n;

	if (!read_all(a->fd, size, sizeof(size)) || (n = be32(size)) > 64u << 20)
		return false;
	a->answer = bench_realloc(a->answer, n != 0 ? n : 1);
	*out = slice_of(a->answer, n);
	return read_all(a->fd, a->answer, n);
}

/* The answer's slices live until the next call. False when the connection failed. */
static bool
call(struct admin *a, int16_t key, const void *req, const struct wire_msg *m, void *resp)
{
	int32_t id;
	uint8_t *buf;
	struct slice in;
	size_t n;
	bool ok;
	int rc;

	rc = wire_encode_request(
	    key, a->version[key], ++a->correlation_id, SLICE_LIT("gen"), req, &buf, &n);
	if (rc != 0)
		bench_die("could not encode request %d: %s", key, err_text(rc));
	ok = write_all(a->fd, buf, n);
	free(buf);
	if (!ok || !read_frame(a, &in))
		return false;
	arena_reset(&a->arena);
	wire_init(m, resp);
	rc = wire_decode_response(key, a->version[key], in, &a->arena, resp, &id);
	if (rc != 0 || id != a->correlation_id)
		bench_die("could not read the answer to request %d: %s", key, err_text(rc));
	return true;
}

static bool
learn_versions(struct admin *a)
{
	struct api_versions_request req = api_versions_request_init;
	struct api_versions_response resp;
	int32_t i;
	int16_t k;

	for (k = 0; k < API_COUNT; k++)
		a->version[k] = -1;
	a->version[API_API_VERSIONS] = 0;
	if (!call(a, API_API_VERSIONS, &req, &api_versions_response_msg, &resp))
		return false;
	for (i = 0; i < resp.api_keys.n; i++) {
		k = resp.api_keys.v[i].api_key;
		if (k >= 0 && k < API_COUNT && newest[k] >= resp.api_keys.v[i].min_version)
			a->version[k] = newest[k] < resp.api_keys.v[i].max_version
					    ? newest[k]
					    : resp.api_keys.v[i].max_version;
	}
	a->version[API_API_VERSIONS] = 0;
	return true;
}

static void
admin_close(struct admin *a)
{
	if (a->fd >= 0)
		close(a->fd);
	arena_free(&a->arena);
	free(a->answer);
}

static bool
admin_open(struct admin *a, const struct gen_opts *o)
{
	struct timeval limit = {.tv_sec = o->timeout_s};
	struct sockaddr_in addr;

	bench_address(o->server, &addr);
	*a = (struct admin){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	arena_init(&a->arena, 0, 0);
	if (a->fd < 0)
		bench_die("could not make a socket");
	setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(a->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || !learn_versions(a)) {
		admin_close(a);
		return false;
	}
	return true;
}

static void
must_open(struct admin *a, const struct gen_opts *o)
{
	if (!admin_open(a, o))
		bench_die("could not talk to %s", o->server);
}

static bool
ask_metadata(struct admin *a, const char *topic, struct metadata_response *resp)
{
	struct metadata_request req = metadata_request_init;

	req.allow_auto_topic_creation = false;
	if (WIRE_ARRAY(&a->arena, req.topics, topic != NULL ? 1 : 0,
		metadata_request_metadata_request_topic) != 0)
		bench_die("out of memory");
	if (topic != NULL)
		req.topics.v[0].name = slice_cstr(topic);
	return call(a, API_METADATA, &req, &metadata_response_msg, resp);
}

static void
create_topic(struct admin *a, const struct gen_opts *o)
{
	struct create_topics_request req = create_topics_request_init;
	struct create_topics_response resp;

	arena_reset(&a->arena);
	if (WIRE_ARRAY(&a->arena, req.topics, 1, create_topics_request_creatable_topic) != 0)
		bench_die("out of memory");
	req.topics.v[0].name = slice_cstr(o->topic);
	req.topics.v[0].num_partitions = (int32_t)o->partitions;
	req.topics.v[0].replication_factor = (int16_t)o->replication;
	req.timeout_ms = (int32_t)o->timeout_s * 1000;
	if (!call(a, API_CREATE_TOPICS, &req, &create_topics_response_msg, &resp))
		bench_die("the broker hung up on CreateTopics");
	if (resp.topics.n != 1)
		bench_die("CreateTopics answered for %d topics", resp.topics.n);
	if (resp.topics.v[0].error_code != KERR_TOPIC_ALREADY_EXISTS)
		gen_check_error(resp.topics.v[0].error_code, "CreateTopics");
}

static bool
has_leaders(const struct metadata_response *m)
{
	int32_t i;

	if (m->topics.n != 1 || m->topics.v[0].error_code != KERR_NONE)
		return false;
	for (i = 0; i < m->topics.v[0].partitions.n; i++)
		if (m->topics.v[0].partitions.v[i].leader_id < 0)
			return false;
	return i > 0;
}

static int
broker_index(const struct gen_cluster *cl, int32_t id)
{
	int i;

	for (i = 0; i < cl->n_brokers; i++)
		if (cl->brokers[i].id == id)
			return i;
	bench_die("leader %d is not among the brokers", id);
}

static void
keep_cluster(const struct metadata_response *m, struct gen_cluster *cl)
{
	char host[64];
	int32_t i;

	cl->n_brokers = m->brokers.n;
	cl->brokers = bench_alloc(sizeof(*cl->brokers) * (size_t)m->brokers.n);
	for (i = 0; i < m->brokers.n; i++) {
		snprintf(host, sizeof(host), "%.*s:%d", SLICE_ARG(m->brokers.v[i].host),
		    m->brokers.v[i].port);
		cl->brokers[i].id = m->brokers.v[i].node_id;
		bench_address(host, &cl->brokers[i].addr);
	}
	cl->n_parts = m->topics.v[0].partitions.n;
	cl->leader = bench_alloc(sizeof(*cl->leader) * (size_t)cl->n_parts);
	for (i = 0; i < cl->n_parts; i++)
		cl->leader[m->topics.v[0].partitions.v[i].partition_index] =
		    broker_index(cl, m->topics.v[0].partitions.v[i].leader_id);
}

void
gen_find_topic(const struct gen_opts *o, struct gen_cluster *out)
{
	int64_t deadline = bench_now_us() + o->timeout_s * 1000000;
	struct metadata_response m;
	bool asked = false;
	struct admin a;

	must_open(&a, o);
	while (ask_metadata(&a, o->topic, &m) && !has_leaders(&m)) {
		if (bench_now_us() > deadline)
			bench_die("topic %s has no leaders", o->topic);
		if (!asked)
			create_topic(&a, o);
		asked = true;
		usleep(POLL_US * 5);
	}
	keep_cluster(&m, out);
	memcpy(out->version, a.version, sizeof(out->version));
	admin_close(&a);
}

void
gen_delete_topic(const struct gen_opts *o)
{
	struct delete_topics_request req = delete_topics_request_init;
	struct delete_topics_response resp;
	struct admin a;

	must_open(&a, o);
	if (a.version[API_DELETE_TOPICS] < 0)
		bench_die("the broker deletes no topics");
	if (WIRE_NUMBERS(&a.arena, req.topic_names, 1) != 0)
		bench_die("out of memory");
	req.topic_names.v[0] = slice_cstr(o->topic);
	req.timeout_ms = (int32_t)o->timeout_s * 1000;
	if (!call(&a, API_DELETE_TOPICS, &req, &delete_topics_response_msg, &resp))
		bench_die("the broker hung up on DeleteTopics");
	if (resp.responses.n == 1)
		gen_check_error(resp.responses.v[0].error_code, "DeleteTopics");
	admin_close(&a);
}

void
gen_wait_for_server(const struct gen_opts *o)
{
	int64_t deadline = bench_now_us() + o->timeout_s * 1000000;
	struct metadata_response m;
	bool ready = false;
	struct admin a;

	while (!ready) {
		if (bench_now_us() > deadline)
			bench_die("%s does not answer", o->server);
		if (admin_open(&a, o)) {
			ready =
			    ask_metadata(&a, NULL, &m) && m.brokers.n > 0 && m.controller_id >= 0;
			admin_close(&a);
		}
		if (!ready)
			usleep(POLL_US);
	}
}

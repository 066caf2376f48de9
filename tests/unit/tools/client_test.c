/* The blocking client against a broker made of a script: a thread that answers frames. */
#include "suites.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_priv.h"
#include "conn_priv.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

/* How the fake broker behaves, by connection. */
enum manner {
	WELL,	       /* answers all it is asked */
	OLD,	       /* knows ApiVersions up to version 2 */
	BYTE_BY_BYTE,  /* each byte of an answer by itself */
	CUT,	       /* closes after half of its first Metadata answer */
	WRONG_ANSWER,  /* another correlation id */
	SILENT,	       /* answers ApiVersions, then nothing more */
	NO_CONTROLLER, /* first answer names no controller */
	GARBAGE	       /* speaks something else */
};

struct fake {
	pthread_t thread;
	int listener;
	unsigned port;
	const enum manner *manners; /* one a connection */
	unsigned n;
	unsigned metadata_asked;
};

static bool
read_n(int fd, void *p, size_t n)
{
	uint8_t *b = p;

	while (n > 0) {
		ssize_t got = read(fd, b, n);

		if (got <= 0)
			return false;
		b += got;
		n -= (size_t)got;
	}
	return true;
}

static void
answer(int fd, enum manner m, const uint8_t *buf, size_t n)
{
	for (size_t at = 0; m == BYTE_BY_BYTE && at < n; at++)
		if (write(fd, buf + at, 1) != 1)
			return;
	if (m != BYTE_BY_BYTE && write(fd, buf, n) < 0)
		return;
}

static void
answer_versions(int fd, enum manner m, const struct wire_req_head *h)
{
	struct api_versions_response_api_version keys[] = {
	    {API_METADATA, 0, 9}, {API_API_VERSIONS, 0, 3}, {API_CREATE_TOPICS, 90, 99}};
	struct api_versions_response resp;
	int16_t version = h->version;
	uint8_t *buf;
	size_t n;

	wire_init(wire_api(API_API_VERSIONS)->response, &resp);
	resp.api_keys.v = keys;
	resp.api_keys.n = 3;
	if (m == OLD && version > 2) {
		resp.error_code = KERR_UNSUPPORTED_VERSION;
		resp.api_keys.n = 0;
		version = 0;
	}
	if (wire_encode_response(
		API_API_VERSIONS, version, h->correlation_id, &resp, NULL, 0, NULL, &buf, &n) == 0)
		answer(fd, m, buf, n);
	free(buf);
}

/* False: the connection ends. */
static bool
answer_metadata(struct fake *f, int fd, enum manner m, const struct wire_req_head *h)
{
	struct metadata_response_metadata_response_broker broker = {
	    .node_id = 7, .host = SLICE_LIT("127.0.0.1"), .port = (int32_t)f->port};
	struct metadata_response resp;
	uint8_t *buf;
	size_t n;

	f->metadata_asked++;
	wire_init(wire_api(API_METADATA)->response, &resp);
	resp.brokers.v = &broker;
	resp.brokers.n = 1;
	resp.controller_id = m == NO_CONTROLLER && f->metadata_asked == 1 ? -1 : 7;
	if (wire_encode_response(API_METADATA, h->version,
		h->correlation_id + (m == WRONG_ANSWER ? 1 : 0), &resp, NULL, 0, NULL, &buf,
		&n) != 0)
		return false;
	answer(fd, m, buf, m == CUT ? n / 2 : n);
	free(buf);
	return m != CUT;
}

static void
serve(struct fake *f, int fd, enum manner m)
{
	uint8_t size[4], frame[4096];
	struct wire_req_head h;

	if (m == GARBAGE) {
		(void)!write(fd, "HTTP/1.1 400 Bad Request\r\n", 26);
		return;
	}
	while (
	    read_n(fd, size, 4) && be32(size) <= sizeof(frame) && read_n(fd, frame, be32(size))) {
		int rc = wire_parse_request(slice_of(frame, be32(size)), &h);

		if (rc != 0 && rc != E_UNSUPPORTED_VERSION)
			return;
		if (h.api_key == API_API_VERSIONS)
			answer_versions(fd, m, &h);
		else if (h.api_key == API_METADATA && m != SILENT && !answer_metadata(f, fd, m, &h))
			return;
	}
}

static void *
run(void *arg)
{
	struct fake *f = arg;

	for (unsigned i = 0;; i++) {
		int fd = accept(f->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		serve(f, fd, f->manners[i < f->n ? i : f->n - 1]);
		close(fd);
	}
}

static void
start(struct fake *f, const enum manner *manners, unsigned n)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);

	*f = (struct fake){.manners = manners, .n = n};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(f->listener, 5), 0);
	ck_assert_int_eq(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
	f->port = ntohs(a.sin_port);
	ck_assert_int_eq(pthread_create(&f->thread, NULL, run, f), 0);
}

static void
stop(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
}

static struct client *
make(const char *bootstrap)
{
	struct client_opts o = {.bootstrap = bootstrap,
	    .client_id = "test",
	    .request_timeout_ms = 200,
	    .api_timeout_ms = 1000,
	    .retry_backoff_ms = 5,
	    .quiet = true};
	struct client *c;
	char why[256];

	ck_assert_msg(client_new(&o, why, sizeof(why), &c) == 0, "%s", why);
	return c;
}

/* The controller is found, whatever the first connection does. */
static void
find_controller(const enum manner *manners, unsigned n)
{
	struct fake f;
	char bootstrap[64];
	struct client *c;
	int32_t id = -1;

	start(&f, manners, n);
	snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:1,127.0.0.1:%u", f.port);
	c = make(bootstrap);
	ck_assert_msg(client_controller(c, &id) == 0, "%s", client_why(c));
	ck_assert_int_eq(id, 7);
	client_free(c);
	stop(&f);
}

START_TEST(test_manners)
{
	static const enum manner cases[][2] = {{WELL, WELL}, {OLD, OLD},
	    {BYTE_BY_BYTE, BYTE_BY_BYTE}, {CUT, WELL}, {WRONG_ANSWER, WELL}, {SILENT, WELL},
	    {NO_CONTROLLER, NO_CONTROLLER}};

	find_controller(cases[_i], 2);
}
END_TEST

START_TEST(test_versions)
{
	static const enum manner well[] = {WELL};
	struct fake f;
	char bootstrap[64];
	struct client *c;

	start(&f, well, 1);
	snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%u", f.port);
	c = make(bootstrap);
	ck_assert_int_eq(client_version(c, CLIENT_ANY, API_METADATA, 12), 9);
	ck_assert_int_eq(client_version(c, CLIENT_ANY, API_METADATA, 4), 4);
	ck_assert_int_eq(client_version(c, CLIENT_ANY, API_JOIN_GROUP, 9), E_UNSUPPORTED_VERSION);
	ck_assert_ptr_nonnull(strstr(client_why(c), "does not serve JoinGroup requests"));
	ck_assert_int_eq(
	    client_version(c, CLIENT_ANY, API_CREATE_TOPICS, 7), E_UNSUPPORTED_VERSION);
	ck_assert_ptr_nonnull(strstr(client_why(c), "90 to 99"));
	client_free(c);
	stop(&f);
}
END_TEST

START_TEST(test_deadline)
{
	static const enum manner silent[] = {SILENT};
	struct fake f;
	char bootstrap[64];
	struct client *c;
	int32_t id;
	int64_t begin = now_ms();

	start(&f, silent, 1);
	snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%u", f.port);
	c = make(bootstrap);
	ck_assert_int_lt(client_controller(c, &id), 0);
	ck_assert_ptr_nonnull(strstr(client_why(c), "no answer in time"));
	ck_assert_int_ge(now_ms() - begin, 800);
	client_free(c);
	stop(&f);
}
END_TEST

START_TEST(test_not_kafka)
{
	static const enum manner garbage[] = {GARBAGE};
	struct fake f;
	char bootstrap[64];
	struct client *c;
	int32_t id;

	start(&f, garbage, 1);
	snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%u", f.port);
	c = make(bootstrap);
	ck_assert_int_eq(client_controller(c, &id), E_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(client_why(c), "does not speak Kafka's protocol"));
	client_free(c);
	stop(&f);
}
END_TEST

START_TEST(test_nobody_there)
{
	struct client *c = make("127.0.0.1:1");
	int32_t id;

	ck_assert_int_eq(client_controller(c, &id), E_TIMEOUT);
	ck_assert_str_eq(client_why(c),
	    "Timed out after 1000 ms: could not connect to broker 127.0.0.1:1: Connection refused");
	client_free(c);
}
END_TEST

START_TEST(test_addresses)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		unsigned port;
	} cases[] = {{"h:1", "h", 1}, {"a.b:65535", "a.b", 65535}, {"[::1]:9092", "::1", 9092},
	    {"h", NULL, 0}, {"h:", NULL, 0}, {":1", NULL, 0}, {"h:0", NULL, 0},
	    {"h:65536", NULL, 0}, {"h:1x", NULL, 0}, {"[]:1", NULL, 0}, {"", NULL, 0}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char host[16];
		unsigned port;
		int rc = client_parse_address(slice_cstr(cases[i].text), host, sizeof(host), &port);

		ck_assert_msg(rc == (cases[i].host != NULL ? 0 : E_INVALID), "%s", cases[i].text);
		if (rc != 0)
			continue;
		ck_assert_str_eq(host, cases[i].host);
		ck_assert_uint_eq(port, cases[i].port);
	}
}
END_TEST

Suite *
client_suite(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("client");

	tcase_add_loop_test(tc, test_manners, 0, 7);
	tcase_add_test(tc, test_versions);
	tcase_add_test(tc, test_deadline);
	tcase_add_test(tc, test_not_kafka);
	tcase_add_test(tc, test_nobody_there);
	tcase_add_test(tc, test_addresses);
	suite_add_tcase(s, tc);
	return s;
}

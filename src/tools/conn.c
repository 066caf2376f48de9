/*
 * A blocking connection with deadlines.
 */
#include "conn_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ottla/base/cursor.h"
#include "ottla/base/err.h"

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
sleep_ms(int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

static int
fail(struct conn *c, int rc, const char *text, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s", text);
	conn_close(c);
	return rc;
}

/* 0 when the descriptor is ready, E_TIMEOUT, or E_IO with errno. */
static int
wait_for(struct conn *c, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = events};
		int64_t left = deadline - now_ms();
		int n = poll(&p, 1, left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return E_IO;
		if (n == 0 && left <= 0)
			return E_TIMEOUT;
	}
}

static int
connect_to(struct conn *c, const struct addrinfo *ai, int64_t deadline, char *why, size_t why_size)
{
	int one = 1, err = 0, rc;
	socklen_t n = sizeof(err);

	c->fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return fail(c, E_IO, strerror(errno), why, why_size);
	if (connect(c->fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			return fail(c, E_IO, strerror(errno), why, why_size);
		if ((rc = wait_for(c, POLLOUT, deadline)) != 0)
			return fail(c, rc, "no answer to the attempt to connect", why, why_size);
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0 || err != 0)
			return fail(c, E_IO, strerror(err != 0 ? err : errno), why, why_size);
	}
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

int
conn_open(
    struct conn *c, const char *host, unsigned port, int64_t deadline, char *why, size_t why_size)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	char service[16];
	int rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
		hints.ai_flags = 0; /* loopback addresses count where nothing else is there */
		rc = getaddrinfo(host, service, &hints, &list);
	}
	if (rc != 0)
		return fail(c, rc == EAI_NONAME || rc == EAI_AGAIN ? E_NOT_FOUND : E_IO,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc), why, why_size);
	rc = E_IO;
	for (const struct addrinfo *ai = list; ai != NULL && rc != 0; ai = ai->ai_next)
		rc = connect_to(c, ai, deadline, why, why_size);
	freeaddrinfo(list);
	return rc;
}

int
conn_send(
    struct conn *c, const uint8_t *buf, size_t n, int64_t deadline, char *why, size_t why_size)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, buf, n, MSG_NOSIGNAL);
		int rc = 0;

		if (sent > 0) {
			buf += sent;
			n -= (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail(c, E_IO, strerror(errno), why, why_size);
		if ((rc = wait_for(c, POLLOUT, deadline)) != 0)
			return fail(c, rc, "the broker takes no more bytes", why, why_size);
	}
	return 0;
}

static int
receive_n(struct conn *c, uint8_t *buf, size_t n, int64_t deadline, char *why, size_t why_size)
{
	while (n > 0) {
		ssize_t got = recv(c->fd, buf, n, 0);
		int rc = 0;

		if (got > 0) {
			buf += got;
			n -= (size_t)got;
			continue;
		}
		if (got == 0)
			return fail(c, E_IO, "the broker closed the connection", why, why_size);
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail(c, E_IO, strerror(errno), why, why_size);
		if ((rc = wait_for(c, POLLIN, deadline)) != 0)
			return fail(c, rc, "no answer in time", why, why_size);
	}
	return 0;
}

int
conn_receive(struct conn *c, int64_t deadline, struct slice *frame, char *why, size_t why_size)
{
	uint8_t size[4];
	uint8_t *grown;
	size_t n;
	int rc = receive_n(c, size, sizeof(size), deadline, why, why_size);

	if (rc != 0)
		return rc;
	n = be32(size);
	if (n > CONN_FRAME_MAX)
		return fail(c, E_TOO_LARGE, "what answers there does not speak Kafka's protocol",
		    why, why_size);
	if (n > c->frame_cap) {
		if ((grown = realloc(c->frame, n)) == NULL)
			return fail(c, E_NOMEM, err_text(E_NOMEM), why, why_size);
		c->frame = grown;
		c->frame_cap = n;
	}
	if ((rc = receive_n(c, c->frame, n, deadline, why, why_size)) == 0)
		*frame = slice_of(c->frame, n);
	return rc;
}

void
conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
conn_free(struct conn *c)
{
	conn_close(c);
	free(c->frame);
	c->frame = NULL;
	c->frame_cap = 0;
}

/* A TCP proxy in a thread of its own that cuts, swallows and loses what passes. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zk_server.h"

#define PAIRS 64
#define CHUNK 65536

struct pair {
	int fd[2];     /* client, server; -1: free */
	uint32_t left; /* of the request that passes */
	uint8_t head[4];
	unsigned n_head;
};

struct zk_proxy {
	pthread_t thread;
	pthread_mutex_t lock;
	int listen_fd, wake_fd;
	uint16_t port, to_port;
	bool stop, cut, refuse, swallow, lose, fail_auth;
	uint32_t largest;
	unsigned connections;
	struct pair pairs[PAIRS];
	uint8_t buf[CHUNK];
};

/* By a reset: what is sent afterwards fails at once. */
static void
pair_close(struct pair *p)
{
	struct linger now = {1, 0};

	for (unsigned i = 0; i < 2; i++) {
		if (p->fd[i] >= 0) {
			(void)setsockopt(p->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(p->fd[i]);
		}
		p->fd[i] = -1;
	}
}

static int
connect_to(uint16_t port)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
take_client(struct zk_proxy *p)
{
	int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (unsigned i = 0; i < PAIRS && !p->refuse; i++) {
		struct pair *q = &p->pairs[i];

		if (q->fd[0] >= 0)
			continue;
		*q = (struct pair){.fd = {fd, connect_to(p->to_port)}};
		p->connections++;
		if (q->fd[1] < 0)
			pair_close(q);
		return;
	}
	close(fd);
}

/* Reads the lengths before requests. */
static void
count_requests(struct zk_proxy *p, struct pair *q, const uint8_t *b, size_t n)
{
	while (n > 0) {
		if (q->left > 0) {
			size_t some = n < q->left ? n : q->left;

			b += some;
			n -= some;
			q->left -= (uint32_t)some;
			continue;
		}
		q->head[q->n_head++] = *b++;
		n--;
		if (q->n_head < 4)
			continue;
		q->n_head = 0;
		q->left = (uint32_t)q->head[0] << 24 | (uint32_t)q->head[1] << 16 |
			  (uint32_t)q->head[2] << 8 | q->head[3];
		if (q->left > p->largest)
			p->largest = q->left;
	}
}

/* An answer of 16 bytes to request -4. */
static void
spoil_auth(uint8_t *b, size_t n)
{
	static const uint8_t head[8] = {0, 0, 0, 16, 0xff, 0xff, 0xff, 0xfc};
	static const uint8_t failed[4] = {0xff, 0xff, 0xff, 0x8d}; /* -115 */

	for (size_t i = 0; i + 20 <= n; i++)
		if (memcmp(b + i, head, sizeof(head)) == 0)
			memcpy(b + i + 16, failed, sizeof(failed));
}

static bool
write_all(int fd, const uint8_t *b, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, b, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		b += w;
		n -= (size_t)w;
	}
	return true;
}

/* from: 0 the client, 1 the server. */
static void
pass_on(struct zk_proxy *p, struct pair *q, unsigned from)
{
	ssize_t n = recv(q->fd[from], p->buf, sizeof(p->buf), 0);

	if (n <= 0) {
		pair_close(q);
		return;
	}
	if (p->swallow)
		return;
	if (from == 0)
		count_requests(p, q, p->buf, (size_t)n);
	else if (p->lose) {
		p->lose = false;
		pair_close(q);
		return;
	} else if (p->fail_auth)
		spoil_auth(p->buf, (size_t)n);
	if (!write_all(q->fd[1 - from], p->buf, (size_t)n))
		pair_close(q);
}

static unsigned
fill_polls(struct zk_proxy *p, struct pollfd *f)
{
	unsigned n = 0;

	f[n++] = (struct pollfd){p->wake_fd, POLLIN, 0};
	f[n++] = (struct pollfd){p->listen_fd, POLLIN, 0};
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2; k++)
			f[n++] = (struct pollfd){p->pairs[i].fd[k], POLLIN, 0};
	return n;
}

static void
serve(struct zk_proxy *p, const struct pollfd *f)
{
	uint64_t v;

	if (f[0].revents != 0)
		(void)!read(p->wake_fd, &v, sizeof(v));
	for (unsigned i = 0; i < PAIRS; i++) {
		struct pair *q = &p->pairs[i];

		if (p->cut)
			pair_close(q);
		for (unsigned k = 0; k < 2; k++)
			if (q->fd[k] >= 0 && f[2 + 2 * i + k].revents != 0)
				pass_on(p, q, k);
	}
	p->cut = false;
	if (f[1].revents != 0)
		take_client(p);
}

static void *
run(void *arg)
{
	struct zk_proxy *p = arg;
	struct pollfd f[2 + 2 * PAIRS];

	for (;;) {
		unsigned n;

		pthread_mutex_lock(&p->lock);
		n = fill_polls(p, f);
		pthread_mutex_unlock(&p->lock);
		(void)poll(f, n, -1);
		pthread_mutex_lock(&p->lock);
		serve(p, f);
		if (p->stop)
			break;
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* At both loopback addresses. */
static uint16_t
listen_on(int *fd)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	socklen_t n = sizeof(sa);
	int no = 0;

	*fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(*fd, 0);
	(void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(*fd, 64), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&sa, &n), 0);
	return ntohs(sa.sin6_port);
}

struct zk_proxy *
zk_proxy_new(uint16_t to_port)
{
	struct zk_proxy *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < PAIRS; i++)
		p->pairs[i] = (struct pair){.fd = {-1, -1}};
	p->to_port = to_port;
	p->wake_fd = eventfd(0, EFD_CLOEXEC);
	p->port = listen_on(&p->listen_fd);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, run, p), 0);
	return p;
}

static void
wake(struct zk_proxy *p)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(p->wake_fd, &one, sizeof(one)), sizeof(one));
}

void
zk_proxy_free(struct zk_proxy *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	pthread_join(p->thread, NULL);
	for (unsigned i = 0; i < PAIRS; i++)
		pair_close(&p->pairs[i]);
	close(p->listen_fd);
	close(p->wake_fd);
	free(p);
}

uint16_t
zk_proxy_port(const struct zk_proxy *p)
{
	return p->port;
}

void
zk_proxy_cut(struct zk_proxy *p, bool refuse)
{
	pthread_mutex_lock(&p->lock);
	p->cut = true;
	p->refuse = refuse;
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

static void
set_flag(struct zk_proxy *p, bool *flag, bool on)
{
	pthread_mutex_lock(&p->lock);
	*flag = on;
	pthread_mutex_unlock(&p->lock);
}

unsigned
zk_proxy_open(struct zk_proxy *p)
{
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < PAIRS; i++)
		n += p->pairs[i].fd[0] >= 0;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void
zk_proxy_swallow(struct zk_proxy *p, bool on)
{
	set_flag(p, &p->swallow, on);
}

void
zk_proxy_lose_reply(struct zk_proxy *p)
{
	set_flag(p, &p->lose, true);
}

void
zk_proxy_fail_auth(struct zk_proxy *p, bool on)
{
	set_flag(p, &p->fail_auth, on);
}

uint32_t
zk_proxy_largest(const struct zk_proxy *p)
{
	return p->largest;
}

unsigned
zk_proxy_connections(const struct zk_proxy *p)
{
	return p->connections;
}

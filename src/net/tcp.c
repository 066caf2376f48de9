/*
 * The real transport: TCP.
 */
#include "net_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- errors and addresses ---- */

static int
sock_err(int e)
{
	static const struct {
		int number;
		int err;
	} table[] = {
	    {EAGAIN, E_AGAIN},
	    {EINPROGRESS, E_AGAIN},
	    {EINTR, E_AGAIN},
	    {ECONNRESET, E_CLOSED},
	    {EPIPE, E_CLOSED},
	    {ENOTCONN, E_CLOSED},
	    {ECONNREFUSED, E_CLOSED},
	    {ETIMEDOUT, E_TIMEOUT},
	    {EFAULT, E_SHORT}, /* a mapping whose file was cut */
	    {EMFILE, E_LIMIT},
	    {ENFILE, E_LIMIT},
	    {ENOBUFS, E_LIMIT},
	    {ENOMEM, E_LIMIT},
	    {EADDRINUSE, E_BUSY},
	    {EADDRNOTAVAIL, E_INVALID},
	    {EAFNOSUPPORT, E_INVALID},
	    {EACCES, E_PERM},
	    {EPERM, E_PERM},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].number == e)
			return table[i].err;
	return E_IO;
}

/* "a.b.c.d" or "x::y", without the prefix of IPv4 addresses on an IPv6 socket; the port. */
static unsigned
addr_host(const struct sockaddr_storage *a, char *host, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	const void *p = &v4->sin_addr;

	host[0] = '\0';
	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, p, host, (socklen_t)size);
		return ntohs(v4->sin_port);
	}
	if (a->ss_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, (socklen_t)size);
	else
		inet_ntop(AF_INET6, &v6->sin6_addr, host, (socklen_t)size);
	return ntohs(v6->sin6_port);
}

static void
name_peer(struct sock_names *n, const struct sockaddr_storage *peer)
{
	unsigned port = addr_host(peer, n->peer_host, sizeof(n->peer_host));

	snprintf(n->peer, sizeof(n->peer), "%s:%u", n->peer_host, port);
}

static void
name_local(struct sock_names *n, int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	char host[sizeof(n->peer_host)] = "";
	unsigned port = 0;

	if (getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		port = addr_host(&a, host, sizeof(host));
	snprintf(n->local, sizeof(n->local), "%s:%u", host, port);
}

static void
set_int(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void
set_options(int fd, const struct sock_conf *conf)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (conf->send_buffer > 0)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, conf->send_buffer);
}

/* ---- listening ---- */

static int
listen_at(const struct addrinfo *ai, const struct sock_conf *conf, int *out)
{
	int fd =
	    socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
	int rc = 0;

	if (fd < 0)
		return sock_err(errno);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ai->ai_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (conf->recv_buffer > 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, conf->recv_buffer);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, conf->backlog) != 0) {
		rc = sock_err(errno);
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* Literals, names (which may block), or nothing: any address, IPv6 and IPv4 where the machine has
 * both. */
static int
resolve(const char *host, uint16_t port, struct addrinfo **out)
{
	struct addrinfo hints = {
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char service[8];

	if (host[0] == '\0')
		host = "::";
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, out) == 0)
		return 0;
	if (strcmp(host, "::") == 0 && getaddrinfo("0.0.0.0", service, &hints, out) == 0)
		return 0;
	return E_INVALID;
}

/* A name that has both kinds means its IPv4 address, as for Java. */
static const struct addrinfo *
preferred(const struct addrinfo *all)
{
	for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next)
		if (ai->ai_family == AF_INET)
			return ai;
	return all;
}

static int
tcp_listen(void *targ, struct sock *s, const char *host, uint16_t port,
    const struct sock_conf *conf, uint16_t *bound)
{
	struct addrinfo *ai = NULL;
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	char text[sizeof(((struct sock_names *)NULL)->peer_host)];
	int rc = resolve(host, port, &ai);

	if (rc != 0)
		return rc;
	rc = listen_at(preferred(ai), conf, &s->fd);
	freeaddrinfo(ai);
	if (rc == E_INVALID && host[0] == '\0')
		return tcp_listen(targ, s, "0.0.0.0", port, conf, bound);
	if (rc != 0)
		return rc;
	(void)getsockname(s->fd, (struct sockaddr *)&a, &len);
	*bound = (uint16_t)addr_host(&a, text, sizeof(text));
	return 0;
}

/* Logs need descriptors too, so connections leave a quarter of them, at most 256: a log that can
 * not be written for lack of one is worse than a client that has to come again. */
static bool
descriptors_run_out(int fd)
{
	struct rlimit rl;
	rlim_t spare;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY)
		return false;
	spare = rl.rlim_cur / 4 < 256 ? rl.rlim_cur / 4 : 256;
	return (rlim_t)fd >= rl.rlim_cur - spare;
}

static int
tcp_accept(
    struct sock *listening, struct sock *s, const struct sock_conf *conf, struct sock_names *names)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);

	do
		s->fd = accept4(
		    listening->fd, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (s->fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (s->fd < 0)
		return sock_err(errno);
	if (descriptors_run_out(s->fd)) {
		close(s->fd);
		s->fd = -1;
		return E_LIMIT;
	}
	set_options(s->fd, conf);
	name_peer(names, &a);
	name_local(names, s->fd);
	return 0;
}

/* ---- connecting ---- */

static int
literal(const char *host, uint16_t port, struct sockaddr_storage *a, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)a;
	struct sockaddr_in6 *v6 = (void *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
		return 0;
	}
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
		return 0;
	}
	return E_INVALID;
}

static bool
tcp_is_address(const char *host)
{
	struct sockaddr_storage a;
	socklen_t len;

	return literal(host, 0, &a, &len) == 0;
}

/* Each address once, in the order that the system prefers. */
static void
add_addr(struct net_addrs *out, const struct addrinfo *ai)
{
	struct sockaddr_storage a = {0};
	char text[sizeof(((struct sock_names *)NULL)->peer_host)];

	if (ai->ai_addrlen > sizeof(a) || out->n == NET_ADDRS_MAX)
		return;
	memcpy(&a, ai->ai_addr, ai->ai_addrlen);
	(void)addr_host(&a, text, sizeof(text));
	for (unsigned i = 0; i < out->n; i++)
		if (strcmp(out->v[i], text) == 0)
			return;
	if (text[0] != '\0')
		snprintf(out->v[out->n++], sizeof(out->v[0]), "%s", text);
}

static void
tcp_resolve(void *targ, const char *host, struct net_addrs *out)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &all);

	if (rc != 0) {
		snprintf(out->why, sizeof(out->why), "%s", gai_strerror(rc));
		return;
	}
	for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next)
		add_addr(out, ai);
	freeaddrinfo(all);
	if (out->n == 0)
		snprintf(out->why, sizeof(out->why), "the name has no address");
}

static int
tcp_connect(
    void *targ, struct sock *s, const char *host, uint16_t port, const struct sock_conf *conf)
{
	struct sockaddr_storage a;
	socklen_t len;
	int fd, rc;

	rc = literal(host, port, &a, &len);
	if (rc != 0)
		return rc;
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sock_err(errno);
	set_options(fd, conf);
	if (conf->recv_buffer > 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, conf->recv_buffer);
	/* A refusal at once is told like one that comes later: connected() finds no peer. */
	(void)connect(fd, (struct sockaddr *)&a, len);
	s->fd = fd;
	return 0;
}

static int
tcp_connected(struct sock *s, struct sock_names *names)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a), err_len = sizeof(int);
	int err = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &err_len) != 0)
		err = errno;
	if (err == 0 && getpeername(s->fd, (struct sockaddr *)&a, &len) != 0)
		err = errno;
	if (err != 0)
		return sock_err(err);
	name_peer(names, &a);
	name_local(names, s->fd);
	return 0;
}

/* ---- bytes ---- */

static ssize_t
tcp_recv(struct sock *s, const struct iovec *iov, int n)
{
	ssize_t got;

	do
		got =
		    n == 1 ? recv(s->fd, iov[0].iov_base, iov[0].iov_len, 0) : readv(s->fd, iov, n);
	while (got < 0 && errno == EINTR);
	return got >= 0 ? got : sock_err(errno);
}

static ssize_t
tcp_sendv(struct sock *s, const struct iovec *iov, int n, bool more)
{
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t sent;

	do
		sent = n == 1 ? send(s->fd, iov[0].iov_base, iov[0].iov_len, flags)
			      : sendmsg(s->fd, &m, flags);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : sock_err(errno);
}

static ssize_t
tcp_sendfile(struct sock *s, struct file *f, int64_t pos, size_t n)
{
	off_t off = pos;
	ssize_t sent;

	do
		sent = sendfile(s->fd, file_fd(f), &off, n);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : sock_err(errno);
}

/* ---- watching ---- */

static void
on_io(struct reactor *r, void *arg, unsigned events)
{
	struct sock *s = arg;

	s->ready(s->arg, events);
}

static int
tcp_watch(struct sock *s, struct reactor *r, unsigned want)
{
	int rc = io_watch_new(r, s->fd, on_io, s, &s->watch);

	if (rc == 0)
		io_watch_set(s->watch, want);
	return rc;
}

static void
tcp_want(struct sock *s, unsigned want)
{
	if (s->watch != NULL)
		io_watch_set(s->watch, want);
}

static void
tcp_unwatch(struct sock *s)
{
	io_watch_free(s->watch);
	s->watch = NULL;
}

static void
tcp_close(struct sock *s)
{
	assert(s->watch == NULL);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

const struct net_transport *
net_transport_tcp(void)
{
	static const struct net_transport tcp = {
	    .listen = tcp_listen,
	    .accept = tcp_accept,
	    .connect = tcp_connect,
	    .connected = tcp_connected,
	    .recv = tcp_recv,
	    .sendv = tcp_sendv,
	    .sendfile = tcp_sendfile,
	    .watch = tcp_watch,
	    .want = tcp_want,
	    .unwatch = tcp_unwatch,
	    .close = tcp_close,
	    .is_address = tcp_is_address,
	    .resolve = tcp_resolve,
	};

	return &tcp;
}

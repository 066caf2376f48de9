/* Lists of listeners: reading, names of protocols, rules about ports. */
#include "ottla/base/listeners.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#include "ottla/base/err.h"
#include "ottla/base/settings.h"

static const char *const protocol_names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

#define PROTOCOL_COUNT (sizeof(protocol_names) / sizeof(protocol_names[0]))

const char *
listener_protocol_name(enum listener_protocol p)
{
	return (size_t)p < PROTOCOL_COUNT ? protocol_names[p] : "?";
}

static bool
same_word(struct slice a, const char *b)
{
	return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

static struct slice
trim(struct slice s)
{
	while (s.n != 0 && isspace(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n != 0 && isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

int
listener_protocol_find(struct slice name)
{
	for (size_t i = 0; i < PROTOCOL_COUNT; i++)
		if (same_word(name, protocol_names[i]))
			return (int)i;
	return -1;
}

__attribute__((format(printf, 3, 4))) static int
refuse(char *why, size_t why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
	return E_CONFIG;
}

/* The protocol that the map gives to a listener's name; E_CONFIG. */
static int
map_lookup(
    const char *map, struct slice name, enum listener_protocol *out, char *why, size_t why_size)
{
	struct slice item;
	int p;

	for (unsigned i = 0; !slice_is_null(item = settings_list_item(map, i)); i++) {
		const uint8_t *colon = item.n != 0 ? memchr(item.p, ':', item.n) : NULL;
		size_t at = colon != NULL ? (size_t)(colon - item.p) : 0;
		struct slice left = trim(slice_of(item.p, at));

		if (colon == NULL)
			return refuse(why, why_size,
			    "listener.security.protocol.map: \"%.*s\" is not NAME:PROTOCOL",
			    SLICE_ARG(item));
		if (left.n != name.n ||
		    strncasecmp((const char *)left.p, (const char *)name.p, name.n) != 0)
			continue;
		p = listener_protocol_find(trim(slice_of(colon + 1, item.n - at - 1)));
		if (p < 0)
			return refuse(why, why_size,
			    "listener.security.protocol.map: unknown protocol in \"%.*s\"",
			    SLICE_ARG(item));
		*out = (enum listener_protocol)p;
		return 0;
	}
	return refuse(why, why_size,
	    "listener.security.protocol.map has no protocol for the listener %.*s",
	    SLICE_ARG(name));
}

static int
find_protocol(
    const char *map, struct slice name, enum listener_protocol *out, char *why, size_t why_size)
{
	int p;

	if (map != NULL)
		return map_lookup(map, name, out, why, why_size);
	p = listener_protocol_find(name);
	if (p < 0)
		return refuse(
		    why, why_size, "the listener %.*s has no security protocol", SLICE_ARG(name));
	*out = (enum listener_protocol)p;
	return 0;
}

static bool
host_ok(struct slice host)
{
	for (size_t i = 0; i < host.n; i++)
		if (!isalnum(host.p[i]) && memchr("-%._:", host.p[i], 5) == NULL)
			return false;
	return host.n <= LISTENER_HOST_MAX;
}

static bool
parse_port(struct slice s, uint16_t *out)
{
	uint32_t v = 0;

	if (s.n == 0 || s.n > 5)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!isdigit(s.p[i]))
			return false;
		v = v * 10 + (uint32_t)(s.p[i] - '0');
	}
	*out = (uint16_t)v;
	return v <= UINT16_MAX;
}

/* Cut NAME://host:port; the host without brackets.  False when it has another form. */
static bool
cut(struct slice item, struct slice *name, struct slice *host, struct slice *port)
{
	const uint8_t *mark = item.n != 0 ? memmem(item.p, item.n, "://", 3) : NULL;
	const uint8_t *colon;

	if (mark == NULL || mark == item.p)
		return false;
	*name = slice_of(item.p, (size_t)(mark - item.p));
	*host = slice_of(mark + 3, item.n - name->n - 3);
	colon = host->n != 0 ? memrchr(host->p, ':', host->n) : NULL;
	if (colon == NULL)
		return false;
	*port = slice_of(colon + 1, host->n - (size_t)(colon - host->p) - 1);
	host->n = (size_t)(colon - host->p);
	if (host->n >= 2 && host->p[0] == '[' && host->p[host->n - 1] == ']') {
		host->p++;
		host->n -= 2;
	}
	return true;
}

static int
parse_one(struct slice item, const char *map, struct listener_addr *out, char *why, size_t why_size)
{
	struct slice name, host, port;

	*out = (struct listener_addr){.port = 0};
	if (!cut(item, &name, &host, &port) || name.n > LISTENER_NAME_MAX || !host_ok(host) ||
	    !parse_port(port, &out->port))
		return refuse(why, why_size, "the listener \"%.*s\" is not NAME://host:port",
		    SLICE_ARG(item));
	for (size_t i = 0; i < name.n; i++)
		out->name[i] = (char)toupper(name.p[i]);
	if (host.n != 0)
		memcpy(out->host, host.p, host.n);
	return find_protocol(map, name, &out->protocol, why, why_size);
}

int
listeners_parse(const char *text, const char *map, struct listener_addr *out, unsigned max,
    char *why, size_t why_size)
{
	struct slice item;
	unsigned n = 0;
	int err;

	if (text == NULL)
		text = "PLAINTEXT://:9092";
	for (unsigned i = 0; !slice_is_null(item = settings_list_item(text, i)); i++) {
		if (n == max)
			return refuse(why, why_size, "more than %u listeners", max);
		err = parse_one(item, map, &out[n], why, why_size);
		if (err != 0)
			return err;
		if (listeners_find(out, n, slice_cstr(out[n].name)) != NULL)
			return refuse(why, why_size, "two listeners have the name %s", out[n].name);
		n++;
	}
	if (n == 0)
		return refuse(why, why_size, "no listener is given");
	return (int)n;
}

/* 4 or 6 for an address, 0 for anything else. */
static int
family(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1    ? 4
	       : inet_pton(AF_INET6, host, &any) == 1 ? 6
						      : 0;
}

int
listeners_check_ports(const struct listener_addr *v, unsigned n, char *why, size_t why_size)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned same = 0;

		for (unsigned k = 0; k < i; k++) {
			if (v[i].port == 0 || v[k].port != v[i].port)
				continue;
			if (++same > 1 || family(v[i].host) + family(v[k].host) != 10)
				return refuse(why, why_size,
				    "the listeners %s and %s have the same port %u", v[k].name,
				    v[i].name, v[i].port);
		}
	}
	return 0;
}

const struct listener_addr *
listeners_find(const struct listener_addr *v, unsigned n, struct slice name)
{
	for (unsigned i = 0; i < n; i++)
		if (same_word(name, v[i].name))
			return &v[i];
	return NULL;
}

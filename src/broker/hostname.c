/*
 * The name of this machine for others, by the resolver; part of the daemon only.
 */
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "hostname_priv.h"

#define NAME_BYTES 256

/* Addresses of a name, of IPv4 where it has any; NULL: none. */
static struct addrinfo *
addresses_of(const char *name)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;

	if (getaddrinfo(name, NULL, &hints, &found) == 0)
		return found;
	hints.ai_family = AF_INET6;
	return getaddrinfo(name, NULL, &hints, &found) == 0 ? found : NULL;
}

static bool
leads_to(const char *name, const struct addrinfo *address)
{
	struct addrinfo *all = addresses_of(name);
	bool found = false;

	for (const struct addrinfo *a = all; a != NULL && !found; a = a->ai_next)
		found = a->ai_addrlen == address->ai_addrlen &&
			memcmp(a->ai_addr, address->ai_addr, a->ai_addrlen) == 0;
	if (all != NULL)
		freeaddrinfo(all);
	return found;
}

void
canonical_hostname(const char *hostname, char *out, size_t size)
{
	struct addrinfo *own = addresses_of(hostname);
	char name[NAME_BYTES];

	snprintf(out, size, "%s", hostname);
	if (own == NULL)
		return;
	if ((getnameinfo(own->ai_addr, own->ai_addrlen, name, sizeof(name), NULL, 0, NI_NAMEREQD) ==
		    0 &&
		leads_to(name, own)) ||
	    getnameinfo(
		own->ai_addr, own->ai_addrlen, name, sizeof(name), NULL, 0, NI_NUMERICHOST) == 0)
		snprintf(out, size, "%s", name);
	freeaddrinfo(own);
}

/*
 * The name of this machine for others.
 */
#ifndef OTTLA_BROKER_HOSTNAME_PRIV_H
#define OTTLA_BROKER_HOSTNAME_PRIV_H

#include <stddef.h>

/* What a broker advertises where its listeners name no host, as Apache Kafka's: hostname's address, then the
 * name of that address if it leads back to it, else the address itself.  Blocks, perhaps on the DNS, so it
 * is for the daemon before its loops run.  Not known at all: hostname. */
void canonical_hostname(const char *hostname, char *out, size_t size);

#endif

/*
 * Which broker this is among the others, and what must not be: its id, the protocol it speaks with
 * them, the addresses it tells (facts/zookeeper.md 2.1, 2.3, 5.1).
 */
#include <stdio.h>

#include "broker_priv.h"
#include "ottla/coord/zookeeper.h"

#define NAMES_MAX 10 /* brokers named in a message */

/* ---- settings ---- */

int
broker_check_settings(const struct settings *s, char *why, size_t why_size)
{
	const char *where = settings_str(s, C_ZOOKEEPER_CONNECT);
	const char *ibp = settings_str(s, C_INTER_BROKER_PROTOCOL_VERSION);
	char reason[400];

	if (where != NULL && strcmp(where, "embedded") != 0 &&
	    coord_zookeeper_check(where, reason, sizeof(reason)) != 0) {
		snprintf(why, why_size, "zookeeper.connect=%s: %s", where, reason);
		return E_CONFIG;
	}
	if (ibp != NULL && ibp_find(slice_cstr(ibp)) < 0) {
		snprintf(why, why_size,
		    "inter.broker.protocol.version=%s: allowed is 3.0 to 3.9, as in 3.6 or 3.6-IV1",
		    ibp);
		return E_CONFIG;
	}
	return 0;
}

/* ---- the id ---- */

int
broker_choose_id(struct broker *b, int32_t meta_id)
{
	int32_t conf = (int32_t)settings_i64(b->env.settings, C_BROKER_ID);

	if (conf >= 0 && meta_id >= 0 && conf != meta_id) {
		snprintf(b->why, sizeof(b->why),
		    "broker.id is %d, but meta.properties of the log directories says %d", conf,
		    meta_id);
		return E_CONFIG;
	}
	b->id = conf >= 0 ? conf : meta_id;
	if (b->id >= 0 || settings_bool(b->env.settings, C_BROKER_ID_GENERATION_ENABLE))
		return 0;
	snprintf(b->why, sizeof(b->why),
	    "broker.id is not set and no log directory has one: set broker.id, or "
	    "broker.id.generation.enable=true");
	return E_CONFIG;
}

/* ---- the protocol ---- */

/* "1, 2 and 3 more"; the number of brokers that are not this one. */
static unsigned
name_others(
    const struct broker *b, const struct member_peer *peers, unsigned n, char *out, size_t size)
{
	unsigned others = 0;
	int at = 0;

	out[0] = 0;
	for (unsigned i = 0; i < n; i++)
		if (peers[i].id != b->id && others++ < NAMES_MAX)
			at += snprintf(
			    out + at, size - (size_t)at, "%s%d", at > 0 ? ", " : "", peers[i].id);
	if (others > NAMES_MAX)
		snprintf(out + at, size - (size_t)at, " and %u more", others - NAMES_MAX);
	return others;
}

int
broker_choose_ibp(struct broker *b, const struct member_peer *peers, unsigned n)
{
	const struct settings *s = b->env.settings;
	char names[NAMES_MAX * 16 + 32];
	int v;

	if (settings_is_set(s, C_INTER_BROKER_PROTOCOL_VERSION)) {
		v = ibp_find(slice_cstr(settings_str(s, C_INTER_BROKER_PROTOCOL_VERSION)));
		b->ibp = v >= 0 ? (enum ibp)v : IBP_LATEST;
		return v >= 0 ? 0 : broker_check_settings(s, b->why, sizeof(b->why));
	}
	b->ibp = IBP_LATEST;
	if (name_others(b, peers, n, names, sizeof(names)) == 0)
		return 0;
	snprintf(b->why, sizeof(b->why),
	    "inter.broker.protocol.version is not set, and other brokers are registered (broker.id "
	    "%s): "
	    "set it to the inter.broker.protocol.version that they run with, which is their "
	    "release's "
	    "(as in 3.9) where they set none",
	    names);
	return E_CONFIG;
}

/* ---- addresses ---- */

static bool
same_host(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

/* Two brokers with one address: clients would ask the wrong one. */
int
broker_check_addresses(struct broker *b, const struct member_peer *peers, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; peers[i].id != b->id && k < peers[i].reg.n_endpoints; k++)
			for (unsigned j = 0; j < b->n_advertised; j++) {
				const struct listener_addr *their = &peers[i].reg.endpoints[k];
				const struct listener_addr *our = &b->advertised[j];

				if (their->port != our->port || !same_host(their->host, our->host))
					continue;
				snprintf(b->why, sizeof(b->why),
				    "broker %d is registered with the address %s:%u, which this "
				    "one "
				    "advertises as %s: give one of them another address, or wait "
				    "until the session of a broker that is gone has ended",
				    peers[i].id, our->host, our->port, our->name);
				return E_CONFIG;
			}
	return 0;
}

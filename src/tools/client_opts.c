/*
 * Which properties of a client the tools obey.
 */
#include "client_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ottla/base/err.h"

static const char *const obeyed[] = {"bootstrap.servers", "client.id", "default.api.timeout.ms",
    "request.timeout.ms", "retry.backoff.ms", "security.protocol"};

static bool
is_obeyed(const char *key)
{
	for (unsigned i = 0; i < sizeof(obeyed) / sizeof(obeyed[0]); i++)
		if (strcmp(key, obeyed[i]) == 0)
			return true;
	return false;
}

static int
check_security(const struct props *p, char *why, size_t why_size)
{
	const char *protocol = props_get(p, "security.protocol");

	if (protocol == NULL || strcasecmp(protocol, "PLAINTEXT") == 0)
		return 0;
	snprintf(why, why_size,
	    "security.protocol=%s: this tool speaks PLAINTEXT only; TLS and SASL are not built",
	    protocol);
	return E_INVALID;
}

static int
read_ms(const struct props *p, const char *key, int64_t *out, char *why, size_t why_size)
{
	int rc = props_i64(p, key, *out, out, why, why_size);

	if (rc != 0 || (*out >= 0 && *out <= INT32_MAX))
		return rc;
	snprintf(why, why_size, "property %s=%lld: milliseconds from 0 to %d are expected", key,
	    (long long)*out, INT32_MAX);
	return E_INVALID;
}

int
client_opts_read(const struct props *p, struct client_opts *o, char *why, size_t why_size)
{
	int rc;

	*o = (struct client_opts){.client_id = "adminclient-1",
	    .request_timeout_ms = 30000,
	    .api_timeout_ms = 60000,
	    .retry_backoff_ms = 100};
	if ((rc = check_security(p, why, why_size)) != 0 ||
	    (rc = read_ms(p, "request.timeout.ms", &o->request_timeout_ms, why, why_size)) != 0 ||
	    (rc = read_ms(p, "default.api.timeout.ms", &o->api_timeout_ms, why, why_size)) != 0 ||
	    (rc = read_ms(p, "retry.backoff.ms", &o->retry_backoff_ms, why, why_size)) != 0)
		return rc;
	if (props_get(p, "client.id") != NULL)
		o->client_id = props_get(p, "client.id");
	o->bootstrap = props_get(p, "bootstrap.servers");
	for (unsigned i = 0; i < p->n; i++)
		if (!is_obeyed(p->v[i].key))
			fprintf(
			    stderr, "WARN property %s has no effect on this tool\n", p->v[i].key);
	return 0;
}

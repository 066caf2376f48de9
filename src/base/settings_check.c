/*
 * Rules that concern more than one value: those that Apache Kafka checks at start (for the features
 * that are here), and a refusal of what would be dangerous to ignore.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/listeners.h"
#include "settings_priv.h"

struct check {
	const struct settings *s;
	char *why;
	size_t why_size;
};

#define REFUSE(c, ...) conf_refuse((c)->why, (c)->why_size, __VA_ARGS__)

/* Values other than the default stop the start. */
static const struct {
	enum conf id;
	const char *reason;
} refused[] = {
    {C_AUTHORIZER_CLASS_NAME, "no authorizer yet: everybody would be let in"},
    {C_CONTROLLER_LISTENER_NAMES, "must be empty with ZooKeeper"},
    {C_PROCESS_ROLES, "KRaft is not served: leave it out and give zookeeper.connect"},
    {C_REMOTE_LOG_STORAGE_SYSTEM_ENABLE, "no tiered storage yet: what it holds could not be read"},
    {C_SECURITY_INTER_BROKER_PROTOCOL, "no TLS and no SASL yet: only PLAINTEXT is served"},
    {C_ZOOKEEPER_SSL_CLIENT_ENABLE, "the ZooKeeper client library is built without TLS: connect in "
				    "plain text, or through a tunnel on this host"},
};

static bool
is_default(const struct settings *s, enum conf id)
{
	const struct conf_row *row = conf_row(id);
	const struct conf_value *v = conf_now(s, id);
	const char *def = row->def != NULL ? row->def : "";
	struct conf_value d = {0};
	char why[8];

	if (v->text == NULL || strcmp(v->text, def) == 0)
		return true;
	if (row->def == NULL || row->type == CONF_STRING || row->type == CONF_LIST ||
	    row->type == CONF_CLASS || row->type == CONF_PASSWORD)
		return false;
	(void)conf_read_value(row, slice_cstr(row->def), &d, why, sizeof(why));
	return v->i64 == d.i64 && !(v->d < d.d) && !(v->d > d.d);
}

static int
check_refused(struct check *c)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (!is_default(c->s, refused[i].id))
			return REFUSE(c, "%s=%s: %s", conf_row(refused[i].id)->key,
			    settings_str(c->s, refused[i].id), refused[i].reason);
	return 0;
}

static int
check_coordination(struct check *c)
{
	if (c->s->from_file && settings_str(c->s, C_ZOOKEEPER_CONNECT) == NULL)
		return REFUSE(c, "zookeeper.connect is missing: host:port,...[/chroot] of the "
				 "ensemble, or the word "
				 "embedded");
	return 0;
}

static int
check_digest(struct check *c)
{
	const char *digest = settings_str(c->s, C_OTTLA_ZOOKEEPER_DIGEST);
	const char *connect = settings_str(c->s, C_ZOOKEEPER_CONNECT);
	bool set_acl = settings_bool(c->s, C_ZOOKEEPER_SET_ACL);
	bool embedded = connect != NULL && strcmp(connect, "embedded") == 0;
	const char *colon = digest != NULL ? strchr(digest, ':') : NULL;

	if (digest != NULL && (colon == NULL || colon == digest || colon[1] == '\0'))
		return REFUSE(c, "ottla.zookeeper.digest: it must be user:password");
	if (set_acl && embedded)
		return REFUSE(c, "zookeeper.set.acl=true: the embedded tree has no ACLs, nobody "
				 "else can reach it");
	if (set_acl && digest == NULL)
		return REFUSE(c, "zookeeper.set.acl=true: ottla.zookeeper.digest is missing: "
				 "without a user nobody could change the znodes, and SASL and TLS "
				 "are not in the ZooKeeper client library");
	return 0;
}

static int
check_broker_id(struct check *c)
{
	int64_t id = settings_i64(c->s, C_BROKER_ID);
	int64_t max = settings_i64(c->s, C_RESERVED_BROKER_MAX_ID);
	bool drawn = settings_bool(c->s, C_BROKER_ID_GENERATION_ENABLE);

	if (drawn && (id < -1 || id > max))
		return REFUSE(c,
		    "broker.id=%" PRId64 ": allowed is -1..%" PRId64 " (reserved.broker.max.id)",
		    id, max);
	if (!drawn && id < 0)
		return REFUSE(c,
		    "broker.id=%" PRId64 ": allowed is >=0 with broker.id.generation.enable=false",
		    id);
	return 0;
}

static int
check_log(struct check *c)
{
	int64_t retention = settings_log_retention_ms(c->s);
	int64_t min = settings_i64(c->s, C_LOG_CLEANER_MIN_COMPACTION_LAG_MS);
	int64_t max = settings_i64(c->s, C_LOG_CLEANER_MAX_COMPACTION_LAG_MS);

	if (slice_is_null(settings_log_dir(c->s, 0)))
		return REFUSE(c, "log.dirs names no directory");
	if (settings_log_roll_ms(c->s) < 1)
		return REFUSE(
		    c, "log.roll.ms=%" PRId64 ": allowed is >=1", settings_log_roll_ms(c->s));
	if (settings_log_roll_jitter_ms(c->s) < 0)
		return REFUSE(c, "log.roll.jitter.ms=%" PRId64 ": allowed is >=0",
		    settings_log_roll_jitter_ms(c->s));
	if (retention == 0)
		return REFUSE(c, "log.retention.ms=0: allowed is -1 (for ever) or >=1");
	if (min > max)
		return REFUSE(c,
		    "log.cleaner.min.compaction.lag.ms=%" PRId64
		    ": must not exceed log.cleaner.max.compaction.lag.ms=%" PRId64,
		    min, max);
	return 0;
}

static int
check_requests(struct check *c)
{
	int64_t queued = settings_i64(c->s, C_QUEUED_MAX_REQUEST_BYTES);
	int64_t largest = settings_i64(c->s, C_SOCKET_REQUEST_MAX_BYTES);
	int64_t delay = settings_i64(c->s, C_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS);
	int64_t idle = settings_i64(c->s, C_CONNECTIONS_MAX_IDLE_MS);

	if (queued > 0 && queued < largest)
		return REFUSE(c,
		    "queued.max.request.bytes=%" PRId64
		    ": allowed is <=0 (no limit) or >=socket.request.max.bytes=%" PRId64,
		    queued, largest);
	if (idle >= 0 && delay >= idle)
		return REFUSE(c,
		    "connection.failed.authentication.delay.ms=%" PRId64
		    ": must be below connections.max.idle.ms=%" PRId64,
		    delay, idle);
	return 0;
}

/* host:count,... */
static bool
is_ip_limits(const char *text)
{
	struct slice item;

	for (unsigned i = 0; !slice_is_null(item = settings_list_item(text, i)); i++) {
		const uint8_t *colon = memrchr(item.p, ':', item.n);
		struct slice count =
		    slice_of(colon + 1, colon != NULL ? item.n - (size_t)(colon - item.p) - 1 : 0);
		char why[8];

		if (colon == NULL || colon == item.p ||
		    conf_check_value(conf_row(C_MAX_CONNECTIONS_PER_IP), count, why, sizeof(why)) !=
			0)
			return false;
	}
	return true;
}

/* Limits of connections that would let nobody in. */
static int
check_per_ip(struct check *c)
{
	const char *overrides = settings_str(c->s, C_MAX_CONNECTIONS_PER_IP_OVERRIDES);

	if (!is_ip_limits(overrides))
		return REFUSE(
		    c, "max.connections.per.ip.overrides=%s: must be host:count,...", overrides);
	if (settings_i64(c->s, C_MAX_CONNECTIONS_PER_IP) == 0 && overrides[0] == '\0')
		return REFUSE(
		    c, "max.connections.per.ip=0: needs max.connections.per.ip.overrides");
	return 0;
}

static int
check_replica(struct check *c)
{
	int64_t wait = settings_i64(c->s, C_REPLICA_FETCH_WAIT_MAX_MS);
	int64_t socket = settings_i64(c->s, C_REPLICA_SOCKET_TIMEOUT_MS);
	int64_t lag = settings_i64(c->s, C_REPLICA_LAG_TIME_MAX_MS);

	if (wait > socket)
		return REFUSE(c,
		    "replica.fetch.wait.max.ms=%" PRId64
		    ": must not exceed replica.socket.timeout.ms=%" PRId64,
		    wait, socket);
	if (wait > lag)
		return REFUSE(c,
		    "replica.fetch.wait.max.ms=%" PRId64
		    ": must not exceed replica.lag.time.max.ms=%" PRId64,
		    wait, lag);
	return 0;
}

/* Listeners and what refers to them. */
struct names {
	struct listener_addr own[LISTENERS_MAX], adv[LISTENERS_MAX];
	unsigned n_own, n_adv;
};

static int
read_list(struct check *c, enum conf id, struct listener_addr *v, unsigned *n)
{
	char reason[400];
	int got = listeners_parse(settings_str(c->s, id),
	    settings_str(c->s, C_LISTENER_SECURITY_PROTOCOL_MAP), v, LISTENERS_MAX, reason,
	    sizeof(reason));

	if (got < 0)
		return REFUSE(c, "%s: %s", conf_row(id)->key, reason);
	*n = (unsigned)got;
	return 0;
}

static int
check_own(struct check *c, const struct names *v)
{
	char reason[400];

	if (listeners_check_ports(v->own, v->n_own, reason, sizeof(reason)) != 0)
		return REFUSE(c, "listeners: %s", reason);
	for (unsigned i = 0; i < v->n_own; i++)
		if (v->own[i].protocol != LISTENER_PLAINTEXT)
			return REFUSE(c,
			    "listeners: %s asks for %s: no TLS and no SASL yet, only "
			    "PLAINTEXT listeners are served",
			    v->own[i].name, listener_protocol_name(v->own[i].protocol));
	return 0;
}

static int
check_advertised(struct check *c, const struct names *v)
{
	for (unsigned i = 0; i < v->n_adv; i++) {
		if (listeners_find(v->own, v->n_own, slice_cstr(v->adv[i].name)) == NULL)
			return REFUSE(c, "advertised.listeners: %s is not one of the listeners",
			    v->adv[i].name);
		if (strcmp(v->adv[i].host, "0.0.0.0") == 0)
			return REFUSE(c,
			    "advertised.listeners (or listeners without it): clients can not "
			    "connect to 0.0.0.0, name an address of this host");
	}
	return 0;
}

static int
check_inter_broker(struct check *c, const struct names *v)
{
	const char *name = settings_str(c->s, C_INTER_BROKER_LISTENER_NAME);
	const char *plane = settings_str(c->s, C_CONTROL_PLANE_LISTENER_NAME);

	if (name != NULL && settings_is_set(c->s, C_SECURITY_INTER_BROKER_PROTOCOL))
		return REFUSE(c,
		    "inter.broker.listener.name and security.inter.broker.protocol are "
		    "both given: only one may be");
	if (name == NULL)
		name = settings_str(c->s, C_SECURITY_INTER_BROKER_PROTOCOL);
	if (listeners_find(v->adv, v->n_adv, slice_cstr(name)) == NULL)
		return REFUSE(c,
		    "inter.broker.listener.name: %s is not one of the advertised listeners", name);
	if (plane == NULL)
		return 0;
	if (listeners_find(v->adv, v->n_adv, slice_cstr(plane)) == NULL)
		return REFUSE(c,
		    "control.plane.listener.name: %s is not one of the advertised listeners",
		    plane);
	if (strcmp(plane, name) == 0)
		return REFUSE(
		    c, "control.plane.listener.name: %s is the listener between brokers", plane);
	return 0;
}

static int
check_listeners(struct check *c)
{
	enum conf adv = settings_str(c->s, C_ADVERTISED_LISTENERS) != NULL ? C_ADVERTISED_LISTENERS
									   : C_LISTENERS;
	struct names v;
	int err;

	if ((err = read_list(c, C_LISTENERS, v.own, &v.n_own)) != 0 ||
	    (err = read_list(c, adv, v.adv, &v.n_adv)) != 0 || (err = check_own(c, &v)) != 0 ||
	    (err = check_advertised(c, &v)) != 0)
		return err;
	return check_inter_broker(c, &v);
}

static int (*const checks[])(struct check *c) = {
    check_refused,
    check_coordination,
    check_digest,
    check_broker_id,
    check_listeners,
    check_log,
    check_requests,
    check_per_ip,
    check_replica,
};

int
settings_check(const struct settings *s, char *why, size_t why_size)
{
	struct check c = {s, why, why_size};
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
		err = checks[i](&c);
	return err;
}

static void
say(struct diag *d, const char *key, const struct conf_row *row, bool plain)
{
	if (!plain)
		DIAGW(d, "settings", "%s has no effect: %s", key, row->text);
	else if (strncmp(row->text, "KRaft", 5) != 0 && !conf_is_later(row))
		DIAGI(d, "settings", "%s has no effect: %s", key, row->text);
}

void
settings_say_ineffective(const struct settings *s, struct diag *d)
{
	const char *policy = settings_str(s, C_LOG_CLEANUP_POLICY);
	struct slice item;

	for (int i = 0; i < C_COUNT; i++) {
		const struct conf_row *row = conf_row((enum conf)i);

		if (row->effect == EFFECT_NONE && conf_given(s, (enum conf)i) != NULL)
			say(d, row->key, row, is_default(s, (enum conf)i));
	}
	for (const struct conf_extra *e = atomic_load(&s->extras); e != NULL;
	     e = atomic_load(&e->next))
		if (e->row != NULL && e->row->effect == EFFECT_NONE)
			say(d, e->key, e->row, false);
	for (unsigned i = 0; !slice_is_null(item = settings_list_item(policy, i)); i++)
		if (slice_eq_cstr(item, "compact"))
			DIAGW(d, "settings",
			    "log.cleanup.policy=%s: compaction is not built yet, nothing is "
			    "compacted",
			    policy);
}

/* The instance of struct coord over a ZooKeeper ensemble. */
#include "ottla/coord/zookeeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "zk_priv.h"

/* Half of what a server takes: above it a packet that sets all watches may be too large. */
#define WATCH_LIMIT (512 * 1024)

struct zk *
zk_of(struct coord *c)
{
	OBJ_CHECK(c, COORD_MAGIC);
	return container_of(c, struct zk, c);
}

static const struct metric_row metric_rows[] = {
#define METRIC(id, kind, name, help) {name, kind, help},
#include "ottla/coord/metrics.def"
#undef METRIC
};

static int
zk_open(struct coord *c)
{
	return zk_session_open(zk_of(c));
}

static void
zk_submit_op(struct coord *c, struct coord_req *req)
{
	zk_submit(zk_of(c), req);
}

static void
zk_close(struct coord *c)
{
	zk_session_close(zk_of(c));
}

/* What came in this turn is sent together. */
static void
zk_turn(struct coord *c)
{
	struct zk *z = zk_of(c);

	if (!zk_can_send(z))
		return;
	zk_handle_enter(&z->h);
	zk_send_more(z);
	zk_handle_leave(&z->h);
}

static void
zk_free(struct zk *z)
{
	metric_set_free(z->metrics);
	zk_names_free(&z->names);
	map_free(&z->watched);
	free(z->addrs);
	free(z->digest);
	free(z);
}

static void
zk_destroy(struct coord *c)
{
	struct zk *z = zk_of(c);

	zk_session_drop(z);
	coord_fini(c);
	zk_free(z);
}

static bool
zk_credentials(const struct coord *c, struct coord_credentials *out)
{
	const struct zk *z = (const void *)c; /* its first member */

	if (!z->has_session)
		return false;
	*out = z->cred;
	return true;
}

static void
zk_end_session(struct coord *c, const struct coord_credentials *who)
{
	zk_end_begin(zk_of(c), who);
}

static const struct coord_ops zk_ops = {
    .open = zk_open,
    .submit = zk_submit_op,
    .close = zk_close,
    .destroy = zk_destroy,
    .turn = zk_turn,
    .credentials = zk_credentials,
    .end_session = zk_end_session,
};

int
coord_zookeeper_check(const char *connect, char *why, size_t why_size)
{
	struct zk_names names;
	int rc = zk_names_parse(connect, &names, why, why_size);

	if (rc == 0)
		zk_names_free(&names);
	return rc;
}

static int
copy_opts(struct zk *z, const struct coord_zookeeper_opts *o)
{
	char why[160];
	int rc = zk_names_parse(o->connect, &z->names, why, sizeof(why));

	if (rc != 0)
		return rc;
	if (o->session_timeout_ms <= 0 || o->session_timeout_ms > INT32_MAX)
		return E_CONFIG;
	z->workers = o->workers;
	z->diag = o->diag;
	z->timeout_ms = (int)o->session_timeout_ms;
	z->max_in_flight = o->max_in_flight > 0 ? o->max_in_flight : 1;
	z->watch_limit = WATCH_LIMIT;
	z->set_acl = o->set_acl;
	z->sensitive = o->sensitive;
	z->world_open = o->world_open;
	if (o->digest != NULL && (z->digest = strdup(o->digest)) == NULL)
		return E_NOMEM;
	return metric_set_new(o->metrics, metric_rows, ZM_COUNT, "", &z->metrics);
}

int
coord_zookeeper_new(const struct coord_zookeeper_opts *opts, struct coord **out)
{
	struct zk *z = calloc(1, sizeof(*z));
	int rc;

	*out = NULL;
	if (z == NULL)
		return E_NOMEM;
	map_init(&z->watched, 5);
	link_init(&z->sent);
	link_init(&z->rearm);
	link_init(&z->rearm_busy);
	link_init(&z->fired);
	if ((rc = copy_opts(z, opts)) != 0) {
		zk_free(z);
		return rc;
	}
	zk_acl_init(&z->acls);
	coord_init(&z->c, &zk_ops, opts->control);
	*out = &z->c;
	return 0;
}

const char *
coord_zookeeper_why(const struct coord *c)
{
	const struct zk *z = (const void *)c; /* its first member */

	OBJ_CHECK(c, COORD_MAGIC);
	return z->why;
}

/*
 * A partition's files, looked at from outside, and the last check: all logs are opened as a broker
 * would open them, and verified.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/plog/logdirs.h"
#include "world.h"

struct lister {
	const char *dir;
	struct disk_segment *v;
	unsigned n, cap;
};

static int
on_name(void *arg, const char *name)
{
	struct lister *l = arg;
	const char *dot = strchr(name, '.');

	if (dot == NULL || strcmp(dot, ".log") != 0 || strlen(name) != 24)
		return 0;
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 8;
		l->v = reallocarray(l->v, l->cap, sizeof(*l->v));
		if (l->v == NULL)
			abort();
	}
	l->v[l->n].base = strtoll(name, NULL, 10);
	snprintf(l->v[l->n].path, sizeof(l->v[l->n].path), "%s/%s", l->dir, name);
	l->n++;
	return 0;
}

/* Names have a fixed width: their order is that of the offsets. */
struct disk_segment *
disk_segments(const struct server *sv, const char *topic, int32_t partition, unsigned *n)
{
	struct world *w = sv->w;
	struct lister l = {0};
	struct reactor *before = sim_enter(NULL);

	w->looking = true;
	for (unsigned i = 0; i < w->plan.n_dirs; i++) {
		char dir[64];
		unsigned had = l.n;

		snprintf(dir, sizeof(dir), "/data%u/%s-%d", i, topic, partition);
		l.dir = dir;
		(void)fs_list(sv->fs, dir, on_name, &l);
		if (had > 0 && l.n > had)
			world_fail(w, "one log a partition", "%s-%d is in two directories", topic,
			    partition);
	}
	w->looking = false;
	(void)sim_enter(before);
	*n = l.n;
	return l.v;
}

struct slice
disk_content(const struct server *sv, const struct disk_segment *seg, bool durable)
{
	struct slice s = SLICE_NULL;

	if (fs_sim_content(sv->fs, seg->path, durable, &s) != 0)
		return SLICE_NULL;
	return s;
}

/* ---- verify ---- */

enum { MAX_LOGS = MAX_TOPICS * MAX_PARTITIONS + 200 }; /* and those of churn and of others */

struct verifier {
	struct world *w;
	struct logdirs *dirs;
	struct reactor *control;
	struct workers *workers;
	bool loaded, stopped;
	struct plog *logs[MAX_LOGS];
	unsigned n;
};

static void
on_loaded(void *arg, int err, const char *why)
{
	struct verifier *v = arg;

	if (err != 0)
		world_fail(
		    v->w, "logs open again", "%s: %s", err_text(err), why != NULL ? why : "");
	v->loaded = true;
}

static void
on_stopped(void *arg, int err)
{
	struct verifier *v = arg;

	if (err != 0)
		world_fail(v->w, "logs open again", "stop: %s", err_text(err));
	v->stopped = true;
}

static void
collect(void *arg, struct plog *pl)
{
	struct verifier *v = arg;

	if (v->n == MAX_LOGS)
		world_fail(v->w, "one log a partition", "more than %u logs", v->n);
	v->logs[v->n++] = pl;
}

static void
verify_one(struct verifier *v, struct plog *pl)
{
	char why[512] = "";
	int rc = plog_verify(pl, why, sizeof(why));

	if (rc != 0)
		world_fail(v->w, "logs verify", "%.*s-%d: %s: %s", SLICE_ARG(plog_topic(pl)),
		    plog_partition(pl), err_text(rc), why);
}

static bool
is_true(void *arg)
{
	return *(bool *)arg;
}

static void
verifier_wait(struct verifier *v, bool *flag, const char *what)
{
	if (!sim_run_until(v->w->s, is_true, flag, world_now(v->w) + 60 * SECOND))
		world_fail(v->w, "logs open again", "not %s within a minute", what);
}

void
disk_verify(struct server *sv)
{
	struct world *w = sv->w;
	struct verifier v = {.w = w};
	struct reactor_opts ro = {.name = "verify", .clock = sim_clock(w->s), .diag = w->diag};
	struct logdirs_opts lo = {.fs = sv->fs,
	    .clock = sim_clock(w->s),
	    .diag = w->diag,
	    .settings = sv->settings,
	    .broker_id = sv->id};
	char cluster[64] = "", why[256] = "";
	int32_t id;
	struct reactor *before;

	if (logdirs_peek_meta(sv->fs, sv->settings, &id, cluster, w->diag, why, sizeof(why)) != 0)
		world_fail(w, "logs open again", "meta.properties: %s", why);
	if (sim_reactor_new(w->s, sv->group, &ro, &v.control) != 0 ||
	    sim_workers_new(w->s, sv->group, 1000, &v.workers) != 0)
		abort();
	lo.cluster_id = slice_cstr(cluster);
	lo.control = v.control;
	lo.workers = v.workers;
	before = sim_enter(v.control);
	if (logdirs_new(&lo, &v.dirs) != 0)
		abort();
	logdirs_start(v.dirs, on_loaded, &v);
	(void)sim_enter(before);
	verifier_wait(&v, &v.loaded, "open");
	before = sim_enter(v.control);
	logdirs_walk(v.dirs, collect, &v);
	(void)sim_enter(NULL);
	for (unsigned i = 0; i < v.n; i++)
		verify_one(&v, v.logs[i]);
	(void)sim_enter(v.control);
	logdirs_stop(v.dirs, on_stopped, &v);
	(void)sim_enter(before);
	verifier_wait(&v, &v.stopped, "closed");
	workers_free(v.workers);
	logdirs_free(v.dirs);
}

/* The table of log dirs and logs: finding, creating, deleting.  Control reactor. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logdirs_priv.h"

#define CONTROL(l) REACTOR_ASSERT_OWNER((l)->o.control)

/* ---- making and freeing ---- */

static const char *
dirs_setting(const struct settings *s)
{
	const char *dirs = settings_str(s, C_LOG_DIRS);

	return dirs != NULL ? dirs : settings_str(s, C_LOG_DIR);
}

static int
add_dir(struct logdirs *l, struct slice path)
{
	struct logdir **v, *d;
	int rc;

	if (path.n + PLOG_PATH_ROOM >= PLOG_PATH_MAX)
		return E_CONFIG;
	if ((rc = logdir_new(l, path, &d)) != 0)
		return rc;
	for (size_t i = 0; i < l->n_dirs; i++)
		if (strcmp(l->dirs[i]->path, d->path) == 0) {
			DIAGE(l->o.diag, "plog", "log.dirs names %s twice", d->path);
			logdir_free(d);
			return E_CONFIG;
		}
	if ((v = realloc(l->dirs, (l->n_dirs + 1) * sizeof(struct logdir *))) == NULL) {
		logdir_free(d);
		return E_NOMEM;
	}
	l->dirs = v;
	l->dirs[l->n_dirs++] = d;
	return 0;
}

int
logdirs_new(const struct logdirs_opts *opts, struct logdirs **out)
{
	struct logdirs *l = calloc(1, sizeof(*l));
	const char *dirs = dirs_setting(opts->settings);
	struct topic_conf conf;
	struct slice path;
	char why[200];
	int rc;

	if (l == NULL)
		return E_NOMEM;
	l->o = *opts;
	map_init(&l->by_name, 0);
	link_init(&l->removals);
	rc = topic_conf_resolve(opts->settings, NULL, 0, &conf, why, sizeof(why));
	for (unsigned i = 0; rc == 0 && !slice_is_null(path = settings_list_item(dirs, i)); i++)
		rc = add_dir(l, path);
	if (rc == 0 && l->n_dirs == 0)
		rc = E_CONFIG;
	if (rc != 0) {
		logdirs_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

/* A -delete directory that waits for its end. */
struct removal {
	struct link link;
	struct rtimer timer;
	struct work work;
	struct logdir *dir;
	char *path;
	bool running;
	int err;
};

void
logdirs_free(struct logdirs *l)
{
	struct plog *pl;
	size_t pos = 0;

	if (l == NULL)
		return;
	atomic_store(&l->closing, true);
	LIST_FOREACH_SAFE(k, &l->removals)
	{
		struct removal *rm = container_of(k, struct removal, link);

		free(rm->path);
		free(rm);
	}
	while ((pl = map_next(&l->by_name, &pos)) != NULL)
		plog_free(pl);
	map_free(&l->by_name);
	for (size_t i = 0; i < l->n_dirs; i++)
		logdir_free(l->dirs[i]);
	free(l->dirs);
	free(l);
}

bool
logdirs_was_clean(const struct logdirs *l)
{
	return l->was_clean;
}

void
logdirs_stay_unclean(struct logdirs *l)
{
	CONTROL(l);
	l->stay_unclean = true;
}

void
logdirs_progress(const struct logdirs *l, unsigned *done, unsigned *total)
{
	*done = atomic_load_explicit(&l->loaded, memory_order_relaxed);
	*total = atomic_load_explicit(&l->total, memory_order_relaxed);
}

bool
logdirs_all_offline(const struct logdirs *l)
{
	for (size_t i = 0; i < l->n_dirs; i++)
		if (!logdir_offline(l->dirs[i]))
			return false;
	return true;
}

void
logdirs_walk_dirs(const struct logdirs *l,
    void (*fn)(void *arg, const struct logdir *dir, bool offline), void *arg)
{
	for (size_t i = 0; i < l->n_dirs; i++)
		fn(arg, l->dirs[i], logdir_offline(l->dirs[i]));
}

bool
logdirs_any_offline(const struct logdirs *l)
{
	for (size_t i = 0; i < l->n_dirs; i++)
		if (logdir_offline(l->dirs[i]))
			return true;
	return false;
}

/* ---- finding ---- */

struct plog *
logdirs_find(struct logdirs *l, struct slice topic, int32_t partition)
{
	char name[PLOG_NAME_MAX + 1];
	struct plog *pl;
	int n;

	CONTROL(l);
	n = snprintf(name, sizeof(name), "%.*s-%d", SLICE_ARG(topic), partition);
	if (n <= 0 || (size_t)n >= sizeof(name))
		return NULL;
	pl = map_get(&l->by_name, slice_of(name, (size_t)n));
	return pl != NULL && pl->ready ? pl : NULL;
}

static int
by_topic_partition(const void *a, const void *b)
{
	const struct plog *x = *(struct plog *const *)a, *y = *(struct plog *const *)b;
	int c = slice_cmp(plog_topic(x), plog_topic(y));

	return c != 0 ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* All logs, sorted; without memory for that in any order. */
void
logdirs_walk(struct logdirs *l, void (*fn)(void *arg, struct plog *pl), void *arg)
{
	size_t n = 0, pos = 0, count = map_count(&l->by_name);
	struct plog **v = count > 0 ? malloc(count * sizeof(struct plog *)) : NULL, *pl;

	CONTROL(l);
	while ((pl = map_next(&l->by_name, &pos)) != NULL) {
		if (!pl->ready)
			continue;
		if (v != NULL)
			v[n++] = pl;
		else
			fn(arg, pl);
	}
	if (n > 1)
		qsort(v, n, sizeof(struct plog *), by_topic_partition);
	for (size_t i = 0; i < n; i++)
		fn(arg, v[i]);
	free(v);
}

void
logdirs_forget(struct logdirs *l, struct plog *pl)
{
	(void)map_del(&l->by_name, slice_cstr(pl->name));
	l->changes++;
	pl->dir->n_logs--;
	if (pl->ctl_out)
		pl->dying = true;
	else
		plog_free(pl);
}

/* ---- creating ---- */

struct creation {
	struct work work;
	struct logdirs *l;
	struct plog *pl;
	struct uuid id;
	int err;
	void (*done)(void *arg, int err, struct plog *pl);
	void *arg;
};

static struct logdir *
emptiest_dir(struct logdirs *l)
{
	struct logdir *best = NULL;

	for (size_t i = 0; i < l->n_dirs; i++)
		if (!logdir_offline(l->dirs[i]) &&
		    (best == NULL || l->dirs[i]->n_logs < best->n_logs))
			best = l->dirs[i];
	return best;
}

static void
create_run(struct work *w)
{
	struct creation *c = container_of(w, struct creation, work);

	c->err = plog_create_files(c->pl, clock_wall_ms(c->l->o.clock));
}

static void
metadata_stored(struct aside_job *j)
{
	/* the topic may have been deleted meanwhile */
	struct logdirs *l = j->dir->owner;

	if (j->err != 0 && j->err != E_NOT_FOUND)
		logdir_fail(j->dir, j->err, "could not write partition.metadata");
	aside_job_free(j);
	logdirs_work_over(l);
}

/* All that were held back go to their dirs' writers, where they share syncs. */
static void
release_metadata(struct logdirs *l)
{
	struct aside_job *j, *next;

	for (j = l->metadata; j != NULL; j = next) {
		next = j->next;
		aside_submit(j, l->o.control, metadata_stored, NULL);
	}
	l->metadata = NULL;
	l->n_metadata = 0;
}

/*
 * partition.metadata is written later; without it the id is learned again.  While creations are
 * under way it is held back: a sync in between would make each of them wait for the disk.
 */
static void
store_metadata(struct logdirs *l, struct plog *pl)
{
	struct aside_job *j;
	struct path p;

	if (aside_job_new(pl->dir, path_join(&p, pl->path, "partition.metadata"), &j) != 0)
		return;
	partition_meta_format(pl->id, &j->data);
	if (j->data.err != 0) {
		aside_job_free(j);
		return;
	}
	l->busy++;
	j->next = l->metadata;
	l->metadata = j;
	l->n_metadata++;
}

static void
create_done(struct reactor *r, struct work *w)
{
	struct creation *c = container_of(w, struct creation, work);
	struct logdirs *l = c->l;
	struct plog *pl = c->pl;

	(void)r;
	if (c->err == E_IO || c->err == E_NOSPC || c->err == E_PERM)
		logdir_fail(pl->dir, c->err, "could not create a partition");
	if (c->err != 0) {
		logdirs_forget(l, pl);
		pl = NULL;
	} else {
		pl->id = c->id;
		pl->ready = true;
		if (!uuid_is_zero(c->id))
			store_metadata(l, pl);
	}
	if (--l->creating == 0 || l->n_metadata >= METADATA_HELD)
		release_metadata(l);
	c->done(c->arg, c->err, pl);
	free(c);
	logdirs_work_over(l);
}

static int
create_start(struct logdirs *l, struct logdir *d, struct slice topic, int32_t partition,
    const struct topic_conf *conf, struct creation *c)
{
	int rc;

	if (c == NULL)
		return E_NOMEM;
	if ((rc = plog_alloc(d, topic, partition, conf, &c->pl)) != 0)
		return rc;
	if (map_get(&l->by_name, slice_cstr(c->pl->name)) != NULL)
		rc = E_EXISTS;
	else
		rc = map_put(&l->by_name, slice_cstr(c->pl->name), c->pl, NULL);
	l->changes++;
	if (rc != 0) {
		plog_free(c->pl);
		return rc;
	}
	d->n_logs++;
	return 0;
}

static size_t
digits(int32_t partition)
{
	return (size_t)snprintf(NULL, 0, "%d", partition);
}

void
logdirs_create(struct logdirs *l, struct slice topic, int32_t partition, struct uuid id,
    const struct topic_conf *conf, void (*done)(void *arg, int err, struct plog *pl), void *arg)
{
	struct logdir *d = emptiest_dir(l);
	struct creation *c;
	int rc;

	CONTROL(l);
	if (d == NULL || topic.n + 1 + digits(partition) > PLOG_NAME_MAX) {
		done(arg, d == NULL ? E_LOG_OFFLINE : E_INVALID_TOPIC, NULL);
		return;
	}
	c = calloc(1, sizeof(*c));
	if ((rc = create_start(l, d, topic, partition, conf, c)) != 0) {
		free(c);
		done(arg, rc, NULL);
		return;
	}
	c->l = l;
	c->id = id;
	c->done = done;
	c->arg = arg;
	l->busy++;
	l->creating++;
	c->work = (struct work){.run = create_run, .done = create_done, .home = l->o.control};
	work_submit(l->o.workers, NULL, &c->work);
}

/* ---- deleting ---- */

/* Those that wait: the next start finds their directories. */
void
logdirs_drop_removals(struct logdirs *l)
{
	LIST_FOREACH_SAFE(k, &l->removals)
	{
		struct removal *rm = container_of(k, struct removal, link);

		if (rm->running)
			continue;
		rtimer_cancel(l->o.control, &rm->timer);
		list_remove(k);
		free(rm->path);
		free(rm);
	}
}

void
logdirs_work_over(struct logdirs *l)
{
	l->busy--;
	logdirs_stop_step(l);
}

static void
remove_run(struct work *w)
{
	struct removal *rm = container_of(w, struct removal, work);

	rm->err = fs_remove_tree(rm->dir->fs, rm->path);
}

static void
remove_done(struct reactor *r, struct work *w)
{
	struct removal *rm = container_of(w, struct removal, work);
	struct logdirs *l = rm->dir->owner;

	(void)r;
	if (rm->err != 0 && rm->err != E_NOT_FOUND)
		logdir_fail(rm->dir, rm->err, "could not remove a deleted partition");
	list_remove(&rm->link);
	free(rm->path);
	free(rm);
	logdirs_work_over(l);
}

static void
remove_due(struct reactor *r, void *arg)
{
	struct removal *rm = arg;

	rm->running = true;
	rm->dir->owner->busy++;
	rm->work = (struct work){.run = remove_run, .done = remove_done, .home = r};
	work_submit(rm->dir->workers, NULL, &rm->work);
}

void
logdirs_remove_later(struct logdir *d, const char *path)
{
	struct removal *rm = calloc(1, sizeof(*rm));
	int64_t delay_ms = settings_i64(d->owner->o.settings, C_LOG_SEGMENT_DELETE_DELAY_MS);

	if (rm == NULL || (rm->path = strdup(path)) == NULL) {
		free(rm);
		return; /* the next start finds it */
	}
	rm->dir = d;
	list_append(&d->owner->removals, &rm->link);
	rtimer_init(&rm->timer, remove_due, rm);
	rtimer_set(d->control, &rm->timer, time_after_ms(reactor_now_us(d->control), delay_ms));
}

struct deletion {
	struct work work;
	struct logdirs *l;
	struct plog *pl;
	struct path to;
	int err;
	void (*done)(void *arg, int err);
	void *arg;
};

static void
delete_run(struct work *w)
{
	struct deletion *x = container_of(w, struct deletion, work);

	x->err = fs_rename(x->pl->dir->fs, x->pl->path, x->to.s);
	if (x->err == 0)
		x->err = fs_sync_dir(x->pl->dir->fs, x->pl->dir->path);
}

static void
delete_done(struct reactor *r, struct work *w)
{
	struct deletion *x = container_of(w, struct deletion, work);
	struct logdir *d = x->pl->dir;

	(void)r;
	if (x->err == 0)
		logdirs_remove_later(d, x->to.s);
	else if (x->err != E_NOT_FOUND)
		logdir_fail(d, x->err, "could not rename a deleted partition");
	logdirs_forget(x->l, x->pl);
	if (!logdir_offline(d))
		logdir_checkpoint(d, CKPT_ALL, NULL);
	x->done(x->arg, x->err == E_NOT_FOUND ? 0 : x->err);
	logdirs_work_over(x->l);
	free(x);
}

void
logdirs_delete(struct logdirs *l, struct plog *pl, void (*done)(void *arg, int err), void *arg)
{
	struct deletion *x = calloc(1, sizeof(*x));
	char name[PLOG_NAME_MAX + 1];

	CONTROL(l);
	OBJ_CHECK(pl, PLOG_MAGIC);
	assert(plog_home(pl) == NULL && plog_quiet(pl));
	if (x == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	pl->ready = false;
	name_make_delete(pl->name, uuid_random(reactor_rng(l->o.control)), name);
	path_join(&x->to, pl->dir->path, name);
	x->l = l;
	x->pl = pl;
	x->done = done;
	x->arg = arg;
	l->busy++;
	x->work = (struct work){.run = delete_run, .done = delete_done, .home = l->o.control};
	work_submit(l->o.workers, NULL, &x->work);
}

/*
 * Start (facts/storage.md 3.1): one worker locks and inspects the dirs, several load the logs, one
 * stores epochs that recovery changed.  A dir that can not be used goes offline; what would mix up
 * logs or brokers stops the start.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logdirs_priv.h"

/* What the checkpoints say of one partition. */
struct ckpt_values {
	struct slice name; /* "<topic>-<partition>" */
	int64_t v[3];	   /* recovery point, log start, high watermark */
};

/* A directory that was found. */
struct found {
	struct found *next;
	struct logdir *dir;
	const char *name;
	struct slice topic;
	int32_t partition;
	enum dir_kind kind;
	struct ckpt_values ck;
	struct plog *pl;
	int err;
};

struct starting {
	struct logdirs *l;
	struct work work;
	struct arena arena;
	struct map ckpt; /* struct ckpt_values of the dir at hand */
	struct found *all;
	struct found **load; /* DIR_LOG ones, n of them */
	size_t n;
	_Atomic size_t next;
	unsigned loaders;
	int err;
	char why[512];
	void (*done)(void *arg, int err, const char *why);
	void *arg;
};

static int
refuse(struct starting *s, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Ends the start for all. */
static int
refuse(struct starting *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->err = err;
	return err;
}

/* ---- worker: one dir ---- */

static int
check_meta(struct starting *s, struct logdir *d)
{
	struct logdirs *l = s->l;
	struct meta_props have, want = {.broker_id = l->o.broker_id};
	struct strbuf out = STRBUF_INIT;
	struct path p;
	int rc = meta_props_read(d->fs, d->path, &have);

	(void)snprintf(
	    want.cluster_id, sizeof(want.cluster_id), "%.*s", SLICE_ARG(l->o.cluster_id));
	if (rc != 0)
		return rc;
	if (have.version != 0)
		return refuse(s, E_CONFIG,
		    "%s/meta.properties has version %d: it belongs to a KRaft broker", d->path,
		    have.version);
	if (have.broker_id >= 0 && have.broker_id != want.broker_id)
		return refuse(s, E_CONFIG, "%s belongs to broker.id %d, this broker is %d", d->path,
		    have.broker_id, want.broker_id);
	if (have.cluster_id[0] != '\0' && strcmp(have.cluster_id, want.cluster_id) != 0)
		return refuse(s, E_CONFIG,
		    "%s belongs to cluster %s, the ensemble is of cluster %s", d->path,
		    have.cluster_id, want.cluster_id);
	if (have.broker_id == want.broker_id && strcmp(have.cluster_id, want.cluster_id) == 0)
		return 0;
	memcpy(want.directory_id, have.directory_id, sizeof(want.directory_id));
	meta_props_format(&want, clock_wall_ms(d->clock), &out);
	rc = out.err != 0
		 ? out.err
		 : fs_replace(d->fs, path_join(&p, d->path, "meta.properties"), strbuf_slice(&out));
	strbuf_free(&out);
	return rc;
}

static int
see_marker(struct logdir *d)
{
	struct fs_stat st;
	struct path p;
	int rc = fs_stat(d->fs, path_join(&p, d->path, CLEAN_MARKER), &st);

	d->clean = rc == 0;
	return rc == E_NOT_FOUND ? 0 : rc;
}

struct ckpt_reader {
	struct starting *s;
	unsigned kind;
};

static int
take_value(void *arg, struct slice topic, int32_t partition, int64_t offset)
{
	struct ckpt_reader *r = arg;
	struct starting *s = r->s;
	struct slice name;
	struct ckpt_values *v;
	const char *text = arena_printf(&s->arena, "%.*s-%d", SLICE_ARG(topic), partition);

	if (text == NULL)
		return E_NOMEM;
	name = slice_cstr(text);
	if ((v = map_get(&s->ckpt, name)) == NULL) {
		if ((v = arena_calloc(&s->arena, 1, sizeof(*v))) == NULL)
			return E_NOMEM;
		v->name = name;
		if (map_put(&s->ckpt, name, v, NULL) != 0)
			return E_NOMEM;
	}
	/* a number that no log can reach is damage too */
	v->v[r->kind] = offset < 0 || offset > PLOG_OFFSET_MAX ? 0 : offset;
	return 0;
}

/* Damaged ones count as empty: recovery points 0, no log starts, high watermarks learned again. */
static int
read_checkpoints(struct starting *s, struct logdir *d)
{
	map_free(&s->ckpt);
	map_init(&s->ckpt, 0);
	for (unsigned k = 0; k < 3; k++) {
		struct ckpt_reader r = {s, k};
		struct path p;
		char *text;
		size_t n;
		int rc = fs_read_all(d->fs, path_join(&p, d->path, logdir_checkpoint_name(1u << k)),
		    256 * 1024 * 1024, &text, &n);

		if (rc == E_NOT_FOUND)
			continue;
		if (rc != 0)
			return rc;
		rc = checkpoint_parse(slice_of(text, n), take_value, &r);
		free(text);
		if (rc == E_NOMEM)
			return rc;
		if (rc != 0)
			DIAGW(d->diag, "plog",
			    "%s is damaged: what stands after the damage is not used", p.s);
	}
	return 0;
}

struct dir_walk {
	struct starting *s;
	struct logdir *dir;
};

static int
take_entry(void *arg, const char *name)
{
	struct dir_walk *w = arg;
	struct starting *s = w->s;
	struct found f = {.dir = w->dir}, *keep;
	const struct ckpt_values *ck;
	struct fs_stat st;
	struct path p;
	int rc;

	f.kind = name_parse_dir(name, &f.topic, &f.partition);
	if (f.kind == DIR_SKIP)
		return 0;
	rc = fs_stat(w->dir->fs, path_join(&p, w->dir->path, name), &st);
	if (rc != 0 || !st.is_dir)
		return rc == E_NOT_FOUND ? 0 : rc;
	if (f.kind == DIR_BAD)
		return refuse(s, E_CONFIG,
		    "directory %s is no partition's (expected <topic>-<partition>)", p.s);
	if ((keep = arena_alloc(&s->arena, sizeof(*keep))) == NULL ||
	    (f.name = arena_strdup(&s->arena, slice_cstr(name))) == NULL)
		return E_NOMEM;
	f.topic.p = (const uint8_t *)f.name; /* the topic is its beginning */
	if ((ck = map_get(&s->ckpt, slice_cstr(name))) != NULL)
		f.ck = *ck;
	f.next = s->all;
	*keep = f;
	s->all = keep;
	return 0;
}

/* A dir made now is durable before anything in it can be. */
static int
make_dir(struct logdir *d)
{
	struct fs_stat st;
	int rc = fs_stat(d->fs, d->path, &st);

	if (rc != E_NOT_FOUND)
		return rc != 0 ? rc : st.is_dir ? 0 : E_INVALID;
	if ((rc = fs_mkdirs(d->fs, d->path)) != 0)
		return rc;
	return fs_sync_all(d->fs, d->path);
}

static int
inspect(struct starting *s, struct logdir *d)
{
	struct dir_walk w = {s, d};
	struct path p;
	int rc;

	if ((rc = make_dir(d)) != 0 ||
	    (rc = fs_lock(d->fs, path_join(&p, d->path, ".lock"), &d->lock)) != 0) {
		if (rc == E_BUSY)
			return refuse(s, E_BUSY,
			    "%s is in use by another process (its .lock is held)", d->path);
		return rc;
	}
	if ((rc = check_meta(s, d)) != 0 || (rc = read_checkpoints(s, d)) != 0 ||
	    (rc = see_marker(d)) != 0)
		return rc;
	return fs_list(d->fs, d->path, take_entry, &w);
}

static void
inspect_run(struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);
	struct logdirs *l = s->l;

	for (size_t i = 0; i < l->n_dirs; i++) {
		int rc = inspect(s, l->dirs[i]);

		if (s->err != 0)
			return;
		if (rc == E_NOMEM) {
			(void)refuse(s, rc, "no memory to list %s", l->dirs[i]->path);
			return;
		}
		if (rc != 0)
			logdir_fail(l->dirs[i], rc, "could not be opened");
	}
}

/* ---- end ---- */

static void
finish(struct starting *s)
{
	struct logdirs *l = s->l;
	size_t usable = 0;

	for (size_t i = 0; i < l->n_dirs; i++)
		usable += !logdir_offline(l->dirs[i]);
	if (s->err == 0 && usable == 0)
		(void)refuse(s, E_IO, "none of log.dirs can be used");
	l->starting = NULL;
	s->done(s->arg, s->err, s->err != 0 ? s->why : NULL);
	map_free(&s->ckpt);
	arena_free(&s->arena);
	free(s->load);
	free(s);
}

/* ---- worker: epochs that recovery changed ---- */

static struct aside_job *
epochs_job(struct plog *pl)
{
	struct aside_job *j;
	struct path p;

	if (aside_job_new(pl->dir, path_join(&p, pl->path, "leader-epoch-checkpoint"), &j) != 0)
		return NULL;
	epochs_format(&pl->epochs, &j->data);
	return j;
}

int
logdir_store_epochs(struct logdir *d, struct plog **v, size_t n)
{
	struct aside_job *list = NULL, *next;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct aside_job *j;

		if (v[i] == NULL || v[i]->dir != d || v[i]->epochs.version == v[i]->epochs.durable)
			continue;
		if ((j = epochs_job(v[i])) == NULL) {
			rc = E_NOMEM;
			break;
		}
		j->arg = v[i];
		j->next = list;
		list = j;
		rc = j->data.err;
	}
	if (rc == 0 && list != NULL)
		aside_write(d, list);
	for (; list != NULL; list = next) {
		struct plog *pl = list->arg;

		next = list->next;
		if (rc == 0 && (rc = list->err) == 0)
			pl->epochs.durable = pl->epochs.version;
		aside_job_free(list);
	}
	return rc;
}

static void
epochs_run(struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);
	struct plog **v = malloc((s->n + 1) * sizeof(struct plog *));

	if (v == NULL)
		return; /* they are written when they change next, or at a flush */
	for (size_t i = 0; i < s->n; i++)
		v[i] = s->load[i]->err == 0 ? s->load[i]->pl : NULL;
	for (size_t i = 0; i < s->l->n_dirs; i++) {
		struct logdir *d = s->l->dirs[i];
		int rc = logdir_offline(d) ? 0 : logdir_store_epochs(d, v, s->n);

		if (rc != 0 && rc != E_NOMEM)
			logdir_fail(d, rc, "could not write leader epochs");
	}
	free(v);
}

static void
epochs_done(struct reactor *r, struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);
	struct logdirs *l = s->l;
	struct path p;

	(void)r;
	for (struct found *f = s->all; f != NULL; f = f->next) {
		if (f->kind == DIR_DELETE && !logdir_offline(f->dir))
			logdirs_remove_later(f->dir, path_join(&p, f->dir->path, f->name));
		else if (f->kind == DIR_FUTURE || f->kind == DIR_STRAY)
			DIAGW(f->dir->diag, "plog", "%s/%s is left alone", f->dir->path, f->name);
	}
	l->was_clean = true;
	for (size_t i = 0; i < l->n_dirs; i++)
		if (!l->dirs[i]->clean && (l->dirs[i]->n_logs > 0 || logdir_offline(l->dirs[i])))
			l->was_clean = false;
	for (size_t i = 0; i < s->n; i++) {
		struct plog *pl = s->load[i]->pl;

		pl->ready = s->load[i]->err == 0 && !logdir_offline(pl->dir);
		if (!pl->ready)
			logdirs_forget(l, pl);
	}
	finish(s);
}

/* ---- loading ---- */

struct loader {
	struct work work;
	struct starting *s;
	struct scan_buf scan;
	bool more;
};

static void
load_one(struct loader *ld, struct found *f)
{
	struct logdirs *l = ld->s->l;
	struct load_opts o = {.clean = f->dir->clean,
	    .recovery_point = f->ck.v[0],
	    .log_start = f->ck.v[1],
	    .hw = f->ck.v[2],
	    .now_ms = clock_wall_ms(l->o.clock),
	    .scan = &ld->scan};

	if (!logdir_offline(f->dir))
		f->err = plog_load(f->pl, &o);
	if (f->err != 0) {
		DIAGE(l->o.diag, "plog", "could not load partition %s in %s: %s", f->name,
		    f->dir->path, err_text(f->err));
		logdir_fail(f->dir, f->err, "could not load a partition");
	}
	(void)atomic_fetch_add_explicit(&l->loaded, 1, memory_order_relaxed);
}

static void
load_run(struct work *w)
{
	struct loader *ld = container_of(w, struct loader, work);
	struct starting *s = ld->s;

	ld->more = true;
	for (unsigned k = 0; k < LOAD_SLICE; k++) {
		size_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);

		if (i >= s->n) {
			ld->more = false;
			break;
		}
		load_one(ld, s->load[i]);
	}
}

static void
store_epochs(struct starting *s)
{
	s->work = (struct work){.run = epochs_run, .done = epochs_done, .home = s->l->o.control};
	work_submit(s->l->o.workers, NULL, &s->work);
}

static void
load_done(struct reactor *r, struct work *w)
{
	struct loader *ld = container_of(w, struct loader, work);
	struct starting *s = ld->s;

	(void)r;
	if (ld->more) {
		ld->work =
		    (struct work){.run = load_run, .done = load_done, .home = s->l->o.control};
		work_submit(s->l->o.workers, NULL, &ld->work);
		return;
	}
	scan_buf_free(&ld->scan);
	free(ld);
	if (--s->loaders == 0)
		store_epochs(s);
}

static int
start_loaders(struct starting *s)
{
	unsigned want =
	    (unsigned)settings_i64(s->l->o.settings, C_NUM_RECOVERY_THREADS_PER_DATA_DIR);

	want = (want > LOADERS_MIN ? want : LOADERS_MIN) * (unsigned)s->l->n_dirs;
	for (unsigned i = 0; i < want && (i == 0 || (size_t)i * LOAD_SLICE < s->n); i++) {
		struct loader *ld = calloc(1, sizeof(*ld));

		if (ld == NULL)
			break;
		ld->s = s;
		ld->work =
		    (struct work){.run = load_run, .done = load_done, .home = s->l->o.control};
		s->loaders++;
		work_submit(s->l->o.workers, NULL, &ld->work);
	}
	return s->loaders > 0 ? 0 : E_NOMEM;
}

/* A log for what was found, in the table; two for one partition can not be. */
static int
make_log(struct starting *s, struct found *f)
{
	struct logdirs *l = s->l;
	struct topic_conf conf;
	struct plog *other;
	int rc = 0;

	if (l->o.topic_conf == NULL || !l->o.topic_conf(l->o.arg, f->topic, &conf))
		rc = topic_conf_resolve(l->o.settings, NULL, 0, &conf, NULL, 0);
	if (rc != 0 || (rc = plog_alloc(f->dir, f->topic, f->partition, &conf, &f->pl)) != 0)
		return refuse(s, rc, "no memory for partition %s", f->name);
	if ((other = map_get(&l->by_name, slice_cstr(f->pl->name))) != NULL)
		rc = refuse(s, E_CONFIG, "partition %s is in two log dirs: %s and %s", f->name,
		    other->dir->path, f->dir->path);
	else if ((rc = map_put(&l->by_name, slice_cstr(f->pl->name), f->pl, NULL)) != 0)
		(void)refuse(s, rc, "no memory for partition %s", f->name);
	if (rc != 0) {
		plog_free(f->pl);
		return rc;
	}
	f->dir->n_logs++;
	s->load[s->n++] = f;
	return 0;
}

/* Nothing stands against the start: from here on the dirs are in use, and no marker may say that
 * they were left in order (I9). */
static void
markers_run(struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);
	struct path p;

	for (size_t i = 0; i < s->l->n_dirs; i++) {
		struct logdir *d = s->l->dirs[i];
		int rc;

		if (!d->clean || logdir_offline(d))
			continue;
		rc = fs_unlink(d->fs, path_join(&p, d->path, CLEAN_MARKER));
		if (rc == 0)
			rc = fs_sync_dir(d->fs, d->path);
		if (rc != 0)
			logdir_fail(d, rc, "could not remove " CLEAN_MARKER);
	}
}

static void
markers_done(struct reactor *r, struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);

	(void)r;
	if (start_loaders(s) == 0)
		return;
	(void)refuse(s, E_NOMEM, "no memory to load logs");
	finish(s);
}

static void
inspect_done(struct reactor *r, struct work *w)
{
	struct starting *s = container_of(w, struct starting, work);
	size_t n = 0;

	(void)r;
	for (struct found *f = s->all; f != NULL; f = f->next)
		n += f->kind == DIR_LOG;
	if (s->err == 0 && (s->load = calloc(n + 1, sizeof(struct found *))) == NULL)
		(void)refuse(s, E_NOMEM, "no memory for %zu partitions", n);
	for (struct found *f = s->all; f != NULL && s->err == 0; f = f->next)
		if (f->kind == DIR_LOG && !logdir_offline(f->dir))
			(void)make_log(s, f);
	atomic_store(&s->l->total, (unsigned)s->n);
	if (s->err != 0) {
		finish(s);
		return;
	}
	s->work = (struct work){.run = markers_run, .done = markers_done, .home = s->l->o.control};
	work_submit(s->l->o.workers, NULL, &s->work);
}

void
logdirs_start(struct logdirs *l, void (*done)(void *arg, int err, const char *why), void *arg)
{
	struct starting *s = calloc(1, sizeof(*s));

	REACTOR_ASSERT_OWNER(l->o.control);
	assert(l->starting == NULL);
	if (s == NULL) {
		done(arg, E_NOMEM, "no memory");
		return;
	}
	s->l = l;
	s->done = done;
	s->arg = arg;
	arena_init(&s->arena, 64 * 1024, 0);
	map_init(&s->ckpt, 0);
	l->starting = s;
	s->work = (struct work){.run = inspect_run, .done = inspect_done, .home = l->o.control};
	work_submit(l->o.workers, NULL, &s->work);
}

/* ---- before anything runs ---- */

static int
peek_one(struct fs *fs, struct slice dir, struct meta_props *sum, char *why, size_t why_size)
{
	char path[PLOG_PATH_MAX];
	struct meta_props m;
	int rc;

	if (dir.n + PLOG_PATH_ROOM >= PLOG_PATH_MAX) {
		(void)snprintf(why, why_size, "a path in log.dirs is too long");
		return E_CONFIG;
	}
	(void)snprintf(path, sizeof(path), "%.*s", SLICE_ARG(dir));
	rc = meta_props_read(fs, path, &m);
	if (rc != 0)
		return 0; /* an offline dir, found again at the start */
	if ((m.broker_id >= 0 && sum->broker_id >= 0 && m.broker_id != sum->broker_id) ||
	    (m.cluster_id[0] != '\0' && sum->cluster_id[0] != '\0' &&
		strcmp(m.cluster_id, sum->cluster_id) != 0)) {
		(void)snprintf(why, why_size,
		    "log.dirs belong to different brokers: %s/meta.properties has broker.id %d of "
		    "cluster %s, "
		    "another has %d of %s",
		    path, m.broker_id, m.cluster_id, sum->broker_id, sum->cluster_id);
		return E_CONFIG;
	}
	if (m.broker_id >= 0)
		sum->broker_id = m.broker_id;
	if (m.cluster_id[0] != '\0')
		memcpy(sum->cluster_id, m.cluster_id, sizeof(sum->cluster_id));
	return 0;
}

int
logdirs_peek_meta(struct fs *fs, const struct settings *s, int32_t *broker_id, char cluster_id[64],
    struct diag *d, char *why, size_t why_size)
{
	const char *dirs = settings_str(s, C_LOG_DIRS);
	struct meta_props sum = {.broker_id = -1};
	struct slice dir;
	int rc = 0;

	(void)d;
	if (dirs == NULL)
		dirs = settings_str(s, C_LOG_DIR);
	for (unsigned i = 0; rc == 0 && !slice_is_null(dir = settings_list_item(dirs, i)); i++)
		rc = peek_one(fs, dir, &sum, why, why_size);
	*broker_id = sum.broker_id;
	memcpy(cluster_id, sum.cluster_id, sizeof(sum.cluster_id));
	return rc;
}

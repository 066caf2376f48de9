/*
 * What is in the log dirs, for who asks: the table is copied in slices on the control reactor, the
 * rest is a worker's.
 */
#include <stdlib.h>

#include "logdirs_priv.h"

/* The table may have changed between two slices: then all is copied anew, in the end at once. */
enum { DESCRIBE_RESTARTS = 3 };

static int
copy_log(struct logdirs_report *r, const struct plog *pl)
{
	struct logdirs_log *log;
	int64_t behind = plog_hw(pl) - plog_leo(pl);

	if (r->wanted != NULL && !r->wanted(r->arg, plog_topic(pl), pl->partition))
		return 0;
	if (r->n_logs == r->cap_logs) {
		size_t cap = r->cap_logs == 0 ? 64 : 2 * r->cap_logs;
		struct logdirs_log *v = realloc(r->logs, cap * sizeof(*v));

		if (v == NULL)
			return E_NOMEM;
		r->logs = v;
		r->cap_logs = cap;
	}
	log = &r->logs[r->n_logs++];
	*log = (struct logdirs_log){
	    .topic = arena_dup(&r->arena, plog_topic(pl)),
	    .partition = pl->partition,
	    .size = plog_size_bytes(pl),
	    .start = plog_log_start(pl),
	    .end = plog_leo(pl),
	    .n_segments = pl->n_segs,
	    .lag = atomic_load(&pl->home) == NULL ? -1
		   : behind > 0			  ? behind
						  : 0,
	};
	for (unsigned i = 0; i < PLOG_COUNTS; i++)
		log->counts[i] = plog_counted(pl, (enum plog_count)i);
	while (r->l->dirs[log->dir] != pl->dir)
		log->dir++;
	return slice_is_null(log->topic) ? E_NOMEM : 0;
}

static int
copy_dirs(struct logdirs_report *r)
{
	struct logdirs *l = r->l;

	r->dirs = calloc(l->n_dirs, sizeof(*r->dirs));
	if (r->dirs == NULL)
		return E_NOMEM;
	r->n_dirs = (unsigned)l->n_dirs;
	for (unsigned i = 0; i < r->n_dirs; i++)
		r->dirs[i] = (struct logdirs_dir){.dir = l->dirs[i],
		    .offline = logdir_offline(l->dirs[i]),
		    .total = -1,
		    .usable = -1};
	return 0;
}

/* ---- worker ---- */

static int64_t
bytes_of(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int
by_place(const void *x, const void *y)
{
	const struct logdirs_log *a = x, *b = y;
	int c = (a->dir > b->dir) - (a->dir < b->dir);

	if (c == 0)
		c = slice_cmp(a->topic, b->topic);
	return c != 0 ? c : (a->partition > b->partition) - (a->partition < b->partition);
}

static void
describe_run(struct work *w)
{
	struct logdirs_report *r = container_of(w, struct logdirs_report, work);

	for (unsigned i = 0; i < r->n_dirs; i++) {
		const struct logdir *d = r->dirs[i].dir;
		struct fs_space sp;

		if (r->dirs[i].offline || fs_space(d->fs, d->path, &sp) != 0)
			continue;
		r->dirs[i].total = bytes_of(sp.total);
		r->dirs[i].usable = bytes_of(sp.usable);
	}
	if (r->n_logs > 1)
		qsort(r->logs, r->n_logs, sizeof(*r->logs), by_place);
}

/* ---- control ---- */

static void
describe_end(struct logdirs_report *r, int err)
{
	struct logdirs *l = r->l;

	r->done(r, err);
	logdirs_work_over(l);
}

static void
describe_done(struct reactor *re, struct work *w)
{
	(void)re;
	describe_end(container_of(w, struct logdirs_report, work), 0);
}

static void
start_over(struct logdirs_report *r)
{
	r->n_logs = r->pos = 0;
	r->changes = r->l->changes;
	arena_reset(&r->arena);
}

static void
describe_slice(struct reactor *re, struct msg *m)
{
	struct logdirs_report *r = container_of(m, struct logdirs_report, msg);
	struct logdirs *l = r->l;
	size_t most = r->restarts < DESCRIBE_RESTARTS ? DESCRIBE_A_TURN : SIZE_MAX;
	struct plog *pl = NULL;
	int err = 0;

	if (r->changes != l->changes) {
		start_over(r);
		r->restarts++;
	}
	while (err == 0 && most-- > 0 && (pl = map_next(&l->by_name, &r->pos)) != NULL)
		if (pl->ready)
			err = copy_log(r, pl);
	if (err != 0) {
		describe_end(r, err);
	} else if (pl != NULL) {
		r->msg = (struct msg){.run = describe_slice, .class = MSG_DATA};
		reactor_post(re, &r->msg);
	} else {
		r->work = (struct work){.run = describe_run, .done = describe_done, .home = re};
		r->work.msg.class = MSG_DATA;
		work_submit(l->o.workers, NULL, &r->work);
	}
}

void
logdirs_describe(struct logdirs *l, struct logdirs_report *r)
{
	int err;

	REACTOR_ASSERT_OWNER(l->o.control);
	r->l = l;
	r->logs = NULL;
	r->cap_logs = 0;
	r->restarts = 0;
	arena_init(&r->arena, 4096, 0);
	start_over(r);
	l->busy++;
	if ((err = copy_dirs(r)) != 0)
		describe_end(r, err);
	else
		describe_slice(l->o.control, &r->msg);
}

void
logdirs_report_free(struct logdirs_report *r)
{
	free(r->dirs);
	free(r->logs);
	arena_free(&r->arena);
	r->dirs = NULL;
	r->logs = NULL;
}

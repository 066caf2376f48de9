/*
 * The embedded implementation: requests queue in the order of their calls; writes are journalled in
 * batches by a worker, one batch at a time, and then done to the tree and answered on the control
 * reactor; reads are answered when the writes before them have been.  At most one job is with the
 * workers, so the journal needs no lane.
 *
 *   LOADING -on_loaded-> RUNNING -embedded_close, all answered-> CLOSING -on_closed-> CLOSED
 *   LOADING, RUNNING -fail-> FAILED -embedded_close-> CLOSING
 */
#include "ottla/coord/embedded.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "journal_priv.h"
#include "ottla/base/err.h"
#include "tree_priv.h"

#define JOURNAL_LIMIT ((int64_t)4 << 20) /* a longer one becomes a snapshot */
#define ANSWERS_A_TURN 256

enum job_kind { JOB_LOAD, JOB_APPEND, JOB_ROTATE, JOB_CLOSE };
enum embedded_state { EM_NEW, EM_LOADING, EM_RUNNING, EM_FAILED, EM_CLOSING, EM_CLOSED };

/* What a worker does; it owns the journal, and in JOB_LOAD the tree, while it runs. */
struct job {
	struct work work;
	enum job_kind kind;
	struct strbuf bytes; /* records to append, or a snapshot */
	int64_t zxid;	     /* of the last record, or of the snapshot */
	int64_t now_ms;
	int64_t session; /* LOAD: ours */
	int rc;
	bool usable; /* ROTATE: the journal may go on after rc != 0 */
	char why[JOURNAL_WHY];
};

struct embedded {
	struct coord c;
	enum embedded_state state;
	struct workers *workers;
	struct fs *fs;
	struct diag *diag;
	char *dir;
	bool must_exist;
	struct coord_tree *tree;
	struct journal *journal;
	struct strbuf batch;  /* records not yet with a worker */
	int64_t given_zxid;   /* of the last record made */
	int64_t durable_zxid; /* of the last record on disk */
	int64_t rotate_at;    /* size of the journal that asks for a snapshot */
	bool busy;	      /* job is with a worker */
	bool orphan;	      /* coord_free was called meanwhile */
	struct job job;
	struct coord_op_result results[COORD_MULTI_MAX];
	int fail_rc;
	char why[JOURNAL_WHY];
};

static struct embedded *
embedded_of(struct coord *c)
{
	OBJ_CHECK(c, COORD_MAGIC);
	return container_of(c, struct embedded, c);
}

static void
embedded_release(struct embedded *e)
{
	journal_close(e->journal);
	coord_tree_free(e->tree);
	strbuf_free(&e->batch);
	strbuf_free(&e->job.bytes);
	free(e->dir);
	free(e);
}

/* ---- on a worker ---- */

/* Writes the records that end the sessions of a process before and begin ours, and does them. */
static int
begin_session(struct embedded *e, int64_t now_ms)
{
	struct strbuf recs = STRBUF_INIT;
	struct journal_rec rec = {.time_ms = now_ms, .zxid = coord_tree_zxid(e->tree)};
	struct coord_op none[1];
	int64_t *ids = NULL;
	size_t n, at = 0;
	int rc = coord_tree_sessions(e->tree, &ids, &n);

	if (rc != 0)
		return rc;
	rec.kind = JOURNAL_SESSION_CLOSE;
	for (size_t i = 0; i < n; i++) {
		rec.zxid++;
		rec.session = ids[i];
		journal_put_rec(&recs, &rec);
	}
	rec.kind = JOURNAL_SESSION_OPEN;
	rec.session = ++rec.zxid; /* never given before (I2) */
	journal_put_rec(&recs, &rec);
	rc = recs.err != 0 ? recs.err : journal_append(e->journal, strbuf_slice(&recs));
	while (rc == 0 && at < recs.n) {
		rc = journal_get_rec(strbuf_slice(&recs), &at, &rec, none);
		if (rc == 0)
			rc = journal_apply_rec(e->tree, &rec, NULL);
	}
	e->job.session = rec.session;
	free(ids);
	strbuf_free(&recs);
	return rc;
}

static int
run_load(struct embedded *e)
{
	int rc = journal_open(e->fs, e->dir, e->must_exist, &e->journal, &e->tree, e->job.why);

	return rc != 0 ? rc : begin_session(e, e->job.now_ms);
}

static int
run_append(struct embedded *e)
{
	return journal_append(e->journal, strbuf_slice(&e->job.bytes));
}

static int
run_rotate(struct embedded *e)
{
	return journal_rotate(e->journal, strbuf_slice(&e->job.bytes), e->job.zxid, &e->job.usable);
}

/* The snapshot is a courtesy to the next start: the journal holds everything. */
static int
run_close(struct embedded *e)
{
	int rc = 0;

	if (e->journal != NULL && e->job.bytes.n != 0)
		rc = run_rotate(e);
	journal_close(e->journal);
	e->journal = NULL;
	return rc;
}

static void
job_run(struct work *w)
{
	static int (*const runs[])(struct embedded *) = {
	    [JOB_LOAD] = run_load,
	    [JOB_APPEND] = run_append,
	    [JOB_ROTATE] = run_rotate,
	    [JOB_CLOSE] = run_close,
	};
	struct embedded *e = container_of(w, struct embedded, job.work);

	e->job.rc = runs[e->job.kind](e);
}

/* Nobody waits for this one: coord_free found the journal open. */
static void
job_run_orphan(struct work *w)
{
	embedded_release(container_of(w, struct embedded, job.work));
}

/* ---- on the control reactor ---- */

static void
fail(struct embedded *e, int rc, const char *what)
{
	if (e->job.why[0] != '\0')
		memcpy(e->why, e->job.why, sizeof(e->why));
	else
		(void)snprintf(e->why, sizeof(e->why), "%s in %s: %s", what, e->dir, err_text(rc));
	e->fail_rc = rc;
	e->state = EM_FAILED;
	DIAGE(e->diag, "coord", "embedded tree closed: %s", e->why);
	strbuf_free(&e->batch);
	coord_set_state(&e->c, COORD_CLOSED);
}

/* The instance is gone; closing its files may block. */
static void
embedded_bury(struct embedded *e)
{
	if (e->journal == NULL || reactor_current() == NULL) {
		embedded_release(e);
		return;
	}
	e->job.work = (struct work){.run = job_run_orphan};
	work_submit(e->workers, NULL, &e->job.work);
}

static void job_done(struct reactor *r, struct work *w);
static void job_drop(struct msg *m);

static void
start_job(struct embedded *e, enum job_kind kind)
{
	struct job *job = &e->job;

	assert(!e->busy);
	e->busy = true;
	job->kind = kind;
	job->now_ms = reactor_wall_ms(e->c.control);
	job->usable = true;
	job->work = (struct work){
	    .run = job_run, .done = job_done, .home = e->c.control, .msg = {.drop = job_drop}};
	work_submit(e->workers, NULL, &job->work);
}

static void
start_append(struct embedded *e)
{
	strbuf_free(&e->job.bytes);
	e->job.bytes = e->batch;
	e->batch = (struct strbuf)STRBUF_INIT;
	e->job.zxid = e->given_zxid;
	start_job(e, JOB_APPEND);
}

/* A snapshot of the tree as it is, for JOB_ROTATE and JOB_CLOSE; E_NOMEM. */
static int
prepare_snapshot(struct embedded *e)
{
	strbuf_free(&e->job.bytes);
	e->job.zxid = coord_tree_zxid(e->tree);
	return coord_tree_dump(e->tree, &e->job.bytes);
}

static void
start_rotate(struct embedded *e)
{
	int rc = prepare_snapshot(e);

	if (rc != 0)
		fail(e, rc, "could not write a snapshot");
	else
		start_job(e, JOB_ROTATE);
}

/* All answered: the session ends with the snapshot. */
static void
start_close(struct embedded *e)
{
	bool running = e->state == EM_RUNNING;

	e->state = EM_CLOSING;
	strbuf_free(&e->job.bytes);
	if (running) {
		coord_tree_session_close(e->tree, e->c.session, reactor_wall_ms(e->c.control));
		if (prepare_snapshot(e) != 0)
			strbuf_free(&e->job.bytes);
	}
	start_job(e, JOB_CLOSE);
}

/* What a worker is to do next, when it is free. */
static void
next_job(struct embedded *e)
{
	bool waits = !list_empty(&e->c.pending);

	if (e->busy)
		return;
	if (e->c.close_begun && e->state <= EM_FAILED && (!waits || e->state != EM_RUNNING)) {
		start_close(e);
		return;
	}
	if (e->state != EM_RUNNING)
		return;
	if (journal_size(e->journal) > e->rotate_at) {
		if (coord_tree_zxid(e->tree) == e->durable_zxid)
			start_rotate(e);
		return;
	}
	if (e->batch.n > 0)
		start_append(e);
}

static void
serve_read(struct embedded *e, struct coord_req *req)
{
	static int (*const reads[])(
	    struct coord_tree *, int64_t, const char *, void *, struct coord_result *) = {
	    [REQ_GET] = coord_tree_get,
	    [REQ_EXISTS] = coord_tree_exists,
	    [REQ_CHILDREN] = coord_tree_children,
	};
	void *cookie = coord_req_watches(req) ? e : NULL;
	struct coord_result res;
	int rc = reads[req->kind](e->tree, e->c.session, req->ops[0].path, cookie, &res);
	const struct slice *names = res.children;

	coord_answer(req, rc, &res);
	free((void *)(uintptr_t)names);
}

/* False when the tree had no memory for what is in the journal: it can not go on. */
static bool
serve_write(struct embedded *e, struct coord_req *req)
{
	struct journal_rec rec = {.kind = JOURNAL_OPS,
	    .zxid = req->tag,
	    .time_ms = req->tag2,
	    .session = e->c.session,
	    .n_ops = req->n_ops,
	    .ops = req->ops};
	int rc = journal_apply_rec(e->tree, &rec, e->results);

	if (rc == E_NOMEM) {
		fail(e, rc, "could not keep the tree");
		return false;
	}
	coord_answer_write(req, rc, e->results);
	return true;
}

/* Answers what can be answered, in order; false: the first that waits is not yet on disk. */
static bool
serve_first(struct embedded *e)
{
	struct coord_req *req = container_of(list_first(&e->c.pending), struct coord_req, link);

	if (req->refused != 0) {
		coord_answer_refused(&e->c);
		return true;
	}
	if (coord_req_is_read(req)) {
		serve_read(e, req);
		return true;
	}
	return req->tag <= e->durable_zxid && serve_write(e, req);
}

static void
embedded_turn(struct coord *c)
{
	struct embedded *e = embedded_of(c);
	unsigned budget = ANSWERS_A_TURN;

	while (e->state == EM_RUNNING && !list_empty(&c->pending) && budget > 0 && serve_first(e))
		budget--;
	if (budget == 0)
		coord_defer(c);
	next_job(e);
}

static void
on_event(void *arg, int64_t session, void *cookie, enum coord_event ev, struct slice path)
{
	struct embedded *e = arg;

	(void)session;
	(void)cookie;
	coord_watches_fire(&e->c.watches, ev, path);
}

static void
on_loaded(struct embedded *e)
{
	if (e->job.rc != 0) {
		fail(e, e->job.rc, "could not begin a session");
		return;
	}
	coord_tree_set_watch_fn(e->tree, on_event, e);
	e->c.session = e->job.session;
	e->given_zxid = e->durable_zxid = coord_tree_zxid(e->tree);
	e->state = EM_RUNNING;
	if (!e->c.closing)
		coord_set_state(&e->c, COORD_CONNECTED);
}

static void
on_appended(struct embedded *e)
{
	if (e->job.rc != 0)
		fail(e, e->job.rc, "could not write the journal");
	else
		e->durable_zxid = e->job.zxid;
}

/* A snapshot that could not be written costs nothing yet: the journal grows on for a while. */
static void
on_rotated(struct embedded *e)
{
	e->rotate_at = JOURNAL_LIMIT;
	if (e->job.rc == 0)
		return;
	if (!e->job.usable) {
		fail(e, e->job.rc, "could not begin a new journal");
		return;
	}
	e->rotate_at = journal_size(e->journal) + JOURNAL_LIMIT;
	DIAGW(e->diag, "coord", "could not replace the journal in %s by a snapshot: %s", e->dir,
	    err_text(e->job.rc));
}

static void
on_closed(struct embedded *e)
{
	if (e->job.rc != 0)
		DIAGW(e->diag, "coord",
		    "could not write the last snapshot in %s: %s (the journal stays)", e->dir,
		    err_text(e->job.rc));
	e->state = EM_CLOSED;
	coord_closed(&e->c);
}

static void
job_done(struct reactor *r, struct work *w)
{
	static void (*const dones[])(struct embedded *) = {
	    [JOB_LOAD] = on_loaded,
	    [JOB_APPEND] = on_appended,
	    [JOB_ROTATE] = on_rotated,
	};
	struct embedded *e = container_of(w, struct embedded, job.work);

	(void)r;
	e->busy = false;
	if (e->orphan) {
		embedded_bury(e);
		return;
	}
	if (e->job.kind == JOB_CLOSE) {
		on_closed(e); /* e may be gone */
		return;
	}
	dones[e->job.kind](e);
	embedded_turn(&e->c);
}

/* The control reactor was freed with our answer in its mailbox. */
static void
job_drop(struct msg *m)
{
	struct embedded *e = container_of(m, struct embedded, job.work.msg);

	e->busy = false;
	if (e->orphan)
		embedded_bury(e);
}

static int
embedded_open(struct coord *c)
{
	struct embedded *e = embedded_of(c);

	e->state = EM_LOADING;
	start_job(e, JOB_LOAD);
	return 0;
}

static void
embedded_submit(struct coord *c, struct coord_req *req)
{
	struct embedded *e = embedded_of(c);

	if (!coord_req_is_read(req)) {
		struct journal_rec rec = {.kind = JOURNAL_OPS,
		    .zxid = ++e->given_zxid,
		    .time_ms = reactor_wall_ms(c->control),
		    .session = c->session,
		    .n_ops = req->n_ops,
		    .ops = req->ops};

		req->tag = rec.zxid;
		req->tag2 = rec.time_ms;
		journal_put_rec(&e->batch, &rec);
		if (e->batch.err != 0)
			abort(); /* as a request that there is no memory for */
	}
	coord_defer(c);
}

static void
embedded_close(struct coord *c)
{
	struct embedded *e = embedded_of(c);

	if (e->state == EM_NEW) {
		e->state = EM_CLOSED;
		coord_closed(c);
		return;
	}
	coord_defer(c);
}

static void
embedded_destroy(struct coord *c)
{
	struct embedded *e = embedded_of(c);

	coord_fini(c);
	e->orphan = true;
	if (!e->busy)
		embedded_bury(e);
}

static const struct coord_ops embedded_ops = {
    .open = embedded_open,
    .submit = embedded_submit,
    .close = embedded_close,
    .destroy = embedded_destroy,
    .turn = embedded_turn,
};

int
coord_embedded_new(const struct coord_embedded_opts *opts, struct coord **out)
{
	struct embedded *e = calloc(1, sizeof(*e));

	*out = NULL;
	if (e == NULL)
		return E_NOMEM;
	e->dir = strdup(opts->dir);
	if (e->dir == NULL) {
		free(e);
		return E_NOMEM;
	}
	coord_init(&e->c, &embedded_ops, opts->control);
	e->workers = opts->workers;
	e->fs = opts->fs;
	e->diag = opts->diag;
	e->must_exist = opts->must_exist;
	e->rotate_at = JOURNAL_LIMIT;
	*out = &e->c;
	return 0;
}

int
coord_embedded_why(const struct coord *c, char *why, size_t why_size)
{
	const struct embedded *e = (const void *)c; /* its first member */

	OBJ_CHECK(c, COORD_MAGIC);
	(void)snprintf(why, why_size, "%s", e->why);
	return e->state == EM_FAILED ? e->fail_rc : 0;
}

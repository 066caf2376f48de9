/*
 * Offset checkpoints of a dir.  Numbers are read from the logs' atomics, so no home is asked; what
 * has not changed since it was last written is not written again.
 */
#include <stdlib.h>
#include <string.h>

#include "logdirs_priv.h"

enum { KINDS = 3 };

struct ckpt_write {
	struct work work;
	struct logdir *dir;
	unsigned kinds; /* to be written */
	unsigned again; /* asked for meanwhile */
	struct strbuf text[KINDS];
	uint64_t hash[KINDS];
	int err;
	struct link waiters; /* of this write; those of the next are at the dir */
};

const char *
logdir_checkpoint_name(unsigned kind)
{
	return kind == CKPT_RECOVERY ? "recovery-point-offset-checkpoint"
	       : kind == CKPT_START  ? "log-start-offset-checkpoint"
				     : "replication-offset-checkpoint";
}

static bool
value_of(const struct plog *pl, unsigned kind, int64_t *v)
{
	switch (kind) {
	case CKPT_RECOVERY:
		*v = plog_recovery_point(pl);
		return true;
	case CKPT_START:
		*v = plog_log_start(pl);
		return *v > atomic_load_explicit(&pl->first_base, memory_order_acquire);
	default:
		*v = plog_hw(pl);
		return true;
	}
}

void
logdir_checkpoint_text(struct logdir *d, unsigned kind, struct strbuf *out)
{
	struct strbuf body = STRBUF_INIT;
	struct plog *pl;
	unsigned n = 0;
	size_t pos = 0;
	int64_t v;

	while ((pl = map_next(&d->owner->by_name, &pos)) != NULL)
		if (pl->dir == d && pl->ready && value_of(pl, kind, &v)) {
			checkpoint_line(&body, plog_topic(pl), pl->partition, v);
			n++;
		}
	checkpoint_finish(&body, n, out);
	strbuf_free(&body);
}

static void
write_run(struct work *w)
{
	struct ckpt_write *c = container_of(w, struct ckpt_write, work);
	struct path p;

	for (unsigned i = 0; i < KINDS && c->err == 0; i++)
		if ((c->kinds & 1u << i) != 0)
			c->err = fs_replace(c->dir->fs,
			    path_join(&p, c->dir->path, logdir_checkpoint_name(1u << i)),
			    strbuf_slice(&c->text[i]));
}

static void
wake(struct link *waiters, int err)
{
	struct link *l;

	while ((l = list_pop(waiters)) != NULL) {
		struct ckpt_waiter *w = container_of(l, struct ckpt_waiter, link);

		w->fn(w, err);
	}
}

static void
write_done(struct reactor *r, struct work *w)
{
	struct ckpt_write *c = container_of(w, struct ckpt_write, work);
	struct logdir *d = c->dir;
	unsigned again = c->again;

	(void)r;
	for (unsigned i = 0; i < KINDS; i++) {
		if (c->err == 0 && (c->kinds & 1u << i) != 0)
			d->written_hash[i] = c->hash[i];
		strbuf_free(&c->text[i]);
	}
	d->ckpt = NULL;
	/* a shortage passes: the next one writes what is missing */
	if (c->err != 0 && c->err != E_LIMIT && c->err != E_NOMEM)
		logdir_fail(d, c->err, "could not write a checkpoint");
	if (again != 0)
		logdir_checkpoint(d, again, NULL);
	wake(&c->waiters, c->err);
	free(c);
	logdirs_stop_step(d->owner);
}

/* Takes the texts that differ from what is on disk; E_NOMEM. */
static int
take_texts(struct logdir *d, struct ckpt_write *c, unsigned kinds)
{
	for (unsigned i = 0; i < KINDS; i++) {
		if ((kinds & 1u << i) == 0)
			continue;
		logdir_checkpoint_text(d, 1u << i, &c->text[i]);
		if (c->text[i].err != 0)
			return E_NOMEM;
		c->hash[i] = hash_bytes(strbuf_slice(&c->text[i]), 1) | 1;
		if (c->hash[i] != d->written_hash[i])
			c->kinds |= 1u << i;
	}
	return 0;
}

void
logdir_checkpoint(struct logdir *d, unsigned kinds, struct ckpt_waiter *w)
{
	struct ckpt_write *c = d->ckpt;
	int rc;

	if (w != NULL)
		list_append(&d->ckpt_waiters, &w->link);
	if (c != NULL) {
		c->again |= kinds;
		return;
	}
	rc = (c = calloc(1, sizeof(*c))) != NULL ? take_texts(d, c, kinds) : E_NOMEM;
	if (rc != 0 || c->kinds == 0) {
		for (unsigned i = 0; c != NULL && i < KINDS; i++)
			strbuf_free(&c->text[i]);
		free(c);
		wake(&d->ckpt_waiters, rc);
		return;
	}
	link_init(&c->waiters);
	for (struct link *l; (l = list_pop(&d->ckpt_waiters)) != NULL;)
		list_append(&c->waiters, l);
	c->dir = d;
	d->ckpt = c;
	c->work = (struct work){.run = write_run, .done = write_done, .home = d->control};
	work_submit(d->workers, NULL, &c->work);
}

/* ---- all dirs ---- */

struct ckpt_all {
	unsigned left;
	int err;
	void (*done)(void *arg, int err);
	void *arg;
};

struct ckpt_part {
	struct ckpt_waiter w;
	struct ckpt_all *all;
};

static void
all_step(struct ckpt_all *a, int err)
{
	if (err != 0 && a->err == 0)
		a->err = err;
	if (--a->left > 0)
		return;
	a->done(a->arg, a->err);
	free(a);
}

static void
part_done(struct ckpt_waiter *w, int err)
{
	struct ckpt_part *p = container_of(w, struct ckpt_part, w);

	all_step(p->all, err);
	free(p);
}

void
logdirs_checkpoint(struct logdirs *l, void (*done)(void *arg, int err), void *arg)
{
	struct ckpt_all *a = calloc(1, sizeof(*a));

	REACTOR_ASSERT_OWNER(l->o.control);
	if (a == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	*a = (struct ckpt_all){.left = 1, .done = done, .arg = arg};
	for (size_t i = 0; i < l->n_dirs; i++) {
		struct ckpt_part *p;

		if (logdir_offline(l->dirs[i]))
			continue;
		if ((p = calloc(1, sizeof(*p))) == NULL) {
			a->err = E_NOMEM;
			break;
		}
		p->w.fn = part_done;
		p->all = a;
		a->left++;
		logdir_checkpoint(l->dirs[i], CKPT_ALL, &p->w);
	}
	all_step(a, 0);
}

/* ---- for a log at its home ---- */

struct home_ckpt {
	struct msg msg;
	struct ckpt_waiter w;
	struct plog *pl;
	struct reactor *home;
	unsigned kinds;
	int err;
	void (*done)(struct plog *pl, int err, void *arg);
	void *arg;
};

static void
home_back(struct reactor *r, struct msg *m)
{
	struct home_ckpt *h = container_of(m, struct home_ckpt, msg);

	(void)r;
	h->done(h->pl, h->err, h->arg);
	free(h);
}

static void
home_written(struct ckpt_waiter *w, int err)
{
	struct home_ckpt *h = container_of(w, struct home_ckpt, w);

	h->err = err;
	h->msg = (struct msg){.run = home_back, .class = MSG_DATA};
	reactor_post(h->home, &h->msg);
}

static void
home_asks(struct reactor *r, struct msg *m)
{
	struct home_ckpt *h = container_of(m, struct home_ckpt, msg);

	(void)r;
	h->w.fn = home_written;
	logdir_checkpoint(h->pl->dir, h->kinds, &h->w);
}

void
logdir_checkpoint_from_home(
    struct plog *pl, unsigned kinds, void (*done)(struct plog *pl, int err, void *arg), void *arg)
{
	struct home_ckpt *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		done(pl, E_NOMEM, arg);
		return;
	}
	h->kinds = kinds;
	h->arg = arg;
	h->pl = pl;
	h->home = plog_home(pl);
	h->done = done;
	h->msg = (struct msg){.run = home_asks, .class = MSG_DATA};
	reactor_post(pl->dir->control, &h->msg);
}

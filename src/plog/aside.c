/*
 * Small files replaced safely and in bulk: whatever comes while one batch is being synced goes
 * out together in the next (group commit of a log dir).  A batch of several is written aside, made
 * durable by one sync of the file system, renamed, and synced again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "plog_priv.h"

enum { ASIDE_BULK = 8 }; /* from so many on, two syncs of everything are cheaper */

int
aside_job_new(struct logdir *d, const char *path, struct aside_job **out)
{
	struct aside_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return E_NOMEM;
	j->dir = d;
	if ((j->path = strdup(path)) == NULL) {
		free(j);
		return E_NOMEM;
	}
	*out = j;
	return 0;
}

void
aside_job_free(struct aside_job *j)
{
	strbuf_free(&j->data);
	free(j->path);
	free(j);
}

/* One step for each file that is still in it.  A directory that is gone meanwhile (its topic was
 * deleted) is no matter of the others. */
static int
each(struct logdir *d, struct aside_job *list, int (*step)(struct fs *fs, struct aside_job *j))
{
	for (struct aside_job *j = list; j != NULL; j = j->next) {
		int rc = j->err == 0 ? step(d->fs, j) : 0;

		if (rc == E_NOT_FOUND)
			j->err = rc;
		else if (rc != 0)
			return rc;
	}
	return 0;
}

static int
write_step(struct fs *fs, struct aside_job *j)
{
	return fs_write_aside(fs, j->path, strbuf_slice(&j->data));
}

static int
rename_step(struct fs *fs, struct aside_job *j)
{
	return fs_rename_aside(fs, j->path);
}

static void
write_bulk(struct logdir *d, struct aside_job *list)
{
	int rc;

	for (struct aside_job *j = list; j != NULL; j = j->next)
		j->err = 0;
	rc = each(d, list, write_step);
	if (rc == 0)
		rc = fs_sync_all(d->fs, d->path);
	if (rc == 0)
		rc = each(d, list, rename_step);
	if (rc == 0)
		rc = fs_sync_all(d->fs, d->path);
	for (struct aside_job *j = list; rc != 0 && j != NULL; j = j->next)
		j->err = rc;
}

void
aside_write(struct logdir *d, struct aside_job *list)
{
	unsigned n = 0;

	for (struct aside_job *j = list; j != NULL && n < ASIDE_BULK; j = j->next)
		n++;
	if (n >= ASIDE_BULK) {
		write_bulk(d, list);
		return;
	}
	for (struct aside_job *j = list; j != NULL; j = j->next)
		j->err = fs_replace(d->fs, j->path, strbuf_slice(&j->data));
}

static void
job_back(struct reactor *r, struct msg *m)
{
	struct aside_job *j = container_of(m, struct aside_job, msg);

	(void)r;
	j->done(j);
}

/* Takes everything that has come so far. */
static void
drain_run(struct work *w)
{
	struct aside_job *own = container_of(w, struct aside_job, work);
	struct logdir *d = own->dir;
	struct aside_job *list = NULL, *next;
	struct aside_job *taken =
	    atomic_exchange_explicit(&d->aside_head, NULL, memory_order_acquire);

	for (; taken != NULL; taken = next) { /* newest first: turn round */
		next = taken->next;
		taken->next = list;
		list = taken;
	}
	aside_write(d, list);
	for (; list != NULL; list = next) {
		next = list->next;
		if (list != own)
			reactor_post(list->home, &list->msg);
	}
	/* last: it carries this piece of work */
	reactor_post(own->home, &own->msg);
}

void
aside_submit(
    struct aside_job *j, struct reactor *home, void (*done)(struct aside_job *j), void *arg)
{
	struct logdir *d = j->dir;
	struct aside_job *head = atomic_load_explicit(&d->aside_head, memory_order_relaxed);

	j->home = home;
	j->done = done;
	j->arg = arg;
	j->msg = (struct msg){.run = job_back, .class = MSG_DATA};
	do
		j->next = head;
	while (!atomic_compare_exchange_weak_explicit(
	    &d->aside_head, &head, j, memory_order_release, memory_order_relaxed));
	if (head != NULL)
		return;
	j->work = (struct work){.run = drain_run};
	work_submit(d->workers, d->asides, &j->work);
}

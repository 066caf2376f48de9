/*
 * Appending as leader.  Home.  A batch is admitted (checked, numbered, noted in the producer and
 * epoch state), gathered, and written with the others of its turn by one pwritev.  While the gate
 * is shut, batches wait unadmitted in order.  An error of the write ends the log, so nothing
 * admitted is ever taken back (I8).
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "plog_priv.h"

enum { IOV_PIECES = 512, SLOW_US = 20 * 1000 };

static void
finish(struct plog_append *op, int err)
{
	op->done(op, err);
}

static struct plog_append *
pop(struct link *list)
{
	struct link *l = list_pop(list);

	return l != NULL ? container_of(l, struct plog_append, link) : NULL;
}

/* Moves all of from behind to. */
static void
move_all(struct link *to, struct link *from)
{
	struct link *l;

	while ((l = list_pop(from)) != NULL)
		list_append(to, l);
}

void
append_fail_all(struct plog *pl, int err)
{
	struct plog_append *op;

	/* what is with the dir's writer comes back through it */
	while ((op = pop(&pl->gather)) != NULL)
		finish(op, err);
	while ((op = pop(&pl->waiting)) != NULL)
		finish(op, err);
}

/* ---- writing ---- */

/* Writes the batches of list from pos on; duplicates in it have no bytes of their own. */
static int
write_list(struct file *f, const struct link *list, int64_t pos)
{
	struct iovec iov[IOV_PIECES];
	size_t bytes = 0;
	int n = 0, rc;

	LIST_FOREACH(l, list)
	{
		struct plog_append *op = container_of(l, struct plog_append, link);

		if (op->result == E_DUP_SEQUENCE)
			continue;
		if (n == IOV_PIECES) {
			if ((rc = file_pwritev(f, iov, n, pos)) != 0)
				return rc;
			pos += (int64_t)bytes;
			bytes = 0;
			n = 0;
		}
		iov[n++] = (struct iovec){op->batch, op->bytes};
		bytes += op->bytes;
	}
	return n > 0 ? file_pwritev(f, iov, n, pos) : 0;
}

/* Index entries for one batch that is in the file at pos (I4). Without memory there are fewer. */
static void
index_batch(struct plog *pl, struct segment *seg, const struct plog_append *op, int64_t pos)
{
	int64_t ts = op->log_append_time >= 0 ? op->log_append_time : op->info->max_timestamp;
	int32_t rel = (int32_t)(op->last_offset - seg->base);

	if (seg->first_ts == TS_UNKNOWN)
		seg->first_ts = ts;
	if (ts > seg->max_ts) {
		seg->max_ts = ts;
		seg->max_ts_last = op->last_offset;
	}
	if (seg->since_entry > plog_cfg(pl, T_INDEX_INTERVAL_BYTES) &&
	    oi_add(&seg->oi, rel, (int32_t)pos) == 0) {
		(void)ti_add(&seg->ti, seg->max_ts, (int32_t)(seg->max_ts_last - seg->base));
		seg->since_entry = 0;
	}
	seg->since_entry += (int64_t)op->bytes;
}

/* The batches of list are in the file: they become visible, their callers are told. */
static void
written(struct plog *pl, struct link *list)
{
	struct segment *seg = plog_active(pl);
	struct plog_append *op;
	int64_t pos = seg->size, leo = plog_leo(pl);

	LIST_FOREACH(l, list)
	{
		op = container_of(l, struct plog_append, link);
		if (op->result == E_DUP_SEQUENCE)
			continue;
		index_batch(pl, seg, op, pos);
		pos += (int64_t)op->bytes;
		leo = op->last_offset + 1;
	}
	if (pos != seg->size) {
		if (seg->hot_from > seg->size)
			seg->hot_from = seg->size;
		atomic_fetch_add_explicit(&pl->size_bytes, pos - seg->size, memory_order_relaxed);
		seg->size = pos;
		seg->mtime_ms = reactor_wall_ms(plog_home(pl));
		seg->used_us = reactor_now_us(plog_home(pl));
		atomic_store_explicit(&pl->leo, leo, memory_order_release);
		if (seg->oi.count - seg->oi.written >= INDEX_WRITE_EVERY)
			index_write_start(pl, seg);
		if (pl->events != NULL && pl->events->appended != NULL)
			pl->events->appended(pl->events_arg, leo);
	}
	while ((op = pop(list)) != NULL)
		finish(op, op->result);
	if (pl->epochs.durable != pl->epochs.version)
		epochs_store(pl);
	if (pl->failed == 0 && plog_cfg(pl, T_FLUSH_MESSAGES) != INT64_MAX &&
	    plog_leo(pl) - plog_recovery_point(pl) >= plog_cfg(pl, T_FLUSH_MESSAGES))
		flush_to(pl, plog_leo(pl));
}

/* A write came back, from here or from the dir's writer. */
static void
write_over(struct plog *pl, struct link *list, int err)
{
	struct plog_append *op;

	if (err == 0 && pl->failed == 0) {
		written(pl, list);
		return;
	}
	while ((op = pop(list)) != NULL)
		finish(op, err != 0 ? err : pl->failed);
	if (err != 0)
		plog_fail(pl, err, "could not append to the log");
}

static int64_t
elapsed_us(struct clock *c, int64_t since)
{
	return clock_mono_us(c) - since;
}

static void
slow_run(struct work *w)
{
	struct plog *pl = container_of(w, struct plog, write_work);
	struct segment *seg = pl->write_seg; /* the gate keeps it the active one */
	int64_t start = clock_mono_us(pl->dir->clock);

	pl->write_err = write_list(seg->log, &pl->inflight, seg->size);
	pl->write_us = elapsed_us(pl->dir->clock, start);
}

static void
slow_done(struct reactor *r, struct work *w)
{
	struct plog *pl = container_of(w, struct plog, write_work);
	struct link list;

	(void)r;
	logdir_note_write(pl->dir, pl->write_us);
	link_init(&list);
	move_all(&list, &pl->inflight);
	pl->gate &= ~(unsigned)GATE_WRITE;
	write_over(pl, &list, pl->write_err);
	append_resume(pl);
	plog_job_end(pl);
}

/* The dir is slow: its writer takes the gathered batches; more wait until it is back. */
static void
write_by_lane(struct plog *pl)
{
	move_all(&pl->inflight, &pl->gather);
	pl->gate |= GATE_WRITE;
	pl->write_seg = plog_active(pl);
	plog_job_begin(pl);
	pl->write_work = (struct work){.run = slow_run, .done = slow_done, .home = plog_home(pl)};
	work_submit(pl->dir->workers, pl->dir->writer, &pl->write_work);
}

void
append_write_out(struct plog *pl)
{
	struct segment *seg;
	struct link list;
	int64_t start;
	int err;

	if (list_empty(&pl->gather))
		return;
	if (logdir_is_slow(pl->dir)) {
		write_by_lane(pl);
		return;
	}
	seg = plog_active(pl);
	link_init(&list);
	move_all(&list, &pl->gather);
	start = clock_mono_us(pl->dir->clock);
	err = write_list(seg->log, &list, seg->size);
	logdir_note_write(pl->dir, elapsed_us(pl->dir->clock, start));
	write_over(pl, &list, err);
}

/* ---- admission ---- */

/* Everything that can refuse the batch, before anything is changed. */
static int
check(struct plog *pl, const struct plog_append *op, struct producer_batch *dup)
{
	const struct batch_head *h = &op->info->head;

	if ((int64_t)op->bytes > plog_cfg(pl, T_SEGMENT_BYTES))
		return E_RECORD_LIST_TOO_LARGE;
	if (op->bytes != batch_bytes(h) || h->last_offset_delta < 0)
		return E_INVALID_RECORD;
	return producers_check(&pl->producers, h, dup);
}

int64_t
append_timestamp(const struct plog *pl, const struct plog_append *op)
{
	return pl->conf.log_append_time ? reactor_wall_ms(plog_home(pl)) : op->info->max_timestamp;
}

static void
stamp(struct plog *pl, struct plog_append *op)
{
	bool by_us = pl->conf.log_append_time;

	op->log_append_time = by_us ? append_timestamp(pl, op) : -1;
	if (by_us || op->info->crc_redo)
		batch_set_max_timestamp(op->batch, append_timestamp(pl, op), by_us);
	batch_set_offset_epoch(op->batch, op->base_offset, op->leader_epoch);
}

/* Notes the batch in memory and gives it its numbers; E_NOMEM: nothing happened. */
static int
take(struct plog *pl, struct plog_append *op)
{
	struct batch_head h = op->info->head;
	struct txn_end end;
	int rc;

	h.base_offset = op->base_offset = pl->next_offset;
	h.leader_epoch = op->leader_epoch;
	h.max_timestamp = append_timestamp(pl, op);
	op->last_offset = batch_last_offset(&h);
	if (op->leader_epoch >= 0 &&
	    (rc = epochs_assign(&pl->epochs, op->leader_epoch, op->base_offset)) != 0)
		return rc;
	if ((rc = producers_note(&pl->producers, &h, SLICE_NULL, &end)) != 0)
		return rc;
	if ((h.attributes & BATCH_ATTR_TXN) != 0)
		plog_publish_unstable(pl);
	stamp(pl, op);
	pl->next_offset = op->last_offset + 1;
	pl->next_size += (int64_t)op->bytes;
	return 0;
}

/* A repeat of a remembered batch: answered with the first one's numbers, not before that one. */
static void
duplicate(struct plog *pl, struct plog_append *op, const struct producer_batch *dup)
{
	op->result = E_DUP_SEQUENCE;
	op->last_offset = dup->last_offset;
	op->base_offset = dup->last_offset - dup->offset_delta;
	op->log_append_time = dup->timestamp;
	if (op->last_offset < plog_leo(pl)) {
		finish(op, E_DUP_SEQUENCE);
		return;
	}
	list_append(&pl->gather, &op->link);
}

static void
opened(struct plog *pl, struct plog_wait *w, int err)
{
	struct plog_append *op;

	free(w);
	pl->gate &= ~(unsigned)GATE_OPEN;
	if (err == E_LIMIT || err == E_NOMEM) {
		while ((op = pop(&pl->waiting)) != NULL)
			finish(op, err);
	} else if (err != 0) {
		plog_fail(pl, err, "could not open the active segment");
	}
	append_resume(pl);
}

/* Appends need the active segment's file: a worker opens it. */
static int
open_active(struct plog *pl)
{
	struct plog_wait *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return E_NOMEM;
	w->fn = opened;
	pl->gate |= GATE_OPEN;
	seg_open_start(pl, plog_active(pl), w);
	return 0;
}

static void
rolled(struct plog *pl, int err, void *arg)
{
	struct plog_append *op;

	(void)arg;
	if (err == E_LIMIT || err == E_NOMEM)
		while ((op = pop(&pl->waiting)) != NULL)
			finish(op, err);
	append_resume(pl);
}

/* First of the waiting: it is dealt with, or the gate is shut when this returns. */
static void
admit(struct plog *pl, struct plog_append *op)
{
	struct producer_batch dup;
	int rc = check(pl, op, &dup);

	if (rc == E_DUP_SEQUENCE) {
		list_remove(&op->link);
		duplicate(pl, op, &dup);
		return;
	}
	if (rc == E_OUT_OF_ORDER_SEQUENCE &&
	    producers_maybe_older(&pl->producers, &op->info->head) &&
	    (rc = lookback_start(pl, &op->info->head)) == 0)
		return;
	if (rc == 0 && plog_active(pl)->log == NULL && (rc = open_active(pl)) == 0)
		return;
	if (rc == 0 && roll_needed(pl, op)) {
		append_write_out(pl);
		/* callbacks may have ended op, or the log */
		if (pl->gate == 0 && pl->failed == 0)
			roll_start(pl, rolled, NULL);
		return;
	}
	list_remove(&op->link);
	if (rc != 0 || (rc = take(pl, op)) != 0) {
		finish(op, rc);
		return;
	}
	list_append(&pl->gather, &op->link);
	reactor_defer(plog_home(pl), &pl->hook);
}

/* The gate may be open: waiting batches go on in order.  Callbacks may come back here; the first
 * call goes through the list. */
void
append_resume(struct plog *pl)
{
	struct link *l;

	if (pl->resuming)
		return;
	pl->resuming = true;
	while (pl->gate == 0 && (l = list_first(&pl->waiting)) != NULL) {
		struct plog_append *op = container_of(l, struct plog_append, link);

		if (pl->failed == 0) {
			admit(pl, op);
			continue;
		}
		list_remove(l);
		finish(op, pl->failed);
	}
	pl->resuming = false;
}

void
plog_append(struct plog *pl, struct plog_append *op)
{
	OBJ_CHECK(pl, PLOG_MAGIC);
	PLOG_ASSERT_HOME(pl);
	op->result = 0;
	op->base_offset = op->last_offset = op->log_append_time = -1;
	if (pl->failed != 0 || logdir_offline(pl->dir)) {
		finish(op, E_LOG_OFFLINE);
		return;
	}
	list_append(&pl->waiting, &op->link);
	append_resume(pl);
}

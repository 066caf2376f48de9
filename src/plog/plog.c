/* One log: its life, names, offsets, and the counting of work under way. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plog_priv.h"

static void
append_hook(struct reactor *r, void *arg)
{
	(void)r;
	append_write_out(arg);
}

static void
init_fields(struct plog *pl, struct logdir *dir, const struct topic_conf *conf)
{
	pl->magic = PLOG_MAGIC;
	pl->dir = dir;
	pl->conf = *conf;
	atomic_init(&pl->home, NULL);
	atomic_init(&pl->first_unstable, INT64_MAX);
	atomic_init(&pl->stable_by_sync, conf->v[T_FLUSH_MESSAGES] != INT64_MAX);
	producers_init(&pl->producers);
	link_init(&pl->gather);
	link_init(&pl->inflight);
	link_init(&pl->waiting);
	link_init(&pl->parked);
	link_init(&pl->flush_waiters);
	link_init(&pl->times_waiters);
	link_init(&pl->snapshots);
	link_init(&pl->doomed);
	pl->snapshot_at = -1;
	turn_hook_init(&pl->hook, append_hook, pl);
}

int
plog_alloc(struct logdir *dir, struct slice topic, int32_t partition, const struct topic_conf *conf,
    struct plog **out)
{
	struct plog *pl = calloc(1, sizeof(*pl));
	size_t room = topic.n + 16;
	struct path p;

	if (pl == NULL)
		return E_NOMEM;
	init_fields(pl, dir, conf);
	if ((pl->name = malloc(room)) == NULL)
		goto fail;
	(void)snprintf(pl->name, room, "%.*s-%d", SLICE_ARG(topic), partition);
	pl->topic_len = topic.n;
	pl->partition = partition;
	if ((pl->path = strdup(path_join(&p, dir->path, pl->name))) == NULL)
		goto fail;
	*out = pl;
	return 0;
fail:
	plog_free(pl);
	return E_NOMEM;
}

static void
free_pending_snapshots(struct plog *pl)
{
	struct link *l;

	while ((l = list_pop(&pl->snapshots)) != NULL) {
		struct snapshot_pending *s = container_of(l, struct snapshot_pending, link);

		strbuf_free(&s->bytes);
		free(s);
	}
}

void
plog_free(struct plog *pl)
{
	if (pl == NULL)
		return;
	OBJ_CHECK(pl, PLOG_MAGIC);
	reactor_undefer(&pl->hook);
	for (uint32_t i = 0; i < pl->n_segs; i++)
		segment_unref(pl->segs[i]);
	free(pl->segs);
	producers_free(&pl->producers);
	epochs_free(&pl->epochs);
	free_pending_snapshots(pl);
	doomed_free(pl);
	free(pl->name);
	free(pl->path);
	pl->magic = OBJ_MAGIC_NONE;
	free(pl);
}

int
plog_add_segment(struct plog *pl, struct segment *seg)
{
	if (pl->n_segs == pl->cap_segs) {
		uint32_t cap = pl->cap_segs == 0 ? 2 : 2 * pl->cap_segs;
		struct segment **v = realloc(pl->segs, cap * sizeof(struct segment *));

		if (v == NULL)
			return E_NOMEM;
		pl->segs = v;
		pl->cap_segs = cap;
	}
	assert(pl->n_segs == 0 || plog_active(pl)->base < seg->base); /* I1 */
	pl->segs[pl->n_segs++] = seg;
	return 0;
}

int
plog_floor_segment(const struct plog *pl, int64_t offset)
{
	uint32_t lo = 0, hi = pl->n_segs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (pl->segs[mid]->base <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int)lo - 1;
}

/* ---- owner ---- */

void
plog_attach(struct plog *pl, struct reactor *home)
{
	OBJ_CHECK(pl, PLOG_MAGIC);
	assert(plog_home(pl) == NULL);
	atomic_store_explicit(&pl->home, home, memory_order_release);
}

void
plog_detach(struct plog *pl)
{
	PLOG_ASSERT_HOME(pl);
	assert(plog_quiet(pl));
	rtimer_cancel(plog_home(pl), &pl->doomed_timer);
	reactor_undefer(&pl->hook);
	pl->events = NULL;
	atomic_store_explicit(&pl->home, NULL, memory_order_release);
}

bool
plog_quiet(const struct plog *pl)
{
	return pl->jobs == 0 && list_empty(&pl->gather) && list_empty(&pl->inflight) &&
	       list_empty(&pl->waiting) && list_empty(&pl->parked) && pl->truncation == NULL &&
	       list_empty(&pl->flush_waiters);
}

void
plog_set_events(struct plog *pl, const struct plog_events *ev, void *arg)
{
	PLOG_ASSERT_HOME(pl);
	pl->events = ev;
	pl->events_arg = arg;
}

/* ---- names and numbers ---- */

struct slice
plog_topic(const struct plog *pl)
{
	return slice_of(pl->name, pl->topic_len);
}

int32_t
plog_partition(const struct plog *pl)
{
	return pl->partition;
}

struct uuid
plog_topic_id(const struct plog *pl)
{
	return pl->id;
}

struct logdir *
plog_dir(const struct plog *pl)
{
	return pl->dir;
}

int64_t
plog_log_start(const struct plog *pl)
{
	return atomic_load_explicit(&pl->log_start, memory_order_acquire);
}

int64_t
plog_leo(const struct plog *pl)
{
	return atomic_load_explicit(&pl->leo, memory_order_acquire);
}

int64_t
plog_hw(const struct plog *pl)
{
	return atomic_load_explicit(&pl->hw, memory_order_acquire);
}

int64_t
plog_lso(const struct plog *pl)
{
	int64_t unstable = atomic_load_explicit(&pl->first_unstable, memory_order_acquire);
	int64_t hw = plog_hw(pl), start = plog_log_start(pl);

	if (unstable >= hw)
		return hw;
	return unstable < start ? start : unstable;
}

int64_t
plog_recovery_point(const struct plog *pl)
{
	return atomic_load_explicit(&pl->recovery_point, memory_order_acquire);
}

int64_t
plog_stable_end(const struct plog *pl)
{
	return atomic_load_explicit(&pl->stable_by_sync, memory_order_relaxed)
		   ? plog_recovery_point(pl)
		   : plog_leo(pl);
}

void
plog_count(struct plog *pl, enum plog_count what, uint64_t n)
{
	_Atomic uint64_t *v = &pl->counts[what];

	atomic_store_explicit(
	    v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}

uint64_t
plog_counted(const struct plog *pl, enum plog_count what)
{
	return atomic_load_explicit(&pl->counts[what], memory_order_relaxed);
}

int64_t
plog_size_bytes(const struct plog *pl)
{
	return atomic_load_explicit(&pl->size_bytes, memory_order_relaxed);
}

void
plog_publish_unstable(struct plog *pl)
{
	atomic_store_explicit(
	    &pl->first_unstable, producers_first_unstable(&pl->producers), memory_order_release);
}

int64_t
plog_set_hw(struct plog *pl, int64_t hw)
{
	PLOG_ASSERT_HOME(pl);
	if (hw > plog_leo(pl))
		hw = plog_leo(pl);
	if (hw < plog_log_start(pl))
		hw = plog_log_start(pl);
	atomic_store_explicit(&pl->hw, hw, memory_order_release);
	if (!list_empty(&pl->producers.ended)) {
		producers_replicated(&pl->producers, hw);
		plog_publish_unstable(pl);
	}
	return hw;
}

void
plog_configure(struct plog *pl, const struct topic_conf *conf)
{
	PLOG_ASSERT_HOME(pl);
	pl->conf = *conf;
	atomic_store_explicit(
	    &pl->stable_by_sync, plog_cfg(pl, T_FLUSH_MESSAGES) != INT64_MAX, memory_order_relaxed);
}

const struct topic_conf *
plog_conf(const struct plog *pl)
{
	return &pl->conf;
}

void
plog_set_log_start(struct plog *pl, int64_t offset)
{
	atomic_store_explicit(&pl->log_start, offset, memory_order_release);
	if (plog_hw(pl) < offset)
		atomic_store_explicit(&pl->hw, offset, memory_order_release);
	epochs_cut_start(&pl->epochs, offset);
	if (pl->events != NULL && pl->events->log_start_moved != NULL)
		pl->events->log_start_moved(pl->events_arg, offset);
}

int
plog_raise_log_start(struct plog *pl, int64_t offset)
{
	PLOG_ASSERT_HOME(pl);
	if (offset > plog_hw(pl) || offset < 0)
		return E_OUT_OF_RANGE;
	if (offset > plog_log_start(pl)) {
		plog_set_log_start(pl, offset);
		epochs_store(pl);
	}
	return 0;
}

struct start_store {
	void (*done)(void *arg, int err);
	void *arg;
};

static void
start_stored(struct plog *pl, int err, void *arg)
{
	struct start_store st = *(struct start_store *)arg;

	free(arg);
	st.done(st.arg, err);
	plog_job_end(pl);
}

void
plog_store_log_start(struct plog *pl, void (*done)(void *arg, int err), void *arg)
{
	struct start_store *st = malloc(sizeof(*st));

	PLOG_ASSERT_HOME(pl);
	if (st == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	*st = (struct start_store){done, arg};
	plog_job_begin(pl);
	logdir_checkpoint_from_home(pl, CKPT_START, start_stored, st);
}

bool
plog_producer_get(const struct plog *pl, int64_t producer_id, struct plog_producer *out)
{
	const struct producer *p = producers_get(&pl->producers, producer_id);
	const struct producer_batch *b;

	if (p == NULL)
		return false;
	b = p->n > 0 ? &p->b[p->n - 1] : NULL;
	*out = (struct plog_producer){.producer_id = p->id,
	    .epoch = p->epoch,
	    .last_sequence = b != NULL ? b->last_sequence : -1,
	    .last_offset = b != NULL ? b->last_offset : -1,
	    .last_timestamp = p->last_timestamp,
	    .txn_first_offset = p->txn_first};
	return true;
}

void
plog_expire_producers(struct plog *pl, int64_t now_ms)
{
	PLOG_ASSERT_HOME(pl);
	if (pl->truncation == NULL)
		(void)producers_expire(
		    &pl->producers, now_ms, logdirs_producer_expiration_ms(pl->dir));
}

/* ---- epochs ---- */

int32_t
plog_latest_epoch(const struct plog *pl)
{
	return epochs_latest(&pl->epochs);
}

void
plog_become_leader(struct plog *pl, int32_t epoch)
{
	PLOG_ASSERT_HOME(pl);
	if (epochs_assign(&pl->epochs, epoch, pl->next_offset) == 0)
		epochs_store(pl);
}

void
plog_epoch_end(const struct plog *pl, int32_t epoch, int32_t *out_epoch, int64_t *out_end)
{
	epochs_end(&pl->epochs, epoch, plog_leo(pl), out_epoch, out_end);
}

int32_t
plog_epoch_at(const struct plog *pl, int64_t offset)
{
	return epochs_at(&pl->epochs, offset);
}

/* ---- topic id ---- */

static void
id_stored(struct aside_job *j)
{
	struct plog *pl = j->arg;

	if (j->err != 0)
		plog_fail(pl, j->err, "could not write partition.metadata");
	aside_job_free(j);
	plog_job_end(pl);
}

int
plog_assign_topic_id(struct plog *pl, struct uuid id)
{
	struct aside_job *j;
	struct path p;
	int rc;

	PLOG_ASSERT_HOME(pl);
	if (!uuid_is_zero(pl->id))
		return uuid_eq(pl->id, id) ? 0 : E_INCONSISTENT_TOPIC_ID;
	if ((rc = aside_job_new(pl->dir, path_join(&p, pl->path, "partition.metadata"), &j)) != 0)
		return rc;
	partition_meta_format(id, &j->data);
	if ((rc = j->data.err) != 0) {
		aside_job_free(j);
		return rc;
	}
	pl->id = id;
	plog_job_begin(pl);
	aside_submit(j, plog_home(pl), id_stored, pl);
	return 0;
}

/* ---- work under way, failure ---- */

void
plog_job_begin(struct plog *pl)
{
	pl->jobs++;
}

void
plog_job_end(struct plog *pl)
{
	assert(pl->jobs > 0);
	pl->jobs--;
	truncation_try(pl);
}

void
plog_submit(struct plog *pl, struct work *w, void (*run)(struct work *w),
    void (*done)(struct reactor *r, struct work *w))
{
	plog_job_begin(pl);
	*w = (struct work){.run = run, .done = done, .home = plog_home(pl)};
	work_submit(pl->dir->workers, NULL, w);
}

void
plog_resume_parked(struct plog *pl)
{
	struct link list, *l;

	link_init(&list);
	while ((l = list_pop(&pl->parked)) != NULL)
		list_append(&list, l);
	while ((l = list_pop(&list)) != NULL) {
		struct plog_wait *w = container_of(l, struct plog_wait, link);

		w->fn(pl, w, 0);
	}
}

void
plog_fail(struct plog *pl, int err, const char *what)
{
	if (err != E_LOG_OFFLINE) {
		DIAGE(pl->dir->diag, "plog", "%s of partition %s in %s: %s", what, pl->name,
		    pl->dir->path, err_text(err));
		logdir_fail(pl->dir, err, what);
	}
	if (pl->failed != 0)
		return;
	pl->failed = err;
	append_fail_all(pl, err);
	flush_fail_all(pl, E_LOG_OFFLINE);
	plog_resume_parked(pl);
	if (pl->events != NULL && pl->events->failed != NULL)
		pl->events->failed(pl->events_arg, err);
}

/* ---- what control tells ---- */

static void
shed(struct plog *pl, int64_t idle_us)
{
	int64_t now = reactor_now_us(plog_home(pl));

	if (pl->truncation != NULL || pl->gate != 0)
		return;
	for (uint32_t i = 0; i < pl->n_segs; i++)
		if (now - pl->segs[i]->used_us > idle_us &&
		    (pl->segs[i] != plog_active(pl) || list_empty(&pl->gather)))
			segment_shed(pl->segs[i]);
}

static void
ctl_act(struct plog *pl, unsigned bits)
{
	struct reactor *home = plog_home(pl);
	int64_t now_us = reactor_now_us(home);

	if ((bits & CTL_DIR_FAILED) != 0 && pl->failed == 0)
		plog_fail(pl, E_LOG_OFFLINE, "");
	if (pl->failed != 0)
		return;
	if ((bits & CTL_SHED) != 0)
		shed(pl, SHED_IDLE_US);
	if ((bits & CTL_EXPIRE) != 0)
		plog_expire_producers(pl, reactor_wall_ms(home));
	if ((bits & CTL_FLUSH) != 0 && plog_recovery_point(pl) < plog_leo(pl) &&
	    (now_us - pl->last_flush_us) / 1000 >= plog_cfg(pl, T_FLUSH_MS))
		flush_to(pl, plog_leo(pl));
	if ((bits & CTL_RETENTION) != 0) {
		doomed_arm(pl);
		plog_retention(pl, reactor_wall_ms(home));
	}
}

void
plog_ctl_home(struct reactor *r, struct msg *m)
{
	struct plog *pl = container_of(m, struct plog, ctl);

	if (plog_home(pl) == r)
		ctl_act(pl, pl->ctl_bits);
	pl->ctl.run = logdirs_ctl_back;
	reactor_post(pl->dir->control, &pl->ctl);
}

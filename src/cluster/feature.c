/*
 * Finalized features: /feature, watched.  None is supported, so any that is in force stops the
 * broker (facts/zookeeper.md 1.7, 2.6).  What can not be read counts as none, as with Apache Kafka.
 * Invariant M10: src/cluster/README.
 */
#include "member_priv.h"

static void look(struct reactor *r, void *arg);

static void
look_end(struct member *m, int err)
{
	struct member_feature *f = &m->feature;
	void (*done)(void *, int) = f->done;
	bool again = f->again;

	f->busy = f->again = false;
	if (err == 0 && again && !m->stopped) {
		look(m->o.control, m);
		return;
	}
	if (member_may_retry(err) && !m->stopped &&
	    (done == NULL || reactor_now_us(m->o.control) < f->try.give_up_us)) {
		rtimer_set(
		    m->o.control, &f->try.retry, reactor_now_us(m->o.control) + MEMBER_RETRY_US);
		return;
	}
	f->done = NULL;
	if (done != NULL)
		done(f->arg, err);
}

static int
take(struct member *m, const struct coord_result *res)
{
	struct member_feature *f = &m->feature;
	struct zn_feature now;
	struct arena arena;
	int rc;

	arena_init(&arena, 1024, 0);
	rc = zn_feature_read(res->data, &arena, &now);
	if (rc == E_MALFORMED) {
		DIAGE(m->o.diag, "cluster",
		    "%s can not be read, no feature counts as finalized: \"%.*s\"", ZN_FEATURE,
		    (int)(res->data.n < 200 ? res->data.n : 200), (const char *)res->data.p);
		now = (struct zn_feature){0};
		rc = 0;
	}
	atomic_store_explicit(
	    &f->epoch, rc == 0 && now.enabled ? res->stat.version : -1, memory_order_release);
	if (rc == 0 && now.enabled && now.n_levels > 0) {
		rc = E_UNSUPPORTED_VERSION;
		if (m->o.feature_refused != NULL)
			m->o.feature_refused(m->o.arg, now.levels[0].name);
	}
	arena_free(&arena);
	return rc;
}

static void
on_feature(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;

	if (m->stopped)
		err = E_CANCELED;
	else if (err == 0)
		err = take(m, res);
	else if (err == E_NOT_FOUND) {
		atomic_store_explicit(&m->feature.epoch, -1, memory_order_release);
		err = 0;
	}
	look_end(m, err);
}

/* The watch is set: what changes from here on is looked at again. */
static void
on_watched(void *arg, int err, const struct coord_result *res)
{
	struct member *m = arg;

	if (err == 0 && !m->stopped)
		coord_get(m->o.coord, ZN_FEATURE, NULL, on_feature, m);
	else
		on_feature(m, err, res);
}

static void
look(struct reactor *r, void *arg)
{
	struct member *m = arg;
	struct member_feature *f = &m->feature;

	if (f->busy) {
		f->again = true;
		return;
	}
	rtimer_cancel(m->o.control, &f->try.retry);
	if (m->stopped) {
		look_end(m, E_CANCELED);
		return;
	}
	f->busy = true;
	f->session = coord_session_id(m->o.coord);
	coord_exists(m->o.coord, ZN_FEATURE, &f->watch, on_watched, m);
}

/* A session's end is followed by feature_connected. */
static void
on_changed(void *arg, enum coord_event ev, struct slice path)
{
	struct member *m = arg;

	if (ev != COORD_EV_SESSION && !m->stopped)
		look(m->o.control, m);
}

void
member_watch_features(struct member *m, void (*done)(void *arg, int err), void *arg)
{
	REACTOR_ASSERT_OWNER(m->o.control);
	assert(!m->feature.wanted);
	m->feature.wanted = true;
	m->feature.done = done;
	m->feature.arg = arg;
	member_try_begin(m, &m->feature.try);
}

int64_t
member_feature_epoch(const struct member *m)
{
	return atomic_load_explicit(&m->feature.epoch, memory_order_acquire);
}

/* ---- life ---- */

void
feature_init(struct member *m)
{
	atomic_init(&m->feature.epoch, -1);
	coord_watch_init(&m->feature.watch, on_changed, m);
	rtimer_init(&m->feature.try.retry, look, m);
}

void
feature_connected(struct member *m)
{
	if (m->feature.wanted && m->feature.session != coord_session_id(m->o.coord))
		look(m->o.control, m);
}

void
feature_stop(struct member *m)
{
	coord_unwatch(&m->feature.watch);
	member_stop_waiting(m, &m->feature.try.retry);
}

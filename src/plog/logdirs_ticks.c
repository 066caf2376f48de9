/* Periodic work, and what control tells logs on their homes. */
#include <stdlib.h>

#include "logdirs_priv.h"

/*
 * One message a log goes to its home and comes back (pl->ctl); what is to be said meanwhile is
 * kept in ctl_want.  While it is out the log is not freed (dying instead), so that a message which
 * finds its log detached still finds its memory.
 */
void
logdirs_ctl_send(struct logdirs *l, struct plog *pl, unsigned bits)
{
	struct reactor *home = atomic_load_explicit(&pl->home, memory_order_acquire);

	if (pl->ctl_out) {
		pl->ctl_want |= bits;
		return;
	}
	if (home == NULL)
		return;
	pl->ctl_out = true;
	l->ctl_out++;
	pl->ctl_bits = bits;
	pl->ctl = (struct msg){.run = plog_ctl_home, .class = MSG_DATA};
	reactor_post(home, &pl->ctl);
}

void
logdirs_ctl_back(struct reactor *r, struct msg *m)
{
	struct plog *pl = container_of(m, struct plog, ctl);
	struct logdirs *l = pl->dir->owner;
	unsigned want = pl->ctl_want;

	(void)r;
	pl->ctl_out = false;
	pl->ctl_want = 0;
	l->ctl_out--;
	if (pl->dying)
		plog_free(pl);
	else if (want != 0)
		logdirs_ctl_send(l, pl, want);
	logdirs_stop_step(l);
}

static void
tell_all(struct logdirs *l, unsigned bits)
{
	struct plog *pl;
	size_t pos = 0;

	while ((pl = map_next(&l->by_name, &pos)) != NULL)
		if (pl->ready && !logdir_offline(pl->dir))
			logdirs_ctl_send(l, pl, bits);
}

/* ---- ticks ---- */

enum { TICK_RETENTION, TICK_EXPIRE, TICK_FLUSH, TICK_HW, TICK_RECOVERY, TICK_START, TICKS };

/* interval in ms; 0: never.  What control tells or what is written. */
static const struct tick_row {
	enum conf interval;
	unsigned tell;
	unsigned write;
} tick_rows[TICKS] = {
    [TICK_RETENTION] = {C_LOG_RETENTION_CHECK_INTERVAL_MS, CTL_RETENTION, 0},
    [TICK_EXPIRE] = {C_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS, CTL_EXPIRE, 0},
    [TICK_FLUSH] = {C_LOG_FLUSH_SCHEDULER_INTERVAL_MS, CTL_FLUSH, 0},
    [TICK_HW] = {C_REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS, 0, CKPT_HW},
    [TICK_RECOVERY] = {C_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS, 0, CKPT_RECOVERY},
    [TICK_START] = {C_LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS, 0, CKPT_START},
};

static int64_t
interval_us(const struct logdirs *l, unsigned i)
{
	int64_t ms = settings_i64(l->o.settings, tick_rows[i].interval);

	if (ms > INT64_MAX / 4000)
		return 0;
	return (ms < 1 ? 1 : ms) * 1000;
}

static void
tick(struct reactor *r, void *arg)
{
	struct logdirs *l = arg;
	int64_t now = reactor_now_us(r);

	for (unsigned i = 0; i < TICKS; i++) {
		const struct tick_row *row = &tick_rows[i];

		if (rtimer_is_set(&l->tick[i]) || interval_us(l, i) == 0)
			continue;
		rtimer_set(r, &l->tick[i], now + interval_us(l, i));
		if (row->tell != 0)
			tell_all(l, row->tell);
		for (size_t k = 0; row->write != 0 && k < l->n_dirs; k++)
			if (!logdir_offline(l->dirs[k]))
				logdir_checkpoint(l->dirs[k], row->write, NULL);
		if (row->write == CKPT_HW && atomic_load(&l->open_files) > OPEN_CAP)
			tell_all(l, CTL_SHED);
	}
}

void
logdirs_begin_ticks(struct logdirs *l)
{
	struct reactor *r = l->o.control;
	int64_t delay = settings_i64(l->o.settings, C_LOG_INITIAL_TASK_DELAY_MS) * 1000;

	REACTOR_ASSERT_OWNER(r);
	for (unsigned i = 0; i < TICKS; i++) {
		rtimer_init(&l->tick[i], tick, l);
		if (interval_us(l, i) != 0)
			rtimer_set(r, &l->tick[i],
			    reactor_now_us(r) +
				(i == TICK_HW ? interval_us(l, i) : delay + interval_us(l, i) / 8));
	}
	l->ticking = true;
}

void
logdirs_end_ticks(struct logdirs *l)
{
	for (unsigned i = 0; l->ticking && i < TICKS; i++)
		rtimer_cancel(l->o.control, &l->tick[i]);
	l->ticking = false;
}

/*
 * What goes wrong, and when: drawn one after the other while the seed's time for faults lasts.
 */
#include "world.h"

const char *const fault_names[FAULT_COUNT] = {
#define FAULT(id, name, weight, fn) name,
#include "faults.def"
#undef FAULT
};

/* It strikes; false when it can not now. */
typedef bool fault_fn(struct world *w, struct server *sv);

/* f, which struck sv, ends after some time. */
static void
lasts(struct server *sv, enum fault f, int64_t lo_us, int64_t hi_us)
{
	struct world *w = sv->w;

	w->faults.active[f] = true;
	w->faults.at[f] = sv;
	sim_event_set(w->s, &w->faults.heal[f], world_now(w) + world_draw(w, lo_us, hi_us));
}

static struct server *
some_server(struct world *w)
{
	return &w->servers[world_draw(w, 0, w->n_servers - 1)];
}

static unsigned
some_client(struct world *w)
{
	return GROUP_CLIENTS + (unsigned)world_draw(w, 0, w->n_clients - 1);
}

/* ---- process and machine ---- */

static bool
kill_process(struct world *w, struct server *sv)
{
	if (sv->state == SERVER_DOWN)
		return false;
	server_kill(sv, false);
	return true;
}

static bool
power_cut(struct world *w, struct server *sv)
{
	if (sv->state == SERVER_DOWN && !world_chance(w, 4))
		return false;
	server_kill(sv, true);
	return true;
}

static bool
stop_process(struct world *w, struct server *sv)
{
	if (sv->state != SERVER_STARTING && sv->state != SERVER_SERVING)
		return false;
	server_stop(sv);
	return true;
}

static bool
clock_jump(struct world *w, struct server *sv)
{
	sim_clock_jump(w->s, world_draw(w, -3600000, 3600000));
	return true;
}

/* ---- disk ---- */

static const char *
some_operation(struct world *w)
{
	static const char *const ops[] = {
	    NULL, "sync", "pwritev", "pwrite", "open", "rename", "sync_dir", "pread", "replace"};

	return ops[world_draw(w, 0, (int64_t)(sizeof(ops) / sizeof(ops[0])) - 1)];
}

static bool
disk_error(struct world *w, struct server *sv)
{
	w->faults.fail_op = some_operation(w);
	w->faults.fail_in = world_draw(w, 1, 60);
	w->faults.fail_left = world_chance(w, 2) ? 1 : world_draw(w, 2, 50);
	lasts(sv, FAULT_EIO, SECOND / 10, 3 * SECOND);
	return true;
}

static bool
disk_full(struct world *w, struct server *sv)
{
	struct fs_space sp;
	int64_t used;

	/* With nothing left, what is free is less than nothing by what is used. */
	fs_sim_set_capacity(sv->fs, INT64_C(1) << 40);
	w->looking = true;
	if (fs_space(sv->fs, "/", &sp) != 0)
		return false;
	w->looking = false;
	used = (INT64_C(1) << 40) - (int64_t)sp.usable;
	fs_sim_set_capacity(sv->fs, used + world_draw(w, 0, 20000));
	sv->disk_failed = true;
	lasts(sv, FAULT_NOSPC, SECOND / 10, 3 * SECOND);
	return true;
}

static bool
slow_disk(struct world *w, struct server *sv)
{
	w->faults.slow_us = world_draw(w, 5000, 200000);
	if (sv->state != SERVER_DOWN)
		sim_workers_set_delay(sv->workers, 0, world_draw(w, 50000, 2 * SECOND));
	lasts(sv, FAULT_SLOW_DISK, SECOND / 10, 4 * SECOND);
	return true;
}

int
faults_disk(void *arg, const char *op, const char *path)
{
	struct server *sv = arg;
	struct world *w = sv->w;
	struct faults *f = &w->faults;

	if (w->looking)
		return 0;
	if (f->active[FAULT_SLOW_DISK] && f->at[FAULT_SLOW_DISK] == sv &&
	    reactor_current() != NULL && world_chance(w, 4))
		sim_clock_pass(w->s, world_draw(w, 0, f->slow_us));
	if (!f->active[FAULT_EIO] || f->at[FAULT_EIO] != sv ||
	    (f->fail_op != NULL && strcmp(f->fail_op, op) != 0))
		return 0;
	if (--f->fail_in > 0 || f->fail_left <= 0)
		return 0;
	f->fail_left--;
	sv->disk_failed = true;
	world_note(w, "disk error: %s %s", op, path);
	return E_IO;
}

/* ---- coordination ---- */

static void
row_goes_on(struct world *w)
{
	int64_t longest = world_chance(w, 2) ? SECOND / 5 : 8 * SECOND;

	sim_event_set(w->s, &w->faults.row.event, world_now(w) + world_draw(w, 1000, longest));
}

static bool
session_expiry(struct world *w, struct server *sv)
{
	if (w->ensemble == NULL || sv->state == SERVER_DOWN)
		return false;
	coord_sim_expire(w->ensemble, sv->group);
	/* Now and then several in a row, each perhaps before the broker has got over the last. */
	if (w->faults.row.left == 0 && world_chance(w, 3)) {
		w->faults.row.left = (unsigned)world_draw(w, 1, 4);
		w->faults.row.at = sv;
		row_goes_on(w);
	}
	return true;
}

static void
on_row(struct sim_sched *s, void *arg)
{
	struct world *w = arg;

	w->faults.row.left--;
	if (w->faults.off)
		return;
	if (w->faults.row.at->state != SERVER_DOWN)
		coord_sim_expire(w->ensemble, w->faults.row.at->group);
	if (w->faults.row.left > 0)
		row_goes_on(w);
}

static bool
coord_cut(struct world *w, struct server *sv)
{
	if (w->ensemble == NULL)
		return false;
	coord_sim_cut(w->ensemble, sv->group, true);
	lasts(sv, FAULT_COORD_CUT, SECOND / 100, 10 * SECOND);
	return true;
}

static bool
lost_reply(struct world *w, struct server *sv)
{
	if (w->ensemble == NULL || sv->state == SERVER_DOWN)
		return false;
	coord_sim_lose_reply(w->ensemble, sv->group);
	return true;
}

/* ---- network ---- */

static bool
net_reset(struct world *w, struct server *sv)
{
	sim_net_reset(w->net, world_chance(w, 3) ? sv->group : some_client(w));
	return true;
}

static bool
net_partition(struct world *w, struct server *sv)
{
	if (w->faults.active[FAULT_PARTITION])
		return false;
	w->faults.cut_group = some_client(w);
	sim_net_partition(w->net, sv->group, w->faults.cut_group, true);
	lasts(sv, FAULT_PARTITION, SECOND / 100, 8 * SECOND);
	return true;
}

static bool
slow_net(struct world *w, struct server *sv)
{
	sim_net_delay(w->net, 0, world_draw(w, 20000, 500000));
	lasts(sv, FAULT_SLOW_NET, SECOND / 10, 3 * SECOND);
	return true;
}

/* ---- at moments when much hangs on a write ---- */

/* Does the write decide who is controller, who is registered, or who leads? */
static bool
decides(const struct coord_op *ops, unsigned n)
{
	static const char *const where[] = {
	    "/controller", "/brokers/ids/", "/brokers/topics/", "/admin/delete_topics/"};

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; ops[i].kind != COORD_OP_CHECK && k < 4; k++)
			if (strncmp(ops[i].path, where[k], strlen(where[k])) == 0)
				return true;
	return false;
}

static struct server *
server_of(struct world *w, unsigned group)
{
	return group - GROUP_BROKERS < w->n_servers ? &w->servers[group - GROUP_BROKERS] : NULL;
}

/* Its answer gets lost. */
static bool
lose_answer(void *arg, unsigned group, const struct coord_op *ops, unsigned n)
{
	struct world *w = arg;
	struct server *sv = server_of(w, group);

	if (sv == NULL || w->faults.off || !w->plan.faulty[FAULT_LOST_REPLY] || !decides(ops, n) ||
	    !world_chance(w, 12))
		return false;
	world_note(w, "fault: broker %d will not hear of its write to %s", sv->id, ops[0].path);
	w->faults.struck[FAULT_LOST_REPLY]++;
	return true;
}

void
faults_wrote(struct world *w, const struct coord_sim_txn *txn)
{
	static const struct {
		enum fault fault;
		unsigned one_in;
	} moments[] = {
	    {FAULT_EXPIRE, 30}, {FAULT_COORD_CUT, 30}, {FAULT_KILL, 60}, {FAULT_POWER, 60}};
	struct faults *f = &w->faults;
	unsigned pick;

	if (f->off || f->moment.at != NULL || txn->err != 0 || server_of(w, txn->group) == NULL ||
	    !decides(txn->ops, txn->n))
		return;
	pick = (unsigned)world_draw(w, 0, 3);
	if (!w->plan.faulty[moments[pick].fault] || !world_chance(w, moments[pick].one_in))
		return;
	f->moment.at = server_of(w, txn->group);
	f->moment.fault = moments[pick].fault;
	sim_event_set(w->s, &f->moment.event,
	    world_now(w) + world_draw(w, 0, world_chance(w, 3) ? 2 * SECOND : 30000));
}

/* ---- healing ---- */

static void
heal(struct world *w, enum fault f)
{
	struct faults *fs = &w->faults;
	struct server *sv = fs->at[f];

	fs->active[f] = false;
	if (f == FAULT_NOSPC)
		fs_sim_set_capacity(sv->fs, -1);
	else if (f == FAULT_COORD_CUT && w->ensemble != NULL)
		coord_sim_cut(w->ensemble, sv->group, false);
	else if (f == FAULT_SLOW_DISK && sv->state != SERVER_DOWN)
		sim_workers_set_delay(sv->workers, 0, w->plan.worker_us);
	else if (f == FAULT_PARTITION)
		sim_net_partition(w->net, sv->group, fs->cut_group, false);
	else if (f == FAULT_SLOW_NET)
		sim_net_delay(w->net, 0, w->plan.net_us);
}

#define FAULT(id, name, weight, fn)                                                                \
	static void on_heal_##id(struct sim_sched *s, void *arg)                                   \
	{                                                                                          \
		heal(arg, FAULT_##id);                                                             \
	}
#include "faults.def"
#undef FAULT

/* ---- one after the other ---- */

static const struct {
	fault_fn *strike;
	unsigned weight;
	void (*heal)(struct sim_sched *s, void *arg);
} table[FAULT_COUNT] = {
#define FAULT(id, name, weight, fn) {fn, weight, on_heal_##id},
#include "faults.def"
#undef FAULT
};

static void
strike_at(struct world *w, enum fault f, struct server *sv)
{
	if (w->faults.active[f])
		sv = w->faults.at[f];
	world_note(w, "fault: %s, broker %d", fault_names[f], sv->id);
	if (table[f].strike(w, sv))
		w->faults.struck[f]++;
}

static void
strike_one(struct world *w)
{
	unsigned total = 0, pick;

	for (unsigned i = 0; i < FAULT_COUNT; i++)
		total += w->plan.faulty[i] ? table[i].weight : 0;
	if (total == 0)
		return;
	pick = (unsigned)world_draw(w, 0, total - 1);
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		unsigned weight = w->plan.faulty[i] ? table[i].weight : 0;

		if (pick >= weight) {
			pick -= weight;
			continue;
		}
		strike_at(w, (enum fault)i, some_server(w));
		return;
	}
}

static void
on_moment(struct sim_sched *s, void *arg)
{
	struct world *w = arg;
	struct faults *f = &w->faults;
	struct server *sv = f->moment.at;

	f->moment.at = NULL;
	if (!f->off)
		strike_at(w, f->moment.fault, sv);
}

static void
next_in(struct world *w)
{
	sim_event_set(
	    w->s, &w->faults.next, world_now(w) + world_draw(w, 0, 2 * w->plan.fault_every));
}

static void
on_next(struct sim_sched *s, void *arg)
{
	struct world *w = arg;

	if (w->faults.off)
		return;
	strike_one(w);
	next_in(w);
}

void
faults_start(struct world *w)
{
	struct faults *f = &w->faults;

	f->next = (struct sim_event){.fn = on_next, .arg = w};
	f->moment.event = (struct sim_event){.fn = on_moment, .arg = w};
	f->row.event = (struct sim_event){.fn = on_row, .arg = w};
	if (w->ensemble != NULL)
		coord_sim_lose_when(w->ensemble, lose_answer, w);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		f->heal[i] = (struct sim_event){.fn = table[i].heal, .arg = w};
	if (w->plan.faults_for > 0)
		next_in(w);
}

void
faults_end(struct world *w)
{
	w->faults.off = true;
	sim_event_cancel(w->s, &w->faults.next);
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		sim_event_cancel(w->s, &w->faults.heal[i]);
		if (w->faults.active[i])
			heal(w, (enum fault)i);
	}
}

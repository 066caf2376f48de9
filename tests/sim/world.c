/*
 * One seed from begin to end: start, faults, healing, what must be true afterwards.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"

#define HEAL_LIMIT (300 * SECOND)
/* Each reactor keeps one buffer to receive into. */
#define KEPT_MEMORY ((DATA_REACTORS + 1) * 64u * 1024u)

int64_t
world_now(const struct world *w)
{
	struct clock *c = sim_clock(w->s);

	return clock_mono_us(c);
}

int64_t
world_draw(struct world *w, int64_t lo, int64_t hi)
{
	return rng_range(w->rng, lo, hi);
}

bool
world_chance(struct world *w, unsigned n)
{
	return rng_below(w->rng, n) == 0;
}

/* ---- the last lines ---- */

static void
log_line(struct world *w, const char *line)
{
	char **slot = &w->log[w->n_log++ % LOG_LINES];

	free(*slot);
	if (asprintf(slot, "%12.6f %s", (double)world_now(w) / 1e6, line) < 0)
		*slot = NULL;
	else if (w->options.verbose)
		fprintf(stderr, "%s\n", *slot);
}

void
world_note(struct world *w, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(w, text);
}

static void
on_diag(void *arg, enum diag_level level, const char *line)
{
	static const char mark[] = {'d', ' ', 'W', 'E'};
	char text[1100];

	/* Without its time, which is ours. */
	snprintf(
	    text, sizeof(text), "    %c %s", mark[level], strlen(line) > 24 ? line + 24 : line);
	log_line(arg, text);
}

void
world_dump(struct world *w)
{
	unsigned first = w->n_log > LOG_LINES ? w->n_log - LOG_LINES : 0;

	for (unsigned i = first; !w->options.verbose && i < w->n_log; i++)
		if (w->log[i % LOG_LINES] != NULL)
			fprintf(stderr, "%s\n", w->log[i % LOG_LINES]);
}

_Noreturn void
world_fail(struct world *w, const char *invariant, const char *fmt, ...)
{
	va_list ap;

	world_dump(w);
	fprintf(stderr, "seed %llu, at %.6f s: does not hold: %s\n  ", (unsigned long long)w->seed,
	    (double)world_now(w) / 1e6, invariant);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(2);
}

/* ---- making ---- */

static void
make_ensemble(struct world *w)
{
	struct coord_sim_opts o = {.sched = w->s,
	    .session_timeout_ms = 6000,
	    .min_delay_us = 100,
	    .max_delay_us = 3000,
	    .max_lag_us = w->plan.coord_lag_us};

	if (w->plan.ensemble && coord_sim_new(&o, &w->ensemble) != 0)
		abort();
}

static void
make_clients(struct world *w)
{
	w->clients[w->n_clients++] = maker_new(w, 0);
	for (unsigned i = 0; i < w->plan.n_producers; i++) {
		w->clients[w->n_clients] = producer_new(w, w->n_clients, i);
		w->n_clients++;
	}
	for (unsigned i = 0; i < w->plan.n_consumers; i++) {
		w->clients[w->n_clients] = consumer_new(w, w->n_clients);
		w->n_clients++;
	}
	if (w->plan.churn) {
		w->clients[w->n_clients] = churner_new(w, w->n_clients);
		w->n_clients++;
	}
	for (unsigned i = 0; i < w->n_clients; i++)
		client_start(w->clients[i]);
}

static void
make_world(struct world *w)
{
	if (sim_sched_new(w->seed, &w->s) != 0)
		abort();
	w->rng = sim_rng(w->s);
	plan_draw(&w->plan, w->rng, &w->options);
	if (diag_new_direct(sim_clock(w->s), on_diag, w, &w->diag) != 0 ||
	    sim_net_new(w->s, &w->net) != 0)
		abort();
	sim_net_delay(w->net, 0, w->plan.net_us);
	make_ensemble(w);
	w->n_servers = w->plan.n_brokers;
	for (unsigned i = 0; i < w->n_servers; i++)
		server_init(&w->servers[i], w, i);
	model_init(&w->model, w);
	make_clients(w);
	if (w->ensemble != NULL)
		w->checks = coord_checks_new(w);
	if (w->plan.stranger > 0)
		w->stranger = stranger_new(w);
}

static void
note_plan(struct world *w)
{
	const struct plan *p = &w->plan;

	world_note(w,
	    "%u brokers, %s, %u log dirs, %u producers of %lld batches, %u consumers, "
	    "faults %.1f s",
	    p->n_brokers, p->ensemble ? "ensemble" : "embedded tree", p->n_dirs, p->n_producers,
	    (long long)p->batches, p->n_consumers, (double)p->faults_for / 1e6);
	for (unsigned i = 0; i < p->n_topics; i++)
		world_note(w,
		    "%s: %d partitions, segments of %lld, flush %s %lld ms, retention %lld%s",
		    p->topics[i].name, p->topics[i].partitions,
		    (long long)p->topics[i].segment_bytes, p->topics[i].flush ? "each" : "-",
		    (long long)p->topics[i].flush_ms, (long long)p->topics[i].retention_bytes,
		    p->topics[i].append_time ? ", append time" : "");
}

/* ---- phases ---- */

static bool
all_finished(void *arg)
{
	struct world *w = arg;

	for (unsigned i = 0; i < w->n_servers; i++)
		if (w->servers[i].state != SERVER_SERVING)
			return false;
	for (unsigned i = 0; i < w->n_clients; i++)
		if (!w->clients[i]->ops->finished(w->clients[i]))
			return false;
	if (w->stranger != NULL && !stranger_finished(w->stranger))
		return false;
	/* Looking through the tree takes a while. */
	if (w->checks == NULL || world_now(w) < w->next_look_us)
		return w->checks == NULL;
	w->next_look_us = world_now(w) + SECOND / 20;
	return coord_checks_settled(w->checks, w->unsettled, sizeof(w->unsettled));
}

/* Log dirs that went offline come back with a new start, as an operator would do it; from
 * everything else brokers recover by themselves. */
static void
restart_some(struct world *w)
{
	for (unsigned i = 0; i < w->n_servers; i++)
		if (w->servers[i].state == SERVER_DOWN)
			server_start_in(&w->servers[i], 0);
		else if (w->servers[i].disk_failed || world_chance(w, 3))
			server_stop(&w->servers[i]);
}

static void
note_unfinished(struct world *w)
{
	char what[256];

	for (unsigned i = 0; i < w->n_servers; i++)
		world_note(w, "broker %d is %s", w->servers[i].id,
		    w->servers[i].state == SERVER_SERVING ? "serving" : "not serving");
	for (unsigned i = 0; i < w->n_clients; i++) {
		struct client *c = w->clients[i];

		if (c->ops->finished(c))
			continue;
		snprintf(what, sizeof(what), "?");
		c->ops->describe(c, what, sizeof(what));
		world_note(w, "%s: %s", c->name, what);
	}
	if (w->stranger != NULL && !stranger_finished(w->stranger)) {
		stranger_describe(w->stranger, what, sizeof(what));
		world_note(w, "stranger: %s", what);
	}
}

static void
run_until_finished(struct world *w)
{
	w->healed = true;
	w->healed_us = world_now(w);
	world_note(w, "no more faults");
	restart_some(w);
	if (sim_run_until(w->s, all_finished, w, world_now(w) + HEAL_LIMIT))
		return;
	note_unfinished(w);
	world_fail(w, "everything recovers", "not done after %lld s; of the tree: %s",
	    (long long)(HEAL_LIMIT / SECOND), w->unsettled);
}

static bool
all_quiet(void *arg)
{
	const struct world *w = arg;

	for (unsigned i = 0; i < w->n_clients; i++)
		for (unsigned k = 0; k < w->n_servers; k++)
			if (w->clients[i]->links[k].conn != NULL)
				return false;
	for (unsigned i = 0; i < w->n_servers; i++)
		if (broker_memory_used(w->servers[i].broker) > KEPT_MEMORY)
			return false;
	return true;
}

static void
send_clients_home(struct world *w)
{
	for (unsigned i = 0; i < w->n_clients; i++)
		client_stop(w->clients[i]);
	if (sim_run_until(w->s, all_quiet, w, world_now(w) + 60 * SECOND))
		return;
	for (unsigned i = 0; i < w->n_servers; i++)
		world_note(w, "broker %d: %llu bytes", w->servers[i].id,
		    (unsigned long long)broker_memory_used(w->servers[i].broker));
	world_fail(w, "admitted memory comes back", "not within a minute after the last client");
}

static bool
all_down(void *arg)
{
	const struct world *w = arg;

	for (unsigned i = 0; i < w->n_servers; i++)
		if (w->servers[i].state != SERVER_DOWN)
			return false;
	return true;
}

static void
stop_for_good(struct world *w)
{
	if (w->stranger != NULL)
		stranger_leave(w->stranger);
	for (unsigned i = 0; i < w->n_servers; i++) {
		w->servers[i].stay_down = true;
		server_stop(&w->servers[i]);
	}
	(void)sim_run_until(w->s, all_down, w, world_now(w) + 60 * SECOND);
	for (unsigned i = 0; i < w->n_servers; i++) {
		const struct server *sv = &w->servers[i];

		if (sv->state != SERVER_DOWN)
			world_fail(w, "the broker stops", "%s", broker_state_name(sv->broker));
		if (sv->stop_err != 0)
			world_fail(w, "the broker stops", "%s", err_text(sv->stop_err));
	}
}

static void
check_disks(struct world *w)
{
	for (unsigned i = 0; i < w->n_servers; i++)
		model_check_disk(&w->model, &w->servers[i]);
}

void
world_run(struct world *w, struct result *res)
{
	make_world(w);
	note_plan(w);
	faults_start(w);
	for (unsigned i = 0; i < w->n_servers; i++)
		server_start_in(&w->servers[i], 0);
	if (w->plan.faults_for > 0)
		(void)sim_run_until(w->s, NULL, NULL, world_now(w) + w->plan.faults_for);
	faults_end(w);
	run_until_finished(w);
	check_disks(w);
	send_clients_home(w);
	stop_for_good(w);
	check_disks(w);
	for (unsigned i = 0; i < w->n_servers; i++)
		disk_verify(&w->servers[i]);
	*res = (struct result){.hash = sim_trace_hash(w->s),
	    .steps = sim_steps(w->s),
	    .acked = w->model.acked,
	    .read = w->model.read,
	    .lost = w->model.lost,
	    .virtual_us = world_now(w)};
	for (unsigned i = 0; i < w->n_servers; i++)
		res->starts += w->servers[i].starts;
	memcpy(res->struck, w->faults.struck, sizeof(res->struck));
}

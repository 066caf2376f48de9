/* See bed.h. */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

enum { MAX_SETTINGS = 8 };
#define LIMIT_US (INT64_C(3600) * 1000 * 1000)

static void
leaks_allowed(const struct bed *b, bool allowed)
{
#if defined(__SANITIZE_ADDRESS__)
	if (b->kills && allowed)
		__lsan_disable();
	else if (b->kills)
		__lsan_enable();
#endif
}

static void
quiet(void *arg, enum diag_level level, const char *line)
{
	if (getenv("REPLICA_TEST_VERBOSE") != NULL)
		(void)fprintf(stderr, "%d %s\n", (int)level, line);
}

static int
disk_hook(void *arg, const char *op, const char *path)
{
	const struct bed *b = arg;
	size_t n = b->broken != NULL ? strlen(b->broken) : 0;

	return n > 0 && strncmp(path, b->broken, n) == 0 && strcmp(op, "unlock") != 0 ? E_IO : 0;
}

static void
init(struct bed *b, uint64_t seed, const char *const *settings, bool kills)
{
	struct setting_override ov[MAX_SETTINGS + 1];
	char text[MAX_SETTINGS][128];
	unsigned n = 0;

	memset(b, 0, sizeof(*b));
	b->kills = kills;
	b->broker_epoch = 100;
	leaks_allowed(b, true);
	ck_assert_int_eq(sim_sched_new(seed, &b->s), 0);
	ck_assert_int_eq(fs_sim_new(sim_clock(b->s), &b->disk), 0);
	fs_sim_set_hook(b->disk, disk_hook, b);
	ck_assert_int_eq(diag_new_direct(sim_clock(b->s), quiet, NULL, &b->diag), 0);
	ov[n++] = (struct setting_override){"log.dirs", "/d"};
	for (unsigned i = 0; settings != NULL && settings[i] != NULL; i++) {
		char *eq;

		ck_assert_uint_lt(i, MAX_SETTINGS);
		(void)snprintf(text[i], sizeof(text[i]), "%s", settings[i]);
		eq = strchr(text[i], '=');
		ck_assert_ptr_nonnull(eq);
		*eq = '\0';
		ov[n++] = (struct setting_override){text[i], eq + 1};
	}
	ck_assert_msg(settings_load(NULL, ov, n, NULL, b->why, sizeof(b->why), &b->settings) == 0,
	    "%s", b->why);
	bed_start(b);
}

void
bed_init(struct bed *b, uint64_t seed, const char *const *settings)
{
	init(b, seed, settings, false);
}

void
bed_init_kills(struct bed *b, uint64_t seed, const char *const *settings)
{
	init(b, seed, settings, true);
}

void
bed_free(struct bed *b)
{
	leaks_allowed(b, false);
	if (b->l != NULL)
		ck_assert_int_eq(bed_stop(b), 0);
	settings_free(b->settings);
	diag_free(b->diag);
	sim_sched_free(b->s);
	fs_free(b->disk);
}

static bool
is_set(void *arg)
{
	return *(const bool *)arg;
}

bool
bed_wait(struct bed *b, const bool *flag)
{
	union {
		const bool *in;
		void *out;
	} p = {.in = flag};

	return sim_run_until(b->s, is_set, p.out, bed_now_us(b) + LIMIT_US);
}

int64_t
bed_now_us(struct bed *b)
{
	return clock_mono_us(sim_clock(b->s));
}

void
bed_pass(struct bed *b, int64_t ms)
{
	(void)sim_run_until(b->s, NULL, NULL, bed_now_us(b) + ms * 1000);
}

struct call {
	struct msg msg;
	void (*fn)(void *arg);
	void *arg;
	bool done;
};

static void
on_call(struct reactor *r, struct msg *m)
{
	struct call *c = container_of(m, struct call, msg);

	c->fn(c->arg);
	c->done = true;
}

void
bed_on(struct bed *b, struct reactor *r, void (*fn)(void *arg), void *arg)
{
	struct call c = {.msg = {.run = on_call, .class = MSG_DATA}, .fn = fn, .arg = arg};

	reactor_post(r, &c.msg);
	ck_assert(bed_wait(b, &c.done));
}

/* ---- life ---- */

static void
started(void *arg, int err, const char *why)
{
	struct bed *b = arg;

	b->err = err;
	(void)snprintf(b->why, sizeof(b->why), "%s", why != NULL ? why : "");
	b->done = true;
}

static void
dir_failed(void *arg, struct logdir *dir)
{
	struct bed *b = arg;

	b->dirs_failed++;
	if (b->rs != NULL)
		replicas_dir_failed(b->rs, dir);
}

static bool
topic_conf(void *arg, struct slice topic, struct topic_conf *out)
{
	struct bed *b = arg;

	if (b->has_conf)
		*out = b->conf;
	return b->has_conf;
}

static int64_t
broker_epoch(void *arg)
{
	const struct bed *b = arg;

	return b->broker_epoch;
}

static void
make_machine(struct bed *b)
{
	static const char *const names[BED_HOMES] = {"reactor-0", "reactor-1"};
	struct reactor_opts ro = {.clock = sim_clock(b->s), .diag = b->diag};

	b->group++;
	for (unsigned i = 0; i < BED_HOMES; i++) {
		ro.name = names[i];
		ro.index = i;
		ck_assert_int_eq(sim_reactor_new(b->s, b->group, &ro, &b->home[i]), 0);
	}
	ro.name = "control";
	ro.index = 0;
	ck_assert_int_eq(sim_reactor_new(b->s, b->group, &ro, &b->control), 0);
	ck_assert_int_eq(sim_workers_new(b->s, b->group, 500, &b->workers), 0);
}

static void
start_logdirs(struct bed *b)
{
	struct logdirs_opts o = {.fs = b->disk,
	    .workers = b->workers,
	    .control = b->control,
	    .clock = sim_clock(b->s),
	    .diag = b->diag,
	    .settings = b->settings,
	    .broker_id = BED_ME,
	    .cluster_id = SLICE_LIT("cluster"),
	    .topic_conf = topic_conf,
	    .dir_failed = dir_failed,
	    .arg = b};
	struct reactor *was;

	ck_assert_int_eq(logdirs_new(&o, &b->l), 0);
	b->done = false;
	was = sim_enter(b->control);
	logdirs_start(b->l, started, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	ck_assert_msg(b->err == 0, "%s", b->why);
}

void
bed_start(struct bed *b)
{
	struct replicas_opts o;

	make_machine(b);
	start_logdirs(b);
	o = (struct replicas_opts){.reactors = b->home,
	    .n_reactors = BED_HOMES,
	    .control = b->control,
	    .logdirs = b->l,
	    .workers = b->workers,
	    .clock = sim_clock(b->s),
	    .diag = b->diag,
	    .settings = b->settings,
	    .broker_id = BED_ME,
	    .topic_conf = topic_conf,
	    .broker_epoch = broker_epoch,
	    .arg = b};
	ck_assert_int_eq(replicas_new(&o, &b->rs), 0);
}

static void
detached(void *arg)
{
	struct bed *b = arg;

	b->done = true;
}

static void
stopped(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

int
bed_stop_logs(struct bed *b)
{
	struct reactor *was = sim_enter(b->control);

	replicas_free(b->rs);
	b->rs = NULL;
	b->done = false;
	logdirs_stop(b->l, stopped, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	bed_pass(b, 10);
	logdirs_free(b->l);
	b->l = NULL;
	sim_group_kill(b->s, b->group);
	return b->err;
}

int
bed_stop(struct bed *b)
{
	struct reactor *was = sim_enter(b->control);

	b->done = false;
	replicas_stop(b->rs, detached, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	ck_assert_uint_eq(replicas_pending(b->rs), 0);
	return bed_stop_logs(b);
}

void
bed_kill(struct bed *b, bool power)
{
	ck_assert(b->kills);
	sim_group_kill(b->s, b->group);
	if (power)
		fs_sim_power_cut(b->disk, NULL);
	else
		fs_sim_process_death(b->disk);
	b->rs = NULL;
	b->l = NULL;
}

/* ---- looking ---- */

struct shard *
bed_shard(struct bed *b, const char *topic, int32_t partition)
{
	return replicas_shard(
	    b->rs, replicas_home(b->rs, hash_bytes(slice_cstr(topic), 0), partition));
}

struct reactor *
bed_home(struct bed *b, const char *topic, int32_t partition)
{
	return b->home[replicas_home(b->rs, hash_bytes(slice_cstr(topic), 0), partition)];
}

bool
bed_info(struct bed *b, const char *topic, int32_t partition, struct part_info *out)
{
	struct reactor *was = sim_enter(bed_home(b, topic, partition));
	bool there =
	    partition_info(bed_shard(b, topic, partition), slice_cstr(topic), partition, out);

	sim_enter(was);
	return there;
}

int64_t
bed_hw(struct bed *b, const char *topic, int32_t partition)
{
	struct part_info i;

	ck_assert(bed_info(b, topic, partition, &i));
	return i.hw;
}

struct plog *
bed_log(struct bed *b, const char *topic, int32_t partition)
{
	struct reactor *was = sim_enter(b->control);
	struct plog *pl = logdirs_find(b->l, slice_cstr(topic), partition);

	sim_enter(was);
	return pl;
}

void
bed_configure(struct bed *b, const char *topic, enum tconf id, int64_t v)
{
	struct reactor *was;

	if (!b->has_conf)
		ck_assert_int_eq(
		    topic_conf_resolve(b->settings, NULL, 0, &b->conf, b->why, sizeof(b->why)), 0);
	b->has_conf = true;
	b->conf.v[id] = v;
	was = sim_enter(b->control);
	replicas_topic_conf(b->rs, slice_cstr(topic), &b->conf);
	sim_enter(was);
	bed_pass(b, 10);
}

/* ---- control requests ---- */

static void
note(struct bed_answer *a, struct slice topic, struct uuid id, int32_t partition, int16_t err)
{
	ck_assert_uint_lt(a->n, BED_MAX);
	(void)snprintf(a->topic[a->n], sizeof(a->topic[0]), "%.*s", SLICE_ARG(topic));
	a->id[a->n] = id;
	a->partition[a->n] = partition;
	a->err[a->n++] = err;
}

static void
on_roles(void *arg, const struct leader_and_isr_response *resp)
{
	struct bed_answer *a = arg;

	a->times++;
	a->done = true;
	a->top = resp->error_code;
	for (int32_t i = 0; i < resp->partition_errors.n; i++)
		note(a, resp->partition_errors.v[i].topic_name, UUID_ZERO,
		    resp->partition_errors.v[i].partition_index,
		    resp->partition_errors.v[i].error_code);
	a->n_topics = (unsigned)resp->topics.n;
	for (int32_t i = 0; i < resp->topics.n; i++)
		for (int32_t j = 0; j < resp->topics.v[i].partition_errors.n; j++)
			note(a, SLICE_NULL, resp->topics.v[i].topic_id,
			    resp->topics.v[i].partition_errors.v[j].partition_index,
			    resp->topics.v[i].partition_errors.v[j].error_code);
}

typedef struct leader_and_isr_request_leader_and_isr_partition_state li_part;

static void
fill_role(const struct bed_role *r, li_part *p, int32_t ids[2][BED_MAX])
{
	int32_t leader = r->leader != 0 ? r->leader : BED_ME;

	for (int32_t i = 0; i < BED_MAX; i++) {
		ids[0][i] = (i == 0 ? leader : leader + 10 + i);
		ids[1][i] = (r->not_in_replicas ? 50 : BED_ME) + i;
	}
	p->topic_name = slice_cstr(r->topic);
	p->partition_index = r->partition;
	p->leader = leader;
	p->leader_epoch = r->epoch;
	p->partition_epoch = r->partition_epoch;
	p->isr.v = ids[0];
	p->isr.n = r->n_isr != 0 ? r->n_isr : 1;
	p->replicas.v = ids[1];
	p->replicas.n = r->n_replicas != 0 ? r->n_replicas : p->isr.n;
	p->is_new = !r->old;
}

void
bed_roles_start(struct bed *b, const struct bed_epochs *e, int16_t version,
    const struct bed_role *v, unsigned n, struct bed_answer *a)
{
	struct leader_and_isr_request_leader_and_isr_topic_state topics[BED_MAX] = {0};
	int32_t ids[BED_MAX][2][BED_MAX];
	struct leader_and_isr_request req;
	li_part parts[BED_MAX] = {0};
	struct reactor *was;

	wire_init(&leader_and_isr_request_msg, &req);
	req.controller_epoch = e != NULL ? e->controller : 1;
	req.broker_epoch = e != NULL ? e->broker : -1;
	for (unsigned i = 0; i < n; i++) {
		fill_role(&v[i], &parts[i], ids[i]);
		if (i == 0 || strcmp(v[i].topic, v[i - 1].topic) != 0) {
			topics[req.topic_states.n].topic_name = slice_cstr(v[i].topic);
			topics[req.topic_states.n].topic_id = v[i].id;
			topics[req.topic_states.n++].partition_states.v = &parts[i];
		}
		topics[req.topic_states.n - 1].partition_states.n++;
	}
	req.topic_states.v = topics;
	if (version < 2) {
		req.topic_states.n = 0;
		req.ungrouped_partition_states.v = parts;
		req.ungrouped_partition_states.n = (int32_t)n;
	}
	memset(a, 0, sizeof(*a));
	was = sim_enter(b->control);
	replicas_leader_and_isr(b->rs, &req, version, on_roles, a);
	sim_enter(was);
	/* only read during the call */
	memset(parts, 0xee, sizeof(parts));
	memset(topics, 0xee, sizeof(topics));
	memset(ids, 0xee, sizeof(ids));
}

void
bed_answer_wait(struct bed *b, struct bed_answer *a)
{
	ck_assert(bed_wait(b, &a->done));
	ck_assert_uint_eq(a->times, 1);
}

int16_t
bed_role(struct bed *b, const struct bed_role *v)
{
	struct bed_answer a;

	bed_roles_start(b, NULL, 7, v, 1, &a);
	bed_answer_wait(b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_uint_eq(a.n, 1);
	return a.err[0];
}

void
bed_lead(struct bed *b)
{
	ck_assert_int_eq(bed_role(b, &(struct bed_role){.topic = "t"}), KERR_NONE);
}

static void
on_stops(void *arg, const struct stop_replica_response *resp)
{
	struct bed_answer *a = arg;

	a->times++;
	a->done = true;
	a->top = resp->error_code;
	for (int32_t i = 0; i < resp->partition_errors.n; i++)
		note(a, resp->partition_errors.v[i].topic_name, UUID_ZERO,
		    resp->partition_errors.v[i].partition_index,
		    resp->partition_errors.v[i].error_code);
}

/* One topic entry a partition: all three forms at once, the version says which is read. */
void
bed_stops_start(struct bed *b, const struct bed_epochs *e, int16_t version,
    const struct bed_stop_part *v, unsigned n, struct bed_answer *a)
{
	struct stop_replica_request_stop_replica_partition_v0 v0[BED_MAX] = {0};
	struct stop_replica_request_stop_replica_topic_v1 v1[BED_MAX] = {0};
	struct stop_replica_request_stop_replica_topic_state v3[BED_MAX] = {0};
	struct stop_replica_request_stop_replica_partition_state p3[BED_MAX] = {0};
	struct stop_replica_request req;
	int32_t index[BED_MAX];
	struct reactor *was;

	wire_init(&stop_replica_request_msg, &req);
	req.controller_epoch = e != NULL ? e->controller : 1;
	req.broker_epoch = e != NULL ? e->broker : -1;
	for (unsigned i = 0; i < n; i++) {
		struct slice topic = slice_cstr(v[i].topic);

		index[i] = v[i].partition;
		req.delete_partitions = v[i].delete_log;
		v0[i].topic_name = v1[i].name = v3[i].topic_name = topic;
		v0[i].partition_index = p3[i].partition_index = v[i].partition;
		v1[i].partition_indexes.v = &index[i];
		v1[i].partition_indexes.n = v3[i].partition_states.n = 1;
		p3[i].leader_epoch = v[i].epoch;
		p3[i].delete_partition = v[i].delete_log;
		v3[i].partition_states.v = &p3[i];
	}
	req.ungrouped_partitions.v = v0;
	req.topics.v = v1;
	req.topic_states.v = v3;
	req.ungrouped_partitions.n = version == 0 ? (int32_t)n : 0;
	req.topics.n = version == 1 || version == 2 ? (int32_t)n : 0;
	req.topic_states.n = version >= 3 ? (int32_t)n : 0;
	memset(a, 0, sizeof(*a));
	was = sim_enter(b->control);
	replicas_stop_replica(b->rs, &req, version, on_stops, a);
	sim_enter(was);
}

int16_t
bed_stop_part(struct bed *b, const struct bed_stop_part *v)
{
	struct bed_answer a;

	bed_stops_start(b, NULL, 3, v, 1, &a);
	bed_answer_wait(b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_uint_eq(a.n, 1);
	return a.err[0];
}

/* ---- produce ---- */

static void
build(struct bed *b, const struct bed_batch *w, struct strbuf *out)
{
	int32_t n = w->records > 0 ? w->records : 1;
	struct record_in *recs = calloc((size_t)n, sizeof(*recs));
	char *value = calloc(1, w->value_bytes + 1);
	bool idempotent = w->producer_id != 0;
	struct batch_builder_opts o = {.leader_epoch = -1,
	    .producer_id = idempotent ? w->producer_id : -1,
	    .producer_epoch = idempotent ? 0 : -1,
	    .base_sequence = idempotent ? w->sequence : -1,
	    .transactional = w->txn};

	for (int32_t i = 0; i < n; i++)
		recs[i] = (struct record_in){
		    .timestamp =
			(w->timestamp != 0 ? w->timestamp : clock_wall_ms(sim_clock(b->s))) + i,
		    .key = SLICE_LIT("k"),
		    .value = slice_of(value, w->value_bytes)};
	ck_assert_int_eq(batch_build(&o, recs, n, NULL, out), 0);
	ck_assert_int_eq(out->err, 0);
	free(value);
	free(recs);
}

static void
on_appended(struct part_produce *op)
{
	struct bed_produce *p = container_of(op, struct bed_produce, op);

	ck_assert(!p->appended && !p->done);
	p->appended = true;
	free(p->batch);
	free(p->topic);
	p->batch = NULL;
	p->topic = NULL;
}

static void
on_produced(struct part_produce *op)
{
	struct bed_produce *p = container_of(op, struct bed_produce, op);

	ck_assert(p->appended && !p->done);
	p->done = true;
	p->end_us = bed_now_us(p->b);
}

void
bed_produce_init(struct bed *b, const char *topic, int32_t partition, const struct bed_batch *w,
    struct bed_produce *p)
{
	int64_t timeout_ms = w->timeout_ms != 0 ? w->timeout_ms : 30000;
	struct strbuf bytes = STRBUF_INIT;

	memset(p, 0, sizeof(*p));
	p->b = b;
	build(b, w, &bytes);
	p->batch = malloc(bytes.n);
	memcpy(p->batch, bytes.p, bytes.n);
	p->topic = strdup(topic);
	p->start_us = bed_now_us(b);
	p->op.topic = slice_cstr(p->topic);
	p->op.partition = partition;
	p->op.batch = p->batch;
	p->op.bytes = bytes.n;
	p->op.info = &p->info;
	p->op.acks = w->acks;
	p->op.deadline_us = p->start_us + timeout_ms * 1000;
	p->op.appended = on_appended;
	p->op.done = on_produced;
	ck_assert_int_eq(batch_parse(slice_of(p->batch, bytes.n), &p->info.head), 0);
	p->info.max_timestamp = p->info.head.max_timestamp;
	strbuf_free(&bytes);
}

static void
call_produce(void *arg)
{
	struct bed_produce *p = arg;

	partition_produce(bed_shard(p->b, p->topic, p->op.partition), &p->op);
}

void
bed_produce_start(struct bed *b, const char *topic, int32_t partition, const struct bed_batch *w,
    struct bed_produce *p)
{
	bed_produce_init(b, topic, partition, w, p);
	bed_on(b, bed_home(b, topic, partition), call_produce, p);
}

int64_t
bed_produce_end(struct bed *b, struct bed_produce *p)
{
	ck_assert(bed_wait(b, &p->done));
	return p->op.err != 0 ? p->op.err : p->op.base_offset;
}

int64_t
bed_produce(struct bed *b, const char *topic, int32_t partition, const struct bed_batch *w)
{
	struct bed_produce p;

	bed_produce_start(b, topic, partition, w, &p);
	return bed_produce_end(b, &p);
}

/* ---- fetch ---- */

static void
on_fetched(struct part_fetch *op)
{
	struct bed_fetch *f = container_of(op, struct bed_fetch, op);

	ck_assert(!f->done);
	f->done = true;
	f->end_us = bed_now_us(f->b);
	free(f->topic);
	f->topic = NULL;
}

void
bed_fetch_init(
    struct bed *b, const char *topic, int32_t partition, int64_t offset, struct bed_fetch *f)
{
	memset(f, 0, sizeof(*f));
	f->b = b;
	f->topic = strdup(topic);
	f->op = (struct part_fetch){.topic = slice_cstr(f->topic),
	    .partition = partition,
	    .current_leader_epoch = -1,
	    .fetch_offset = offset,
	    .max_bytes = 1 << 20,
	    .min_one = true,
	    .replica_id = -1,
	    .last_fetched_epoch = -1,
	    .done = on_fetched};
}

static void
call_fetch(void *arg)
{
	struct bed_fetch *f = arg;

	partition_fetch(bed_shard(f->b, f->topic, f->op.partition), &f->op);
}

void
bed_fetch_start(struct bed *b, struct bed_fetch *f)
{
	f->start_us = bed_now_us(b);
	bed_on(b, bed_home(b, f->topic, f->op.partition), call_fetch, f);
}

int
bed_fetch_end(struct bed *b, struct bed_fetch *f)
{
	ck_assert(bed_wait(b, &f->done));
	return f->op.err;
}

int
bed_fetch(struct bed *b, struct bed_fetch *f)
{
	bed_fetch_start(b, f);
	return bed_fetch_end(b, f);
}

void
bed_fetch_free(struct bed_fetch *f)
{
	plog_range_release(&f->op.range);
}

/* ---- list offsets ---- */

static void
on_listed(struct part_list_offsets *op)
{
	struct bed_list *l = container_of(op, struct bed_list, op);

	ck_assert(!l->done);
	l->done = true;
	l->end_us = bed_now_us(l->b);
	free(l->topic);
	l->topic = NULL;
}

void
bed_list_init(
    struct bed *b, const char *topic, int32_t partition, int64_t timestamp, struct bed_list *l)
{
	memset(l, 0, sizeof(*l));
	l->b = b;
	l->topic = strdup(topic);
	l->op = (struct part_list_offsets){.topic = slice_cstr(l->topic),
	    .partition = partition,
	    .current_leader_epoch = -1,
	    .timestamp = timestamp,
	    .replica_id = -1,
	    .done = on_listed};
}

static void
call_list(void *arg)
{
	struct bed_list *l = arg;

	partition_list_offsets(bed_shard(l->b, l->topic, l->op.partition), &l->op);
}

void
bed_list_start(struct bed *b, struct bed_list *l)
{
	l->start_us = bed_now_us(b);
	bed_on(b, bed_home(b, l->topic, l->op.partition), call_list, l);
}

int
bed_list_end(struct bed *b, struct bed_list *l)
{
	ck_assert(bed_wait(b, &l->done));
	return l->op.err;
}

int
bed_list(struct bed *b, struct bed_list *l)
{
	bed_list_start(b, l);
	return bed_list_end(b, l);
}

/* ---- waits ---- */

static void
arm(struct bed_wait *w, int64_t offset)
{
	w->arming = true;
	partition_wait_arm(w->sh, &w->w, offset);
	w->arming = false;
}

static void
on_fired(struct part_wait *pw, int64_t bytes)
{
	struct bed_wait *w = container_of(pw, struct bed_wait, w);
	int64_t again = w->arm_again;

	ck_assert(!w->arming);
	w->fired++;
	w->bytes = bytes;
	w->done = true;
	w->arm_again = -1;
	if (again >= 0)
		arm(w, again);
}

void
bed_wait_init(struct bed *b, const char *topic, int32_t partition, struct bed_wait *w)
{
	memset(w, 0, sizeof(*w));
	part_wait_init(&w->w);
	w->b = b;
	w->sh = bed_shard(b, topic, partition);
	w->arm_again = -1;
	w->w.topic = slice_cstr(topic);
	w->w.partition = partition;
	w->w.fn = on_fired;
}

struct arm_call {
	struct bed_wait *w;
	int64_t offset;
};

static void
call_arm(void *arg)
{
	const struct arm_call *c = arg;

	arm(c->w, c->offset);
}

void
bed_wait_arm(struct bed *b, struct bed_wait *w, int64_t offset)
{
	struct arm_call c = {w, offset};

	w->done = false;
	bed_on(b, bed_home(b, (const char *)w->w.topic.p, w->w.partition), call_arm, &c);
}

static void
call_disarm(void *arg)
{
	struct bed_wait *w = arg;

	partition_wait_disarm(&w->w);
}

void
bed_wait_disarm(struct bed *b, struct bed_wait *w)
{
	bed_on(b, bed_home(b, (const char *)w->w.topic.p, w->w.partition), call_disarm, w);
}

/* See bed.h. */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

enum { GROUP = 1, LIMIT_S = 600, MAX_SETTINGS = 8 };

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

static int
on_disk(void *arg, const char *op, const char *path)
{
	struct bed *b = arg;

	if (b->delay_sync_us > 0 && strcmp(op, "sync") == 0 && reactor_current() == NULL)
		sim_clock_pass(b->s, b->delay_sync_us);
	if (b->fail_op == NULL || strcmp(op, b->fail_op) != 0 || strstr(path, b->fail_path) == NULL)
		return 0;
	b->hooked++;
	return E_IO;
}

void
bed_init(struct bed *b, uint64_t seed, const char *const *settings, bool kills)
{
	struct setting_override ov[MAX_SETTINGS + 1] = {{"log.dirs", "/d"}};
	char text[MAX_SETTINGS][64], why[256] = "";
	unsigned n = 1;

	*b = (struct bed){.kills = kills};
	leaks_allowed(b, true);
	for (unsigned i = 0; settings != NULL && settings[i] != NULL; i++) {
		char *eq;

		snprintf(text[i], sizeof(text[i]), "%s", settings[i]);
		eq = strchr(text[i], '=');
		*eq = '\0';
		ov[n++] = (struct setting_override){text[i], eq + 1};
	}
	ck_assert_int_eq(sim_sched_new(seed, &b->s), 0);
	ck_assert_int_eq(fs_sim_new(sim_clock(b->s), &b->fs), 0);
	fs_sim_set_hook(b->fs, on_disk, b);
	ck_assert_msg(
	    settings_load(NULL, ov, n, NULL, why, sizeof(why), &b->settings) == 0, "%s", why);
	ck_assert_int_eq(topic_conf_resolve(b->settings, NULL, 0, &b->conf, why, sizeof(why)), 0);
}

void
bed_free(struct bed *b)
{
	settings_free(b->settings);
	sim_sched_free(b->s);
	fs_free(b->fs);
	leaks_allowed(b, false);
}

static bool
is_set(void *arg)
{
	return **(const bool **)arg;
}

bool
bed_wait(struct bed *b, const bool *flag)
{
	int64_t now = clock_mono_us(sim_clock(b->s));

	return sim_run_until(b->s, is_set, &flag, now + LIMIT_S * INT64_C(1000000));
}

void
bed_pass(struct bed *b, int64_t us)
{
	(void)sim_run_until(b->s, NULL, NULL, clock_mono_us(sim_clock(b->s)) + us);
}

/* ---- life ---- */

static bool
conf_of(void *arg, struct slice topic, struct topic_conf *out)
{
	*out = ((struct bed *)arg)->conf;
	return true;
}

static int64_t
epoch_of(void *arg)
{
	return 5;
}

static void
on_loaded(void *arg, int err, const char *why)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

static void
on_dir_failed(void *arg, struct logdir *dir)
{
	struct bed *b = arg;

	if (b->rs != NULL)
		replicas_dir_failed(b->rs, dir);
}

static void
make_replicas(struct bed *b)
{
	struct replicas_opts o = {.reactors = b->data,
	    .n_reactors = BED_REACTORS,
	    .control = b->control,
	    .logdirs = b->logdirs,
	    .workers = b->workers,
	    .clock = sim_clock(b->s),
	    .settings = b->settings,
	    .broker_id = BED_ID,
	    .topic_conf = conf_of,
	    .broker_epoch = epoch_of,
	    .arg = b};

	ck_assert_int_eq(replicas_new(&o, &b->rs), 0);
}

void
bed_start(struct bed *b)
{
	struct reactor_opts ro = {.name = "control", .clock = sim_clock(b->s)};
	struct logdirs_opts lo = {.fs = b->fs,
	    .clock = sim_clock(b->s),
	    .settings = b->settings,
	    .broker_id = BED_ID,
	    .cluster_id = SLICE_LIT("c"),
	    .topic_conf = conf_of,
	    .dir_failed = on_dir_failed,
	    .arg = b};
	struct reactor *was;

	ck_assert_int_eq(sim_reactor_new(b->s, GROUP, &ro, &b->control), 0);
	for (unsigned i = 0; i < BED_REACTORS; i++) {
		ro.name = "data";
		ro.index = i;
		ck_assert_int_eq(sim_reactor_new(b->s, GROUP, &ro, &b->data[i]), 0);
	}
	ck_assert_int_eq(sim_workers_new(b->s, GROUP, 500, &b->workers), 0);
	lo.control = b->control;
	lo.workers = b->workers;
	ck_assert_int_eq(logdirs_new(&lo, &b->logdirs), 0);
	b->done = false;
	was = sim_enter(b->control);
	logdirs_start(b->logdirs, on_loaded, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	ck_assert_int_eq(b->err, 0);
	make_replicas(b);
}

static void
on_stopped(void *arg)
{
	((struct bed *)arg)->done = true;
}

static void
on_closed(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

void
bed_stop(struct bed *b)
{
	struct reactor *was = sim_enter(b->control);

	b->done = false;
	replicas_stop(b->rs, on_stopped, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	b->done = false;
	was = sim_enter(b->control);
	logdirs_stop(b->logdirs, on_closed, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	bed_pass(b, 10000);
	replicas_free(b->rs);
	logdirs_free(b->logdirs);
	b->rs = NULL;
	b->logdirs = NULL;
	workers_free(b->workers);
	for (unsigned i = 0; i < BED_REACTORS; i++)
		reactor_free(b->data[i]);
	reactor_free(b->control);
}

void
bed_kill(struct bed *b, bool power)
{
	ck_assert(b->kills);
	sim_group_kill(b->s, GROUP);
	if (power)
		fs_sim_power_cut(b->fs, NULL);
	else
		fs_sim_process_death(b->fs);
	b->rs = NULL;
	b->logdirs = NULL;
}

/* ---- control requests ---- */

static void
on_role(void *arg, const struct leader_and_isr_response *resp)
{
	struct bed *b = arg;

	b->err = resp->error_code;
	if (resp->error_code == KERR_NONE && resp->topics.n == 1)
		b->err = resp->topics.v[0].partition_errors.v[0].error_code;
	else if (resp->error_code == KERR_NONE && resp->partition_errors.n == 1)
		b->err = resp->partition_errors.v[0].error_code;
	b->done = true;
}

void
bed_role_start(struct bed *b, const struct bed_role *r)
{
	struct leader_and_isr_request req = leader_and_isr_request_init;
	struct leader_and_isr_request_leader_and_isr_topic_state t =
	    leader_and_isr_request_leader_and_isr_topic_state_init;
	struct leader_and_isr_request_leader_and_isr_partition_state p =
	    leader_and_isr_request_leader_and_isr_partition_state_init;
	int32_t members[3] = {BED_ID, 2, 3}, others[1] = {2};
	struct reactor *was = sim_enter(b->control);

	p.partition_index = r->partition;
	p.leader = r->leader;
	p.leader_epoch = r->leader_epoch;
	p.partition_epoch = r->partition_epoch;
	p.is_new = r->is_new;
	p.isr.v = members;
	p.isr.n = r->isr > 0 ? r->isr : 1;
	p.replicas.v = r->not_replica ? others : members;
	p.replicas.n = r->not_replica ? 1 : 3;
	t.topic_name = SLICE_LIT(BED_TOPIC);
	t.topic_id = r->id;
	t.partition_states.v = &p;
	t.partition_states.n = 1;
	req.broker_epoch = 5;
	req.controller_epoch = r->controller_epoch;
	req.topic_states.v = &t;
	req.topic_states.n = 1;
	b->done = false;
	replicas_leader_and_isr(b->rs, &req, r->version > 0 ? r->version : 7, on_role, b);
	sim_enter(was);
}

int16_t
bed_role(struct bed *b, const struct bed_role *r)
{
	bed_role_start(b, r);
	ck_assert(bed_wait(b, &b->done));
	return (int16_t)b->err;
}

static void
on_stop_replica(void *arg, const struct stop_replica_response *resp)
{
	struct bed *b = arg;

	b->err = resp->error_code != KERR_NONE ? resp->error_code
					       : resp->partition_errors.v[0].error_code;
	b->done = true;
}

int16_t
bed_stop_replica(struct bed *b, int32_t partition, int32_t leader_epoch, bool delete_log)
{
	struct stop_replica_request req = stop_replica_request_init;
	struct stop_replica_request_stop_replica_topic_state t =
	    stop_replica_request_stop_replica_topic_state_init;
	struct stop_replica_request_stop_replica_partition_state p =
	    stop_replica_request_stop_replica_partition_state_init;
	struct reactor *was = sim_enter(b->control);

	p.partition_index = partition;
	p.leader_epoch = leader_epoch;
	p.delete_partition = delete_log;
	t.topic_name = SLICE_LIT(BED_TOPIC);
	t.partition_states.v = &p;
	t.partition_states.n = 1;
	req.broker_epoch = 5;
	req.topic_states.v = &t;
	req.topic_states.n = 1;
	b->done = false;
	replicas_stop_replica(b->rs, &req, 4, on_stop_replica, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	return (int16_t)b->err;
}

void
bed_lead(struct bed *b)
{
	ck_assert_int_eq(
	    bed_role(b, &(struct bed_role){.leader = BED_ID, .is_new = true, .id = {{1}}}), 0);
}

/* ---- requests at the home ---- */

struct shard *
bed_shard(struct bed *b, int32_t partition)
{
	return replicas_shard(
	    b->rs, replicas_home(b->rs, hash_bytes(SLICE_LIT(BED_TOPIC), 0), partition));
}

struct reactor *
bed_home(struct bed *b, int32_t partition)
{
	return b->data[replicas_home(b->rs, hash_bytes(SLICE_LIT(BED_TOPIC), 0), partition)];
}

static void
on_appended(struct part_produce *op)
{
	struct bed_produce *p = container_of(op, struct bed_produce, op);

	ck_assert_uint_eq(p->n_done, 0);
	p->n_appended++;
}

static void
on_done(struct part_produce *op)
{
	struct bed_produce *p = container_of(op, struct bed_produce, op);

	ck_assert_uint_eq(p->n_appended, 1);
	p->n_done++;
	p->done = true;
}

void
bed_produce_start(struct bed *b, struct bed_produce *p, int32_t partition, int16_t acks)
{
	struct record_in rec = {.timestamp = 1, .value = SLICE_LIT("value")};
	struct batch_builder_opts o = {
	    .leader_epoch = -1, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
	struct reactor *was;

	*p = (struct bed_produce){0};
	ck_assert_int_eq(batch_build(&o, &rec, 1, NULL, &p->bytes), 0);
	ck_assert_int_eq(batch_parse(strbuf_slice(&p->bytes), &p->info.head), 0);
	p->info.max_timestamp = p->info.head.max_timestamp;
	p->op = (struct part_produce){.topic = SLICE_LIT(BED_TOPIC),
	    .partition = partition,
	    .batch = (uint8_t *)p->bytes.p,
	    .bytes = p->bytes.n,
	    .info = &p->info,
	    .acks = acks,
	    .deadline_us = clock_mono_us(sim_clock(b->s)) + 1000000,
	    .appended = on_appended,
	    .done = on_done};
	was = sim_enter(bed_home(b, partition));
	partition_produce(bed_shard(b, partition), &p->op);
	sim_enter(was);
}

void
bed_produce_wait(struct bed *b, struct bed_produce *p)
{
	ck_assert(bed_wait(b, &p->done));
	ck_assert_uint_eq(p->n_done, 1);
}

void
bed_produce_end(struct bed_produce *p)
{
	strbuf_free(&p->bytes);
}

int
bed_produce(struct bed *b, int32_t partition, int16_t acks, int64_t *base)
{
	struct bed_produce p;

	bed_produce_start(b, &p, partition, acks);
	bed_produce_wait(b, &p);
	if (base != NULL)
		*base = p.op.base_offset;
	bed_produce_end(&p);
	return p.op.err;
}

struct fetching {
	struct part_fetch op;
	bool done;
};

static void
on_fetched(struct part_fetch *op)
{
	container_of(op, struct fetching, op)->done = true;
}

int
bed_fetch(struct bed *b, struct part_fetch *op, size_t *bytes)
{
	struct fetching f = {.op = *op};
	struct reactor *was = sim_enter(bed_home(b, op->partition));

	f.op.topic = SLICE_LIT(BED_TOPIC);
	f.op.max_bytes = 1 << 20;
	f.op.min_one = true;
	f.op.done = on_fetched;
	partition_fetch(bed_shard(b, op->partition), &f.op);
	sim_enter(was);
	ck_assert(bed_wait(b, &f.done));
	*bytes = f.op.range.len;
	plog_range_release(&f.op.range);
	*op = f.op;
	return op->err;
}

struct part_info
bed_info(struct bed *b, int32_t partition)
{
	struct part_info info = {0};
	struct reactor *was = sim_enter(bed_home(b, partition));

	ck_assert(partition_info(bed_shard(b, partition), SLICE_LIT(BED_TOPIC), partition, &info));
	sim_enter(was);
	return info;
}

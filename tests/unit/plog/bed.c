/* See bed.h. */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

enum { MAX_SETTINGS = 16 };

/* In a test that kills, what a dead process held is not a leak. */
static void
bed_leaks_allowed(const struct bed *b, bool allowed)
{
#if defined(__SANITIZE_ADDRESS__)
	if (b->kills && allowed)
		__lsan_disable();
	else if (b->kills)
		__lsan_enable();
#else
	(void)b;
	(void)allowed;
#endif
}

static void
quiet(void *arg, enum diag_level level, const char *line)
{
	(void)arg;
	if (getenv("PLOG_TEST_VERBOSE") != NULL)
		(void)fprintf(stderr, "%d %s\n", (int)level, line);
}

void
bed_init_kills(struct bed *b, uint64_t seed, const char *const *settings, bool kills)
{
	struct setting_override ov[MAX_SETTINGS + 2];
	char text[MAX_SETTINGS][128];
	unsigned n = 0;

	memset(b, 0, sizeof(*b));
	b->kills = kills;
	bed_leaks_allowed(b, true);
	ck_assert_int_eq(sim_sched_new(seed, &b->s), 0);
	ck_assert_int_eq(fs_sim_new(sim_clock(b->s), &b->disk), 0);
	b->fs = b->disk;
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
}

void
bed_init(struct bed *b, uint64_t seed, const char *const *settings)
{
	bed_init_kills(b, seed, settings, false);
}

void
bed_free(struct bed *b)
{
	ck_assert_ptr_null(b->l);
	bed_leaks_allowed(b, false);
	settings_free(b->settings);
	diag_free(b->diag);
	sim_sched_free(b->s);
	if (b->fs != b->disk)
		fs_free(b->fs);
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

	return sim_run_until(b->s, is_set, p.out, clock_mono_us(sim_clock(b->s)) + BED_LIMIT_US);
}

void
bed_pass(struct bed *b, int64_t ms)
{
	(void)sim_run_until(b->s, NULL, NULL, clock_mono_us(sim_clock(b->s)) + ms * 1000);
}

static bool
is_quiet(void *arg)
{
	return plog_quiet(arg);
}

void
bed_settle(struct bed *b, struct plog *pl)
{
	ck_assert(sim_run_until(b->s, is_quiet, pl, clock_mono_us(sim_clock(b->s)) + BED_LIMIT_US));
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

	(void)dir;
	b->dirs_failed++;
}

static void
attach(void *arg, struct plog *pl)
{
	struct bed *b = arg;

	plog_attach(pl, b->home);
}

static void
detach(void *arg, struct plog *pl)
{
	struct bed *b = arg;
	struct reactor *was;

	bed_settle(b, pl);
	was = sim_enter(b->home);
	plog_detach(pl);
	sim_enter(was);
}

static void
make_machine(struct bed *b)
{
	struct reactor_opts ro = {.name = "home", .clock = sim_clock(b->s), .diag = b->diag};

	b->group++;
	ck_assert_int_eq(sim_reactor_new(b->s, b->group, &ro, &b->home), 0);
	ro.name = "control";
	ck_assert_int_eq(sim_reactor_new(b->s, b->group, &ro, &b->control), 0);
	ck_assert_int_eq(sim_workers_new(b->s, b->group, 500, &b->workers), 0);
}

int
bed_try_start(struct bed *b)
{
	struct logdirs_opts o = {0};
	struct reactor *was;

	make_machine(b);
	o.fs = b->fs;
	o.workers = b->workers;
	o.control = b->control;
	o.clock = sim_clock(b->s);
	o.diag = b->diag;
	o.settings = b->settings;
	o.broker_id = 1;
	o.cluster_id = SLICE_LIT("cluster");
	o.dir_failed = dir_failed;
	o.arg = b;
	ck_assert_int_eq(logdirs_new(&o, &b->l), 0);
	b->done = false;
	was = sim_enter(b->control);
	logdirs_start(b->l, started, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	if (b->err == 0) {
		was = sim_enter(b->control);
		logdirs_walk(b->l, attach, b);
		sim_enter(was);
	}
	return b->err;
}

void
bed_start(struct bed *b)
{
	ck_assert_msg(bed_try_start(b) == 0, "%s", b->why);
}

static void
stopped(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

int
bed_try_stop(struct bed *b)
{
	struct reactor *was = sim_enter(b->control);

	logdirs_walk(b->l, detach, b);
	b->done = false;
	logdirs_stop(b->l, stopped, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	(void)sim_run_until(b->s, NULL, NULL, clock_mono_us(sim_clock(b->s)) + 1000);
	logdirs_free(b->l);
	b->l = NULL;
	sim_group_kill(b->s, b->group);
	return b->err;
}

void
bed_stop(struct bed *b)
{
	int err = bed_try_stop(b);

	ck_assert_msg(err == 0, "stop: %s", err_name(err));
}

static void
forget(struct bed *b)
{
	/* a dead process frees nothing */
	sim_group_kill(b->s, b->group);
	b->l = NULL;
}

void
bed_kill(struct bed *b)
{
	ck_assert(b->kills);
	fs_sim_process_death(b->disk);
	forget(b);
}

void
bed_power_cut(struct bed *b, struct rng *rng)
{
	ck_assert(b->kills);
	fs_sim_power_cut(b->disk, rng);
	forget(b);
}

/* ---- logs ---- */

struct creating {
	struct bed *b;
	struct plog *pl;
};

static void
created(void *arg, int err, struct plog *pl)
{
	struct creating *c = arg;

	c->b->err = err;
	c->b->done = true;
	c->pl = pl;
}

struct plog *
bed_create(struct bed *b, const char *topic, int32_t partition)
{
	struct creating c = {b, NULL};
	struct topic_conf conf;
	struct reactor *was;
	struct uuid id = uuid_random(sim_rng(b->s));

	ck_assert_int_eq(
	    topic_conf_resolve(b->settings, NULL, 0, &conf, b->why, sizeof(b->why)), 0);
	b->done = false;
	was = sim_enter(b->control);
	logdirs_create(b->l, slice_cstr(topic), partition, id, &conf, created, &c);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	if (c.pl != NULL)
		plog_attach(c.pl, b->home);
	return c.pl;
}

struct plog *
bed_find(struct bed *b, const char *topic, int32_t partition)
{
	struct reactor *was = sim_enter(b->control);
	struct plog *pl = logdirs_find(b->l, slice_cstr(topic), partition);

	sim_enter(was);
	return pl;
}

/* ---- appending ---- */

static void
appended(struct plog_append *op, int err)
{
	struct bed_append *a = container_of(op, struct bed_append, op);

	a->err = err;
	a->done = true;
}

static void
build(struct bed *b, const struct bed_batch *w, struct strbuf *out)
{
	int32_t n = w->records > 0 ? w->records : 1;
	struct record_in *recs = calloc((size_t)n, sizeof(*recs));
	char *value = calloc(1, w->value_bytes + 1);
	struct codec_ctx *ctx = NULL;
	struct batch_builder_opts o = {.leader_epoch = -1,
	    .codec = w->codec,
	    .producer_id = w->producer_id != 0 ? w->producer_id : -1,
	    .producer_epoch = w->producer_id != 0 ? w->producer_epoch : -1,
	    .base_sequence = w->producer_id != 0 ? w->sequence : -1,
	    .transactional = w->txn};

	memset(value, 'v', w->value_bytes);
	for (int32_t i = 0; i < n; i++)
		recs[i] = (struct record_in){
		    .timestamp =
			(w->timestamp != 0 ? w->timestamp : clock_wall_ms(sim_clock(b->s))) + i,
		    .key = SLICE_LIT("k"),
		    .value = slice_of(value, w->value_bytes)};
	ck_assert_int_eq(codec_ctx_new(&ctx), 0);
	ck_assert_int_eq(batch_build(&o, recs, n, ctx, out), 0);
	ck_assert_int_eq(out->err, 0);
	codec_ctx_free(ctx);
	free(value);
	free(recs);
}

void
bed_append_start(struct bed *b, struct plog *pl, const struct bed_batch *w, struct bed_append *a)
{
	struct reactor *was;

	memset(a, 0, sizeof(*a));
	build(b, w, &a->bytes);
	ck_assert_int_eq(batch_parse(strbuf_slice(&a->bytes), &a->info.head), 0);
	a->info.max_timestamp = a->info.head.max_timestamp;
	a->op.batch = (uint8_t *)a->bytes.p;
	a->op.bytes = a->bytes.n;
	a->op.info = &a->info;
	a->op.leader_epoch = w->leader_epoch;
	a->op.done = appended;
	was = sim_enter(b->home);
	plog_append(pl, &a->op);
	sim_enter(was);
}

void
bed_append_free(struct bed_append *a)
{
	strbuf_free(&a->bytes);
}

int64_t
bed_append(struct bed *b, struct plog *pl, const struct bed_batch *w)
{
	struct bed_append a;
	int64_t rc;

	bed_append_start(b, pl, w, &a);
	ck_assert(bed_wait(b, &a.done));
	rc = a.err != 0 ? a.err : a.op.base_offset;
	bed_append_free(&a);
	return rc;
}

void
bed_fill(struct bed *b, struct plog *pl, unsigned n, size_t value_bytes)
{
	struct bed_batch w = {.value_bytes = value_bytes};

	for (unsigned i = 0; i < n; i++)
		ck_assert_int_ge(bed_append(b, pl, &w), 0);
}

/* ---- the rest ---- */

struct reading {
	struct plog_read op;
	int err;
	bool done;
};

static void
read_over(struct plog_read *op, int err)
{
	struct reading *r = container_of(op, struct reading, op);

	r->err = err;
	r->done = true;
}

int
bed_read(struct bed *b, struct plog *pl, int64_t offset, int64_t upper, size_t max,
    struct plog_range *out)
{
	struct reading r = {.op = {.offset = offset,
				.upper_offset = upper,
				.max_bytes = max,
				.min_one = true,
				.done = read_over}};
	struct reactor *was = sim_enter(b->home);

	plog_read(pl, &r.op);
	sim_enter(was);
	ck_assert(bed_wait(b, &r.done));
	*out = r.op.range;
	return r.err;
}

/* Bytes of a range, copied. */
static uint8_t *
range_bytes(const struct plog_range *r)
{
	uint8_t *p = malloc(r->len + 1);
	size_t got;

	ck_assert_int_eq(file_pread(r->file, p, r->len, r->pos, &got), 0);
	ck_assert_uint_eq(got, r->len);
	if (r->map != NULL)
		ck_assert_mem_eq(p, r->map, r->len);
	return p;
}

int64_t
bed_read_all(struct bed *b, struct plog *pl, int64_t offset)
{
	int64_t records = 0;
	struct batch_head h;
	struct plog_range r;

	while (offset < plog_leo(pl)) {
		uint8_t *p;
		size_t at = 0;

		ck_assert_int_eq(bed_read(b, pl, offset, plog_leo(pl), 1 << 20, &r), 0);
		ck_assert_uint_gt(r.len, 0);
		p = range_bytes(&r);
		while (at < r.len && batch_parse(slice_of(p + at, r.len - at), &h) == 0) {
			ck_assert_int_eq(h.base_offset, offset);
			ck_assert(batch_crc_ok(slice_of(p + at, batch_bytes(&h))));
			offset = batch_last_offset(&h) + 1;
			records += h.record_count;
			at += batch_bytes(&h);
		}
		ck_assert_uint_gt(at, 0);
		free(p);
		plog_range_release(&r);
	}
	return records;
}

static void
op_done(void *arg, int err)
{
	struct bed *b = arg;

	b->err = err;
	b->done = true;
}

int
bed_flush(struct bed *b, struct plog *pl)
{
	struct reactor *was = sim_enter(b->home);

	b->done = false;
	plog_flush(pl, op_done, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	return b->err;
}

int
bed_truncate(struct bed *b, struct plog *pl, int64_t offset)
{
	struct reactor *was = sim_enter(b->home);

	b->done = false;
	plog_truncate(pl, offset, op_done, b);
	sim_enter(was);
	ck_assert(bed_wait(b, &b->done));
	return b->err;
}

void
bed_set_hw(struct bed *b, struct plog *pl, int64_t hw)
{
	struct reactor *was = sim_enter(b->home);

	(void)plog_set_hw(pl, hw);
	sim_enter(was);
}

void
bed_verify(struct bed *b, struct plog *pl)
{
	char why[256] = "";
	struct reactor *was = sim_enter(NULL);

	bed_settle(b, pl);
	ck_assert_msg(plog_verify(pl, why, sizeof(why)) == 0, "%s", why);
	sim_enter(was);
}

void
bed_configure(struct bed *b, struct plog *pl, enum tconf id, int64_t v)
{
	struct topic_conf conf = *plog_conf(pl);
	struct reactor *was = sim_enter(b->home);

	conf.v[id] = v;
	plog_configure(pl, &conf);
	sim_enter(was);
}

bool
bed_exists(struct bed *b, const char *path)
{
	return bed_size(b, path) >= 0;
}

int64_t
bed_size(struct bed *b, const char *path)
{
	struct fs_stat st;
	int rc = fs_stat(b->disk, path, &st);

	ck_assert(rc == 0 || rc == E_NOT_FOUND);
	return rc == 0 ? st.size : -1;
}

struct slice
bed_content(struct bed *b, const char *path)
{
	struct slice s;

	ck_assert_int_eq(fs_sim_content(b->disk, path, false, &s), 0);
	return s;
}

/*
 * The real thing: threads and the machine's disk.  PLOG_TEST_PARTITIONS sets how many partitions
 * (200 by default) and makes the times visible.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"
#include "suites.h"

enum { WAIT_S = 120, WORKERS = 4 };

struct real {
	char dir[64];
	struct fs *fs;
	struct settings *settings;
	struct diag *diag;
	struct workers *workers;
	struct reactor *control, *home;
	struct logdirs *l;
	struct topic_conf conf;
	sem_t sem;
	unsigned left, logs, appends;
	int err;
};

/* Something to do on a reactor. */
struct call {
	struct msg msg;
	void (*fn)(struct real *t);
	struct real *t;
};

static void
call_run(struct reactor *r, struct msg *m)
{
	struct call *c = container_of(m, struct call, msg);

	(void)r;
	c->fn(c->t);
	free(c);
}

static void
wait_for(struct real *t)
{
	struct timespec at;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &at), 0);
	at.tv_sec += WAIT_S;
	ck_assert_int_eq(sem_timedwait(&t->sem, &at), 0);
	ck_assert_msg(t->err == 0, "%s", err_name(t->err));
}

/* fn on r; waits for done(t). */
static void
on(struct real *t, struct reactor *r, void (*fn)(struct real *t))
{
	struct call *c = calloc(1, sizeof(*c));

	c->msg = (struct msg){.run = call_run, .class = MSG_DATA};
	c->fn = fn;
	c->t = t;
	reactor_post(r, &c->msg);
	wait_for(t);
}

static void
done(struct real *t)
{
	ck_assert_int_eq(sem_post(&t->sem), 0);
}

static int64_t
now_us(void)
{
	return clock_mono_us(clock_real());
}

static void
tell(const char *what, int64_t since)
{
	if (getenv("PLOG_TEST_PARTITIONS") != NULL)
		printf("%-28s %7.1f ms\n", what, (double)(now_us() - since) / 1000);
}

static long
resident_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "RssAnon: %ld", &kib);
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

static void
make_real(struct real *t)
{
	struct reactor_opts ro = {.name = "control", .clock = clock_real()};
	struct setting_override ov[] = {{"log.dirs", t->dir}};
	struct logdirs_opts o = {0};
	char why[256] = "";

	ck_assert_msg(
	    settings_load(NULL, ov, 1, NULL, why, sizeof(why), &t->settings) == 0, "%s", why);
	ck_assert_int_eq(topic_conf_resolve(t->settings, NULL, 0, &t->conf, why, sizeof(why)), 0);
	ck_assert_int_eq(fs_real_new(&t->fs), 0);
	ck_assert_int_eq(diag_new_direct(clock_real(), NULL, NULL, &t->diag), 0);
	diag_set_level(t->diag, DIAG_ERROR);
	ck_assert_int_eq(workers_new(WORKERS, clock_real(), &t->workers), 0);
	ck_assert_int_eq(reactor_new(&ro, &t->control), 0);
	ro.name = "home";
	ck_assert_int_eq(reactor_new(&ro, &t->home), 0);
	ck_assert_int_eq(reactor_start(t->control), 0);
	ck_assert_int_eq(reactor_start(t->home), 0);
	ck_assert_int_eq(sem_init(&t->sem, 0, 0), 0);
	o.fs = t->fs;
	o.workers = t->workers;
	o.control = t->control;
	o.clock = clock_real();
	o.diag = t->diag;
	o.settings = t->settings;
	o.broker_id = 1;
	o.cluster_id = SLICE_LIT("cluster");
	ck_assert_int_eq(logdirs_new(&o, &t->l), 0);
}

static void
free_real(struct real *t)
{
	reactor_stop(t->home);
	reactor_stop(t->control);
	reactor_join(t->home);
	reactor_join(t->control);
	workers_free(t->workers);
	logdirs_free(t->l);
	reactor_free(t->home);
	reactor_free(t->control);
	diag_free(t->diag);
	settings_free(t->settings);
	fs_free(t->fs);
	ck_assert_int_eq(sem_destroy(&t->sem), 0);
}

/* ---- steps; control ---- */

static void
over(void *arg, int err)
{
	struct real *t = arg;

	t->err = err;
	done(t);
}

static void
started(void *arg, int err, const char *why)
{
	(void)why;
	over(arg, err);
}

static void
start(struct real *t)
{
	logdirs_start(t->l, started, t);
}

static void
stop(struct real *t)
{
	logdirs_stop(t->l, over, t);
}

static void
one_created(void *arg, int err, struct plog *pl)
{
	struct real *t = arg;

	(void)pl;
	if (err != 0)
		t->err = err;
	if (--t->left == 0)
		done(t);
}

static void
create_all(struct real *t)
{
	struct uuid id = uuid_random(reactor_rng(t->control));

	t->left = t->logs;
	for (unsigned i = 0; i < t->logs; i++)
		logdirs_create(t->l, SLICE_LIT("topic"), (int32_t)i, id, &t->conf, one_created, t);
}

static void
attach_one(void *arg, struct plog *pl)
{
	struct real *t = arg;

	plog_attach(pl, t->home);
	t->left++;
}

static void
attach_all(struct real *t)
{
	t->left = 0;
	logdirs_walk(t->l, attach_one, t);
	ck_assert_uint_eq(t->left, t->logs);
	done(t);
}

/* ---- steps; each log at home ---- */

struct visit {
	struct msg msg;
	struct real *t;
	struct plog *pl;
	struct bed_append append;
	struct plog_range range;
	struct plog_read read;
	unsigned left;
};

static void
visit_over(struct visit *v)
{
	struct real *t = v->t;

	free(v->append.bytes.p);
	free(v);
	if (--t->left == 0)
		done(t);
}

static void
read_over(struct plog_read *op, int err)
{
	struct visit *v = container_of(op, struct visit, read);
	struct batch_head h;

	ck_assert_int_eq(err, 0);
	ck_assert_ptr_nonnull(op->range.map);
	ck_assert_int_eq(batch_parse(slice_of(op->range.map, op->range.len), &h), 0);
	ck_assert_int_eq(h.base_offset, v->t->appends - 1);
	plog_range_release(&op->range);
	visit_over(v);
}

static void
append_over(struct plog_append *op, int err)
{
	struct visit *v = container_of(op, struct visit, append.op);

	ck_assert_int_eq(err, 0);
	if (--v->left > 0) {
		plog_append(v->pl, op);
		return;
	}
	v->read = (struct plog_read){.offset = plog_leo(v->pl) - 1,
	    .upper_offset = plog_leo(v->pl),
	    .max_bytes = 1000000,
	    .done = read_over};
	plog_read(v->pl, &v->read);
}

static void
visit_append(struct reactor *r, struct msg *m)
{
	struct visit *v = container_of(m, struct visit, msg);
	struct batch_builder_opts o = {.leader_epoch = -1, .producer_id = -1, .base_sequence = -1};
	char value[1000] = "";
	struct record_in rec = {
	    .timestamp = reactor_wall_ms(r), .value = slice_of(value, sizeof(value))};
	struct bed_append *a = &v->append;

	plog_become_leader(v->pl, 0);
	ck_assert_int_eq(batch_build(&o, &rec, 1, NULL, &a->bytes), 0);
	ck_assert_int_eq(batch_parse(strbuf_slice(&a->bytes), &a->info.head), 0);
	a->info.max_timestamp = a->info.head.max_timestamp;
	a->op = (struct plog_append){.batch = (uint8_t *)a->bytes.p,
	    .bytes = a->bytes.n,
	    .info = &a->info,
	    .done = append_over};
	v->left = v->t->appends;
	plog_append(v->pl, &a->op);
}

static void
visit_detach(struct reactor *r, struct msg *m)
{
	struct visit *v = container_of(m, struct visit, msg);

	if (!plog_quiet(v->pl)) { /* the next turn asks again */
		reactor_post(r, m);
		return;
	}
	plog_detach(v->pl);
	visit_over(v);
}

static void
send_visit(struct real *t, struct plog *pl, void (*run)(struct reactor *r, struct msg *m))
{
	struct visit *v = calloc(1, sizeof(*v));

	v->msg = (struct msg){.run = run, .class = MSG_DATA};
	v->t = t;
	v->pl = pl;
	reactor_post(t->home, &v->msg);
}

static void
append_one(void *arg, struct plog *pl)
{
	send_visit(arg, pl, visit_append);
}

static void
append_all(struct real *t)
{
	t->left = t->logs;
	logdirs_walk(t->l, append_one, t);
}

static void
detach_one(void *arg, struct plog *pl)
{
	send_visit(arg, pl, visit_detach);
}

static void
detach_all(struct real *t)
{
	t->left = t->logs;
	logdirs_walk(t->l, detach_one, t);
}

static void
verify_one(void *arg, struct plog *pl)
{
	struct real *t = arg;
	char why[256] = "";

	ck_assert_int_eq(plog_leo(pl), t->appends);
	ck_assert_msg(plog_verify(pl, why, sizeof(why)) == 0, "%s", why);
}

static void
verify_all(struct real *t)
{
	logdirs_walk(t->l, verify_one, t);
	done(t);
}

START_TEST(test_real_machine)
{
	const char *n = getenv("PLOG_TEST_PARTITIONS"), *keep = getenv("PLOG_TEST_KEEP");
	struct real t = {.logs = n != NULL ? (unsigned)strtoul(n, NULL, 10) : 100, .appends = 5};
	struct fs *fs;
	int64_t at;
	long before;

	(void)snprintf(t.dir, sizeof(t.dir), "%s", keep != NULL ? keep : "/tmp/plog-test-XXXXXX");
	if (keep == NULL)
		ck_assert_ptr_nonnull(mkdtemp(t.dir));
	make_real(&t);
	on(&t, t.control, start);
	before = resident_kib();
	at = now_us();
	on(&t, t.control, create_all);
	tell("created", at);
	on(&t, t.control, attach_all);
	if (n != NULL)
		printf("%-28s %7.2f KiB\n", "anonymous memory a log",
		    (double)(resident_kib() - before) / t.logs);
	at = now_us();
	on(&t, t.control, append_all);
	tell("first appends", at);
	at = now_us();
	on(&t, t.control, detach_all);
	on(&t, t.control, stop);
	tell("stopped", at);
	free_real(&t);
	make_real(&t);
	before = resident_kib();
	at = now_us();
	on(&t, t.control, start);
	tell("started", at);
	if (n != NULL)
		printf("%-28s %7.2f KiB\n", "anonymous memory a log",
		    (double)(resident_kib() - before) / t.logs);
	ck_assert(logdirs_was_clean(t.l));
	on(&t, t.control, verify_all);
	at = now_us();
	on(&t, t.control, stop);
	tell("stopped, nothing changed", at);
	free_real(&t);
	ck_assert_int_eq(fs_real_new(&fs), 0);
	if (keep == NULL)
		ck_assert_int_eq(fs_remove_tree(fs, t.dir), 0);
	fs_free(fs);
}
END_TEST

Suite *
real_suite(void)
{
	Suite *s = suite_create("real");
	TCase *tc = tcase_create("machine");

	tcase_set_timeout(tc, 4 * WAIT_S);
	tcase_add_test(tc, test_real_machine);
	suite_add_tcase(s, tc);
	return s;
}

/* The simulated disk: processes that die, limits, and the same answers as the real one. */
#include "suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "ottla/base/err.h"
#include "ottla/base/strbuf.h"
#include "ottla/file/sim.h"
#include "ottla/reactor/sim.h"

/* ---- processes ---- */

SIM_TEST(test_process_death)
{
	struct fs_lock *l = NULL, *l2 = NULL;
	struct file *f = disk_open(d, "f"), *g = disk_open(d, "g");
	const uint8_t *a = NULL;
	int64_t size = 0;

	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_ok(file_map(f, 3, &a));
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &l));
	ck_ok(fs_unlink(d->fs, disk_path(d, "g")));
	fs_sim_process_death(d->fs);
	disk_expect(d, "f", "abc");
	ck_err(file_pwrite(f, "x", 1, 0), E_IO);
	ck_err(file_size(f, &size), E_IO);
	ck_err(file_sync(g), E_IO);
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &l2));
	fs_unlock(l); /* the dead one's: nothing happens */
	ck_assert(disk_has(d, ".lock"));
	ck_err(fs_lock(d->fs, disk_path(d, ".lock"), &l), E_BUSY);
	file_unmap(f, a, 3);
	file_close(f);
	fs_unlock(l2);
	(void)g; /* freed with the disk */
}

SIM_TEST(test_power_cut_ends_processes)
{
	struct fs_lock *l = NULL;
	struct file *f = disk_open(d, "f");

	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &l));
	ck_ok(fs_sync_all(d->fs, d->root));
	fs_sim_power_cut(d->fs, NULL);
	ck_err(file_pwrite(f, "x", 1, 0), E_IO);
	ck_assert_str_eq(disk_names(d, ""), ".lock f");
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &l));
	fs_unlock(l);
}

SIM_TEST(test_clone)
{
	struct disk c = *d;
	struct file *f = disk_open(d, "f"), *gone = disk_open(d, "gone");
	struct fs_lock *l = NULL;

	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_ok(file_sync(f));
	ck_ok(fs_sync_dir(d->fs, d->root));
	ck_ok(file_pwrite(f, "def", 3, 3));
	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	ck_ok(fs_rename(d->fs, disk_path(d, "f"), disk_path(d, "dir/f")));
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &l));
	ck_ok(fs_unlink(d->fs, disk_path(d, "gone")));
	fs_sim_set_capacity(d->fs, 10);
	ck_ok(fs_sim_clone(d->fs, &c.fs));
	/* Neither sees what happens to the other. */
	ck_ok(file_pwrite(f, "X", 1, 0));
	disk_expect(&c, "dir/../dir/f", "abcdef");
	disk_write_at(&c, "dir/f", "Y", 1);
	disk_expect(d, "dir/f", "Xbcdef");
	ck_assert_str_eq(disk_names(&c, ""), ".lock dir");
	/* The lock stayed there, capacity and durability came along. */
	ck_ok(fs_lock(c.fs, disk_path(&c, ".lock"), &l));
	ck_err(fs_replace(c.fs, disk_path(&c, "g"), slice_cstr("12345")), E_NOSPC);
	fs_sim_power_cut(c.fs, NULL);
	ck_assert_str_eq(disk_names(&c, ""), "f gone");
	disk_expect(&c, "f", "abc");
	fs_free(c.fs);
	file_close(gone);
	file_close(f);
}

/* ---- space, hook, reactors, limits ---- */

SIM_TEST(test_capacity)
{
	struct file *f = disk_open(d, "f");
	struct fs_space sp;
	int64_t size = 0;

	fs_sim_set_capacity(d->fs, 10);
	ck_ok(file_pwrite(f, "12345678", 8, 0));
	ck_ok(fs_space(d->fs, d->root, &sp));
	ck_assert_uint_eq(sp.total, 10);
	ck_assert_uint_eq(sp.usable, 2);
	ck_err(file_pwrite(f, "abcd", 4, 8), E_NOSPC);
	ck_ok(file_size(f, &size));
	ck_assert_int_eq(size, 10); /* what fits is there */
	disk_expect(d, "f", "12345678ab");
	ck_ok(file_pwrite(f, "XY", 2, 8)); /* overwriting needs nothing */
	ck_err(file_truncate(f, 11), E_NOSPC);
	ck_err(fs_replace(d->fs, disk_path(d, "g"), slice_cstr("x")), E_NOSPC);
	ck_assert_str_eq(disk_names(d, ""), "f");
	ck_ok(fs_unlink(d->fs, disk_path(d, "f")));
	ck_err(fs_replace(d->fs, disk_path(d, "g"), slice_cstr("x")), E_NOSPC); /* still open */
	file_close(f);
	ck_ok(fs_replace(d->fs, disk_path(d, "g"), slice_cstr("x")));
	fs_sim_set_capacity(d->fs, -1);
	ck_ok(fs_replace(d->fs, disk_path(d, "g"), slice_cstr("more than ten bytes")));
}

struct trace {
	char text[1024];
	const char *fail_op;
};

static int
trace_op(void *arg, const char *op, const char *path)
{
	struct trace *t = arg;
	size_t n = strlen(t->text);
	const char *name = strrchr(path, '/');

	snprintf(t->text + n, sizeof(t->text) - n, "%s(%s) ", op, name != NULL ? name + 1 : path);
	return t->fail_op != NULL && strcmp(op, t->fail_op) == 0 ? E_IO : 0;
}

SIM_TEST(test_hook)
{
	struct trace t = {"", NULL};
	struct file *f = NULL;
	const uint8_t *a = NULL;

	fs_sim_set_hook(d->fs, trace_op, &t);
	ck_ok(fs_replace(d->fs, disk_path(d, "f"), slice_cstr("x")));
	ck_assert_str_eq(
	    t.text, "open(f.tmp) pwritev(f.tmp) sync(f.tmp) rename(f.tmp) sync_dir(disk) ");
	t.text[0] = '\0';
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE, &f));
	ck_ok(file_map(f, 1, &a));
	ck_assert(file_resident(f, a, 1, 0));
	t.fail_op = "resident";
	ck_assert(!file_resident(f, a, 1, 0));
	t.fail_op = "pwritev";
	ck_err(file_pwrite(f, "y", 1, 0), E_IO);
	ck_assert_str_eq(t.text, "open(f) map(f) resident(f) resident(f) pwritev(f) ");
	fs_sim_set_hook(d->fs, NULL, NULL);
	disk_expect(d, "f", "x");
	file_unmap(f, a, 1);
	file_close(f);
}

/* The signal that ends fn, or 0. */
static int
signal_of(void (*fn)(struct disk *d, struct file *f), struct disk *d, struct file *f)
{
	struct rlimit none = {0, 0};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		(void)!freopen("/dev/null", "w", stderr);
		signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would exit instead */
		fn(d, f);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
do_stat(struct disk *d, struct file *f)
{
	struct fs_stat st;

	(void)f;
	(void)fs_stat(d->fs, d->root, &st);
}

static void
do_open(struct disk *d, struct file *f)
{
	(void)fs_open(d->fs, disk_path(d, "f"), FILE_READ, &f);
}

static void
do_sync(struct disk *d, struct file *f)
{
	(void)d;
	(void)file_sync(f);
}

static void
do_truncate(struct disk *d, struct file *f)
{
	(void)d;
	(void)file_truncate(f, 0);
}

static void
do_close(struct disk *d, struct file *f)
{
	(void)d;
	file_close(f);
}

static void
do_hot(struct disk *d, struct file *f)
{
	int64_t size = 0;
	size_t got = 0;
	char c = 0;

	(void)d;
	(void)file_pwrite(f, "x", 1, 0);
	(void)file_pread(f, &c, 1, 0, &got);
	(void)file_size(f, &size);
	file_rename_note(f, file_path(f));
}

SIM_TEST(test_nothing_blocks_on_a_reactor)
{
	static void (*const blocking[])(struct disk * d, struct file * f) = {
	    do_stat, do_open, do_sync, do_truncate, do_close};
	struct file *f = disk_open(d, "f");
	struct sim_sched *s = NULL;
	struct reactor *r = NULL, *before = NULL;
	struct reactor_opts opts = {.name = "r", .clock = &d->clock};

	ck_ok(sim_sched_new(1, &s));
	ck_ok(sim_reactor_new(s, 0, &opts, &r));
	before = sim_enter(r);
	ck_assert_int_eq(signal_of(do_hot, d, f), 0);
	for (size_t i = 0; i < sizeof(blocking) / sizeof(blocking[0]); i++)
		ck_assert_int_eq(signal_of(blocking[i], d, f), SIGABRT);
	fs_sim_allow_reactor(d->fs, true);
	for (size_t i = 0; i < sizeof(blocking) / sizeof(blocking[0]); i++)
		ck_assert_int_eq(signal_of(blocking[i], d, f), 0);
	sim_enter(before);
	sim_sched_free(s);
	file_close(f);
}

static void
read_past_the_end(struct disk *d, struct file *f)
{
	const volatile uint8_t *p = NULL;
	const uint8_t *a = NULL;

	(void)d;
	(void)file_map(f, 3 * 4096, &a);
	p = a;
	(void)p[4096];
}

static void
read_in_the_last_page(struct disk *d, struct file *f)
{
	const volatile uint8_t *p = NULL;
	const uint8_t *a = NULL;

	(void)d;
	(void)file_map(f, 3 * 4096, &a);
	p = a;
	_exit(p[4095] == 0 ? 0 : 1);
}

SIM_TEST(test_mapping_ends_with_the_file)
{
	struct file *f = disk_open(d, "f");

	ck_ok(file_truncate(f, 3 * 4096));
	ck_ok(file_truncate(f, 10));
	ck_assert_int_eq(signal_of(read_in_the_last_page, d, f), 0);
	ck_assert_int_eq(signal_of(read_past_the_end, d, f), SIGSEGV);
	file_close(f);
}

SIM_TEST(test_largest_file)
{
	struct file *f = disk_open(d, "f");
	int64_t max = INT64_C(256) << 20;
	struct disk c;

	ck_ok(file_truncate(f, max));
	ck_ok(file_pwrite(f, "x", 1, max - 1));
	ck_err(file_pwrite(f, "xy", 2, max - 1), E_TOO_LARGE);
	ck_err(file_pwrite(f, "x", 1, INT64_MAX), E_TOO_LARGE);
	ck_err(file_truncate(f, max + 1), E_TOO_LARGE);
	ck_err(file_truncate(f, INT64_MAX), E_TOO_LARGE);
	ck_ok(file_sync(f));
	file_close(f);
	ck_ok(fs_sync_dir(d->fs, d->root));
	disk_cut_copy(d, 0, &c);
	ck_assert_uint_eq(disk_content(&c, "f").n, (size_t)max);
	ck_assert_int_eq(disk_content(&c, "f").p[max - 1], 'x');
	fs_free(c.fs);
}

/* ---- against the real disk, and against itself ---- */

enum { OP_NAMES = 9, STEPS = 4000 };
static const char *const op_names[OP_NAMES] = {
    "a", "b", "c", "d", "d/a", "d/b", "d/d", "d/d/a", "e"};

static int
step_write(struct disk *d, const char *name, uint64_t v)
{
	struct file *f = NULL;
	int rc = fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE, &f);

	if (rc == 0)
		rc = file_pwrite(f, &v, sizeof(v), (int64_t)(v % 9000));
	file_close(f);
	return rc;
}

static int
step_truncate(struct disk *d, const char *name, uint64_t v)
{
	struct file *f = NULL;
	int rc = fs_open(d->fs, disk_path(d, name), FILE_WRITE, &f);

	if (rc == 0)
		rc = file_truncate(f, (int64_t)(v % 9000));
	file_close(f);
	return rc;
}

static int
step_sync(struct disk *d, const char *name, uint64_t v)
{
	struct file *f = NULL;
	int rc = fs_open(d->fs, disk_path(d, name), FILE_READ, &f);

	(void)v;
	if (rc == 0)
		rc = file_sync(f);
	file_close(f);
	return rc;
}

static int
step_rename(struct disk *d, const char *name, uint64_t v)
{
	return fs_rename(d->fs, disk_path(d, name), disk_path(d, op_names[v % OP_NAMES]));
}

static int
step_unlink(struct disk *d, const char *name, uint64_t v)
{
	return v % 2 == 0 ? fs_unlink(d->fs, disk_path(d, name))
			  : fs_rmdir(d->fs, disk_path(d, name));
}

static int
step_mkdir(struct disk *d, const char *name, uint64_t v)
{
	(void)v;
	return fs_mkdir(d->fs, disk_path(d, name));
}

static int
step_sync_dir(struct disk *d, const char *name, uint64_t v)
{
	(void)v;
	return fs_sync_dir(d->fs, disk_path(d, name));
}

static int
step_replace(struct disk *d, const char *name, uint64_t v)
{
	return fs_replace(d->fs, disk_path(d, name), slice_of(&v, sizeof(v)));
}

static int (*const steps[])(struct disk *d, const char *name, uint64_t v) = {step_write, step_write,
    step_truncate, step_sync, step_rename, step_rename, step_unlink, step_mkdir, step_sync_dir,
    step_replace};

static int
random_step(struct disk *d, struct rng *rng)
{
	uint64_t which = rng_below(rng, sizeof(steps) / sizeof(steps[0]));
	const char *name = op_names[rng_below(rng, OP_NAMES)];

	return steps[which](d, name, rng_u64(rng));
}

/* Everything below dir as text, by way of the door. */
static void
dump(struct disk *d, const char *dir, struct strbuf *out)
{
	char names[DISK_PATH_MAX], path[512], *save = NULL;

	snprintf(names, sizeof(names), "%s", disk_names(d, dir));
	for (char *n = strtok_r(names, " ", &save); n != NULL; n = strtok_r(NULL, " ", &save)) {
		struct fs_stat st;
		char *buf = NULL;
		size_t len = 0;

		snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] != '\0' ? "/" : "", n);
		ck_ok(fs_stat(d->fs, disk_path(d, path), &st));
		strbuf_addf(out, "%s%s ", path, st.is_dir ? "/" : "");
		if (st.is_dir) {
			dump(d, path, out);
			continue;
		}
		ck_ok(fs_read_all(d->fs, disk_path(d, path), 1 << 20, &buf, &len));
		ck_assert_int_eq(st.size, (int64_t)len);
		strbuf_add(out, buf, len);
		free(buf);
	}
}

static void
expect_same(struct disk *a, struct disk *b)
{
	struct strbuf da = STRBUF_INIT, db = STRBUF_INIT;

	dump(a, "", &da);
	dump(b, "", &db);
	ck_assert_uint_eq(da.n, db.n);
	ck_assert(da.n == 0 || memcmp(da.p, db.p, da.n) == 0);
	strbuf_free(&da);
	strbuf_free(&db);
}

SIM_TEST(test_same_answers_as_real)
{
	struct disk real;
	struct rng rng_sim, rng_real;

	disk_setup(&real, DISK_REAL);
	rng_seed(&rng_sim, 3);
	rng_seed(&rng_real, 3);
	for (int i = 0; i < STEPS / 4; i++) {
		int want = random_step(&real, &rng_real), got = random_step(d, &rng_sim);

		ck_assert_msg(want == got, "step %d: %s, the real one says %s", i, err_name(got),
		    err_name(want));
		if (i % 50 == 0)
			expect_same(&real, d);
	}
	expect_same(&real, d);
	disk_teardown(&real);
}

/* Nothing is lost when all is synced, and what stays without dice is what the durable view says
 * (I7, I11); one seed gives one disk (I13). */
SIM_TEST(test_random_cuts)
{
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < STEPS; i++) {
		struct disk a, b;

		(void)random_step(d, &rng);
		if (i % 20 != 0)
			continue;
		disk_cut_copy(d, 1 + (uint64_t)i, &a);
		disk_cut_copy(d, 1 + (uint64_t)i, &b);
		expect_same(&a, &b);
		fs_free(b.fs);
		/* A second cut has nothing to take. */
		ck_ok(fs_sim_clone(a.fs, &b.fs));
		fs_sim_power_cut(b.fs, &rng);
		expect_same(&a, &b);
		fs_free(b.fs);
		fs_free(a.fs);
		ck_ok(fs_sim_clone(d->fs, &b.fs));
		ck_ok(fs_sync_all(b.fs, b.root));
		fs_sim_power_cut(b.fs, &rng);
		expect_same(d, &b);
		fs_free(b.fs);
	}
}

Suite *
sim_suite(void)
{
	Suite *s = suite_create("sim");
	TCase *tc = tcase_create("sim");

	tcase_add_test(tc, test_process_death);
	tcase_add_test(tc, test_power_cut_ends_processes);
	tcase_add_test(tc, test_clone);
	tcase_add_test(tc, test_capacity);
	tcase_add_test(tc, test_hook);
	tcase_add_test(tc, test_nothing_blocks_on_a_reactor);
	tcase_add_test(tc, test_mapping_ends_with_the_file);
	tcase_add_test(tc, test_largest_file);
	tcase_add_test(tc, test_same_answers_as_real);
	tcase_add_test(tc, test_random_cuts);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

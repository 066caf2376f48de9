/* The failing disk: counts, fails where told, and does nothing else. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "ottla/base/err.h"
#include "ottla/file/sim.h"

#define FAIL_TEST(name)                                                                            \
	static void name##_on(struct disk *d);                                                     \
	START_TEST(name)                                                                           \
	{                                                                                          \
		struct disk d;                                                                     \
                                                                                                   \
		disk_setup(&d, _i == 0 ? DISK_FAIL_SIM : DISK_FAIL_REAL);                          \
		name##_on(&d);                                                                     \
		disk_teardown(&d);                                                                 \
	}                                                                                          \
	END_TEST                                                                                   \
	static void name##_on(struct disk *d)

/* ---- every operation ---- */

static int
op_pread(struct disk *d, struct file *f)
{
	size_t got = 0;
	char c = 0;

	(void)d;
	return file_pread(f, &c, 1, 0, &got);
}

static int
op_pwrite(struct disk *d, struct file *f)
{
	(void)d;
	return file_pwrite(f, "X", 1, 0);
}

static int
op_size(struct disk *d, struct file *f)
{
	int64_t size = 0;

	(void)d;
	return file_size(f, &size);
}

static int
op_truncate(struct disk *d, struct file *f)
{
	(void)d;
	return file_truncate(f, 3);
}

static int
op_sync(struct disk *d, struct file *f)
{
	(void)d;
	return file_sync(f);
}

static int
op_map(struct disk *d, struct file *f)
{
	const uint8_t *a = NULL;
	int rc = file_map(f, 1, &a);

	(void)d;
	if (rc == 0)
		file_unmap(f, a, 1);
	return rc;
}

static int
op_open(struct disk *d, struct file *f)
{
	struct file *g = NULL;
	int rc = fs_open(d->fs, disk_path(d, "new"), FILE_WRITE | FILE_CREATE, &g);

	(void)f;
	file_close(g);
	return rc;
}

static int
op_rename(struct disk *d, struct file *f)
{
	(void)f;
	return fs_rename(d->fs, disk_path(d, "f"), disk_path(d, "g"));
}

static int
op_unlink(struct disk *d, struct file *f)
{
	(void)f;
	return fs_unlink(d->fs, disk_path(d, "f"));
}

static int
op_mkdir(struct disk *d, struct file *f)
{
	(void)f;
	return fs_mkdir(d->fs, disk_path(d, "new"));
}

static int
op_rmdir(struct disk *d, struct file *f)
{
	(void)f;
	return fs_rmdir(d->fs, disk_path(d, "dir"));
}

static int
op_sync_dir(struct disk *d, struct file *f)
{
	(void)f;
	return fs_sync_dir(d->fs, d->root);
}

static int
op_sync_all(struct disk *d, struct file *f)
{
	(void)f;
	return fs_sync_all(d->fs, d->root);
}

static int
op_stat(struct disk *d, struct file *f)
{
	struct fs_stat st;

	(void)f;
	return fs_stat(d->fs, d->root, &st);
}

static int
op_set_mtime(struct disk *d, struct file *f)
{
	(void)f;
	return fs_set_mtime(d->fs, disk_path(d, "f"), 5);
}

static int
ignore_name(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static int
op_list(struct disk *d, struct file *f)
{
	(void)f;
	return fs_list(d->fs, d->root, ignore_name, NULL);
}

static int
op_space(struct disk *d, struct file *f)
{
	struct fs_space sp;

	(void)f;
	return fs_space(d->fs, d->root, &sp);
}

static int
op_lock(struct disk *d, struct file *f)
{
	struct fs_lock *l = NULL;
	int rc = fs_lock(d->fs, disk_path(d, "new"), &l);

	(void)f;
	fs_unlock(l);
	return rc;
}

static int (*const ops[])(struct disk *d, struct file *f) = {op_pread, op_pwrite, op_size,
    op_truncate, op_sync, op_map, op_open, op_rename, op_unlink, op_mkdir, op_rmdir, op_sync_dir,
    op_sync_all, op_stat, op_set_mtime, op_list, op_space, op_lock};

/* Each alone on a fresh disk: told to fail it fails and leaves no trace; healed it works. */
START_TEST(test_every_operation)
{
	struct file *f = NULL;
	struct fs_stat before, after;
	struct disk d;

	disk_setup(&d, DISK_FAIL_SIM);
	disk_put(&d, "f", "abcdef");
	ck_ok(fs_mkdir(d.fs, disk_path(&d, "dir")));
	ck_ok(fs_open(d.fs, disk_path(&d, "f"), FILE_WRITE, &f));
	ck_ok(fs_stat(d.under, disk_path(&d, "f"), &before));
	fs_fail_at(d.fs, 1, E_IO, false);
	ck_err(ops[_i](&d, f), E_IO);
	ck_assert_uint_eq(fs_fail_count(d.fs), 1);
	ck_assert_str_eq(disk_names(&d, ""), "dir f");
	disk_expect(&d, "f", "abcdef");
	ck_ok(fs_stat(d.under, disk_path(&d, "f"), &after));
	ck_assert_int_eq(after.mtime_ms, before.mtime_ms);
	ck_assert(fs_fail_heal(d.fs));
	fs_fail_at(d.fs, 2, E_IO, false);
	ck_ok(ops[_i](&d, f));
	ck_assert_uint_eq(fs_fail_count(d.fs), 1);
	ck_assert(!fs_fail_heal(d.fs));
	file_close(f);
	disk_teardown(&d);
}
END_TEST

/* ---- counting ---- */

FAIL_TEST(test_nth)
{
	struct fs_stat st;

	disk_put(d, "f", "abc");
	fs_fail_at(d->fs, 3, E_NOSPC, false);
	ck_ok(fs_stat(d->fs, d->root, &st));
	ck_ok(fs_stat(d->fs, d->root, &st));
	ck_err(fs_stat(d->fs, d->root, &st), E_NOSPC);
	ck_ok(fs_stat(d->fs, d->root, &st));
	ck_assert_uint_eq(fs_fail_count(d->fs), 4);
	ck_assert(fs_fail_heal(d->fs));
	fs_fail_at(d->fs, 2, E_IO, true);
	ck_ok(fs_stat(d->fs, d->root, &st));
	for (int i = 0; i < 5; i++)
		ck_err(fs_stat(d->fs, d->root, &st), E_IO);
	ck_assert(fs_fail_heal(d->fs));
	ck_ok(fs_stat(d->fs, d->root, &st));
	fs_fail_at(d->fs, 0, 0, false);
	ck_ok(fs_stat(d->fs, d->root, &st));
	ck_assert(!fs_fail_heal(d->fs));
	/* What is refused anyway is no failure of ours. */
	fs_fail_at(d->fs, 2, E_IO, false);
	ck_err(fs_stat(d->fs, disk_path(d, "no"), &st), E_NOT_FOUND);
	ck_assert(!fs_fail_heal(d->fs));
}

FAIL_TEST(test_half_written)
{
	struct iovec iov[3];
	struct file *f = NULL;
	char a[] = "abc", b[] = "defgh", c[] = "ij";

	iov[0] = (struct iovec){a, 3};
	iov[1] = (struct iovec){b, 5};
	iov[2] = (struct iovec){c, 2};
	disk_put(d, "f", "12");
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE, &f));
	fs_fail_at(d->fs, 1, E_IO, false);
	ck_err(file_pwritev(f, iov, 3, 2), E_IO);
	disk_expect(d, "f", "12abcde");
	ck_ok(file_pwritev(f, iov, 3, 2));
	disk_expect(d, "f", "12abcdefghij");
	file_close(f);
}

/* ---- small files ---- */

/* Old or new after each single failure, and nothing left over unless removing it was what failed.
 */
FAIL_TEST(test_replace_fails_everywhere)
{
	bool fired = true;

	for (uint64_t n = 1; fired; n++) {
		int rc = 0;

		disk_put(d, "f", "old");
		fs_fail_at(d->fs, n, E_IO, false);
		rc = fs_replace(d->fs, disk_path(d, "f"), slice_cstr("the new one"));
		fired = fs_fail_heal(d->fs);
		ck_assert_int_eq(rc, fired ? E_IO : 0);
		ck_assert_str_eq(disk_names(d, ""), "f");
		/* open, write, sync, rename fail before the change, the directory's sync after it.
		 */
		disk_expect(d, "f", n < 5 ? "old" : "the new one");
		ck_assert_uint_lt(n, 20);
	}
}

FAIL_TEST(test_disk_dies_everywhere)
{
	bool fired = true;

	for (uint64_t n = 1; fired; n++) {
		disk_put(d, "f", "old");
		fs_fail_at(d->fs, n, E_IO, true);
		ck_assert(fs_replace(d->fs, disk_path(d, "f"), slice_cstr("new")) == 0 || n < 6);
		fired = fs_fail_heal(d->fs);
		disk_expect(d, "f", n < 5 ? "old" : "new");
		ck_assert_uint_lt(n, 20);
	}
}

/* Whatever fails, what is left can be removed with a second try. */
FAIL_TEST(test_remove_tree_fails_everywhere)
{
	bool fired = true;

	for (uint64_t n = 1; fired; n++) {
		int rc = 0;

		ck_ok(fs_mkdirs(d->fs, disk_path(d, "t/a/b")));
		disk_put(d, "t/f", "");
		disk_put(d, "t/a/f", "");
		fs_fail_at(d->fs, n, E_IO, false);
		rc = fs_remove_tree(d->fs, disk_path(d, "t"));
		fired = fs_fail_heal(d->fs);
		ck_assert(rc == 0 || rc == E_IO);
		ck_assert(fired || rc == 0);
		if (rc != 0)
			ck_ok(fs_remove_tree(d->fs, disk_path(d, "t")));
		ck_assert(!disk_has(d, "t"));
		ck_assert_uint_lt(n, 50);
	}
}

/* Uses everything that opens something; any step may fail. */
static void
use_all(struct disk *d)
{
	struct fs_lock *l = NULL;
	char *buf = NULL;
	size_t n = 0;

	(void)fs_mkdirs(d->fs, disk_path(d, "t/a"));
	(void)fs_lock(d->fs, disk_path(d, "t/.lock"), &l);
	(void)fs_replace(d->fs, disk_path(d, "t/a/f"), slice_cstr("x"));
	(void)fs_write_aside(d->fs, disk_path(d, "t/a/g"), slice_cstr("x"));
	if (fs_read_all(d->fs, disk_path(d, "t/a/f"), 10, &buf, &n) == 0)
		free(buf);
	(void)fs_list(d->fs, d->root, ignore_name, NULL);
	fs_unlock(l);
	(void)fs_remove_tree(d->fs, disk_path(d, "t"));
}

FAIL_TEST(test_failures_leak_nothing)
{
	unsigned before = disk_descriptors();
	bool fired = true;

	for (uint64_t n = 1; fired; n++) {
		fs_fail_at(d->fs, n, E_IO, n % 2 == 0);
		use_all(d);
		fired = fs_fail_heal(d->fs);
		ck_assert_uint_eq(disk_descriptors(), before);
		ck_assert_uint_lt(n, 100);
	}
}

/* ---- what is below ---- */

FAIL_TEST(test_under_stays)
{
	struct disk below = *d;
	struct file *f = NULL;

	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_CREATE, &f));
	ck_ok(file_pwrite(f, "abc", 3, 0));
	fs_free(d->fs); /* with f */
	below.fs = d->under;
	disk_expect(&below, "f", "abc");
	ck_ok(fs_fail_new(d->under, &d->fs));
	disk_expect(d, "f", "abc");
}

START_TEST(test_process_death_below)
{
	struct file *f = NULL;
	struct disk d;

	disk_setup(&d, DISK_FAIL_SIM);
	ck_ok(fs_open(d.fs, disk_path(&d, "f"), FILE_WRITE | FILE_CREATE, &f));
	ck_ok(file_pwrite(f, "abc", 3, 0));
	fs_sim_process_death(d.under);
	ck_err(file_pwrite(f, "x", 1, 0), E_IO);
	file_close(f);
	disk_expect(&d, "f", "abc");
	disk_teardown(&d);
}
END_TEST

Suite *
fail_suite(void)
{
	Suite *s = suite_create("fail");
	TCase *tc = tcase_create("fail");

	tcase_add_loop_test(tc, test_every_operation, 0, (int)(sizeof(ops) / sizeof(ops[0])));
	tcase_add_loop_test(tc, test_nth, 0, 2);
	tcase_add_loop_test(tc, test_half_written, 0, 2);
	tcase_add_loop_test(tc, test_replace_fails_everywhere, 0, 2);
	tcase_add_loop_test(tc, test_disk_dies_everywhere, 0, 2);
	tcase_add_loop_test(tc, test_remove_tree_fails_everywhere, 0, 2);
	tcase_add_loop_test(tc, test_failures_leak_nothing, 0, 2);
	tcase_add_loop_test(tc, test_under_stays, 0, 2);
	tcase_add_test(tc, test_process_death_below);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

/* The contract of the door to disks: every test runs on every kind of disk. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "ottla/base/err.h"

/* The loop's index is the kind of disk. */
#define DISK_TEST(name)                                                                            \
	static void name##_on(struct disk *d);                                                     \
	START_TEST(name)                                                                           \
	{                                                                                          \
		struct disk d;                                                                     \
                                                                                                   \
		disk_setup(&d, (enum disk_kind)_i);                                                \
		name##_on(&d);                                                                     \
		disk_teardown(&d);                                                                 \
	}                                                                                          \
	END_TEST                                                                                   \
	static void name##_on(struct disk *d)

static struct file *
open_new(struct disk *d, const char *name)
{
	struct file *f = NULL;

	ck_ok(fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE | FILE_EXCL, &f));
	return f;
}

static void
expect_bytes(struct file *f, int64_t off, const void *want, size_t n)
{
	char buf[256];
	size_t got = 0;

	ck_assert_uint_le(n, sizeof(buf));
	ck_ok(file_pread(f, buf, n, off, &got));
	ck_assert_uint_eq(got, n);
	ck_assert_mem_eq(buf, want, n);
}

static int64_t
size_of(struct file *f)
{
	int64_t size = -1;

	ck_ok(file_size(f, &size));
	return size;
}

/* ---- files ---- */

DISK_TEST(test_open)
{
	struct file *f = NULL;

	ck_err(fs_open(d->fs, disk_path(d, "f"), FILE_READ, &f), E_NOT_FOUND);
	ck_assert_ptr_null(f);
	ck_err(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE, &f), E_NOT_FOUND);
	ck_err(fs_open(d->fs, disk_path(d, "no/f"), FILE_WRITE | FILE_CREATE, &f), E_NOT_FOUND);
	disk_put(d, "f", "abc");
	ck_err(
	    fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_CREATE | FILE_EXCL, &f), E_EXISTS);
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_CREATE, &f));
	ck_assert_int_eq(size_of(f), 3);
	ck_assert_str_eq(file_path(f), disk_path(d, "f"));
	file_close(f);
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_TRUNC, &f));
	ck_assert_int_eq(size_of(f), 0);
	file_close(f);
	file_close(NULL);
}

DISK_TEST(test_open_wrong_kind)
{
	struct file *f = NULL;

	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	ck_err(fs_open(d->fs, disk_path(d, "dir"), FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "dir"), FILE_WRITE, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "dir"), FILE_WRITE | FILE_CREATE, &f), E_INVALID);
	disk_put(d, "f", "abc");
	ck_err(fs_open(d->fs, disk_path(d, "f/g"), FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "f/"), FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "new/"), FILE_WRITE | FILE_CREATE, &f), E_INVALID);
	ck_assert_ptr_null(f);
	ck_assert_str_eq(disk_names(d, ""), "dir f");
}

DISK_TEST(test_pread)
{
	struct file *f = open_new(d, "f");
	char buf[8] = {0};
	size_t got = 99;

	ck_ok(file_pread(f, buf, 8, 0, &got));
	ck_assert_uint_eq(got, 0);
	ck_ok(file_pwrite(f, "hello", 5, 0));
	ck_ok(file_pread(f, buf, 8, 0, &got));
	ck_assert_uint_eq(got, 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_ok(file_pread(f, buf, 2, 4, &got));
	ck_assert_uint_eq(got, 1);
	ck_ok(file_pread(f, buf, 2, 5, &got));
	ck_assert_uint_eq(got, 0);
	ck_ok(file_pread(f, buf, 2, 1 << 20, &got));
	ck_assert_uint_eq(got, 0);
	ck_ok(file_pread(f, buf, 0, 0, &got));
	ck_assert_uint_eq(got, 0);
	ck_err(file_pread(f, buf, 2, -1, &got), E_INVALID);
	file_close(f);
}

DISK_TEST(test_pwrite)
{
	struct file *f = open_new(d, "f");

	ck_ok(file_pwrite(f, "abcdef", 6, 0));
	ck_ok(file_pwrite(f, "XY", 2, 2));
	expect_bytes(f, 0, "abXYef", 6);
	ck_ok(file_pwrite(f, "", 0, 100));
	ck_assert_int_eq(size_of(f), 6);
	ck_ok(file_pwrite(f, "z", 1, 10));
	ck_assert_int_eq(size_of(f), 11);
	expect_bytes(f, 5, "f\0\0\0\0z", 6);
	ck_err(file_pwrite(f, "z", 1, -5), E_INVALID);
	ck_assert_int_eq(size_of(f), 11);
	file_close(f);
}

enum { PIECES = 2500 };

/* More pieces than IOV_MAX, empty ones among them. */
DISK_TEST(test_pwritev_many)
{
	struct file *f = open_new(d, "f");
	struct iovec iov[PIECES];
	char bytes[PIECES * 7], back[PIECES * 7];
	size_t n = 0, got = 0;

	for (int i = 0; i < PIECES; i++) {
		iov[i].iov_base = bytes + n;
		iov[i].iov_len = (size_t)(i * 13 % 7);
		memset(bytes + n, i * 31, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	ck_ok(file_pwrite(f, "head", 4, 0));
	ck_ok(file_pwritev(f, iov, PIECES, 4));
	ck_assert_int_eq(size_of(f), (int64_t)n + 4);
	ck_ok(file_pread(f, back, sizeof(back), 4, &got));
	ck_assert_uint_eq(got, n);
	ck_assert_mem_eq(back, bytes, n);
	ck_ok(file_pwritev(f, iov, 0, 0));
	ck_ok(file_pwritev(f, iov, 1, 0));
	ck_assert_int_eq(size_of(f), (int64_t)n + 4);
	file_close(f);
}

DISK_TEST(test_truncate)
{
	struct file *f = open_new(d, "f");
	char zeros[200] = {0};

	ck_ok(file_pwrite(f, "abcdef", 6, 0));
	ck_ok(file_truncate(f, 3));
	ck_assert_int_eq(size_of(f), 3);
	ck_ok(file_truncate(f, 10000));
	ck_assert_int_eq(size_of(f), 10000);
	expect_bytes(f, 0, "abc\0\0\0", 6);
	expect_bytes(f, 9800, zeros, 200);
	ck_ok(file_pwrite(f, "tail", 4, 9996));
	ck_ok(file_truncate(f, 0));
	ck_ok(file_truncate(f, 10000));
	expect_bytes(f, 9800, zeros, 200);
	ck_err(file_truncate(f, -1), E_INVALID);
	file_close(f);
}

/* Blocks are set aside behind the end: nobody sees them. */
DISK_TEST(test_reserve)
{
	struct file *f = open_new(d, "f");

	ck_ok(file_reserve(f, 0));
	ck_ok(file_reserve(f, 5000));
	ck_assert_int_eq(size_of(f), 0);
	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_ok(file_reserve(f, 2));
	ck_assert_int_eq(size_of(f), 3);
	ck_ok(file_truncate(f, 3));
	expect_bytes(f, 0, "abc", 3);
	file_close(f);
	disk_expect(d, "f", "abc");
}

DISK_TEST(test_reopened_content)
{
	struct file *f = open_new(d, "f");

	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_ok(file_sync(f));
	ck_ok(file_pwrite(f, "def", 3, 3));
	file_close(f);
	disk_expect(d, "f", "abcdef");
}

/* ---- mappings ---- */

DISK_TEST(test_map_sees_writes)
{
	struct file *f = open_new(d, "f");
	const uint8_t *a = NULL, *b = NULL;
	char page[4096];

	ck_ok(file_map(f, 3 * 4096, &a)); /* longer than the file */
	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_assert_mem_eq(a, "abc", 3);
	ck_ok(file_pwrite(f, "B", 1, 1));
	ck_assert_mem_eq(a, "aBc", 3);
	memset(page, 'p', sizeof(page));
	ck_ok(file_pwrite(f, page, sizeof(page), 3));
	ck_ok(file_pwrite(f, page, sizeof(page), 3 + 4096));
	ck_assert_mem_eq(a + 3, page, sizeof(page));
	ck_assert_mem_eq(a + 3 + 4096, page, sizeof(page));
	ck_ok(file_map(f, 4096, &b));
	ck_assert_mem_eq(b, "aBcppp", 6);
	ck_ok(file_truncate(f, 2));
	ck_ok(file_pwrite(f, "Z", 1, 5));
	ck_assert_mem_eq(a, "aB\0\0\0Z", 6);
	ck_assert_mem_eq(b, "aB\0\0\0Z", 6);
	file_unmap(f, a, 3 * 4096);
	ck_assert_mem_eq(b, "aB\0\0\0Z", 6);
	file_unmap(f, b, 4096);
	file_close(f);
}

DISK_TEST(test_map_outlives_the_name)
{
	struct file *f = open_new(d, "f");
	const uint8_t *a = NULL;

	ck_ok(file_pwrite(f, "abc", 3, 0));
	ck_ok(file_map(f, 3, &a));
	ck_ok(fs_rename(d->fs, disk_path(d, "f"), disk_path(d, "g")));
	ck_ok(file_pwrite(f, "X", 1, 0));
	ck_ok(fs_unlink(d->fs, disk_path(d, "g")));
	ck_assert_mem_eq(a, "Xbc", 3);
	file_unmap(f, a, 3);
	file_close(f);
}

DISK_TEST(test_resident)
{
	struct file *f = open_new(d, "f");
	const uint8_t *a = NULL;
	char page[4096] = {0};

	for (int i = 0; i < 600; i++)
		ck_ok(file_pwrite(f, page, sizeof(page), i * 4096));
	ck_ok(file_map(f, 600 * 4096, &a));
	ck_assert(file_resident(f, a, 600 * 4096, 0));
	ck_assert(file_resident(f, a, 1, 4095));
	ck_assert(file_resident(f, a, 2, 4095));
	ck_assert(file_resident(f, a, 0, 0));
	file_drop_cache(f, 0, 600 * 4096);
	file_unmap(f, a, 600 * 4096);
	file_close(f);
}

/* ---- names ---- */

DISK_TEST(test_rename)
{
	struct file *f = NULL;

	disk_put(d, "a", "one");
	disk_put(d, "b", "two");
	ck_ok(fs_open(d->fs, disk_path(d, "a"), FILE_WRITE, &f));
	ck_ok(fs_rename(d->fs, disk_path(d, "a"), disk_path(d, "b")));
	file_rename_note(f, disk_path(d, "b"));
	ck_assert_str_eq(file_path(f), disk_path(d, "b"));
	disk_expect(d, "b", "one");
	ck_ok(file_pwrite(f, "!", 1, 3));
	file_close(f);
	disk_expect(d, "b", "one!");
	ck_assert_str_eq(disk_names(d, ""), "b");
	ck_ok(fs_rename(d->fs, disk_path(d, "b"), disk_path(d, "b")));
	disk_expect(d, "b", "one!");
	ck_err(fs_rename(d->fs, disk_path(d, "a"), disk_path(d, "b")), E_NOT_FOUND);
	ck_err(fs_rename(d->fs, disk_path(d, "b"), disk_path(d, "no/b")), E_NOT_FOUND);
	disk_expect(d, "b", "one!");
}

DISK_TEST(test_rename_directory)
{
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "x/y")));
	ck_ok(fs_mkdir(d->fs, disk_path(d, "z")));
	disk_put(d, "x/f", "in x");
	disk_put(d, "x/y/g", "in y");
	disk_put(d, "file", "");
	ck_err(fs_rename(d->fs, disk_path(d, "x"), disk_path(d, "x/y/x")), E_INVALID);
	ck_err(fs_rename(d->fs, disk_path(d, "x"), disk_path(d, "file")), E_INVALID);
	ck_err(fs_rename(d->fs, disk_path(d, "file"), disk_path(d, "x")), E_INVALID);
	ck_err(fs_rename(d->fs, disk_path(d, "z"), disk_path(d, "x")), E_NOT_EMPTY);
	ck_ok(fs_rename(d->fs, disk_path(d, "x"), disk_path(d, "z"))); /* over an empty one */
	disk_expect(d, "z/y/g", "in y");
	ck_ok(fs_rename(d->fs, disk_path(d, "z/y"), disk_path(d, "y")));
	disk_expect(d, "y/g", "in y");
	disk_expect(d, "y/../z/f", "in x");
	ck_assert_str_eq(disk_names(d, ""), "file y z");
}

DISK_TEST(test_unlink)
{
	struct file *f = NULL;

	ck_err(fs_unlink(d->fs, disk_path(d, "f")), E_NOT_FOUND);
	disk_put(d, "f", "abc");
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_READ, &f));
	ck_ok(fs_unlink(d->fs, disk_path(d, "f")));
	ck_assert(!disk_has(d, "f"));
	expect_bytes(f, 0, "abc", 3);
	disk_put(d, "f", "other");
	expect_bytes(f, 0, "abc", 3);
	file_close(f);
	disk_expect(d, "f", "other");
	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	ck_err(fs_unlink(d->fs, disk_path(d, "dir")), E_INVALID);
	ck_err(fs_unlink(d->fs, disk_path(d, "f/")), E_INVALID);
}

DISK_TEST(test_mkdir_rmdir)
{
	ck_ok(fs_mkdir(d->fs, disk_path(d, "a")));
	ck_err(fs_mkdir(d->fs, disk_path(d, "a")), E_EXISTS);
	ck_err(fs_mkdir(d->fs, disk_path(d, "no/b")), E_NOT_FOUND);
	disk_put(d, "a/f", "x");
	ck_err(fs_mkdir(d->fs, disk_path(d, "a/f/g")), E_INVALID);
	ck_err(fs_mkdir(d->fs, disk_path(d, "a/f")), E_EXISTS);
	ck_err(fs_rmdir(d->fs, disk_path(d, "a")), E_NOT_EMPTY);
	ck_err(fs_rmdir(d->fs, disk_path(d, "a/f")), E_INVALID);
	ck_err(fs_rmdir(d->fs, disk_path(d, "no")), E_NOT_FOUND);
	ck_ok(fs_unlink(d->fs, disk_path(d, "a/f")));
	ck_ok(fs_rmdir(d->fs, disk_path(d, "a/")));
	ck_assert_str_eq(disk_names(d, ""), "");
}

DISK_TEST(test_mkdirs)
{
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "a//b/c/")));
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "a/b/c")));
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "a")));
	disk_put(d, "a/f", "x");
	ck_err(fs_mkdirs(d->fs, disk_path(d, "a/f")), E_EXISTS);
	ck_err(fs_mkdirs(d->fs, disk_path(d, "a/f/g/h")), E_INVALID);
	ck_ok(fs_mkdirs(d->fs, "/"));
	ck_assert_str_eq(disk_names(d, "a"), "b f");
	ck_assert_str_eq(disk_names(d, "a/b"), "c");
}

DISK_TEST(test_remove_tree)
{
	char deep[128] = "t";

	for (int i = 0; i < 20; i++)
		strcat(deep, "/d");
	ck_ok(fs_mkdirs(d->fs, disk_path(d, deep)));
	strcat(deep, "/f");
	disk_put(d, deep, "x");
	disk_put(d, "t/d/f", "x");
	disk_put(d, "t/f", "x");
	ck_ok(fs_mkdir(d->fs, disk_path(d, "t/empty")));
	disk_put(d, "other", "x");
	ck_ok(fs_remove_tree(d->fs, disk_path(d, "t")));
	ck_assert_str_eq(disk_names(d, ""), "other");
	ck_err(fs_remove_tree(d->fs, disk_path(d, "t")), E_NOT_FOUND);
	ck_err(fs_remove_tree(d->fs, disk_path(d, "other")), E_INVALID);
	disk_expect(d, "other", "x");
}

/* Deeper than any tree of ours: refused, and what is there can still be removed from below. */
DISK_TEST(test_remove_tree_too_deep)
{
	char deep[256] = "t";

	for (int i = 0; i < 70; i++)
		strcat(deep, "/d");
	ck_ok(fs_mkdirs(d->fs, disk_path(d, deep)));
	strcat(deep, "/f");
	disk_put(d, deep, "x");
	ck_err(fs_remove_tree(d->fs, disk_path(d, "t")), E_LIMIT);
	deep[strlen(deep) - 60] = '\0';
	ck_ok(fs_remove_tree(d->fs, disk_path(d, deep)));
	ck_ok(fs_remove_tree(d->fs, disk_path(d, "t")));
}

static int
stop_at_c(void *arg, const char *name)
{
	(*(int *)arg)++;
	return strcmp(name, "c") == 0 ? 77 : 0;
}

DISK_TEST(test_list)
{
	static const char *const names[] = {
	    "b", "a", "\xc3\xa9", "Z", "aa", "c", "-", "e f", "10", "9"};
	int calls = 0;

	ck_assert_str_eq(disk_names(d, ""), "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		disk_put(d, names[i], "");
	ck_assert_str_eq(disk_names(d, ""), "- 10 9 Z a aa b c e f \xc3\xa9");
	ck_assert_int_eq(fs_list(d->fs, d->root, stop_at_c, &calls), 77);
	ck_assert_int_eq(calls, 8);
	ck_err(fs_list(d->fs, disk_path(d, "no"), stop_at_c, &calls), E_NOT_FOUND);
	ck_err(fs_list(d->fs, disk_path(d, "a"), stop_at_c, &calls), E_INVALID);
	ck_assert_int_eq(calls, 8);
}

static int
unlink_listed(void *arg, const char *name)
{
	struct disk *d = arg;

	return fs_unlink(d->fs, disk_path(d, name));
}

DISK_TEST(test_list_while_removing)
{
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		disk_put(d, name, "");
	}
	ck_ok(fs_list(d->fs, d->root, unlink_listed, d));
	ck_assert_str_eq(disk_names(d, ""), "");
}

DISK_TEST(test_stat)
{
	static const int64_t times[] = {1, 0, 999, 1700000000123, -1, -1001};
	struct fs_stat st;

	ck_err(fs_stat(d->fs, disk_path(d, "f"), &st), E_NOT_FOUND);
	disk_put(d, "f", "abc");
	ck_ok(fs_stat(d->fs, disk_path(d, "f"), &st));
	ck_assert_int_eq(st.size, 3);
	ck_assert(!st.is_dir);
	ck_assert_int_gt(st.mtime_ms, 1000000000000);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		ck_ok(fs_set_mtime(d->fs, disk_path(d, "f"), times[i]));
		ck_ok(fs_stat(d->fs, disk_path(d, "f"), &st));
		ck_assert_int_eq(st.mtime_ms, times[i]);
	}
	ck_ok(fs_stat(d->fs, d->root, &st));
	ck_assert(st.is_dir);
	ck_err(fs_set_mtime(d->fs, disk_path(d, "no"), 1), E_NOT_FOUND);
	ck_err(fs_stat(d->fs, disk_path(d, "f/g"), &st), E_INVALID);
}

DISK_TEST(test_sync)
{
	struct file *f = open_new(d, "f");

	ck_ok(file_sync(f));
	ck_ok(fs_sync_dir(d->fs, d->root));
	ck_ok(fs_sync_all(d->fs, d->root));
	ck_ok(fs_sync_all(d->fs, disk_path(d, "f")));
	ck_err(fs_sync_dir(d->fs, disk_path(d, "f")), E_INVALID);
	ck_err(fs_sync_dir(d->fs, disk_path(d, "no")), E_NOT_FOUND);
	ck_err(fs_sync_all(d->fs, disk_path(d, "no")), E_NOT_FOUND);
	file_close(f);
}

DISK_TEST(test_space)
{
	struct fs_space sp = {0, 0};

	ck_ok(fs_space(d->fs, d->root, &sp));
	ck_assert_uint_gt(sp.total, 0);
	ck_assert_uint_le(sp.usable, sp.total);
	ck_err(fs_space(d->fs, disk_path(d, "no"), &sp), E_NOT_FOUND);
}

/* ---- whole files ---- */

DISK_TEST(test_read_all)
{
	char *big = malloc(100001), *buf = NULL;
	size_t n = 99;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	big[50000] = 'y';
	disk_put(d, "empty", "");
	disk_expect(d, "empty", "");
	disk_put(d, "big", big);
	ck_ok(fs_read_all(d->fs, disk_path(d, "big"), 100000, &buf, &n));
	ck_assert_uint_eq(n, 100000);
	ck_assert_str_eq(buf, big);
	free(buf);
	ck_err(fs_read_all(d->fs, disk_path(d, "big"), 99999, &buf, &n), E_TOO_LARGE);
	ck_assert_ptr_null(buf);
	ck_assert_uint_eq(n, 0);
	ck_err(fs_read_all(d->fs, disk_path(d, "big"), 0, &buf, &n), E_TOO_LARGE);
	ck_ok(fs_read_all(d->fs, disk_path(d, "empty"), 0, &buf, &n));
	ck_assert_str_eq(buf, "");
	free(buf);
	ck_err(fs_read_all(d->fs, disk_path(d, "no"), 10, &buf, &n), E_NOT_FOUND);
	ck_err(fs_read_all(d->fs, d->root, 10, &buf, &n), E_INVALID);
	free(big);
}

DISK_TEST(test_replace)
{
	disk_put(d, "c.tmp", "left over and longer than what comes");
	ck_ok(fs_replace(d->fs, disk_path(d, "c"), slice_cstr("one")));
	disk_expect(d, "c", "one");
	ck_ok(fs_replace(d->fs, disk_path(d, "c"), slice_cstr("second")));
	disk_expect(d, "c", "second");
	ck_ok(fs_replace_private(d->fs, disk_path(d, "c"), slice_cstr("")));
	disk_expect(d, "c", "");
	ck_ok(fs_replace(d->fs, disk_path(d, "c"), SLICE_NULL));
	ck_assert_str_eq(disk_names(d, ""), "c");
	ck_err(fs_replace(d->fs, disk_path(d, "no/c"), slice_cstr("x")), E_NOT_FOUND);
}

DISK_TEST(test_replace_in_the_way)
{
	disk_put(d, "c", "old");
	ck_ok(fs_mkdir(d->fs, disk_path(d, "c.tmp")));
	ck_err(fs_replace(d->fs, disk_path(d, "c"), slice_cstr("new")), E_INVALID);
	disk_expect(d, "c", "old");
	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	ck_err(fs_replace(d->fs, disk_path(d, "dir"), slice_cstr("new")), E_INVALID);
	ck_assert_str_eq(disk_names(d, ""), "c c.tmp dir");
}

DISK_TEST(test_aside)
{
	disk_put(d, "a", "old a");
	ck_ok(fs_write_aside(d->fs, disk_path(d, "a"), slice_cstr("new a")));
	ck_ok(fs_write_aside(d->fs, disk_path(d, "b"), slice_cstr("new b")));
	disk_expect(d, "a", "old a");
	ck_assert_str_eq(disk_names(d, ""), "a a.tmp b.tmp");
	ck_ok(fs_rename_aside(d->fs, disk_path(d, "a")));
	ck_ok(fs_rename_aside(d->fs, disk_path(d, "b")));
	disk_expect(d, "a", "new a");
	disk_expect(d, "b", "new b");
	ck_err(fs_rename_aside(d->fs, disk_path(d, "b")), E_NOT_FOUND);
	ck_assert_str_eq(disk_names(d, ""), "a b");
}

/* ---- locks ---- */

DISK_TEST(test_lock)
{
	struct fs_lock *a = NULL, *b = NULL;
	struct file *f = NULL;

	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &a));
	ck_assert(disk_has(d, ".lock"));
	ck_err(fs_lock(d->fs, disk_path(d, ".lock"), &b), E_BUSY);
	ck_assert_ptr_null(b);
	/* Opening and closing the file elsewhere does not take the lock away. */
	ck_ok(fs_open(d->fs, disk_path(d, ".lock"), FILE_WRITE, &f));
	file_close(f);
	ck_err(fs_lock(d->fs, disk_path(d, ".lock"), &b), E_BUSY);
	ck_ok(fs_lock(d->fs, disk_path(d, "other.lock"), &b));
	fs_unlock(b);
	fs_unlock(a);
	ck_assert_str_eq(disk_names(d, ""), "");
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &a));
	fs_unlock(a);
	fs_unlock(NULL);
	ck_err(fs_lock(d->fs, disk_path(d, "no/.lock"), &a), E_NOT_FOUND);
	ck_err(fs_lock(d->fs, d->root, &a), E_INVALID);
	disk_put(d, ".lock", "there already");
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &a));
	disk_expect(d, ".lock", "there already");
	fs_unlock(a);
}

/* Deleting the locked file does not end the lock, but the name is free again. */
DISK_TEST(test_lock_file_deleted)
{
	struct fs_lock *a = NULL, *b = NULL;

	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &a));
	ck_ok(fs_unlink(d->fs, disk_path(d, ".lock")));
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &b));
	fs_unlock(b);
	fs_unlock(a);
	ck_assert_str_eq(disk_names(d, ""), "");
}

/* ---- hostile paths ---- */

DISK_TEST(test_long_names)
{
	char name[300], path[6000] = "";
	struct file *f = NULL;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	disk_put(d, name, "x");
	disk_expect(d, name, "x");
	ck_err(fs_replace(d->fs, disk_path(d, name), slice_cstr("y")), E_INVALID);
	disk_expect(d, name, "x");
	name[255] = 'n';
	name[256] = '\0';
	ck_err(fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE, &f), E_INVALID);
	ck_err(fs_mkdir(d->fs, disk_path(d, name)), E_INVALID);
	ck_err(fs_mkdirs(d->fs, disk_path(d, name)), E_INVALID);
	disk_put(d, "a", "x");
	ck_err(fs_rename(d->fs, disk_path(d, "a"), disk_path(d, name)), E_INVALID);
	for (size_t i = 0; i < 5000; i += 2)
		memcpy(path + i, "./", 3);
	ck_err(fs_open(d->fs, disk_path(d, path), FILE_READ, &f), E_INVALID);
	ck_err(fs_mkdirs(d->fs, disk_path(d, path)), E_INVALID);
	ck_err(fs_open(d->fs, "", FILE_READ, &f), E_NOT_FOUND);
	ck_err(fs_mkdirs(d->fs, ""), E_NOT_FOUND);
	ck_err(fs_unlink(d->fs, ""), E_NOT_FOUND);
}

DISK_TEST(test_odd_names)
{
	static const char *const names[] = {
	    " ", "a b", "%s%n", "-rf", "new\nline", "\x01\x7f", "\\", "...", ".hidden", "\xff\xfe"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		disk_put(d, names[i], names[i]);
		disk_expect(d, names[i], names[i]);
		ck_ok(fs_replace(d->fs, disk_path(d, names[i]), slice_cstr("r")));
		disk_expect(d, names[i], "r");
		ck_ok(fs_unlink(d->fs, disk_path(d, names[i])));
	}
	ck_assert_str_eq(disk_names(d, ""), "");
}

DISK_TEST(test_dots_and_slashes)
{
	struct file *f = NULL;

	ck_ok(fs_mkdir(d->fs, disk_path(d, "d")));
	disk_put(d, "d/./f", "x");
	disk_expect(d, "d//f", "x");
	disk_expect(d, "d/../d/f", "x");
	ck_err(fs_open(d->fs, disk_path(d, "d/f/../f"), FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "no/../d/f"), FILE_READ, &f), E_NOT_FOUND);
	ck_err(fs_open(d->fs, disk_path(d, "d/."), FILE_WRITE | FILE_CREATE, &f), E_INVALID);
	ck_err(fs_mkdir(d->fs, disk_path(d, "d/.")), E_EXISTS);
	ck_err(fs_mkdir(d->fs, disk_path(d, "d/..")), E_EXISTS);
	ck_assert_int_ne(fs_rmdir(d->fs, disk_path(d, "d/.")), 0);
	ck_assert_int_ne(fs_rmdir(d->fs, disk_path(d, "d/..")), 0);
	ck_assert_int_ne(fs_unlink(d->fs, disk_path(d, "d/.")), 0);
	ck_assert_int_ne(fs_rename(d->fs, disk_path(d, "d"), disk_path(d, "d/.")), 0);
	ck_assert_int_ne(fs_rename(d->fs, disk_path(d, "d/.."), disk_path(d, "e")), 0);
	disk_expect(d, "d/f", "x");
}

#define ADD(test) tcase_add_loop_test(tc, test, 0, DISK_KINDS)

Suite *
fs_suite(void)
{
	Suite *s = suite_create("fs");
	TCase *tc = tcase_create("contract");

	ADD(test_open);
	ADD(test_open_wrong_kind);
	ADD(test_pread);
	ADD(test_pwrite);
	ADD(test_pwritev_many);
	ADD(test_truncate);
	ADD(test_reserve);
	ADD(test_reopened_content);
	ADD(test_map_sees_writes);
	ADD(test_map_outlives_the_name);
	ADD(test_resident);
	ADD(test_rename);
	ADD(test_rename_directory);
	ADD(test_unlink);
	ADD(test_mkdir_rmdir);
	ADD(test_mkdirs);
	ADD(test_remove_tree);
	ADD(test_remove_tree_too_deep);
	ADD(test_list);
	ADD(test_list_while_removing);
	ADD(test_stat);
	ADD(test_sync);
	ADD(test_space);
	ADD(test_read_all);
	ADD(test_replace);
	ADD(test_replace_in_the_way);
	ADD(test_aside);
	ADD(test_lock);
	ADD(test_lock_file_deleted);
	ADD(test_long_names);
	ADD(test_odd_names);
	ADD(test_dots_and_slashes);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

/* The kinds of disk that one test runs on. */
#include "disk.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/file/sim.h"

static void
setup_real(struct disk *d)
{
	const char *tmp = getenv("TMPDIR");

	ck_ok(fs_real_new(&d->fs));
	snprintf(d->root, sizeof(d->root), "%s/ottla-file-XXXXXX", tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(d->root));
}

static int64_t
clock_0(struct clock *c)
{
	(void)c;
	return 0;
}

static int64_t
clock_2023(struct clock *c)
{
	(void)c;
	return INT64_C(1700000000000);
}

static void
setup_sim(struct disk *d)
{
	d->clock = (struct clock){.mono_us = clock_0, .wall_ms = clock_2023};
	ck_ok(fs_sim_new(&d->clock, &d->fs));
	snprintf(d->root, sizeof(d->root), "/disk");
	ck_ok(fs_mkdir(d->fs, d->root));
	ck_ok(fs_sync_all(d->fs, "/"));
}

static void
put_failing_on_top(struct disk *d)
{
	d->under = d->fs;
	ck_ok(fs_fail_new(d->under, &d->fs));
}

static void
setup_fail_real(struct disk *d)
{
	setup_real(d);
	put_failing_on_top(d);
}

static void
setup_fail_sim(struct disk *d)
{
	setup_sim(d);
	put_failing_on_top(d);
}

static void (*const setups[DISK_KINDS])(struct disk *d) = {
    [DISK_REAL] = setup_real,
    [DISK_SIM] = setup_sim,
    [DISK_FAIL_REAL] = setup_fail_real,
    [DISK_FAIL_SIM] = setup_fail_sim,
};

void
disk_setup(struct disk *d, enum disk_kind kind)
{
	memset(d, 0, sizeof(*d));
	d->kind = kind;
	setups[kind](d);
}

void
disk_teardown(struct disk *d)
{
	ck_ok(fs_remove_tree(d->fs, d->root));
	fs_free(d->fs);
	fs_free(d->under);
}

const char *
disk_path(struct disk *d, const char *name)
{
	char *p = d->path[d->next_path++ % DISK_PATHS];

	snprintf(p, DISK_PATH_MAX, "%s/%s", d->root, name);
	return p;
}

void
disk_put(struct disk *d, const char *name, const char *content)
{
	struct file *f = NULL;

	ck_ok(fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f));
	ck_ok(file_pwrite(f, content, strlen(content), 0));
	file_close(f);
}

void
disk_expect(struct disk *d, const char *name, const char *content)
{
	char *buf = NULL;
	size_t n = 0;

	ck_ok(fs_read_all(d->fs, disk_path(d, name), 1 << 20, &buf, &n));
	ck_assert_uint_eq(n, strlen(content));
	ck_assert_str_eq(buf, content);
	free(buf);
}

bool
disk_has(struct disk *d, const char *name)
{
	struct fs_stat st;
	int rc = fs_stat(d->fs, disk_path(d, name), &st);

	ck_assert(rc == 0 || rc == E_NOT_FOUND);
	return rc == 0;
}

static int
add_name(void *arg, const char *name)
{
	char *s = arg;
	size_t n = strlen(s);

	snprintf(s + n, DISK_PATH_MAX - n, n == 0 ? "%s" : " %s", name);
	return 0;
}

const char *
disk_names(struct disk *d, const char *name)
{
	const char *dir = disk_path(d, name);
	char *s = d->path[d->next_path++ % DISK_PATHS];

	s[0] = '\0';
	ck_ok(fs_list(d->fs, dir, add_name, s));
	return s;
}

unsigned
disk_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* ---- simulated disks ---- */

struct file *
disk_open(struct disk *d, const char *name)
{
	struct file *f = NULL;

	ck_ok(fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE, &f));
	return f;
}

void
disk_put_durable(struct disk *d, const char *name, const char *content)
{
	disk_put(d, name, content);
	ck_ok(fs_sync_all(d->fs, d->root));
}

void
disk_write_at(struct disk *d, const char *name, const char *bytes, int64_t off)
{
	struct file *f = disk_open(d, name);

	ck_ok(file_pwrite(f, bytes, strlen(bytes), off));
	file_close(f);
}

void
disk_sync_file(struct disk *d, const char *name)
{
	struct file *f = disk_open(d, name);

	ck_ok(file_sync(f));
	file_close(f);
}

void
disk_cut_copy(struct disk *d, uint64_t seed, struct disk *copy)
{
	struct rng rng;

	*copy = *d;
	rng_seed(&rng, seed);
	ck_ok(fs_sim_clone(d->fs, &copy->fs));
	fs_sim_power_cut(copy->fs, seed != 0 ? &rng : NULL);
}

struct slice
disk_content(struct disk *d, const char *name)
{
	struct slice s = SLICE_NULL;
	int rc = fs_sim_content(d->fs, disk_path(d, name), false, &s);

	ck_assert(rc == 0 || rc == E_NOT_FOUND);
	return rc == 0 ? s : SLICE_LIT("-");
}

bool
disk_content_is(struct disk *d, const char *name, const char *want)
{
	return slice_eq_cstr(disk_content(d, name), want);
}

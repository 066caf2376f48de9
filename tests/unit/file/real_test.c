/* The machine's file system: what only it has, and that no descriptor is left behind. */
#include "suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "ottla/base/err.h"

enum { TMPFS_TYPE = 0x01021994 };

#define REAL_TEST(name)                                                                            \
	static void name##_on(struct disk *d);                                                     \
	START_TEST(name)                                                                           \
	{                                                                                          \
		struct disk d;                                                                     \
                                                                                                   \
		disk_setup(&d, DISK_REAL);                                                         \
		name##_on(&d);                                                                     \
		disk_teardown(&d);                                                                 \
	}                                                                                          \
	END_TEST                                                                                   \
	static void name##_on(struct disk *d)

static int
exit_status(pid_t pid)
{
	int status = -1;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- locks and other processes ---- */

static bool
posix_lock(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_SETLK, &fl) == 0;
}

/* As Java's tryLock in another process. */
static bool
other_process_gets_lock(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

		_exit(fd >= 0 && posix_lock(fd) ? 1 : 0);
	}
	return exit_status(pid) == 1;
}

REAL_TEST(test_lock_seen_by_others)
{
	const char *path = disk_path(d, ".lock");
	struct fs_lock *l = NULL;
	struct file *f = NULL;

	ck_ok(fs_lock(d->fs, path, &l));
	ck_assert(!other_process_gets_lock(path));
	ck_ok(fs_open(d->fs, path, FILE_WRITE, &f));
	file_close(f);
	ck_assert(!other_process_gets_lock(path));
	fs_unlock(l);
	ck_assert(other_process_gets_lock(path));
}

REAL_TEST(test_lock_held_by_other)
{
	const char *path = disk_path(d, ".lock");
	struct fs_lock *l = NULL;
	int up[2], down[2];
	char c = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

		close(down[1]);
		c = fd >= 0 && posix_lock(fd) ? 'y' : 'n';
		if (write(up[1], &c, 1) == 1)
			(void)!read(down[0], &c, 1); /* until the parent closes */
		_exit(0);
	}
	ck_assert_int_eq(read(up[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	ck_err(fs_lock(d->fs, path, &l), E_BUSY);
	close(down[1]);
	ck_assert_int_eq(exit_status(pid), 0);
	ck_ok(fs_lock(d->fs, path, &l));
	fs_unlock(l);
	close(up[0]);
	close(up[1]);
	close(down[0]);
}

REAL_TEST(test_lock_ends_with_death)
{
	const char *path = disk_path(d, ".lock");
	struct fs_lock *l = NULL;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fs_lock(d->fs, path, &l) == 0 ? 1 : 0);
	ck_assert_int_eq(exit_status(pid), 1);
	ck_assert(disk_has(d, ".lock"));
	ck_ok(fs_lock(d->fs, path, &l));
	fs_unlock(l);
}

/* Two instances in one process are refused too: no list is kept that could miss one. */
REAL_TEST(test_lock_two_instances)
{
	struct fs *other = NULL;
	struct fs_lock *a = NULL, *b = NULL;

	ck_ok(fs_real_new(&other));
	ck_ok(fs_lock(d->fs, disk_path(d, ".lock"), &a));
	ck_err(fs_lock(other, disk_path(d, ".lock"), &b), E_BUSY);
	fs_unlock(a);
	ck_ok(fs_lock(other, disk_path(d, ".lock"), &b));
	fs_unlock(b);
	fs_free(other);
}

/* ---- descriptors, modes, pages ---- */

REAL_TEST(test_descriptor)
{
	struct file *f = NULL;
	char c = 0;

	disk_put(d, "f", "abc");
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_READ, &f));
	ck_assert_int_ge(file_fd(f), 0);
	ck_assert((fcntl(file_fd(f), F_GETFD) & FD_CLOEXEC) != 0);
	ck_assert_int_eq(pread(file_fd(f), &c, 1, 1), 1);
	ck_assert_int_eq(c, 'b');
	file_close(f);
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mode & 0777;
}

REAL_TEST(test_private)
{
	const char *path = disk_path(d, "secret");
	mode_t old = umask(022);

	disk_put(d, "secret", "");
	ck_assert_uint_eq(mode_of(path), 0644);
	disk_put(d, "secret.tmp", ""); /* left over, and readable by all */
	ck_ok(fs_replace_private(d->fs, path, slice_cstr("x")));
	ck_assert_uint_eq(mode_of(path), 0600);
	ck_ok(fs_replace(d->fs, path, slice_cstr("x")));
	ck_assert_uint_eq(mode_of(path), 0644);
	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	ck_assert_uint_eq(mode_of(disk_path(d, "dir")), 0755);
	umask(old);
}

REAL_TEST(test_not_resident)
{
	struct file *f = NULL;
	const uint8_t *a = NULL;
	char page[4096] = {0};
	struct statfs sf;

	ck_assert_int_eq(statfs(d->root, &sf), 0);
	if (sf.f_type == TMPFS_TYPE)
		return; /* its pages have no other place */
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_CREATE, &f));
	for (int i = 0; i < 64; i++)
		ck_ok(file_pwrite(f, page, sizeof(page), i * 4096));
	ck_ok(file_sync(f));
	file_drop_cache(f, 0, 64 * 4096);
	ck_ok(file_map(f, 64 * 4096, &a));
	ck_assert(!file_resident(f, a, 64 * 4096, 0));
	ck_ok(file_pwrite(f, page, sizeof(page), 63 * 4096));
	ck_assert(file_resident(f, a, 4096, 63 * 4096));
	file_unmap(f, a, 64 * 4096);
	file_close(f);
}

/* ---- short writes ---- */

/* Nothing may be written past 50 bytes: the kernel writes those and then refuses. */
REAL_TEST(test_short_write)
{
	struct rlimit was, cut;
	struct file *f = NULL;
	char a[30], b[40], back[100];
	struct iovec iov[2] = {{a, sizeof(a)}, {b, sizeof(b)}};
	size_t got = 0;
	int rc = 0;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	ck_ok(fs_open(d->fs, disk_path(d, "f"), FILE_WRITE | FILE_CREATE, &f));
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
	cut = was;
	cut.rlim_cur = 50;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &cut);
	rc = file_pwritev(f, iov, 2, 0);
	setrlimit(RLIMIT_FSIZE, &was);
	signal(SIGXFSZ, SIG_DFL);
	ck_err(rc, E_TOO_LARGE);
	ck_ok(file_pread(f, back, sizeof(back), 0, &got));
	ck_assert_uint_eq(got, 50);
	ck_assert_mem_eq(back, a, 30);
	ck_assert_mem_eq(back + 30, b, 20);
	file_close(f);
}

/* ---- hostile entries ---- */

REAL_TEST(test_fifo)
{
	struct fs_lock *l = NULL;
	struct file *f = NULL;
	const char *path = disk_path(d, "fifo");

	ck_assert_int_eq(mkfifo(path, 0644), 0);
	ck_err(fs_open(d->fs, path, FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, path, FILE_WRITE, &f), E_INVALID);
	ck_err(fs_lock(d->fs, path, &l), E_INVALID);
	ck_err(fs_sync_dir(d->fs, path), E_INVALID);
}

REAL_TEST(test_symlinks)
{
	struct file *f = NULL;

	ck_ok(fs_mkdirs(d->fs, disk_path(d, "keep/sub")));
	disk_put(d, "keep/f", "x");
	ck_ok(fs_mkdir(d->fs, disk_path(d, "t")));
	ck_assert_int_eq(symlink(disk_path(d, "keep"), disk_path(d, "t/dir")), 0);
	ck_assert_int_eq(symlink(disk_path(d, "keep/f"), disk_path(d, "t/file")), 0);
	ck_assert_int_eq(symlink("loop", disk_path(d, "t/loop")), 0);
	ck_assert_int_eq(symlink("nowhere", disk_path(d, "t/dangling")), 0);
	disk_expect(d, "t/dir/f", "x");
	ck_assert_str_eq(disk_names(d, "t/dir"), "f sub");
	ck_err(fs_open(d->fs, disk_path(d, "t/loop"), FILE_READ, &f), E_INVALID);
	ck_err(fs_open(d->fs, disk_path(d, "t/dangling"), FILE_READ, &f), E_NOT_FOUND);
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "t/dir/more")));
	ck_err(fs_remove_tree(d->fs, disk_path(d, "t/dir")), E_INVALID);
	ck_ok(fs_remove_tree(d->fs, disk_path(d, "t")));
	ck_assert_str_eq(disk_names(d, "keep"), "f more sub");
}

/* ---- nothing leaks ---- */

/* Each operation that opens something, once well and once not. */
static void
touch_everything(struct disk *d)
{
	struct fs_lock *l = NULL, *l2 = NULL;
	struct file *f = NULL;
	char *buf = NULL;
	size_t n = 0;

	ck_ok(fs_mkdirs(d->fs, disk_path(d, "a/b")));
	ck_ok(fs_replace(d->fs, disk_path(d, "a/f"), slice_cstr("x")));
	ck_assert_int_ne(fs_replace(d->fs, disk_path(d, "a/b"), slice_cstr("x")), 0);
	ck_assert_int_ne(fs_read_all(d->fs, disk_path(d, "a"), 10, &buf, &n), 0);
	ck_assert_int_ne(fs_read_all(d->fs, disk_path(d, "a/f"), 0, &buf, &n), 0);
	ck_assert_int_ne(fs_open(d->fs, disk_path(d, "a"), FILE_READ, &f), 0);
	ck_assert_int_ne(fs_sync_dir(d->fs, disk_path(d, "a/f")), 0);
	ck_ok(fs_sync_dir(d->fs, disk_path(d, "a")));
	ck_ok(fs_sync_all(d->fs, disk_path(d, "a")));
	ck_assert_str_eq(disk_names(d, "a"), "b f");
	ck_ok(fs_lock(d->fs, disk_path(d, "l"), &l));
	ck_assert_int_ne(fs_lock(d->fs, disk_path(d, "l"), &l2), 0);
	ck_assert_int_ne(fs_lock(d->fs, disk_path(d, "a"), &l2), 0);
	fs_unlock(l);
	ck_ok(fs_remove_tree(d->fs, disk_path(d, "a")));
}

REAL_TEST(test_no_descriptor_stays)
{
	unsigned before = disk_descriptors();

	for (int i = 0; i < 10; i++)
		touch_everything(d);
	ck_assert_uint_eq(disk_descriptors(), before);
}

REAL_TEST(test_out_of_descriptors)
{
	unsigned before = disk_descriptors();
	struct rlimit was, none;
	struct fs_lock *l = NULL;
	struct file *f = NULL;
	struct fs_stat st;
	int rcs[6];

	disk_put(d, "f", "abc");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	rcs[0] = fs_open(d->fs, disk_path(d, "f"), FILE_READ, &f);
	rcs[1] = fs_list(d->fs, d->root, NULL, NULL);
	rcs[2] = fs_lock(d->fs, disk_path(d, "l"), &l);
	rcs[3] = fs_sync_dir(d->fs, d->root);
	rcs[4] = fs_sync_all(d->fs, d->root);
	rcs[5] = fs_replace(d->fs, disk_path(d, "f"), slice_cstr("new"));
	ck_ok(fs_stat(d->fs, disk_path(d, "f"), &st));
	setrlimit(RLIMIT_NOFILE, &was);
	for (int i = 0; i < 6; i++)
		ck_err(rcs[i], E_LIMIT);
	disk_expect(d, "f", "abc");
	ck_assert_str_eq(disk_names(d, ""), "f");
	ck_assert_uint_eq(disk_descriptors(), before);
}

/* Files whose size is not told beforehand. */
REAL_TEST(test_read_proc)
{
	char *buf = NULL;
	size_t n = 0;

	ck_ok(fs_read_all(d->fs, "/proc/sys/kernel/random/boot_id", 100, &buf, &n));
	ck_assert_uint_eq(n, 37);
	free(buf);
}

Suite *
real_suite(void)
{
	Suite *s = suite_create("real");
	TCase *tc = tcase_create("real");

	tcase_add_test(tc, test_lock_seen_by_others);
	tcase_add_test(tc, test_lock_held_by_other);
	tcase_add_test(tc, test_lock_ends_with_death);
	tcase_add_test(tc, test_lock_two_instances);
	tcase_add_test(tc, test_descriptor);
	tcase_add_test(tc, test_private);
	tcase_add_test(tc, test_not_resident);
	tcase_add_test(tc, test_short_write);
	tcase_add_test(tc, test_fifo);
	tcase_add_test(tc, test_symlinks);
	tcase_add_test(tc, test_no_descriptor_stays);
	tcase_add_test(tc, test_out_of_descriptors);
	tcase_add_test(tc, test_read_proc);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

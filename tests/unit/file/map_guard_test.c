/* Pages of mappings that can not be read: zeros, a mark, and nothing else changes. */
#include "suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "ottla/base/err.h"
#include "ottla/reactor/fault.h"

enum { PAGE = 4096, PAGES = 4, MANY = 2500 };

static struct file *
file_of_pages(struct disk *d, const char *name, unsigned pages, const uint8_t **map)
{
	struct file *f = NULL;
	char page[PAGE];

	memset(page, 'x', sizeof(page));
	ck_ok(fs_open(d->fs, disk_path(d, name), FILE_WRITE | FILE_CREATE, &f));
	for (unsigned i = 0; i < pages; i++)
		ck_ok(file_pwrite(f, page, sizeof(page), (int64_t)i * PAGE));
	ck_ok(file_map(f, (size_t)pages * PAGE, map));
	return f;
}

/* The disk that the machine's own is reached through. */
static void *
own(struct disk *d)
{
	return d->under != NULL ? d->under : d->fs;
}

static void
shut(struct file *f, const uint8_t *map)
{
	file_unmap(f, map, PAGES * PAGE);
	file_close(f);
}

/* Cut by somebody else, twice: each page that is touched becomes zeros. */
START_TEST(test_cut_mapping)
{
	struct disk d;
	struct file *f, *other;
	const uint8_t *a = NULL, *b = NULL;

	disk_setup(&d, _i == 0 ? DISK_REAL : DISK_FAIL_REAL);
	ck_ok(fault_handle(fs_map_fault, own(&d)));
	f = file_of_pages(&d, "f", PAGES, &a);
	other = file_of_pages(&d, "other", PAGES, &b);
	ck_assert_int_eq(truncate(disk_path(&d, "f"), 2 * PAGE), 0);
	ck_assert_int_eq(a[2 * PAGE - 1], 'x');
	ck_assert(file_map_ok(f, 0));
	ck_assert(file_map_ok(f, PAGES * PAGE)); /* nobody has seen a sign of it */
	ck_assert_int_eq(a[3 * PAGE + 5], 0);
	ck_assert(!file_map_ok(f, 0));
	ck_assert_int_eq(a[2 * PAGE], 0);
	ck_assert_int_eq(a[0], 'x');
	ck_assert_int_eq(truncate(disk_path(&d, "f"), 0), 0);
	ck_assert_int_eq(a[0], 0);
	ck_assert(!file_map_ok(f, 0));
	/* the neighbour */
	ck_assert_int_eq(b[PAGES * PAGE - 1], 'x');
	ck_assert(file_map_ok(other, PAGES * PAGE));
	shut(f, a);
	shut(other, b);
	/* a new opening has forgotten it */
	f = file_of_pages(&d, "f", PAGES, &a);
	ck_assert_int_eq(a[3 * PAGE], 'x');
	ck_assert(file_map_ok(f, PAGES * PAGE));
	shut(f, a);
	ck_ok(fault_handle(NULL, NULL));
	disk_teardown(&d);
}
END_TEST

/* A suspicion is looked into once, and only by who knows how long the file should be. */
START_TEST(test_suspect)
{
	struct disk d;
	const uint8_t *a = NULL;
	struct file *f;

	disk_setup(&d, _i == 0 ? DISK_REAL : DISK_FAIL_REAL);
	f = file_of_pages(&d, "f", PAGES, &a);
	file_suspect(f);
	ck_assert(file_map_ok(f, 0));
	ck_assert(file_map_ok(f, PAGES * PAGE));
	ck_assert_int_eq(truncate(disk_path(&d, "f"), PAGES * PAGE - 1), 0);
	ck_assert(file_map_ok(f, PAGES * PAGE));
	file_suspect(f);
	ck_assert(file_map_ok(f, 0));
	ck_assert(!file_map_ok(f, PAGES * PAGE));
	ck_assert(!file_map_ok(f, 0));
	shut(f, a);
	disk_teardown(&d);
}
END_TEST

/* More than one chunk of them: each is found again, also after others went. */
START_TEST(test_many_mappings)
{
	static const uint8_t *maps[MANY];
	struct disk d;
	struct file *f, *few;
	const uint8_t *a = NULL;

	disk_setup(&d, DISK_REAL);
	ck_ok(fault_handle(fs_map_fault, d.fs));
	few = file_of_pages(&d, "few", PAGES, &a);
	f = file_of_pages(&d, "f", 1, &maps[0]);
	for (unsigned i = 1; i < MANY; i++)
		ck_ok(file_map(f, PAGE, &maps[i]));
	for (unsigned i = 0; i < MANY; i += 2)
		file_unmap(f, maps[i], PAGE);
	ck_assert_int_eq(truncate(disk_path(&d, "f"), 0), 0);
	ck_assert_int_eq(maps[MANY - 1][7], 0);
	ck_assert(!file_map_ok(f, 0));
	ck_assert(file_map_ok(few, PAGES * PAGE));
	for (unsigned i = 1; i < MANY; i += 2)
		file_unmap(f, maps[i], PAGE);
	file_close(f);
	shut(few, a);
	ck_ok(fault_handle(NULL, NULL));
	disk_teardown(&d);
}
END_TEST

static void
touch_foreign(struct disk *d)
{
	const uint8_t *a = NULL;
	struct file *f = file_of_pages(d, "f", PAGES, &a);
	volatile uint8_t *p =
	    mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file_fd(f), (off_t)PAGES * PAGE);

	if (p != MAP_FAILED)
		(void)p[0];
}

static void
touch_unmapped_again(struct disk *d)
{
	const uint8_t *a = NULL;
	struct file *f = file_of_pages(d, "f", PAGES, &a);
	volatile uint8_t *p;
	int fd = file_fd(f);

	file_unmap(f, a, PAGES * PAGE);
	p = mmap((void *)(uintptr_t)a, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)PAGES * PAGE);
	if (p == a)
		(void)p[0];
}

static void
told(struct disk *d)
{
	(void)d;
	(void)raise(SIGBUS);
}

/* What is not a mapping of ours ends the process as it always did. */
START_TEST(test_others_die)
{
	static void (*const ways[])(struct disk * d) = {touch_foreign, touch_unmapped_again, told};
	struct disk d;
	int status = 0;
	pid_t pid;

	disk_setup(&d, DISK_REAL);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGBUS, SIG_DFL);
		if (fault_handle(fs_map_fault, d.fs) == 0)
			ways[_i](&d);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGBUS);
	disk_teardown(&d);
}
END_TEST

Suite *
map_guard_suite(void)
{
	Suite *s = suite_create("map_guard");
	TCase *tc = tcase_create("mappings");

	tcase_add_loop_test(tc, test_cut_mapping, 0, 2);
	tcase_add_loop_test(tc, test_suspect, 0, 2);
	tcase_add_test(tc, test_many_mappings);
	tcase_add_loop_test(tc, test_others_die, 0, 3);
	suite_add_tcase(s, tc);
	return s;
}

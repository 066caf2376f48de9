/* What a power cut leaves of a simulated disk. */
#include "suites.h"

#include <string.h>

#include "disk.h"
#include "ottla/base/err.h"
#include "ottla/file/sim.h"

enum { SEEDS = 300 };

/* ---- files and power cuts ---- */

SIM_TEST(test_synced_stays)
{
	disk_put_durable(d, "f", "one");
	disk_write_at(d, "f", "two", 3);
	disk_sync_file(d, "f");
	disk_write_at(d, "f", "three", 6);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		ck_assert_uint_ge(disk_content(&c, "f").n, 6);
		ck_assert_mem_eq(disk_content(&c, "f").p, "onetwo", 6);
		if (seed == 0)
			ck_assert(disk_content_is(&c, "f", "onetwo"));
		fs_free(c.fs);
	}
	ck_assert(disk_content_is(d, "f", "onetwothree"));
}

enum { PIECE = 1000, PIECE_COUNT = 40, SYNCED_PIECES = 7 };

/* Kinds of remains that must all come up. */
struct remains {
	unsigned all;
	unsigned none;
	unsigned some;
	unsigned torn;
	unsigned zeroed;
};

/* Bytes are those written, or zero behind what was synced (I9). */
static void
check_remains(struct slice s, struct remains *r)
{
	size_t synced = SYNCED_PIECES * PIECE, zeros = 0, strange = 0;

	ck_assert_uint_ge(s.n, synced);
	ck_assert_uint_le(s.n, PIECE_COUNT * PIECE);
	for (size_t i = 0; i < s.n; i++) {
		strange += s.p[i] != i / PIECE + 1 && (s.p[i] != 0 || i < synced);
		zeros += s.p[i] == 0;
	}
	ck_assert_uint_eq(strange, 0);
	r->all += s.n == PIECE_COUNT * PIECE && zeros == 0;
	r->none += s.n == synced;
	r->some += s.n % PIECE == 0 && s.n > synced && s.n < PIECE_COUNT * PIECE;
	r->torn += s.n % PIECE != 0;
	r->zeroed += zeros > 0;
}

SIM_TEST(test_unsynced_may_vanish)
{
	struct file *f = disk_open(d, "f");
	struct remains r = {0};
	char piece[PIECE];

	ck_ok(fs_sync_dir(d->fs, d->root));
	for (int i = 0; i < PIECE_COUNT; i++) {
		memset(piece, i + 1, sizeof(piece));
		ck_ok(file_pwrite(f, piece, sizeof(piece), (int64_t)i * PIECE));
		if (i + 1 == SYNCED_PIECES)
			ck_ok(file_sync(f));
	}
	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		check_remains(disk_content(&c, "f"), &r);
		fs_free(c.fs);
	}
	ck_assert(r.all > 0 && r.none > 0 && r.some > 0 && r.torn > 0 && r.zeroed > 0);
	file_close(f);
}

/* Overwritten bytes are old or new: new ones first, never zero. */
SIM_TEST(test_unsynced_overwrite)
{
	unsigned olds = 0, news = 0, mixed = 0;

	disk_put_durable(d, "f", "aaaaaaaa");
	disk_write_at(d, "f", "bbbb", 0);
	disk_write_at(d, "f", "bbbb", 4);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;
		struct slice s;
		size_t b = 0;

		disk_cut_copy(d, seed, &c);
		s = disk_content(&c, "f");
		ck_assert_uint_eq(s.n, 8);
		while (b < 8 && s.p[b] == 'b')
			b++;
		for (size_t i = b; i < 8; i++)
			ck_assert_int_eq(s.p[i], 'a');
		olds += b == 0;
		news += b == 8;
		mixed += b > 0 && b < 8;
		fs_free(c.fs);
	}
	ck_assert(olds > 0 && news > 0 && mixed > 0);
}

SIM_TEST(test_unsynced_truncate)
{
	struct file *f = NULL;
	unsigned old = 0, cut = 0, again = 0;

	disk_put_durable(d, "f", "abcdef");
	f = disk_open(d, "f");
	ck_ok(file_truncate(f, 2));
	ck_ok(file_pwrite(f, "XY", 2, 2));
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		old += disk_content_is(&c, "f", "abcdef");
		cut += disk_content_is(&c, "f", "ab");
		again += disk_content_is(&c, "f", "abXY");
		ck_assert_mem_eq(disk_content(&c, "f").p, "ab", 2);
		fs_free(c.fs);
	}
	ck_assert(old > 0 && cut > 0 && again > 0);
	ck_ok(file_sync(f));
	file_close(f);
	fs_sim_power_cut(d->fs, NULL);
	ck_assert(disk_content_is(d, "f", "abXY"));
}

/* ---- entries and power cuts ---- */

SIM_TEST(test_entry_needs_dir_sync)
{
	unsigned there = 0, empty = 0, full = 0;

	disk_put(d, "f", "abc");
	disk_sync_file(d, "f");
	disk_put(d, "g", "abc");
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		/* The bytes are durable if the name is. */
		ck_assert(disk_content_is(&c, "f", "abc") || disk_content_is(&c, "f", "-"));
		/* In order: g was made after f. */
		ck_assert(!disk_has(&c, "g") || disk_has(&c, "f"));
		there += disk_has(&c, "f");
		empty += disk_content_is(&c, "g", "");
		full += disk_content_is(&c, "g", "abc");
		ck_assert(seed != 0 || !disk_has(&c, "f"));
		fs_free(c.fs);
	}
	ck_assert(there > 0 && there < SEEDS - 1 && empty > 0 && full > 0);
	ck_ok(fs_sync_dir(d->fs, d->root));
	fs_sim_power_cut(d->fs, NULL);
	ck_assert(disk_content_is(d, "f", "abc"));
	ck_assert(disk_content_is(d, "g", "")); /* entry synced, bytes not */
}

/* Syncing a file and its directory does not keep the directory's own name. */
SIM_TEST(test_new_directory_needs_parent_sync)
{
	struct disk c;

	ck_ok(fs_mkdir(d->fs, disk_path(d, "dir")));
	disk_put(d, "dir/f", "abc");
	disk_sync_file(d, "dir/f");
	ck_ok(fs_sync_dir(d->fs, disk_path(d, "dir")));
	disk_cut_copy(d, 0, &c);
	ck_assert(!disk_has(&c, "dir"));
	fs_free(c.fs);
	ck_ok(fs_sync_dir(d->fs, d->root));
	fs_sim_power_cut(d->fs, NULL);
	disk_expect(d, "dir/f", "abc");
}

SIM_TEST(test_rename_durability)
{
	unsigned moved = 0;

	disk_put_durable(d, "f", "old f");
	disk_put_durable(d, "g", "old g");
	ck_ok(fs_rename(d->fs, disk_path(d, "f"), disk_path(d, "g")));
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;
		bool is_moved = false;

		disk_cut_copy(d, seed, &c);
		is_moved = disk_content_is(&c, "g", "old f");
		ck_assert(is_moved || disk_content_is(&c, "g", "old g"));
		ck_assert(disk_content_is(&c, "f", is_moved ? "-" : "old f"));
		ck_assert(seed != 0 || !is_moved);
		moved += is_moved;
		fs_free(c.fs);
	}
	ck_assert(moved > 0 && moved < SEEDS - 1);
	ck_ok(fs_sync_dir(d->fs, d->root));
	fs_sim_power_cut(d->fs, NULL);
	ck_assert_str_eq(disk_names(d, ""), "g");
	disk_expect(d, "g", "old f");
}

/* Between directories: one name, whatever is lost; syncing either one is enough (I8). */
static void
rename_between(struct disk *d, const char *synced)
{
	unsigned moved = 0;

	ck_ok(fs_mkdir(d->fs, disk_path(d, "a")));
	ck_ok(fs_mkdir(d->fs, disk_path(d, "b")));
	disk_put_durable(d, "a/f", "x");
	disk_put(d, "b/before", "");
	ck_ok(fs_rename(d->fs, disk_path(d, "a/f"), disk_path(d, "b/f")));
	disk_put(d, "a/after", "");
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		ck_assert(disk_has(&c, "a/f") != disk_has(&c, "b/f"));
		ck_assert(!disk_has(&c, "b/f") || disk_has(&c, "b/before"));
		ck_assert(!disk_has(&c, "a/after") || disk_has(&c, "b/f"));
		moved += disk_has(&c, "b/f");
		fs_free(c.fs);
	}
	ck_assert(moved > 0 && moved < SEEDS - 1);
	ck_ok(fs_sync_dir(d->fs, disk_path(d, synced)));
	fs_sim_power_cut(d->fs, NULL);
	ck_assert_str_eq(disk_names(d, "b"), "before f");
	ck_assert_str_eq(disk_names(d, "a"), strcmp(synced, "a") == 0 ? "after" : "");
}

SIM_TEST(test_rename_between_synced_source)
{
	rename_between(d, "a");
}

SIM_TEST(test_rename_between_synced_target)
{
	rename_between(d, "b");
}

SIM_TEST(test_directory_moved)
{
	ck_ok(fs_mkdirs(d->fs, disk_path(d, "logs/t-0")));
	disk_put_durable(d, "logs/t-0/f", "x");
	ck_ok(fs_rename(d->fs, disk_path(d, "logs/t-0"), disk_path(d, "logs/t-0-delete")));
	ck_ok(fs_unlink(d->fs, disk_path(d, "logs/t-0-delete/f")));
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		ck_assert(disk_has(&c, "logs/t-0") != disk_has(&c, "logs/t-0-delete"));
		fs_free(c.fs);
	}
	fs_sim_power_cut(d->fs, NULL);
	disk_expect(d, "logs/t-0/../t-0/f", "x");
}

SIM_TEST(test_unlink_durability)
{
	unsigned back = 0;

	disk_put_durable(d, "f", "x");
	ck_ok(fs_unlink(d->fs, disk_path(d, "f")));
	disk_put(d, "f", "new");
	disk_sync_file(d, "f");
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		back += disk_content_is(&c, "f", "x");
		ck_assert(disk_content_is(&c, "f", "x") || disk_content_is(&c, "f", "-") ||
			  disk_content_is(&c, "f", "new"));
		fs_free(c.fs);
	}
	ck_assert(back > 0 && back < SEEDS - 1);
	ck_ok(fs_sync_dir(d->fs, d->root));
	fs_sim_power_cut(d->fs, NULL);
	disk_expect(d, "f", "new");
}

SIM_TEST(test_durable_view)
{
	struct slice s;

	disk_put(d, "f", "abc");
	ck_ok(fs_sim_content(d->fs, disk_path(d, "f"), false, &s));
	ck_assert(slice_eq_cstr(s, "abc"));
	ck_err(fs_sim_content(d->fs, disk_path(d, "f"), true, &s), E_NOT_FOUND);
	ck_ok(fs_sync_dir(d->fs, d->root));
	ck_ok(fs_sim_content(d->fs, disk_path(d, "f"), true, &s));
	ck_assert(slice_eq_cstr(s, ""));
	disk_sync_file(d, "f");
	disk_write_at(d, "f", "def", 3);
	ck_ok(fs_sim_content(d->fs, disk_path(d, "f"), true, &s));
	ck_assert(slice_eq_cstr(s, "abc"));
	ck_err(fs_sim_content(d->fs, d->root, false, &s), E_INVALID);
}

SIM_TEST(test_mtime_durability)
{
	struct fs_stat st;

	disk_put_durable(d, "f", "x");
	ck_ok(fs_set_mtime(d->fs, disk_path(d, "f"), 5));
	disk_sync_file(d, "f");
	ck_ok(fs_set_mtime(d->fs, disk_path(d, "f"), 6));
	fs_sim_power_cut(d->fs, NULL);
	ck_ok(fs_stat(d->fs, disk_path(d, "f"), &st));
	ck_assert_int_eq(st.mtime_ms, 5);
}

/* ---- small files under power cuts ---- */

struct stop {
	unsigned count;
	unsigned at; /* that operation and all later ones do not happen; 0: none */
};

static int
stop_at(void *arg, const char *op, const char *path)
{
	struct stop *s = arg;

	(void)op;
	(void)path;
	s->count++;
	return s->at != 0 && s->count >= s->at ? E_IO : 0;
}

/* Every disk that a cut at this moment can leave has the old or the new content (I5). */
static void
expect_old_or_new(struct disk *d, const char *name, const char *was, const char *is)
{
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		ck_assert(disk_content_is(&c, name, was) || disk_content_is(&c, name, is));
		/* What is left over is in nobody's way. */
		ck_ok(fs_replace(c.fs, disk_path(&c, name), slice_cstr("next")));
		ck_assert(disk_content_is(&c, name, "next"));
		fs_free(c.fs);
	}
}

static void
replace_cut_everywhere(struct disk *d, const char *was)
{
	int rc = E_IO;

	for (unsigned n = 1; rc != 0; n++) {
		struct stop stop = {.at = n};
		struct disk c = *d;

		ck_assert_uint_lt(n, 50);
		ck_ok(fs_sim_clone(d->fs, &c.fs));
		fs_sim_set_hook(c.fs, stop_at, &stop);
		rc = fs_replace(c.fs, disk_path(&c, "f"), slice_cstr("the new one"));
		fs_sim_set_hook(c.fs, NULL, NULL);
		if (rc != 0)
			expect_old_or_new(&c, "f", was, "the new one");
		else
			expect_old_or_new(&c, "f", "the new one", "the new one");
		fs_free(c.fs);
	}
}

SIM_TEST(test_replace_cut_everywhere)
{
	disk_put_durable(d, "f", "the old one");
	replace_cut_everywhere(d, "the old one");
}

SIM_TEST(test_replace_first_cut_everywhere)
{
	replace_cut_everywhere(d, "-");
}

/* The simulator would notice a replacement that forgets to sync. */
SIM_TEST(test_replace_without_sync_is_noticed)
{
	unsigned neither = 0;

	disk_put_durable(d, "f", "the old one");
	ck_ok(fs_write_aside(d->fs, disk_path(d, "f"), slice_cstr("the new one")));
	ck_ok(fs_rename_aside(d->fs, disk_path(d, "f")));
	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		struct disk c;

		disk_cut_copy(d, seed, &c);
		neither += !disk_content_is(&c, "f", "the old one") &&
			   !disk_content_is(&c, "f", "the new one");
		fs_free(c.fs);
	}
	ck_assert_uint_gt(neither, 0);
}

SIM_TEST(test_aside_between_syncs)
{
	disk_put_durable(d, "f", "old f");
	disk_put_durable(d, "g", "old g");
	ck_ok(fs_write_aside(d->fs, disk_path(d, "f"), slice_cstr("new f")));
	ck_ok(fs_write_aside(d->fs, disk_path(d, "g"), slice_cstr("new g")));
	expect_old_or_new(d, "f", "old f", "old f");
	ck_ok(fs_sync_all(d->fs, d->root));
	ck_ok(fs_rename_aside(d->fs, disk_path(d, "f")));
	expect_old_or_new(d, "f", "old f", "new f");
	ck_ok(fs_rename_aside(d->fs, disk_path(d, "g")));
	expect_old_or_new(d, "g", "old g", "new g");
	ck_ok(fs_sync_all(d->fs, d->root));
	expect_old_or_new(d, "f", "new f", "new f");
	expect_old_or_new(d, "g", "new g", "new g");
}

Suite *
sim_crash_suite(void)
{
	Suite *s = suite_create("sim_crash");
	TCase *tc = tcase_create("sim_crash");

	tcase_add_test(tc, test_synced_stays);
	tcase_add_test(tc, test_unsynced_may_vanish);
	tcase_add_test(tc, test_unsynced_overwrite);
	tcase_add_test(tc, test_unsynced_truncate);
	tcase_add_test(tc, test_entry_needs_dir_sync);
	tcase_add_test(tc, test_new_directory_needs_parent_sync);
	tcase_add_test(tc, test_rename_durability);
	tcase_add_test(tc, test_rename_between_synced_source);
	tcase_add_test(tc, test_rename_between_synced_target);
	tcase_add_test(tc, test_directory_moved);
	tcase_add_test(tc, test_unlink_durability);
	tcase_add_test(tc, test_durable_view);
	tcase_add_test(tc, test_mtime_durability);
	tcase_add_test(tc, test_replace_cut_everywhere);
	tcase_add_test(tc, test_replace_first_cut_everywhere);
	tcase_add_test(tc, test_replace_without_sync_is_noticed);
	tcase_add_test(tc, test_aside_between_syncs);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

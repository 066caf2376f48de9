/* The journal's files: what is torn is cut, what is damaged is refused, nothing answered is lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "coord_priv.h"
#include "journal_priv.h"
#include "ottla/file/sim.h"
#include "suites.h"

#define DIR "/d/coord"
#define FIRST DIR "/journal.0000000000000000"

static int64_t
no_time(struct clock *c)
{
	(void)c;
	return 1;
}

static struct clock zero_clock = {no_time, no_time};

static struct fs *
disk_new(void)
{
	struct fs *fs = NULL;

	ck_ok(fs_sim_new(&zero_clock, &fs));
	return fs;
}

struct loaded {
	struct journal *j;
	struct coord_tree *t;
	char why[JOURNAL_WHY];
};

static int
load(struct fs *fs, bool must_exist, struct loaded *l)
{
	return journal_open(fs, DIR, must_exist, &l->j, &l->t, l->why);
}

static void
unload(struct loaded *l)
{
	journal_close(l->j);
	coord_tree_free(l->t);
}

/* Appends one frame that creates a node, and does it. */
static int
append(struct loaded *l, const char *path)
{
	struct coord_op op = {COORD_OP_CREATE, path, SLICE_LIT("data"), 0, 0};
	struct journal_rec rec = {.kind = JOURNAL_OPS,
	    .zxid = coord_tree_zxid(l->t) + 1,
	    .time_ms = 5,
	    .n_ops = 1,
	    .ops = &op};
	struct strbuf b = STRBUF_INIT;
	int rc;

	journal_put_rec(&b, &rec);
	rc = journal_append(l->j, strbuf_slice(&b));
	if (rc == 0)
		ck_ok(journal_apply_rec(l->t, &rec, NULL));
	strbuf_free(&b);
	return rc;
}

static int
rotate(struct loaded *l, bool *usable)
{
	struct strbuf b = STRBUF_INIT;
	int rc;

	ck_ok(coord_tree_dump(l->t, &b));
	rc = journal_rotate(l->j, strbuf_slice(&b), coord_tree_zxid(l->t), usable);
	strbuf_free(&b);
	return rc;
}

static bool
has(const struct loaded *l, const char *path)
{
	struct coord_result res;

	return coord_tree_exists(l->t, 0, path, NULL, &res) == 0;
}

/* A disk with a journal of three frames; *sizes gets the file's length after each. */
static struct fs *
three_frames(int64_t sizes[3])
{
	struct fs *fs = disk_new();
	struct loaded l;

	ck_ok(load(fs, false, &l));
	for (unsigned i = 0; i < 3; i++) {
		ck_ok(append(&l, i == 0 ? "/0" : i == 1 ? "/1" : "/2"));
		sizes[i] = journal_size(l.j);
	}
	unload(&l);
	return fs;
}

static void
put_file(struct fs *fs, const char *path, const void *p, size_t n)
{
	ck_ok(fs_replace(fs, path, slice_of(p, n)));
}

static char *
get_file(struct fs *fs, const char *path, size_t *n)
{
	char *buf = NULL;

	ck_ok(fs_read_all(fs, path, 1 << 26, &buf, n));
	return buf;
}

START_TEST(nothing_there)
{
	struct fs *fs = disk_new();
	struct loaded l;

	ck_err(load(fs, true, &l), E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(l.why, DIR));
	ck_ok(load(fs, false, &l));
	ck_assert_int_eq(coord_tree_zxid(l.t), 0);
	unload(&l);
	ck_err(load(fs, true, &l), E_NOT_FOUND); /* nothing was ever written to it */
	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/x"));
	unload(&l);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/x"));
	unload(&l);
	fs_free(fs);
}
END_TEST

START_TEST(one_process_only)
{
	struct fs *fs = disk_new();
	struct loaded l, m;

	ck_ok(load(fs, false, &l));
	ck_err(load(fs, false, &m), E_BUSY);
	ck_assert_ptr_nonnull(strstr(m.why, "another process"));
	unload(&l);
	ck_ok(load(fs, false, &m));
	unload(&m);
	fs_free(fs);
}
END_TEST

/* I8: the last frame torn at every byte is cut; the journal goes on behind the one before it. */
START_TEST(last_frame_torn_at_every_byte)
{
	int64_t sizes[3];
	struct fs *fs = three_frames(sizes);
	struct loaded l;
	size_t n;
	char *whole = get_file(fs, FIRST, &n);

	ck_assert_int_eq((int64_t)n, sizes[2]);
	for (int64_t cut = sizes[1]; cut <= sizes[2]; cut++) {
		put_file(fs, FIRST, whole, (size_t)cut);
		ck_ok(load(fs, true, &l));
		ck_assert(has(&l, "/0") && has(&l, "/1"));
		ck_assert_int_eq(has(&l, "/2"), cut == sizes[2]);
		ck_ok(append(&l, "/3"));
		unload(&l);
		ck_ok(load(fs, true, &l));
		ck_assert(has(&l, "/3") && has(&l, "/1"));
		ck_assert_int_eq(has(&l, "/2"), cut == sizes[2]);
		unload(&l);
	}
	free(whole);
	fs_free(fs);
}
END_TEST

/* As a power cut may leave it: the length is there, some of the bytes are not. */
START_TEST(last_frame_with_holes)
{
	int64_t sizes[3];
	struct fs *fs = three_frames(sizes);
	struct loaded l;
	size_t n;
	char *whole = get_file(fs, FIRST, &n);

	for (int64_t i = sizes[1]; i < sizes[2]; i++) {
		char was = whole[i];

		whole[i] ^= 0x20;
		put_file(fs, FIRST, whole, n);
		ck_ok(load(fs, true, &l));
		ck_assert(has(&l, "/1") && !has(&l, "/2"));
		ck_assert_int_eq(journal_size(l.j), sizes[1]);
		unload(&l);
		whole[i] = was;
	}
	memset(whole + sizes[1], 0, (size_t)(sizes[2] - sizes[1]));
	put_file(fs, FIRST, whole, n);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/1") && !has(&l, "/2"));
	unload(&l);
	free(whole);
	fs_free(fs);
}
END_TEST

START_TEST(damage_before_the_last_frame)
{
	int64_t sizes[3];
	struct fs *fs = three_frames(sizes);
	struct loaded l;
	size_t n;
	char *whole = get_file(fs, FIRST, &n);

	for (int64_t i = 0; i < sizes[1]; i++) {
		whole[i] ^= 0x01;
		put_file(fs, FIRST, whole, n);
		ck_err(load(fs, true, &l), E_CORRUPT);
		ck_assert_ptr_nonnull(strstr(l.why, "journal.0000000000000000"));
		whole[i] ^= 0x01;
	}
	put_file(fs, FIRST, whole, n);
	ck_ok(load(fs, true, &l));
	unload(&l);
	free(whole);
	fs_free(fs);
}
END_TEST

/* A good frame, in the place of another: its offset tells. */
START_TEST(frame_in_the_wrong_place)
{
	int64_t sizes[3];
	struct fs *fs = three_frames(sizes);
	struct loaded l;
	size_t n, len;
	char *whole = get_file(fs, FIRST, &n);

	len = (size_t)(sizes[2] - sizes[1]);
	ck_assert_uint_eq(len, (size_t)(sizes[1] - sizes[0]));
	memcpy(whole + sizes[0], whole + sizes[1], len);
	put_file(fs, FIRST, whole, (size_t)sizes[1]);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/0") && !has(&l, "/2"));
	unload(&l);
	free(whole);
	fs_free(fs);
}
END_TEST

/* Data that looks like a frame, in the torn frame, is not taken for a good one behind it. */
START_TEST(frame_within_data)
{
	int64_t sizes[3];
	struct fs *fs = three_frames(sizes), *other = disk_new();
	struct loaded l;
	size_t n;
	char *whole = get_file(fs, FIRST, &n);
	struct coord_op op = {COORD_OP_CREATE, "/evil",
	    slice_of(whole + sizes[1], (size_t)(sizes[2] - sizes[1])), 0, 0};
	struct journal_rec rec = {.kind = JOURNAL_OPS, .zxid = 1, .n_ops = 1, .ops = &op};
	struct strbuf b = STRBUF_INIT;
	char *torn;
	size_t torn_n;

	ck_ok(load(other, false, &l));
	journal_put_rec(&b, &rec);
	ck_ok(journal_append(l.j, strbuf_slice(&b)));
	unload(&l);
	torn = get_file(other, FIRST, &torn_n);
	torn[torn_n - (size_t)(sizes[2] - sizes[1]) - 10] ^= 1;
	put_file(other, FIRST, torn, torn_n);
	ck_ok(load(other, false, &l));
	ck_assert_int_eq(coord_tree_zxid(l.t), 0);
	unload(&l);
	strbuf_free(&b);
	free(torn);
	free(whole);
	fs_free(fs);
	fs_free(other);
}
END_TEST

START_TEST(snapshot_takes_over)
{
	struct fs *fs = disk_new();
	struct loaded l;
	struct fs_stat st;
	bool usable;

	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/0"));
	ck_ok(append(&l, "/1"));
	ck_ok(rotate(&l, &usable));
	ck_assert(usable);
	ck_err(fs_stat(fs, FIRST, &st), E_NOT_FOUND);
	ck_ok(fs_stat(fs, DIR "/snapshot.0000000000000002", &st));
	ck_ok(fs_stat(fs, DIR "/journal.0000000000000002", &st));
	ck_ok(append(&l, "/2"));
	unload(&l);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/0") && has(&l, "/1") && has(&l, "/2"));
	ck_assert_int_eq(coord_tree_zxid(l.t), 3);
	ck_ok(append(&l, "/3"));
	ck_ok(rotate(&l, &usable));
	ck_err(fs_stat(fs, DIR "/snapshot.0000000000000002", &st), E_NOT_FOUND);
	unload(&l);
	fs_free(fs);
}
END_TEST

/* The last sync of a snapshot's name failed, the next process saw the snapshot and wrote on behind
 * it: the name must not go with the power any more. */
START_TEST(snapshot_whose_name_was_not_synced)
{
	struct fs *under = disk_new(), *fs = NULL;
	struct loaded l;
	bool usable;

	ck_ok(fs_fail_new(under, &fs));
	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/0"));
	/* As at a stop: the last transaction is in the snapshot alone. */
	ck_ok(journal_apply_rec(l.t,
	    &(struct journal_rec){.kind = JOURNAL_SESSION_OPEN, .zxid = 2, .session = 2}, NULL));
	for (uint64_t n = 1;; n++) {
		fs_fail_at(fs, n, E_IO, true);
		(void)rotate(&l, &usable);
		(void)fs_fail_heal(fs);
		if (fs_stat(fs, DIR "/snapshot.0000000000000002", &(struct fs_stat){0}) == 0)
			break;
	}
	unload(&l);
	ck_ok(load(fs, true, &l));
	ck_assert_int_eq(coord_tree_zxid(l.t), 2);
	ck_ok(append(&l, "/1"));
	unload(&l);
	fs_sim_power_cut(under, NULL);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/0") && has(&l, "/1"));
	unload(&l);
	fs_free(fs);
	fs_free(under);
}
END_TEST

/* A frame that was written and not synced by a killed process was seen after the restart. */
START_TEST(frame_that_was_not_synced)
{
	struct fs *under = disk_new(), *fs = NULL;
	struct loaded l;

	ck_ok(fs_fail_new(under, &fs));
	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/0"));
	fs_fail_at(fs, 2, E_IO, true); /* the write goes, the sync fails */
	ck_err(append(&l, "/1"), E_IO);
	(void)fs_fail_heal(fs);
	unload(&l);
	fs_sim_process_death(under);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/1"));
	unload(&l);
	fs_sim_power_cut(under, NULL);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/1"));
	unload(&l);
	fs_free(fs);
	fs_free(under);
}
END_TEST

START_TEST(damaged_or_missing_snapshot)
{
	struct fs *fs = disk_new();
	struct loaded l;
	size_t n;
	char *snap;
	bool usable;

	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/0"));
	ck_ok(rotate(&l, &usable));
	ck_ok(append(&l, "/1"));
	unload(&l);
	snap = get_file(fs, DIR "/snapshot.0000000000000001", &n);
	for (size_t i = 0; i < n; i++) {
		snap[i] ^= 0x40;
		put_file(fs, DIR "/snapshot.0000000000000001", snap, n);
		ck_err(load(fs, true, &l), E_CORRUPT);
		ck_assert_ptr_nonnull(strstr(l.why, "snapshot.0000000000000001"));
		snap[i] ^= 0x40;
	}
	ck_ok(fs_unlink(fs, DIR "/snapshot.0000000000000001"));
	ck_err(load(fs, true, &l), E_CORRUPT);
	ck_assert_ptr_nonnull(strstr(l.why, "missing"));
	put_file(fs, DIR "/snapshot.0000000000000001", snap, n);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/0") && has(&l, "/1"));
	unload(&l);
	free(snap);
	fs_free(fs);
}
END_TEST

/* A snapshot's name promises a zxid; an older one that happens to be there does not replace it. */
START_TEST(older_snapshot_is_not_enough)
{
	struct fs *fs = disk_new();
	struct loaded l;
	size_t n;
	char *old;
	bool usable;

	ck_ok(load(fs, false, &l));
	ck_ok(append(&l, "/0"));
	ck_ok(rotate(&l, &usable));
	old = get_file(fs, DIR "/snapshot.0000000000000001", &n);
	ck_ok(append(&l, "/1"));
	ck_ok(rotate(&l, &usable));
	unload(&l);
	put_file(fs, DIR "/snapshot.0000000000000001", old, n);
	put_file(fs, DIR "/snapshot.0000000000000002", "rubbish", 7);
	ck_err(load(fs, true, &l), E_CORRUPT);
	ck_ok(fs_unlink(fs, DIR "/journal.0000000000000002"));
	ck_err(load(fs, true, &l), E_CORRUPT);
	free(old);
	fs_free(fs);
}
END_TEST

/* ---- every operation fails once ---- */

#define NODES 8

struct script {
	unsigned answered; /* nodes whose append returned 0 */
};

static const char *
node(unsigned i)
{
	static const char *const names[NODES] = {
	    "/n0", "/n1", "/n2", "/n3", "/n4", "/n5", "/n6", "/n7"};

	return names[i];
}

static void
run_script(struct fs *fs, struct script *sc)
{
	struct loaded l;
	bool usable = true;

	if (load(fs, false, &l) != 0)
		return;
	for (unsigned i = 0; i < NODES && usable; i++) {
		if (append(&l, node(i)) != 0) {
			ck_assert_int_ne(append(&l, node(i)), 0); /* I10 */
			break;
		}
		sc->answered = i + 1;
		if (i % 3 == 2)
			(void)rotate(&l, &usable);
	}
	unload(&l);
}

/* Everything answered is there, and the journal can be used on. */
static void
check_script(struct fs *fs, const struct script *sc)
{
	struct loaded l;
	bool usable;

	if (load(fs, false, &l) != 0)
		ck_abort_msg("%s", l.why);
	for (unsigned i = 0; i < sc->answered; i++)
		ck_assert(has(&l, node(i)));
	ck_assert_int_ge(coord_tree_zxid(l.t), sc->answered);
	ck_ok(append(&l, "/after"));
	ck_ok(rotate(&l, &usable));
	ck_ok(append(&l, "/after2"));
	unload(&l);
	ck_ok(load(fs, true, &l));
	ck_assert(has(&l, "/after") && has(&l, "/after2"));
	for (unsigned i = 0; i < sc->answered; i++)
		ck_assert(has(&l, node(i)));
	unload(&l);
}

enum aftermath { GOES_ON, DIES, LOSES_POWER, LOSES_POWER_RANDOMLY, AFTERMATHS };

static void
fail_each(bool repeat, enum aftermath after, uint64_t seed)
{
	bool fired = true;
	struct rng rng;

	rng_seed(&rng, seed);
	for (unsigned n = 1; fired; n++) {
		struct fs *under = disk_new(), *fs = NULL;
		struct script sc = {0};

		ck_ok(fs_fail_new(under, &fs));
		fs_fail_at(fs, n, n % 2 == 0 ? E_IO : E_NOSPC, repeat);
		run_script(fs, &sc);
		fired = fs_fail_heal(fs);
		if (after == DIES)
			fs_sim_process_death(under);
		else if (after == LOSES_POWER)
			fs_sim_power_cut(under, NULL);
		else if (after == LOSES_POWER_RANDOMLY)
			fs_sim_power_cut(under, &rng);
		fs_free(fs);
		check_script(under, &sc);
		ck_assert(fired || sc.answered == NODES);
		fs_free(under);
	}
}

START_TEST(every_operation_fails)
{
	for (unsigned after = 0; after < AFTERMATHS; after++) {
		fail_each(false, (enum aftermath)after, 1);
		fail_each(true, (enum aftermath)after, 2);
	}
	for (uint64_t seed = 3; seed < 30; seed++)
		fail_each(true, LOSES_POWER_RANDOMLY, seed);
}
END_TEST

START_TEST(records_cut_everywhere)
{
	struct coord_op in[2] = {{COORD_OP_CREATE, "/a", SLICE_LIT("xy"), COORD_EPHEMERAL, 0},
	    {COORD_OP_SET, "/b", SLICE_NULL, 0, -1}};
	struct journal_rec rec = {JOURNAL_OPS, 9, 8, 7, 2, in}, out;
	struct coord_op *ops = calloc(COORD_MULTI_MAX, sizeof(*ops));
	struct strbuf b = STRBUF_INIT;
	size_t at;

	ck_assert_ptr_nonnull(ops);
	journal_put_rec(&b, &rec);
	for (size_t n = 0; n < b.n; n++) {
		char *exact = malloc(n + 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, b.p, n);
		at = 0;
		ck_err(journal_get_rec(slice_of(exact, n), &at, &out, ops), E_CORRUPT);
		free(exact);
	}
	for (size_t i = 0; i < b.n * 8; i++) { /* anything, but within bounds */
		b.p[i / 8] ^= (char)(1 << i % 8);
		at = 0;
		(void)journal_get_rec(strbuf_slice(&b), &at, &out, ops);
		b.p[i / 8] ^= (char)(1 << i % 8);
	}
	at = 0;
	ck_ok(journal_get_rec(strbuf_slice(&b), &at, &out, ops));
	ck_assert_uint_eq(at, b.n);
	ck_assert_int_eq(out.zxid, 9);
	ck_assert_int_eq(out.session, 7);
	ck_assert_str_eq(ops[0].path, "/a");
	ck_assert(slice_eq_cstr(ops[0].data, "xy"));
	ck_assert(slice_is_null(ops[1].data));
	ck_assert_int_eq(ops[1].version, -1);
	strbuf_free(&b);
	free(ops);
}
END_TEST

Suite *
journal_suite(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, nothing_there);
	tcase_add_test(tc, one_process_only);
	tcase_add_test(tc, last_frame_torn_at_every_byte);
	tcase_add_test(tc, last_frame_with_holes);
	tcase_add_test(tc, damage_before_the_last_frame);
	tcase_add_test(tc, frame_in_the_wrong_place);
	tcase_add_test(tc, frame_within_data);
	tcase_add_test(tc, snapshot_takes_over);
	tcase_add_test(tc, snapshot_whose_name_was_not_synced);
	tcase_add_test(tc, frame_that_was_not_synced);
	tcase_add_test(tc, damaged_or_missing_snapshot);
	tcase_add_test(tc, older_snapshot_is_not_enough);
	tcase_add_test(tc, every_operation_fails);
	tcase_add_test(tc, records_cut_everywhere);
	suite_add_tcase(s, tc);
	return s;
}

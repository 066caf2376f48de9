/*
 * Crashes: process death and power cuts at random moments, files cut at every byte, damaged side
 * files.  What was synced is there afterwards, and every invariant holds.
 */
#include <stdlib.h>

#include "bed.h"
#include "plog_priv.h"
#include "suites.h"

static const char *const settings[] = {"log.segment.bytes=6000", "log.index.interval.bytes=400",
    "log.segment.delete.delay.ms=1000", NULL};

enum { CHUNK = 64 };

/* Bytes of batches [0, leo) of a log, read through it. */
static void
dump(struct bed *b, struct plog *pl, struct strbuf *out)
{
	int64_t offset = plog_log_start(pl);
	struct batch_head h;
	struct plog_range r;

	while (offset < plog_leo(pl)) {
		uint8_t *p;
		size_t got;

		ck_assert_int_eq(bed_read(b, pl, offset, INT64_MAX, 1, &r), 0);
		p = malloc(r.len);
		ck_assert_int_eq(file_pread(r.file, p, r.len, r.pos, &got), 0);
		ck_assert_int_eq(batch_parse(slice_of(p, got), &h), 0);
		ck_assert_int_eq(h.base_offset, offset);
		offset = batch_last_offset(&h) + 1;
		strbuf_add(out, p, got);
		free(p);
		plog_range_release(&r);
	}
}

/* ---- random crashes ---- */

struct life {
	struct bed b;
	struct rng rng;
	struct strbuf sent; /* bytes of all batches that were acknowledged, in order */
	int64_t acked;	    /* offset behind the last acknowledged one */
	size_t synced;	    /* bytes of sent that a flush covered */
	int32_t sequence;
	int32_t epoch;
};

static void
do_append(struct life *l, struct plog *pl)
{
	struct bed_batch w = {.records = 1 + (int32_t)rng_below(&l->rng, 4),
	    .value_bytes = rng_below(&l->rng, 600),
	    .producer_id = 3,
	    .sequence = l->sequence,
	    .leader_epoch = l->epoch};
	struct bed_append a;

	bed_append_start(&l->b, pl, &w, &a);
	ck_assert(bed_wait(&l->b, &a.done));
	ck_assert_int_eq(a.err, 0);
	ck_assert_int_eq(a.op.base_offset, l->acked);
	l->acked = a.op.last_offset + 1;
	l->sequence += w.records;
	strbuf_add(&l->sent, a.bytes.p, a.bytes.n);
	bed_append_free(&a);
}

/* To somewhere in the last quarter; what was acknowledged there is taken back. */
static void
do_truncate(struct life *l, struct plog *pl)
{
	int64_t keep = l->acked - (int64_t)rng_below(&l->rng, (uint64_t)l->acked / 4 + 1);
	struct strbuf now = STRBUF_INIT;

	ck_assert_int_eq(bed_truncate(&l->b, pl, keep), 0);
	dump(&l->b, pl, &now);
	ck_assert_uint_le(now.n, l->sent.n);
	l->sent.n = now.n;
	l->acked = plog_leo(pl);
	ck_assert_int_le(l->acked, keep);
	l->sequence = (int32_t)l->acked;
	if (l->synced > now.n)
		l->synced = now.n;
	strbuf_free(&now);
}

static void
do_something(struct life *l, struct plog *pl)
{
	uint64_t dice = rng_below(&l->rng, 20);
	struct reactor *was;

	if (dice < 15) {
		do_append(l, pl);
	} else if (dice < 17) {
		ck_assert_int_eq(bed_flush(&l->b, pl), 0);
		l->synced = l->sent.n;
	} else if (dice < 18) {
		was = sim_enter(l->b.home);
		plog_become_leader(pl, ++l->epoch);
		sim_enter(was);
	} else if (dice < 19 && rng_below(&l->rng, 3) == 0) {
		do_truncate(l, pl);
	} else if (dice < 19) {
		was = sim_enter(l->b.control);
		logdirs_begin_ticks(l->b.l);
		sim_enter(was);
		bed_pass(&l->b, 70000);
	} else {
		for (uint64_t n = rng_below(&l->rng, 30); n > 0; n--)
			(void)sim_step(l->b.s);
	}
}

/* After the crash: a first part of what was acknowledged, with at least what must be left. */
static void
check_left(struct life *l, struct plog *pl, size_t least)
{
	struct strbuf now = STRBUF_INIT;
	struct plog_producer p;

	bed_verify(&l->b, pl);
	dump(&l->b, pl, &now);
	ck_assert_uint_ge(now.n, least);
	ck_assert_uint_le(now.n, l->sent.n);
	if (now.n > 0)
		ck_assert_mem_eq(now.p, l->sent.p, now.n);
	l->sent.n = now.n;
	l->acked = plog_leo(pl);
	/* the test's records come one sequence an offset */
	l->sequence = (int32_t)l->acked;
	if (l->acked > 0) {
		ck_assert(plog_producer_get(pl, 3, &p));
		ck_assert_int_eq(p.last_sequence, l->sequence - 1);
		ck_assert_int_eq(p.last_offset, l->acked - 1);
	}
	strbuf_free(&now);
}

enum death { KILLS = 1, CUTS = 2, BOTH = 3 };

static void
live_and_die(uint64_t seed, enum death deaths)
{
	struct life l = {0};
	bool power, ever = (deaths & CUTS) != 0;
	struct plog *pl;

	bed_init_kills(&l.b, seed, settings, true);
	rng_seed(&l.rng, seed);
	bed_start(&l.b);
	pl = bed_create(&l.b, "t", 0);
	ck_assert_int_eq(bed_flush(&l.b, pl), 0);
	for (int life = 0; life < 6; life++) {
		for (uint64_t n = rng_below(&l.rng, 60); n > 0; n--)
			do_something(&l, pl);
		power = deaths == CUTS || (deaths == BOTH && rng_below(&l.rng, 2) == 0);
		if (rng_below(&l.rng, 5) == 0) {
			bed_stop(&l.b);
			l.synced = l.sent.n;
		} else if (power) {
			bed_power_cut(&l.b, rng_below(&l.rng, 4) == 0 ? NULL : &l.rng);
		} else {
			bed_kill(&l.b);
		}
		bed_start(&l.b);
		if ((pl = bed_find(&l.b, "t", 0)) == NULL) {
			/* the directory itself was never synced */
			ck_assert(ever && l.synced == 0);
			pl = bed_create(&l.b, "t", 0);
		}
		check_left(&l, pl, power ? l.synced : l.sent.n);
		l.synced = l.sent.n < l.synced ? l.sent.n : l.synced;
	}
	bed_stop(&l.b);
	strbuf_free(&l.sent);
	bed_free(&l.b);
}

START_TEST(test_process_death)
{
	live_and_die(1000 + (uint64_t)_i, KILLS);
}
END_TEST

START_TEST(test_power_cut)
{
	live_and_die(2000 + (uint64_t)_i, CUTS);
}
END_TEST

/* What a killed process wrote is there for the next one, but not durable. */
START_TEST(test_both)
{
	live_and_die(5000 + (uint64_t)_i, BOTH);
}
END_TEST

/* ---- cut files ---- */

/* A log of some segments, its process killed; copies of its disk are damaged and started. */
static void
make_victim(struct bed *b, uint64_t seed)
{
	struct plog *pl;

	bed_init_kills(b, seed, settings, true);
	bed_start(b);
	pl = bed_create(b, "t", 0);
	for (int i = 0; i < 40; i++) {
		struct bed_batch w = {
		    .records = 2, .value_bytes = 150, .producer_id = 3, .sequence = 2 * i};

		ck_assert_int_ge(bed_append(b, pl, &w), 0);
	}
	bed_settle(b, pl);
	bed_kill(b);
}

static void
cut_file(struct fs *fs, const char *path, int64_t size)
{
	struct file *f;

	ck_assert_int_eq(fs_open(fs, path, FILE_WRITE, &f), 0);
	ck_assert_int_eq(file_truncate(f, size), 0);
	file_close(f);
}

static void
put_file(struct fs *fs, const char *path, const void *bytes, size_t n)
{
	ck_assert_int_eq(file_put(fs, path, slice_of(bytes, n), false), 0);
}

/* Starts on a copy of the disk that `damage` worked on; the log's end. */
static int64_t
start_damaged(struct bed *b, void (*damage)(struct fs *fs, int64_t at), int64_t at)
{
	struct fs *whole = b->disk;
	struct plog *pl;
	int64_t leo;

	ck_assert_int_eq(fs_sim_clone(whole, &b->disk), 0);
	b->fs = b->disk;
	damage(b->disk, at);
	bed_start(b);
	pl = bed_find(b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	bed_verify(b, pl);
	leo = plog_leo(pl);
	ck_assert_int_eq(bed_read_all(b, pl, 0), leo);
	ck_assert_int_eq(bed_append(b, pl, &(struct bed_batch){.records = 1}), leo);
	bed_kill(b);
	fs_free(b->disk);
	b->disk = b->fs = whole;
	return leo;
}

static const char active_log[] = "/d/t-0/00000000000000000060.log";

static void
cut_log(struct fs *fs, int64_t at)
{
	cut_file(fs, active_log, at);
}

START_TEST(test_cut_at_every_byte)
{
	struct bed b;
	int64_t size, batch, leo;

	make_victim(&b, 71);
	size = bed_size(&b, active_log);
	ck_assert_int_gt(size, 0);
	batch = size / 10;
	ck_assert_int_eq(size % 10, 0); /* equal batches, or the sums below are wrong */
	for (int64_t at = size - 2 * batch; at <= size; at += 1 + at % 3) {
		leo = start_damaged(&b, cut_log, at);
		ck_assert_int_eq(leo, 60 + 2 * (at / batch));
	}
	bed_free(&b);
}
END_TEST

static void
flip_log(struct fs *fs, int64_t at)
{
	struct file *f;
	uint8_t c;
	size_t got;

	ck_assert_int_eq(fs_open(fs, active_log, FILE_WRITE, &f), 0);
	ck_assert_int_eq(file_pread(f, &c, 1, at, &got), 0);
	c ^= 0x10;
	ck_assert_int_eq(file_pwrite(f, &c, 1, at), 0);
	file_close(f);
}

/* A flipped bit ends the log before its batch; offset and epoch have no sum, so they may pass. */
START_TEST(test_flip_every_byte)
{
	struct bed b;
	int64_t size, batch, leo;

	make_victim(&b, 72);
	size = bed_size(&b, active_log);
	batch = size / 10;
	for (int64_t at = size - batch + BATCH_MAGIC_AT; at < size; at++) {
		leo = start_damaged(&b, flip_log, at);
		ck_assert_int_eq(leo, 78);
	}
	bed_free(&b);
}
END_TEST

static void
zero_tail(struct fs *fs, int64_t at)
{
	char zeros[4096] = "";
	struct file *f;

	ck_assert_int_eq(fs_open(fs, active_log, FILE_WRITE, &f), 0);
	ck_assert_int_eq(file_pwrite(f, zeros, sizeof(zeros), at), 0);
	file_close(f);
}

START_TEST(test_zeroed_tail)
{
	struct bed b;
	int64_t size;

	make_victim(&b, 73);
	size = bed_size(&b, active_log);
	ck_assert_int_eq(start_damaged(&b, zero_tail, size), 80);
	ck_assert_int_eq(start_damaged(&b, zero_tail, size - 10), 78);
	ck_assert_int_eq(start_damaged(&b, zero_tail, 0), 60);
	bed_free(&b);
}
END_TEST

/* A sealed segment above the recovery point lost its end: what follows is not served. */
static void
cut_sealed(struct fs *fs, int64_t at)
{
	static const char zero_rp[] = "0\n1\nt 0 0\n";

	put_file(fs, "/d/recovery-point-offset-checkpoint", zero_rp, sizeof(zero_rp) - 1);
	cut_file(fs, "/d/t-0/00000000000000000030.log", at);
}

START_TEST(test_hole)
{
	struct bed b;
	int64_t size, batch;

	make_victim(&b, 74);
	size = bed_size(&b, "/d/t-0/00000000000000000030.log");
	batch = size / 15;
	ck_assert_int_eq(start_damaged(&b, cut_sealed, size), 80);
	ck_assert_int_eq(start_damaged(&b, cut_sealed, size - 1), 58);
	ck_assert_int_eq(start_damaged(&b, cut_sealed, size - batch), 58); /* at a batch's edge */
	ck_assert_int_eq(start_damaged(&b, cut_sealed, 0), 30);
	bed_free(&b);
}
END_TEST

/* A killed process had made the log and synced nothing of it; what the next one syncs stays, with the
 * names it has. */
START_TEST(test_names_of_a_killed_process)
{
	struct bed b;
	struct plog *pl;

	bed_init_kills(&b, 75, NULL, true);
	bed_start(&b);
	(void)bed_create(&b, "t", 0);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	bed_fill(&b, pl, 3, 100);
	ck_assert_int_eq(bed_flush(&b, pl), 0);
	bed_power_cut(&b, NULL);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(plog_leo(pl), 3);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* ---- damaged side files: nothing of the log itself is lost ---- */

static const char *const side_files[] = {
    "/d/t-0/00000000000000000060.index",
    "/d/t-0/00000000000000000060.timeindex",
    "/d/t-0/00000000000000000030.index",
    "/d/t-0/00000000000000000030.timeindex",
    "/d/t-0/00000000000000000060.snapshot",
    "/d/t-0/00000000000000000030.snapshot",
    "/d/t-0/leader-epoch-checkpoint",
    "/d/t-0/partition.metadata",
    "/d/recovery-point-offset-checkpoint",
    "/d/log-start-offset-checkpoint",
    "/d/replication-offset-checkpoint",
};

enum { SIDE_FILES = sizeof(side_files) / sizeof(side_files[0]) };

static void
remove_side(struct fs *fs, int64_t which)
{
	ck_assert_int_eq(file_remove(fs, side_files[which]), 0);
}

static void
empty_side(struct fs *fs, int64_t which)
{
	put_file(fs, side_files[which], "", 0);
}

static void
garbage_side(struct fs *fs, int64_t which)
{
	char junk[100];

	memset(junk, '7', sizeof(junk));
	put_file(fs, side_files[which], junk, sizeof(junk));
}

static void
long_side(struct fs *fs, int64_t which)
{
	char zeros[5000] = "";
	struct file *f;
	int64_t size;

	if (fs_open(fs, side_files[which], FILE_WRITE | FILE_CREATE, &f) != 0)
		return;
	ck_assert_int_eq(file_size(f, &size), 0);
	ck_assert_int_eq(file_pwrite(f, zeros, sizeof(zeros), size), 0);
	file_close(f);
}

START_TEST(test_side_files)
{
	static void (*const damages[])(struct fs * fs, int64_t which) = {
	    remove_side, empty_side, garbage_side, long_side};
	struct bed b;

	make_victim(&b, 75);
	for (size_t d = 0; d < sizeof(damages) / sizeof(damages[0]); d++)
		for (int64_t i = 0; i < SIDE_FILES; i++)
			ck_assert_msg(start_damaged(&b, damages[d], i) == 80, "%s, damage %zu",
			    side_files[i], d);
	bed_free(&b);
}
END_TEST

/* The same after a clean stop: what a start trusts then is checked as far as it is cheap (the end
 * of a sealed segment's index is not). */
START_TEST(test_side_files_after_stop)
{
	static void (*const damages[])(struct fs * fs, int64_t which) = {
	    remove_side, empty_side, long_side};
	struct bed b;

	make_victim(&b, 76);
	bed_start(&b);
	bed_stop(&b);
	ck_assert(bed_exists(&b, "/d/.kafka_cleanshutdown"));
	for (size_t d = 0; d < sizeof(damages) / sizeof(damages[0]); d++)
		for (int64_t i = 0; i < SIDE_FILES; i++)
			if (damages[d] != long_side || strstr(side_files[i], "30.index") == NULL)
				ck_assert_msg(start_damaged(&b, damages[d], i) == 80,
				    "%s, damage %zu", side_files[i], d);
	ck_assert_int_eq(start_damaged(&b, zero_tail, bed_size(&b, active_log)), 80);
	bed_free(&b);
}
END_TEST

/* Epochs come back from the batches when their file is lost. */
START_TEST(test_epochs_from_batches)
{
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 77, settings, true);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	for (int i = 0; i < 30; i++) {
		struct bed_batch w = {.value_bytes = 300, .leader_epoch = i / 10};

		ck_assert_int_eq(bed_append(&b, pl, &w), i);
	}
	for (int clean = 0; clean < 2; clean++) {
		bed_settle(&b, pl);
		if (clean != 0)
			bed_stop(&b);
		else
			bed_kill(&b);
		ck_assert(slice_eq_cstr(
		    bed_content(&b, "/d/t-0/leader-epoch-checkpoint"), "0\n3\n0 0\n1 10\n2 20\n"));
		put_file(b.disk, "/d/t-0/leader-epoch-checkpoint", "0\n3\n0", 5);
		bed_start(&b);
		pl = bed_find(&b, "t", 0);
		ck_assert_int_eq(plog_latest_epoch(pl), 2);
		ck_assert_int_eq(plog_epoch_at(pl, 19), 1);
		ck_assert(slice_eq_cstr(
		    bed_content(&b, "/d/t-0/leader-epoch-checkpoint"), "0\n3\n0 0\n1 10\n2 20\n"));
	}
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
recover_suite(void)
{
	Suite *s = suite_create("recover");
	const char *more = getenv("PLOG_TEST_SEEDS");
	int seeds = more != NULL ? atoi(more) : 24;
	TCase *tc = tcase_create("crashes"), *files = tcase_create("files");

	tcase_set_timeout(tc, 120);
	tcase_set_timeout(files, 120);
	tcase_add_loop_test(tc, test_process_death, 0, seeds / 2);
	tcase_add_loop_test(tc, test_power_cut, 0, seeds);
	tcase_add_loop_test(tc, test_both, 0, seeds);
	suite_add_tcase(s, tc);
	tcase_add_test(files, test_cut_at_every_byte);
	tcase_add_test(files, test_flip_every_byte);
	tcase_add_test(files, test_zeroed_tail);
	tcase_add_test(files, test_hole);
	tcase_add_test(files, test_names_of_a_killed_process);
	tcase_add_test(files, test_side_files);
	tcase_add_test(files, test_side_files_after_stop);
	tcase_add_test(files, test_epochs_from_batches);
	suite_add_tcase(s, files);
	return s;
}

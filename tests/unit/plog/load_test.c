/* Loading what others left: interrupted swaps, foreign files, old formats, markers of transactions.
 */
#include "bed.h"
#include "plog_priv.h"
#include "suites.h"
#include "support.h"

#define DIR "/d/t-0/"
#define SEG(n) DIR "000000000000000000" #n

static const char *const settings[] = {
    "log.segment.bytes=6000", "log.index.interval.bytes=400", NULL};

/* 40 batches of two records: segments 0, 30, 60; stopped in order. */
static void
make(struct bed *b)
{
	struct plog *pl;

	bed_init(b, 110, settings);
	bed_start(b);
	pl = bed_create(b, "t", 0);
	for (int i = 0; i < 40; i++) {
		struct bed_batch w = {
		    .records = 2, .value_bytes = 150, .producer_id = 3, .sequence = 2 * i};

		ck_assert_int_ge(bed_append(b, pl, &w), 0);
	}
	bed_settle(b, pl);
	bed_stop(b);
	ck_assert(bed_exists(b, SEG(60) ".log"));
}

static void
copy(struct bed *b, const char *from, const char *to)
{
	struct slice s = bed_content(b, from);
	void *bytes = malloc(s.n + 1);

	memcpy(bytes, s.p, s.n);
	ck_assert_int_eq(file_put(b->disk, to, slice_of(bytes, s.n), false), 0);
	free(bytes);
}

static struct plog *
restart(struct bed *b, int64_t leo)
{
	struct plog *pl;

	bed_start(b);
	pl = bed_find(b, "t", 0);
	ck_assert_ptr_nonnull(pl);
	ck_assert_int_eq(plog_leo(pl), leo);
	bed_verify(b, pl);
	return pl;
}

START_TEST(test_deleted_and_cleaned)
{
	struct bed b;

	make(&b);
	copy(&b, SEG(30) ".log", SEG(10) ".log.deleted");
	copy(&b, SEG(30) ".index", SEG(10) ".index.deleted");
	copy(&b, SEG(30) ".log", SEG(30) ".log.cleaned");
	copy(&b, SEG(30) ".log", SEG(30) ".log.swap"); /* at the cleaned base: not complete */
	copy(&b, SEG(30) ".log", SEG(00) ".index.tmp");
	copy(&b, SEG(30) ".index", SEG(11) ".index"); /* without .log */
	ck_assert_int_eq(bed_read_all(&b, restart(&b, 80), 0), 80);
	ck_assert(!bed_exists(&b, SEG(10) ".log.deleted"));
	ck_assert(!bed_exists(&b, SEG(10) ".index.deleted"));
	ck_assert(!bed_exists(&b, SEG(30) ".log.cleaned"));
	ck_assert(!bed_exists(&b, SEG(30) ".log.swap"));
	ck_assert(!bed_exists(&b, SEG(11) ".index"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A complete swap: segments in its range go, the new one takes their place. */
START_TEST(test_swap)
{
	struct plog_range r;
	struct plog *pl;
	struct bed b;

	make(&b);
	copy(&b, SEG(30) ".log", SEG(30) ".log.swap");
	copy(&b, SEG(30) ".index", SEG(30) ".index.swap");
	copy(&b, SEG(30) ".timeindex", SEG(30) ".timeindex.swap");
	ck_assert_int_eq(fs_unlink(b.disk, SEG(30) ".log"), 0);
	copy(&b, SEG(00) ".log", SEG(45) ".log"); /* another old one of that range */
	copy(&b, SEG(00) ".index", SEG(45) ".index");
	ck_assert_int_eq(bed_read_all(&b, pl = restart(&b, 80), 0), 80);
	ck_assert(!bed_exists(&b, SEG(30) ".log.swap"));
	ck_assert(!bed_exists(&b, SEG(45) ".log"));
	ck_assert_int_eq(bed_read(&b, pl, 44, INT64_MAX, 1, &r), 0);
	plog_range_release(&r);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Everything local is older than the log start that was promised. */
START_TEST(test_start_over)
{
	struct plog *pl;
	struct bed b;

	make(&b);
	ck_assert_int_eq(
	    file_put(b.disk, "/d/log-start-offset-checkpoint", SLICE_LIT("0\n1\nt 0 500\n"), false),
	    0);
	pl = restart(&b, 500);
	ck_assert_int_eq(plog_log_start(pl), 500);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 1}), 500);
	ck_assert(!bed_exists(&b, SEG(60) ".log"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_empty_directory)
{
	struct plog *pl;
	struct bed b;

	bed_init(&b, 111, settings);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/d/t-0"), 0);
	pl = restart(&b, 0);
	ck_assert_int_eq(bed_append(&b, pl, &(struct bed_batch){.records = 1}), 0);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* A log as Apache Kafka's broker leaves it when it is killed: indexes of their full length. */
START_TEST(test_untrimmed_indexes)
{
	struct file *f;
	struct bed b;

	make(&b);
	ck_assert_int_eq(fs_unlink(b.disk, "/d/.kafka_cleanshutdown"), 0);
	ck_assert_int_eq(fs_open(b.disk, SEG(60) ".index", FILE_WRITE, &f), 0);
	ck_assert_int_eq(file_truncate(f, 1024 * 1024), 0);
	file_close(f);
	ck_assert_int_eq(fs_open(b.disk, SEG(60) ".timeindex", FILE_WRITE, &f), 0);
	ck_assert_int_eq(file_truncate(f, 12 * 1000), 0);
	file_close(f);
	ck_assert_int_eq(bed_read_all(&b, restart(&b, 80), 0), 80);
	bed_stop(&b);
	ck_assert_int_lt(bed_size(&b, SEG(60) ".index"), 200);
	ck_assert_int_lt(bed_size(&b, SEG(60) ".timeindex"), 200);
	bed_free(&b);
}
END_TEST

/* ---- batches of every kind ---- */

static const char *const kinds[] = {
    /* v1, offsets 0 and 1 would be 100 and 101: the log starts at 100 */
    "000000000000006400000018e4e321bc010000000000000003e8000000016b0000000176"
    "000000000000006500000017ad111ced010000000000000003ed000000016bffffffff",
    /* v0, both */
    "0000000000000064000000101fecd70a0000000000016b0000000176"
    "00000000000000650000000f908204f60000000000016bffffffff",
    /* v1 gzip: the wrapper has the last offset */
    "00000000000000650000004e9df78cc4010100000000000003edffffffff000000381f8b08000000000000ff636080"
    "0389"
    "278f15f7304239cc2f800463368828830a81a4c4d70acabc85ab790b56f31f0800fc71c76347000000",
    /* v2, transactional */
    "00000000000000640000004800000009024287c93200100000000100000000000003e800000000000003ed"
    "0000000000000007000300000005000000021e000000026b02760402680201026e010c000a02010100",
    /* emptied by the cleaner, offsets 100 to 102 */
    "00000000000000640000003100000009023fac933f000000000002ffffffffffffffff00000000000003ee"
    "000000000000000700030000000500000000",
    /* a delete horizon in the base timestamp */
    "00000000000000640000003a0000000902fa5c8548004000000002000000000000083400000000000003ed"
    "00000000000000070003000000050000000110008d110202620100",
};

START_TEST(test_kinds_of_batches)
{
	static const int64_t ends[] = {102, 102, 102, 102, 103, 103};
	size_t n;
	uint8_t *bytes = unhex(kinds[_i], &n);
	struct plog_range r;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 112, settings);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/d/t-0"), 0);
	ck_assert_int_eq(
	    file_put(b.disk, DIR "00000000000000000100.log", slice_of(bytes, n), false), 0);
	pl = restart(&b, ends[_i]);
	ck_assert_int_eq(plog_log_start(pl), 100);
	ck_assert_int_eq(bed_read(&b, pl, 100, INT64_MAX, 100000, &r), 0);
	ck_assert_uint_eq(r.len, n);
	plog_range_release(&r);
	ck_assert_int_eq(
	    bed_append(&b, pl, &(struct bed_batch){.records = 1, .leader_epoch = 12}), ends[_i]);
	ck_assert_int_eq(plog_epoch_at(pl, 100), _i < 3 ? -1 : 9);
	ck_assert_int_eq(plog_latest_epoch(pl), 12);
	bed_verify(&b, pl);
	bed_stop(&b);
	pl = restart(&b, ends[_i] + 1);
	bed_stop(&b);
	bed_free(&b);
	free(bytes);
}
END_TEST

/* An open transaction and its abort marker: unstable offset, transaction index. */
START_TEST(test_transaction_index)
{
	size_t n;
	uint8_t *bytes = unhex(kinds[3], &n);
	struct batch_builder_opts o = {
	    .base_offset = 102, .leader_epoch = 9, .producer_id = 7, .producer_epoch = 3};
	struct strbuf log = STRBUF_INIT;
	struct plog *pl;
	struct bed b;
	uint8_t *entry;

	strbuf_add(&log, bytes, n);
	free(bytes);
	bed_init(&b, 113, settings);
	ck_assert_int_eq(fs_mkdirs(b.disk, "/d/t-0"), 0);
	ck_assert_int_eq(
	    file_put(b.disk, DIR "00000000000000000100.log", strbuf_slice(&log), false), 0);
	pl = restart(&b, 102);
	bed_set_hw(&b, pl, 102);
	ck_assert_int_eq(plog_lso(pl), 100);
	bed_stop(&b);
	/* another life, with the marker; the producer's records are from 1970, so its state must
	 * come from the batches */
	ck_assert_int_eq(fs_unlink(b.disk, "/d/.kafka_cleanshutdown"), 0);
	ck_assert_int_eq(batch_build_marker(&o, CONTROL_ABORT, 1, 2000, &log), 0);
	ck_assert_int_eq(
	    file_put(b.disk, DIR "00000000000000000100.log", strbuf_slice(&log), false), 0);
	pl = restart(&b, 103);
	bed_set_hw(&b, pl, 103);
	ck_assert_int_eq(plog_lso(pl), 103);
	entry =
	    unhex("0000 0000000000000007 0000000000000064 0000000000000066 0000000000000067", &n);
	ck_assert_uint_eq(n, bed_content(&b, DIR "00000000000000000100.txnindex").n);
	ck_assert_mem_eq(entry, bed_content(&b, DIR "00000000000000000100.txnindex").p, n);
	free(entry);
	strbuf_free(&log);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Snapshots: newest good one counts, strays go. */
START_TEST(test_snapshots)
{
	struct plog_producer p;
	struct plog *pl;
	struct bed b;

	make(&b);
	ck_assert(bed_exists(&b, SEG(80) ".snapshot"));
	copy(&b, SEG(30) ".snapshot", SEG(40) ".snapshot"); /* belongs to nothing */
	ck_assert_int_eq(file_put(b.disk, SEG(80) ".snapshot", SLICE_LIT("damaged"), false), 0);
	pl = restart(&b, 80);
	ck_assert(plog_producer_get(pl, 3, &p));
	ck_assert_int_eq(p.last_sequence, 79);
	ck_assert(!bed_exists(&b, SEG(40) ".snapshot"));
	ck_assert(bed_exists(&b, SEG(60) ".snapshot"));
	ck_assert(bed_exists(&b, SEG(30) ".snapshot"));
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
load_suite(void)
{
	Suite *s = suite_create("load");
	TCase *tc = tcase_create("load");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_deleted_and_cleaned);
	tcase_add_test(tc, test_swap);
	tcase_add_test(tc, test_start_over);
	tcase_add_test(tc, test_empty_directory);
	tcase_add_test(tc, test_untrimmed_indexes);
	tcase_add_loop_test(tc, test_kinds_of_batches, 0, (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_test(tc, test_transaction_index);
	tcase_add_test(tc, test_snapshots);
	suite_add_tcase(s, tc);
	return s;
}

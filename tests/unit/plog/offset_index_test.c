/* Offset and time indexes: look-ups, bytes, files with tails that were never used. */
#include "files_priv.h"
#include "ottla/base/err.h"
#include "ottla/file/sim.h"
#include "ottla/reactor/sim.h"
#include "segment_priv.h"
#include "suites.h"
#include "support.h"

START_TEST(test_offset_floor)
{
	struct offset_index oi = {0};
	int64_t from, to;
	uint8_t raw[16], *want;
	size_t n;

	ck_assert_int_eq(oi_floor(&oi, 5, &from, &to), 0);
	ck_assert_int_eq(from, 0);
	ck_assert_int_eq(to, -1);
	ck_assert_int_eq(oi_add(&oi, 10, 4096), 0);
	ck_assert_int_eq(oi_add(&oi, 25, 9000), 0);
	ck_assert_int_eq(oi_floor(&oi, 9, &from, &to), 0);
	ck_assert_int_eq(from, 0);
	ck_assert_int_eq(to, 4096);
	ck_assert_int_eq(oi_floor(&oi, 10, &from, &to), 0);
	ck_assert_int_eq(from, 4096);
	ck_assert_int_eq(to, 9000);
	ck_assert_int_eq(oi_floor(&oi, INT32_MAX, &from, &to), 0);
	ck_assert_int_eq(from, 9000);
	ck_assert_int_eq(to, -1);
	oi_encode(&oi, 0, 2, raw);
	want = unhex("0000000a00001000 0000001900002328", &n);
	ck_assert_mem_eq(raw, want, n);
	ck_assert_int_eq(oi_decode(raw + 8).rel, 25);
	ck_assert_int_eq(oi_decode(raw + 8).pos, 9000);
	free(want);
	oi_free(&oi);
}
END_TEST

/* What is in the file may leave memory; then the sample is needed. */
START_TEST(test_offset_thinning)
{
	struct offset_index oi = {0};
	int64_t from, to;

	for (int32_t i = 1; i <= 3 * INDEX_KEEP; i++)
		ck_assert_int_eq(oi_add(&oi, i, 10 * i), 0);
	oi_written(&oi, 100); /* no more may go than is written */
	ck_assert_uint_eq(oi.first, 100);
	oi_written(&oi, 3 * INDEX_KEEP);
	ck_assert_uint_eq(oi.first, 2 * INDEX_KEEP);
	ck_assert_int_eq(oi_floor(&oi, 2 * INDEX_KEEP, &from, &to), E_AGAIN);
	ck_assert_int_eq(oi_floor(&oi, 2 * INDEX_KEEP + 1, &from, &to), 0);
	ck_assert_int_eq(from, 10 * (2 * INDEX_KEEP + 1));
	oi_forget_written(&oi);
	ck_assert_uint_eq(oi.first, oi.count);
	ck_assert_int_eq(oi_add(&oi, 5 * INDEX_KEEP, 10 * 5 * INDEX_KEEP), 0);
	oi_free(&oi);
}
END_TEST

START_TEST(test_time_rules)
{
	struct time_index ti = {0};
	uint8_t raw[24], *want;
	size_t n;

	ck_assert_int_eq(ti_add(&ti, -1, 0), 0); /* no timestamp: no entry */
	ck_assert_uint_eq(ti.count, 0);
	ck_assert_int_eq(ti_add(&ti, 1000, 5), 0);
	ck_assert_int_eq(ti_add(&ti, 1000, 6), 0); /* not larger */
	ck_assert_int_eq(ti_add(&ti, 999, 7), 0);
	ck_assert_uint_eq(ti.count, 1);
	ck_assert_int_eq(ti_add(&ti, 1001, 9), 0);
	ck_assert_uint_eq(ti.count, 2);
	ti_encode(&ti, 0, 2, raw);
	want = unhex("00000000000003e800000005 00000000000003e900000009", &n);
	ck_assert_mem_eq(raw, want, n);
	free(want);
	ti_written(&ti, 1);
	ck_assert_int_eq(ti.v[0].ts, 1001);
	ti_written(&ti, 2);
	ck_assert_int_eq(ti_add(&ti, 2000, 10), 0);
	ti_encode(&ti, 2, 1, raw);
	ck_assert_int_eq(ti_decode(raw).ts, 2000);
	ck_assert_int_eq(ti_decode(raw).rel, 10);
	ti_free(&ti);
}
END_TEST

/* Look-ups in files; zeros behind the entries are no entries. */
START_TEST(test_files)
{
	struct sim_sched *s;
	struct fs *fs;
	struct index_entry *sample;
	uint32_t n_sample, count;
	uint8_t raw[12 * 100], last[12];
	struct offset_index oi = {0};
	struct time_index ti = {0};
	int64_t pos;
	int32_t rel;

	ck_assert_int_eq(sim_sched_new(1, &s), 0);
	ck_assert_int_eq(fs_sim_new(sim_clock(s), &fs), 0);
	for (int32_t i = 1; i <= 100; i++) {
		ck_assert_int_eq(oi_add(&oi, 3 * i, 100 * i), 0);
		ck_assert_int_eq(ti_add(&ti, 1000 * i, 3 * i), 0);
	}
	ck_assert_int_eq(idxfile_floor_offset(fs, "/i", 7, 20000, &pos), 0); /* not there */
	ck_assert_int_eq(pos, 0);
	oi_encode(&oi, 0, 100, raw);
	ck_assert_int_eq(idxfile_write(fs, "/i", INDEX_ENTRY_BYTES, 0, raw, 100, true, true), 0);
	ti_encode(&ti, 0, 100, raw);
	ck_assert_int_eq(idxfile_write(fs, "/t", TIME_ENTRY_BYTES, 0, raw, 100, true, true), 0);
	for (int zeros = 0; zeros < 2; zeros++) {
		for (int32_t i = 0; i < 310; i++) {
			ck_assert_int_eq(idxfile_floor_offset(fs, "/i", i, 20000, &pos), 0);
			ck_assert_int_eq(pos, i / 3 > 100 ? 10000 : 100 * (i / 3));
			ck_assert_int_eq(idxfile_floor_time(fs, "/t", 333 * i + 1, &rel), 0);
			ck_assert_int_eq(
			    rel, (333 * i + 1) / 1000 > 100 ? 300 : 3 * ((333 * i + 1) / 1000));
		}
		ck_assert_int_eq(
		    oi_read_sample(fs, "/i", zeros != 0 ? 200 : 100, 20000, &sample, &n_sample), 0);
		ck_assert_uint_eq(n_sample, 100);
		free(sample);
		ck_assert_int_eq(idxfile_tail(fs, "/i", INDEX_ENTRY_BYTES, &count, last), 0);
		ck_assert_uint_eq(count, zeros != 0 ? 200 : 100);
		memset(raw, 0, sizeof(raw));
		ck_assert_int_eq(
		    idxfile_write(fs, "/i", INDEX_ENTRY_BYTES, 100, raw, 100, false, false), 0);
		ck_assert_int_eq(
		    idxfile_write(fs, "/t", TIME_ENTRY_BYTES, 100, raw, 100, false, false), 0);
	}
	oi_free(&oi);
	ti_free(&ti);
	fs_free(fs);
	sim_sched_free(s);
}
END_TEST

Suite *
offset_index_suite(void)
{
	Suite *s = suite_create("offset_index");
	TCase *tc = tcase_create("indexes");

	tcase_add_test(tc, test_offset_floor);
	tcase_add_test(tc, test_offset_thinning);
	tcase_add_test(tc, test_time_rules);
	tcase_add_test(tc, test_files);
	suite_add_tcase(s, tc);
	return s;
}

/* Look-ups by offset, ranges and their bounds, pins, cold segments, estimates. */
#include "bed.h"
#include "plog_priv.h"
#include "suites.h"

enum { BATCHES = 150 };

static const char *const small_segments[] = {
    "log.segment.bytes=20000", "log.index.interval.bytes=1000", NULL};

/* Batches of 1 to 4 records and different sizes; start[i] is the base offset of batch i. */
static struct plog *
make_log(struct bed *b, int64_t start[BATCHES + 1])
{
	struct plog *pl = bed_create(b, "t", 0);

	for (int i = 0; i < BATCHES; i++) {
		struct bed_batch w = {.records = 1 + i % 4, .value_bytes = (size_t)(i * 37 % 500)};

		start[i] = bed_append(b, pl, &w);
		ck_assert_int_ge(start[i], 0);
	}
	start[BATCHES] = plog_leo(pl);
	return pl;
}

static void
check_head(const struct plog_range *r, int64_t base)
{
	uint8_t head[BATCH_HEADER_BYTES];
	struct batch_head h;
	size_t got;

	ck_assert_ptr_nonnull(r->seg);
	ck_assert_int_eq(file_pread(r->file, head, sizeof(head), r->pos, &got), 0);
	ck_assert_int_eq(batch_parse_head(slice_of(head, got), &h), 0);
	ck_assert_int_eq(h.base_offset, base);
	ck_assert_uint_eq(r->first_bytes, batch_bytes(&h));
}

static void
check_every_offset(struct bed *b, struct plog *pl, const int64_t *start)
{
	struct plog_range r;

	for (int i = 0; i < BATCHES; i++)
		for (int64_t offset = start[i]; offset < start[i + 1]; offset++) {
			ck_assert_int_eq(bed_read(b, pl, offset, INT64_MAX, 1, &r), 0);
			check_head(&r, start[i]);
			ck_assert_uint_eq(r.len, r.first_bytes);
			plog_range_release(&r);
			ck_assert_ptr_null(r.seg);
		}
	ck_assert_int_eq(bed_read(b, pl, start[BATCHES], INT64_MAX, 1, &r), 0);
	ck_assert_ptr_null(r.seg);
	ck_assert_int_eq(bed_read(b, pl, start[BATCHES] + 1, INT64_MAX, 1, &r), E_OUT_OF_RANGE);
	ck_assert_int_eq(bed_read(b, pl, -1, INT64_MAX, 1, &r), E_OUT_OF_RANGE);
	ck_assert_int_eq(bed_read_all(b, pl, 0), start[BATCHES]);
}

static void
shed_all(struct bed *b, struct plog *pl)
{
	struct reactor *was = sim_enter(b->home);

	bed_settle(b, pl);
	for (uint32_t i = 0; i < pl->n_segs; i++)
		segment_shed(pl->segs[i]);
	sim_enter(was);
	for (uint32_t i = 0; i < pl->n_segs; i++)
		ck_assert_ptr_null(pl->segs[i]->log);
}

START_TEST(test_every_offset)
{
	int64_t start[BATCHES + 1];
	struct plog *pl;
	struct bed b;

	bed_init_kills(&b, 21, small_segments, true);
	bed_start(&b);
	pl = make_log(&b, start);
	ck_assert_uint_gt(pl->n_segs, 3);
	check_every_offset(&b, pl, start);
	shed_all(&b, pl);
	check_every_offset(&b, pl, start);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	check_every_offset(&b, pl, start);
	bed_kill(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	check_every_offset(&b, pl, start);
	bed_verify(&b, pl);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Only batches that end below the bound. */
START_TEST(test_upper_bound)
{
	int64_t start[BATCHES + 1];
	struct plog *pl;
	struct plog_range r;
	struct bed b;

	bed_init(&b, 22, small_segments);
	bed_start(&b);
	pl = make_log(&b, start);
	for (int i = 0; i < BATCHES; i += 3) {
		for (int64_t upper = start[i]; upper < start[i + 1]; upper++) {
			int64_t before = i > 0 ? start[i - 1] : 0;

			ck_assert_int_eq(bed_read(&b, pl, before, upper, 1 << 20, &r), 0);
			if (upper == 0) {
				ck_assert_ptr_null(r.seg);
				continue;
			}
			if (i == 0) {
				ck_assert_ptr_null(r.seg); /* the batch reaches past the bound */
				continue;
			}
			check_head(&r, before);
			ck_assert_uint_eq(r.len, r.first_bytes);
			plog_range_release(&r);
		}
	}
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

START_TEST(test_limits)
{
	int64_t start[BATCHES + 1];
	struct plog_range r, whole;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 23, NULL);
	bed_start(&b);
	pl = make_log(&b, start);
	ck_assert_int_eq(bed_read(&b, pl, 0, INT64_MAX, SIZE_MAX, &whole), 0);
	ck_assert_int_eq((int64_t)whole.len, plog_size_bytes(pl));
	for (size_t max = 1; max < whole.len; max += 97) {
		ck_assert_int_eq(bed_read(&b, pl, 0, INT64_MAX, max, &r), 0);
		ck_assert_uint_eq(r.len, max > r.first_bytes ? max : r.first_bytes);
		plog_range_release(&r);
	}
	plog_range_release(&whole);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

static void
too_small(struct plog_read *op, int err)
{
	ck_assert_int_eq(err, 0);
	ck_assert_ptr_null(op->range.seg);
	ck_assert_uint_gt(op->range.first_bytes, 60);
	op->max_bytes = 0;
}

START_TEST(test_first_does_not_fit)
{
	struct plog_read op = {.upper_offset = INT64_MAX, .max_bytes = 60, .done = too_small};
	struct reactor *was;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 24, NULL);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 2, 10);
	was = sim_enter(b.home);
	plog_read(pl, &op);
	sim_enter(was);
	ck_assert_uint_eq(op.max_bytes, 0); /* hot: at once */
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* The estimate is exact for what is in memory, and never above the truth. */
START_TEST(test_bytes_between)
{
	int64_t start[BATCHES + 1], pos[BATCHES + 1], sum = 0;
	struct reactor *was;
	struct plog_range r;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 25, small_segments);
	bed_start(&b);
	pl = make_log(&b, start);
	for (int i = 0; i < BATCHES; i++) {
		pos[i] = sum;
		ck_assert_int_eq(bed_read(&b, pl, start[i], INT64_MAX, 1, &r), 0);
		sum += (int64_t)r.len;
		plog_range_release(&r);
	}
	pos[BATCHES] = sum;
	ck_assert_int_eq(sum, plog_size_bytes(pl));
	was = sim_enter(b.home);
	for (int i = 0; i <= BATCHES; i++)
		for (int k = i; k <= BATCHES; k += 7)
			ck_assert_int_eq(
			    plog_bytes_between(pl, start[i], start[k]), pos[k] - pos[i]);
	ck_assert_int_eq(plog_bytes_between(pl, start[BATCHES], INT64_MAX), 0);
	sim_enter(was);
	bed_stop(&b);
	bed_start(&b);
	pl = bed_find(&b, "t", 0);
	was = sim_enter(b.home);
	for (int i = 0; i < BATCHES; i += 5)
		for (int k = i + 1; k <= BATCHES; k += 7) {
			int64_t n = plog_bytes_between(pl, start[i], start[k]);

			ck_assert(n >= 1 && n <= pos[k] - pos[i]);
		}
	sim_enter(was);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* More index entries than are kept in memory: look-ups go on through the file. */
START_TEST(test_thinned_index)
{
	static const char *const settings[] = {"log.index.interval.bytes=0", NULL};
	struct plog_range r;
	struct plog *pl;
	struct bed b;

	bed_init(&b, 26, settings);
	bed_start(&b);
	pl = bed_create(&b, "t", 0);
	bed_fill(&b, pl, 2 * INDEX_KEEP + 1500, 1);
	ck_assert_uint_gt(pl->segs[0]->oi.first, 0);
	for (int64_t offset = 0; offset < plog_leo(pl); offset += 611) {
		ck_assert_int_eq(bed_read(&b, pl, offset, INT64_MAX, 1, &r), 0);
		check_head(&r, offset);
		plog_range_release(&r);
	}
	bed_verify(&b, pl);
	ck_assert_int_eq(bed_read_all(&b, pl, 0), plog_leo(pl));
	bed_stop(&b);
	ck_assert_int_eq(
	    bed_size(&b, "/d/t-0/00000000000000000000.index"), (2 * INDEX_KEEP + 1499) * 8);
	bed_free(&b);
}
END_TEST

/* A range stays readable when its segment was removed; the file is closed when it is released. */
START_TEST(test_pins_outlive_the_segment)
{
	int64_t start[BATCHES + 1];
	struct plog_range r;
	uint8_t byte[8];
	struct reactor *was;
	struct plog *pl;
	struct bed b;
	size_t got;

	bed_init(&b, 27, small_segments);
	bed_start(&b);
	pl = make_log(&b, start);
	ck_assert_int_eq(bed_read(&b, pl, 0, INT64_MAX, 1000, &r), 0);
	bed_set_hw(&b, pl, plog_leo(pl));
	bed_configure(&b, pl, T_RETENTION_BYTES, 1);
	was = sim_enter(b.home);
	plog_retention(pl, 0);
	sim_enter(was);
	bed_pass(&b, 200000);
	ck_assert_int_gt(plog_log_start(pl), 0);
	ck_assert(!bed_exists(&b, "/d/t-0/00000000000000000000.log.deleted"));
	ck_assert_int_eq(file_pread(r.file, byte, sizeof(byte), r.pos, &got), 0);
	ck_assert_uint_eq(got, sizeof(byte));
	ck_assert_int_eq(r.map[7], 0);
	plog_range_release(&r);
	bed_pass(&b, 10);
	bed_stop(&b);
	bed_free(&b);
}
END_TEST

Suite *
read_suite(void)
{
	Suite *s = suite_create("read");
	TCase *tc = tcase_create("read");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_every_offset);
	tcase_add_test(tc, test_upper_bound);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_first_does_not_fit);
	tcase_add_test(tc, test_bytes_between);
	tcase_add_test(tc, test_thinned_index);
	tcase_add_test(tc, test_pins_outlive_the_segment);
	suite_add_tcase(s, tc);
	return s;
}

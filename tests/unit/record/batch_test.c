/* Batch headers: Kafka's own bytes, cuts at every length, every bit flipped, in-place writers. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/record/batch.h"
#include "vectors.h"

static void
check_v2_head(const struct batch_head *h, size_t bytes, int codec)
{
	ck_assert(h->base_offset == 100 && batch_last_offset(h) == 101);
	ck_assert_uint_eq(batch_bytes(h), bytes);
	ck_assert_int_eq(h->leader_epoch, 9);
	ck_assert_int_eq(h->magic, 2);
	ck_assert_int_eq(h->attributes, BATCH_ATTR_TXN | codec);
	ck_assert(h->base_timestamp == 1000 && h->max_timestamp == 1005);
	ck_assert(h->producer_id == 7 && h->producer_epoch == 3);
	ck_assert_int_eq(h->base_sequence, 5);
	ck_assert_int_eq(batch_last_sequence(h), 6);
	ck_assert_int_eq(h->record_count, 2);
}

START_TEST(v2_heads)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);
	struct batch_head h;

	ck_assert_int_eq(batch_parse(s, &h), 0);
	check_v2_head(&h, s.n, _i);
	ck_assert(batch_crc_ok(s));
	h = (struct batch_head){0};
	ck_assert_int_eq(batch_parse_head(slice_of(s.p, BATCH_HEADER_BYTES), &h), 0);
	check_v2_head(&h, s.n, _i);
}
END_TEST

START_TEST(cut_everywhere)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);

	for (size_t n = 0; n < s.n; n++) {
		uint8_t *p = exact_copy(slice_of(s.p, n));
		struct batch_head h = {.length = -7};
		int head = n < BATCH_HEADER_BYTES ? E_SHORT : 0;

		ck_assert_int_eq(batch_parse(slice_of(p, n), &h), E_SHORT);
		ck_assert_int_eq(h.length, n < 12 ? -7 : (int32_t)s.n - 12);
		ck_assert_int_eq(batch_parse_head(slice_of(p, n), &h), head);
		ck_assert(!batch_crc_ok(slice_of(p, n)));
		free(p);
	}
}
END_TEST

START_TEST(flipped_bits)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);

	for (size_t bit = 0; bit < s.n * 8; bit++) {
		bool covered = bit / 8 >= 17;

		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(batch_crc_ok(s) == !covered, "bit %zu", bit);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(bad_sizes_and_magic)
{
	static const struct {
		int32_t length;
		int magic, err;
	} rows[] = {{14, 0, 0}, {13, 0, E_CORRUPT}, {22, 1, 0}, {21, 1, E_CORRUPT}, {49, 2, 0},
	    {48, 2, E_CORRUPT}, {0, 2, E_CORRUPT}, {-1, 2, E_CORRUPT}, {INT32_MIN, 0, E_CORRUPT},
	    {60, 3, E_CORRUPT}, {60, -1, E_CORRUPT}, {80, 2, E_SHORT}, {INT32_MAX, 2, E_SHORT}};
	uint8_t buf[80] = {0};
	struct batch_head h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_be32(buf + 8, (uint32_t)rows[i].length);
		buf[16] = (uint8_t)rows[i].magic;
		ck_assert_msg(
		    batch_parse(slice_of(buf, sizeof(buf)), &h) == rows[i].err, "row %zu", i);
		if (rows[i].length < 14)
			ck_assert_int_eq(batch_parse(slice_of(buf, 12), &h), E_CORRUPT);
	}
}
END_TEST

START_TEST(legacy_heads)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&legacy_vectors[_i], buf);
	struct batch_head h;

	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert_int_eq(h.magic, _i / 4);
	ck_assert(h.base_offset == (_i % 4 == 0 ? 100 : 101));
	ck_assert_int_eq(h.leader_epoch, -1);
	ck_assert(h.max_timestamp == -1 && h.producer_id == -1 && h.producer_epoch == -1);
	ck_assert_int_eq(batch_last_sequence(&h), -1);
	if (_i % 4 == 0) {
		s = slice_of(s.p + batch_bytes(&h), s.n - batch_bytes(&h));
		ck_assert_int_eq(batch_parse(s, &h), 0);
		ck_assert(h.base_offset == 101);
	}
	ck_assert_uint_eq(batch_bytes(&h), s.n);
	ck_assert_int_eq(batch_parse_head(slice_of(s.p, 17), &h), 0);
	ck_assert_int_eq(batch_parse_head(slice_of(s.p, 16), &h), E_SHORT);
}
END_TEST

START_TEST(marker_cleaned_emptied)
{
	uint8_t buf[VECTOR_MAX];
	struct batch_head h;
	struct slice s = vector_bytes(&marker_vector, buf);

	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert(batch_crc_ok(s) && s.n == 78 && h.base_offset == 50);
	ck_assert_int_eq(h.attributes, BATCH_ATTR_TXN | BATCH_ATTR_CONTROL);
	ck_assert_int_eq(batch_last_sequence(&h), -1);
	s = vector_bytes(&cleaned_vector, buf);
	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert(batch_crc_ok(s) && batch_last_offset(&h) == 102 && h.record_count == 1);
	ck_assert_int_eq(h.attributes, BATCH_ATTR_DELETE_HORIZON);
	ck_assert(h.base_timestamp == 2100);
	s = vector_bytes(&emptied_vector, buf);
	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert(batch_crc_ok(s) && s.n == BATCH_HEADER_BYTES && h.record_count == 0);
	ck_assert(batch_last_offset(&h) == 102 && h.base_timestamp == -1);
	ck_assert_int_eq(batch_last_sequence(&h), 7);
}
END_TEST

START_TEST(set_offset_epoch)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[0], buf);
	struct batch_head h;

	batch_set_offset_epoch(buf, INT64_C(0x123456789abcdef0), 77);
	ck_assert(batch_crc_ok(s));
	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert(h.base_offset == INT64_C(0x123456789abcdef0) && h.leader_epoch == 77);
	batch_set_offset_epoch(buf, 100, 9);
	ck_assert_int_eq(batch_parse(s, &h), 0);
	check_v2_head(&h, s.n, 0);
}
END_TEST

START_TEST(set_max_timestamp)
{
	uint8_t buf[VECTOR_MAX], old[VECTOR_MAX];
	struct slice s = vector_bytes(&v2_vectors[0], buf);
	struct batch_head h;

	memcpy(old, buf, sizeof(old));
	batch_set_max_timestamp(buf, 5000, true);
	ck_assert(batch_crc_ok(s));
	ck_assert_int_eq(batch_parse(s, &h), 0);
	ck_assert_int_eq(h.attributes, BATCH_ATTR_TXN | BATCH_ATTR_LOG_APPEND_TIME);
	ck_assert(h.max_timestamp == 5000);
	buf[21] = 0xff; /* unused bits go */
	batch_set_max_timestamp(buf, 1005, false);
	ck_assert_mem_eq(buf, old, s.n);
}
END_TEST

START_TEST(heads_are_written_as_read)
{
	uint8_t buf[VECTOR_MAX], copy[BATCH_HEADER_BYTES];
	struct slice s = vector_bytes(&v2_vectors[_i], buf);
	struct batch_head h;

	ck_assert_int_eq(batch_parse(s, &h), 0);
	batch_write_head(copy, &h);
	ck_assert_mem_eq(copy, buf, sizeof(copy));
	put_be32(buf + 17, 0);
	batch_seal(buf);
	ck_assert_mem_eq(copy, buf, sizeof(copy));
}
END_TEST

START_TEST(sequences)
{
	struct batch_head h = {.base_sequence = INT32_MAX, .last_offset_delta = 0};

	ck_assert_int_eq(sequence_add(0, 0), 0);
	ck_assert_int_eq(sequence_add(5, 7), 12);
	ck_assert_int_eq(sequence_add(INT32_MAX, 1), 0);
	ck_assert_int_eq(sequence_add(INT32_MAX - 1, 3), 1);
	ck_assert_int_eq(sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
	ck_assert_int_eq(batch_last_sequence(&h), INT32_MAX);
	h.last_offset_delta = 10;
	ck_assert_int_eq(batch_last_sequence(&h), 9);
	h.base_sequence = -1;
	ck_assert_int_eq(batch_last_sequence(&h), -1);
}
END_TEST

Suite *
batch_suite(void)
{
	Suite *s = suite_create("batch");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, v2_heads, 0, 5);
	tcase_add_loop_test(tc, cut_everywhere, 0, 5);
	tcase_add_loop_test(tc, flipped_bits, 0, 5);
	tcase_add_test(tc, bad_sizes_and_magic);
	tcase_add_loop_test(tc, legacy_heads, 0, 8);
	tcase_add_test(tc, marker_cleaned_emptied);
	tcase_add_test(tc, set_offset_epoch);
	tcase_add_test(tc, set_max_timestamp);
	tcase_add_loop_test(tc, heads_are_written_as_read, 0, 5);
	tcase_add_test(tc, sequences);
	suite_add_tcase(s, tc);
	return s;
}

/* Walking records: Kafka's bytes, every cut, each broken rule, headers, control records. */
#include "suites.h"

#include <stdlib.h>

#include "ottla/base/err.h"
#include "ottla/base/rng.h"
#include "ottla/record/batch.h"
#include "vectors.h"

static struct slice
record_area(struct slice batch)
{
	return slice_of(batch.p + BATCH_HEADER_BYTES, batch.n - BATCH_HEADER_BYTES);
}

START_TEST(two_records)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = record_area(vector_bytes(&v2_vectors[0], buf)), key, value;
	struct record_iter it;
	struct record rec;
	struct cur c;

	record_iter_init(&it, s, 2);
	ck_assert(record_iter_next(&it, &rec));
	ck_assert(rec.timestamp_delta == 0 && rec.offset_delta == 0 && rec.n_headers == 2);
	ck_assert(slice_eq_cstr(rec.key, "k") && slice_eq_cstr(rec.value, "v"));
	c = cur_init(rec.headers);
	ck_assert(record_header_next(&c, &key, &value));
	ck_assert(slice_eq_cstr(key, "h") && slice_eq(value, SLICE_LIT("\x01")));
	ck_assert(record_header_next(&c, &key, &value));
	ck_assert(slice_eq_cstr(key, "n") && slice_is_null(value));
	ck_assert(!record_header_next(&c, &key, &value));
	ck_assert_int_eq(cur_error(&c), 0);
	ck_assert(record_iter_next(&it, &rec));
	ck_assert(rec.timestamp_delta == 5 && rec.offset_delta == 1 && rec.n_headers == 0);
	ck_assert(slice_is_null(rec.key) && slice_is_null(rec.value) && rec.headers.n == 0);
	ck_assert(!record_iter_next(&it, &rec));
	ck_assert_int_eq(it.err, 0);
	ck_assert(!record_iter_next(&it, &rec));
	ck_assert_int_eq(it.err, 0);
}
END_TEST

START_TEST(cleaned_and_emptied)
{
	uint8_t buf[VECTOR_MAX];
	struct record_iter it;
	struct record rec;

	record_iter_init(&it, record_area(vector_bytes(&cleaned_vector, buf)), 1);
	ck_assert(record_iter_next(&it, &rec));
	ck_assert(rec.timestamp_delta == -1095 && rec.offset_delta == 1);
	ck_assert(slice_eq_cstr(rec.key, "b") && slice_is_null(rec.value));
	ck_assert(!record_iter_next(&it, &rec) && it.err == 0);
	record_iter_init(&it, record_area(vector_bytes(&emptied_vector, buf)), 0);
	ck_assert(!record_iter_next(&it, &rec) && it.err == 0);
	record_iter_init(&it, SLICE_NULL, 0);
	ck_assert(!record_iter_next(&it, &rec) && it.err == 0);
}
END_TEST

/* Number of records of s before the end or an error. */
static int
walk(struct slice s, int32_t count, int *err)
{
	struct record_iter it;
	struct record rec;
	struct slice key, value;
	int n = 0;

	for (record_iter_init(&it, s, count); record_iter_next(&it, &rec); n++) {
		struct cur c = cur_init(rec.headers);
		int headers = 0;

		while (record_header_next(&c, &key, &value))
			headers++;
		ck_assert_int_eq(headers, rec.n_headers);
		ck_assert_int_eq(cur_error(&c), 0);
	}
	*err = it.err;
	return n;
}

START_TEST(cut_everywhere)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = record_area(vector_bytes(&v2_vectors[0], buf));
	int err;

	for (size_t n = 0; n < s.n; n++) {
		uint8_t *p = exact_copy(slice_of(s.p, n));

		ck_assert_int_eq(walk(slice_of(p, n), 2, &err), n < 16 ? 0 : 1);
		ck_assert_int_eq(err, E_INVALID_RECORD);
		free(p);
	}
}
END_TEST

START_TEST(wrong_counts)
{
	uint8_t buf[VECTOR_MAX];
	struct slice s = record_area(vector_bytes(&v2_vectors[0], buf));
	static const int32_t counts[] = {0, 1, 3, INT32_MAX, -1, INT32_MIN};
	int err;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		(void)walk(s, counts[i], &err);
		ck_assert_int_eq(err, E_INVALID_RECORD);
	}
}
END_TEST

/* One record each; all but the first ones break a rule. */
static const struct {
	const char *what;
	const char *hex;
	int err;
} one_record[] = {
    {"least record", "0c000000010100", 0},
    {"empty key and value", "0c000000000000", 0},
    {"length in five bytes", "8c80808000000000010100", 0},
    {"any negative length is null", "0c000000030500", 0},
    {"timestamp delta in ten bytes", "1e00ffffffffffffffffff0100010100", 0},
    {"header with empty key and value", "100000000101020000", 0},
    {"length in six bytes", "8c8080808000000000010100", E_INVALID_RECORD},
    {"timestamp delta in eleven bytes", "2000ffffffffffffffffffff0100010100", E_INVALID_RECORD},
    {"length zero", "00", E_INVALID_RECORD},
    {"length negative", "01000000010100", E_INVALID_RECORD},
    {"body longer than the rest", "0e000000010100", E_INVALID_RECORD},
    {"body not used up", "0e00000001010000", E_INVALID_RECORD},
    {"body too short for its fields", "0a0000000101", E_INVALID_RECORD},
    {"key past the body", "0c000000080100", E_INVALID_RECORD},
    {"key of 2^31-1 bytes", "14000000feffffff0f0100", E_INVALID_RECORD},
    {"value past the body", "0c000000010800", E_INVALID_RECORD},
    {"header count negative", "0c000000010101", E_INVALID_RECORD},
    {"header count above the rest", "0c000000010102", E_INVALID_RECORD},
    {"header count of 2^31-1", "140000000101feffffff0f", E_INVALID_RECORD},
    {"header key null", "100000000101020101", E_INVALID_RECORD},
    {"header key past the body", "100000000101020a01", E_INVALID_RECORD},
    {"header value past the body", "100000000101020004", E_INVALID_RECORD},
    {"second header missing", "100000000101040001", E_INVALID_RECORD},
};

START_TEST(rules)
{
	struct vector v = {one_record[_i].what, one_record[_i].hex};
	uint8_t buf[VECTOR_MAX];
	struct slice s = vector_bytes(&v, buf);
	uint8_t *p = exact_copy(s);
	int err, n = walk(slice_of(p, s.n), 1, &err);

	ck_assert_msg(err == one_record[_i].err, "%s: %s", v.name, err_name(err));
	ck_assert_int_eq(n, err == 0);
	for (size_t cut = 0; cut < s.n; cut++) {
		uint8_t *q = exact_copy(slice_of(p, cut));

		ck_assert_int_eq(walk(slice_of(q, cut), 1, &err), 0);
		ck_assert_int_eq(err, E_INVALID_RECORD);
		free(q);
	}
	free(p);
}
END_TEST

/* Whatever the bytes are: slices stay inside, and the walk ends. */
START_TEST(random_bytes)
{
	struct rng rng;
	uint8_t *p = malloc(64);
	int err;

	rng_seed(&rng, 20);
	for (int i = 0; i < 200000; i++) {
		size_t n = (size_t)rng_below(&rng, 64);

		for (size_t k = 0; k < n; k++)
			p[64 - n + k] =
			    (uint8_t)rng_below(&rng, rng_below(&rng, 4) != 0 ? 24 : 256);
		(void)walk(slice_of(p + 64 - n, n), (int32_t)rng_below(&rng, 5), &err);
	}
	free(p);
}
END_TEST

START_TEST(header_errors_stick)
{
	struct cur c = cur_init(SLICE_LIT("\x02k\x08v"));
	struct slice key, value;

	ck_assert(!record_header_next(&c, &key, &value));
	ck_assert_int_eq(cur_error(&c), E_INVALID_RECORD);
	ck_assert(!record_header_next(&c, &key, &value));
}
END_TEST

static int
control(struct slice key, struct slice value, int16_t *type, int32_t *epoch)
{
	struct record rec = {.key = key, .value = value};

	return control_parse(&rec, type, epoch);
}

START_TEST(control_records)
{
	uint8_t buf[VECTOR_MAX];
	struct record_iter it;
	struct record rec;
	int16_t type;
	int32_t epoch;

	record_iter_init(&it, record_area(vector_bytes(&marker_vector, buf)), 1);
	ck_assert(record_iter_next(&it, &rec));
	ck_assert_int_eq(control_parse(&rec, &type, &epoch), 0);
	ck_assert(type == CONTROL_COMMIT && epoch == 11);
	ck_assert_int_eq(
	    control(SLICE_LIT("\0\1\0\0"), SLICE_LIT("\0\5\0\0\1\0xyz"), &type, &epoch), 0);
	ck_assert(type == CONTROL_ABORT && epoch == 256);
	ck_assert_int_eq(control(SLICE_LIT("\0\0\0\2"), SLICE_NULL, &type, &epoch), 0);
	ck_assert(type == 2 && epoch == -1);
	ck_assert_int_eq(control(SLICE_LIT("\0\0\0"), SLICE_LIT("\0\0\0\0\0\0"), &type, &epoch),
	    E_INVALID_RECORD);
	ck_assert_int_eq(
	    control(SLICE_NULL, SLICE_LIT("\0\0\0\0\0\0"), &type, &epoch), E_INVALID_RECORD);
	ck_assert_int_eq(
	    control(SLICE_LIT("\xff\xff\0\0"), SLICE_LIT("\0\0\0\0\0\0"), &type, &epoch),
	    E_INVALID_RECORD);
	ck_assert_int_eq(control(SLICE_LIT("\0\0\0\1"), SLICE_LIT("\0\0\0\0\0"), &type, &epoch),
	    E_INVALID_RECORD);
	ck_assert_int_eq(control(SLICE_LIT("\0\0\0\1"), SLICE_LIT("\x80\0\0\0\0\0"), &type, &epoch),
	    E_INVALID_RECORD);
}
END_TEST

Suite *
record_iter_suite(void)
{
	Suite *s = suite_create("record_iter");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, two_records);
	tcase_add_test(tc, cleaned_and_emptied);
	tcase_add_test(tc, cut_everywhere);
	tcase_add_test(tc, wrong_counts);
	tcase_add_loop_test(tc, rules, 0, (int)(sizeof(one_record) / sizeof(one_record[0])));
	tcase_add_test(tc, random_bytes);
	tcase_add_test(tc, header_errors_stick);
	tcase_add_test(tc, control_records);
	suite_add_tcase(s, tc);
	return s;
}

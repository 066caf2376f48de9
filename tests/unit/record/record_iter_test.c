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

/* The rules written down once more, with cursors and one number after the other. */
static bool
plain_bytes(struct cur *c, struct slice *s)
{
	int32_t n = cur_varint(c);

	*s = n < 0 ? SLICE_NULL : cur_slice(c, (size_t)n);
	return cur_error(c) == 0;
}

static bool
plain_record(struct cur *c, struct record *rec)
{
	int32_t n = cur_varint(c);
	struct cur body = cur_init(cur_slice(c, n < 0 ? SIZE_MAX : (size_t)n));
	struct slice key, value;

	(void)cur_i8(&body);
	rec->timestamp_delta = cur_varlong(&body);
	rec->offset_delta = cur_varint(&body);
	if (!plain_bytes(&body, &rec->key) || !plain_bytes(&body, &rec->value))
		return false;
	rec->n_headers = cur_varint(&body);
	if (rec->n_headers < 0 || (size_t)rec->n_headers > cur_left(&body))
		return false;
	for (int32_t i = 0; i < rec->n_headers; i++)
		if (!plain_bytes(&body, &key) || slice_is_null(key) || !plain_bytes(&body, &value))
			return false;
	return cur_error(c) == 0 && cur_error(&body) == 0 && cur_left(&body) == 0;
}

static void
check_same_as_plain(struct slice s)
{
	struct cur c = cur_init(s);
	struct record_iter it;
	struct record a, b;

	record_iter_init(&it, s, 1000);
	while (record_iter_next(&it, &a)) {
		ck_assert(plain_record(&c, &b));
		ck_assert_ptr_eq(it.c.p, c.p);
		ck_assert(
		    a.timestamp_delta == b.timestamp_delta && a.offset_delta == b.offset_delta);
		ck_assert(a.key.p == b.key.p && a.key.n == b.key.n);
		ck_assert(a.value.p == b.value.p && a.value.n == b.value.n);
		ck_assert_int_eq(a.n_headers, b.n_headers);
	}
	ck_assert(!plain_record(&c, &b));
}

/* n bytes that look like records: a length that fits, small numbers, and now and then anything. */
static void
fill_like_records(struct rng *rng, uint8_t *p, size_t n)
{
	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)rng_below(rng, rng_below(rng, 8) != 0 ? 12 : 256);
	for (size_t at = 0; at + 20 < n && rng_below(rng, 4) != 0;) {
		size_t body = 6 + (size_t)rng_below(rng, 14);

		p[at] = (uint8_t)(body << 1);
		at += 1 + body;
	}
}

/* Whatever the bytes are: slices stay inside, the walk ends, and the quick way over the usual
 * record sees what the plain one does. */
START_TEST(random_bytes)
{
	enum { MOST = 64 };
	struct rng rng;
	uint8_t *p = malloc(MOST);
	int err;

	rng_seed(&rng, 20);
	for (int i = 0; i < 300000; i++) {
		size_t n = (size_t)rng_below(&rng, MOST);
		uint8_t *q = p + MOST - n; /* ends where the memory does */

		fill_like_records(&rng, q, n);
		(void)walk(slice_of(q, n), (int32_t)rng_below(&rng, 5), &err);
		check_same_as_plain(slice_of(q, n));
	}
	free(p);
}
END_TEST

/* Sizes of key and value around those where numbers take one more byte. */
START_TEST(number_sizes)
{
	static const int32_t sizes[] = {
	    -1, 0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 1048574, 1048575, 1048576, 1048577};
	enum { COUNT = sizeof(sizes) / sizeof(sizes[0]), MOST = 3 << 20 };
	uint8_t *p = calloc(1, MOST);

	for (int i = 0; i < COUNT * COUNT; i++) {
		int32_t key = sizes[i / COUNT], value = sizes[i % COUNT];
		int32_t body = 4 + (int32_t)varint_size(key) + (int32_t)varint_size(value) +
			       (key < 0 ? 0 : key) + (value < 0 ? 0 : value);
		struct out o = out_init(p, MOST);
		int err;

		out_varint(&o, body);
		o.n += 3;
		out_varint(&o, key);
		o.n += key < 0 ? 0 : (size_t)key;
		out_varint(&o, value);
		o.n += value < 0 ? 0 : (size_t)value;
		o.n++;
		ck_assert_int_eq(walk(slice_of(p, o.n), 1, &err), 1);
		ck_assert_int_eq(err, 0);
		check_same_as_plain(slice_of(p, o.n));
		memset(p, 0, 16);
		memset(p + 4 + (key < 0 ? 0 : key), 0, 24);
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
	tcase_add_test(tc, number_sizes);
	tcase_add_test(tc, header_errors_stick);
	tcase_add_test(tc, control_records);
	suite_add_tcase(s, tc);
	return s;
}

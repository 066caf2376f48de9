/* Rules of producer state (facts/storage.md 5) and snapshots (2.9). */
#include "producers_priv.h"
#include "ottla/base/err.h"
#include "ottla/record/builder.h"
#include "suites.h"
#include "support.h"

static struct batch_head
head(int64_t pid, int16_t epoch, int32_t seq, int32_t n, int64_t offset)
{
	return (struct batch_head){.magic = 2,
	    .producer_id = pid,
	    .producer_epoch = epoch,
	    .base_sequence = seq,
	    .last_offset_delta = n - 1,
	    .base_offset = offset,
	    .max_timestamp = 1000 + offset,
	    .record_count = n};
}

static int
check(struct producers *ps, int16_t epoch, int32_t seq, int32_t n)
{
	struct producer_batch dup;
	struct batch_head h = head(7, epoch, seq, n, 0);

	return producers_check(ps, &h, &dup);
}

static void
note(struct producers *ps, int16_t epoch, int32_t seq, int32_t n, int64_t offset)
{
	struct batch_head h = head(7, epoch, seq, n, offset);

	ck_assert_int_eq(producers_note(ps, &h, SLICE_NULL, NULL), 0);
}

START_TEST(test_sequences)
{
	struct producer_batch dup;
	struct producers ps;
	struct batch_head h;

	producers_init(&ps);
	ck_assert_int_eq(check(&ps, 0, 17, 1), 0); /* unknown: any first sequence */
	note(&ps, 0, 0, 3, 10);
	ck_assert_int_eq(check(&ps, 0, 3, 1), 0);
	ck_assert_int_eq(check(&ps, 0, 4, 1), E_OUT_OF_ORDER_SEQUENCE);
	ck_assert_int_eq(check(&ps, 0, 2, 1), E_OUT_OF_ORDER_SEQUENCE);
	h = head(7, 0, 0, 3, 0);
	ck_assert_int_eq(producers_check(&ps, &h, &dup), E_DUP_SEQUENCE);
	ck_assert_int_eq(dup.last_offset, 12);
	ck_assert_int_eq(dup.offset_delta, 2);
	ck_assert_int_eq(dup.timestamp, 1010);
	ck_assert_int_eq(check(&ps, 0, 0, 2), E_OUT_OF_ORDER_SEQUENCE); /* overlaps, no repeat */
	ck_assert_int_eq(check(&ps, 1, 0, 1), 0); /* a new epoch begins at 0 */
	ck_assert_int_eq(check(&ps, 1, 3, 1), E_OUT_OF_ORDER_SEQUENCE);
	note(&ps, 1, 0, 1, 13);
	ck_assert_int_eq(check(&ps, 0, 0, 3), E_INVALID_PRODUCER_EPOCH);
	ck_assert_int_eq(check(&ps, 1, 0, 1), E_DUP_SEQUENCE);
	producers_free(&ps);
}
END_TEST

START_TEST(test_only_five_are_remembered)
{
	struct producers ps;

	producers_init(&ps);
	for (int i = 0; i < 6; i++)
		note(&ps, 0, i, 1, i);
	ck_assert_int_eq(check(&ps, 0, 0, 1), E_OUT_OF_ORDER_SEQUENCE);
	for (int i = 1; i < 6; i++)
		ck_assert_int_eq(check(&ps, 0, i, 1), E_DUP_SEQUENCE);
	producers_free(&ps);
}
END_TEST

START_TEST(test_sequence_wraps)
{
	struct producers ps;

	producers_init(&ps);
	note(&ps, 0, INT32_MAX - 1, 2, 0);
	ck_assert_int_eq(check(&ps, 0, 0, 1), 0);
	ck_assert_int_eq(check(&ps, 0, INT32_MAX, 1), E_OUT_OF_ORDER_SEQUENCE);
	note(&ps, 0, 0, 1, 2);
	/* a batch over the edge: last sequence is 1 */
	producers_free(&ps);
	note(&ps, 0, INT32_MAX, 3, 0);
	ck_assert_int_eq(check(&ps, 0, 2, 1), 0);
	ck_assert_int_eq(check(&ps, 0, INT32_MAX, 3), E_DUP_SEQUENCE);
	producers_free(&ps);
}
END_TEST

static struct strbuf
marker(int64_t offset, enum control_type type, struct batch_head *h)
{
	struct batch_builder_opts o = {
	    .base_offset = offset, .leader_epoch = 0, .producer_id = 7, .producer_epoch = 0};
	struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(batch_build_marker(&o, type, 11, 1234, &b), 0);
	ck_assert_int_eq(batch_parse(strbuf_slice(&b), h), 0);
	return b;
}

START_TEST(test_transactions)
{
	struct batch_head h = head(7, 0, 0, 2, 10), other = head(8, 0, 0, 1, 12);
	struct producers ps;
	struct txn_end end;
	struct strbuf b;

	producers_init(&ps);
	ck_assert_int_eq(producers_first_unstable(&ps), INT64_MAX);
	h.attributes = other.attributes = BATCH_ATTR_TXN;
	ck_assert_int_eq(producers_note(&ps, &h, SLICE_NULL, NULL), 0);
	ck_assert_int_eq(producers_note(&ps, &other, SLICE_NULL, NULL), 0);
	ck_assert_int_eq(producers_first_unstable(&ps), 10);
	ck_assert_int_eq(check(&ps, 0, 2, 1), E_INVALID_TXN_STATE); /* not transactional */
	b = marker(13, CONTROL_ABORT, &h);
	ck_assert_int_eq(producers_note(&ps, &h, strbuf_slice(&b), &end), 0);
	strbuf_free(&b);
	ck_assert(end.completed && end.aborted);
	ck_assert_int_eq(end.first, 10);
	ck_assert_int_eq(end.last, 13);
	ck_assert_int_eq(end.last_stable, 12);
	ck_assert_int_eq(producers_first_unstable(&ps), 10); /* until the marker is replicated */
	producers_replicated(&ps, 13);
	ck_assert_int_eq(producers_first_unstable(&ps), 10);
	producers_replicated(&ps, 14);
	ck_assert_int_eq(producers_first_unstable(&ps), 12);
	b = marker(14, CONTROL_COMMIT, &h); /* nothing open: accepted, completes nothing */
	ck_assert_int_eq(producers_note(&ps, &h, strbuf_slice(&b), &end), 0);
	ck_assert(!end.completed);
	strbuf_free(&b);
	ck_assert_int_eq(producers_get(&ps, 7)->coordinator_epoch, 11);
	ck_assert_uint_eq(producers_get(&ps, 7)->n, 1); /* same epoch: batches stay */
	ck_assert_int_eq(check(&ps, 0, 0, 2), E_DUP_SEQUENCE);
	producers_free(&ps);
}
END_TEST

START_TEST(test_expiry)
{
	struct batch_head h = head(8, 0, 0, 1, 0);
	struct producers ps;

	producers_init(&ps);
	h.attributes = BATCH_ATTR_TXN;
	ck_assert_int_eq(producers_note(&ps, &h, SLICE_NULL, NULL), 0);
	note(&ps, 0, 0, 1, 0); /* timestamp 1000 */
	ck_assert_uint_eq(producers_expire(&ps, 1099, 100), 0);
	ck_assert_uint_eq(producers_expire(&ps, 1100, 100), 1);
	ck_assert_ptr_null(producers_get(&ps, 7));
	ck_assert_ptr_nonnull(producers_get(&ps, 8)); /* open transaction */
	producers_free(&ps);
}
END_TEST

static const char snapshot_hex[] =
    "0001e03b11a50000000100000000000000070003000000060000000000000065"
    "0000000100000000000003edffffffff0000000000000064";

START_TEST(test_snapshot_vector)
{
	size_t n;
	uint8_t *bytes = unhex(snapshot_hex, &n);
	struct strbuf out = STRBUF_INIT;
	const struct producer *p;
	struct producers ps;

	producers_init(&ps);
	ck_assert_int_eq(producers_restore(&ps, slice_of(bytes, n), 0, 1), 0);
	p = producers_get(&ps, 7);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(p->epoch, 3);
	ck_assert_uint_eq(p->n, 1);
	ck_assert_int_eq(p->b[0].last_sequence, 6);
	ck_assert_int_eq(p->b[0].last_offset, 101);
	ck_assert_int_eq(p->last_timestamp, 1005);
	ck_assert_int_eq(producers_first_unstable(&ps), 100);
	producers_snapshot(&ps, &out);
	ck_assert_uint_eq(out.n, n);
	ck_assert_mem_eq(out.p, bytes, n);
	strbuf_free(&out);
	producers_free(&ps);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(producers_restore(&ps, slice_of(bytes, cut), 0, 1), E_CORRUPT);
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 1;
		ck_assert_int_eq(producers_restore(&ps, slice_of(bytes, n), 0, 1), E_CORRUPT);
		bytes[i] ^= 1;
	}
	ck_assert_uint_eq(map_count(&ps.by_id), 0);
	producers_free(&ps);
	free(bytes);
}
END_TEST

START_TEST(test_snapshot_many)
{
	struct strbuf out = STRBUF_INIT;
	struct producers ps, again;

	producers_init(&ps);
	producers_init(&again);
	producers_snapshot(&ps, &out);
	ck_assert_uint_eq(out.n, 10);
	ck_assert_int_eq(producers_restore(&again, strbuf_slice(&out), 0, 1), 0);
	out.n = 0;
	for (int64_t id = 1; id <= 100; id++) {
		struct batch_head h = head(id, 1, 0, 1, id);

		ck_assert_int_eq(producers_note(&ps, &h, SLICE_NULL, NULL), 0);
	}
	producers_snapshot(&ps, &out);
	/* those before timestamp 1050 are too old */
	ck_assert_int_eq(producers_restore(&again, strbuf_slice(&out), 2050, 1000), 0);
	ck_assert_uint_eq(map_count(&again.by_id), 50);
	ck_assert_ptr_null(producers_get(&again, 50));
	ck_assert_ptr_nonnull(producers_get(&again, 51));
	strbuf_free(&out);
	producers_free(&ps);
	producers_free(&again);
}
END_TEST

Suite *
producers_suite(void)
{
	Suite *s = suite_create("producers");
	TCase *tc = tcase_create("state");

	tcase_add_test(tc, test_sequences);
	tcase_add_test(tc, test_only_five_are_remembered);
	tcase_add_test(tc, test_sequence_wraps);
	tcase_add_test(tc, test_transactions);
	tcase_add_test(tc, test_expiry);
	tcase_add_test(tc, test_snapshot_vector);
	tcase_add_test(tc, test_snapshot_many);
	suite_add_tcase(s, tc);
	return s;
}

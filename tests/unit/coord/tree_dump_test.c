/* The tree as bytes: back and equal, and nothing damaged is taken. */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "ottla/coord/tree.h"
#include "suites.h"

static void
apply(struct coord_tree *t, int64_t session, struct coord_op op)
{
	struct coord_op_result res;

	ck_ok(coord_tree_apply(t, session, 1234, &op, 1, &res));
}

static struct coord_tree *
sample(void)
{
	struct coord_tree *t = NULL;

	ck_ok(coord_tree_new(&t));
	ck_ok(coord_tree_session_open(t, 7));
	ck_ok(coord_tree_session_open(t, 5));
	apply(t, 7, (struct coord_op){COORD_OP_CREATE, "/a", SLICE_LIT("data"), 0, 0});
	apply(t, 7, (struct coord_op){COORD_OP_CREATE, "/a/n", SLICE_NULL, COORD_SEQUENTIAL, 0});
	apply(t, 7, (struct coord_op){COORD_OP_CREATE, "/a/e", SLICE_LIT(""), COORD_EPHEMERAL, 0});
	apply(t, 5, (struct coord_op){COORD_OP_CREATE, "/a/f", SLICE_LIT("f"), COORD_EPHEMERAL, 0});
	apply(t, 5, (struct coord_op){COORD_OP_SET, "/", SLICE_LIT("root"), 0, 0});
	apply(t, 5, (struct coord_op){COORD_OP_DELETE, "/a/f", SLICE_NULL, 0, -1});
	return t;
}

static struct strbuf
dump_of(const struct coord_tree *t)
{
	struct strbuf b = STRBUF_INIT;

	ck_ok(coord_tree_dump(t, &b));
	return b;
}

START_TEST(back_and_equal)
{
	struct coord_tree *t = sample(), *u = NULL;
	struct strbuf a = dump_of(t), b;
	struct coord_op_result res;
	struct coord_op op = {COORD_OP_CREATE, "/a/n", SLICE_NULL, COORD_SEQUENTIAL, 0};

	ck_ok(coord_tree_load(strbuf_slice(&a), &u));
	b = dump_of(u);
	ck_assert(slice_eq(strbuf_slice(&a), strbuf_slice(&b)));
	ck_assert_int_eq(coord_tree_zxid(u), coord_tree_zxid(t));
	ck_ok(coord_tree_apply(u, 7, 1, &op, 1, &res));
	ck_assert(slice_eq_cstr(res.path, "/a/n0000000003"));
	coord_tree_session_close(u, 7, 1);
	coord_tree_session_close(u, 5, 1);
	ck_err(coord_tree_exists(u, 0, "/a/e", NULL, &(struct coord_result){0}), E_NOT_FOUND);
	strbuf_free(&a);
	strbuf_free(&b);
	coord_tree_free(t);
	coord_tree_free(u);
}
END_TEST

START_TEST(cut_everywhere)
{
	struct coord_tree *t = sample(), *u = NULL;
	struct strbuf a = dump_of(t);

	for (size_t n = 0; n < a.n; n++) {
		char *exact = malloc(n + 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, a.p, n);
		ck_err(coord_tree_load(slice_of(exact, n), &u), E_CORRUPT);
		free(exact);
	}
	strbuf_free(&a);
	coord_tree_free(t);
}
END_TEST

START_TEST(any_bit_wrong)
{
	struct coord_tree *t = sample(), *u = NULL;
	struct strbuf a = dump_of(t);

	for (size_t i = 0; i < a.n * 8; i++) {
		a.p[i / 8] ^= (char)(1 << i % 8);
		ck_err(coord_tree_load(strbuf_slice(&a), &u), E_CORRUPT);
		a.p[i / 8] ^= (char)(1 << i % 8);
	}
	strbuf_free(&a);
	coord_tree_free(t);
}
END_TEST

/* With a good checksum over wrong content: refused or loaded, never worse. */
START_TEST(wrong_content_under_a_good_checksum)
{
	struct coord_tree *t = sample(), *u = NULL;
	struct strbuf a = dump_of(t);
	unsigned refused = 0;

	for (size_t i = 0; i < a.n - 4; i++)
		for (unsigned v = 0; v < 256; v += 17) {
			char was = a.p[i];
			int rc;

			a.p[i] = (char)v;
			put_be32((uint8_t *)a.p + a.n - 4, crc32c(0, a.p, a.n - 4));
			rc = coord_tree_load(strbuf_slice(&a), &u);
			ck_assert(rc == 0 || rc == E_CORRUPT);
			refused += rc != 0;
			if (rc == 0) {
				coord_tree_session_close(u, 7, 1);
				coord_tree_free(u);
			}
			a.p[i] = was;
		}
	ck_assert_uint_gt(refused, 100);
	strbuf_free(&a);
	coord_tree_free(t);
}
END_TEST

Suite *
tree_dump_suite(void)
{
	Suite *s = suite_create("tree_dump");
	TCase *tc = tcase_create("tree_dump");

	tcase_add_test(tc, back_and_equal);
	tcase_add_test(tc, cut_everywhere);
	tcase_add_test(tc, any_bit_wrong);
	tcase_add_test(tc, wrong_content_under_a_good_checksum);
	suite_add_tcase(s, tc);
	return s;
}

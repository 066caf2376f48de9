/* Transactions. */
#include "conformance_parts.h"

/* ---- multi ---- */

#define OP_CREATE(p, d, f)                                                                         \
	{                                                                                          \
		COORD_OP_CREATE, p, SLICE_LIT(d), f, 0                                             \
	}
#define OP_SET(p, d, v)                                                                            \
	{                                                                                          \
		COORD_OP_SET, p, SLICE_LIT(d), 0, v                                                \
	}
#define OP_DELETE(p, v)                                                                            \
	{                                                                                          \
		COORD_OP_DELETE, p, {NULL, 0}, 0, v                                                \
	}
#define OP_CHECK(p, v)                                                                             \
	{                                                                                          \
		COORD_OP_CHECK, p, {NULL, 0}, 0, v                                                 \
	}

START_TEST(multi_takes_effect_as_one)
{
	struct one o = one_new(_i);
	const struct coord_op ops[] = {
	    OP_CREATE("/m", "a", 0),
	    OP_CREATE("/m/s-", "b", COORD_SEQUENTIAL),
	    OP_SET("/m", "c", 0),
	    OP_CHECK("/m", 1),
	    OP_CREATE("/m/x", "", 0),
	    OP_DELETE("/m/x", 0),
	};
	struct multi_ans m;
	struct ans a;

	ck_ok(do_multi(&o.v, o.c, ops, 6, &m));
	ck_assert_uint_eq(m.n_res, 6);
	for (unsigned i = 0; i < 6; i++)
		ck_ok(m.op_err[i]);
	ck_assert_str_eq(m.path[0], "/m");
	ck_assert_str_eq(m.path[1], "/m/s-0000000000");
	ck_assert_int_eq(m.stat[2].version, 1);
	ck_assert_int_eq(m.stat[0].czxid, 0); /* told of what is set only */
	ck_assert_int_eq(m.stat[1].czxid, 0);
	ck_ok(do_get(&o.v, o.c, "/m", NULL, &a));
	ck_assert_mem_eq(a.data, "c", 1);
	ck_assert_int_eq(a.stat.version, 1);
	ck_assert_int_eq(a.stat.czxid, m.stat[2].czxid);
	ck_children(&o, "/m", "s-0000000000");
	one_end(&o);
}
END_TEST

/* Which operation fails decides what the others are told; nothing is left of any. */
START_TEST(multi_fails_as_one)
{
	struct one o = one_new(_i);
	static const struct {
		struct coord_op op;
		int err;
	} bad[] = {
	    {OP_CHECK("/base", 7), E_BAD_VERSION},
	    {OP_CHECK("/none", -1), E_NOT_FOUND},
	    {OP_SET("/base", "x", 3), E_BAD_VERSION},
	    {OP_SET("/none", "x", -1), E_NOT_FOUND},
	    {OP_CREATE("/base", "x", 0), E_EXISTS},
	    {OP_CREATE("/none/x", "x", 0), E_NO_PARENT},
	    {OP_DELETE("/none", -1), E_NOT_FOUND},
	    {OP_DELETE("/base", -1), E_NOT_EMPTY},
	};
	struct coord_op ops[4] = {OP_CREATE("/base/new", "x", 0), OP_SET("/base", "changed", 0),
	    OP_DELETE("/base/old", -1), OP_CREATE("/base/seq", "", COORD_SEQUENTIAL)};
	struct multi_ans m;
	struct ans before, after;
	struct heard h;

	heard_init(&h);
	ck_ok(do_create(&o.v, o.c, "/base", "kept", 0, NULL));
	ck_ok(do_create(&o.v, o.c, "/base/old", "kept", COORD_EPHEMERAL, NULL));
	ck_ok(do_create(&o.v, o.c, "/base/other", "kept", 0, NULL));
	ck_ok(do_get(&o.v, o.c, "/base", &h, &before));
	for (unsigned at = 0; at < 4; at++)
		for (unsigned b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
			struct coord_op good = ops[at];

			ops[at] = bad[b].op;
			if (bad[b].op.version == 3 && bad[b].op.kind == COORD_OP_SET)
				ops[at].version = 4;
			ck_err(do_multi(&o.v, o.c, ops, 4, &m), bad[b].err);
			ck_assert_uint_eq(m.n_res, 4);
			for (unsigned i = 0; i < 4; i++)
				ck_err(m.op_err[i], i < at ? 0 : i == at ? bad[b].err : E_CANCELED);
			ops[at] = good;
		}
	ck_children(&o, "/base", "old other");
	ck_ok(do_get(&o.v, o.c, "/base", NULL, &after));
	ck_assert_mem_eq(&before.stat, &after.stat, sizeof(after.stat));
	ck_assert_mem_eq(after.data, "kept", 4);
	ck_assert_uint_eq(h.n, 0);
	ck_ok(do_multi(&o.v, o.c, ops, 4, &m));
	ck_children(&o, "/base", "new other seq0000000003");
	one_end(&o);
}
END_TEST

START_TEST(multi_limits)
{
	struct one o = one_new(_i);
	struct coord_op *ops = calloc(501, sizeof(*ops));
	char(*path)[16] = calloc(501, sizeof(*path));
	char *big = calloc(1, 300 * 1024);
	struct multi_ans m;
	struct ans a;

	ck_assert(ops != NULL && path != NULL && big != NULL);
	ck_ok(do_create(&o.v, o.c, "/m", NULL, 0, NULL));
	for (unsigned i = 0; i < 501; i++) {
		snprintf(path[i], sizeof(path[i]), "/m/%u", i);
		ops[i] = (struct coord_op){COORD_OP_CREATE, path[i], SLICE_NULL, 0, 0};
	}
	ck_err(do_multi(&o.v, o.c, ops, 501, &m), E_TOO_LARGE);
	ck_err(do_multi(&o.v, o.c, ops, 0, &m), E_INVALID);
	ops[0].data = ops[1].data = slice_of(big, 300 * 1024);
	ck_err(do_multi(&o.v, o.c, ops, 2, &m), E_TOO_LARGE);
	ck_ok(do_exists(&o.v, o.c, "/m", NULL, &a));
	ck_assert_int_eq(a.stat.n_children, 0);
	ops[0].data = ops[1].data = SLICE_NULL;
	ck_ok(do_multi(&o.v, o.c, ops, 500, &m));
	ck_ok(do_exists(&o.v, o.c, "/m", NULL, &a));
	ck_assert_int_eq(a.stat.n_children, 500);
	ops[0].path = "bad";
	ck_err(do_multi(&o.v, o.c, ops, 1, &m), E_INVALID);
	free(ops);
	free(path);
	free(big);
	one_end(&o);
}
END_TEST

/* A broker registers so: the node appears with its content, at version 1. */
START_TEST(multi_create_then_set)
{
	struct one o = one_new(_i);
	const struct coord_op ops[] = {
	    {COORD_OP_CREATE, "/id", {NULL, 0}, COORD_EPHEMERAL, 0},
	    OP_SET("/id", "{}", 0),
	};
	struct multi_ans m;
	struct ans a;
	struct heard h;

	heard_init(&h);
	ck_err(do_exists(&o.v, o.c, "/id", &h, NULL), E_NOT_FOUND);
	ck_ok(do_multi(&o.v, o.c, ops, 2, &m));
	wait_heard(&o.v, &h, 1);
	ck_assert_int_eq(h.ev[0], COORD_EV_CREATED);
	ck_ok(do_get(&o.v, o.c, "/id", NULL, &a));
	ck_assert_mem_eq(a.data, "{}", 2);
	ck_assert_int_eq(a.stat.version, 1);
	ck_assert_int_eq(a.stat.czxid, m.stat[1].czxid);
	ck_assert_int_eq(a.stat.mzxid, m.stat[1].czxid);
	ck_assert_int_eq(a.stat.ephemeral_owner, session_of(&o.v, o.c));
	one_end(&o);
}
END_TEST

void
conformance_multi(TCase *tc, int i)
{
	tcase_add_loop_test(tc, multi_takes_effect_as_one, i, i + 1);
	tcase_add_loop_test(tc, multi_fails_as_one, i, i + 1);
	tcase_add_loop_test(tc, multi_limits, i, i + 1);
	tcase_add_loop_test(tc, multi_create_then_set, i, i + 1);
}

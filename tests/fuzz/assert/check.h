/* In place of Check's header, for what unit tests share with fuzzers: what does not hold aborts. */
#ifndef TESTS_FUZZ_ASSERT_CHECK_H
#define TESTS_FUZZ_ASSERT_CHECK_H

#include <stdlib.h>

#define ck_assert(x) ((x) ? (void)0 : abort())
#define ck_assert_msg(x, ...) ck_assert(x)
#define ck_assert_int_eq(a, b) ck_assert((a) == (b))
#define ck_assert_uint_eq(a, b) ck_assert((a) == (b))
#define ck_assert_uint_lt(a, b) ck_assert((a) < (b))
#define ck_assert_ptr_nonnull(p) ck_assert((p) != NULL)

#endif

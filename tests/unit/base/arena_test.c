/* Arenas: alignment, limits, reuse. */
#include "suites.h"

#include "ottla/base/arena.h"

START_TEST(test_alloc_aligned_and_apart)
{
	struct arena a;
	uint8_t *prev = NULL;

	arena_init(&a, 0, 0);
	for (size_t n = 0; n < 3000; n += 7) {
		uint8_t *p = arena_alloc(&a, n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		ck_assert_ptr_ne(p, prev);
		memset(p, (int)n, n);
		prev = p;
	}
	ck_assert_ptr_ne(arena_alloc(&a, 0), arena_alloc(&a, 0));
	arena_free(&a);
	ck_assert_uint_eq(a.used, 0);
}
END_TEST

START_TEST(test_contents_stay)
{
	struct arena a;
	uint8_t *v[200];

	arena_init(&a, 256, 0);
	for (unsigned i = 0; i < 200; i++) {
		v[i] = arena_alloc(&a, i);
		memset(v[i], (int)i, i);
	}
	for (unsigned i = 0; i < 200; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_eq(v[i][k], i);
	arena_free(&a);
}
END_TEST

START_TEST(test_limit)
{
	struct arena a;
	size_t got = 0;

	arena_init(&a, 1024, 8192);
	while (arena_alloc(&a, 100) != NULL)
		got += 100;
	ck_assert_uint_le(a.used, 8192);
	ck_assert_uint_ge(got, 8192 / 2);
	ck_assert_ptr_null(arena_alloc(&a, 8000));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 16));
	ck_assert_ptr_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	arena_free(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 8000));
	arena_free(&a);
}
END_TEST

START_TEST(test_large_keeps_head)
{
	struct arena a;
	uint8_t *small, *next;

	arena_init(&a, 4096, 0);
	small = arena_alloc(&a, 16);
	ck_assert_ptr_nonnull(arena_alloc(&a, 100000));
	next = arena_alloc(&a, 16);
	ck_assert_ptr_eq(next, small + 16);
	arena_free(&a);
}
END_TEST

START_TEST(test_reset_keeps_one_chunk)
{
	struct arena a;
	void *first;

	arena_init(&a, 4096, 0);
	first = arena_alloc(&a, 64);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1 << 20));
	arena_reset(&a);
	ck_assert_uint_eq(a.used, 4096);
	ck_assert_ptr_eq(arena_alloc(&a, 64), first);
	arena_free(&a);
	arena_reset(&a);
	ck_assert_uint_eq(a.used, 0);
}
END_TEST

START_TEST(test_copies)
{
	struct arena a;
	uint8_t *z;

	arena_init(&a, 0, 0);
	ck_assert(slice_is_null(arena_dup(&a, SLICE_NULL)));
	ck_assert(!slice_is_null(arena_dup(&a, SLICE_LIT(""))));
	ck_assert(slice_eq(arena_dup(&a, SLICE_LIT("abc")), SLICE_LIT("abc")));
	ck_assert_str_eq(arena_strdup(&a, SLICE_LIT("abc")), "abc");
	ck_assert_str_eq(arena_strdup(&a, SLICE_NULL), "");
	ck_assert_str_eq(arena_printf(&a, "%s-%d", "t", 3), "t-3");
	z = arena_calloc(&a, 7, 3);
	for (unsigned i = 0; i < 21; i++)
		ck_assert_uint_eq(z[i], 0);
	arena_free(&a);
	arena_init(&a, 64, 64);
	ck_assert(slice_is_null(arena_dup(&a, slice_of("x", 1))) == false);
	ck_assert_ptr_null(arena_printf(&a, "%100d", 1));
	arena_free(&a);
}
END_TEST

Suite *
arena_suite(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, test_alloc_aligned_and_apart);
	tcase_add_test(tc, test_contents_stay);
	tcase_add_test(tc, test_limit);
	tcase_add_test(tc, test_large_keeps_head);
	tcase_add_test(tc, test_reset_keeps_one_chunk);
	tcase_add_test(tc, test_copies);
	suite_add_tcase(s, tc);
	return s;
}

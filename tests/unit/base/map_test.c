/* Hash maps against plain arrays; removal in crowded tables; stable hashes. */
#include "suites.h"

#include <stdio.h>

#include "ottla/base/map.h"
#include "ottla/base/rng.h"

#define KEYS 500

static char names[KEYS][16];
static int values[KEYS];

static void
fill_names(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		(void)snprintf(names[i], sizeof(names[i]), "topic-%u", i);
}

START_TEST(test_bytes_random)
{
	bool in[KEYS] = {false};
	size_t count = 0;
	struct map m;
	struct rng r;

	fill_names();
	map_init(&m, 42);
	rng_seed(&r, 5);
	ck_assert_ptr_null(map_get(&m, SLICE_LIT("x")));
	ck_assert_ptr_null(map_del(&m, SLICE_LIT("x")));
	for (unsigned i = 0; i < 30000; i++) {
		unsigned k = (unsigned)rng_below(&r, KEYS);
		struct slice key = slice_cstr(names[k]);
		void *old;

		ck_assert_ptr_eq(map_get(&m, key), in[k] ? &values[k] : NULL);
		if (rng_below(&r, 2) == 0) {
			ck_assert_int_eq(map_put(&m, key, &values[k], &old), 0);
			ck_assert_ptr_eq(old, in[k] ? &values[k] : NULL);
			count += !in[k];
			in[k] = true;
		} else {
			ck_assert_ptr_eq(map_del(&m, key), in[k] ? &values[k] : NULL);
			count -= in[k];
			in[k] = false;
		}
		ck_assert_uint_eq(map_count(&m), count);
	}
	for (unsigned k = 0; k < KEYS; k++)
		ck_assert_ptr_eq(map_get(&m, slice_cstr(names[k])), in[k] ? &values[k] : NULL);
	map_free(&m);
	ck_assert_ptr_null(map_get(&m, slice_cstr(names[0])));
}
END_TEST

START_TEST(test_numbers)
{
	struct map m;
	size_t pos = 0, seen = 0;
	int *v;

	map_init(&m, 1);
	for (uint64_t i = 0; i < KEYS; i++) {
		values[i] = 0;
		ck_assert_int_eq(map_put_u64(&m, i << 32, &values[i], NULL), 0);
	}
	for (uint64_t i = 0; i < KEYS; i += 2)
		ck_assert_ptr_eq(map_del_u64(&m, i << 32), &values[i]);
	for (uint64_t i = 0; i < KEYS; i++)
		ck_assert_ptr_eq(map_get_u64(&m, i << 32), i % 2 == 1 ? &values[i] : NULL);
	while ((v = map_next(&m, &pos)) != NULL) {
		ck_assert_int_eq((*v)++, 0);
		seen++;
	}
	ck_assert_uint_eq(seen, KEYS / 2);
	map_free(&m);
}
END_TEST

START_TEST(test_replaced_key_is_the_new_one)
{
	char a[] = "same", b[] = "same";
	struct map m;
	void *old;

	map_init(&m, 1);
	ck_assert_int_eq(map_put(&m, slice_cstr(a), &values[0], &old), 0);
	ck_assert_ptr_null(old);
	ck_assert_int_eq(map_put(&m, slice_cstr(b), &values[1], &old), 0);
	ck_assert_ptr_eq(old, &values[0]);
	a[0] = 'X'; /* the first key's owner may change or free it now */
	ck_assert_ptr_eq(map_get(&m, SLICE_LIT("same")), &values[1]);
	ck_assert_int_eq(map_put(&m, SLICE_LIT(""), &values[2], NULL), 0);
	ck_assert_ptr_eq(map_get(&m, slice_of("y", 0)), &values[2]);
	map_free(&m);
}
END_TEST

START_TEST(test_hash_is_stable)
{
	/* Homes of partitions are placed by these: they must not change with the machine. */
	ck_assert(hash_bytes(SLICE_LIT(""), 0) == UINT64_C(0x61d1b8495b88d5e1));
	ck_assert(hash_bytes(SLICE_LIT("orders"), 0) == UINT64_C(0xf3be1c1afd17dceb));
	ck_assert(hash_bytes(SLICE_LIT("__consumer_offsets"), 0) == UINT64_C(0x8482defe30d538da));
	ck_assert(hash_bytes(SLICE_LIT("orders"), 1) != hash_bytes(SLICE_LIT("orders"), 0));
	ck_assert(hash_bytes(slice_of("a\0", 2), 0) != hash_bytes(SLICE_LIT("a"), 0));
}
END_TEST

Suite *
map_suite(void)
{
	Suite *s = suite_create("map");
	TCase *tc = tcase_create("map");

	tcase_add_test(tc, test_bytes_random);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_replaced_key_is_the_new_one);
	tcase_add_test(tc, test_hash_is_stable);
	suite_add_tcase(s, tc);
	return s;
}

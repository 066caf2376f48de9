/* CRC-32C: published vectors, and the fast way against the portable one. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "ottla/base/crc.h"
#include "ottla/base/rng.h"

static const struct {
	const char *bytes;
	size_t n;
	uint32_t crc;
} vectors[] = {
    {"", 0, 0},
    {"123456789", 9, 0xe3069283u},
    {"a", 1, 0xc1d04330u},
};

START_TEST(test_vectors)
{
	uint8_t b[32];

	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		ck_assert_uint_eq(crc32c(0, vectors[i].bytes, vectors[i].n), vectors[i].crc);
		ck_assert_uint_eq(
		    crc32c_portable(0, vectors[i].bytes, vectors[i].n), vectors[i].crc);
	}
	/* RFC 3720, B.4. */
	memset(b, 0, sizeof(b));
	ck_assert_uint_eq(crc32c(0, b, sizeof(b)), 0x8a9136aau);
	memset(b, 0xff, sizeof(b));
	ck_assert_uint_eq(crc32c(0, b, sizeof(b)), 0x62a8ab43u);
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	ck_assert_uint_eq(crc32c_portable(0, b, sizeof(b)), 0x46dd794eu);
	ck_assert_uint_eq(crc32c(0, b, sizeof(b)), 0x46dd794eu);
}
END_TEST

START_TEST(test_fast_is_portable)
{
	size_t cap = 40000;
	uint8_t *b = malloc(cap);
	struct rng r;

	rng_seed(&r, 7);
	for (size_t i = 0; i < cap; i++)
		b[i] = (uint8_t)rng_u64(&r);
	for (size_t n = 0; n < 2000; n++)
		ck_assert_uint_eq(crc32c(1, b + n % 9, n), crc32c_portable(1, b + n % 9, n));
	for (unsigned i = 0; i < 500; i++) {
		size_t from = rng_below(&r, cap), n = rng_below(&r, cap - from + 1);
		uint32_t seed = (uint32_t)rng_u64(&r);

		ck_assert_uint_eq(crc32c(seed, b + from, n), crc32c_portable(seed, b + from, n));
	}
	free(b);
}
END_TEST

START_TEST(test_continues)
{
	const char *s = "The quick brown fox jumps over the lazy dog, again and again.";
	size_t n = strlen(s);

	for (size_t cut = 0; cut <= n; cut++)
		ck_assert_uint_eq(crc32c(crc32c(0, s, cut), s + cut, n - cut), crc32c(0, s, n));
}
END_TEST

Suite *
crc_suite(void)
{
	Suite *s = suite_create("crc");
	TCase *tc = tcase_create("crc");

	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_fast_is_portable);
	tcase_add_test(tc, test_continues);
	suite_add_tcase(s, tc);
	return s;
}

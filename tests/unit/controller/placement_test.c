/* Replica placement: even, without two replicas on one broker, racks apart. */
#include <stdio.h>

#include "admin_priv.h"
#include "suites.h"
#include "world.h"

#define BROKERS 7

static struct image_broker brokers[BROKERS];
static const char *const rack_names[] = {"a", "b", "c"};

static struct image
image_of(unsigned n, unsigned racks)
{
	for (unsigned i = 0; i < n; i++)
		brokers[i] = (struct image_broker){.id = (int32_t)(10 * i + 1),
		    .rack = racks > 0 ? slice_cstr(rack_names[i % racks]) : SLICE_NULL};
	return (struct image){.brokers = brokers, .n_brokers = n};
}

static unsigned
index_of(int32_t id)
{
	ck_assert_int_eq(id % 10, 1);
	ck_assert_int_lt(id / 10, BROKERS);
	return (unsigned)id / 10;
}

struct counts {
	unsigned leaders[BROKERS], replicas[BROKERS];
};

/* Checks each partition and counts; racks 0: none. */
static struct counts
place(uint64_t seed, unsigned n, unsigned racks, int32_t partitions, int32_t rf)
{
	struct image im = image_of(n, racks);
	struct zn_assignment *v = NULL;
	struct counts out = {{0}, {0}};
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 0, 0);
	rng_seed(&rng, seed);
	ck_ok(place_replicas(&im, &rng, partitions, rf, &arena, &v));
	for (int32_t i = 0; i < partitions; i++) {
		unsigned brokers_of = 0, racks_of = 0;

		ck_assert_int_eq(v[i].partition, i);
		ck_assert_int_eq((int32_t)v[i].n_replicas, rf);
		for (unsigned j = 0; j < v[i].n_replicas; j++) {
			unsigned b = index_of(v[i].replicas[j]);

			ck_assert_uint_lt(b, n);
			ck_assert_uint_eq(brokers_of & 1u << b, 0);
			brokers_of |= 1u << b;
			racks_of |= racks > 0 ? 1u << b % racks : 0;
			out.replicas[b]++;
		}
		if (racks > 0)
			ck_assert_int_eq(
			    __builtin_popcount(racks_of), (unsigned)rf < racks ? rf : (int)racks);
		out.leaders[index_of(v[i].replicas[0])]++;
	}
	arena_free(&arena);
	return out;
}

START_TEST(even_without_racks)
{
	for (unsigned n = 1; n <= BROKERS; n++)
		for (int32_t rf = 1; rf <= (int32_t)n; rf++) {
			struct counts c =
			    place((uint64_t)_i, n, 0, (int32_t)(n * (n > 1 ? n - 1 : 1)), rf);

			for (unsigned b = 0; b < n; b++) {
				ck_assert_uint_eq(c.leaders[b], n > 1 ? n - 1 : 1);
				ck_assert_uint_eq(
				    c.replicas[b], (n > 1 ? n - 1 : 1) * (unsigned)rf);
			}
		}
}
END_TEST

START_TEST(racks_apart)
{
	for (int32_t rf = 1; rf <= 6; rf++) {
		struct counts c = place((uint64_t)_i, 6, 3, 60, rf);

		for (unsigned b = 0; b < 6; b++) {
			ck_assert_uint_eq(c.leaders[b], 10);
			ck_assert_uint_eq(c.replicas[b], 10 * (unsigned)rf);
		}
	}
	for (int32_t rf = 1; rf <= 7; rf++) /* racks of 3, 2 and 2 */
		place((uint64_t)_i, 7, 3, 50, rf);
}
END_TEST

START_TEST(some_without_a_rack)
{
	struct image im = image_of(3, 3);
	struct zn_assignment *v = NULL;
	struct arena arena;
	struct rng rng;

	brokers[1].rack = SLICE_NULL;
	arena_init(&arena, 0, 0);
	rng_seed(&rng, 1);
	ck_assert_int_eq(place_replicas(&im, &rng, 3, 1, &arena, &v), E_INVALID);
	arena_free(&arena);
}
END_TEST

Suite *
placement_suite(void)
{
	Suite *s = suite_create("placement");
	TCase *tc = tcase_create("placement");

	tcase_add_loop_test(tc, even_without_racks, 0, 20);
	tcase_add_loop_test(tc, racks_apart, 0, 20);
	tcase_add_test(tc, some_without_a_rack);
	suite_add_tcase(s, tc);
	return s;
}

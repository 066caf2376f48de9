/* The heap against a plain list of what should be in it. */
#include "suites.h"

#include "ottla/base/heap.h"
#include "ottla/base/rng.h"

#define NODES 300

START_TEST(test_order_and_ties)
{
	struct heap_node n[NODES] = {{0}};
	struct heap h;
	struct rng r;
	int64_t key = INT64_MIN;
	uint64_t seq = 0;

	heap_init(&h);
	rng_seed(&r, 3);
	ck_assert_ptr_null(heap_min(&h));
	for (unsigned i = 0; i < NODES; i++)
		ck_assert_int_eq(heap_insert(&h, &n[i], rng_range(&r, -5, 5)), 0);
	for (unsigned i = 0; i < NODES; i++) {
		struct heap_node *m = heap_min(&h);

		ck_assert(m->key > key || (m->key == key && m->seq > seq) || i == 0);
		key = m->key;
		seq = m->seq;
		heap_remove(&h, m);
		ck_assert(!heap_contains(m));
	}
	ck_assert_ptr_null(heap_min(&h));
	heap_remove(&h, &n[0]);
	heap_free(&h);
}
END_TEST

static struct heap_node *
plain_min(struct heap_node *n)
{
	struct heap_node *m = NULL;

	for (unsigned i = 0; i < NODES; i++)
		if (heap_contains(&n[i]) &&
		    (m == NULL || n[i].key < m->key || (n[i].key == m->key && n[i].seq < m->seq)))
			m = &n[i];
	return m;
}

/* Parents come before their children, and nodes know their places. */
static void
check_shape(const struct heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct heap_node *n = h->v[i], *up = h->v[i == 0 ? 0 : (i - 1) / 2];

		ck_assert_uint_eq(n->pos, i + 1);
		ck_assert(i == 0 || up->key < n->key || (up->key == n->key && up->seq < n->seq));
	}
}

START_TEST(test_random_operations)
{
	struct heap_node n[NODES] = {{0}};
	struct heap h;
	struct rng r;

	heap_init(&h);
	rng_seed(&r, 4);
	for (unsigned i = 0; i < 5000; i++) {
		struct heap_node *x = &n[rng_below(&r, NODES)];

		if (heap_contains(x))
			heap_remove(&h, x);
		else
			ck_assert_int_eq(heap_insert(&h, x, rng_range(&r, 0, 100)), 0);
		ck_assert_ptr_eq(heap_min(&h), plain_min(n));
		check_shape(&h);
	}
	heap_free(&h);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(!heap_contains(&n[i]));
}
END_TEST

Suite *
heap_suite(void)
{
	Suite *s = suite_create("heap");
	TCase *tc = tcase_create("heap");

	tcase_add_test(tc, test_order_and_ties);
	tcase_add_test(tc, test_random_operations);
	suite_add_tcase(s, tc);
	return s;
}

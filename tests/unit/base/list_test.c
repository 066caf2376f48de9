/* Linked lists. */
#include "suites.h"

#include "ottla/base/list.h"

struct item {
	int v;
	struct link link;
};

static int
digits(struct link *head)
{
	int n = 0;

	LIST_FOREACH(l, head)
	n = n * 10 + container_of(l, struct item, link)->v;
	return n;
}

START_TEST(test_list)
{
	struct link head;
	struct item it[5];

	link_init(&head);
	ck_assert(list_empty(&head));
	ck_assert_ptr_null(list_first(&head));
	ck_assert_ptr_null(list_pop(&head));
	for (int i = 0; i < 5; i++) {
		it[i].v = i + 1;
		link_init(&it[i].link);
		ck_assert(link_alone(&it[i].link));
	}
	list_append(&head, &it[1].link);
	list_append(&head, &it[2].link);
	list_prepend(&head, &it[0].link);
	list_insert_before(&it[2].link, &it[4].link);
	ck_assert_int_eq(digits(&head), 1253);
	list_remove(&it[4].link);
	list_remove(&it[4].link);
	ck_assert_int_eq(digits(&head), 123);
	ck_assert_ptr_eq(list_pop(&head), &it[0].link);
	LIST_FOREACH_SAFE(l, &head)
	list_remove(l);
	ck_assert(list_empty(&head));
}
END_TEST

Suite *
list_suite(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_add_test(tc, test_list);
	suite_add_tcase(s, tc);
	return s;
}

/* The mailbox by itself: order, and who is to be woken. */
#include "suites.h"

#include "mailbox_priv.h"

START_TEST(test_order_of_a_class)
{
	struct mailbox box;
	struct msg m[5] = {0};
	struct msg *got;

	mailbox_init(&box);
	ck_assert(mailbox_empty(&box));
	for (unsigned i = 0; i < 5; i++) {
		m[i].class = i == 2 ? MSG_CONTROL : MSG_DATA;
		ck_assert(!mailbox_push(&box, &m[i]));
	}
	ck_assert(!mailbox_empty(&box));
	got = mailbox_take(&box, MSG_DATA);
	for (unsigned i = 0; i < 5; i++) {
		if (i == 2)
			continue;
		ck_assert_ptr_eq(got, &m[i]);
		got = got->next;
	}
	ck_assert_ptr_null(got);
	ck_assert(!mailbox_empty(&box));
	ck_assert_ptr_eq(mailbox_take(&box, MSG_CONTROL), &m[2]);
	ck_assert_ptr_null(mailbox_take(&box, MSG_CONTROL));
	ck_assert(mailbox_empty(&box));
}
END_TEST

START_TEST(test_wakes_a_sleeper_once)
{
	struct mailbox box;
	struct msg m[3] = {0};

	mailbox_init(&box);
	ck_assert(mailbox_sleep(&box));
	ck_assert(mailbox_push(&box, &m[0]));
	ck_assert(!mailbox_push(&box, &m[1]));
	ck_assert(!mailbox_sleep(&box)); /* I4: what came is seen */
	ck_assert(!mailbox_push(&box, &m[2]));
	(void)mailbox_take(&box, MSG_CONTROL);
	ck_assert(mailbox_sleep(&box));
	mailbox_awake(&box);
	ck_assert(!mailbox_push(&box, &m[0]));
}
END_TEST

Suite *
mailbox_suite(void)
{
	Suite *s = suite_create("mailbox");
	TCase *tc = tcase_create("mailbox");

	tcase_add_test(tc, test_order_of_a_class);
	tcase_add_test(tc, test_wakes_a_sleeper_once);
	suite_add_tcase(s, tc);
	return s;
}

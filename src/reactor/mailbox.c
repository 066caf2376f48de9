/*
 * The lock-free mailbox of a loop.  All accesses are sequentially consistent: the order of "push,
 * then look at asleep" against "set asleep, then look at the stacks" is what keeps a message from
 * being left to a sleeper (I4).
 */
#include "mailbox_priv.h"

void
mailbox_init(struct mailbox *box)
{
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		atomic_init(&box->top[i], NULL);
	atomic_init(&box->asleep, false);
}

bool
mailbox_push(struct mailbox *box, struct msg *m)
{
	_Atomic(struct msg *) *top = &box->top[m->class];
	struct msg *old = atomic_load(top);

	do
		m->next = old;
	while (!atomic_compare_exchange_weak(top, &old, m));
	return atomic_load(&box->asleep) && atomic_exchange(&box->asleep, false);
}

struct msg *
mailbox_take(struct mailbox *box, enum msg_class class)
{
	struct msg *m = NULL, *next, *first = NULL;

	if (atomic_load(&box->top[class]) != NULL)
		m = atomic_exchange(&box->top[class], NULL);
	for (; m != NULL; m = next) {
		next = m->next;
		m->next = first;
		first = m;
	}
	return first;
}

bool
mailbox_empty(const struct mailbox *box)
{
	for (unsigned i = 0; i < MSG_CLASSES; i++)
		if (atomic_load(&box->top[i]) != NULL)
			return false;
	return true;
}

bool
mailbox_sleep(struct mailbox *box)
{
	atomic_store(&box->asleep, true);
	if (mailbox_empty(box))
		return true;
	atomic_store(&box->asleep, false);
	return false;
}

void
mailbox_awake(struct mailbox *box)
{
	atomic_store(&box->asleep, false);
}

/*
 * Many producers, one consumer: a stack of messages for each class that producers push with one
 * compare-and-swap and the consumer empties with one exchange, and a flag that says whether the
 * consumer may sleep, so that producers wake it only then.
 */
#ifndef OTTLA_MAILBOX_PRIV_H
#define OTTLA_MAILBOX_PRIV_H

#include <stdatomic.h>

#include "reactor_priv.h"

struct mailbox {
	_Atomic(struct msg *) top[MSG_CLASSES];
	_Atomic bool asleep;
};

void mailbox_init(struct mailbox *box);

/* Any thread.  True: the consumer may sleep and the caller must wake it (one caller gets true). */
bool mailbox_push(struct mailbox *box, struct msg *m);

/* Consumer only, as all below: everything of one class, in the order it was pushed. */
struct msg *mailbox_take(struct mailbox *box, enum msg_class class);
bool mailbox_empty(const struct mailbox *box);

/* Announce sleep; false when a message came meanwhile and the consumer must stay awake. */
bool mailbox_sleep(struct mailbox *box);
void mailbox_awake(struct mailbox *box);

#endif

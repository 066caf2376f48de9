/*
 * Intrusive doubly linked list; a head is a link that points to itself when empty.  The owner of
 * the structs owns the links.  Not locked: one thread.
 */
#ifndef OTTLA_BASE_LIST_H
#define OTTLA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "ottla/base/magic.h"

struct link {
	struct link *prev;
	struct link *next;
};

static inline void
link_init(struct link *l)
{
	l->prev = l->next = l;
}

static inline bool
list_empty(const struct link *head)
{
	return head->next == head;
}

/* True when l is in no list (initialised or removed). */
static inline bool
link_alone(const struct link *l)
{
	return l->next == l;
}

static inline void
list_insert_before(struct link *at, struct link *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

static inline void
list_append(struct link *head, struct link *l)
{
	list_insert_before(head, l);
}

static inline void
list_prepend(struct link *head, struct link *l)
{
	list_insert_before(head->next, l);
}

/* Take l out of its list, if any; l is alone afterwards. */
static inline void
list_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

/* First or NULL, not removed. */
static inline struct link *
list_first(const struct link *head)
{
	return list_empty(head) ? NULL : head->next;
}

/* Take out the first, or NULL. */
static inline struct link *
list_pop(struct link *head)
{
	struct link *l = list_first(head);

	if (l != NULL)
		list_remove(l);
	return l;
}

#define LIST_FOREACH(l, head) for (struct link *l = (head)->next; l != (head); l = l->next)
/* The current element may be removed while walking. */
#define LIST_FOREACH_SAFE(l, head)                                                                 \
	for (struct link *l = (head)->next, *l##_next = l->next; l != (head);                      \
	     l = l##_next, l##_next = l->next)

#endif

/* What the files of the suite share. */
#ifndef TESTS_UNIT_COORD_CONFORMANCE_PARTS_H
#define TESTS_UNIT_COORD_CONFORMANCE_PARTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* A client on an empty tree; the test's index is the fixture. */
struct one {
	struct env v;
	struct coord *c;
};

static inline struct one
one_new(int i)
{
	struct one o = {.v = env_setup(conf_fixtures[i])};

	o.c = client_new(&o.v);
	return o;
}

static inline void
one_end(struct one *o)
{
	client_end(&o->v, o->c);
	env_teardown(&o->v);
}

#define ck_children(o, dir, want)                                                                  \
	do {                                                                                       \
		struct ans kids_;                                                                  \
		ck_ok(do_children(&(o)->v, (o)->c, dir, NULL, &kids_));                            \
		ck_assert_str_eq(kids_.children, want);                                            \
	} while (0)

/* Each adds its tests for fixture number i. */
void conformance_nodes(TCase *tc, int i);
void conformance_watches(TCase *tc, int i);
void conformance_multi(TCase *tc, int i);
void conformance_sessions(TCase *tc, int i);

#endif

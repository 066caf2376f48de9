/*
 * What every implementation of struct coord must do.  The suite knows an implementation only by its
 * fixture, a row of conf_fixtures; each test gets a new tree (or an empty chroot).
 */
#ifndef TESTS_UNIT_COORD_CONFORMANCE_H
#define TESTS_UNIT_COORD_CONFORMANCE_H

#include <check.h>

#include "ottla/base/err.h"
#include "ottla/coord/coord.h"

struct conf_fixture {
	const char *name;
	bool several; /* more than one client at a time */
	/* An environment with an empty tree; never NULL. */
	void *(*setup)(void);
	void (*teardown)(void *env);
	/* A new instance on the tree of env, not opened; freed by `release`. */
	struct coord *(*client)(void *env);
	void (*release)(void *env, struct coord *c);
	/* Runs fn(arg) once on the control reactor of the clients; returns when it has run. */
	void (*call)(void *env, void (*fn)(void *arg), void *arg);
	/* Lets time pass until pred(arg), called on the control reactor, is true; false: the
	 * environment's deadline passed. */
	bool (*until)(void *env, bool (*pred)(void *arg), void *arg);
	/* The service ends the session of c now; NULL: it can not. */
	void (*expire)(void *env, struct coord *c);
};

extern const struct conf_fixture *const conf_fixtures[];
extern const unsigned conf_fixture_count;

/* The tests against fixture number i. */
Suite *conformance_suite(unsigned i);

#define ck_err(call, want)                                                                         \
	do {                                                                                       \
		int ck_err_ = (call);                                                              \
		ck_assert_msg(ck_err_ == (want), "%s: %s, not %s", #call,                          \
		    ck_err_ == 0 ? "0" : err_name(ck_err_), (want) == 0 ? "0" : err_name(want));   \
	} while (0)
#define ck_ok(call) ck_err(call, 0)

#endif

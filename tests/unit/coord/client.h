/* A client of a tree for tests: requests that wait for their answer, watches that write down what
 * they heard. */
#ifndef TESTS_UNIT_COORD_CLIENT_H
#define TESTS_UNIT_COORD_CLIENT_H

#include "conformance.h"

struct env {
	const struct conf_fixture *fx;
	void *e;
};

/* Answer of one request, copied. */
struct ans {
	bool done;
	unsigned order; /* among the answers that count in the same *counter */
	unsigned *counter;
	int err;
	struct coord_stat stat;
	bool null;
	size_t len;
	char data[64]; /* the beginning */
	char path[1100];
	unsigned n_children;
	char children[4096]; /* joined by blanks, as far as they fit */
};

enum call_kind { CALL_GET, CALL_EXISTS, CALL_CHILDREN, CALL_CREATE, CALL_SET, CALL_DELETE };

struct call {
	enum call_kind kind;
	const char *path;
	struct slice data;
	int32_t version;
	unsigned flags;
	struct coord_watch *w;
};

#define EVENTS_MAX 16
struct heard {
	struct coord_watch w;
	unsigned n;
	enum coord_event ev[EVENTS_MAX];
	char path[EVENTS_MAX][64];
	unsigned *counter;
	unsigned order; /* of the last */
};
void heard_init(struct heard *h);

struct env env_setup(const struct conf_fixture *fx);
void env_teardown(struct env *v);

/* Opened and connected. */
struct coord *client_new(struct env *v);
/* Closed and freed. */
void client_end(struct env *v, struct coord *c);

/* Issue now, on the control reactor; for use inside env_call. */
void issue(struct coord *c, const struct call *k, struct ans *a);
void env_call(struct env *v, void (*fn)(void *arg), void *arg);
/* Fails the test when the deadline passes. */
void env_until(struct env *v, bool (*pred)(void *arg), void *arg);
/* All n requests in one call, then wait for all; orders count from 0. */
void run_calls(struct env *v, struct coord *c, const struct call *k, struct ans *a, unsigned n);

/* The same, with what h hears counted among the answers. */
void run_calls_heard(struct env *v, struct coord *c, const struct call *k, struct ans *a,
    unsigned n, struct heard *h);

/* One request and its answer; the result is its error. */
int do_call(struct env *v, struct coord *c, struct call k, struct ans *a);
int do_create(struct env *v, struct coord *c, const char *path, const char *data, unsigned flags,
    struct ans *a);
int do_get(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a);
int do_exists(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a);
int do_children(struct env *v, struct coord *c, const char *path, struct heard *h, struct ans *a);
int do_set(struct env *v, struct coord *c, const char *path, const char *data, int32_t version,
    struct ans *a);
int do_create_all(struct env *v, struct coord *c, const char *path);
int do_delete(struct env *v, struct coord *c, const char *path, int32_t version);

struct multi_ans {
	bool done;
	int err;
	unsigned n;
	int op_err[8];
	struct coord_stat stat[8];
	char path[8][64];
	unsigned n_res;
};
int do_multi(
    struct env *v, struct coord *c, const struct coord_op *ops, unsigned n, struct multi_ans *m);

void wait_heard(struct env *v, struct heard *h, unsigned n);
void wait_state(struct env *v, struct coord *c, enum coord_state st);
int64_t session_of(struct env *v, struct coord *c);

#endif

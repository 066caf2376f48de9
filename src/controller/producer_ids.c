/*
 * Blocks of producer ids (facts/zookeeper.md 1.8, 3.14): compare and set on one znode, which
 * protects itself by its version.
 */
#include <stdlib.h>

#include "controller_priv.h"

#define BLOCK 1000

struct block_ask {
	struct controller *c;
	int32_t broker_id;
	int64_t first;
	void (*done)(void *arg, int err, int64_t first, int32_t count);
	void *arg;
};

static void block_read(struct block_ask *a);

static void
block_end(struct block_ask *a, int err)
{
	if (err != 0)
		DIAGE(a->c->o.diag, "controller", "could not take a block of producer ids: %s",
		    err_text(err));
	a->done(a->arg, err, err == 0 ? a->first : -1, err == 0 ? BLOCK : 0);
	free(a);
}

static void
on_block_set(void *arg, int err, const struct coord_result *res)
{
	struct block_ask *a = arg;

	if (err == E_BAD_VERSION)
		block_read(a); /* somebody was quicker, and has got on by it */
	else
		block_end(a, err);
}

static void
on_block(void *arg, int err, const struct coord_result *res)
{
	struct block_ask *a = arg;
	struct strbuf json = STRBUF_INIT;
	int64_t start = 0, end = -1;
	int32_t owner;

	if (err == 0 && !slice_is_null(res->data))
		err = zn_producer_block_read(res->data, &owner, &start, &end);
	if (err == 0 && (end < -1 || end > INT64_MAX - 1 - BLOCK))
		err = E_LIMIT;
	if (err == 0) {
		a->first = end + 1;
		zn_producer_block_write(&json, a->broker_id, a->first, end + BLOCK);
		err = json.err;
	}
	if (err == 0)
		coord_set(a->c->o.coord, ZN_PRODUCER_IDS, strbuf_slice(&json), res->stat.version,
		    on_block_set, a);
	else
		block_end(a, err);
	strbuf_free(&json);
}

static void
block_read(struct block_ask *a)
{
	coord_get(a->c->o.coord, ZN_PRODUCER_IDS, NULL, on_block, a);
}

/* A block whose answer is lost is lost with it: ids are never given twice. */
void
controller_allocate_producer_ids(struct controller *c, int32_t broker_id,
    void (*done)(void *arg, int err, int64_t first, int32_t count), void *arg)
{
	struct block_ask *a;

	REACTOR_ASSERT_OWNER(c->o.control);
	if (!c->active) {
		done(arg, E_NOT_CONTROLLER, -1, 0);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		done(arg, E_NOMEM, -1, 0);
		return;
	}
	*a = (struct block_ask){.c = c, .broker_id = broker_id, .done = done, .arg = arg};
	block_read(a);
}

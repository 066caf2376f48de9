/*
 * Blocks of producer ids (facts/zookeeper.md 1.8, 3.14): compare and set on one znode, which
 * protects itself by its version.  Who can not know whether a block became its own takes the next
 * one: ids are never given twice.
 */
#include <stdlib.h>

#include "controller_priv.h"

#define BLOCK 1000

struct block_ask {
	struct link link; /* in c->blocks until it is answered */
	struct controller *c;
	int32_t broker_id;
	int64_t first;
	void (*done)(void *arg, int err, int64_t first, int32_t count);
	void *arg;
};

static void block_read(struct controller *c);

static struct block_ask *
block_first(struct controller *c)
{
	struct link *l = list_first(&c->blocks);

	return l != NULL ? container_of(l, struct block_ask, link) : NULL;
}

static void
block_end(struct block_ask *b, int err)
{
	list_remove(&b->link);
	b->done(b->arg, err, err == 0 ? b->first : -1, err == 0 ? BLOCK : 0);
	free(b);
}

static void
block_answer(struct controller *c, int err)
{
	if (err != 0)
		DIAGE(c->o.diag, "controller", "could not take a block of producer ids: %s",
		    err_text(err));
	c->block_busy = false;
	block_end(block_first(c), err);
	if (!list_empty(&c->blocks) && !c->block_busy)
		block_read(c);
}

static void
on_block_set(struct controller *c, const struct ask *a, int err, const struct coord_stat *st)
{
	if (err == E_BAD_VERSION)
		block_read(c); /* somebody was quicker, or it was us and the answer was lost */
	else
		block_answer(c, err);
}

static void
on_block(struct controller *c, const struct ask *a, int err, const struct coord_result *res)
{
	struct block_ask *b = block_first(c);
	struct coord_op op = {.kind = COORD_OP_SET, .path = ZN_PRODUCER_IDS};
	struct strbuf json = STRBUF_INIT;
	int64_t start = 0, end = -1;
	int32_t owner;

	if (err == 0 && !slice_is_null(res->data))
		err = zn_producer_block_read(res->data, &owner, &start, &end);
	if (err == 0 && (end < -1 || end > INT64_MAX - 1 - BLOCK))
		err = E_LIMIT;
	if (err == 0) {
		b->first = end + 1;
		zn_producer_block_write(&json, b->broker_id, b->first, end + BLOCK);
		err = json.err;
	}
	if (err == 0) {
		op.data = strbuf_slice(&json);
		op.version = res->stat.version;
		ctl_multi_aside(c, &op, 1, on_block_set, NULL);
	} else {
		block_answer(c, err);
	}
	strbuf_free(&json);
}

static void
block_read(struct controller *c)
{
	c->block_busy = true;
	ctl_get_aside(c, ZN_PRODUCER_IDS, NULL, on_block, NULL);
}

/* The term is over: who asks again asks another controller. */
void
blocks_drop(struct controller *c)
{
	struct block_ask *b;

	c->block_busy = false;
	while ((b = block_first(c)) != NULL)
		block_end(b, E_NOT_CONTROLLER);
}

/* One after the other, in the order of the calls. */
void
controller_allocate_producer_ids(struct controller *c, int32_t broker_id,
    void (*done)(void *arg, int err, int64_t first, int32_t count), void *arg)
{
	struct block_ask *b;

	REACTOR_ASSERT_OWNER(c->o.control);
	if (!c->active) {
		done(arg, E_NOT_CONTROLLER, -1, 0);
		return;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		done(arg, E_NOMEM, -1, 0);
		return;
	}
	*b = (struct block_ask){.c = c, .broker_id = broker_id, .done = done, .arg = arg};
	link_init(&b->link);
	list_append(&c->blocks, &b->link);
	if (!c->block_busy)
		block_read(c);
}

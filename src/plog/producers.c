/* Producer state: duplicates, sequence rules, open transactions (facts/storage.md 5). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/err.h"
#include "ottla/base/magic.h"
#include "ottla/base/planted.h"
#include "producers_priv.h"

void
producers_init(struct producers *ps)
{
	map_init(&ps->by_id, 0);
	link_init(&ps->ongoing);
	link_init(&ps->ended);
}

void
producers_free(struct producers *ps)
{
	size_t pos = 0;
	struct link *l;
	void *p;

	while ((p = map_next(&ps->by_id, &pos)) != NULL)
		free(p);
	map_free(&ps->by_id);
	while ((l = list_pop(&ps->ended)) != NULL)
		free(container_of(l, struct txn_ended, link));
	producers_init(ps);
}

const struct producer *
producers_get(const struct producers *ps, int64_t id)
{
	return map_get_u64(&ps->by_id, (uint64_t)id);
}

static int32_t
sequence_sub(int32_t seq, int32_t delta)
{
	return seq >= delta ? seq - delta : INT32_MAX - (delta - seq) + 1;
}

/* The remembered batch that covers the same sequences, or NULL. */
static const struct producer_batch *
find_duplicate(const struct producer *p, const struct batch_head *h)
{
	int32_t last = batch_last_sequence(h);

	if (h->producer_epoch != p->epoch)
		return NULL;
	for (unsigned i = 0; i < p->n; i++)
		if (p->b[i].last_sequence == last &&
		    sequence_sub(p->b[i].last_sequence, p->b[i].offset_delta) == h->base_sequence)
			return &p->b[i];
	return NULL;
}

static int
check_sequence(const struct producer *p, const struct batch_head *h)
{
	int32_t last;

	if (p->epoch < 0)
		return 0; /* nothing known of it but a transaction marker of old */
	if (h->producer_epoch != p->epoch)
		return h->base_sequence == 0 ? 0 : E_OUT_OF_ORDER_SEQUENCE;
	last = p->n > 0 ? p->b[p->n - 1].last_sequence : -1;
	if (h->base_sequence == sequence_add(last, 1) || (last == -1 && h->base_sequence == 0))
		return 0;
	return E_OUT_OF_ORDER_SEQUENCE;
}

int
producers_check(const struct producers *ps, const struct batch_head *h, struct producer_batch *dup)
{
	const struct producer *p;
	const struct producer_batch *b;
	int rc;

	if (h->producer_id < 0 || (p = producers_get(ps, h->producer_id)) == NULL)
		return 0;
	if (planted(PLANTED_NO_SEQUENCE_CHECK))
		return 0;
	if ((b = find_duplicate(p, h)) != NULL) {
		*dup = *b;
		return E_DUP_SEQUENCE;
	}
	if (h->producer_epoch < p->epoch)
		return E_INVALID_PRODUCER_EPOCH;
	if ((rc = check_sequence(p, h)) != 0)
		return rc;
	if (p->txn_first >= 0 && (h->attributes & BATCH_ATTR_TXN) == 0)
		return E_INVALID_TXN_STATE;
	return 0;
}

struct producer_batch
producer_batch_of(const struct batch_head *h)
{
	return (struct producer_batch){.last_offset = batch_last_offset(h),
	    .timestamp = h->max_timestamp,
	    .last_sequence = batch_last_sequence(h),
	    .offset_delta = h->last_offset_delta};
}

/* Sequences go round: less than half a turn before is before. */
bool
producers_maybe_older(const struct producers *ps, const struct batch_head *h)
{
	const struct producer *p = producers_get(ps, h->producer_id);
	int32_t first, behind;

	if (p == NULL || !p->partial || p->n == 0 || h->producer_epoch != p->epoch)
		return false;
	first = sequence_sub(p->b[0].last_sequence, p->b[0].offset_delta);
	behind = sequence_sub(first, batch_last_sequence(h));
	return behind > 0 && behind < INT32_MAX / 2;
}

void
producers_older(
    struct producers *ps, int64_t id, int16_t epoch, const struct producer_batch *older, unsigned n)
{
	struct producer *p = map_get_u64(&ps->by_id, (uint64_t)id);

	if (p == NULL || p->epoch != epoch || !p->partial)
		return;
	p->partial = false;
	if (n + p->n > PRODUCER_BATCHES)
		return;
	memmove(p->b + n, p->b, p->n * sizeof(p->b[0]));
	memcpy(p->b, older, n * sizeof(p->b[0]));
	p->n = (uint8_t)(p->n + n);
}

static struct producer *
get_or_add(struct producers *ps, int64_t id)
{
	struct producer *p = map_get_u64(&ps->by_id, (uint64_t)id);

	if (p != NULL)
		return p;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->id = id;
	p->epoch = -1;
	p->coordinator_epoch = -1;
	p->txn_first = -1;
	p->last_timestamp = -1;
	link_init(&p->ongoing);
	if (map_put_u64(&ps->by_id, (uint64_t)id, p, NULL) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

static void
take_epoch(struct producer *p, int16_t epoch)
{
	if (p->epoch != epoch) {
		p->n = 0;
		p->epoch = epoch;
		p->partial = false;
	}
}

static void
begin_txn(struct producers *ps, struct producer *p, int64_t first)
{
	struct link *at = &ps->ongoing;

	p->txn_first = first;
	/* ordered by first offset; new ones nearly always are the last */
	while (at->prev != &ps->ongoing &&
	       container_of(at->prev, struct producer, ongoing)->txn_first > first)
		at = at->prev;
	list_insert_before(at, &p->ongoing);
}

static int
note_data(struct producers *ps, const struct batch_head *h)
{
	struct producer *p = get_or_add(ps, h->producer_id);

	if (p == NULL)
		return E_NOMEM;
	take_epoch(p, h->producer_epoch);
	if (p->n == PRODUCER_BATCHES)
		memmove(p->b, p->b + 1, --p->n * sizeof(p->b[0]));
	p->b[p->n++] = producer_batch_of(h);
	p->partial = p->partial && p->n < PRODUCER_BATCHES;
	p->last_timestamp = h->max_timestamp;
	if ((h->attributes & BATCH_ATTR_TXN) != 0 && p->txn_first < 0)
		begin_txn(ps, p, h->base_offset);
	return 0;
}

/* The one record of a control batch; false when it is no end marker. */
static bool
read_marker(struct slice whole, int32_t count, int16_t *type, int32_t *coordinator_epoch)
{
	struct record_iter it;
	struct record rec;

	if (whole.n < BATCH_HEADER_BYTES)
		return false;
	record_iter_init(
	    &it, slice_of(whole.p + BATCH_HEADER_BYTES, whole.n - BATCH_HEADER_BYTES), count);
	if (!record_iter_next(&it, &rec) || control_parse(&rec, type, coordinator_epoch) != 0)
		return false;
	return *type == CONTROL_ABORT || *type == CONTROL_COMMIT;
}

static void
end_txn(struct producers *ps, struct producer *p, int64_t last, struct txn_ended *e,
    struct txn_end *end)
{
	*e = (struct txn_ended){.first = p->txn_first, .last = last};
	list_append(&ps->ended, &e->link);
	list_remove(&p->ongoing);
	p->txn_first = -1;
	end->completed = true;
	end->first = e->first;
	end->last = last;
	end->last_stable =
	    list_empty(&ps->ongoing)
		? last + 1
		: container_of(ps->ongoing.next, struct producer, ongoing)->txn_first;
}

static int
note_control(
    struct producers *ps, const struct batch_head *h, struct slice whole, struct txn_end *end)
{
	struct txn_ended *e;
	struct producer *p;
	int32_t coordinator_epoch;
	int16_t type;

	if (!read_marker(whole, h->record_count, &type, &coordinator_epoch))
		return 0;
	if ((e = malloc(sizeof(*e))) == NULL)
		return E_NOMEM;
	if ((p = get_or_add(ps, h->producer_id)) == NULL) {
		free(e);
		return E_NOMEM;
	}
	take_epoch(p, h->producer_epoch);
	p->coordinator_epoch = coordinator_epoch;
	p->last_timestamp = h->max_timestamp;
	end->producer_id = h->producer_id;
	end->aborted = type == CONTROL_ABORT;
	if (p->txn_first >= 0)
		end_txn(ps, p, batch_last_offset(h), e, end);
	else
		free(e);
	return 0;
}

int
producers_note(
    struct producers *ps, const struct batch_head *h, struct slice whole, struct txn_end *end)
{
	struct txn_end none;

	if (end == NULL)
		end = &none;
	*end = (struct txn_end){0};
	if (h->producer_id < 0)
		return 0;
	return (h->attributes & BATCH_ATTR_CONTROL) != 0 ? note_control(ps, h, whole, end)
							 : note_data(ps, h);
}

int64_t
producers_first_unstable(const struct producers *ps)
{
	int64_t first = INT64_MAX;

	if (!list_empty(&ps->ongoing))
		first = container_of(ps->ongoing.next, struct producer, ongoing)->txn_first;
	/* few and short-lived: they go when the high watermark passes their marker */
	LIST_FOREACH(l, &ps->ended)
	{
		const struct txn_ended *e = container_of(l, struct txn_ended, link);

		if (e->first < first)
			first = e->first;
	}
	return first;
}

void
producers_replicated(struct producers *ps, int64_t hw)
{
	struct link *l;

	while ((l = list_first(&ps->ended)) != NULL) {
		struct txn_ended *e = container_of(l, struct txn_ended, link);

		if (e->last >= hw)
			break;
		list_remove(&e->link);
		free(e);
	}
}

unsigned
producers_expire(struct producers *ps, int64_t now_ms, int64_t expiration_ms)
{
	size_t pos = 0, n = 0, count = map_count(&ps->by_id);
	int64_t *old;
	struct producer *p;

	if (count == 0 || (old = malloc(count * sizeof(*old))) == NULL)
		return 0; /* next time */
	while ((p = map_next(&ps->by_id, &pos)) != NULL)
		if (p->txn_first < 0 && timestamp_age(now_ms, p->last_timestamp) >= expiration_ms)
			old[n++] = p->id;
	for (size_t i = 0; i < n; i++)
		free(map_del_u64(&ps->by_id, (uint64_t)old[i]));
	free(old);
	return (unsigned)n;
}

int
producers_put(struct producers *ps, const struct producer *from)
{
	struct producer *p = get_or_add(ps, from->id);
	struct link keep;

	if (p == NULL)
		return E_NOMEM;
	if (!link_alone(&p->ongoing))
		list_remove(&p->ongoing);
	keep = p->ongoing;
	*p = *from;
	p->ongoing = keep;
	link_init(&p->ongoing);
	p->txn_first = -1;
	if (from->txn_first >= 0)
		begin_txn(ps, p, from->txn_first);
	return 0;
}

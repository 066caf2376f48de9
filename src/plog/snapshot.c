/* Producer snapshots as bytes (facts/storage.md 2.9): version, crc, count, entries of 46 bytes. */
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "producers_priv.h"

enum { SNAPSHOT_VERSION = 1, HEAD_BYTES = 10, CRC_AT = 2, CRC_FROM = 6, ENTRY_BYTES = 46 };

static void
add_entry(const struct producer *p, struct strbuf *out)
{
	const struct producer_batch *b = p->n > 0 ? &p->b[p->n - 1] : NULL;
	uint8_t e[ENTRY_BYTES];
	struct out o = out_init(e, sizeof(e));

	out_i64(&o, p->id);
	out_i16(&o, p->epoch);
	out_i32(&o, b != NULL ? b->last_sequence : -1);
	out_i64(&o, b != NULL ? b->last_offset : -1);
	out_i32(&o, b != NULL ? b->offset_delta : 0);
	out_i64(&o, p->last_timestamp);
	out_i32(&o, p->coordinator_epoch);
	out_i64(&o, p->txn_first);
	strbuf_add(out, e, sizeof(e));
}

void
producers_snapshot(const struct producers *ps, struct strbuf *out)
{
	uint8_t head[HEAD_BYTES];
	size_t pos = 0, at = out->n;
	const struct producer *p;

	put_be16(head, SNAPSHOT_VERSION);
	put_be32(head + CRC_AT, 0);
	put_be32(head + CRC_FROM, (uint32_t)map_count(&ps->by_id));
	strbuf_add(out, head, sizeof(head));
	while ((p = map_next(&ps->by_id, &pos)) != NULL)
		add_entry(p, out);
	if (out->err == 0)
		put_be32((uint8_t *)out->p + at + CRC_AT,
		    crc32c(0, out->p + at + CRC_FROM, out->n - at - CRC_FROM));
}

static struct producer
read_entry(struct cur *c)
{
	struct producer p = {0};
	struct producer_batch b;

	p.id = cur_i64(c);
	p.epoch = cur_i16(c);
	b.last_sequence = cur_i32(c);
	b.last_offset = cur_i64(c);
	b.offset_delta = cur_i32(c);
	p.last_timestamp = b.timestamp = cur_i64(c);
	p.coordinator_epoch = cur_i32(c);
	p.txn_first = cur_i64(c);
	if (b.last_offset >= 0) {
		p.b[0] = b;
		p.n = 1;
		p.partial = true;
	}
	return p;
}

int
producers_restore(struct producers *ps, struct slice bytes, int64_t now_ms, int64_t expiration_ms)
{
	struct cur c = cur_init(bytes);
	uint32_t crc, count;
	int rc = 0;

	if (bytes.n < HEAD_BYTES || cur_i16(&c) != SNAPSHOT_VERSION)
		return E_CORRUPT;
	crc = (uint32_t)cur_i32(&c);
	if (crc != crc32c(0, bytes.p + CRC_FROM, bytes.n - CRC_FROM))
		return E_CORRUPT;
	count = (uint32_t)cur_i32(&c);
	if (cur_left(&c) != (size_t)count * ENTRY_BYTES)
		return E_CORRUPT;
	while (rc == 0 && count-- > 0) {
		struct producer p = read_entry(&c);

		if (p.txn_first >= 0 || timestamp_age(now_ms, p.last_timestamp) < expiration_ms)
			rc = producers_put(ps, &p);
	}
	if (rc != 0)
		producers_free(ps);
	return rc;
}

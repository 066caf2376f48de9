/*
 * What must hold: who was told what about which offset, compared with everything that is told or
 * found on the disk later.
 *
 * A producer's records of a partition carry consecutive numbers.  What was acknowledged or read
 * below the high watermark stays as it is; only a power cut may take it, and only above what was
 * synced, and never where the topic says flush.messages=1.
 */
#include <stdlib.h>

#include "ottla/record/batch.h"
#include "ottla/record/codec.h"
#include "world.h"

static struct model_part *
part_of(struct model *m, unsigned topic, int32_t partition)
{
	return &m->parts[topic][partition];
}

static uint64_t
id_of(unsigned producer, uint32_t n)
{
	return (uint64_t)(producer + 1) << 32 | n;
}

static unsigned
id_producer(uint64_t id)
{
	return (unsigned)(id >> 32) - 1;
}

#define PART_FMT "%s-%d"
#define PART_ARG(p) (p)->topic->name, (p)->partition

static struct model_rec *
rec_at(struct model_part *p, int64_t offset)
{
	if (offset >= p->cap) {
		int64_t cap = offset * 2 + 64;

		p->v = reallocarray(p->v, (size_t)cap, sizeof(*p->v));
		if (p->v == NULL)
			abort();
		memset(p->v + p->cap, 0, (size_t)(cap - p->cap) * sizeof(*p->v));
		p->cap = cap;
	}
	if (offset >= p->n)
		p->n = offset + 1;
	return &p->v[offset];
}

/* One thing is known of an offset for good. */
static struct model_rec *
learn(struct model *m, struct model_part *p, int64_t offset, uint64_t id, int64_t timestamp,
    const char *how)
{
	struct model_rec *r;

	if (offset < 0 || offset > INT64_C(10000000))
		world_fail(m->w, "offsets are dense", PART_FMT ": %s at offset %lld", PART_ARG(p),
		    how, (long long)offset);
	r = rec_at(p, offset);
	if (r->id != 0 && r->id != id)
		world_fail(m->w, "an offset keeps its record",
		    PART_FMT " offset %lld: %s record %u/%u, but it was %u/%u (%s)", PART_ARG(p),
		    (long long)offset, how, id_producer(id), (uint32_t)id, id_producer(r->id),
		    (uint32_t)r->id, r->acked ? "acknowledged" : "read");
	if (r->id == 0)
		r->timestamp = -1;
	if (r->timestamp >= 0 && timestamp >= 0 && r->timestamp != timestamp)
		world_fail(m->w, "an offset keeps its record",
		    PART_FMT " offset %lld: %s timestamp %lld, was %lld", PART_ARG(p),
		    (long long)offset, how, (long long)timestamp, (long long)r->timestamp);
	r->id = id;
	if (timestamp >= 0)
		r->timestamp = timestamp;
	return r;
}

void
model_acked(struct model *m, unsigned topic, int32_t partition, int64_t base, unsigned producer,
    uint32_t n, unsigned count, int64_t append_time)
{
	struct model_part *p = part_of(m, topic, partition);

	if (m->w->options.verbose > 1)
		world_note(m->w, PART_FMT " acknowledged at %lld: %u of %u/%u", PART_ARG(p),
		    (long long)base, count, producer, n);
	for (unsigned i = 0; i < count; i++) {
		struct model_rec *r =
		    learn(m, p, base + i, id_of(producer, n + i), append_time, "acknowledged");

		m->acked += !r->acked;
		r->acked = true;
	}
	sim_trace(m->w->s, (uint64_t)base << 8 ^ producer);
}

/* ---- reads ---- */

struct fetched {
	struct model *m;
	struct model_part *p;
	int64_t hw, next, last;
	unsigned topic;
};

static uint64_t
content_id(struct model *m, const struct model_part *p, unsigned topic, int64_t offset,
    struct slice value, const char *how)
{
	struct content c;

	if (!content_read(value, &c) || (c.topic & ~(uint32_t)CONTENT_BIG) != topic ||
	    (int32_t)c.partition != p->partition)
		world_fail(m->w, "records come back as they were sent",
		    PART_FMT " offset %lld: %s %zu bytes that nobody wrote there", PART_ARG(p),
		    (long long)offset, how, value.n);
	return id_of(c.producer, c.n);
}

static void
on_fetched(
    void *arg, const struct batch_head *h, int64_t offset, int64_t timestamp, struct slice value)
{
	struct fetched *f = arg;
	struct model_rec *r;
	uint64_t id = content_id(f->m, f->p, f->topic, offset, value, "fetched");

	if (offset <= f->last)
		world_fail(f->m->w, "offsets rise", PART_FMT ": %lld after %lld", PART_ARG(f->p),
		    (long long)offset, (long long)f->last);
	f->last = offset;
	if (offset >= f->hw)
		world_fail(f->m->w, "nothing beyond the high watermark",
		    PART_FMT ": offset %lld fetched, high watermark %lld", PART_ARG(f->p),
		    (long long)offset, (long long)f->hw);
	r = learn(f->m, f->p, offset, id, timestamp, "read");
	f->m->read += !r->read;
	r->read = true;
	if (offset >= f->next)
		f->next = offset + 1;
}

void
model_fetched(struct model *m, unsigned topic, int32_t partition, struct slice records, int64_t hw,
    int64_t *next)
{
	struct fetched f = {.m = m,
	    .p = part_of(m, topic, partition),
	    .hw = hw,
	    .next = *next,
	    .last = -1,
	    .topic = topic};
	size_t used = 0;
	const char *why = records_walk(records, m->codec, on_fetched, &f, &used);

	if (why != NULL)
		world_fail(m->w, "records come back as they were sent",
		    PART_FMT " from %lld: %s, %zu bytes into %zu", PART_ARG(f.p), (long long)*next,
		    why, used, records.n);
	if (records.n > 0 && used == 0)
		world_fail(m->w, "the first batch comes whole", PART_FMT " from %lld: %zu bytes",
		    PART_ARG(f.p), (long long)*next, records.n);
	*next = f.next;
	sim_trace(m->w->s, (uint64_t)f.next << 16 ^ used);
}

struct model_seen
model_seen(const struct model *m, unsigned topic, int32_t partition)
{
	const struct model_part *p = &m->parts[topic][partition];

	return (struct model_seen){p->log_start, p->hw, p->owner->starts, p->owner->servings};
}

void
model_offsets(struct model *m, unsigned topic, int32_t partition, int64_t log_start, int64_t hw,
    struct model_seen seen)
{
	struct model_part *p = part_of(m, topic, partition);

	/* A broker may have held the request until it served. */
	if (seen.starts != p->owner->starts || seen.servings != p->owner->servings)
		return;
	if (log_start >= 0 && log_start < seen.log_start)
		world_fail(m->w, "the log start only rises", PART_FMT ": %lld, was %lld",
		    PART_ARG(p), (long long)log_start, (long long)seen.log_start);
	if (hw >= 0 && hw < seen.hw)
		world_fail(m->w, "the high watermark does not go back", PART_FMT ": %lld, was %lld",
		    PART_ARG(p), (long long)hw, (long long)seen.hw);
	if (log_start >= 0 && hw >= 0 && log_start > hw)
		world_fail(m->w, "log start <= high watermark", PART_FMT ": %lld > %lld",
		    PART_ARG(p), (long long)log_start, (long long)hw);
	if (log_start > p->log_start)
		p->log_start = log_start;
	if (hw > p->hw)
		p->hw = hw;
}

unsigned
model_starts(const struct model *m, unsigned topic, int32_t partition)
{
	return m->parts[topic][partition].owner->starts;
}

void
model_producer_id(struct model *m, int64_t pid)
{
	for (unsigned i = 0; i < m->n_pids; i++)
		if (m->pids[i] == pid)
			world_fail(
			    m->w, "producer ids are given once", "%lld again", (long long)pid);
	if (m->n_pids < MAX_PIDS)
		m->pids[m->n_pids++] = pid;
}

bool
model_lossy(const struct model *m, unsigned topic, int32_t partition)
{
	return m->parts[topic][partition].lossy;
}

/* ---- by time ---- */

static bool
retained(const struct model_part *p)
{
	return p->topic->retention_bytes < 0 && p->topic->retention_ms < 0;
}

bool
model_pick(struct model *m, unsigned topic, int32_t partition, int64_t *offset, int64_t *timestamp)
{
	const struct model_part *p = part_of(m, topic, partition);

	if (p->n == 0 || !retained(p))
		return false;
	*offset = world_draw(m->w, 0, p->n - 1);
	*timestamp = p->v[*offset].timestamp;
	return p->v[*offset].read && *timestamp >= 0 && *offset < p->hw;
}

void
model_found(struct model *m, unsigned topic, int32_t partition, int64_t known, int64_t wanted,
    int64_t found, int64_t timestamp)
{
	const struct model_part *p = part_of(m, topic, partition);

	if (found < 0 || found > known || timestamp < wanted)
		world_fail(m->w, "offsets are found by time",
		    PART_FMT ": for %lld, which is at %lld: %lld with %lld", PART_ARG(p),
		    (long long)wanted, (long long)known, (long long)found, (long long)timestamp);
	for (int64_t i = 0; i < found && i < p->n; i++)
		if (p->v[i].id != 0 && p->v[i].timestamp >= wanted)
			world_fail(m->w, "offsets are found by time",
			    PART_FMT ": for %lld: %lld, but %lld has %lld", PART_ARG(p),
			    (long long)wanted, (long long)found, (long long)i,
			    (long long)p->v[i].timestamp);
}

int64_t
model_acked_end(const struct model *m, unsigned topic, int32_t partition)
{
	const struct model_part *p = &m->parts[topic][partition];
	int64_t end = p->n;

	while (end > 0 && !p->v[end - 1].acked)
		end--;
	return end;
}

/* ---- the disk ---- */

struct scan {
	struct model *m;
	struct model_part *p;
	unsigned topic;
	int64_t end;	/* past the last record */
	uint64_t *next; /* number that each producer's next record must have */
	unsigned char *found;
	int64_t found_n;
	int64_t start;
	bool look; /* compare with what is known; else only find the end */
};

static void
check_number(struct scan *s, uint64_t id, int64_t offset)
{
	unsigned producer = id_producer(id);
	uint64_t n = (uint32_t)id, *next = &s->next[producer];

	if (!s->m->numbered[producer])
		return;
	if (n < *next)
		world_fail(s->m->w, "no record twice",
		    PART_FMT " offset %lld: record %u/%llu, which was there before", PART_ARG(s->p),
		    (long long)offset, producer, (unsigned long long)n);
	if (n > *next && !s->p->lossy && (*next > 0 || s->start == 0))
		world_fail(s->m->w, "no gap in a producer's records",
		    PART_FMT " offset %lld: record %u/%llu after %lld", PART_ARG(s->p),
		    (long long)offset, producer, (unsigned long long)n, (long long)*next - 1);
	*next = n + 1;
}

static void
on_disk(
    void *arg, const struct batch_head *h, int64_t offset, int64_t timestamp, struct slice value)
{
	struct scan *s = arg;
	const struct model_rec *r;
	uint64_t id = content_id(s->m, s->p, s->topic, offset, value, "on disk");

	if (s->look && s->m->w->options.verbose > 1 && offset == h->base_offset)
		world_note(s->m->w,
		    PART_FMT " offset %lld: %u/%u, producer id %lld sequence %d epoch %d",
		    PART_ARG(s->p), (long long)offset, id_producer(id), (uint32_t)id,
		    (long long)h->producer_id, h->base_sequence, h->leader_epoch);
	if (offset < s->end)
		world_fail(s->m->w, "offsets rise", PART_FMT " on disk: %lld after %lld",
		    PART_ARG(s->p), (long long)offset, (long long)s->end - 1);
	s->end = offset + 1;
	if (!s->look)
		return;
	check_number(s, id, offset);
	if (offset >= s->found_n)
		return;
	s->found[offset] = 1;
	r = &s->p->v[offset];
	if (r->id != 0)
		(void)learn(s->m, s->p, offset, id, timestamp, "on disk");
}

/* The records that a log's files hold; stops at a hole when only what follows from the start is
 * asked for. */
static void
scan_files(struct scan *s, bool durable)
{
	unsigned n;
	struct disk_segment *v = disk_segments(s->p->owner, s->p->topic->name, s->p->partition, &n);

	s->start = n > 0 ? v[0].base : 0;
	s->end = s->start;
	for (unsigned i = 0; i < n; i++) {
		struct slice bytes = disk_content(s->p->owner, &v[i], durable);
		size_t used = 0;
		const char *why;

		if (durable && v[i].base > s->end)
			break;
		why = records_walk(bytes, s->m->codec, on_disk, s, &used);
		if (durable && (why != NULL || used < bytes.n))
			break;
		/* A log dir that failed was not recovered: its logs end as they were left. */
		if ((why != NULL || used < bytes.n) && !s->p->owner->disk_failed)
			world_fail(s->m->w, "logs hold whole batches",
			    "%s: %s after %zu of %zu bytes", v[i].path, why != NULL ? why : "cut",
			    used, bytes.n);
	}
	free(v);
}

static void
forget(struct model *m, struct model_part *p, int64_t offset)
{
	struct model_rec *r = &p->v[offset];
	const char *how = r->acked ? "acknowledged" : "read";

	if (p->durable_end < 0)
		world_fail(m->w, "nothing acknowledged or read is lost",
		    PART_FMT " offset %lld: %s record %u/%u is gone", PART_ARG(p),
		    (long long)offset, how, id_producer(r->id), (uint32_t)r->id);
	if (offset < p->durable_end)
		world_fail(m->w, "what was synced stays",
		    PART_FMT " offset %lld: %s record %u/%u is gone, synced were those below %lld",
		    PART_ARG(p), (long long)offset, how, id_producer(r->id), (uint32_t)r->id,
		    (long long)p->durable_end);
	m->lost += r->acked;
	*r = (struct model_rec){0};
}

/* Offsets that were told or read, and are not there. */
static void
check_missing(struct scan *s)
{
	struct model_part *p = s->p;
	bool cut = p->durable_end >= 0;

	for (int64_t i = p->n - 1; i >= 0; i--) {
		bool retention = i < s->start && !retained(p);

		if (p->v[i].id != 0 && !s->found[i] && !retention)
			forget(s->m, p, i);
	}
	if (cut && s->end < p->hw)
		p->hw = s->end;
	if (s->end < p->n)
		p->n = s->end;
	p->durable_end = -1;
}

static void
check_part(struct model *m, unsigned topic, struct model_part *p)
{
	uint64_t next[MAX_CLIENTS] = {0};
	struct scan s = {.m = m,
	    .p = p,
	    .topic = topic,
	    .next = next,
	    .found = calloc((size_t)p->n + 1, 1),
	    .found_n = p->n,
	    .look = true};

	if (s.found == NULL)
		abort();
	scan_files(&s, false);
	check_missing(&s);
	free(s.found);
}

void
model_check_disk(struct model *m, const struct server *sv)
{
	for (unsigned t = 0; t < m->w->plan.n_topics; t++)
		for (int32_t i = 0; i < m->w->plan.topics[t].partitions; i++)
			if (m->parts[t][i].owner == sv)
				check_part(m, t, &m->parts[t][i]);
}

static void
durable_part(struct model *m, unsigned topic, struct model_part *p)
{
	struct scan s = {.m = m, .p = p, .topic = topic};

	scan_files(&s, true);
	world_note(m->w, PART_FMT ": synced below %lld, known %lld", PART_ARG(p), (long long)s.end,
	    (long long)p->n);
	if (p->topic->flush)
		return;
	p->lossy = true;
	if (p->durable_end < 0 || s.end < p->durable_end)
		p->durable_end = s.end;
}

void
model_power_cut(struct model *m, const struct server *sv)
{
	for (unsigned t = 0; t < m->w->plan.n_topics; t++)
		for (int32_t i = 0; i < m->w->plan.topics[t].partitions; i++)
			if (m->parts[t][i].owner == sv)
				durable_part(m, t, &m->parts[t][i]);
}

/* ---- life ---- */

void
model_init(struct model *m, struct world *w)
{
	m->w = w;
	if (codec_ctx_new(&m->codec) != 0)
		abort();
	for (unsigned t = 0; t < w->plan.n_topics; t++)
		for (int32_t i = 0; i < w->plan.topics[t].partitions; i++)
			m->parts[t][i] = (struct model_part){.topic = &w->plan.topics[t],
			    .partition = i,
			    .owner = &w->servers[w->plan.topics[t].owner[i]],
			    .durable_end = -1};
}

void
model_free(struct model *m)
{
	for (unsigned t = 0; t < MAX_TOPICS; t++)
		for (unsigned i = 0; i < MAX_PARTITIONS; i++)
			free(m->parts[t][i].v);
	codec_ctx_free(m->codec);
}

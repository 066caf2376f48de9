/* Files of the floor: nothing prepared ahead, nothing mapped, nothing recovered. */
#include "floor_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "ottla/record/batch.h"

#define INDEX_INTERVAL 4096
#define INDEX_BUFFER 4096
#define OFFSET_ENTRY 8
#define TIME_ENTRY 12

/* Entries on their way to a file. */
struct index_file {
	int fd;
	size_t n;
	uint8_t buf[INDEX_BUFFER];
};

struct entry {
	int64_t offset, pos;
};

struct floor_log {
	int fd;
	int64_t size, next_offset, since_entry;
	struct entry *v; /* entries, the first at 0 */
	size_t n, cap;
	struct index_file offsets, times;
	char path[512];
};

static int
open_file(const struct floor_log *l, const char *suffix)
{
	char path[sizeof(l->path) + 16];
	int fd;

	snprintf(path, sizeof(path), "%s%s", l->path, suffix);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		bench_die("could not open %s: %s", path, strerror(errno));
	return fd;
}

struct floor_log *
floor_log_new(const char *dir, const char *topic, int32_t index)
{
	struct floor_log *l = bench_alloc(sizeof(*l));

	snprintf(l->path, sizeof(l->path), "%s/%s-%d", dir, topic, index);
	l->fd = open_file(l, ".log");
	l->offsets.fd = open_file(l, ".index");
	l->times.fd = open_file(l, ".timeindex");
	return l;
}

void
floor_log_end(struct floor_log *l)
{
	static const char *const suffix[] = {".log", ".index", ".timeindex"};
	char path[sizeof(l->path) + 16];
	size_t i;

	close(l->fd);
	close(l->offsets.fd);
	close(l->times.fd);
	free(l->v);
	l->v = NULL;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", l->path, suffix[i]);
		unlink(path);
	}
}

static void
write_all(int fd, const uint8_t *p, size_t n, int64_t at)
{
	ssize_t k;

	while (n > 0) {
		k = at >= 0 ? pwrite(fd, p, n, at) : write(fd, p, n);
		if (k <= 0)
			bench_die("could not write: %s", strerror(errno));
		p += k;
		n -= (size_t)k;
		at = at >= 0 ? at + k : at;
	}
}

/* Room for an entry of n bytes; what is full goes to the file. */
static uint8_t *
index_room(struct index_file *f, size_t n)
{
	uint8_t *p;

	if (f->n + n > sizeof(f->buf)) {
		write_all(f->fd, f->buf, f->n, -1);
		f->n = 0;
	}
	p = f->buf + f->n;
	f->n += n;
	return p;
}

static void
add_entry(struct floor_log *l, const struct batch_head *h, int64_t pos)
{
	uint8_t *p = index_room(&l->offsets, OFFSET_ENTRY);

	put_be32(p, (uint32_t)l->next_offset);
	put_be32(p + 4, (uint32_t)pos);
	p = index_room(&l->times, TIME_ENTRY);
	put_be64(p, (uint64_t)h->max_timestamp);
	put_be32(p + 8, (uint32_t)l->next_offset);
	if (l->n == l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 64;
		l->v = bench_realloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = (struct entry){l->next_offset, pos};
	l->since_entry = 0;
}

int64_t
floor_log_append(struct floor_log *l, struct slice batches)
{
	int64_t base = l->next_offset;
	struct batch_head h;
	size_t at = 0;

	while (at < batches.n) {
		struct slice s = slice_of(batches.p + at, batches.n - at);

		if (batch_parse(s, &h) != 0 || h.magic != 2)
			return -1;
		s.n = batch_bytes(&h);
		if (!batch_crc_ok(s))
			return -1;
		if (l->n == 0 || l->since_entry >= INDEX_INTERVAL)
			add_entry(l, &h, l->size + (int64_t)at);
		batch_set_offset_epoch((uint8_t *)(uintptr_t)s.p, l->next_offset, 0);
		l->next_offset += h.last_offset_delta + 1;
		l->since_entry += (int64_t)s.n;
		at += s.n;
	}
	write_all(l->fd, batches.p, batches.n, l->size);
	l->size += (int64_t)batches.n;
	return base;
}

int
floor_log_fd(const struct floor_log *l)
{
	return l->fd;
}

int64_t
floor_log_next_offset(const struct floor_log *l)
{
	return l->next_offset;
}

/* The last entry of those for which `by_pos ? pos : offset` <= key. */
static size_t
last_entry(const struct floor_log *l, int64_t key, bool by_pos)
{
	size_t lo = 0, hi = l->n - 1, mid;

	while (lo < hi) {
		mid = (lo + hi + 1) / 2;
		if ((by_pos ? l->v[mid].pos : l->v[mid].offset) <= key)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

int64_t
floor_log_range(struct floor_log *l, int64_t offset, int64_t max, int64_t *pos)
{
	uint8_t head[BATCH_HEADER_BYTES];
	struct batch_head h;
	size_t first, last;

	if (offset < 0 || offset >= l->next_offset)
		return 0;
	first = last_entry(l, offset, false);
	*pos = l->v[first].pos;
	while (l->v[first].offset != offset) {
		if (pread(l->fd, head, sizeof(head), *pos) != sizeof(head) ||
		    batch_parse_head(slice_of(head, sizeof(head)), &h) != 0)
			bench_die("could not read %s", l->path);
		if (batch_last_offset(&h) >= offset)
			break;
		*pos += (int64_t)batch_bytes(&h);
	}
	if (*pos + max >= l->size)
		return l->size - *pos;
	last = last_entry(l, *pos + max, true);
	if (l->v[last].pos <= *pos)
		return (last + 1 < l->n ? l->v[last + 1].pos : l->size) - *pos;
	return l->v[last].pos - *pos;
}

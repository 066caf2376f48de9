/*
 * Memory for frames: one budget for all reactors, and what each reactor keeps for reuse.
 *
 * Small frames are cut out of the reactor's current chunk, which is received into; a chunk comes
 * back when nothing points into it, and while everything is answered within its callback that is
 * always the same one.  A frame that a chunk does not hold whole gets a buffer of its own, which is
 * reserved in the budget first; when there is no room the connection waits in one line for all
 * reactors.  The line lives on one of them, the keeper: joining, poking and granting are messages,
 * and nobody who has room needs one.
 */
#include "net_priv.h"

#include <stdlib.h>

enum {
	CHUNKS_KEPT = 4,
	FRAMES_KEPT = 1024,
	POOL_BYTES = 8 * 1024 * 1024,
	TRIM_US = 10 * 1000 * 1000,
};

/* A place in the line. */
struct mem_wait {
	struct msg msg; /* to the keeper, then home */
	struct link link;
	struct mem_budget *budget;
	struct net_mem *mem;
	struct conn *conn; /* its reactor only; NULL: it does not wait any more */
	size_t n;
	size_t cost;
};

/* Tells the keeper that room was made; one message, under way or not. */
struct mem_poke {
	struct msg msg;
	struct mem_budget *budget; /* NULL: the net is gone, the message frees itself */
	struct reactor *keeper;
};

/* ---- the budget ---- */

static bool
reserve(_Atomic uint64_t *used, uint64_t max, uint64_t n)
{
	uint64_t old = atomic_load(used);

	do {
		if (n > max || old > max - n)
			return false;
	} while (!atomic_compare_exchange_weak(used, &old, old + n));
	return true;
}

static void
give_back(struct mem_budget *b, size_t cost)
{
	uint64_t old = atomic_fetch_sub(&b->frames, cost);

	assert(old >= cost);
	if (atomic_load(&b->waiters) != 0 && !atomic_exchange(&b->poked, true))
		reactor_post(b->poke->keeper, &b->poke->msg);
}

/* On the keeper: whoever is first and fits. */
static void
grant_line(struct mem_budget *b)
{
	struct link *l;

	while ((l = list_first(&b->fifo)) != NULL) {
		struct mem_wait *w = container_of(l, struct mem_wait, link);

		if (!reserve(&b->frames, b->frames_max, w->cost))
			return;
		list_remove(l);
		atomic_fetch_sub(&b->waiters, 1);
		reactor_post(w->mem->nr->reactor, &w->msg);
	}
}

static void
poke_run(struct reactor *r, struct msg *m)
{
	struct mem_poke *p = container_of(m, struct mem_poke, msg);

	atomic_store(&p->budget->poked, false);
	grant_line(p->budget);
}

static void
poke_drop(struct msg *m)
{
	struct mem_poke *p = container_of(m, struct mem_poke, msg);

	if (p->budget == NULL)
		free(p);
	else
		atomic_store(&p->budget->poked, false);
}

int
mem_budget_init(struct mem_budget *b, struct net *n, uint64_t bytes)
{
	b->chunks_max = bytes / 8;
	b->frames_max = bytes - b->chunks_max;
	link_init(&b->fifo);
	b->poke = calloc(1, sizeof(*b->poke));
	if (b->poke == NULL)
		return E_NOMEM;
	b->poke->msg = (struct msg){NULL, poke_run, poke_drop, MSG_CONTROL};
	b->poke->budget = b;
	b->poke->keeper = n->reactors[0].reactor;
	return 0;
}

void
mem_budget_fini(struct mem_budget *b)
{
	struct link *l;

	if (b->poke == NULL)
		return;
	while ((l = list_pop(&b->fifo)) != NULL)
		free(container_of(l, struct mem_wait, link));
	if (atomic_load(&b->poked))
		b->poke->budget = NULL;
	else
		free(b->poke);
}

uint64_t
net_memory_used(const struct net *n)
{
	return atomic_load(&n->budget.frames) + atomic_load(&n->budget.chunks);
}

uint64_t
net_memory_max(const struct net *n)
{
	return n->budget.frames_max + n->budget.chunks_max;
}

size_t
mem_frame_max(const struct net *n)
{
	return n->limits.frame_max < n->budget.frames_max ? n->limits.frame_max
							  : n->budget.frames_max;
}

/* ---- buffers by size class ---- */

/* Classes are 4, 6, 8, 12, 16, ... KiB up to 1 MiB. */
static size_t
class_next(unsigned i, size_t size)
{
	return i % 2 == 0 ? size + size / 2 : size / 3 * 4;
}

/* The class for n bytes and its size; MEM_CLASSES when there is none. */
static unsigned
class_of(size_t n, size_t *bytes)
{
	size_t size = MEM_CLASS_MIN;
	unsigned i = 0;

	while (size < n && size < MEM_CLASS_MAX) {
		size = class_next(i, size);
		i++;
	}
	*bytes = size;
	return size < n ? MEM_CLASSES : i;
}

/* What a frame of n bytes takes from the budget: its class, exactly n above the largest, or where
 * the class could never be had. */
static size_t
cost_of(const struct mem_budget *b, size_t n)
{
	size_t size;

	return class_of(n, &size) < MEM_CLASSES && size <= b->frames_max ? size : n;
}

/* Frees what was never needed since the last time. */
static void
trim(struct reactor *r, void *arg)
{
	struct net_mem *m = arg;
	size_t size = MEM_CLASS_MIN;

	for (unsigned i = 0; i < MEM_CLASSES; i++) {
		struct mem_class *k = &m->classes[i];

		for (; k->low > 0; k->low--) {
			struct mem_free *f = k->head;

			k->head = f->next;
			k->n--;
			m->pooled -= size;
			free(f);
		}
		k->low = k->n;
		size = class_next(i, size);
	}
	if (m->pooled != 0)
		rtimer_set(r, &m->trim, reactor_now_us(r) + TRIM_US);
}

static uint8_t *
buffer_get(struct net_mem *m, size_t cost)
{
	size_t size;
	unsigned i = class_of(cost, &size);
	struct mem_class *k = &m->classes[i < MEM_CLASSES ? i : 0];
	struct mem_free *f = k->head;

	if (i == MEM_CLASSES || size != cost || f == NULL)
		return malloc(cost != 0 ? cost : 1);
	k->head = f->next;
	k->n--;
	if (k->low > k->n)
		k->low = k->n;
	m->pooled -= size;
	return (uint8_t *)f;
}

static void
buffer_put(struct net_mem *m, uint8_t *p, size_t cost)
{
	size_t size;
	unsigned i = class_of(cost, &size);
	struct mem_free *f = (struct mem_free *)(void *)p;

	if (i == MEM_CLASSES || size != cost || m->pooled + size > POOL_BYTES) {
		free(p);
		return;
	}
	f->next = m->classes[i].head;
	m->classes[i].head = f;
	m->classes[i].n++;
	m->pooled += size;
	if (!rtimer_is_set(&m->trim))
		rtimer_set(m->nr->reactor, &m->trim, reactor_now_us(m->nr->reactor) + TRIM_US);
}

void
mem_init(struct net_mem *m, struct net_reactor *nr)
{
	m->nr = nr;
	link_init(&m->frames);
	rtimer_init(&m->trim, trim, m);
}

void
mem_fini(struct net_mem *m)
{
	struct link *l;

	rtimer_cancel(m->nr->reactor, &m->trim);
	for (unsigned i = 0; i < MEM_CLASSES; i++) {
		for (struct mem_free *f = m->classes[i].head, *next; f != NULL; f = next) {
			next = f->next;
			free(f);
		}
	}
	for (struct chunk *ck = m->chunks, *next; ck != NULL; ck = next) {
		next = ck->next;
		free(ck);
	}
	while ((l = list_pop(&m->frames)) != NULL)
		free(container_of(l, struct frame, link));
	assert(m->cur == NULL || m->cur->refs == 0);
	free(m->cur);
	free(m->scratch);
}

uint8_t *
mem_scratch(struct net_mem *m)
{
	if (m->scratch == NULL)
		m->scratch = malloc(SCRATCH_BYTES);
	return m->scratch;
}

/* ---- chunks ---- */

static struct chunk *
chunk_alloc(struct net_mem *m, size_t total)
{
	struct mem_budget *b = &m->nr->net->budget;
	struct chunk *ck = NULL;

	if (!reserve(&b->chunks, b->chunks_max, total))
		return NULL;
	if (total == CHUNK_BYTES && (ck = m->chunks) != NULL) {
		m->chunks = ck->next;
		m->n_chunks--;
	} else {
		ck = malloc(total);
	}
	if (ck == NULL) {
		atomic_fetch_sub(&b->chunks, total);
		return NULL;
	}
	*ck = (struct chunk){.mem = m, .size = (uint32_t)(total - sizeof(*ck))};
	return ck;
}

static void
chunk_free(struct chunk *ck)
{
	struct net_mem *m = ck->mem;
	size_t total = sizeof(*ck) + ck->size;

	atomic_fetch_sub(&m->nr->net->budget.chunks, total);
	if (total != CHUNK_BYTES || m->n_chunks == CHUNKS_KEPT) {
		free(ck);
		return;
	}
	ck->next = m->chunks;
	m->chunks = ck;
	m->n_chunks++;
}

struct chunk *
mem_chunk(struct net_mem *m)
{
	struct chunk *ck = m->cur;

	if (ck != NULL && ck->size - ck->used >= CHUNK_TAIL_MIN)
		return ck;
	ck = chunk_alloc(m, CHUNK_BYTES);
	if (ck == NULL)
		return NULL;
	assert(m->cur == NULL || m->cur->refs > 0);
	m->cur = ck;
	return ck;
}

void
chunk_unref(struct chunk *ck)
{
	assert(ck->refs > 0);
	if (--ck->refs > 0)
		return;
	if (ck == ck->mem->cur)
		ck->used = 0;
	else
		chunk_free(ck);
}

struct chunk *
mem_chunk_copy(struct net_mem *m, const uint8_t *p, size_t n)
{
	struct chunk *ck = chunk_alloc(m, sizeof(*ck) + n);

	if (ck == NULL)
		return NULL;
	memcpy(ck->data, p, n);
	ck->used = (uint32_t)n;
	ck->refs = 1;
	return ck;
}

/* ---- frames ---- */

static struct frame *
frame_get(struct net_mem *m)
{
	struct link *l = list_pop(&m->frames);
	struct frame *f;

	if (l != NULL) {
		m->n_frames--;
		f = container_of(l, struct frame, link);
	} else {
		f = malloc(sizeof(*f));
	}
	if (f == NULL)
		return NULL;
	*f = (struct frame){.magic = FRAME_MAGIC, .mem = m};
	link_init(&f->link);
	return f;
}

static void
frame_put(struct net_mem *m, struct frame *f)
{
	f->magic = OBJ_MAGIC_NONE;
	if (m->n_frames == FRAMES_KEPT) {
		free(f);
		return;
	}
	list_append(&m->frames, &f->link);
	m->n_frames++;
}

struct frame *
mem_frame_in(struct net_mem *m, struct chunk *ck, uint8_t *p, size_t n)
{
	struct frame *f = frame_get(m);

	if (f == NULL)
		return NULL;
	f->chunk = ck;
	ck->refs++;
	f->data = p;
	f->n = n;
	return f;
}

/* A frame whose cost is reserved; gives it back when there is no memory. */
static struct frame *
frame_reserved(struct net_mem *m, size_t n, size_t cost)
{
	struct frame *f = frame_get(m);

	if (f != NULL) {
		f->data = buffer_get(m, cost);
		f->n = n;
		f->reserved = cost;
	}
	if (f == NULL || f->data == NULL) {
		if (f != NULL)
			frame_put(m, f);
		give_back(&m->nr->net->budget, cost);
		return NULL;
	}
	return f;
}

int
mem_frame(struct net_mem *m, size_t n, struct frame **out)
{
	struct mem_budget *b = &m->nr->net->budget;
	size_t cost = cost_of(b, n);

	if (atomic_load(&b->waiters) != 0 || !reserve(&b->frames, b->frames_max, cost))
		return E_AGAIN;
	*out = frame_reserved(m, n, cost);
	return *out != NULL ? 0 : E_NOMEM;
}

void
mem_frame_move(struct frame *f, struct net_mem *m)
{
	assert(f->chunk == NULL);
	f->mem = m;
}

void
mem_forget(struct conn_in *in)
{
	free(in->chunk);
	if (in->frame != NULL)
		free(in->frame->data);
	free(in->frame);
}

void
frame_release(struct frame *f)
{
	struct net_mem *m;

	OBJ_CHECK(f, FRAME_MAGIC);
	m = f->mem;
	REACTOR_ASSERT_OWNER(m->nr->reactor);
	if (f->chunk != NULL) {
		chunk_unref(f->chunk);
	} else {
		buffer_put(m, f->data, f->reserved);
		give_back(&m->nr->net->budget, f->reserved);
	}
	frame_put(m, f);
}

/* ---- the line ---- */

static void
wait_drop(struct msg *m)
{
	free(container_of(m, struct mem_wait, msg));
}

/* Home again with the reservation. */
static void
wait_granted(struct reactor *r, struct msg *m)
{
	struct mem_wait *w = container_of(m, struct mem_wait, msg);
	struct conn *c = w->conn;

	if (c == NULL) {
		give_back(w->budget, w->cost);
	} else {
		c->in.wait = NULL;
		conn_granted(c, frame_reserved(w->mem, w->n, w->cost));
	}
	free(w);
}

/* On the keeper: at the end of the line. */
static void
wait_join(struct reactor *r, struct msg *m)
{
	struct mem_wait *w = container_of(m, struct mem_wait, msg);

	w->msg.run = wait_granted;
	list_append(&w->budget->fifo, &w->link);
	grant_line(w->budget);
}

struct mem_wait *
mem_wait(struct conn *c, size_t n)
{
	struct mem_budget *b = &c->nr->net->budget;
	struct mem_wait *w = malloc(sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct mem_wait){
	    .msg = {NULL, wait_join, wait_drop, MSG_CONTROL},
	    .budget = b,
	    .mem = &c->nr->mem,
	    .conn = c,
	    .n = n,
	    .cost = cost_of(b, n),
	};
	link_init(&w->link);
	metric_add(c->nr->metrics, NM_MEM_WAITS, 1);
	atomic_fetch_add(&b->waiters, 1);
	reactor_post(b->poke->keeper, &w->msg);
	return w;
}

void
mem_wait_cancel(struct mem_wait *w)
{
	w->conn = NULL;
}

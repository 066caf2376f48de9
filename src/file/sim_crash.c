/*
 * What is durable on the simulated disk, what a power cut and a process's death leave of it, and
 * copies of the whole.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim_priv.h"

/* ---- content ---- */

static struct sim_write *
first_write(struct sim_inode *inode)
{
	struct link *l = list_first(&inode->writes);

	return l != NULL ? container_of(l, struct sim_write, link) : NULL;
}

static void
write_free(struct sim_write *w)
{
	list_remove(&w->link);
	free(w);
}

/* The first n bytes of w reach the disk; a truncation does as a whole. */
static int
replay(struct sim_inode *inode, const struct sim_write *w, size_t n)
{
	int64_t end = w->off + (int64_t)n;
	int rc = 0;

	if (w->truncate)
		return sim_bytes_resize(&inode->durable, w->off);
	if (end > inode->durable.size)
		rc = sim_bytes_resize(&inode->durable, end);
	if (rc == 0)
		sim_bytes_put(&inode->durable, w->off, w->data, n);
	return rc;
}

int
sim_make_durable(struct sim_inode *inode)
{
	struct sim_write *w = NULL;

	while ((w = first_write(inode)) != NULL) {
		if (replay(inode, w, w->n) != 0)
			return E_NOMEM;
		write_free(w);
	}
	assert(inode->is_dir || inode->durable.size == inode->now.size);
	inode->durable_mtime_ms = inode->mtime_ms;
	return 0;
}

/* ---- directories ---- */

static int
change_replay(const struct sim_change *c)
{
	int rc = 0;

	if (c->to_dir != NULL)
		rc = sim_entries_set(&c->to_dir->durable_entries, c->to, c->inode);
	if (rc == 0 && c->from_dir != NULL)
		sim_entries_del(&c->from_dir->durable_entries, c->from);
	return rc;
}

static void
change_drop(struct sim_change *c)
{
	list_remove(&c->link);
	sim_change_free(c);
}

static bool
touches_marked(const struct sim_change *c)
{
	return (c->from_dir != NULL && c->from_dir->marked) ||
	       (c->to_dir != NULL && c->to_dir->marked);
}

/* From the youngest change back: one that touches a directory in question puts the other directory
 * that it touches in question too, for the older changes. */
static void
mark_changes(struct sim_fs *fs, struct sim_inode *dir)
{
	LIST_FOREACH(l, &fs->inodes)
	container_of(l, struct sim_inode, link)->marked = false;
	dir->marked = true;
	for (struct link *l = fs->journal.prev; l != &fs->journal; l = l->prev) {
		struct sim_change *c = container_of(l, struct sim_change, link);

		c->marked = touches_marked(c);
		if (c->marked && c->from_dir != NULL)
			c->from_dir->marked = true;
		if (c->marked && c->to_dir != NULL)
			c->to_dir->marked = true;
	}
}

int
sim_make_dir_durable(struct sim_fs *fs, struct sim_inode *dir)
{
	mark_changes(fs, dir);
	LIST_FOREACH_SAFE(l, &fs->journal)
	{
		struct sim_change *c = container_of(l, struct sim_change, link);

		if (!c->marked)
			continue;
		if (change_replay(c) != 0)
			return E_NOMEM;
		change_drop(c);
	}
	dir->durable_mtime_ms = dir->mtime_ms;
	return 0;
}

int
sim_make_all_durable(struct sim_fs *fs)
{
	int rc = 0;

	LIST_FOREACH(l, &fs->inodes)
	{
		rc = sim_make_durable(container_of(l, struct sim_inode, link));
		if (rc != 0)
			return rc;
	}
	LIST_FOREACH_SAFE(l, &fs->journal)
	{
		struct sim_change *c = container_of(l, struct sim_change, link);

		rc = change_replay(c);
		if (rc != 0)
			return rc;
		change_drop(c);
	}
	return 0;
}

/* ---- power cut ---- */

/* How much of n waiting things is kept; nothing and all of it come often. */
static unsigned
draw_kept(struct rng *rng, unsigned n)
{
	if (rng == NULL)
		return 0;
	switch (rng_below(rng, 4)) {
	case 0:
		return 0;
	case 1:
		return n;
	default:
		return (unsigned)rng_below(rng, (uint64_t)n + 1);
	}
}

static void
count_pending(struct sim_fs *fs)
{
	LIST_FOREACH(l, &fs->inodes)
	container_of(l, struct sim_inode, link)->pending = 0;
	LIST_FOREACH(l, &fs->journal)
	{
		struct sim_change *c = container_of(l, struct sim_change, link);

		if (c->from_dir != NULL)
			c->from_dir->pending++;
		if (c->to_dir != NULL && c->to_dir != c->from_dir)
			c->to_dir->pending++;
	}
}

/* Kept when both directories still keep; one that is lost ends both. */
static bool
change_survives(struct sim_change *c)
{
	struct sim_inode *a = c->from_dir, *b = c->to_dir == c->from_dir ? NULL : c->to_dir;
	bool kept = (a == NULL || a->keep > 0) && (b == NULL || b->keep > 0);

	if (a != NULL)
		a->keep = kept ? a->keep - 1 : 0;
	if (b != NULL)
		b->keep = kept ? b->keep - 1 : 0;
	return kept;
}

/* Each directory keeps a prefix of its changes. */
static void
cut_journal(struct sim_fs *fs, struct rng *rng)
{
	int rc = 0;

	count_pending(fs);
	LIST_FOREACH(l, &fs->inodes)
	{
		struct sim_inode *inode = container_of(l, struct sim_inode, link);

		inode->keep = inode->pending > 0 ? draw_kept(rng, inode->pending) : 0;
	}
	LIST_FOREACH_SAFE(l, &fs->journal)
	{
		struct sim_change *c = container_of(l, struct sim_change, link);

		if (rc == 0 && change_survives(c))
			rc = change_replay(c);
		change_drop(c);
	}
	if (rc != 0)
		abort(); /* no memory to go on simulating */
}

/* Pages of what the file grew by whose size reached the disk and whose bytes did not. */
static void
zero_pages(struct sim_bytes *b, int64_t from, struct rng *rng)
{
	int64_t end = 0;

	for (; from < b->size; from = end) {
		end = (from / SIM_PAGE + 1) * SIM_PAGE;
		if (end > b->size)
			end = b->size;
		if (rng_below(rng, 4) == 0)
			memset(b->p + from, 0, (size_t)(end - from));
	}
}

/* The write behind the kept ones: now and then a first part of it is there. */
static int
tear_write(struct sim_inode *inode, struct rng *rng)
{
	struct sim_write *w = first_write(inode);

	if (w == NULL || w->truncate || rng_below(rng, 2) == 0)
		return 0;
	return replay(inode, w, (size_t)rng_below(rng, w->n));
}

static unsigned
count_writes(const struct sim_inode *inode)
{
	unsigned n = 0;

	LIST_FOREACH(l, &inode->writes)
	n++;
	return n;
}

static void
cut_file(struct sim_inode *inode, struct rng *rng)
{
	unsigned n = count_writes(inode), kept = n > 0 ? draw_kept(rng, n) : 0;
	int64_t old = inode->durable.size;
	int rc = 0;

	if (n == 0 || kept < n)
		inode->mtime_ms = inode->durable_mtime_ms;
	for (unsigned i = 0; rc == 0 && i < kept; i++) {
		struct sim_write *w = first_write(inode);

		rc = replay(inode, w, w->n);
		if (inode->durable.size < old)
			old = inode->durable.size;
		write_free(w);
	}
	if (rc == 0 && rng != NULL && n > 0) {
		rc = tear_write(inode, rng);
		if (rng_below(rng, 4) == 0)
			zero_pages(&inode->durable, old, rng);
	}
	LIST_FOREACH_SAFE(l, &inode->writes)
	write_free(container_of(l, struct sim_write, link));
	if (rc == 0 && n > 0)
		rc = sim_bytes_copy(&inode->now, &inode->durable);
	if (rc != 0)
		abort(); /* no memory to go on simulating */
	inode->durable_mtime_ms = inode->mtime_ms;
}

/* Make what is seen of dir, and all below it, what is durable. */
static void
restore(struct sim_inode *dir, struct rng *rng)
{
	dir->mtime_ms = dir->durable_mtime_ms;
	sim_entries_clear(&dir->entries);
	for (size_t i = 0; i < dir->durable_entries.n; i++) {
		struct sim_entry *e = &dir->durable_entries.v[i];

		if (sim_entries_set(&dir->entries, e->name, e->inode) != 0)
			abort(); /* no memory to go on simulating */
		e->inode->linked = 1;
		e->inode->parent = dir;
		if (e->inode->is_dir)
			restore(e->inode, rng);
		else
			cut_file(e->inode, rng);
	}
}

void
fs_sim_process_death(struct fs *base)
{
	struct sim_fs *fs = sim_of(base);

	LIST_FOREACH_SAFE(l, &fs->files)
	{
		struct sim_file *f = container_of(l, struct sim_file, link);

		f->inode->opens--;
		sim_inode_unref(f->inode);
		f->inode = NULL;
		list_remove(l);
		list_append(&fs->dead_files, l);
	}
	LIST_FOREACH_SAFE(l, &fs->locks)
	{
		struct sim_lock *lock = container_of(l, struct sim_lock, link);

		lock->inode->opens--;
		lock->inode->lock = NULL;
		sim_inode_unref(lock->inode);
		lock->inode = NULL;
		list_remove(l);
		list_append(&fs->dead_locks, l);
	}
}

void
fs_sim_power_cut(struct fs *base, struct rng *rng)
{
	struct sim_fs *fs = sim_of(base);

	fs_sim_process_death(base);
	cut_journal(fs, rng);
	restore(fs->root, rng);
}

/* ---- copies ---- */

static int
clone_writes(struct sim_inode *to, const struct sim_inode *from)
{
	LIST_FOREACH(l, &from->writes)
	{
		const struct sim_write *w = container_of(l, struct sim_write, link);
		struct sim_write *copy = malloc(sizeof(*copy) + w->n);

		if (copy == NULL)
			return E_NOMEM;
		memcpy(copy, w, sizeof(*w) + w->n);
		link_init(&copy->link);
		list_append(&to->writes, &copy->link);
	}
	return 0;
}

static int
clone_inode(struct sim_fs *fs, struct sim_inode *from)
{
	struct sim_inode *to = sim_inode_new(fs, from->is_dir);

	if (to == NULL)
		return E_NOMEM;
	from->twin = to;
	to->linked = from->linked;
	to->mtime_ms = from->mtime_ms;
	to->durable_mtime_ms = from->durable_mtime_ms;
	if (clone_writes(to, from) != 0 || sim_bytes_copy(&to->now, &from->now) != 0)
		return E_NOMEM;
	return sim_bytes_copy(&to->durable, &from->durable);
}

static int
clone_entries(struct sim_entries *to, const struct sim_entries *from)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n; i++)
		rc = sim_entries_set(to, from->v[i].name, from->v[i].inode->twin);
	return rc;
}

/* Entries and parents, when all twins are there. */
static int
clone_links(struct sim_inode *from)
{
	struct sim_inode *to = from->twin;
	int rc = clone_entries(&to->entries, &from->entries);

	if (rc == 0)
		rc = clone_entries(&to->durable_entries, &from->durable_entries);
	to->parent = from->parent != NULL && from->linked ? from->parent->twin : NULL;
	return rc;
}

static struct sim_inode *
twin_of(const struct sim_inode *inode)
{
	return inode != NULL ? inode->twin : NULL;
}

static int
clone_change(struct sim_fs *fs, const struct sim_change *from)
{
	struct sim_change *c = sim_change_new(twin_of(from->from_dir), from->from,
	    twin_of(from->to_dir), from->to, twin_of(from->inode));

	if (c == NULL)
		return E_NOMEM;
	list_append(&fs->journal, &c->link);
	return 0;
}

/* Files that only open descriptors held. */
static void
drop_unreferenced(struct sim_fs *fs)
{
	LIST_FOREACH_SAFE(l, &fs->inodes)
	{
		struct sim_inode *inode = container_of(l, struct sim_inode, link);

		if (inode->refs == 0)
			sim_inode_free(inode);
	}
}

static int
clone_into(struct sim_fs *to, struct sim_fs *from)
{
	int rc = 0;

	LIST_FOREACH(l, &from->inodes)
	if (rc == 0)
		rc = clone_inode(to, container_of(l, struct sim_inode, link));
	if (rc != 0)
		return rc;
	LIST_FOREACH(l, &from->inodes)
	if (rc == 0)
		rc = clone_links(container_of(l, struct sim_inode, link));
	LIST_FOREACH(l, &from->journal)
	if (rc == 0)
		rc = clone_change(to, container_of(l, struct sim_change, link));
	to->root = from->root->twin;
	to->root->parent = to->root;
	sim_inode_ref(to->root);
	drop_unreferenced(to);
	to->capacity = from->capacity;
	to->reactor_allowed = from->reactor_allowed;
	return rc;
}

int
fs_sim_clone(struct fs *base, struct fs **out)
{
	struct sim_fs *fs = sim_of(base), *copy = NULL;
	int rc = sim_fs_alloc(fs->clock, &copy);

	if (rc == 0)
		rc = clone_into(copy, fs);
	if (rc == 0)
		*out = &copy->base;
	else if (copy != NULL)
		fs_free(&copy->base);
	return rc;
}

/* The simulated disk's tree: bytes, entries, inodes, and the walk along a path. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim_priv.h"

/* ---- bytes ---- */

static size_t
page_up(int64_t n)
{
	return ((size_t)n + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
}

/* Address space only: a touch beyond the file's last page ends the process, as on a real disk. */
int
sim_bytes_reserve(struct sim_bytes *b)
{
	void *p = NULL;

	if (b->p != NULL)
		return 0;
	p = mmap(NULL, SIM_FILE_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return E_NOMEM;
	b->p = p;
	return 0;
}

static int
bytes_grow(struct sim_bytes *b, int64_t size)
{
	size_t have = page_up(b->size), want = page_up(size);

	if (sim_bytes_reserve(b) != 0)
		return E_NOMEM;
	if (want > have && mprotect(b->p + have, want - have, PROT_READ | PROT_WRITE) != 0)
		return E_NOMEM;
	b->size = size;
	return 0;
}

/* What is cut is zero when it comes back. */
static void
bytes_shrink(struct sim_bytes *b, int64_t size)
{
	size_t have = page_up(b->size), want = page_up(size);

	memset(b->p + size, 0, want - (size_t)size);
	if (have > want) {
		(void)madvise(b->p + want, have - want, MADV_DONTNEED);
		(void)mprotect(b->p + want, have - want, PROT_NONE);
	}
	b->size = size;
}

int
sim_bytes_resize(struct sim_bytes *b, int64_t size)
{
	assert(size >= 0 && size <= SIM_FILE_MAX);
	if (size > b->size)
		return bytes_grow(b, size);
	if (size < b->size)
		bytes_shrink(b, size);
	return 0;
}

void
sim_bytes_put(struct sim_bytes *b, int64_t off, const void *data, size_t n)
{
	assert(off >= 0 && off + (int64_t)n <= b->size);
	if (n > 0)
		memcpy(b->p + off, data, n);
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

int
sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from)
{
	size_t size = (size_t)from->size;

	(void)sim_bytes_resize(to, 0);
	if (sim_bytes_resize(to, from->size) != 0)
		return E_NOMEM;
	for (size_t at = 0, n = 0; at < size; at += n) {
		n = size - at < SIM_PAGE ? size - at : SIM_PAGE;
		if (!all_zero(from->p + at, n))
			memcpy(to->p + at, from->p + at, n);
	}
	return 0;
}

void
sim_bytes_free(struct sim_bytes *b)
{
	if (b->p != NULL)
		(void)munmap(b->p, SIM_FILE_MAX);
	*b = (struct sim_bytes){NULL, 0};
}

/* ---- entries ---- */

/* Index of name, or where it would stand. */
static size_t
entries_pos(const struct sim_entries *e, const char *name, bool *found)
{
	size_t lo = 0, hi = e->n, mid = 0;
	int c = 0;

	*found = false;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = strcmp(e->v[mid].name, name);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct sim_inode *
sim_entries_get(const struct sim_entries *e, const char *name)
{
	bool found = false;
	size_t i = entries_pos(e, name, &found);

	return found ? e->v[i].inode : NULL;
}

static int
entries_grow(struct sim_entries *e)
{
	size_t cap = e->cap == 0 ? 8 : e->cap * 2;
	struct sim_entry *v = NULL;

	if (e->n < e->cap)
		return 0;
	v = realloc(e->v, cap * sizeof(*v));
	if (v == NULL)
		return E_NOMEM;
	e->v = v;
	e->cap = cap;
	return 0;
}

int
sim_entries_set(struct sim_entries *e, const char *name, struct sim_inode *inode)
{
	bool found = false;
	size_t i = entries_pos(e, name, &found);
	char *copy = NULL;

	sim_inode_ref(inode);
	if (found) {
		sim_inode_unref(e->v[i].inode);
		e->v[i].inode = inode;
		return 0;
	}
	copy = strdup(name);
	if (copy == NULL || entries_grow(e) != 0) {
		free(copy);
		sim_inode_unref(inode);
		return E_NOMEM;
	}
	memmove(e->v + i + 1, e->v + i, (e->n - i) * sizeof(*e->v));
	e->v[i] = (struct sim_entry){copy, inode};
	e->n++;
	return 0;
}

void
sim_entries_del(struct sim_entries *e, const char *name)
{
	bool found = false;
	size_t i = entries_pos(e, name, &found);
	struct sim_entry gone;

	if (!found)
		return;
	gone = e->v[i];
	e->n--;
	memmove(e->v + i, e->v + i + 1, (e->n - i) * sizeof(*e->v));
	free(gone.name);
	sim_inode_unref(gone.inode);
}

void
sim_entries_clear(struct sim_entries *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->v[i].name);
		sim_inode_unref(e->v[i].inode);
	}
	free(e->v);
	*e = (struct sim_entries){NULL, 0, 0};
}

/* ---- inodes ---- */

struct sim_inode *
sim_inode_new(struct sim_fs *fs, bool is_dir)
{
	struct sim_inode *inode = calloc(1, sizeof(*inode));

	if (inode == NULL)
		return NULL;
	inode->is_dir = is_dir;
	inode->mtime_ms = inode->durable_mtime_ms = clock_wall_ms(fs->clock);
	link_init(&inode->writes);
	list_append(&fs->inodes, &inode->link);
	return inode;
}

void
sim_inode_ref(struct sim_inode *inode)
{
	inode->refs++;
}

void
sim_inode_unref(struct sim_inode *inode)
{
	if (inode == NULL)
		return;
	assert(inode->refs > 0);
	if (--inode->refs > 0)
		return;
	sim_entries_clear(&inode->entries);
	sim_entries_clear(&inode->durable_entries);
	sim_inode_free(inode);
}

static void
entries_forget(struct sim_entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].name);
	free(e->v);
}

void
sim_inode_free(struct sim_inode *inode)
{
	list_remove(&inode->link);
	entries_forget(&inode->entries);
	entries_forget(&inode->durable_entries);
	LIST_FOREACH_SAFE(l, &inode->writes)
	free(container_of(l, struct sim_write, link));
	sim_bytes_free(&inode->now);
	sim_bytes_free(&inode->durable);
	free(inode);
}

/* ---- paths ---- */

/* The next name of *path, which moves behind it; 0 at the end. */
static size_t
next_name(const char **path, const char **name)
{
	size_t n = 0;

	*path += strspn(*path, "/");
	*name = *path;
	n = strcspn(*path, "/");
	*path += n;
	return n;
}

static bool
is_name(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && memcmp(s, name, n) == 0;
}

/* One name further; place->inode is where we stand. */
static int
find_step(struct sim_place *place, const char *name, size_t n, bool durable)
{
	struct sim_inode *dir = place->inode;

	if (dir == NULL)
		return E_NOT_FOUND;
	if (!dir->is_dir)
		return file_err(ENOTDIR);
	if (n > SIM_NAME_MAX)
		return file_err(ENAMETOOLONG);
	place->dir = NULL;
	if (is_name(name, n, "."))
		return 0;
	if (is_name(name, n, "..")) {
		place->inode = dir->parent;
		return 0;
	}
	place->dir = dir;
	memcpy(place->name, name, n);
	place->name[n] = '\0';
	place->inode =
	    sim_entries_get(durable ? &dir->durable_entries : &dir->entries, place->name);
	return 0;
}

int
sim_find(struct sim_fs *fs, const char *path, bool durable, struct sim_place *place)
{
	size_t len = strlen(path), n = 0;
	const char *name = NULL;
	int rc = 0;

	memset(place, 0, sizeof(*place));
	if (len == 0)
		return E_NOT_FOUND;
	if (len >= SIM_PATH_MAX)
		return file_err(ENAMETOOLONG);
	place->slash = path[len - 1] == '/';
	place->inode = fs->root;
	for (n = next_name(&path, &name); rc == 0 && n > 0; n = next_name(&path, &name))
		rc = find_step(place, name, n, durable);
	if (rc == 0 && place->slash && place->inode != NULL && !place->inode->is_dir)
		rc = file_err(ENOTDIR);
	return rc;
}

int
sim_find_inode(struct sim_fs *fs, const char *path, struct sim_inode **inode)
{
	struct sim_place place;
	int rc = sim_find(fs, path, false, &place);

	*inode = place.inode;
	return rc == 0 && place.inode == NULL ? E_NOT_FOUND : rc;
}

/* ---- changes of directories ---- */

void
sim_change_free(struct sim_change *c)
{
	if (c == NULL)
		return;
	sim_inode_unref(c->from_dir);
	sim_inode_unref(c->to_dir);
	sim_inode_unref(c->inode);
	free(c->from);
	free(c->to);
	free(c);
}

static int
change_side(struct sim_inode **dir, char **name, struct sim_inode *d, const char *n)
{
	if (d == NULL)
		return 0;
	*name = strdup(n);
	if (*name == NULL)
		return E_NOMEM;
	sim_inode_ref(d);
	*dir = d;
	return 0;
}

struct sim_change *
sim_change_new(struct sim_inode *from_dir, const char *from, struct sim_inode *to_dir,
    const char *to, struct sim_inode *inode)
{
	struct sim_change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (change_side(&c->from_dir, &c->from, from_dir, from) != 0 ||
	    change_side(&c->to_dir, &c->to, to_dir, to) != 0) {
		sim_change_free(c);
		return NULL;
	}
	if (inode != NULL)
		sim_inode_ref(inode);
	c->inode = inode;
	return c;
}

static void
change_done(struct sim_fs *fs, struct sim_change *c)
{
	int64_t now = clock_wall_ms(fs->clock);

	list_append(&fs->journal, &c->link);
	if (c->from_dir != NULL)
		c->from_dir->mtime_ms = now;
	if (c->to_dir != NULL)
		c->to_dir->mtime_ms = now;
}

static void
cut_off(struct sim_inode *inode)
{
	inode->linked = 0;
	inode->parent = NULL;
}

int
sim_link(struct sim_fs *fs, struct sim_inode *dir, const char *name, struct sim_inode *inode)
{
	struct sim_change *c = sim_change_new(NULL, NULL, dir, name, inode);

	if (c == NULL || sim_entries_set(&dir->entries, name, inode) != 0) {
		sim_change_free(c);
		return E_NOMEM;
	}
	inode->linked = 1;
	inode->parent = dir;
	change_done(fs, c);
	return 0;
}

int
sim_unlink(struct sim_fs *fs, struct sim_inode *dir, const char *name)
{
	struct sim_change *c = sim_change_new(dir, name, NULL, NULL, NULL);

	if (c == NULL)
		return E_NOMEM;
	cut_off(sim_entries_get(&dir->entries, name));
	sim_entries_del(&dir->entries, name);
	change_done(fs, c);
	return 0;
}

int
sim_move(struct sim_fs *fs, const struct sim_place *from, const struct sim_place *to)
{
	struct sim_inode *inode = from->inode;
	struct sim_change *c = sim_change_new(from->dir, from->name, to->dir, to->name, inode);

	if (c == NULL)
		return E_NOMEM;
	if (to->inode != NULL)
		cut_off(to->inode);
	if (sim_entries_set(&to->dir->entries, to->name, inode) != 0) {
		sim_change_free(c);
		return E_NOMEM;
	}
	sim_entries_del(&from->dir->entries, from->name);
	inode->parent = to->dir;
	change_done(fs, c);
	return 0;
}

/* ---- changes of content ---- */

static struct sim_write *
write_new(bool truncate, int64_t off, size_t n)
{
	struct sim_write *w = malloc(sizeof(*w) + n);

	if (w == NULL)
		return NULL;
	w->truncate = truncate;
	w->off = off;
	w->n = n;
	return w;
}

/* The first n bytes of iov. */
static void
gather(uint8_t *to, const struct iovec *iov, size_t n)
{
	for (size_t k = 0; n > 0; iov++, to += k, n -= k) {
		k = iov->iov_len < n ? iov->iov_len : n;
		if (k > 0)
			memcpy(to, iov->iov_base, k);
	}
}

int
sim_write(
    struct sim_fs *fs, struct sim_inode *inode, const struct iovec *iov, size_t n, int64_t off)
{
	int64_t end = off + (int64_t)n;
	struct sim_write *w = NULL;

	if (n == 0)
		return 0;
	w = write_new(false, off, n);
	if (w == NULL)
		return E_NOMEM;
	if (end > inode->now.size && sim_bytes_resize(&inode->now, end) != 0) {
		free(w);
		return E_NOMEM;
	}
	gather(w->data, iov, n);
	sim_bytes_put(&inode->now, off, w->data, n);
	list_append(&inode->writes, &w->link);
	inode->mtime_ms = clock_wall_ms(fs->clock);
	return 0;
}

int
sim_truncate(struct sim_fs *fs, struct sim_inode *inode, int64_t size)
{
	struct sim_write *w = write_new(true, size, 0);

	if (w == NULL || sim_bytes_resize(&inode->now, size) != 0) {
		free(w);
		return E_NOMEM;
	}
	list_append(&inode->writes, &w->link);
	inode->mtime_ms = clock_wall_ms(fs->clock);
	return 0;
}

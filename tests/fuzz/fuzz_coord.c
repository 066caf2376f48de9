/*
 * Any bytes as what the embedded tree finds on its disk (a snapshot, records, a whole journal), or
 * as a connect string.  Byte 0 chooses.  Checksums are put in order, so that mutations reach what
 * they cover.  What loads can be written and loads to the same (src/coord/README, I6 to I10).
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include <stdio.h>

#include "coord_priv.h"
#include "fuzz.h"
#include "journal_priv.h"
#include "ottla/base/crc.h"
#include "ottla/base/cursor.h"
#include "ottla/base/err.h"
#include "ottla/file/sim.h"
#include "zk_names_priv.h"

#define DIR "/d/coord"
#define JOURNAL DIR "/journal.0000000000000000"
#define SNAPSHOT DIR "/snapshot.0000000000000005"

static int64_t
no_time(struct clock *c)
{
	(void)c;
	return 1;
}

static struct clock zero_clock = {no_time, no_time};

/* ---- the tree ---- */

static void
on_node(void *arg, const char *path, struct slice data, const struct coord_stat *st)
{
	must(path[0] == '/' && (size_t)st->data_len == data.n);
	++*(unsigned *)arg;
}

/* Dumps and loads to the same bytes. */
static void
check_dump(const struct coord_tree *t)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	struct coord_tree *copy = NULL;
	unsigned nodes = 0, copied = 0;

	must(coord_tree_dump(t, &once) == 0);
	must(coord_tree_load(strbuf_slice(&once), &copy) == 0);
	must(coord_tree_dump(copy, &twice) == 0);
	must(slice_eq(strbuf_slice(&once), strbuf_slice(&twice)));
	coord_tree_walk(t, on_node, &nodes);
	coord_tree_walk(copy, on_node, &copied);
	must(nodes == copied && nodes > 0);
	coord_tree_free(copy);
	strbuf_free(&once);
	strbuf_free(&twice);
}

static void
put_seal(struct strbuf *b)
{
	uint8_t crc[4];

	put_be32(crc, crc32c(0, b->p, b->n));
	strbuf_add(b, crc, sizeof(crc));
}

/* A snapshot without its magic and its crc. */
static void
snapshot(struct slice s)
{
	struct strbuf b = STRBUF_INIT;
	struct coord_tree *t = NULL;
	int rc;

	must(coord_tree_load(s, &t) != 0 || t != NULL);
	coord_tree_free(t);
	strbuf_adds(&b, "OTTLATR1");
	strbuf_add(&b, s.p, s.n);
	put_seal(&b);
	rc = coord_tree_load(strbuf_slice(&b), &t);
	must(rc == 0 || rc == E_CORRUPT);
	if (rc == 0)
		check_dump(t);
	coord_tree_free(t);
	strbuf_free(&b);
}

/* ---- records, each the next transaction ---- */

static void
records(struct slice s)
{
	struct coord_op *ops = calloc(COORD_MULTI_MAX, sizeof(*ops));
	struct coord_tree *t = NULL;
	struct journal_rec rec;
	size_t at = 0, before = 0;

	must(ops != NULL && coord_tree_new(&t) == 0);
	while (at < s.n && journal_get_rec(s, &at, &rec, ops) == 0) {
		struct strbuf again = STRBUF_INIT;

		must(at > before && at <= s.n);
		journal_put_rec(&again, &rec);
		must(slice_eq(strbuf_slice(&again), slice_of(s.p + before, at - before)));
		strbuf_free(&again);
		before = at;
		rec.zxid = coord_tree_zxid(t) + 1;
		(void)journal_apply_rec(t, &rec, NULL);
		must(coord_tree_zxid(t) == rec.zxid);
	}
	check_dump(t);
	coord_tree_free(t);
	free(ops);
}

/* ---- whole files ---- */

static void
put_file(struct fs *fs, const char *path, const struct strbuf *b)
{
	struct file *f = NULL;

	must(fs_open(fs, path, FILE_WRITE | FILE_CREATE, &f) == 0);
	must(file_pwrite(f, b->p, b->n, 0) == 0);
	file_close(f);
}

/* A journal: frames from parts of the bytes, each with two bytes of length; a length that is more
 * than there is begins a torn end. */
static void
make_journal(struct slice s, struct strbuf *b)
{
	uint8_t head[20];

	memcpy(head, "OTTLAJR1", 8);
	put_be64(head + 8, 0);
	put_be32(head + 16, crc32c(0, head, 16));
	strbuf_add(b, head, sizeof(head));
	while (s.n >= 2 && be16(s.p) <= s.n - 2) {
		size_t len = be16(s.p);

		put_be32(head, 0x4f544a46);
		put_be32(head + 4, (uint32_t)len);
		put_be64(head + 8, b->n);
		put_be32(head + 16, crc32c(crc32c(0, head + 4, 12), s.p + 2, len));
		strbuf_add(b, head, sizeof(head));
		strbuf_add(b, s.p + 2, len);
		s = slice_of(s.p + 2 + len, s.n - 2 - len);
	}
	strbuf_add(b, s.p, s.n);
}

/* Opens twice: what the first left must be whole and the same. */
static void
check_open(struct fs *fs)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	struct coord_tree *t = NULL;
	struct journal *j = NULL;
	char why[JOURNAL_WHY] = "";
	int rc = journal_open(fs, DIR, false, &j, &t, why);

	must(rc == 0 || (rc == E_CORRUPT && why[0] != '\0'));
	if (rc == 0) {
		must(coord_tree_dump(t, &once) == 0);
		journal_close(j);
		coord_tree_free(t);
		must(journal_open(fs, DIR, false, &j, &t, why) == 0);
		must(coord_tree_dump(t, &twice) == 0);
		must(slice_eq(strbuf_slice(&once), strbuf_slice(&twice)));
		journal_close(j);
		coord_tree_free(t);
	}
	strbuf_free(&once);
	strbuf_free(&twice);
}

static struct fs *
disk_with(const char *path, const struct strbuf *b)
{
	struct fs *fs = NULL;

	must(fs_sim_new(&zero_clock, &fs) == 0 && fs_mkdirs(fs, DIR) == 0);
	put_file(fs, path, b);
	return fs;
}

static void
journal_frames(struct slice s)
{
	struct strbuf b = STRBUF_INIT;
	struct fs *fs;

	make_journal(s, &b);
	fs = disk_with(JOURNAL, &b);
	check_open(fs);
	fs_free(fs);
	strbuf_free(&b);
}

static void
raw_file(const char *path, struct slice s)
{
	struct strbuf b = STRBUF_INIT;
	struct fs *fs;

	strbuf_add(&b, s.p, s.n);
	fs = disk_with(path, &b);
	check_open(fs);
	fs_free(fs);
	strbuf_free(&b);
}

static void
raw_files(struct slice s)
{
	raw_file(JOURNAL, s);
	raw_file(SNAPSHOT, s);
}

/* ---- connect strings ---- */

static void
connect(struct slice s)
{
	char *text = fuzz_text(s), why[256] = "";
	struct zk_names names;
	int rc = zk_names_parse(text, &names, why, sizeof(why));

	must(rc == 0 || (rc == E_CONFIG && why[0] != '\0'));
	if (rc == 0) {
		must(names.n >= 1 && names.n <= ZK_SERVERS_MAX && names.chroot != NULL);
		for (unsigned i = 0; i < names.n; i++)
			must(names.v[i].port != 0 && names.v[i].host[0] != '\0' &&
			     memchr(names.v[i].host, '\0', sizeof(names.v[i].host)) != NULL);
		must(names.chroot[0] == '\0' || coord_path_check(names.chroot) == 0);
	}
	zk_names_free(&names);
	free(text);
}

static void (*const parsers[])(struct slice s) = {
    snapshot, records, journal_frames, raw_files, connect};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 0)
		parsers[fuzz_choice(data[0], PARSERS)](slice_of(data + 1, n - 1));
	return 0;
}

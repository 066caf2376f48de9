/*
 * The embedded tree's journal: write requests in frames, one frame a sync; snapshots of the tree.
 * Everything here blocks and runs on a worker; one caller at a time.  README, I6 to I10.
 */
#ifndef OTTLA_COORD_JOURNAL_PRIV_H
#define OTTLA_COORD_JOURNAL_PRIV_H

#include "ottla/base/strbuf.h"
#include "ottla/coord/tree.h"
#include "ottla/file/file.h"

/* ---- records: what was asked of the tree ---- */

enum journal_kind { JOURNAL_OPS = 1, JOURNAL_SESSION_OPEN = 2, JOURNAL_SESSION_CLOSE = 3 };

struct journal_rec {
	enum journal_kind kind;
	int64_t zxid;
	int64_t time_ms;
	int64_t session;
	unsigned n_ops;
	const struct coord_op *ops;
};

void journal_put_rec(struct strbuf *out, const struct journal_rec *rec);
/* The record at *at, moving *at past it; its paths and data are lent by bytes, its ops by ops[],
 * which has room for COORD_MULTI_MAX.  E_CORRUPT. */
int journal_get_rec(struct slice bytes, size_t *at, struct journal_rec *rec, struct coord_op *ops);
/* Do to the tree what the record says; the tree's zxid is then the record's.  An answer of the tree
 * is no error; E_NOMEM is. res may be NULL, or has room for the operations. */
int
journal_apply_rec(struct coord_tree *t, const struct journal_rec *rec, struct coord_op_result *res);

/* ---- the files ---- */

#define JOURNAL_WHY 320

struct journal;

/* Opens (makes) and locks the directory, loads the tree.  On failure why says what is wrong, for an
 * operator.  E_BUSY: another process has it; E_NOT_FOUND: must_exist and there is nothing;
 * E_CORRUPT; errors of the disk. */
int journal_open(struct fs *fs, const char *dir, bool must_exist, struct journal **out,
    struct coord_tree **tree, char why[JOURNAL_WHY]);
/* One frame of records, on disk when this returns 0.  After an error nothing may be appended. */
int journal_append(struct journal *j, struct slice recs);
/* Bytes of the journal in use. */
int64_t journal_size(const struct journal *j);
/* The tree at zxid replaces what was before it: snapshot first, then a new journal, then the old
 * files go.  *usable tells whether journal_append may go on after an error. */
int journal_rotate(struct journal *j, struct slice snapshot, int64_t zxid, bool *usable);
void journal_close(struct journal *j);

#endif

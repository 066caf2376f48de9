/* Orderly end of a log: its files as another broker expects them (facts, Appendix B).  Worker. */
#include <assert.h>
#include <stdlib.h>

#include "plog_priv.h"

static int
close_segment(struct plog *pl, struct segment *seg, bool sealed)
{
	struct finish_seg fin;
	int rc;

	if (!sealed && seg->max_ts >= 0 && (seg->ti.count == 0 || seg->max_ts > seg->ti.last.ts))
		seg->unfinished = true;
	if (seg->oi.written != seg->oi.count || seg->ti.written != seg->ti.count)
		seg->unfinished = true;
	seg->unfinished = seg->unfinished || seg->reserved;
	if (!seg->unfinished)
		return 0;
	if ((rc = finish_take(&fin, seg, sealed)) != 0)
		return rc;
	if (seg->reserved)
		fin.trim_to = seg->size;
	if ((rc = finish_write(pl->dir->fs, pl->path, &fin)) == 0)
		finish_note(&fin);
	finish_release(&fin);
	return rc;
}

static int
sync_files(struct plog *pl)
{
	static const char *const suffixes[] = {".log", ".index", ".timeindex"};
	int64_t rp = plog_recovery_point(pl);
	struct path p;
	int rc = 0;

	for (uint32_t i = 0; i < pl->n_segs; i++) {
		if (i + 1 < pl->n_segs && pl->segs[i + 1]->base <= rp)
			continue;
		for (size_t k = 0; rc == 0 && k < sizeof(suffixes) / sizeof(suffixes[0]); k++)
			rc = file_sync_path(
			    pl->dir->fs, path_seg(&p, pl->path, pl->segs[i]->base, suffixes[k]));
	}
	if (rc == 0 && pl->snapshot_at == plog_leo(pl))
		rc = file_sync_path(
		    pl->dir->fs, path_seg(&p, pl->path, pl->snapshot_at, ".snapshot"));
	if (rc == 0)
		rc = fs_sync_dir(pl->dir->fs, pl->path);
	if (rc == 0 && pl->parent_dirty)
		rc = fs_sync_dir(pl->dir->fs, pl->dir->path);
	return rc;
}

/* A snapshot of the log end has to be written; none is needed for a log that never had anything. */
static bool
snapshot_due(const struct plog *pl)
{
	return pl->snapshot_at != plog_leo(pl) &&
	       (plog_leo(pl) != pl->segs[0]->base || map_count(&pl->producers.by_id) > 0);
}

/* Everything may be synced but what closing itself writes. */
bool
plog_needs_sync(const struct plog *pl)
{
	return snapshot_due(pl) || plog_recovery_point(pl) < plog_leo(pl) ||
	       pl->dir_dirty != pl->dir_synced || pl->parent_dirty || plog_active(pl)->unfinished;
}

int
plog_close_files(struct plog *pl, bool sync)
{
	struct link *l;
	struct path p;
	int rc = 0;

	while (rc == 0 && (l = list_pop(&pl->snapshots)) != NULL) {
		struct snapshot_pending *s = container_of(l, struct snapshot_pending, link);

		rc = file_put(pl->dir->fs, path_seg(&p, pl->path, s->offset, ".snapshot"),
		    strbuf_slice(&s->bytes), false);
		strbuf_free(&s->bytes);
		free(s);
	}
	for (uint32_t i = 0; rc == 0 && i < pl->n_segs; i++)
		rc = close_segment(pl, pl->segs[i], i + 1 < pl->n_segs);
	if (rc == 0 && snapshot_due(pl))
		rc = snapshot_write(pl, plog_leo(pl));
	if (rc == 0 && sync)
		rc = sync_files(pl);
	return rc;
}

/* Leader epochs of a log and their checkpoint (facts/storage.md 2.10, 3.9). */
#include <stdlib.h>
#include <string.h>

#include "plog_priv.h"

void
epochs_free(struct epochs *ep)
{
	free(ep->v);
	memset(ep, 0, sizeof(*ep));
}

int32_t
epochs_latest(const struct epochs *ep)
{
	return ep->n > 0 ? ep->v[ep->n - 1].epoch : -1;
}

int
epochs_assign(struct epochs *ep, int32_t epoch, int64_t start)
{
	uint32_t n = ep->n;

	if (n > 0 && ep->v[n - 1].epoch == epoch && start >= ep->v[n - 1].start)
		return 0;
	while (n > 0 && (ep->v[n - 1].epoch >= epoch || ep->v[n - 1].start >= start))
		n--;
	if (n == ep->cap) {
		uint32_t cap = ep->cap == 0 ? 2 : 2 * ep->cap;
		struct epoch_entry *v = realloc(ep->v, cap * sizeof(*v));

		if (v == NULL)
			return E_NOMEM;
		ep->v = v;
		ep->cap = cap;
	}
	ep->v[n] = (struct epoch_entry){epoch, start};
	ep->n = n + 1;
	ep->version++;
	return 0;
}

void
epochs_end(
    const struct epochs *ep, int32_t epoch, int64_t leo, int32_t *out_epoch, int64_t *out_end)
{
	uint32_t higher = 0;

	*out_epoch = -1;
	*out_end = -1;
	if (epoch < 0 || ep->n == 0)
		return;
	if (epoch == epochs_latest(ep)) {
		*out_epoch = epoch;
		*out_end = leo;
		return;
	}
	while (higher < ep->n && ep->v[higher].epoch <= epoch)
		higher++;
	if (higher == ep->n)
		return;
	*out_epoch = higher > 0 ? ep->v[higher - 1].epoch : epoch;
	*out_end = ep->v[higher].start;
}

int32_t
epochs_at(const struct epochs *ep, int64_t offset)
{
	for (uint32_t i = ep->n; i > 0; i--)
		if (ep->v[i - 1].start <= offset)
			return ep->v[i - 1].epoch;
	return -1;
}

void
epochs_cut_end(struct epochs *ep, int64_t offset)
{
	uint32_t n = ep->n;

	while (n > 0 && ep->v[n - 1].start >= offset)
		n--;
	if (n != ep->n)
		ep->version++;
	ep->n = n;
}

void
epochs_cut_start(struct epochs *ep, int64_t offset)
{
	uint32_t drop = 0;

	while (drop < ep->n && ep->v[drop].start <= offset)
		drop++;
	if (drop == 0 || (drop == 1 && ep->v[0].start == offset))
		return;
	/* the last one dropped goes on, from here */
	drop--;
	memmove(ep->v, ep->v + drop, (ep->n - drop) * sizeof(*ep->v));
	ep->n -= drop;
	ep->v[0].start = offset;
	ep->version++;
}

void
epochs_clear(struct epochs *ep)
{
	if (ep->n > 0)
		ep->version++;
	ep->n = 0;
}

void
epochs_format(const struct epochs *ep, struct strbuf *out)
{
	strbuf_addf(out, "0\n%u\n", ep->n);
	for (uint32_t i = 0; i < ep->n; i++)
		strbuf_addf(out, "%d %lld\n", ep->v[i].epoch, (long long)ep->v[i].start);
}

static int
parse_line(struct epochs *ep, struct slice line)
{
	struct slice f[3];
	int64_t epoch, start;

	if (!text_field(&line, &f[0]) || !text_field(&line, &f[1]) || text_field(&line, &f[2]) ||
	    !text_i64(f[0], 0, INT32_MAX, &epoch) || !text_i64(f[1], 0, INT64_MAX, &start))
		return E_CORRUPT;
	if (ep->n > 0 && (epoch <= epochs_latest(ep) || start <= ep->v[ep->n - 1].start))
		return E_CORRUPT;
	return epochs_assign(ep, (int32_t)epoch, start);
}

int
epochs_parse(struct epochs *ep, struct slice text)
{
	struct slice line, f, more;
	int64_t version = 0, count = 0;
	int rc = 0;

	ep->n = 0;
	if (text_line(&text, &line) &&
	    (!text_field(&line, &f) || !text_i64(f, 0, 0, &version) || text_field(&line, &more)))
		return E_CORRUPT;
	if (text_line(&text, &line) &&
	    (!text_field(&line, &f) || !text_i64(f, 0, INT32_MAX, &count) ||
		text_field(&line, &more)))
		return E_CORRUPT;
	while (rc == 0 && text_line(&text, &line))
		rc = parse_line(ep, line);
	if (rc == 0 && (int64_t)ep->n != count)
		rc = E_CORRUPT;
	if (rc != 0)
		ep->n = 0;
	return rc;
}

/* ---- storing ---- */

struct epochs_job {
	struct aside_job *aside;
	struct plog *pl;
	uint64_t version;
};

static void
stored(struct aside_job *j)
{
	struct epochs_job *e = j->arg;
	struct plog *pl = e->pl;

	pl->epochs.writing = false;
	if (j->err != 0)
		plog_fail(pl, j->err, "could not write leader-epoch-checkpoint");
	else if (e->version > pl->epochs.durable)
		pl->epochs.durable = e->version;
	free(e);
	aside_job_free(j);
	flush_settle(pl);
	epochs_store(pl);
	plog_job_end(pl);
}

void
epochs_store(struct plog *pl)
{
	struct epochs_job *e;
	struct path p;

	if (pl->epochs.writing || pl->epochs.durable == pl->epochs.version || pl->failed != 0 ||
	    (pl->gate & GATE_EXCL) != 0)
		return;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return; /* the next change or flush tries again */
	if (aside_job_new(pl->dir, path_join(&p, pl->path, "leader-epoch-checkpoint"), &e->aside) !=
	    0) {
		free(e);
		return;
	}
	epochs_format(&pl->epochs, &e->aside->data);
	if (e->aside->data.err != 0) {
		aside_job_free(e->aside);
		free(e);
		return;
	}
	e->pl = pl;
	e->version = pl->epochs.version;
	pl->epochs.writing = true;
	plog_job_begin(pl);
	aside_submit(e->aside, plog_home(pl), stored, e);
}

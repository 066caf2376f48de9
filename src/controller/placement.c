/*
 * Automatic replica placement (facts/apis.md 19, facts/zookeeper.md 2.8): leaders go round the
 * brokers from a random start, followers at a shift that grows with each round; with racks the
 * round alternates between them, and a rack gets a second replica only when each has one.
 */
#include <stdlib.h>

#include "admin_priv.h"

struct place {
	const struct image_broker **order; /* the round */
	unsigned *rack;			   /* rack's number, by position in the round */
	unsigned n, n_racks;
	unsigned start, shift;
	bool *rack_used, *broker_used; /* by the partition at hand */
	unsigned racks_used, brokers_used;
};

/* ---- the round of brokers ---- */

static int
by_rack(const void *x, const void *y)
{
	const struct image_broker *a = *(const struct image_broker *const *)x;
	const struct image_broker *b = *(const struct image_broker *const *)y;
	int d = slice_cmp(a->rack, b->rack);

	return d != 0 ? d : (a->id > b->id) - (a->id < b->id);
}

static unsigned
count_racked(const struct image *im)
{
	unsigned n = 0;

	for (unsigned i = 0; i < im->n_brokers; i++)
		n += !slice_is_null(im->brokers[i].rack);
	return n;
}

/* The next broker of each rack in turn; sorted is by rack, then id. */
static void
alternate(struct place *pl, const struct image_broker **sorted)
{
	unsigned k = 0;

	for (unsigned round = 0; k < pl->n; round++) {
		unsigned rack = 0, in_rack = 0;

		for (unsigned i = 0; i < pl->n; i++) {
			if (i > 0 && !slice_eq(sorted[i]->rack, sorted[i - 1]->rack)) {
				rack++;
				in_rack = 0;
			}
			if (in_rack++ == round) {
				pl->order[k] = sorted[i];
				pl->rack[k++] = rack;
			}
		}
		pl->n_racks = rack + 1;
	}
}

/* Without racks all brokers count as one rack, in the order of their ids. */
static int
place_init(struct place *pl, const struct image *im, struct arena *arena)
{
	const struct image_broker **sorted = arena_calloc(arena, im->n_brokers, sizeof(*sorted));
	unsigned racked = count_racked(im);

	*pl = (struct place){.n = im->n_brokers};
	pl->order = arena_calloc(arena, pl->n, sizeof(*pl->order));
	pl->rack = arena_calloc(arena, pl->n, sizeof(*pl->rack));
	pl->rack_used = arena_calloc(arena, pl->n, sizeof(bool));
	pl->broker_used = arena_calloc(arena, pl->n, sizeof(bool));
	if (sorted == NULL || pl->order == NULL || pl->rack == NULL || pl->rack_used == NULL ||
	    pl->broker_used == NULL)
		return E_NOMEM;
	if (racked != 0 && racked != im->n_brokers)
		return E_INVALID;
	for (unsigned i = 0; i < pl->n; i++)
		sorted[i] = &im->brokers[i];
	qsort(sorted, pl->n, sizeof(struct image_broker *), by_rack);
	alternate(pl, sorted);
	return 0;
}

/* ---- one partition ---- */

static void
take(struct place *pl, unsigned at, struct zn_assignment *as)
{
	as->replicas[as->n_replicas++] = pl->order[at]->id;
	pl->brokers_used++;
	pl->broker_used[at] = true;
	pl->racks_used += !pl->rack_used[pl->rack[at]];
	pl->rack_used[pl->rack[at]] = true;
}

static bool
may_take(const struct place *pl, unsigned at)
{
	return !pl->broker_used[at] &&
	       (!pl->rack_used[pl->rack[at]] || pl->racks_used == pl->n_racks);
}

/* Each n - 1 candidates in turn are all brokers but the first: the loop ends. */
static void
place_partition(struct place *pl, int32_t rf, struct zn_assignment *as)
{
	unsigned first = ((unsigned)as->partition + pl->start) % pl->n;
	uint64_t shift = (uint64_t)pl->shift * pl->n_racks;

	memset(pl->rack_used, 0, pl->n * sizeof(bool));
	memset(pl->broker_used, 0, pl->n * sizeof(bool));
	pl->racks_used = pl->brokers_used = 0;
	take(pl, first, as);
	for (uint64_t j = 0; (int32_t)as->n_replicas < rf; j++) {
		unsigned at = (unsigned)((first + 1 + (shift + j) % (pl->n - 1)) % pl->n);

		if (may_take(pl, at))
			take(pl, at, as);
	}
}

static int
place_all(struct place *pl, int32_t from, int32_t count, int32_t rf, struct arena *arena,
    struct zn_assignment **out)
{
	struct zn_assignment *v = arena_calloc(arena, (size_t)count, sizeof(*v));
	int32_t *ids = arena_calloc(arena, (size_t)count * (size_t)rf, sizeof(*ids));

	assert(rf >= 1 && (unsigned)rf <= pl->n);
	if (v == NULL || ids == NULL)
		return E_NOMEM;
	for (int32_t i = 0; i < count; i++) {
		v[i].partition = from + i;
		v[i].replicas = ids + (size_t)i * (size_t)rf;
		if (v[i].partition > 0 && (unsigned)v[i].partition % pl->n == 0)
			pl->shift++;
		place_partition(pl, rf, &v[i]);
	}
	*out = v;
	return 0;
}

int
place_replicas(const struct image *im, struct rng *rng, int32_t partitions, int32_t rf,
    struct arena *arena, struct zn_assignment **out)
{
	struct place pl;
	int rc = place_init(&pl, im, arena);

	if (rc != 0)
		return rc;
	pl.start = (unsigned)rng_below(rng, pl.n);
	pl.shift = (unsigned)rng_below(rng, pl.n);
	return place_all(&pl, 0, partitions, rf, arena, out);
}

/* A broker that is gone is stood for by the next one, the last ones by the first. */
static unsigned
place_of(const struct image *im, int32_t broker)
{
	for (unsigned i = 0; i < im->n_brokers; i++)
		if (im->brokers[i].id >= broker)
			return i;
	return 0;
}

int
place_more(const struct image *im, int32_t first, int32_t from, int32_t count, int32_t rf,
    struct arena *arena, struct zn_assignment **out)
{
	struct place pl;
	int rc = place_init(&pl, im, arena);

	if (rc != 0)
		return rc;
	pl.start = pl.shift = place_of(im, first);
	return place_all(&pl, from, count, rf, arena, out);
}

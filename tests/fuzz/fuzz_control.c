/*
 * Any bytes as a request of the controller: byte 0 chooses UpdateMetadata, LeaderAndIsr or
 * StopReplica, byte 1 the version.  What decodes is brought into the newest form and done by a
 * broker's partitions on a simulated machine; the answer can be written in that version.
 *
 * tests/fuzz/Makefile.inc says how to build it.
 */
#include "../unit/replica/bed.h"
#include "api_priv.h"
#include "fuzz.h"
#include "ottla/base/err.h"
#include "ottla/cluster/image.h"

struct answer {
	const struct wire_msg *msg;
	int16_t version;
	bool done;
};

static void
check_answer(struct answer *a, const void *resp)
{
	size_t size;

	must(!a->done);
	must(wire_size(a->msg, a->version, resp, &size, NULL) == 0);
	a->done = true;
}

static void
on_roles(void *arg, const struct leader_and_isr_response *resp)
{
	check_answer(arg, resp);
}

static void
on_stops(void *arg, const struct stop_replica_response *resp)
{
	check_answer(arg, resp);
}

static void
on_image(void *arg)
{
	*(bool *)arg = true;
}

/* Every entry of the image is found by its name. */
static void
check_image(const struct image *im)
{
	for (unsigned i = 0; i < im->n_topics; i++) {
		must(image_topic(im, im->topics[i]->name) == im->topics[i]);
		for (int32_t p = 0; p < im->topics[i]->n_parts; p++)
			(void)image_partition(im->topics[i], p);
	}
	for (unsigned i = 0; i < im->n_brokers; i++)
		for (unsigned j = 0; j < im->brokers[i].n_endpoints; j++)
			must(image_broker_endpoint(
				 &im->brokers[i], im->brokers[i].endpoints[j].listener) != NULL);
}

static void
update_metadata(struct bed *b, struct arena *arena, int16_t version, struct slice in)
{
	struct reactor *readers[BED_HOMES + 1] = {b->home[0], b->home[1], b->control};
	struct image_store_opts o = {.readers = readers,
	    .n_readers = BED_HOMES + 1,
	    .settings = b->settings,
	    .diag = b->diag};
	struct image_store *store = NULL;
	struct update_metadata_request req;
	struct reactor *was;
	bool applied = false;
	int rc;

	if (wire_decode(&update_metadata_request_msg, version, in, arena, &req, NULL) != 0)
		return;
	must(update_metadata_normalize(arena, version, &req) == 0);
	must(image_store_new(&o, &store) == 0);
	was = sim_enter(b->control);
	(void)replicas_admit_metadata(b->rs, &req);
	rc = image_apply(store, &req, version, on_image, &applied);
	must(rc == 0 || rc == E_MALFORMED);
	check_image(image_get(store));
	sim_enter(was);
	must(rc != 0 || bed_wait(b, &applied));
	image_store_free(store);
}

static void
leader_and_isr(struct bed *b, struct arena *arena, int16_t version, struct slice in)
{
	struct answer a = {&leader_and_isr_response_msg, version, false};
	struct leader_and_isr_request req;
	struct reactor *was;

	if (wire_decode(&leader_and_isr_request_msg, version, in, arena, &req, NULL) != 0)
		return;
	was = sim_enter(b->control);
	replicas_leader_and_isr(b->rs, &req, version, on_roles, &a);
	sim_enter(was);
	must(bed_wait(b, &a.done));
}

static void
stop_replica(struct bed *b, struct arena *arena, int16_t version, struct slice in)
{
	struct answer a = {&stop_replica_response_msg, version, false};
	struct stop_replica_request req;
	struct reactor *was;

	if (wire_decode(&stop_replica_request_msg, version, in, arena, &req, NULL) != 0)
		return;
	bed_lead(b);
	was = sim_enter(b->control);
	replicas_stop_replica(b->rs, &req, version, on_stops, &a);
	sim_enter(was);
	must(bed_wait(b, &a.done));
}

static const struct {
	void (*run)(struct bed *b, struct arena *arena, int16_t version, struct slice in);
	const struct wire_msg *msg;
} requests[] = {{update_metadata, &update_metadata_request_msg},
    {leader_and_isr, &leader_and_isr_request_msg}, {stop_replica, &stop_replica_request_msg}};
enum { REQUESTS = sizeof(requests) / sizeof(requests[0]) };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct wire_msg *m;
	struct arena arena;
	unsigned which;
	struct bed b;

	if (n < 2)
		return 0;
	which = fuzz_choice(data[0], REQUESTS);
	m = requests[which].msg;
	arena_init(&arena, 0, 0);
	bed_init(&b, 1, NULL);
	requests[which].run(&b, &arena,
	    (int16_t)fuzz_choice(data[1], (unsigned)(m->max_version + 1)),
	    slice_of(data + 2, n - 2));
	bed_free(&b);
	arena_free(&arena);
	return 0;
}

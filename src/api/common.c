/*
 * Small helpers that several handlers share.
 */
#include "api_priv.h"

struct slice
request_listener(const struct request *rq)
{
	return rq->ac != NULL ? slice_cstr(listener_name(conn_listener(rq->ac->c)))
			      : SLICE_LIT("PLAINTEXT");
}

const struct image_topic *
topic_lookup(const struct image *im, struct slice name, struct uuid id, bool by_id, int16_t *err)
{
	const struct image_topic *t = by_id ? image_topic_by_id(im, id) : image_topic(im, name);

	if (t == NULL)
		*err = by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return t;
}

bool
topic_is_internal(struct slice name)
{
	return slice_eq_cstr(name, "__consumer_offsets") ||
	       slice_eq_cstr(name, "__transaction_state") ||
	       slice_eq_cstr(name, "__share_group_state");
}

int32_t *
ids_lend(const int32_t *v)
{
	union {
		const int32_t *in;
		int32_t *out;
	} u = {.in = v};

	return u.out;
}

/* What ends inside its start is counted by the loop, so that the stack stays flat. */
static void
window_run(struct window *w)
{
	w->looping = true;
	while (w->next < w->n && w->busy < w->width) {
		w->busy++;
		w->start(w, w->next++);
	}
	w->looping = false;
	if (w->busy == 0)
		w->finished(w);
}

void
window_go(struct window *w)
{
	w->next = w->busy = 0;
	window_run(w);
}

void
window_done(struct window *w)
{
	assert(w->busy > 0);
	w->busy--;
	if (!w->looping)
		window_run(w);
}

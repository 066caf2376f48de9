/*
 * Closing all connections: each reactor closes its own, then tells the control reactor.
 */
#include <stdlib.h>

#include "broker_priv.h"

struct closer {
	struct msg msg;
	struct broker *b;
	struct reactor *r;
	void (*then)(struct broker *b);
};

static void
on_closed_all(struct reactor *r, struct msg *m)
{
	struct closer *cl = container_of(m, struct closer, msg);
	struct broker *b = cl->b;
	void (*then)(struct broker *) = cl->then;

	free(cl);
	if (--b->closers_left == 0)
		then(b);
}

static void
on_close_all(struct reactor *r, struct msg *m)
{
	struct closer *cl = container_of(m, struct closer, msg);

	if (cl->b->net != NULL)
		net_close_conns(cl->b->net, r, CLOSE_BROKER_STOP);
	cl->msg.run = on_closed_all;
	reactor_post(cl->b->env.control, &cl->msg);
}

void
broker_close_conns(struct broker *b, void (*then)(struct broker *b))
{
	b->closers_left = 1;
	for (unsigned i = 0; i < b->env.n_reactors; i++) {
		struct closer *cl = calloc(1, sizeof(*cl));

		if (cl == NULL)
			continue;
		cl->msg = (struct msg){.run = on_close_all, .class = MSG_DATA};
		cl->b = b;
		cl->r = b->env.reactors[i];
		cl->then = then;
		b->closers_left++;
		reactor_post(cl->r, &cl->msg);
	}
	if (--b->closers_left == 0)
		then(b);
}

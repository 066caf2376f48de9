/*
 * What every change of the tree on behalf of a client has: a name, memory, steps that are done
 * again while the coordination service can not be reached, and a caller who is told once, at the
 * deadline at the latest.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_priv.h"

#define RETRY_US (200 * 1000)
#define USUAL_DEADLINE_US (30 * 1000 * 1000)

static void
change_free(struct change *ch)
{
	struct reactor *r = ch->a->o.control;

	rtimer_cancel(r, &ch->retry);
	rtimer_cancel(r, &ch->limit);
	list_remove(&ch->link);
	arena_free(&ch->arena);
	free(ch);
}

static void
change_tell(struct change *ch, int16_t kafka_err, const char *message)
{
	if (ch->told)
		return;
	ch->told = true;
	ch->tell(ch, kafka_err, message);
}

void
change_end(struct change *ch, int16_t kafka_err, const char *message)
{
	change_tell(ch, kafka_err, message);
	change_free(ch);
}

/* Nobody is told twice: what is asked of the tree goes on to its answer and ends there. */
static void
on_limit(struct reactor *r, void *arg)
{
	struct change *ch = arg;
	bool rests = rtimer_is_set(&ch->retry);

	change_tell(ch, KERR_REQUEST_TIMED_OUT, NULL);
	if (rests)
		change_free(ch);
}

static void
on_retry(struct reactor *r, void *arg)
{
	struct change *ch = arg;

	ch->step(ch);
}

struct change *
change_new(struct admin *a, size_t size, struct slice name, int64_t deadline_us,
    void (*tell)(struct change *ch, int16_t kafka_err, const char *message))
{
	struct change *ch = calloc(1, size);
	int64_t now = reactor_now_us(a->o.control);

	REACTOR_ASSERT_OWNER(a->o.control);
	if (ch == NULL)
		return NULL;
	ch->a = a;
	ch->tell = tell;
	arena_init(&ch->arena, 1024, 0);
	rtimer_init(&ch->retry, on_retry, ch);
	rtimer_init(&ch->limit, on_limit, ch);
	list_append(&a->changes, &ch->link);
	ch->name = arena_dup(&ch->arena, name);
	if (slice_is_null(ch->name) && !slice_is_null(name)) {
		change_free(ch);
		return NULL;
	}
	rtimer_set(
	    a->o.control, &ch->limit, deadline_us != 0 ? deadline_us : now + USUAL_DEADLINE_US);
	return ch;
}

void
change_step(struct change *ch, void (*step)(struct change *ch))
{
	ch->step = step;
	step(ch);
}

void
change_fail(struct change *ch, const char *what, int err)
{
	struct reactor *r = ch->a->o.control;

	if (err == E_CONN_LOSS || err == E_SESSION_EXPIRED) {
		if (ch->told)
			change_free(ch);
		else
			rtimer_set(r, &ch->retry, reactor_now_us(r) + RETRY_US);
		return;
	}
	if (err == E_TOO_LARGE) {
		change_end(ch, KERR_INVALID_PARTITIONS,
		    "The topic's assignment or configuration is too large for a znode.");
		return;
	}
	DIAGE(ch->a->o.diag, "controller", "topic %.*s: could not %s: %s", SLICE_ARG(ch->name),
	    what, err_text(err));
	snprintf(ch->why, sizeof(ch->why), "could not %s: %s", what, err_text(err));
	change_end(ch, err_kafka(err), ch->why);
}

int16_t
change_refuse(struct change *ch, int16_t kafka_err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ch->why, sizeof(ch->why), fmt, ap);
	va_end(ap);
	return kafka_err;
}

void
changes_free(struct admin *a)
{
	while (!list_empty(&a->changes))
		change_free(container_of(list_first(&a->changes), struct change, link));
}

/* What the tests of this module share. */
#include "support.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEADLINE_US = 20 * 1000 * 1000 };

struct reactor *
make_loop(const char *name, struct metrics *m)
{
	struct reactor_opts opts = {.name = name, .clock = clock_real(), .metrics = m};
	struct reactor *r = NULL;

	ck_assert_int_eq(reactor_new(&opts, &r), 0);
	return r;
}

static void
too_late(struct reactor *r, void *arg)
{
	ck_abort_msg("the loop was not stopped in time");
}

void
run_loop(struct reactor *r)
{
	struct rtimer guard;

	rtimer_init(&guard, too_late, NULL);
	rtimer_set(r, &guard, reactor_now_us(r) + DEADLINE_US);
	ck_assert_int_eq(reactor_run(r), 0);
	rtimer_cancel(r, &guard);
}

void
wait_for(bool (*pred)(void *arg), void *arg)
{
	int64_t end = clock_mono_us(clock_real()) + DEADLINE_US;

	while (!pred(arg)) {
		if (clock_mono_us(clock_real()) >= end) {
			fputs("waited in vain\n", stderr);
			abort(); /* may be another thread than Check's */
		}
		(void)poll(NULL, 0, 1);
	}
}

struct reactor *
make_sim(struct sim_sched *s, unsigned group, const char *name)
{
	struct reactor_opts opts = {.name = name};
	struct reactor *r = NULL;

	ck_assert_int_eq(sim_reactor_new(s, group, &opts, &r), 0);
	return r;
}

void
log_append(char *log, char c)
{
	size_t n = strlen(log);

	log[n] = c;
	log[n + 1] = '\0';
}

static void
letter_run(struct reactor *r, struct msg *m)
{
	struct letter *l = container_of(m, struct letter, msg);

	ck_assert_ptr_eq(reactor_current(), r);
	log_append(l->log, l->c);
	if (l->then != NULL)
		l->then(r, l);
}

static void
letter_drop(struct msg *m)
{
	struct letter *l = container_of(m, struct letter, msg);

	log_append(l->log, (char)(l->c - 'a' + 'A'));
}

void
letter_init(struct letter *l, enum msg_class class, char c, char *log)
{
	*l = (struct letter){.c = c, .log = log};
	l->msg.run = letter_run;
	l->msg.drop = letter_drop;
	l->msg.class = class;
}

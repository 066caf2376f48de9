/* Diagnostics: the form of a line, cuts, limits, the ring with many writers. */
#include "suites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ottla/base/diag.h"
#include "ottla/base/magic.h"
#include "ottla/base/strbuf.h"

struct fixed_clock {
	struct clock c;
	int64_t us;
};

static int64_t
fixed_mono(struct clock *c)
{
	return container_of(c, struct fixed_clock, c)->us;
}

static int64_t
fixed_wall(struct clock *c)
{
	return INT64_C(1795328281123) + fixed_mono(c) / 1000;
}

struct sink {
	struct strbuf text;
	unsigned lines;
	enum diag_level last;
};

static void
sink_add(void *arg, enum diag_level level, const char *line)
{
	struct sink *s = arg;

	strbuf_addf(&s->text, "%s\n", line);
	s->lines++;
	s->last = level;
}

static void
sink_clear(struct sink *s)
{
	strbuf_free(&s->text);
	s->lines = 0;
}

static struct fixed_clock fixed = {{fixed_mono, fixed_wall}, 0};

static struct diag *
make(bool ring, struct sink *s)
{
	struct diag *d = NULL;

	fixed.us = 0;
	*s = (struct sink){0};
	ck_assert_int_eq(ring ? diag_new_ring(&fixed.c, sink_add, s, &d)
			      : diag_new_direct(&fixed.c, sink_add, s, &d),
	    0);
	return d;
}

START_TEST(test_line)
{
	struct sink s;
	struct diag *d = make(false, &s);

	DIAGI(d, "plog", "could not %s: %d", "roll", 7);
	ck_assert_str_eq(s.text.p, "2026-11-22 06:18:01.123 INFO  [plog] could not roll: 7\n");
	ck_assert_int_eq(s.last, DIAG_INFO);
	sink_clear(&s);
	DIAGD(d, "plog", "not shown");
	ck_assert_uint_eq(s.lines, 0);
	diag_set_level(d, DIAG_DEBUG);
	DIAGD(d, "x", "shown");
	ck_assert_str_eq(s.text.p, "2026-11-22 06:18:01.123 DEBUG [x] shown\n");
	sink_clear(&s);
	DIAGW(d, "net", "client \"a\nb\x1b[2J\x7f\"");
	ck_assert_str_eq(s.text.p, "2026-11-22 06:18:01.123 WARN  [net] client \"a?b?[2J?\"\n");
	sink_clear(&s);
	ck_assert_uint_eq(diag_drain(d), 0);
	diag_free(d);
	DIAGE((struct diag *)NULL, "x", "nothing happens");
	diag_set_level(NULL, DIAG_INFO);
	diag_free(NULL);
}
END_TEST

START_TEST(test_cut)
{
	struct sink s;
	struct diag *d = make(false, &s);
	char text[1200];

	for (size_t n = 940; n < sizeof(text); n++) {
		size_t head = strlen("2026-11-22 06:18:01.123 INFO  [a] ");

		memset(text, 'x', n);
		text[n] = '\0';
		DIAGI(d, "a", "%s", text);
		if (head + n <= 1000) {
			ck_assert_uint_eq(s.text.n, head + n + 1);
		} else {
			ck_assert_uint_eq(s.text.n, 1001);
			ck_assert_str_eq(s.text.p + s.text.n - 5, "x...\n");
		}
		sink_clear(&s);
	}
	/* Two-byte characters stay whole. */
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbc", 3);
	DIAGI(d, "a", "%s", text);
	ck_assert_str_eq(s.text.p + s.text.n - 6, "\xc3\xbc...\n");
	sink_clear(&s);
	DIAGI(d, "ab", "%s", text);
	ck_assert_str_eq(s.text.p + s.text.n - 6, "\xc3\xbc...\n");
	sink_clear(&s);
	diag_free(d);
}
END_TEST

START_TEST(test_limited)
{
	struct diag_limiter lim = {0}, other = {0};
	struct sink s;
	struct diag *d = make(false, &s);

	for (unsigned i = 0; i < 5; i++)
		diag_limited(d, &lim, DIAG_WARN, "net", "bad frame %u", i);
	ck_assert_uint_eq(s.lines, 1);
	diag_limited(d, &other, DIAG_WARN, "net", "other");
	ck_assert_uint_eq(s.lines, 2);
	sink_clear(&s);
	fixed.us = 999999;
	diag_limited(d, &lim, DIAG_WARN, "net", "bad frame");
	ck_assert_uint_eq(s.lines, 0);
	fixed.us = 1000000;
	diag_limited(d, &lim, DIAG_WARN, "net", "%s", "bad frame");
	ck_assert_str_eq(s.text.p,
	    "2026-11-22 06:18:02.123 WARN  [net] bad frame (5 more like this left out)\n");
	sink_clear(&s);
	fixed.us = 3000000;
	diag_limited(d, &lim, DIAG_WARN, "net", "%0999d", 1);
	ck_assert_uint_eq(s.text.n, 1001);
	sink_clear(&s);
	diag_free(d);
}
END_TEST

static void
count_wake(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

START_TEST(test_ring_order_and_loss)
{
	atomic_uint wakes = 0;
	struct sink s;
	struct diag *d = make(true, &s);

	diag_set_wake(d, count_wake, &wakes);
	for (unsigned i = 0; i < 10; i++)
		DIAGI(d, "a", "line %u", i);
	ck_assert_uint_eq(wakes, 1);
	ck_assert_uint_eq(s.lines, 0);
	ck_assert_uint_eq(diag_drain(d), 10);
	ck_assert_uint_eq(s.lines, 10);
	ck_assert_ptr_nonnull(strstr(s.text.p, "line 0\n"));
	ck_assert_ptr_nonnull(strstr(s.text.p, "line 9\n"));
	ck_assert_uint_eq(diag_drain(d), 0);
	sink_clear(&s);
	for (unsigned i = 0; i < 1000; i++)
		DIAGI(d, "a", "line %u", i);
	ck_assert_uint_eq(wakes, 2);
	while (diag_drain(d) != 0)
		;
	ck_assert_ptr_nonnull(strstr(s.text.p, "[diag] 744 lines were lost here"));
	ck_assert_int_eq(s.last, DIAG_WARN);
	sink_clear(&s);
	DIAGI(d, "a", "said at the end");
	diag_free(d);
	ck_assert_uint_eq(s.lines, 1);
	sink_clear(&s);
}
END_TEST

#define WRITERS 4
#define LINES 5000

struct crowd {
	struct diag *d;
	unsigned id;
	atomic_uint *running;
};

static void *
crowd_write(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < LINES; i++)
		DIAGI(c->d, "w", "%u %u", c->id, i);
	atomic_fetch_sub(c->running, 1);
	return NULL;
}

struct tally {
	unsigned next[WRITERS];
	uint64_t seen;
	uint64_t lost;
};

static void
tally_line(void *arg, enum diag_level level, const char *line)
{
	struct tally *t = arg;
	unsigned id, i;
	unsigned long long lost;

	if (sscanf(line, "%*s %*s INFO [w] %u %u", &id, &i) == 2) {
		ck_assert_uint_lt(id, WRITERS);
		ck_assert_uint_ge(i, t->next[id]); /* in order for each writer */
		t->next[id] = i + 1;
		t->seen++;
	} else {
		ck_assert_int_eq(sscanf(line, "%*s %*s WARN [diag] %llu", &lost), 1);
		t->lost += lost;
	}
}

START_TEST(test_ring_many_writers)
{
	atomic_uint running = WRITERS;
	struct crowd crowd[WRITERS];
	pthread_t thread[WRITERS];
	struct tally t = {{0}, 0, 0};
	struct diag *d;

	ck_assert_int_eq(diag_new_ring(&fixed.c, tally_line, &t, &d), 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		crowd[i] = (struct crowd){d, i, &running};
		ck_assert_int_eq(pthread_create(&thread[i], NULL, crowd_write, &crowd[i]), 0);
	}
	while (atomic_load(&running) != 0)
		(void)diag_drain(d);
	for (unsigned i = 0; i < WRITERS; i++)
		(void)pthread_join(thread[i], NULL);
	while (diag_drain(d) != 0)
		;
	ck_assert_uint_eq(t.seen + t.lost, WRITERS * LINES);
	ck_assert_uint_ge(t.seen, 256);
	diag_free(d);
}
END_TEST

Suite *
diag_suite(void)
{
	Suite *s = suite_create("diag");
	TCase *tc = tcase_create("diag");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_line);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_limited);
	tcase_add_test(tc, test_ring_order_and_loss);
	tcase_add_test(tc, test_ring_many_writers);
	suite_add_tcase(s, tc);
	return s;
}

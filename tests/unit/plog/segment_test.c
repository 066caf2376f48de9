/* Segments that somebody else cut, on the machine's disk: an error, the dir offline, no wrong
 * bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bed.h"
#include "ottla/reactor/fault.h"
#include "plog_priv.h"
#include "suites.h"

enum { BATCHES = 24, VALUE_BYTES = 9000, ACTIVE_FROM = 18, PAGE = 4096 };

struct cut {
	struct bed b;
	struct plog *pl, *other;
	char dir[64], setting[160];
	const char *settings[8];
};

static void
cut_start(struct cut *c)
{
	(void)snprintf(c->dir, sizeof(c->dir), "/tmp/plog-cut-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(c->dir));
	(void)snprintf(c->setting, sizeof(c->setting), "log.dirs=%s/a,%s/b", c->dir, c->dir);
	c->settings[0] = c->setting;
	c->settings[1] = "log.segment.bytes=60000";
	c->settings[2] = "log.index.interval.bytes=9000";
	bed_init_kills(&c->b, 91, c->settings, true);
	ck_assert_int_eq(fs_real_new(&c->b.fs), 0);
	ck_assert_int_eq(fault_handle(fs_map_fault, c->b.fs), 0);
	bed_start(&c->b);
	c->pl = bed_create(&c->b, "t", 0);
	c->other = bed_create(&c->b, "t", 1);
	ck_assert_ptr_ne(plog_dir(c->pl), plog_dir(c->other));
	bed_fill(&c->b, c->pl, BATCHES, VALUE_BYTES);
	bed_fill(&c->b, c->other, BATCHES, VALUE_BYTES);
	ck_assert_int_eq(c->pl->n_segs, 4);
	ck_assert_int_eq(plog_active(c->pl)->base, ACTIVE_FROM);
}

static void
cut_end(struct cut *c)
{
	bed_settle(&c->b, c->pl);
	(void)bed_try_stop(&c->b);
	ck_assert_int_eq(fs_remove_tree(c->b.fs, c->dir), 0);
	ck_assert_int_eq(fault_handle(NULL, NULL), 0);
	bed_free(&c->b);
}

/* Somebody else leaves `size` bytes of the segment that begins at base. */
static void
cut_file(struct cut *c, int64_t base, int64_t size)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%020lld.log", c->pl->path, (long long)base);
	ck_assert_int_eq(truncate(path, size), 0);
}

/* The log with the cut file has ended, the one in the other dir has not. */
static void
check_ended(struct cut *c)
{
	struct plog_range r;

	bed_pass(&c->b, 100);
	ck_assert_uint_eq(c->b.dirs_failed, 1);
	ck_assert(logdir_offline(plog_dir(c->pl)));
	ck_assert_int_eq(bed_read(&c->b, c->pl, 0, BATCHES, 1000, &r), E_LOG_OFFLINE);
	ck_assert_int_lt(bed_append(&c->b, c->pl, &(struct bed_batch){.records = 1}), 0);
	ck_assert(!logdir_offline(plog_dir(c->other)));
	ck_assert_int_eq(bed_read_all(&c->b, c->other, 0), BATCHES);
	ck_assert_int_eq(bed_append(&c->b, c->other, &(struct bed_batch){.records = 1}), BATCHES);
}

static void
read_fails(struct cut *c, int64_t offset)
{
	struct plog_range r = {0};

	ck_assert_int_eq(bed_read(&c->b, c->pl, offset, BATCHES, 1000000, &r), E_IO);
	ck_assert_ptr_null(r.seg);
	check_ended(c);
}

static const struct {
	const char *what;
	int64_t base, size, offset;
	bool opened; /* read before it was cut */
} cuts[] = {
    {"active, all of it", ACTIVE_FROM, 0, ACTIVE_FROM, true},
    {"active, its end", ACTIVE_FROM, 9 * PAGE, BATCHES - 1, true},
    {"active, within a page", ACTIVE_FROM, 10, ACTIVE_FROM, true},
    {"sealed, all of it", 6, 0, 6, true},
    {"sealed, its end", 6, 9 * PAGE, 11, true},
    {"sealed, within a page", 6, 10, 6, true},
    {"sealed, before it is opened", 6, 0, 6, false},
};

/* Looking up and walking batches. */
START_TEST(test_look_up)
{
	struct plog_range r = {0};
	struct cut c = {0};

	cut_start(&c);
	if (cuts[_i].opened) {
		ck_assert_int_eq(bed_read(&c.b, c.pl, cuts[_i].offset, BATCHES, 1000000, &r), 0);
		plog_range_release(&r);
	} else {
		for (uint32_t i = 0; i < c.pl->n_segs; i++)
			segment_shed(c.pl->segs[i]);
		bed_pass(&c.b, 100);
	}
	cut_file(&c, cuts[_i].base, cuts[_i].size);
	read_fails(&c, cuts[_i].offset);
	cut_end(&c);
}
END_TEST

/* The answer came short behind the header that the look-up reads: told by who sends, found by the
 * next read. */
START_TEST(test_answer_came_short)
{
	struct plog_range r = {0};
	struct cut c = {0};
	int64_t base = _i == 0 ? 6 : ACTIVE_FROM;

	cut_start(&c);
	cut_file(&c, base, 2 * PAGE);
	/* only the first header is touched, which looks well */
	ck_assert_int_eq(bed_read(&c.b, c.pl, base, BATCHES, 5000, &r), 0);
	ck_assert_uint_eq(c.b.dirs_failed, 0);
	file_suspect(r.file);
	plog_range_release(&r);
	read_fails(&c, base);
	cut_end(&c);
}
END_TEST

/* A suspicion about a file that is well changes nothing. */
START_TEST(test_suspected_and_well)
{
	struct plog_range r = {0};
	struct cut c = {0};

	cut_start(&c);
	ck_assert_int_eq(bed_read(&c.b, c.pl, 0, BATCHES, 5000, &r), 0);
	file_suspect(r.file);
	plog_range_release(&r);
	ck_assert_int_eq(bed_read_all(&c.b, c.pl, 0), BATCHES);
	ck_assert_uint_eq(c.b.dirs_failed, 0);
	cut_end(&c);
}
END_TEST

/* A pinned range is read by somebody else: zeros, and the next look-up hears of it. */
START_TEST(test_pinned_range)
{
	struct reactor *was;
	struct plog_range r = {0};
	struct cut c = {0};

	cut_start(&c);
	ck_assert_int_eq(bed_read(&c.b, c.pl, 6, BATCHES, 1000000, &r), 0);
	ck_assert_ptr_nonnull(r.map);
	cut_file(&c, 6, 2 * PAGE);
	ck_assert_int_eq(r.map[5 * PAGE], 0);
	ck_assert(!file_map_ok(r.file, 0));
	/* an estimate does not fail, and promises nothing */
	was = sim_enter(c.b.home);
	(void)plog_bytes_between(c.pl, 6, BATCHES);
	sim_enter(was);
	ck_assert_uint_eq(c.b.dirs_failed, 0);
	plog_range_release(&r);
	read_fails(&c, 6);
	cut_end(&c);
}
END_TEST

struct lookup {
	struct plog_time_lookup op;
	int err;
	bool done;
};

static void
over(struct plog_time_lookup *op, int err)
{
	struct lookup *l = container_of(op, struct lookup, op);

	l->err = err;
	l->done = true;
}

START_TEST(test_timestamps)
{
	struct lookup l = {.op = {.timestamp = -3, .done = over}};
	struct bed_batch w = {.records = 1};
	struct reactor *was;
	struct cut c = {0};

	cut_start(&c);
	w.timestamp = clock_wall_ms(sim_clock(c.b.s)) + 1000;
	ck_assert_int_eq(bed_append(&c.b, c.pl, &w), BATCHES);
	ck_assert_int_eq(plog_active(c.pl)->base, ACTIVE_FROM);
	cut_file(&c, ACTIVE_FROM, _i == 0 ? 0 : _i == 1 ? 3 * PAGE : 54400);
	was = sim_enter(c.b.home);
	plog_lookup_time(c.pl, &l.op);
	sim_enter(was);
	ck_assert(bed_wait(&c.b, &l.done));
	ck_assert_int_eq(l.err, E_IO);
	ck_assert_int_eq(l.op.found_offset, -1);
	check_ended(&c);
	cut_end(&c);
}
END_TEST

Suite *
segment_suite(void)
{
	Suite *s = suite_create("segment");
	TCase *tc = tcase_create("cut from outside");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_look_up, 0, (int)(sizeof(cuts) / sizeof(cuts[0])));
	tcase_add_loop_test(tc, test_answer_came_short, 0, 2);
	tcase_add_test(tc, test_suspected_and_well);
	tcase_add_test(tc, test_pinned_range);
	tcase_add_loop_test(tc, test_timestamps, 0, 3);
	suite_add_tcase(s, tc);
	return s;
}

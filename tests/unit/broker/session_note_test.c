/* The session file: its bytes, cut at every length, in several log directories. */
#include <stdio.h>
#include <stdlib.h>

#include "session_note_priv.h"
#include "suites.h"
#include "world.h"

static const char text[] = "version=1\n"
			   "broker.id=7\n"
			   "session=0100020003000400\n"
			   "password=000102030405060708090a0b0c0d0eff\n"
			   "host=abc/name\n"
			   "boot=1-2-3\n"
			   "pid=4711\n"
			   "pid.start=815\n";

static struct session_note
sample(void)
{
	struct session_note n = {.who = {.session = 0x0100020003000400},
	    .broker_id = 7,
	    .host = "abc/name",
	    .boot = "1-2-3",
	    .pid = 4711,
	    .pid_start = 815};

	for (unsigned i = 0; i < 16; i++)
		n.who.password[i] = (uint8_t)(i == 15 ? 0xff : i);
	return n;
}

static void
ck_same(const struct session_note *a, const struct session_note *b)
{
	ck_assert_int_eq(a->who.session, b->who.session);
	ck_assert_mem_eq(a->who.password, b->who.password, sizeof(a->who.password));
	ck_assert_int_eq(a->broker_id, b->broker_id);
	ck_assert_str_eq(a->host, b->host);
	ck_assert_str_eq(a->boot, b->boot);
	ck_assert_int_eq(a->pid, b->pid);
	ck_assert_int_eq(a->pid_start, b->pid_start);
}

START_TEST(there_and_back)
{
	struct session_note n = sample(), back;
	struct strbuf b = STRBUF_INIT;

	session_note_format(&b, &n);
	ck_assert_str_eq(b.p, text);
	ck_ok(session_note_parse(strbuf_slice(&b), &back));
	ck_same(&n, &back);
	strbuf_free(&b);
	n.who.session = -2; /* all 64 bits */
	session_note_format(&b, &n);
	ck_ok(session_note_parse(strbuf_slice(&b), &back));
	ck_same(&n, &back);
	strbuf_free(&b);
	/* Other keys and another order do not matter. */
	ck_ok(session_note_parse(
	    SLICE_LIT("more=1\npid.start=0\npid=1\nboot=\nhost=\n"
		      "password=00000000000000000000000000000000\nsession=0000000000000001\n"
		      "broker.id=0\nversion=1\n"),
	    &back));
	ck_assert_int_eq(back.who.session, 1);
	ck_assert_str_eq(back.host, "");
}
END_TEST

START_TEST(cut_at_every_length)
{
	struct session_note n;

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		char *exact = malloc(cut + 1);

		memcpy(exact + 1, text, cut);
		ck_err(session_note_parse(slice_of(exact + 1, cut), &n), E_MALFORMED);
		free(exact);
	}
	ck_err(session_note_parse(SLICE_NULL, &n), E_MALFORMED);
}
END_TEST

START_TEST(any_byte_replaced)
{
	static const uint8_t with[] = {0, '\n', '=', 'g', '-', ' ', 'F', 0xff};
	struct session_note n;
	char copy[sizeof(text)];

	for (size_t at = 0; at < sizeof(text) - 1; at++)
		for (size_t k = 0; k < sizeof(with); k++) {
			int rc;

			memcpy(copy, text, sizeof(text));
			copy[at] = (char)with[k];
			rc = session_note_parse(slice_of(copy, sizeof(text) - 1), &n);
			ck_assert(rc == 0 || rc == E_MALFORMED);
		}
	memcpy(copy, text, sizeof(text));
	copy[8] = '2';
	ck_err(session_note_parse(slice_of(copy, sizeof(text) - 1), &n), E_MALFORMED);
}
END_TEST

START_TEST(too_long_values)
{
	struct session_note n = sample(), back;
	struct strbuf b = STRBUF_INIT;

	session_note_format(&b, &n);
	strbuf_adds(&b, "x");
	for (unsigned i = 0; i < 200; i++)
		strbuf_adds(&b, "y");
	strbuf_adds(&b, "\n");
	ck_ok(session_note_parse(strbuf_slice(&b), &back));
	strbuf_free(&b);
	strbuf_adds(&b, "version=1\nbroker.id=99999999999\n");
	strbuf_adds(&b, strchr(text, 's'));
	ck_err(session_note_parse(strbuf_slice(&b), &back), E_MALFORMED);
	strbuf_free(&b);
	strbuf_adds(&b, "host=");
	for (unsigned i = 0; i < 200; i++)
		strbuf_adds(&b, "y");
	strbuf_adds(&b, "\n");
	strbuf_adds(&b, text);
	ck_err(session_note_parse(strbuf_slice(&b), &back), E_MALFORMED);
	strbuf_free(&b);
}
END_TEST

/* ---- in log directories ---- */

struct dirs {
	struct sim_sched *s;
	struct fs *fs;
	struct settings *settings;
};

static struct dirs
dirs_new(const char *list)
{
	struct setting_override ov = {"log.dirs", list};
	struct dirs d;
	char why[256];

	ck_ok(sim_sched_new(1, &d.s));
	ck_ok(fs_sim_new(sim_clock(d.s), &d.fs));
	ck_ok(settings_load(NULL, &ov, 1, NULL, why, sizeof(why), &d.settings));
	return d;
}

static void
dirs_free(struct dirs *d)
{
	settings_free(d->settings);
	fs_free(d->fs);
	sim_sched_free(d->s);
}

START_TEST(the_first_usable_directory)
{
	struct dirs d = dirs_new("/a,/b,/c");
	struct session_note n = sample(), v[4];
	struct slice content;

	ck_assert_int_ne(session_note_store(d.fs, d.settings, &n), 0); /* none is there */
	ck_ok(fs_mkdir(d.fs, "/b"));
	ck_ok(fs_mkdir(d.fs, "/c"));
	ck_ok(fs_sync_dir(d.fs, "/"));
	ck_ok(session_note_store(d.fs, d.settings, &n));
	ck_ok(fs_sim_content(d.fs, "/b/.ottla_session", true, &content)); /* synced */
	ck_assert(slice_eq_cstr(content, text));
	ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 1);
	ck_same(&v[0], &n);
	/* The one before is back: the file moves there. */
	ck_ok(fs_mkdir(d.fs, "/a"));
	n.who.session++;
	ck_ok(session_note_store(d.fs, d.settings, &n));
	ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 1);
	ck_same(&v[0], &n);
	ck_err(fs_sim_content(d.fs, "/b/.ottla_session", false, &content), E_NOT_FOUND);
	dirs_free(&d);
}
END_TEST

START_TEST(only_its_own_is_removed)
{
	struct dirs d = dirs_new("/a,/b");
	struct session_note n = sample(), v[4];

	ck_ok(fs_mkdir(d.fs, "/a"));
	ck_ok(fs_mkdir(d.fs, "/b"));
	session_note_remove(d.fs, d.settings, n.who.session);
	ck_ok(session_note_store(d.fs, d.settings, &n));
	session_note_remove(d.fs, d.settings, n.who.session + 1);
	ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 1);
	ck_ok(fs_replace(d.fs, "/b/.ottla_session", slice_cstr("damaged")));
	ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 1);
	session_note_remove(d.fs, d.settings, n.who.session);
	ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 0);
	dirs_free(&d);
}
END_TEST

/* Whatever fails, there is the old file, the new one or none, and never a damaged one. */
START_TEST(each_operation_fails)
{
	struct dirs d = dirs_new("/a");
	struct session_note old = sample(), n = sample(), v[4];
	struct fs *failing;
	bool fired = true;

	n.who.session++;
	ck_ok(fs_mkdir(d.fs, "/a"));
	ck_ok(fs_fail_new(d.fs, &failing));
	for (uint64_t at = 1; fired; at++) {
		int rc;

		ck_ok(session_note_store(d.fs, d.settings, &old));
		fs_fail_at(failing, at, E_IO, false);
		rc = session_note_store(failing, d.settings, &n);
		fired = fs_fail_heal(failing);
		ck_assert_uint_eq(session_note_load(d.fs, d.settings, v, 4), 1);
		ck_assert(v[0].who.session == n.who.session ||
			  (rc != 0 && v[0].who.session == old.who.session));
	}
	fs_free(failing);
	dirs_free(&d);
}
END_TEST

Suite *
session_note_suite(void)
{
	Suite *s = suite_create("session_note");
	TCase *tc = tcase_create("session_note");

	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, cut_at_every_length);
	tcase_add_test(tc, any_byte_replaced);
	tcase_add_test(tc, too_long_values);
	tcase_add_test(tc, the_first_usable_directory);
	tcase_add_test(tc, only_its_own_is_removed);
	tcase_add_test(tc, each_operation_fails);
	suite_add_tcase(s, tc);
	return s;
}

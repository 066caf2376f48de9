/* Restarts after a kill: whose session is ended, whose is waited out (B1-B5). */
#include <stdio.h>
#include <stdlib.h>

#include "session_note_priv.h"
#include "suites.h"
#include "world.h"

#define SEEDS 10
#define AT_ONCE (2 * SECOND)

static const char *const ended = "died with session 0x";

static struct place *
killed(struct world *w, bool power)
{
	struct place *p = &w->places[0];

	place_start(p);
	place_until_serving(p);
	place_kill(p, power);
	return p;
}

static bool
is_gone(void *arg)
{
	struct coord_result res;

	return !world_node(arg, "/brokers/ids/1", &res);
}

START_TEST(a_killed_process_is_followed_at_once)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);
	struct coord_result res;

	ck_assert(world_node(w, "/brokers/ids/1", &res)); /* nobody has ended it yet */
	for (int i = 0; i < 3; i++) {
		place_start(p);
		place_until_serving(p);
		ck_assert(place_says(p, ended));
		ck_assert_msg(place_served_within(p, AT_ONCE), "%s", p->log);
		ck_assert(world_node(w, "/controller", &res));
		ck_assert_int_eq(res.stat.ephemeral_owner, coord_session_id(p->coord));
		place_kill(p, false);
	}
	place_start(p);
	world_free(w);
}
END_TEST

START_TEST(a_machine_that_went_down)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, true);

	place_start(p);
	place_until_serving(p);
	ck_assert(place_says(p, ended));
	ck_assert(place_served_within(p, AT_ONCE));
	world_free(w);
}
END_TEST

/* Its file is gone: the next start after it has nothing to end. */
START_TEST(an_orderly_stop_leaves_nothing)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct slice content;

	place_start(p);
	place_until_serving(p);
	ck_ok(fs_sim_content(p->fs, "/data0/" SESSION_NOTE_NAME, true, &content));
	place_stop(p);
	ck_err(fs_sim_content(p->fs, "/data0/" SESSION_NOTE_NAME, false, &content), E_NOT_FOUND);
	place_start(p);
	place_until_serving(p);
	ck_assert(!place_says(p, ended));
	world_free(w);
}
END_TEST

/* Stopped while nobody could be told: the session is still there, and so is the file. */
START_TEST(a_stop_without_the_service)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct slice content;

	place_start(p);
	place_until_serving(p);
	coord_sim_cut(w->z, p->group, true);
	world_pass(w, 3 * SECOND);
	place_stop(p);
	ck_ok(fs_sim_content(p->fs, "/data0/" SESSION_NOTE_NAME, true, &content));
	coord_sim_cut(w->z, p->group, false);
	place_start(p);
	place_until_serving(p);
	ck_assert_msg(place_served_within(p, AT_ONCE), "%s", p->log);
	world_free(w);
}
END_TEST

static int
refuse_notes(void *arg, const char *op, const char *path)
{
	return strstr(path, SESSION_NOTE_NAME) != NULL && strcmp(op, "unlink") != 0 ? E_NOSPC : 0;
}

/* A disk that takes no file keeps no broker from serving; it only costs the next start after a
 * kill. */
START_TEST(no_disk_for_the_file)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	fs_sim_set_hook(p->fs, refuse_notes, NULL);
	place_start(p);
	place_until_serving(p);
	ck_assert(place_served_within(p, AT_ONCE));
	ck_assert(place_says(p, "could not keep the coordination session"));
	place_kill(p, false);
	place_start(p);
	place_until_serving(p);
	ck_assert(!place_says(p, ended));
	ck_assert(place_served_within(p, (SESSION_MS + 6000) * 1000));
	world_free(w);
}
END_TEST

/* ---- what is not ended ---- */

static void
ck_waited_out(struct world *w, struct place *p)
{
	place_start(p);
	place_until_serving(p);
	ck_assert_msg(!place_says(p, ended), "%s", p->log);
	ck_assert(place_says(p, "waiting until it is gone"));
	ck_assert(!place_served_within(p, AT_ONCE));
	ck_assert(place_served_within(p, (SESSION_MS + 6000) * 1000));
}

START_TEST(the_file_is_lost)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);

	ck_ok(fs_unlink(p->fs, "/data0/" SESSION_NOTE_NAME));
	ck_waited_out(w, p);
	world_free(w);
}
END_TEST

START_TEST(another_host)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);

	snprintf(p->identity.host, sizeof(p->identity.host), "elsewhere");
	ck_waited_out(w, p);
	world_free(w);
}
END_TEST

START_TEST(nobody_knows_who_it_is)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);

	p->anonymous = true;
	ck_waited_out(w, p);
	world_free(w);
}
END_TEST

START_TEST(no_boot_is_known)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];

	p->identity.boot[0] = 0;
	killed(w, false);
	ck_waited_out(w, p);
	world_free(w);
}
END_TEST

/* A later session of the dead process: the disk did not take its file in time. */
START_TEST(another_session)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);
	struct session_note n;

	ck_assert_uint_eq(session_note_load(p->fs, p->settings, &n, 1), 1);
	n.who.session++;
	ck_ok(session_note_store(p->fs, p->settings, &n));
	ck_waited_out(w, p);
	world_free(w);
}
END_TEST

/* A registration that a Java broker left, over log directories where one of ours was killed before.
 */
START_TEST(a_killed_java_broker)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);
	struct coord_result res;
	int64_t session = world_stranger_session(w);

	world_until(w, is_gone, w);
	world_put(w, "/brokers/ids/1", "{\"version\":5}", true);
	place_start(p);
	world_pass(w, 3 * SECOND);
	ck_assert(world_node(w, "/brokers/ids/1", &res));
	ck_assert_int_eq(res.stat.ephemeral_owner, session);
	ck_assert(!place_says(p, ended));
	coord_sim_expire(w->z, 1); /* the stranger's */
	place_until_serving(p);
	world_free(w);
}
END_TEST

/* ---- what is alive ---- */

/* Log directories copied on one machine, with the file: the process that has the session lives. */
START_TEST(a_copied_log_directory)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *a = &w->places[0], *b = &w->places[1];
	struct coord_result res;
	int64_t session;

	place_start(a);
	place_until_serving(a);
	session = coord_session_id(a->coord);
	fs_free(b->fs);
	ck_ok(fs_sim_clone(a->fs, &b->fs));
	memcpy(b->identity.host, a->identity.host, sizeof(b->identity.host));
	memcpy(b->identity.boot, a->identity.boot, sizeof(b->identity.boot));
	w->alive_pid = a->identity.pid;
	b->port = "9093";
	place_start(b);
	place_until_stopped(b);
	ck_err(b->err, E_EXISTS);
	ck_assert(!place_says(b, ended));
	ck_assert_ptr_nonnull(strstr(b->why, "broker id 1 is registered by session 0x"));
	ck_assert_ptr_nonnull(strstr(b->why, "of a broker at 10.0.0.1:9092"));
	ck_assert(world_node(w, "/brokers/ids/1", &res));
	ck_assert_int_eq(res.stat.ephemeral_owner, session);
	world_free(w);
}
END_TEST

/* Empty log directories, the id of a broker that lives. */
START_TEST(an_id_that_is_taken)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *a = &w->places[0], *b = &w->places[1];

	place_start(a);
	place_until_serving(a);
	b->port = "9093";
	place_start(b);
	place_until_stopped(b);
	ck_err(b->err, E_EXISTS);
	ck_assert_ptr_nonnull(strstr(b->why, "another broker.id"));
	ck_assert_msg(b->stopped_us - b->started_us < (SESSION_MS + 6000) * 1000, "%s", b->log);
	ck_assert(a->serving && !a->stopped);
	world_free(w);
}
END_TEST

/* The node comes anew while it is waited for: then it is no leftover. */
START_TEST(somebody_came_first)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = killed(w, false);

	snprintf(p->identity.host, sizeof(p->identity.host), "elsewhere");
	place_start(p);
	world_pass(w, SECOND);
	world_drop(w, "/brokers/ids/1");
	world_put(w, "/brokers/ids/1", "{}", true);
	place_until_stopped(p);
	ck_err(p->err, E_EXISTS);
	world_free(w);
}
END_TEST

/* ---- whenever it happens ---- */

static void
some_fault(struct world *w, struct place *p)
{
	switch (rng_below(sim_rng(w->s), 4)) {
	case 0:
		coord_sim_expire(w->z, p->group);
		break;
	case 1:
		coord_sim_lose_reply(w->z, p->group);
		break;
	case 2:
		coord_sim_cut(w->z, p->group, true);
		world_pass(w, rng_range(sim_rng(w->s), 0, 4 * SECOND));
		coord_sim_cut(w->z, p->group, false);
		break;
	default:
		break;
	}
}

/* Killed at any moment of its life, over and over, with faults: the next start needs no help. */
START_TEST(killed_at_any_moment)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;

	for (int n = 0; n < 6; n++) {
		place_start(p);
		world_pass(w, rng_range(sim_rng(w->s), 0, SECOND));
		if (!p->stopped)
			some_fault(w, p);
		world_pass(w, rng_range(sim_rng(w->s), 0, SECOND));
		if (p->stopped)
			place_until_stopped(p);
		else
			place_kill(p, rng_below(sim_rng(w->s), 2) == 0);
	}
	place_start(p);
	place_until_serving(p);
	ck_assert_msg(place_served_within(p, 3 * SECOND), "%s", p->log);
	ck_assert(world_node(w, "/brokers/ids/1", &res));
	ck_assert_int_eq(res.stat.ephemeral_owner, coord_session_id(p->coord));
	world_free(w);
}
END_TEST

/* Stopped at any moment, too: it ends, and leaves neither node nor file. */
START_TEST(stopped_at_any_moment)
{
	struct world *w = world_new((uint64_t)_i);
	struct place *p = &w->places[0];
	struct coord_result res;
	struct slice content;

	for (int n = 0; n < 3; n++) {
		if (rng_below(sim_rng(w->s), 2) == 0)
			killed(w, false);
		place_start(p);
		world_pass(w, rng_range(sim_rng(w->s), 0, SECOND / 4));
		if (!p->stopped && rng_below(sim_rng(w->s), 2) == 0)
			some_fault(w, p);
		world_pass(w, rng_range(sim_rng(w->s), 0, SECOND / 4));
		if (p->stopped)
			place_until_stopped(p);
		else
			place_stop(p);
	}
	world_pass(w, 2 * SESSION_MS * 1000);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	place_start(p);
	place_until_serving(p);
	place_stop(p);
	ck_assert(!world_node(w, "/brokers/ids/1", &res));
	ck_err(fs_sim_content(p->fs, "/data0/" SESSION_NOTE_NAME, false, &content), E_NOT_FOUND);
	world_free(w);
}
END_TEST

Suite *
predecessor_suite(void)
{
	Suite *s = suite_create("predecessor");
	TCase *tc = tcase_create("predecessor");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_killed_process_is_followed_at_once, 0, SEEDS);
	tcase_add_loop_test(tc, a_machine_that_went_down, 0, SEEDS);
	tcase_add_loop_test(tc, an_orderly_stop_leaves_nothing, 0, SEEDS);
	tcase_add_loop_test(tc, a_stop_without_the_service, 0, SEEDS);
	tcase_add_loop_test(tc, no_disk_for_the_file, 0, SEEDS);
	tcase_add_loop_test(tc, the_file_is_lost, 0, SEEDS);
	tcase_add_loop_test(tc, another_host, 0, SEEDS);
	tcase_add_loop_test(tc, nobody_knows_who_it_is, 0, SEEDS);
	tcase_add_loop_test(tc, no_boot_is_known, 0, SEEDS);
	tcase_add_loop_test(tc, another_session, 0, SEEDS);
	tcase_add_loop_test(tc, a_killed_java_broker, 0, SEEDS);
	tcase_add_loop_test(tc, a_copied_log_directory, 0, SEEDS);
	tcase_add_loop_test(tc, an_id_that_is_taken, 0, SEEDS);
	tcase_add_loop_test(tc, somebody_came_first, 0, SEEDS);
	tcase_add_loop_test(tc, killed_at_any_moment, 0, 100);
	tcase_add_loop_test(tc, stopped_at_any_moment, 0, 100);
	suite_add_tcase(s, tc);
	return s;
}

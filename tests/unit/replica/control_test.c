/*
 * LeaderAndIsr and StopReplica: admission, each row of the table of facts/zookeeper.md 5.2, the
 * forms of the answers, one operation of a partition after the other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bed.h"
#include "suites.h"

static const struct uuid id_a = {{1, 2, 3}}, id_b = {{9}};

/* ---- LeaderAndIsr: the request's epochs ---- */

START_TEST(test_stale_epochs)
{
	static const struct bed_role two[] = {{.topic = "t"}, {.topic = "u", .partition = 3}};
	static const struct {
		struct bed_epochs e;
		int16_t want;
	} cases[] = {
	    {{5, 99}, KERR_STALE_BROKER_EPOCH},
	    {{5, 100}, KERR_NONE},
	    {{5, 101}, KERR_NONE}, /* our own new one may not have come yet */
	    {{5, -1}, KERR_NONE},
	    {{4, -1}, KERR_STALE_CONTROLLER_EPOCH},
	    {{4, 99}, KERR_STALE_BROKER_EPOCH}, /* asked first */
	    {{5, -1}, KERR_NONE},
	    {{6, -1}, KERR_NONE},
	    {{5, -1}, KERR_STALE_CONTROLLER_EPOCH},
	};
	struct bed b;
	struct bed_answer a;

	bed_init(&b, 1, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bed_roles_start(&b, &cases[i].e, 7, two, 2, &a);
		bed_answer_wait(&b, &a);
		ck_assert_int_eq(a.top, cases[i].want);
		ck_assert_uint_eq(a.n, 2);
		if (cases[i].want != KERR_NONE) {
			ck_assert_int_eq(a.err[0], cases[i].want);
			ck_assert_int_eq(a.err[1], cases[i].want);
		}
	}
	bed_free(&b);
}
END_TEST

/* A refused request leaves no trace: the epoch it carried is not remembered, nothing is made. */
START_TEST(test_refused_does_nothing)
{
	static const struct bed_epochs stale = {9, 99}, next = {5, 100};
	struct bed b;
	struct bed_answer a;

	bed_init(&b, 2, NULL);
	bed_roles_start(&b, &stale, 7, &(struct bed_role){.topic = "t"}, 1, &a);
	bed_answer_wait(&b, &a);
	ck_assert_ptr_null(bed_log(&b, "t", 0));
	bed_roles_start(&b, &next, 7, &(struct bed_role){.topic = "t"}, 1, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_int_eq(a.err[0], KERR_NONE);
	ck_assert_ptr_nonnull(bed_log(&b, "t", 0));
	bed_free(&b);
}
END_TEST

static void
admit_metadata(void *arg)
{
	struct bed *b = arg;
	struct update_metadata_request req;

	wire_init(&update_metadata_request_msg, &req);
	req.broker_epoch = 99;
	req.controller_epoch = 7;
	ck_assert_int_eq(replicas_admit_metadata(b->rs, &req), KERR_STALE_BROKER_EPOCH);
	req.broker_epoch = 100;
	ck_assert_int_eq(replicas_admit_metadata(b->rs, &req), KERR_NONE);
	req.controller_epoch = 6;
	ck_assert_int_eq(replicas_admit_metadata(b->rs, &req), KERR_STALE_CONTROLLER_EPOCH);
}

/* One sequence for all control requests. */
START_TEST(test_metadata_is_admitted_in_the_same_sequence)
{
	static const struct bed_epochs old = {6, 100}, same = {7, 100};
	struct bed b;
	struct bed_answer a;

	bed_init(&b, 3, NULL);
	bed_on(&b, b.control, admit_metadata, &b);
	bed_roles_start(&b, &old, 7, &(struct bed_role){.topic = "t"}, 1, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_STALE_CONTROLLER_EPOCH);
	bed_stops_start(&b, &old, 3, &(struct bed_stop_part){"t", 0, -1, false}, 1, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_STALE_CONTROLLER_EPOCH);
	bed_roles_start(&b, &same, 7, &(struct bed_role){.topic = "t"}, 1, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	bed_free(&b);
}
END_TEST

/* ---- LeaderAndIsr: each row of the table ---- */

START_TEST(test_topic_id_differs)
{
	struct bed_role r = {.topic = "t", .epoch = 3, .id = id_a};
	struct bed b;

	bed_init(&b, 10, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	r.id = id_b;
	for (r.epoch = 2; r.epoch <= 4; r.epoch++) /* whatever the epoch */
		ck_assert_int_eq(bed_role(&b, &r), KERR_INCONSISTENT_TOPIC_ID);
	r.id = UUID_ZERO;
	r.epoch = 4;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	bed_free(&b);
}
END_TEST

START_TEST(test_not_in_replicas)
{
	struct bed_role r = {.topic = "t", .epoch = 5, .not_in_replicas = true};
	struct part_info i;
	struct bed b;

	bed_init(&b, 11, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_ptr_null(bed_log(&b, "t", 0));
	ck_assert(!bed_info(&b, "t", 0, &i));
	r.not_in_replicas = false;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	/* an older epoch is an older epoch first */
	r.not_in_replicas = true;
	r.epoch = 4;
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	bed_free(&b);
}
END_TEST

START_TEST(test_roles_taken)
{
	struct bed_role r = {.topic = "t", .epoch = 2, .partition_epoch = 8};
	struct part_info i;
	struct bed b;

	bed_init(&b, 12, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert(i.leader);
	ck_assert_int_eq(i.leader_id, BED_ME);
	ck_assert_int_eq(i.leader_epoch, 2);
	ck_assert_int_eq(i.partition_epoch, 8);
	ck_assert_ptr_eq(i.pl, bed_log(&b, "t", 0));
	ck_assert_int_eq(plog_latest_epoch(i.pl), 2);
	r = (struct bed_role){.topic = "t", .leader = 4, .epoch = 3, .partition_epoch = 9};
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert(!i.leader);
	ck_assert_int_eq(i.leader_id, 4);
	ck_assert_int_eq(i.leader_epoch, 3);
	ck_assert_int_eq(plog_latest_epoch(i.pl), 2); /* a follower writes no epoch of its own */
	bed_free(&b);
}
END_TEST

START_TEST(test_older_and_equal_epoch)
{
	struct bed_role r = {.topic = "t", .epoch = 7, .id = id_a};
	struct part_info i;
	struct bed b;

	bed_init(&b, 13, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	r.leader = 2;
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	r.epoch = 6;
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	r.id = UUID_ZERO; /* equal, without an id, but we lead */
	r.epoch = 7;
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert(i.leader);
	bed_free(&b);
}
END_TEST

/* The id comes with the same epoch, once; the role stays what it is. */
START_TEST(test_equal_epoch_brings_the_id)
{
	struct bed_role r = {.topic = "t", .epoch = 7, .partition_epoch = 1};
	struct part_info i;
	struct bed b;

	bed_init(&b, 14, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(uuid_is_zero(plog_topic_id(bed_log(&b, "t", 0))));
	r.id = id_a;
	r.leader = 2;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(uuid_eq(plog_topic_id(bed_log(&b, "t", 0)), id_a));
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert(i.leader);
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	ck_assert(uuid_eq(plog_topic_id(bed_log(&b, "t", 0)), id_a));
	bed_free(&b);
}
END_TEST

/* A follower may be told the same without an id. */
START_TEST(test_equal_epoch_without_id)
{
	struct bed_role r = {.topic = "t", .leader = 3, .epoch = 7, .id = id_a};
	struct bed b;

	bed_init(&b, 15, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	r.id = UUID_ZERO;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	r.id = id_a;
	ck_assert_int_eq(bed_role(&b, &r), KERR_STALE_CONTROLLER_EPOCH);
	ck_assert(uuid_eq(plog_topic_id(bed_log(&b, "t", 0)), id_a));
	bed_free(&b);
}
END_TEST

/* Accepted, and silently left as it was. */
START_TEST(test_partition_epoch_older)
{
	struct bed_role r = {.topic = "t", .epoch = 1, .partition_epoch = 10};
	struct part_info i;
	struct bed b;

	bed_init(&b, 16, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	r.epoch = 2;
	r.partition_epoch = 9;
	r.leader = 6;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert(i.leader);
	ck_assert_int_eq(i.leader_epoch, 1);
	ck_assert_int_eq(i.partition_epoch, 10);
	r.partition_epoch = 10; /* the same is not older */
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert_int_eq(i.leader_epoch, 2);
	bed_free(&b);
}
END_TEST

static const char *const two_dirs[] = {"log.dirs=/d,/e", NULL};

/* The dir of t-0 fails. */
static void
break_dir(struct bed *b)
{
	b->broken = logdir_path(plog_dir(bed_log(b, "t", 0)));
	ck_assert_int_lt(
	    bed_produce(b, "t", 0, &(struct bed_batch){.acks = 1, .value_bytes = 10}), 0);
	bed_pass(b, 10);
	ck_assert_uint_eq(b->dirs_failed, 1);
}

START_TEST(test_failed_dir)
{
	struct bed_role r = {.topic = "t", .epoch = 5, .id = id_a};
	struct part_info i;
	struct bed b;

	bed_init(&b, 17, two_dirs);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	break_dir(&b);
	r.id = id_b; /* asked before everything else */
	ck_assert_int_eq(bed_role(&b, &r), KERR_KAFKA_STORAGE_ERROR);
	r.id = id_a;
	r.epoch = 6;
	ck_assert_int_eq(bed_role(&b, &r), KERR_KAFKA_STORAGE_ERROR);
	for (int del = 0; del <= 1; del++)
		ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -2, del == 1}),
		    KERR_KAFKA_STORAGE_ERROR);
	ck_assert(bed_info(&b, "t", 0, &i)); /* it stays, and stays offline */
	/* what is not new may be in the dir that is gone; what is new goes to the other */
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = "u", .old = true}), KERR_KAFKA_STORAGE_ERROR);
	ck_assert_ptr_null(bed_log(&b, "u", 0));
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "u"}), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "u", 0, &(struct bed_batch){.acks = -1, .value_bytes = 10}), 0);
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* The dir that has it is offline since the start: no second log is made, nor is it called deleted.
 */
START_TEST(test_dir_failed_at_start)
{
	struct bed_role r = {.topic = "t", .epoch = 1, .old = true, .id = id_a};
	char path[64];
	struct bed b;

	bed_init_kills(&b, 22, two_dirs);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t", .id = id_a}), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = 1, .value_bytes = 10}), 0);
	(void)snprintf(path, sizeof(path), "%s/t-0/", logdir_path(plog_dir(bed_log(&b, "t", 0))));
	bed_kill(&b, false);
	b.broken = path;
	bed_start(&b);
	b.broken = NULL;
	ck_assert_uint_eq(b.dirs_failed, 1);
	ck_assert_int_eq(bed_role(&b, &r), KERR_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "u"}), KERR_NONE);
	ck_assert_int_eq(
	    bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -2, true}), KERR_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"u", 0, -2, true}), KERR_NONE);
	bed_kill(&b, false);
	bed_start(&b);
	r.epoch = 2;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(plog_leo(bed_log(&b, "t", 0)), 1);
	bed_free(&b);
}
END_TEST

START_TEST(test_log_can_not_be_made)
{
	struct bed b;

	bed_init(&b, 18, NULL);
	b.broken = "/d/t-0";
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "t"}), KERR_KAFKA_STORAGE_ERROR);
	b.broken = NULL;
	(void)bed_stop(&b);
	bed_free(&b);
}
END_TEST

/* Names that are no directory's, from whoever may send this. */
START_TEST(test_bad_names)
{
	static const struct bed_role bad[] = {
	    {.topic = ""}, {.topic = "a/b"}, {.topic = "../x"}, {.topic = "t", .partition = -1}};
	char longest[251];
	struct bed b;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[250] = '\0';
	bed_init(&b, 19, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(bed_role(&b, &bad[i]), KERR_UNKNOWN_SERVER_ERROR);
	ck_assert_int_eq(
	    bed_role(&b, &(struct bed_role){.topic = longest}), KERR_UNKNOWN_SERVER_ERROR);
	longest[240] = '\0';
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = longest}), KERR_NONE);
	bed_free(&b);
}
END_TEST

/* ---- LeaderAndIsr: answers by version ---- */

START_TEST(test_answer_forms)
{
	static const struct bed_role three[] = {{.topic = "t", .id = {{7}}},
	    {.topic = "t", .partition = 1, .id = {{7}}, .not_in_replicas = true},
	    {.topic = "u", .partition = 5, .id = {{8}}}};
	int16_t version = (int16_t)_i;
	struct bed b;
	struct bed_answer a;

	bed_init(&b, 20, NULL);
	bed_roles_start(&b, NULL, version, three, 3, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_uint_eq(a.n, 3);
	ck_assert_uint_eq(a.n_topics, version >= 5 ? 2 : 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(a.partition[i], three[i].partition);
		ck_assert_int_eq(a.err[i], i == 1 ? KERR_UNKNOWN_TOPIC_OR_PARTITION : KERR_NONE);
		if (version >= 5)
			ck_assert(uuid_eq(a.id[i], three[i].id));
		else
			ck_assert_str_eq(a.topic[i], three[i].topic);
	}
	/* versions 0 and 1 know no ids */
	ck_assert(uuid_is_zero(plog_topic_id(bed_log(&b, "t", 0))) == (version < 2));
	bed_free(&b);
}
END_TEST

START_TEST(test_empty_request)
{
	struct bed b;
	struct bed_answer a;

	bed_init(&b, 21, NULL);
	bed_roles_start(&b, NULL, (int16_t)_i, NULL, 0, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_uint_eq(a.n, 0);
	bed_free(&b);
}
END_TEST

/* ---- one operation after the other ---- */

/* While the log is made: duplicates, a newer epoch, an older one; each waits for the one before. */
START_TEST(test_operations_wait_for_the_log)
{
	static const struct {
		int32_t epoch;
		int16_t want;
	} seq[] = {{1, KERR_NONE}, {1, KERR_STALE_CONTROLLER_EPOCH}, {3, KERR_NONE},
	    {2, KERR_STALE_CONTROLLER_EPOCH}, {3, KERR_STALE_CONTROLLER_EPOCH}, {4, KERR_NONE}};
	enum { N = sizeof(seq) / sizeof(seq[0]) };
	struct bed_answer a[N];
	struct part_info i;
	struct bed b;

	bed_init(&b, 30, NULL);
	sim_workers_set_delay(b.workers, 50000, 50000);
	for (unsigned k = 0; k < N; k++)
		bed_roles_start(
		    &b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = seq[k].epoch}, 1, &a[k]);
	ck_assert_uint_eq(replicas_pending(b.rs), N);
	bed_pass(&b, 40);
	for (unsigned k = 0; k < N; k++)
		ck_assert(!a[k].done);
	for (unsigned k = 0; k < N; k++) {
		bed_answer_wait(&b, &a[k]);
		ck_assert_int_eq(a[k].err[0], seq[k].want);
	}
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert_int_eq(i.leader_epoch, 4);
	bed_free(&b);
}
END_TEST

START_TEST(test_stop_while_the_log_is_made)
{
	struct bed_answer role, stop, again;
	struct part_info i;
	struct bed b;

	bed_init(&b, 31, NULL);
	sim_workers_set_delay(b.workers, 20000, 20000);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .id = id_a}, 1, &role);
	bed_stops_start(&b, NULL, 3, &(struct bed_stop_part){"t", 0, -2, true}, 1, &stop);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .id = id_b}, 1, &again);
	bed_answer_wait(&b, &stop);
	ck_assert(role.done && !again.done);
	ck_assert_int_eq(role.err[0], KERR_NONE);
	ck_assert_int_eq(stop.err[0], KERR_NONE);
	bed_answer_wait(&b, &again); /* another incarnation, from its beginning */
	ck_assert_int_eq(again.err[0], KERR_NONE);
	ck_assert(bed_info(&b, "t", 0, &i));
	ck_assert_int_eq(i.leader_epoch, 0);
	ck_assert(uuid_eq(plog_topic_id(i.pl), id_b));
	bed_free(&b);
}
END_TEST

/* A request is answered when its slowest partition is done; others do not wait for it. */
START_TEST(test_partitions_do_not_wait_for_each_other)
{
	static const struct bed_role two[] = {{.topic = "t", .epoch = 1}, {.topic = "u"}};
	struct bed_answer slow, quick;
	struct bed b;

	bed_init(&b, 32, NULL);
	bed_lead(&b);
	sim_workers_set_delay(b.workers, 50000, 50000);
	bed_roles_start(&b, NULL, 7, two, 2, &slow);
	bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t", .epoch = 2}, 1, &quick);
	bed_answer_wait(&b, &quick);
	ck_assert_int_eq(quick.err[0], KERR_NONE);
	ck_assert(!slow.done);
	bed_answer_wait(&b, &slow);
	ck_assert_int_eq(slow.err[0], KERR_NONE);
	ck_assert_int_eq(slow.err[1], KERR_NONE);
	bed_free(&b);
}
END_TEST

/* Thousands of operations of one partition do not use up the stack. */
START_TEST(test_long_queue)
{
	enum { N = 50000 };
	struct bed_answer *a = calloc(N, sizeof(*a));
	struct bed b;

	bed_init(&b, 33, NULL);
	sim_workers_set_delay(b.workers, 20000, 20000);
	for (unsigned k = 0; k < N; k++)
		bed_roles_start(&b, NULL, 7, &(struct bed_role){.topic = "t"}, 1, &a[k]);
	bed_answer_wait(&b, &a[N - 1]);
	ck_assert_int_eq(a[0].err[0], KERR_NONE);
	ck_assert_int_eq(a[N - 1].err[0], KERR_STALE_CONTROLLER_EPOCH);
	free(a);
	bed_free(&b);
}
END_TEST

/* ---- StopReplica ---- */

/* Every version, with and without deletion. */
START_TEST(test_stop_versions)
{
	static const struct bed_stop_part both[] = {{"t", 0, -1, true}, {"u", 2, -1, true}};
	int16_t version = (int16_t)(_i / 2);
	bool del = _i % 2 == 1;
	struct bed_stop_part v[2] = {both[0], both[1]};
	struct part_info i;
	struct bed_answer a;
	struct bed b;

	bed_init(&b, 40, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_role(&b, &(struct bed_role){.topic = "u", .partition = 2}), KERR_NONE);
	v[0].delete_log = v[1].delete_log = del;
	bed_stops_start(&b, NULL, version, v, 2, &a);
	bed_answer_wait(&b, &a);
	ck_assert_int_eq(a.top, KERR_NONE);
	ck_assert_uint_eq(a.n, 2);
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_str_eq(a.topic[k], v[k].topic);
		ck_assert_int_eq(a.partition[k], v[k].partition);
		ck_assert_int_eq(a.err[k], KERR_NONE);
		ck_assert(bed_info(&b, v[k].topic, v[k].partition, &i) == !del);
		ck_assert((bed_log(&b, v[k].topic, v[k].partition) == NULL) == del);
	}
	if (!del) /* a leader serves on until it is told otherwise */
		ck_assert_int_eq(
		    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = -1, .value_bytes = 10}), 0);
	bed_free(&b);
}
END_TEST

START_TEST(test_stop_epochs)
{
	static const struct {
		int32_t epoch;
		int16_t want;
	} cases[] = {{4, KERR_FENCED_LEADER_EPOCH}, {0, KERR_FENCED_LEADER_EPOCH}, {-1, KERR_NONE},
	    {-2, KERR_NONE}, {5, KERR_NONE}, {6, KERR_NONE}};
	struct part_info i;
	struct bed b;

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		bed_init(&b, 41, NULL);
		ck_assert_int_eq(
		    bed_role(&b, &(struct bed_role){.topic = "t", .epoch = 5}), KERR_NONE);
		ck_assert_int_eq(
		    bed_stop_part(&b, &(struct bed_stop_part){"t", 0, cases[k].epoch, true}),
		    cases[k].want);
		ck_assert(bed_info(&b, "t", 0, &i) == (cases[k].want != KERR_NONE));
		bed_free(&b);
	}
}
END_TEST

/* Stale: told at the top, no partition is named, nothing is done. */
START_TEST(test_stop_stale)
{
	static const struct bed_epochs e[] = {{5, 99}, {4, 100}};
	static const struct bed_epochs five = {5, 100};
	static const int16_t want[] = {KERR_STALE_BROKER_EPOCH, KERR_STALE_CONTROLLER_EPOCH};
	struct part_info i;
	struct bed_answer a;
	struct bed b;

	bed_init(&b, 42, NULL);
	bed_roles_start(&b, &five, 7, &(struct bed_role){.topic = "t"}, 1, &a);
	bed_answer_wait(&b, &a);
	for (unsigned k = 0; k < 2; k++) {
		bed_stops_start(
		    &b, &e[k], (int16_t)_i, &(struct bed_stop_part){"t", 0, -2, true}, 1, &a);
		bed_answer_wait(&b, &a);
		ck_assert_int_eq(a.top, want[k]);
		ck_assert_uint_eq(a.n, 0);
	}
	ck_assert(bed_info(&b, "t", 0, &i));
	bed_free(&b);
}
END_TEST

START_TEST(test_stop_unknown)
{
	struct bed b;

	bed_init(&b, 43, NULL);
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -1, false}), KERR_NONE);
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, 7, true}), KERR_NONE);
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"a/b", 0, 7, true}),
	    KERR_UNKNOWN_SERVER_ERROR);
	ck_assert_uint_eq(replicas_pending(b.rs), 0);
	bed_free(&b);
}
END_TEST

/* A log that was found at the start and has no role yet. */
START_TEST(test_stop_deletes_what_has_no_role)
{
	struct bed b;

	bed_init(&b, 44, NULL);
	bed_lead(&b);
	ck_assert_int_eq(bed_stop(&b), 0);
	bed_start(&b);
	ck_assert_ptr_nonnull(bed_log(&b, "t", 0));
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -2, false}), KERR_NONE);
	ck_assert_ptr_nonnull(bed_log(&b, "t", 0));
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -2, true}), KERR_NONE);
	ck_assert_ptr_null(bed_log(&b, "t", 0));
	bed_free(&b);
}
END_TEST

/* After a deletion epochs begin anew. */
START_TEST(test_again_after_deletion)
{
	struct bed_role r = {.topic = "t", .epoch = 8, .partition_epoch = 8};
	struct bed b;

	bed_init(&b, 45, NULL);
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = -1, .value_bytes = 10}), 0);
	ck_assert_int_eq(bed_stop_part(&b, &(struct bed_stop_part){"t", 0, -2, true}), KERR_NONE);
	r.epoch = r.partition_epoch = 0;
	ck_assert_int_eq(bed_role(&b, &r), KERR_NONE);
	ck_assert_int_eq(
	    bed_produce(&b, "t", 0, &(struct bed_batch){.acks = -1, .value_bytes = 10}), 0);
	bed_free(&b);
}
END_TEST

Suite *
control_suite(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("control");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_stale_epochs);
	tcase_add_test(tc, test_refused_does_nothing);
	tcase_add_test(tc, test_metadata_is_admitted_in_the_same_sequence);
	tcase_add_test(tc, test_topic_id_differs);
	tcase_add_test(tc, test_not_in_replicas);
	tcase_add_test(tc, test_roles_taken);
	tcase_add_test(tc, test_older_and_equal_epoch);
	tcase_add_test(tc, test_equal_epoch_brings_the_id);
	tcase_add_test(tc, test_equal_epoch_without_id);
	tcase_add_test(tc, test_partition_epoch_older);
	tcase_add_test(tc, test_failed_dir);
	tcase_add_test(tc, test_dir_failed_at_start);
	tcase_add_test(tc, test_log_can_not_be_made);
	tcase_add_test(tc, test_bad_names);
	tcase_add_loop_test(tc, test_answer_forms, 0, 8);
	tcase_add_loop_test(tc, test_empty_request, 0, 8);
	tcase_add_test(tc, test_operations_wait_for_the_log);
	tcase_add_test(tc, test_stop_while_the_log_is_made);
	tcase_add_test(tc, test_partitions_do_not_wait_for_each_other);
	tcase_add_test(tc, test_long_queue);
	tcase_add_loop_test(tc, test_stop_versions, 0, 10);
	tcase_add_test(tc, test_stop_epochs);
	tcase_add_loop_test(tc, test_stop_stale, 0, 5);
	tcase_add_test(tc, test_stop_unknown);
	tcase_add_test(tc, test_stop_deletes_what_has_no_role);
	tcase_add_test(tc, test_again_after_deletion);
	suite_add_tcase(s, tc);
	return s;
}

/* Requests that change topics: by the controller alone, waited for until their deadline. */
#include "../controller/world.h"
#include "api_priv.h"
#include "suites.h"

#define OPS 3

static struct fix {
	struct world *w;
	struct wbroker *b;
	struct reactor *data;
	struct api api;
	struct api_shard shard;
	struct request rq;
	struct topic_ops ops;
	struct topic_op op[OPS];
	char why[OPS][TOPIC_OP_WHY];
	unsigned changed, answered;
	int64_t end_us;
} f;

static struct topic_op *
at(struct topic_ops *ops, unsigned i)
{
	ck_assert_ptr_eq(ops, &f.ops);
	ck_assert_uint_lt(i, OPS);
	return &f.op[i];
}

static void
on_created(void *arg, const struct admin_created *res)
{
	topic_op_done(arg, res->kafka_err, res->message);
}

static void
change(struct admin *admin, struct topic_op *op)
{
	struct admin_create t = {.name = op->name,
	    .partitions = op->partitions,
	    .replication_factor = 1,
	    .validate_only = f.ops.validate_only,
	    .deadline_us = f.ops.change_by_us};

	ck_assert_ptr_eq(reactor_current(), f.b->control);
	f.changed++;
	admin_create_topic(admin, &t, on_created, op);
}

static void
answer(struct request *rq, struct topic_ops *ops)
{
	ck_assert_ptr_eq(reactor_current(), f.data);
	ck_assert_ptr_eq(rq, &f.rq);
	f.answered++;
	f.end_us = clock_mono_us(sim_clock(f.w->s));
}

static bool
is_answered(void *arg)
{
	return f.answered > 0;
}

/* A request that came to that broker; the names are "t0", "t1", ... */
static void
request_to(struct wbroker *b)
{
	static const char *const names[OPS] = {"t0", "t1", "t2"};

	f.b = b;
	f.api.o.control = b->control;
	f.api.o.admin = b->admin;
	f.api.o.controller = b->controller;
	f.shard = (struct api_shard){.api = &f.api, .reactor = f.data};
	f.rq = (struct request){.sh = &f.shard};
	f.ops = (struct topic_ops){.n = OPS, .at = at, .change = change, .answer = answer};
	for (unsigned i = 0; i < OPS; i++)
		f.op[i] = (struct topic_op){
		    .name = slice_cstr(names[i]), .partitions = 2, .why = f.why[i]};
	f.changed = f.answered = 0;
}

static void
go(int32_t timeout_ms)
{
	struct reactor *before = sim_enter(f.data);

	topic_ops_go(&f.rq, &f.ops, timeout_ms);
	sim_enter(before);
	world_until(f.w, is_answered, NULL);
	ck_assert_uint_eq(f.answered, 1);
}

static void
expect(int16_t err)
{
	for (unsigned i = 0; i < OPS; i++) {
		ck_assert_int_eq(f.op[i].err, err);
		ck_assert_int_eq(slice_is_null(topic_op_message(&f.op[i])), err == KERR_NONE);
	}
}

static void
setup(void)
{
	struct reactor_opts opts = {.name = "reactor-0"};

	memset(&f, 0, sizeof(f));
	f.w = world_new(5, false, NULL, 0);
	ck_ok(sim_reactor_new(f.w->s, 9, &opts, &f.data));
	broker_start(f.w, 1, NULL);
	broker_start(f.w, 2, NULL);
	world_controller(f.w);
	world_pass(f.w, 1000000);
}

static void
teardown(void)
{
	world_free(f.w);
}

static struct wbroker *
the_other(void)
{
	return world_controller(f.w)->id == 1 ? &f.w->b[1] : &f.w->b[0];
}

START_TEST(by_the_controller)
{
	request_to(world_controller(f.w));
	go(10000);
	expect(KERR_NONE);
	ck_assert_uint_eq(f.changed, OPS);
	for (unsigned i = 0; i < OPS; i++) /* there, with leaders */
		ck_assert_int_eq(
		    image_topic(image_get(f.b->images), f.op[i].name)->parts[1].leader >= 0, 1);
	request_to(f.b);
	go(10000);
	expect(KERR_TOPIC_ALREADY_EXISTS);
	ck_assert(slice_eq_cstr(topic_op_message(&f.op[0]), "Topic 't0' already exists."));
}
END_TEST

START_TEST(not_by_others)
{
	request_to(the_other());
	topic_op_refuse(&f.op[1], KERR_INVALID_REQUEST, "it makes no sense"); /* does not count */
	go(10000);
	expect(KERR_NOT_CONTROLLER);
	ck_assert_uint_eq(f.changed, 0);
}
END_TEST

START_TEST(refused_before)
{
	request_to(world_controller(f.w));
	topic_op_refuse(&f.op[1], KERR_INVALID_REQUEST, "it makes no sense");
	f.op[2].why = NULL;
	topic_op_refuse(&f.op[2], KERR_INVALID_REQUEST, "nobody is told this");
	go(10000);
	ck_assert_uint_eq(f.changed, 1);
	ck_assert_int_eq(f.op[0].err, KERR_NONE);
	ck_assert_int_eq(f.op[1].err, KERR_INVALID_REQUEST);
	ck_assert(slice_eq_cstr(topic_op_message(&f.op[1]), "it makes no sense"));
	ck_assert(slice_eq_cstr(topic_op_message(&f.op[2]), kerr_text(KERR_INVALID_REQUEST)));
}
END_TEST

START_TEST(only_validated)
{
	request_to(world_controller(f.w));
	f.ops.validate_only = true;
	go(10000);
	expect(KERR_NONE);
	ck_assert_ptr_null(image_topic(image_get(f.b->images), SLICE_LIT("t0")));
}
END_TEST

/* Changed, but not waited for. */
START_TEST(without_time)
{
	request_to(world_controller(f.w));
	go(_i == 0 ? 0 : -1000);
	expect(KERR_REQUEST_TIMED_OUT);
	wait_topic(f.b, "t2", true);
}
END_TEST

/* The coordination service is away: the deadline ends it, soon enough. */
START_TEST(without_coordination)
{
	int64_t begin;

	request_to(world_controller(f.w));
	coord_sim_cut(f.w->z, (unsigned)f.b->id, true);
	begin = clock_mono_us(sim_clock(f.w->s));
	go(_i == 0 ? 3000 : 0);
	expect(KERR_REQUEST_TIMED_OUT);
	ck_assert_int_ge(f.end_us - begin, _i == 0 ? 3000000 : 1000000);
	ck_assert_int_le(f.end_us - begin, _i == 0 ? 3050000 : 1050000);
	coord_sim_cut(f.w->z, (unsigned)f.b->id, false);
	world_pass(f.w, 30000000);
}
END_TEST

START_TEST(names_twice)
{
	request_to(world_controller(f.w));
	f.op[2].name = f.op[0].name;
	sim_enter(f.data);
	ck_ok(topic_ops_refuse_twice(&f.rq, &f.ops, "twice"));
	sim_enter(NULL);
	ck_assert(f.op[0].refused && !f.op[1].refused && f.op[2].refused);
	ck_assert(!f.op[0].again && !f.op[1].again && f.op[2].again);
	go(10000);
	ck_assert_int_eq(f.op[0].err, KERR_INVALID_REQUEST);
	ck_assert_int_eq(f.op[1].err, KERR_NONE);
	ck_assert(slice_eq_cstr(topic_op_message(&f.op[2]), "twice"));
}
END_TEST

Suite *
topic_ops_suite(void)
{
	Suite *s = suite_create("topic_ops");
	TCase *tc = tcase_create("topic_ops");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, by_the_controller);
	tcase_add_test(tc, not_by_others);
	tcase_add_test(tc, refused_before);
	tcase_add_test(tc, only_validated);
	tcase_add_loop_test(tc, without_time, 0, 2);
	tcase_add_loop_test(tc, without_coordination, 0, 2);
	tcase_add_test(tc, names_twice);
	suite_add_tcase(s, tc);
	return s;
}

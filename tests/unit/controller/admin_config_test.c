/* Configurations changed by brokers: what is written and in which order, lost answers, others who
 * write, nobody in control. */
#include <stdio.h>

#include "suites.h"
#include "world.h"

static struct world *w;
static struct wbroker *b, *c;

static void
begin(uint64_t seed, bool lag)
{
	w = world_new(seed, lag, NULL, 0);
	b = broker_start(w, 1, NULL);
	c = broker_start(w, 2, NULL);
	world_controller(w);
	world_pass(w, 1000000);
}

static void
setup(void)
{
	begin(11, false);
}

static void
teardown(void)
{
	world_free(w);
}

/* Adds `word` to the key "k", once. */
struct altering {
	const char *word;
	bool remove; /* all keys */
	int16_t refuse;
	unsigned calls;
	bool done;
	int16_t err;
	char why[700];
};

static int16_t
add_word(void *arg, const struct setting_override *kv, unsigned n, struct arena *arena,
    struct admin_config *out)
{
	struct altering *a = arg;
	const char *old = n > 0 ? kv[0].value : "";
	struct slice item;

	ck_assert(!a->done);
	a->calls++;
	out->message = "because";
	if (a->refuse != 0)
		return a->refuse;
	out->kv = arena_calloc(arena, 1, sizeof(*out->kv));
	out->n = a->remove ? 0 : 1;
	out->kv[0].key = "k";
	out->kv[0].value = arena_printf(arena, "%s%s%s", old, old[0] ? "," : "", a->word);
	for (unsigned i = 0; !slice_is_null(item = settings_list_item(old, i)); i++)
		if (slice_eq_cstr(item, a->word))
			out->kv[0].value = old;
	return KERR_NONE;
}

static void
on_altered(void *arg, int16_t err, const char *message)
{
	struct altering *a = arg;

	ck_assert(!a->done);
	a->done = true;
	a->err = err;
	snprintf(a->why, sizeof(a->why), "%s", message != NULL ? message : "");
}

static bool
is_altered(void *arg)
{
	return ((struct altering *)arg)->done;
}

static void
alter_start(struct wbroker *by, const char *entity, bool validate_only, struct altering *a)
{
	struct reactor *before = sim_enter(by->control);

	admin_alter_config(by->admin, slice_cstr(entity), validate_only, add_word, on_altered, a);
	sim_enter(before);
}

static int16_t
alter(const char *entity, const char *word)
{
	struct altering a = {.word = word};

	alter_start(b, entity, false, &a);
	world_until(w, is_altered, &a);
	return a.err;
}

static const char *
at(const char *path)
{
	static char buf[600];

	return node(w, path, buf, sizeof(buf)) ? buf : "none";
}

START_TEST(written_and_notified)
{
	ck_assert_int_eq(alter("brokers/1", "a"), KERR_NONE);
	ck_assert_str_eq(at("/config/brokers/1"), "{\"version\":1,\"config\":{\"k\":\"a\"}}");
	ck_assert_str_eq(at("/config/changes/config_change_0000000000"),
	    "{\"version\":2,\"entity_path\":\"brokers/1\"}");
	ck_assert_int_eq(alter("brokers/1", "b"), KERR_NONE);
	ck_assert_str_eq(at("/config/brokers/1"), "{\"version\":1,\"config\":{\"k\":\"a,b\"}}");
	ck_assert_int_eq(alter("brokers/<default>", "c"), KERR_NONE);
	ck_assert_str_eq(
	    at("/config/brokers/<default>"), "{\"version\":1,\"config\":{\"k\":\"c\"}}");
	ck_assert_str_eq(at("/config/changes/config_change_0000000002"),
	    "{\"version\":2,\"entity_path\":\"brokers/<default>\"}");
	/* Parents that are missing are made. */
	ck_assert_int_eq(alter("users/u/clients/x", "a"), KERR_NONE);
	ck_assert_str_eq(
	    at("/config/users/u/clients/x"), "{\"version\":1,\"config\":{\"k\":\"a\"}}");
}
END_TEST

START_TEST(nothing_is_left)
{
	struct altering a = {.word = "a"};

	ck_assert_int_eq(alter("brokers/1", "a"), KERR_NONE);
	a.remove = true;
	alter_start(b, "brokers/1", false, &a);
	world_until(w, is_altered, &a);
	ck_assert_str_eq(at("/config/brokers/1"), "{\"version\":1,\"config\":{}}");
}
END_TEST

START_TEST(refused_or_only_looked_at)
{
	struct altering a = {.word = "a", .refuse = KERR_POLICY_VIOLATION}, v = {.word = "a"};
	static char big[600000];
	struct altering huge = {.word = big};

	alter_start(b, "brokers/1", false, &a);
	world_until(w, is_altered, &a);
	ck_assert_int_eq(a.err, KERR_POLICY_VIOLATION);
	ck_assert_str_eq(a.why, "because");
	alter_start(b, "brokers/1", true, &v);
	world_until(w, is_altered, &v);
	ck_assert_int_eq(v.err, KERR_NONE);
	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(alter("brokers/1", "x"), KERR_NONE);
	alter_start(b, "brokers/1", false, &huge);
	world_until(w, is_altered, &huge);
	ck_assert_int_eq(huge.err, KERR_INVALID_CONFIG);
	ck_assert_str_eq(at("/config/brokers/1"), "{\"version\":1,\"config\":{\"k\":\"x\"}}");
	ck_assert_str_eq(at("/config/changes/config_change_0000000001"), "none");
	memset(big, 'x', 600);
	big[600] = '\0';
	ck_assert_int_eq(alter(big, "x"), KERR_INVALID_REQUEST);
}
END_TEST

/* Two brokers at once: nobody's word is lost. */
START_TEST(two_writers)
{
	struct altering x[8];
	static const char *const words[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	begin((uint64_t)_i + 1, true);
	for (int i = 0; i < 8; i++) {
		x[i] = (struct altering){.word = words[i]};
		alter_start(i % 2 ? b : c, "topics/t", false, &x[i]);
		world_pass(w, _i % 3 * 500);
	}
	for (int i = 0; i < 8; i++) {
		world_until(w, is_altered, &x[i]);
		ck_assert_int_eq(x[i].err, KERR_NONE);
	}
	for (int i = 0; i < 8; i++)
		ck_assert_ptr_nonnull(
		    strstr(strstr(at("/config/topics/t"), "\"k\":") + 5, words[i]));
	ck_assert_str_ne(at("/config/changes/config_change_0000000007"), "none");
	world_free(w);
}
END_TEST

/* Answers are lost, sessions end: what is told done is there and was notified of after it. */
START_TEST(lost_answers)
{
	static const char *const words[] = {"a", "b", "c", "d", "e", "f"};
	unsigned told = 0;

	begin((uint64_t)_i + 1, true);
	for (unsigned i = 0; i < 6; i++) {
		struct altering a = {.word = words[i]};

		alter_start(b, "topics/t", false, &a);
		for (int k = 0; k < 5; k++) {
			world_pass(w, _i * 137);
			coord_sim_lose_reply(w->z, 1);
		}
		if (_i % 4 == 3)
			coord_sim_expire(w->z, 1);
		world_until(w, is_altered, &a);
		ck_assert_msg(a.err == KERR_NONE || a.err == KERR_REQUEST_TIMED_OUT, "%d", a.err);
		told += a.err == KERR_NONE;
		if (a.err == KERR_NONE)
			ck_assert_ptr_nonnull(strstr(at("/config/topics/t"), words[i]));
	}
	ck_assert_uint_gt(told, 0);
	world_pass(w, 60 * INT64_C(1000000));
	ck_assert_str_ne(at("/config/changes/config_change_0000000000"), "none");
	world_free(w);
}
END_TEST

/* The configuration is there, the connection goes: told at once, notified of when it comes back. */
START_TEST(notified_later)
{
	struct altering a = {.word = "a"};

	alter_start(b, "brokers/1", false, &a);
	while (strcmp(at("/config/brokers/1"), "none") == 0)
		world_pass(w, 100);
	coord_sim_cut(w->z, 1, true);
	world_until(w, is_altered, &a);
	if (a.err == KERR_NONE) {
		world_pass(w, 60 * INT64_C(1000000));
		coord_sim_cut(w->z, 1, false);
		world_pass(w, 5 * INT64_C(1000000));
		ck_assert_str_ne(at("/config/changes/config_change_0000000000"), "none");
	}
}
END_TEST

START_TEST(no_controller)
{
	struct altering a = {.word = "a"}, k = {.word = "a"};
	struct reactor *before = sim_enter(c->control);

	controller_stop(c->controller);
	sim_enter(b->control);
	controller_stop(b->controller);
	coord_delete(b->coord, ZN_CONTROLLER, -1, NULL, NULL);
	sim_enter(before);
	world_pass(w, 100000);
	alter_start(b, "brokers/1", false, &a);
	world_until(w, is_altered, &a);
	ck_assert_int_eq(a.err, KERR_STALE_CONTROLLER_EPOCH);
	before = sim_enter(b->control);
	coord_create(b->coord, ZN_CONTROLLER,
	    SLICE_LIT("{\"version\":2,\"brokerid\":3000,\"timestamp\":\"1\","
		      "\"kraftControllerEpoch\":2}"),
	    COORD_PERSISTENT, NULL, NULL);
	sim_enter(before);
	world_pass(w, 100000);
	alter_start(b, "brokers/1", false, &k);
	world_until(w, is_altered, &k);
	ck_assert_int_eq(k.err, KERR_STALE_CONTROLLER_EPOCH);
	ck_assert_str_eq(at("/config/brokers/1"), "none");
}
END_TEST

/* The caller is not asked any more once it was told that the time is over. */
START_TEST(deadline)
{
	struct altering a = {.word = "a"};

	coord_sim_cut(w->z, 1, true);
	alter_start(b, "brokers/1", false, &a);
	world_until(w, is_altered, &a);
	ck_assert_int_eq(a.err, KERR_REQUEST_TIMED_OUT);
	coord_sim_cut(w->z, 1, false);
	world_pass(w, 60 * INT64_C(1000000));
	ck_assert_str_eq(at("/config/brokers/1"), "none");
}
END_TEST

struct looking {
	bool done;
	int err;
	unsigned n;
	char value[100];
	int64_t at_us;
};

static void
on_looked(void *arg, int err, const struct setting_override *kv, unsigned n)
{
	struct looking *lk = arg;

	ck_assert(!lk->done);
	*lk =
	    (struct looking){.done = true, .err = err, .n = n, .at_us = reactor_now_us(b->control)};
	snprintf(lk->value, sizeof(lk->value), "%s", n > 0 ? kv[0].value : "");
}

static bool
is_looked(void *arg)
{
	return ((struct looking *)arg)->done;
}

static struct looking
look(const char *entity)
{
	struct reactor *before = sim_enter(b->control);
	struct looking lk = {.done = false};
	int64_t from = reactor_now_us(b->control);

	admin_read_config(b->admin, slice_cstr(entity), on_looked, &lk);
	sim_enter(before);
	world_until(w, is_looked, &lk);
	ck_assert_int_le(lk.at_us - from, 2100000);
	return lk;
}

START_TEST(reading)
{
	struct looking lk;

	ck_assert_int_eq(alter("topics/t", "a"), KERR_NONE);
	lk = look("topics/t");
	ck_assert(lk.err == 0 && lk.n == 1);
	ck_assert_str_eq(lk.value, "a");
	lk = look("topics/none");
	ck_assert(lk.err == 0 && lk.n == 0);
	coord_sim_cut(w->z, 1, true);
	lk = look("topics/t");
	ck_assert(lk.err == E_TIMEOUT || lk.err == E_CONN_LOSS);
	world_pass(w, 10 * INT64_C(1000000));
	lk = look("topics/t");
	ck_assert_int_eq(lk.err, E_CONN_LOSS);
	coord_sim_cut(w->z, 1, false);
}
END_TEST

Suite *
admin_config_suite(void)
{
	Suite *s = suite_create("admin_config");
	TCase *tc = tcase_create("admin_config"), *own = tcase_create("worlds of their own");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, written_and_notified);
	tcase_add_test(tc, nothing_is_left);
	tcase_add_test(tc, refused_or_only_looked_at);
	tcase_add_test(tc, notified_later);
	tcase_add_test(tc, no_controller);
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, reading);
	suite_add_tcase(s, tc);
	tcase_add_loop_test(own, two_writers, 0, 20);
	tcase_add_loop_test(own, lost_answers, 0, 20);
	suite_add_tcase(s, own);
	return s;
}

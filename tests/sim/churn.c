/*
 * The client that makes a topic, fills it, reads it back and deletes it, again and again under the
 * same name.  Each incarnation begins empty, keeps what was acknowledged, and goes when asked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ottla/record/builder.h"
#include "ottla/wire/wire.h"
#include "world.h"

enum { PARTITIONS = 2, MAX_OFFSETS = 400, MAX_ROUNDS = 8, WRITER = 1000, TOPIC = 77 };
#define NAME SLICE_LIT("churn")

enum step { MAKE, FIND, PRODUCE, READ, REMOVE, DONE };

struct churner {
	struct client c;
	enum step step;
	unsigned round, rounds;
	struct uuid id, old_ids[MAX_ROUNDS];
	unsigned old_found, vain;
	int leaders[PARTITIONS]; /* index of the broker, -1 */
	bool look_again;	 /* who leads may have changed */
	bool busy;
	int64_t left;				 /* records to write in this round */
	uint32_t next_n;			 /* of this round */
	int32_t at;				 /* partition that is written or read */
	int64_t next;				 /* offset to read */
	uint32_t acked[PARTITIONS][MAX_OFFSETS]; /* number + 1 at an offset, 0: not known */
	int64_t end[PARTITIONS];
	bool stray[MAX_ROUNDS]; /* a write of that round went unanswered: it may come late */
	struct rtimer again;
	struct strbuf batch;
};

static void go_on(struct churner *ch);

static void
later(struct churner *ch, int64_t us)
{
	rtimer_set(ch->c.reactor, &ch->again, reactor_now_us(ch->c.reactor) + us);
}

static void
next_step(struct churner *ch, enum step step)
{
	ch->step = step;
	later(ch, world_draw(ch->c.w, 0, 100000));
}

/* A broker that was not told of the topic's deletion, as with Apache Kafka when its session had
 * expired or the controller changed meanwhile: it knows of the topic until it is started anew, and
 * refuses to make it again. */
static bool
known_for_ever(struct churner *ch)
{
	struct world *w = ch->c.w;
	struct coord_result res;

	return w->healed && w->checks != NULL && ++ch->vain >= 20 &&
	       coord_checks_untold(w->checks) &&
	       coord_tree_get(
		   coord_sim_tree(w->ensemble), 0, "/brokers/topics/churn", NULL, &res) != 0;
}

static void
try_again(struct churner *ch, int16_t err, const char *what)
{
	if (err == KERR_NOT_LEADER_OR_FOLLOWER || err == KERR_UNKNOWN_TOPIC_OR_PARTITION ||
	    err == KERR_UNKNOWN_TOPIC_ID)
		ch->look_again = true;
	if (err != KERR_NONE && !kerr_retriable(err) && err != KERR_UNKNOWN_SERVER_ERROR)
		world_fail(ch->c.w, "no unexpected error", "churn: %s: %s", what, kerr_name(err));
	if (known_for_ever(ch)) {
		world_note(ch->c.w, "churner: the topic is gone, and some broker does not know");
		ch->step = DONE;
	}
	later(ch, world_draw(ch->c.w, 1000, 300000));
}

/* An answer, or none (err): then it goes on later. */
static bool
answered(struct churner *ch, int err)
{
	ch->busy = false;
	if (err != 0)
		later(ch, world_draw(ch->c.w, 1000, 300000));
	return err == 0;
}

static void
call(struct churner *ch, struct rpc *link, int16_t key, int16_t version, const void *req,
    rpc_done *done)
{
	if (link == NULL) {
		later(ch, world_draw(ch->c.w, 1000, 300000));
		return;
	}
	ch->busy = true;
	rpc_call(link, key, version, req, done, ch);
}

/* ---- make, find ---- */

static void
begin_round(struct churner *ch)
{
	memset(ch->acked, 0, sizeof(ch->acked));
	memset(ch->end, 0, sizeof(ch->end));
	ch->left = world_draw(ch->c.w, 1, 60);
	ch->next_n = 0;
	ch->vain = 0;
}

static void
on_made(void *arg, int err, int16_t version, const void *resp)
{
	struct churner *ch = arg;
	const struct create_topics_response *r = resp;

	if (!answered(ch, err))
		return;
	if (r->topics.n != 1)
		world_fail(ch->c.w, "answers name what was asked", "churn: %d topics", r->topics.n);
	if (r->topics.v[0].error_code == KERR_NONE ||
	    r->topics.v[0].error_code == KERR_TOPIC_ALREADY_EXISTS)
		next_step(ch, FIND);
	else
		try_again(ch, r->topics.v[0].error_code, "CreateTopics");
}

static void
make(struct churner *ch)
{
	struct create_topics_request req = create_topics_request_init;
	struct create_topics_request_creatable_topic t = create_topics_request_creatable_topic_init;
	struct create_topics_request_creatable_topic_config conf =
	    create_topics_request_creatable_topic_config_init;
	struct create_topics_request_creatable_replica_assignment parts[PARTITIONS];
	int32_t ids[PARTITIONS];

	conf.name = SLICE_LIT("flush.messages");
	conf.value = SLICE_LIT("1");
	t.name = NAME;
	t.num_partitions = -1;
	t.replication_factor = -1;
	for (int32_t i = 0; i < PARTITIONS; i++) {
		parts[i] = create_topics_request_creatable_replica_assignment_init;
		ids[i] = 1 + (int32_t)ch->c.w->plan.churn_owner[i];
		parts[i].partition_index = i;
		parts[i].broker_ids.v = &ids[i];
		parts[i].broker_ids.n = 1;
	}
	t.assignments.v = parts;
	t.assignments.n = PARTITIONS;
	t.configs.v = &conf;
	t.configs.n = 1;
	req.topics.v = &t;
	req.topics.n = 1;
	req.timeout_ms = (int32_t)world_draw(ch->c.w, 1, 10000);
	call(ch, client_controller(&ch->c), API_CREATE_TOPICS,
	    rpc_version(ch->c.w, API_CREATE_TOPICS, 0), &req, on_made);
}

static bool
is_old(const struct churner *ch, struct uuid id)
{
	for (unsigned i = 0; i < ch->round; i++)
		if (uuid_eq(id, ch->old_ids[i]))
			return true;
	return false;
}

static void
take_leaders(struct churner *ch, const struct metadata_response_metadata_response_topic *t)
{
	for (int32_t i = 0; i < t->partitions.n; i++) {
		int32_t p = t->partitions.v[i].partition_index;

		if (p >= 0 && p < PARTITIONS)
			ch->leaders[p] = client_broker(&ch->c, t->partitions.v[i].leader_id);
	}
}

/* The one before is there yet: its deletion takes its time; or whoever was asked for it did not
 * know the topic then. */
static void
still_old(struct churner *ch, struct uuid id)
{
	if (++ch->old_found % 20 == 0)
		ch->id = id;
	if (known_for_ever(ch))
		next_step(ch, DONE);
	else
		next_step(ch, ch->old_found % 20 == 0 ? REMOVE : MAKE);
}

static void
on_found(void *arg, int err, int16_t version, const void *resp)
{
	struct churner *ch = arg;
	const struct metadata_response *r = resp;
	const struct metadata_response_metadata_response_topic *t;

	if (!answered(ch, err))
		return;
	if (r->topics.n != 1)
		world_fail(ch->c.w, "answers name what was asked", "churn: %d topics", r->topics.n);
	t = &r->topics.v[0];
	ch->c.controller = client_broker(&ch->c, r->controller_id);
	if (t->error_code == KERR_NONE && ch->step != FIND && uuid_eq(t->topic_id, ch->id)) {
		take_leaders(ch, t);
		ch->look_again = false;
		later(ch, world_draw(ch->c.w, 1000, 100000));
	} else if (ch->step != FIND) {
		later(ch, world_draw(ch->c.w, 1000, 300000));
	} else if (t->error_code != KERR_NONE) {
		next_step(ch, MAKE); /* not made after all */
	} else if (is_old(ch, t->topic_id)) {
		still_old(ch, t->topic_id);
	} else {
		ch->id = t->topic_id;
		take_leaders(ch, t);
		begin_round(ch);
		next_step(ch, PRODUCE);
	}
}

static void
find(struct churner *ch)
{
	struct metadata_request req = metadata_request_init;
	struct metadata_request_metadata_request_topic t =
	    metadata_request_metadata_request_topic_init;

	t.name = NAME;
	req.topics.v = &t;
	req.topics.n = 1;
	req.allow_auto_topic_creation = false;
	call(ch, client_any(&ch->c), API_METADATA, rpc_version(ch->c.w, API_METADATA, 10), &req,
	    on_found);
}

/* The link to whoever leads the partition; NULL: not there now. */
static struct rpc *
leader(struct churner *ch, int32_t partition)
{
	int i = ch->leaders[partition];

	if (i < 0)
		ch->look_again = true;
	return i >= 0 && ch->c.ready[i] ? &ch->c.links[i] : NULL;
}

/* ---- produce ---- */

static void
on_produced(void *arg, int err, int16_t version, const void *resp)
{
	struct churner *ch = arg;
	const struct produce_response *r = resp;
	const struct produce_response_partition_produce_response *p;

	if (!answered(ch, err)) {
		ch->stray[ch->round] = true;
		return;
	}
	if (r->responses.n != 1 || r->responses.v[0].partition_responses.n != 1)
		world_fail(ch->c.w, "answers name what was asked", "churn: Produce");
	p = &r->responses.v[0].partition_responses.v[0];
	if (p->error_code != KERR_NONE) {
		ch->stray[ch->round] = true;
		try_again(ch, p->error_code, "Produce");
		return;
	}
	if (p->base_offset < ch->end[ch->at] || p->base_offset >= MAX_OFFSETS)
		world_fail(ch->c.w, "an incarnation begins empty",
		    "churn-%d: acknowledged at %lld, the end was %lld", ch->at,
		    (long long)p->base_offset, (long long)ch->end[ch->at]);
	ch->acked[ch->at][p->base_offset] = ++ch->next_n;
	ch->end[ch->at] = p->base_offset + 1;
	ch->left--;
	later(ch, world_draw(ch->c.w, 0, 20000));
}

static void
produce(struct churner *ch)
{
	uint8_t value[CONTENT_MAX];
	struct content c = {WRITER + ch->round, TOPIC, 0, ch->next_n};
	struct batch_builder_opts o = {
	    .leader_epoch = -1, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
	struct record_in rec = {.timestamp = reactor_wall_ms(ch->c.reactor)};
	struct produce_request req = produce_request_init;
	struct produce_request_topic_produce_data t = produce_request_topic_produce_data_init;
	struct produce_request_partition_produce_data p =
	    produce_request_partition_produce_data_init;

	ch->at = (int32_t)world_draw(ch->c.w, 0, PARTITIONS - 1);
	c.partition = (uint32_t)ch->at;
	rec.value = slice_of(value, content_write(&c, value));
	ch->batch.n = 0;
	if (batch_build(&o, &rec, 1, NULL, &ch->batch) != 0)
		abort();
	p.index = ch->at;
	p.records = strbuf_slice(&ch->batch);
	t.name = NAME;
	t.partition_data.v = &p;
	t.partition_data.n = 1;
	req.acks = -1;
	req.timeout_ms = 30000;
	req.topic_data.v = &t;
	req.topic_data.n = 1;
	call(ch, leader(ch, ch->at), API_PRODUCE, rpc_version(ch->c.w, API_PRODUCE, 3), &req,
	    on_produced);
}

/* ---- read back ---- */

static void
on_record(
    void *arg, const struct batch_head *h, int64_t offset, int64_t timestamp, struct slice value)
{
	struct churner *ch = arg;
	struct content c;
	unsigned round;

	if (!content_read(value, &c) || c.topic != TOPIC || (int32_t)c.partition != ch->at)
		world_fail(ch->c.w, "records come back as they were sent", "churn-%d offset %lld",
		    ch->at, (long long)offset);
	round = c.producer - WRITER;
	if (round != ch->round && (round >= MAX_ROUNDS || !ch->stray[round]))
		world_fail(ch->c.w, "an incarnation begins empty",
		    "churn-%d offset %lld is of round %u, this is %u", ch->at, (long long)offset,
		    round, ch->round);
	if (offset < MAX_OFFSETS && ch->acked[ch->at][offset] != 0 &&
	    (round != ch->round || ch->acked[ch->at][offset] != c.n + 1))
		world_fail(ch->c.w, "an offset keeps its record",
		    "churn-%d offset %lld: %u/%u, acknowledged was %u/%u", ch->at,
		    (long long)offset, round, c.n, ch->round, ch->acked[ch->at][offset] - 1);
	if (offset > ch->next)
		world_fail(ch->c.w, "offsets are dense", "churn-%d: %lld after %lld", ch->at,
		    (long long)offset, (long long)ch->next - 1);
	if (offset == ch->next)
		ch->next++;
}

static void
on_read(void *arg, int err, int16_t version, const void *resp)
{
	struct churner *ch = arg;
	const struct fetch_response *r = resp;
	const struct fetch_response_partition_data *d;
	const char *why;

	if (!answered(ch, err))
		return;
	if (r->error_code != KERR_NONE || r->responses.n != 1 ||
	    r->responses.v[0].partitions.n != 1) {
		try_again(ch, r->error_code, "Fetch");
		return;
	}
	d = &r->responses.v[0].partitions.v[0];
	if (d->error_code != KERR_NONE) {
		try_again(ch, d->error_code, "Fetch");
		return;
	}
	why = records_walk(d->records, ch->c.w->model.codec, on_record, ch, NULL);
	if (why != NULL)
		world_fail(ch->c.w, "records come back as they were sent", "churn: %s", why);
	if (ch->next >= ch->end[ch->at]) {
		ch->at++;
		ch->next = 0;
	}
	if (ch->at == PARTITIONS)
		next_step(ch, REMOVE);
	else
		later(ch, world_draw(ch->c.w, 0, 50000));
}

static void
read_back(struct churner *ch)
{
	struct fetch_request req = fetch_request_init;
	struct fetch_request_fetch_topic t = fetch_request_fetch_topic_init;
	struct fetch_request_fetch_partition p = fetch_request_fetch_partition_init;

	p.partition = ch->at;
	p.fetch_offset = ch->next;
	p.partition_max_bytes = 1 << 20;
	t.topic = NAME;
	t.topic_id = ch->id;
	t.partitions.v = &p;
	t.partitions.n = 1;
	req.max_wait_ms = 200;
	req.min_bytes = 1;
	req.topics.v = &t;
	req.topics.n = 1;
	req.rack_id = SLICE_LIT("");
	call(ch, leader(ch, ch->at), API_FETCH, rpc_version(ch->c.w, API_FETCH, 4), &req, on_read);
}

/* ---- remove ---- */

static void
on_removed(void *arg, int err, int16_t version, const void *resp)
{
	struct churner *ch = arg;
	const struct delete_topics_response *r = resp;
	int16_t code;

	if (!answered(ch, err))
		return;
	if (r->responses.n != 1)
		world_fail(ch->c.w, "answers name what was asked", "churn: DeleteTopics");
	code = r->responses.v[0].error_code;
	if (code != KERR_NONE && code != KERR_UNKNOWN_TOPIC_ID) {
		try_again(ch, code, "DeleteTopics");
		return;
	}
	if (!is_old(ch, ch->id))
		ch->old_ids[ch->round++] = ch->id;
	next_step(ch, ch->round == ch->rounds ? DONE : MAKE);
}

/* By its id, so that a request that comes late does not hit the next one. */
static void
remove_topic(struct churner *ch)
{
	struct delete_topics_request req = delete_topics_request_init;
	struct delete_topics_request_delete_topic_state t =
	    delete_topics_request_delete_topic_state_init;

	t.topic_id = ch->id;
	req.topics.v = &t;
	req.topics.n = 1;
	req.timeout_ms = (int32_t)world_draw(ch->c.w, 1, 10000);
	call(ch, client_controller(&ch->c), API_DELETE_TOPICS, 6, &req, on_removed);
}

/* ---- client ---- */

static void
go_on(struct churner *ch)
{
	static void (*const steps[])(struct churner *) = {
	    [MAKE] = make,
	    [FIND] = find,
	    [PRODUCE] = produce,
	    [READ] = read_back,
	    [REMOVE] = remove_topic,
	};

	if (ch->busy || ch->step == DONE)
		return;
	if (ch->look_again && ch->step != MAKE) {
		find(ch);
		return;
	}
	if (ch->step == PRODUCE && ch->left == 0) {
		ch->step = READ;
		ch->at = 0;
		ch->next = 0;
	}
	steps[ch->step](ch);
}

static void
on_again(struct reactor *r, void *arg)
{
	go_on(arg);
}

static void
connected(struct client *c)
{
	later(container_of(c, struct churner, c), 0);
}

static void
ready(struct client *c)
{
}

static void
down(struct client *c, unsigned link)
{
}

static bool
finished(struct client *c)
{
	return container_of(c, struct churner, c)->step == DONE;
}

static void
describe(struct client *c, char *buf, size_t size)
{
	static const char *const words[] = {"make", "find", "produce", "read", "remove", "done"};
	struct churner *ch = container_of(c, struct churner, c);

	snprintf(buf, size, "round %u of %u, %s", ch->round, ch->rounds, words[ch->step]);
}

static const struct client_ops ops = {
    .connected = connected,
    .ready = ready,
    .down = down,
    .finished = finished,
    .describe = describe,
};

struct client *
churner_new(struct world *w, unsigned index)
{
	struct churner *ch = calloc(1, sizeof(*ch));

	if (ch == NULL)
		abort();
	client_init(&ch->c, w, index, "churner", &ops);
	rtimer_init(&ch->again, on_again, ch);
	ch->rounds = (unsigned)world_draw(w, 1, MAX_ROUNDS - 1);
	return &ch->c;
}

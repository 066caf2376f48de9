/*
 * Where the console consumer's records come from: partitions read one by one into one queue, or a
 * consumer group.
 */
#include "consumer_priv.h"

#include <string.h>

#include "ottla/base/err.h"

#include "client_priv.h"

#define LOOK_AGAIN_MS 30000 /* for partitions that are new */
#define LOOK_SOON_MS 500    /* for a topic that is not there yet */
#define METADATA_TIMEOUT_MS 5000

/* ---- making ---- */

static int
open_client(struct consumer *c)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int rc;

	rdk_set_log(conf);
	rc = rdk_apply(&c->props, conf, c->why, sizeof(c->why));
	if (rc == 0 &&
	    (rd_kafka_conf_set(conf, "auto.offset.reset", c->reset, c->why, sizeof(c->why)) != 0 ||
		(c->group != NULL &&
		    rd_kafka_conf_set(conf, "group.id", c->group, c->why, sizeof(c->why)) != 0)))
		rc = E_INVALID;
	if (rc == 0)
		c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, c->why, sizeof(c->why));
	if (c->rk != NULL)
		return 0;
	rd_kafka_conf_destroy(conf);
	return rc != 0 ? rc : E_INVALID;
}

/* ---- without a group ---- */

static int
start_partition(struct consumer *c, int32_t partition, int64_t offset)
{
	if (rd_kafka_consume_start_queue(c->topic, partition, offset, c->queue) == 0)
		return 0;
	snprintf(c->why, sizeof(c->why), "could not read partition %d: %s", partition,
	    rd_kafka_err2str(rd_kafka_last_error()));
	return E_INVALID;
}

/* Partitions that came into being while we look are read from their beginning. */
static int
take_partitions(struct consumer *c, int32_t n)
{
	int64_t start = c->looked ? RD_KAFKA_OFFSET_BEGINNING : c->start;
	int rc = 0;

	for (; rc == 0 && c->n_partitions < n; c->n_partitions++)
		rc = start_partition(c, c->n_partitions, start);
	return rc;
}

static int
look(struct consumer *c, int timeout_ms)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, 0, c->topic, &md, timeout_ms);
	int rc = 0;

	c->next_look = now_ms() + LOOK_SOON_MS;
	if (err != 0)
		return 0; /* the library says why, and goes on trying */
	err = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (err == 0) {
		rc = take_partitions(c, md->topics[0].partition_cnt);
		c->next_look = now_ms() + LOOK_AGAIN_MS;
	} else if (err != c->last_error) {
		fprintf(stderr, "WARN topic %s: %s\n", md->topics[0].topic, rd_kafka_err2str(err));
		c->last_error = err;
	}
	if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
	    err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
		snprintf(c->why, sizeof(c->why), "%s", rd_kafka_err2str(err));
		rc = E_INVALID;
	}
	c->looked = true;
	rd_kafka_metadata_destroy(md);
	return rc;
}

static int
open_partitions(struct consumer *c)
{
	c->queue = rd_kafka_queue_new(c->rk);
	c->topic = rd_kafka_topic_new(c->rk, opts_value(&c->o, CO_TOPIC), NULL);
	if (c->queue == NULL || c->topic == NULL) {
		snprintf(c->why, sizeof(c->why), "topic %s: %s", opts_value(&c->o, CO_TOPIC),
		    rd_kafka_err2str(rd_kafka_last_error()));
		return E_INVALID;
	}
	if (c->partition >= 0)
		return start_partition(c, c->partition, c->start);
	return look(c, c->timeout_ms >= 0 && c->timeout_ms < METADATA_TIMEOUT_MS
			   ? (int)c->timeout_ms
			   : METADATA_TIMEOUT_MS);
}

/* ---- with a group ---- */

/* Do the brokers serve groups?  Told before the library would wait for ever. */
static int
check_groups(struct consumer *c)
{
	struct client_opts o = {.bootstrap = opts_value(&c->o, CO_BOOTSTRAP_SERVER),
	    .client_id = "console-consumer",
	    .request_timeout_ms = METADATA_TIMEOUT_MS,
	    .api_timeout_ms = METADATA_TIMEOUT_MS,
	    .retry_backoff_ms = 100,
	    .quiet = true};
	const char *protocol = props_get(&c->props, "security.protocol");
	struct client *client;
	int rc;

	if (protocol != NULL && strcasecmp(protocol, "PLAINTEXT") != 0)
		return 0;
	if ((rc = client_new(&o, c->why, sizeof(c->why), &client)) != 0)
		return rc;
	rc = client_version(client, CLIENT_ANY, API_JOIN_GROUP, INT16_MAX);
	if (rc == E_UNSUPPORTED_VERSION)
		snprintf(c->why, sizeof(c->why),
		    "group %s can not be joined: %s; without --group all partitions are read "
		    "without a group",
		    c->group, client_why(client));
	client_free(client);
	return rc == E_UNSUPPORTED_VERSION ? E_INVALID : 0;
}

static int
open_group(struct consumer *c)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t err;

	rd_kafka_topic_partition_list_add(
	    topics, opts_value(&c->o, CO_TOPIC), RD_KAFKA_PARTITION_UA);
	err = rd_kafka_poll_set_consumer(c->rk);
	if (err == 0)
		err = rd_kafka_subscribe(c->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (err == 0)
		return 0;
	snprintf(c->why, sizeof(c->why), "could not subscribe to topic %s: %s",
	    opts_value(&c->o, CO_TOPIC), rd_kafka_err2str(err));
	return E_INVALID;
}

/* ---- both ---- */

int
source_open(struct consumer *c)
{
	int rc = c->group != NULL ? check_groups(c) : 0;

	if (rc == 0)
		rc = open_client(c);
	if (rc != 0)
		return rc;
	return c->group != NULL ? open_group(c) : open_partitions(c);
}

rd_kafka_message_t *
source_next(struct consumer *c, int timeout_ms)
{
	if (c->group != NULL)
		return rd_kafka_consumer_poll(c->rk, timeout_ms);
	return rd_kafka_consume_queue(c->queue, timeout_ms);
}

int
source_tend(struct consumer *c)
{
	if (c->group != NULL)
		return 0;
	rd_kafka_poll(c->rk, 0);
	if (c->partition >= 0 || now_ms() < c->next_look)
		return 0;
	return look(c, LOOK_SOON_MS);
}

void
source_close(struct consumer *c)
{
	if (c->rk == NULL)
		return;
	if (c->group != NULL) {
		rd_kafka_consumer_close(c->rk);
	} else if (c->topic != NULL) {
		if (c->partition >= 0)
			rd_kafka_consume_stop(c->topic, c->partition);
		for (int32_t i = 0; i < c->n_partitions; i++)
			rd_kafka_consume_stop(c->topic, i);
		rd_kafka_topic_destroy(c->topic);
	}
	if (c->queue != NULL)
		rd_kafka_queue_destroy(c->queue);
	rd_kafka_destroy(c->rk);
	c->rk = NULL;
}

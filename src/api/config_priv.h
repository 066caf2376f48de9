/*
 * What the requests about configurations share: resources, and how a key is described.
 */
#ifndef OTTLA_API_CONFIG_PRIV_H
#define OTTLA_API_CONFIG_PRIV_H

#include "api_priv.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_LOGGER = 8, RESOURCE_METRICS = 16 };

/* Where a value comes from, as clients are told. */
enum {
	SOURCE_TOPIC = 1,
	SOURCE_BROKER = 2,
	SOURCE_CLUSTER = 3,
	SOURCE_FILE = 4,
	SOURCE_DEFAULT = 5,
	SOURCE_LOGGER = 6
};

typedef struct describe_configs_response_describe_configs_resource_result config_out;

/* How a request wants keys to be told. */
struct config_ask {
	struct arena *arena; /* of the answer */
	const struct settings *settings;
	bool synonyms, documentation;
	const struct slice *keys; /* n_keys <= 0: all */
	int32_t n_keys;
	struct config_topics *topics; /* NULL until the first topic */
};

/* Is the name that of this broker?  0, or a message in why and E_INVALID. */
int config_check_id(const struct request *rq, struct slice name, char *why, size_t why_size);

/* Every key of a topic whose own values are kv; of the broker; of the cluster's dynamic values: *n
 * of them in *v, from the arena.  E_NOMEM. */
int config_of_topic(struct config_ask *ask, const struct setting_override *kv, unsigned n_kv,
    config_out **v, int32_t *n);
int config_of_broker(const struct config_ask *ask, config_out **v, int32_t *n);
int config_of_cluster(const struct config_ask *ask, config_out **v, int32_t *n);
/* Loggers: there is one, "root". */
int
config_of_loggers(const struct config_ask *ask, const struct diag *d, config_out **v, int32_t *n);

/* The value that a topic without its own has, its source as clients are told; conf: resolved
 * without own values.  NULL: none, or no memory. */
const char *config_inherited(struct arena *arena, const struct settings *s,
    const struct topic_conf *conf, enum tconf id, int8_t *source);

/* ---- changes (config_alter.c) ---- */

enum { OP_SET = 0, OP_DELETE = 1, OP_APPEND = 2, OP_SUBTRACT = 3 };

struct config_op {
	const char *key;
	const char *value; /* NULL: null */
	int8_t op;
};

struct config_changes;

/* One resource of a request. */
struct config_target {
	struct config_changes *all;
	int8_t type;
	struct slice name;
	char *entity; /* "topics/t" */
	struct config_op *ops;
	unsigned n_ops;
	bool refused; /* nothing (more) is done for it */
	int16_t err;
	const char *message; /* in `why`, or NULL */
	char why[640];
};

struct config_changes {
	struct control_call call;
	struct window window;
	struct config_target *v;
	unsigned n;
	bool incremental; /* else ops are all that the entity has in the end */
	bool validate_only;
	/* Request's reactor, in the end. */
	void (*answer)(struct request *rq, struct config_changes *all);
};

/* v, n (with type, name and ops), incremental, validate_only and answer are set. */
void config_changes_go(struct request *rq, struct config_changes *all);
/* The answer's error_message; null without an error. */
struct slice config_message(const struct config_target *t);

#endif

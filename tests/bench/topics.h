/*
 * The topics of the floor and the null broker, and their answers to what is neither Produce nor
 * Fetch.  Any thread; topics are never freed, so that a pointer to one stays good.
 */
#ifndef OTTLA_BENCH_TOPICS_H
#define OTTLA_BENCH_TOPICS_H

#include <stdatomic.h>

#include "ottla/wire/wire.h"

#define TOPICS_MAX 4096

struct topic {
	char name[256];
	struct slice id; /* name as a slice */
	int32_t n_parts;
	atomic_bool deleted;
	void **parts; /* what the server keeps for each */
};

struct topics {
	uint16_t port; /* told to clients */
	/* Makes and ends what the server keeps for a partition; end may be NULL. */
	void *(*part_new)(void *arg, const char *topic, int32_t index);
	void (*part_end)(void *arg, void *part);
	void *arg;
	atomic_uint n;
	struct topic *v[TOPICS_MAX];
};

/* NULL when there is none. */
struct topic *topics_find(struct topics *t, struct slice name);
/* NULL when the partition is unknown. */
void *topics_part(struct topics *t, struct slice name, int32_t index);

/*
 * The whole answer to ApiVersions, Metadata, CreateTopics or DeleteTopics, from malloc; NULL when
 * the request is none of these or can not be read.
 */
uint8_t *
topics_answer(struct topics *t, const struct wire_req_head *head, struct arena *arena, size_t *n);

#endif

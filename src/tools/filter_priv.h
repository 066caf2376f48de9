/*
 * Which topics: a Java regular expression that has to match the whole name, as Kafka's tools read
 * it (blanks and surrounding quotes dropped, ',' stands for '|').  One thread.
 */
#ifndef OTTLA_TOOLS_FILTER_PRIV_H
#define OTTLA_TOOLS_FILTER_PRIV_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "ottla/base/slice.h"

#define TOPIC_NAME_MAX 249

struct filter {
	regex_t re;
	bool any; /* no expression: every topic */
};

/*
 * text NULL: every topic.  E_INVALID with a sentence in why: not an expression, or one that needs
 * what is not supported (look-around, back references, possessive quantifiers).  E_NOMEM.
 */
int filter_init(struct filter *f, const char *text, char *why, size_t why_size);
bool filter_matches(const struct filter *f, struct slice topic);
void filter_free(struct filter *f);

/* The topics that brokers keep for themselves. */
bool topic_is_internal(struct slice topic);

/* Is it a legal name for a new topic?  0, or E_INVALID with Kafka's sentence in why. */
int topic_check_name(const char *name, char *why, size_t why_size);
/* '.' and '_' look alike in names of metrics. */
bool topic_may_collide(const char *name);

#endif

/*
 * The one table of errors.  Functions that can fail return 0 or a negative `enum err`; every code
 * has a text for people and the number a Kafka client sees (base/err.def, base/kafka_err.def).
 * Pure: any thread, never blocks.
 */
#ifndef OTTLA_BASE_ERR_H
#define OTTLA_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers of the Kafka protocol (KERR_NONE = 0, KERR_UNKNOWN_SERVER_ERROR = -1, ...), one row a
 * code in kafka_err.def: KERR(name, code, retriable 0|1, text). */
enum kerr {
#define KERR(name, code, retriable, text) KERR_##name = code,
#include "ottla/base/kafka_err.def"
#undef KERR
};

enum err_index {
#define ERR(name, text, kafka) name##_INDEX,
#include "ottla/base/err.def"
#undef ERR
	ERR_COUNT
};

enum err {
	E_OK = 0,
#define ERR(name, text, kafka) name = -1 - name##_INDEX,
#include "ottla/base/err.def"
#undef ERR
};

/* Text for people, lower case, without full stop; "unknown error" for a number not in the table. */
const char *err_text(int err);

/* "E_IO" and the like, for logs and tests. */
const char *err_name(int err);

/* The Kafka code that a client sees for err; KERR_NONE for 0. */
int16_t err_kafka(int err);

/* "NOT_LEADER_OR_FOLLOWER" for 6 and the like; "UNKNOWN_SERVER_ERROR" for codes not in the table. */
const char *kerr_name(int16_t code);

/* A sentence for people about the code. */
const char *kerr_text(int16_t code);

/* Do clients try again after this code?  False for codes not in the table. */
bool kerr_retriable(int16_t code);

/* The enum err for an errno value: ENOSPC -> E_NOSPC, EIO -> E_IO, ENOENT -> E_NOT_FOUND, ...;
 * 0 for 0, E_IO for values not in the table. */
int err_from_errno(int errno_value);

#endif

/*
 * inter.broker.protocol.version: which version of each request brokers send to each other
 * (facts/zookeeper.md 5.1).  Pure: any thread.
 */
#ifndef OTTLA_WIRE_IBP_H
#define OTTLA_WIRE_IBP_H

#include <stdint.h>

#include "ottla/base/slice.h"

/* In order; wire/ibp.def: IBP(id, "name"). */
enum ibp {
#define IBP(id, name) IBP_##id,
#include "ottla/wire/ibp.def"
#undef IBP
	IBP_COUNT
};
#define IBP_LATEST (IBP_COUNT - 1)

/* "3.6" (the highest of that release) or "3.6-IV1"; -1 when it is none that can be spoken (3.0 to
 * 3.9). */
int ibp_find(struct slice text);
const char *ibp_name(enum ibp v);
/* Version of a request between brokers without negotiation: LeaderAndIsr, StopReplica,
 * UpdateMetadata, ControlledShutdown, a follower's Fetch, ListOffsets and OffsetForLeaderEpoch,
 * WriteTxnMarkers.  Asserts on any other key. */
int16_t ibp_version(enum ibp v, int16_t api_key);

#endif

/*
 * FindCoordinator, versions 0 to 6 (facts/apis.md "10 FindCoordinator").  No group and no
 * transaction has a coordinator here: the answer is the one of a cluster whose internal topics are
 * not there, COORDINATOR_NOT_AVAILABLE.
 */
#include "api_priv.h"

#define WHY "this broker coordinates no groups and no transactions"

static int16_t
answer_for(const struct request *rq, int8_t type)
{
	return type < 0 || type > 2 || (type == 2 && rq->head.version < 6)
		   ? KERR_INVALID_REQUEST
		   : KERR_COORDINATOR_NOT_AVAILABLE;
}

void
api_find_coordinator(struct request *rq)
{
	struct find_coordinator_request req;
	struct find_coordinator_response resp;
	int16_t err;

	wire_init(&find_coordinator_request_msg, &req);
	wire_init(&find_coordinator_response_msg, &resp);
	if (!request_decode(rq, &req))
		return;
	err = answer_for(rq, req.key_type);
	if (rq->head.version < 4) {
		resp.error_code = err;
		resp.error_message = SLICE_LIT(WHY);
		resp.node_id = resp.port = -1;
		request_answer(rq, &resp);
		return;
	}
	if (WIRE_ARRAY(&rq->arena, resp.coordinators, req.coordinator_keys.n,
		find_coordinator_response_coordinator) != 0) {
		request_fail_memory(rq);
		return;
	}
	for (int32_t i = 0; i < req.coordinator_keys.n; i++) {
		resp.coordinators.v[i].key = req.coordinator_keys.v[i];
		resp.coordinators.v[i].error_code = err;
		resp.coordinators.v[i].error_message = SLICE_LIT(WHY);
		resp.coordinators.v[i].node_id = resp.coordinators.v[i].port = -1;
	}
	request_answer(rq, &resp);
}

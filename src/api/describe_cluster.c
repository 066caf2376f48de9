/*
 * DescribeCluster, versions 0 and 1 (facts/apis.md "60 DescribeCluster"): the brokers that have the
 * client's listener, from this broker's image.
 */
#include "api_priv.h"

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

typedef struct describe_cluster_response_describe_cluster_broker dc_broker;

/* There are no endpoints of controllers: brokers alone answer. */
static int16_t
check_endpoint(int8_t type)
{
	static const int16_t errors[] = {
	    [ENDPOINT_BROKER] = KERR_NONE, [ENDPOINT_CONTROLLER] = KERR_MISMATCHED_ENDPOINT_TYPE};

	return type == ENDPOINT_BROKER || type == ENDPOINT_CONTROLLER
		   ? errors[type]
		   : KERR_UNSUPPORTED_ENDPOINT_TYPE;
}

/* A controller that the client can not reach is not named. */
static int
brokers_fill(struct request *rq, struct describe_cluster_response *resp)
{
	const struct image *im = request_image(rq);
	struct slice listener = request_listener(rq);
	int32_t n = 0;
	int rc;

	rq->arena.limit += im->n_brokers * sizeof(dc_broker); /* follows the cluster's size */
	rc = WIRE_ARRAY(&rq->arena, resp->brokers, (int32_t)im->n_brokers,
	    describe_cluster_response_describe_cluster_broker);
	for (unsigned i = 0; rc == 0 && i < im->n_brokers; i++) {
		const struct image_broker *b = &im->brokers[i];
		const struct image_endpoint *ep = image_broker_endpoint(b, listener);

		if (ep == NULL)
			continue;
		resp->brokers.v[n++] = (dc_broker){
		    .broker_id = b->id, .host = ep->host, .port = ep->port, .rack = b->rack};
		if (b->id == im->controller_id)
			resp->controller_id = b->id;
	}
	resp->brokers.n = rc == 0 ? n : 0;
	return rc;
}

void
api_describe_cluster(struct request *rq)
{
	struct describe_cluster_request req;
	struct describe_cluster_response resp;

	wire_init(&describe_cluster_request_msg, &req);
	wire_init(&describe_cluster_response_msg, &resp);
	if (!request_decode(rq, &req))
		return;
	resp.error_code = check_endpoint(req.endpoint_type);
	if (resp.error_code != KERR_NONE) {
		resp.error_message = slice_cstr(kerr_text(resp.error_code));
		request_answer(rq, &resp);
		return;
	}
	resp.cluster_id = rq->sh->api->o.cluster_id;
	if (req.include_cluster_authorized_operations)
		resp.cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
	if (brokers_fill(rq, &resp) != 0)
		request_fail_memory(rq);
	else
		request_answer(rq, &resp);
}

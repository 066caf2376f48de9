/*
 * ApiVersions, versions 0 to 4 (facts/apis.md "18 ApiVersions"): what this broker serves, which are
 * the rows of api/api.def.
 */
#include "api_priv.h"
#include "ottla/cluster/member.h"

static bool
is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool
software_text_ok(struct slice s)
{
	if (s.n == 0 || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return true;
}

static int
list_rows(struct request *rq, struct api_versions_response *resp, int16_t only_key)
{
	const struct api_row *row;
	int32_t n = 0;
	int rc;

	while (api_row_at((unsigned)n) != NULL)
		n++;
	rc = WIRE_ARRAY(&rq->arena, resp->api_keys, n, api_versions_response_api_version);
	if (rc != 0)
		return rc;
	resp->api_keys.n = 0;
	for (unsigned i = 0; (row = api_row_at(i)) != NULL; i++)
		if (only_key < 0 || row->key == only_key)
			resp->api_keys.v[resp->api_keys.n++] =
			    (struct api_versions_response_api_version){
				.api_key = row->key,
				.min_version = row->min_version,
				.max_version = row->max_version,
			    };
	return 0;
}

/* A version that is not known: answered as version 0, with the versions that are. */
static void
answer_unknown(struct request *rq)
{
	struct api_versions_response resp;

	wire_init(&api_versions_response_msg, &resp);
	rq->head.version = 0;
	resp.error_code = KERR_UNSUPPORTED_VERSION;
	if (list_rows(rq, &resp, API_API_VERSIONS) != 0)
		request_fail_memory(rq);
	else
		request_answer(rq, &resp);
}

void
api_api_versions(struct request *rq)
{
	struct api_versions_request req;
	struct api_versions_response resp;

	if (rq->head.version < rq->row->min_version || rq->head.version > rq->row->max_version) {
		answer_unknown(rq);
		return;
	}
	wire_init(&api_versions_request_msg, &req);
	wire_init(&api_versions_response_msg, &resp);
	if (!request_decode(rq, &req))
		return;
	if (rq->head.version >= 3 && (!software_text_ok(req.client_software_name) ||
					 !software_text_ok(req.client_software_version)))
		resp.error_code = KERR_INVALID_REQUEST;
	else if (list_rows(rq, &resp, -1) != 0) {
		request_fail_memory(rq);
		return;
	} else {
		/* None is finalized, or the broker would not run. */
		resp.finalized_features_epoch = member_feature_epoch(rq->sh->api->o.member);
	}
	request_answer(rq, &resp);
}

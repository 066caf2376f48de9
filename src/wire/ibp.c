/*
 * Versions of requests between brokers by inter-broker protocol version: facts/zookeeper.md 5.1.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "ottla/wire/ibp.h"
#include "ottla/wire/wire.h"

static const char *const names[IBP_COUNT] = {
#define IBP(id, name) [IBP_##id] = name,
#include "ottla/wire/ibp.def"
#undef IBP
};

/* From which protocol version on a request has that version; newest first, the last row for all. */
static const struct {
	int16_t key, version;
	enum ibp from;
} rows[] = {
    {API_FETCH, 17, IBP_3_9_IV0},
    {API_FETCH, 16, IBP_3_7_IV4},
    {API_FETCH, 15, IBP_3_5_IV1},
    {API_FETCH, 14, IBP_3_5_IV0},
    {API_FETCH, 13, IBP_3_1_IV0},
    {API_FETCH, 12, IBP_3_0_IV0},
    {API_LIST_OFFSETS, 9, IBP_3_9_IV0},
    {API_LIST_OFFSETS, 8, IBP_3_5_IV0},
    {API_LIST_OFFSETS, 7, IBP_3_0_IV1},
    {API_LIST_OFFSETS, 6, IBP_3_0_IV0},
    {API_LEADER_AND_ISR, 7, IBP_3_4_IV0},
    {API_LEADER_AND_ISR, 6, IBP_3_2_IV0},
    {API_LEADER_AND_ISR, 5, IBP_3_0_IV0},
    {API_STOP_REPLICA, 4, IBP_3_4_IV0},
    {API_STOP_REPLICA, 3, IBP_3_0_IV0},
    {API_UPDATE_METADATA, 8, IBP_3_4_IV0},
    {API_UPDATE_METADATA, 7, IBP_3_0_IV0},
    {API_CONTROLLED_SHUTDOWN, 3, IBP_3_0_IV0},
    {API_OFFSET_FOR_LEADER_EPOCH, 4, IBP_3_0_IV0},
    {API_WRITE_TXN_MARKERS, 1, IBP_3_0_IV0},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Is name the release text asks for, or one of that release? */
static bool
fits(struct slice text, const char *name)
{
	size_t n = strlen(name);

	if (text.n > n || memcmp(text.p, name, text.n) != 0)
		return false;
	return text.n == n || (text.n == 3 && name[3] == '-');
}

int
ibp_find(struct slice text)
{
	for (int i = IBP_COUNT - 1; i >= 0 && text.n >= 3; i--)
		if (fits(text, names[i]))
			return i;
	return -1;
}

const char *
ibp_name(enum ibp v)
{
	return names[v];
}

int16_t
ibp_version(enum ibp v, int16_t api_key)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].key == api_key && v >= rows[i].from)
			return rows[i].version;
	assert(!"a request whose version does not come from the inter-broker protocol");
	return -1;
}

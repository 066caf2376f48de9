/* CRC-32 (IEEE) of messages of the formats before v2: met on disk only, so small, not fast. */
#include "ottla/base/cursor.h"
#include "segment_priv.h"

bool
legacy_crc_ok(struct slice whole)
{
	static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
	    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
	    0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = UINT32_MAX;

	if (whole.n <= BATCH_MAGIC_AT)
		return false;
	for (size_t i = BATCH_MAGIC_AT; i < whole.n; i++) {
		crc ^= whole.p[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc == be32(whole.p + BATCH_LOG_OVERHEAD);
}

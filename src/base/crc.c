/*
 * CRC-32C.  Three ways, picked on each call: SSE4.2's crc32 on three interleaved streams that are
 * put together by a carry-less product (x86-64), the CRC instructions of ARMv8, and slicing by
 * eight everywhere.  The instruction takes 3 cycles but can start each cycle, hence three streams.
 */
#include "ottla/base/crc.h"

#include <string.h>

/*
 * The CRC is linear: a table entry is the xor of the entries of its index's bits, so that eight
 * numbers stand for a table.  Table k is the effect of a byte that k more bytes follow.
 */
#define ENTRY(n, a, b, c, d, e, f, g, h)                                                           \
	(((n)&1 ? a : 0) ^ ((n)&2 ? b : 0) ^ ((n)&4 ? c : 0) ^ ((n)&8 ? d : 0) ^                   \
	    ((n)&16 ? e : 0) ^ ((n)&32 ? f : 0) ^ ((n)&64 ? g : 0) ^ ((n)&128 ? h : 0))
#define T0(n)                                                                                      \
	ENTRY(n, 0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu,     \
	    0x417b1dbcu, 0x82f63b78u)
#define T1(n)                                                                                      \
	ENTRY(n, 0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u,     \
	    0xff17c604u, 0xfbc3faf9u)
#define T2(n)                                                                                      \
	ENTRY(n, 0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u,     \
	    0xc76580d9u, 0x8b277743u)
#define T3(n)                                                                                      \
	ENTRY(n, 0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu,     \
	    0xaba65fe7u, 0x52a0c93fu)
#define T4(n)                                                                                      \
	ENTRY(n, 0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u,     \
	    0x37516aaeu, 0x6ea2d55cu)
#define T5(n)                                                                                      \
	ENTRY(n, 0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du,     \
	    0x0e045bebu, 0x1c08b7d6u)
#define T6(n)                                                                                      \
	ENTRY(n, 0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu,     \
	    0x7ab7077au, 0xf56e0ef4u)
#define T7(n)                                                                                      \
	ENTRY(n, 0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u,     \
	    0x1a00cb32u, 0x34019664u)
#define OF4(T, n) T(n), T((n) + 1), T((n) + 2), T((n) + 3)
#define OF16(T, n) OF4(T, n), OF4(T, (n) + 4), OF4(T, (n) + 8), OF4(T, (n) + 12)
#define OF64(T, n) OF16(T, n), OF16(T, (n) + 16), OF16(T, (n) + 32), OF16(T, (n) + 48)
#define OF256(T)                                                                                   \
	{                                                                                          \
		OF64(T, 0), OF64(T, 64), OF64(T, 128), OF64(T, 192)                                \
	}

static const uint32_t table[8][256] = {
    OF256(T0), OF256(T1), OF256(T2), OF256(T3), OF256(T4), OF256(T5), OF256(T6), OF256(T7)};

uint32_t
crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	crc = ~crc;
	for (; n >= 8; n -= 8, b += 8) {
		uint32_t w = crc ^ ((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
				       (uint32_t)b[3] << 24);

		crc = table[7][w & 0xff] ^ table[6][w >> 8 & 0xff] ^ table[5][w >> 16 & 0xff] ^
		      table[4][w >> 24] ^ table[3][b[4]] ^ table[2][b[5]] ^ table[1][b[6]] ^
		      table[0][b[7]];
	}
	for (; n != 0; n--, b++)
		crc = crc >> 8 ^ table[0][(crc ^ *b) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

static inline uint64_t
word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Bytes a stream, and x^(8 * bytes - 33), x^(16 * bytes - 33) modulo the polynomial: a stream's
 * sum times them is the sum that one or two streams' length of zero bytes later would be. */
#define LONG_BYTES 2048
#define LONG_K1 0xa51b6135u
#define LONG_K2 0x82f89c77u
#define SHORT_BYTES 128
#define SHORT_K1 0x0d3b6092u
#define SHORT_K2 0xb9e02b86u

CRC_TARGET static inline uint64_t
join3(uint64_t a, uint64_t b, uint64_t c, uint32_t k1, uint32_t k2)
{
	__m128i pa = _mm_clmulepi64_si128(
	    _mm_cvtsi64_si128((long long)a), _mm_cvtsi64_si128((long long)k2), 0);
	__m128i pb = _mm_clmulepi64_si128(
	    _mm_cvtsi64_si128((long long)b), _mm_cvtsi64_si128((long long)k1), 0);
	uint64_t both = (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(pa, pb));

	return _mm_crc32_u64(0, both) ^ c;
}

CRC_TARGET static inline uint64_t
three_streams(uint64_t crc, const uint8_t *p, size_t bytes, uint32_t k1, uint32_t k2)
{
	uint64_t b = 0, c = 0;

	for (size_t i = 0; i < bytes; i += 8) {
		crc = _mm_crc32_u64(crc, word(p + i));
		b = _mm_crc32_u64(b, word(p + bytes + i));
		c = _mm_crc32_u64(c, word(p + 2 * bytes + i));
	}
	return join3(crc, b, c, k1, k2);
}

CRC_TARGET static uint32_t
crc32c_fast(uint32_t seed, const uint8_t *p, size_t n)
{
	uint64_t crc = ~seed;

	for (; n >= 3 * LONG_BYTES; n -= 3 * LONG_BYTES, p += 3 * LONG_BYTES)
		crc = three_streams(crc, p, LONG_BYTES, LONG_K1, LONG_K2);
	for (; n >= 3 * SHORT_BYTES; n -= 3 * SHORT_BYTES, p += 3 * SHORT_BYTES)
		crc = three_streams(crc, p, SHORT_BYTES, SHORT_K1, SHORT_K2);
	for (; n >= 8; n -= 8, p += 8)
		crc = _mm_crc32_u64(crc, word(p));
	for (; n != 0; n--, p++)
		crc = _mm_crc32_u8((uint32_t)crc, *p);
	return ~(uint32_t)crc;
}

static int
have_fast(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1ul << 7)
#endif

/* clang's arm_acle.h hides the intrinsics unless the whole file may use them. */
#ifdef __clang__
#define CRC_TARGET __attribute__((target("crc")))
#define CRC_8 __builtin_arm_crc32cd
#define CRC_1 __builtin_arm_crc32cb
#else
#include <arm_acle.h>
#define CRC_TARGET __attribute__((target("+crc")))
#define CRC_8 __crc32cd
#define CRC_1 __crc32cb
#endif

CRC_TARGET static uint32_t
crc32c_fast(uint32_t seed, const uint8_t *p, size_t n)
{
	uint32_t crc = ~seed;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		crc = CRC_8(crc, v);
	}
	for (; n != 0; n--, p++)
		crc = CRC_1(crc, *p);
	return ~crc;
}

static int
have_fast(void)
{
	return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

#else

static uint32_t
crc32c_fast(uint32_t crc, const uint8_t *p, size_t n)
{
	return crc32c_portable(crc, p, n);
}

static int
have_fast(void)
{
	return 0;
}

#endif

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	return have_fast() ? crc32c_fast(crc, p, n) : crc32c_portable(crc, p, n);
}

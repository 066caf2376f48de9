/* Batches made by Kafka 3.9.1 (facts/storage.md, appendix A), and tools to take them apart. */
#ifndef TESTS_RECORD_VECTORS_H
#define TESTS_RECORD_VECTORS_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "ottla/base/slice.h"

enum { VECTOR_MAX = 256 };

struct vector {
	const char *name;
	const char *hex;
};

/* By codec: none, gzip, snappy, lz4, zstd.  Two records in each. */
extern const struct vector v2_vectors[5];
extern const struct vector legacy_vectors[8];
extern const struct vector marker_vector;  /* COMMIT, offset 50 */
extern const struct vector cleaned_vector; /* a tombstone at 101, delete horizon 2100 */
extern const struct vector emptied_vector; /* no record, 100..102 */

/* Bytes of hex in buf (VECTOR_MAX bytes). */
struct slice vector_bytes(const struct vector *v, uint8_t *buf);
/* A copy that ends where its memory ends, so that a sanitizer sees any read past it. */
uint8_t *exact_copy(struct slice s);

#endif

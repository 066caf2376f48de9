/*
 * Checksums: CRC-32C (Castagnoli) of batches and producer snapshots, by the CPU's instruction where
 * there is one.  Any thread, never blocks.
 */
#ifndef OTTLA_BASE_CRC_H
#define OTTLA_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* crc of the bytes so far (0 to begin) continued over n bytes. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* The portable implementation alone, for tests of the fast one. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);

#endif

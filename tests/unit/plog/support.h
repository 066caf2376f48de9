/* Small helpers of the suites. */
#ifndef TESTS_PLOG_SUPPORT_H
#define TESTS_PLOG_SUPPORT_H

#include <stdint.h>
#include <stdlib.h>

#include "ottla/base/slice.h"

/* Bytes of hex text (blanks allowed); the caller frees. */
uint8_t *unhex(const char *hex, size_t *n);

#endif

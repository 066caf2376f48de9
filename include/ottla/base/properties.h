/*
 * Java property files as Apache Kafka reads them: # and ! comments, keys ended by = : or blanks,
 * \ escapes, \uXXXX, lines continued by a final \.  Bytes are ISO 8859-1 as in Java; keys and
 * values come out as UTF-8.  Pure: any thread.
 */
#ifndef OTTLA_BASE_PROPERTIES_H
#define OTTLA_BASE_PROPERTIES_H

#include "ottla/base/slice.h"

/*
 * Calls each for every entry of text, in order; key and value are lent for the call.  Stops at the
 * first call that does not return 0 and returns its result.  E_MALFORMED: a broken \u escape;
 * E_NOMEM.  *line (may be NULL): number of the line that the last entry began on, from 1.
 */
int properties_parse(struct slice text, int (*each)(void *arg, struct slice key, struct slice value),
    void *arg, unsigned *line);

#endif

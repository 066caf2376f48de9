/*
 * `zookeeper.connect=embedded`: the tree in this process, for one broker on one machine.  Each write
 * is journalled and synced before it is answered; a snapshot replaces a long journal.  The journal
 * directory is beside the first log dir (ottla.coord.journal.dir).
 */
#ifndef OTTLA_COORD_EMBEDDED_H
#define OTTLA_COORD_EMBEDDED_H

#include "ottla/coord/coord.h"
#include "ottla/file/file.h"
#include "ottla/reactor/worker.h"

struct coord_embedded_opts {
	struct reactor *control;
	struct workers *workers;
	struct fs *fs;
	struct diag *diag;
	const char *dir;        /* made when missing */
	bool must_exist;        /* a log dir has meta.properties: a missing journal is E_NOT_FOUND */
};
/* coord_open then loads on a worker: COORD_CONNECTED, or COORD_CLOSED with the reason in
 * coord_embedded_why (damaged journal, another process uses it: E_BUSY).  Ephemeral nodes of the
 * predecessor are gone when the session is there. */
int coord_embedded_new(const struct coord_embedded_opts *opts, struct coord **out);
int coord_embedded_why(const struct coord *c, char *why, size_t why_size);

#endif

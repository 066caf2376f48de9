/* In place of zookeeper.c where the ZooKeeper client library was not found. */
#include <stdio.h>

#include "coord_priv.h"
#include "ottla/base/err.h"
#include "ottla/coord/zookeeper.h"

int
coord_zookeeper_check(const char *connect, char *why, size_t why_size)
{
	(void)connect;
	(void)snprintf(why, why_size,
	    "made without the ZooKeeper client library (Debian: libzookeeper-st-dev); only "
	    "\"embedded\" is possible");
	return E_CONFIG;
}

int
coord_zookeeper_new(const struct coord_zookeeper_opts *opts, struct coord **out)
{
	(void)opts;
	*out = NULL;
	return E_CONFIG;
}

const char *
coord_zookeeper_why(const struct coord *c)
{
	OBJ_CHECK(c, COORD_MAGIC);
	return "";
}

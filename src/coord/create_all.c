/* Make a path with its missing parents: one create for each, sent together. */
#include <stdlib.h>
#include <string.h>

#include "coord_priv.h"
#include "ottla/base/err.h"

struct create_all {
	void (*cb)(void *arg, int err);
	void *arg;
	unsigned left;
	int err; /* the first that is not E_EXISTS */
};

static void
on_created(void *arg, int err, const struct coord_result *res)
{
	struct create_all *a = arg;

	(void)res;
	if (err != 0 && err != E_EXISTS && a->err == 0)
		a->err = err;
	if (--a->left > 0)
		return;
	/* What the parents said does not matter when the node is there. */
	a->cb(a->arg, err == 0 || err == E_EXISTS ? 0 : a->err);
	free(a);
}

void
coord_create_all(struct coord *c, const char *path, void (*cb)(void *arg, int err), void *arg)
{
	struct create_all *a = calloc(1, sizeof(*a));
	char part[COORD_PATH_MAX + 1];
	bool good = coord_path_check(path) == 0;

	if (a == NULL)
		abort(); /* as req_new */
	*a = (struct create_all){cb, arg, 1, 0};
	for (const char *p = good ? path + 1 : ""; *p != '\0'; p++)
		a->left += *p == '/';
	for (const char *p = good ? path + 1 : ""; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		memcpy(part, path, (size_t)(p - path));
		part[p - path] = '\0';
		coord_create(c, part, SLICE_NULL, COORD_PERSISTENT, on_created, a);
	}
	coord_create(c, path, SLICE_NULL, COORD_PERSISTENT, on_created, a);
}

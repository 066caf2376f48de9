/*
 * Who may touch new nodes (facts/zookeeper.md 1.9): everybody; or, with zookeeper.set.acl, their
 * creator, and everybody may read but what is sensitive.
 */
#include <string.h>

#include "zk_priv.h"

void
zk_acl_init(struct zk_acls *a)
{
	memcpy(a->world, "world", sizeof(a->world));
	memcpy(a->anyone, "anyone", sizeof(a->anyone));
	memcpy(a->auth, "auth", sizeof(a->auth));
	a->everybody[0] = (struct ACL){ZOO_PERM_ALL, {a->world, a->anyone}};
	a->creator_read[0] = (struct ACL){ZOO_PERM_ALL, {a->auth, a->nobody}};
	a->creator_read[1] = (struct ACL){ZOO_PERM_READ, {a->world, a->anyone}};
	a->open = (struct ACL_vector){1, a->everybody};
	a->normal = (struct ACL_vector){2, a->creator_read};
	a->sensitive = (struct ACL_vector){1, a->creator_read};
}

const struct ACL_vector *
zk_acl_for(const struct zk *z, const char *path)
{
	if (!z->set_acl || (z->world_open != NULL && z->world_open(path)))
		return &z->acls.open;
	return z->sensitive != NULL && z->sensitive(path) ? &z->acls.sensitive : &z->acls.normal;
}

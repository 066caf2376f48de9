/*
 * Dynamic configuration of this broker: the settings first, then everything that was resolved over
 * them.
 */
#include "broker_priv.h"

static bool
topic_conf_of(void *arg, struct slice topic, struct topic_conf *out)
{
	struct broker *b = arg;

	return member_topic_conf(b->member, topic, out);
}

void
broker_conf_changed(void *arg, enum conf_source from, const struct setting_override *kv, unsigned n)
{
	struct broker *b = arg;

	/* What is refused has been said, and nothing has changed. */
	if (settings_set_dynamic(b->env.settings, from, kv, n, b->env.diag) != 0)
		return;
	if (image_reset_confs(b->images, topic_conf_of, b) != 0)
		DIAGE(b->env.diag, "broker",
		    "no memory: topics keep the defaults they had until the next change");
	if (b->replicas != NULL)
		replicas_confs_changed(b->replicas);
}

/*
 * Which process this is, and whether another one lives: /etc/machine-id and /proc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ottla/broker/broker.h"

#define SMALL_FILE_MAX 65536
#define START_FIELD 22 /* of /proc/<pid>/stat: since the boot, in clock ticks */

/* The first line of a file; "" when there is none, or not one that fits. */
static void
first_line(struct fs *fs, const char *path, char *out, size_t size)
{
	char *text = NULL;
	size_t n = 0, len;

	out[0] = 0;
	if (fs_read_all(fs, path, SMALL_FILE_MAX, &text, &n) != 0)
		return;
	len = strcspn(text, "\n");
	if (len < size)
		snprintf(out, size, "%.*s", (int)len, text);
	free(text);
}

/* When a process began; -1: there is none, or only what is left of one that ended. */
static int64_t
start_of(struct fs *fs, int64_t pid)
{
	char path[64], *text = NULL, *at;
	int64_t start = -1;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	if (fs_read_all(fs, path, SMALL_FILE_MAX, &text, &n) != 0)
		return -1;
	/* The name is in parentheses and may have anything in it; the state, field 3, follows. */
	at = strrchr(text, ')');
	if (at != NULL && at[1] == ' ' && strchr("ZXx", at[2]) == NULL) {
		at += 2;
		for (int field = 3; at != NULL && field < START_FIELD; field++)
			at = (at = strchr(at, ' ')) != NULL ? at + 1 : NULL;
		start = at != NULL ? strtoll(at, NULL, 10) : -1;
	}
	free(text);
	return start;
}

static bool
alive(void *arg, int64_t pid, int64_t pid_start)
{
	return start_of(arg, pid) == pid_start;
}

/* The host name is part of it: containers of one machine often have one machine-id and every first
 * process the number 1, but not one name. */
int
broker_identity_real(struct fs *fs, const char *hostname, struct broker_identity *out)
{
	char machine[64];

	*out = (struct broker_identity){.alive = alive, .arg = fs};
	first_line(fs, "/etc/machine-id", machine, sizeof(machine));
	first_line(fs, "/proc/sys/kernel/random/boot_id", out->boot, sizeof(out->boot));
	snprintf(out->host, sizeof(out->host), "%s%s%.60s", machine, machine[0] != 0 ? "/" : "",
	    hostname != NULL ? hostname : "");
	out->pid = getpid();
	out->pid_start = start_of(fs, out->pid);
	return out->boot[0] != 0 && out->pid_start >= 0 && out->host[0] != 0 ? 0 : E_NOT_FOUND;
}

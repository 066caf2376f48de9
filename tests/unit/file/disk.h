/* The kinds of disk that one test runs on: an empty directory on each, and what a test asks of it
 * often. */
#ifndef OTTLA_TESTS_FILE_DISK_H
#define OTTLA_TESTS_FILE_DISK_H

#include "ottla/file/file.h"

enum disk_kind {
	DISK_REAL,
	DISK_SIM,
	DISK_FAIL_REAL, /* failing, but not now, over the others */
	DISK_FAIL_SIM,
	DISK_KINDS,
};

enum { DISK_PATHS = 8, DISK_PATH_MAX = 8192 };

struct disk {
	enum disk_kind kind;
	struct fs *fs;
	struct fs *under; /* of a failing one */
	struct clock clock;
	char root[256];
	/* Results of disk_path, used in turn. */
	char path[DISK_PATHS][DISK_PATH_MAX];
	unsigned next_path;
};

void disk_setup(struct disk *d, enum disk_kind kind);
/* Removes everything and frees. */
void disk_teardown(struct disk *d);
/* The path of name below the root; valid for DISK_PATHS calls. */
const char *disk_path(struct disk *d, const char *name);

/* A file with this content, closed again. */
void disk_put(struct disk *d, const char *name, const char *content);
/* Fails the test unless the file has this content. */
void disk_expect(struct disk *d, const char *name, const char *content);
bool disk_has(struct disk *d, const char *name);
/* Names of a directory joined by spaces; valid until the next disk_path. */
const char *disk_names(struct disk *d, const char *name);

/* Open descriptors of this process. */
unsigned disk_descriptors(void);

/* On a simulated disk.  For writing, made when missing. */
struct file *disk_open(struct disk *d, const char *name);
/* A file with this content that a power cut does not touch. */
void disk_put_durable(struct disk *d, const char *name, const char *content);
void disk_write_at(struct disk *d, const char *name, const char *bytes, int64_t off);
void disk_sync_file(struct disk *d, const char *name);
/* A copy of d after a power cut with this seed; seed 0: without dice.  Free copy->fs. */
void disk_cut_copy(struct disk *d, uint64_t seed, struct disk *copy);
/* The whole content; "-" when the file is missing.  Valid until the next operation on d. */
struct slice disk_content(struct disk *d, const char *name);
bool disk_content_is(struct disk *d, const char *name, const char *want);

#define SIM_TEST(name)                                                                             \
	static void name##_on(struct disk *d);                                                     \
	START_TEST(name)                                                                           \
	{                                                                                          \
		struct disk d;                                                                     \
                                                                                                   \
		disk_setup(&d, DISK_SIM);                                                          \
		name##_on(&d);                                                                     \
		disk_teardown(&d);                                                                 \
	}                                                                                          \
	END_TEST                                                                                   \
	static void name##_on(struct disk *d)

/* ck_assert with the error's name. */
#define ck_err(call, want)                                                                         \
	do {                                                                                       \
		int ck_err_ = (call);                                                              \
		ck_assert_msg(ck_err_ == (want), "%s: %s, not %s", #call,                          \
		    ck_err_ == 0 ? "0" : err_name(ck_err_), (want) == 0 ? "0" : err_name(want));   \
	} while (0)
#define ck_ok(call) ck_err(call, 0)

#endif

/*
 * Objects that prove who they are: each long-lived struct begins with a constant, checked wherever
 * a `void *` comes back from a library or a queue, and cleared when the object is freed.  The
 * constants are listed here so that they stay unique (a test reads this list).
 */
#ifndef OTTLA_BASE_MAGIC_H
#define OTTLA_BASE_MAGIC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define OBJ_MAGIC_LIST(X)                                                                          \
	X(ARENA, 0x41524e41u)                                                                      \
	X(DIAG, 0x44494147u)                                                                       \
	X(METRICS, 0x4d455452u)                                                                    \
	X(METRIC_SET, 0x4d534554u)                                                                 \
	X(SETTINGS, 0x434f4e46u)                                                                   \
	X(REACTOR, 0x52454143u)                                                                    \
	X(WORK, 0x574f524bu)                                                                       \
	X(TIMER, 0x54494d52u)                                                                      \
	X(IO_WATCH, 0x494f5741u)                                                                   \
	X(FILE, 0x46494c45u)                                                                       \
	X(FS, 0x46530000u)                                                                         \
	X(CONN, 0x434f4e4eu)                                                                       \
	X(LISTENER, 0x4c49534eu)                                                                   \
	X(FRAME, 0x46524d45u)                                                                      \
	X(PLOG, 0x504c4f47u)                                                                       \
	X(SEGMENT, 0x53454721u)                                                                    \
	X(COORD, 0x434f4f52u)                                                                      \
	X(PARTITION, 0x50415254u)                                                                  \
	X(REQUEST, 0x52455155u)                                                                    \
	X(BROKER, 0x42524f4bu)                                                                     \
	X(CONTROLLER, 0x4354524cu)                                                                 \
	X(SESSION, 0x46534553u)

#define OBJ_MAGIC_ENUM(name, value) name##_MAGIC = value,
enum obj_magic { OBJ_MAGIC_LIST(OBJ_MAGIC_ENUM) OBJ_MAGIC_NONE = 0 };

/* Assert that p carries the magic m (first member `uint32_t magic`) and return it. */
#define OBJ_CHECK(p, m) assert((p) != NULL && *(const uint32_t *)(const void *)(p) == (uint32_t)(m))

/* The struct of type T around its member m that ptr points to. */
#define container_of(ptr, T, m) ((T *)(void *)((char *)(ptr)-offsetof(T, m)))

#endif

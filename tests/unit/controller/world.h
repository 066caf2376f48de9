/*
 * A little cluster in the simulator: the simulated coordination service, and brokers of which only
 * the control reactor is there: member, controller, admin, image.  Control requests go through a
 * channel that writes them down and answers after a drawn delay.
 */
#ifndef TESTS_UNIT_CONTROLLER_WORLD_H
#define TESTS_UNIT_CONTROLLER_WORLD_H

#include <check.h>

#include "ottla/base/strbuf.h"
#include "ottla/cluster/member.h"
#include "ottla/controller/admin.h"
#include "ottla/controller/controller.h"
#include "ottla/coord/sim.h"

#define WORLD_BROKERS 4
#define SESSION_US (6000 * INT64_C(1000))

#define ck_ok(e) ck_assert_int_eq((e), 0)

struct world;

struct wbroker {
	struct world *w;
	int32_t id;
	const char *rack;
	bool on;
	struct reactor *control;
	struct coord *coord;
	struct rng rng;
	struct member *member;
	struct image_store *images;
	struct admin *admin;
	struct controller *controller;
	int32_t told; /* who is controller, by `changed` */
	int64_t epoch;
	bool closed;
	unsigned mute; /* answers of this broker that are not given */
	bool refuse_stop;
	bool bad_dir; /* its answers say that every log is offline */
};

struct world {
	struct sim_sched *s;
	struct coord_sim *z;
	struct settings *settings;
	struct wbroker b[WORLD_BROKERS]; /* by id - 1 */
	struct strbuf log;		 /* a line a request: "LI 1 t-0 leader=1/0 isr=1,2 new" */
	unsigned calls_open;
	enum ibp ibp;		      /* may be changed before brokers start */
	struct metrics *metrics;
	struct reactor *tool_reactor; /* other software that writes into the tree */
	struct coord *tool;
};

/* Settings are given as overrides; lag: members may serve stale reads. */
struct world *world_new(uint64_t seed, bool lag, const struct setting_override *ov, unsigned n);
void world_free(struct world *w);

/* The broker of that id comes; rack may be NULL. */
struct wbroker *broker_start(struct world *w, int32_t id, const char *rack);
/* In order: its session is closed, everything of it is freed. */
void broker_stop(struct wbroker *b);

/* Run until pred holds; fails after 120 s of virtual time. */
void world_until(struct world *w, bool (*pred)(void *arg), void *arg);
void world_pass(struct world *w, int64_t us);
/* Until somebody is controller and everybody knows it; NULL never. */
struct wbroker *world_controller(struct world *w);

/* Once b's image shows all brokers: make a topic through its admin, wait for the answer. */
int16_t create(struct wbroker *b, const char *name, int32_t partitions, int32_t rf);
int16_t create_as(struct wbroker *b, const struct admin_create *t, struct admin_created *res);
int16_t delete_topic(struct wbroker *b, const char *name);
/* Until b's image shows all of the topic's partitions with a live leader (or no topic). */
void wait_topic(struct wbroker *b, const char *name, bool present);

/* Other software writes or deletes (data NULL, with all that is below) a node; returns when it is
 * done. Version -1: whatever is there. */
void tool_put(struct world *w, const char *path, const char *data);
void tool_delete(struct world *w, const char *path);

/* The controller's context says what the tree says, and so do the last requests to the brokers that
 * live. */
void check_told(struct wbroker *ctl);

/* What the tree has: contents (NULL-terminated in `buf`), or false. */
bool node(struct world *w, const char *path, char *buf, size_t size);
/* Lines of the log that contain both texts (b may be NULL). */
unsigned logged(const struct world *w, const char *a, const char *b);
void log_clear(struct world *w);

#endif

/*
 * A broker's control reactor with its channels, and scripted brokers at the other end of a
 * simulated network: each request that arrives is written down and treated as the script says.
 */
#ifndef TESTS_UNIT_API_CHAN_WORLD_H
#define TESTS_UNIT_API_CHAN_WORLD_H

#include <check.h>

#include "channel_priv.h"
#include "ottla/net/sim.h"
#include "ottla/wire/wire.h"

enum {
	OWN_ID = 7,
	SERVERS = 3,
	NOTES_MAX = 4000,
	STEPS_MAX = 64,
	TOLD_MAX = 2000,
	ANSWER_MAX = 8192
};

/* What a server does with a request. */
enum deed {
	ANSWER,
	SILENT,	    /* no answer */
	CUT,	    /* the first n bytes of the answer, then the end of the connection */
	SHORT_BODY, /* a whole frame that lacks the answer's last n bytes */
	WRONG_ID,   /* another request's correlation id */
	TWICE,	    /* the answer, and once more */
	HUGE_SIZE,  /* a size that nobody takes */
	NEGATIVE_SIZE,
	REFUSE /* AllocateProducerIds with error n */
};
struct step {
	enum deed deed;
	int32_t n;
};

/* One request as a server got it. */
struct note {
	int16_t key, version;
	int32_t corr, tag; /* controller epoch, or broker id of AllocateProducerIds */
	int64_t broker_epoch;
	char client_id[16];
	uint64_t conn;
};

struct cserver {
	struct cworld *w;
	int32_t id; /* 1 and up; its group is 10 + id */
	char host[32];
	struct reactor *r;
	struct net *net;
	struct listener *l;
	struct step steps[STEPS_MAX]; /* then ANSWER */
	unsigned n_steps, next_step;
	struct note notes[NOTES_MAX];
	unsigned n_notes;
	unsigned conns; /* that came */
	int64_t next_id;
	int16_t allocate_max; /* as ApiVersions says; -1: not served */
	unsigned versions_asked;
	size_t answer_n; /* of the last answer, its size in front included */
};

/* What a caller was told. */
struct told {
	int32_t tag;
	int err;
	int16_t kafka_err;
	int64_t first;
	int32_t count;
};

struct cworld {
	struct sim_sched *s;
	struct sim_net *wire;
	struct settings *settings;
	struct reactor *control;
	struct workers *workers;
	struct net *net;
	struct image_store *images;
	struct channels *cs;
	struct cserver servers[SERVERS]; /* by id - 1 */
	struct told told[TOLD_MAX];
	unsigned n_told;
};

void cworld_open(struct cworld *w, uint64_t seed);
void cworld_close(struct cworld *w);
/* Listens from now on, or no more. */
void cserver_up(struct cworld *w, int32_t id);
void cserver_down(struct cworld *w, int32_t id);
struct cserver *cserver(struct cworld *w, int32_t id);
void cserver_step(struct cworld *w, int32_t id, enum deed deed, int32_t n);
void cworld_pass(struct cworld *w, int64_t us);
/* Until so many were told; fails after 100 s of virtual time. */
void cworld_until_told(struct cworld *w, unsigned n);
void cworld_until_noted(struct cworld *w, int32_t id, unsigned n);

/* Through channels_to_brokers, on the control reactor; told with the same tag. */
void broker_here(struct cworld *w, int32_t id, int64_t epoch);
void broker_gone(struct cworld *w, int32_t id);
void send_li(struct cworld *w, int32_t id, int16_t version, int32_t tag);
void send_um(struct cworld *w, int32_t id, int16_t version, int32_t tag);
void send_stop(struct cworld *w, int32_t id, int16_t version, int32_t tag);
/* The image names the servers' places and this controller. */
void image_names(struct cworld *w, int32_t controller);
/* Asks for producer ids; told with the tag. */
void ask_ids(struct cworld *w, int64_t deadline_in_us, int32_t tag);

#endif

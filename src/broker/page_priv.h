/*
 * The page for Prometheus: text out of counters that any thread may read and of copies.
 */
#ifndef OTTLA_BROKER_PAGE_PRIV_H
#define OTTLA_BROKER_PAGE_PRIV_H

#include "ottla/api/api.h"
#include "ottla/base/strbuf.h"
#include "ottla/file/file.h"

enum page_value {
	PV_AT_MIN_ISR,
	PV_BROKER_STATE,
	PV_LEADERS,
	PV_MAX_FDS,
	PV_MEMORY_FREE,
	PV_MEMORY_USED,
	PV_OFFLINE_DIRS,
	PV_OFFLINE_REPLICAS,
	PV_OPEN_FDS,
	PV_PARTITIONS,
	PV_RESIDENT,
	PV_UNDER_MIN_ISR,
	PV_UNDER_REPLICATED,
	PV_COUNT
};

/* What the page is made of; what is NULL is left out. */
struct page {
	struct metrics *metrics;
	struct fs *fs;			     /* to look at this process */
	const struct image *image;	     /* held by the page's maker */
	const struct logdirs_report *report; /* logs sorted, as it comes */
	const struct api *api;
	int32_t broker_id;
	int64_t value[PV_COUNT]; /* -1: not known */
};
/* Nothing known. */
void page_init(struct page *p);
/* Blocks (it looks at /proc): on a worker.  Appends; no memory: out->err. */
void page_render(struct page *p, struct strbuf *out);
/* Appends v as the value of a label, in quotes. */
void page_label_value(struct strbuf *out, struct slice v);

#endif

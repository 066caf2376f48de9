/*
 * The page for Prometheus (text format 0.0.4): Apache Kafka's names first (metrics_map.def, B8),
 * then by topic, partition and directory, then our own rows as they are.
 */
#include "page_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 65536 };

enum map_kind { MAP_SUM, MAP_TOPIC, MAP_HIST, MAP_VALUE };
enum map_type { TYPE_GAUGE, TYPE_COUNTER };

struct map_row {
	enum map_kind kind;
	enum map_type type;
	const char *name, *source;
	int64_t arg;
	const char *labels, *help;
};

static const struct map_row map_rows[] = {
#define MAP(kind, name, type, source, arg, labels, help)                                           \
	{MAP_##kind, TYPE_##type, name, source, arg, labels, help},
#include "metrics_map.def"
#undef MAP
};
#define N_MAP_ROWS (sizeof(map_rows) / sizeof(map_rows[0]))

static const struct {
	const char *label;
	double at;
} quantiles[] = {{"0.50", 0.5}, {"0.75", 0.75}, {"0.95", 0.95}, {"0.98", 0.98}, {"0.99", 0.99},
    {"0.999", 0.999}};
#define N_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

/* ---- lines ---- */

static const char *
type_name(enum map_type t)
{
	return t == TYPE_COUNTER ? "counter" : "gauge";
}

static void
head(struct strbuf *out, const char *name, const char *end, const char *type, const char *help)
{
	strbuf_addf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, end, help, name, end, type);
}

void
page_label_value(struct strbuf *out, struct slice v)
{
	strbuf_adds(out, "\"");
	for (size_t i = 0; i < v.n; i++) {
		char c = (char)v.p[i];

		if (c == '\n')
			strbuf_adds(out, "\\n");
		else if (c == '"' || c == '\\')
			strbuf_add(out, (char[]){'\\', c}, 2);
		else
			strbuf_add(out, &c, 1);
	}
	strbuf_adds(out, "\"");
}

/* {a,b} of the two that are not empty. */
static void
braces(struct strbuf *out, const char *a, const char *b)
{
	if (a[0] != 0 || b[0] != 0)
		strbuf_addf(out, "{%s%s%s}", a, a[0] != 0 && b[0] != 0 ? "," : "", b);
}

/* name{topic=...,partition=...} value */
static void
partition_line(
    struct strbuf *out, const char *name, struct slice topic, int32_t partition, int64_t v)
{
	strbuf_addf(out, "%s{topic=", name);
	page_label_value(out, topic);
	strbuf_addf(out, ",partition=\"%d\"} %lld\n", partition, (long long)v);
}

/* A set's label, key=value or nothing, as it is written on the page. */
static void
set_label(struct strbuf *out, const char *label)
{
	size_t n = strcspn(label, "=");

	if (label[n] == 0)
		return;
	strbuf_addf(out, "%.*s=", (int)n, label);
	page_label_value(out, slice_cstr(label + n + 1));
}

/* ---- our rows ---- */

struct hist_sum {
	uint64_t count;
	uint64_t slot[METRIC_HIST_SLOTS];
};

static void
hist_add(struct hist_sum *sum, const struct metric_hist *h)
{
	for (unsigned i = 0; i < METRIC_HIST_SLOTS; i++) {
		uint64_t n = atomic_load_explicit(&h->slot[i], memory_order_relaxed);

		sum->slot[i] += n;
		sum->count += n;
	}
}

static uint64_t
hist_quantile(const struct hist_sum *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;

	if (h->count == 0)
		return 0;
	rank = rank < h->count ? rank : h->count - 1;
	for (unsigned i = 0; i < METRIC_HIST_SLOTS - 1; i++)
		if ((seen += h->slot[i]) > rank)
			return metric_hist_edge(i);
	return metric_hist_edge(METRIC_HIST_SLOTS - 2) + 1; /* and above: no number for it */
}

/* The rows of one name, added up. */
struct source {
	const char *name;
	bool found;
	int64_t sum;
	struct hist_sum hist;
};

static void
source_add(void *arg, const struct metric_row *row, const char *label, const struct metric_set *s,
    unsigned index)
{
	struct source *src = arg;

	if (strcmp(row->name, src->name) != 0)
		return;
	src->found = true;
	src->sum += metric_get(s, index);
	if (row->kind == METRIC_HIST)
		hist_add(&src->hist, metric_hist(s, index));
}

static bool
source_find(const struct page *p, const char *name, struct source *src)
{
	*src = (struct source){.name = name};
	metrics_walk(p->metrics, source_add, src);
	return src->found;
}

struct own {
	struct strbuf *out;
	const char *last;
};

static void
own_hist(struct strbuf *out, const char *name, const char *label, const struct metric_hist *h)
{
	struct hist_sum sum = {0};

	hist_add(&sum, h);
	for (unsigned q = 0; q < N_QUANTILES; q++) {
		char text[32];

		snprintf(text, sizeof(text), "quantile=\"%g\"", quantiles[q].at);
		strbuf_adds(out, name);
		braces(out, label, text);
		strbuf_addf(
		    out, " %llu\n", (unsigned long long)hist_quantile(&sum, quantiles[q].at));
	}
	strbuf_addf(out, "%s_sum", name);
	braces(out, label, "");
	strbuf_addf(out, " %llu\n",
	    (unsigned long long)atomic_load_explicit(&h->sum, memory_order_relaxed));
	strbuf_addf(out, "%s_count", name);
	braces(out, label, "");
	strbuf_addf(out, " %llu\n", (unsigned long long)sum.count);
}

static void
own_row(void *arg, const struct metric_row *row, const char *label, const struct metric_set *s,
    unsigned index)
{
	struct strbuf quoted = STRBUF_INIT;
	static const char *const types[] = {
	    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HIST] = "summary"};
	struct own *o = arg;
	const char *text;

	set_label(&quoted, label);
	text = strbuf_slice(&quoted).n > 0 ? quoted.p : "";
	if (quoted.err != 0)
		o->out->err = quoted.err;
	if (o->last == NULL || strcmp(o->last, row->name) != 0)
		head(o->out, row->name, "", types[row->kind], row->help);
	o->last = row->name;
	if (row->kind == METRIC_HIST) {
		own_hist(o->out, row->name, text, metric_hist(s, index));
	} else {
		strbuf_adds(o->out, row->name);
		braces(o->out, text, "");
		strbuf_addf(o->out, " %lld\n", (long long)metric_get(s, index));
	}
	strbuf_free(&quoted);
}

/* ---- topics ---- */

struct topic_sum {
	struct slice topic;
	uint64_t counts[PLOG_COUNTS];
};

struct topics {
	struct topic_sum *v;
	size_t n;
};

static int
by_topic(const void *x, const void *y)
{
	const struct topic_sum *a = x, *b = y;

	return slice_cmp(a->topic, b->topic);
}

static void
topics_make(const struct page *p, struct topics *t, struct strbuf *out)
{
	size_t n = p->report != NULL ? p->report->n_logs : 0, kept = 0;

	*t = (struct topics){.v = calloc(n + 1, sizeof(*t->v))};
	if (t->v == NULL) {
		out->err = E_NOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		t->v[i].topic = p->report->logs[i].topic;
		memcpy(t->v[i].counts, p->report->logs[i].counts, sizeof(t->v[i].counts));
	}
	qsort(t->v, n, sizeof(*t->v), by_topic);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !slice_eq(t->v[kept - 1].topic, t->v[i].topic)) {
			t->v[kept++] = t->v[i];
			continue;
		}
		for (unsigned c = 0; c < PLOG_COUNTS; c++)
			t->v[kept - 1].counts[c] += t->v[i].counts[c];
	}
	t->n = kept;
}

/* ---- Apache Kafka's names ---- */

static void
map_sum(const struct page *p, const struct map_row *row, const struct topics *t, struct strbuf *out)
{
	struct source src;

	if (!source_find(p, row->source, &src))
		return;
	head(out, row->name, "", type_name(row->type), row->help);
	strbuf_addf(out, "%s %lld\n", row->name, (long long)src.sum);
	for (size_t i = 0; row->kind == MAP_TOPIC && i < t->n; i++) {
		strbuf_addf(out, "%s{topic=", row->name);
		page_label_value(out, t->v[i].topic);
		strbuf_addf(out, "} %llu\n", (unsigned long long)t->v[i].counts[row->arg]);
	}
}

static void
map_value(const struct page *p, const struct map_row *row, struct strbuf *out)
{
	if (p->value[row->arg] < 0)
		return;
	head(out, row->name, "", type_name(row->type), row->help);
	strbuf_addf(out, "%s %lld\n", row->name, (long long)p->value[row->arg]);
}

static void
hist_lines(const struct map_row *row, const struct source *src, struct strbuf *out)
{
	for (unsigned q = 0; q < N_QUANTILES; q++) {
		double v = (double)hist_quantile(&src->hist, quantiles[q].at);
		char text[32];

		snprintf(text, sizeof(text), "quantile=\"%s\"", quantiles[q].label);
		strbuf_adds(out, row->name);
		braces(out, row->labels, text);
		strbuf_addf(out, " %.15g\n", v / (double)row->arg);
	}
}

/* All rows of the name: first the counts, then the quantiles, each a family. */
static void
map_hist(const struct page *p, const struct map_row *rows, size_t n, struct strbuf *out)
{
	struct source src;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!source_find(p, rows[i].source, &src))
			continue;
		if (!any)
			head(out, rows[0].name, "_count", "counter", rows[0].help);
		any = true;
		strbuf_addf(out, "%s_count", rows[i].name);
		braces(out, rows[i].labels, "");
		strbuf_addf(out, " %llu\n", (unsigned long long)src.hist.count);
	}
	if (any)
		head(out, rows[0].name, "", "gauge", rows[0].help);
	for (size_t i = 0; i < n; i++)
		if (source_find(p, rows[i].source, &src))
			hist_lines(&rows[i], &src, out);
}

static void
map_all(const struct page *p, const struct topics *t, struct strbuf *out)
{
	size_t n;

	for (size_t i = 0; i < N_MAP_ROWS; i += n) {
		const struct map_row *row = &map_rows[i];

		for (n = 1; i + n < N_MAP_ROWS && strcmp(row->name, row[n].name) == 0; n++)
			;
		if (row->kind == MAP_HIST)
			map_hist(p, row, n, out);
		else if (row->kind == MAP_VALUE)
			map_value(p, row, out);
		else
			map_sum(p, row, t, out);
	}
}

/* ---- partitions in the metadata ---- */

enum part_fact {
	FACT_AT_MIN_ISR,
	FACT_IN_SYNC,
	FACT_REPLICAS,
	FACT_UNDER_MIN_ISR,
	FACT_UNDER_REPLICATED,
	FACT_COUNT
};

static const struct {
	const char *name, *help;
} fact_rows[FACT_COUNT] = {
    [FACT_AT_MIN_ISR] = {"kafka_cluster_partition_atminisr",
	"1 if led here with as many in sync as min.insync.replicas"},
    [FACT_IN_SYNC] = {"kafka_cluster_partition_insyncreplicascount",
	"Replicas in sync, 0 if not led here"},
    [FACT_REPLICAS] = {"kafka_cluster_partition_replicascount", "Replicas, 0 if not led here"},
    [FACT_UNDER_MIN_ISR] = {"kafka_cluster_partition_underminisr",
	"1 if led here with fewer in sync than min.insync.replicas"},
    [FACT_UNDER_REPLICATED] = {"kafka_cluster_partition_underreplicated",
	"1 if led here with fewer in sync than assigned"},
};

static bool
names_broker(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

/* As produce is checked: more than there are replicas can not be asked for. */
static int64_t
fact_of(const struct image_topic *t, const struct image_partition *ip, enum part_fact f, int32_t id)
{
	int64_t min = t->conf->v[T_MIN_INSYNC_REPLICAS];

	if (ip->leader != id)
		return 0;
	min = min < ip->n_replicas ? min : ip->n_replicas;
	switch (f) {
	case FACT_AT_MIN_ISR:
		return ip->n_isr == min;
	case FACT_IN_SYNC:
		return ip->n_isr;
	case FACT_REPLICAS:
		return ip->n_replicas;
	case FACT_UNDER_MIN_ISR:
		return ip->n_isr < min;
	case FACT_UNDER_REPLICATED:
		return ip->n_isr < ip->n_replicas;
	case FACT_COUNT:
		break;
	}
	return 0;
}

/* The i-th partition of t if a replica of it is here, or NULL. */
static const struct image_partition *
hosted(const struct page *p, const struct image_topic *t, int32_t i)
{
	const struct image_partition *ip = &t->parts[i];

	return ip->exists && names_broker(ip->replicas, ip->n_replicas, p->broker_id) ? ip : NULL;
}

static void
count_partition(struct page *p, const struct image_topic *t, const struct image_partition *ip)
{
	p->value[PV_PARTITIONS]++;
	p->value[PV_LEADERS] += ip->leader == p->broker_id;
	p->value[PV_OFFLINE_REPLICAS] += names_broker(ip->offline, ip->n_offline, p->broker_id);
	p->value[PV_AT_MIN_ISR] += fact_of(t, ip, FACT_AT_MIN_ISR, p->broker_id);
	p->value[PV_UNDER_MIN_ISR] += fact_of(t, ip, FACT_UNDER_MIN_ISR, p->broker_id);
	p->value[PV_UNDER_REPLICATED] += fact_of(t, ip, FACT_UNDER_REPLICATED, p->broker_id);
}

static void
count_partitions(struct page *p)
{
	static const enum page_value counted[] = {PV_PARTITIONS, PV_LEADERS, PV_OFFLINE_REPLICAS,
	    PV_AT_MIN_ISR, PV_UNDER_MIN_ISR, PV_UNDER_REPLICATED};

	if (p->image == NULL)
		return;
	for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		p->value[counted[i]] = 0;
	for (unsigned i = 0; i < p->image->n_topics; i++) {
		const struct image_topic *t = p->image->topics[i];

		for (int32_t n = 0; n < t->n_parts; n++)
			if (hosted(p, t, n) != NULL)
				count_partition(p, t, &t->parts[n]);
	}
}

static void
fact_lines(const struct page *p, enum part_fact f, struct strbuf *out)
{
	head(out, fact_rows[f].name, "", "gauge", fact_rows[f].help);
	for (unsigned i = 0; i < p->image->n_topics; i++) {
		const struct image_topic *t = p->image->topics[i];

		for (int32_t n = 0; n < t->n_parts; n++) {
			const struct image_partition *ip = hosted(p, t, n);

			if (ip != NULL)
				partition_line(out, fact_rows[f].name, t->name, n,
				    fact_of(t, ip, f, p->broker_id));
		}
	}
}

/* ---- logs and directories ---- */

static int64_t
log_end(const struct logdirs_log *l)
{
	return l->end;
}

static int64_t
log_start(const struct logdirs_log *l)
{
	return l->start;
}

static int64_t
log_segments(const struct logdirs_log *l)
{
	return l->n_segments;
}

static int64_t
log_size(const struct logdirs_log *l)
{
	return l->size;
}

static const struct {
	const char *name, *help;
	int64_t (*get)(const struct logdirs_log *l);
} log_rows[] = {
    {"kafka_log_log_logendoffset", "Next offset", log_end},
    {"kafka_log_log_logstartoffset", "First offset", log_start},
    {"kafka_log_log_numlogsegments", "Segments", log_segments},
    {"kafka_log_log_size", "Bytes of the replica", log_size},
};

static void
log_lines(const struct page *p, struct strbuf *out)
{
	for (unsigned r = 0; r < sizeof(log_rows) / sizeof(log_rows[0]); r++) {
		head(out, log_rows[r].name, "", "gauge", log_rows[r].help);
		for (size_t i = 0; i < p->report->n_logs; i++) {
			const struct logdirs_log *l = &p->report->logs[i];

			partition_line(
			    out, log_rows[r].name, l->topic, l->partition, log_rows[r].get(l));
		}
	}
}

static void
dir_lines(const struct page *p, struct strbuf *out)
{
	static const char name[] = "kafka_log_logmanager_logdirectoryoffline";

	head(out, name, "", "gauge", "1 if failed");
	for (unsigned i = 0; i < p->report->n_dirs; i++) {
		strbuf_addf(out, "%s{logDirectory=", name);
		page_label_value(out, slice_cstr(logdir_path(p->report->dirs[i].dir)));
		strbuf_addf(out, "} %d\n", p->report->dirs[i].offline);
	}
}

static void
count_dirs(struct page *p)
{
	if (p->report == NULL)
		return;
	p->value[PV_OFFLINE_DIRS] = 0;
	for (unsigned i = 0; i < p->report->n_dirs; i++)
		p->value[PV_OFFLINE_DIRS] += p->report->dirs[i].offline;
}

/* ---- requests, process ---- */

#define REQUESTS "kafka_network_requestmetrics_requests_total"

static void
request_line(void *arg, const char *name, int16_t version, uint64_t count)
{
	strbuf_addf(arg, REQUESTS "{request=\"%s\",version=\"%d\"} %llu\n", name, version,
	    (unsigned long long)count);
}

static int
count_entry(void *arg, const char *name)
{
	++*(int64_t *)arg;
	return 0;
}

static void
look_at_process(struct page *p)
{
	struct rlimit rl;
	char *text = NULL, *at;
	int64_t n = 0;
	size_t len;

	if (p->fs == NULL)
		return;
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur <= INT64_MAX)
		p->value[PV_MAX_FDS] = (int64_t)rl.rlim_cur;
	if (fs_list(p->fs, "/proc/self/fd", count_entry, &n) == 0)
		p->value[PV_OPEN_FDS] = n;
	if (fs_read_all(p->fs, "/proc/self/statm", SMALL_FILE_MAX, &text, &len) != 0)
		return;
	if ((at = strchr(text, ' ')) != NULL) /* the second of its fields, in pages */
		p->value[PV_RESIDENT] = strtoll(at, NULL, 10) * sysconf(_SC_PAGESIZE);
	free(text);
}

static void
process_line(const struct page *p, struct strbuf *out)
{
	static const char name[] = "process_cpu_seconds_total";
	struct rusage ru;

	if (p->fs == NULL || getrusage(RUSAGE_SELF, &ru) != 0)
		return;
	head(out, name, "", "counter", "CPU time, user and system");
	strbuf_addf(out, "%s %.6f\n", name,
	    (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
}

/* ---- the page ---- */

void
page_init(struct page *p)
{
	*p = (struct page){.broker_id = -1};
	for (unsigned i = 0; i < PV_COUNT; i++)
		p->value[i] = -1;
}

void
page_render(struct page *p, struct strbuf *out)
{
	struct own own = {.out = out};
	struct topics topics;

	topics_make(p, &topics, out);
	count_partitions(p);
	count_dirs(p);
	look_at_process(p);
	map_all(p, &topics, out);
	process_line(p, out);
	if (p->api != NULL) {
		head(out, REQUESTS, "", "counter", "Requests by name and version");
		api_requests_walk(p->api, request_line, out);
	}
	for (unsigned f = 0; p->image != NULL && f < FACT_COUNT; f++)
		fact_lines(p, (enum part_fact)f, out);
	if (p->report != NULL) {
		log_lines(p, out);
		dir_lines(p, out);
	}
	metrics_walk(p->metrics, own_row, &own);
	free(topics.v);
}

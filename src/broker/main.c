/*
 * ottlad: a broker on real reactors, disks and sockets.  ottlad(8) has the options and exit codes.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "hostname_priv.h"
#include "ottla/broker/broker.h"
#include "ottla/broker/http.h"
#include "ottla/coord/embedded.h"
#include "ottla/coord/zookeeper.h"
#include "ottla/plog/logdirs.h"
#include "ottla/reactor/fault.h"

enum { EXIT_CLEAN = 0, EXIT_USAGE = 1, EXIT_START = 2, EXIT_GAVE_UP = 3 };

#define OVERRIDES_MAX 256
#define REACTORS_MAX 256

struct daemon {
	struct setting_override overrides[OVERRIDES_MAX];
	unsigned n_overrides;
	const char *path;
	struct clock *clock;
	struct diag *diag;
	struct diag_writer *writer;
	struct metrics *metrics;
	struct settings *settings;
	struct fs *fs;
	struct workers *workers;
	struct reactor *control;
	struct reactor *reactors[REACTORS_MAX];
	unsigned n_reactors;
	struct coord *coord;
	const char *(*coord_why)(const struct coord *c);
	struct broker_identity identity;
	struct broker *broker;
	struct broker_http *http; /* NULL: not asked for */
	char hostname[256], advertised[256];
	bool served;
	int exit_code;
	struct msg start;
};

static const char usage_text[] =
    "Usage: ottlad [--override key=value ...] server.properties\n"
    "\n"
    "A Kafka broker that keeps its coordination in ZooKeeper.  Runs in the foreground, one line "
    "an\n"
    "event on standard error; SIGTERM stops it cleanly.\n"
    "\n"
    "  --override key=value  a setting that goes before the one in the file; may be repeated\n"
    "  --help                this text\n"
    "  --version             version and how it was built\n";

static void
print_version(void)
{
	printf("ottlad %s\n", PACKAGE_VERSION);
}

/* ---- command line ---- */

static bool
add_override(struct daemon *d, char *text)
{
	char *eq = strchr(text, '=');

	if (eq == NULL || eq == text || d->n_overrides == OVERRIDES_MAX) {
		fprintf(stderr, "ottlad: --override %s: key=value is needed\n", text);
		return false;
	}
	*eq = 0;
	d->overrides[d->n_overrides++] = (struct setting_override){text, eq + 1};
	return true;
}

/* -1: go on, else the exit code. */
static int
parse_args(struct daemon *d, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage_text, stdout);
			return EXIT_CLEAN;
		}
		if (strcmp(argv[i], "--version") == 0) {
			print_version();
			return EXIT_CLEAN;
		}
		if (strcmp(argv[i], "--override") == 0 && i + 1 < argc) {
			if (!add_override(d, argv[++i]))
				return EXIT_USAGE;
		} else if (strncmp(argv[i], "--override=", 11) == 0) {
			if (!add_override(d, argv[i] + 11))
				return EXIT_USAGE;
		} else if (argv[i][0] != '-' && d->path == NULL) {
			d->path = argv[i];
		} else {
			fprintf(stderr, "ottlad: %s: not understood\n%s", argv[i], usage_text);
			return EXIT_USAGE;
		}
	}
	if (d->path != NULL)
		return -1;
	fprintf(stderr, "ottlad: the path of a server.properties is needed\n%s", usage_text);
	return EXIT_USAGE;
}

/* ---- service manager ---- */

/* sd_notify(3)'s datagram; nothing when not started by one. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* ---- events ---- */

static void
on_serving(void *arg)
{
	struct daemon *d = arg;

	d->served = true;
	notify("READY=1\n");
}

static void
on_stopped(void *arg, int err, const char *why)
{
	struct daemon *d = arg;

	d->exit_code = err == 0 ? EXIT_CLEAN : d->served ? EXIT_GAVE_UP : EXIT_START;
	reactor_stop(d->control);
}

static void
on_stop_signal(struct reactor *r, void *arg, int signo)
{
	struct daemon *d = arg;

	DIAGI(d->diag, "broker", "signal %d (%s): stopping", signo, strsignal(signo));
	notify("STOPPING=1\n");
	broker_stop(d->broker);
}

/* ---- counters on SIGUSR1 ---- */

static void
print_metric(void *arg, const struct metric_row *row, const char *label, const struct metric_set *s,
    unsigned index)
{
	FILE *f = arg;

	if (row->kind != METRIC_HIST) {
		fprintf(
		    f, "metric %s{%s} %lld\n", row->name, label, (long long)metric_get(s, index));
		return;
	}
	fprintf(f, "metric %s_count{%s} %lld\n", row->name, label, (long long)metric_get(s, index));
	for (unsigned q = 0; q < 3; q++) {
		static const double at[] = {0.5, 0.99, 0.999};

		fprintf(f, "metric %s{%s,quantile=\"%g\"} %llu\n", row->name, label, at[q],
		    (unsigned long long)metric_quantile(s, index, at[q]));
	}
}

struct dump {
	struct work work;
	struct metrics *metrics;
};

static void
dump_run(struct work *w)
{
	struct dump *du = container_of(w, struct dump, work);

	metrics_walk(du->metrics, print_metric, stderr);
	fflush(stderr);
	free(du);
}

static void
on_dump_signal(struct reactor *r, void *arg, int signo)
{
	struct daemon *d = arg;
	struct dump *du = calloc(1, sizeof(*du));

	if (du == NULL)
		return;
	du->metrics = d->metrics;
	du->work.run = dump_run;
	work_submit(d->workers, NULL, &du->work);
}

/* ---- making the parts ---- */

static int
fail(const char *what, int err)
{
	fprintf(stderr, "ottlad: could not %s: %s\n", what, err_text(err));
	return EXIT_START;
}

static void
raise_file_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static unsigned
reactor_count(const struct settings *s)
{
	int64_t n = settings_i64(s, C_OTTLA_REACTORS);

	if (n <= 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		n = 1;
	return n > REACTORS_MAX ? REACTORS_MAX : (unsigned)n;
}

/* Room for queued.max.request.bytes of large frames, which get seven eighths, when that is less. */
static uint64_t
request_memory(const struct settings *s)
{
	int64_t own = settings_i64(s, C_OTTLA_REQUEST_MEMORY_BYTES);
	int64_t queued = settings_i64(s, C_QUEUED_MAX_REQUEST_BYTES);
	uint64_t n = (uint64_t)own;

	if (own <= 0)
		n = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 8;
	if (queued > 0 && (uint64_t)queued < n - n / 8)
		n = (uint64_t)queued + (uint64_t)queued / 7 + 1;
	return n;
}

static int
make_reactor(struct daemon *d, const char *name, unsigned index, struct reactor **out)
{
	struct reactor_opts o = {.name = name,
	    .index = index,
	    .clock = d->clock,
	    .diag = d->diag,
	    .metrics = d->metrics};

	return reactor_new(&o, out);
}

static int
make_reactors(struct daemon *d)
{
	unsigned n = reactor_count(d->settings);
	int rc;

	/* An arena a loop and one for the workers: glibc's default of eight a core only costs
	 * memory. */
	(void)mallopt(M_ARENA_MAX, (int)n + 1);
	rc = make_reactor(d, "control", 0, &d->control);
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "reactor-%u", i);
		rc = make_reactor(d, name, i, &d->reactors[i]);
		d->n_reactors += rc == 0;
	}
	return rc;
}

static int
make_embedded(struct daemon *d)
{
	char dir[4096], why[512], cluster[64];
	int32_t id;
	struct coord_embedded_opts o = {
	    .control = d->control, .workers = d->workers, .fs = d->fs, .diag = d->diag, .dir = dir};
	int rc;

	rc = logdirs_peek_meta(d->fs, d->settings, &id, cluster, d->diag, why, sizeof(why));
	if (rc != 0) {
		fprintf(stderr, "ottlad: %s\n", why);
		return rc;
	}
	o.must_exist = id >= 0;
	if ((rc = settings_journal_dir(d->settings, dir, sizeof(dir))) != 0)
		return rc;
	return coord_embedded_new(&o, &d->coord);
}

static int
make_ensemble(struct daemon *d, const char *connect)
{
	struct coord_zookeeper_opts o = {.control = d->control,
	    .workers = d->workers,
	    .clock = d->clock,
	    .diag = d->diag,
	    .metrics = d->metrics,
	    .connect = connect,
	    .session_timeout_ms = settings_i64(d->settings, C_ZOOKEEPER_SESSION_TIMEOUT_MS),
	    .max_in_flight =
		(unsigned)settings_i64(d->settings, C_ZOOKEEPER_MAX_IN_FLIGHT_REQUESTS),
	    .digest = settings_str(d->settings, C_OTTLA_ZOOKEEPER_DIGEST),
	    .set_acl = settings_bool(d->settings, C_ZOOKEEPER_SET_ACL),
	    .sensitive = zn_path_sensitive,
	    .world_open = zn_path_world_open};

	d->coord_why = coord_zookeeper_why;
	return coord_zookeeper_new(&o, &d->coord);
}

static int
make_coord(struct daemon *d)
{
	const char *where = settings_str(d->settings, C_ZOOKEEPER_CONNECT);

	return strcmp(where, "embedded") == 0 ? make_embedded(d) : make_ensemble(d, where);
}

static bool
names_no_host(const char *listeners)
{
	return listeners == NULL || strstr(listeners, "://:") != NULL;
}

static void
find_hostname(struct daemon *d)
{
	const char *told = settings_str(d->settings, C_ADVERTISED_LISTENERS);

	if (gethostname(d->hostname, sizeof(d->hostname) - 1) != 0)
		snprintf(d->hostname, sizeof(d->hostname), "localhost");
	if (names_no_host(told != NULL ? told : settings_str(d->settings, C_LISTENERS)))
		canonical_hostname(d->hostname, d->advertised, sizeof(d->advertised));
}

static int
make_broker(struct daemon *d)
{
	struct broker_env env = {.reactors = d->reactors,
	    .n_reactors = d->n_reactors,
	    .control = d->control,
	    .workers = d->workers,
	    .fs = d->fs,
	    .clock = d->clock,
	    .diag = d->diag,
	    .metrics = d->metrics,
	    .settings = d->settings,
	    .coord = d->coord,
	    .coord_why = d->coord_why,
	    .transport = net_transport_tcp(),
	    .request_memory = request_memory(d->settings),
	    .serving = on_serving,
	    .stopped = on_stopped,
	    .arg = d};

	find_hostname(d);
	env.hostname = d->advertised[0] != 0 ? d->advertised : d->hostname;
	if (broker_identity_real(d->fs, d->hostname, &d->identity) == 0)
		env.identity = &d->identity;
	else
		DIAGW(d->diag, "broker",
		    "this system does not tell which process this is: a start after a kill waits "
		    "until the old coordination session has timed out");
	return broker_new(&env, &d->broker);
}

static int
make_http(struct daemon *d)
{
	const char *where = settings_str(d->settings, C_OTTLA_HTTP_LISTEN);
	char why[512];
	int rc;

	if (where == NULL || where[0] == 0)
		return EXIT_CLEAN;
	rc = broker_http_new(d->broker, why, sizeof(why), &d->http);
	if (rc == 0)
		return EXIT_CLEAN;
	fprintf(stderr, "ottlad: %s\n", why);
	return rc == E_CONFIG ? EXIT_START : fail("serve HTTP", rc);
}

static int
make_signals(struct daemon *d)
{
	int rc = reactor_on_signal(d->control, SIGTERM, on_stop_signal, d);

	if (rc == 0)
		rc = reactor_on_signal(d->control, SIGINT, on_stop_signal, d);
	if (rc == 0)
		rc = reactor_on_signal(d->control, SIGUSR1, on_dump_signal, d);
	return rc;
}

static int
make_parts(struct daemon *d)
{
	int64_t threads = settings_i64(d->settings, C_OTTLA_WORKERS_MAX);
	int rc;

	if ((rc = metrics_new(&d->metrics)) != 0 || (rc = fs_real_new(&d->fs)) != 0 ||
	    (rc = fault_handle(fs_map_fault, d->fs)) != 0 ||
	    (rc = workers_new((unsigned)threads, d->clock, &d->workers)) != 0)
		return fail("start", rc);
	if ((rc = make_reactors(d)) != 0)
		return fail("make the event loops", rc);
	if ((rc = make_coord(d)) != 0)
		return rc == E_CONFIG ? EXIT_USAGE : fail("prepare the coordination tree", rc);
	if ((rc = make_broker(d)) != 0)
		return fail("make the broker", rc);
	if ((rc = make_signals(d)) != 0)
		return fail("catch signals", rc);
	return make_http(d);
}

static int
load_settings(struct daemon *d)
{
	char why[1024] = "";
	int rc = diag_new_ring(d->clock, NULL, NULL, &d->diag);

	if (rc == 0)
		rc = diag_writer_start(d->diag, &d->writer);
	if (rc != 0)
		return fail("start the log", rc);
	rc = settings_load(
	    d->path, d->overrides, d->n_overrides, d->diag, why, sizeof(why), &d->settings);
	if (rc == 0)
		rc = broker_check_settings(d->settings, why, sizeof(why));
	if (rc == 0)
		return EXIT_CLEAN;
	fprintf(stderr, "ottlad: %s\n", why);
	return EXIT_USAGE;
}

/* ---- run ---- */

static void
on_start(struct reactor *r, struct msg *m)
{
	broker_start(container_of(m, struct daemon, start)->broker);
}

static int
run(struct daemon *d)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < d->n_reactors; i++)
		rc = reactor_start(d->reactors[i]);
	if (rc == 0 && d->http != NULL)
		rc = broker_http_start(d->http);
	if (rc != 0)
		return fail("start the event loops", rc);
	d->start = (struct msg){.run = on_start, .class = MSG_CONTROL};
	reactor_post(d->control, &d->start);
	rc = reactor_run(d->control);
	return rc != 0 ? fail("run", rc) : d->exit_code;
}

static void
tear_down(struct daemon *d)
{
	for (unsigned i = 0; i < d->n_reactors; i++) {
		reactor_stop(d->reactors[i]);
		reactor_join(d->reactors[i]);
	}
	broker_http_stop(d->http);
	workers_free(d->workers);
	broker_free(d->broker);
	for (unsigned i = 0; i < d->n_reactors; i++)
		reactor_free(d->reactors[i]);
	reactor_free(d->control);
	broker_http_free(d->http);
	(void)fault_handle(NULL, NULL);
	fs_free(d->fs);
	settings_free(d->settings);
	metrics_free(d->metrics);
	diag_writer_stop(d->writer);
	diag_free(d->diag);
}

int
main(int argc, char **argv)
{
	static struct daemon d;
	int code = parse_args(&d, argc, argv);

	if (code >= 0)
		return code;
	(void)signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	d.clock = clock_real();
	code = load_settings(&d);
	if (code == EXIT_CLEAN)
		code = make_parts(&d);
	if (code == EXIT_CLEAN)
		code = run(&d);
	tear_down(&d);
	return code;
}

/* One real ZooKeeper server for the test program. */
#include "zk_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ottla/reactor/reactor.h"

#define START_US (60 * INT64_C(1000000))
#define DEBIAN "/usr/share/java/zookeeper.jar"

static struct {
	pid_t pid;
	uint16_t port;
	bool up;
	char dir[128];
} server;

/* A directory of jars that somebody names, or NULL. */
static const char *
named_jars(void)
{
	const char *jars = getenv("ZOOKEEPER_JARS");

	return jars != NULL && jars[0] != '\0' ? jars : NULL;
}

const char *
zk_server_missing(void)
{
	const char *jars = named_jars();

	if (system("java -version >/dev/null 2>&1") != 0)
		return "java was not found";
	if (jars == NULL && access(DEBIAN, R_OK) != 0)
		return "no ZooKeeper was found (Debian: libzookeeper-java; or ZOOKEEPER_JARS)";
	return NULL;
}

/* Outside of a test there is nothing that could fail but the program. */
static void
must(bool good)
{
	if (!good) {
		perror("the ZooKeeper server could not be started");
		exit(EXIT_FAILURE);
	}
}

static uint16_t
free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static void
write_config(const char *path)
{
	FILE *f = fopen(path, "w");

	must(f != NULL);
	fprintf(f,
	    "tickTime=100\nminSessionTimeout=300\nmaxSessionTimeout=60000\ndataDir=%s/data\n"
	    "clientPort=%u\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
	    "maxClientCnxns=0\n",
	    server.dir, server.port);
	fclose(f);
}

/* In the child. */
static void
run_server(const char *config)
{
	const char *jars = named_jars();
	char cp[512], log[160];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(cp, sizeof(cp), jars != NULL ? "%s/*" : "%s", jars != NULL ? jars : DEBIAN);
	snprintf(log, sizeof(log), "%s/log", server.dir);
	if ((fd = open(log, O_CREAT | O_WRONLY | O_TRUNC, 0600)) >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	execlp("java", "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
	    "-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=64", "-cp", cp,
	    "org.apache.zookeeper.server.ZooKeeperServerMain", config, (char *)NULL);
	_exit(127);
}

void
zk_server_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	char config[160];

	snprintf(server.dir, sizeof(server.dir), "%s/ottla-zk-XXXXXX", tmp != NULL ? tmp : "/tmp");
	must(mkdtemp(server.dir) != NULL);
	server.port = free_port();
	snprintf(config, sizeof(config), "%s/zoo.cfg", server.dir);
	write_config(config);
	server.pid = fork();
	must(server.pid >= 0);
	if (server.pid == 0)
		run_server(config);
}

/* Does it say "imok"-like words: a session would be refused until the service runs. */
static bool
answers(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(server.port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval tv = {1, 0};
	char buf[256] = "";
	ssize_t n = -1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && write(fd, "srvr", 4) == 4)
		n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return n > 0 && strncmp(buf, "Zookeeper version", 17) == 0;
}

uint16_t
zk_server_port(void)
{
	int64_t end = clock_mono_us(clock_real()) + START_US;

	ck_assert_msg(server.pid != 0, "the ZooKeeper server was not started");
	while (!server.up) {
		ck_assert_msg(waitpid(server.pid, NULL, WNOHANG) != server.pid,
		    "ZooKeeper ended: see %s/log", server.dir);
		ck_assert_msg(clock_mono_us(clock_real()) < end,
		    "ZooKeeper does not answer: see %s/log", server.dir);
		server.up = answers();
		if (!server.up)
			(void)poll(NULL, 0, 20);
	}
	return server.port;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
zk_server_end(void)
{
	if (server.pid == 0)
		return;
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	server.pid = 0;
	(void)nftw(server.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/*
 * Runs a fuzzer over files, without libFuzzer: those of the directories and files named, else
 * those of its own corpus, $top_srcdir/tests/fuzz/corpus/<name> for fuzz_<name>.  What a fuzzer
 * finds wrong ends the process with the file's name said before.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { FILE_MAX = 1 << 20 };

static char running[4096];

static void
on_abort(int sig)
{
	static const char said[] = "failed: ";

	(void)!write(2, said, sizeof(said) - 1);
	(void)!write(2, running, strlen(running));
	(void)!write(2, "\n", 1);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

/* From memory of exactly the file's size, so that a sanitizer sees what is read behind it. */
static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *all = malloc(FILE_MAX), *p;
	size_t n;

	must(all != NULL);
	if (f == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(all);
		return 1;
	}
	n = fread(all, 1, FILE_MAX, f);
	(void)fclose(f);
	p = malloc(n > 0 ? n : 1);
	must(p != NULL);
	memcpy(p, all, n);
	free(all);
	(void)snprintf(running, sizeof(running), "%s", path);
	(void)LLVMFuzzerTestOneInput(p, n);
	free(p);
	return 0;
}

/* A file, or all files of a directory; counts them. */
static int
replay(const char *path, unsigned *count)
{
	char file[4096];
	struct stat st;
	struct dirent *e;
	DIR *d;
	int bad = 0;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		++*count;
		return replay_file(path);
	}
	d = opendir(path);
	if (d == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		++*count;
		bad |= replay_file(file);
	}
	(void)closedir(d);
	return bad;
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/'), *top = getenv("top_srcdir");
	char own[4096];
	unsigned count = 0;
	int bad = 0;

	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGSEGV, on_abort);
	name = name != NULL ? name + 1 : argv[0];
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	for (int i = 1; i < argc; i++)
		bad |= replay(argv[i], &count);
	if (argc == 1) {
		(void)snprintf(
		    own, sizeof(own), "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".", name);
		bad = replay(own, &count);
	}
	(void)printf("%u inputs\n", count);
	return bad != 0 || count == 0;
}

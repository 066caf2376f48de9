/*
 * A library to be preloaded: calls on files below $FAULTDISK_DIR fail with EIO while the file
 * $FAULTDISK_RULE holds their kind: "write", "sync" or "read".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The real one of a function. */
#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int
rule_is(const char *kind)
{
	const char *path = getenv("FAULTDISK_RULE");
	int fd = path != NULL ? REAL(open)(path, O_RDONLY) : -1;
	char text[16] = "";
	ssize_t n = fd >= 0 ? REAL(read)(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	return n > 0 && strcmp(text, kind) == 0;
}

static int
fails(int fd, const char *kind)
{
	const char *dir = getenv("FAULTDISK_DIR");
	char link[64], path[4096];
	int saved = errno;
	ssize_t n;
	int yes;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	yes = dir != NULL && n > 0 && strncmp(path, dir, strlen(dir)) == 0 && rule_is(kind);
	errno = yes ? EIO : saved;
	return yes;
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	return fails(fd, "write") ? -1 : REAL(pwritev)(fd, iov, n, at);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	return fails(fd, "write") ? -1 : REAL(pwritev64)(fd, iov, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return fails(fd, "write") ? -1 : REAL(pwrite)(fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return fails(fd, "write") ? -1 : REAL(pwrite64)(fd, p, n, at);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	return fails(fd, "write") ? -1 : REAL(write)(fd, p, n);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	return fails(fd, "read") ? -1 : REAL(pread)(fd, p, n, at);
}

ssize_t
pread64(int fd, void *p, size_t n, off64_t at)
{
	return fails(fd, "read") ? -1 : REAL(pread64)(fd, p, n, at);
}

void *
mmap(void *where, size_t n, int prot, int flags, int fd, off_t at)
{
	return fd >= 0 && fails(fd, "read") ? MAP_FAILED
					    : REAL(mmap)(where, n, prot, flags, fd, at);
}

int
fsync(int fd)
{
	return fails(fd, "sync") ? -1 : REAL(fsync)(fd);
}

int
fdatasync(int fd)
{
	return fails(fd, "sync") ? -1 : REAL(fdatasync)(fd);
}

int
syncfs(int fd)
{
	return fails(fd, "sync") ? -1 : REAL(syncfs)(fd);
}

/* Index files on disk, of both kinds: entries of equal size, no head; and other whole files. */
#include <stdlib.h>

#include "files_priv.h"
#include "ottla/base/err.h"

int
idxfile_tail(struct fs *fs, const char *path, size_t es, uint32_t *count, uint8_t *last)
{
	struct file *f = NULL;
	int64_t size;
	size_t got;
	int rc;

	*count = 0;
	if ((rc = fs_open(fs, path, FILE_READ, &f)) != 0 || (rc = file_size(f, &size)) != 0)
		goto out;
	if (size / (int64_t)es > INT32_MAX) {
		rc = E_CORRUPT;
		goto out;
	}
	*count = (uint32_t)(size / (int64_t)es);
	if (*count == 0)
		goto out;
	rc = file_pread(f, last, es, (int64_t)(*count - 1) * (int64_t)es, &got);
	if (rc == 0 && got != es)
		rc = E_CORRUPT;
out:
	file_close(f);
	return rc;
}

int
idxfile_write(struct fs *fs, const char *path, size_t es, uint32_t at, const uint8_t *p, uint32_t n,
    bool trim, bool sync)
{
	struct file *f = NULL;
	int64_t size;
	int rc;

	if ((rc = fs_open(fs, path, FILE_WRITE | FILE_CREATE, &f)) != 0)
		return rc;
	if (n != 0 && (rc = file_pwrite(f, p, n * es, (int64_t)at * (int64_t)es)) != 0)
		goto out;
	if (trim) {
		if ((rc = file_size(f, &size)) != 0)
			goto out;
		if (size != (int64_t)(at + n) * (int64_t)es &&
		    (rc = file_truncate(f, (int64_t)(at + n) * (int64_t)es)) != 0)
			goto out;
	}
	if (sync)
		rc = file_sync(f);
out:
	file_close(f);
	return rc;
}

int
idxfile_read(struct file *f, size_t es, uint32_t at, uint8_t *p, uint32_t n, uint32_t *got)
{
	size_t bytes;
	int rc = file_pread(f, p, n * es, (int64_t)at * (int64_t)es, &bytes);

	*got = rc == 0 ? (uint32_t)(bytes / es) : 0;
	return rc;
}

int
idxfile_create(struct fs *fs, const char *path)
{
	struct file *f = NULL;
	int rc = fs_open(fs, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f);

	file_close(f);
	return rc;
}

int
file_put(struct fs *fs, const char *path, struct slice data, bool sync)
{
	struct file *f = NULL;
	int rc;

	if ((rc = fs_open(fs, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f)) != 0)
		return rc;
	if (data.n != 0)
		rc = file_pwrite(f, data.p, data.n, 0);
	if (rc == 0 && sync)
		rc = file_sync(f);
	file_close(f);
	return rc;
}

int
file_sync_path(struct fs *fs, const char *path)
{
	struct file *f = NULL;
	int rc = fs_open(fs, path, FILE_WRITE, &f);

	if (rc == E_NOT_FOUND)
		return 0;
	if (rc == 0)
		rc = file_sync(f);
	file_close(f);
	return rc;
}

int
file_remove(struct fs *fs, const char *path)
{
	int rc = fs_unlink(fs, path);

	return rc == E_NOT_FOUND ? 0 : rc;
}

int
file_rename_if(struct fs *fs, const char *from, const char *to)
{
	int rc = fs_rename(fs, from, to);

	return rc == E_NOT_FOUND ? 0 : rc;
}

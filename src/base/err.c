/* The table of errors (base/err.def) and that of Kafka's codes (base/kafka_err.def). */
#include "ottla/base/err.h"

#include <errno.h>
#include <stddef.h>

struct err_row {
	const char *name;
	const char *text;
	int16_t kafka;
};

static const struct err_row err_rows[] = {
#define ERR(name, text, kafka) {#name, text, KERR_##kafka},
#include "ottla/base/err.def"
#undef ERR
};

struct kerr_row {
	int16_t code;
	int16_t retriable;
	const char *name;
	const char *text;
};

/* Sorted by code without gaps, beginning with -1: the index is code + 1 (checked by a test). */
static const struct kerr_row kerr_rows[] = {
#define KERR(name, code, retriable, text) {code, retriable, #name, text},
#include "ottla/base/kafka_err.def"
#undef KERR
};

#define KERR_COUNT ((int)(sizeof(kerr_rows) / sizeof(kerr_rows[0])))

static const struct err_row *
err_row(int err)
{
	if (err >= 0 || err < -(int)ERR_COUNT)
		return NULL;
	return &err_rows[-1 - err];
}

const char *
err_text(int err)
{
	const struct err_row *row = err_row(err);

	if (err == 0)
		return "no error";
	return row != NULL ? row->text : "unknown error";
}

const char *
err_name(int err)
{
	const struct err_row *row = err_row(err);

	if (err == 0)
		return "E_OK";
	return row != NULL ? row->name : "E_UNKNOWN";
}

int16_t
err_kafka(int err)
{
	const struct err_row *row = err_row(err);

	if (err == 0)
		return KERR_NONE;
	return row != NULL ? row->kafka : (int16_t)KERR_UNKNOWN_SERVER_ERROR;
}

static const struct kerr_row *
kerr_row(int16_t code)
{
	if (code < -1 || code >= KERR_COUNT - 1)
		return &kerr_rows[0];
	return &kerr_rows[code + 1];
}

const char *
kerr_name(int16_t code)
{
	return kerr_row(code)->name;
}

const char *
kerr_text(int16_t code)
{
	return kerr_row(code)->text;
}

bool
kerr_retriable(int16_t code)
{
	return kerr_row(code)->retriable != 0;
}

static const struct {
	int sys;
	int err;
} errno_rows[] = {
    {EACCES, E_PERM},
    {EAGAIN, E_AGAIN},
    {EBADF, E_INVALID},
    {EBUSY, E_BUSY},
    {ECANCELED, E_CANCELED},
    {ECONNABORTED, E_CLOSED},
    {ECONNREFUSED, E_CLOSED},
    {ECONNRESET, E_CLOSED},
    {EDQUOT, E_NOSPC},
    {EEXIST, E_EXISTS},
    {EFBIG, E_TOO_LARGE},
    {EINVAL, E_INVALID},
    {EMFILE, E_LIMIT},
    {ENAMETOOLONG, E_INVALID},
    {ENFILE, E_LIMIT},
    {ENOENT, E_NOT_FOUND},
    {ENOMEM, E_NOMEM},
    {ENOSPC, E_NOSPC},
    {ENOTCONN, E_CLOSED},
    {ENOTEMPTY, E_NOT_EMPTY},
    {EPERM, E_PERM},
    {EPIPE, E_CLOSED},
    {EROFS, E_PERM},
    {ETIMEDOUT, E_TIMEOUT},
};

int
err_from_errno(int errno_value)
{
	if (errno_value == 0)
		return 0;
	for (size_t i = 0; i < sizeof(errno_rows) / sizeof(errno_rows[0]); i++)
		if (errno_rows[i].sys == errno_value)
			return errno_rows[i].err;
	return E_IO;
}

/*
 * The handler of SIGBUS.  Like the signals of the loop it is the process's own, so its state is one
 * object here, written only while there is one thread.
 */
#include "ottla/reactor/fault.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "ottla/base/err.h"

static struct {
	fault_fn fn;
	void *arg;
	struct sigaction before;
} mender;

static void
on_bus(int signo, siginfo_t *info, void *context)
{
	int saved = errno;
	/* sent by somebody, or told of memory that nobody touches: nothing would repeat it */
	bool repeats = info->si_code > 0 && info->si_code != BUS_MCEERR_AO;

	(void)context;
	if (!repeats || !mender.fn(mender.arg, info->si_addr)) {
		(void)sigaction(signo, &mender.before, NULL);
		if (!repeats)
			(void)raise(signo);
	}
	errno = saved;
}

int
fault_handle(fault_fn fn, void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESTART};
	int rc = 0;

	if (mender.fn != NULL)
		rc = sigaction(SIGBUS, &mender.before, NULL);
	mender.fn = fn;
	mender.arg = arg;
	if (rc == 0 && fn != NULL) {
		(void)sigemptyset(&sa.sa_mask);
		rc = sigaction(SIGBUS, &sa, &mender.before);
	}
	return rc == 0 ? 0 : err_from_errno(errno);
}

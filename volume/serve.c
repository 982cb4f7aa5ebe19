/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/serve.h"
#include "base/io.h"
#include "crypto/selftest.h"
#include "ipc/channel.h"
#include "volume/harden.h"
#include "volume/runtime.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSPHRASE_BYTES_MAX KEYSTORE_KEY_FILE_BYTES_MAX

int serve_parse_verify(const char *name, enum verify_mode *ret_verify)
{
	if (strcmp(name, "full") == 0)
		*ret_verify = VERIFY_FULL;
	else if (strcmp(name, "sample") == 0)
		*ret_verify = VERIFY_SAMPLE;
	else if (strcmp(name, "none") == 0)
		*ret_verify = VERIFY_NONE;
	else
		return -EINVAL;
	return 0;
}

static int open_engine(const struct serve_options *options, struct engine **ret_engine,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	int r;

	r = secret_read_fd(options->passphrase_fd, PASSPHRASE_BYTES_MAX, &passphrase);
	close(options->passphrase_fd);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "the passphrase could not be read: %s", strerror(-r));
	return engine_open(options->path, &options->engine, passphrase, ret_engine, reterr_problem);
}

/* Before the first key is used: an algorithm that answers wrongly must not touch a volume. */
static int test_algorithms(struct problem *reterr_problem)
{
	struct selftest_result results[SELFTEST_MAX];
	size_t count;
	int r = selftest_run(results, &count);

	for (size_t i = 0; i < count; i++) {
		if (!results[i].ok)
			return problem_set(reterr_problem, r,
				"the self-test of %s failed (%s): no volume is opened with it; "
				"check this machine's memory and its libcrypto and libsodium",
				results[i].name, results[i].detail);
	}
	return r;
}

int serve_open(const struct serve_options *options, struct engine **ret_engine,
	struct problem *reterr_problem)
{
	int r;

	r = harden_early(reterr_problem);
	if (r >= 0)
		r = profile_set(options->profile, reterr_problem);
	if (r >= 0)
		r = test_algorithms(reterr_problem);
	if (r >= 0)
		r = open_engine(options, ret_engine, reterr_problem);
	return r;
}

int serve_listen(const char *uuid, int *ret_fd, struct problem *reterr_problem)
{
	char path[RUNTIME_PATH_BYTES];
	int r;

	r = runtime_path(uuid, "control", path);
	if (r < 0)
		return r;
	r = channel_listen(path, ret_fd);
	return r < 0 ? problem_set(reterr_problem, r,
			       "%s: the control socket could not be made: %s", path, strerror(-r))
		     : 0;
}

void serve_say(int fd, int error, const char *text)
{
	char line[PROBLEM_TEXT_BYTES + 32];

	if (error < 0)
		snprintf(line, sizeof(line), "%d %s\n", error, text);
	else
		snprintf(line, sizeof(line), "ok\n");
	if (io_write(fd, line, strlen(line)) < 0)
		_exit(EXIT_FAILURE); /* who started us is gone */
	close(fd);
}

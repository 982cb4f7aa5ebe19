/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which key is which is said by their order alone: comments are free text, and signed by nobody.
 */
#include "audit/trust.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (2 * MINISIGN_TEXT_MAX)

/* Such a file travels by mail: without carriage returns, and without empty lines. */
static size_t tidy(const char *text, size_t bytes, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\r' || (text[i] == '\n' && (n == 0 || to[n - 1] == '\n')))
			continue;
		to[n++] = text[i];
	}
	return n;
}

/* Up to the line that holds a key, with its newline. */
static size_t key_bytes(const char *text, size_t bytes)
{
	const char *line = text;

	while (line < text + bytes) {
		const char *end = memchr(line, '\n', (size_t)(text + bytes - line));
		const char *next = end ? end + 1 : text + bytes;

		if (*line == 'R')
			return (size_t)(next - text);
		line = next;
	}
	return bytes;
}

int trust_decode(const char *text, size_t bytes, struct trust *ret_trust)
{
	struct trust trust = {.has_log_root = false};
	char tidied[TEXT_MAX];
	size_t first;
	int r;

	if (bytes > sizeof(tidied))
		return -EINVAL;
	bytes = tidy(text, bytes, tidied);
	first = key_bytes(tidied, bytes);
	r = minisign_key_decode(tidied, first, &trust.device);
	if (r >= 0 && first < bytes) {
		trust.has_log_root = true;
		r = minisign_key_decode(tidied + first, bytes - first, &trust.log_root);
	}
	if (r < 0)
		return r;
	*ret_trust = trust;
	return 0;
}

int trust_read(const char *path, struct trust *ret_trust, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	size_t bytes = 0;
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, -errno,
			"%s: %s; --trust wants the file that \"spoolguard key public\" wrote at "
			"enrolment",
			path, strerror(errno));
	r = io_read_to_end(fd, text, sizeof(text), &bytes);
	if (r == -EFBIG)
		r = -EINVAL;
	if (r >= 0)
		r = trust_decode(text, bytes, ret_trust);
	if (r == -EINVAL)
		return problem_set(reterr_problem, r,
			"%s: it holds no public key of a device; --trust wants the file that "
			"\"spoolguard key public\" wrote at enrolment",
			path);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", path, strerror(-r));
	return 0;
}

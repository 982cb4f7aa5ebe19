/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "cli/verb_certificate.h"
#include "decommission/approval.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int certificate_custody_path(
	const char *file, char *ret_path, size_t bytes, struct problem *reterr_problem)
{
	int n = snprintf(ret_path, bytes, "%s.custody", file);

	if (n < 0 || (size_t)n >= bytes)
		return problem_set(reterr_problem, -ENAMETOOLONG, "%.200s...: %s", file,
			strerror(ENAMETOOLONG));
	return 0;
}

int certificate_custody_load(
	const char *file, char **ret_chain, size_t *ret_bytes, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], *chain;
	int r = certificate_custody_path(file, path, sizeof(path), reterr_problem);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	chain = malloc(CUSTODY_BYTES_MAX);
	if (!chain)
		return problem_set(reterr_problem, -ENOMEM, "%s: not enough memory", path);
	r = io_read_to_end(fd, chain, CUSTODY_BYTES_MAX, ret_bytes);
	if (r < 0) {
		free(chain);
		return problem_set(reterr_problem, r, "%s: %s", path,
			r == -EFBIG ? "it is too long to be hand-over records" : strerror(-r));
	}
	*ret_chain = chain;
	return 0;
}

int certificate_custody_check(const char *file, const char *holders,
	const struct certificate_file *certificate, struct custody_report *ret_report,
	struct problem *reterr_problem)
{
	const struct custody_drive drive = {certificate->object, certificate->sha256};
	struct approval_policy keys = {.required = 0};
	struct problem why = {""};
	char *chain = NULL;
	size_t bytes = 0;
	int r;

	/* The list has the approvers' form: keys, each behind the line that names its person. */
	if (holders && approval_list_load(holders, &keys, NULL) < 0)
		return problem_set(reterr_problem, -ENOKEY,
			"%s: no list of the holders' keys (minisign public keys, each behind its "
			"comment line)",
			holders);
	r = certificate_custody_load(file, &chain, &bytes, reterr_problem);
	if (r >= 0) {
		r = custody_verify(chain, bytes, &drive, holders ? keys.approvers : NULL,
			keys.approver_count, ret_report, &why);
		if (r < 0)
			r = problem_set(reterr_problem, r == -ENOKEY ? -EBADMSG : r,
				"%.200s.custody: %.400s", file, problem_text(&why, r));
	}
	free(chain);
	approval_list_done(&keys);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_erase.h"
#include "cli/cups_copy.h"
#include "cli/overwrite_job.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct erasing {
	const struct progress_sink *sink;
	struct cups_erase_report *report;
	struct problem *problem;
};

static void remember_medium(const struct overwrite_job *job, struct cups_erase_report *report)
{
	if (report->medium[0] && job->medium.promise <= report->promise)
		return;
	report->promise = job->medium.promise;
	medium_describe(&job->medium, report->medium);
}

/* Why a file stays. */
static int leave(struct erasing *erasing, const char *path, const struct problem *why, int error)
{
	if (error == -ECANCELED)
		return problem_set(erasing->problem, error,
			"interrupted: what is left of the old files is overwritten when this is "
			"run again");
	if (erasing->report->left_files++ == 0)
		problem_set(&erasing->report->left, error, "%s", why->text[0] ? why->text : path);
	return 0;
}

static int erase_file(struct erasing *erasing, const char *path)
{
	struct overwrite_job job = {.request = {
					    .path = path,
					    .scheme = scheme_default(),
					    .verify = VERIFY_FULL,
					    .remove = true,
				    }};
	struct problem why = {""};
	int r;

	r = overwrite_job_look(&job, &why);
	if (r >= 0) {
		remember_medium(&job, erasing->report);
		r = overwrite_job_run(&job, erasing->sink, &why);
	}
	if (r >= 0 && !job.removed)
		r = problem_set(&why, -EIO,
			"%s lies partly on blocks that the medium refuses to overwrite; what they "
			"hold stays",
			path);
	if (r < 0) {
		r = leave(erasing, path, &why, r);
	} else {
		erasing->report->files++;
		erasing->report->bytes += job.area_bytes;
	}
	overwrite_job_done(&job);
	return r;
}

static int say(struct erasing *erasing, const char *path)
{
	return problem_set(
		erasing->problem, -errno, "%s cannot be removed: %s", path, strerror(errno));
}

static int erase_directory(struct erasing *erasing, const char *path, int depth);

static int erase_entry(struct erasing *erasing, const char *path, int depth)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : say(erasing, path);
	if (S_ISDIR(st.st_mode))
		return erase_directory(erasing, path, depth + 1);
	if (S_ISREG(st.st_mode))
		return erase_file(erasing, path);
	return unlink(path) < 0 ? say(erasing, path) : 0; /* holds nothing */
}

static int erase_directory(struct erasing *erasing, const char *path, int depth)
{
	struct dirent *entry;
	DIR *directory;
	char below[PATH_MAX];
	int r = 0;

	if (depth > CUPS_TREE_DEPTH_MAX)
		return problem_set(erasing->problem, -ELOOP, "%s lies too deep", path);
	directory = opendir(path);
	if (!directory)
		return say(erasing, path);
	while (r >= 0 && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
			(int)sizeof(below))
			r = problem_set(erasing->problem, -ENAMETOOLONG, "%s lies too deep", path);
		else
			r = erase_entry(erasing, below, depth);
	}
	closedir(directory);
	if (r >= 0 && rmdir(path) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		r = say(erasing, path);
	return r;
}

int cups_erase_tree(const char *path, const struct progress_sink *sink,
	struct cups_erase_report *report, struct problem *reterr_problem)
{
	struct erasing erasing = {sink, report, reterr_problem};
	int r = 0;

	if (access(path, F_OK) == 0)
		r = erase_directory(&erasing, path, 0);
	report->is_gone = access(path, F_OK) < 0;
	return r;
}

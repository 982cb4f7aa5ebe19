/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_paths.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *directive;
	const char *default_path; /* relative: below ServerRoot; NULL: worked out */
} known[CUPS_PATHS] = {
	[CUPS_SERVER_ROOT] = {"ServerRoot", NULL},
	[CUPS_REQUEST_ROOT] = {"RequestRoot", "/var/spool/cups"},
	[CUPS_TEMP_DIR] = {"TempDir", NULL},
	[CUPS_CACHE_DIR] = {"CacheDir", "/var/cache/cups"},
	[CUPS_STATE_DIR] = {"StateDir", "/run/cups"},
	[CUPS_ACCESS_LOG] = {"AccessLog", "/var/log/cups/access_log"},
	[CUPS_ERROR_LOG] = {"ErrorLog", "/var/log/cups/error_log"},
	[CUPS_PAGE_LOG] = {"PageLog", "/var/log/cups/page_log"},
};

static bool is_log(enum cups_path_name name)
{
	return name == CUPS_ACCESS_LOG || name == CUPS_ERROR_LOG || name == CUPS_PAGE_LOG;
}

static bool is_word(const char *value)
{
	return strcmp(value, "syslog") == 0 || strcmp(value, "stderr") == 0;
}

bool cups_path_is_file(const struct cups_path *path)
{
	return path->path[0] == '/' && strncmp(path->path, "/dev/", 5) != 0;
}

static int join(const char *directory, const char *name, char ret_path[static PATH_MAX])
{
	size_t before = name[0] == '/' ? 0 : strlen(directory) + 1, bytes = strlen(name) + 1;

	if (before + bytes > PATH_MAX)
		return -ENAMETOOLONG;
	if (before > 0) {
		memmove(ret_path, directory, before - 1);
		ret_path[before - 1] = '/';
	}
	memmove(ret_path + before, name, bytes);
	return 0;
}

static int directory_of(const char *file, char ret_path[static PATH_MAX])
{
	const char *slash = strrchr(file, '/');
	size_t bytes = slash ? (size_t)(slash - file) : 1;

	if (bytes >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret_path, slash ? file : ".", bytes);
	strcpy(ret_path + bytes, slash && bytes == 0 ? "/" : "");
	return 0;
}

static int get(const struct cups_conf *files, enum cups_path_name name, const char *fallback,
	struct cups_paths *paths)
{
	const struct cups_directive *set = cups_conf_find(files, known[name].directive, NULL);
	const char *root = paths->items[CUPS_SERVER_ROOT].path;
	struct cups_path *path = &paths->items[name];

	/* Set to nothing is not set. */
	if (set && set->value) {
		path->line = set->line;
		fallback = set->value;
	}
	if (is_log(name) && is_word(fallback)) {
		snprintf(path->path, sizeof(path->path), "%s", fallback);
		return 0;
	}
	return join(root, fallback, path->path);
}

int cups_paths_get(const struct cups_conf *files, const char *config, struct cups_paths *ret_paths)
{
	struct cups_paths paths = {.items = {{.line = 0}}};
	char fallback[PATH_MAX];
	int r;

	for (size_t i = 0; i < CUPS_PATHS; i++)
		paths.items[i].directive = known[i].directive;
	r = directory_of(config, fallback);
	if (r >= 0)
		r = get(files, CUPS_SERVER_ROOT, fallback, &paths);
	for (enum cups_path_name name = CUPS_SERVER_ROOT + 1; r >= 0 && name < CUPS_PATHS; name++) {
		const char *path = known[name].default_path;

		if (name == CUPS_TEMP_DIR) {
			r = join(paths.items[CUPS_REQUEST_ROOT].path, "tmp", fallback);
			path = fallback;
		} else if (!path) {
			continue;
		}
		if (r >= 0)
			r = get(files, name, path, &paths);
	}
	if (r >= 0)
		*ret_paths = paths;
	return r;
}

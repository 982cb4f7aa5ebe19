/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_process.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 8192u

static int read_proc(pid_t pid, const char *name, char *buf, size_t bytes, size_t *ret_count)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, bytes - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	*ret_count = (size_t)n;
	return 0;
}

/* "cupsd -f -c FILE", "cupsd -fc FILE": cupsd takes letters together, and the next word for each of
 * c, C and s. */
const char *cups_process_config(const char *arguments, size_t bytes)
{
	const char *at = arguments, *end = arguments + bytes, *config = NULL;
	char wanted[8] = "";

	for (; at < end; at += strlen(at) + 1) {
		if (at == arguments)
			continue;
		if (wanted[0]) {
			if (wanted[0] != 's')
				config = at;
			memmove(wanted, wanted + 1, strlen(wanted));
			continue;
		}
		for (const char *letter = at + 1; at[0] == '-' && *letter; letter++) {
			size_t used = strlen(wanted);

			if (strchr("cCs", *letter) && used + 1 < sizeof(wanted)) {
				wanted[used] = *letter;
				wanted[used + 1] = '\0';
			}
		}
	}
	return config;
}

static bool is_cupsd(const char *arguments)
{
	const char *slash = strrchr(arguments, '/');

	return strcmp(slash ? slash + 1 : arguments, "cupsd") == 0;
}

/* As that process sees it. */
static bool is_config(pid_t pid, const char *named, const char *config)
{
	char path[PATH_MAX], real[PATH_MAX], wanted[PATH_MAX];

	if (!named)
		named = CUPS_CONFIG_SYSTEM;
	if (named[0] == '/')
		snprintf(path, sizeof(path), "%s", named);
	else
		snprintf(path, sizeof(path), "/proc/%d/cwd/%.3000s", (int)pid, named);
	return realpath(path, real) && realpath(config, wanted) && strcmp(real, wanted) == 0;
}

/* Field 22 of /proc/PID/stat, behind the name, which may hold anything. */
static int read_started(pid_t pid, uint64_t *ret_started)
{
	char text[1024], *at;
	size_t count;
	int r = read_proc(pid, "stat", text, sizeof(text), &count);

	if (r < 0)
		return r;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || strstr(text, ") Z ")) /* dead, and not collected yet */
		return -ESRCH;
	*ret_started = strtoull(at, NULL, 10);
	return 0;
}

static bool is_wanted(pid_t pid, const char *config)
{
	char arguments[ARGUMENTS_MAX];
	size_t count;

	return read_proc(pid, "cmdline", arguments, sizeof(arguments), &count) >= 0 && count > 0 &&
	       is_cupsd(arguments) && is_config(pid, cups_process_config(arguments, count), config);
}

int cups_process_find(const char *config, struct cups_process *ret_process)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	int r = -ESRCH;

	if (!directory)
		return -errno;
	while (r < 0 && (entry = readdir(directory))) {
		struct cups_process process = {.pid = (pid_t)atoi(entry->d_name)};

		if (!isdigit((unsigned char)entry->d_name[0]) || !is_wanted(process.pid, config) ||
			read_started(process.pid, &process.started) < 0)
			continue;
		*ret_process = process;
		r = 0;
	}
	closedir(directory);
	return r;
}

bool cups_process_is_alive(const struct cups_process *process)
{
	uint64_t started;

	return read_started(process->pid, &started) >= 0 && started == process->started;
}

int cups_process_core_limit(const struct cups_process *process, uint64_t *ret_bytes)
{
	char text[4096], *at, *end;
	size_t count;
	int r = read_proc(process->pid, "limits", text, sizeof(text), &count);

	if (r < 0)
		return r;
	at = strstr(text, "Max core file size");
	if (!at)
		return -ENODATA;
	at += strlen("Max core file size");
	at += strspn(at, " ");
	*ret_bytes = strtoull(at, &end, 10);
	if (end == at)
		*ret_bytes = UINT64_MAX; /* "unlimited" */
	return 0;
}

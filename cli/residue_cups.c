/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_cups.h"
#include "base/io.h"
#include "cli/cups_process.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ARGUMENTS_BYTES 4096u

/* --- which cupsd --- */

/* Who listens on a socket; 0: nobody, or it is not told.  One that systemd made is systemd's. */
static pid_t find_listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {.pid = 0};
	socklen_t bytes = sizeof(peer);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
		return 0;
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 || peer.pid <= 1)
		return 0;
	return peer.pid;
}

/* What "-c" of that process names, as it sees it. */
static bool read_config(pid_t pid, char ret_config[static PATH_MAX])
{
	char path[64], arguments[ARGUMENTS_BYTES];
	_cleanup_close_ int fd = -1;
	const char *named;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, arguments, sizeof(arguments) - 1);
	if (n <= 0)
		return false;
	arguments[n] = '\0';
	named = cups_process_config(arguments, (size_t)n);
	if (!named || named[0] != '/')
		return false;
	snprintf(ret_config, PATH_MAX, "%s", named);
	return true;
}

void residue_cups_open(struct residue_cups *cups, const char *server, const char *config)
{
	struct cups_process process;
	struct problem problem = {""};
	int r;

	*cups = (struct residue_cups){.options = {.root = ""}};
	cups->process = find_listener(server);
	snprintf(cups->config, sizeof(cups->config), "%s", config ? config : CUPS_CONFIG_SYSTEM);
	if (!config && cups->process > 0)
		(void)read_config(cups->process, cups->config);
	if (cups->process == 0 && cups_process_find(cups->config, &process) >= 0)
		cups->process = process.pid;
	cups->options.config = cups->config;
	r = cups_context_open(&cups->options, &cups->context, &problem);
	cups->has_context = r >= 0;
	if (r < 0)
		snprintf(cups->no_context, sizeof(cups->no_context), "%s",
			problem_text(&problem, r));
}

void residue_cups_done(struct residue_cups *cups)
{
	if (cups->has_context)
		cups_context_done(&cups->context);
	cups->has_context = false;
}

/* --- where it leaves something --- */

static const char *path_of(const struct residue_cups *cups, enum cups_path_name name)
{
	return cups->context.paths.items[name].path;
}

int residue_cups_search_cache(
	const struct residue_cups *cups, struct residue_scan *scan, struct residue_place *place)
{
	if (!cups->has_context) {
		residue_place_fail(place, "%s", cups->no_context);
		return 0;
	}
	return residue_scan_tree(scan, place, path_of(cups, CUPS_CACHE_DIR), 0);
}

/* Logs may be turned: LOG, LOG.O, LOG.1. */
static int search_log(struct residue_scan *scan, struct residue_place *place, const char *path)
{
	static const char *const endings[] = {"", ".O", ".1"};
	char turned[PATH_MAX + 4];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings) && r >= 0; i++) {
		snprintf(turned, sizeof(turned), "%s%s", path, endings[i]);
		r = residue_scan_file(scan, place, turned);
	}
	return r;
}

static int search_logs(
	const struct residue_cups *cups, struct residue_scan *scan, struct residue_place *place)
{
	static const enum cups_path_name logs[] = {CUPS_ACCESS_LOG, CUPS_ERROR_LOG, CUPS_PAGE_LOG};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(logs) && r >= 0; i++) {
		const struct cups_path *item = &cups->context.paths.items[logs[i]];

		if (cups_path_is_file(item))
			r = search_log(scan, place, item->path);
	}
	return r;
}

static int search_memory(
	const struct residue_cups *cups, struct residue_scan *scan, struct residue_place *place)
{
	if (cups->process == 0) {
		residue_place_fail(place, "no process of cupsd was found");
		return 0;
	}
	return residue_scan_memory(scan, place, cups->process, "cupsd");
}

static int search_spool(
	const struct residue_cups *cups, struct residue_scan *scan, struct residue_place *place)
{
	const char *root = path_of(cups, CUPS_REQUEST_ROOT), *temp = path_of(cups, CUPS_TEMP_DIR);
	size_t length = strlen(root);
	int r;

	/* Hidden directories of the volume are bound elsewhere: cache and logs, searched there. */
	scan->skip_hidden = true;
	r = residue_scan_tree(scan, place, root, 0);
	scan->skip_hidden = false;
	/* A TempDir below RequestRoot was searched with it. */
	if (r >= 0 && !(strncmp(temp, root, length) == 0 && temp[length] == '/'))
		r = residue_scan_tree(scan, place, temp, scan->since_s);
	return r;
}

int residue_cups_search(const struct residue_cups *cups, struct residue_scan *scan,
	enum residue_place_name name, struct residue_place *place)
{
	if (name == PLACE_CUPS_MEMORY)
		return search_memory(cups, scan, place);
	if (!cups->has_context) {
		residue_place_fail(place, "%s", cups->no_context);
		return 0;
	}
	if (name == PLACE_CUPS_LOGS)
		return search_logs(cups, scan, place);
	if (name == PLACE_SPOOL)
		return search_spool(cups, scan, place);
	/* printers.conf, subscriptions.conf, their .O, and PPDs; written since. */
	return residue_scan_tree(scan, place, path_of(cups, CUPS_SERVER_ROOT), scan->since_s);
}

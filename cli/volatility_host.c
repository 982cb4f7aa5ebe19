/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volatility_host.c - memory, swap, core dumps, TPM; the service's state; what CUPS keeps where
 */
#include "cli/cli.h"
#include "cli/cups_context.h"
#include "cli/volatility.h"
#include "harness/host.h"
#include "supervisor/config.h"
#include "volume/runtime.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- memory --- */

void volatility_add_memory(struct json_object *places)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	volatility_add(places,
		&(struct volatility_place){
			.id = "memory",
			.place = "main memory",
			.type = "RAM",
			.size_bytes = bytes,
			.removable = "field-replaceable",
			.is_volatile = "yes",
			.user_modifiable = "no",
			.encrypted = "no",
			.contents =
				"programs and the kernel's cache of files, that of the spool in "
				"clear "
				"while a volume is mounted; a key that lives for one boot; runtime "
				"state",
			.cleared =
				"the spool's cache when its volume is detached; all of it when the "
				"power goes",
			.by = "an administrator, by \"spoolguard detach\" or switching off",
		});
}

/* --- swap --- */

static void add_swap(struct json_object *places, const char *name, const char *type, uint64_t bytes)
{
	enum host_place place = HOST_UNKNOWN;
	char text[HOST_TEXT_BYTES] = "";
	const char *slash = strrchr(name, '/');

	if (strcmp(type, "file") != 0)
		place = host_place_of_device("", slash ? slash + 1 : name);
	else if (host_find_place(name, &place, text) < 0)
		place = HOST_UNKNOWN;
	volatility_add(places,
		&(struct volatility_place){
			.id = "swap",
			.place = "swap space",
			.where = name,
			.type = place == HOST_MEMORY ? "RAM, compressed" : type,
			.size_bytes = bytes,
			.is_volatile = place == HOST_MEMORY    ? "yes"
				       : place == HOST_UNKNOWN ? NULL
							       : "no",
			.user_modifiable = "no",
			.encrypted = place == HOST_ENCRYPTED ? "yes"
				     : place == HOST_UNKNOWN ? NULL
							     : "no",
			.removable = place == HOST_MEMORY ? "no" : NULL,
			.contents = "memory of any program but the volumes' processes: of print "
				    "filters and CUPS too, and so "
				    "parts of jobs; after hibernation all of memory, keys too",
			.cleared = place == HOST_MEMORY || place == HOST_ENCRYPTED
					   ? "with the power, or with its key"
					   : "not by spoolguard; \"spoolguard selftest\" calls it "
					     "a fault",
			.by = "an administrator, by swapoff",
			.why = place == HOST_UNKNOWN
				       ? "whether it is encrypted: what it lies on does not tell"
				       : NULL,
		});
}

static void add_swaps(struct json_object *places)
{
	FILE *file = fopen("/proc/swaps", "re");
	char *line = NULL, name[PATH_MAX], type[32];
	size_t line_bytes = 0, count = 0;
	uint64_t kib;

	while (file && getline(&line, &line_bytes, file) > 0) {
		if (line[0] != '/' || sscanf(line, "%4095s %31s %" SCNu64, name, type, &kib) != 3)
			continue;
		add_swap(places, name, type, kib << 10);
		count++;
	}
	free(line);
	if (file)
		fclose(file);
	if (count == 0)
		volatility_add(places, &(struct volatility_place){.id = "swap",
					       .place = "swap space",
					       .where = "none",
					       .type = "none",
					       .removable = "no",
					       .is_volatile = "no",
					       .user_modifiable = "no",
					       .encrypted = "no",
					       .contents = "nothing: there is no swap",
					       .cleared = "nothing to clear",
					       .by = "nobody"});
}

/* --- core dumps --- */

/* The directory that dumps go to by that pattern; false: it depends on the program. */
static bool find_dump_directory(const char *pattern, char ret_path[static PATH_MAX])
{
	const char *slash = strrchr(pattern, '/');

	if (strstr(pattern, "systemd-coredump"))
		snprintf(ret_path, PATH_MAX, "/var/lib/systemd/coredump");
	else if (pattern[0] == '/')
		snprintf(ret_path, PATH_MAX, "%.*s", (int)(slash - pattern) + 1, pattern);
	else
		return false;
	return true;
}

static void add_core_dumps(struct json_object *places)
{
	char pattern[256], where[320], directory[PATH_MAX];
	bool known =
		volatility_read_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	bool piped = pattern[0] == '|';
	struct volatility_ground ground = {.medium = NULL};

	if (known && find_dump_directory(pattern, directory))
		volatility_find_ground(directory, &ground);
	snprintf(where, sizeof(where), "%s%.250s", piped ? "handed to " : "written as ",
		pattern + piped);
	volatility_add(places,
		&(struct volatility_place){
			.id = "core-dumps",
			.place = "core dumps",
			.where = known ? where : "",
			.type = ground.type[0] ? ground.type : "file",
			.is_volatile = "no",
			.user_modifiable = "no",
			.removable = ground.removable[0] ? ground.removable : "as what it lies on",
			.encrypted = ground.encrypted[0] ? ground.encrypted : "as what it lies on",
			.contents = "memory of a program that crashed: of print filters and CUPS, "
				    "if their "
				    "limits let them; of the volumes' processes never, they are "
				    "not dumpable",
			.cleared = "not by spoolguard; limits of 0 keep them from being written",
			.by = "an administrator",
			.why = known ? NULL : "/proc/sys/kernel/core_pattern is not to be read",
			.medium = ground.medium,
		});
}

/* --- TPM --- */

static void add_tpm(struct json_object *places)
{
	char version[16];

	if (!volatility_read_line(
		    "/sys/class/tpm/tpm0/tpm_version_major", version, sizeof(version)))
		return; /* there is none, or the kernel has no driver for it */
	volatility_add(places,
		&(struct volatility_place){
			.id = "tpm",
			.place = "TPM",
			.where = strcmp(version, "2") == 0 ? "tpm0, version 2" : "tpm0, version 1",
			.type = "security chip",
			.removable = "no",
			.is_volatile = "no",
			.user_modifiable = "no",
			.encrypted = "yes",
			.contents =
				"keys of its own; of a volume at most what a token of the header "
				"(\"spoolguard key list\") refers to; never a job",
			.cleared = "by clearing the TPM; a volume's key slot by \"spoolguard key "
				   "remove\"",
			.by = "an administrator",
		});
}

/* --- the host's log --- */

static void add_host_log(struct json_object *places)
{
	static const char *const homes[] = {"/var/log/journal", "/run/log/journal", "/var/log"};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(homes) && access(homes[i], F_OK) < 0)
		i++;
	volatility_add_directory(places, homes[i],
		(struct volatility_place){
			.id = "host-log",
			.place = "the host's log",
			.user_modifiable = "no",
			.contents = "what the service says (no title, no user, no file name); of "
				    "CUPS what "
				    "its configuration sends there",
			.cleared = "not by spoolguard: as the host rotates it",
			.by = "the host; an administrator",
		});
}

void volatility_add_host(struct json_object *places)
{
	add_host_log(places);
	add_swaps(places);
	add_core_dumps(places);
	add_tpm(places);
}

/* --- the service's own --- */

void volatility_add_state(struct json_object *places, const struct volatility_options *options)
{
	static struct config config;

	if (config_read(options->config, &config, NULL) < 0) {
		volatility_add(
			places, &(struct volatility_place){.id = "state",
					.place = "the service's state directory",
					.why = "where it is: the configuration cannot be read"});
		return;
	}
	volatility_add_directory(places, config.state_directory,
		(struct volatility_place){
			.id = "state",
			.place = "the service's state directory",
			.user_modifiable = "no",
			.contents = "ledger (ids of jobs; names of files sealed under a key that "
				    "lies on "
				    "the volume), audit log and receipts (no title, no user in "
				    "clear), the "
				    "device's signing keys, records of volumes; no document",
			.cleared =
				"the ledger is rewritten, the log rotates; signing keys of closed "
				"segments are destroyed; the rest stays until the directory is "
				"removed",
			.by = "the service; an administrator",
		});
	volatility_add_directory(places, runtime_directory(),
		(struct volatility_place){
			.id = "runtime",
			.place = "runtime directory",
			.user_modifiable = "no",
			.contents = "which volumes are attached, what they lie on, control "
				    "sockets; no key, "
				    "nothing of a job",
			.cleared = "at detach; at the next boot where it is memory",
			.by = "the service",
		});
}

/* --- CUPS --- */

static const struct {
	enum cups_path_name name;
	const char *place, *contents;
} cups_places[] = {
	{CUPS_REQUEST_ROOT, "CUPS: spool (RequestRoot)",
		"documents as they were sent, and control files with titles and users"},
	{CUPS_TEMP_DIR, "CUPS: temporary files (TempDir)", "documents in the hands of filters"},
	{CUPS_CACHE_DIR, "CUPS: cache (CacheDir)",
		"titles and users of jobs (job.cache), capabilities of printers"},
	{CUPS_STATE_DIR, "CUPS: state (StateDir)", "sockets and certificates; nothing of a job"},
	{CUPS_ACCESS_LOG, "CUPS: access log", "addresses and users of requests, ids of jobs"},
	{CUPS_ERROR_LOG, "CUPS: error log", "by its level, titles, users and command lines"},
	{CUPS_PAGE_LOG, "CUPS: page log", "users and titles of jobs, if it is on"},
};

static void add_cups_path(struct json_object *places, size_t index, const struct cups_path *path)
{
	char why[128];

	if (!cups_path_is_file(path)) {
		snprintf(why, sizeof(why), "it is sent to %.40s: kept where the host's log is",
			path->path);
		volatility_add(places, &(struct volatility_place){.id = "cups",
					       .place = cups_places[index].place,
					       .where = path->path,
					       .contents = cups_places[index].contents,
					       .why = why});
		return;
	}
	volatility_add_directory(places, path->path,
		(struct volatility_place){
			.id = "cups",
			.place = cups_places[index].place,
			.user_modifiable = "yes, by printing",
			.contents = cups_places[index].contents,
			.cleared = "not by spoolguard where it lies off a volume; \"spoolguard "
				   "cups check\" "
				   "says what to change",
			.by = "an administrator, by \"spoolguard cups apply\" and \"cups migrate\"",
		});
}

void volatility_add_cups(struct json_object *places, const struct volatility_options *options)
{
	const struct cups_options cups = {.root = "", .config = options->cups_config};
	static struct cups_context context;
	struct problem problem = {""};
	char why[512];
	int r = cups_context_open(&cups, &context, &problem);

	if (r < 0) {
		snprintf(why, sizeof(why),
			"where CUPS keeps what: %.400s; if there is no CUPS, "
			"nothing is kept by it",
			problem_text(&problem, r));
		volatility_add(places,
			&(struct volatility_place){
				.id = "cups", .place = "CUPS: spool, cache and logs", .why = why});
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cups_places); i++)
		add_cups_path(places, i, &context.paths.items[cups_places[i].name]);
	cups_context_done(&context);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volatility_volumes.c - spool volumes, and the memory of the processes that serve them
 *
 * Of an attached volume its process tells (through the service where that runs, else directly,
 * which only root can); of one that the configuration names and that is not attached, its header.
 */
#include "attached/medium_report.h"
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include "cli/volatility.h"
#include "keystore/keystore.h"
#include "supervisor/config.h"
#include "supervisor/unlock.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONTENTS                                                                                   \
	"documents of jobs that are not yet retired, their titles and users where CUPS keeps "     \
	"them, and the names of jobs for the ledger; blocks that were freed and are owed their "   \
	"passes"
#define CLEARED_MANAGED                                                                            \
	"each job when it is over, and every block that is freed: overwritten (%s), flushed and "  \
	"read back; \"spoolguard wipe-spool\" overwrites all of it, with --full its keys are "     \
	"destroyed first"

/* --- memory of the process --- */

/* "VmLck:     1234 kB" */
static uint64_t read_memory(uint64_t process, const char *field)
{
	char path[64], *line = NULL;
	size_t line_bytes = 0, length = strlen(field);
	uint64_t kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/status", process);
	file = fopen(path, "re");
	while (file && getline(&line, &line_bytes, file) > 0) {
		if (strncmp(line, field, length) == 0 && line[length] == ':')
			kib = strtoull(line + length + 1, NULL, 10);
	}
	free(line);
	if (file)
		fclose(file);
	return kib << 10;
}

static void add_process(struct json_object *places, struct json_object *status)
{
	uint64_t process = volumes_status_u64(status, "process");
	uint64_t locked = read_memory(process, "VmLck"), used = read_memory(process, "VmRSS");
	char where[64], contents[256], size[32];

	bytes_format_size(locked, size, sizeof(size));
	snprintf(where, sizeof(where), "process %" PRIu64, process);
	snprintf(contents, sizeof(contents),
		"the volume key and the key of the map (guarded, wiped, not dumped), and blocks on "
		"their way; %s of it locked: never in swap",
		locked > 0 ? size : "none");
	volatility_add(places,
		&(struct volatility_place){
			.id = "volume-process",
			.place = "memory of the process that serves a volume",
			.where = where,
			.type = "RAM",
			.size_bytes = used,
			.removable = "no",
			.is_volatile = "yes",
			.user_modifiable = "no",
			.encrypted = "no",
			.contents = contents,
			.cleared = "keys are wiped when the volume is detached; all of it when the "
				   "power goes",
			.by = "the process; an administrator by \"spoolguard detach\", or "
			      "switching "
			      "off",
			.why = used > 0 ? NULL : "its size: /proc does not tell it here",
		});
}

/* --- attached --- */

/* configured: NULL: the configuration does not name it, or cannot be read. */
static void describe_key(
	const struct config_volume *configured, const char **ret_encrypted, const char **ret_key)
{
	*ret_encrypted = "yes";
	*ret_key = "";
	if (!configured)
		return;
	if (configured->unlock == CONFIG_UNLOCK_BOOT_KEY)
		*ret_key = "; its key is of this boot alone: without power all of it is unreadable";
	else if (unlock_is_beside(configured, NULL))
		*ret_encrypted = "yes, but its key lies beside it";
}

static void add_attached(struct json_object *places, struct json_object *status,
	const struct config_volume *configured)
{
	struct json_object *medium = json_object_object_get(status, "medium_report");
	bool managed = volumes_status_bool(status, "managed");
	char type[96], cleared[640];
	const char *key;
	struct volatility_place place = {
		.id = "spool-volume",
		.place = "spool volume",
		.where = volumes_status_string(status, "path"),
		.size_bytes = volumes_status_u64(status, "medium_bytes_most"),
		.is_volatile = "no",
		.user_modifiable = "yes, by printing",
		.contents = CONTENTS,
		.by = "the service at a job's end; an administrator by \"spoolguard wipe-spool\"",
	};

	describe_key(configured, &place.encrypted, &key);
	snprintf(cleared, sizeof(cleared), CLEARED_MANAGED "%s",
		volumes_status_string(status, "scheme"), key);
	place.cleared = managed ? cleared : "not by spoolguard: it has no residue map";
	place.type = volatility_type(medium, type, sizeof(type));
	place.removable = volatility_removable(medium);
	place.medium = json_object_get(medium);
	if (!medium)
		place.why = "what it lies on could not be looked at; ask as root";
	volatility_add(places, &place);
	add_process(places, status);
}

/* --- not attached --- */

static struct json_object *look(const char *path, uint64_t *ret_bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct json_object *report;

	return fd >= 0 && medium_report_look(fd, ret_bytes, &report) >= 0 ? report : NULL;
}

static void add_detached(struct json_object *places, const struct config_volume *volume)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct volatility_place place = {
		.id = "spool-volume",
		.place = "spool volume, not attached",
		.where = volume->medium,
		.is_volatile = "no",
		.user_modifiable = "yes, by printing",
		.contents = CONTENTS,
		.cleared =
			"while it is not attached, nothing there is; attached, each job when it is "
			"over, and every block that is freed",
		.by = "the service; an administrator by \"spoolguard wipe-spool\"",
	};
	const char *key;
	char type[96];

	place.medium = look(volume->medium, &place.size_bytes);
	place.type = volatility_type(place.medium, type, sizeof(type));
	place.removable = volatility_removable(place.medium);
	if (keystore_open(volume->medium, true, &keystore, NULL) >= 0)
		describe_key(volume, &place.encrypted, &key);
	else if (place.medium)
		place.why = "whether it is encrypted: it has no header that can be read";
	else
		place.why = "the medium is not there, or for root alone";
	volatility_add(places, &place);
}

/* --- all of them --- */

struct survey {
	struct json_object *places;
	const struct config *config; /* NULL: it cannot be read */
	char seen[2 * CONFIG_VOLUMES_MAX][PATH_MAX];
	size_t count;
};

static bool is_same(const char *one, const char *other)
{
	struct stat a, b;

	return strcmp(one, other) == 0 || (stat(one, &a) == 0 && stat(other, &b) == 0 &&
						  a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static bool is_seen(const struct survey *survey, const char *path)
{
	for (size_t i = 0; i < survey->count; i++) {
		if (is_same(survey->seen[i], path))
			return true;
	}
	return false;
}

static const struct config_volume *find_configured(const struct survey *survey, const char *path)
{
	for (size_t i = 0; survey->config && i < survey->config->volume_count; i++) {
		if (is_same(survey->config->volumes[i].medium, path))
			return &survey->config->volumes[i];
	}
	return NULL;
}

static void add_once(struct survey *survey, struct json_object *status)
{
	const char *path = volumes_status_string(status, "path");

	if (is_seen(survey, path) || survey->count == ARRAY_SIZE(survey->seen))
		return;
	snprintf(survey->seen[survey->count++], PATH_MAX, "%s", path);
	add_attached(survey->places, status, find_configured(survey, path));
}

/* What the service keeps.  False: it does not run, or does not tell. */
static bool add_of_service(struct survey *survey)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *answer = NULL, *volumes, *status;

	if (service_client_open(&client, NULL) < 0 ||
		service_client_call(client, "GetStatus", NULL, &answer, NULL) < 0)
		return false;
	volumes = json_object_object_get(answer, "volumes");
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
		status = json_object_object_get(json_object_array_get_idx(volumes, i), "volume");
		if (status)
			add_once(survey, status);
	}
	json_object_put(answer);
	return true;
}

static void add_of_runtime(struct survey *survey, bool service)
{
	struct runtime_state state;
	struct json_object *status;
	int r = runtime_at(0, &state);

	if (r == -EACCES && !service)
		volatility_add(survey->places,
			&(struct volatility_place){
				.id = "spool-volume",
				.place = "volumes that are attached, and the memory of their "
					 "processes",
				.why = "the service does not answer, and without it attached "
				       "volumes are for root alone; start it, or ask as root",
			});
	for (size_t i = 0; runtime_at(i, &state) >= 0; i++) {
		if (is_seen(survey, state.path) || volume_status_get(&state, &status, NULL) < 0)
			continue;
		add_once(survey, status);
		json_object_put(status);
	}
}

static void add_of_config(struct survey *survey)
{
	for (size_t i = 0; survey->config && i < survey->config->volume_count; i++) {
		if (!is_seen(survey, survey->config->volumes[i].medium))
			add_detached(survey->places, &survey->config->volumes[i]);
	}
}

static const struct config *read_config(struct json_object *places, const char *path)
{
	static struct config config;
	struct problem problem = {""};
	char why[512];
	int r = config_read(path, &config, &problem);

	if (r >= 0)
		return &config;
	snprintf(why, sizeof(why), "the configuration cannot be read: %.400s",
		problem_text(&problem, r));
	volatility_add(places, &(struct volatility_place){.id = "spool-volume",
				       .place = "volumes of the configuration",
				       .where = path,
				       .why = why});
	return NULL;
}

static void add_none(struct json_object *places)
{
	volatility_add(
		places, &(struct volatility_place){.id = "spool-volume",
				.place = "spool volume",
				.where = "none: none is attached, and the configuration names none",
				.type = "none",
				.removable = "no",
				.is_volatile = "no",
				.user_modifiable = "no",
				.encrypted = "no",
				.contents = "nothing: jobs lie where CUPS keeps them",
				.cleared = "nothing to clear",
				.by = "nobody"});
}

void volatility_add_volumes(
	struct json_object *places, const struct volatility_options *options, bool *ret_service)
{
	size_t before = json_object_array_length(places);
	static struct survey survey;

	survey.places = places;
	survey.count = 0;
	survey.config = read_config(places, options->config);
	*ret_service = add_of_service(&survey);
	add_of_runtime(&survey, *ret_service);
	add_of_config(&survey);
	if (json_object_array_length(places) == before)
		add_none(places);
}

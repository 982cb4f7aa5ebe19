/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_service.c - what the service says of itself, how it is set, and how it is confined
 */
#include "base/io.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "harness/host.h"
#include "supervisor/unlock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START	    "start spoolguardd, or run as root"
#define BY_STATUS   "GetStatus of the service"
#define BY_CONFIG   "the service's configuration"
#define STATUS_MAX  8192u
#define PROC_BYTES  64u
#define SECCOMP_BPF 2 /* of "Seccomp:" in /proc/PID/status */

/* --- its status --- */

static struct json_object *copy_member(struct json_object *object, const char *key)
{
	return json_object_get(json_object_object_get(object, key));
}

static void add_service(struct check *check)
{
	struct json_object *value, *jobs, *selftest;

	if (!check->status) {
		check_no_fact(check, "service", START, "%s", check->no_service);
		return;
	}
	value = json_object_new_object();
	jobs = json_object_object_get(check->status, "jobs");
	selftest = json_object_object_get(check->status, "selftest");
	cli_add_string(value, "state", service_client_text(check->status, "state"));
	json_object_object_add(value, "reasons", copy_member(check->status, "reasons"));
	if (jobs) {
		cli_add_u64(value, "failed_jobs", service_client_number(jobs, "failed"));
		cli_add_u64(value, "held_jobs", service_client_number(jobs, "held"));
		cli_add_u64(
			value, "oldest_job_seconds", service_client_number(jobs, "oldest_seconds"));
	}
	if (selftest) {
		cli_add_bool(value, "selftest_ok", service_client_flag(selftest, "ok"));
		cli_add_string(value, "selftest_id", service_client_text(selftest, "id"));
		cli_add_string(value, "selftest_time", service_client_text(selftest, "time"));
	}
	check_fact(check, "service", BY_STATUS, value);
}

/* --- how it is set --- */

static struct json_object *list_groups(const struct config *config, enum config_role role)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < config->group_counts[role]; i++)
		json_object_array_add(list, json_object_new_string(config->groups[role][i]));
	return list;
}

static struct json_object *list_sources(const struct config *config)
{
	struct json_object *list = json_object_new_array();
	char text[sizeof(config->watches[0].name) + 8];

	json_object_array_add(list, json_object_new_string("calls"));
	if (config->cups)
		json_object_array_add(list, json_object_new_string("cups"));
	for (size_t i = 0; i < config->watch_count; i++) {
		snprintf(text, sizeof(text), "watch:%s", config->watches[i].name);
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static const char *schedule_words(const struct schedule *schedule, char *buf, size_t bytes)
{
	static const char *const kinds[] = {"off", "daily", "weekly", "monthly"};

	if (schedule->kind == SCHEDULE_OFF)
		return "off";
	snprintf(buf, bytes, "%s %02d:%02d", kinds[schedule->kind], schedule->hour,
		schedule->minute);
	return buf;
}

static void add_settings(struct check *check)
{
	const struct config *config = &check->config;
	struct json_object *value, *roles;
	char text[32];

	if (!check->has_config) {
		check_no_fact(check, "settings", "mend it: spoolguard config check", "%s",
			check->no_config);
		return;
	}
	value = json_object_new_object();
	roles = json_object_new_object();
	cli_add_string(value, "on_failure",
		config->on_failure == CONFIG_HOLD ? "hold" : "continue-without-receipts");
	cli_add_string(
		value, "selftest_schedule", schedule_words(&config->selftest, text, sizeof(text)));
	cli_add_string(value, "wipe_schedule", schedule_words(&config->wipe, text, sizeof(text)));
	cli_add_bool(value, "wipe_full", config->wipe_full);
	cli_add_string(
		value, "log_when_full", config->audit_when_full == LOG_STOP ? "stop" : "rotate");
	json_object_object_add(value, "sources", list_sources(config));
	for (enum config_role role = 0; role < CONFIG_ROLES; role++)
		json_object_object_add(roles, config_role_name(role), list_groups(config, role));
	json_object_object_add(value, "roles", roles);
	check_fact(check, "settings", BY_CONFIG, value);
}

/* --- where keys lie --- */

static struct json_object *key_of_config(const struct config_volume *volume)
{
	struct json_object *key = json_object_new_object();
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	cli_add_string(key, "name", volume->name);
	cli_add_string(key, "source", unlock_text(volume->unlock));
	if (volume->unlock == CONFIG_UNLOCK_KEY_FILE &&
		host_find_place(volume->key_file, &place, text) >= 0) {
		cli_add_bool(key, "beside", unlock_is_beside(volume, NULL));
		cli_add_string(key, "place", text);
	}
	return key;
}

static struct json_object *key_of_status(struct json_object *volume)
{
	struct json_object *key = json_object_new_object(), *said, *beside;

	said = json_object_object_get(volume, "key");
	cli_add_string(key, "name", service_client_text(volume, "name"));
	cli_add_string(key, "source", service_client_text(said, "source"));
	if (json_object_object_get_ex(said, "beside", &beside)) {
		cli_add_bool(key, "beside", json_object_get_boolean(beside));
		cli_add_string(key, "place", service_client_text(said, "place"));
	}
	return key;
}

static void add_keys(struct check *check)
{
	struct json_object *value = json_object_new_array(), *volumes;

	volumes = json_object_object_get(check->status, "volumes");
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++)
		json_object_array_add(value, key_of_status(json_object_array_get_idx(volumes, i)));
	if (volumes) {
		check_fact(check, "keys", BY_STATUS, value);
		return;
	}
	for (size_t i = 0; check->has_config && i < check->config.volume_count; i++)
		json_object_array_add(value, key_of_config(&check->config.volumes[i]));
	if (check->has_config) {
		check_fact(check, "keys", BY_CONFIG, value);
		return;
	}
	json_object_put(value);
	check_no_fact(check, "keys", START, "%s", check->no_config);
}

/* --- how it is confined --- */

/* The number behind a line's name in /proc/PID/status; -1: there is none. */
static long status_number(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtol(line + strlen(name), NULL, 10) : -1;
}

static void add_sandbox(struct check *check)
{
	_cleanup_free_ char *status = malloc(STATUS_MAX);
	_cleanup_close_ int fd = -1;
	char path[PROC_BYTES];
	struct json_object *value;
	size_t bytes = 0;

	if (!check->service || !status) {
		check_no_fact(check, "sandbox", START, "%s", check->no_service);
		return;
	}
	snprintf(
		path, sizeof(path), "/proc/%d/status", (int)service_client_process(check->service));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_to_end(fd, status, STATUS_MAX - 1, &bytes) < 0) {
		check_no_fact(check, "sandbox", "run as root", "%s cannot be read", path);
		return;
	}
	status[bytes] = '\0';
	value = json_object_new_object();
	cli_add_bool(value, "no_new_privileges", status_number(status, "\nNoNewPrivs:") == 1);
	cli_add_bool(value, "filtered", status_number(status, "\nSeccomp:") == SECCOMP_BPF);
	check_fact(check, "sandbox", "the service's process in /proc", value);
}

void check_facts_service(struct check *check)
{
	add_service(check);
	add_settings(check);
	add_keys(check);
	add_sandbox(check);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_state.c - the service's own files: where they lie, and who may read the keys
 */
#include "audit/trust.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "harness/host.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define AS_ROOT "run as root"

static const char *place_name(enum host_place place)
{
	switch (place) {
	case HOST_MEMORY:
		return "memory";
	case HOST_ENCRYPTED:
		return "encrypted";
	case HOST_REMOVABLE:
		return "removable";
	case HOST_OPEN:
		return "open";
	default:
		return "unknown";
	}
}

static void add_place(struct check *check)
{
	const char *directory = check->config.state_directory;
	struct json_object *value;
	char text[HOST_TEXT_BYTES];
	enum host_place place;
	int r = host_find_place(directory, &place, text);

	if (r < 0) {
		check_no_fact(check, "state-place", r == -ENOENT ? "start spoolguardd" : AS_ROOT,
			"%s: %s", directory, strerror(-r));
		return;
	}
	value = json_object_new_object();
	cli_add_string(value, "place", place_name(place));
	cli_add_string(value, "text", text);
	check_fact(check, "state-place", "the file system of the state directory", value);
}

/* Private keys, and the directory that they are in: root's, and for nobody else to open. */
static int look_at_keys(const char *directory, bool *ret_others_read)
{
	static const char *const files[] = {"device.key", "log.key", "names.key"};
	bool others = false;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX + 64];

		snprintf(path, sizeof(path), "%s/keys/%s", directory, files[i]);
		if (lstat(path, &st) < 0)
			return -errno;
		others |= !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0077) != 0;
	}
	*ret_others_read = others;
	return 0;
}

static void add_keys(struct check *check)
{
	const char *directory = check->config.state_directory;
	char path[PATH_MAX + 64], fingerprint[MINISIGN_FINGERPRINT_BYTES];
	struct problem problem = {""};
	struct json_object *value;
	struct trust trust;
	bool others = true;
	int r;

	snprintf(path, sizeof(path), "%s/keys/enrolment.pub", directory);
	r = trust_read(path, &trust, &problem);
	if (r >= 0)
		r = minisign_fingerprint(&trust.device, fingerprint);
	if (r >= 0)
		r = look_at_keys(directory, &others);
	if (r < 0) {
		check_no_fact(check, "device-keys", r == -ENOENT ? "start spoolguardd" : AS_ROOT,
			"the device's keys: %s", problem_text(&problem, r));
		return;
	}
	cli_add_string(check->facts, "device_key", fingerprint);
	value = json_object_new_object();
	cli_add_bool(value, "others_read", others);
	cli_add_string(value, "fingerprint", fingerprint);
	check_fact(check, "device-keys", "the files of the keys", value);
}

void check_facts_state(struct check *check)
{
	if (!check->has_config) {
		check_no_fact(check, "state-place", "name the service's configuration: --config",
			"%s", check->no_config);
		check_no_fact(check, "device-keys", "name the service's configuration: --config",
			"%s", check->no_config);
		return;
	}
	add_place(check);
	add_keys(check);
}

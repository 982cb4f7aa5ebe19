/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/volatility.h"
#include "attached/medium_report.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "cli/cli.h"
#include "harness/host.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOT_KNOWN "not known"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	cli_add_string(object, key, text && text[0] ? text : NOT_KNOWN);
}

void volatility_add(struct json_object *places, const struct volatility_place *place)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "id", place->id);
	cli_add_string(object, "place", place->place);
	cli_add_string(object, "where", place->where ? place->where : "");
	add_text(object, "type", place->type);
	if (place->size_bytes > 0)
		cli_add_u64(object, "size_bytes", place->size_bytes);
	else
		json_object_object_add(object, "size_bytes", NULL);
	add_text(object, "removable", place->removable);
	add_text(object, "volatile", place->is_volatile);
	add_text(object, "user_modifiable", place->user_modifiable);
	add_text(object, "encrypted", place->encrypted);
	add_text(object, "contents", place->contents);
	add_text(object, "cleared", place->cleared);
	add_text(object, "by", place->by);
	cli_add_bool(object, "known", !place->why);
	cli_add_string(object, "why", place->why ? place->why : "");
	json_object_object_add(object, "medium", place->medium);
	json_object_array_add(places, object);
}

bool volatility_read_line(const char *path, char *text, size_t bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, bytes - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n >= 0;
}

/* --- what a medium is, in the words of the columns --- */

static const char *text_of(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	return text ? text : "";
}

const char *volatility_type(struct json_object *medium, char *buf, size_t bytes)
{
	struct json_object *drive = json_object_object_get(medium, "drive");
	const char *transport = text_of(drive, "transport");

	if (!medium)
		snprintf(buf, bytes, NOT_KNOWN);
	else
		snprintf(buf, bytes, "%s%s%s", text_of(medium, "class"), transport[0] ? ", " : "",
			transport);
	return buf;
}

/* By how a drive is connected: whether a person can take it out is a matter of the machine. */
const char *volatility_removable(struct json_object *medium)
{
	static const struct {
		const char *transport, *removable;
	} table[] = {
		{"usb", "removable"},
		{"sd", "removable"},
		{"ata", "field-replaceable"},
		{"sas", "field-replaceable"},
		{"nvme", "field-replaceable"},
		{"mmc", "no"},
		{"ufs", "no"},
		{"mtd", "no"},
	};
	const char *transport = text_of(json_object_object_get(medium, "drive"), "transport");
	const char *class = text_of(medium, "class");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(transport, table[i].transport) == 0)
			return table[i].removable;
	}
	if (strcmp(class, "virtual") == 0 || strcmp(class, "network") == 0)
		return "held elsewhere";
	return NOT_KNOWN;
}

/* --- ground --- */

/* The path, or the nearest directory above it that is there. */
static int open_nearest(const char *path, char nearest[static PATH_MAX])
{
	char *slash;
	int fd;

	snprintf(nearest, PATH_MAX, "%s", path);
	while ((fd = open(nearest, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0) {
		slash = strrchr(nearest, '/');
		if (errno != ENOENT || !slash)
			return -errno;
		slash[slash == nearest] = '\0';
	}
	return fd;
}

static void describe_place(const char *nearest, struct volatility_ground *ground)
{
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	if (host_find_place(nearest, &place, text) < 0)
		return;
	snprintf(ground->text, sizeof(ground->text), "%s", text);
	snprintf(ground->is_volatile, sizeof(ground->is_volatile), "%s",
		place == HOST_MEMORY	? "yes"
		: place == HOST_UNKNOWN ? NOT_KNOWN
					: "no");
	snprintf(ground->encrypted, sizeof(ground->encrypted), "%s",
		place == HOST_ENCRYPTED				? "yes"
		: place == HOST_OPEN || place == HOST_REMOVABLE ? "no"
		: place == HOST_MEMORY				? "no"
								: NOT_KNOWN);
}

void volatility_find_ground(const char *path, struct volatility_ground *ret_ground)
{
	struct volatility_ground ground = {.medium = NULL};
	_cleanup_close_ int fd = -1;
	struct runtime_state state;
	char nearest[PATH_MAX];

	snprintf(ground.text, sizeof(ground.text), "what it lies on is not known");
	fd = open_nearest(path, nearest);
	if (fd >= 0) {
		describe_place(nearest, &ground);
		if (volumes_find_by_file(nearest, &state, NULL) >= 0) {
			snprintf(ground.volume, sizeof(ground.volume), "%s", state.path);
			snprintf(ground.type, sizeof(ground.type), "spoolguard volume");
		} else {
			if (medium_report_look(fd, NULL, &ground.medium) < 0)
				ground.medium = NULL;
			volatility_type(ground.medium, ground.type, sizeof(ground.type));
			snprintf(ground.removable, sizeof(ground.removable), "%s",
				volatility_removable(ground.medium));
		}
	}
	*ret_ground = ground;
}

void volatility_add_directory(
	struct json_object *places, const char *path, struct volatility_place place)
{
	struct volatility_ground ground;
	char where[2 * PATH_MAX];

	volatility_find_ground(path, &ground);
	snprintf(where, sizeof(where), "%s, %s%s", path,
		ground.volume[0] ? "on the spool volume " : "",
		ground.volume[0] ? ground.volume : ground.text);
	place.where = where;
	place.type = ground.type;
	place.removable = ground.removable;
	place.is_volatile = ground.is_volatile;
	place.encrypted = ground.encrypted;
	place.medium = ground.medium;
	if (ground.volume[0]) {
		place.removable = "as the volume";
		place.is_volatile = "no";
		place.encrypted = "yes";
		place.cleared = "as the volume: overwritten when it is freed, and by wipe-spool";
	} else if (!ground.medium) {
		place.why = "what it lies on could not be looked at; ask as root";
	}
	volatility_add(places, &place);
}

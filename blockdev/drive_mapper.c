/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_mapper.c - which targets a device-mapper device has
 *
 * sysfs has name and UUID only; the kernel tells the targets by DM_TABLE_STATUS, for root.  The
 * status is asked for and never the table: a table holds the key of dm-crypt.
 */
#include "base/io.h"
#include "blockdev/drive_impl.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ANSWER_BYTES (64u << 10)
#define TARGETS_MAX  1024u

/* "linear+striped": each once. */
static void add_target(struct drive_layer *layer, const char *target)
{
	size_t used = strlen(layer->text), length = strlen(target);

	for (const char *at = layer->text; *at;) {
		size_t n = strcspn(at, "+");

		if (n == length && strncmp(at, target, n) == 0)
			return;
		at += n + (at[n] == '+');
	}
	if (used + length + 2 > sizeof(layer->text))
		return;
	snprintf(layer->text + used, sizeof(layer->text) - used, "%s%s", used ? "+" : "", target);
}

/* dm-raid: LEVEL DRIVES HEALTH ... JOURNAL; of health "D" is dead. */
static void take_raid(struct drive_layer *layer, const char *status)
{
	char level[32] = "", health[256] = "";
	const char *last = strrchr(status, ' ');

	if (sscanf(status, "%31s %*u %255s", level, health) != 2)
		return;
	layer->class = DRIVE_RAID;
	snprintf(layer->text, sizeof(layer->text), "%s", level);
	layer->is_degraded = strchr(health, 'D') != NULL;
	layer->keeps_copies = last && strspn(last + 1, "AaD") == 1 && last[2] == '\0';
}

/* "TARGET STATUS" */
static void take_target(struct drive_layer *layer, const char *target, const char *status)
{
	if (strcmp(target, "raid") == 0)
		take_raid(layer, status);
	else
		add_target(layer, target);
}

static void read_file(const char *directory, dev_t device, struct drive_layer *layer)
{
	char path[PATH_MAX], *line = NULL, *status;
	size_t line_bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.3900s/%u:%u", directory, major(device), minor(device));
	file = fopen(path, "re");
	while (file && getline(&line, &line_bytes, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		status = line + strcspn(line, " ");
		if (*status)
			*status++ = '\0';
		take_target(layer, line, status);
	}
	free(line);
	if (file)
		fclose(file);
}

static void decode(const struct dm_ioctl *answer, size_t bytes, struct drive_layer *layer)
{
	const char *base = (const char *)answer;
	size_t at = answer->data_start;

	for (uint32_t i = 0; i < answer->target_count && i < TARGETS_MAX; i++) {
		struct dm_target_spec spec;

		if (at > bytes || bytes - at <= sizeof(spec))
			return;
		memcpy(&spec, base + at, sizeof(spec));
		spec.target_type[sizeof(spec.target_type) - 1] = '\0';
		take_target(layer, spec.target_type, base + at + sizeof(spec));
		at = answer->data_start + spec.next;
	}
}

static void ask_kernel(dev_t device, struct drive_layer *layer)
{
	_cleanup_close_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	_cleanup_free_ struct dm_ioctl *request = calloc(1, ANSWER_BYTES + 1);

	if (fd < 0 || !request)
		return;
	request->version[0] = DM_VERSION_MAJOR;
	request->data_size = ANSWER_BYTES;
	request->data_start = sizeof(*request);
	request->dev = (uint64_t)major(device) << 8 | (minor(device) & 0xff) |
		       (uint64_t)(minor(device) & ~0xffu) << 12;
	request->flags = DM_NOFLUSH_FLAG;
	if (ioctl(fd, DM_TABLE_STATUS, request) == 0 && !(request->flags & DM_BUFFER_FULL_FLAG))
		decode(request, ANSWER_BYTES, layer);
}

/* Who may not ask the kernel still sees what some UUIDs begin with. */
static void guess_from_uuid(int directory, struct drive_layer *layer)
{
	char uuid[160];

	if (!drive_sysfs_read(directory, "dm/uuid", uuid, sizeof(uuid)))
		return;
	if (strncmp(uuid, "CRYPT-", 6) == 0 && strncmp(uuid, "CRYPT-INTEGRITY", 15) != 0 &&
		strncmp(uuid, "CRYPT-VERITY", 12) != 0)
		add_target(layer, "crypt");
	else if (strncmp(uuid, "mpath-", 6) == 0)
		add_target(layer, "multipath");
}

void drive_mapper_find(
	const struct drive_places *places, int directory, dev_t device, struct drive_layer *layer)
{
	layer->class = DRIVE_MAPPED;
	if (places->mapper)
		read_file(places->mapper, device, layer);
	else
		ask_kernel(device, layer);
	if (layer->text[0] == '\0')
		guess_from_uuid(directory, layer);
}

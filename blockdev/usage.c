/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/usage.h"
#include "blockdev/usage_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lists --- */

void *usage_grow(void *items, size_t count, size_t item_bytes)
{
	/* At each power of two. */
	if (count > 0 && (count & (count - 1)) != 0)
		return items;
	return reallocarray(items, count > 0 ? 2 * count : 1, item_bytes);
}

static bool is_told(
	const struct usage_list *list, enum usage_kind kind, const char *device, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind == kind && strcmp(list->items[i].device, device) == 0 &&
			strcmp(list->items[i].text, text) == 0)
			return true;
	}
	return false;
}

int usage_list_add(struct usage_list *list, enum usage_kind kind, const char *device,
	const char *text, pid_t pid)
{
	struct usage usage = {.kind = kind, .pid = pid}, *grown;

	snprintf(usage.device, sizeof(usage.device), "%.190s", device);
	snprintf(usage.text, sizeof(usage.text), "%.510s", text);
	if (is_told(list, kind, usage.device, usage.text)) /* L2 */
		return 0;
	grown = usage_grow(list->items, list->count, sizeof(*list->items));
	if (!grown)
		return -ENOMEM;
	list->items = grown;
	list->items[list->count++] = usage;
	return 0;
}

void usage_list_done(struct usage_list *list)
{
	free(list->items);
	*list = (struct usage_list){.items = NULL};
}

int usage_find(dev_t device, const struct drive_places *places, struct usage_list *ret_list)
{
	_cleanup_(usage_scene_freep) struct usage_scene *scene = NULL;
	int r = usage_scene_take(places, &scene);

	return r < 0 ? r : usage_find_in(scene, device, ret_list);
}

/* --- words --- */

const char *usage_kind_name(enum usage_kind kind)
{
	static const char *const names[] = {
		[USAGE_MOUNT] = "mount",
		[USAGE_SWAP] = "swap",
		[USAGE_LVM] = "lvm",
		[USAGE_RAID] = "raid",
		[USAGE_MAPPED] = "mapped",
		[USAGE_LOOP] = "loop",
		[USAGE_OPEN] = "open",
		[USAGE_VOLUME] = "volume",
		[USAGE_SYSTEM] = "system",
		[USAGE_MULTIPATH] = "multipath",
		[USAGE_UNKNOWN] = "unknown",
	};

	return names[kind];
}

const char *usage_describe(const struct usage *usage, char *buf, size_t buf_bytes)
{
	static const char *const before[] = {
		[USAGE_MOUNT] = "mounted at ",
		[USAGE_SWAP] = "swap space",
		[USAGE_LVM] = "LVM volume ",
		[USAGE_RAID] = "RAID array ",
		[USAGE_MAPPED] = "held by ",
		[USAGE_LOOP] = "bound: ",
		[USAGE_OPEN] = "open in ",
		[USAGE_VOLUME] = "spoolguard volume ",
		[USAGE_SYSTEM] = "the running system stands on it: ",
		[USAGE_MULTIPATH] = "path of multipath device ",
		[USAGE_UNKNOWN] = "not known: ",
	};
	bool is_file = usage->kind == USAGE_SWAP && usage->text[0];

	snprintf(buf, buf_bytes, "%s%s%s (%s)", before[usage->kind], is_file ? " in " : "",
		usage->text, usage->device);
	return buf;
}

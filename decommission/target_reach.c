/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_reach.c - R4: what a method reaches beside the device, or what nobody reaches
 *
 * What the drive says that it has and the system shows no device for has an empty name: nobody can
 * tell whether it is in use.
 */
#include "base/io.h"
#include "decommission/target_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int add(struct target *target, const struct target_reach *reach)
{
	struct target_reach *grown =
		reallocarray(target->reaches, target->reach_count + 1, sizeof(*target->reaches));

	if (!grown)
		return -ENOMEM;
	target->reaches = grown;
	grown[target->reach_count++] = *reach;
	return 0;
}

static bool is_used(const struct target_scene *scene, dev_t device)
{
	struct usage_list uses = {.items = NULL};
	bool used = usage_find_in(scene->usage, device, &uses) < 0 || uses.count > 0;

	usage_list_done(&uses);
	return used;
}

static bool reaches_subsystem(const struct target *target)
{
	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		if (target->facts.methods[kind].offered &&
			target->facts.methods[kind].reach == REACH_SUBSYSTEM)
			return true;
	}
	return false;
}

/* --- namespaces and LUNs --- */

static const struct target_present *find_own(
	const struct target_scene *scene, const struct target *target)
{
	for (size_t i = 0; i < scene->present_count; i++) {
		if (scene->present[i].device == target->device)
			return &scene->present[i];
	}
	return NULL;
}

static int add_brother(struct target *target, const struct target_scene *scene,
	const struct target_present *brother, const char *kind)
{
	struct target_reach reach = {.untouched = !reaches_subsystem(target)};

	snprintf(reach.what, sizeof(reach.what), "%s %u", kind, brother->number);
	target_node(brother->name, reach.device, sizeof(reach.device));
	reach.in_use = is_used(scene, brother->device);
	return add(target, &reach);
}

static bool is_shown(
	const struct target_scene *scene, const struct target_present *own, unsigned int number)
{
	for (size_t i = 0; own && i < scene->present_count; i++) {
		if (strcmp(scene->present[i].family, own->family) == 0 &&
			scene->present[i].number == number)
			return true;
	}
	return false;
}

static int add_unshown(
	struct target *target, const struct target_scene *scene, const struct target_present *own)
{
	struct target_reach reach = {.untouched = !reaches_subsystem(target)};
	const struct drive_facts *facts = &target->facts;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < facts->namespace_count; i++) {
		if (facts->namespaces[i] == facts->nsid ||
			is_shown(scene, own, facts->namespaces[i]))
			continue;
		snprintf(reach.what, sizeof(reach.what), "namespace %u", facts->namespaces[i]);
		r = add(target, &reach);
	}
	if (r < 0 || facts->namespaces_known)
		return r;
	snprintf(reach.what, sizeof(reach.what), "namespaces that the drive does not list");
	return add(target, &reach);
}

static int add_family(struct target *target, const struct target_scene *scene)
{
	const struct target_present *own = find_own(scene, target);
	bool is_nvme = own && strncmp(own->name, "nvme", 4) == 0;
	int r = 0;

	for (size_t i = 0; own && own->family[0] && r >= 0 && i < scene->present_count; i++) {
		const struct target_present *other = &scene->present[i];

		if (other->device != own->device && strcmp(other->family, own->family) == 0)
			r = add_brother(target, scene, other, is_nvme ? "namespace" : "LUN");
	}
	if (r < 0 || !target->facts_known || target->facts.interface != INTERFACE_NVME)
		return r;
	return add_unshown(target, scene, own);
}

/* --- an eMMC's partitions of its own --- */

static int add_mmc_part(
	struct target *target, const struct target_scene *scene, const char *part, const char *what)
{
	struct target_reach reach = {.untouched = true};
	struct stat st;

	snprintf(reach.what, sizeof(reach.what), "%s %.40s", what, part);
	target_node(part, reach.device, sizeof(reach.device));
	if (stat(reach.device, &st) == 0 && S_ISBLK(st.st_mode))
		reach.in_use = is_used(scene, st.st_rdev);
	return add(target, &reach);
}

static int add_mmc_parts(struct target *target, const struct target_scene *scene, const char *name)
{
	_cleanup_closedir_ DIR *listing = target_listing(scene->sysfs);
	struct target_reach reach = {.untouched = true};
	size_t length = strlen(name);
	struct dirent *entry;
	bool boot = false;
	int r = 0;

	while (listing && r >= 0 && (entry = readdir(listing))) {
		const char *part = entry->d_name + length;

		if (strncmp(entry->d_name, name, length) != 0)
			continue;
		if (strncmp(part, "boot", 4) == 0) {
			r = add_mmc_part(target, scene, entry->d_name, "boot partition");
			boot = true;
		} else if (strncmp(part, "gp", 2) == 0) {
			r = add_mmc_part(target, scene, entry->d_name, "hardware partition");
		}
	}
	if (r >= 0 && target->facts.mmc_boot && !boot) {
		snprintf(reach.what, sizeof(reach.what), "boot partitions");
		r = add(target, &reach);
	}
	if (r >= 0 && target->facts.mmc_rpmb) {
		snprintf(reach.what, sizeof(reach.what), "replay-protected memory block (RPMB)");
		r = add(target, &reach);
	}
	return r;
}

int target_find_reaches(struct target *target, const struct target_scene *scene, const char *name)
{
	int r = add_family(target, scene);

	if (r >= 0 && strncmp(name, "mmcblk", 6) == 0)
		r = add_mmc_parts(target, scene, name);
	return r;
}

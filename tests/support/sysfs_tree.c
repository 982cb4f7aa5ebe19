/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sysfs_tree.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)!mkdir(path, 0700);
		*slash = '/';
	}
}

void sysfs_tree_make(struct sysfs_tree *tree)
{
	*tree = (struct sysfs_tree){.root = ""};
	snprintf(tree->root, sizeof(tree->root), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(tree->root));
	snprintf(tree->sysfs, sizeof(tree->sysfs), "%s/sys", tree->root);
	snprintf(tree->udev, sizeof(tree->udev), "%s/udev", tree->root);
	snprintf(tree->mapper, sizeof(tree->mapper), "%s/mapper", tree->root);
	snprintf(tree->proc, sizeof(tree->proc), "%s/proc", tree->root);
	tree->places = (struct drive_places){.sysfs = tree->sysfs,
		.udev = tree->udev,
		.mapper = tree->mapper,
		.proc = tree->proc};
	sysfs_tree_put(tree, "", "proc/swaps");
	sysfs_tree_put(tree, "", "proc/self/mountinfo");
}

void sysfs_tree_put(struct sysfs_tree *tree, const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/", tree->root);
	va_list arguments;
	FILE *file;

	va_start(arguments, format);
	vsnprintf(path + used, sizeof(path) - used, format, arguments);
	va_end(arguments);
	make_parents(path);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "%s\n", text);
	ck_assert_int_eq(fclose(file), 0);
}

void sysfs_tree_link(struct sysfs_tree *tree, const char *at, const char *to)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", tree->root, at);
	snprintf(target, sizeof(target), "%s/%s", tree->root, to);
	make_parents(path);
	ck_assert_int_eq(symlink(target, path), 0);
}

/* Its files, and the link by its number. */
static void put_device(struct sysfs_tree *tree, const char *directory, dev_t number)
{
	char text[32], at[PATH_MAX];

	snprintf(text, sizeof(text), "%u:%u", major(number), minor(number));
	sysfs_tree_put(tree, text, "%s/dev", directory);
	sysfs_tree_put(tree, "2097152", "%s/size", directory);
	snprintf(at, sizeof(at), "sys/dev/block/%s", text);
	sysfs_tree_link(tree, at, directory);
}

const char *sysfs_tree_disk(struct sysfs_tree *tree, const char *at, const char *name, dev_t number)
{
	static char directories[8][PATH_MAX / 2];
	static unsigned int next;
	char *directory = directories[next++ % ARRAY_SIZE(directories)], link[PATH_MAX];

	snprintf(directory, PATH_MAX / 2, "sys/devices/%s/block/%s", at, name);
	put_device(tree, directory, number);
	sysfs_tree_put(tree, "1", "%s/queue/rotational", directory);
	snprintf(link, sizeof(link), "sys/block/%s", name);
	sysfs_tree_link(tree, link, directory);
	return directory;
}

const char *sysfs_tree_part(
	struct sysfs_tree *tree, const char *disk, const char *name, dev_t number)
{
	static char directories[8][PATH_MAX / 2];
	static unsigned int next;
	char *directory = directories[next++ % ARRAY_SIZE(directories)];

	snprintf(directory, PATH_MAX / 2, "%s/%s", disk, name);
	put_device(tree, directory, number);
	sysfs_tree_put(tree, "1", "%s/partition", directory);
	return directory;
}

const char *sysfs_tree_virtual(struct sysfs_tree *tree, const char *name, dev_t number)
{
	return sysfs_tree_disk(tree, "virtual", name, number);
}

void sysfs_tree_hold(struct sysfs_tree *tree, const char *upper, const char *lower)
{
	char at[PATH_MAX];

	snprintf(at, sizeof(at), "%s/holders/%s", lower, strrchr(upper, '/') + 1);
	sysfs_tree_link(tree, at, upper);
	snprintf(at, sizeof(at), "%s/slaves/%s", upper, strrchr(lower, '/') + 1);
	sysfs_tree_link(tree, at, lower);
}

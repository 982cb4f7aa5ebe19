/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_migrate_print.c - what "spoolguard cups migrate" says
 *
 * JSON: {"schema":"spoolguard.cups-migrate/1","result":...,"volume":...,"mount":...,
 * "directories":[{"what","at","directory","bytes","files","why_not","old","erased_files",
 * "erased_bytes","left_files","left","medium"}],"jobs_waiting":N|null,"jobs_found":N,
 * "not_covered":[...]}
 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/cups_migrate.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const not_covered[] = {
	("free space of the old file system: what cups removed there before now still lies there; "
	 "only the device as a whole can be overwritten"),
	"names of the old files, in the old file system's journal and directories",
	"backups and snapshots of the old spool, its cache and its logs",
	"swap space, if it was not encrypted",
};

/* --- text --- */

static void print_tree(const struct cups_migration *migration, const struct cups_move_tree *tree)
{
	char size[32];

	if (tree->why_not) {
		printf("%-6s stays where it is: %s\n", tree->what, tree->why_not);
		return;
	}
	printf("%-6s %s -> directory \"%s\" of %s", tree->what, cli_shown(tree->at),
		tree->directory[0] ? tree->directory : "/", cli_shown(migration->move.volume.path));
	if (tree->is_in_place)
		printf(", and is there\n");
	else
		printf(", %" PRIu64 " files, %s\n", tree->count.files,
			bytes_format_size(tree->count.bytes, size, sizeof(size)));
	if (tree->has_old)
		printf("       what it was lies in %s\n", cli_shown(tree->old));
}

static void print_settings(const struct cups_migration *migration)
{
	const struct cups_move *move = &migration->move;

	printf("so that it is there after a restart, spoolguard.conf has to say of this volume:\n"
	       "    mount = %s\n",
		cli_shown(move->volume.mount));
	for (size_t i = 0; i < CUPS_MOVES; i++) {
		const struct cups_move_tree *tree = &move->trees[i];

		if (!tree->why_not && tree->directory[0])
			printf("    bind = %s:%s\n", tree->directory, cli_shown(tree->at));
	}
	printf("then restart the service, if it runs (systemctl restart spoolguardd); \"spoolguard "
	       "cups apply\" ties cups.service to the mount\n");
}

static void print_erased(const struct cups_move_tree *tree)
{
	char size[32];

	if (tree->why_not || (tree->erased.files == 0 && tree->erased.left_files == 0))
		return;
	printf("%-6s %" PRIu64 " old files (%s) had every pass, were read back, and are gone",
		tree->what, tree->erased.files,
		bytes_format_size(tree->erased.bytes, size, sizeof(size)));
	if (tree->erased.promise != MEDIUM_NOT_ASSESSED)
		printf("; %s", tree->erased.medium);
	printf("\n");
	if (tree->erased.left_files > 0)
		printf("       %" PRIu64 " are still in %s: %s\n", tree->erased.left_files,
			cli_shown(tree->old), cli_shown(tree->erased.left.text));
}

static void print_jobs(const struct cups_migration *migration)
{
	if (!migration->is_moved)
		return;
	if (migration->move.jobs_are_known)
		printf("jobs   %zu waited before, and cupsd knows them all\n",
			migration->move.job_count);
	else
		printf("jobs   cupsd did not run before: which jobs it knew was not asked\n");
}

static void print_not_covered(void)
{
	printf("not covered by this:\n");
	for (size_t i = 0; i < ARRAY_SIZE(not_covered); i++)
		printf("    %s\n", not_covered[i]);
}

static void print_text(const struct cups_migration *migration, const char *result)
{
	for (size_t i = 0; i < CUPS_MOVES; i++)
		print_tree(migration, &migration->move.trees[i]);
	print_jobs(migration);
	for (size_t i = 0; i < CUPS_MOVES; i++)
		print_erased(&migration->move.trees[i]);
	if (migration->is_moved) {
		print_not_covered();
		print_settings(migration);
	}
	printf("%s\n", result);
}

/* --- JSON --- */

static struct json_object *tree_to_json(const struct cups_move_tree *tree)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "what", tree->what);
	if (tree->why_not) {
		cli_add_string(object, "why_not", tree->why_not);
		return object;
	}
	cli_add_string(object, "at", tree->at);
	cli_add_string(object, "directory", tree->directory);
	cli_add_bool(object, "was_in_place", tree->is_in_place);
	cli_add_u64(object, "files", tree->count.files);
	cli_add_u64(object, "bytes", tree->count.bytes);
	cli_add_string(object, "old", tree->has_old && !tree->erased.is_gone ? tree->old : "");
	cli_add_u64(object, "erased_files", tree->erased.files);
	cli_add_u64(object, "erased_bytes", tree->erased.bytes);
	cli_add_u64(object, "left_files", tree->erased.left_files);
	cli_add_string(object, "left", tree->erased.left.text);
	cli_add_string(object, "medium", tree->erased.medium);
	return object;
}

static void print_json(const struct cups_migration *migration, const char *result)
{
	struct json_object *object = cli_json("cups-migrate");
	struct json_object *trees = json_object_new_array(), *words = json_object_new_array();

	for (size_t i = 0; i < CUPS_MOVES; i++)
		json_object_array_add(trees, tree_to_json(&migration->move.trees[i]));
	for (size_t i = 0; i < ARRAY_SIZE(not_covered); i++)
		json_object_array_add(words, json_object_new_string(not_covered[i]));
	cli_add_string(object, "result", result);
	cli_add_string(object, "volume", migration->move.volume.path);
	cli_add_string(object, "mount", migration->move.volume.mount);
	json_object_object_add(object, "directories", trees);
	json_object_object_add(object, "jobs_waiting",
		migration->move.jobs_are_known ? json_object_new_uint64(migration->move.job_count)
					       : NULL);
	cli_add_u64(object, "jobs_found", migration->jobs_found);
	json_object_object_add(object, "not_covered", words);
	cli_print_json(object);
}

void cups_migrate_print_result(const struct cups_migration *migration, const char *result)
{
	if (migration->options->json)
		print_json(migration, result);
	else
		print_text(migration, result);
}

void cups_migrate_print_plan(const struct cups_migration *migration)
{
	cups_migrate_print_result(migration, "would move");
	if (migration->options->json)
		return;
	printf("cupsd would be stopped while it is copied; then the old files would have every "
	       "pass\n");
	print_not_covered();
}

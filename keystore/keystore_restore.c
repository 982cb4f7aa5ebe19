/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_restore.c - a header from a backup, if that loses and revives nothing
 *
 * Two headers are compared without a passphrase: the volume key's digest (salted
 * when the key was made) is the same only if the key is, and a key slot's salt
 * is another one with every passphrase that was set in it.
 *
 * What is written is not the backup but a copy of it in memory, whose token
 * already holds what must not be forgotten: no crash leaves a header that knows
 * of fewer backups or removals than the one before.
 */
#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/keystore_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS_TEXT_BYTES 128

/* --- compare --- */

struct difference {
	bool other_key;
	bool older;			/* than a removal or change of a key */
	char revived[SLOTS_TEXT_BYTES]; /* "1, 4": passphrases that open nothing now */
	char lost[SLOTS_TEXT_BYTES];	/* passphrases that open it now */
};

static void add_slot(char text[static SLOTS_TEXT_BYTES], int slot)
{
	size_t used = strlen(text);

	snprintf(text + used, SLOTS_TEXT_BYTES - used, "%s%d", used ? ", " : "", slot);
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static int compare(const struct keystore *present, const struct keystore *backup,
	struct difference *difference)
{
	struct json_object *now = keystore_header_json(present);
	struct json_object *then = keystore_header_json(backup);
	int r = now && then ? 0 : -ENOMEM;

	if (r >= 0)
		difference->other_key =
			!is_same(keystore_header_digest(now), keystore_header_digest(then));
	for (int i = 0; i < KEYSTORE_SLOTS_MAX && r >= 0; i++) {
		const char *ours = keystore_header_slot_salt(now, i);
		const char *theirs = keystore_header_slot_salt(then, i);

		if (theirs && !is_same(ours, theirs))
			add_slot(difference->revived, i);
		if (ours && !is_same(ours, theirs))
			add_slot(difference->lost, i);
	}
	json_object_put(now);
	json_object_put(then);
	difference->older = present->token.present && backup->token.present &&
			    backup->token.key_generation < present->token.key_generation;
	return r;
}

static bool differs(const struct difference *difference)
{
	return difference->other_key || difference->older || difference->revived[0] ||
	       difference->lost[0];
}

static int refuse(const struct keystore *present, const struct keystore *backup,
	const struct difference *difference, struct problem *reterr_problem)
{
	if (difference->other_key)
		return problem_set(reterr_problem, -EKEYREJECTED,
			"%s holds another volume key than %s: restoring it would make everything "
			"on the volume unreadable (--force restores it all the same)",
			backup->path, present->path);
	return problem_set(reterr_problem, -ESTALE,
		"%s is %s: restoring it would revive the passphrases of key slots: %s; and lose "
		"those "
		"of key slots: %s (--force restores it all the same)",
		backup->path,
		difference->older ? "older than the last removal or change of a key"
				  : "of other keys than are in use now",
		difference->revived[0] ? difference->revived : "none",
		difference->lost[0] ? difference->lost : "none");
}

/* --- write --- */

/* The token that the restored header gets: the backup's, and what the present one remembers. */
static void merge_token(
	const struct keystore *present, bool different, struct keystore_token *token)
{
	const struct keystore_token *now = &present->token;

	if (!now->present)
		return;
	if (!token->present)
		*token = *now;
	if (token->backups < now->backups)
		token->backups = now->backups;
	if (token->key_generation < now->key_generation)
		token->key_generation = now->key_generation;
	token->key_generation += different; /* keys that were in use are not any more */
}

static int copy_backup(const struct keystore *backup, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("spoolguard-restore", MFD_CLOEXEC);
	uint64_t copy_bytes, slots_bytes;
	int r;

	if (fd < 0)
		return -errno;
	r = crypt_get_metadata_size(backup->cd, &copy_bytes, &slots_bytes);
	if (r >= 0)
		r = keystore_medium_copy(
			raw_fd(backup->medium), fd, 0, 2 * copy_bytes + slots_bytes);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int write_header(struct keystore *target, const struct keystore *backup,
	const struct keystore_token *token, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *merged = NULL;
	_cleanup_close_ int fd = -1;
	char path[32];
	int r;

	r = copy_backup(backup, &fd);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be read: %s", backup->path, strerror(-r));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = keystore_load(path, false, &merged, reterr_problem);
	if (r >= 0 && token->present)
		r = keystore_set_token(merged, token, reterr_problem);
	if (r < 0)
		return r;
	target->last_error[0] = '\0';
	r = crypt_header_restore(target->cd, CRYPT_LUKS2, path);
	if (r < 0)
		return keystore_explain(
			target, r, "the header could not be restored", reterr_problem);
	return keystore_sync(target, reterr_problem);
}

/* --- restore --- */

/* A header that cannot be read leaves two traces: its magic, and the superblock behind it. */
static int check_traces(const char *path, struct blockdev *medium, const struct keystore *backup,
	struct problem *reterr_problem)
{
	struct layout layout;
	bool superblock = keystore_medium_superblock(medium, &layout) >= 0;

	if (superblock && layout.data_first * BLOCK_BYTES != backup->segment.data_offset_bytes)
		return problem_set(reterr_problem, -EKEYREJECTED,
			"%s is of another volume than %s: the data begins elsewhere", backup->path,
			path);
	if (!superblock && keystore_medium_trace(raw_fd(medium)) != KEYSTORE_TRACE_LUKS2)
		return problem_set(reterr_problem, -ENODATA,
			"%s has neither a LUKS2 header nor a residue map; nothing is restored over "
			"what is not a volume, also with --force",
			path);
	return 0;
}

static int restore_blindly(const char *path, struct blockdev *medium, const struct keystore *backup,
	bool force, const struct problem *why, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *bare = NULL;
	int r;

	r = check_traces(path, medium, backup, reterr_problem);
	if (r < 0)
		return r;
	if (!force)
		return problem_set(reterr_problem, -EUCLEAN,
			"%s: its present header cannot be compared with %s (--force restores it "
			"all "
			"the same): %s",
			path, backup->path, why->text);
	r = keystore_begin(path, false, &bare, reterr_problem);
	if (r < 0)
		return r;
	return write_header(bare, backup, &backup->token, reterr_problem);
}

int keystore_restore(
	const char *path, const char *backup_path, bool force, struct problem *reterr_problem)
{
	const struct raw_options options = {.buffered = true, .block_bytes = BLOCK_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	_cleanup_(keystore_freep) struct keystore *present = NULL;
	_cleanup_(keystore_freep) struct keystore *backup = NULL;
	struct difference difference = {0};
	struct keystore_token token;
	struct problem why = {""};
	int r;

	r = keystore_load(backup_path, true, &backup, reterr_problem);
	/* The lock is held to the end: a volume that is attached keeps the header it was opened
	 * with. */
	if (r >= 0)
		r = raw_open(path, &options, &medium, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_load(path, false, &present, &why);
	if (r == -ENOMEM || r == -EBUSY)
		return problem_set(reterr_problem, r, "%s", why.text);
	if (r < 0)
		return restore_blindly(path, medium, backup, force, &why, reterr_problem);
	if (present->device == backup->device && present->inode == backup->inode)
		return problem_set(reterr_problem, -EINVAL,
			"%s is the volume itself; name a header backup", backup_path);
	r = compare(present, backup, &difference);
	if (r < 0)
		return problem_set(reterr_problem, r, "not enough memory to compare two headers");
	if (differs(&difference) && !force)
		return refuse(present, backup, &difference, reterr_problem);
	token = backup->token;
	merge_token(present, differs(&difference), &token);
	return write_header(present, backup, &token, reterr_problem);
}

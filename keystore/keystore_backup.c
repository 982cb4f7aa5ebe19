/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_backup.c - header backups: each one is a key that lies somewhere else
 *
 * A backup is recorded in the token before it is made, so that no crash leaves
 * one that the volume does not know of; the copy carries the record too.
 *
 * Restoring compares the two headers without a passphrase: the digest of the
 * volume key (salt, iterations, value) is the same if and only if the key is.
 */
#include "keystore/keystore_impl.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_directory_of(const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || fsync(fd) < 0)
		return -errno;
	return sync_directory_of(path);
}

int keystore_backup(
	struct keystore *keystore, const char *backup_path, struct problem *reterr_problem)
{
	struct keystore_token token = keystore->token;
	mode_t mask;
	int r;

	if (access(backup_path, F_OK) == 0)
		return problem_set(reterr_problem, -EEXIST,
			"%s exists already; name a new file for the header backup", backup_path);
	if (token.present) {
		token.backups++;
		r = keystore_set_token(keystore, &token, reterr_problem);
		if (r < 0)
			return r;
	}
	mask = umask(0177);
	r = crypt_header_backup(keystore->cd, CRYPT_LUKS2, backup_path);
	umask(mask);
	if (r >= 0)
		r = sync_file(backup_path);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the header backup could not be written: %s", backup_path,
			keystore->last_error[0] ? keystore->last_error : strerror(-r));
	return 0;
}

/* --- restore --- */

/* The digest objects of the header's JSON, as text: equal if the volume keys are. */
static char *digests_of(struct keystore *keystore)
{
	struct json_object *object, *digests, *entry, *value;
	const char *json = NULL;
	char *text = NULL;

	if (crypt_dump_json(keystore->cd, &json, 0) < 0 || !json)
		return NULL;
	object = json_tokener_parse(json);
	if (object && json_object_object_get_ex(object, "digests", &digests) &&
		json_object_is_type(digests, json_type_object)) {
		json_object_object_foreach(digests, key, digest)
		{
			(void)key;
			entry = digest;
			if (!text && json_object_object_get_ex(entry, "digest", &value))
				text = strdup(json_object_get_string(value));
		}
	}
	json_object_put(object);
	return text;
}

/* "1, 4": slots in use in a and not in b; returns whether there are any. */
static bool slots_only_in(
	const struct keystore *a, const struct keystore *b, char *text, size_t text_bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < KEYSTORE_SLOTS_MAX && used < text_bytes; i++) {
		crypt_keyslot_info in_a = crypt_keyslot_status(a->cd, i),
				   in_b = crypt_keyslot_status(b->cd, i);

		if (in_a < CRYPT_SLOT_ACTIVE || in_b >= CRYPT_SLOT_ACTIVE)
			continue;
		used += (size_t)snprintf(
			text + used, text_bytes - used, "%s%d", used ? ", " : "", i);
	}
	return used > 0;
}

static int compare(struct keystore *present, struct keystore *backup, const char *backup_path,
	struct problem *reterr_problem)
{
	_cleanup_free_ char *ours = digests_of(present);
	_cleanup_free_ char *theirs = digests_of(backup);
	char revived[128], lost[128];

	if (!ours || !theirs || strcmp(ours, theirs) != 0)
		return problem_set(reterr_problem, -EKEYREJECTED,
			"%s holds another volume key than %s: restoring it would make everything "
			"on the volume unreadable "
			"(--force restores it all the same)",
			backup_path, present->path);
	slots_only_in(backup, present, revived, sizeof(revived));
	slots_only_in(present, backup, lost, sizeof(lost));
	if (present->token.present && backup->token.key_generation < present->token.key_generation)
		return problem_set(reterr_problem, -ESTALE,
			"%s is older than the last removal or change of a key: restoring it would "
			"revive old passphrases "
			"(slots now unused: %s) and lose slots: %s (--force restores it all the "
			"same)",
			backup_path, revived[0] ? revived : "none", lost[0] ? lost : "none");
	if (lost[0])
		return problem_set(reterr_problem, -ESTALE,
			"%s does not have the key slots %s that are in use now: restoring it would "
			"lose them (--force "
			"restores it all the same)",
			backup_path, lost);
	return 0;
}

int keystore_restore(
	const char *path, const char *backup_path, bool force, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *present = NULL;
	_cleanup_(keystore_freep) struct keystore *backup = NULL;
	struct keystore bare = {.path = NULL};
	int r;

	r = keystore_load(backup_path, true, &backup, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_load(path, false, &present, NULL);
	if (r < 0 && !force) {
		struct problem why = {""};

		r = keystore_load(path, false, &present, &why);
		if (r < 0)
			return problem_set(reterr_problem, r,
				"%s: its present header cannot be read, so that nothing can be "
				"compared (--force restores "
				"%s all the same)",
				path, backup_path);
	}
	if (present && !force) {
		r = compare(present, backup, backup_path, reterr_problem);
		if (r < 0)
			return r;
	}
	if (present) {
		r = crypt_header_restore(present->cd, CRYPT_LUKS2, backup_path);
	} else {
		r = crypt_init(&bare.cd, path);
		if (r >= 0)
			r = crypt_header_restore(bare.cd, CRYPT_LUKS2, backup_path);
		crypt_free(bare.cd);
	}
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: the header could not be restored: %s",
			path,
			present && present->last_error[0] ? present->last_error : strerror(-r));
	return 0;
}

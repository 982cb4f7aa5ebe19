/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_slots.c - list, add, change and remove key slots
 *
 * Whatever takes a key out of use makes key_generation grow first: a header
 * backup taken before is then known to be older (keystore_restore).
 */
#include "keystore/keystore_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ITERATION_MS_DEFAULT 2000u
#define ARGON2_PASSES_LEAST  4u
#define PBKDF2_LEAST	     1000u /* HCD cPP FCS_PCC_EXT.1; SP 800-132 */
#define ARGON2_THREADS	     2u

/* --- key derivation --- */

/* As much as the machine does in the time asked for, and never less than the floor. */
static int set_pbkdf2(struct keystore *keystore, const struct keystore_kdf *kdf)
{
	static const char sample[] = "a passphrase of usual length";
	static const char salt[] = "0123456789abcdef0123456789abcdef";
	struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.time_ms = kdf->iteration_ms ? kdf->iteration_ms : ITERATION_MS_DEFAULT,
		.iterations = PBKDF2_LEAST,
	};
	int r = 0;

	if (kdf->iteration_ms != 1) {
		r = crypt_benchmark_pbkdf(keystore->cd, &pbkdf, sample, sizeof(sample) - 1, salt,
			sizeof(salt) - 1, KEYSTORE_VOLUME_KEY_BYTES, NULL, NULL);
		if (pbkdf.iterations < KEYSTORE_PBKDF2_ITERATIONS_MIN)
			pbkdf.iterations = KEYSTORE_PBKDF2_ITERATIONS_MIN;
	}
	pbkdf.time_ms = 0;
	pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
	return r < 0 ? r : crypt_set_pbkdf_type(keystore->cd, &pbkdf);
}

int keystore_set_kdf(struct keystore *keystore, const struct keystore_kdf *kdf)
{
	const struct keystore_kdf defaults = {0};
	struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_ARGON2ID,
		.hash = "sha256",
		.max_memory_kb = KEYSTORE_KDF_MEMORY_KIB_DEFAULT,
		.parallel_threads = ARGON2_THREADS,
	};

	if (!kdf)
		kdf = &defaults;
	/* Either suffices: a volume keeps its profile whoever adds a key to it. */
	if (!profile_allows_argon2id() || keystore->token.profile == PROFILE_HCD_CPP)
		return set_pbkdf2(keystore, kdf);
	if (kdf->memory_kib)
		pbkdf.max_memory_kb = kdf->memory_kib;
	if (kdf->iteration_ms == 1 || kdf->iterations > 0) {
		pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
		pbkdf.iterations = kdf->iterations > ARGON2_PASSES_LEAST ? kdf->iterations
									 : ARGON2_PASSES_LEAST;
	} else {
		pbkdf.time_ms = kdf->iteration_ms ? kdf->iteration_ms : ITERATION_MS_DEFAULT;
	}
	return crypt_set_pbkdf_type(keystore->cd, &pbkdf);
}

/* --- list --- */

/* Not the unbound ones: their key is not the volume's. */
static bool opens_volume(const struct keystore *keystore, int slot)
{
	crypt_keyslot_info info = crypt_keyslot_status(keystore->cd, slot);

	return info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST;
}

static bool in_use(const struct keystore *keystore, int slot)
{
	return opens_volume(keystore, slot) ||
	       crypt_keyslot_status(keystore->cd, slot) == CRYPT_SLOT_UNBOUND;
}

static int count_openers(const struct keystore *keystore)
{
	int count = 0;

	for (int i = 0; i < KEYSTORE_SLOTS_MAX; i++)
		count += opens_volume(keystore, i);
	return count;
}

static void find_token_of_slot(const struct keystore *keystore, struct keystore_slot *slot)
{
	for (int i = 0; i < crypt_token_max(CRYPT_LUKS2); i++) {
		const char *type = NULL;

		if (crypt_token_is_assigned(keystore->cd, i, slot->number) != 0)
			continue;
		if (crypt_token_status(keystore->cd, i, &type) > CRYPT_TOKEN_INACTIVE && type)
			snprintf(slot->token, sizeof(slot->token), "%s", type);
		return;
	}
}

int keystore_list(const struct keystore *keystore,
	struct keystore_slot slots[static KEYSTORE_SLOTS_MAX], size_t *ret_count)
{
	size_t count = 0;

	for (int i = 0; i < KEYSTORE_SLOTS_MAX; i++) {
		struct crypt_pbkdf_type pbkdf = {0};
		int r;

		if (!in_use(keystore, i))
			continue;
		r = crypt_keyslot_get_pbkdf(keystore->cd, i, &pbkdf);
		if (r < 0)
			return r;
		slots[count] = (struct keystore_slot){
			.number = i,
			.bound = opens_volume(keystore, i),
			.iterations = pbkdf.iterations,
			.memory_kib = pbkdf.max_memory_kb,
			.parallel = pbkdf.parallel_threads,
		};
		snprintf(slots[count].kdf, sizeof(slots[count].kdf), "%s",
			pbkdf.type ? pbkdf.type : "");
		find_token_of_slot(keystore, &slots[count]);
		count++;
	}
	*ret_count = count;
	return 0;
}

/* --- add, change, remove --- */

static int explain(
	struct keystore *keystore, int error, const char *what, struct problem *reterr_problem)
{
	if (error == -EPERM || error == -ENOENT)
		return problem_set(reterr_problem, -EPERM,
			"%s: the present passphrase or key file opens none of its key slots; try "
			"another one",
			keystore->path);
	return keystore_explain(keystore, error, what, reterr_problem);
}

static int grow_generation(struct keystore *keystore, struct problem *reterr_problem)
{
	struct keystore_token token = keystore->token;

	if (!token.present) /* a stock volume has nothing to remember it in */
		return keystore_check_token(keystore, reterr_problem);
	token.key_generation++;
	return keystore_set_token(keystore, &token, reterr_problem);
}

static int check_room(const struct keystore *keystore, int slot, struct problem *reterr_problem)
{
	if (slot >= KEYSTORE_SLOTS_MAX)
		return problem_set(reterr_problem, -EINVAL,
			"%s: there is no key slot %d; they are numbered 0 to %d", keystore->path,
			slot, KEYSTORE_SLOTS_MAX - 1);
	if (slot >= 0 && in_use(keystore, slot))
		return problem_set(reterr_problem, -EEXIST,
			"%s: key slot %d is in use; remove it first, or name another one",
			keystore->path, slot);
	return 0;
}

int keystore_add(struct keystore *keystore, const struct secret *present,
	const struct secret *added, const struct keystore_kdf *kdf, int slot, int *ret_slot,
	struct problem *reterr_problem)
{
	int r;

	r = check_room(keystore, slot, reterr_problem);
	if (r < 0)
		return r;
	keystore->last_error[0] = '\0';
	r = keystore_set_kdf(keystore, kdf);
	if (r >= 0)
		r = crypt_keyslot_add_by_passphrase(keystore->cd, slot < 0 ? CRYPT_ANY_SLOT : slot,
			(const char *)secret_peek(present), secret_size(present),
			(const char *)secret_peek(added), secret_size(added));
	if (r < 0)
		return explain(keystore, r, "the key could not be added", reterr_problem);
	slot = r;
	r = keystore_sync(keystore, reterr_problem);
	if (r >= 0)
		*ret_slot = slot;
	return r;
}

/*
 * K3: libcryptsetup's own change writes over the slot in place if there is no room for another
 * one; cut short by a crash, that loses the only key.
 */
int keystore_change(struct keystore *keystore, const struct secret *present,
	const struct secret *changed, const struct keystore_kdf *kdf, int slot, int *ret_slot,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *volume_key = NULL;
	int old, new, r;

	/* Is it a key at all?  Only then anything is recorded. */
	r = keystore_unlock(keystore, present, slot, &volume_key, &old, reterr_problem);
	if (r >= 0)
		r = grow_generation(keystore, reterr_problem);
	if (r >= 0)
		r = keystore_add(keystore, present, changed, kdf, -1, &new, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_keyslot_set_priority(
		keystore->cd, new, crypt_keyslot_get_priority(keystore->cd, old));
	if (r >= 0)
		r = crypt_keyslot_destroy(keystore->cd, old);
	if (r < 0)
		return explain(keystore, r,
			"the new key was added, but the old one could not be removed, and still "
			"opens the volume (\"key list\" shows it, \"key remove\" removes it)",
			reterr_problem);
	r = keystore_sync(keystore, reterr_problem);
	if (r >= 0)
		*ret_slot = new;
	return r;
}

/* Does the passphrase open a slot other than this one? */
static int check_other(struct keystore *keystore, int slot, const struct secret *other,
	struct problem *reterr_problem)
{
	for (int i = 0; i < KEYSTORE_SLOTS_MAX; i++) {
		_cleanup_secret_ struct secret *volume_key = NULL;
		int opened, r;

		if (i == slot || !opens_volume(keystore, i))
			continue;
		r = keystore_unlock(keystore, other, i, &volume_key, &opened, reterr_problem);
		if (r != -EPERM)
			return r;
	}
	return problem_set(reterr_problem, -EPERM,
		"%s: the passphrase or key file opens no other key slot than %d; nothing was "
		"removed, "
		"give one that stays",
		keystore->path, slot);
}

int keystore_remove(struct keystore *keystore, int slot, const struct secret *other, bool force,
	struct problem *reterr_problem)
{
	int r;

	if (slot < 0 || slot >= KEYSTORE_SLOTS_MAX || !in_use(keystore, slot))
		return problem_set(reterr_problem, -EINVAL,
			"%s: key slot %d is not in use; \"key list\" shows those that are",
			keystore->path, slot);
	if (opens_volume(keystore, slot) && count_openers(keystore) <= 1 && !force)
		return problem_set(reterr_problem, -EBUSY,
			"%s: key slot %d is the last one; without it nobody can open the volume "
			"again (--force removes it all the same)",
			keystore->path, slot);
	if (other) {
		r = check_other(keystore, slot, other, reterr_problem);
		if (r < 0)
			return r;
	}
	r = grow_generation(keystore, reterr_problem);
	if (r < 0)
		return r;
	keystore->last_error[0] = '\0';
	r = crypt_keyslot_destroy(keystore->cd, slot);
	if (r < 0)
		return explain(keystore, r, "the key slot could not be removed", reterr_problem);
	return keystore_sync(keystore, reterr_problem);
}

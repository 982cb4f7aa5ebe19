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

static int count_slots(const struct keystore *keystore)
{
	int count = 0;

	for (int i = 0; i < KEYSTORE_SLOTS_MAX; i++) {
		crypt_keyslot_info info = crypt_keyslot_status(keystore->cd, i);

		if (info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST ||
			info == CRYPT_SLOT_UNBOUND)
			count++;
	}
	return count;
}

int keystore_list(const struct keystore *keystore,
	struct keystore_slot slots[static KEYSTORE_SLOTS_MAX], size_t *ret_count)
{
	size_t count = 0;

	for (int i = 0; i < KEYSTORE_SLOTS_MAX; i++) {
		crypt_keyslot_info info = crypt_keyslot_status(keystore->cd, i);
		struct crypt_pbkdf_type pbkdf = {0};
		int r;

		if (info != CRYPT_SLOT_ACTIVE && info != CRYPT_SLOT_ACTIVE_LAST &&
			info != CRYPT_SLOT_UNBOUND)
			continue;
		r = crypt_keyslot_get_pbkdf(keystore->cd, i, &pbkdf);
		if (r < 0)
			return r;
		slots[count] = (struct keystore_slot){
			.number = i,
			.iterations = pbkdf.iterations,
			.memory_kib = pbkdf.max_memory_kb,
			.parallel = pbkdf.parallel_threads,
		};
		snprintf(slots[count].kdf, sizeof(slots[count].kdf), "%s",
			pbkdf.type ? pbkdf.type : "");
		count++;
	}
	*ret_count = count;
	return 0;
}

static const char *detail(const struct keystore *keystore, int error)
{
	return keystore->last_error[0] ? keystore->last_error : strerror(-error);
}

static int explain(const struct keystore *keystore, int error, const char *what,
	struct problem *reterr_problem)
{
	if (error == -EPERM)
		return problem_set(reterr_problem, error,
			"%s: the present passphrase or key file opens none of its key slots; try "
			"another one",
			keystore->path);
	return problem_set(
		reterr_problem, error, "%s: %s: %s", keystore->path, what, detail(keystore, error));
}

static int grow_generation(struct keystore *keystore, struct problem *reterr_problem)
{
	struct keystore_token token = keystore->token;

	if (!token.present) /* a stock volume has nothing to remember it in */
		return 0;
	token.key_generation++;
	return keystore_set_token(keystore, &token, reterr_problem);
}

int keystore_add(struct keystore *keystore, const struct secret *present,
	const struct secret *added, uint32_t kdf_memory_kib, int slot, int *ret_slot,
	struct problem *reterr_problem)
{
	int r;

	r = keystore_set_kdf(keystore, kdf_memory_kib, 0);
	if (r >= 0)
		r = crypt_keyslot_add_by_passphrase(keystore->cd, slot < 0 ? CRYPT_ANY_SLOT : slot,
			(const char *)secret_peek(present), secret_size(present),
			(const char *)secret_peek(added), secret_size(added));
	if (r < 0)
		return explain(keystore, r, "the key could not be added", reterr_problem);
	*ret_slot = r;
	return 0;
}

int keystore_change(struct keystore *keystore, const struct secret *present,
	const struct secret *changed, uint32_t kdf_memory_kib, int *ret_slot,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *volume_key = NULL;
	int slot, r;

	/* Is it a key at all?  Only then anything is recorded. */
	r = keystore_unlock(keystore, present, CRYPT_ANY_SLOT, &volume_key, &slot, reterr_problem);
	if (r >= 0)
		r = grow_generation(keystore, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_set_kdf(keystore, kdf_memory_kib, 0);
	if (r >= 0)
		r = crypt_keyslot_change_by_passphrase(keystore->cd, slot, slot,
			(const char *)secret_peek(present), secret_size(present),
			(const char *)secret_peek(changed), secret_size(changed));
	if (r < 0)
		return explain(keystore, r, "the key could not be changed", reterr_problem);
	*ret_slot = r;
	return 0;
}

int keystore_remove(struct keystore *keystore, int slot, bool force, struct problem *reterr_problem)
{
	crypt_keyslot_info info;
	int r;

	if (slot < 0 || slot >= KEYSTORE_SLOTS_MAX)
		return problem_set(reterr_problem, -EINVAL,
			"%s: there is no key slot %d; \"key list\" shows them", keystore->path,
			slot);
	info = crypt_keyslot_status(keystore->cd, slot);
	if (info == CRYPT_SLOT_INVALID || info == CRYPT_SLOT_INACTIVE)
		return problem_set(reterr_problem, -EINVAL,
			"%s: key slot %d is not in use; \"key list\" shows those that are",
			keystore->path, slot);
	if (count_slots(keystore) <= 1 && !force)
		return problem_set(reterr_problem, -EBUSY,
			"%s: key slot %d is the last one; without it nobody can open the volume "
			"again (--force removes it "
			"all the same)",
			keystore->path, slot);
	r = grow_generation(keystore, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_keyslot_destroy(keystore->cd, slot);
	if (r < 0)
		return explain(keystore, r, "the key slot could not be removed", reterr_problem);
	return 0;
}

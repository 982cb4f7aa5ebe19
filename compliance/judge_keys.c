/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_keys.c - are keys strong, apart from what they open, and mortal?
 */
#include "compliance/judge.h"
#include <string.h>

#define KEY_BITS_MIN	      512u   /* XTS: twice 256 */
#define PBKDF2_ITERATIONS_MIN 1000u  /* FCS_PCC_EXT.1 of HCD cPP v1.0e; SP 800-132 */
#define ARGON2_MEMORY_MIN_KIB 19456u /* OWASP's least: 19 MiB */

/* --- key slots --- */

static void judge_slot(struct json_object *slot, const char *name, struct judged *out)
{
	uint64_t iterations, memory_kib;
	const char *kdf;

	if (!judge_text(slot, "kdf", out, &kdf) ||
		!judge_u64(slot, "iterations", out, &iterations) ||
		!judge_u64(slot, "memory_kib", out, &memory_kib))
		return;
	if (strcmp(kdf, "argon2id") == 0 && memory_kib >= ARGON2_MEMORY_MIN_KIB)
		return;
	if (strcmp(kdf, "pbkdf2") == 0 && iterations >= PBKDF2_ITERATIONS_MIN)
		return;
	judged_not_met(out, "change that passphrase: spoolguard key change",
		"volume %s: a key slot derives its key with %s, %u iterations, %u KiB", name, kdf,
		(unsigned int)iterations, (unsigned int)memory_kib);
}

static void judge_chain_of(struct json_object *volume, struct judged *out)
{
	struct json_object *slots;
	const char *name;
	uint64_t bits;

	if (!judge_text(volume, "name", out, &name) || !judge_u64(volume, "key_bits", out, &bits) ||
		!judge_array(volume, "slots", out, &slots))
		return;
	if (bits < KEY_BITS_MIN)
		judged_not_met(out, "format a new volume, and move the spool there",
			"volume %s has a key of %u bits", name, (unsigned int)bits);
	if (json_object_array_length(slots) == 0)
		judged_cannot_tell(out, "add a key, or format the volume anew",
			"volume %s has no key slot: its keys are gone", name);
	for (size_t i = 0; i < json_object_array_length(slots); i++)
		judge_slot(json_object_array_get_idx(slots, i), name, out);
}

static void judge_key_chain(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(
		    values[0], "no volume was found", "make one: spoolguard format", out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_chain_of(json_object_array_get_idx(values[0], i), out);
	judged_met(out,
		"volume keys of %u bits, wrapped in every slot under Argon2id or "
		"PBKDF2",
		KEY_BITS_MIN);
}

const struct part part_key_chain = {"key-chain", {"headers"}, judge_key_chain};

/* --- copies of a header --- */

static void judge_backups(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(
		    values[0], "no volume was found", "make one: spoolguard format", out, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		const char *name;
		uint64_t backups;

		if (judge_text(volume, "name", out, &name) &&
			judge_u64(volume, "backups", out, &backups) && backups > 0)
			judged_cannot_tell(out,
				"find every header backup, and destroy it before the key is said "
				"to be gone",
				"of volume %s %u header backups were taken: who has one, and a "
				"passphrase, has the key",
				name, (unsigned int)backups);
	}
	judged_met(out, "no header backup was taken through spoolguard");
}

const struct part part_backups = {"header-backups", {"headers"}, judge_backups};

/* --- where the key lies --- */

static void judge_beside_of(struct json_object *volume, struct judged *out)
{
	const char *name, *source, *place;
	bool beside;

	if (!judge_text(volume, "name", out, &name) || !judge_text(volume, "source", out, &source))
		return;
	if (strcmp(source, "key-file") != 0)
		return;
	if (!judge_bool(volume, "beside", out, &beside) ||
		!judge_text(volume, "place", out, &place))
		return;
	if (beside)
		judged_not_met(out,
			"keep the key on a removable medium, in a sealed systemd credential, or in "
			"memory only",
			"volume %s: its key file is %s: the key lies beside the lock", name, place);
}

static void judge_key_beside(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], "no volume is configured", "name the volume in spoolguard.conf",
		    out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_beside_of(json_object_array_get_idx(values[0], i), out);
	judged_met(out, "no volume's key lies in clear on a disk of this machine");
}

const struct part part_key_beside = {"key-beside", {"keys"}, judge_key_beside};

/* --- the device's own keys --- */

static void judge_device_keys(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *fingerprint;
	bool others;

	if (!judge_bool(values[0], "others_read", out, &others) ||
		!judge_text(values[0], "fingerprint", out, &fingerprint))
		return;
	if (others)
		judged_not_met(out, "chown root and chmod 0600 the key files, and enrol anew",
			"the device's private keys can be read by others than root");
	else
		judged_met(out, "private keys are root's alone; the device's is %.16s...",
			fingerprint);
}

const struct part part_device_keys = {"device-keys", {"device-keys"}, judge_device_keys};

/* --- self-tests of keys --- */

static void judge_secrets(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "memory/", "secrets are locked in memory and not dumped", out);
}

static void judge_algorithms(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "algorithm/", "known answers of every algorithm", out);
}

static void judge_random(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "random/", "the noise source and the generators", out);
}

const struct part part_secrets = {"secrets", {"selftest"}, judge_secrets};
const struct part part_algorithms = {"algorithms", {"selftest"}, judge_algorithms};
const struct part part_random = {"random", {"selftest"}, judge_random};

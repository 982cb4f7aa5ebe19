/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_storage.c - does anything of a job lie in clear on this machine?
 */
#include "compliance/judge.h"
#include <string.h>

#define CIPHER	 "aes-xts-plain64"
#define KEY_BITS 512u /* two keys of 256 bits, as XTS takes them */

/* --- the volumes --- */

static void judge_header(struct json_object *volume, struct judged *out)
{
	const char *name, *cipher;
	uint64_t bits;
	bool lost;

	if (!judge_text(volume, "name", out, &name) ||
		!judge_text(volume, "cipher", out, &cipher) ||
		!judge_u64(volume, "key_bits", out, &bits) ||
		!judge_bool(volume, "lost_token", out, &lost))
		return;
	if (strcmp(cipher, CIPHER) != 0 || bits != KEY_BITS)
		judged_not_met(out, "format a new volume, and move the spool there",
			"volume %s is %s with %u bits of key, not " CIPHER " with %u", name, cipher,
			(unsigned int)bits, KEY_BITS);
	else if (lost)
		judged_not_met(out,
			"detach it, and put the token back: spoolguard attach --repair-token",
			"volume %s has lost its spoolguard token: it is served by nobody", name);
}

static void judge_encrypted(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], "no volume was found",
		    "make one (spoolguard format), and name it in spoolguard.conf", out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_header(json_object_array_get_idx(values[0], i), out);
	judged_met(out, "%zu volume%s, AES-256 in XTS mode (" CIPHER ", %u bits of key)", count,
		count == 1 ? "" : "s", KEY_BITS);
}

const struct part part_encrypted = {"encrypted", {"headers"}, judge_encrypted};

/* --- what CUPS leaves elsewhere --- */

/* The first of a list, in words. */
static const char *first_text(struct json_object *list, const char *key, const char *otherwise)
{
	const char *text = judge_peek(json_object_array_get_idx(list, 0), key);

	return text[0] ? text : otherwise;
}

static void judge_stray(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	struct json_object *findings, *untold;
	uint64_t residue, doubts;
	bool used;

	if (!judge_bool(values[0], "used", out, &used) ||
		!judge_u64(values[0], "residue", out, &residue) ||
		!judge_u64(values[0], "doubts", out, &doubts) ||
		!judge_array(values[0], "findings", out, &findings) ||
		!judge_array(values[0], "could_not_tell", out, &untold))
		return;
	if (!used)
		judged_met(out, "there is no CUPS on this machine");
	else if (residue > 0)
		judged_not_met(out, first_text(findings, "mend", "spoolguard cups check"),
			"CUPS leaves something of jobs outside the volume in %u ways: %s%s",
			(unsigned int)residue, first_text(findings, "text", "see cups check"),
			residue > 1 ? "; \"spoolguard cups check\" has the others" : "");
	else if (doubts > 0)
		judged_cannot_tell(out, "run \"spoolguard cups check\" as root",
			"%u places of CUPS could not be looked at: %s", (unsigned int)doubts,
			first_text(untold, "text", "see cups check"));
	else
		judged_met(out, "CUPS's configuration leaves nothing of a job off the volume");
}

const struct part part_stray = {"stray", {"cups"}, judge_stray};

/* --- the service's own files --- */

static void judge_state_place(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *place, *text;

	if (!judge_text(values[0], "place", out, &place) ||
		!judge_text(values[0], "text", out, &text))
		return;
	if (strcmp(place, "encrypted") == 0 || strcmp(place, "memory") == 0)
		judged_met(out, "the service's keys and records lie %s", text);
	else if (strcmp(place, "unknown") == 0)
		judged_cannot_tell(out,
			"show that the storage below the service's state directory is encrypted",
			"the service's keys and records lie %s", text);
	else
		judged_not_met(out,
			"put the service's state directory on an encrypted file system (dm-crypt)",
			"the service's keys and records lie %s", text);
}

const struct part part_state_place = {"state-place", {"state-place"}, judge_state_place};

/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/signature.h"
#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A medium that was used for many things may hold the traces of all; more are not listed. */
#define FINDINGS_MAX  8
#define FINDING_BYTES 96

static const char *article(const char *word)
{
	return strchr("aeiouAEIOU", word[0]) ? "an" : "a";
}

static void name_superblock(blkid_probe probe, const char *type, char text[static FINDING_BYTES])
{
	const char *usage = "", *label = NULL;
	size_t bytes;

	(void)blkid_probe_lookup_value(probe, "USAGE", &usage, NULL);
	if (blkid_probe_lookup_value(probe, "LABEL", &label, &bytes) < 0)
		label = NULL;
	if (strcmp(type, "crypto_LUKS") == 0)
		snprintf(text, FINDING_BYTES, "a LUKS header");
	else if (strcmp(type, "LVM2_member") == 0)
		snprintf(text, FINDING_BYTES, "an LVM physical volume");
	else if (strcmp(type, "swap") == 0)
		snprintf(text, FINDING_BYTES, "swap space");
	else if (strcmp(usage, "raid") == 0)
		snprintf(text, FINDING_BYTES, "a member of a RAID array (%.32s)", type);
	else if (strcmp(usage, "filesystem") == 0)
		snprintf(text, FINDING_BYTES, "%s %.32s file system%s%.32s%s", article(type), type,
			label ? " labelled \"" : "", label ? label : "", label ? "\"" : "");
	else
		snprintf(text, FINDING_BYTES, "%s %.32s signature", article(type), type);
}

/* The probe stands at a finding. */
static void name_finding(blkid_probe probe, char text[static FINDING_BYTES])
{
	const char *type;

	if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
		name_superblock(probe, type, text);
	else if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0)
		snprintf(text, FINDING_BYTES, "%s %.32s partition table", article(type), type);
	else
		snprintf(text, FINDING_BYTES, "a signature without a name");
	/* A label is whatever somebody wrote: nothing of it may steer a terminal. */
	for (char *c = text; *c; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
}

static void join(
	char findings[][FINDING_BYTES], size_t count, char text[static SIGNATURE_TEXT_BYTES])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && used < SIGNATURE_TEXT_BYTES; i++) {
		const char *between = i == 0 ? "" : i + 1 == count ? " and " : ", ";

		used += (size_t)snprintf(
			text + used, SIGNATURE_TEXT_BYTES - used, "%s%s", between, findings[i]);
	}
}

static int probe_all(blkid_probe probe, char text[static SIGNATURE_TEXT_BYTES])
{
	char findings[FINDINGS_MAX][FINDING_BYTES];
	size_t count = 0;
	int r = 0;

	while (count < FINDINGS_MAX && (r = blkid_do_probe(probe)) == 0) {
		name_finding(probe, findings[count]);
		if (count == 0 || strcmp(findings[count], findings[count - 1]) != 0)
			count++;
	}
	if (r < 0)
		return -EIO;
	join(findings, count, text);
	return 0;
}

int signature_find(int fd, char ret_text[static SIGNATURE_TEXT_BYTES])
{
	blkid_probe probe = blkid_new_probe();
	int r = -EIO;

	if (!probe)
		return -ENOMEM;
	errno = 0;
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0) {
		(void)blkid_probe_enable_superblocks(probe, 1);
		(void)blkid_probe_set_superblocks_flags(
			probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_LABEL |
				       BLKID_SUBLKS_BADCSUM);
		(void)blkid_probe_enable_partitions(probe, 1);
		(void)blkid_probe_set_partitions_flags(probe, BLKID_PARTS_FORCE_GPT);
		r = blkid_probe_get_size(probe) > 0 ? probe_all(probe, ret_text) : 0;
		if (r == 0 && blkid_probe_get_size(probe) <= 0)
			ret_text[0] = '\0';
	}
	blkid_free_probe(probe);
	return r;
}

bool signature_find_luks(int fd, char ret_uuid[static SIGNATURE_UUID_BYTES])
{
	char luks[] = "crypto_LUKS", *only[] = {luks, NULL};
	blkid_probe probe = blkid_new_probe();
	const char *uuid = NULL;
	bool found = false;

	if (!probe)
		return false;
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0 && blkid_probe_get_size(probe) > 0) {
		(void)blkid_probe_enable_superblocks(probe, 1);
		(void)blkid_probe_set_superblocks_flags(
			probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_BADCSUM);
		(void)blkid_probe_filter_superblocks_type(probe, BLKID_FLTR_ONLYIN, only);
		found = blkid_do_probe(probe) == 0;
	}
	if (found && blkid_probe_lookup_value(probe, "UUID", &uuid, NULL) < 0)
		uuid = NULL;
	if (found)
		snprintf(ret_uuid, SIGNATURE_UUID_BYTES, "%.36s", uuid ? uuid : "");
	blkid_free_probe(probe);
	return found;
}

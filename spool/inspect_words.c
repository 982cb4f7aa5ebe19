/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_words.c - what findings and places are called: in words, and in JSON
 */
#include "spool/inspect_impl.h"

struct words {
	const char *name;
	const char *words;
};

static const struct words findings[] = {
	[INSPECT_CLEAN_NOT_BLANK] = {"clean-not-blank",
		"CLEAN in the map, but the medium shows neither a pattern nor zeros"},
	[INSPECT_FREE_BUT_LIVE] = {"free-but-live",
		"free in the file system, but LIVE in the map: no passes are owed"},
	[INSPECT_SUPERBLOCK_COPY] = {"superblock-copy", "copy of the superblock is damaged"},
	[INSPECT_MAP_SLOT] = {"map-slot", "map page has a damaged slot: its blocks are UNKNOWN"},
	[INSPECT_VOLUME_PAGE_SLOT] = {"volume-page-slot", "the volume page has a damaged slot"},
	[INSPECT_STUCK_PAGE_SLOT] = {"stuck-page-slot",
		"the list of remapped blocks has a damaged slot"},
	[INSPECT_REDO_NOT_BLANK] = {"redo-not-blank",
		"the redo area shows remains of a sealed record that is not needed any more"},
	[INSPECT_TOKEN_MISSING] = {"token-missing",
		"there is a residue map, but the spoolguard token was removed from the LUKS2 "
		"header"},
};

static const struct words places[] = {
	[INSPECT_IN_HEADER] = {"header", "LUKS2 headers and key slots"},
	[INSPECT_IN_MAP] = {"map", "superblock and map"},
	[INSPECT_IN_SPARE] = {"spare", "spare area"},
	[INSPECT_IN_REDO] = {"redo", "redo area"},
	[INSPECT_IN_SCRATCH] = {"scratch", "scratch area"},
	[INSPECT_IN_DATA] = {"data", "data area, unencrypted"},
	[INSPECT_BEHIND] = {"behind", "behind the end of the volume"},
	[INSPECT_DECRYPTED] = {"decrypted", "volume without a file system that can be read"},
	[INSPECT_DECRYPTED_FREE] = {"decrypted-free", "free block"},
	[INSPECT_DECRYPTED_OUTSIDE] = {"decrypted-outside", "behind the end of the file system"},
	[INSPECT_DECRYPTED_METADATA] = {"decrypted-metadata", "file system metadata"},
	[INSPECT_DECRYPTED_INODES] = {"decrypted-inodes", "inode table"},
	[INSPECT_DECRYPTED_JOURNAL] = {"decrypted-journal", "journal"},
	[INSPECT_DECRYPTED_DIRECTORY] = {"decrypted-directory", "directory"},
	[INSPECT_DECRYPTED_FILE] = {"decrypted-file", "live file"},
	[INSPECT_DECRYPTED_SPARE] = {"decrypted-spare", "spare block that carries nothing"},
	[INSPECT_DECRYPTED_REFUSED] = {"decrypted-refused",
		"old place of a block that the medium refused to overwrite"},
};

_Static_assert(ARRAY_SIZE(findings) == INSPECT_FINDING_KINDS, "a finding without words");
_Static_assert(ARRAY_SIZE(places) == INSPECT_PLACES, "a place without words");

const char *inspect_finding_words(enum inspect_finding_kind kind)
{
	return findings[kind].words;
}

const char *inspect_finding_name(enum inspect_finding_kind kind)
{
	return findings[kind].name;
}

const char *inspect_place_words(enum inspect_place place)
{
	return places[place].words;
}

const char *inspect_place_name(enum inspect_place place)
{
	return places[place].name;
}

const char *inspect_class_name(enum residue_class class)
{
	static const char *const names[] = {
		[RESIDUE_CLASS_CLEAN] = "clean",
		[RESIDUE_CLASS_LIVE] = "live",
		[RESIDUE_CLASS_RESIDUE] = "residue",
		[RESIDUE_CLASS_SUSPECT] = "suspect",
		[RESIDUE_CLASS_UNKNOWN] = "unknown",
	};

	return names[class];
}

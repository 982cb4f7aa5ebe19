/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - what really is on a volume's medium, from outside
 *
 * Offline and read-only: the medium is opened with a shared lock, so an attached
 * volume is refused (-EBUSY).  One pass reads the whole medium once: every block is
 * judged (file system against map against medium), searched as it lies, decrypted
 * whatever its state, and searched again.
 *
 *   N1  Nothing is written, and nothing is derived for the map from what is seen (M8).
 *   N2  What cannot be judged is a reason, never silently good.
 *   N3  Counts are complete; lists of examples are bounded, and what was cut is counted.
 *
 * Units: blocks of 4096 bytes of the volume, unless a name says bytes.
 * Threads: one caller.
 */
#ifndef SPOOLGUARD_SPOOL_INSPECT_H
#define SPOOLGUARD_SPOOL_INSPECT_H

#include "base/problem.h"
#include "base/progress.h"
#include "blockdev/residue.h"
#include "crypto/secret.h"
#include "keystore/keystore.h"
#include "spool/ext4_check.h"
#include "base/search.h"

#define INSPECT_FINDINGS_MAX	   64u
#define INSPECT_REASONS_MAX	   24u
#define INSPECT_STUCK_MAX	   239u
#define INSPECT_EXAMPLES_PER_PLACE 4u

enum inspect_finding_kind {
	INSPECT_CLEAN_NOT_BLANK, /* CLEAN in the map, and the medium shows no pattern (P2) */
	INSPECT_FREE_BUT_LIVE,	 /* free in the file system, and no passes are owed */
	INSPECT_SUPERBLOCK_COPY, /* extent.first: which copy is damaged */
	INSPECT_MAP_SLOT,	 /* extent.first: the map page with a damaged slot */
	INSPECT_VOLUME_PAGE_SLOT,
	INSPECT_STUCK_PAGE_SLOT,
	INSPECT_REDO_NOT_BLANK, /* no record is pending, and the redo area shows remains of one */
	INSPECT_TOKEN_MISSING,	/* a map, but no token in the LUKS2 header */
	INSPECT_FINDING_KINDS
};

struct inspect_finding {
	enum inspect_finding_kind kind;
	struct extent extent;
};

/* Where a match lies: on the medium as it is ... */
enum inspect_place {
	INSPECT_IN_HEADER, /* LUKS2 headers and key slots */
	INSPECT_IN_MAP,	   /* superblock, map, volume and stuck pages */
	INSPECT_IN_SPARE,
	INSPECT_IN_REDO,
	INSPECT_IN_SCRATCH,
	INSPECT_IN_DATA,
	INSPECT_BEHIND, /* the volume's end */
	/* ... or in what it decrypts to. */
	INSPECT_DECRYPTED, /* no file system says whose the block is */
	INSPECT_DECRYPTED_FREE,
	INSPECT_DECRYPTED_OUTSIDE, /* behind the end of the file system */
	INSPECT_DECRYPTED_METADATA,
	INSPECT_DECRYPTED_INODES,
	INSPECT_DECRYPTED_JOURNAL,
	INSPECT_DECRYPTED_DIRECTORY,
	INSPECT_DECRYPTED_FILE,
	INSPECT_DECRYPTED_SPARE,   /* in a spare block; the offset counts from the first spare */
	INSPECT_DECRYPTED_REFUSED, /* in the old place of a block that the medium refused */
	INSPECT_PLACES
};

static inline bool inspect_place_is_decrypted(enum inspect_place place)
{
	return place >= INSPECT_DECRYPTED;
}

struct inspect_example {
	enum inspect_place place;
	enum search_form form;
	uint64_t offset_bytes; /* of the medium, or of the decrypted volume */
	bool is_seam;	       /* across two blocks of a file that do not adjoin */
	bool has_class;
	enum residue_class class; /* of the block, by the map */
	uint32_t inode;		  /* 0: unknown */
	char *path;		  /* NULL: unknown */
};

struct inspect_searched {
	uint64_t hits[INSPECT_PLACES];
	uint64_t raw_hits;
	uint64_t decrypted_hits;
	struct inspect_example *examples; /* of each place INSPECT_EXAMPLES_PER_PLACE blocks */
	size_t example_count;
};

/* Blocks by what map and file system say of them; without a file system all count as owned. */
struct inspect_compared {
	uint64_t free[RESIDUE_CLASS_UNKNOWN + 1];
	uint64_t owned[RESIDUE_CLASS_UNKNOWN + 1];
	/* What CLEAN blocks show on the medium. */
	uint64_t clean_zeros;
	uint64_t clean_last_pattern;
	uint64_t clean_other_byte;
	uint64_t clean_random; /* not judged: the scheme's last pass is random */
	uint64_t clean_not_blank;
};

struct inspect_report {
	/* LUKS2 header */
	char uuid[40];
	struct keystore_segment segment;
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	size_t slot_count;
	struct keystore_token token;
	uint64_t medium_bytes;

	/* the map */
	bool is_managed; /* a superblock, or a token that asks for one, is there */
	bool has_layout; /* the superblock is whole */
	bool has_map;	 /* the map could be opened */
	uint64_t blocks; /* of the volume */
	uint64_t map_pages;
	uint64_t damaged_pages; /* with one damaged slot, at least */
	uint64_t damaged_slots;
	struct residue_open_report opened;
	struct residue_counts counts;
	struct residue_stuck stuck[INSPECT_STUCK_MAX];
	size_t stuck_count;
	bool is_redo_pending; /* a change of the in-process port is not in place yet */

	/* the file system */
	struct ext4_report ext4;
	bool is_compared; /* its bitmaps could be read, and say what is so */
	struct inspect_compared compared;

	uint64_t findings_by_kind[INSPECT_FINDING_KINDS]; /* blocks, copies or slots */
	struct inspect_finding findings[INSPECT_FINDINGS_MAX];
	size_t finding_count;
	uint64_t unreadable_blocks; /* of the medium */
	/* Why it cannot be told whether all is well. */
	struct problem reasons[INSPECT_REASONS_MAX];
	size_t reason_count;
	uint64_t reasons_cut;

	struct inspect_searched *searched; /* as many as strings */
	size_t searched_count;
	double chance_hits; /* expected in this much ciphertext */
};

enum inspect_verdict {
	INSPECT_NOTHING_FOUND, /* no hit, no finding, and nothing that could not be judged */
	INSPECT_FOUND,
	INSPECT_CANNOT_TELL,
};

/*
 * search may be NULL or empty.  Opens, reads and closes everything.  The errors of raw_open
 * (-EBUSY: attached), keystore_open and keystore_unlock (-EPERM: wrong passphrase), -ECANCELED
 * by the sink, -ENOMEM; damage is no error but in the report.  Give the report to
 * inspect_report_free().
 */
must_check int inspect_volume(const char *path, const struct secret *passphrase,
	const struct search *search, const struct progress_sink *sink,
	struct inspect_report **ret_report, struct problem *reterr_problem);
void inspect_report_free(struct inspect_report *report);
DEFINE_CLEANUP(struct inspect_report *, inspect_report_free)

enum inspect_verdict inspect_verdict_of(const struct inspect_report *report);
const char *inspect_finding_words(enum inspect_finding_kind kind);
const char *inspect_finding_name(enum inspect_finding_kind kind); /* "clean-not-blank" */
const char *inspect_place_words(enum inspect_place place);
const char *inspect_place_name(enum inspect_place place); /* "decrypted-free" */
const char *inspect_class_name(enum residue_class class);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_impl.h - what the files of the inspection share
 *
 *   inspect.c         what is said, the file system, the order of it all
 *   inspect_open.c    LUKS2 header, superblock, map pages
 *   inspect_scan.c    the pass over the medium
 *   inspect_search.c  matches: where they lie and whose they are
 *   inspect_words.c   names
 */
#ifndef SPOOLGUARD_SPOOL_INSPECT_IMPL_H
#define SPOOLGUARD_SPOOL_INSPECT_IMPL_H

#include "crypto/xts.h"
#include "overwrite/scheme.h"
#include "spool/ext4_owners.h"
#include "spool/inspect.h"

struct inspect {
	struct inspect_report *report;
	const struct search *search; /* NULL: nothing to search */
	const struct progress_sink *sink;

	struct blockdev *device; /* the medium, 4096-byte blocks */
	struct secret *volume_key;
	struct xts *xts;
	struct layout layout;	     /* if report->has_layout */
	struct residue *residue;     /* NULL: no map */
	const struct scheme *scheme; /* NULL: not known */
	uint64_t data_first;	     /* where the data segment begins on the medium */

	struct blockdev *view;	    /* the volume as the file system sees it */
	ext2_filsys fs;		    /* NULL: no file system that can be read */
	struct ext4_owners *owners; /* NULL likewise */

	int error; /* -ENOMEM in a callback */
};

/* Another reason why it cannot be told. */
void inspect_reason(struct inspect *inspect, const char *format, ...) format_printf(2, 3);
void inspect_find(struct inspect *inspect, enum inspect_finding_kind kind, struct extent extent);
/* In which extent is a block in the way of the spare area, or NULL. */
const struct residue_stuck *inspect_stuck_of(const struct inspect *inspect, uint64_t block);

must_check int inspect_open_header(struct inspect *inspect, const char *path,
	const struct secret *passphrase, struct problem *reterr_problem);
must_check int inspect_open_layout(struct inspect *inspect);
must_check int inspect_open_map(struct inspect *inspect);

must_check int inspect_scan(struct inspect *inspect);

/* Decrypts count blocks in place; a block that shows one byte repeated holds no ciphertext and
 * becomes zeros. */
must_check int inspect_decrypt(
	struct inspect *inspect, uint64_t tweak_offset, struct extent at, uint8_t *buf);

/* Feeds for search_stream_new: context is the inspect. */
void inspect_found_raw(void *inspect, const struct search_hit *hit);
void inspect_found_decrypted(void *inspect, const struct search_hit *hit);
void inspect_found_spare(void *inspect, const struct search_hit *hit);
/* After the pass: seams of files, remapped blocks, and who owns what was found. */
must_check int inspect_search_seams(struct inspect *inspect);
must_check int inspect_resolve(struct inspect *inspect);

#endif

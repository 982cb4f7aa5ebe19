/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_search.c - matches: where they lie, and whose they are
 *
 * The pass finds what lies in blocks that adjoin.  A file whose blocks do not, and a
 * block that was remapped, have seams of their own, searched afterwards.
 */
#include "base/io.h"
#include "spool/inspect_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- a match is counted --- */

static void add_example(
	struct inspect *inspect, struct inspect_searched *searched, struct inspect_example example)
{
	struct inspect_example *examples;
	unsigned int known = 0;

	for (size_t i = 0; i < searched->example_count; i++) {
		const struct inspect_example *other = &searched->examples[i];

		if (other->place != example.place)
			continue;
		if (other->offset_bytes / BLOCK_BYTES == example.offset_bytes / BLOCK_BYTES)
			return;
		known++;
	}
	if (known == INSPECT_EXAMPLES_PER_PLACE)
		return;
	examples = realloc(
		searched->examples, (searched->example_count + 1) * sizeof(*searched->examples));
	if (!examples) {
		inspect->error = -ENOMEM;
		return;
	}
	searched->examples = examples;
	examples[searched->example_count++] = example;
}

static void count_hit(
	struct inspect *inspect, const struct search_hit *hit, struct inspect_example example)
{
	struct inspect_searched *searched = &inspect->report->searched[hit->index];

	example.form = hit->form;
	searched->hits[example.place]++;
	if (inspect_place_is_decrypted(example.place))
		searched->decrypted_hits++;
	else
		searched->raw_hits++;
	add_example(inspect, searched, example);
}

static enum inspect_place place_on_medium(const struct inspect *inspect, uint64_t block)
{
	const struct layout *layout = &inspect->layout;
	struct extent one = {block, 1};

	if (block >= inspect->data_first + inspect->report->blocks)
		return INSPECT_BEHIND;
	if (block >= inspect->data_first)
		return INSPECT_IN_DATA;
	if (!inspect->report->has_layout || block < layout->superblock.first)
		return INSPECT_IN_HEADER;
	if (extent_overlaps(layout->spare, one))
		return INSPECT_IN_SPARE;
	if (extent_overlaps(layout->redo, one))
		return INSPECT_IN_REDO;
	if (block >= layout->scratch.first)
		return INSPECT_IN_SCRATCH;
	return INSPECT_IN_MAP;
}

void inspect_found_raw(void *context, const struct search_hit *hit)
{
	struct inspect *inspect = context;

	count_hit(inspect, hit,
		(struct inspect_example){
			.place = place_on_medium(inspect, hit->offset / BLOCK_BYTES),
			.offset_bytes = hit->offset,
		});
}

static enum inspect_place place_in_volume(const struct inspect *inspect, uint64_t block)
{
	static const enum inspect_place places[] = {
		[EXT4_FREE] = INSPECT_DECRYPTED_FREE,
		[EXT4_OUTSIDE] = INSPECT_DECRYPTED_OUTSIDE,
		[EXT4_METADATA] = INSPECT_DECRYPTED_METADATA,
		[EXT4_INODE_TABLE] = INSPECT_DECRYPTED_INODES,
		[EXT4_JOURNAL] = INSPECT_DECRYPTED_JOURNAL,
		[EXT4_DIRECTORY] = INSPECT_DECRYPTED_DIRECTORY,
		[EXT4_FILE] = INSPECT_DECRYPTED_FILE,
	};

	if (!inspect->owners)
		return INSPECT_DECRYPTED;
	return places[ext4_owners_place(inspect->owners, block)];
}

static void fill_class(
	const struct inspect *inspect, uint64_t block, struct inspect_example *example)
{
	uint64_t run;

	if (!inspect->residue)
		return;
	example->has_class = true;
	example->class = residue_lookup(inspect->residue, block, 1, &run);
}

void inspect_found_decrypted(void *context, const struct search_hit *hit)
{
	struct inspect *inspect = context;
	uint64_t block = hit->offset / BLOCK_BYTES;
	struct inspect_example example = {.offset_bytes = hit->offset};

	example.place = inspect_stuck_of(inspect, block) ? INSPECT_DECRYPTED_REFUSED
							 : place_in_volume(inspect, block);
	fill_class(inspect, block, &example);
	count_hit(inspect, hit, example);
}

/* A spare block that carries a block of the volume is that block. */
void inspect_found_spare(void *context, const struct search_hit *hit)
{
	struct inspect *inspect = context;
	const struct inspect_report *report = inspect->report;
	struct inspect_example example = {
		.place = INSPECT_DECRYPTED_SPARE, .offset_bytes = hit->offset};

	for (size_t i = 0; i < report->stuck_count; i++) {
		if (report->stuck[i].spare != hit->offset / BLOCK_BYTES)
			continue;
		example.place = place_in_volume(inspect, report->stuck[i].block);
		example.offset_bytes =
			report->stuck[i].block * BLOCK_BYTES + hit->offset % BLOCK_BYTES;
		fill_class(inspect, report->stuck[i].block, &example);
	}
	count_hit(inspect, hit, example);
}

/* --- seams --- */

struct seam {
	struct inspect *inspect;
	struct search_stream *stream;
	uint64_t before; /* the block before the seam */
	ext2_ino_t inode;
	uint8_t *pair; /* two blocks */
};

/* Only what lies on both sides: the rest was counted by the pass. */
static void found_at_seam(void *context, const struct search_hit *hit)
{
	struct seam *seam = context;
	struct inspect_example example = {.is_seam = true, .inode = seam->inode};

	if (hit->offset >= BLOCK_BYTES || hit->offset + hit->bytes <= BLOCK_BYTES)
		return;
	example.place = place_in_volume(seam->inspect, seam->before);
	example.offset_bytes = seam->before * BLOCK_BYTES + hit->offset;
	fill_class(seam->inspect, seam->before, &example);
	count_hit(seam->inspect, hit, example);
}

static int search_seam(struct seam *seam, uint64_t before, uint64_t after)
{
	struct blockdev *view = seam->inspect->view;
	uint64_t blocks = blockdev_blocks(view);
	int r;

	if (before >= blocks || after >= blocks)
		return 0;
	r = blockdev_read(view, (struct extent){before, 1}, seam->pair, BLOCK_BYTES);
	if (r >= 0)
		r = blockdev_read(
			view, (struct extent){after, 1}, seam->pair + BLOCK_BYTES, BLOCK_BYTES);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* unreadable blocks are counted by the pass */
	seam->before = before;
	/* The pair is a stream of its own: the next one does not adjoin it. */
	search_stream_feed(seam->stream, 0, seam->pair, (size_t)2 * BLOCK_BYTES);
	return seam->inspect->error;
}

static int visit_seam(void *context, ext2_ino_t inode, uint64_t before, uint64_t after)
{
	struct seam *seam = context;

	seam->inode = inode;
	return search_seam(seam, before, after);
}

/* Each pair of neighbours of which one was remapped. */
static int search_remapped(struct seam *seam)
{
	const struct inspect_report *report = seam->inspect->report;
	int r = 0;

	seam->inode = 0;
	for (size_t i = 0; i < report->stuck_count && r >= 0; i++) {
		uint64_t block = report->stuck[i].block;

		if (block > 0 && !inspect_stuck_of(seam->inspect, block - 1))
			r = search_seam(seam, block - 1, block);
		if (r >= 0)
			r = search_seam(seam, block, block + 1);
	}
	return r;
}

int inspect_search_seams(struct inspect *inspect)
{
	_cleanup_free_ void *pair = NULL;
	struct seam seam = {.inspect = inspect};
	int r;

	r = io_alloc((size_t)2 * BLOCK_BYTES, &pair);
	if (r >= 0)
		r = search_stream_new(inspect->search, found_at_seam, &seam, &seam.stream);
	seam.pair = pair;
	if (r >= 0)
		r = search_remapped(&seam);
	if (r >= 0 && inspect->owners) {
		r = ext4_owners_visit_seams(inspect->owners, visit_seam, &seam);
		if (r < 0 && r != -ENOMEM) {
			inspect_reason(inspect,
				"the files' extents cannot be read (%s): strings that span two of "
				"them were not all searched",
				strerror(-r));
			r = 0;
		}
	}
	search_stream_free(seam.stream);
	return r;
}

/* --- owners --- */

static bool wants_owner(const struct inspect_example *example)
{
	return example->place == INSPECT_DECRYPTED_INODES ||
	       example->place == INSPECT_DECRYPTED_DIRECTORY ||
	       example->place == INSPECT_DECRYPTED_FILE;
}

int inspect_resolve(struct inspect *inspect)
{
	struct inspect_report *report = inspect->report;
	struct inspect_example **examples;
	struct ext4_owner *owners;
	size_t count = 0, most = 0;
	int r;

	for (size_t i = 0; i < report->searched_count; i++)
		most += report->searched[i].example_count;
	if (!inspect->owners || most == 0)
		return 0;
	examples = calloc(most, sizeof(*examples));
	owners = calloc(most, sizeof(*owners));
	r = examples && owners ? 0 : -ENOMEM;
	for (size_t i = 0; i < report->searched_count && r >= 0; i++) {
		for (size_t e = 0; e < report->searched[i].example_count; e++) {
			struct inspect_example *example = &report->searched[i].examples[e];

			if (!wants_owner(example))
				continue;
			owners[count].block = example->offset_bytes / BLOCK_BYTES;
			owners[count].offset_bytes =
				(uint32_t)(example->offset_bytes % BLOCK_BYTES);
			examples[count++] = example;
		}
	}
	if (r >= 0 && count > 0)
		r = ext4_owners_resolve(inspect->owners, owners, count);
	for (size_t i = 0; i < count; i++) {
		examples[i]->inode = owners[i].inode;
		examples[i]->path = owners[i].path;
	}
	free(examples);
	free(owners);
	return r == -ENOMEM ? r : 0; /* a name more or less changes no verdict */
}

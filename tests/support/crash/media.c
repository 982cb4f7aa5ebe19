/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/media.h"
#include "tests/support/crash/work.h"
#include <string.h>

/* Of the default scheme, said again here: the oracle does not ask the eraser. */
static const uint8_t passes[] = {0x35, 0xca, 0x97};

static bool is_watched(const struct crash_media *media, uint64_t place)
{
	struct extent one = {place, 1};

	return extent_overlaps(media->data, one) || extent_overlaps(media->spare, one);
}

bool crash_media_shows_job_data(struct blockdev *disk, uint64_t place)
{
	uint8_t block[BLOCK_BYTES];

	simdisk_peek(disk, (struct extent){place, 1}, block);
	for (size_t s = 0; s < SECTORS_PER_BLOCK; s++) {
		if (!crash_sector_is_uniform(block + s * SECTOR_BYTES))
			return true;
	}
	return false;
}

void crash_media_init(struct crash_media *media, const struct layout *layout, struct blockdev *disk)
{
	memset(media, 0, sizeof(*media));
	media->data = (struct extent){layout->data_first, layout->data_blocks_most};
	media->spare = layout->spare;
	for (uint64_t p = 0; p < blockdev_blocks(disk); p++)
		media->places[p].owes = is_watched(media, p) && crash_media_shows_job_data(disk, p);
}

static void data_landed(struct crash_place *place)
{
	*place = (struct crash_place){.owes = true};
}

/* A whole block of one byte. */
static const char *pattern_landed(struct crash_place *place, uint8_t byte, uint64_t index)
{
	if (!place->owes)
		return NULL;
	if (place->pending > 0 && byte != passes[place->pending - 1]) {
		if (byte != passes[0])
			return "R1: a pass began before the one before it was flushed";
		place->pending = 0;
	}
	if (byte == passes[0]) { /* from the start, perhaps again */
		place->durable = 0;
		place->pending = 1;
		place->written_at = index;
	} else if (byte == passes[place->durable]) {
		place->pending = place->durable + 1;
		place->written_at = index;
	}
	return NULL;
}

const char *crash_media_event(struct crash_media *media, const struct simdisk_event *event,
	uint64_t index, uint64_t *ret_place)
{
	const char *wrong = NULL;

	if (event->kind == SIMDISK_EVENT_FLUSH)
		crash_media_flushed(media, event->covers);
	if (event->kind != SIMDISK_EVENT_WRITE)
		return NULL;
	for (uint64_t b = 0; b < event->at.count && !wrong; b++) {
		const uint8_t *block = event->data + b * BLOCK_BYTES;
		uint64_t left = event->bytes > b * BLOCK_BYTES ? event->bytes - b * BLOCK_BYTES : 0;
		uint64_t sectors = left > BLOCK_BYTES ? SECTORS_PER_BLOCK : left / SECTOR_BYTES;
		uint64_t place = event->at.first + b;
		bool uniform = true;

		if (!is_watched(media, place))
			continue;
		*ret_place = place;
		for (uint64_t s = 0; s < sectors; s++) {
			uniform &= crash_sector_is_uniform(block + s * SECTOR_BYTES);
			if (memcmp(block + s * SECTOR_BYTES, CRASH_PLAINTEXT,
				    strlen(CRASH_PLAINTEXT)) == 0)
				return "P1: job data lies unencrypted on the medium";
		}
		if (!uniform)
			data_landed(&media->places[place]);
		else if (sectors == SECTORS_PER_BLOCK)
			wrong = pattern_landed(&media->places[place], block[0], index);
	}
	return wrong;
}

void crash_media_flushed(struct crash_media *media, uint64_t covers)
{
	for (size_t p = 0; p < CRASH_DISK_BLOCKS; p++) {
		struct crash_place *place = &media->places[p];

		if (place->pending == 0 || place->written_at >= covers)
			continue;
		place->durable = place->pending;
		place->pending = 0;
		if (place->durable == ARRAY_SIZE(passes))
			*place = (struct crash_place){.owes = false};
	}
}

void crash_media_survived(
	struct crash_media *media, const struct simdisk_event *event, uint64_t sector)
{
	uint64_t place = event->at.first + sector / SECTORS_PER_BLOCK;

	if (is_watched(media, place) &&
		!crash_sector_is_uniform(event->data + sector * SECTOR_BYTES))
		data_landed(&media->places[place]);
}

void crash_media_cut(struct crash_media *media)
{
	for (size_t p = 0; p < CRASH_DISK_BLOCKS; p++)
		media->places[p].pending = 0;
}

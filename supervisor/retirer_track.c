/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/retirer_impl.h"
#include "base/clock.h"
#include <errno.h>
#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_SOON_MS 100u
#define DELAY_MS      1000u
#define DELAY_MOST_MS 300000u

static void free_entry(struct lh_entry *entry)
{
	free(lh_entry_k(entry));
}

static void track_free(struct retirer_track *track)
{
	if (track->done)
		lh_table_free(track->done);
	free(track);
}

void retirer_tracks_done(struct retirer_tracks *tracks)
{
	for (size_t i = 0; i < tracks->count; i++)
		track_free(tracks->items[i]);
	free(tracks->items);
	*tracks = (struct retirer_tracks){.items = NULL};
}

static size_t place_of(const struct retirer_tracks *tracks, uint64_t number)
{
	size_t low = 0, high = tracks->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tracks->items[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct retirer_track *retirer_tracks_find(const struct retirer_tracks *tracks, uint64_t number)
{
	size_t place = place_of(tracks, number);

	return place < tracks->count && tracks->items[place]->number == number
		       ? tracks->items[place]
		       : NULL;
}

struct retirer_track *retirer_tracks_get(struct retirer_tracks *tracks, uint64_t number)
{
	struct retirer_track *track = retirer_tracks_find(tracks, number);
	size_t place = place_of(tracks, number);

	if (track)
		return track;
	if (tracks->count == tracks->capacity) {
		size_t capacity = tracks->capacity ? 2 * tracks->capacity : 64;
		struct retirer_track **items =
			realloc(tracks->items, capacity * sizeof(struct retirer_track *));

		if (!items)
			return NULL;
		tracks->items = items;
		tracks->capacity = capacity;
	}
	track = calloc(1, sizeof(*track));
	if (!track)
		return NULL;
	track->number = number;
	memmove(tracks->items + place + 1, tracks->items + place,
		(tracks->count - place) * sizeof(struct retirer_track *));
	tracks->items[place] = track;
	tracks->count++;
	return track;
}

void retirer_tracks_drop(struct retirer_tracks *tracks, uint64_t number)
{
	size_t place = place_of(tracks, number);

	if (place == tracks->count || tracks->items[place]->number != number)
		return;
	track_free(tracks->items[place]);
	tracks->count--;
	memmove(tracks->items + place, tracks->items + place + 1,
		(tracks->count - place) * sizeof(struct retirer_track *));
}

int retirer_track_add_done(struct retirer_track *track, const char *name)
{
	char *key = strdup(name);

	if (!track->done)
		track->done = lh_kchar_table_new(8, free_entry);
	if (!key || !track->done || lh_table_insert(track->done, key, NULL) < 0) {
		free(key);
		return -ENOMEM;
	}
	return 0;
}

bool retirer_track_is_done(const struct retirer_track *track, const char *name)
{
	return track->done && lh_table_lookup_entry(track->done, name);
}

void retirer_track_delay(struct retirer_track *track, bool soon)
{
	if (track->delay_ms == 0)
		track->delay_ms = soon ? DELAY_SOON_MS : DELAY_MS;
	else
		track->delay_ms *= 2;
	if (!soon && track->delay_ms < DELAY_MS)
		track->delay_ms = DELAY_MS;
	if (track->delay_ms > DELAY_MOST_MS)
		track->delay_ms = DELAY_MOST_MS;
	track->due_ns = clock_monotonic_ns() + track->delay_ms * 1000000u;
}

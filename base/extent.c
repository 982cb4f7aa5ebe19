/* SPDX-License-Identifier: Apache-2.0 */
#include "base/extent.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool extent_is_within(struct extent e, uint64_t blocks)
{
	return e.first <= blocks && e.count <= blocks - e.first;
}

bool extent_overlaps(struct extent a, struct extent b)
{
	return a.count > 0 && b.count > 0 && a.first < extent_end(b) && b.first < extent_end(a);
}

void extent_list_done(struct extent_list *list)
{
	free(list->items);
	*list = (struct extent_list){0};
}

void extent_list_clear(struct extent_list *list)
{
	list->count = 0;
}

/* Index of the first item that ends at or after block: the first that could touch it. */
static size_t find(const struct extent_list *list, uint64_t block)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (extent_end(list->items[middle]) < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int reserve(struct extent_list *list, size_t count)
{
	size_t capacity = list->capacity ? list->capacity : 8;
	struct extent *items;

	while (capacity < count)
		capacity *= 2;
	if (capacity == list->capacity)
		return 0;
	items = realloc(list->items, capacity * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->capacity = capacity;
	return 0;
}

/* Puts count new items in the place of the removed ones from at on; room is reserved. */
static void splice(struct extent_list *list, size_t at, size_t removed, const struct extent *items,
	size_t count)
{
	memmove(list->items + at + count, list->items + at + removed,
		(list->count - at - removed) * sizeof(*list->items));
	for (size_t i = 0; i < count; i++)
		list->items[at + i] = items[i];
	list->count = list->count - removed + count;
}

int extent_list_add(struct extent_list *list, struct extent e)
{
	uint64_t end = e.first + e.count;
	size_t at, last;
	int r;

	if (end < e.first)
		return -EINVAL;
	if (e.count == 0)
		return 0;
	r = reserve(list, list->count + 1);
	if (r < 0)
		return r;

	at = find(list, e.first);
	for (last = at; last < list->count && list->items[last].first <= end; last++) {
		if (list->items[last].first < e.first)
			e.first = list->items[last].first;
		if (extent_end(list->items[last]) > end)
			end = extent_end(list->items[last]);
	}
	e.count = end - e.first;
	splice(list, at, last - at, &e, 1);
	return 0;
}

int extent_list_remove(struct extent_list *list, struct extent e)
{
	uint64_t end = e.first + e.count;
	struct extent rest[2];
	size_t at, last, count = 0;
	int r;

	if (end < e.first)
		return -EINVAL;
	if (e.count == 0)
		return 0;
	r = reserve(list, list->count + 1);
	if (r < 0)
		return r;

	at = find(list, e.first + 1);
	for (last = at; last < list->count && list->items[last].first < end; last++)
		;
	if (last == at)
		return 0;
	if (list->items[at].first < e.first)
		rest[count++] =
			(struct extent){list->items[at].first, e.first - list->items[at].first};
	if (extent_end(list->items[last - 1]) > end)
		rest[count++] = (struct extent){end, extent_end(list->items[last - 1]) - end};
	splice(list, at, last - at, rest, count);
	return 0;
}

int extent_list_add_list(struct extent_list *list, const struct extent_list *other)
{
	int r = 0;

	for (size_t i = 0; i < other->count && r >= 0; i++)
		r = extent_list_add(list, other->items[i]);
	return r;
}

int extent_list_remove_list(struct extent_list *list, const struct extent_list *other)
{
	int r = 0;

	for (size_t i = 0; i < other->count && list->count > 0 && r >= 0; i++)
		r = extent_list_remove(list, other->items[i]);
	return r;
}

bool extent_list_overlaps(const struct extent_list *list, struct extent e)
{
	size_t at = find(list, e.first + 1);

	return at < list->count && extent_overlaps(list->items[at], e);
}

bool extent_list_is_equal(const struct extent_list *a, const struct extent_list *b)
{
	return a->count == b->count &&
	       (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

uint64_t extent_list_blocks(const struct extent_list *list)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < list->count; i++)
		blocks += list->items[i].count;
	return blocks;
}

uint64_t extent_list_common_blocks(const struct extent_list *a, const struct extent_list *b)
{
	uint64_t blocks = 0;
	size_t i = 0, j = 0;

	while (i < a->count && j < b->count) {
		struct extent x = a->items[i], y = b->items[j];
		uint64_t first = x.first > y.first ? x.first : y.first;
		uint64_t end = extent_end(x) < extent_end(y) ? extent_end(x) : extent_end(y);

		if (first < end)
			blocks += end - first;
		if (extent_end(x) < extent_end(y))
			i++;
		else
			j++;
	}
	return blocks;
}

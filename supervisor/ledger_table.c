/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_table.h"
#include "base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <json-c/linkhash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES (LEDGER_SOURCE_BYTES + LEDGER_ID_BYTES)

static void make_key(const char *source, const char *id, char buf[static KEY_BYTES])
{
	snprintf(buf, KEY_BYTES, "%s\n%s", source, id);
}

int ledger_table_init(struct ledger_table *table)
{
	*table = (struct ledger_table){.by_key = lh_kchar_table_new(1024, NULL)};
	return table->by_key ? 0 : -ENOMEM;
}

void ledger_table_done(struct ledger_table *table)
{
	if (table->by_key)
		lh_table_free(table->by_key);
	for (size_t i = 0; i < table->count; i++)
		ledger_entry_free(table->entries[i]);
	free(table->entries);
	*table = (struct ledger_table){.count = 0};
}

/* --- entries --- */

int ledger_entry_new(const struct ledger_job *job, struct ledger_entry **ret_entry)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));
	char key[KEY_BYTES];

	if (!entry)
		return -ENOMEM;
	make_key(job->source, job->id, key);
	entry->key = strdup(key);
	if (!entry->key) {
		free(entry);
		return -ENOMEM;
	}
	entry->number = job->number;
	strcpy(entry->volume, job->volume);
	entry->uid = job->uid;
	entry->state = job->state;
	entry->attempts = job->attempts;
	entry->seen_wall_s = job->seen_wall_s;
	entry->changed_wall_s = job->changed_wall_s;
	entry->file_count = job->file_count;
	entry->has_receipt = job->receipt != NULL;
	ledger_entry_set_why(entry, job->why);
	ledger_entry_set_digests(entry, &job->digests);
	*ret_entry = entry;
	return 0;
}

void ledger_entry_free(struct ledger_entry *entry)
{
	if (!entry)
		return;
	free(entry->key);
	free(entry->why);
	free(entry->digests);
	free(entry->files);
	free(entry);
}

void ledger_entry_set_digests(struct ledger_entry *entry, const struct ledger_digests *digests)
{
	if (!digests->user[0] && !digests->title[0])
		return;
	if (!entry->digests)
		entry->digests = malloc(sizeof(*entry->digests));
	if (entry->digests)
		*entry->digests = *digests;
}

void ledger_entry_set_why(struct ledger_entry *entry, const char *why)
{
	char text[LEDGER_WHY_BYTES];

	free(entry->why);
	entry->why = NULL;
	/* Without memory the reason is missing, not the job. */
	if (why && why[0])
		entry->why = strdup(utf8_printable(why, strlen(why), text, sizeof(text)));
}

int ledger_entry_reserve_spans(struct ledger_entry *entry, size_t more)
{
	struct ledger_span *files =
		realloc(entry->files, (entry->files_count + more) * sizeof(*files));

	if (!files)
		return -ENOMEM;
	entry->files = files;
	return 0;
}

void ledger_entry_add_span(struct ledger_entry *entry, struct ledger_span span)
{
	entry->files[entry->files_count++] = span;
}

size_t ledger_entry_names_known(const struct ledger_entry *entry)
{
	size_t names = 0;

	for (size_t i = 0; i < entry->files_count; i++)
		names += entry->files[i].count;
	return names;
}

uint64_t ledger_entry_bytes(const struct ledger_entry *entry)
{
	uint64_t bytes = entry->line.bytes + 1u;

	for (size_t i = 0; i < entry->files_count; i++)
		bytes += entry->files[i].bytes + 1u;
	return bytes;
}

void ledger_entry_describe(const struct ledger_entry *entry, struct ledger_job *ret_job)
{
	const char *newline = strchr(entry->key, '\n');
	size_t known = ledger_entry_names_known(entry);

	*ret_job = (struct ledger_job){
		.number = entry->number,
		.uid = entry->uid,
		.state = entry->state,
		.seen_wall_s = entry->seen_wall_s,
		.changed_wall_s = entry->changed_wall_s,
		.attempts = entry->attempts,
		.file_count = entry->file_count,
		.lost_files = known < entry->file_count ? entry->file_count - known : 0,
	};
	memcpy(ret_job->source, entry->key, (size_t)(newline - entry->key));
	strcpy(ret_job->id, newline + 1);
	strcpy(ret_job->volume, entry->volume);
	if (entry->why)
		strcpy(ret_job->why, entry->why);
	if (entry->digests)
		ret_job->digests = *entry->digests;
}

/* --- the table --- */

/* The place of the first entry whose number is not below. */
static size_t place_of(const struct ledger_table *table, uint64_t number)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->entries[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct ledger_entry *ledger_table_get(const struct ledger_table *table, uint64_t number)
{
	size_t place = place_of(table, number);

	return place < table->count && table->entries[place]->number == number
		       ? table->entries[place]
		       : NULL;
}

static int make_room(struct ledger_table *table)
{
	size_t capacity = table->capacity ? 2 * table->capacity : 64;
	struct ledger_entry **entries;

	if (table->count < table->capacity)
		return 0;
	entries = realloc(table->entries, capacity * sizeof(struct ledger_entry *));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	table->capacity = capacity;
	return 0;
}

/* The key of the newest is the one that the hash table has. */
static int index_entry(struct ledger_table *table, struct ledger_entry *entry)
{
	struct lh_entry *found = lh_table_lookup_entry(table->by_key, entry->key);
	const struct ledger_entry *other = found ? lh_entry_v(found) : NULL;

	if (other && other->number > entry->number)
		return 0;
	if (found)
		(void)lh_table_delete_entry(table->by_key, found);
	return lh_table_insert(table->by_key, entry->key, entry) < 0 ? -ENOMEM : 0;
}

int ledger_table_add(struct ledger_table *table, struct ledger_entry *entry)
{
	size_t place;
	int r;

	r = make_room(table);
	if (r >= 0)
		r = index_entry(table, entry);
	if (r < 0)
		return r;
	place = place_of(table, entry->number);
	assert(place == table->count || table->entries[place]->number != entry->number);
	memmove(table->entries + place + 1, table->entries + place,
		(table->count - place) * sizeof(struct ledger_entry *));
	table->entries[place] = entry;
	table->count++;
	table->by_state[entry->state]++;
	return 0;
}

static bool has_id(const struct ledger_entry *entry, const char *id)
{
	return strcmp(strchr(entry->key, '\n') + 1, id) == 0;
}

struct ledger_entry *ledger_table_find(
	const struct ledger_table *table, const char *source, const char *id)
{
	char key[KEY_BYTES];
	void *found;

	if (source) {
		if (strlen(source) >= LEDGER_SOURCE_BYTES || strlen(id) >= LEDGER_ID_BYTES)
			return NULL;
		make_key(source, id, key);
		return lh_table_lookup_ex(table->by_key, key, &found) ? found : NULL;
	}
	for (size_t i = table->count; i > 0; i--) {
		if (has_id(table->entries[i - 1], id))
			return table->entries[i - 1];
	}
	return NULL;
}

static void drop(struct ledger_table *table, struct ledger_entry *entry)
{
	struct lh_entry *found = lh_table_lookup_entry(table->by_key, entry->key);

	if (found && lh_entry_v(found) == entry)
		(void)lh_table_delete_entry(table->by_key, found);
	table->by_state[entry->state]--;
	ledger_entry_free(entry);
}

void ledger_table_forget(struct ledger_table *table, size_t keep)
{
	uint64_t excess =
		table->by_state[LEDGER_RETIRED] > keep ? table->by_state[LEDGER_RETIRED] - keep : 0;
	size_t kept = 0;

	if (excess == 0)
		return;
	for (size_t i = 0; i < table->count; i++) {
		struct ledger_entry *entry = table->entries[i];

		if (excess > 0 && entry->state == LEDGER_RETIRED) {
			excess--;
			drop(table, entry);
		} else {
			table->entries[kept++] = entry;
		}
	}
	table->count = kept;
}

void ledger_table_set_state(
	struct ledger_table *table, struct ledger_entry *entry, enum ledger_state state)
{
	table->by_state[entry->state]--;
	entry->state = state;
	table->by_state[state]++;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/utf8.h"
#include "supervisor/ledger_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- open, close, keys --- */

static int write_head(struct ledger *ledger)
{
	/* Also where a crash left an empty file. */
	return ledger_file_end(ledger->file) == 0 ? ledger_rewrite(ledger) : 0;
}

int ledger_open(const char *directory, struct ledger **ret_ledger, struct problem *reterr_problem)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int r;

	if (!ledger)
		return -ENOMEM;
	(void)pthread_mutex_init(&ledger->lock, NULL);
	r = ledger_table_init(&ledger->table);
	if (r >= 0)
		r = ledger_file_open(directory, &ledger->file, reterr_problem);
	if (r >= 0)
		r = ledger_replay(ledger, reterr_problem);
	if (r >= 0) {
		r = write_head(ledger);
		if (r < 0)
			(void)problem_set(reterr_problem, r,
				"the ledger cannot be written to in %s: %s", directory,
				strerror(-r));
	}
	if (r < 0) {
		ledger_close(ledger);
		return r;
	}
	*ret_ledger = ledger;
	return 0;
}

static void free_key(struct ledger_key *key)
{
	ledger_names_free(key->names);
	secret_free(key->key);
	*key = (struct ledger_key){.key = NULL};
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	for (size_t i = 0; i < LEDGER_KEYS_MAX; i++)
		free_key(&ledger->keys[i]);
	ledger_table_done(&ledger->table);
	ledger_file_close(ledger->file);
	(void)pthread_mutex_destroy(&ledger->lock);
	free(ledger);
}

uint64_t ledger_damaged_lines(const struct ledger *ledger)
{
	return ledger->damaged_lines;
}

static struct ledger_key *find_key(struct ledger *ledger, const char *volume)
{
	for (size_t i = 0; i < LEDGER_KEYS_MAX; i++) {
		if (strcmp(ledger->keys[i].volume, volume) == 0)
			return &ledger->keys[i];
	}
	return NULL;
}

struct ledger_names *ledger_names_of(struct ledger *ledger, const char *volume)
{
	struct ledger_key *key = volume[0] ? find_key(ledger, volume) : NULL;

	return key ? key->names : NULL;
}

static int set_key(struct ledger *ledger, const char *volume, const struct secret *secret)
{
	struct ledger_key new = {.key = NULL}, *key = find_key(ledger, volume);
	int r;

	if (!key)
		key = find_key(ledger, "");
	if (!key)
		return -ENOSPC;
	strcpy(new.volume, volume);
	r = secret_new_copy(secret_peek(secret), secret_size(secret), &new.key);
	if (r >= 0)
		r = ledger_names_new(new.key, &new.names);
	if (r < 0) {
		free_key(&new);
		return r;
	}
	free_key(key);
	*key = new;
	return 0;
}

int ledger_set_key(struct ledger *ledger, const char *volume_uuid, const struct secret *key)
{
	int r;

	if (!volume_uuid[0] || strlen(volume_uuid) >= LEDGER_VOLUME_BYTES)
		return -EINVAL;
	(void)pthread_mutex_lock(&ledger->lock);
	r = set_key(ledger, volume_uuid, key);
	(void)pthread_mutex_unlock(&ledger->lock);
	return r;
}

void ledger_drop_key(struct ledger *ledger, const char *volume_uuid)
{
	struct ledger_key *key;

	(void)pthread_mutex_lock(&ledger->lock);
	key = volume_uuid[0] ? find_key(ledger, volume_uuid) : NULL;
	if (key)
		free_key(key);
	(void)pthread_mutex_unlock(&ledger->lock);
}

/* --- lines --- */

void ledger_lines_done(struct ledger_lines *lines)
{
	free(lines->text);
	*lines = (struct ledger_lines){.text = NULL};
}

int ledger_lines_add(struct ledger_lines *lines, const struct ledger_record *record,
	struct ledger_span *ret_span)
{
	size_t bytes, capacity = lines->capacity;
	char *line, *text = lines->text;
	int r;

	r = ledger_record_encode(record, &line);
	if (r < 0)
		return r;
	bytes = strlen(line);
	while (capacity < lines->bytes + bytes)
		capacity = capacity ? 2 * capacity : 4096;
	if (capacity > lines->capacity)
		text = realloc(lines->text, capacity);
	if (text) {
		memcpy(text + lines->bytes, line, bytes);
		*ret_span = (struct ledger_span){.at = lines->bytes, .bytes = (uint32_t)bytes - 1};
		*lines = (struct ledger_lines){text, lines->bytes + bytes, capacity};
	}
	free(line);
	return text ? 0 : -ENOMEM;
}

int ledger_mend(struct ledger *ledger)
{
	return ledger_file_has_failed(ledger->file) ? ledger_rewrite(ledger) : 0;
}

uint64_t ledger_open_jobs(const struct ledger *ledger)
{
	return ledger->table.count - ledger->table.by_state[LEDGER_RETIRED];
}

uint64_t ledger_reserve(uint64_t jobs)
{
	return LEDGER_BASE_RESERVE_BYTES + jobs * LEDGER_JOB_RESERVE_BYTES;
}

int ledger_append(struct ledger *ledger, const struct ledger_lines *lines, uint64_t reserve_bytes,
	uint64_t *ret_at)
{
	return ledger_file_append(ledger->file, lines->text, lines->bytes, reserve_bytes, ret_at);
}

int ledger_read_line(
	struct ledger *ledger, struct ledger_span span, struct ledger_record *ret_record)
{
	char *line = malloc(span.bytes);
	int r = line ? 0 : -ENOMEM;

	if (r >= 0)
		r = ledger_file_read(ledger->file, span.at, line, span.bytes);
	if (r >= 0)
		r = ledger_record_decode(line, span.bytes, ret_record);
	free(line);
	return r;
}

int ledger_read_names(struct ledger *ledger, const struct ledger_entry *entry,
	int (*add)(void *context, const char *name), void *context)
{
	struct ledger_names *names = ledger_names_of(ledger, entry->volume);
	int r = 0;

	if (entry->files_count > 0 && !names)
		return -ENOKEY;
	for (size_t i = 0; i < entry->files_count && r >= 0; i++) {
		struct ledger_record record;

		r = ledger_read_line(ledger, entry->files[i], &record);
		if (r < 0)
			return r;
		r = record.kind == LEDGER_KIND_FILES && record.sealed.number == entry->number
			    ? ledger_names_open(names, &record.sealed, add, context)
			    : -EBADMSG;
		ledger_record_done(&record);
	}
	return r;
}

/* --- changes --- */

static bool is_allowed(
	const struct ledger_entry *entry, enum ledger_state to, bool forced, int *ret)
{
	*ret = 0;
	if (entry->state == LEDGER_RETIRED || (to == LEDGER_BEGUN && entry->state != to))
		*ret = -EPERM;
	else if (to == LEDGER_RETIRED && !forced && entry->state != LEDGER_RETIRING)
		*ret = -EPERM; /* L1 */
	else if (to == LEDGER_RETIRED && !forced && entry->more_files)
		*ret = -EAGAIN;
	return *ret == 0;
}

/* receipt, document and signature stay the change's. */
static void describe_change(const struct ledger_entry *entry, const struct ledger_change *change,
	struct ledger_job *job)
{
	ledger_entry_describe(entry, job);
	job->attempts += change->state == LEDGER_RETIRING && job->attempts < UINT32_MAX;
	job->state = change->state;
	job->changed_wall_s = clock_wall_s();
	job->why[0] = '\0';
	if (change->why)
		(void)utf8_printable(change->why, strlen(change->why), job->why, sizeof(job->why));
	job->receipt = change->receipt;
	job->document = change->document;
	job->signature = change->signature;
}

static void apply_change(struct ledger *ledger, struct ledger_entry *entry,
	const struct ledger_job *job, struct ledger_span line)
{
	if (job->state == LEDGER_RETIRED)
		ledger->retired_ever++;
	if (job->state == LEDGER_RETIRING)
		entry->more_files = false;
	ledger_table_set_state(&ledger->table, entry, job->state);
	entry->attempts = job->attempts;
	entry->changed_wall_s = job->changed_wall_s;
	entry->has_receipt = job->receipt || job->document;
	entry->line = line;
	ledger_entry_set_why(entry, job->why);
}

/* What is to become of many jobs: written, then applied. */
struct change {
	struct ledger_entry *entry;
	struct ledger_job job; /* receipt: borrowed */
	struct ledger_span line;
};

static int write_changes(
	struct ledger *ledger, struct change *changes, size_t count, uint64_t *ret_at)
{
	struct ledger_record record = {.kind = LEDGER_KIND_JOB};
	struct ledger_lines lines = {.text = NULL};
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		record.job = changes[i].job;
		r = ledger_lines_add(&lines, &record, &changes[i].line);
	}
	if (r >= 0)
		r = ledger_append(ledger, &lines, 0, ret_at);
	ledger_lines_done(&lines);
	return r;
}

static int change_all(struct ledger *ledger, struct change *changes, size_t count)
{
	uint64_t at;
	int r;

	r = write_changes(ledger, changes, count, &at);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		changes[i].line.at += at;
		apply_change(ledger, changes[i].entry, &changes[i].job, changes[i].line);
	}
	if (ledger->table.by_state[LEDGER_RETIRED] > LEDGER_KEEP_DEFAULT + LEDGER_KEEP_SLACK)
		ledger_table_forget(&ledger->table, LEDGER_KEEP_DEFAULT);
	ledger_rewrite_if_due(ledger);
	return 0;
}

static int change_each(struct ledger *ledger, struct ledger_change *changes, size_t count)
{
	struct change *allowed = calloc(count, sizeof(*allowed));
	size_t n = 0;
	int r = allowed ? ledger_mend(ledger) : -ENOMEM;

	for (size_t i = 0; i < count && r >= 0; i++) {
		struct ledger_change *change = &changes[i];
		struct ledger_entry *entry = ledger_table_get(&ledger->table, change->number);

		change->error = -ENOENT;
		if (!entry || !is_allowed(entry, change->state, false, &change->error))
			continue;
		describe_change(entry, change, &allowed[n].job);
		allowed[n++].entry = entry;
	}
	if (r >= 0 && n > 0)
		r = change_all(ledger, allowed, n);
	free(allowed);
	return r;
}

int ledger_change(struct ledger *ledger, struct ledger_change *changes, size_t count)
{
	int r = 0;

	if (count > 0) {
		(void)pthread_mutex_lock(&ledger->lock);
		r = change_each(ledger, changes, count);
		(void)pthread_mutex_unlock(&ledger->lock);
	}
	for (size_t i = 0; i < count; i++) {
		json_object_put(changes[i].receipt);
		free(changes[i].document);
		free(changes[i].signature);
		changes[i].receipt = NULL;
		changes[i].document = changes[i].signature = NULL;
	}
	return r;
}

static int set_many(struct ledger *ledger, const uint64_t *numbers, size_t count,
	enum ledger_state state, const char *why, struct json_object **receipts)
{
	struct change *changes = calloc(count, sizeof(*changes));
	int r = changes ? ledger_mend(ledger) : -ENOMEM;

	for (size_t i = 0; i < count && r >= 0; i++) {
		struct ledger_entry *entry = ledger_table_get(&ledger->table, numbers[i]);
		const struct ledger_change change = {
			.state = state, .why = why, .receipt = receipts ? receipts[i] : NULL};

		if (!entry)
			r = -ENOENT;
		else if (is_allowed(entry, state, false, &r))
			describe_change(entry, &change, &changes[i].job);
		changes[i].entry = entry;
	}
	if (r >= 0)
		r = change_all(ledger, changes, count);
	free(changes);
	return r;
}

int ledger_set_many(struct ledger *ledger, const uint64_t *numbers, size_t count,
	enum ledger_state state, const char *why, struct json_object **receipts)
{
	int r = 0;

	if (count > 0) {
		(void)pthread_mutex_lock(&ledger->lock);
		r = set_many(ledger, numbers, count, state, why, receipts);
		(void)pthread_mutex_unlock(&ledger->lock);
	}
	for (size_t i = 0; receipts && i < count; i++)
		json_object_put(receipts[i]);
	return r;
}

int ledger_set(struct ledger *ledger, uint64_t number, enum ledger_state state, const char *why,
	struct json_object *receipt)
{
	return ledger_set_many(ledger, &number, 1, state, why, &receipt);
}

int ledger_lose_files(struct ledger *ledger, uint64_t number, const char *why)
{
	struct ledger_change change = {.number = number, .state = LEDGER_HELD, .why = why};
	struct ledger_entry *entry;
	int r;

	(void)pthread_mutex_lock(&ledger->lock);
	entry = ledger_table_get(&ledger->table, number);
	r = entry ? change_each(ledger, &change, 1) : -ENOENT;
	if (r >= 0)
		r = change.error;
	if (r >= 0)
		entry->files_count = 0;
	(void)pthread_mutex_unlock(&ledger->lock);
	return r;
}

static bool is_same_why(const struct ledger_entry *entry, const char *why)
{
	return why && entry->why && strcmp(why, entry->why) == 0;
}

void ledger_note(struct ledger *ledger, uint64_t number, const char *why)
{
	struct ledger_entry *entry;

	(void)pthread_mutex_lock(&ledger->lock);
	entry = ledger_table_get(&ledger->table, number);
	if (entry && entry->state != LEDGER_RETIRED && !is_same_why(entry, why))
		ledger_entry_set_why(entry, why);
	(void)pthread_mutex_unlock(&ledger->lock);
}

static int forget_volume(struct ledger *ledger, const char *volume, const char *why)
{
	const struct ledger_change retired = {.state = LEDGER_RETIRED, .why = why};
	struct change *changes = calloc(ledger->table.count + 1, sizeof(*changes));
	size_t count = 0;
	int r = changes ? ledger_mend(ledger) : -ENOMEM;

	for (size_t i = 0; i < ledger->table.count && r >= 0; i++) {
		struct ledger_entry *entry = ledger->table.entries[i];

		if (strcmp(entry->volume, volume) != 0 || entry->state == LEDGER_RETIRED)
			continue;
		describe_change(entry, &retired, &changes[count].job);
		changes[count++].entry = entry;
	}
	if (r >= 0 && count > 0)
		r = change_all(ledger, changes, count);
	free(changes);
	return r;
}

int ledger_forget_volume(struct ledger *ledger, const char *volume_uuid, const char *why)
{
	struct ledger_key *key;
	int r;

	if (!volume_uuid[0])
		return -EINVAL;
	(void)pthread_mutex_lock(&ledger->lock);
	r = forget_volume(ledger, volume_uuid, why);
	key = find_key(ledger, volume_uuid);
	if (r >= 0 && key)
		free_key(key);
	(void)pthread_mutex_unlock(&ledger->lock);
	return r;
}

/* --- questions --- */

static void get_whole(
	struct ledger *ledger, const struct ledger_entry *entry, struct ledger_job *ret_job)
{
	struct ledger_record record;

	ledger_entry_describe(entry, ret_job);
	if (!entry->has_receipt || ledger_read_line(ledger, entry->line, &record) < 0)
		return;
	if (record.kind == LEDGER_KIND_JOB && record.job.number == entry->number) {
		ret_job->receipt = record.job.receipt;
		ret_job->document = record.job.document;
		ret_job->signature = record.job.signature;
		record.job.receipt = NULL;
		record.job.document = record.job.signature = NULL;
	}
	ledger_record_done(&record);
}

int ledger_get(struct ledger *ledger, uint64_t number, struct ledger_job *ret_job)
{
	const struct ledger_entry *entry;

	(void)pthread_mutex_lock(&ledger->lock);
	entry = ledger_table_get(&ledger->table, number);
	if (entry)
		get_whole(ledger, entry, ret_job);
	(void)pthread_mutex_unlock(&ledger->lock);
	return entry ? 0 : -ENOENT;
}

int ledger_find(
	struct ledger *ledger, const char *source, const char *id, struct ledger_job *ret_job)
{
	const struct ledger_entry *entry;

	(void)pthread_mutex_lock(&ledger->lock);
	entry = ledger_table_find(&ledger->table, source, id);
	if (entry)
		get_whole(ledger, entry, ret_job);
	(void)pthread_mutex_unlock(&ledger->lock);
	return entry ? 0 : -ENOENT;
}

struct file_list {
	char **files;
	size_t count;
};

static int add_file(void *context, const char *name)
{
	struct file_list *list = context;
	char **files = realloc(list->files, (list->count + 1) * sizeof(char *));

	if (!files)
		return -ENOMEM;
	list->files = files;
	files[list->count] = strdup(name);
	if (!files[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

int ledger_files(struct ledger *ledger, uint64_t number, char ***ret_files, size_t *ret_count)
{
	struct file_list list = {.count = 0};
	const struct ledger_entry *entry;
	int r;

	(void)pthread_mutex_lock(&ledger->lock);
	entry = ledger_table_get(&ledger->table, number);
	r = entry ? ledger_read_names(ledger, entry, add_file, &list) : -ENOENT;
	(void)pthread_mutex_unlock(&ledger->lock);
	if (r < 0) {
		ledger_files_free(list.files, list.count);
		return r;
	}
	*ret_files = list.files;
	*ret_count = list.count;
	return 0;
}

void ledger_files_free(char **files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		secret_wipe(files[i], strlen(files[i]));
		free(files[i]);
	}
	free(files);
}

size_t ledger_list(struct ledger *ledger, enum ledger_state state, const char *volume_uuid,
	uint64_t *ret_numbers, size_t max)
{
	size_t count = 0;
	uint64_t left;

	(void)pthread_mutex_lock(&ledger->lock);
	left = ledger->table.by_state[state];
	for (size_t i = 0; i < ledger->table.count && left > 0 && count < max; i++) {
		const struct ledger_entry *entry = ledger->table.entries[i];

		if (entry->state != state)
			continue;
		left--;
		if (!volume_uuid || strcmp(entry->volume, volume_uuid) == 0)
			ret_numbers[count++] = entry->number;
	}
	(void)pthread_mutex_unlock(&ledger->lock);
	return count;
}

void ledger_count(struct ledger *ledger, struct ledger_counts *ret_counts)
{
	struct ledger_counts counts = {.oldest_open_wall_s = 0};

	(void)pthread_mutex_lock(&ledger->lock);
	for (size_t i = 0; i <= LEDGER_FAILED; i++)
		counts.by_state[i] = ledger->table.by_state[i];
	counts.retired_ever = ledger->retired_ever;
	for (size_t i = 0; i < ledger->table.count; i++) {
		const struct ledger_entry *entry = ledger->table.entries[i];

		if (entry->state != LEDGER_RETIRED && entry->state != LEDGER_HELD &&
			(counts.oldest_open_wall_s == 0 ||
				entry->seen_wall_s < counts.oldest_open_wall_s))
			counts.oldest_open_wall_s = entry->seen_wall_s;
	}
	(void)pthread_mutex_unlock(&ledger->lock);
	*ret_counts = counts;
}

static void add_time(struct json_object *object, const char *key, int64_t wall_s)
{
	char text[CLOCK_RFC3339_BYTES];

	json_object_object_add(object, key, json_object_new_string(clock_rfc3339(wall_s, text)));
}

struct json_object *ledger_job_to_json(const struct ledger_job *job, bool receipt)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "job", json_object_new_uint64(job->number));
	json_object_object_add(object, "source", json_object_new_string(job->source));
	json_object_object_add(object, "id", json_object_new_string(job->id));
	json_object_object_add(object, "volume", json_object_new_string(job->volume));
	json_object_object_add(object, "uid", json_object_new_uint64(job->uid));
	json_object_object_add(
		object, "state", json_object_new_string(ledger_state_text(job->state)));
	json_object_object_add(object, "why", json_object_new_string(job->why));
	add_time(object, "seen", job->seen_wall_s);
	add_time(object, "changed", job->changed_wall_s);
	json_object_object_add(object, "attempts", json_object_new_uint64(job->attempts));
	json_object_object_add(object, "files", json_object_new_uint64(job->file_count));
	json_object_object_add(object, "lost_files", json_object_new_uint64(job->lost_files));
	if (receipt && job->receipt)
		json_object_object_add(object, "receipt", json_object_get(job->receipt));
	if (receipt && job->document) {
		json_object_object_add(object, "document", json_object_new_string(job->document));
		json_object_object_add(object, "signature", json_object_new_string(job->signature));
	}
	return object;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/model.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

void crash_model_init(struct crash_model *model, uint64_t blocks, bool began_clean)
{
	memset(model, 0, sizeof(*model));
	pthread_mutex_init(&model->lock, NULL);
	model->clock = 1;
	model->blocks = blocks;
	model->began_clean = began_clean;
	for (uint64_t b = 0; b < CRASH_BLOCKS_MAX; b++)
		model->histories[b].count = 1; /* free */
}

uint64_t crash_model_now(struct crash_model *model)
{
	uint64_t now;

	pthread_mutex_lock(&model->lock);
	now = model->clock++;
	pthread_mutex_unlock(&model->lock);
	return now;
}

static struct crash_version *last(struct crash_model *model, uint64_t block)
{
	struct crash_history *history = &model->histories[block];

	return &history->versions[history->count - 1];
}

void crash_model_set(struct crash_model *model, uint64_t block, const uint64_t *sectors)
{
	struct crash_version *version = &model->histories[block].versions[0];

	*version = (struct crash_version){.has_data = sectors != NULL};
	if (sectors)
		memcpy(version->sectors, sectors, sizeof(version->sectors));
}

void crash_model_begin(
	struct crash_model *model, uint64_t block, uint64_t log_start, const uint64_t *sectors)
{
	struct crash_history *history = &model->histories[block];
	struct crash_version *version;
	uint64_t now = crash_model_now(model);

	assert(history->count < CRASH_VERSIONS_MAX);
	version = &history->versions[history->count++];
	*version = (struct crash_version){.log_start = log_start,
		.start = now,
		.end = UINT64_MAX,
		.has_data = sectors != NULL};
	if (sectors)
		memcpy(version->sectors, sectors, sizeof(version->sectors));
}

void crash_model_end(struct crash_model *model, uint64_t block, int result)
{
	struct crash_version *version = last(model, block);

	version->failed = result < 0;
	version->end = crash_model_now(model);
}

void crash_model_undo(struct crash_model *model, uint64_t block)
{
	assert(model->histories[block].count > 1);
	model->histories[block].count--;
}

void crash_model_maybe_freed(struct crash_model *model, uint64_t block, uint64_t log_start)
{
	struct crash_version now = *last(model, block);

	if (!now.has_data)
		return;
	crash_model_begin(model, block, log_start, NULL);
	crash_model_end(model, block, -EIO);
	crash_model_begin(model, block, log_start, now.sectors);
	crash_model_end(model, block, -EIO);
}

bool crash_model_is_free(struct crash_model *model, uint64_t block)
{
	return !last(model, block)->has_data;
}

void crash_model_add_span(
	struct crash_model *model, struct crash_spans *spans, struct crash_span span)
{
	pthread_mutex_lock(&model->lock);
	assert(spans->count < CRASH_SPANS_MAX);
	spans->items[spans->count++] = span;
	pthread_mutex_unlock(&model->lock);
}

/* The latest begin of a flush that had ended within the first n events. */
static uint64_t acknowledged(const struct crash_model *model, uint64_t n)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < model->acks.count; i++) {
		const struct crash_span *ack = &model->acks.items[i];

		if (ack->log_end <= n && ack->start > latest)
			latest = ack->start;
	}
	return latest;
}

struct crash_allowed crash_model_allowed(
	const struct crash_model *model, uint64_t block, uint64_t n)
{
	const struct crash_history *history = &model->histories[block];
	uint64_t since = acknowledged(model, n);
	size_t from = 0, to = 1;

	for (size_t i = 1; i < history->count; i++) {
		const struct crash_version *version = &history->versions[i];

		if (version->end < since && !version->failed)
			from = i;
		if (version->log_start < n || from == i)
			to = i + 1;
	}
	return (struct crash_allowed){&history->versions[from], to - from};
}

bool crash_allowed_free(struct crash_allowed allowed)
{
	for (size_t i = 0; i < allowed.count; i++) {
		if (!allowed.versions[i].has_data)
			return true;
	}
	return false;
}

bool crash_allowed_data(struct crash_allowed allowed)
{
	for (size_t i = 0; i < allowed.count; i++) {
		if (allowed.versions[i].has_data)
			return true;
	}
	return false;
}

bool crash_allowed_sector(struct crash_allowed allowed, unsigned int sector, uint64_t hash)
{
	for (size_t i = 0; i < allowed.count; i++) {
		if (allowed.versions[i].has_data && allowed.versions[i].sectors[sector] == hash)
			return true;
	}
	return false;
}

bool crash_model_may_be_clean(const struct crash_model *model, uint64_t n)
{
	bool clean = model->began_clean;
	uint64_t opened = 0;

	for (size_t i = 0; i < model->opens.count; i++) {
		if (model->opens.items[i].log_end <= n) {
			clean = false;
			opened = model->opens.items[i].start;
		}
	}
	for (size_t i = 0; i < model->closes.count; i++) {
		if (model->closes.items[i].log_start < n && model->closes.items[i].start > opened)
			clean = true;
	}
	return clean;
}

bool crash_model_must_be_clean(const struct crash_model *model, uint64_t n)
{
	bool clean = model->began_clean;
	uint64_t closed = 0;

	for (size_t i = 0; i < model->closes.count; i++) {
		if (model->closes.items[i].log_end <= n) {
			clean = true;
			closed = model->closes.items[i].start;
		}
	}
	for (size_t i = 0; i < model->opens.count; i++) {
		if (model->opens.items[i].log_start < n && model->opens.items[i].start > closed)
			clean = false;
	}
	return clean;
}

uint64_t crash_model_blocks_least(const struct crash_model *model, uint64_t n)
{
	uint64_t blocks = model->blocks;

	for (size_t i = 0; i < model->grows.count; i++) {
		if (model->grows.items[i].log_end <= n)
			blocks = model->grows.items[i].blocks;
	}
	return blocks;
}

uint64_t crash_model_acks_at(const struct crash_model *model, uint64_t n)
{
	const struct crash_spans *all[] = {
		&model->acks, &model->opens, &model->closes, &model->grows};
	uint64_t count = 0;

	for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
		for (size_t i = 0; i < all[k]->count; i++)
			count += all[k]->items[i].log_end <= n;
	}
	return count;
}

uint64_t crash_model_begun_at(const struct crash_model *model, uint64_t n)
{
	uint64_t count = 0;

	for (uint64_t b = 0; b < CRASH_BLOCKS_MAX; b++) {
		for (size_t i = 1; i < model->histories[b].count; i++)
			count += model->histories[b].versions[i].log_start < n;
	}
	return count;
}

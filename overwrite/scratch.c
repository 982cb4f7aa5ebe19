/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/scratch.h"
#include "base/io.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include <errno.h>

/* Each block counts once, whatever number of passes it failed. */
struct trial {
	struct blockdev *device;
	struct extent_list area;
	struct pass_buffers *buffers;
	struct extent_list different;
	struct extent_list refused;
};

static void trial_done(struct trial *trial)
{
	extent_list_done(&trial->area);
	extent_list_done(&trial->different);
	extent_list_done(&trial->refused);
	pass_buffers_free(trial->buffers);
}
#define _cleanup_trial_ _cleanup_(trial_done)

static int flip_a_bit(struct trial *trial)
{
	struct extent one = {trial->area.items[0].first, 1};
	_cleanup_free_ void *block = NULL;
	size_t bytes = blockdev_block_bytes(trial->device);
	int r;

	r = io_alloc(bytes, &block);
	if (r >= 0)
		r = blockdev_read(trial->device, one, block, bytes);
	if (r < 0)
		return r;
	((uint8_t *)block)[bytes / 2] ^= 1;
	r = blockdev_write(trial->device, one, block, bytes);
	return r < 0 ? r : blockdev_flush(trial->device);
}

static int make_pass(struct trial *trial, const struct scheme_pass *pass, bool damage)
{
	_cleanup_secret_ struct secret *seed = NULL;
	struct progress progress = {.what = "self-test"};
	int r = 0;

	if (pass->kind == PASS_RANDOM)
		r = secret_new_random(STREAM_SEED_BYTES, &seed);
	if (r >= 0)
		r = pass_write(trial->device, pass, seed, &trial->area, trial->buffers, NULL,
			&progress, &trial->refused);
	if (r >= 0)
		r = blockdev_flush(trial->device);
	if (r >= 0 && damage)
		r = flip_a_bit(trial);
	if (r >= 0)
		r = pass_verify(trial->device, pass, seed, &trial->area, trial->buffers, NULL,
			&progress, &trial->different, &trial->refused);
	return r;
}

int scratch_test(struct blockdev *device, struct extent area, const struct scheme *scheme,
	bool damage, struct scratch_report *ret_report)
{
	static const struct scheme_pass fresh = {PASS_RANDOM, 0};
	_cleanup_trial_ struct trial trial = {.device = device};
	int r;

	r = extent_list_add(&trial.area, area);
	if (r >= 0)
		r = pass_buffers_new(&trial.buffers);
	if (r >= 0)
		r = make_pass(&trial, &fresh, false);
	for (unsigned int i = 0; i < scheme->pass_count && r >= 0; i++)
		r = make_pass(&trial, &scheme->passes[i], damage && i + 1 == scheme->pass_count);
	if (r < 0)
		return r;
	*ret_report = (struct scratch_report){
		.blocks = area.count,
		.passes = 1u + scheme->pass_count,
		.different = extent_list_blocks(&trial.different),
		.refused = extent_list_blocks(&trial.refused),
	};
	return 0;
}

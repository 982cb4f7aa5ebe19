/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/wipe.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include <errno.h>

#define LOOK_BLOCKS 256u

static int one_pass(struct blockdev *device, const struct scheme_pass *pass, bool last,
	const struct extent_list *runs, struct pass_buffers *buffers, struct extent_list *refused)
{
	_cleanup_secret_ struct secret *seed = NULL;
	struct progress progress = {0};
	int r = 0;

	if (pass->kind == PASS_RANDOM)
		r = secret_new_random(STREAM_SEED_BYTES, &seed);
	if (r >= 0)
		r = pass_write(device, pass, seed, runs, buffers, NULL, &progress, refused);
	if (r >= 0)
		r = blockdev_flush(device);
	if (r >= 0 && last)
		r = pass_verify(
			device, pass, seed, runs, buffers, NULL, &progress, refused, refused);
	return r;
}

static int wipe_list(
	struct blockdev *device, const struct scheme *scheme, const struct extent_list *runs)
{
	_cleanup_(pass_buffers_freep) struct pass_buffers *buffers = NULL;
	struct extent_list refused = {0};
	int r;

	if (runs->count == 0)
		return 0;
	r = pass_buffers_new(&buffers);
	for (unsigned int i = 0; i < scheme->pass_count && r >= 0; i++)
		r = one_pass(device, &scheme->passes[i], i + 1u == scheme->pass_count, runs,
			buffers, &refused);
	if (r >= 0 && refused.count > 0)
		r = -EIO;
	extent_list_done(&refused);
	return r;
}

/* A block that cannot be read may hold anything; to be written over is also what may mend it. */
static bool shows_something(struct blockdev *device, uint64_t block, uint8_t *buf, bool is_read)
{
	const struct extent one = {block, 1};

	if (!is_read && blockdev_read(device, one, buf, BLOCK_BYTES) < 0)
		return true;
	return !bytes_are_uniform(buf, BLOCK_BYTES);
}

static int find_what_shows(struct blockdev *device, struct extent run, struct extent_list *list)
{
	_cleanup_free_ void *buf = NULL;
	int r;

	r = io_alloc((size_t)LOOK_BLOCKS * BLOCK_BYTES, &buf);
	while (run.count > 0 && r >= 0) {
		struct extent some = {run.first, run.count < LOOK_BLOCKS ? run.count : LOOK_BLOCKS};
		bool is_read =
			blockdev_read(device, some, buf, (size_t)some.count * BLOCK_BYTES) >= 0;

		for (uint64_t i = 0; i < some.count && r >= 0; i++) {
			if (shows_something(device, some.first + i,
				    (uint8_t *)buf + i * BLOCK_BYTES, is_read))
				r = extent_list_add(list, (struct extent){some.first + i, 1});
		}
		run.first += some.count;
		run.count -= some.count;
	}
	return r;
}

int wipe_what_shows(struct blockdev *device, const struct scheme *scheme, struct extent run)
{
	struct extent_list runs = {0};
	int r;

	r = find_what_shows(device, run, &runs);
	if (r >= 0)
		r = wipe_list(device, scheme, &runs);
	extent_list_done(&runs);
	return r;
}

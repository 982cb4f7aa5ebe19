/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/wipe.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include <errno.h>

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

int wipe_run(struct blockdev *device, const struct scheme *scheme, struct extent run)
{
	_cleanup_(pass_buffers_freep) struct pass_buffers *buffers = NULL;
	struct extent_list runs = {0}, refused = {0};
	int r;

	if (run.count == 0)
		return 0;
	r = pass_buffers_new(&buffers);
	if (r >= 0)
		r = extent_list_add(&runs, run);
	for (unsigned int i = 0; i < scheme->pass_count && r >= 0; i++)
		r = one_pass(device, &scheme->passes[i], i + 1u == scheme->pass_count, &runs,
			buffers, &refused);
	if (r >= 0 && refused.count > 0)
		r = -EIO;
	extent_list_done(&runs);
	extent_list_done(&refused);
	return r;
}

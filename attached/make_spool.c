/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/make_spool.h"
#include "blockdev/ext4_fingerprint.h"
#include "overwrite/sanitizing.h"
#include "spool/ext4_make.h"
#include "volume/engine.h"
#include <errno.h>

/* An ext4 on the fresh volume, through the map: what it writes over is erased first. */
static int make_filesystem(
	const char *path, const struct secret *volume_key, struct problem *reterr_problem)
{
	const struct engine_options options = {.verify = VERIFY_FULL, .volume_key = volume_key};
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	_cleanup_(eraser_freep) struct eraser *eraser = NULL;
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES], block[BLOCK_BYTES];
	struct engine_info info;
	struct engine *engine;
	int r, closed;

	r = engine_open(path, &options, NULL, &engine, reterr_problem);
	if (r < 0)
		return r;
	engine_get_info(engine, &info);
	r = eraser_new(engine_residue(engine), info.scheme, VERIFY_FULL, &eraser);
	if (r >= 0)
		r = sanitizing_new(engine_residue(engine), eraser, &bd);
	if (r >= 0)
		r = ext4_make(bd, "spool", reterr_problem);
	if (r >= 0)
		r = blockdev_read(bd, (struct extent){0, 1}, block, BLOCK_BYTES);
	if (r >= 0 && !ext4_fingerprint(block, fingerprint))
		r = problem_set(reterr_problem, -EIO,
			"%s: the new file system does not read back; the medium is faulty", path);
	if (r >= 0) {
		residue_set_fingerprint(engine_residue(engine), fingerprint);
		r = residue_set_filesystem_expected(engine_residue(engine), true);
	}
	bd = blockdev_close(bd);
	eraser_free(eraser);
	eraser = NULL;
	closed = engine_close(engine);
	return r < 0 ? r : closed;
}

int make_spool(const char *path, const struct volume_format_options *options, bool filesystem,
	const struct secret *passphrase, struct volume_format_report *ret_report,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *volume_key = NULL;
	struct volume_format_options with_key = *options;
	int r;

	with_key.ret_volume_key = &volume_key;
	r = volume_format(path, &with_key, passphrase, ret_report, reterr_problem);
	if (r >= 0 && filesystem)
		r = make_filesystem(path, volume_key, reterr_problem);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/decommission_rig.h"
#include "base/bytes.h"
#include "blockdev/blockdev_impl.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR_BYTES = 512, VOLUMES = 2, UNDO_MAX = 4096 };

struct undo {
	uint64_t at;
	size_t bytes;
	uint8_t *before; /* owned */
};

static struct undo undos[UNDO_MAX];
static size_t undo_count;

/* --- the plug --- */

static void forget_undos(void)
{
	for (size_t i = 0; i < undo_count; i++)
		free(undos[i].before);
	undo_count = 0;
}

static void go_off(struct decommission_rig *rig)
{
	uint64_t bytes;
	uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	rig->is_off = true;
	while (undo_count > 0 && !rig->keeps_unflushed) {
		const struct undo *undo = &undos[undo_count - 1];

		memcpy(medium + undo->at, undo->before, undo->bytes);
		free(undos[--undo_count].before);
	}
	forget_undos();
}

/* True: there is no power now. */
static bool instant(struct decommission_rig *rig)
{
	if (rig->is_off)
		return true;
	rig->instants++;
	if (rig->instants == rig->cut_at)
		go_off(rig);
	return rig->is_off;
}

/* --- what must have been recorded --- */

static void check_keys_died(const struct decommission_rig *rig)
{
	enum record_state keys;

	ck_assert_ptr_nonnull(rig->saved);
	keys = rig->saved->steps[RECORD_KEYS].state;
	ck_assert(keys == RECORD_DONE || keys == RECORD_FAILED || keys == RECORD_NOT_NEEDED);
}

static void check_command(struct decommission_rig *rig)
{
	const struct record *saved = rig->saved;

	if (simdrive_changes(rig->drive) == rig->changes_seen)
		return;
	rig->changes_seen = simdrive_changes(rig->drive);
	check_keys_died(rig);
	if (saved->hidden.step[0] != '\0' && !saved->hidden.step_done)
		return; /* it is opened, maybe once more */
	ck_assert_int_eq(saved->steps[RECORD_SANITIZE].state, RECORD_BEGUN);
	ck_assert_uint_gt(saved->method_count, 0);
	ck_assert_str_ne(saved->methods[saved->method_count - 1].step, "");
}

static void check_write(const struct decommission_rig *rig)
{
	check_keys_died(rig);
	ck_assert_int_eq(rig->saved->steps[RECORD_OVERWRITE].state, RECORD_BEGUN);
	ck_assert(rig->saved->steps[RECORD_SANITIZE].state != RECORD_PENDING &&
		  rig->saved->steps[RECORD_SANITIZE].state != RECORD_BEGUN);
}

/* --- the port --- */

static bool is_away(struct decommission_rig *rig)
{
	return instant(rig) || rig->has_left;
}

static int nvme(void *context, struct nvme_command *command)
{
	struct decommission_rig *rig = context;
	const struct command_port *real = simdrive_port(rig->drive);
	int r;

	if (is_away(rig))
		return -ENODEV;
	r = real->ops->nvme_admin(real->context, command);
	check_command(rig);
	return is_away(rig) ? -ENODEV : r;
}

static int scsi(void *context, struct scsi_command *command)
{
	struct decommission_rig *rig = context;
	const struct command_port *real = simdrive_port(rig->drive);
	int r;

	if (is_away(rig))
		return -ENODEV;
	r = real->ops->scsi(real->context, command);
	check_command(rig);
	return is_away(rig) ? -ENODEV : r;
}

static uint64_t now_ms(void *context)
{
	struct decommission_rig *rig = context;

	return rig->drive->now_ms;
}

static void sleep_ms(void *context, uint32_t ms)
{
	struct decommission_rig *rig = context;

	simdrive_advance(rig->drive, ms);
}

static const struct command_port_ops nvme_ops = {
	.nvme_admin = nvme, .now_ms = now_ms, .sleep_ms = sleep_ms};
static const struct command_port_ops scsi_ops = {
	.scsi = scsi, .now_ms = now_ms, .sleep_ms = sleep_ms};
static const struct command_port_ops block_ops = {.now_ms = now_ms, .sleep_ms = sleep_ms};

/* --- the medium --- */

struct medium {
	struct blockdev bd; /* first */
	struct decommission_rig *rig;
	struct blockdev *real; /* owned */
};

static int check_bad(const struct decommission_rig *rig, struct extent at)
{
	return extent_overlaps(rig->bad, at) ? -EIO : 0;
}

static int medium_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct medium *medium = (struct medium *)bd;

	if (is_away(medium->rig))
		return -ENODEV;
	if (check_bad(medium->rig, at) < 0)
		return -EIO;
	return blockdev_read(medium->real, at, buf, at.count * bd->block_bytes);
}

static void remember(struct medium *medium, struct extent at)
{
	struct decommission_rig *rig = medium->rig;
	uint64_t first = rig->drive->visible_first + at.first * medium->bd.block_bytes, whole;
	const uint8_t *bytes = simdrive_bytes(rig->drive, &whole);
	struct undo *undo = &undos[undo_count++];

	ck_assert_uint_le(undo_count, UNDO_MAX);
	*undo = (struct undo){
		.at = first, .bytes = at.count * medium->bd.block_bytes, .before = NULL};
	undo->before = malloc(undo->bytes);
	ck_assert_ptr_nonnull(undo->before);
	memcpy(undo->before, bytes + first, undo->bytes);
}

static int medium_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct medium *medium = (struct medium *)bd;
	struct decommission_rig *rig = medium->rig;
	int r;

	if (is_away(rig))
		return -ENODEV;
	rig->writes++;
	if (rig->leave_at > 0 && --rig->leave_at == 0) {
		rig->has_left = true;
		return -ENODEV;
	}
	check_write(rig);
	if (check_bad(rig, at) < 0)
		return -EIO;
	if (!rig->keeps_unflushed && rig->cut_at > 0)
		remember(medium, at);
	r = blockdev_write(medium->real, at, buf, at.count * bd->block_bytes);
	return is_away(rig) ? -ENODEV : r;
}

static int medium_flush(struct blockdev *bd)
{
	struct medium *medium = (struct medium *)bd;
	int r;

	if (is_away(medium->rig))
		return -ENODEV;
	r = blockdev_flush(medium->real);
	forget_undos();
	return is_away(medium->rig) ? -ENODEV : r;
}

static void medium_close(struct blockdev *bd)
{
	struct medium *medium = (struct medium *)bd;

	blockdev_close(medium->real);
	free(medium);
}

static const struct blockdev_ops medium_ops = {
	.read = medium_read, .write = medium_write, .flush = medium_flush, .close = medium_close};

/* --- the world --- */

static int open_drive(void *context, const struct record *record, struct command_port **ret_port,
	struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;
	struct command_port *port;

	(void)record;
	if (instant(rig) || rig->stays_away)
		return problem_set(reterr_problem, -ENODEV, "the drive is not there");
	rig->has_left = false;
	port = calloc(1, sizeof(*port));
	ck_assert_ptr_nonnull(port);
	*port = *simdrive_port(rig->drive);
	port->context = rig;
	port->bytes = rig->drive->visible_bytes;
	port->ops = port->interface == INTERFACE_NVME ? &nvme_ops : &scsi_ops;
	if (rig->no_commands) {
		port->interface = INTERFACE_BLOCK;
		port->ops = &block_ops;
	}
	*ret_port = port;
	return 0;
}

static void close_drive(void *context, struct command_port *port)
{
	(void)context;
	free(port);
}

static int open_medium(void *context, const struct record *record, uint32_t block_bytes,
	struct blockdev **ret_medium, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;
	struct medium *medium;

	(void)record;
	if (is_away(rig))
		return problem_set(reterr_problem, -ENODEV, "the drive is not there");
	medium = calloc(1, sizeof(*medium));
	ck_assert_ptr_nonnull(medium);
	medium->rig = rig;
	ck_assert_int_eq(simdrive_medium(rig->drive, &medium->real), 0);
	ck_assert_uint_eq(blockdev_block_bytes(medium->real), block_bytes);
	blockdev_init(&medium->bd, &medium_ops, block_bytes, blockdev_blocks(medium->real));
	*ret_medium = &medium->bd;
	return 0;
}

static int close_volumes(void *context, struct record *record, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;

	if (instant(rig))
		return problem_set(reterr_problem, -EIO, "no power");
	ck_assert_int_eq(rig->saved->steps[RECORD_INTAKE].state, RECORD_BEGUN);
	rig->intakes++;
	for (uint32_t i = 0; i < record->volume_count; i++)
		record->volumes[i].detached = true;
	record->jobs_retired = 3;
	return instant(rig) ? -EIO : 0;
}

static int destroy_keys(void *context, struct record_volume *volume, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;

	if (instant(rig))
		return problem_set(reterr_problem, -ENODEV, "no power");
	ck_assert_int_eq(rig->saved->steps[RECORD_KEYS].state, RECORD_BEGUN);
	volume->slots_before = 2;
	if (rig->keys_live)
		return problem_set(reterr_problem, -EIO, "the slots cannot be written");
	volume->slots_destroyed = 2;
	volume->copies_destroyed = volume->proven_closed = true;
	rig->keys_destroyed++;
	return instant(rig) ? -ENODEV : 0;
}

static void copy_saved(struct decommission_rig *rig, const struct record *record)
{
	char *text;

	ck_assert_int_eq(record_encode(record, &text), 0);
	record_free(rig->saved);
	ck_assert_int_eq(record_decode(text, strlen(text), &rig->saved), 0);
	free(text);
}

static int save(void *context, const struct record *record, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;

	if (instant(rig))
		return problem_set(reterr_problem, -EIO, "no power");
	if (rig->fail_save > 0 && --rig->fail_save == 0)
		return problem_set(reterr_problem, -ENOSPC, "no room");
	rig->saves++;
	copy_saved(rig, record);
	return instant(rig) ? -EIO : 0;
}

static int save_witness(void *context, const struct record *record, const uint8_t *bytes,
	size_t count, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;

	(void)record;
	if (instant(rig))
		return problem_set(reterr_problem, -EIO, "no power");
	free(rig->witness);
	rig->witness = malloc(count);
	ck_assert_ptr_nonnull(rig->witness);
	memcpy(rig->witness, bytes, count);
	rig->witness_bytes = count;
	return instant(rig) ? -EIO : 0;
}

static int load_witness(void *context, const struct record *record, uint8_t *ret_bytes,
	size_t *ret_count, struct problem *reterr_problem)
{
	struct decommission_rig *rig = context;

	(void)record;
	if (instant(rig))
		return problem_set(reterr_problem, -ENODEV, "no power");
	if (!rig->witness)
		return problem_set(reterr_problem, -ENOENT, "none was kept");
	memcpy(ret_bytes, rig->witness, rig->witness_bytes);
	*ret_count = rig->witness_bytes;
	return 0;
}

/* --- making --- */

static void fill(struct decommission_rig *rig)
{
	uint64_t bytes;
	uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	for (uint64_t at = 0; at + SECTOR_BYTES <= bytes; at += SECTOR_BYTES) {
		memset(medium + at, 0, SECTOR_BYTES);
		memcpy(medium + at, DECOMMISSION_RIG_SECRET, strlen(DECOMMISSION_RIG_SECRET));
	}
	rig->drive->sanitize.written_since = true;
}

static void plan(struct decommission_rig *rig)
{
	struct target *target = calloc(1, sizeof(*target));
	struct record *record;

	ck_assert_ptr_nonnull(target);
	ck_assert_int_eq(record_new(&record), 0);
	rig->record = record;
	target->facts.bytes = rig->drive->visible_bytes;
	if (!rig->no_commands)
		ck_assert_int_eq(facts_ask(simdrive_port(rig->drive), &target->facts), 0);
	snprintf(target->identity.serial, sizeof(target->identity.serial), "%s",
		target->facts.serial);
	record_fill_drive(record, target);
	free(target);
	record->volume_count = VOLUMES;
	for (int i = 0; i < VOLUMES; i++)
		record->volumes[i].is_spoolguard = true;
	rig->changes_seen = simdrive_changes(rig->drive);
}

static void make(struct decommission_rig *rig, enum simdrive_kind kind, bool no_commands,
	const struct simdrive_options *options)
{
	*rig = (struct decommission_rig){
		.no_commands = no_commands,
		.world = {open_drive, close_drive, open_medium, close_volumes, destroy_keys, save,
			save_witness, load_witness, NULL, rig},
		.request = {.own_methods = true, .overwrite = true, .lanes = 1},
	};
	ck_assert_int_eq(simdrive_new(kind, options, &rig->drive), 0);
	fill(rig);
	plan(rig);
}

void decommission_rig_make(struct decommission_rig *rig, enum simdrive_kind kind,
	const struct simdrive_options *options)
{
	make(rig, kind, false, options);
}

void decommission_rig_make_block(
	struct decommission_rig *rig, const struct simdrive_options *options)
{
	make(rig, SIMDRIVE_SCSI, true, options);
}

void decommission_rig_unmake(struct decommission_rig *rig)
{
	forget_undos();
	record_free(rig->record);
	record_free(rig->saved);
	free(rig->witness);
	simdrive_free(rig->drive);
	memset(rig, 0, sizeof(*rig));
}

int decommission_rig_run(struct decommission_rig *rig)
{
	memset(&rig->problem, 0, sizeof(rig->problem));
	return run_steps(rig->record, &rig->request, &rig->world, &rig->problem);
}

void decommission_rig_boot(struct decommission_rig *rig, uint32_t off_ms)
{
	char *text;

	rig->is_off = false;
	rig->cut_at = 0;
	simdrive_power_cut(rig->drive);
	simdrive_advance(rig->drive, off_ms);
	if (!rig->saved)
		return; /* nothing was begun: as it was planned */
	ck_assert_int_eq(record_encode(rig->saved, &text), 0);
	record_free(rig->record);
	ck_assert_int_eq(record_decode(text, strlen(text), &rig->record), 0);
	free(text);
}

/* --- looking --- */

uint64_t decommission_rig_sectors(struct decommission_rig *rig)
{
	uint64_t bytes;

	(void)simdrive_bytes(rig->drive, &bytes);
	return bytes / SECTOR_BYTES;
}

uint64_t decommission_rig_secrets(struct decommission_rig *rig)
{
	uint64_t bytes, count = 0;
	const uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	for (uint64_t at = 0; at + SECTOR_BYTES <= bytes; at += SECTOR_BYTES)
		count += memcmp(medium + at, DECOMMISSION_RIG_SECRET,
				 strlen(DECOMMISSION_RIG_SECRET)) == 0;
	return count;
}

uint64_t decommission_rig_showing(struct decommission_rig *rig, uint8_t byte)
{
	uint64_t bytes, count = 0;
	const uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	for (uint64_t at = 0; at + SECTOR_BYTES <= bytes; at += SECTOR_BYTES)
		count += bytes_are(medium + at, SECTOR_BYTES, byte);
	return count;
}

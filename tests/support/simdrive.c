/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/simdrive.h"
#include "blockdev/blockdev_impl.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	DEFAULT_BYTES = 1 << 20,
	DEFAULT_SANITIZE_MS = 2000,
	SMALLER_BLOCKS = 8,
	WHOLE = 65536,
	UNIT_BYTES = 512
};

struct medium {
	struct blockdev bd; /* first */
	struct simdrive *drive;
};

/* --- the medium's bytes --- */

static bool survives(const struct simdrive *drive, uint64_t byte)
{
	return byte + drive->options.residue_bytes >= drive->medium_bytes;
}

/* A byte under another key: never what it was. */
static uint8_t scrambled(uint8_t byte, uint64_t at, uint64_t key)
{
	uint64_t mixed = (at + 1) * 0x9e3779b97f4a7c15u ^ key * 0xbf58476d1ce4e5b9u;

	mixed ^= mixed >> 29;
	mixed *= 0x94d049bb133111ebu;
	return byte ^ (uint8_t)(mixed >> 56 | 1);
}

void simdrive_erase(struct simdrive *drive, enum simdrive_how how, uint32_t pattern,
	struct simdrive_range range)
{
	assert(range.first + range.bytes <= drive->medium_bytes);
	if (drive->options.lie || drive->options.swallow)
		return;
	drive->erases++;
	for (uint64_t at = range.first; at < range.first + range.bytes; at++) {
		if (drive->options.residue_bytes > 0 && survives(drive, at))
			break;
		if (how == SIMDRIVE_CRYPTO)
			drive->medium[at] = scrambled(drive->medium[at], at, drive->erases);
		else if (how == SIMDRIVE_BLOCK)
			drive->medium[at] = 0;
		else
			drive->medium[at] = (uint8_t)(pattern >> (at % 4 * 8));
	}
}

uint8_t *simdrive_bytes(struct simdrive *drive, uint64_t *ret_bytes)
{
	*ret_bytes = drive->medium_bytes;
	return drive->medium;
}

/* --- a sanitize that runs by itself --- */

void simdrive_sanitize_begin(struct simdrive *drive, enum simdrive_how how, uint32_t pattern,
	struct simdrive_range range)
{
	if (drive->options.swallow)
		return;
	drive->sanitize.running = true;
	drive->sanitize.failed = false;
	drive->sanitize.how = how;
	drive->sanitize.pattern = pattern;
	drive->sanitize.range = range;
	drive->sanitize.begun_ms = drive->now_ms;
}

uint32_t simdrive_sanitize_progress(const struct simdrive *drive)
{
	uint64_t gone_ms = drive->now_ms - drive->sanitize.begun_ms, progress;

	progress = gone_ms * WHOLE / drive->options.sanitize_ms;
	if (drive->options.hang_at > 0 && progress > drive->options.hang_at)
		progress = drive->options.hang_at;
	return progress < WHOLE ? (uint32_t)progress : WHOLE - 1;
}

void simdrive_settle(struct simdrive *drive)
{
	struct simdrive_sanitize *sanitize = &drive->sanitize;
	struct simdrive_range range = sanitize->range;

	if (!sanitize->running || drive->options.hang_at > 0 ||
		drive->now_ms - sanitize->begun_ms < drive->options.sanitize_ms)
		return;
	sanitize->running = false;
	sanitize->failed = drive->options.fail;
	if (drive->options.fail)
		range.bytes /= 2;
	simdrive_erase(drive, sanitize->how, sanitize->pattern, range);
	if (!drive->options.fail) {
		sanitize->ever_done = true;
		sanitize->written_since = false;
	}
	if (drive->model->sanitized)
		drive->model->sanitized(drive);
}

size_t simdrive_level_0(uint8_t *page)
{
	static const uint8_t features[] = {
		0, 1, 0x10, 12, [16] = 0, 2, 0x10, 12, 0x09, [32] = 2, 3, 0x10, 16, [51] = 0};

	page[3] = 48 + sizeof(features) - 4;
	page[7] = 1;
	memcpy(page + 48, features, sizeof(features));
	return 48 + sizeof(features);
}

/* --- the seam --- */

void simdrive_changed(struct simdrive *drive)
{
	drive->changes++;
}

static bool comes_due(uint64_t *countdown)
{
	if (*countdown == 0)
		return false;
	return --*countdown == 0;
}

/* Each command passes here; -errno: it is not delivered. */
static int deliver(struct simdrive *drive)
{
	drive->commands++;
	if (comes_due(&drive->vanish_at))
		drive->gone = drive->fired = true;
	if (drive->gone)
		return -ENODEV;
	if (comes_due(&drive->fail_at)) {
		drive->fired = true;
		if (drive->model->reset)
			drive->model->reset(drive);
		return -EIO;
	}
	simdrive_settle(drive);
	return 0;
}

static void look(struct simdrive *drive, void *command, int result)
{
	if (drive->hook)
		drive->hook(drive->hook_context, command, result);
}

static int nvme_admin(void *context, struct nvme_command *command)
{
	struct simdrive *drive = context;
	int r;

	look(drive, command, 1);
	r = deliver(drive);
	if (r >= 0)
		r = drive->model->nvme(drive, command);
	look(drive, command, r);
	return r;
}

static int scsi(void *context, struct scsi_command *command)
{
	struct simdrive *drive = context;
	int r;

	look(drive, command, 1);
	r = deliver(drive);
	if (r >= 0)
		r = drive->model->scsi(drive, command);
	look(drive, command, r);
	return r;
}

static int mmc(void *context, struct mmc_command *commands, uint32_t count)
{
	struct simdrive *drive = context;
	int r;

	look(drive, commands, 1);
	r = deliver(drive);
	if (r >= 0)
		r = drive->model->mmc(drive, commands, count);
	look(drive, commands, r);
	return r;
}

static int mmc_registers(void *context, struct mmc_registers *ret_registers)
{
	struct simdrive *drive = context;

	return drive->gone ? -ENODEV : drive->model->mmc_registers(drive, ret_registers);
}

static uint64_t now_ms(void *context)
{
	const struct simdrive *drive = context;

	return drive->now_ms;
}

static void sleep_ms(void *context, uint32_t ms)
{
	simdrive_advance(context, ms);
}

static int rescan(void *context)
{
	struct simdrive *drive = context;

	drive->port.bytes = drive->visible_bytes;
	return 0;
}

static const struct command_port_ops nvme_port = {
	.nvme_admin = nvme_admin, .rescan = rescan, .now_ms = now_ms, .sleep_ms = sleep_ms};
static const struct command_port_ops scsi_port = {
	.scsi = scsi, .rescan = rescan, .now_ms = now_ms, .sleep_ms = sleep_ms};
static const struct command_port_ops mmc_port = {.mmc = mmc,
	.mmc_registers = mmc_registers,
	.rescan = rescan,
	.now_ms = now_ms,
	.sleep_ms = sleep_ms};

/* --- the block path --- */

static int check_path(struct simdrive *drive, struct extent at, uint32_t block_bytes)
{
	uint64_t bad = drive->options.bad_sector;
	uint64_t blocks = drive->visible_bytes / block_bytes;

	simdrive_settle(drive);
	if (drive->gone)
		return -ENODEV;
	if (drive->sanitize.running || drive->sanitize.failed)
		return -EIO;
	if (drive->model->is_blocked && drive->model->is_blocked(drive))
		return -EIO;
	if (bad > 0 && bad != UINT64_MAX && bad >= at.first && bad < at.first + at.count)
		return -EIO;
	if (drive->options.smaller && at.first + at.count + SMALLER_BLOCKS > blocks)
		return -EIO;
	return at.first + at.count <= blocks ? 0 : -EIO;
}

static int medium_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct simdrive *drive = ((struct medium *)bd)->drive;
	uint64_t units = bd->block_bytes / UNIT_BYTES;
	int r = check_path(drive, at, bd->block_bytes);

	if (r < 0)
		return r;
	memcpy(buf, drive->medium + drive->visible_first + at.first * bd->block_bytes,
		at.count * bd->block_bytes);
	for (uint64_t i = 0; drive->unmapped && i < at.count * units; i++)
		if (drive->unmapped[at.first * units + i])
			memset((uint8_t *)buf + i * UNIT_BYTES, 0, UNIT_BYTES);
	return 0;
}

static int medium_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct simdrive *drive = ((struct medium *)bd)->drive;
	uint64_t units = bd->block_bytes / UNIT_BYTES;
	int r = check_path(drive, at, bd->block_bytes);

	if (r < 0)
		return r;
	if (drive->options.read_only)
		return -EROFS;
	memcpy(drive->medium + drive->visible_first + at.first * bd->block_bytes, buf,
		at.count * bd->block_bytes);
	if (drive->unmapped)
		memset(drive->unmapped + at.first * units, 0, at.count * units);
	drive->sanitize.written_since = true;
	return 0;
}

static int medium_flush(struct blockdev *bd)
{
	struct simdrive *drive = ((struct medium *)bd)->drive;

	return drive->gone ? -ENODEV : 0;
}

static void medium_close(struct blockdev *bd)
{
	free(bd);
}

static const struct blockdev_ops medium_ops = {
	.read = medium_read, .write = medium_write, .flush = medium_flush, .close = medium_close};

int simdrive_medium(struct simdrive *drive, struct blockdev **ret_bd)
{
	struct medium *medium = calloc(1, sizeof(*medium));
	uint32_t block_bytes = drive->options.logical_bytes;

	if (!medium)
		return -ENOMEM;
	medium->drive = drive;
	blockdev_init(&medium->bd, &medium_ops, block_bytes, drive->visible_bytes / block_bytes);
	*ret_bd = &medium->bd;
	return 0;
}

/* --- making --- */

static const struct simdrive_model *model_of(enum simdrive_kind kind)
{
	switch (kind) {
	case SIMDRIVE_NVME:
		return &simdrive_nvme;
	case SIMDRIVE_ATA:
		return &simdrive_ata;
	case SIMDRIVE_SCSI:
		return &simdrive_scsi;
	case SIMDRIVE_MMC:
		return &simdrive_mmc;
	}
	return NULL;
}

static void fill_in_options(struct simdrive_options *options)
{
	if (options->bytes == 0)
		options->bytes = DEFAULT_BYTES;
	if (options->logical_bytes == 0)
		options->logical_bytes = 512;
	if (options->sanitize_ms == 0)
		options->sanitize_ms = DEFAULT_SANITIZE_MS;
	if (options->namespaces == 0)
		options->namespaces = 1;
}

/* A file keeps what it holds, and grows with zeros. */
static int map_medium(struct simdrive *drive)
{
	const char *path = drive->options.path;
	int flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd = -1;
	void *memory;

	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		if (ftruncate(fd, (off_t)drive->medium_bytes) < 0) {
			close(fd);
			return -EIO;
		}
	}
	memory = mmap(NULL, drive->medium_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	drive->medium = memory;
	return 0;
}

static void make_port(struct simdrive *drive)
{
	enum command_interface interface = drive->model->interface;

	drive->port = (struct command_port){
		.ops = interface == INTERFACE_NVME   ? &nvme_port
		       : interface == INTERFACE_SCSI ? &scsi_port
						     : &mmc_port,
		.context = drive,
		.interface = interface,
		.bytes = drive->visible_bytes,
	};
}

int simdrive_new(enum simdrive_kind kind, const struct simdrive_options *options,
	struct simdrive **ret_drive)
{
	struct simdrive *drive;
	int r;

	if (!model_of(kind))
		return -EOPNOTSUPP;
	drive = calloc(1, sizeof(*drive));
	if (!drive)
		return -ENOMEM;
	drive->options = *options;
	drive->model = model_of(kind);
	fill_in_options(&drive->options);
	drive->visible_bytes = drive->options.bytes;
	drive->medium_bytes = drive->options.bytes * drive->options.namespaces +
			      drive->options.hidden_bytes + drive->options.dco_hidden_bytes;
	r = map_medium(drive);
	make_port(drive);
	if (r >= 0 && drive->model->init)
		r = drive->model->init(drive);
	if (r < 0) {
		simdrive_free(drive);
		return r;
	}
	*ret_drive = drive;
	return 0;
}

void simdrive_free(struct simdrive *drive)
{
	if (!drive)
		return;
	if (drive->model->done)
		drive->model->done(drive);
	if (drive->medium)
		munmap(drive->medium, drive->medium_bytes);
	free(drive);
}

const struct command_port *simdrive_port(struct simdrive *drive)
{
	return &drive->port;
}

/* --- time and faults --- */

void simdrive_advance(struct simdrive *drive, uint32_t ms)
{
	drive->now_ms += ms;
	simdrive_settle(drive);
}

void simdrive_power_cut(struct simdrive *drive)
{
	drive->gone = false;
	drive->vanish_at = drive->fail_at = 0;
	if (drive->model->power_cut)
		drive->model->power_cut(drive);
}

void simdrive_vanish(struct simdrive *drive, uint64_t nth_command)
{
	drive->gone = drive->fired = false;
	drive->vanish_at = nth_command;
}

void simdrive_fail_nth(struct simdrive *drive, uint64_t nth_command)
{
	drive->fired = false;
	drive->fail_at = nth_command;
}

bool simdrive_fired(const struct simdrive *drive)
{
	return drive->fired;
}

void simdrive_set_hook(struct simdrive *drive,
	void (*hook)(void *context, void *command, int result), void *context)
{
	drive->hook = hook;
	drive->hook_context = context;
}

uint64_t simdrive_commands(const struct simdrive *drive)
{
	return drive->commands;
}

uint64_t simdrive_changes(const struct simdrive *drive)
{
	return drive->changes;
}

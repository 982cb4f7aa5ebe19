/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_inspect.c - what is planted on a volume is found, where it lies
 *
 * Goal: no hit, no contradiction between file system, map and medium, and no
 * damage goes unseen, and nothing is seen in a healthy volume.  Method: one
 * volume is made (volume_format, an ext4 of mke2fs copied into it block by
 * block, one file retired); each test works on a copy, plants one thing below
 * the map or in it, and asks.  The other opinion on searches is a count in
 * what tests/tools/luks2_decrypt.py makes of the image.
 */
#include "blockdev/crypted.h"
#include "blockdev/ext4_fingerprint.h"
#include "blockdev/raw.h"
#include "blockdev/redo_record.h"
#include "blockdev/window.h"
#include "cli/cli.h"
#include "overwrite/sanitizing.h"
#include "spool/inspect.h"
#include "volume/engine.h"
#include "volume/format.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSPHRASE  "correct horse"
#define IMAGE_BYTES (24u << 20)

enum { GONE_BLOCKS = 50 }; /* of a file that was retired */

static char folder[64];	  /* of the whole program */
static char template[96]; /* the volume that tests copy */
static char image[96];
static char keyfile[96];
static struct search *search;
static struct inspect_report *report;
static struct problem problem;
static uint64_t gone_block; /* first of the retired file's blocks */

static int run(const char *format, ...) format_printf(1, 2);
static int run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

static struct secret *passphrase(void)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new_copy(PASSPHRASE, strlen(PASSPHRASE), &secret), 0);
	return secret;
}

/* --- a volume that is open for planting --- */

struct open_volume {
	struct engine *engine;
	struct residue *residue;
	struct eraser *eraser;
	struct blockdev *plain; /* the volume through its map */
};

static struct open_volume open_volume(const char *path)
{
	const struct engine_options options = {.verify = VERIFY_FULL};
	_cleanup_secret_ struct secret *secret = passphrase();
	struct open_volume v;

	ck_assert_msg(
		engine_open(path, &options, secret, &v.engine, &problem) == 0, "%s", problem.text);
	v.residue = engine_residue(v.engine);
	residue_trust(v.residue);
	ck_assert_int_eq(eraser_new(v.residue, scheme_default(), VERIFY_FULL, &v.eraser), 0);
	ck_assert_int_eq(sanitizing_new(v.residue, v.eraser, &v.plain), 0);
	return v;
}

static void note_fingerprint(struct open_volume *v)
{
	uint8_t block[BLOCK_BYTES], fingerprint[RESIDUE_FINGERPRINT_BYTES];

	ck_assert_int_eq(blockdev_read(v->plain, (struct extent){0, 1}, block, BLOCK_BYTES), 0);
	if (ext4_fingerprint(block, fingerprint))
		residue_set_fingerprint(v->residue, fingerprint);
}

static void close_volume(struct open_volume *v)
{
	v->plain = blockdev_close(v->plain);
	eraser_free(v->eraser);
	ck_assert_int_eq(engine_close(v->engine), 0);
}

static void erase_all(struct open_volume *v)
{
	struct extent_list all = {0};
	struct eraser_report erased;

	ck_assert_int_eq(extent_list_add(&all, (struct extent){0, residue_blocks(v->residue)}), 0);
	ck_assert_int_eq(eraser_run(v->eraser, &all, &erased), 0);
	ck_assert_uint_eq(erased.stuck_blocks, 0);
	extent_list_done(&all);
}

/* --- the template --- */

/* Two files that grow block by block in turn: no two blocks of one adjoin. */
static void make_fragmented(const char *path)
{
	const char *const names[] = {"one", "two"};
	ext2_file_t files[2];
	ext2_filsys fs;
	uint8_t block[BLOCK_BYTES];

	ck_assert_int_eq(ext2fs_open(path, EXT2_FLAG_RW, 0, 0, unix_io_manager, &fs), 0);
	ck_assert_int_eq(ext2fs_read_bitmaps(fs), 0);
	for (int i = 0; i < 2; i++) {
		ext2_ino_t inode;

		ck_assert_int_eq(
			ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, names[i], &inode), 0);
		ck_assert_int_eq(ext2fs_file_open(fs, inode, EXT2_FILE_WRITE, &files[i]), 0);
	}
	for (int n = 0; n < 6; n++) {
		for (int i = 0; i < 2; i++) {
			unsigned int written;

			memset(block, 'a' + n, sizeof(block));
			if (i == 0) { /* the mark lies across each seam */
				memcpy(block, "MARK", 4);
				memcpy(block + sizeof(block) - 4, "SEAM", 4);
			}
			ck_assert_int_eq(
				ext2fs_file_write(files[i], block, sizeof(block), &written), 0);
			ck_assert_int_eq(ext2fs_file_flush(files[i]), 0);
		}
	}
	ck_assert_int_eq(ext2fs_file_close(files[0]), 0);
	ck_assert_int_eq(ext2fs_file_close(files[1]), 0);
	ck_assert_int_eq(ext2fs_close_free(&fs), 0);
}

static void make_plain(const char *path, uint64_t blocks)
{
	ck_assert_int_eq(
		run("cd %s && mkdir tree tree/DIRMARKfolder && "
		    "{ head -c 4090 /dev/zero | tr '\\0' x; printf EDGEMARK; } > tree/edge && "
		    "yes 'LIVEMARK of a job' | head -c 30000 > tree/DIRMARKfolder/job && "
		    "printf 'W\\0I\\0D\\0E\\0M\\0A\\0R\\0K\\0' > tree/wide && "
		    "ln -s LINKMARK/somewhere tree/link && : > tree/one && : > tree/two && "
		    "mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0 -d tree %s "
		    "%" PRIu64 " >/dev/null 2>&1 && rm -r tree",
			folder, path, blocks),
		0);
	make_fragmented(path);
}

/* What is not zero is written; the rest stays CLEAN. */
static void copy_plain(struct open_volume *v, const char *path)
{
	static const uint8_t zeros[BLOCK_BYTES];
	uint8_t block[BLOCK_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (uint64_t b = 0; b < residue_blocks(v->residue); b++) {
		ck_assert_int_eq(
			pread(fd, block, sizeof(block), (off_t)(b * BLOCK_BYTES)), BLOCK_BYTES);
		if (memcmp(block, zeros, sizeof(block)) != 0)
			ck_assert_int_eq(
				blockdev_write(v->plain, (struct extent){b, 1}, block, BLOCK_BYTES),
				0);
	}
	close(fd);
}

static void write_text(struct open_volume *v, struct extent at, const char *text)
{
	uint8_t block[BLOCK_BYTES];

	memset(block, '.', sizeof(block));
	memcpy(block + 100, text, strlen(text));
	for (uint64_t i = 0; i < at.count; i++)
		ck_assert_int_eq(blockdev_write(v->plain, (struct extent){at.first + i, 1}, block,
					 BLOCK_BYTES),
			0);
}

static void make_template(void)
{
	const struct volume_format_options options = {.size_bytes = IMAGE_BYTES,
		.scheme = scheme_default(),
		.profile = PROFILE_HCD_CPP, /* PBKDF2: read without Argon2 */
		.kdf_iteration_ms = 1};
	_cleanup_secret_ struct secret *secret = passphrase();
	struct volume_format_report made;
	struct open_volume v;
	char plain[96];

	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_msg(volume_format(template, &options, secret, &made, &problem) == 0, "%s",
		problem.text);
	snprintf(plain, sizeof(plain), "%s/plain", folder);
	make_plain(plain, made.data_bytes / BLOCK_BYTES);
	v = open_volume(template);
	copy_plain(&v, plain);

	/* A job that was here, and was retired. */
	gone_block = residue_blocks(v.residue) - 2 * GONE_BLOCKS;
	write_text(&v, (struct extent){gone_block, GONE_BLOCKS}, "GONEMARK");
	ck_assert_int_eq(blockdev_flush(v.plain), 0);
	ck_assert_int_eq(blockdev_discard(v.plain, (struct extent){gone_block, GONE_BLOCKS}), 0);
	erase_all(&v);
	note_fingerprint(&v);
	ck_assert_int_eq(residue_set_filesystem_expected(v.residue, true), 0);
	close_volume(&v);
}

static void setup(void)
{
	snprintf(image, sizeof(image), "%s/image.%d", folder, (int)getpid());
	ck_assert_int_eq(run("cp --sparse=always %s %s", template, image), 0);
	ck_assert_int_eq(search_new(&search), 0);
}

static void teardown(void)
{
	inspect_report_free(report);
	search_free(search);
	unlink(image);
}

/* --- asking --- */

static void look_for(const char *text)
{
	ck_assert_int_eq(search_add(search, text, strlen(text)), 0);
}

static int try_inspect(void)
{
	_cleanup_secret_ struct secret *secret = passphrase();

	inspect_report_free(report);
	report = NULL;
	return inspect_volume(image, secret, search, NULL, &report, &problem);
}

static void inspect(enum inspect_verdict verdict)
{
	ck_assert_msg(try_inspect() == 0, "%s", problem.text);
	ck_assert_msg(inspect_verdict_of(report) == verdict, "verdict %d: %s",
		(int)inspect_verdict_of(report),
		report->reason_count ? report->reasons[0].text : "no reason");
}

static const struct inspect_example *example_at(size_t index, enum inspect_place place)
{
	for (size_t i = 0; i < report->searched[index].example_count; i++) {
		if (report->searched[index].examples[i].place == place)
			return &report->searched[index].examples[i];
	}
	ck_abort_msg("no example in place %d", (int)place);
}

/* Exactly this many hits of string index, and all of them there. */
static void assert_hits(size_t index, enum inspect_place place, uint64_t count)
{
	const struct inspect_searched *searched = &report->searched[index];

	ck_assert_uint_eq(searched->hits[place], count);
	ck_assert_uint_eq(searched->raw_hits + searched->decrypted_hits, count);
}

static void assert_finding(enum inspect_finding_kind kind, struct extent extent)
{
	for (size_t i = 0; i < report->finding_count; i++) {
		if (report->findings[i].kind == kind &&
			report->findings[i].extent.first == extent.first &&
			report->findings[i].extent.count == extent.count)
			return;
	}
	ck_abort_msg(
		"%s is not among %zu findings", inspect_finding_name(kind), report->finding_count);
}

static void assert_reason(const char *part)
{
	for (size_t i = 0; i < report->reason_count; i++) {
		if (strstr(report->reasons[i].text, part))
			return;
	}
	ck_abort_msg("\"%s\" is not among %zu reasons", part, report->reason_count);
}

/* --- planting below the map --- */

static void write_raw(uint64_t offset, const void *bytes, size_t count)
{
	int fd = open(image, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)offset), (ssize_t)count);
	close(fd);
}

static struct layout layout_of(void)
{
	const struct raw_options options = {.read_only = true, .block_bytes = BLOCK_BYTES};
	struct blockdev *device;
	struct layout layout;

	ck_assert_int_eq(raw_open(image, &options, &device, NULL), 0);
	ck_assert_int_eq(layout_read(device, NULL, &layout, NULL), 0);
	device = blockdev_close(device);
	return layout;
}

/* As dm-crypt would: past the map. */
static void write_beneath(uint64_t block, const char *text)
{
	const struct raw_options options = {.block_bytes = BLOCK_BYTES};
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *secret = passphrase(), *key = NULL;
	struct layout layout = layout_of();
	struct blockdev *device, *window, *crypted;
	uint8_t data[BLOCK_BYTES];
	int slot;

	ck_assert_int_eq(keystore_open(image, true, &keystore, NULL), 0);
	ck_assert_int_eq(keystore_unlock(keystore, secret, -1, &key, &slot, NULL), 0);
	ck_assert_int_eq(raw_open(image, &options, &device, NULL), 0);
	ck_assert_int_eq(window_new(device,
				 (struct extent){layout.data_first,
					 blockdev_blocks(device) - layout.data_first},
				 &window),
		0);
	ck_assert_int_eq(crypted_new(window, key, BLOCK_BYTES, 0, &crypted), 0);
	ck_assert_int_eq(blockdev_read(crypted, (struct extent){block, 1}, data, BLOCK_BYTES), 0);
	memcpy(data + 200, text, strlen(text));
	ck_assert_int_eq(blockdev_write(crypted, (struct extent){block, 1}, data, BLOCK_BYTES), 0);
	crypted = blockdev_close(crypted);
	window = blockdev_close(window);
	device = blockdev_close(device);
}

/* --- a healthy volume --- */

START_TEST(a_healthy_volume_shows_nothing_of_a_retired_job)
{
	look_for("GONEMARK");
	inspect(INSPECT_NOTHING_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_FREE, 0);
	ck_assert(report->is_managed && report->has_map && report->is_compared);
	ck_assert(!report->opened.was_unclean && report->ext4.is_ext4);
	ck_assert_uint_eq(report->compared.clean_last_pattern, GONE_BLOCKS);
	ck_assert_uint_eq(report->compared.free[RESIDUE_CLASS_CLEAN], report->ext4.free_blocks);
	ck_assert_uint_eq(report->compared.free[RESIDUE_CLASS_LIVE], 0);
	ck_assert_uint_eq(report->compared.owned[RESIDUE_CLASS_LIVE], report->counts.live);
	ck_assert_uint_eq(report->counts.clean + report->counts.live, report->blocks);
	ck_assert_uint_eq(report->slot_count, 1);
	ck_assert_str_eq(report->token.scheme, scheme_default()->name);
	ck_assert_uint_eq(report->map_pages, 1);
	ck_assert_uint_eq(report->finding_count, 0);
}
END_TEST

START_TEST(nothing_on_the_medium_is_changed)
{
	look_for("LIVEMARK");
	inspect(INSPECT_FOUND);
	ck_assert_int_eq(run("cmp -s %s %s", image, template), 0);
}
END_TEST

START_TEST(it_works_without_anything_to_search)
{
	_cleanup_secret_ struct secret *secret = passphrase();

	ck_assert_int_eq(inspect_volume(image, secret, NULL, NULL, &report, &problem), 0);
	ck_assert_int_eq(inspect_verdict_of(report), INSPECT_NOTHING_FOUND);
	ck_assert_uint_eq(report->searched_count, 0);
}
END_TEST

START_TEST(a_live_file_is_named)
{
	const struct inspect_example *example;

	look_for("LIVEMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_FILE, (30000 + 17) / 18);
	ck_assert_uint_eq(report->searched[0].raw_hits, 0);
	example = example_at(0, INSPECT_DECRYPTED_FILE);
	ck_assert_str_eq(example->path, "/DIRMARKfolder/job");
	ck_assert_uint_gt(example->inode, 10);
	ck_assert(example->has_class && example->class == RESIDUE_CLASS_LIVE);
	ck_assert_uint_eq(report->finding_count, 0);
}
END_TEST

START_TEST(a_name_in_a_directory_is_named)
{
	look_for("DIRMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_DIRECTORY, 1);
	ck_assert_str_eq(example_at(0, INSPECT_DECRYPTED_DIRECTORY)->path, "/");
}
END_TEST

START_TEST(a_short_symbolic_link_is_found_in_its_inode)
{
	look_for("LINKMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_INODES, 1);
	ck_assert_str_eq(example_at(0, INSPECT_DECRYPTED_INODES)->path, "/link");
}
END_TEST

START_TEST(a_match_across_blocks_that_adjoin_is_found)
{
	const struct inspect_example *example;

	look_for("EDGEMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_FILE, 1);
	example = example_at(0, INSPECT_DECRYPTED_FILE);
	ck_assert_uint_eq(example->offset_bytes % BLOCK_BYTES, 4090);
	ck_assert(!example->is_seam);
	ck_assert_str_eq(example->path, "/edge");
}
END_TEST

START_TEST(a_match_across_the_extents_of_a_file_is_found)
{
	const struct inspect_example *example;

	look_for("SEAMMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_FILE, 5);
	example = example_at(0, INSPECT_DECRYPTED_FILE);
	ck_assert(example->is_seam);
	ck_assert_str_eq(example->path, "/one");
}
END_TEST

START_TEST(utf16_on_the_volume_is_found)
{
	look_for("WIDEMARK");
	inspect(INSPECT_FOUND);
	ck_assert_int_eq(example_at(0, INSPECT_DECRYPTED_FILE)->form, SEARCH_UTF16LE);
	ck_assert_str_eq(example_at(0, INSPECT_DECRYPTED_FILE)->path, "/wide");
}
END_TEST

START_TEST(an_independent_decryptor_counts_the_same)
{
	static const char *const texts[] = {"LIVEMARK", "DIRMARK", "EDGEMARK", "GONEMARK", "lost+"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		look_for(texts[i]);
	inspect(INSPECT_FOUND);
	ck_assert_int_eq(
		run("python3 tests/tools/luks2_decrypt.py %s %s > %s.plain", image, keyfile, image),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_int_eq(run("test $(grep -a -o -F %s %s.plain | wc -l) = %" PRIu64,
					 texts[i], image, report->searched[i].decrypted_hits),
			0);
	run("rm -f %s.plain", image);
}
END_TEST

/* --- below the map --- */

START_TEST(ciphertext_under_a_clean_block_is_found)
{
	write_beneath(gone_block + 7, "PLANTMARK");
	look_for("PLANTMARK");
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_CLEAN_NOT_BLANK, (struct extent){gone_block + 7, 1});
	assert_hits(0, INSPECT_DECRYPTED_FREE, 1);
	ck_assert_int_eq(example_at(0, INSPECT_DECRYPTED_FREE)->class, RESIDUE_CLASS_CLEAN);
	ck_assert_uint_eq(example_at(0, INSPECT_DECRYPTED_FREE)->offset_bytes,
		(gone_block + 7) * BLOCK_BYTES + 200);
	ck_assert_uint_eq(report->compared.clean_not_blank, 1);
}
END_TEST

START_TEST(one_byte_in_a_clean_block_is_a_finding_without_any_search)
{
	struct layout layout = layout_of();

	write_raw((layout.data_first + gone_block + 9) * BLOCK_BYTES + 4095, "x", 1);
	write_raw((layout.data_first + gone_block + 10) * BLOCK_BYTES, "x", 1);
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_CLEAN_NOT_BLANK, (struct extent){gone_block + 9, 2});
	ck_assert_uint_eq(report->finding_count, 1);
}
END_TEST

START_TEST(plaintext_on_the_medium_is_found_in_every_area)
{
	struct layout layout = layout_of();
	const struct {
		uint64_t offset;
		enum inspect_place place;
	} planted[] = {
		{(4 << 20) - 100, INSPECT_IN_HEADER},
		{(extent_end(layout.map) - 1) * BLOCK_BYTES, INSPECT_IN_MAP},
		{layout.spare.first * BLOCK_BYTES + 5, INSPECT_IN_SPARE},
		{layout.redo.first * BLOCK_BYTES + 5, INSPECT_IN_REDO},
		{layout.scratch.first * BLOCK_BYTES + 5, INSPECT_IN_SCRATCH},
		{(layout.data_first + gone_block) * BLOCK_BYTES - 4, INSPECT_IN_DATA},
		{IMAGE_BYTES - 9, INSPECT_IN_DATA},
		{IMAGE_BYTES + 8000, INSPECT_BEHIND},
	};

	ck_assert_int_eq(truncate(image, IMAGE_BYTES + 3 * BLOCK_BYTES), 0);
	for (size_t i = 0; i < ARRAY_SIZE(planted); i++)
		write_raw(planted[i].offset, "PLAINMARK", 9);
	look_for("PLAINMARK");
	inspect(INSPECT_FOUND);
	ck_assert_uint_eq(report->searched[0].raw_hits, ARRAY_SIZE(planted));
	ck_assert_uint_eq(report->searched[0].hits[INSPECT_IN_DATA], 2);
	for (size_t i = 0; i < ARRAY_SIZE(planted); i++) {
		bool found = false;

		for (size_t e = 0; e < report->searched[0].example_count; e++)
			found |= report->searched[0].examples[e].place == planted[i].place &&
				 report->searched[0].examples[e].offset_bytes == planted[i].offset;
		ck_assert_msg(found, "%s", inspect_place_name(planted[i].place));
	}
}
END_TEST

/* --- map against file system --- */

START_TEST(a_free_block_that_the_map_calls_live_is_a_finding)
{
	struct open_volume v = open_volume(image);

	write_text(&v, (struct extent){gone_block + 3, 2}, "LEFTMARK");
	close_volume(&v);
	look_for("LEFTMARK");
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_FREE_BUT_LIVE, (struct extent){gone_block + 3, 2});
	assert_hits(0, INSPECT_DECRYPTED_FREE, 2);
}
END_TEST

START_TEST(residue_is_owed_and_no_finding_but_a_search_sees_it)
{
	struct open_volume v = open_volume(image);

	write_text(&v, (struct extent){gone_block, 5}, "OWEDMARK");
	ck_assert_int_eq(blockdev_flush(v.plain), 0);
	ck_assert_int_eq(blockdev_discard(v.plain, (struct extent){gone_block, 5}), 0);
	close_volume(&v);
	inspect(INSPECT_NOTHING_FOUND);
	ck_assert_uint_eq(report->counts.residue, 5);
	ck_assert_uint_eq(report->compared.free[RESIDUE_CLASS_RESIDUE], 5);

	look_for("OWEDMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED_FREE, 5);
	ck_assert_int_eq(example_at(0, INSPECT_DECRYPTED_FREE)->class, RESIDUE_CLASS_RESIDUE);
}
END_TEST

/* The medium refuses a block: it is read from the spare area from then on. */
START_TEST(a_remapped_block_is_searched_where_it_lies_and_where_it_lay)
{
	struct open_volume v = open_volume(image);
	struct extent_list wanted = {0}, taken = {0};
	uint8_t block[BLOCK_BYTES];
	struct layout layout;

	write_text(&v, (struct extent){gone_block + 4, 3}, "OLDMARK");
	ck_assert_int_eq(blockdev_flush(v.plain), 0);
	ck_assert_int_eq(blockdev_discard(v.plain, (struct extent){gone_block + 4, 3}), 0);
	ck_assert_int_eq(extent_list_add(&wanted, (struct extent){gone_block + 5, 1}), 0);
	ck_assert_int_eq(residue_erase_begin(v.residue, &wanted, &taken), 0);
	ck_assert_uint_eq(extent_list_blocks(&taken), 1);
	ck_assert_int_eq(residue_erase_stuck(v.residue, gone_block + 5, -EIO), 0);
	extent_list_done(&wanted);
	extent_list_done(&taken);
	erase_all(&v);
	close_volume(&v);

	look_for("OLDMARK");
	look_for("NEWMARK");
	look_for("EEEEEEnnnnnn");
	inspect(INSPECT_FOUND);
	ck_assert_uint_eq(report->stuck_count, 1);
	ck_assert_uint_eq(report->counts.stuck, 1);
	assert_hits(0, INSPECT_DECRYPTED_REFUSED, 1);
	assert_hits(1, INSPECT_DECRYPTED_FREE, 0);
	/* Its spare shows the pattern: the old place does not count against CLEAN. */
	ck_assert_uint_eq(report->finding_count, 0);

	v = open_volume(image);
	memset(block, 'E', sizeof(block)); /* and a match across into the remapped block */
	ck_assert_int_eq(
		blockdev_write(v.plain, (struct extent){gone_block + 4, 1}, block, BLOCK_BYTES), 0);
	memset(block, 'n', sizeof(block));
	memcpy(block + 100, "NEWMARK", 7);
	ck_assert_int_eq(
		blockdev_write(v.plain, (struct extent){gone_block + 5, 1}, block, BLOCK_BYTES), 0);
	close_volume(&v);
	inspect(INSPECT_FOUND);
	assert_hits(1, INSPECT_DECRYPTED_FREE, 1);
	ck_assert_uint_eq(example_at(1, INSPECT_DECRYPTED_FREE)->offset_bytes,
		(gone_block + 5) * BLOCK_BYTES + 100);
	assert_hits(0, INSPECT_DECRYPTED_REFUSED, 1);
	assert_hits(2, INSPECT_DECRYPTED_FREE, 1);
	ck_assert(example_at(2, INSPECT_DECRYPTED_FREE)->is_seam);

	/* Without the list of remapped blocks there is no map; it is searched all the same. */
	layout = layout_of();
	write_raw(layout.stuck.first * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	write_raw((layout.stuck.first + 1) * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	inspect(INSPECT_FOUND);
	ck_assert(!report->has_map);
	assert_reason("list of remapped blocks");
	ck_assert_uint_eq(report->searched[0].decrypted_hits, 1);
}
END_TEST

/* --- damage --- */

START_TEST(a_damaged_map_slot_is_found)
{
	struct layout layout = layout_of();

	write_raw(layout.map.first * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_MAP_SLOT, (struct extent){0, 1});
	assert_reason("UNKNOWN");
	ck_assert_uint_eq(report->damaged_slots, 1);
	ck_assert_uint_eq(report->damaged_pages, 1);
	ck_assert_uint_eq(report->counts.unknown, report->blocks);

	write_raw((layout.map.first + 1) * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	inspect(INSPECT_FOUND);
	ck_assert_uint_eq(report->damaged_slots, 2);
}
END_TEST

START_TEST(damaged_volume_and_stuck_pages_are_found)
{
	struct layout layout = layout_of();

	write_raw(layout.state.first * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	write_raw(layout.stuck.first * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_VOLUME_PAGE_SLOT, (struct extent){0, 1});
	assert_finding(INSPECT_STUCK_PAGE_SLOT, (struct extent){0, 1});

	/* No block was ever remapped: without its list nothing is read from a wrong place. */
	write_raw((layout.stuck.first + 1) * BLOCK_BYTES + 300, "\xff\x00\xff", 3);
	inspect(INSPECT_FOUND);
	ck_assert(report->has_map);
	ck_assert_uint_eq(report->damaged_slots, 3);
}
END_TEST

START_TEST(a_damaged_copy_of_the_superblock_is_found)
{
	struct layout layout = layout_of();
	uint64_t copy = (uint64_t)_i;

	write_raw((layout.superblock.first + copy) * BLOCK_BYTES + 20, "\xff\x00", 2);
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_SUPERBLOCK_COPY, (struct extent){copy, 1});
	ck_assert(report->has_map);
}
END_TEST

START_TEST(without_a_superblock_it_cannot_tell_but_searches)
{
	struct layout layout = layout_of();

	write_raw(layout.superblock.first * BLOCK_BYTES + 20, "\xff\x00", 2);
	write_raw((layout.superblock.first + 1) * BLOCK_BYTES + 20, "\xff\x00", 2);
	inspect(INSPECT_CANNOT_TELL);
	ck_assert(report->is_managed && !report->has_layout && !report->has_map);
	assert_reason("damaged");

	look_for("LIVEMARK");
	inspect(INSPECT_FOUND);
	ck_assert_str_eq(example_at(0, INSPECT_DECRYPTED_FILE)->path, "/DIRMARKfolder/job");
}
END_TEST

START_TEST(remains_of_a_redo_record_are_found)
{
	struct layout layout = layout_of();
	uint8_t remains[2 * BLOCK_BYTES];

	for (size_t i = 0; i < sizeof(remains); i++)
		remains[i] = (uint8_t)(i * 2654435761u >> 13);
	write_raw((layout.redo.first + 3) * BLOCK_BYTES, remains, sizeof(remains));
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_REDO_NOT_BLANK, (struct extent){3, 2});
}
END_TEST

START_TEST(a_change_that_was_interrupted_cannot_tell)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *secret = passphrase(), *key = NULL;
	struct layout layout = layout_of();
	uint8_t content[BLOCK_BYTES] = "RECORDMARK";
	struct redo_write write = {gone_block, content};
	struct redo_record record = {.sequence = 1, .writes = &write, .write_count = 1};
	uint64_t blocks = 1 + redo_body_blocks(1, 0);
	uint8_t *sealed = calloc(blocks, BLOCK_BYTES);
	int slot;

	ck_assert_ptr_nonnull(sealed);
	ck_assert_int_eq(keystore_open(image, true, &keystore, NULL), 0);
	ck_assert_int_eq(keystore_unlock(keystore, secret, -1, &key, &slot, NULL), 0);
	ck_assert_int_eq(redo_record_encode(&record, &layout, key, sealed), 0);
	write_raw(layout.redo.first * BLOCK_BYTES, sealed, blocks * BLOCK_BYTES);
	free(sealed);
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("interrupted");
	ck_assert(report->is_redo_pending && !report->is_compared);
}
END_TEST

START_TEST(a_removed_token_is_found)
{
	ck_assert_int_eq(run("cryptsetup token remove --token-id 0 %s >/dev/null 2>&1", image), 0);
	inspect(INSPECT_FOUND);
	assert_finding(INSPECT_TOKEN_MISSING, (struct extent){0, 1});
	ck_assert(report->is_managed && report->has_map);
}
END_TEST

START_TEST(a_journal_that_needs_recovery_cannot_tell)
{
	struct open_volume v = open_volume(image);
	uint8_t block[BLOCK_BYTES];
	uint32_t sum;

	ck_assert_int_eq(blockdev_read(v.plain, (struct extent){0, 1}, block, BLOCK_BYTES), 0);
	block[1024 + 0x60] |= EXT3_FEATURE_INCOMPAT_RECOVER;
	sum = ext2fs_crc32c_le(~0u, block + 1024, 1020);
	memcpy(block + 1024 + 1020, &sum, sizeof(sum));
	ck_assert_int_eq(blockdev_write(v.plain, (struct extent){0, 1}, block, BLOCK_BYTES), 0);
	note_fingerprint(&v);
	close_volume(&v);
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("journal");
	ck_assert(!report->is_compared && report->ext4.needs_recovery);
}
END_TEST

START_TEST(a_foreign_write_to_the_file_system_cannot_tell)
{
	struct open_volume v = open_volume(image);
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES] = {1};

	residue_set_fingerprint(v.residue, fingerprint);
	close_volume(&v);
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("written since");
}
END_TEST

START_TEST(a_distrusted_map_cannot_tell)
{
	struct open_volume v = open_volume(image);

	ck_assert_int_eq(residue_distrust(v.residue), 0);
	close_volume(&v);
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("UNKNOWN");
	ck_assert_uint_eq(report->counts.unknown, report->blocks);
}
END_TEST

START_TEST(a_refused_file_system_cannot_tell)
{
	write_beneath(0, ""); /* the block is LIVE: rewritten as it is */
	inspect(INSPECT_NOTHING_FOUND);
	{
		struct open_volume v = open_volume(image);
		uint8_t block[BLOCK_BYTES];

		ck_assert_int_eq(
			blockdev_read(v.plain, (struct extent){0, 1}, block, BLOCK_BYTES), 0);
		block[1024 + 0x200] ^= 1;
		ck_assert_int_eq(
			blockdev_write(v.plain, (struct extent){0, 1}, block, BLOCK_BYTES), 0);
		note_fingerprint(&v);
		close_volume(&v);
	}
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("checksum");
}
END_TEST

START_TEST(an_image_that_was_cut_short_is_told)
{
	ck_assert_int_eq(truncate(image, IMAGE_BYTES - BLOCK_BYTES), 0);
	inspect(INSPECT_CANNOT_TELL);
	assert_reason("cut short");
	ck_assert(!report->has_map);

	ck_assert_int_eq(truncate(image, 5 << 20), 0);
	ck_assert_int_eq(try_inspect(), -ENXIO);
	ck_assert_ptr_nonnull(strstr(problem.text, "cut short"));
}
END_TEST

/* --- what is refused --- */

START_TEST(an_attached_volume_is_refused)
{
	struct open_volume v = open_volume(image);

	ck_assert_int_eq(try_inspect(), -EBUSY);
	ck_assert_ptr_nonnull(strstr(problem.text, "in use"));
	close_volume(&v);
	inspect(INSPECT_NOTHING_FOUND);
}
END_TEST

START_TEST(a_wrong_passphrase_is_refused)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new_copy("wrong", 5, &secret), 0);
	ck_assert_int_eq(inspect_volume(image, secret, NULL, NULL, &report, &problem), -EPERM);
	secret_free(secret);
}
END_TEST

/* --- other volumes --- */

START_TEST(a_stock_volume_is_encryption_only_and_searched)
{
	static const char *const sectors[] = {"512", "4096"};
	char plain[128];

	snprintf(plain, sizeof(plain), "%s.stock", image);
	make_plain(plain, 2560);
	unlink(image);
	ck_assert_int_eq(
		run("truncate -s 27M %s && cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 "
		    "--pbkdf-force-iterations 1000 --sector-size %s --key-file %s "
		    "--cipher aes-xts-plain64 --key-size 512 %s >/dev/null 2>&1 && "
		    "python3 tests/tools/luks2_decrypt.py %s %s --encrypt-back < %s",
			image, sectors[_i], keyfile, image, image, keyfile, plain),
		0);
	unlink(plain);
	inspect(INSPECT_NOTHING_FOUND);
	ck_assert(!report->is_managed && !report->has_map && report->ext4.is_ext4);

	look_for("LIVEMARK");
	look_for("EDGEMARK");
	look_for("SEAMMARK");
	look_for("GONEMARK");
	inspect(INSPECT_FOUND);
	ck_assert_str_eq(example_at(0, INSPECT_DECRYPTED_FILE)->path, "/DIRMARKfolder/job");
	assert_hits(1, INSPECT_DECRYPTED_FILE, 1);
	assert_hits(2, INSPECT_DECRYPTED_FILE, 5);
	assert_hits(3, INSPECT_DECRYPTED_FILE, 0);
}
END_TEST

START_TEST(a_volume_without_a_file_system_is_judged_by_its_map)
{
	const struct volume_format_options options = {.size_bytes = 24 << 20,
		.scheme = scheme_default(),
		.profile = PROFILE_HCD_CPP,
		.kdf_iteration_ms = 1};
	_cleanup_secret_ struct secret *secret = passphrase();
	struct volume_format_report made;
	struct open_volume v;

	unlink(image);
	ck_assert_int_eq(volume_format(image, &options, secret, &made, &problem), 0);
	v = open_volume(image);
	write_text(&v, (struct extent){10, 3}, "BAREMARK");
	close_volume(&v);
	inspect(INSPECT_NOTHING_FOUND);
	ck_assert(report->has_map && !report->is_compared && !report->ext4.is_ext4);
	ck_assert_uint_eq(report->counts.live, 3);

	look_for("BAREMARK");
	write_beneath(100, "BAREMARK");
	inspect(INSPECT_FOUND);
	assert_hits(0, INSPECT_DECRYPTED, 4);
	assert_finding(INSPECT_CLEAN_NOT_BLANK, (struct extent){100, 1});
}
END_TEST

START_TEST(a_random_last_pass_is_not_judged)
{
	const struct scheme *random = NULL;
	const struct volume_format_options *options;
	struct volume_format_options made_with = {
		.size_bytes = 24 << 20, .profile = PROFILE_HCD_CPP, .kdf_iteration_ms = 1};
	_cleanup_secret_ struct secret *secret = passphrase();
	struct volume_format_report made;

	for (size_t i = 0; scheme_at(i) && !random; i++) {
		if (scheme_at(i)->passes[scheme_at(i)->pass_count - 1].kind == PASS_RANDOM)
			random = scheme_at(i);
	}
	ck_assert_ptr_nonnull(random);
	made_with.scheme = random;
	options = &made_with;
	unlink(image);
	ck_assert_int_eq(volume_format(image, options, secret, &made, &problem), 0);
	write_beneath(100, "HIDDENMARK");
	inspect(INSPECT_NOTHING_FOUND);
	ck_assert_uint_eq(report->compared.clean_random, 1);
	look_for("HIDDENMARK"); /* the search sees it all the same */
	inspect(INSPECT_FOUND);
}
END_TEST

/* --- the verb --- */

static int verb(const char *const *arguments, char *text, size_t bytes)
{
	char out[112];
	char *argv[16] = {NULL}, *copies[16];
	int argc = 0, fd, saved, code;
	ssize_t n;

	snprintf(out, sizeof(out), "%s.out", image);
	while (arguments[argc]) {
		argv[argc] = copies[argc] = strdup(arguments[argc]); /* getopt changes the order */
		argc++;
	}
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	dup2(fd, STDOUT_FILENO);
	code = cli_verb_inspect.run(argc, argv);
	while (argc > 0)
		free(copies[--argc]);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, text, bytes - 1, 0);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	unlink(out);
	return code;
}

START_TEST(the_verb_answers_by_its_exit_code_and_one_json_object)
{
	const char *const nothing[] = {"inspect", "--passphrase-file", keyfile, "--json",
		"--search", "GONEMARK", image, NULL};
	const char *const live[] = {"inspect", "--json", "--search", "GONEMARK", "--search",
		"LIVEMARK", "--passphrase-file", keyfile, image, NULL};
	struct json_object *object, *searches, *places, *value;
	static char text[65536];

	ck_assert_int_eq(verb(nothing, text, sizeof(text)), CLI_YES);
	object = json_tokener_parse(text);
	ck_assert_ptr_nonnull(object);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "schema")),
		"spoolguard.inspect/1");
	ck_assert_str_eq(
		json_object_get_string(json_object_object_get(object, "verdict")), "nothing-found");
	json_object_put(object);

	ck_assert_int_eq(verb(live, text, sizeof(text)), CLI_NO);
	object = json_tokener_parse(text);
	ck_assert_ptr_nonnull(object);
	searches = json_object_object_get(object, "searches");
	ck_assert_uint_eq(json_object_array_length(searches), 2);
	value = json_object_object_get(json_object_array_get_idx(searches, 1), "decrypted");
	ck_assert_int_eq(json_object_get_int(value), (30000 + 17) / 18);
	places = json_object_object_get(json_object_array_get_idx(searches, 1), "places");
	ck_assert(json_object_object_get_ex(places, "decrypted-file", &value));
	json_object_put(object);
}
END_TEST

START_TEST(the_verb_tells_people_where)
{
	const char *const arguments[] = {
		"inspect", "--passphrase-file", keyfile, "--search", "LIVEMARK", image, NULL};
	static char text[65536];

	ck_assert_int_eq(verb(arguments, text, sizeof(text)), CLI_NO);
	ck_assert_ptr_nonnull(strstr(text, "live file"));
	ck_assert_ptr_nonnull(strstr(text, "/DIRMARKfolder/job"));
	ck_assert_ptr_nonnull(strstr(text, "1667 times"));
}
END_TEST

START_TEST(strings_come_from_the_lines_of_a_file)
{
	char lines[112];
	const char *const arguments[] = {"inspect", "--passphrase-file", keyfile, "--json",
		"--search-file", lines, image, NULL};
	static char text[65536];
	struct json_object *object;

	snprintf(lines, sizeof(lines), "%s.lines", image);
	ck_assert_int_eq(run("printf 'GONEMARK\\n\\nno such line\\nEDGEMARK' > %s", lines), 0);
	ck_assert_int_eq(verb(arguments, text, sizeof(text)), CLI_NO);
	object = json_tokener_parse(text);
	ck_assert_uint_eq(json_object_array_length(json_object_object_get(object, "searches")), 3);
	json_object_put(object);
	unlink(lines);
}
END_TEST

START_TEST(the_verb_tells_usage_from_cannot_tell)
{
	const char *const no_path[] = {"inspect", "--json", NULL};
	const char *const too_short[] = {"inspect", "--search", "abc", image, NULL};
	const char *const unknown[] = {"inspect", "--serach", "abcd", image, NULL};
	const char *const valueless[] = {"inspect", image, "--search", NULL};
	const char *const two[] = {"inspect", image, image, NULL};
	const char *const wrong[] = {"inspect", "--passphrase-file", "/etc/hostname", image, NULL};
	const char *const missing[] = {
		"inspect", "--passphrase-file", keyfile, "/nonexistent", NULL};
	char text[4096];

	ck_assert_int_eq(verb(no_path, text, sizeof(text)), CLI_USAGE);
	ck_assert_int_eq(verb(too_short, text, sizeof(text)), CLI_USAGE);
	ck_assert_int_eq(verb(unknown, text, sizeof(text)), CLI_USAGE);
	ck_assert_int_eq(verb(valueless, text, sizeof(text)), CLI_USAGE);
	ck_assert_int_eq(verb(two, text, sizeof(text)), CLI_USAGE);
	ck_assert_int_eq(verb(wrong, text, sizeof(text)), CLI_CANNOT_TELL);
	ck_assert_int_eq(verb(missing, text, sizeof(text)), CLI_CANNOT_TELL);
	ck_assert_str_eq(text, "");
}
END_TEST

static void make_folder(void)
{
	int fd;

	strcpy(folder, "/var/tmp/test_inspect.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(template, sizeof(template), "%s/template", folder);
	snprintf(keyfile, sizeof(keyfile), "%s/key", folder);
	fd = open(keyfile, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, PASSPHRASE, strlen(PASSPHRASE)), strlen(PASSPHRASE));
	close(fd);
}

/* Once, whichever case runs first. */
static void make_all(void)
{
	if (folder[0] != '\0')
		return;
	make_folder();
	make_template();
}

static TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_unchecked_fixture(tcase, make_all, NULL);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_tests(Suite *suite)
{
	TCase *tcase = new_case(suite, "healthy");

	tcase_add_test(tcase, a_healthy_volume_shows_nothing_of_a_retired_job);
	tcase_add_test(tcase, nothing_on_the_medium_is_changed);
	tcase_add_test(tcase, it_works_without_anything_to_search);
	tcase_add_test(tcase, a_live_file_is_named);
	tcase_add_test(tcase, a_name_in_a_directory_is_named);
	tcase_add_test(tcase, a_short_symbolic_link_is_found_in_its_inode);
	tcase_add_test(tcase, a_match_across_blocks_that_adjoin_is_found);
	tcase_add_test(tcase, a_match_across_the_extents_of_a_file_is_found);
	tcase_add_test(tcase, utf16_on_the_volume_is_found);
	tcase_add_test(tcase, an_independent_decryptor_counts_the_same);

	tcase = new_case(suite, "below the map");
	tcase_add_test(tcase, ciphertext_under_a_clean_block_is_found);
	tcase_add_test(tcase, one_byte_in_a_clean_block_is_a_finding_without_any_search);
	tcase_add_test(tcase, plaintext_on_the_medium_is_found_in_every_area);

	tcase = new_case(suite, "map against file system");
	tcase_add_test(tcase, a_free_block_that_the_map_calls_live_is_a_finding);
	tcase_add_test(tcase, residue_is_owed_and_no_finding_but_a_search_sees_it);
	tcase_add_test(tcase, a_remapped_block_is_searched_where_it_lies_and_where_it_lay);

	tcase = new_case(suite, "damage");
	tcase_add_test(tcase, a_damaged_map_slot_is_found);
	tcase_add_test(tcase, damaged_volume_and_stuck_pages_are_found);
	tcase_add_loop_test(tcase, a_damaged_copy_of_the_superblock_is_found, 0, 2);
	tcase_add_test(tcase, without_a_superblock_it_cannot_tell_but_searches);
	tcase_add_test(tcase, remains_of_a_redo_record_are_found);
	tcase_add_test(tcase, a_change_that_was_interrupted_cannot_tell);
	tcase_add_test(tcase, a_removed_token_is_found);
	tcase_add_test(tcase, a_journal_that_needs_recovery_cannot_tell);
	tcase_add_test(tcase, a_foreign_write_to_the_file_system_cannot_tell);
	tcase_add_test(tcase, a_distrusted_map_cannot_tell);
	tcase_add_test(tcase, a_refused_file_system_cannot_tell);
	tcase_add_test(tcase, an_image_that_was_cut_short_is_told);

	tcase = new_case(suite, "refused");
	tcase_add_test(tcase, an_attached_volume_is_refused);
	tcase_add_test(tcase, a_wrong_passphrase_is_refused);

	tcase = new_case(suite, "other volumes");
	tcase_add_loop_test(tcase, a_stock_volume_is_encryption_only_and_searched, 0, 2);
	tcase_add_test(tcase, a_volume_without_a_file_system_is_judged_by_its_map);
	tcase_add_test(tcase, a_random_last_pass_is_not_judged);

	tcase = new_case(suite, "verb");
	tcase_add_test(tcase, the_verb_answers_by_its_exit_code_and_one_json_object);
	tcase_add_test(tcase, the_verb_tells_people_where);
	tcase_add_test(tcase, strings_come_from_the_lines_of_a_file);
	tcase_add_test(tcase, the_verb_tells_usage_from_cannot_tell);
}

int main(void)
{
	Suite *suite = suite_create("inspect");
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	run("rm -rf %s", folder);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_harness.c - every self-test broken on purpose, one after the other
 *
 * Goal: H2 of harness.h.  On a sound machine all tests pass; with a fault injected exactly its test
 * fails, and no other does.
 * Method: a machine of our own (a directory with proc and sys, programs and their manifest, a
 * volume in an image file), so that what this host is like decides nothing but the noise source's
 * tests.
 *
 * Time limit: 300 s
 */
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/raw.h"
#include "crypto/hash.h"
#include "harness/harness.h"
#include "harness/manifest.h"
#include "keystore/keystore.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DATA_BLOCKS = 2048, PATH_BYTES = 1500 };

static char host[PATH_BYTES], image[PATH_BYTES], manifest[PATH_BYTES], program[PATH_BYTES];
static struct layout layout;
static struct secret *key;
static struct harness_volume volume;
static struct harness_options options;
static struct harness_report *report;
static struct problem problem;

/* --- the machine --- */

static void put_file(const char *directory, const char *name, const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[2 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
}

static void make_host(void)
{
	snprintf(host, sizeof(host), "%s/host", scratch_path());
	put_file(host, "proc/swaps", "Filename Type Size Used Priority\n");
	put_file(host, "proc/sys/kernel/core_pattern", "core\n");
	put_file(host, "proc/sys/kernel/osrelease", "6.1.0-spoolguard\n");
	put_file(host, "proc/sys/fs/protected_hardlinks", "1\n");
	put_file(host, "proc/self/mountinfo",
		"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
		"28 27 7:0 / /spool rw,nosuid,nodev,noexec,noatime - ext4 /dev/loop0 rw\n");
	put_file(host, "sys/power/state", "freeze mem disk\n");
	put_file(host, "sys/power/disk", "[disabled]\n");
}

static void add_line(char *text, const char *name)
{
	uint8_t digest[SHA256_BYTES];
	char path[2 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/bin/%s", scratch_path(), name);
	ck_assert_int_eq(manifest_hash(path, false, digest), 0);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(text + strlen(text), "%02x", digest[i]);
	sprintf(text + strlen(text), "  %s\n", name);
}

static void make_programs(void)
{
	char bin[PATH_BYTES], text[1000];

	snprintf(bin, sizeof(bin), "%s/bin", scratch_path());
	put_file(bin, "spoolguard", "this is the one that runs");
	put_file(bin, "spoolguard-volume", "this is another");
	strcpy(text, "# spoolguard manifest 1\n# version " SPOOLGUARD_VERSION
		     "\n# commit 0123\n# built 1720000000\n");
	add_line(text, "spoolguard");
	add_line(text, "spoolguard-volume");
	put_file(bin, "manifest", text);
	snprintf(manifest, sizeof(manifest), "%.1000s/manifest", bin);
	snprintf(program, sizeof(program), "%.1000s/spoolguard", bin);
}

static void make_volume(void)
{
	const struct raw_options raw = {.block_bytes = BLOCK_BYTES};
	struct keystore_format_options format = {.scheme = "hp",
		.kdf_memory_kib = 32,
		.kdf_iteration_ms = 1,
		.ret_volume_key = &key};
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_(blockdev_closep) struct blockdev *device = NULL;
	_cleanup_secret_ struct secret *passphrase = NULL;
	const struct extent_list none = {0};
	struct residue_parts parts;

	snprintf(image, sizeof(image), "%s/volume.img", scratch_path());
	put_file(scratch_path(), "volume.img", "");
	ck_assert_int_eq(truncate(image, 32 << 20), 0);
	ck_assert_int_eq(secret_new_copy("passphrase", 10, &passphrase), 0);
	ck_assert_int_eq(layout_plan(LAYOUT_SUPERBLOCK_BYTES / BLOCK_BYTES, LAYOUT_BLOCKS_PER_PAGE,
				 DATA_BLOCKS, DATA_BLOCKS, &layout),
		0);
	format.data_offset_bytes = layout.data_first * BLOCK_BYTES;
	ck_assert_int_eq(keystore_format(image, &format, passphrase, &keystore, &problem), 0);
	ck_assert_int_eq(raw_open(image, &raw, &device, &problem), 0);
	parts = (struct residue_parts){.device = device, .layout = &layout, .volume_key = key};
	ck_assert_int_eq(layout_write(device, &layout, key), 0);
	ck_assert_int_eq(residue_format(&parts, &none, &problem), 0);
}

/* --- a volume's process --- */

static struct blockdev *attached;
static struct residue *residue;

static int attached_overwrite(void *context, bool damage, struct scratch_report *ret_report)
{
	(void)context;
	return scratch_test(attached, layout.scratch, scheme_default(), damage, ret_report);
}

static int attached_map(void *context, bool damage, struct residue_check *ret_check)
{
	uint8_t block[BLOCK_BYTES];
	struct extent slot = {layout.map.first + 1, 1};

	(void)context;
	if (damage) {
		ck_assert_int_eq(blockdev_read(attached, slot, block, sizeof(block)), 0);
		block[700] ^= 2;
		ck_assert_int_eq(blockdev_write(attached, slot, block, sizeof(block)), 0);
	}
	return residue_check(residue, ret_check);
}

static const struct harness_port port = {.overwrite = attached_overwrite, .map = attached_map};

static void attach(void)
{
	const struct raw_options raw = {.block_bytes = BLOCK_BYTES};
	struct residue_open_report opened;
	struct residue_parts parts;

	ck_assert_int_eq(raw_open(image, &raw, &attached, &problem), 0);
	parts = (struct residue_parts){.device = attached, .layout = &layout, .volume_key = key};
	ck_assert_int_eq(residue_open(&parts, &residue, &opened, &problem), 0);
	volume.port = &port;
}

static void setup(void)
{
	const struct rlimit none = {0, 0};
	static const char *key_files[] = {"/dev/shm", NULL}; /* in memory */

	scratch_make();
	make_host();
	make_programs();
	make_volume();
	(void)setrlimit(RLIMIT_CORE, &none);
	volume = (struct harness_volume){.name = "spool", .path = image, .mount = "/spool"};
	options = (struct harness_options){
		.volumes = &volume,
		.volume_count = 1,
		.manifest = manifest,
		.program = program,
		.host_root = host,
		.key_files = key_files,
		.allow_inject = true,
	};
}

static void teardown(void)
{
	harness_report_free(report);
	report = NULL;
	residue_free(residue);
	residue = NULL;
	attached = blockdev_close(attached);
	secret_free(key);
	key = NULL;
	scratch_remove();
}

static void run(void)
{
	int r;

	harness_report_free(report);
	report = NULL;
	r = harness_run(&options, &report, &problem);
	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

static const struct harness_result *find(const char *name)
{
	for (size_t i = 0; i < report->count; i++) {
		if (strcmp(report->results[i].name, name) == 0)
			return &report->results[i];
	}
	return NULL;
}

/* Who is not root may not read the noise device: that cannot be told, and says so. */
static bool is_out_of_reach(const struct harness_result *result)
{
	return geteuid() != 0 && strncmp(result->name, "random/noise", 12) == 0;
}

/* --- tests --- */

START_TEST(on_a_sound_machine_every_test_passes_or_says_why_not)
{
	if (_i)
		attach();
	run();
	for (size_t i = 0; i < report->count; i++) {
		const struct harness_result *result = &report->results[i];
		bool bad = harness_result_is_bad(result);

		ck_assert_msg(
			!bad || is_out_of_reach(result), "%s: %s", result->name, result->detail);
		ck_assert_msg(result->detail[0] != '\0', "%s", result->name);
		ck_assert_msg(bad == (result->remedy[0] != '\0'), "%s", result->name);
		ck_assert_str_eq(
			result->subject, strncmp(result->name, "medium/", 7) == 0 ? "spool" : "");
	}
	ck_assert(geteuid() != 0 || report->claims);
	ck_assert(!report->degraded && !report->injected);
	ck_assert_uint_eq(strlen(report->id), 32);
	ck_assert_int_eq(find("medium/map")->verdict, _i ? HARNESS_OK : HARNESS_SKIPPED);
}
END_TEST

START_TEST(every_test_has_an_injection_and_no_two_share_a_name)
{
	size_t count = 0;

	run();
	for (; harness_injection(count); count++) {
		ck_assert_ptr_nonnull(find(harness_injection(count)));
		for (size_t j = 0; j < count; j++)
			ck_assert_str_ne(harness_injection(count), harness_injection(j));
	}
	ck_assert_uint_eq(count, report->count);
	ck_assert_uint_ge(count, 50);
}
END_TEST

START_TEST(every_scheme_is_tried)
{
	const struct scheme *scheme;
	char name[HARNESS_NAME_BYTES];

	options.groups = HARNESS_PATTERNS;
	run();
	for (size_t i = 0; (scheme = scheme_at(i)); i++) {
		snprintf(name, sizeof(name), "pattern/%s", scheme->name);
		ck_assert_msg(find(name) != NULL, "%s", name);
	}
}
END_TEST

static void inject(const char *name)
{
	options.inject = name;
	run();
	ck_assert(report->injected);
	for (size_t i = 0; i < report->count; i++) {
		const struct harness_result *result = &report->results[i];

		if (strcmp(result->name, name) == 0)
			ck_assert_msg(result->verdict == HARNESS_FAILED && result->remedy[0],
				"%s did not notice: %s", name, result->detail);
		else
			ck_assert_msg(!harness_result_is_bad(result) || is_out_of_reach(result),
				"%s failed while %s was injected: %s", result->name, name,
				result->detail);
	}
	if (find(name)->weight == HARNESS_CLAIM)
		ck_assert(!report->claims && !report->degraded);
	else
		ck_assert(report->degraded && (report->claims || geteuid() != 0));
}

/* The sweep. */
START_TEST(every_injection_fails_its_test_and_no_other)
{
	const char *name;

	for (size_t i = 0; (name = harness_injection(i)); i++) {
		/* A noise source may need a second for its samples, which no other fault touches.
		 */
		bool drawn = strncmp(name, "random/", 7) == 0 || strcmp(name, "memory/locked") == 0;

		options.groups = drawn ? HARNESS_ALL : HARNESS_ALL & ~(unsigned int)HARNESS_RANDOM;
		inject(name);
	}
	options.groups = 0;
	options.inject = NULL; /* and nothing of it stays */
	run();
	ck_assert(report->claims || geteuid() != 0);
	ck_assert(!report->degraded);
}
END_TEST

START_TEST(every_injection_into_an_attached_volume_fails_its_test_and_no_other)
{
	const char *name;

	attach();
	options.groups = HARNESS_MEDIA;
	for (size_t i = 0; (name = harness_injection(i)); i++) {
		if (strncmp(name, "medium/", 7) == 0)
			inject(name);
	}
	options.inject = NULL;
	run();
	ck_assert(report->claims);
}
END_TEST

START_TEST(an_injection_is_refused_unless_it_is_allowed_and_known)
{
	options.inject = "medium/nothing";
	ck_assert_int_eq(harness_run(&options, &report, &problem), -EINVAL);
	ck_assert_ptr_nonnull(strstr(problem.text, "medium/nothing"));
	options.inject = "memory/locked";
	options.allow_inject = false;
#ifdef SPOOLGUARD_TEST_BUILD
	ck_assert_int_eq(harness_run(&options, &report, &problem), 0);
#else
	ck_assert_int_eq(harness_run(&options, &report, &problem), -EPERM);
	ck_assert_ptr_nonnull(strstr(problem.text, "attached"));
#endif
}
END_TEST

START_TEST(an_injection_that_meets_nothing_is_no_pass)
{
	options.inject = "medium/overwrite";
	options.volume_count = 0;
	run();
	ck_assert_int_eq(find("medium/overwrite")->verdict, HARNESS_CANNOT_TELL);
	ck_assert(!report->claims);
}
END_TEST

START_TEST(groups_run_alone)
{
	options.groups = HARNESS_PROGRAMS | HARNESS_MEMORY;
	run();
	ck_assert_uint_eq(report->count, 6);
	ck_assert_ptr_nonnull(find("program/files"));
	ck_assert_ptr_nonnull(find("memory/guard-page"));
}
END_TEST

START_TEST(each_run_has_an_id_of_its_own)
{
	char id[HARNESS_ID_BYTES];

	options.groups = HARNESS_MEMORY;
	run();
	strcpy(id, report->id);
	run();
	ck_assert_str_ne(id, report->id);
}
END_TEST

/* --- media that are not as they should be --- */

static void flip(uint64_t byte)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC);
	uint8_t value;

	ck_assert_int_eq(io_pread(fd, &value, 1, byte), 0);
	value ^= 1;
	ck_assert_int_eq(io_pwrite(fd, &value, 1, byte), 0);
}

START_TEST(rot_on_the_medium_fails_the_test_of_what_rotted)
{
	static const struct {
		uint64_t byte;
		const char *name;
	} rots[] = {
		{5000, "medium/header"},
		{16384 + 5000, "medium/header"},
		{LAYOUT_SUPERBLOCK_BYTES + 99, "medium/superblock"},
		{LAYOUT_SUPERBLOCK_BYTES + BLOCK_BYTES + 99, "medium/superblock"},
	};

	options.groups = HARNESS_MEDIA;
	for (size_t i = 0; i < ARRAY_SIZE(rots); i++) {
		flip(rots[i].byte);
		run();
		for (size_t j = 0; j < report->count; j++)
			ck_assert_msg(harness_result_is_bad(&report->results[j]) ==
					      (strcmp(report->results[j].name, rots[i].name) == 0),
				"rot %zu: %s: %s", i, report->results[j].name,
				report->results[j].detail);
		flip(rots[i].byte);
	}
}
END_TEST

START_TEST(what_is_no_volume_or_in_use_cannot_be_told)
{
	_cleanup_(blockdev_closep) struct blockdev *held = NULL;
	const struct raw_options raw = {.block_bytes = BLOCK_BYTES};

	options.groups = HARNESS_MEDIA;
	ck_assert_int_eq(raw_open(image, &raw, &held, &problem), 0);
	run();
	ck_assert_int_eq(find("medium/overwrite")->verdict, HARNESS_CANNOT_TELL);
	ck_assert_ptr_nonnull(strstr(find("medium/overwrite")->detail, "in use"));
	ck_assert_int_eq(find("medium/header")->verdict, HARNESS_OK);
	volume.path = "/var/tmp/there/is/no/such/medium";
	run();
	for (size_t i = 0; i < report->count; i++)
		ck_assert_msg(report->results[i].verdict == HARNESS_CANNOT_TELL ||
				      strcmp(report->results[i].name, "medium/map") == 0,
			"%s", report->results[i].name);
}
END_TEST

/* Whoever wrote the superblock: what is called scratch and lies in the data is left alone. */
START_TEST(a_superblock_that_points_into_the_data_is_not_followed)
{
	const struct raw_options raw = {.block_bytes = BLOCK_BYTES};
	struct layout other = layout;
	struct blockdev *device;
	uint8_t block[BLOCK_BYTES];

	other.scratch.count = 4096 - other.scratch.first;
	other.data_first = 4096;
	ck_assert_int_eq(raw_open(image, &raw, &device, &problem), 0);
	ck_assert_int_eq(layout_write(device, &other, key), 0);
	blockdev_close(device);
	options.groups = HARNESS_MEDIA;
	run();
	ck_assert_int_eq(find("medium/overwrite")->verdict, HARNESS_FAILED);
	ck_assert_int_eq(raw_open(image, &raw, &device, &problem), 0);
	for (uint64_t b = layout.data_first; b < 4096; b++) {
		ck_assert_int_eq(
			blockdev_read(device, (struct extent){b, 1}, block, sizeof(block)), 0);
		ck_assert(bytes_are(block, sizeof(block), 0));
	}
	blockdev_close(device);
}
END_TEST

static int no_answer(void *context, bool damage, struct scratch_report *ret_report)
{
	(void)context, (void)damage, (void)ret_report;
	return -ECONNREFUSED;
}

static int no_map_answer(void *context, bool damage, struct residue_check *ret_check)
{
	(void)context, (void)damage, (void)ret_check;
	return -EOPNOTSUPP;
}

START_TEST(a_process_that_does_not_answer_cannot_be_told_and_encryption_only_is_skipped)
{
	static const struct harness_port bad = {.overwrite = no_answer, .map = no_map_answer};

	options.groups = HARNESS_MEDIA;
	volume.port = &bad;
	run();
	ck_assert_int_eq(find("medium/overwrite")->verdict, HARNESS_CANNOT_TELL);
	ck_assert_int_eq(find("medium/map")->verdict, HARNESS_SKIPPED);
}
END_TEST

/* --- programs --- */

START_TEST(programs_that_are_not_those_of_the_manifest_stop_claims)
{
	char bin[PATH_BYTES];

	snprintf(bin, sizeof(bin), "%s/bin", scratch_path());
	options.groups = HARNESS_PROGRAMS;
	put_file(bin, "spoolguard-volume", "this is not as it was built");
	run();
	ck_assert_int_eq(find("program/files")->verdict, HARNESS_FAILED);
	ck_assert_ptr_nonnull(strstr(find("program/files")->detail, "spoolguard-volume"));
	ck_assert_int_eq(find("program/running")->verdict, HARNESS_OK);

	put_file(bin, "spoolguard-volume", "this is another");
	put_file(bin, "spoolguard", "replaced");
	run();
	ck_assert_int_eq(find("program/files")->verdict, HARNESS_FAILED);
	ck_assert_int_eq(find("program/running")->verdict, HARNESS_FAILED);

	unlink(program);
	options.program = "/proc/self/exe";
	run();
	ck_assert_ptr_nonnull(strstr(find("program/files")->detail, "missing"));
	ck_assert_int_eq(find("program/running")->verdict, HARNESS_FAILED);

	unlink(manifest);
	run();
	for (size_t i = 0; i < report->count; i++)
		ck_assert_int_eq(report->results[i].verdict, HARNESS_FAILED);
	ck_assert(!report->claims);
}
END_TEST

/* --- the host --- */

START_TEST(each_condition_of_the_host_is_told_with_its_remedy)
{
	static const struct {
		const char *file, *text, *name;
	} cases[] = {
		{"proc/swaps", "Filename\n/dev/sda2 partition 1000 0 -2\n", "host/swap"},
		{"proc/swaps", "Filename\n/no/such/swapfile file 1000 0 -2\n", "host/swap"},
		{"proc/sys/kernel/core_pattern", "|/usr/share/dumper %p\n", "host/core-dumps"},
		{"proc/sys/kernel/osrelease", "5.13.19\n", "host/kernel"},
		{"proc/sys/kernel/osrelease", "4.20\n", "host/kernel"},
		{"proc/sys/kernel/osrelease", "rolling\n", "host/kernel"},
		{"proc/sys/fs/protected_hardlinks", "0\n", "host/hard-links"},
		{"proc/self/mountinfo", "28 27 7:0 / /spool rw,nosuid - ext4 /dev/loop0 rw\n",
			"host/mount-options"},
		{"proc/self/mountinfo", "", "host/mount-options"},
	};

	options.groups = HARNESS_CONDITIONS;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_host();
		put_file(host, cases[i].file, cases[i].text);
		run();
		for (size_t j = 0; j < report->count; j++)
			ck_assert_msg(harness_result_is_bad(&report->results[j]) ==
					      (strcmp(report->results[j].name, cases[i].name) == 0),
				"case %zu: %s: %s", i, report->results[j].name,
				report->results[j].detail);
		ck_assert(report->degraded && report->claims);
	}
}
END_TEST

START_TEST(conditions_that_are_harmless_are_let_pass)
{
	static const struct {
		const char *file, *text;
	} cases[] = {
		{"proc/sys/kernel/core_pattern", "|/lib/systemd/systemd-coredump %P %u\n"},
		{"proc/sys/kernel/core_pattern", "|/bin/false\n"},
		{"proc/sys/kernel/osrelease", "5.14.0\n"},
		{"proc/swaps", "Filename\n/dev/zram0 partition 1000 0 -2\n"},
		{"sys/power/disk", "[platform] shutdown\n"}, /* no swap to write to */
	};

	options.groups = HARNESS_CONDITIONS;
	put_file(host, "sys/class/block/zram0/backing_dev", "none\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_file(host, cases[i].file, cases[i].text);
		run();
		ck_assert_msg(!report->degraded, "case %zu", i);
	}
}
END_TEST

START_TEST(hibernation_to_open_swap_is_told_beside_the_swap)
{
	options.groups = HARNESS_CONDITIONS;
	put_file(host, "sys/power/disk", "[platform] shutdown\n");
	put_file(host, "proc/swaps", "Filename\n/dev/sda2 partition 1000 0 -2\n");
	run();
	ck_assert_int_eq(find("host/swap")->verdict, HARNESS_FAILED);
	ck_assert_int_eq(find("host/hibernation")->verdict, HARNESS_FAILED);
	put_file(host, "sys/power/state", "freeze mem\n");
	run();
	ck_assert_int_eq(find("host/hibernation")->verdict, HARNESS_OK);
}
END_TEST

START_TEST(core_dumps_of_this_process_are_told)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	if (setrlimit(RLIMIT_CORE, &limit) < 0)
		return; /* not root */
	options.groups = HARNESS_CONDITIONS;
	run();
	ck_assert_int_eq(find("host/core-dumps")->verdict, HARNESS_FAILED);
}
END_TEST

START_TEST(a_clock_before_the_build_is_told)
{
	char bin[PATH_BYTES], text[1000] = "# spoolguard manifest 1\n# version 9\n"
					   "# built 99000000000\n";

	snprintf(bin, sizeof(bin), "%s/bin", scratch_path());
	add_line(text, "spoolguard");
	put_file(bin, "manifest", text);
	options.groups = HARNESS_CONDITIONS;
	run();
	ck_assert_int_eq(find("host/clock")->verdict, HARNESS_FAILED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("harness");
	TCase *tcase = tcase_create("harness");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, on_a_sound_machine_every_test_passes_or_says_why_not, 0, 2);
	tcase_add_test(tcase, every_test_has_an_injection_and_no_two_share_a_name);
	tcase_add_test(tcase, every_scheme_is_tried);
	tcase_add_test(tcase, every_injection_fails_its_test_and_no_other);
	tcase_add_test(tcase, every_injection_into_an_attached_volume_fails_its_test_and_no_other);
	tcase_add_test(tcase, an_injection_is_refused_unless_it_is_allowed_and_known);
	tcase_add_test(tcase, an_injection_that_meets_nothing_is_no_pass);
	tcase_add_test(tcase, groups_run_alone);
	tcase_add_test(tcase, each_run_has_an_id_of_its_own);
	tcase_add_test(tcase, rot_on_the_medium_fails_the_test_of_what_rotted);
	tcase_add_test(tcase, what_is_no_volume_or_in_use_cannot_be_told);
	tcase_add_test(tcase, a_superblock_that_points_into_the_data_is_not_followed);
	tcase_add_test(tcase,
		a_process_that_does_not_answer_cannot_be_told_and_encryption_only_is_skipped);
	tcase_add_test(tcase, programs_that_are_not_those_of_the_manifest_stop_claims);
	tcase_add_test(tcase, each_condition_of_the_host_is_told_with_its_remedy);
	tcase_add_test(tcase, conditions_that_are_harmless_are_let_pass);
	tcase_add_test(tcase, hibernation_to_open_swap_is_told_beside_the_swap);
	tcase_add_test(tcase, core_dumps_of_this_process_are_told);
	tcase_add_test(tcase, a_clock_before_the_build_is_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what must not die is refused, in one line that says what to do; a method that reaches too
 * far is left out and the next taken; nothing more is promised than the medium allows (P1 to P5).
 * Method: targets made by hand; each test bends one thing.
 */
#include "decommission/plan.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct target target;
static struct plan_request request;
static struct plan plan;
static struct usage uses[2];
static struct target_volume volume;
static struct target_reach reach;

static void offer(enum method_kind kind, enum method_reach how_far, uint64_t estimated_s)
{
	target.facts.methods[kind] = (struct method_offer){
		.offered = true, .reach = how_far, .estimated_s = estimated_s};
}

static void setup(void)
{
	target = (struct target){.path = "/dev/nvme0n1",
		.identity = {.name = "nvme0n1", .serial = "SER1", .bytes = 1ull << 30},
		.class = DRIVE_FLASH,
		.facts_known = true,
		.overwrite = {.overwrite = DRIVE_NEITHER, .reason = "flash writes elsewhere"}};
	target.facts.interface = INTERFACE_NVME;
	target.facts.namespaces_known = true;
	offer(METHOD_NVME_SANITIZE_BLOCK, REACH_SUBSYSTEM, 60);
	offer(METHOD_NVME_FORMAT_USER_DATA, REACH_NAMESPACE, 5);
	request = (struct plan_request){.scheme = scheme_default(),
		.own_methods = true,
		.searches = true,
		.state_directory = "/var/lib/spoolguard",
		.certificate = "/srv/c.json",
		.read_bytes_per_s = 1u << 20};
}

static void use(enum usage_kind kind, const char *text)
{
	uses[0] = (struct usage){.kind = kind, .device = "nvme0n1p1"};
	snprintf(uses[0].text, sizeof(uses[0].text), "%s", text);
	target.uses = (struct usage_list){uses, 1};
}

static void assert_refused(const char *what, const char *way_out)
{
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 1);
	ck_assert_msg(strstr(plan.refusals[0], what) && strstr(plan.refusals[0], way_out) &&
			      !strchr(plan.refusals[0], '\n'),
		"%s", plan.refusals[0]);
}

START_TEST(a_free_drive_is_planned_with_its_steps_and_times)
{
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 0);
	ck_assert_uint_eq(plan.method_count, 2);
	ck_assert(plan.methods[0].taken);
	ck_assert(plan.steps[RECORD_SANITIZE].needed);
	ck_assert_uint_eq(plan.steps[RECORD_SANITIZE].estimated_s, 60);
	/* Three passes and a whole read-back of 1 GiB at 1 MiB/s. */
	ck_assert_uint_eq(plan.steps[RECORD_OVERWRITE].estimated_s, 4 * 1024 + 1);
	ck_assert_uint_eq(plan.steps[RECORD_SEARCH].estimated_s, 1024 + 1);
	ck_assert_uint_eq(plan.estimated_s, 60 + 4097 + 1025 + 1);
	ck_assert(!plan.steps[RECORD_INTAKE].needed && !plan.steps[RECORD_KEYS].needed);
	ck_assert_int_eq(plan.reachable, DRIVE_PURGE);
}
END_TEST

START_TEST(a_time_that_the_drive_does_not_tell_is_not_made_up)
{
	offer(METHOD_NVME_SANITIZE_BLOCK, REACH_SUBSYSTEM, PLAN_UNKNOWN);
	plan_make(&target, &request, &plan);
	ck_assert(plan.estimated_s == PLAN_UNKNOWN);
	offer(METHOD_NVME_SANITIZE_BLOCK, REACH_SUBSYSTEM, 60);
	request.read_bytes_per_s = 0;
	plan_make(&target, &request, &plan);
	ck_assert(plan.steps[RECORD_OVERWRITE].estimated_s == PLAN_UNKNOWN);
	ck_assert(plan.estimated_s == PLAN_UNKNOWN);
}
END_TEST

START_TEST(whoever_uses_it_but_spoolguard_is_named)
{
	use(USAGE_MOUNT, "/srv");
	assert_refused("/srv", "unmount");
	use(USAGE_SWAP, "");
	assert_refused("swap", "swapoff");
	use(USAGE_LVM, "vg-spool");
	assert_refused("vg-spool", "volume group");
	use(USAGE_RAID, "md0");
	assert_refused("md0", "array");
	use(USAGE_MULTIPATH, "mpatha");
	assert_refused("mpatha", "multipath -f");
	use(USAGE_MAPPED, "crypt1");
	assert_refused("crypt1", "dmsetup");
	use(USAGE_LOOP, "/dev/loop3 on /srv/x");
	assert_refused("loop3", "losetup");
	use(USAGE_OPEN, "dd (process 12)");
	assert_refused("dd", "end that program");
	use(USAGE_UNKNOWN, "somebody");
	assert_refused("somebody", "find out");
}
END_TEST

START_TEST(its_own_volume_is_no_stranger_and_its_mount_alone)
{
	volume = (struct target_volume){
		.uuid = "u", .attached = true, .mount = "/var/spool/cups", .key_slots = 2};
	target.volumes = &volume;
	target.volume_count = 1;
	use(USAGE_VOLUME, "u, mounted at /var/spool/cups");
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 0);
	ck_assert(plan.steps[RECORD_INTAKE].needed && plan.steps[RECORD_KEYS].needed);
	use(USAGE_MOUNT, "/var/spool/cups");
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 0);
	use(USAGE_MOUNT, "/mnt/elsewhere");
	assert_refused("/mnt/elsewhere", "unmount");
	volume.attached = false;
	use(USAGE_MOUNT, "/var/spool/cups");
	assert_refused("/var/spool/cups", "unmount");
}
END_TEST

START_TEST(twins_and_a_read_only_drive_are_refused)
{
	target.is_twin = true;
	assert_refused("cannot be told from another", "disconnect");
	target.is_twin = false;
	target.read_only = true;
	assert_refused("read-only", "write protection");
}
END_TEST

START_TEST(nothing_is_kept_on_what_dies)
{
	request.state_on_target = true;
	assert_refused("/var/lib/spoolguard", "--state DIR");
	request.state_on_target = false;
	request.certificate_on_target = true;
	assert_refused("/srv/c.json", "--certificate FILE");
	request.certificate_on_target = false;
	request.log_on_target = true;
	assert_refused("audit log", "--state DIR");
}
END_TEST

START_TEST(the_systems_disk_needs_this_machine_and_a_typed_serial)
{
	target.is_system = true;
	use(USAGE_SYSTEM, "/");
	assert_refused("this system runs from", "--this-machine");
	request.this_machine = true;
	assert_refused("typed at a terminal", "--confirm is not enough");
	request.typed = true;
	request.batch = true;
	assert_refused("never done from a list", "at a terminal");
	request.batch = false;
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 0);
	ck_assert(plan.keys_only);
	ck_assert(!plan.methods[0].taken && !plan.methods[1].taken);
	ck_assert(!plan.steps[RECORD_SANITIZE].needed && !plan.steps[RECORD_OVERWRITE].needed);
	ck_assert_int_eq(plan.reachable, DRIVE_NEITHER);
	ck_assert_ptr_nonnull(strstr(plan.notes[0], "--standalone"));
}
END_TEST

START_TEST(a_method_that_reaches_what_is_in_use_or_unnamed_is_left_out)
{
	static const char *const named[] = {"/dev/nvme0n1", "/dev/nvme0n2"};

	reach = (struct target_reach){.what = "namespace 2", .device = "/dev/nvme0n2"};
	target.reaches = &reach;
	target.reach_count = 1;
	plan_make(&target, &request, &plan);
	ck_assert_uint_eq(plan.refusal_count, 0);
	ck_assert(!plan.methods[0].taken && plan.methods[1].taken);
	ck_assert_ptr_nonnull(strstr(plan.methods[0].why_not, "name /dev/nvme0n2 as well"));
	ck_assert_uint_eq(plan.steps[RECORD_SANITIZE].estimated_s, 5);

	request.named = named;
	request.named_count = 2;
	plan_make(&target, &request, &plan);
	ck_assert(plan.methods[0].taken);

	reach.in_use = true;
	plan_make(&target, &request, &plan);
	ck_assert(!plan.methods[0].taken);
	ck_assert_ptr_nonnull(strstr(plan.methods[0].why_not, "in use"));

	reach.in_use = false;
	reach.device[0] = '\0';
	plan_make(&target, &request, &plan);
	ck_assert(!plan.methods[0].taken);

	reach.untouched = true;
	plan_make(&target, &request, &plan);
	ck_assert(plan.methods[0].taken);
	target.facts.namespaces_known = false;
	plan_make(&target, &request, &plan);
	ck_assert(!plan.methods[0].taken && plan.methods[1].taken);
}
END_TEST

START_TEST(without_a_method_only_what_overwriting_promises_is_promised)
{
	request.own_methods = false;
	plan_make(&target, &request, &plan);
	ck_assert_int_eq(plan.reachable, DRIVE_NEITHER);
	ck_assert(!plan.steps[RECORD_SANITIZE].needed && plan.steps[RECORD_OVERWRITE].needed);
	target.overwrite.overwrite = DRIVE_CLEAR;
	plan_make(&target, &request, &plan);
	ck_assert_int_eq(plan.reachable, DRIVE_CLEAR);
}
END_TEST

START_TEST(header_backups_are_said)
{
	volume = (struct target_volume){.uuid = "u", .key_slots = 1, .backups = 3};
	target.volumes = &volume;
	target.volume_count = 1;
	plan_make(&target, &request, &plan);
	ck_assert_uint_ge(plan.note_count, 1);
	ck_assert_ptr_nonnull(strstr(plan.notes[plan.note_count - 1], "3 header backups"));
}
END_TEST

START_TEST(a_drive_dies_by_its_own_serial_alone)
{
	static const char *const confirms[] = {"OTHER", "SER1"};
	struct problem problem = {""};

	ck_assert_int_eq(plan_check_confirmed(&target, NULL, 0, &problem), -EPERM);
	ck_assert_ptr_nonnull(strstr(problem.text, "--confirm SER1"));
	ck_assert_int_eq(plan_check_confirmed(&target, confirms, 1, &problem), -EPERM);
	ck_assert_ptr_nonnull(strstr(problem.text, "is not the drive \"OTHER\""));
	ck_assert_int_eq(plan_check_confirmed(&target, confirms, 2, &problem), 0);
	target.identity.serial[0] = '\0';
	ck_assert_int_eq(
		plan_check_confirmed(&target, (const char *const[]){""}, 1, &problem), -EPERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("plan");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_free_drive_is_planned_with_its_steps_and_times);
	tcase_add_test(tcase, a_time_that_the_drive_does_not_tell_is_not_made_up);
	tcase_add_test(tcase, whoever_uses_it_but_spoolguard_is_named);
	tcase_add_test(tcase, its_own_volume_is_no_stranger_and_its_mount_alone);
	tcase_add_test(tcase, twins_and_a_read_only_drive_are_refused);
	tcase_add_test(tcase, nothing_is_kept_on_what_dies);
	tcase_add_test(tcase, the_systems_disk_needs_this_machine_and_a_typed_serial);
	tcase_add_test(tcase, a_method_that_reaches_what_is_in_use_or_unnamed_is_left_out);
	tcase_add_test(tcase, without_a_method_only_what_overwriting_promises_is_promised);
	tcase_add_test(tcase, header_backups_are_said);
	tcase_add_test(tcase, a_drive_dies_by_its_own_serial_alone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which drive a target is: whole (R1), known by what lasts (R2), told from others (R3), with what a
 * method reaches beside it (R4); and whether it is still the same.
 *
 * Method: machines of files (tests/support/sysfs_tree.h); no device is opened.  Real devices:
 * tests/e2e/devices.sh and vm_devices.sh.
 */
#include "decommission/target_impl.h"
#include "tests/support/scratch.h"
#include "tests/support/sysfs_tree.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define SDB   makedev(120, 16)
#define SDB1  makedev(120, 17)
#define SDC   makedev(120, 32)
#define NS1   makedev(120, 64)
#define NS2   makedev(120, 65)
#define CARD  makedev(120, 80)
#define BOOT0 makedev(120, 88)

static struct sysfs_tree tree;
static struct target_scene *scene;
static struct target *target;
static struct problem problem;

static void setup(void)
{
	sysfs_tree_make(&tree);
	scene = NULL;
	target = calloc(1, sizeof(*target));
	ck_assert_ptr_nonnull(target);
	problem = (struct problem){""};
}

static void teardown(void)
{
	target_free(target);
	target_scene_free(scene);
}

static void take(void)
{
	target_scene_free(scene);
	scene = NULL;
	ck_assert_int_eq(target_scene_take(&tree.places, &scene), 0);
}

/* --- R1 --- */

static int check_whole(dev_t device, char *name)
{
	char unused[DEVICE_NAME_BYTES];

	take();
	return target_check_whole(scene, device, "/dev/asked", name ? name : unused, &problem);
}

static void expect_refusal(dev_t device, int error, const char *what, const char *whole)
{
	ck_assert_int_eq(check_whole(device, NULL), error);
	ck_assert_msg(strstr(problem.text, "/dev/asked") == problem.text &&
			      strstr(problem.text, what) && strstr(problem.text, whole),
		"\"%s\" does not say \"%s\" and \"%s\"", problem.text, what, whole);
}

START_TEST(a_whole_drive_is_taken)
{
	char name[DEVICE_NAME_BYTES];

	sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);
	ck_assert_int_eq(check_whole(SDB, name), 0);
	ck_assert_str_eq(name, "sdb");
}
END_TEST

START_TEST(a_partition_is_refused_and_its_drive_named)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);

	sysfs_tree_part(&tree, disk, "sdb1", SDB1);
	expect_refusal(SDB1, -EINVAL, "only a part of a drive", "name the whole drive /dev/sdb");
}
END_TEST

START_TEST(what_stands_on_drives_is_refused_and_all_of_them_named)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);
	const char *part = sysfs_tree_part(&tree, disk, "sdb1", SDB1);
	const char *other = sysfs_tree_disk(&tree, "pci/host1", "sdc", SDC);
	const char *array = sysfs_tree_virtual(&tree, "md0", makedev(122, 0));
	const char *volume = sysfs_tree_virtual(&tree, "dm-0", makedev(121, 0));
	const char *paths = sysfs_tree_virtual(&tree, "dm-1", makedev(121, 1));
	const char *crypt = sysfs_tree_virtual(&tree, "dm-2", makedev(121, 2));

	sysfs_tree_put(&tree, "raid1", "%s/md/level", array);
	sysfs_tree_hold(&tree, array, part);
	sysfs_tree_hold(&tree, array, other);
	sysfs_tree_put(&tree, "LVM-x", "%s/dm/uuid", volume);
	sysfs_tree_hold(&tree, volume, part);
	sysfs_tree_put(&tree, "mpath-x", "%s/dm/uuid", paths);
	sysfs_tree_hold(&tree, paths, other);
	sysfs_tree_put(&tree, "CRYPT-LUKS2-x", "%s/dm/uuid", crypt);
	sysfs_tree_hold(&tree, crypt, array);
	expect_refusal(makedev(122, 0), -EINVAL, "RAID array", "/dev/sdb or /dev/sdc");
	expect_refusal(makedev(121, 0), -EINVAL, "LVM volume", "name the whole drive /dev/sdb");
	expect_refusal(makedev(121, 1), -EINVAL, "multipath", "name the whole drive /dev/sdc");
	expect_refusal(makedev(121, 2), -EINVAL, "encrypted device", "/dev/sdb or /dev/sdc");
}
END_TEST

/* A drive that is a member is a target all the same: one in use. */
START_TEST(a_member_is_a_target_in_use)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);
	const char *array = sysfs_tree_virtual(&tree, "md0", makedev(122, 0));

	sysfs_tree_put(&tree, "raid1", "%s/md/level", array);
	sysfs_tree_hold(&tree, array, disk);
	ck_assert_int_eq(check_whole(SDB, NULL), 0);
	target->device = SDB;
	ck_assert_int_eq(target_find_uses(target, scene), 0);
	ck_assert_uint_eq(target->uses.count, 1);
	ck_assert_int_eq(target->uses.items[0].kind, USAGE_RAID);
	ck_assert(!target->is_system);
}
END_TEST

static void put_card(void)
{
	const char *card = sysfs_tree_disk(&tree, "mmc_host/mmc0/mmc0:1", "mmcblk0", CARD);
	const char *boot =
		sysfs_tree_disk(&tree, "mmc_host/mmc0/mmc0:1/block/mmcblk0", "mmcblk0boot0", BOOT0);
	char at[PATH_MAX];

	sysfs_tree_put(&tree, "0xdeadbeef", "%s/device/serial", card);
	snprintf(at, sizeof(at), "%s/device", boot);
	sysfs_tree_link(&tree, at, card);
	snprintf(at, sizeof(at), "%s/subsystem", card);
	sysfs_tree_put(&tree, "", "sys/class/block/x");
	sysfs_tree_link(&tree, at, "sys/class/block");
}

START_TEST(an_emmc_boot_partition_is_a_part)
{
	put_card();
	expect_refusal(BOOT0, -EINVAL, "only a part", "name the whole drive /dev/mmcblk0");
}
END_TEST

START_TEST(without_a_medium_there_is_nothing_to_look_at)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);

	sysfs_tree_put(&tree, "0", "%s/size", disk);
	expect_refusal(SDB, -ENOMEDIUM, "no medium", "");
	expect_refusal(makedev(120, 99), -ENODEV, "no such device", "");
	sysfs_tree_virtual(&tree, "loop5", makedev(7, 5));
	expect_refusal(makedev(7, 5), -ENOMEDIUM, "bound to nothing", "");
}
END_TEST

/* --- R2, R3 --- */

static void identify(dev_t device, const char *name)
{
	take();
	target->device = device;
	drive_look_at_device(device, &tree.places, &target->stack);
	ck_assert_uint_gt(target->stack.count, 0);
	target->class = target->stack.layers[0].class;
	ck_assert_int_eq(target_identify(target, -1, scene, name), 0);
}

static void put_serial(const char *disk, const char *serial, const char *wwn)
{
	sysfs_tree_put(&tree, serial, "%s/device/serial", disk);
	if (wwn)
		sysfs_tree_put(&tree, wwn, "%s/wwid", disk);
}

START_TEST(a_drive_is_known_by_what_lasts)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/ata1/host0", "sdb", SDB);
	char key[IDENTITY_KEY_BYTES];

	put_serial(disk, " WD 123 ", "naa.5000c500a1b2c3d4");
	identify(SDB, "sdb");
	ck_assert_str_eq(target->identity.serial, "WD_123");
	ck_assert(!target->identity.is_stand_in && !target->is_twin);
	memcpy(key, target->identity.key, sizeof(key));
	/* Neither a size that changes (a hidden area), nor what the drive answers, nor a name. */
	sysfs_tree_put(&tree, "4194304", "%s/size", disk);
	strcpy(target->facts.serial, "WD-OWN-WORD");
	identify(SDB, "sdq");
	ck_assert_str_eq(target->identity.key, key);
	ck_assert_str_eq(target->identity.serial, "WD-OWN-WORD");
	/* Another WWN is another drive. */
	sysfs_tree_put(&tree, "naa.5000c500a1b2c3d5", "%s/wwid", disk);
	identify(SDB, "sdb");
	ck_assert_str_ne(target->identity.key, key);
}
END_TEST

START_TEST(without_a_serial_size_and_model_must_do)
{
	const char *disk = sysfs_tree_disk(&tree, "pci/virtio1", "vdb", SDB);
	char key[IDENTITY_KEY_BYTES];

	identify(SDB, "vdb");
	ck_assert_uint_eq(strlen(target->identity.key), IDENTITY_KEY_BYTES - 1);
	ck_assert(!target->is_twin);
	memcpy(key, target->identity.key, sizeof(key));
	sysfs_tree_put(&tree, "4194304", "%s/size", disk);
	identify(SDB, "vdb");
	ck_assert_str_ne(target->identity.key, key);
}
END_TEST

START_TEST(the_same_serial_and_wwn_make_twins)
{
	const char *one = sysfs_tree_disk(&tree, "pci/host0", "sdb", SDB);
	const char *other = sysfs_tree_disk(&tree, "pci/host1", "sdc", SDC);

	put_serial(one, "0001", NULL);
	put_serial(other, "0001", NULL);
	identify(SDB, "sdb");
	ck_assert(target->is_twin);
	put_serial(other, "0001", "naa.5000c500a1b2c3d5");
	identify(SDB, "sdb");
	ck_assert(!target->is_twin);
	put_serial(other, "0002", NULL);
	identify(SDB, "sdb");
	ck_assert(!target->is_twin);
}
END_TEST

/* Also of different sizes: nobody could say which of them died. */
START_TEST(two_without_a_serial_are_twins)
{
	const char *other;

	sysfs_tree_disk(&tree, "pci/virtio1", "vdb", SDB);
	other = sysfs_tree_disk(&tree, "pci/virtio2", "vdc", SDC);
	sysfs_tree_put(&tree, "77", "%s/size", other);
	identify(SDB, "vdb");
	ck_assert(target->is_twin);
}
END_TEST

START_TEST(what_is_no_drive_is_nobodys_twin)
{
	sysfs_tree_disk(&tree, "pci/virtio1", "vdb", SDB);
	sysfs_tree_virtual(&tree, "ram0", makedev(120, 100));
	sysfs_tree_virtual(&tree, "zram0", makedev(120, 101));
	sysfs_tree_virtual(&tree, "dm-0", makedev(120, 102));
	sysfs_tree_virtual(&tree, "md127", makedev(120, 103));
	sysfs_tree_virtual(&tree, "loop3", makedev(120, 104));
	sysfs_tree_disk(&tree, "pci/ata1", "sr0", makedev(120, 105));
	identify(SDB, "vdb");
	ck_assert(!target->is_twin);
}
END_TEST

/* --- R4 --- */

static void put_namespaces(const char *nqn)
{
	const char *one = sysfs_tree_disk(&tree, "pci/nvme/nvme0", "nvme0n1", NS1);
	const char *two = sysfs_tree_disk(&tree, "pci/nvme/nvme0", "nvme0n2", NS2);

	put_serial(one, "S1", NULL);
	put_serial(two, "S1", NULL);
	sysfs_tree_put(&tree, "nqn.one", "%s/device/subsysnqn", one);
	sysfs_tree_put(&tree, nqn, "%s/device/subsysnqn", two);
	sysfs_tree_put(&tree, "1", "%s/nsid", one);
	sysfs_tree_put(&tree, "2", "%s/nsid", two);
}

START_TEST(two_namespaces_of_a_drive_are_no_twins_and_have_two_keys)
{
	char key[IDENTITY_KEY_BYTES];

	put_namespaces("nqn.one");
	identify(NS1, "nvme0n1");
	ck_assert(!target->is_twin);
	memcpy(key, target->identity.key, sizeof(key));
	identify(NS2, "nvme0n2");
	ck_assert_str_ne(target->identity.key, key);
}
END_TEST

START_TEST(two_drives_with_one_serial_are_twins_whatever_their_namespaces)
{
	put_namespaces("nqn.two");
	identify(NS1, "nvme0n1");
	ck_assert(target->is_twin);
}
END_TEST

static void reach_nvme(bool subsystem)
{
	take();
	target->device = NS1;
	target->facts_known = true;
	target->facts.interface = INTERFACE_NVME;
	target->facts.nsid = 1;
	target->facts.namespaces_known = true;
	target->facts.methods[METHOD_NVME_SANITIZE_BLOCK] = (struct method_offer){
		.offered = true, .reach = subsystem ? REACH_SUBSYSTEM : REACH_NAMESPACE};
	ck_assert_int_eq(target_find_reaches(target, scene, "nvme0n1"), 0);
}

static const struct target_reach *find_reach(const char *what)
{
	for (size_t i = 0; i < target->reach_count; i++) {
		if (strcmp(target->reaches[i].what, what) == 0)
			return &target->reaches[i];
	}
	ck_abort_msg("\"%s\" is not reached", what);
	return NULL;
}

START_TEST(other_namespaces_are_reached_and_whether_they_are_in_use_is_told)
{
	const struct target_reach *reach;

	put_namespaces("nqn.one");
	sysfs_tree_put(
		&tree, "30 1 120:65 / /srv rw - ext4 /dev/nvme0n2 rw", "proc/self/mountinfo");
	target->facts.namespaces[0] = 1;
	target->facts.namespaces[1] = 2;
	target->facts.namespaces[2] = 7;
	target->facts.namespace_count = 3;
	reach_nvme(true);
	ck_assert_uint_eq(target->reach_count, 2);
	reach = find_reach("namespace 2");
	ck_assert_str_eq(reach->device, "/dev/nvme0n2");
	ck_assert(reach->in_use && !reach->untouched);
	/* The system shows no device for it: nobody can tell. */
	reach = find_reach("namespace 7");
	ck_assert_str_eq(reach->device, "");
	ck_assert(!reach->untouched);
}
END_TEST

START_TEST(what_the_drive_does_not_list_may_be_reached)
{
	put_namespaces("nqn.one");
	reach_nvme(true);
	ck_assert_uint_eq(target->reach_count, 1);
	target->facts.namespaces_known = false;
	take();
	ck_assert_int_eq(target_find_reaches(target, scene, "nvme0n1"), 0);
	find_reach("namespaces that the drive does not list");
}
END_TEST

START_TEST(what_no_offered_method_reaches_is_untouched)
{
	put_namespaces("nqn.one");
	reach_nvme(false);
	ck_assert_uint_eq(target->reach_count, 1);
	ck_assert(find_reach("namespace 2")->untouched);
}
END_TEST

START_TEST(other_units_of_a_target_are_told)
{
	const char *one = sysfs_tree_disk(&tree, "pci/host0/target0:0:4/0:0:4:0", "sdb", SDB);
	const char *two = sysfs_tree_disk(&tree, "pci/host0/target0:0:4/0:0:4:1", "sdc", SDC);
	char at[PATH_MAX];

	snprintf(at, sizeof(at), "%s/device", one);
	sysfs_tree_link(&tree, at, "sys/devices/pci/host0/target0:0:4/0:0:4:0");
	snprintf(at, sizeof(at), "%s/device", two);
	sysfs_tree_link(&tree, at, "sys/devices/pci/host0/target0:0:4/0:0:4:1");
	take();
	target->device = SDB;
	ck_assert_int_eq(target_find_reaches(target, scene, "sdb"), 0);
	ck_assert_uint_eq(target->reach_count, 1);
	ck_assert_str_eq(find_reach("LUN 1")->device, "/dev/sdc");
}
END_TEST

START_TEST(boot_partitions_and_rpmb_stay_untouched_and_are_told)
{
	put_card();
	take();
	target->device = CARD;
	target->facts_known = true;
	target->facts.interface = INTERFACE_MMC;
	target->facts.mmc_boot = target->facts.mmc_rpmb = true;
	ck_assert_int_eq(target_find_reaches(target, scene, "mmcblk0"), 0);
	ck_assert_uint_eq(target->reach_count, 2);
	ck_assert(find_reach("boot partition mmcblk0boot0")->untouched);
	ck_assert(find_reach("replay-protected memory block (RPMB)")->untouched);
}
END_TEST

/* --- then and now --- */

static struct identity then;
static struct drive_facts facts_then;

static void remember(void)
{
	strcpy(target->path, "/dev/sdb");
	strcpy(target->identity.serial, "A1");
	strcpy(target->identity.key, "k1");
	target->identity.bytes = 1000;
	strcpy(target->facts.wwn, "naa.1");
	then = target->identity;
	facts_then = target->facts;
}

static void expect_stale(const char *what)
{
	ck_assert_int_eq(target_compare(&then, &facts_then, target, &problem), -ESTALE);
	ck_assert_msg(strstr(problem.text, what), "\"%s\" does not say \"%s\"", problem.text, what);
}

START_TEST(the_same_drive_is_the_same_under_another_name)
{
	remember();
	strcpy(target->identity.name, "sdq");
	ck_assert_int_eq(target_compare(&then, &facts_then, target, &problem), 0);
	ck_assert_int_eq(target_compare(&then, NULL, target, &problem), 0);
	/* What it does not answer now is no difference. */
	target->facts.wwn[0] = '\0';
	ck_assert_int_eq(target_compare(&then, &facts_then, target, &problem), 0);
}
END_TEST

START_TEST(another_serial_wwn_key_or_size_is_another_drive)
{
	remember();
	strcpy(target->identity.serial, "A2");
	expect_stale("its serial is A2, and it was A1");
	strcpy(target->identity.serial, "A1");
	strcpy(target->identity.key, "k2");
	expect_stale("another drive");
	strcpy(target->identity.key, "k1");
	strcpy(target->facts.wwn, "naa.2");
	expect_stale("its WWN is naa.2");
	strcpy(target->facts.wwn, "naa.1");
	target->identity.bytes = 999;
	expect_stale("999 bytes");
	target->identity.bytes = 1001;
	expect_stale("1001 bytes");
}
END_TEST

START_TEST(a_hidden_area_that_was_opened_is_no_other_drive)
{
	remember();
	facts_then.hpa = true;
	facts_then.native_bytes = 2000;
	target->identity.bytes = 2000;
	ck_assert_int_eq(target_compare(&then, &facts_then, target, &problem), 0);
	target->identity.bytes = 2001;
	expect_stale("2001 bytes");
	target->identity.bytes = 999;
	expect_stale("999 bytes");
}
END_TEST

/* The stand-in is made of sectors that are overwritten. */
START_TEST(a_stand_in_may_change_and_the_key_not)
{
	remember();
	then.is_stand_in = true;
	target->identity.is_stand_in = true;
	strcpy(target->identity.serial, "vdb-1-0f0f0f0f");
	ck_assert_int_eq(target_compare(&then, &facts_then, target, &problem), 0);
	strcpy(target->identity.key, "k2");
	expect_stale("another drive");
	strcpy(target->identity.key, "k1");
	target->identity.is_stand_in = false;
	expect_stale("another drive");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decommission/target");
	TCase *tcase = tcase_create("target");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_whole_drive_is_taken);
	tcase_add_test(tcase, a_partition_is_refused_and_its_drive_named);
	tcase_add_test(tcase, what_stands_on_drives_is_refused_and_all_of_them_named);
	tcase_add_test(tcase, a_member_is_a_target_in_use);
	tcase_add_test(tcase, an_emmc_boot_partition_is_a_part);
	tcase_add_test(tcase, without_a_medium_there_is_nothing_to_look_at);
	tcase_add_test(tcase, a_drive_is_known_by_what_lasts);
	tcase_add_test(tcase, without_a_serial_size_and_model_must_do);
	tcase_add_test(tcase, the_same_serial_and_wwn_make_twins);
	tcase_add_test(tcase, two_without_a_serial_are_twins);
	tcase_add_test(tcase, what_is_no_drive_is_nobodys_twin);
	tcase_add_test(tcase, two_namespaces_of_a_drive_are_no_twins_and_have_two_keys);
	tcase_add_test(tcase, two_drives_with_one_serial_are_twins_whatever_their_namespaces);
	tcase_add_test(tcase, other_namespaces_are_reached_and_whether_they_are_in_use_is_told);
	tcase_add_test(tcase, what_the_drive_does_not_list_may_be_reached);
	tcase_add_test(tcase, what_no_offered_method_reaches_is_untouched);
	tcase_add_test(tcase, other_units_of_a_target_are_told);
	tcase_add_test(tcase, boot_partitions_and_rpmb_stay_untouched_and_are_told);
	tcase_add_test(tcase, the_same_drive_is_the_same_under_another_name);
	tcase_add_test(tcase, another_serial_wwn_key_or_size_is_another_drive);
	tcase_add_test(tcase, a_hidden_area_that_was_opened_is_no_other_drive);
	tcase_add_test(tcase, a_stand_in_may_change_and_the_key_not);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_drive.c - which drives lie below, what kind each is, and what overwriting can promise there
 *
 * Goal: every kind of drive and of layer that the header's table names is recognised, and gets that
 * row's verdict, with a reason that names the layer.  Method: trees of files as the kernel makes
 * them in /sys, udev's database and device-mapper's tables beside them; then stacks made by hand,
 * for the verdict alone.
 */
#include "blockdev/drive_impl.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static char root[PATH_MAX], sysfs[PATH_MAX + 8], udev[PATH_MAX + 8], mapper[PATH_MAX + 8];
static struct drive_places places;
static struct drive_stack stack;
static struct drive_verdict verdict;

static void setup(void)
{
	snprintf(root, sizeof(root), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(sysfs, sizeof(sysfs), "%s/sys", root);
	snprintf(udev, sizeof(udev), "%s/udev", root);
	snprintf(mapper, sizeof(mapper), "%s/mapper", root);
	ck_assert_int_eq(mkdir(udev, 0700), 0);
	ck_assert_int_eq(mkdir(mapper, 0700), 0);
	places = (struct drive_places){.sysfs = sysfs, .udev = udev, .mapper = mapper};
}

static void teardown(void)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	ck_assert_int_eq(system(command), 0);
}

/* --- trees --- */

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)!mkdir(path, 0700);
		*slash = '/';
	}
}

static void put_bytes(const char *path, const void *data, size_t bytes)
{
	char copy[2 * PATH_MAX];
	FILE *file;

	snprintf(copy, sizeof(copy), "%s", path);
	make_parents(copy);
	file = fopen(copy, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static void put(const char *value, const char *format, ...) format_printf(2, 3);

/* A file of sysfs, as the kernel ends it. */
static void put(const char *value, const char *format, ...)
{
	char path[2 * PATH_MAX], text[512];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/", sysfs);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path + used, sizeof(path) - used, format, arguments);
	va_end(arguments);
	snprintf(text, sizeof(text), "%s\n", value);
	put_bytes(path, text, strlen(text));
}

/* A block device at "devices/..." with its number. */
static void put_device(const char *at, unsigned int number_major, unsigned int number_minor)
{
	char path[2 * PATH_MAX], target[PATH_MAX], number[32];

	snprintf(number, sizeof(number), "%u:%u", number_major, number_minor);
	put(number, "%s/dev", at);
	put("2097152", "%s/size", at);
	snprintf(path, sizeof(path), "%s/dev/block/%s", sysfs, number);
	make_parents(path);
	snprintf(target, sizeof(target), "../../%s", at);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void put_disk(const char *at, unsigned int number_minor, const char *rotational)
{
	put_device(at, 8, number_minor);
	put(rotational, "%s/queue/rotational", at);
	put("none", "%s/queue/zoned", at);
}

static void put_link(const char *at, const char *list, const char *name, const char *to)
{
	char path[2 * PATH_MAX], target[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s/%s", sysfs, at, list, name);
	make_parents(path);
	snprintf(target, sizeof(target), "%s/%s", sysfs, to);
	ck_assert_int_eq(symlink(target, path), 0);
}

/* Page B1h: block device characteristics. */
static void put_rate(const char *at, unsigned int rate, unsigned int zoned)
{
	uint8_t page[64] = {
		0, 0xb1, 0, 60, (uint8_t)(rate >> 8), (uint8_t)rate, 0, 0, (uint8_t)(zoned << 4)};
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/device/vpd_pgb1", sysfs, at);
	put_bytes(path, page, sizeof(page));
}

static void put_words(uint8_t *identify, size_t word, const char *text, size_t words)
{
	char padded[64];

	snprintf(padded, sizeof(padded), "%-*s", (int)(2 * words), text);
	for (size_t i = 0; i < words; i++) {
		identify[2 * (word + i)] = (uint8_t)padded[2 * i + 1];
		identify[2 * (word + i) + 1] = (uint8_t)padded[2 * i];
	}
}

/* Page 89h: what an ATA drive said of itself. */
static void put_identify(const char *at, const char *model, const char *serial,
	const char *firmware, unsigned int rate, unsigned int zoned)
{
	uint8_t page[572] = {0, 0x89, 0x02, 0x38};
	char path[2 * PATH_MAX];

	put_words(page + 60, 10, serial, 10);
	put_words(page + 60, 23, firmware, 4);
	put_words(page + 60, 27, model, 20);
	page[60 + 2 * 69] = (uint8_t)zoned;
	page[60 + 2 * 217] = (uint8_t)rate;
	page[60 + 2 * 217 + 1] = (uint8_t)(rate >> 8);
	snprintf(path, sizeof(path), "%s/%s/device/vpd_pg89", sysfs, at);
	put_bytes(path, page, sizeof(page));
}

static void put_udev(const char *number, const char *lines)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/b%s", udev, number);
	put_bytes(path, lines, strlen(lines));
}

static void put_targets(const char *number, const char *lines)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", mapper, number);
	put_bytes(path, lines, strlen(lines));
}

static void look(unsigned int number_major, unsigned int number_minor)
{
	drive_look_at_device(makedev(number_major, number_minor), &places, &stack);
	verdict = drive_judge(&stack);
}

static const struct drive_layer *last(void)
{
	ck_assert_uint_gt(stack.count, 0);
	return &stack.layers[stack.count - 1];
}

static void expect_drive(enum drive_class class, const char *transport)
{
	ck_assert_msg(last()->class == class, "%s instead of %s", drive_class_name(last()->class),
		drive_class_name(class));
	ck_assert_str_eq(last()->text, transport);
}

static void expect(enum drive_sanitization what, const char *word)
{
	ck_assert_msg(verdict.overwrite == what, "%s: %s",
		drive_sanitization_name(verdict.overwrite), verdict.reason);
	ck_assert_msg(
		strstr(verdict.reason, word), "\"%s\" does not say \"%s\"", verdict.reason, word);
	ck_assert_msg(strstr(verdict.clause, "SP 800-88r2"), "clause \"%s\"", verdict.clause);
}

#define SATA(host)                                                                                 \
	"devices/pci0000:00/0000:00:17.0/ata" host "/host" host "/target" host ":0:0/" host        \
	":0:0:0/block/"

static void put_sata_hdd(void)
{
	put_disk(SATA("1") "sda", 0, "1");
	put("ATA", SATA("1") "sda/device/vendor");
	put("WDC WD40EFRX-68N", SATA("1") "sda/device/model");
	put("0A82", SATA("1") "sda/device/rev");
	put("naa.50014ee2b7d1a1c3", SATA("1") "sda/device/wwid");
	put_identify(
		SATA("1") "sda", "WDC WD40EFRX-68N32N0", "WD-WCC7K0AAAAAA", "82.00A82", 5400, 0);
}

static void put_sata_ssd(void)
{
	put_disk(SATA("2") "sdb", 16, "0");
	put("Samsung SSD 870", SATA("2") "sdb/device/model");
	put_identify(
		SATA("2") "sdb", "Samsung SSD 870 EVO 1TB", "S6PUNX0R000000", "SVT02B6Q", 1, 0);
}

/* --- drives --- */

START_TEST(a_sata_disk_that_tells_its_rate_is_rotational_and_is_named_whole)
{
	put_sata_hdd();
	look(8, 0);
	ck_assert_uint_eq(stack.count, 1);
	expect_drive(DRIVE_ROTATIONAL, "ata");
	ck_assert_str_eq(last()->name, "sda");
	ck_assert_str_eq(last()->model, "WDC WD40EFRX-68N32N0");
	ck_assert_str_eq(last()->serial, "WD-WCC7K0AAAAAA");
	ck_assert_str_eq(last()->wwn, "naa.50014ee2b7d1a1c3");
	ck_assert_str_eq(last()->firmware, "82.00A82");
	put("t10.ATA     WDC WD40EFRX-68N   WD-WCC7K0AAAAAA", SATA("1") "sda/device/wwid");
	look(8, 0);
	ck_assert_str_eq(last()->wwn, ""); /* made of the maker and the serial: no WWN */
	ck_assert_uint_eq(last()->bytes, 1u << 30);
	expect(DRIVE_CLEAR, "sda (WDC WD40EFRX-68N32N0)");
}
END_TEST

START_TEST(a_partition_stands_on_its_disk)
{
	put_sata_hdd();
	put_device(SATA("1") "sda/sda2", 8, 2);
	put("2", SATA("1") "sda/sda2/partition");
	look(8, 2);
	ck_assert_uint_eq(stack.count, 2);
	ck_assert_int_eq(stack.layers[0].class, DRIVE_PARTITION);
	ck_assert_uint_eq(stack.layers[1].depth, 1);
	expect(DRIVE_CLEAR, "sda");
}
END_TEST

START_TEST(a_sata_ssd_is_flash)
{
	put_sata_ssd();
	look(8, 16);
	expect_drive(DRIVE_FLASH, "ata");
	expect(DRIVE_NEITHER, "remnants must be assumed");
	ck_assert(strstr(verdict.clause, "FPT_WIPE_EXT.1"));
}
END_TEST

START_TEST(a_drive_whose_rate_says_flash_is_flash_whatever_the_kernels_flag)
{
	put_sata_ssd();
	put("1", SATA("2") "sdb/queue/rotational");
	look(8, 16);
	expect_drive(DRIVE_FLASH, "ata");
}
END_TEST

START_TEST(the_kernels_flag_alone_makes_no_drive_rotational)
{
	put_disk(SATA("1") "sda", 0, "1");
	look(8, 0);
	expect_drive(DRIVE_UNKNOWN, "ata");
	expect(DRIVE_NEITHER, "not assessed");
	put_rate(SATA("1") "sda", 0, 0);
	look(8, 0);
	expect_drive(DRIVE_UNKNOWN, "ata");
	put_rate(SATA("1") "sda", 7200, 0);
	look(8, 0);
	expect_drive(DRIVE_ROTATIONAL, "ata");
}
END_TEST

START_TEST(udev_tells_what_sysfs_does_not)
{
	put_disk(SATA("1") "sda", 0, "1");
	put_udev("8:0", "S:disk/by-id/"
			"x\nI:1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_MODEL=ST4000VN008-2DR1\n"
			"E:ID_REVISION=SC60\nE:ID_SERIAL=ST4000VN008-2DR1_ZDH0AAAA\nE:ID_SERIAL_"
			"SHORT=ZDH0AAAA\n"
			"E:ID_WWN=0x5000c500a0000000\n");
	look(8, 0);
	expect_drive(DRIVE_ROTATIONAL, "ata");
	ck_assert_str_eq(last()->model, "ST4000VN008-2DR1");
	ck_assert_str_eq(last()->serial, "ZDH0AAAA");
	ck_assert_str_eq(last()->firmware, "SC60");
	ck_assert_str_eq(last()->wwn, "0x5000c500a0000000");
}
END_TEST

START_TEST(a_zoned_drive_is_recognised_by_the_kernel_or_by_what_it_says)
{
	static const char *const kinds[] = {"host-aware", "host-managed"};

	put_sata_hdd();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		put(kinds[i], SATA("1") "sda/queue/zoned");
		look(8, 0);
		expect_drive(DRIVE_ZONED, "ata");
		expect(DRIVE_NEITHER, "shingled");
	}
	put("none", SATA("1") "sda/queue/zoned");
	put_identify(SATA("1") "sda", "ST8000DM004", "Z", "1", 5425, 2);
	look(8, 0);
	expect_drive(DRIVE_ZONED, "ata");
	put_identify(SATA("1") "sda", "ST8000DM004", "Z", "1", 5425, 0);
	put_rate(SATA("1") "sda", 5425, 2);
	look(8, 0);
	expect_drive(DRIVE_ZONED, "ata");
}
END_TEST

START_TEST(a_sas_disk_has_its_serial_from_its_page)
{
	static const char at[] = "devices/pci0000:00/0000:03:00.0/host0/port-0:0/end_device-0:0/"
				 "target0:0:0/0:0:0:0/block/sdc";
	uint8_t page[] = "\0\x80\0\x0cZC1A0000    ";
	char path[2 * PATH_MAX];

	put_disk(at, 32, "1");
	put("SEAGATE", "%s/device/vendor", at);
	put("ST8000NM001A", "%s/device/model", at);
	put("E002", "%s/device/rev", at);
	put_rate(at, 7200, 0);
	snprintf(path, sizeof(path), "%s/%s/device/vpd_pg80", sysfs, at);
	put_bytes(path, page, 16);
	put("mpt3sas", "class/scsi_host/host0/proc_name");
	look(8, 32);
	expect_drive(DRIVE_ROTATIONAL, "sas");
	ck_assert_str_eq(last()->serial, "ZC1A0000");
	ck_assert_str_eq(last()->firmware, "E002");
	put("megaraid_sas", "class/scsi_host/host0/proc_name");
	look(8, 32);
	expect_drive(DRIVE_VIRTUAL, "megaraid_sas");
	expect(DRIVE_NEITHER, "RAID controller");
}
END_TEST

START_TEST(nvme_is_flash_and_over_a_network_it_is_the_networks)
{
	static const char at[] = "devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1";

	put_device(at, 259, 0);
	put("0", "%s/queue/rotational", at);
	put("eui.0025385b21404b5f", "%s/wwid", at);
	put("pcie", "%s/device/transport", at);
	put("KXG60ZNV512G TOSHIBA", "%s/device/model", at);
	put("8A0F71C0F7DZ        ", "%s/device/serial", at);
	put("AGGA4104", "%s/device/firmware_rev", at);
	look(259, 0);
	expect_drive(DRIVE_FLASH, "nvme");
	ck_assert_str_eq(last()->serial, "8A0F71C0F7DZ");
	ck_assert_str_eq(last()->wwn, "eui.0025385b21404b5f");
	ck_assert_str_eq(last()->firmware, "AGGA4104");
	expect(DRIVE_NEITHER, "flash");
	put("tcp", "%s/device/transport", at);
	look(259, 0);
	expect_drive(DRIVE_NETWORK, "nvme");
	expect(DRIVE_NEITHER, "network");
}
END_TEST

START_TEST(emmc_and_its_boot_partition_are_flash_of_one_drive)
{
	static const char at[] =
		"devices/platform/fe330000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0";

	put_device(at, 179, 0);
	put("0", "%s/queue/rotational", at);
	put("MMC", "%s/device/type", at);
	put("DG4016", "%s/device/name", at);
	put("0x4eb9c6fd", "%s/device/serial", at);
	put("0x3441323530323031", "%s/device/fwrev", at);
	look(179, 0);
	expect_drive(DRIVE_EMMC, "mmc");
	ck_assert_str_eq(last()->model, "DG4016");
	ck_assert_str_eq(last()->serial, "0x4eb9c6fd");
	expect(DRIVE_NEITHER, "flash");
	put_device(
		"devices/platform/fe330000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0boot0",
		179, 32);
	put("DG4016", "%s/mmcblk0boot0/device/device/name", at);
	put("0x4eb9c6fd", "%s/mmcblk0boot0/device/device/serial", at);
	look(179, 32);
	expect_drive(DRIVE_EMMC, "mmc");
	ck_assert_str_eq(last()->serial, "0x4eb9c6fd");
	put("SD", "%s/device/type", at);
	look(179, 0);
	expect_drive(DRIVE_EMMC, "sd");
}
END_TEST

START_TEST(a_usb_stick_that_says_nothing_is_no_disk)
{
	static const char at[] =
		"devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/"
		"6:0:0:0/block/sdd";

	put_disk(at, 48, "1");
	put("1", "%s/removable", at);
	put("Cruzer Blade", "%s/device/model", at);
	look(8, 48);
	expect_drive(DRIVE_FLASH, "usb");
	put("0", "%s/removable", at);
	look(8, 48);
	expect_drive(DRIVE_UNKNOWN, "usb");
	expect(DRIVE_NEITHER, "not assessed");
	put_identify(at, "WDC WD10SMZW", "WX", "02.0", 5400, 0);
	look(8, 48);
	expect_drive(DRIVE_ROTATIONAL, "usb");
}
END_TEST

struct seat {
	const char *at;
	enum drive_class class;
	const char *text;
};

static const struct seat seats[] = {
	{"devices/pci0000:00/0000:00:04.0/virtio1/block/vda", DRIVE_VIRTUAL, "virtio"},
	{"devices/pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0/2:0:0:0/block/sde",
		DRIVE_VIRTUAL, "virtio"},
	{"devices/vbd-51712/block/xvda", DRIVE_VIRTUAL, "xen"},
	{"devices/LNXSYSTM:00/VMBUS:01/aa/host0/target0:0:0/0:0:0:0/block/sde", DRIVE_VIRTUAL,
		"vmbus"},
	{"devices/platform/host5/session1/target5:0:0/5:0:0:0/block/sde", DRIVE_NETWORK, "iscsi"},
	{"devices/pci0000:00/0000:81:00.0/host7/rport-7:0-2/target7:0:0/7:0:0:1/block/sde",
		DRIVE_NETWORK, "fc"},
	{"devices/virtual/block/nbd0", DRIVE_NETWORK, "nbd"},
	{"devices/virtual/block/rbd0", DRIVE_NETWORK, "rbd"},
	{"devices/virtual/block/drbd1", DRIVE_NETWORK, "drbd"},
	{"devices/virtual/block/ublkb0", DRIVE_VIRTUAL, "ublk"},
	{"devices/virtual/block/zram0", DRIVE_MEMORY, "zram"},
	{"devices/virtual/block/ram0", DRIVE_MEMORY, "ram"},
	{"devices/platform/x/mtd/mtd0/mtdblock0", DRIVE_FLASH, "mtd"},
	{"devices/virtual/block/zd16", DRIVE_VIRTUAL, "zvol"},
	{"devices/virtual/block/invented0", DRIVE_UNKNOWN, ""},
	{"devices/LNXSYSTM:00/ndbus0/region0/namespace0.0/block/pmem0", DRIVE_UNKNOWN, "pmem"},
};

START_TEST(what_is_no_drive_of_this_machine_is_told_by_its_seat)
{
	const struct seat *seat = &seats[_i];

	/* Each claims to rotate, as the kernel has it for whatever says nothing. */
	put_device(seat->at, 250, 7);
	put("1", "%s/queue/rotational", seat->at);
	look(250, 7);
	expect_drive(seat->class, seat->text);
	put("0", "%s/queue/rotational", seat->at);
	look(250, 7);
	expect_drive(seat->class, seat->text);
	expect(DRIVE_NEITHER, seat->class == DRIVE_NETWORK  ? "network"
			      : seat->class == DRIVE_MEMORY ? "memory"
							    : "");
}
END_TEST

START_TEST(a_hypervisors_disk_is_known_by_its_maker)
{
	put_sata_hdd();
	put_identify(SATA("1") "sda", "QEMU HARDDISK", "QM00001", "2.5+", 7200, 0);
	look(8, 0);
	expect_drive(DRIVE_VIRTUAL, "ata");
	expect(DRIVE_NEITHER, "virtual");
	put_identify(SATA("1") "sda", "HARDDISK", "1", "1", 7200, 0);
	look(8, 0);
	expect_drive(DRIVE_ROTATIONAL, "ata");
	put("VBOX", SATA("1") "sda/device/vendor");
	look(8, 0);
	expect_drive(DRIVE_VIRTUAL, "ata");
}
END_TEST

START_TEST(ufs_is_flash)
{
	static const char at[] =
		"devices/platform/1d84000.ufshc/host0/target0:0:0/0:0:0:0/block/sda";

	put_disk(at, 0, "0");
	put("ufshcd", "class/scsi_host/host0/proc_name");
	look(8, 0);
	expect_drive(DRIVE_FLASH, "ufs");
}
END_TEST

/* --- what stands on drives --- */

#define MAPPED "devices/virtual/block/dm-0"

static void put_mapped(const char *targets)
{
	put_device(MAPPED, 253, 0);
	put("spool", MAPPED "/dm/name");
	put_link(MAPPED, "slaves", "sda", SATA("1") "sda");
	if (targets)
		put_targets("253:0", targets);
}

struct mapped {
	const char *targets, *text;
	enum drive_sanitization what;
	const char *word;
};

static const struct mapped mapped[] = {
	{"linear \n", "linear", DRIVE_CLEAR, "sda"},
	{"linear\nlinear\nstriped 2 8:0 8:16 1 AA\n", "linear+striped", DRIVE_CLEAR, "sda"},
	{"crypt \n", "crypt", DRIVE_CLEAR, "sda"},
	{"mirror 2 8:0 8:16 4/4 1 AA\n", "mirror", DRIVE_CLEAR, "sda"},
	{"multipath 2 0 0 0 1 1 A 0 1 0 8:0 A 0\n", "multipath", DRIVE_CLEAR, "sda"},
	{"thin 1024 2047\n", "thin", DRIVE_NEITHER, "thin volume"},
	{"thin-pool 1 2/3 4/5\n", "thin-pool", DRIVE_NEITHER, "thin pool"},
	{"snapshot 16/1000 16\n", "snapshot", DRIVE_NEITHER, "snapshot"},
	{"snapshot-origin \n", "snapshot-origin", DRIVE_NEITHER, "copied"},
	{"cache 8 27/2048 128\n", "cache", DRIVE_NEITHER, "cache"},
	{"writecache 0 1 2\n", "writecache", DRIVE_NEITHER, "cache"},
	{"vdo /dev/x normal -\n", "vdo", DRIVE_NEITHER, "deduplicates"},
	{"integrity 0 1 -\n", "integrity", DRIVE_NEITHER, "journal"},
	{"linear\nsnapshot-origin\n", "linear+snapshot-origin", DRIVE_NEITHER, "copied"},
	{"flux-capacitor 88\n", "flux-capacitor", DRIVE_NEITHER, "not assessed"},
	{NULL, "", DRIVE_NEITHER, "could not be asked"},
};

START_TEST(each_target_of_device_mapper_gets_its_verdict)
{
	const struct mapped *m = &mapped[_i];

	put_sata_hdd();
	put_mapped(m->targets);
	look(253, 0);
	ck_assert_uint_eq(stack.count, 2);
	ck_assert_int_eq(stack.layers[0].class, DRIVE_MAPPED);
	ck_assert_str_eq(stack.layers[0].text, m->text);
	expect(m->what, m->word);
}
END_TEST

START_TEST(without_the_right_to_ask_a_uuid_still_tells_encryption)
{
	put_sata_hdd();
	put_mapped(NULL);
	put("CRYPT-LUKS2-0123-spool", MAPPED "/dm/uuid");
	look(253, 0);
	ck_assert_str_eq(stack.layers[0].text, "crypt");
	expect(DRIVE_CLEAR, "sda");
}
END_TEST

START_TEST(raid_of_device_mapper_tells_level_health_and_journal)
{
	put_sata_hdd();
	put_mapped("raid raid1 2 AA 100/100 idle 0 0 -\n");
	look(253, 0);
	ck_assert_int_eq(stack.layers[0].class, DRIVE_RAID);
	ck_assert_str_eq(stack.layers[0].text, "raid1");
	expect(DRIVE_CLEAR, "sda");
	put_targets("253:0", "raid raid5_ls 3 AAA 100/100 idle 0 0 A\n");
	look(253, 0);
	expect(DRIVE_NEITHER, "journal");
	put_targets("253:0", "raid raid1 2 AD 100/100 idle 0 0 -\n");
	look(253, 0);
	expect(DRIVE_NEITHER, "degraded");
}
END_TEST

#define RAID "devices/virtual/block/md0"

static void put_raid(const char *level, const char *policy, const char *degraded)
{
	put_device(RAID, 9, 0);
	put(level, RAID "/md/level");
	put(policy, RAID "/md/consistency_policy");
	put(degraded, RAID "/md/degraded");
	put_link(RAID, "slaves", "sda", SATA("1") "sda");
}

START_TEST(a_mirror_of_a_disk_and_flash_is_as_bad_as_flash)
{
	put_sata_hdd();
	put_sata_ssd();
	put_raid("raid1", "resync", "0");
	look(9, 0);
	expect(DRIVE_CLEAR, "sda");
	put_link(RAID, "slaves", "sdb", SATA("2") "sdb");
	look(9, 0);
	ck_assert_uint_eq(stack.count, 3);
	ck_assert_str_eq(stack.layers[0].text, "raid1");
	expect(DRIVE_NEITHER, "sdb (Samsung SSD 870 EVO 1TB)");
}
END_TEST

START_TEST(two_members_on_one_disk_are_both_seen)
{
	put_sata_hdd();
	put_device(SATA("1") "sda/sda1", 8, 1);
	put("1", SATA("1") "sda/sda1/partition");
	put_device(SATA("1") "sda/sda2", 8, 2);
	put("2", SATA("1") "sda/sda2/partition");
	put_device(RAID, 9, 0);
	put("raid1", RAID "/md/level");
	put_link(RAID, "slaves", "sda1", SATA("1") "sda/sda1");
	put_link(RAID, "slaves", "sda2", SATA("1") "sda/sda2");
	look(9, 0);
	ck_assert_uint_eq(stack.count, 5);
	expect(DRIVE_CLEAR, "sda");
}
END_TEST

START_TEST(a_raid_with_a_journal_keeps_copies)
{
	put_sata_hdd();
	put_raid("raid5", "resync", "0");
	look(9, 0);
	expect(DRIVE_CLEAR, "sda");
	put("journal", RAID "/md/consistency_policy");
	put("[write-through] write-back", RAID "/md/journal_mode");
	look(9, 0);
	ck_assert_ptr_nonnull(strstr(stack.layers[0].text, "raid5 with a journal"));
	expect(DRIVE_NEITHER, "copies");
	put("ppl", RAID "/md/consistency_policy");
	look(9, 0);
	expect(DRIVE_NEITHER, "partial parity log");
}
END_TEST

START_TEST(a_degraded_raid_promises_nothing)
{
	put_sata_hdd();
	put_raid("raid1", "bitmap", "1");
	look(9, 0);
	expect(DRIVE_NEITHER, "missing member");
}
END_TEST

START_TEST(a_level_that_is_not_known_is_not_assessed)
{
	put_sata_hdd();
	put_raid("faulty", "none", "0");
	look(9, 0);
	expect(DRIVE_NEITHER, "not assessed");
}
END_TEST

START_TEST(bcache_keeps_copies)
{
	put_sata_hdd();
	put_device("devices/virtual/block/bcache0", 252, 0);
	put("sda", SATA("1") "sda/bcache/backing_dev_name"); /* the backing drive has it too */
	put_link("devices/virtual/block/bcache0", "slaves", "sda", SATA("1") "sda");
	look(252, 0);
	expect_drive(DRIVE_ROTATIONAL, "ata");
	expect(DRIVE_NEITHER, "cache");
}
END_TEST

START_TEST(what_is_not_there_is_not_assessed)
{
	look(8, 99);
	ck_assert(stack.cut);
	expect(DRIVE_NEITHER, "not assessed");
	put_device(RAID, 9, 0);
	put("raid1", RAID "/md/level");
	look(9, 0);
	ck_assert(stack.cut);
	expect(DRIVE_NEITHER, "not assessed");
}
END_TEST

START_TEST(a_stack_without_end_is_cut)
{
	put_device(MAPPED, 253, 0);
	put("x", MAPPED "/dm/name");
	put_targets("253:0", "linear\n");
	put_link(MAPPED, "slaves", "dm-0", MAPPED);
	look(253, 0);
	ck_assert(stack.cut);
	expect(DRIVE_NEITHER, "not assessed");
}
END_TEST

/* A loop device over a file of this test, which lies where the tree says. */
START_TEST(a_loop_device_leads_to_the_drive_of_its_file)
{
	char file[2 * PATH_MAX];
	struct stat st;

	snprintf(file, sizeof(file), "%s/image", root);
	put_bytes(file, "x", 1);
	ck_assert_int_eq(stat(file, &st), 0);
	put_sata_hdd();
	put_device("devices/virtual/block/loop3", 7, 3);
	put(file, "devices/virtual/block/loop3/loop/backing_file");
	if (major(st.st_dev) == 0) /* on tmpfs, overlay: test_drive_real.c has these */
		return;
	put_device(SATA("1") "sda/sda9", major(st.st_dev), minor(st.st_dev));
	put("9", SATA("1") "sda/sda9/partition");
	look(7, 3);
	ck_assert_uint_eq(stack.count, 4);
	ck_assert_int_eq(stack.layers[0].class, DRIVE_LOOP);
	ck_assert_int_eq(stack.layers[1].class, DRIVE_FILE);
	ck_assert_int_eq(stack.layers[2].class, DRIVE_PARTITION);
	expect_drive(DRIVE_ROTATIONAL, "ata");
	ck_assert_int_eq(unlink(file), 0);
	look(7, 3);
	ck_assert(stack.cut);
	expect(DRIVE_NEITHER, "not assessed");
}
END_TEST

/* --- the verdict alone --- */

static struct drive_layer *add(enum drive_class class, const char *text, unsigned int depth)
{
	struct drive_layer *layer = &stack.layers[stack.count++];

	*layer = (struct drive_layer){.class = class, .depth = depth};
	snprintf(layer->name, sizeof(layer->name), "layer%zu", stack.count);
	snprintf(layer->text, sizeof(layer->text), "%s", text);
	return layer;
}

static struct drive_layer *add_file(uint32_t magic)
{
	struct drive_layer *layer = add(DRIVE_FILE, "", 0);

	layer->facts = (struct medium_facts){.direct = true, .file_system = magic};
	return layer;
}

static void judge_file(uint32_t magic, uint32_t extent_flags)
{
	stack = (struct drive_stack){.count = 0};
	add_file(magic)->facts.extent_flags = extent_flags;
	add(DRIVE_ROTATIONAL, "ata", 1);
	verdict = drive_judge(&stack);
}

START_TEST(a_file_in_place_is_as_good_as_its_drive)
{
	static const uint32_t magics[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		judge_file(magics[i], 0);
		expect(DRIVE_CLEAR, "layer2");
	}
	judge_file(EXT4_SUPER_MAGIC, FIEMAP_EXTENT_SHARED);
	expect(DRIVE_NEITHER, "reflink");
	judge_file(XFS_SUPER_MAGIC, FIEMAP_EXTENT_ENCODED);
	expect(DRIVE_NEITHER, "compressed");
	judge_file(BTRFS_SUPER_MAGIC, 0);
	expect(DRIVE_NEITHER, "btrfs");
	judge_file(F2FS_SUPER_MAGIC, 0);
	expect(DRIVE_NEITHER, "f2fs");
	judge_file(OVERLAYFS_SUPER_MAGIC, 0);
	expect(DRIVE_NEITHER, "overlayfs");
	judge_file(0x77777777, 0);
	expect(DRIVE_NEITHER, "not assessed");
	stack.layers[0].facts.is_volume = true;
	verdict = drive_judge(&stack);
	expect(DRIVE_NEITHER, "spoolguard volume");
}
END_TEST

START_TEST(what_is_known_to_be_bad_is_said_before_what_is_not_known)
{
	stack = (struct drive_stack){.count = 0};
	add(DRIVE_RAID, "raid1", 0);
	add(DRIVE_UNKNOWN, "", 1);
	add(DRIVE_FLASH, "nvme", 1);
	verdict = drive_judge(&stack);
	expect(DRIVE_NEITHER, "layer3");
	ck_assert_ptr_eq(verdict.layer, &stack.layers[2]);
	add(DRIVE_VIRTUAL, "", 1);
	verdict = drive_judge(&stack);
	expect(DRIVE_NEITHER, "layer3"); /* of equals the first */
}
END_TEST

START_TEST(nothing_seen_promises_nothing)
{
	stack = (struct drive_stack){.count = 0};
	verdict = drive_judge(&stack);
	expect(DRIVE_NEITHER, "not assessed");
	add(DRIVE_ROTATIONAL, "ata", 0);
	verdict = drive_judge(&stack);
	expect(DRIVE_CLEAR, "layer1");
	stack.cut = true;
	verdict = drive_judge(&stack);
	expect(DRIVE_NEITHER, "could be looked at");
}
END_TEST

START_TEST(a_layer_that_stands_on_nothing_is_not_assessed)
{
	static const enum drive_class classes[] = {DRIVE_LOOP, DRIVE_PARTITION};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		stack = (struct drive_stack){.count = 0};
		add(classes[i], "", 0);
		add(DRIVE_ROTATIONAL, "ata", 0); /* beside it, not below */
		verdict = drive_judge(&stack);
		expect(DRIVE_NEITHER, "not seen");
	}
}
END_TEST

START_TEST(an_overwrite_is_never_purge)
{
	for (int class = 0; class <= DRIVE_RAID; class ++) {
		stack = (struct drive_stack){.count = 0};
		add((enum drive_class) class, "raid1", 0);
		add(DRIVE_ROTATIONAL, "ata", 1);
		verdict = drive_judge(&stack);
		ck_assert_int_ne(verdict.overwrite, DRIVE_PURGE);
		ck_assert_str_ne(drive_class_name((enum drive_class) class), "");
	}
	ck_assert_str_eq(drive_sanitization_name(DRIVE_CLEAR), "Clear");
	ck_assert_str_eq(drive_sanitization_name(DRIVE_NEITHER), "neither");
}
END_TEST

/* --- pages --- */

START_TEST(a_page_that_is_cut_or_is_another_one_tells_nothing_wrong)
{
	uint8_t page[572], *exact;
	struct drive_pages pages;

	memset(page, 0x41, sizeof(page));
	for (size_t bytes = 0; bytes <= sizeof(page); bytes++) {
		exact = malloc(bytes ? bytes : 1); /* so that a sanitizer sees a byte too many */
		memcpy(exact, page, bytes);
		pages = (struct drive_pages){.rate = 0};
		drive_pages_serial(exact, bytes, &pages);
		drive_pages_characteristics(exact, bytes, &pages);
		drive_pages_ata(exact, bytes, &pages);
		ck_assert(!pages.rate_known && pages.serial[0] == '\0');
		for (int number = 0x80; number <= 0xb1; number++) {
			if (bytes > 1)
				exact[1] = (uint8_t)number;
			drive_pages_serial(exact, bytes, &pages);
			drive_pages_characteristics(exact, bytes, &pages);
			drive_pages_ata(exact, bytes, &pages);
		}
		ck_assert(strlen(pages.serial) < sizeof(pages.serial));
		ck_assert(strlen(pages.model) < sizeof(pages.model));
		free(exact);
	}
}
END_TEST

static void add_drives(TCase *tcase)
{
	tcase_add_test(tcase, a_sata_disk_that_tells_its_rate_is_rotational_and_is_named_whole);
	tcase_add_test(tcase, a_partition_stands_on_its_disk);
	tcase_add_test(tcase, a_sata_ssd_is_flash);
	tcase_add_test(tcase, a_drive_whose_rate_says_flash_is_flash_whatever_the_kernels_flag);
	tcase_add_test(tcase, the_kernels_flag_alone_makes_no_drive_rotational);
	tcase_add_test(tcase, udev_tells_what_sysfs_does_not);
	tcase_add_test(tcase, a_zoned_drive_is_recognised_by_the_kernel_or_by_what_it_says);
	tcase_add_test(tcase, a_sas_disk_has_its_serial_from_its_page);
	tcase_add_test(tcase, nvme_is_flash_and_over_a_network_it_is_the_networks);
	tcase_add_test(tcase, emmc_and_its_boot_partition_are_flash_of_one_drive);
	tcase_add_test(tcase, a_usb_stick_that_says_nothing_is_no_disk);
	tcase_add_loop_test(tcase, what_is_no_drive_of_this_machine_is_told_by_its_seat, 0,
		(int)ARRAY_SIZE(seats));
	tcase_add_test(tcase, a_hypervisors_disk_is_known_by_its_maker);
	tcase_add_test(tcase, ufs_is_flash);
}

static void add_layers(TCase *tcase)
{
	tcase_add_loop_test(
		tcase, each_target_of_device_mapper_gets_its_verdict, 0, (int)ARRAY_SIZE(mapped));
	tcase_add_test(tcase, without_the_right_to_ask_a_uuid_still_tells_encryption);
	tcase_add_test(tcase, raid_of_device_mapper_tells_level_health_and_journal);
	tcase_add_test(tcase, a_mirror_of_a_disk_and_flash_is_as_bad_as_flash);
	tcase_add_test(tcase, two_members_on_one_disk_are_both_seen);
	tcase_add_test(tcase, a_raid_with_a_journal_keeps_copies);
	tcase_add_test(tcase, a_degraded_raid_promises_nothing);
	tcase_add_test(tcase, a_level_that_is_not_known_is_not_assessed);
	tcase_add_test(tcase, bcache_keeps_copies);
	tcase_add_test(tcase, what_is_not_there_is_not_assessed);
	tcase_add_test(tcase, a_stack_without_end_is_cut);
	tcase_add_test(tcase, a_loop_device_leads_to_the_drive_of_its_file);
}

static void add_judged(TCase *tcase)
{
	tcase_add_test(tcase, a_file_in_place_is_as_good_as_its_drive);
	tcase_add_test(tcase, what_is_known_to_be_bad_is_said_before_what_is_not_known);
	tcase_add_test(tcase, nothing_seen_promises_nothing);
	tcase_add_test(tcase, a_layer_that_stands_on_nothing_is_not_assessed);
	tcase_add_test(tcase, an_overwrite_is_never_purge);
	tcase_add_test(tcase, a_page_that_is_cut_or_is_another_one_tells_nothing_wrong);
}

int main(void)
{
	TCase *trees = tcase_create("trees"), *pure = tcase_create("pure");
	Suite *suite = suite_create("drive");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(trees, scratch_make, scratch_remove);
	tcase_add_checked_fixture(trees, setup, teardown);
	add_drives(trees);
	add_layers(trees);
	add_judged(pure);
	suite_add_tcase(suite, trees);
	suite_add_tcase(suite, pure);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

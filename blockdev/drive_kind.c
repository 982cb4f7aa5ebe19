/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_kind.c - what kind of medium a drive is, and which drive
 *
 * The transport is told by the drive's place in the tree of devices, the kind by what the drive
 * said of itself (D1), the identity by the first place that has it.
 */
#include "base/io.h"
#include "blockdev/drive_impl.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES_MAX	1024
#define RATE_NOT_MOVING 1u
#define RATE_LEAST	0x401u /* rotations a minute; what is less is reserved */

/* Part of the drive's path in sysfs, up to the number behind it. */
struct transport {
	const char *part, *name;
	enum drive_class class; /* DRIVE_UNKNOWN: the drive has to tell */
};

static const struct transport transports[] = {
	{"/usb", "usb", DRIVE_UNKNOWN},
	{"/session", "iscsi", DRIVE_NETWORK},
	{"/rport-", "fc", DRIVE_NETWORK},
	{"/virtio", "virtio", DRIVE_VIRTUAL},
	{"/vbd-", "xen", DRIVE_VIRTUAL},
	{"/VMBUS:", "vmbus", DRIVE_VIRTUAL},
	{"/mmc_host/mmc", "mmc", DRIVE_EMMC},
	{"/end_device-", "sas", DRIVE_UNKNOWN},
	{"/ata", "ata", DRIVE_UNKNOWN},
	{"/nvme", "nvme", DRIVE_UNKNOWN},
};

/* Those that a driver's name tells all of. */
static const struct transport names[] = {
	{"zram", "zram", DRIVE_MEMORY},
	{"ram", "ram", DRIVE_MEMORY},
	{"nullb", "null", DRIVE_MEMORY},
	{"nbd", "nbd", DRIVE_NETWORK},
	{"rbd", "rbd", DRIVE_NETWORK},
	{"etherd!", "aoe", DRIVE_NETWORK},
	{"drbd", "drbd", DRIVE_NETWORK},
	{"ublkb", "ublk", DRIVE_VIRTUAL},
	{"zd", "zvol", DRIVE_VIRTUAL},
	{"vd", "virtio", DRIVE_VIRTUAL},
	{"xvd", "xen", DRIVE_VIRTUAL},
	{"pmem", "pmem", DRIVE_UNKNOWN},
	{"mtdblock", "mtd", DRIVE_FLASH},
	{"ubiblock", "ubi", DRIVE_FLASH},
	{"mmcblk", "mmc", DRIVE_EMMC},
};

/* Makers and models that hypervisors and arrays give to what they show as drives. */
static const char *const virtual_words[] = {"QEMU", "VBOX", "VMware", "Msft", "Virtual",
	"Amazon Elastic", "PersistentDisk", "nvme_card", "MSFT NVMe", "Logical Volume",
	"LOGICAL VOLUME"};

/* Drivers of controllers that show volumes of their own making as drives. */
static const char *const controllers[] = {"megaraid_sas", "megaraid", "hpsa", "cciss", "smartpqi",
	"aacraid", "arcmsr", "3w-9xxx", "3w-sas", "3w-xxxx", "ips", "stex", "mvumi", "hptiop",
	"pmcraid", "ipr", "mpi3mr", "gdth", "dpt_i2o"};

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* "/usb" is meant with a number behind it, "/VMBUS:" and "/rport-" with anything. */
static bool has_part(const char *path, const char *part)
{
	for (const char *at = path; (at = strstr(at, part)); at++) {
		if (!isalpha((unsigned char)at[strlen(part)]))
			return true;
	}
	return false;
}

static const struct transport *find_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t length = strlen(names[i].part);

		/* "vda" and "ram0", but not "vdsomething" */
		if (starts_with(name, names[i].part) && (length < 3 || !isalpha(name[length])))
			return &names[i];
	}
	return NULL;
}

static const struct transport *find_by_path(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		if (has_part(path, transports[i].part))
			return &transports[i];
	}
	return NULL;
}

/* --- what the drive said --- */

static void read_pages(
	const struct drive_places *places, int directory, dev_t device, struct drive_pages *pages)
{
	uint8_t page[PAGE_BYTES_MAX];
	char rate[16];
	size_t n;

	n = drive_sysfs_bytes(directory, "device/vpd_pg80", page, sizeof(page));
	drive_pages_serial(page, n, pages);
	n = drive_sysfs_bytes(directory, "device/vpd_pgb1", page, sizeof(page));
	drive_pages_characteristics(page, n, pages);
	n = drive_sysfs_bytes(directory, "device/vpd_pg89", page, sizeof(page));
	drive_pages_ata(page, n, pages);
	if (pages->rate == 0 &&
		drive_udev_read(places, device, "ID_ATA_ROTATION_RATE_RPM", rate, sizeof(rate))) {
		pages->rate = (unsigned int)strtoul(rate, NULL, 10);
		pages->rate_known = true;
	}
}

/* Of the SCSI host in the drive's path: "/host3/". */
static bool read_host_driver(
	const struct drive_places *places, const char *path, char *text, size_t text_bytes)
{
	const char *host = strstr(path, "/host");
	_cleanup_close_ int directory = -1;
	char host_path[PATH_MAX];

	text[0] = '\0';
	if (!host || !isdigit((unsigned char)host[5]))
		return false;
	snprintf(host_path, sizeof(host_path), "%.3900s/class/scsi_host/%.*s",
		places->sysfs ? places->sysfs : "/sys", (int)strcspn(host + 1, "/"), host + 1);
	directory = open(host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory >= 0 && drive_sysfs_read(directory, "proc_name", text, text_bytes);
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, list[i]) == 0)
			return true;
	}
	return false;
}

static bool names_hypervisor(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(virtual_words); i++) {
		if (strstr(text, virtual_words[i]))
			return true;
	}
	return false;
}

/* --- kind --- */

/* NVMe over a network says so itself; behind a subsystem its paths do. */
static bool is_fabric(int directory)
{
	static const char *const places[] = {"device/transport", "device/nvme0/transport",
		"device/nvme1/transport", "device/nvme2/transport", "device/nvme3/transport"};
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (drive_sysfs_read(directory, places[i], text, sizeof(text)))
			return strcmp(text, "pcie") != 0;
	}
	return false;
}

static bool is_zoned(int directory, const struct drive_pages *pages)
{
	char zoned[32];

	return pages->shingled ||
	       (drive_sysfs_read(directory, "queue/zoned", zoned, sizeof(zoned)) &&
		       strcmp(zoned, "none") != 0);
}

/* D1: from what the drive told of its rotation. */
static enum drive_class class_by_rotation(
	int directory, const struct drive_pages *pages, const char *transport)
{
	char rotational[8];

	if (!drive_sysfs_read(directory, "queue/rotational", rotational, sizeof(rotational)))
		return DRIVE_UNKNOWN;
	if (rotational[0] == '0' || (pages->rate_known && pages->rate == RATE_NOT_MOVING))
		return DRIVE_FLASH;
	if (pages->rate_known && pages->rate >= RATE_LEAST)
		return DRIVE_ROTATIONAL;
	if (strcmp(transport, "usb") == 0 && drive_sysfs_number(directory, "removable") == 1)
		return DRIVE_FLASH;
	return DRIVE_UNKNOWN;
}

static enum drive_class find_class(const struct drive_places *places, int directory,
	const char *path, const struct drive_pages *pages, struct drive_layer *layer)
{
	const struct transport *named = find_by_name(layer->name);
	const struct transport *transport = named ? named : find_by_path(path);
	char vendor[64], driver[64];

	if (transport)
		snprintf(layer->text, sizeof(layer->text), "%s", transport->name);
	if (drive_sysfs_read(directory, "device/type", driver, sizeof(driver)) &&
		strcmp(driver, "SD") == 0 && transport && transport->class == DRIVE_EMMC)
		snprintf(layer->text, sizeof(layer->text), "sd");
	if (named || (transport && transport->class != DRIVE_UNKNOWN))
		return transport->class;
	if (transport && strcmp(transport->name, "nvme") == 0 && is_fabric(directory))
		return DRIVE_NETWORK;
	drive_sysfs_read(directory, "device/vendor", vendor, sizeof(vendor));
	if (names_hypervisor(vendor) || names_hypervisor(layer->model))
		return DRIVE_VIRTUAL;
	if (read_host_driver(places, path, driver, sizeof(driver))) {
		layer->is_controller = is_one_of(driver, controllers, ARRAY_SIZE(controllers));
		if (layer->is_controller || !transport)
			snprintf(layer->text, sizeof(layer->text), "%s",
				strcmp(driver, "ufshcd") == 0 ? "ufs" : driver);
		if (layer->is_controller)
			return DRIVE_VIRTUAL;
	}
	if (is_zoned(directory, pages))
		return DRIVE_ZONED;
	if (strstr(path, "/virtual/block/"))
		return DRIVE_UNKNOWN; /* some driver's invention: its flags mean nothing */
	return class_by_rotation(directory, pages, layer->text);
}

/* --- identity --- */

/* No name that the world has: the kernel made it of the maker's name and the serial. */
static bool is_made_up(const char *wwid)
{
	return starts_with(wwid, "t10.") || starts_with(wwid, "nvme.");
}

/* The first of these that has something: of sysfs below the device, then of udev. */
static void find_text(const struct drive_places *places, int directory, dev_t device,
	const char *const *attributes, const char *const *properties, char *text, size_t bytes)
{
	for (; text[0] == '\0' && *attributes; attributes++)
		(void)drive_sysfs_read(directory, *attributes, text, bytes);
	for (; text[0] == '\0' && *properties; properties++)
		(void)drive_udev_read(places, device, *properties, text, bytes);
}

static void find_identity(const struct drive_places *places, int directory, dev_t device,
	const struct drive_pages *pages, struct drive_layer *layer)
{
	/* "device/device": of eMMC's boot partitions, which stand below their drive. */
	static const char *const model[] = {
		"device/model", "device/name", "device/device/name", NULL};
	static const char *const serial[] = {
		"device/serial", "serial", "device/device/serial", NULL};
	static const char *const wwn[] = {"wwid", "device/wwid", NULL};
	static const char *const firmware[] = {
		"device/firmware_rev", "device/fwrev", "device/device/fwrev", NULL};
	static const char *const revision[] = {"device/rev", NULL};
	static const char *const udev_model[] = {"ID_MODEL", NULL};
	static const char *const udev_serial[] = {
		"ID_SCSI_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL", NULL};
	static const char *const udev_wwn[] = {"ID_WWN_WITH_EXTENSION", "ID_WWN", NULL};
	static const char *const udev_firmware[] = {"ID_REVISION", NULL};
	static const char *const none[] = {NULL};

	snprintf(layer->model, sizeof(layer->model), "%s", pages->model);
	snprintf(layer->serial, sizeof(layer->serial), "%s", pages->serial);
	snprintf(layer->firmware, sizeof(layer->firmware), "%s", pages->firmware);
	find_text(places, directory, device, model, udev_model, layer->model, sizeof(layer->model));
	find_text(places, directory, device, serial, udev_serial, layer->serial,
		sizeof(layer->serial));
	find_text(places, directory, device, wwn, none, layer->wwn, sizeof(layer->wwn));
	if (is_made_up(layer->wwn))
		layer->wwn[0] = '\0';
	find_text(places, directory, device, none, udev_wwn, layer->wwn, sizeof(layer->wwn));
	find_text(places, directory, device, firmware, udev_firmware, layer->firmware,
		sizeof(layer->firmware));
	/* Cut to four characters for an ATA drive: after all that have it whole. */
	find_text(places, directory, device, revision, none, layer->firmware,
		sizeof(layer->firmware));
}

void drive_kind_find(const struct drive_places *places, int directory, const char *path,
	dev_t device, struct drive_layer *layer)
{
	struct drive_pages pages = {.rate = 0};

	read_pages(places, directory, device, &pages);
	find_identity(places, directory, device, &pages, layer);
	layer->class = find_class(places, directory, path, &pages, layer);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interface a device has, what the kernel is asked, and that a test build reaches no device.
 *
 * Method: a sysfs of its own; a port whose ioctl is a function of this test, behind which the
 * model of a drive may stand; loop devices where this machine lets us.
 *
 * Not under valgrind: it does not know what a loop device's ioctls fill in.
 */
#include "blockdev/guard.h"
#include "drives/facts.h"
#include "drives/linux_port_impl.h"
#include "tests/support/drive_rig.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mmc/ioctl.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { NEW_BYTES = 12345 * 512 };

static char sysfs[PATH_MAX / 2];

/* --- which interface --- */

static void make_directories(const char *path)
{
	char made[PATH_MAX];

	ck_assert_uint_lt(strlen(path), sizeof(made));
	strcpy(made, path);
	for (char *at = strchr(made + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(made, 0700);
		*at = '/';
	}
	(void)mkdir(made, 0700);
}

/* A device's directory, and in it a link, or a file. */
static void make_device(
	const char *kind, unsigned int minor_number, const char *link, const char *target)
{
	char path[PATH_MAX], *last;

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s/dev/%s/7:%u%s%s", sysfs, kind,
				 minor_number, link ? "/" : "", link ? link : ""),
		(int)sizeof(path));
	if (!link) {
		make_directories(path);
		return;
	}
	last = strrchr(path, '/');
	*last = '\0';
	make_directories(path);
	*last = '/';
	if (target)
		ck_assert_int_eq(symlink(target, path), 0);
	else
		ck_assert_int_eq(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
}

static int find(mode_t mode, unsigned int minor_number, struct linux_device *ret_device)
{
	return linux_device_find(sysfs, mode, makedev(7, minor_number), ret_device);
}

static void setup(void)
{
	snprintf(sysfs, sizeof(sysfs), "%s/sys", scratch_path());
	make_device("block", 0, NULL, NULL);
	make_device("block", 1, "device/subsystem", "../../../bus/scsi");
	make_device("block", 2, "device/subsystem", "../../../class/nvme");
	make_device("block", 3, "device/subsystem", "../../../class/nvme-subsystem");
	make_device("block", 4, "device/subsystem", "../../../bus/mmc");
	make_device("block", 5, "device/subsystem", "../../../class/block");
	make_device("block", 6, "device/subsystem", "../../../bus/virtio");
	make_device("block", 7, "partition", NULL);
	make_device("block", 7, "device/subsystem", "../../../bus/scsi");
	make_device("char", 0, "subsystem", "../../class/nvme");
	make_device("char", 1, "subsystem", "../../class/scsi_generic");
	make_device("char", 2, "subsystem", "../../class/tty");
}

START_TEST(sysfs_tells_the_interface)
{
	static const enum command_interface wanted[] = {[0] = INTERFACE_BLOCK,
		[1] = INTERFACE_SCSI,
		[2] = INTERFACE_NVME,
		[3] = INTERFACE_NVME,
		[4] = INTERFACE_MMC};
	struct linux_device device;

	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
		ck_assert_int_eq(find(S_IFBLK, i, &device), 0);
		ck_assert_int_eq(device.interface, wanted[i]);
		ck_assert(device.is_block);
	}
	ck_assert_int_eq(find(S_IFBLK, 6, &device), 0);
	ck_assert_int_eq(device.interface, INTERFACE_BLOCK);
	ck_assert_int_eq(find(S_IFCHR, 0, &device), 0);
	ck_assert_int_eq(device.interface, INTERFACE_NVME);
	ck_assert_int_eq(find(S_IFCHR, 1, &device), 0);
	ck_assert_int_eq(device.interface, INTERFACE_SCSI);
}
END_TEST

/* U2 */
START_TEST(a_part_of_a_drive_is_refused)
{
	struct linux_device device;

	ck_assert_int_eq(find(S_IFBLK, 7, &device), -EINVAL);
	ck_assert_int_eq(find(S_IFBLK, 5, &device), -EINVAL);
}
END_TEST

START_TEST(what_is_no_drive_is_refused)
{
	struct linux_device device;

	ck_assert_int_eq(find(S_IFCHR, 2, &device), -EMEDIUMTYPE);
	ck_assert_int_eq(find(S_IFREG, 0, &device), -EMEDIUMTYPE);
	ck_assert_int_eq(find(S_IFBLK, 99, &device), -ENOENT);
}
END_TEST

static void write_attribute(const char *name, const char *text)
{
	char link[64], path[PATH_MAX];
	int fd;

	snprintf(link, sizeof(link), "device/%s", name);
	snprintf(path, sizeof(path), "%s/dev/block/7:4/%s", sysfs, link);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* As a Raspberry Pi's kernel shows it. */
START_TEST(what_the_kernel_read_of_a_card_is_taken_from_sysfs)
{
	struct mmc_registers registers;

	ck_assert_int_eq(linux_device_registers(sysfs, makedev(7, 4), &registers), -ENOENT);
	write_attribute("type", "MMC\n");
	write_attribute("cid", "15010042474e4433520700a4b1c2d300\n");
	write_attribute("csd", "d02701320f5903fff6dbffef8e40400d\n");
	ck_assert_int_eq(linux_device_registers(sysfs, makedev(7, 4), &registers), 0);
	ck_assert(registers.is_emmc);
	ck_assert_uint_eq(registers.cid[0], 0x15);
	ck_assert_uint_eq(registers.cid[14], 0xd3);
	ck_assert_uint_eq(registers.csd[0], 0xd0);
	ck_assert_uint_eq(registers.csd[15], 0x0d);
	write_attribute("type", "SD\n");
	ck_assert_int_eq(linux_device_registers(sysfs, makedev(7, 4), &registers), 0);
	ck_assert(!registers.is_emmc);
	write_attribute("csd", "d02701320f5903fff6dbffef8e40400\n");
	ck_assert_int_eq(linux_device_registers(sysfs, makedev(7, 4), &registers), -EBADMSG);
	write_attribute("csd", "x02701320f5903fff6dbffef8e40400d\n");
	ck_assert_int_eq(linux_device_registers(sysfs, makedev(7, 4), &registers), -EBADMSG);
}
END_TEST

/* --- what the kernel is asked --- */

static struct {
	int answer, error;
	unsigned long request;
	struct nvme_passthru_cmd nvme;
	struct sg_io_hdr sg;
	uint8_t cdb[16];
	struct mmc_ioc_multi_cmd *several;
	uint64_t range[2];
	unsigned int calls;
	struct simdrive *drive;
} kernel;

static int answer_nvme(struct nvme_passthru_cmd *passed)
{
	struct nvme_command command = {.opcode = passed->opcode,
		.nsid = passed->nsid,
		.cdw10 = passed->cdw10,
		.cdw11 = passed->cdw11,
		.data = (void *)(uintptr_t)passed->addr,
		.data_bytes = passed->data_len};
	int r;

	kernel.nvme = *passed;
	passed->result = 77;
	if (!kernel.drive)
		return kernel.answer;
	r = simdrive_port(kernel.drive)->ops->nvme_admin(kernel.drive, &command);
	if (r < 0) {
		errno = -r;
		return -1;
	}
	return command.status;
}

static int answer_scsi(struct sg_io_hdr *header)
{
	kernel.sg = *header;
	memcpy(kernel.cdb, header->cmdp, header->cmd_len);
	header->status = 2;
	header->host_status = 7;
	header->resid = 3;
	header->sb_len_wr = 4;
	memcpy(header->sbp, "\x72\x05\x20\x00", 4);
	return 0;
}

static int answer_mmc(struct mmc_ioc_multi_cmd *several)
{
	size_t bytes = sizeof(*several) + (size_t)several->num_of_cmds * sizeof(several->cmds[0]);

	kernel.several = malloc(bytes);
	ck_assert_ptr_nonnull(kernel.several);
	memcpy(kernel.several, several, bytes);
	for (uint64_t i = 0; i < several->num_of_cmds; i++)
		several->cmds[i].response[0] = 100 + (uint32_t)i;
	return 0;
}

static int fake_call(int fd, unsigned long request, void *argument)
{
	ck_assert_int_eq(fd, -1);
	kernel.request = request;
	kernel.calls++;
	if (kernel.error > 0) {
		errno = kernel.error;
		return -1;
	}
	switch (request) {
	case NVME_IOCTL_ADMIN_CMD:
		return answer_nvme(argument);
	case SG_IO:
		return answer_scsi(argument);
	case MMC_IOC_MULTI_CMD:
		return answer_mmc(argument);
	case BLKSECDISCARD:
		memcpy(kernel.range, argument, sizeof(kernel.range));
		return 0;
	case BLKGETSIZE64:
		*(uint64_t *)argument = NEW_BYTES;
		return 0;
	default:
		return 0;
	}
}

static struct linux_port port;

static const struct command_port *make_port(enum command_interface interface)
{
	memset(&kernel, 0, sizeof(kernel));
	port = (struct linux_port){.fd = -1, .call = fake_call};
	port.commands = (struct command_port){
		.ops = &linux_port_ops, .context = &port, .interface = interface, .nsid = 1};
	return &port.commands;
}

START_TEST(an_nvme_command_arrives_whole)
{
	const struct command_port *commands = make_port(INTERFACE_NVME);
	uint8_t data[512];
	struct nvme_command command = {.opcode = 0x84,
		.nsid = 9,
		.cdw10 = 10,
		.cdw11 = 11,
		.cdw12 = 12,
		.cdw13 = 13,
		.cdw14 = 14,
		.cdw15 = 15,
		.data = data,
		.data_bytes = sizeof(data),
		.timeout_ms = 1234};

	kernel.answer = 0x4000 | 0x11d;
	ck_assert_int_eq(commands->ops->nvme_admin(commands->context, &command), 0);
	ck_assert_uint_eq(kernel.nvme.opcode, 0x84);
	ck_assert_uint_eq(kernel.nvme.nsid, 9);
	ck_assert_uint_eq(kernel.nvme.cdw10, 10);
	ck_assert_uint_eq(kernel.nvme.cdw15, 15);
	ck_assert_uint_eq(kernel.nvme.data_len, 512);
	ck_assert(kernel.nvme.addr == (uint64_t)(uintptr_t)data);
	ck_assert_uint_eq(kernel.nvme.timeout_ms, 1234);
	ck_assert_uint_eq(command.status, 0x11d);
	ck_assert(command.do_not_retry);
	ck_assert_uint_eq(command.result, 77);
}
END_TEST

/* P1 */
START_TEST(what_the_host_aborted_was_not_delivered)
{
	const struct command_port *commands = make_port(INTERFACE_NVME);
	struct nvme_command command = {.opcode = 0x80};

	kernel.answer = 0x371;
	ck_assert_int_eq(commands->ops->nvme_admin(commands->context, &command), -EIO);
	kernel.error = EINTR;
	ck_assert_int_eq(commands->ops->nvme_admin(commands->context, &command), -EINTR);
}
END_TEST

/* P2 */
START_TEST(sense_and_host_status_are_kept)
{
	const struct command_port *commands = make_port(INTERFACE_SCSI);
	uint8_t data[36];
	struct scsi_command command = {.cdb = {0x12, 0, 0, 0, 36},
		.cdb_bytes = 6,
		.direction = SCSI_FROM_DRIVE,
		.data = data,
		.data_bytes = sizeof(data),
		.timeout_ms = 5000};

	ck_assert_int_eq(commands->ops->scsi(commands->context, &command), 0);
	ck_assert_int_eq(kernel.sg.interface_id, 'S');
	ck_assert_int_eq(kernel.sg.dxfer_direction, SG_DXFER_FROM_DEV);
	ck_assert_uint_eq(kernel.sg.dxfer_len, 36);
	ck_assert_uint_eq(kernel.sg.cmd_len, 6);
	ck_assert_uint_eq(kernel.sg.timeout, 5000);
	ck_assert_uint_eq(kernel.cdb[4], 36);
	ck_assert_uint_eq(command.status, 2);
	ck_assert_uint_eq(command.host_status, 7);
	ck_assert_uint_eq(command.residual_bytes, 3);
	ck_assert_uint_eq(command.sense_bytes, 4);
	ck_assert_mem_eq(command.sense, "\x72\x05\x20\x00", 4);

	command.direction = SCSI_NO_DATA;
	ck_assert_int_eq(commands->ops->scsi(commands->context, &command), 0);
	ck_assert_int_eq(kernel.sg.dxfer_direction, SG_DXFER_NONE);
	ck_assert_uint_eq(kernel.sg.dxfer_len, 0);
	command.direction = SCSI_TO_DRIVE;
	ck_assert_int_eq(commands->ops->scsi(commands->context, &command), 0);
	ck_assert_int_eq(kernel.sg.dxfer_direction, SG_DXFER_TO_DEV);
}
END_TEST

/* A drive whose hidden area was opened is larger, and the kernel has to be told to ask. */
START_TEST(a_rescan_has_the_kernel_ask_for_the_size)
{
	const struct command_port *commands = make_port(INTERFACE_SCSI);
	char written[2] = "";
	int fd;

	port.commands.bytes = 512;
	snprintf(port.rescan_path, sizeof(port.rescan_path), "%s/rescan", sysfs);
	fd = open(port.rescan_path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(commands->ops->rescan(commands->context), 0);
	ck_assert_int_eq(read(fd, written, 1), 1);
	ck_assert_str_eq(written, "1");
	ck_assert_uint_eq(commands->bytes, NEW_BYTES);
	close(fd);
}
END_TEST

START_TEST(several_mmc_commands_go_in_one)
{
	const struct command_port *commands = make_port(INTERFACE_MMC);
	uint8_t data[512];
	struct mmc_command mmc[3] = {{.opcode = 35, .argument = 1, .flags = 5, .timeout_ms = 10},
		{.opcode = 36, .argument = 2},
		{.opcode = 38,
			.write = true,
			.data = data,
			.block_bytes = 512,
			.blocks = 1,
			.timeout_ms = 100000}};

	ck_assert_int_eq(commands->ops->mmc(commands->context, mmc, 3), 0);
	ck_assert_uint_eq(kernel.request, MMC_IOC_MULTI_CMD);
	ck_assert_uint_eq(kernel.several->num_of_cmds, 3);
	ck_assert_uint_eq(kernel.several->cmds[0].flags, 5);
	ck_assert_uint_eq(kernel.several->cmds[0].cmd_timeout_ms, 10);
	ck_assert_uint_eq(kernel.several->cmds[1].arg, 2);
	ck_assert_int_eq(kernel.several->cmds[2].write_flag, 1);
	ck_assert_uint_eq(kernel.several->cmds[2].blksz, 512);
	ck_assert_uint_eq(kernel.several->cmds[2].data_timeout_ns, UINT32_MAX);
	ck_assert(kernel.several->cmds[2].data_ptr == (uint64_t)(uintptr_t)data);
	ck_assert_uint_eq(mmc[0].response[0], 100);
	ck_assert_uint_eq(mmc[2].response[0], 102);
	free(kernel.several);
	kernel.several = NULL;
	ck_assert_int_eq(commands->ops->mmc(commands->context, mmc, 1), 0);
	ck_assert_uint_eq(kernel.request, MMC_IOC_CMD);
	ck_assert_int_eq(commands->ops->mmc(commands->context, mmc, 0), -EINVAL);
}
END_TEST

START_TEST(secure_discard_is_asked_for_without_doing_it)
{
	const struct command_port *commands = make_port(INTERFACE_BLOCK);

	kernel.error = EINVAL;
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 0, 0), 0);
	kernel.error = EOPNOTSUPP;
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 0, 0), -EOPNOTSUPP);
	kernel.error = ENOTTY;
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 0, 0), -EOPNOTSUPP);
	kernel.error = 0;
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 0, 0), -EOPNOTSUPP);
	ck_assert_uint_ne(kernel.range[0] % 512, 0);
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 4096, 8192), 0);
	ck_assert_uint_eq(kernel.range[0], 4096);
	ck_assert_uint_eq(kernel.range[1], 8192);
	port.only_ask = true;
	kernel.calls = 0;
	ck_assert_int_eq(commands->ops->secure_discard(commands->context, 4096, 8192), -EBADF);
	ck_assert_uint_eq(kernel.calls, 0);
}
END_TEST

/* The model behind the kernel's structures: the whole way but the kernel. */
START_TEST(a_method_runs_through_the_kernel_s_structures)
{
	struct method_limits limits = {.poll_ms = 1};
	struct drive_rig rig;

	drive_rig_make(&rig, SIMDRIVE_NVME, &(struct simdrive_options){.bytes = 64 * 1024});
	(void)make_port(INTERFACE_NVME);
	kernel.drive = rig.drive;
	ck_assert_int_eq(facts_ask(&port.commands, &rig.facts), 0);
	ck_assert_str_eq(rig.facts.serial, "SIMNVME0001");
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_CRYPTO);
	rig.run.port = &port.commands;
	rig.run.limits = limits;
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	simdrive_advance(rig.drive, 5000);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
	ck_assert_uint_eq(kernel.request, BLKRRPART);
	drive_rig_unmake(&rig);
}
END_TEST

/* --- confinement (U1) --- */

static int open_port(const char *path, struct linux_port **ret_port)
{
	struct linux_port_options options = {.only_ask = true, .sysfs = sysfs};
	struct problem problem = {""};
	int r = linux_port_open(path, &options, ret_port, &problem);

	ck_assert(r == 0 || problem.text[0] != '\0');
	return r;
}

START_TEST(a_device_outside_is_refused_whatever_names_it)
{
	struct linux_port *opened = NULL;
	char node[PATH_MAX / 2], link[PATH_MAX / 2];

	setenv("SPOOLGUARD_CONFINE", scratch_path(), 1);
	ck_assert_int_eq(open_port("/dev/null", &opened), -EPERM);
	snprintf(link, sizeof(link), "%s/link", scratch_path());
	(void)unlink(link);
	ck_assert_int_eq(symlink("/dev/null", link), 0);
	ck_assert_int_eq(open_port(link, &opened), -EPERM);
	snprintf(node, sizeof(node), "%s/node", scratch_path());
	(void)unlink(node);
	/* A node of a real disk's number (8:0) below the directory is a real disk. */
	if (mknod(node, S_IFBLK | 0600, makedev(8, 0)) == 0)
		ck_assert_int_eq(open_port(node, &opened), -EPERM);
	(void)unlink(node);
	ck_assert_int_eq(open_port(scratch_path(), &opened), -EMEDIUMTYPE);
	ck_assert_int_eq(open_port("/dev/there-is-none", &opened), -ENOENT);
	ck_assert_ptr_null(opened);
}
END_TEST

/* -1: no loop devices here. */
static int bind_loop(const char *file, char path[static 32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = -1, number;
	int backing = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct loop_config config = {.fd = (uint32_t)backing, .info.lo_flags = LO_FLAGS_AUTOCLEAR};

	ck_assert_int_eq(ftruncate(backing, 1 << 20), 0);
	for (unsigned int tries = 0; control >= 0 && fd < 0 && tries < 20; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(path, 32, "/dev/loop%d", number);
		fd = number < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
			close(fd);
			fd = -1;
		}
	}
	close(backing);
	if (control >= 0)
		close(control);
	return fd;
}

START_TEST(a_loop_device_on_a_file_inside_is_reached_and_one_outside_is_not)
{
	_cleanup_(linux_port_closep) struct linux_port *opened = NULL;
	char file[PATH_MAX / 2], inside[PATH_MAX / 2], path[32];
	struct linux_port_options options = {.only_ask = true};
	struct drive_facts facts;
	int fd;

	snprintf(file, sizeof(file), "%s/image", scratch_path());
	snprintf(inside, sizeof(inside), "%s/elsewhere", scratch_path());
	(void)mkdir(inside, 0700);
	fd = bind_loop(file, path);
	if (fd < 0)
		return; /* no loop devices here */
	setenv("SPOOLGUARD_CONFINE", inside, 1);
	ck_assert_int_eq(linux_port_open(path, &options, &opened, NULL), -EPERM);
	setenv("SPOOLGUARD_CONFINE", scratch_path(), 1);
	ck_assert_int_eq(linux_port_open(path, &options, &opened, NULL), 0);
	ck_assert_uint_eq(linux_port_commands(opened)->bytes, 1 << 20);
	ck_assert_int_eq(linux_port_commands(opened)->interface, INTERFACE_BLOCK);
	ck_assert_int_eq(facts_ask(linux_port_commands(opened), &facts), 0);
	ck_assert(!facts.methods[METHOD_SECURE_DISCARD].offered);
	linux_port_close(opened);
	opened = NULL;
	options.only_ask = false;
	ck_assert_int_eq(linux_port_open(path, &options, &opened, NULL), 0);
	ck_assert_int_eq(facts_ask(linux_port_commands(opened), &facts), 0);
	ck_assert_ptr_nonnull(
		strstr(facts.methods[METHOD_SECURE_DISCARD].why_not, "no secure discard"));
	close(fd);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("linux_port");
	Suite *suite = suite_create("linux_port");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_test(tcase, sysfs_tells_the_interface);
	tcase_add_test(tcase, a_part_of_a_drive_is_refused);
	tcase_add_test(tcase, what_is_no_drive_is_refused);
	tcase_add_test(tcase, an_nvme_command_arrives_whole);
	tcase_add_test(tcase, what_the_host_aborted_was_not_delivered);
	tcase_add_test(tcase, sense_and_host_status_are_kept);
	tcase_add_test(tcase, what_the_kernel_read_of_a_card_is_taken_from_sysfs);
	tcase_add_test(tcase, a_rescan_has_the_kernel_ask_for_the_size);
	tcase_add_test(tcase, several_mmc_commands_go_in_one);
	tcase_add_test(tcase, secure_discard_is_asked_for_without_doing_it);
	tcase_add_test(tcase, a_method_runs_through_the_kernel_s_structures);
	tcase_add_test(tcase, a_device_outside_is_refused_whatever_names_it);
	tcase_add_test(tcase, a_loop_device_on_a_file_inside_is_reached_and_one_outside_is_not);
	tcase_add_unchecked_fixture(tcase, setup, NULL);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

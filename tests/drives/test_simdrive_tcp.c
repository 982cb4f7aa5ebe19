/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of an NVMe drive over NVMe/TCP, as a kernel talks to it, and as nobody should.
 *
 * Method: a host in this process, whose every PDU is made by hand.
 */
#include "base/bytes.h"
#include "tests/support/simdrive_impl.h"
#include "tests/support/simdrive_tcp.h"
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL = 256 * 1024, COMMAND_PDU = 72, IC_BYTES = 128, SHORT = 24, IN_CAPSULE = 0x01 };

static struct simdrive *drive;
static struct simdrive_tcp *target;
static int listener = -1, host = -1, queue = -1;
static uint8_t data[SMALL];
static uint64_t last_result;

static int connect_to_target(void)
{
	struct sockaddr_in address;
	socklen_t bytes = sizeof(address);
	struct timeval patience = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(simdrive_tcp_turn(target, 100), 0);
	return fd;
}

static void push(int fd, const uint8_t *pdu, size_t bytes)
{
	ck_assert_int_eq(send(fd, pdu, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
	ck_assert_int_eq(simdrive_tcp_turn(target, 100), 0);
}

/* Turns until something has come, or the other end is closed. */
static void wait_for_answer(int fd)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN};

	while (poll(&waited, 1, 0) == 0)
		ck_assert_int_eq(simdrive_tcp_turn(target, 20), 0);
}

static void pull(int fd, uint8_t *buf, size_t bytes)
{
	wait_for_answer(fd);
	ck_assert_int_eq(recv(fd, buf, bytes, MSG_WAITALL), (ssize_t)bytes);
}

static bool is_hung_up(int fd)
{
	uint8_t byte;

	wait_for_answer(fd);
	return recv(fd, &byte, 1, 0) <= 0;
}

static void greet(int fd)
{
	uint8_t pdu[IC_BYTES] = {[2] = IC_BYTES, [4] = IC_BYTES};

	push(fd, pdu, sizeof(pdu));
	pull(fd, pdu, sizeof(pdu));
	ck_assert_uint_eq(pdu[0], 1);
	ck_assert_uint_ge(bytes_get_le32(pdu + 12), 4096);
}

static void make_command(uint8_t pdu[static COMMAND_PDU], uint8_t opcode, uint32_t bytes)
{
	memset(pdu, 0, COMMAND_PDU);
	pdu[0] = 4;
	pdu[2] = COMMAND_PDU;
	bytes_put_le32(pdu + 4, COMMAND_PDU);
	pdu[8] = opcode;
	bytes_put_le16(pdu + 10, 0x1234);
	bytes_put_le32(pdu + 12, 1);
	bytes_put_le32(pdu + 8 + 32, bytes);
	pdu[8 + 39] = 0x5a;
}

/* The status; with one of success, wanted bytes of data stand before it. */
static uint16_t finish(int fd, uint32_t wanted)
{
	uint8_t pdu[SHORT];

	pull(fd, pdu, sizeof(pdu));
	if (pdu[0] == 7) {
		ck_assert_uint_eq(bytes_get_le32(pdu + 16), wanted);
		pull(fd, data, wanted);
		pull(fd, pdu, sizeof(pdu));
	}
	ck_assert_uint_eq(pdu[0], 5);
	ck_assert_uint_eq(bytes_get_le16(pdu + 20), 0x1234);
	last_result = bytes_get_le64(pdu + 8);
	return bytes_get_le16(pdu + 22) >> 1;
}

static uint16_t admin(uint8_t opcode, uint32_t cdw10, uint32_t cdw11, uint32_t bytes)
{
	uint8_t pdu[COMMAND_PDU];

	make_command(pdu, opcode, bytes);
	bytes_put_le32(pdu + 8 + 40, cdw10);
	bytes_put_le32(pdu + 8 + 44, cdw11);
	push(host, pdu, sizeof(pdu));
	return finish(host, bytes);
}

static uint16_t connect_queue(int fd, uint16_t number)
{
	uint8_t pdu[COMMAND_PDU + 1024];

	memset(pdu, 0, sizeof(pdu));
	make_command(pdu, 0x7f, 1024);
	bytes_put_le32(pdu + 4, sizeof(pdu));
	pdu[3] = COMMAND_PDU;
	pdu[8 + 39] = IN_CAPSULE;
	pdu[12] = 1;
	bytes_put_le16(pdu + 8 + 42, number);
	push(fd, pdu, sizeof(pdu));
	return finish(fd, 0);
}

static void make_io(uint8_t pdu[static COMMAND_PDU], uint8_t opcode, uint64_t block, uint16_t count)
{
	make_command(pdu, opcode, count * 512u);
	bytes_put_le64(pdu + 8 + 40, block);
	bytes_put_le16(pdu + 8 + 48, (uint16_t)(count - 1));
}

static uint16_t read_blocks(uint64_t block, uint16_t count)
{
	uint8_t pdu[COMMAND_PDU];

	make_io(pdu, 2, block, count);
	push(queue, pdu, sizeof(pdu));
	return finish(queue, count * 512u);
}

static void setup(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(
		simdrive_new(SIMDRIVE_NVME, &(struct simdrive_options){.bytes = SMALL}, &drive), 0);
	ck_assert_int_eq(simdrive_tcp_new(drive, listener, &target), 0);
	host = connect_to_target();
	greet(host);
	ck_assert_uint_eq(connect_queue(host, 0), 0);
	queue = connect_to_target();
	greet(queue);
	ck_assert_uint_eq(connect_queue(queue, 1), 0);
}

static void teardown(void)
{
	simdrive_tcp_free(target);
	simdrive_free(drive);
	close(host);
	close(queue);
	close(listener);
}

START_TEST(a_kernel_finds_what_it_needs_to_attach_it)
{
	uint8_t pdu[COMMAND_PDU];

	make_command(pdu, 0x7f, 0);
	pdu[12] = 4; /* Get Property, of 8 bytes, CAP */
	push(host, pdu, sizeof(pdu));
	ck_assert_uint_eq(finish(host, 0), 0);
	ck_assert_uint_eq(last_result & 0xffff, 127);
	ck_assert_uint_eq(last_result >> 37 & 1, 1);
	make_command(pdu, 0x7f, 0);
	pdu[12] = 0;
	bytes_put_le32(pdu + 8 + 44, 0x14);
	bytes_put_le32(pdu + 8 + 48, 1);
	push(host, pdu, sizeof(pdu));
	ck_assert_uint_eq(finish(host, 0), 0);
	make_command(pdu, 0x7f, 0);
	pdu[12] = 4;
	bytes_put_le32(pdu + 8 + 44, 0x1c);
	push(host, pdu, sizeof(pdu));
	ck_assert_uint_eq(finish(host, 0), 0);
	ck_assert_uint_eq(last_result, 1);
	ck_assert_uint_eq(admin(0x06, 1, 0, 4096), 0);
	ck_assert_str_eq((char *)data + 768, SIMDRIVE_TCP_NQN);
	ck_assert_uint_eq(bytes_get_le32(data + 328), 7);
	ck_assert_uint_eq(admin(0x06, 3, 0, 4096), 0);
	ck_assert_uint_eq(data[0], 1);
}
END_TEST

START_TEST(what_is_written_is_read_in_a_capsule_and_after_it)
{
	uint8_t pdu[SHORT + 1024], capsule[COMMAND_PDU + 512];
	uint64_t bytes;

	make_io(capsule, 1, 5, 1);
	memset(capsule + COMMAND_PDU, 'i', 512);
	bytes_put_le32(capsule + 4, sizeof(capsule));
	capsule[3] = COMMAND_PDU;
	capsule[8 + 39] = IN_CAPSULE;
	push(queue, capsule, sizeof(capsule));
	ck_assert_uint_eq(finish(queue, 0), 0);

	make_io(capsule, 1, 6, 4);
	push(queue, capsule, COMMAND_PDU);
	pull(queue, pdu, SHORT);
	ck_assert_uint_eq(pdu[0], 9);
	ck_assert_uint_eq(bytes_get_le32(pdu + 16), 2048);
	for (uint32_t part = 0; part < 2; part++) {
		uint16_t tag = bytes_get_le16(pdu + 10);

		memset(pdu, 0, SHORT);
		pdu[0] = 6;
		pdu[2] = pdu[3] = SHORT;
		bytes_put_le32(pdu + 4, sizeof(pdu));
		bytes_put_le16(pdu + 10, tag);
		bytes_put_le32(pdu + 12, part * 1024);
		bytes_put_le32(pdu + 16, 1024);
		memset(pdu + SHORT, 'a' + (int)part, 1024);
		push(queue, pdu, sizeof(pdu));
	}
	ck_assert_uint_eq(finish(queue, 0), 0);

	ck_assert_uint_eq(read_blocks(5, 5), 0);
	ck_assert(data[0] == 'i' && data[512] == 'a' && data[512 + 1024] == 'b');
	ck_assert_mem_eq(simdrive_bytes(drive, &bytes) + (size_t)5 * 512, data, 5 * 512);
	ck_assert_uint_eq(read_blocks(SMALL / 512 - 1, 2), 0x80);
}
END_TEST

START_TEST(a_sanitize_runs_in_the_clock_s_time_and_blocks_the_reads)
{
	uint16_t status = 2;

	drive->options.sanitize_ms = 200;
	simdrive_bytes(drive, &(uint64_t){0})[0] = 'x';
	ck_assert_uint_eq(admin(0x84, 2, 0, 0), 0);
	ck_assert_uint_eq(read_blocks(0, 1), 0x1d);
	ck_assert_uint_eq(admin(0x80, 1 << 9, 0, 0), 0x1d);
	while (status == 2) {
		ck_assert_uint_eq(admin(0x02, 127u << 16 | 0x81, 0, 512), 0);
		status = bytes_get_le16(data + 2) & 7;
	}
	ck_assert_uint_eq(status, 1);
	ck_assert_uint_eq(read_blocks(0, 1), 0);
	ck_assert_uint_eq(data[0], 0);
}
END_TEST

START_TEST(a_host_that_goes_away_leaves_the_drive_at_it)
{
	drive->options.sanitize_ms = 3600 * 1000;
	ck_assert_uint_eq(admin(0x84, 4, 0, 0), 0);
	close(queue);
	close(host);
	ck_assert_int_eq(simdrive_tcp_turn(target, 100), 0);
	ck_assert_int_eq(simdrive_tcp_turn(target, 100), 0);
	ck_assert(drive->sanitize.running);
	host = connect_to_target();
	greet(host);
	queue = connect_to_target();
	greet(queue);
	ck_assert_uint_eq(connect_queue(host, 0), 0);
	ck_assert_uint_eq(connect_queue(queue, 1), 0);
	ck_assert_uint_eq(read_blocks(0, 1), 0x1d);
}
END_TEST

/* Y1 */
START_TEST(who_breaks_the_protocol_is_hung_up_on)
{
	uint8_t pdu[COMMAND_PDU];
	struct {
		size_t at;
		uint32_t value;
	} breaks[] = {
		{4, 0},		      /* no length */
		{4, 0x7fffffff},      /* too long a PDU */
		{0, 0x4800ff},	      /* no such PDU */
		{8 + 32, 0x7fffffff}, /* more data than there is room for */
		{8 + 36, 0x01000000}, /* in a capsule that has none */
		{0, 0x00480006},      /* data that nobody asked for */
	};

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		int fd = connect_to_target();

		greet(fd);
		make_io(pdu, 1, 0, 1);
		bytes_put_le32(pdu + breaks[i].at, breaks[i].value);
		push(fd, pdu, sizeof(pdu));
		ck_assert(is_hung_up(fd));
		close(fd);
	}
	ck_assert_uint_eq(read_blocks(0, 1), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("tcp");
	Suite *suite = suite_create("simdrive_tcp");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_kernel_finds_what_it_needs_to_attach_it);
	tcase_add_test(tcase, what_is_written_is_read_in_a_capsule_and_after_it);
	tcase_add_test(tcase, a_sanitize_runs_in_the_clock_s_time_and_blocks_the_reads);
	tcase_add_test(tcase, a_host_that_goes_away_leaves_the_drive_at_it);
	tcase_add_test(tcase, who_breaks_the_protocol_is_hung_up_on);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

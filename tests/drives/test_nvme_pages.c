/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each field of an NVMe drive's pages, and of level 0 discovery, where the standards have it.
 *
 * Method: pages that hold that field alone; each cut at every length.
 */
#include "base/bytes.h"
#include "drives/nvme_identify.h"
#include "drives/tcg.h"
#include <check.h>
#include <errno.h>
#include <string.h>

enum { IDENTIFY_MARK = 4 }; /* a byte of the serial number: no page is all zeros */

static uint8_t page[NVME_PAGE_BYTES];
static struct nvme_controller controller;
static struct nvme_namespace space;
static struct nvme_sanitize_log sanitize_log;
static struct nvme_health health;
static struct tcg_level_0 discovery;

static void setup(void)
{
	memset(page, 0, sizeof(page));
	page[IDENTIFY_MARK] = 'S';
}

static void decode_controller(size_t at, uint32_t value)
{
	setup();
	bytes_put_le32(page + at, value);
	ck_assert_int_eq(nvme_controller_decode(page, sizeof(page), &controller), 0);
}

START_TEST(each_bit_of_fna_stands_for_itself)
{
	decode_controller(524, 1);
	ck_assert(controller.format_takes_all && !controller.erase_takes_all);
	decode_controller(524, 2);
	ck_assert(!controller.format_takes_all && controller.erase_takes_all);
	decode_controller(524, 4);
	ck_assert(controller.crypto_erase && !controller.erase_takes_all);
	decode_controller(524, 0xf0);
	ck_assert(!controller.format_takes_all && !controller.erase_takes_all &&
		  !controller.crypto_erase);
}
END_TEST

START_TEST(each_bit_of_oacs_and_cmic_stands_for_itself)
{
	decode_controller(256, 1);
	ck_assert(controller.security && !controller.format && !controller.namespace_management);
	decode_controller(256, 2);
	ck_assert(!controller.security && controller.format);
	decode_controller(256, 8);
	ck_assert(!controller.format && controller.namespace_management);
	decode_controller(76, 2);
	ck_assert(controller.several_controllers);
	decode_controller(76, 0xfd);
	ck_assert(!controller.several_controllers);
}
END_TEST

START_TEST(sanicap_of_ones_is_none)
{
	decode_controller(328, 0x20000005);
	ck_assert(controller.sanitize_crypto && !controller.sanitize_block &&
		  controller.sanitize_overwrite && controller.no_deallocate_inhibited);
	decode_controller(328, 0xffffffff);
	ck_assert(!controller.sanitize_crypto && !controller.sanitize_block &&
		  !controller.sanitize_overwrite);
}
END_TEST

START_TEST(text_that_is_no_text_does_no_harm)
{
	setup();
	memcpy(page + 4, "  S\x1bN\x80 12  ", 11);
	ck_assert_int_eq(nvme_controller_decode(page, sizeof(page), &controller), 0);
	ck_assert_str_eq(controller.serial, "S?N? 12");
	memset(page + 24, 'M', 40);
	memset(page + 64, 'F', 8);
	ck_assert_int_eq(nvme_controller_decode(page, sizeof(page), &controller), 0);
	ck_assert_uint_eq(strlen(controller.model), 40);
	ck_assert_str_eq(controller.firmware, "FFFFFFFF");
}
END_TEST

START_TEST(what_is_cut_or_all_of_one_byte_is_no_page)
{
	for (size_t bytes = 0; bytes < NVME_PAGE_BYTES; bytes++) {
		ck_assert_int_eq(nvme_controller_decode(page, bytes, &controller), -EBADMSG);
		ck_assert_int_eq(nvme_namespace_decode(page, bytes, &space), -EBADMSG);
	}
	memset(page, 0xff, sizeof(page));
	ck_assert_int_eq(nvme_controller_decode(page, sizeof(page), &controller), -EBADMSG);
	ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), -EBADMSG);
	ck_assert_int_eq(nvme_health_decode(page, 512, &health), -EBADMSG);
	ck_assert_int_eq(nvme_sanitize_log_decode(page, 512, &sanitize_log), -EBADMSG);
	memset(page, 0, sizeof(page));
	ck_assert_int_eq(nvme_controller_decode(page, sizeof(page), &controller), -EBADMSG);
}
END_TEST

START_TEST(a_namespace_keeps_its_format)
{
	setup();
	bytes_put_le64(page, 1000);
	page[26] = 0x10 | 0x20 | 0x3; /* format 19, metadata behind the data */
	page[29] = 0x8 | 0x2;	      /* protection type 2, first in the metadata */
	page[128 + 4 * 19 + 2] = 12;
	page[104] = 0xab;
	ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), 0);
	ck_assert_uint_eq(space.bytes, 1000 * 4096);
	ck_assert_uint_eq(space.format_as_is, 0x3 | 1 << 4 | 2 << 5 | 1 << 8 | 1 << 12);
	ck_assert_str_eq(space.wwn, "nguid.ab000000000000000000000000000000");
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
	const uint8_t shifts[] = {0, 8, 25, 63, 64, 255};

	setup();
	bytes_put_le64(page, 1000);
	for (size_t i = 0; i < sizeof(shifts); i++) {
		page[130] = shifts[i];
		ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), -EBADMSG);
	}
	page[130] = 9;
	ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), 0);
	bytes_put_le64(page, UINT64_MAX / 512 + 1);
	ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), -EBADMSG);
	bytes_put_le64(page, 0);
	ck_assert_int_eq(nvme_namespace_decode(page, sizeof(page), &space), -EBADMSG);
}
END_TEST

START_TEST(a_list_that_is_not_ascending_is_none)
{
	uint32_t list[FACTS_NAMESPACES_MAX], count;

	memset(page, 0, sizeof(page));
	ck_assert_int_eq(nvme_list_decode(page, sizeof(page), list, &count), 0);
	ck_assert_uint_eq(count, 0);
	bytes_put_le32(page, 3);
	bytes_put_le32(page + 4, 7);
	ck_assert_int_eq(nvme_list_decode(page, sizeof(page), list, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(list[1], 7);
	ck_assert_int_eq(nvme_list_decode(page, 8, list, &count), -E2BIG);
	bytes_put_le32(page + 8, 7);
	ck_assert_int_eq(nvme_list_decode(page, sizeof(page), list, &count), -EBADMSG);
	bytes_put_le32(page + 8, 0xffffffff);
	ck_assert_int_eq(nvme_list_decode(page, sizeof(page), list, &count), -EBADMSG);
}
END_TEST

START_TEST(the_sanitize_log_is_read_field_by_field)
{
	memset(page, 0, sizeof(page));
	bytes_put_le16(page, 0x8000);
	bytes_put_le16(page + 2, 0x0102);
	bytes_put_le32(page + 4, 0x20c);
	for (uint32_t i = 0; i < 6; i++)
		bytes_put_le32(page + 8 + (size_t)4 * i, 10 * (i + 1));
	ck_assert_int_eq(nvme_sanitize_log_decode(page, 511, &sanitize_log), -EBADMSG);
	ck_assert_int_eq(nvme_sanitize_log_decode(page, 512, &sanitize_log), 0);
	ck_assert_uint_eq(sanitize_log.progress, 0x8000);
	ck_assert_int_eq(sanitize_log.status, NVME_SANITIZE_RUNNING);
	ck_assert(sanitize_log.global_data_erased);
	ck_assert_uint_eq(sanitize_log.action, 4);
	ck_assert_uint_eq(sanitize_log.overwrite_s[0], 10);
	ck_assert_uint_eq(sanitize_log.block_s[0], 20);
	ck_assert_uint_eq(sanitize_log.crypto_s[0], 30);
	ck_assert_uint_eq(sanitize_log.overwrite_s[1], 40);
	ck_assert_uint_eq(sanitize_log.block_s[1], 50);
	ck_assert_uint_eq(sanitize_log.crypto_s[1], 60);
	bytes_put_le32(page + 24, 0); /* a drive of before these fields */
	ck_assert_int_eq(nvme_sanitize_log_decode(page, 512, &sanitize_log), 0);
	ck_assert_uint_eq(sanitize_log.block_s[1], 20);
	for (uint8_t status = 5; status < 8; status++) {
		page[2] = status;
		ck_assert_int_eq(nvme_sanitize_log_decode(page, 512, &sanitize_log), -EBADMSG);
	}
}
END_TEST

START_TEST(a_warning_is_no_health)
{
	memset(page, 0, sizeof(page));
	page[3] = 100;
	page[4] = 10;
	ck_assert_int_eq(nvme_health_decode(page, 512, &health), 0);
	ck_assert(health.healthy);
	page[3] = 9;
	ck_assert_int_eq(nvme_health_decode(page, 512, &health), 0);
	ck_assert(!health.healthy);
	page[3] = 100;
	page[0] = 1 << 2 | 1 << 3;
	ck_assert_int_eq(nvme_health_decode(page, 512, &health), 0);
	ck_assert(!health.healthy);
	ck_assert_str_eq(health.text, "it is worn or unreliable; it is read-only");
	page[0] = 0xff;
	ck_assert_int_eq(nvme_health_decode(page, 512, &health), 0);
	ck_assert(!health.healthy);
}
END_TEST

static size_t make_discovery(uint16_t subsystem, uint8_t locking)
{
	const uint8_t features[] = {0, 1, 0x10, 4, 0x11, 0, 0, 0, /* TPer */
		0, 2, 0x10, 4, locking, 0, 0, 0, (uint8_t)(subsystem >> 8), (uint8_t)subsystem,
		0x10, 4, 0, 0, 0, 0};

	memset(page, 0, sizeof(page));
	page[3] = 48 + sizeof(features) - 4;
	page[7] = 1;
	memcpy(page + 48, features, sizeof(features));
	return 48 + sizeof(features);
}

START_TEST(level_0_discovery_tells_opal_and_its_lock)
{
	const uint16_t known[] = {0x100, 0x200, 0x203, 0x301, 0x302, 0x303, 0x304};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		make_discovery(known[i], 0x03);
		ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), 0);
		ck_assert(discovery.subsystem && discovery.locking_enabled && !discovery.locked);
	}
	make_discovery(0x203, 0x07);
	ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), 0);
	ck_assert(discovery.locked);
	make_discovery(0x3, 0x01);
	ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), 0);
	ck_assert(!discovery.subsystem && !discovery.locking_enabled);
}
END_TEST

START_TEST(level_0_discovery_that_is_cut_is_none)
{
	size_t whole = make_discovery(0x203, 1);

	for (size_t bytes = 0; bytes < whole; bytes++)
		ck_assert_int_eq(tcg_level_0_decode(page, bytes, &discovery), -EBADMSG);
	page[48 + 3] = 200; /* a feature that leads beyond the end */
	ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), -EBADMSG);
	memset(page, 0, sizeof(page));
	ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), -EBADMSG);
	memset(page, 0xff, sizeof(page));
	ck_assert_int_eq(tcg_level_0_decode(page, 512, &discovery), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("pages");
	Suite *suite = suite_create("nvme_pages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, each_bit_of_fna_stands_for_itself);
	tcase_add_test(tcase, each_bit_of_oacs_and_cmic_stands_for_itself);
	tcase_add_test(tcase, sanicap_of_ones_is_none);
	tcase_add_test(tcase, text_that_is_no_text_does_no_harm);
	tcase_add_test(tcase, what_is_cut_or_all_of_one_byte_is_no_page);
	tcase_add_test(tcase, a_namespace_keeps_its_format);
	tcase_add_test(tcase, sizes_that_cannot_be_are_refused);
	tcase_add_test(tcase, a_list_that_is_not_ascending_is_none);
	tcase_add_test(tcase, the_sanitize_log_is_read_field_by_field);
	tcase_add_test(tcase, a_warning_is_no_health);
	tcase_add_test(tcase, level_0_discovery_tells_opal_and_its_lock);
	tcase_add_test(tcase, level_0_discovery_that_is_cut_is_none);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read out of sense data in both formats, and out of an ATA drive's pages: whole, cut at
 * every byte, and with every bit flipped.
 */
#include "base/bytes.h"
#include "drives/ata_identify.h"
#include "drives/scsi_sense.h"
#include <check.h>
#include <errno.h>
#include <string.h>

/* A command that ended well: count 8123h, address 665544332211h. */
static const uint8_t descriptor[22] = {0x72, 0x01, 0x00, 0x1d, 0, 0, 0, 14, 0x09, 0x0c, 0x01, 0x00,
	0x81, 0x23, 0x44, 0x11, 0x55, 0x22, 0x66, 0x33, 0x40, 0x50};
/* The same, as far as there is room for it. */
static const uint8_t fixed[18] = {
	0xf0, 0, 0x01, 0x00, 0x50, 0x40, 0x23, 10, 0x60, 0x11, 0x22, 0x33, 0x00, 0x1d};
/* An abort as a kernel gives it. */
static const uint8_t fixed_abort[18] = {
	0xf0, 0, 0x0b, 0x04, 0x41, 0x40, 0x01, 10, 0, 0, 0, 0, 0, 0};

START_TEST(both_formats_say_the_same_of_a_command)
{
	struct scsi_sense sense;

	ck_assert_int_eq(scsi_sense_decode(descriptor, sizeof(descriptor), &sense), 0);
	ck_assert(sense.key == 1 && sense.asc == 0 && sense.ascq == 0x1d && !sense.deferred);
	ck_assert_int_eq(scsi_sense_decode(fixed, sizeof(fixed), &sense), 0);
	ck_assert(sense.key == 1 && sense.asc == 0 && sense.ascq == 0x1d && !sense.deferred);
}
END_TEST

START_TEST(registers_come_whole_in_descriptors)
{
	struct ata_registers registers;

	ck_assert_int_eq(scsi_sense_registers(descriptor, sizeof(descriptor), &registers), 0);
	ck_assert_uint_eq(registers.status, 0x50);
	ck_assert_uint_eq(registers.error, 0);
	ck_assert_uint_eq(registers.count, 0x8123);
	ck_assert_uint_eq(registers.lba, UINT64_C(0x665544332211));
	ck_assert(registers.count_whole && registers.lba_whole);
}
END_TEST

/* Y1 */
START_TEST(what_the_fixed_format_leaves_out_is_said)
{
	struct ata_registers registers;
	uint8_t small[sizeof(fixed)];

	ck_assert_int_eq(scsi_sense_registers(fixed, sizeof(fixed), &registers), 0);
	ck_assert_uint_eq(registers.status, 0x50);
	ck_assert_uint_eq(registers.count, 0x23);
	ck_assert_uint_eq(registers.lba, 0x332211);
	ck_assert(!registers.count_whole && !registers.lba_whole);
	memcpy(small, fixed, sizeof(fixed));
	small[8] = 0;
	ck_assert_int_eq(scsi_sense_registers(small, sizeof(small), &registers), 0);
	ck_assert(registers.count_whole && registers.lba_whole);
}
END_TEST

START_TEST(an_abort_in_the_fixed_format_is_one)
{
	struct ata_registers registers;

	ck_assert_int_eq(scsi_sense_registers(fixed_abort, sizeof(fixed_abort), &registers), 0);
	ck_assert_uint_eq(registers.status, 0x41);
	ck_assert_uint_eq(registers.error, 0x04);
}
END_TEST

START_TEST(a_sector_s_number_is_not_taken_for_registers)
{
	uint8_t sense[18] = {0xf0, 0, 0x03, 0, 0x50, 0, 0, 10, [12] = 0x11};
	struct ata_registers registers;

	ck_assert_int_eq(scsi_sense_registers(sense, sizeof(sense), &registers), -EBADMSG);
	sense[2] = 0x0b;
	sense[0] = 0x70; /* not valid */
	ck_assert_int_eq(scsi_sense_registers(sense, sizeof(sense), &registers), -EBADMSG);
}
END_TEST

START_TEST(an_earlier_command_s_sense_tells_nothing_of_this_one)
{
	struct ata_registers registers;
	uint8_t sense[sizeof(descriptor)];

	memcpy(sense, descriptor, sizeof(descriptor));
	sense[0] = 0x73;
	ck_assert_int_eq(scsi_sense_registers(sense, sizeof(sense), &registers), -EBADMSG);
}
END_TEST

START_TEST(the_registers_are_found_behind_other_descriptors)
{
	uint8_t sense[34] = {0x72, 0x01, 0, 0x1d, 0, 0, 0, 26, 0x00, 0x0a};
	struct ata_registers registers;

	memcpy(sense + 20, descriptor + 8, 14);
	ck_assert_int_eq(scsi_sense_registers(sense, sizeof(sense), &registers), 0);
	ck_assert_uint_eq(registers.count, 0x8123);
	sense[9] = 0xff;
	ck_assert_int_eq(scsi_sense_registers(sense, sizeof(sense), &registers), -EBADMSG);
}
END_TEST

START_TEST(sense_that_is_cut_is_none)
{
	struct ata_registers registers;
	struct scsi_sense sense;

	for (size_t bytes = 0; bytes < sizeof(descriptor); bytes++) {
		ck_assert_int_eq(scsi_sense_registers(descriptor, bytes, &registers), -EBADMSG);
		ck_assert_int_eq(
			scsi_sense_decode(descriptor, bytes, &sense), bytes < 8 ? -EBADMSG : 0);
	}
	for (size_t bytes = 0; bytes < 14; bytes++) {
		ck_assert_int_eq(scsi_sense_registers(fixed, bytes, &registers), -EBADMSG);
		ck_assert_int_eq(scsi_sense_decode(fixed, bytes, &sense), -EBADMSG);
	}
}
END_TEST

/* --- IDENTIFY DEVICE --- */

static uint8_t page[ATA_PAGE_BYTES];

static void put(unsigned int word, uint16_t value)
{
	bytes_put_le16(page + (size_t)2 * word, value);
}

static void seal(void)
{
	uint8_t sum = 0;

	page[510] = 0xa5;
	for (size_t i = 0; i < 511; i++)
		sum = (uint8_t)(sum + page[i]);
	page[511] = (uint8_t)-sum;
}

static void make_page(void)
{
	memset(page, 0, sizeof(page));
	put(0, 0x40);
	memcpy(page + 54, "OMED L", 6); /* words hold their letters the other way round */
	put(59, 0xf000);
	put(60, 1000);
	put(82, 0x0403);
	put(83, 0x4c00);
	put(85, 0x0001);
	put(87, 0x4100);
	put(89, 255);
	put(90, 0x8000 | 0x7fff);
	put(100, 3000);
	put(106, 0x6003);
	put(108, 0x5000);
	put(109, 0xc500);
	put(111, 1);
	put(128, 0x21);
	put(217, 5400);
	seal();
}

static int decode(struct ata_identity *ret_identity)
{
	return ata_identity_decode(page, sizeof(page), ret_identity);
}

START_TEST(a_page_says_what_it_says)
{
	struct ata_identity identity;

	make_page();
	ck_assert_int_eq(decode(&identity), 0);
	ck_assert_str_eq(identity.model, "MODEL");
	ck_assert_str_eq(identity.wwn, "naa.5000c50000000001");
	ck_assert(identity.has_checksum && identity.extended);
	ck_assert_uint_eq(identity.sectors, 3000);
	ck_assert_uint_eq(identity.physical_bytes, 4096);
	ck_assert_uint_eq(identity.rotation_rpm, 5400);
	ck_assert(identity.hpa && identity.dco && !identity.ama);
	ck_assert_uint_eq(identity.erase_s, 510 * 60);
	ck_assert_uint_eq(identity.enhanced_erase_s, 65534 * 60);
	ck_assert(identity.sanitize_crypto && identity.sanitize_block);
	ck_assert(identity.sanitize_overwrite && identity.enhanced && !identity.enabled);
}
END_TEST

START_TEST(each_state_of_security_has_its_bit)
{
	struct ata_identity identity;

	make_page();
	put(128, 0x01 | 0x02 | 0x04);
	seal();
	ck_assert_int_eq(decode(&identity), 0);
	ck_assert(identity.enabled && identity.locked && !identity.frozen && !identity.enhanced);
	put(128, 0x01 | 0x08 | 0x10);
	seal();
	ck_assert_int_eq(decode(&identity), 0);
	ck_assert(!identity.locked && identity.frozen && identity.count_expired);
	put(128, 0x20);
	seal();
	ck_assert_int_eq(decode(&identity), 0);
	ck_assert(!identity.security && !identity.enhanced);
}
END_TEST

START_TEST(words_without_their_marks_are_not_believed)
{
	struct ata_identity identity;

	make_page();
	put(83, 0x8c00);
	put(106, 0x3000);
	put(87, 0x0100);
	put(59, 0xe000);
	seal();
	ck_assert_int_eq(decode(&identity), 0);
	ck_assert(!identity.extended && !identity.security && !identity.hpa && !identity.dco);
	ck_assert_uint_eq(identity.sectors, 1000);
	ck_assert_uint_eq(identity.physical_bytes, 512);
	ck_assert_str_eq(identity.wwn, "");
	ck_assert(!identity.sanitize_crypto && !identity.sanitize_block);
}
END_TEST

START_TEST(a_page_that_is_cut_or_damaged_is_none)
{
	struct ata_identity identity;

	make_page();
	for (size_t bytes = 0; bytes < sizeof(page); bytes++)
		ck_assert_int_eq(ata_identity_decode(page, bytes, &identity), -EBADMSG);
	for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit / 8 != 510)
			ck_assert_int_eq(decode(&identity), -EBADMSG);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memset(page, 0xff, sizeof(page));
	ck_assert_int_eq(decode(&identity), -EBADMSG);
	memset(page, 0, sizeof(page));
	ck_assert_int_eq(decode(&identity), -EBADMSG);
}
END_TEST

START_TEST(impossible_sizes_are_none)
{
	struct ata_identity identity;

	make_page();
	put(103, 0x0002);
	seal();
	ck_assert_int_eq(decode(&identity), -EBADMSG);
	make_page();
	put(106, 0x5000);
	put(117, 100); /* less than a sector */
	seal();
	ck_assert_int_eq(decode(&identity), -EBADMSG);
	make_page();
	put(100, 0);
	seal();
	ck_assert_int_eq(decode(&identity), -EBADMSG);
}
END_TEST

START_TEST(an_overlay_is_believed_with_its_checksum_alone)
{
	uint64_t sectors;

	memset(page, 0, sizeof(page));
	put(0, 2);
	put(3, 3999);
	seal();
	ck_assert_int_eq(ata_configuration_decode(page, sizeof(page), &sectors), 0);
	ck_assert_uint_eq(sectors, 4000);
	page[510] = 0;
	ck_assert_int_eq(ata_configuration_decode(page, sizeof(page), &sectors), -EBADMSG);
	page[510] = 0xa5;
	page[6] ^= 1;
	ck_assert_int_eq(ata_configuration_decode(page, sizeof(page), &sectors), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("ata_pages");
	Suite *suite = suite_create("ata_pages");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, both_formats_say_the_same_of_a_command);
	tcase_add_test(tcase, registers_come_whole_in_descriptors);
	tcase_add_test(tcase, what_the_fixed_format_leaves_out_is_said);
	tcase_add_test(tcase, an_abort_in_the_fixed_format_is_one);
	tcase_add_test(tcase, a_sector_s_number_is_not_taken_for_registers);
	tcase_add_test(tcase, an_earlier_command_s_sense_tells_nothing_of_this_one);
	tcase_add_test(tcase, the_registers_are_found_behind_other_descriptors);
	tcase_add_test(tcase, sense_that_is_cut_is_none);
	tcase_add_test(tcase, a_page_says_what_it_says);
	tcase_add_test(tcase, each_state_of_security_has_its_bit);
	tcase_add_test(tcase, words_without_their_marks_are_not_believed);
	tcase_add_test(tcase, a_page_that_is_cut_or_damaged_is_none);
	tcase_add_test(tcase, impossible_sizes_are_none);
	tcase_add_test(tcase, an_overlay_is_believed_with_its_checksum_alone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

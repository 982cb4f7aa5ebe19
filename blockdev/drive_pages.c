/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_pages.c - the inquiry pages ("vital product data") that the kernel keeps of a SCSI drive
 *
 *   80h  unit serial number                         SPC
 *   89h  ATA information: an ATA drive's IDENTIFY DEVICE words, from byte 60     SAT, ACS
 *   B1h  block device characteristics: rotation rate, bytes 4 and 5; zoned, byte 8      SBC
 *
 * Bytes of outside: every length is checked, what does not fit is passed over.
 */
#include "blockdev/drive_impl.h"
#include <string.h>

#define HEADER_BYTES   4u
#define PAGE_SERIAL    0x80
#define PAGE_ATA       0x89
#define PAGE_CHARACTER 0xb1
#define IDENTIFY_AT    60u
#define IDENTIFY_BYTES 512u
#define WORD_SERIAL    10u
#define WORD_FIRMWARE  23u
#define WORD_MODEL     27u
#define WORD_ZONED     69u
#define WORD_RATE      217u
#define ZONED_BY_HOST  1u
#define ZONED_BY_DRIVE 2u

static void copy_text(const uint8_t *from, size_t bytes, char *to, size_t to_bytes)
{
	size_t n = bytes < to_bytes - 1 ? bytes : to_bytes - 1;

	memcpy(to, from, n);
	to[n] = '\0';
	drive_trim(to);
}

void drive_pages_serial(const void *page80, size_t bytes, struct drive_pages *pages)
{
	const uint8_t *page = page80;
	size_t length;

	if (bytes < HEADER_BYTES || page[1] != PAGE_SERIAL)
		return;
	length = (size_t)page[2] << 8 | page[3];
	if (length > bytes - HEADER_BYTES)
		length = bytes - HEADER_BYTES;
	copy_text(page + HEADER_BYTES, length, pages->serial, sizeof(pages->serial));
}

void drive_pages_characteristics(const void *page_b1, size_t bytes, struct drive_pages *pages)
{
	const uint8_t *page = page_b1;
	unsigned int zoned;

	if (bytes < HEADER_BYTES + 2 || page[1] != PAGE_CHARACTER)
		return;
	pages->rate_known = true;
	pages->rate = (unsigned int)page[4] << 8 | page[5];
	if (bytes < 9)
		return;
	zoned = page[8] >> 4 & 3u;
	pages->shingled = pages->shingled || zoned == ZONED_BY_HOST || zoned == ZONED_BY_DRIVE;
}

static unsigned int word_at(const uint8_t *identify, size_t word)
{
	return identify[2 * word] | (unsigned int)identify[2 * word + 1] << 8;
}

/* ATA strings have the two bytes of each word the other way round. */
static void copy_words(const uint8_t *identify, size_t word, size_t words, char *to, size_t bytes)
{
	uint8_t text[64];

	for (size_t i = 0; i < words; i++) {
		text[2 * i] = identify[2 * (word + i) + 1];
		text[2 * i + 1] = identify[2 * (word + i)];
	}
	copy_text(text, 2 * words, to, bytes);
}

void drive_pages_ata(const void *page89, size_t bytes, struct drive_pages *pages)
{
	const uint8_t *page = page89, *identify;
	unsigned int zoned;

	if (bytes < IDENTIFY_AT + IDENTIFY_BYTES || page[1] != PAGE_ATA)
		return;
	identify = page + IDENTIFY_AT;
	copy_words(identify, WORD_SERIAL, 10, pages->serial, sizeof(pages->serial));
	copy_words(identify, WORD_FIRMWARE, 4, pages->firmware, sizeof(pages->firmware));
	copy_words(identify, WORD_MODEL, 20, pages->model, sizeof(pages->model));
	zoned = word_at(identify, WORD_ZONED) & 3u;
	pages->shingled = pages->shingled || zoned == ZONED_BY_HOST || zoned == ZONED_BY_DRIVE;
	pages->rate_known = true;
	pages->rate = word_at(identify, WORD_RATE);
}

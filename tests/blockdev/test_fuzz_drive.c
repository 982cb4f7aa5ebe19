/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inquiry pages of a drive, which say what they like.  What comes of them ends, has no control
 * characters, and no blanks at its ends.
 */
#include "blockdev/drive_impl.h"
#include "tests/support/fuzz.h"
#include <ctype.h>
#include <string.h>

static void check_text(const char *text, size_t bytes)
{
	size_t length = strnlen(text, bytes);

	fuzz_require(length < bytes);
	if (length > 0)
		fuzz_require(text[0] != ' ' && text[length - 1] != ' ');
	for (size_t i = 0; i < length; i++)
		fuzz_require(!iscntrl((unsigned char)text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct drive_pages pages = {.rate = 0};

	drive_pages_serial(data, bytes, &pages);
	drive_pages_characteristics(data, bytes, &pages);
	drive_pages_ata(data, bytes, &pages);
	check_text(pages.serial, sizeof(pages.serial));
	check_text(pages.model, sizeof(pages.model));
	check_text(pages.firmware, sizeof(pages.firmware));
	fuzz_require(pages.rate_known || pages.rate == 0);
	fuzz_require(pages.rate <= 0xffff);
	return 0;
}

void fuzz_seeds(void)
{
	static const uint8_t numbers[] = {0x80, 0x89, 0xb1};
	static const size_t sizes[] = {24, 572, 64};
	uint8_t page[572];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		memset(page, 'A', sizeof(page));
		page[0] = 0;
		page[1] = numbers[i];
		page[2] = (uint8_t)((sizes[i] - 4) >> 8);
		page[3] = (uint8_t)(sizes[i] - 4);
		fuzz_seed(page, sizes[i]);
	}
}

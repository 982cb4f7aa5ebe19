/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an NVMe drive's answers: no decoder reads beyond them, what it takes is possible,
 * and a page that is cut tells nothing.  Input: which decoder (first byte), then the page's
 * beginning.
 */
#include "base/bytes.h"
#include "drives/nvme_identify.h"
#include "drives/tcg.h"
#include "tests/support/fuzz.h"
#include <stdlib.h>
#include <string.h>

enum { DECODERS = 6 };

static void check_text(const char *text)
{
	size_t length = strnlen(text, FACTS_TEXT_BYTES);

	fuzz_require(length < FACTS_TEXT_BYTES);
	for (size_t i = 0; i < length; i++)
		fuzz_require(text[i] >= ' ' && text[i] <= '~');
}

static void try_controller(const uint8_t *page, size_t bytes)
{
	struct nvme_controller controller;

	if (nvme_controller_decode(page, bytes, &controller) < 0)
		return;
	fuzz_require(bytes >= NVME_PAGE_BYTES);
	check_text(controller.serial);
	check_text(controller.model);
	check_text(controller.firmware);
	fuzz_require(!controller.sanitize_crypto || (page[328] & 1));
	fuzz_require(!controller.sanitize_block || (page[328] & 2));
	fuzz_require(!controller.sanitize_overwrite || (page[328] & 4));
	fuzz_require(!controller.crypto_erase || (page[524] & 4));
	fuzz_require(!controller.format || (page[256] & 2));
}

static void try_namespace(const uint8_t *page, size_t bytes)
{
	struct nvme_namespace space;

	if (nvme_namespace_decode(page, bytes, &space) < 0)
		return;
	fuzz_require(space.logical_bytes >= 512 && space.bytes >= space.logical_bytes);
	fuzz_require(space.bytes % space.logical_bytes == 0);
	fuzz_require((space.format_as_is >> 9 & 7) == 0); /* no secure erase of its own */
	check_text(space.wwn);
}

static void try_list(const uint8_t *page, size_t bytes)
{
	uint32_t list[FACTS_NAMESPACES_MAX], count;

	if (nvme_list_decode(page, bytes, list, &count) < 0)
		return;
	fuzz_require(count <= FACTS_NAMESPACES_MAX);
	for (uint32_t i = 0; i < count; i++)
		fuzz_require(list[i] > (i > 0 ? list[i - 1] : 0));
}

static void try_log(const uint8_t *page, size_t bytes)
{
	struct nvme_sanitize_log log;

	if (nvme_sanitize_log_decode(page, bytes, &log) < 0)
		return;
	fuzz_require(log.status <= NVME_SANITIZE_OK_DEALLOCATED && log.progress < 65536);
	fuzz_require(log.status != NVME_SANITIZE_OK || (page[2] & 7) == 1);
}

static void try_health(const uint8_t *page, size_t bytes)
{
	struct nvme_health health;

	if (nvme_health_decode(page, bytes, &health) < 0)
		return;
	fuzz_require(!health.healthy || page[0] == 0);
	fuzz_require(strnlen(health.text, sizeof(health.text)) < sizeof(health.text));
}

static void try_discovery(const uint8_t *page, size_t bytes)
{
	struct tcg_level_0 discovery;

	(void)!tcg_level_0_decode(page, bytes, &discovery);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static void (*const decoders[DECODERS])(const uint8_t *, size_t) = {
		try_controller, try_namespace, try_list, try_log, try_health, try_discovery};
	uint8_t *whole, *cut;

	if (bytes == 0)
		return 0;
	/* On the heap and of the exact size, so that a byte too far is seen. */
	whole = calloc(1, NVME_PAGE_BYTES);
	cut = malloc(bytes);
	fuzz_require(whole && cut);
	memcpy(cut, data + 1, bytes - 1);
	memcpy(whole, data + 1, bytes - 1 < NVME_PAGE_BYTES ? bytes - 1 : NVME_PAGE_BYTES);
	decoders[data[0] % DECODERS](cut, bytes - 1);
	decoders[data[0] % DECODERS](whole, NVME_PAGE_BYTES);
	free(whole);
	free(cut);
	return 0;
}

void fuzz_seeds(void)
{
	uint8_t seed[1 + NVME_PAGE_BYTES] = {0};

	memcpy(seed + 1 + 4, "SERIAL", 6);
	seed[1 + 256] = 2;
	seed[1 + 328] = 7;
	seed[1 + 524] = 4;
	fuzz_seed(seed, sizeof(seed));

	memset(seed, 0, sizeof(seed));
	seed[0] = 1;
	bytes_put_le64(seed + 1, 2048);
	seed[1 + 130] = 9;
	fuzz_seed(seed, sizeof(seed));

	memset(seed, 0, sizeof(seed));
	seed[0] = 2;
	seed[1] = 1;
	seed[5] = 2;
	fuzz_seed(seed, 13);

	memset(seed, 0, sizeof(seed));
	seed[0] = 3;
	seed[3] = 2;
	fuzz_seed(seed, 513);
	seed[0] = 4;
	fuzz_seed(seed, 513);

	memset(seed, 0, sizeof(seed));
	seed[0] = 5;
	seed[4] = 48 + 8 - 4;
	memcpy(seed + 1 + 48, "\x02\x03\x10\x04", 4);
	fuzz_seed(seed, 1 + 56);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest of any bytes: read or refused; what is read has names that end and point nowhere
 * absolute. */
#include "harness/manifest.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

#define HEAD   "# spoolguard manifest 1\n# version 1.2.3\n# commit 0123abc\n# built 1732449600\n"
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct manifest manifest;
	char *text = malloc(bytes + 1);
	int r;

	fuzz_require(text != NULL);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	memset(&manifest, 0xff, sizeof(manifest));
	r = manifest_parse(text, bytes, &manifest);
	free(text);
	if (r < 0) {
		fuzz_require(r == -EBADMSG || r == -EFBIG);
		return 0;
	}
	fuzz_require(manifest.count > 0 && manifest.count <= MANIFEST_FILES_MAX);
	fuzz_require(memchr(manifest.version, '\0', sizeof(manifest.version)) != NULL);
	fuzz_require(memchr(manifest.commit, '\0', sizeof(manifest.commit)) != NULL);
	fuzz_require(manifest.built_wall_s > 0);
	for (size_t i = 0; i < manifest.count; i++) {
		const char *name = manifest.files[i].name;

		fuzz_require(memchr(name, '\0', sizeof(manifest.files[i].name)) != NULL);
		fuzz_require(name[0] != '\0' && name[0] != '/');
	}
	return 0;
}

void fuzz_seeds(void)
{
	static const char *const seeds[] = {
		HEAD DIGEST "  spoolguard\n" DIGEST "  spoolguard-volume\n",
		HEAD DIGEST "  ../../bin/spoolguard\n",
		HEAD,
		"# spoolguard manifest 2\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		fuzz_seed(seeds[i], strlen(seeds[i]));
}

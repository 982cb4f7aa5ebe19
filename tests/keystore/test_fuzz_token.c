/* SPDX-License-Identifier: Apache-2.0 */
/* A token that anybody may have written: decoded or refused; what is decoded is encoded and decoded
 * to the same. */
#include "keystore/token.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct keystore_token token, again;
	char *json = malloc(bytes + 1);
	char *out;
	int r;

	fuzz_require(json != NULL);
	memcpy(json, data, bytes);
	json[bytes] = '\0';
	memset(&token, 0, sizeof(token));
	memset(&again, 0, sizeof(again));
	r = token_decode(json, &token);
	free(json);
	if (r < 0) {
		fuzz_require(r == -EBADMSG || r == -EPROTONOSUPPORT);
		return 0;
	}
	fuzz_require(token.present && token.version == TOKEN_VERSION);
	fuzz_require(memchr(token.scheme, '\0', sizeof(token.scheme)) != NULL);
	fuzz_require(token_encode(&token, &out) == 0);
	if (token_decode(out, &again) == 0) { /* a scheme's name may be of any bytes */
		fuzz_require(again.superblock_offset_bytes == token.superblock_offset_bytes);
		fuzz_require(again.key_generation == token.key_generation);
		fuzz_require(again.backups == token.backups);
		fuzz_require(strcmp(again.scheme, token.scheme) == 0);
	}
	free(out);
	return 0;
}

void fuzz_seeds(void)
{
	struct keystore_token token = {
		.present = true,
		.version = TOKEN_VERSION,
		.superblock_offset_bytes = 4194304,
		.backups = 7,
		.key_generation = UINT64_MAX,
	};
	static const char newer[] = "{\"type\":\"spoolguard\",\"version\":2}";
	char *json;

	strcpy(token.scheme, "three-pass");
	fuzz_require(token_encode(&token, &json) == 0);
	fuzz_seed(json, strlen(json));
	free(json);
	memset(token.scheme, 'x', sizeof(token.scheme) - 1);
	token.filled_before = true;
	fuzz_require(token_encode(&token, &json) == 0);
	fuzz_seed(json, strlen(json));
	free(json);
	fuzz_seed(newer, strlen(newer));
	fuzz_seed("{}", 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures that anybody may have written: decoded or refused; what is decoded has one
 * spelling; nothing but the signature itself verifies. */
#include "audit/trust.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char message[] = "{\"schema\":\"spoolguard.receipt/1\"}\n";

static struct secret *device(struct minisign_key *ret_key)
{
	static const uint8_t bytes[SIGNATURE_SEED_BYTES] = {1, 2, 3};
	struct secret *seed;

	memset(ret_key->id, 0x5a, sizeof(ret_key->id));
	fuzz_require(secret_new_copy(bytes, sizeof(bytes), &seed) == 0);
	fuzz_require(signature_public(seed, ret_key->public_key) == 0);
	return seed;
}

static char *sign(const char *comment)
{
	struct minisign_key key;
	struct secret *seed = device(&key);
	char *text;

	fuzz_require(minisign_sign(seed, &key, message, strlen(message), comment, &text) == 0);
	secret_free(seed);
	return text;
}

static void check_key(const char *text, size_t bytes)
{
	char line[MINISIGN_KEY_LINE_BYTES];
	struct minisign_key key;
	int r = minisign_key_decode(text, bytes, &key);

	fuzz_require(r == 0 || r == -EINVAL);
	if (r < 0)
		return;
	minisign_key_line(&key, line);
	fuzz_require(memmem(text, bytes, line, strlen(line)) != NULL);
}

static void check_trust(const char *text, size_t bytes)
{
	char lines[2 * MINISIGN_KEY_LINE_BYTES], second[MINISIGN_KEY_LINE_BYTES];
	struct trust trust, again;
	int r = trust_decode(text, bytes, &trust);

	fuzz_require(r == 0 || r == -EINVAL);
	if (r < 0 || !trust.has_log_root)
		return;
	minisign_key_line(&trust.device, lines);
	minisign_key_line(&trust.log_root, second);
	strcat(strcat(lines, "\n"), second);
	fuzz_require(trust_decode(lines, strlen(lines), &again) == 0);
	fuzz_require(minisign_key_is_equal(&trust.device, &again.device));
	fuzz_require(again.has_log_root && minisign_key_is_equal(&trust.log_root, &again.log_root));
}

static void check_signature(const char *text, size_t bytes)
{
	char comment[MINISIGN_COMMENT_BYTES];
	uint8_t id[MINISIGN_ID_BYTES];
	struct minisign_key key;
	int r;

	secret_free(device(&key));
	r = minisign_verify(&key, message, strlen(message), text, bytes, comment, sizeof(comment));
	fuzz_require(r == 0 || r == -EINVAL || r == -EBADMSG || r == -ENOKEY);
	if (minisign_signature_id(text, bytes, id) < 0)
		fuzz_require(r == -EINVAL);
	if (r == 0)
		fuzz_require(strcmp(comment, "a") == 0 || strcmp(comment, "") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1);

	fuzz_require(text != NULL);
	memcpy(text, data, bytes);
	check_key(text, bytes);
	check_trust(text, bytes);
	check_signature(text, bytes);
	free(text);
	return 0;
}

void fuzz_seeds(void)
{
	static const char *const comments[] = {"a", ""};
	struct minisign_key key;
	char *text, *both;

	for (size_t i = 0; i < ARRAY_SIZE(comments); i++) {
		text = sign(comments[i]);
		fuzz_seed(text, strlen(text));
		free(text);
	}
	secret_free(device(&key));
	fuzz_require(minisign_key_encode(&key, "a device", &text) == 0);
	fuzz_seed(text, strlen(text));
	fuzz_require(asprintf(&both, "%s%s", text, text) > 0);
	fuzz_seed(both, strlen(both));
	free(both);
	free(text);
}

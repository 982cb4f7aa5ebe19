/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_names.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INFO "spoolguard ledger v1"

struct ledger_names {
	const struct secret *key;
	uint8_t salt[LEDGER_SALT_BYTES]; /* of this start */
	uint64_t nonce;			 /* the next one under it */
	struct aead *sealer;
	/* The salt that was opened last, which the next line has too, as a rule. */
	uint8_t opener_salt[LEDGER_SALT_BYTES];
	struct aead *opener;
};

static int derive(struct ledger_names *names, const uint8_t salt[static LEDGER_SALT_BYTES],
	struct aead **ret_aead)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = hash_hkdf_sha256(names->key, salt, LEDGER_SALT_BYTES, INFO, AEAD_KEY_BYTES, &key);
	return r < 0 ? r : aead_new(key, ret_aead);
}

int ledger_names_new(const struct secret *key, struct ledger_names **ret_names)
{
	struct ledger_names *names = calloc(1, sizeof(*names));
	int r = names ? 0 : -ENOMEM;

	if (r >= 0) {
		names->key = key;
		r = random_bytes(names->salt, sizeof(names->salt));
	}
	if (r >= 0)
		r = derive(names, names->salt, &names->sealer);
	if (r < 0) {
		ledger_names_free(names);
		return r;
	}
	*ret_names = names;
	return 0;
}

void ledger_names_free(struct ledger_names *names)
{
	if (!names)
		return;
	aead_free(names->sealer);
	aead_free(names->opener);
	free(names);
}

struct label { /* what is authenticated beside the names */
	uint8_t bytes[8 + LEDGER_VOLUME_BYTES];
	uint8_t nonce[AEAD_NONCE_BYTES];
};

static struct label label_of(
	uint64_t number, const char volume[static LEDGER_VOLUME_BYTES], uint64_t nonce)
{
	struct label label = {{0}, {0}};

	bytes_put_le64(label.bytes, number);
	memcpy(label.bytes + 8, volume, strlen(volume));
	bytes_put_le64(label.nonce, nonce);
	return label;
}

int ledger_names_seal(struct ledger_names *names, const struct ledger_job *job,
	const char *const *files, size_t count, struct ledger_sealed *ret_sealed)
{
	struct ledger_sealed sealed = {.number = job->number, .nonce = names->nonce};
	struct label label = label_of(job->number, job->volume, names->nonce);
	size_t bytes = strlen(files[0]) + 1;
	char *at;
	int r;

	for (sealed.count = 1; sealed.count < count; sealed.count++) {
		size_t more = strlen(files[sealed.count]) + 1;

		if (bytes + more > LEDGER_NAMES_BYTES)
			break;
		bytes += more;
	}
	sealed.size = bytes + AEAD_TAG_BYTES;
	if (sealed.size > LEDGER_SEALED_MAX)
		return -ENAMETOOLONG;
	sealed.bytes = malloc(sealed.size);
	if (!sealed.bytes)
		return -ENOMEM;
	at = (char *)sealed.bytes;
	for (size_t i = 0; i < sealed.count; i++)
		at = stpcpy(at, files[i]) + 1;
	strcpy(sealed.volume, job->volume);
	memcpy(sealed.salt, names->salt, sizeof(sealed.salt));
	names->nonce++;
	r = aead_seal(names->sealer, label.nonce, label.bytes, sizeof(label.bytes), sealed.bytes,
		bytes, sealed.bytes, sealed.bytes + bytes);
	if (r < 0) {
		secret_wipe(sealed.bytes, sealed.size);
		free(sealed.bytes);
		return r;
	}
	*ret_sealed = sealed;
	return 0;
}

static int choose_opener(struct ledger_names *names, const struct ledger_sealed *sealed)
{
	struct aead *opener;
	int r;

	if (names->opener && memcmp(names->opener_salt, sealed->salt, sizeof(sealed->salt)) == 0)
		return 0;
	r = derive(names, sealed->salt, &opener);
	if (r < 0)
		return r;
	aead_free(names->opener);
	names->opener = opener;
	memcpy(names->opener_salt, sealed->salt, sizeof(sealed->salt));
	return 0;
}

static int give_names(const char *text, size_t bytes, size_t count,
	int (*add)(void *context, const char *name), void *context)
{
	size_t given = 0;
	int r = 0;

	if (bytes == 0 || text[bytes - 1] != '\0')
		return -EBADMSG;
	for (size_t at = 0; at < bytes && r >= 0; at += strlen(text + at) + 1, given++)
		r = add(context, text + at);
	return r < 0 || given == count ? r : -EBADMSG;
}

int ledger_names_open(struct ledger_names *names, const struct ledger_sealed *sealed,
	int (*add)(void *context, const char *name), void *context)
{
	struct label label = label_of(sealed->number, sealed->volume, sealed->nonce);
	size_t bytes = sealed->size - AEAD_TAG_BYTES;
	char *text;
	int r;

	r = choose_opener(names, sealed);
	if (r < 0)
		return r;
	text = malloc(bytes);
	if (!text)
		return -ENOMEM;
	r = aead_open(names->opener, label.nonce, label.bytes, sizeof(label.bytes), sealed->bytes,
		bytes, text, sealed->bytes + bytes);
	if (r >= 0)
		r = give_names(text, bytes, sealed->count, add, context);
	secret_wipe(text, bytes);
	free(text);
	return r;
}

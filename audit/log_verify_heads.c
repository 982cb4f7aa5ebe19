/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of keys: from what was enrolled to log.json, head 1, head 2, and so on. */
#include "audit/log_verify_impl.h"
#include "base/hex.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digest_of(const struct log_bytes *text, char ret_hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(text->at, text->bytes, digest);

	if (r < 0)
		return r;
	hex_encode(digest, sizeof(digest), ret_hex);
	return 0;
}

static const char *why(int error)
{
	switch (error) {
	case -ENOKEY:
		return "it is signed by another key";
	case -EBADMSG:
		return "it is not what was signed";
	case -EINVAL:
		return "its signature is none of minisign's";
	case -EPROTONOSUPPORT:
		return "it is of a newer version; use a newer spoolguard";
	default:
		return strerror(-error);
	}
}

static bool is_no_verdict(int error)
{
	return error == -ENOMEM || error == -EIO;
}

/* A text and its signature.  1: both are there. */
static int read_signed(
	struct log_verifier *verifier, const char *name, struct problem *reterr_problem)
{
	char signature[LOG_NAME_BYTES];
	int r;

	r = log_verify_read(verifier, name, LOG_HEAD_BYTES_MAX, &verifier->text, reterr_problem);
	if (r <= 0)
		return r;
	snprintf(signature, sizeof(signature), "%s" LOG_SIGNATURE_END, name);
	return log_verify_read(
		verifier, signature, MINISIGN_TEXT_MAX, &verifier->signature, reterr_problem);
}

static int check_signature(const struct log_verifier *verifier, const struct minisign_key *key)
{
	return minisign_verify(key, verifier->text.at, verifier->text.bytes, verifier->signature.at,
		verifier->signature.bytes, NULL, 0);
}

/* --- log.json --- */

static void use_enrolled(struct log_verifier *verifier)
{
	verifier->has_root = verifier->trusted->has_log_root;
	if (verifier->has_root)
		verifier->root = verifier->trusted->log_root;
}

static int take_root(struct log_verifier *verifier, const struct log_root *root)
{
	const struct trust *trusted = verifier->trusted;
	struct log_verdict *verdict = verifier->verdict;
	const struct log_place nowhere = {0};

	memcpy(verdict->log, root->log, sizeof(verdict->log));
	if (trusted->has_log_root && !minisign_key_is_equal(&root->key, &trusted->log_root)) {
		log_verdict_add(verdict, LOG_KEY, &nowhere,
			"log.json: this log does not begin with the key that was enrolled");
	} else {
		verdict->root_enrolled = trusted->has_log_root;
		verifier->has_root = true;
		verifier->root = root->key;
	}
	return digest_of(&verifier->text, verifier->beginning);
}

int log_verify_root(struct log_verifier *verifier, struct problem *reterr_problem)
{
	struct log_verdict *verdict = verifier->verdict;
	const struct log_place nowhere = {0};
	struct log_root root;
	int r;

	r = read_signed(verifier, LOG_ROOT_NAME, reterr_problem);
	if (r < 0)
		return r;
	if (r == 0) {
		log_verdict_add(verdict, LOG_FILE_MISSING, &nowhere,
			"log.json or its signature is not there");
		use_enrolled(verifier);
		return 0;
	}
	r = check_signature(verifier, &verifier->trusted->device);
	if (is_no_verdict(r))
		return problem_set(reterr_problem, r, "log.json: %s", strerror(-r));
	if (r < 0) {
		log_verdict_add(verdict, r == -ENOKEY ? LOG_KEY : LOG_HEAD, &nowhere,
			"log.json: %s", why(r));
		if (r != -ENOKEY)
			use_enrolled(verifier);
		return 0;
	}
	r = log_root_decode(verifier->text.at, verifier->text.bytes, &root);
	if (r == 0 && minisign_key_is_equal(&root.device, &verifier->trusted->device))
		return take_root(verifier, &root);
	log_verdict_add(verdict, LOG_HEAD, &nowhere, "log.json: %s",
		r == -EPROTONOSUPPORT ? why(r) : "it is no beginning of a log of this device");
	use_enrolled(verifier);
	return 0;
}

/* --- heads --- */

static void complain(const struct log_verifier *verifier, uint64_t segment,
	enum log_finding_kind kind, const char *text, bool ends_here)
{
	const struct log_place place = {segment, 0, 0};

	log_verdict_add(verifier->verdict, kind, &place, "head %" PRIu64 ": %s%s", segment, text,
		ends_here ? "; keys from here on are unknown" : "");
}

/* 1: a head that key vouches for, its digest with it; 0: there is none, and it was said. */
static int read_head(struct log_verifier *verifier, uint64_t segment,
	const struct minisign_key *key, struct log_head *ret_head,
	char ret_digest[static AUDIT_HEX_BYTES], struct problem *reterr_problem)
{
	char name[LOG_NAME_BYTES];
	int r;

	r = read_signed(verifier, log_file_name(LOG_HEAD_FILE, segment, name), reterr_problem);
	if (r < 0)
		return r;
	if (r == 0) {
		complain(verifier, segment, LOG_FILE_MISSING, "it or its signature is not there",
			true);
		return 0;
	}
	r = check_signature(verifier, key);
	if (r == 0)
		r = log_head_decode(verifier->text.at, verifier->text.bytes, ret_head);
	if (r == 0)
		r = digest_of(&verifier->text, ret_digest);
	if (is_no_verdict(r))
		return problem_set(reterr_problem, r, "%s: %s", name, strerror(-r));
	if (r < 0) {
		complain(verifier, segment, LOG_HEAD, why(r), true);
		return 0;
	}
	return 1;
}

/* It is by the right key; is it this segment's, and does it go on from the one before? */
static void check_head(const struct log_verifier *verifier, uint64_t segment,
	const struct log_head *head, const char *previous_head, uint64_t first)
{
	const char *log = verifier->verdict->log;

	if (head->segment != segment || (log[0] != '\0' && strcmp(head->log, log) != 0))
		complain(verifier, segment, LOG_HEAD, "it is of another segment or log", false);
	else if (previous_head[0] != '\0' && strcmp(head->previous_head, previous_head) != 0)
		complain(verifier, segment, LOG_HEAD,
			"it does not have the digest of the head before it", false);
	else if (head->first != first || head->last < head->first ||
		 head->records != head->last - head->first + 1)
		complain(verifier, segment, LOG_HEAD,
			"its record numbers do not fit the head before it", false);
}

static int keep_head(struct log_verifier *verifier, const struct log_head *head)
{
	struct log_head *grown;
	size_t room = verifier->heads_room ? 2 * verifier->heads_room : 64;

	if (verifier->head_count == verifier->heads_room) {
		grown = reallocarray(verifier->heads, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		verifier->heads = grown;
		verifier->heads_room = room;
	}
	verifier->heads[verifier->head_count++] = *head;
	return 0;
}

static int take_next_head(struct log_verifier *verifier, struct problem *reterr_problem)
{
	const uint64_t segment = verifier->head_count + 1;
	const struct log_head *before = log_verify_head(verifier, segment - 1);
	char digest[AUDIT_HEX_BYTES];
	struct log_head head;
	int r;

	r = read_head(verifier, segment, before ? &before->next_key : &verifier->root, &head,
		digest, reterr_problem);
	if (r <= 0) {
		verifier->heads_end = true;
		return r;
	}
	check_head(verifier, segment, &head, verifier->newest_head, before ? before->last + 1 : 1);
	r = keep_head(verifier, &head);
	if (r < 0)
		return problem_set(reterr_problem, r, "not enough memory");
	memcpy(verifier->newest_head, digest, sizeof(digest));
	verifier->verdict->signed_up_to = head.last;
	return 0;
}

int log_verify_heads(struct log_verifier *verifier, struct problem *reterr_problem)
{
	const struct log_listing *listing = &verifier->listing;
	const uint64_t closed = listing->last - (listing->last > 0 && !listing->last_is_closed);
	int r = 0;

	if (verifier->head_count == 0)
		memcpy(verifier->newest_head, verifier->beginning, sizeof(verifier->newest_head));
	while (r >= 0 && verifier->has_root && !verifier->heads_end &&
		verifier->head_count < closed)
		r = take_next_head(verifier, reterr_problem);
	return r < 0 ? r : 0;
}

const struct log_head *log_verify_head(const struct log_verifier *verifier, uint64_t segment)
{
	return segment >= 1 && segment <= verifier->head_count ? &verifier->heads[segment - 1]
							       : NULL;
}

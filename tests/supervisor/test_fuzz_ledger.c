/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a ledger from anywhere: decoded or refused; what is decoded is encoded and decoded
 * again to the same.  The check is made right for every input, or none would come further. */
#include "base/hex.h"
#include "crypto/hash.h"
#include "supervisor/ledger_record.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BEGINNING_BYTES (sizeof(LEDGER_LINE_BEGINNING) - 1)
#define BODY_AT		(BEGINNING_BYTES + 18)

static bool is_same(const struct ledger_record *a, const struct ledger_record *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case LEDGER_KIND_HEAD:
		return a->head.next == b->head.next && a->head.retired == b->head.retired;
	case LEDGER_KIND_JOB:
		return a->job.number == b->job.number && a->job.state == b->job.state &&
		       a->job.uid == b->job.uid && a->job.attempts == b->job.attempts &&
		       a->job.seen_wall_s == b->job.seen_wall_s &&
		       a->job.changed_wall_s == b->job.changed_wall_s &&
		       a->job.file_count == b->job.file_count &&
		       strcmp(a->job.source, b->job.source) == 0 &&
		       strcmp(a->job.id, b->job.id) == 0 &&
		       strcmp(a->job.volume, b->job.volume) == 0 &&
		       strcmp(a->job.why, b->job.why) == 0 && !a->job.receipt == !b->job.receipt;
	case LEDGER_KIND_FILES:
	default:
		return a->sealed.number == b->sealed.number && a->sealed.count == b->sealed.count &&
		       a->sealed.nonce == b->sealed.nonce && a->sealed.size == b->sealed.size &&
		       memcmp(a->sealed.salt, b->sealed.salt, LEDGER_SALT_BYTES) == 0 &&
		       memcmp(a->sealed.bytes, b->sealed.bytes, a->sealed.size) == 0;
	}
}

static void decode(const char *line, size_t bytes)
{
	struct ledger_record record, again;
	char *text;
	int r = ledger_record_decode(line, bytes, &record);

	if (r < 0) {
		fuzz_require(r == -EBADMSG || r == -EPROTONOSUPPORT);
		return;
	}
	fuzz_require(ledger_record_is_whole(line, bytes));
	r = ledger_record_encode(&record, &text);
	/* A receipt that came in the shortest of many ways to write it, or with escapes of NULs. */
	fuzz_require(r == 0 || r == -EMSGSIZE || record.job.receipt);
	if (r == 0) {
		fuzz_require(ledger_record_decode(text, strlen(text) - 1, &again) == 0);
		fuzz_require(is_same(&record, &again));
		ledger_record_done(&again);
		free(text);
	}
	ledger_record_done(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t digest[SHA256_BYTES];
	char *line = malloc(bytes + BODY_AT + 1);
	char digits[17];

	fuzz_require(line != NULL);
	memcpy(line, data, bytes);
	decode(line, bytes);
	fuzz_require(hash_sha256(data, bytes, digest) == 0);
	snprintf(line, BODY_AT + 1, LEDGER_LINE_BEGINNING "%s\",", hex_encode(digest, 8, digits));
	memcpy(line + BODY_AT, data, bytes);
	decode(line, BODY_AT + bytes);
	free(line);
	return 0;
}

static void give(const char *text)
{
	fuzz_seed(text, strlen(text));
}

void fuzz_seeds(void)
{
	give("\"kind\":\"head\",\"version\":1,\"next\":18,\"retired\":4}");
	give("\"kind\":\"job\",\"job\":17,\"source\":\"cups\",\"id\":\"123\",\"volume\":\"u\","
	     "\"uid\":0,"
	     "\"state\":\"retired\",\"seen\":1,\"changed\":-2,\"attempts\":1,\"files\":2,\"why\":"
	     "\"w\\u0041\","
	     "\"receipt\":{\"result\":\"retired\",\"times\":[\"a\",\"b\"],\"n\":1.5}}");
	give("\"kind\":\"job\",\"job\":1,\"source\":\"call\",\"id\":\"\xc3\xa9\",\"volume\":\"\","
	     "\"uid\":4294967295,\"state\":\"begun\",\"seen\":1,\"changed\":1,\"attempts\":0,"
	     "\"files\":"
	     "0}");
	give("\"kind\":\"files\",\"job\":17,\"volume\":\"u\",\"count\":1,\"salt\":"
	     "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\"nonce\":5,"
	     "\"sealed\":\"000102030405060708090a0b0c0d0e0f1011\"}");
	give("{\"check\":\"0123456789abcdef\",\"kind\":\"head\",\"version\":1,\"next\":1,"
	     "\"retired\":0}");
}

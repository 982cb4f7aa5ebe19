/* SPDX-License-Identifier: Apache-2.0 */
/* A segment of any bytes, held against the chain, as one that a head vouches for and as one that
 * none does: it is counted and found bad or good, and nothing else happens.  What is found where a
 * head vouches is found without, too. */
#include "audit/log_chain.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

static bool run(const char *text, size_t bytes, bool is_signed, struct log_verdict *verdict)
{
	const char *at = text, *end = text + bytes;
	struct log_chain chain;
	uint64_t line = 0;

	*verdict = (struct log_verdict){
		.findings = calloc(LOG_VERIFY_FINDINGS_MAX, sizeof(*verdict->findings))};
	fuzz_require(verdict->findings != NULL);
	log_chain_init(&chain, verdict, 2);
	log_chain_jump(&chain, 1, NULL);
	chain.is_signed = is_signed;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline)
			break;
		fuzz_require(log_chain_take(&chain, 1, ++line, at, (size_t)(newline - at)) == 0);
		at = newline + 1;
	}
	log_chain_settle(&chain, line % 2 == 0);
	fuzz_require(verdict->records <= line && verdict->count <= LOG_VERIFY_FINDINGS_MAX);
	for (size_t i = 0; i < verdict->count; i++) {
		fuzz_require(memchr(verdict->findings[i].text, '\0',
				     sizeof(verdict->findings[i].text)) != NULL);
		fuzz_require(verdict->findings[i].line <= line);
	}
	return verdict->count == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct log_verdict strict, lax;
	char *text = malloc(bytes + 1);
	bool is_strictly_good, is_good;

	fuzz_require(text != NULL);
	if (bytes > 0)
		memcpy(text, data, bytes);
	is_strictly_good = run(text, bytes, false, &strict);
	is_good = run(text, bytes, true, &lax);
	fuzz_require(is_good || !is_strictly_good);
	log_verdict_done(&strict);
	log_verdict_done(&lax);
	free(text);
	return 0;
}

/* A few records whose links are right. */
void fuzz_seeds(void)
{
	const struct audit_event events[] = {
		{.event = "audit-started", .outcome = "success"},
		{.event = "job-retired", .job = "cups 12", .outcome = "success", .detail = "x"},
		{.event = "log-dropped", .outcome = "success", .data = json_object_new_object()},
		{.event = "access-denied", .outcome = "denied", .origin = "192.0.2.7"},
	};
	static const char digits[] = "0123456789abcdef";
	struct audit_stamp stamp = {.boot = "0b0b0b0b-0000-4000-8000-00000000000b"};
	char text[8192];
	size_t bytes = 0;

	memset(stamp.previous, '0', AUDIT_HEX_BYTES - 1);
	json_object_object_add(events[2].data, "segment", json_object_new_int(1));
	for (size_t i = 0; i < 12; i++) {
		uint8_t digest[SHA256_BYTES];
		char *line;

		stamp.sequence = i + 1;
		stamp.monotonic_ms = stamp.sequence * 1000;
		stamp.wall_ms = (int64_t)stamp.monotonic_ms + (i > 6 ? 5000 : 0);
		fuzz_require(audit_record_encode(&events[i % 4], &stamp, &line) == 0);
		fuzz_require(bytes + strlen(line) <= sizeof(text));
		memcpy(text + bytes, line, strlen(line));
		bytes += strlen(line);
		fuzz_require(hash_sha256(line, strlen(line), digest) == 0);
		for (size_t k = 0; k < SHA256_BYTES; k++) {
			stamp.previous[2 * k] = digits[digest[k] >> 4];
			stamp.previous[2 * k + 1] = digits[digest[k] & 15];
		}
		free(line);
		fuzz_seed(text, bytes);
	}
	json_object_put(events[2].data);
}

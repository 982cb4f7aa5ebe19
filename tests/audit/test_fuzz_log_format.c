/* SPDX-License-Identifier: Apache-2.0 */
/* The small files of any log, and lines: taken apart or refused.  What is taken for a head, a root
 * or a position is well-formed; each line that is a record is scanned for what it says. */
#include "audit/log_format.h"
#include "audit/log_scan.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

static void require_refused(int r)
{
	fuzz_require(r == -EBADMSG || r == -EPROTONOSUPPORT);
}

static void require_digest(const char hex[static AUDIT_HEX_BYTES])
{
	fuzz_require(strspn(hex, "0123456789abcdef") == AUDIT_HEX_BYTES - 1);
	fuzz_require(hex[AUDIT_HEX_BYTES - 1] == '\0');
}

static void try_small_files(const char *text, size_t bytes)
{
	struct log_root root;
	struct log_head head;
	struct audit_position position;
	int r;

	r = log_root_decode(text, bytes, &root);
	if (r < 0)
		require_refused(r);
	else
		fuzz_require(strlen(root.log) == AUDIT_BOOT_BYTES - 1);
	r = log_position_decode(text, bytes, &position);
	if (r < 0)
		require_refused(r);
	else
		require_digest(position.sha256);
	r = log_head_decode(text, bytes, &head);
	if (r < 0) {
		require_refused(r);
		return;
	}
	require_digest(head.sha256);
	require_digest(head.last_record);
	require_digest(head.previous_head);
	fuzz_require(head.segment > 0 && head.segment < LOG_SEGMENT_MAX);
}

static void try_line(const char *line, size_t bytes)
{
	struct audit_record record;
	struct log_scan scan;
	bool is_scanned = log_scan(line, bytes, &scan);

	if (audit_record_decode(line, bytes, &record) < 0)
		return;
	fuzz_require(is_scanned);
	fuzz_require(scan.sequence == record.stamp.sequence);
	fuzz_require(scan.wall_ms == record.stamp.wall_ms);
	fuzz_require(scan.monotonic_ms == record.stamp.monotonic_ms);
	fuzz_require(memcmp(scan.boot, record.stamp.boot, AUDIT_BOOT_BYTES - 1) == 0);
	fuzz_require(memcmp(scan.previous, record.stamp.previous, AUDIT_HEX_BYTES - 1) == 0);
	fuzz_require(scan.event_bytes == strlen(record.event.event));
	fuzz_require(memcmp(scan.event, record.event.event, scan.event_bytes) == 0);
	audit_record_done(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1); /* of exactly that length: a read beyond it is seen */

	fuzz_require(text != NULL);
	if (bytes > 0)
		memcpy(text, data, bytes);
	try_small_files(text, bytes);
	try_line(text, bytes);
	text[bytes] = '\0';
	(void)log_file_number(LOG_SEGMENT_FILE, text);
	(void)log_file_number(LOG_HEAD_SIGNATURE_FILE, text);
	free(text);
	return 0;
}

#define LOG    "\"log\":\"11111111-2222-4333-8444-555555555555\""
#define DIGEST "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
#define KEY    "\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\""

static void give(const char *text)
{
	fuzz_seed(text, strlen(text));
}

void fuzz_seeds(void)
{
	give("{\"schema\":\"spoolguard.log/1\"," LOG ",\"time\":\"2026-11-24T09:00:00.000Z\","
	     "\"device\":" KEY ",\"segment\":1,\"key\":" KEY "}\n");
	give("{\"schema\":\"spoolguard.log-head/1\"," LOG ",\"segment\":2,\"first\":41,"
	     "\"last\":80,\"records\":40,\"bytes\":13120,\"sha256\":" DIGEST
	     ",\"last_record\":" DIGEST ",\"previous_head\":" DIGEST
	     ",\"time\":\"2026-11-24T09:00:00.000Z\",\"next_segment\":3,\"next_key\":" KEY "}\n");
	give("{\"schema\":\"spoolguard.log-position/1\"," LOG ",\"segment\":3,\"sequence\":100,"
	     "\"sha256\":" DIGEST "}\n");
	give("{\"schema\":\"spoolguard.log-head/2\"}\n");
	give("segment-00000001.jsonl");
	give("head-00000017.json.minisig");
	give("{\"sequence\":17,\"time\":\"2026-02-28T23:59:59.999Z\",\"monotonic_ms\":81233,"
	     "\"boot\":\"0b0b0b0b-0000-4000-8000-00000000000b\",\"event\":\"job-retired\","
	     "\"subject\":{\"role\":\"pipeline\",\"uid\":7},\"object\":{\"job\":\"cups 12\"},"
	     "\"outcome\":\"success\",\"data\":{\"n\":1},\"previous\":" DIGEST "}");
	give("{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
	     "\"boot\":\"0b0b0b0b-0000-4000-8000-00000000000b\",\"event\":\"audit-started\","
	     "\"subject\":{\"role\":\"service\",\"uid\":0},\"outcome\":\"success\","
	     "\"previous\":" DIGEST "}");
}

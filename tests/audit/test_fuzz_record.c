/* SPDX-License-Identifier: Apache-2.0 */
/* A line of any log: decoded or refused; what is decoded is one line of ASCII, and encoded again
 * is the same line (A2). */
#include "audit/event_table.h"
#include "audit/record.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct audit_record record;
	char *line;
	int r;

	r = audit_record_decode((const char *)data, bytes, &record);
	if (r < 0) {
		fuzz_require(r == -EBADMSG);
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		fuzz_require(data[i] >= 0x20 && data[i] < 0x7f);
	r = audit_record_encode(&record.event, &record.stamp, &line);
	if (audit_event_find(record.event.event)) {
		fuzz_require(r == 0 && strlen(line) == bytes + 1 && line[bytes] == '\n');
		fuzz_require(memcmp(line, data, bytes) == 0);
		free(line);
	} else {
		fuzz_require(r == -EINVAL);
	}
	audit_record_done(&record);
	return 0;
}

static void give(const char *text)
{
	fuzz_seed(text, strlen(text));
}

#define BEGINNING                                                                                  \
	"{\"sequence\":17,\"time\":\"2026-11-24T09:00:00.123Z\",\"monotonic_ms\":81233,"           \
	"\"boot\":\"0b0b0b0b-0000-4000-8000-00000000000b\",\"event\":"
#define END "\"previous\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}"

void fuzz_seeds(void)
{
	give(BEGINNING "\"audit-started\",\"subject\":{\"role\":\"service\",\"uid\":0},"
		       "\"outcome\":\"success\"," END);
	give(BEGINNING "\"job-retired\",\"subject\":{\"role\":\"pipeline\",\"uid\":7,"
		       "\"origin\":\"192.0.2.7\"},\"object\":{\"job\":\"cups 12\","
		       "\"volume\":\"0a0a0a0a-0000-4000-8000-00000000000a\",\"drive\":\"S/N 1\"},"
		       "\"outcome\":\"failure\",\"detail\":\"a \\\"b\\\" \\u00e9\\ud83d\\udda8\","
		       "\"data\":{\"n\":18446744073709551615,\"d\":-1.5e+300,\"s\":\"\\n\","
		       "\"z\":null,\"l\":[true,[{}]]}," END);
	give(BEGINNING "\"future-event\",\"subject\":{\"role\":\"host\",\"uid\":4294967295},"
		       "\"object\":{\"drive\":\"x\"},\"outcome\":\"progress\"," END);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A message from any peer: decoded or refused; what is decoded has parameters, and its text decodes
 * again. */
#include "ipc/message.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct message message, again;
	uint64_t number;
	const char *text;
	bool flag;
	char *out;
	int r;

	r = message_decode((const char *)data, bytes, &message);
	if (r < 0) {
		fuzz_require(r == -EBADMSG);
		return 0;
	}
	fuzz_require(json_object_is_type(message.parameters, json_type_object));
	fuzz_require(!message.method || !message.error);
	json_object_object_foreach(message.parameters, key, value)
	{
		(void)value;
		(void)message_get_u64(message.parameters, key, &number);
		(void)message_get_string(message.parameters, key, &text);
		(void)message_get_bool(message.parameters, key, &flag);
	}
	fuzz_require(message_encode_reply(json_object_get(message.parameters), &out) == 0);
	/* Escapes make a text longer, and what was beyond UTF-8 in an escape stays beyond it. */
	r = message_decode(out, strlen(out), &again);
	if (r >= 0)
		message_done(&again);
	free(out);
	message_done(&message);
	return 0;
}

static void give(const char *text)
{
	fuzz_seed(text, strlen(text));
}

void fuzz_seeds(void)
{
	give("{}");
	give("{\"method\":\"io.spoolguard.volume.Status\"}");
	give("{\"method\":\"io.spoolguard.volume.Watch\",\"parameters\":{\"extents\":[[1,2],[3,4]]}"
	     "}");
	give("{\"method\":\"io.spoolguard.volume.SetSweepOwed\",\"parameters\":{\"owed\":true},"
	     "\"more\":true}");
	give("{\"parameters\":{\"n\":18446744073709551615,\"d\":-1.5e300,\"s\":"
	     "\"\\u00e9\\ud83d\\udcbe"
	     "\xc3\xa9\",\"z\":null},\"continues\":true}");
	give("{\"error\":\"io.spoolguard.volume.Failed\",\"parameters\":{\"errno\":5,\"text\":"
	     "\"x\"}}");
	give("{\"parameters\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}");
}

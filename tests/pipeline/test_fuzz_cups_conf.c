/* SPDX-License-Identifier: Apache-2.0 */
/* A cupsd.conf from anywhere: read or refused; what was planned for it can be taken out again, and
 * leaves nothing to plan. */
#include "pipeline/cups_plan.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

static size_t plan(const struct cups_text *text, struct cups_text *ret_text)
{
	struct cups_conf conf;
	struct cups_plan plan;
	struct cups_plan_request request = {.file = CUPS_CONF_CUPSD, .conf = &conf, .text = text};
	size_t changes;
	int r = cups_conf_parse("x", text->bytes, text->count, &conf, NULL);

	if (r < 0) {
		fuzz_require(r == -EINVAL || r == -EFBIG);
		return SIZE_MAX;
	}
	fuzz_require(cups_plan_make(&request, &plan) == 0);
	changes = cups_plan_changes(&plan);
	fuzz_require(cups_plan_apply(&plan, text, ret_text) == 0);
	cups_plan_done(&plan);
	cups_conf_done(&conf);
	return changes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct cups_text text = {malloc(bytes + 1), bytes}, applied, again, taken;
	size_t marks, changes;
	bool is_clean;

	fuzz_require(text.bytes != NULL);
	memcpy(text.bytes, data, bytes);
	text.bytes[bytes] = '\0';
	is_clean = memmem(data, bytes, "#spoolguard[", 12) == NULL;
	changes = plan(&text, &applied);
	if (changes != SIZE_MAX) {
		changes = plan(&applied, &again);
		/* A long line with our mark behind it may be too long. */
		fuzz_require(changes == 0 || changes == SIZE_MAX || !is_clean);
		if (changes != SIZE_MAX)
			cups_text_done(&again);
		if (is_clean) {
			fuzz_require(cups_edit_take_out("x", &applied, cups_residue_is_line, &taken,
					     &marks, NULL) == 0);
			fuzz_require(taken.count == bytes && memcmp(taken.bytes, data, bytes) == 0);
			cups_text_done(&taken);
		} else if (cups_edit_take_out("x", &applied, cups_residue_is_line, &taken, &marks,
				   NULL) == 0) {
			cups_text_done(&taken);
		}
		cups_text_done(&applied);
	}
	cups_text_done(&text);
	return 0;
}

static void give(const char *text)
{
	fuzz_seed(text, strlen(text));
}

void fuzz_seeds(void)
{
	give("LogLevel debug\nPageLogFormat %u %{job-name}\r\nMaxJobs 5\rAutoPurgeJobs yes");
	give("<Policy default>\n<Limit Restart-Job All>\nRequire user @OWNER\n</Limit>\n</Policy>\n"
	     "<Location />\n<Limit GET>\n</Limit>\n</Location>\n<Policy b>\n</Policy>");
	give("#spoolguard[log-level] was: LogLevel debug\nLogLevel warn #spoolguard[log-level]\n"
	     "#spoolguard[begin] set by x (the line before had no end)\n"
	     "MaxJobs 0 #spoolguard[max-jobs]\n#spoolguard[end]\n");
	give("PreserveJobFiles 1.5h # why\nPreserveJobFiles\nServerAdmin a\\#b");
}

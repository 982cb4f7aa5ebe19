/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_names.c - steps, states and ways of reading back, as programs know them
 */
#include "decommission/record.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const steps[] = {
	[RECORD_INTAKE] = "intake",
	[RECORD_KEYS] = "keys",
	[RECORD_SANITIZE] = "sanitize",
	[RECORD_OVERWRITE] = "overwrite",
	[RECORD_SEARCH] = "search",
	[RECORD_CERTIFICATE] = "certificate",
};
static const char *const states[] = {
	[RECORD_PENDING] = "pending",
	[RECORD_BEGUN] = "begun",
	[RECORD_DONE] = "done",
	[RECORD_FAILED] = "failed",
	[RECORD_NOT_NEEDED] = "not-needed",
	[RECORD_SKIPPED] = "skipped",
};
static const char *const verifies[] = {
	[RECORD_VERIFY_FULL] = "full",
	[RECORD_VERIFY_STRATIFIED] = "stratified",
	[RECORD_VERIFY_HCD] = "hcd",
	[RECORD_VERIFY_NONE] = "none",
};

const char *record_step_name(enum record_step step)
{
	assert((size_t)step < ARRAY_SIZE(steps));
	return steps[step];
}

const char *record_state_name(enum record_state state)
{
	assert((size_t)state < ARRAY_SIZE(states));
	return states[state];
}

const char *record_verify_name(enum record_verify verify)
{
	assert((size_t)verify < ARRAY_SIZE(verifies));
	return verifies[verify];
}

int record_verify_parse(const char *name, enum record_verify *ret_verify)
{
	for (size_t i = 0; i < ARRAY_SIZE(verifies); i++) {
		if (strcmp(name, verifies[i]) == 0) {
			*ret_verify = (enum record_verify)i;
			return 0;
		}
	}
	return -EINVAL;
}

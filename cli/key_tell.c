/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_tell.c - a change of a header's keys, told to the service for the audit log
 *
 * The change is made, whether somebody hears of it or not: where no service runs there is no log to
 * write to.  One that runs and does not take it is said.
 */
#include "cli/service_client.h"
#include "cli/verb_key.h"
#include "cli/cli.h"
#include <errno.h>

void key_tell(const char *path, const char *act, int slot)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct json_object *parameters, *answer = NULL;
	struct problem problem = {""};
	struct keystore_token token;
	int r = service_client_open(&client, &problem);

	if (r == -ESRCH)
		return;
	if (r >= 0)
		r = keystore_open(path, true, &keystore, &problem);
	if (r >= 0) {
		keystore_get_token(keystore, &token);
		parameters = json_object_new_object();
		cli_add_string(parameters, "volume", keystore_uuid(keystore));
		cli_add_string(parameters, "act", act);
		if (slot >= 0)
			cli_add_u64(parameters, "slot", (uint64_t)slot);
		cli_add_u64(parameters, "header_backups", token.backups);
		r = service_client_call(client, "RecordKeyChange", parameters, &answer, &problem);
	}
	json_object_put(answer);
	if (r < 0)
		cli_warn("it was done, and the audit log has no record of it: %s",
			problem_text(&problem, r));
}

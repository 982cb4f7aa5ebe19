/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_print.h - what "spoolguard status" shows: an attached volume, and the service
 */
#ifndef SPOOLGUARD_CLI_STATUS_PRINT_H
#define SPOOLGUARD_CLI_STATUS_PRINT_H

#include "cli/service_client.h"

/* As text; status: attached/volume_status.h. */
void status_print_volume(struct json_object *status);

/* attached/medium_report.h; NULL: nothing is said. */
void status_print_medium(struct json_object *report);

/*
 * All that the service says, and after it what is attached without it.  Returns an exit code.
 */
int status_print_service(struct service_client *client, bool json);
/* One of its volumes. */
int status_print_kept(struct json_object *volume, bool json);

#endif

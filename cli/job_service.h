/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_service.h - "spoolguard job ..." through the service
 *
 * Each returns an enum cli_exit, after saying what there is to say.
 */
#ifndef SPOOLGUARD_CLI_JOB_SERVICE_H
#define SPOOLGUARD_CLI_JOB_SERVICE_H

#include "attached/job_list.h"
#include "cli/service_client.h"

struct job_service {
	struct service_client *client;
	const char *id, *source, *state, *reason, *volume; /* NULL: not given */
	const struct job_list *list;			   /* begin, complete */
	bool wait;
	uint64_t timeout_ms;
	bool json;
};

int job_service_begin(const struct job_service *job);
/* Every job of the list. */
int job_service_complete(const struct job_service *job);
int job_service_list(const struct job_service *job);
int job_service_show(const struct job_service *job);
int job_service_hold(const struct job_service *job);
int job_service_release(const struct job_service *job);

#endif

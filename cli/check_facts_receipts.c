/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_receipts.c - the newest receipts that the service remembers
 */
#include "cli/check.h"
#include "cli/check_receipts.h"
#include "cli/cli.h"
#include <errno.h>
#include <string.h>

#define RECEIPTS_MAX 20u /* the newest are looked at */
#define MEND	     "ask as root, an auditor or an administrator, while spoolguardd runs"

/* The newest jobs that were retired: id and source of each; a ring. */
struct newest {
	struct json_object *jobs[RECEIPTS_MAX]; /* owned */
	uint64_t count;
};

static void newest_done(struct newest *newest)
{
	for (size_t i = 0; i < RECEIPTS_MAX; i++)
		json_object_put(newest->jobs[i]);
}

/* Returns the number after which the service is asked next. */
static uint64_t take_page(struct newest *newest, struct json_object *answer, uint64_t after)
{
	struct json_object *jobs = json_object_object_get(answer, "jobs");

	for (size_t i = 0; jobs && i < json_object_array_length(jobs); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);
		size_t at = newest->count++ % RECEIPTS_MAX;

		json_object_put(newest->jobs[at]);
		newest->jobs[at] = json_object_get(job);
		after = service_client_number(job, "job");
	}
	return after;
}

static int find_newest(struct check *check, struct newest *newest, struct problem *problem)
{
	uint64_t after = 0, next;
	bool more = true;

	while (more) {
		struct json_object *parameters = json_object_new_object(), *answer;
		int r;

		cli_add_string(parameters, "state", "retired");
		cli_add_u64(parameters, "after", after);
		r = service_client_call(check->service, "JobList", parameters, &answer, problem);
		if (r < 0)
			return r;
		next = take_page(newest, answer, after);
		more = service_client_flag(answer, "more") && next > after;
		after = next;
		json_object_put(answer);
	}
	return 0;
}

/* A job that was forgotten meanwhile is passed over. */
static int add_job(struct check *check, struct json_object *job, struct check_receipts *receipts,
	struct problem *problem)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	int r;

	cli_add_string(parameters, "id", service_client_text(job, "id"));
	cli_add_string(parameters, "source", service_client_text(job, "source"));
	r = service_client_call(check->service, "JobShow", parameters, &answer, problem);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	check_receipts_add(receipts, json_object_object_get(answer, "job"),
		check->has_trust ? &check->trust.device : NULL);
	json_object_put(answer);
	return 0;
}

void check_facts_receipts(struct check *check)
{
	struct check_receipts receipts = {.looked_at = 0};
	struct newest newest = {.count = 0};
	struct problem problem = {""};
	int r;

	if (!check->service) {
		check_no_fact(check, "receipts", MEND, "%s", check->no_service);
		return;
	}
	r = find_newest(check, &newest, &problem);
	for (size_t i = 0; i < RECEIPTS_MAX && newest.jobs[i] && r >= 0; i++)
		r = add_job(check, newest.jobs[i], &receipts, &problem);
	newest_done(&newest);
	if (r < 0)
		check_no_fact(check, "receipts", MEND, "%s", problem_text(&problem, r));
	else if (receipts.looked_at > 0 && !check->has_trust)
		check_no_fact(
			check, "receipts", "run as root, or give --trust", "%s", check->no_trust);
	else
		check_fact(check, "receipts", "JobShow of the service, verified now",
			check_receipts_to_json(&receipts));
}

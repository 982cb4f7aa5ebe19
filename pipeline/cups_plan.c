/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_plan.h"
#include "base/io.h"
#include "pipeline/cups_policy.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_left_out(const struct cups_plan_request *request, const char *id)
{
	for (size_t i = 0; i < request->without_count; i++) {
		if (strcmp(request->without[i], id) == 0)
			return true;
	}
	return false;
}

static void change_free(struct cups_change *change)
{
	if (!change)
		return;
	free(change->was);
	free(change->blocked);
	free(change);
}

/* The line as the administrator reads it, without what ends it. */
static char *copy_line(const struct cups_text *text, unsigned int line)
{
	const char *bytes;
	size_t count;

	if (line == 0)
		return strdup("");
	bytes = cups_text_line(text, line, false, &count);
	return bytes ? strndup(bytes, count) : NULL;
}

static int add(const struct cups_plan_request *request, struct cups_plan *plan,
	const struct cups_change *change)
{
	struct cups_change **items = reallocarray(plan->items, plan->count + 1, sizeof(*items));
	struct cups_change *copy;

	if (!items)
		return -ENOMEM;
	plan->items = items;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *change;
	copy->lines[0] = copy->setting;
	copy->lines[1] = NULL;
	if (!copy->text)
		copy->text = copy->lines;
	plan->items[plan->count++] = copy;
	copy->was = copy_line(request->text, copy->line);
	return copy->was ? 0 : -ENOMEM;
}

static int block(struct cups_plan *plan, const char *queue)
{
	char **blocked = &plan->items[plan->count - 1]->blocked;

	if (asprintf(blocked,
		    "the queue \"%s\" prints into a file and would stop; take it away or give it "
		    "another device first",
		    queue) < 0) {
		*blocked = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int plan_setting(const struct cups_plan_request *request, const struct cups_finding *finding,
	struct cups_plan *plan)
{
	struct cups_change change = {
		.row = finding->row,
		.kind = finding->line ? CUPS_EDIT_REPLACE : CUPS_EDIT_APPEND,
		.line = finding->line,
	};
	const char *queue;
	int r;

	cups_residue_line(finding->row, change.setting);
	r = add(request, plan, &change);
	if (r < 0 || strcmp(finding->row->id, "file-device") != 0 || !request->queues)
		return r;
	queue = cups_queue_to_file(request->queues);
	return queue ? block(plan, queue) : 0;
}

static int plan_settings(const struct cups_plan_request *request, struct cups_plan *plan)
{
	struct cups_findings findings = {.items = NULL};
	int r = cups_judge_settings(request->conf, request->file, "", &findings);

	for (size_t i = 0; i < findings.count && r >= 0; i++) {
		const struct cups_finding *finding = &findings.items[i];

		if (finding->row->wanted && !is_left_out(request, finding->row->id))
			r = plan_setting(request, finding, plan);
	}
	cups_findings_done(&findings);
	return r;
}

static bool refuses_all(const struct cups_conf *conf, const char *policy)
{
	for (const char *const *operation = cups_policy_operations; *operation; operation++) {
		unsigned int line;
		bool refuses;

		if (cups_policy_refuses(conf, policy, *operation, &refuses, &line) < 0 || !refuses)
			return false;
	}
	return true;
}

static bool has_plan_for(
	const struct cups_plan_request *request, const struct cups_plan *plan, const char *policy)
{
	for (size_t i = 0; i < plan->count; i++) {
		for (size_t j = 0; j < request->conf->count; j++) {
			const struct cups_directive *item = &request->conf->items[j];

			if (plan->items[i]->kind == CUPS_EDIT_BEHIND &&
				item->line == plan->items[i]->line &&
				strcasecmp(cups_directive_value(item), policy) == 0)
				return true;
		}
	}
	return false;
}

/* First in the first section of each name: there the refusal comes before every other <Limit>. */
static int plan_policies(const struct cups_plan_request *request, struct cups_plan *plan)
{
	int r = 0;

	if (request->file != CUPS_CONF_CUPSD || is_left_out(request, "reprint"))
		return 0;
	for (size_t i = 0; i < request->conf->count && r >= 0; i++) {
		const struct cups_directive *item = &request->conf->items[i];
		const char *policy = cups_directive_value(item);
		struct cups_change change = {
			.row = cups_residue_find("reprint"),
			.kind = CUPS_EDIT_BEHIND,
			.line = item->line,
			.text = cups_policy_refusal,
		};

		if (cups_policy_begins(item) && !refuses_all(request->conf, policy) &&
			!has_plan_for(request, plan, policy))
			r = add(request, plan, &change);
	}
	return r;
}

int cups_plan_make(const struct cups_plan_request *request, struct cups_plan *ret_plan)
{
	struct cups_plan plan = {.items = NULL};
	int r;

	r = plan_settings(request, &plan);
	if (r >= 0)
		r = plan_policies(request, &plan);
	if (r < 0) {
		cups_plan_done(&plan);
		return r;
	}
	*ret_plan = plan;
	return 0;
}

void cups_plan_done(struct cups_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		change_free(plan->items[i]);
	free(plan->items);
	*plan = (struct cups_plan){.items = NULL};
}

size_t cups_plan_changes(const struct cups_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += !plan->items[i]->blocked;
	return count;
}

int cups_plan_apply(
	const struct cups_plan *plan, const struct cups_text *text, struct cups_text *ret_text)
{
	_cleanup_free_ struct cups_edit *edits = calloc(plan->count + 1, sizeof(*edits));
	size_t count = 0;

	if (!edits)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		const struct cups_change *change = plan->items[i];

		if (!change->blocked)
			edits[count++] = (struct cups_edit){
				change->kind, change->line, change->row->id, change->text};
	}
	return cups_edit_apply(text, edits, count, ret_text);
}

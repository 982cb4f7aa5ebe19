/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_server_hold.c - queues: intake held and released, and the reason on their displays
 *
 *   idle      --Pause-Printer, message with the mark-->  held
 *   printing  --jobs behind it held for a time------->  printing, then idle
 *   stopped, without the mark: somebody else's, never touched
 *   held      --Resume-Printer------------------------>  idle
 *
 * The mark is two things.  cupsd empties the message of a queue whose job it interrupts, also if
 * that job began in the instant between our question and our order; so a state reason goes before,
 * and a stopped queue with the reason and without a message is ours too.
 */
#include "pipeline/cups_server.h"
#include "pipeline/cups_server_impl.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOLD_REASON	   CUPS_REASON_PREFIX "hold-report"
#define QUEUES_MAX	   4096u
#define QUEUE_REASONS_MAX  64u /* as many as cupsd keeps */
#define HOLD_MESSAGE_BYTES (sizeof(CUPS_HOLD_MARK) + CUPS_HOLD_REASON_BYTES)

struct queue {
	char name[CUPS_QUEUE_BYTES];
	ipp_pstate_t state;
	bool is_marked;	   /* stopped, and by us */
	bool has_reason;   /* HOLD_REASON */
	bool is_class;	   /* prints through others */
	bool is_temporary; /* made for the moment; cupsd removes it by itself */
	char message[HOLD_MESSAGE_BYTES];
	char (*reasons)[CUPS_KEYWORD_BYTES * 4];
	size_t reason_count;
};

struct queue_list {
	struct queue *queues;
	size_t count;
	struct queue queue; /* being read */
	int error;
};

static void queue_list_done(struct queue_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->queues[i].reasons);
	free(list->queues);
	free(list->queue.reasons);
	*list = (struct queue_list){0};
}

/* --- the queues of a cupsd --- */

static void take_reasons(ipp_attribute_t *attribute, struct queue_list *list)
{
	struct queue *queue = &list->queue;
	int count = ippGetCount(attribute);

	if (queue->reasons || count <= 0 || (size_t)count > QUEUE_REASONS_MAX)
		return;
	queue->reasons = calloc((size_t)count, sizeof(*queue->reasons));
	if (!queue->reasons) {
		list->error = -ENOMEM;
		return;
	}
	for (int i = 0; i < count; i++)
		cups_server_text(attribute, i, queue->reasons[i], sizeof(queue->reasons[i]));
	queue->reason_count = (size_t)count;
}

static void take(void *context, const char *name, ipp_attribute_t *attribute)
{
	struct queue_list *list = context;
	struct queue *queue = &list->queue;

	if (strcmp(name, "printer-name") == 0)
		snprintf(queue->name, sizeof(queue->name), "%s",
			ippGetString(attribute, 0, NULL) ? ippGetString(attribute, 0, NULL) : "");
	else if (strcmp(name, "printer-state") == 0)
		queue->state = (ipp_pstate_t)cups_server_integer(attribute, 0);
	else if (strcmp(name, "printer-type") == 0)
		queue->is_class = cups_server_integer(attribute, 0) & CUPS_PRINTER_CLASS;
	else if (strcmp(name, "printer-is-temporary") == 0)
		queue->is_temporary = cups_server_integer(attribute, 0) == 1;
	else if (strcmp(name, "printer-state-message") == 0)
		cups_server_text(attribute, 0, queue->message, sizeof(queue->message));
	else if (strcmp(name, "printer-state-reasons") == 0)
		take_reasons(attribute, list);
}

static void judge_mark(struct queue *queue)
{
	for (size_t i = 0; i < queue->reason_count; i++) {
		if (strcmp(queue->reasons[i], HOLD_REASON) == 0)
			queue->has_reason = true;
	}
	if (queue->state != IPP_PSTATE_STOPPED)
		return;
	queue->is_marked = strncmp(queue->message, CUPS_HOLD_MARK, strlen(CUPS_HOLD_MARK)) == 0 ||
			   (queue->has_reason && !queue->message[0]);
}

static int end(void *context)
{
	struct queue_list *list = context;
	struct queue *queues;

	if (list->error < 0)
		return list->error;
	if (!list->queue.name[0] || list->queue.state < IPP_PSTATE_IDLE ||
		list->queue.state > IPP_PSTATE_STOPPED || list->count >= QUEUES_MAX)
		return -EPROTO;
	if (list->queue.is_class) {
		free(list->queue.reasons);
		list->queue = (struct queue){0};
		return 0;
	}
	queues = realloc(list->queues, (list->count + 1) * sizeof(*queues));
	if (!queues)
		return -ENOMEM;
	judge_mark(&list->queue);
	queues[list->count++] = list->queue;
	list->queues = queues;
	list->queue = (struct queue){0};
	return 0;
}

static int list_queues(
	struct cups_server *server, struct queue_list *ret_list, struct problem *reterr_problem)
{
	static const char *const wanted[] = {"printer-name", "printer-type", "printer-state",
		"printer-state-message", "printer-state-reasons", "printer-is-temporary"};
	_cleanup_ipp_ ipp_t *answer = NULL;
	ipp_t *request = ippNewRequest(IPP_OP_CUPS_GET_PRINTERS);
	struct queue_list list = {0};
	struct cups_groups groups = {IPP_TAG_PRINTER, take, end, &list};
	int r;

	cups_server_want(request, wanted, ARRAY_SIZE(wanted));
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, &answer, reterr_problem);
	if (r == -ESRCH) { /* there are none at all */
		*ret_list = list;
		return 0;
	}
	if (r < 0)
		return r;
	r = cups_server_each_group(answer, &groups);
	if (r < 0) {
		queue_list_done(&list);
		return r == -EPROTO ? cups_server_nonsense(server, reterr_problem)
				    : problem_set(reterr_problem, r, "out of memory");
	}
	*ret_list = list;
	return 0;
}

/* --- reasons --- */

static bool is_ours(const char *keyword)
{
	return strncmp(keyword, CUPS_REASON_PREFIX, strlen(CUPS_REASON_PREFIX)) == 0;
}

/* Which of ours a change is about: the hold's, or the one for displays. */
enum reason_kind { REASON_HOLD, REASON_DISPLAY };

static bool is_of_kind(const char *reason, enum reason_kind kind)
{
	bool is_hold = strcmp(reason, HOLD_REASON) == 0;

	return kind == REASON_HOLD ? is_hold : is_ours(reason) && !is_hold;
}

/* What it should have: all but those of this kind, and keyword.  True if that is a change. */
static bool wanted_reasons(const struct queue *queue, enum reason_kind kind, const char *keyword,
	const char *ret_reasons[static QUEUE_REASONS_MAX + 1], size_t *ret_count)
{
	bool has = false, has_other = false;
	size_t count = 0;

	for (size_t i = 0; i < queue->reason_count; i++) {
		const char *reason = queue->reasons[i];

		if (keyword && strcmp(reason, keyword) == 0)
			has = true;
		else if (is_of_kind(reason, kind))
			has_other = true;
		else if (strcmp(reason, "none") != 0)
			ret_reasons[count++] = reason;
	}
	if (keyword)
		ret_reasons[count++] = keyword;
	if (count == 0)
		ret_reasons[count++] = "none";
	*ret_count = count;
	return has_other || has != (keyword != NULL);
}

/* keyword NULL: none of this kind. */
static int change_reason(struct cups_server *server, const struct queue *queue,
	enum reason_kind kind, const char *keyword, struct problem *reterr_problem)
{
	const char *reasons[QUEUE_REASONS_MAX + 1];
	ipp_t *request;
	size_t count;

	if (queue->is_temporary || queue->reason_count >= QUEUE_REASONS_MAX ||
		!wanted_reasons(queue, kind, keyword, reasons, &count))
		return 0;
	request = cups_server_queue_request(IPP_OP_CUPS_ADD_MODIFY_PRINTER, queue->name);
	if (request)
		ippAddStrings(request, IPP_TAG_PRINTER, IPP_TAG_KEYWORD, "printer-state-reasons",
			(int)count, NULL, reasons);
	return cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);
}

/* What cupsd refuses for one queue is told in the end; the others have their turn. */
static bool goes_on(int r, int *ret_refused)
{
	if (r == -EREMOTEIO)
		*ret_refused = r;
	return r >= 0 || r == -EREMOTEIO;
}

static int change_reasons(struct cups_server *server, enum reason_kind kind, const char *keyword,
	struct problem *reterr_problem)
{
	struct queue_list list;
	int r = list_queues(server, &list, reterr_problem), refused = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count && goes_on(r, &refused); i++)
		r = change_reason(server, &list.queues[i], kind, keyword, reterr_problem);
	queue_list_done(&list);
	return goes_on(r, &refused) ? refused : r;
}

/* --- held and released --- */

/* A queue that was removed since we asked is no failure. */
static int order(struct cups_server *server, ipp_t *request, struct problem *reterr_problem)
{
	int r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);

	return r == -ESRCH ? 0 : r;
}

static int pause_queue(struct cups_server *server, const struct queue *queue, const char *message,
	struct problem *reterr_problem)
{
	ipp_t *request = cups_server_queue_request(IPP_OP_PAUSE_PRINTER, queue->name);

	if (request)
		ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_TEXT, "printer-state-message",
			NULL, message);
	return order(server, request, reterr_problem);
}

/* A time of day in UTC, as cupsd reads it: it releases the job then, also if we are no more. */
static ipp_t *hold_for_a_while(int id)
{
	ipp_t *request = cups_server_job_request(IPP_OP_HOLD_JOB, id);
	time_t until = time(NULL) + CUPS_HOLD_GRACE_S;
	char text[16];
	struct tm tm;

	if (!request)
		return NULL;
	gmtime_r(&until, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_NAME, "job-hold-until", NULL, text);
	return request;
}

/* Jobs for it, or for a class that it may be in, would be printed when it has finished its job. */
static bool waits_for_printing_queue(const struct cups_job *job, const struct queue_list *list)
{
	if (job->state != CUPS_JOB_PENDING)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->queues[i].name, job->queue) == 0)
			return list->queues[i].state == IPP_PSTATE_PROCESSING;
	}
	return true;
}

static int hold_pending_jobs(
	struct cups_server *server, const struct queue_list *list, struct problem *reterr_problem)
{
	struct cups_job_list jobs = {0};
	int r = cups_server_list_jobs(server, CUPS_JOBS_WAITING, &jobs, reterr_problem);

	for (size_t i = 0; i < jobs.count && r >= 0; i++) {
		if (waits_for_printing_queue(&jobs.jobs[i], list))
			r = order(server, hold_for_a_while(jobs.jobs[i].id), reterr_problem);
		if (r == -EREMOTEIO) /* it has begun meanwhile */
			r = 0;
	}
	cups_job_list_done(&jobs);
	return r;
}

static void make_message(const char *reason, char message[static HOLD_MESSAGE_BYTES])
{
	snprintf(message, HOLD_MESSAGE_BYTES, CUPS_HOLD_MARK "%s", reason);
	for (char *at = message; *at; at++) {
		if (!isprint((unsigned char)*at))
			*at = ' ';
	}
}

/* Also one that is held already, if people are to read another reason, or cupsd emptied it. */
static bool is_to_be_paused(const struct queue *queue, const char *message, bool interrupt)
{
	if (queue->state == IPP_PSTATE_STOPPED)
		return queue->is_marked && strcmp(queue->message, message) != 0;
	return queue->state == IPP_PSTATE_IDLE || interrupt;
}

static void count_queue(const struct queue *queue, struct cups_hold *hold)
{
	hold->queue_count++;
	if (queue->is_marked)
		hold->is_held++;
	else if (queue->state == IPP_PSTATE_STOPPED)
		hold->is_stopped++;
	else if (queue->state == IPP_PSTATE_PROCESSING)
		hold->is_printing++;
}

static int pause_queues(struct cups_server *server, const struct queue_list *list,
	const char *message, bool interrupt, struct problem *reterr_problem)
{
	int r = 0, refused = 0;

	for (size_t i = 0; i < list->count && goes_on(r, &refused); i++) {
		const struct queue *queue = &list->queues[i];

		if (!is_to_be_paused(queue, message, interrupt))
			continue;
		r = change_reason(server, queue, REASON_HOLD, HOLD_REASON, reterr_problem);
		if (goes_on(r, &refused))
			r = pause_queue(server, queue, message, reterr_problem);
	}
	return goes_on(r, &refused) ? refused : r;
}

int cups_server_hold_new_jobs(struct cups_server *server, const char *reason, bool interrupt,
	struct cups_hold *ret_hold, struct problem *reterr_problem)
{
	char message[HOLD_MESSAGE_BYTES];
	struct queue_list list;
	int r = list_queues(server, &list, reterr_problem);
	bool printing = false;

	if (r < 0)
		return r;
	make_message(reason, message);
	for (size_t i = 0; i < list.count; i++)
		printing = printing || list.queues[i].state == IPP_PSTATE_PROCESSING;
	r = pause_queues(server, &list, message, interrupt, reterr_problem);
	if (r >= 0 && printing && !interrupt)
		r = hold_pending_jobs(server, &list, reterr_problem);
	queue_list_done(&list);
	return r < 0 ? r : cups_server_get_hold(server, ret_hold, reterr_problem);
}

static int resume_queues(struct cups_server *server, struct problem *reterr_problem)
{
	struct queue_list list;
	int r = list_queues(server, &list, reterr_problem), refused = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count && goes_on(r, &refused); i++) {
		if (list.queues[i].is_marked)
			r = order(server,
				cups_server_queue_request(
					IPP_OP_RESUME_PRINTER, list.queues[i].name),
				reterr_problem);
	}
	queue_list_done(&list);
	return goes_on(r, &refused) ? refused : r;
}

int cups_server_release_new_jobs(
	struct cups_server *server, struct cups_hold *ret_hold, struct problem *reterr_problem)
{
	int r = resume_queues(server, reterr_problem);

	/* The reason last: it is what a queue may be known by.  And from a new list, or "paused"
	 * would be among those that are kept. */
	if (r >= 0)
		r = change_reasons(server, REASON_HOLD, NULL, reterr_problem);
	return r < 0 ? r : cups_server_get_hold(server, ret_hold, reterr_problem);
}

int cups_server_get_hold(
	struct cups_server *server, struct cups_hold *ret_hold, struct problem *reterr_problem)
{
	struct cups_hold hold = {0};
	struct queue_list list;
	int r = list_queues(server, &list, reterr_problem);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++)
		count_queue(&list.queues[i], &hold);
	queue_list_done(&list);
	*ret_hold = hold;
	return 0;
}

/* --- the reason for displays --- */

static bool ends_with(const char *text, const char *end_text)
{
	size_t length = strlen(text), end_length = strlen(end_text);

	return length > end_length && strcmp(text + length - end_length, end_text) == 0;
}

static bool is_keyword(const char *keyword)
{
	if (!is_of_kind(keyword, REASON_DISPLAY) || strlen(keyword) >= CUPS_KEYWORD_BYTES)
		return false;
	for (const char *at = keyword; *at; at++) {
		if (!islower((unsigned char)*at) && *at != '-' && *at != '.')
			return false;
	}
	return ends_with(keyword, "-report") || ends_with(keyword, "-warning") ||
	       ends_with(keyword, "-error");
}

int cups_server_set_reason(
	struct cups_server *server, const char *keyword, struct problem *reterr_problem)
{
	if (keyword && !is_keyword(keyword))
		return problem_set(reterr_problem, -EINVAL,
			"%s is no printer-state-reason of ours; it begins with " CUPS_REASON_PREFIX
			" and ends in -report, -warning or -error",
			keyword);
	return change_reasons(server, REASON_DISPLAY, keyword, reterr_problem);
}

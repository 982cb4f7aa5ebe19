/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_server_jobs.c - Get-Jobs, Cancel-Job, Print-Job, and which queues are there
 *
 * Only attributes that cupsd knows without reading a job's control file are asked for of finished
 * jobs: whoever asks for more makes it read that file, and the title gets into job.cache.  (It gets
 * there too whenever cupsd starts; see cups_spool.h for what is to be settled.)
 */
#include "pipeline/cups_server.h"
#include "pipeline/cups_server_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_JOBS_MAX 10000 /* their answer is 3 MiB */

static const char *const cheap[] = {"job-id", "job-k-octets", "job-preserved", "job-printer-uri",
	"job-state", "job-state-reasons", "time-at-completed", "time-at-creation",
	"number-of-documents"};
/* Jobs that wait are in memory anyway. */
static const char *const of_waiting[] = {"job-id", "job-k-octets", "job-preserved",
	"job-printer-uri", "job-state", "job-state-reasons", "time-at-completed",
	"time-at-creation", "number-of-documents", "job-hold-until"};

bool cups_job_is_finished(const struct cups_job *job)
{
	return job->state >= CUPS_JOB_CANCELED;
}

void cups_job_list_done(struct cups_job_list *list)
{
	free(list->jobs);
	*list = (struct cups_job_list){0};
}

/* --- one job of an answer --- */

struct page {
	struct cups_job_list *list;
	struct cups_job job; /* being read */
	size_t capacity;
	size_t seen;
};

static void take_queue(ipp_attribute_t *attribute, struct cups_job *job)
{
	const char *uri = ippGetString(attribute, 0, NULL);
	char scheme[32], user[HTTP_MAX_URI], host[HTTP_MAX_URI], resource[HTTP_MAX_URI];
	const char *slash;
	int port;

	if (!uri || httpSeparateURI(HTTP_URI_CODING_ALL, uri, scheme, sizeof(scheme), user,
			    sizeof(user), host, sizeof(host), &port, resource,
			    sizeof(resource)) < HTTP_URI_STATUS_OK)
		return;
	slash = strrchr(resource, '/');
	if (slash && strlen(slash + 1) < sizeof(job->queue))
		strcpy(job->queue, slash + 1);
}

static void take(void *context, const char *name, ipp_attribute_t *attribute)
{
	struct page *page = context;
	struct cups_job *job = &page->job;

	if (strcmp(name, "job-id") == 0)
		job->id = cups_server_integer(attribute, 0);
	else if (strcmp(name, "job-state") == 0)
		job->state = (enum cups_job_state)cups_server_integer(attribute, 0);
	else if (strcmp(name, "job-preserved") == 0)
		job->is_preserved = cups_server_integer(attribute, 0) == 1;
	else if (strcmp(name, "number-of-documents") == 0)
		job->document_count = cups_server_integer(attribute, 0);
	else if (strcmp(name, "job-k-octets") == 0)
		job->kib = cups_server_integer(attribute, 0);
	else if (strcmp(name, "time-at-creation") == 0)
		job->created_s = cups_server_integer(attribute, 0);
	else if (strcmp(name, "time-at-completed") == 0)
		job->completed_s = cups_server_integer(attribute, 0);
	else if (strcmp(name, "job-state-reasons") == 0)
		cups_server_text(attribute, 0, job->reason, sizeof(job->reason));
	else if (strcmp(name, "job-hold-until") == 0)
		cups_server_text(attribute, 0, job->hold_until, sizeof(job->hold_until));
	else if (strcmp(name, "job-printer-uri") == 0)
		take_queue(attribute, job);
}

static bool makes_sense(const struct cups_job *job)
{
	return job->id > 0 && job->state >= CUPS_JOB_PENDING && job->state <= CUPS_JOB_COMPLETED &&
	       job->document_count >= 0 && job->kib >= 0;
}

static int append(struct page *page)
{
	struct cups_job_list *list = page->list;

	if (list->count == page->capacity) {
		size_t capacity = page->capacity ? page->capacity * 2 : 64;
		struct cups_job *jobs = realloc(list->jobs, capacity * sizeof(*jobs));

		if (!jobs)
			return -ENOMEM;
		list->jobs = jobs;
		page->capacity = capacity;
	}
	list->jobs[list->count++] = page->job;
	return 0;
}

static int end(void *context)
{
	struct page *page = context;
	int r = -EPROTO;

	if (makes_sense(&page->job)) {
		page->seen++;
		r = append(page);
	}
	page->job = (struct cups_job){0};
	return r;
}

static int read_page(struct cups_server *server, ipp_t *request, struct page *page,
	struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *answer = NULL;
	struct cups_groups groups = {IPP_TAG_JOB, take, end, page};
	int r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, &answer, reterr_problem);

	if (r < 0)
		return r;
	page->seen = 0;
	r = cups_server_each_group(answer, &groups);
	if (r == -EPROTO)
		return cups_server_nonsense(server, reterr_problem);
	return r < 0 ? problem_set(reterr_problem, r, "out of memory") : 0;
}

/* --- lists --- */

static int compare_ids(const void *a, const void *b)
{
	const struct cups_job *first = a, *second = b;

	return (first->id > second->id) - (first->id < second->id);
}

static void sort_and_drop_doubles(struct cups_job_list *list)
{
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(list->jobs, list->count, sizeof(*list->jobs), compare_ids);
	for (size_t i = 1; i < list->count; i++) {
		if (list->jobs[i].id != list->jobs[kept].id)
			list->jobs[++kept] = list->jobs[i];
	}
	list->count = kept + 1;
}

static ipp_t *all_request(int first_id, int limit)
{
	ipp_t *request = cups_server_request(IPP_OP_GET_JOBS);

	if (!request)
		return NULL;
	ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_KEYWORD, "which-jobs", NULL, "all");
	ippAddInteger(request, IPP_TAG_OPERATION, IPP_TAG_INTEGER, "limit", limit);
	ippAddInteger(request, IPP_TAG_OPERATION, IPP_TAG_INTEGER, "first-job-id", first_id);
	cups_server_want(request, cheap, ARRAY_SIZE(cheap));
	return request;
}

/* "all" is sorted by id, so that the next page begins behind the last job of this one. */
static int list_all(struct cups_server *server, struct page *page, struct problem *reterr_problem)
{
	int first_id = 1;

	for (;;) {
		int r = read_page(
			server, all_request(first_id, server->page_jobs), page, reterr_problem);

		if (r < 0 || page->seen < (size_t)server->page_jobs)
			return r;
		if (page->list->jobs[page->list->count - 1].id < first_id)
			return cups_server_nonsense(server, reterr_problem);
		first_id = page->list->jobs[page->list->count - 1].id + 1;
		page->list->is_cut = page->list->count >= CUPS_JOBS_MAX;
		if (page->list->is_cut)
			return 0;
	}
}

/*
 * What waits is sorted by priority, and pages of it are counted: one that ends between two pages
 * would hide another.  So it is asked for in one piece.
 */
static int list_waiting(
	struct cups_server *server, struct page *page, struct problem *reterr_problem)
{
	ipp_t *request = cups_server_request(IPP_OP_GET_JOBS);
	int r;

	if (request) {
		ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_KEYWORD, "which-jobs", NULL,
			"not-completed");
		ippAddInteger(
			request, IPP_TAG_OPERATION, IPP_TAG_INTEGER, "limit", WAITING_JOBS_MAX);
	}
	cups_server_want(request, of_waiting, ARRAY_SIZE(of_waiting));
	r = read_page(server, request, page, reterr_problem);
	page->list->is_cut = page->seen >= WAITING_JOBS_MAX;
	return r;
}

static void keep_finished(struct cups_job_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (cups_job_is_finished(&list->jobs[i]))
			list->jobs[kept++] = list->jobs[i];
	}
	list->count = kept;
}

int cups_server_list_jobs(struct cups_server *server, enum cups_which_jobs which,
	struct cups_job_list *ret_list, struct problem *reterr_problem)
{
	struct cups_job_list list = {0};
	struct page page = {.list = &list};
	int r = which == CUPS_JOBS_WAITING ? list_waiting(server, &page, reterr_problem)
					   : list_all(server, &page, reterr_problem);

	if (r < 0) {
		cups_job_list_done(&list);
		return r;
	}
	sort_and_drop_doubles(&list);
	if (which == CUPS_JOBS_FINISHED)
		keep_finished(&list);
	*ret_list = list;
	return 0;
}

/* --- one job --- */

/* By Get-Jobs and not by Get-Job-Attributes, which would load the title. */
int cups_server_get_job(struct cups_server *server, int id, struct cups_job *ret_job,
	struct problem *reterr_problem)
{
	struct cups_job_list list = {0};
	struct page page = {.list = &list};
	int r = read_page(server, all_request(id, 1), &page, reterr_problem);

	if (r >= 0 && (list.count == 0 || list.jobs[0].id != id))
		r = problem_set(reterr_problem, -ESRCH, "cupsd knows no job %d", id);
	if (r >= 0)
		*ret_job = list.jobs[0];
	cups_job_list_done(&list);
	return r;
}

int cups_server_job_state(struct cups_server *server, int id, enum cups_job_state *ret_state,
	struct problem *reterr_problem)
{
	struct cups_job job;
	int r = cups_server_get_job(server, id, &job, reterr_problem);

	if (r >= 0)
		*ret_state = job.state;
	return r;
}

/* As cupsCancelJob2() would, but within our deadline. */
int cups_server_purge_job(struct cups_server *server, int id, struct problem *reterr_problem)
{
	ipp_t *request = cups_server_job_request(IPP_OP_CANCEL_JOB, id);
	int r;

	if (request)
		ippAddBoolean(request, IPP_TAG_OPERATION, "purge-job", 1);
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);
	return r == -ESRCH ? 0 : r;
}

int cups_server_cancel_job(struct cups_server *server, int id, struct problem *reterr_problem)
{
	struct cups_job job;
	int r = cups_server_ask(server, cups_server_job_request(IPP_OP_CANCEL_JOB, id), CUPS_REPEAT,
		NULL, 0, NULL, reterr_problem);

	if (r == -ESRCH)
		return 0;
	if (r != -EREMOTEIO)
		return r;
	/* "not possible": it may have finished before we came. */
	r = cups_server_get_job(server, id, &job, NULL);
	if (r == -ESRCH || (r >= 0 && cups_job_is_finished(&job)))
		return 0;
	return r < 0 ? r : -EREMOTEIO;
}

int cups_server_find_queue(
	struct cups_server *server, const char *queue, struct problem *reterr_problem)
{
	static const char *const wanted[] = {"printer-state"};
	ipp_t *request = cups_server_queue_request(IPP_OP_GET_PRINTER_ATTRIBUTES, queue);
	int r;

	cups_server_want(request, wanted, ARRAY_SIZE(wanted));
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);
	return r == -ESRCH ? problem_set(reterr_problem, r, "CUPS has no queue \"%s\"", queue) : r;
}

static ipp_t *submit_request(const struct cups_submission *submission)
{
	ipp_t *request = cups_server_queue_request(IPP_OP_PRINT_JOB, submission->queue);
	ipp_attribute_t *user;

	if (!request)
		return NULL;
	user = ippFindAttribute(request, "requesting-user-name", IPP_TAG_NAME);
	if (submission->user && user && !ippSetString(request, &user, 0, submission->user)) {
		ippDelete(request);
		return NULL;
	}
	ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_NAME, "job-name", NULL, submission->title);
	ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_MIMETYPE, "document-format", NULL,
		submission->format ? submission->format : "application/octet-stream");
	if (submission->held)
		ippAddString(request, IPP_TAG_JOB, IPP_TAG_KEYWORD, "job-hold-until", NULL,
			"indefinite");
	return request;
}

int cups_server_submit(struct cups_server *server, const struct cups_submission *submission,
	const void *data, size_t bytes, int *ret_id, struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *answer = NULL;
	int r, id;

	r = cups_server_ask(server, submit_request(submission), CUPS_ONCE, data, bytes, &answer,
		reterr_problem);
	if (r < 0)
		return r;
	id = cups_server_integer(ippFindAttribute(answer, "job-id", IPP_TAG_INTEGER), 0);
	if (id <= 0)
		return cups_server_nonsense(server, reterr_problem);
	*ret_id = id;
	return 0;
}

int cups_server_print(struct cups_server *server, const char *queue, const char *title,
	const char *format, const void *data, size_t bytes, int *ret_id,
	struct problem *reterr_problem)
{
	const struct cups_submission submission = {
		.queue = queue, .title = title, .format = format};

	return cups_server_submit(server, &submission, data, bytes, ret_id, reterr_problem);
}

int cups_server_release_job(struct cups_server *server, int id, struct problem *reterr_problem)
{
	return cups_server_ask(server, cups_server_job_request(IPP_OP_RELEASE_JOB, id), CUPS_REPEAT,
		NULL, 0, NULL, reterr_problem);
}

/* One answer's "printer-name". */
static int ask_queue(struct cups_server *server, ipp_op_t operation,
	char ret_queue[static CUPS_QUEUE_BYTES], struct problem *reterr_problem)
{
	static const char *const wanted[] = {"printer-name"};
	_cleanup_ipp_ ipp_t *answer = NULL;
	ipp_t *request = ippNewRequest(operation);
	ipp_attribute_t *name;
	int r;

	if (request)
		ippAddInteger(request, IPP_TAG_OPERATION, IPP_TAG_INTEGER, "limit", 1);
	cups_server_want(request, wanted, ARRAY_SIZE(wanted));
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, &answer, reterr_problem);
	if (r < 0)
		return r;
	name = ippFindAttribute(answer, "printer-name", IPP_TAG_NAME);
	if (!name)
		return -ESRCH;
	cups_server_text(name, 0, ret_queue, CUPS_QUEUE_BYTES);
	return 0;
}

int cups_server_any_queue(struct cups_server *server, char ret_queue[static CUPS_QUEUE_BYTES],
	struct problem *reterr_problem)
{
	int r = ask_queue(server, IPP_OP_CUPS_GET_DEFAULT, ret_queue, reterr_problem);

	if (r == -ESRCH)
		r = ask_queue(server, IPP_OP_CUPS_GET_PRINTERS, ret_queue, reterr_problem);
	return r == -ESRCH ? problem_set(reterr_problem, r, "CUPS has no queue") : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cups_server_events.c - subscriptions: found again, made, polled */
#include "pipeline/cups_server.h"
#include "pipeline/cups_server_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* By this a pull subscription is known as ours, whoever made it. */
#define PULL_MARK "spoolguard-pull"

/* cupsd keeps the first three as one, "job-state-changed". */
static const char *const events_wanted[] = {
	"job-created", "job-completed", "job-state-changed", "job-stopped"};

/* --- finding ours --- */

struct search {
	const char *recipient; /* NULL: the one with PULL_MARK */
	int id;		       /* of the group being read */
	bool matches;
	int found; /* 0: none */
};

static bool is_pull_mark(ipp_attribute_t *attribute)
{
	int bytes;
	const void *data = ippGetOctetString(attribute, 0, &bytes);

	return data && (size_t)bytes == strlen(PULL_MARK) &&
	       memcmp(data, PULL_MARK, (size_t)bytes) == 0;
}

static void take_subscription(void *context, const char *name, ipp_attribute_t *attribute)
{
	struct search *search = context;
	const char *recipient;

	if (strcmp(name, "notify-subscription-id") == 0) {
		search->id = cups_server_integer(attribute, 0);
	} else if (search->recipient && strcmp(name, "notify-recipient-uri") == 0) {
		recipient = ippGetString(attribute, 0, NULL);
		search->matches = recipient && strcmp(recipient, search->recipient) == 0;
	} else if (!search->recipient && strcmp(name, "notify-user-data") == 0) {
		search->matches = is_pull_mark(attribute);
	}
}

static int end_subscription(void *context)
{
	struct search *search = context;

	if (search->matches && search->id > 0 && !search->found)
		search->found = search->id;
	search->matches = false;
	search->id = 0;
	return 0;
}

static int find(struct cups_server *server, const char *recipient, int *ret_id,
	struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *answer = NULL;
	struct search search = {.recipient = recipient};
	struct cups_groups groups = {
		IPP_TAG_SUBSCRIPTION, take_subscription, end_subscription, &search};
	int r = cups_server_ask(server, cups_server_request(IPP_OP_GET_SUBSCRIPTIONS), CUPS_REPEAT,
		NULL, 0, &answer, reterr_problem);

	if (r == -ESRCH) { /* "no subscriptions found" */
		*ret_id = 0;
		return 0;
	}
	if (r >= 0)
		r = cups_server_each_group(answer, &groups);
	if (r >= 0)
		*ret_id = search.found;
	return r;
}

/* --- making one --- */

static ipp_t *subscription_request(const char *recipient)
{
	ipp_t *request = cups_server_request(IPP_OP_CREATE_PRINTER_SUBSCRIPTIONS);

	if (!request)
		return NULL;
	if (recipient) {
		ippAddString(request, IPP_TAG_SUBSCRIPTION, IPP_TAG_URI, "notify-recipient-uri",
			NULL, recipient);
	} else {
		ippAddString(request, IPP_TAG_SUBSCRIPTION, IPP_TAG_KEYWORD, "notify-pull-method",
			NULL, "ippget");
		ippAddOctetString(request, IPP_TAG_SUBSCRIPTION, "notify-user-data", PULL_MARK,
			(int)strlen(PULL_MARK));
	}
	ippAddStrings(request, IPP_TAG_SUBSCRIPTION, IPP_TAG_KEYWORD, "notify-events",
		ARRAY_SIZE(events_wanted), NULL, events_wanted);
	ippAddInteger(request, IPP_TAG_SUBSCRIPTION, IPP_TAG_INTEGER, "notify-lease-duration", 0);
	return request;
}

static int make(struct cups_server *server, const char *recipient, int *ret_id,
	struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *answer = NULL;
	int r = cups_server_ask(server, subscription_request(recipient), CUPS_ONCE, NULL, 0,
		&answer, reterr_problem);
	int id;

	if (r < 0)
		return r;
	id = cups_server_integer(
		ippFindAttribute(answer, "notify-subscription-id", IPP_TAG_INTEGER), 0);
	if (id <= 0)
		return cups_server_nonsense(server, reterr_problem);
	*ret_id = id;
	return 0;
}

static int find_or_make(struct cups_server *server, const char *recipient, int *ret_id,
	struct problem *reterr_problem)
{
	int r = find(server, recipient, ret_id, reterr_problem);

	return r < 0 || *ret_id > 0 ? r : make(server, recipient, ret_id, reterr_problem);
}

int cups_server_subscribe(struct cups_server *server, struct cups_subscription *ret_subscription,
	struct problem *reterr_problem)
{
	struct cups_subscription subscription = {0};
	int r = find_or_make(server, NULL, &subscription.id, reterr_problem);

	if (r >= 0)
		*ret_subscription = subscription;
	return r;
}

int cups_server_subscribe_notifier(
	struct cups_server *server, const char *recipient, struct problem *reterr_problem)
{
	int id, r = find_or_make(server, recipient, &id, reterr_problem);

	if (r == -EREMOTEIO && strcmp(server->said, "client-error-not-possible") == 0)
		return problem_set(reterr_problem, -ENXIO,
			"cupsd has no notifier for %s; install it as notifier/spoolguard below its "
			"ServerBin (/usr/lib/cups)",
			recipient);
	return r;
}

static int cancel(struct cups_server *server, int id, struct problem *reterr_problem)
{
	ipp_t *request = cups_server_request(IPP_OP_CANCEL_SUBSCRIPTION);
	int r;

	if (request)
		ippAddInteger(
			request, IPP_TAG_OPERATION, IPP_TAG_INTEGER, "notify-subscription-id", id);
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);
	return r == -ESRCH ? 0 : r;
}

int cups_server_unsubscribe(
	struct cups_server *server, const char *recipient, struct problem *reterr_problem)
{
	const char *const recipients[] = {NULL, recipient};
	int r = 0, id;

	for (size_t i = 0; i < ARRAY_SIZE(recipients) && r >= 0; i++) {
		r = find(server, recipients[i], &id, reterr_problem);
		if (r >= 0 && id > 0)
			r = cancel(server, id, reterr_problem);
	}
	return r;
}

/* --- polling --- */

/*
 * The last event that we had is asked for again.  cupsd has it no more if there were so many since
 * that it does not keep them all, or if it was restarted: its count may then begin below ours.
 */
struct poll {
	struct cups_event event;
	struct cups_event *events;
	size_t count;
	int sequence;	   /* of the group being read */
	int next_sequence; /* behind the last one read; 1: nothing read yet */
	bool saw_last;
	bool missed;
};

static void take_event(void *context, const char *name, ipp_attribute_t *attribute)
{
	struct poll *poll = context;

	if (strcmp(name, "notify-sequence-number") == 0)
		poll->sequence = cups_server_integer(attribute, 0);
	else if (strcmp(name, "notify-job-id") == 0)
		poll->event.job_id = cups_server_integer(attribute, 0);
	else if (strcmp(name, "job-state") == 0)
		poll->event.state = (enum cups_job_state)cups_server_integer(attribute, 0);
}

static int end_event(void *context)
{
	struct poll *poll = context;

	if (poll->sequence <= 0)
		return -EPROTO;
	if (poll->sequence < poll->next_sequence) {
		poll->saw_last = true;
	} else {
		poll->next_sequence = poll->sequence + 1;
		if (poll->count < CUPS_EVENTS_MAX)
			poll->events[poll->count++] = poll->event;
		else
			poll->missed = true;
	}
	poll->event = (struct cups_event){0};
	poll->sequence = 0;
	return 0;
}

static int poll_once(struct cups_server *server, const struct cups_subscription *subscription,
	struct poll *poll, struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *answer = NULL;
	struct cups_groups groups = {IPP_TAG_EVENT_NOTIFICATION, take_event, end_event, poll};
	ipp_t *request = cups_server_request(IPP_OP_GET_NOTIFICATIONS);
	int before = poll->next_sequence, r;

	if (request) {
		ippAddInteger(request, IPP_TAG_OPERATION, IPP_TAG_INTEGER,
			"notify-subscription-ids", subscription->id);
		ippAddInteger(request, IPP_TAG_OPERATION, IPP_TAG_INTEGER,
			"notify-sequence-numbers", before > 1 ? before - 1 : 1);
	}
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, &answer, reterr_problem);
	if (r < 0)
		return r;
	r = cups_server_each_group(answer, &groups);
	if (r < 0)
		return cups_server_nonsense(server, reterr_problem);
	if (before > 1 && !poll->saw_last) {
		poll->missed = true;
		if (poll->count == 0)
			poll->next_sequence = 1;
	}
	return 0;
}

int cups_server_poll_events(struct cups_server *server, struct cups_subscription *subscription,
	struct cups_event events[static CUPS_EVENTS_MAX], size_t *ret_count, bool *ret_missed,
	struct problem *reterr_problem)
{
	struct poll poll = {.events = events};
	int r = -ESRCH;

	if (subscription->id > 0) {
		poll.missed = subscription->next_sequence == 0;
		poll.next_sequence = poll.missed ? 1 : subscription->next_sequence;
		r = poll_once(server, subscription, &poll, reterr_problem);
	}
	if (r == -ESRCH) { /* cupsd knows it no more, or never did */
		r = cups_server_subscribe(server, subscription, reterr_problem);
		poll = (struct poll){.events = events, .next_sequence = 1, .missed = true};
		if (r >= 0)
			r = poll_once(server, subscription, &poll, reterr_problem);
	}
	if (r < 0)
		return r;
	subscription->next_sequence = poll.next_sequence;
	*ret_count = poll.count;
	*ret_missed = poll.missed;
	return 0;
}

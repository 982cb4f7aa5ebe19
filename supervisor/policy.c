/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/policy.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MS	  1000	/* a hold that is not complete, an order that failed */
#define ROUND_MS  10000 /* a hold that stands: a person may have started a queue */
#define CALM_MS	  5000	/* nothing is held: how fresh the figures are that limits see */
#define TELL_MS	  60000 /* a keyword that stands: a queue may have been added */
#define PENDING_S 60	/* what is owed for less is the way of all jobs */

#define LEDGER_HIGH (LEDGER_OPEN_MAX - LEDGER_OPEN_MAX / 20)
#define LEDGER_LOW  (LEDGER_OPEN_MAX - LEDGER_OPEN_MAX / 10)

static const char reason_key[] = "intake", failed_key[] = "intake-cups";

struct holder {
	char key[32];
	char reason[POLICY_REASON_BYTES];
};

struct policy {
	struct policy_options options;
	struct policy_intake intake;
	bool has_intake;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct holder holders[POLICY_HOLDERS_MAX];
	size_t holder_count;
	bool holding;
	char reason[POLICY_REASON_BYTES];
	char passing[POLICY_REASON_BYTES]; /* of a hold asked for since the last decision; "": none
					    */
	uint64_t asked, done; /* changes of what is asked for; the last that was done */

	/* Of the thread that updates. */
	bool began;
	bool over_debt, over_age, over_ledger;
	bool known;	  /* what stands at the queues is known to be what is wanted */
	uint64_t next_ns; /* ... and is looked at again then */
	const char *told; /* the keyword that the queues have; told_known: it is known */
	bool told_known;
	uint64_t tell_ns; /* ... and it is told again then */
};

/* --- what is due --- */

/* On above the limit, off at nine tenths of it. */
static bool is_over(bool before, uint64_t value, uint64_t limit)
{
	if (limit == 0)
		return false;
	return before ? value > limit - limit / 10 : value > limit;
}

static void judge_limits(struct policy *policy, const struct figures *figures)
{
	const struct config *config = policy->options.config;

	policy->over_debt =
		is_over(policy->over_debt, figures->owed_bytes, config->debt_limit_bytes);
	policy->over_age =
		is_over(policy->over_age, figures->oldest_open_s, config->debt_limit_age_s);
	policy->over_ledger = policy->over_ledger ? figures->open_jobs > LEDGER_LOW
						  : figures->open_jobs >= LEDGER_HIGH;
}

/* The first that applies. */
static bool find_reason(
	struct policy *policy, const struct figures *figures, char reason[POLICY_REASON_BYTES])
{
	char owed[CLOCK_DURATION_BYTES], limit[CLOCK_DURATION_BYTES];
	char why[POLICY_REASON_BYTES - 64];

	if (policy->holder_count > 0) {
		strcpy(reason, policy->holders[0].reason);
	} else if (!figures->may_claim && policy->options.config->on_failure == CONFIG_HOLD) {
		state_why_no_claim(policy->options.state, why, sizeof(why));
		snprintf(reason, POLICY_REASON_BYTES,
			"%s; an administrator is needed (\"spoolguard status\")", why);
	} else if (policy->over_ledger) {
		snprintf(reason, POLICY_REASON_BYTES,
			"%" PRIu64 " jobs wait to be overwritten, and no more can be recorded",
			figures->open_jobs);
	} else if (policy->over_debt) {
		snprintf(reason, POLICY_REASON_BYTES,
			"%s of earlier jobs wait to be overwritten (limit %s)",
			bytes_format_size(figures->owed_bytes, owed, sizeof(owed)),
			bytes_format_size(
				policy->options.config->debt_limit_bytes, limit, sizeof(limit)));
	} else if (policy->over_age) {
		snprintf(reason, POLICY_REASON_BYTES,
			"an earlier job has waited to be overwritten for %s (limit %s)",
			clock_duration(figures->oldest_open_s, owed),
			clock_duration(policy->options.config->debt_limit_age_s, limit));
	} else {
		return false;
	}
	return true;
}

/* Each change makes cupsd write its printers.conf: so nothing that comes and goes with each job. */
static const char *find_keyword(const struct policy *policy, const struct figures *figures)
{
	if (!policy->options.config->cups_state_reason)
		return NULL;
	if (!figures->may_claim)
		return "com.spoolguard-claims-stopped-error";
	if (policy->over_debt || policy->over_age || policy->over_ledger)
		return "com.spoolguard-debt-warning";
	if (figures->oldest_open_s >= PENDING_S || figures->oldest_owed_s >= PENDING_S)
		return "com.spoolguard-overwrite-pending-report";
	return NULL;
}

/* --- what is done --- */

/* A cupsd that is not there prints nothing; whether it should be there is cups_source.h's to say.
 */
static void say_failed(struct policy *policy, const char *what, int error, struct problem *problem)
{
	if (error != -ECONNREFUSED)
		state_raise(policy->options.state, STATE_ATTENTION, failed_key,
			"new jobs could not be %s at CUPS: %s", what, problem_text(problem, error));
}

/* True: it stands as it should. */
static bool act(struct policy *policy, bool hold, const char *reason)
{
	struct problem problem = {""};
	bool complete = true;
	int r;

	if (!policy->has_intake)
		return true;
	r = hold ? policy->intake.hold(policy->intake.context, reason, &complete, &problem)
		 : policy->intake.release(policy->intake.context, &problem);
	if (r < 0)
		say_failed(policy, hold ? "held" : "released", r, &problem);
	else
		state_clear(policy->options.state, failed_key);
	return r >= 0 && complete;
}

static void tell(struct policy *policy, const char *keyword)
{
	uint64_t now = clock_monotonic_ns();
	struct problem unsaid;

	if (!policy->has_intake || (policy->told_known && policy->told == keyword &&
					   (!keyword || now < policy->tell_ns)))
		return;
	if (policy->intake.tell(policy->intake.context, keyword, &unsaid) < 0) {
		policy->told_known = false; /* with the next round */
		return;
	}
	policy->told = keyword;
	policy->told_known = true;
	policy->tell_ns = now + TELL_MS * UINT64_C(1000000);
}

static void announce(struct policy *policy, bool holding, const char *reason)
{
	if (holding)
		state_raise(policy->options.state, STATE_ATTENTION, reason_key, "%s: %s",
			policy->has_intake
				? "new print jobs are held"
				: "new jobs ought to wait, and nothing here can hold them",
			reason);
	else
		state_clear(policy->options.state, reason_key);
}

static void record(struct policy *policy, bool hold, const char *reason)
{
	events_note(policy->options.events, hold ? "intake-held" : "intake-released", NULL,
		"success", reason[0] ? "%s" : NULL, reason);
}

/* Returns whether the decision, or its reason, is another than before. */
static bool decide(struct policy *policy, const struct figures *figures, bool *ret_hold,
	char reason[POLICY_REASON_BYTES], uint64_t *ret_asked)
{
	char passing[POLICY_REASON_BYTES];
	bool differs, changed;

	reason[0] = '\0';
	pthread_mutex_lock(&policy->lock);
	*ret_hold = find_reason(policy, figures, reason);
	changed = *ret_hold != policy->holding;
	/* Figures in a reason grow old by the minute; a queue's message need not follow each. */
	/* Whoever asked may have paused queues himself: they are looked at, whatever was decided
	 * before. */
	differs = changed || policy->asked != policy->done;
	policy->holding = *ret_hold;
	if (differs)
		strcpy(policy->reason, reason);
	*ret_asked = policy->asked;
	strcpy(passing, policy->passing);
	policy->passing[0] = '\0';
	pthread_mutex_unlock(&policy->lock);
	if (differs)
		announce(policy, *ret_hold, reason);
	if (changed) {
		record(policy, *ret_hold, reason);
	} else if (!*ret_hold && passing[0]) {
		/* It was over before it was looked at; whoever asked paused queues himself. */
		record(policy, true, passing);
		record(policy, false, "");
	}
	return differs;
}

static void settle(struct policy *policy, uint64_t asked)
{
	pthread_mutex_lock(&policy->lock);
	policy->done = asked;
	pthread_cond_broadcast(&policy->settled);
	pthread_mutex_unlock(&policy->lock);
}

int policy_update(struct policy *policy, const struct figures *figures)
{
	uint64_t now = clock_monotonic_ns(), asked;
	char reason[POLICY_REASON_BYTES];
	bool hold, differs;

	if (!policy->began && figures->state == STATE_SELF_TEST)
		return SOON_MS; /* Q3 */
	policy->began = true;
	judge_limits(policy, figures);
	differs = decide(policy, figures, &hold, reason, &asked);
	if (differs || !policy->known || (hold && now >= policy->next_ns)) {
		policy->known = act(policy, hold, reason);
		policy->next_ns = now + ROUND_MS * UINT64_C(1000000);
	}
	tell(policy, find_keyword(policy, figures));
	if (policy->known)
		settle(policy, asked);
	return policy->known ? CALM_MS : SOON_MS;
}

/* --- what others ask --- */

int policy_hold(struct policy *policy, const char *key, const char *reason)
{
	struct holder *holder = NULL;
	int r = 0;

	pthread_mutex_lock(&policy->lock);
	for (size_t i = 0; i < policy->holder_count; i++) {
		if (strcmp(policy->holders[i].key, key) == 0)
			holder = &policy->holders[i];
	}
	if (!holder && policy->holder_count < POLICY_HOLDERS_MAX)
		holder = &policy->holders[policy->holder_count++];
	if (holder) {
		snprintf(holder->key, sizeof(holder->key), "%s", key);
		snprintf(holder->reason, sizeof(holder->reason), "%s", reason);
		strcpy(policy->passing, holder->reason);
		policy->asked++;
	} else {
		r = -ENOBUFS;
	}
	pthread_mutex_unlock(&policy->lock);
	return r;
}

void policy_release(struct policy *policy, const char *key)
{
	pthread_mutex_lock(&policy->lock);
	for (size_t i = 0; i < policy->holder_count; i++) {
		if (strcmp(policy->holders[i].key, key) != 0)
			continue;
		policy->holder_count--;
		memmove(&policy->holders[i], &policy->holders[i + 1],
			(policy->holder_count - i) * sizeof(policy->holders[0]));
		policy->asked++;
		break;
	}
	pthread_mutex_unlock(&policy->lock);
}

int policy_settle(struct policy *policy, uint64_t timeout_ms)
{
	struct timespec until;
	uint64_t wanted;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&policy->lock);
	wanted = policy->asked;
	while (policy->done < wanted && r == 0)
		r = pthread_cond_timedwait(&policy->settled, &policy->lock, &until);
	pthread_mutex_unlock(&policy->lock);
	return -r;
}

bool policy_is_holding(struct policy *policy, char *ret_reason)
{
	bool holding;

	pthread_mutex_lock(&policy->lock);
	holding = policy->holding;
	if (ret_reason)
		strcpy(ret_reason, holding ? policy->reason : "");
	pthread_mutex_unlock(&policy->lock);
	return holding;
}

/* --- its life --- */

int policy_new(const struct policy_options *options, struct policy **ret_policy)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	pthread_condattr_t attributes;

	if (!policy) {
		if (options->intake)
			options->intake->free(options->intake->context);
		return -ENOMEM;
	}
	policy->options = *options;
	policy->has_intake = options->intake != NULL;
	if (options->intake)
		policy->intake = *options->intake;
	policy->options.intake = NULL;
	pthread_mutex_init(&policy->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&policy->settled, &attributes);
	pthread_condattr_destroy(&attributes);
	*ret_policy = policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	if (policy->has_intake)
		policy->intake.free(policy->intake.context);
	pthread_cond_destroy(&policy->settled);
	pthread_mutex_destroy(&policy->lock);
	free(policy);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.c - the table of tests, a run over it, and its report
 */
#include "harness/harness_impl.h"
#include "base/clock.h"
#include "crypto/random.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	char name[HARNESS_NAME_BYTES];
	enum harness_group group;
	enum harness_weight weight;
	test_function *run;
	size_t index;
};

struct harness_table {
	struct test tests[HARNESS_TESTS_MAX];
	size_t count;
};

struct run {
	const struct harness_options *options;
	const struct test *injected; /* NULL: none */
	bool reached;		     /* the fault was injected */
	struct harness_report *report;
	size_t capacity;
};

/* --- the table --- */

static struct harness_table table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void harness_add(struct harness_table *into, enum harness_group group, enum harness_weight weight,
	const char *name, test_function *run, size_t index)
{
	struct test *test = &into->tests[into->count];

	assert(into->count < HARNESS_TESTS_MAX && strlen(name) < sizeof(test->name));
	*test = (struct test){.group = group, .weight = weight, .run = run, .index = index};
	strcpy(test->name, name);
	for (char *blank; (blank = strchr(test->name, ' '));)
		*blank = '-';
	into->count++;
}

static void fill_table(void)
{
	harness_add_algorithms(&table);
	harness_add_randomness(&table);
	harness_add_patterns(&table);
	harness_add_memory(&table);
	harness_add_programs(&table);
	harness_add_media(&table);
	harness_add_conditions(&table);
}

static const struct test *find_test(const char *name)
{
	for (size_t i = 0; i < table.count; i++) {
		if (strcmp(table.tests[i].name, name) == 0)
			return &table.tests[i];
	}
	return NULL;
}

const char *harness_injection(size_t index)
{
	pthread_once(&once, fill_table);
	return index < table.count ? table.tests[index].name : NULL;
}

/* --- outcomes --- */

static void say(char *text, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
static void say(char *text, const char *format, va_list arguments)
{
	vsnprintf(text, HARNESS_DETAIL_BYTES, format, arguments);
}

#define SET_OUTCOME(outcome, kind, how)                                                            \
	do {                                                                                       \
		va_list arguments;                                                                 \
		va_start(arguments, format);                                                       \
		(outcome)->verdict = (kind);                                                       \
		snprintf((outcome)->remedy, sizeof((outcome)->remedy), "%s", (how));               \
		say((outcome)->detail, format, arguments);                                         \
		va_end(arguments);                                                                 \
	} while (0)

void outcome_ok(struct outcome *out, const char *format, ...)
{
	SET_OUTCOME(out, HARNESS_OK, "");
}

void outcome_skipped(struct outcome *out, const char *format, ...)
{
	SET_OUTCOME(out, HARNESS_SKIPPED, "");
}

void outcome_failed(struct outcome *out, const char *remedy, const char *format, ...)
{
	SET_OUTCOME(out, HARNESS_FAILED, remedy);
}

void outcome_cannot_tell(struct outcome *out, const char *remedy, const char *format, ...)
{
	SET_OUTCOME(out, HARNESS_CANNOT_TELL, remedy);
}

bool harness_result_is_bad(const struct harness_result *result)
{
	return result->verdict == HARNESS_FAILED || result->verdict == HARNESS_CANNOT_TELL;
}

const char *harness_verdict_name(enum harness_verdict verdict)
{
	static const char *const names[] = {"ok", "failed", "skipped", "cannot tell"};

	return names[verdict];
}

const char *harness_weight_name(enum harness_weight weight)
{
	return weight == HARNESS_CLAIM ? "claim" : "host";
}

/* --- a run --- */

static int add_result(struct run *run, const struct test *test, const char *subject,
	const struct outcome *outcome)
{
	struct harness_report *report = run->report;
	struct harness_result *result;

	if (report->count == run->capacity) {
		size_t capacity = run->capacity + HARNESS_TESTS_MAX;

		result = realloc(report->results, capacity * sizeof(*result));
		if (!result)
			return -ENOMEM;
		report->results = result;
		run->capacity = capacity;
	}
	result = &report->results[report->count++];
	*result = (struct harness_result){.verdict = outcome->verdict, .weight = test->weight};
	strcpy(result->name, test->name);
	snprintf(result->subject, sizeof(result->subject), "%s", subject);
	strcpy(result->detail, outcome->detail);
	strcpy(result->remedy, outcome->remedy);
	return 0;
}

static int run_one(struct run *run, const struct test *test, const struct harness_volume *volume)
{
	struct trial trial = {
		.options = run->options,
		.volume = volume,
		.index = test->index,
		.damage = test == run->injected && !run->reached,
	};
	struct outcome outcome = {.verdict = HARNESS_CANNOT_TELL};

	run->reached |= trial.damage;
	test->run(&trial, &outcome);
	return add_result(run, test, volume ? volume->name : "", &outcome);
}

static int run_all(struct run *run)
{
	unsigned int groups = run->options->groups ? run->options->groups : HARNESS_ALL;
	int r = 0;

	for (const struct test *test = table.tests; test < table.tests + table.count && r >= 0;
		test++) {
		if (!(groups & test->group))
			continue;
		if (test->group != HARNESS_MEDIA)
			r = run_one(run, test, NULL);
		for (size_t i = 0;
			test->group == HARNESS_MEDIA && i < run->options->volume_count && r >= 0;
			i++)
			r = run_one(run, test, &run->options->volumes[i]);
	}
	return r;
}

/* An injection that met nothing proves nothing. */
static int tell_if_not_reached(struct run *run)
{
	struct outcome outcome;

	if (!run->injected || run->reached)
		return 0;
	outcome_cannot_tell(&outcome, "name a medium, and leave its group of tests in",
		"nothing was there to inject the fault into");
	return add_result(run, run->injected, "", &outcome);
}

static void sum_up(struct harness_report *report)
{
	report->claims = true;
	for (size_t i = 0; i < report->count; i++) {
		const struct harness_result *result = &report->results[i];

		if (!harness_result_is_bad(result))
			continue;
		if (result->weight == HARNESS_CLAIM)
			report->claims = false;
		else
			report->degraded = true;
	}
}

static int name_run(char id[static HARNESS_ID_BYTES])
{
	uint8_t bytes[(HARNESS_ID_BYTES - 1) / 2];
	int r = random_bytes(bytes, sizeof(bytes));

	for (size_t i = 0; i < sizeof(bytes) && r >= 0; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return r;
}

static bool is_test_build(void)
{
#ifdef SPOOLGUARD_TEST_BUILD
	return true;
#else
	return false;
#endif
}

static int choose_injection(const struct harness_options *options, const struct test **ret_test,
	struct problem *reterr_problem)
{
	*ret_test = NULL;
	if (!options->inject)
		return 0;
	if (!options->allow_inject && !is_test_build())
		return problem_set(reterr_problem, -EPERM,
			"no fault is injected while a volume is attached; detach it first");
	*ret_test = find_test(options->inject);
	if (!*ret_test)
		return problem_set(reterr_problem, -EINVAL,
			"there is no test \"%s\" to break; \"spoolguard selftest --list\" names "
			"them",
			options->inject);
	return 0;
}

static int run_for_report(struct run *run)
{
	struct harness_report *report = run->report;
	uint64_t began_ns = clock_monotonic_ns();
	int r;

	report->began_wall_s = clock_wall_s();
	report->injected = run->injected;
	r = name_run(report->id);
	if (r >= 0)
		r = run_all(run);
	if (r >= 0)
		r = tell_if_not_reached(run);
	sum_up(report);
	report->took_ms = (clock_monotonic_ns() - began_ns) / 1000000u;
	return r;
}

int harness_run(const struct harness_options *options, struct harness_report **ret_report,
	struct problem *reterr_problem)
{
	static atomic_flag running = ATOMIC_FLAG_INIT;
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct run run = {.options = options};
	int r;

	pthread_once(&once, fill_table);
	r = choose_injection(options, &run.injected, reterr_problem);
	if (r < 0)
		return r;
	report = run.report = calloc(1, sizeof(*report));
	if (!report)
		return -ENOMEM;
	if (atomic_flag_test_and_set(&running))
		return problem_set(
			reterr_problem, -EBUSY, "a self-test is under way; wait for its end");
	r = run_for_report(&run);
	atomic_flag_clear(&running);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "the self-tests could not be run: %s", strerror(-r));
	*ret_report = report;
	report = NULL;
	return 0;
}

void harness_report_free(struct harness_report *report)
{
	if (!report)
		return;
	free(report->results);
	free(report);
}

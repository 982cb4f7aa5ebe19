/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_residue.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/residue_run.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_S_DEFAULT 120u
#define TIMEOUT_S_MAX	  86400u
#define CONTROL_WAIT_MS	  2000u	 /* cupsd writes a job's control file when it comes round */
#define SETTLE_MS	  30000u /* the service overwrites job.cache a moment after the purge */
#define LOOK_US		  200000u

/* H3: what others say of a failure may have the file's name in it. */
static void note_failure(struct residue_run *run, const char *what, const char *text)
{
	char shown[RESIDUE_WHERE_BYTES];

	residue_scan_path(&run->scan, text, shown);
	residue_reason(&run->report, "%s%s", what, shown);
}

/* --- before the receipt --- */

/* Title and user are in the control file: if cupsd has written it by now, they are seen there. */
static int see_control(struct residue_run *run)
{
	const uint64_t end_ns = clock_monotonic_ns() + CONTROL_WAIT_MS * UINT64_C(1000000);
	uint64_t seen[CANARY_WORDS] = {0};

	while (access(run->route.control, F_OK) < 0 && clock_monotonic_ns() < end_ns)
		usleep(LOOK_US);
	if (residue_volume_see(&run->volume, &run->scan, run->route.control, seen, NULL) < 0)
		return 0;
	for (enum canary_word word = 0; word < CANARY_WORDS; word++)
		run->report.seen[word] += seen[word];
	return 0;
}

static int see(struct residue_run *run)
{
	struct problem problem = {""};
	int r = residue_volume_see(
		&run->volume, &run->scan, run->route.file, run->report.seen, &problem);

	if (r < 0)
		note_failure(run, "the canary could not be looked at before it was retired: ",
			problem_text(&problem, r));
	else if (run->report.seen[CANARY_TEXT] == 0)
		residue_reason(&run->report,
			"the canary was not seen where it had to be before it was retired: this "
			"search is blind");
	if (run->route.cups)
		r = see_control(run);
	return r == -ENOMEM ? r : 0;
}

/* --- after it --- */

static bool is_cups_place(enum residue_place_name name)
{
	return name == PLACE_CUPS_MEMORY || name == PLACE_SPOOL || name == PLACE_CUPS_LOGS ||
	       name == PLACE_CUPS_CONFIG || name == PLACE_CUPS_CACHE;
}

/* A moment after the last purge the service overwrites what job.cache says of forgotten jobs. */
static int settle(struct residue_run *run)
{
	const uint64_t end_ns = clock_monotonic_ns() + SETTLE_MS * UINT64_C(1000000);
	bool is_clean = !run->route.cups;
	int r = 0;

	residue_scan_begin(&run->scan, "settling", 0);
	while (r >= 0 && !is_clean && clock_monotonic_ns() < end_ns) {
		struct residue_place trial = {.state = PLACE_CLEAN};

		r = residue_cups_search_cache(&run->cups, &run->scan, &trial);
		is_clean = trial.state != PLACE_FOUND;
		if (r >= 0 && !is_clean)
			usleep(LOOK_US);
	}
	return r < 0 ? r : residue_volume_settle(&run->volume, &run->scan, SETTLE_MS);
}

static int search_memory(struct residue_run *run, struct residue_place *place)
{
	int r = residue_scan_memory(&run->scan, place, run->volume.process, "spoolguard-volume");

	if (r >= 0 && run->service)
		r = residue_scan_programs(
			&run->scan, place, service_client_process(run->service), "spoolguardd");
	return r;
}

static int search_state(struct residue_run *run, struct residue_place *place)
{
	static const char *const also[] = {"/var/log/spoolguard"};
	int r = residue_scan_tree(&run->scan, place, run->config.state_directory, 0);

	for (size_t i = 0; i < ARRAY_SIZE(also) && r >= 0; i++)
		r = residue_scan_tree(&run->scan, place, also[i], run->scan.since_s);
	return r;
}

static int search_system_logs(struct residue_run *run, struct residue_place *place)
{
	static const char *const journals[] = {"/run/log/journal", "/var/log/journal"};
	static const char *const logs[] = {"/var/log/syslog", "/var/log/messages",
		"/var/log/daemon.log", "/var/log/user.log", "/var/log/lpr.log"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(journals) && r >= 0; i++)
		r = residue_scan_tree(&run->scan, place, journals[i], run->scan.since_s);
	for (size_t i = 0; i < ARRAY_SIZE(logs) && r >= 0; i++)
		r = residue_scan_file(&run->scan, place, logs[i]);
	return r;
}

/* E1 */
static int search_swap(struct residue_run *run, struct residue_place *place)
{
	int r = residue_scan_swap(&run->scan, place);

	if (place->things > 0 && !run->is_locked)
		residue_place_fail(place, "this process could not be locked in memory: a match may "
					  "be its own; raise RLIMIT_MEMLOCK");
	return r;
}

static int search_place(struct residue_run *run, enum residue_place_name name)
{
	struct residue_place *place = &run->report.places[name];

	residue_scan_begin(&run->scan, residue_place_id(name), 0);
	switch (name) {
	case PLACE_MEMORY:
		return search_memory(run, place);
	case PLACE_STATE:
		return search_state(run, place);
	case PLACE_SYSTEM_LOGS:
		return search_system_logs(run, place);
	case PLACE_SWAP:
		return search_swap(run, place);
	case PLACE_DECRYPTED:
		return residue_volume_search_decrypted(&run->volume, &run->scan, place);
	case PLACE_MEDIUM:
		return residue_volume_search_medium(&run->volume, &run->scan, place);
	case PLACE_CUPS_CACHE:
		return residue_cups_search_cache(&run->cups, &run->scan, place);
	default:
		return residue_cups_search(&run->cups, &run->scan, name, place);
	}
}

static int search_all(struct residue_run *run)
{
	int r = settle(run);

	for (enum residue_place_name name = 0; name < PLACES && r >= 0; name++) {
		struct residue_place *place = &run->report.places[name];

		if (run->arguments->without[name] || (is_cups_place(name) && !run->route.cups))
			place->state = PLACE_LEFT_OUT;
		else
			r = search_place(run, name);
	}
	return r;
}

/* --- all of it --- */

static void abandon(struct residue_run *run)
{
	struct problem problem = {""};
	int r = residue_way_abandon(&run->route, &run->report, &problem);

	if (r < 0)
		note_failure(run, "the canary job could not be ended: ", problem_text(&problem, r));
}

static int check(struct residue_run *run, struct problem *problem)
{
	int r = residue_way_plant(&run->route, run->canary, &run->report, problem);

	if (r >= 0)
		r = see(run);
	if (r >= 0)
		r = residue_way_finish(&run->route, &run->scan, &run->report, problem);
	if (r >= 0 && run->report.is_retired)
		r = search_all(run);
	abandon(run);
	return r;
}

/* What was not searched because it did not come so far is not clean. */
static void note_unsearched(struct residue_report *report)
{
	for (enum residue_place_name name = 0; name < PLACES; name++) {
		struct residue_place *place = &report->places[name];

		if (place->state == PLACE_CLEAN && place->bytes == 0)
			residue_place_fail(place, "it did not come so far");
	}
}

static void record(struct residue_run *run)
{
	struct json_object *parameters, *answer;
	struct problem problem = {""};
	int r;

	if (!run->service)
		return;
	run->report.is_recorded = true;
	parameters = json_object_new_object();
	json_object_object_add(parameters, "result", residue_report_to_json(&run->report));
	r = service_client_call(run->service, "RecordResidueCheck", parameters, &answer, &problem);
	if (r >= 0) {
		json_object_put(answer);
		return;
	}
	run->report.is_recorded = false;
	cli_warn("the result is not in the service's records: %s", problem_text(&problem, r));
}

static enum cli_exit tell(const struct residue_run *run)
{
	static const enum cli_exit codes[] = {
		[RESIDUE_IS_CLEAN] = CLI_YES,
		[RESIDUE_IS_FOUND] = CLI_NO,
		[RESIDUE_NOT_RETIRED] = CLI_NO,
		[RESIDUE_UNKNOWN] = CLI_CANNOT_TELL,
	};

	if (run->arguments->json)
		cli_print_json(residue_report_to_json(&run->report));
	else
		residue_report_print(&run->report);
	return codes[residue_verdict_of(&run->report)];
}

static enum cli_exit check_with(const struct residue_arguments *arguments)
{
	static struct residue_run run; /* large */
	uint64_t began_ns = clock_monotonic_ns();
	struct problem problem = {""};
	enum cli_exit code = CLI_CANNOT_TELL;
	int r;

	run.arguments = arguments;
	run.report.began_wall_s = clock_wall_s();
	r = residue_run_prepare(&run, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		residue_run_done(&run);
		return code;
	}
	r = check(&run, &problem);
	run.report.is_interrupted = r == -ECANCELED;
	if (r < 0)
		note_failure(&run, "",
			r == -ECANCELED ? "it was interrupted" : problem_text(&problem, r));
	if (r < 0 || !run.report.is_retired)
		note_unsearched(&run.report);
	run.report.took_ms = (clock_monotonic_ns() - began_ns) / 1000000u;
	record(&run);
	code = tell(&run);
	residue_run_done(&run);
	return code;
}

/* --- the command line --- */

static int refuse(const char *format, ...) format_printf(1, 2);

static int refuse(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "spoolguard check residue: %s; see \"spoolguard check --help\"\n",
		cli_shown(text));
	return CLI_USAGE;
}

static int parse_way(const char *text, enum residue_wanted *ret_way)
{
	static const char *const names[] = {"any", "cups", "call", "direct"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret_way = (enum residue_wanted)i;
			return CLI_YES;
		}
	}
	return refuse("\"%s\" is no way: cups, call or direct", text);
}

static int parse_timeout(const char *text, uint64_t *ret_ms)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds == 0 ||
		seconds > TIMEOUT_S_MAX)
		return refuse("\"%s\" is no time: whole seconds, up to a day", text);
	*ret_ms = seconds * 1000u;
	return CLI_YES;
}

static int parse_without(const char *text, struct residue_arguments *arguments)
{
	enum residue_place_name name;

	if (residue_place_find(text, &name) < 0)
		return refuse("there is no place \"%s\"", text);
	arguments->without[name] = true;
	return CLI_YES;
}

static int parse_option(int option, char **argv, struct residue_arguments *arguments)
{
	switch (option) {
	case 'v':
		arguments->volume = optarg;
		return CLI_YES;
	case 'q':
		arguments->queue = optarg;
		return CLI_YES;
	case 'p':
		arguments->print = true;
		return CLI_YES;
	case 'w':
		return parse_way(optarg, &arguments->way);
	case 'o':
		return parse_without(optarg, arguments);
	case 'r':
		return bytes_parse_size(optarg, &arguments->rate_bytes) >= 0
			       ? CLI_YES
			       : refuse("\"%s\" is no size", optarg);
	case 't':
		return parse_timeout(optarg, &arguments->timeout_ms);
	case 'c':
		arguments->config = optarg;
		return CLI_YES;
	case 'C':
		arguments->cups_config = optarg;
		return CLI_YES;
	case 'j':
		arguments->json = true;
		return CLI_YES;
	default:
		return refuse("\"%s\" is not an option, or lacks its value", argv[optind - 1]);
	}
}

int check_residue(int argc, char **argv)
{
	static const struct option options[] = {
		{"volume", required_argument, NULL, 'v'},
		{"queue", required_argument, NULL, 'q'},
		{"print", no_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"without", required_argument, NULL, 'o'},
		{"rate", required_argument, NULL, 'r'},
		{"timeout", required_argument, NULL, 't'},
		{"config", required_argument, NULL, 'c'},
		{"cups-config", required_argument, NULL, 'C'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct residue_arguments arguments = {.timeout_ms = TIMEOUT_S_DEFAULT * 1000u};
	int option, r;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = parse_option(option, argv, &arguments);
		if (r != CLI_YES)
			return r;
	}
	if (optind != argc)
		return refuse("\"%s\" is too much", argv[optind]);
	if ((arguments.print || arguments.queue) &&
		(arguments.way == WANT_CALL || arguments.way == WANT_DIRECT))
		return refuse("--print and --queue go through CUPS");
	return check_with(&arguments);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_spoolguard_main.c - a monitoring plugin: is the spool as it should be?
 *
 * One line on standard output, then (-v) one for each reason; exit code 0 OK, 1 WARNING, 2
 * CRITICAL, 3 UNKNOWN.  Of itself, whatever the ranges say:
 *
 *   CRITICAL  claims are stopped, a volume is not open, the service is stopping
 *   WARNING   DEGRADED for another reason
 *   UNKNOWN   the service is not there, does not answer in time, does not let us ask, answers
 *             nonsense, or cannot tell itself (a volume hangs)
 */
#include "base/io.h"
#include "cli/nagios.h"
#include "ipc/channel.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_DEFAULT	  "/run/spoolguard/io.spoolguard"
#define TIMEOUT_S_DEFAULT 10u
#define TIMEOUT_S_MAX	  3600u
#define STALE_S_MAX	  60u /* what is older says nothing of now */
#define WHY_BYTES	  300

struct arguments {
	struct nagios_range jobs_warning, jobs_critical, age_warning, age_critical;
	unsigned int timeout_s;
	bool verbose;
};

struct answer {
	const char *state;
	bool stops_claims, locked;
	uint64_t waiting, oldest_s, owed_bytes, stale_s;
	struct json_object *reasons; /* borrowed */
	const char *first;	     /* the first reason's text, or "" */
};

static const char usage[] =
	"usage: check_spoolguard [-w JOBS] [-c JOBS] [--age-warning S] [--age-critical S]\n"
	"                        [-t SECONDS] [-v] [-H HOST]\n\n"
	"Asks spoolguardd on this machine how it stands.  JOBS (waiting to be overwritten) and\n"
	"S (seconds since the oldest of them, or of what else is owed, came) are ranges:\n"
	"\"10\" alerts above 10, \"10:\" below 10, \"10:20\" outside, \"@10:20\" inside.\n\n"
	"  -w, --warning JOBS     -c, --critical JOBS\n"
	"  --age-warning S        --age-critical S\n"
	"  -t, --timeout SECONDS  default 10\n"
	"  -v, --verbose          every reason, on a line of its own\n"
	"  -H, --hostname HOST    taken and not used: the service is asked on this machine\n"
	"  -V, --version          -h, --help\n\n"
	"SPOOLGUARD_SOCKET names another socket.  Exit codes: 0 OK, 1 WARNING, 2 CRITICAL,\n"
	"3 UNKNOWN (it cannot be told).\n";

static int say_unknown(const char *format, ...) format_printf(1, 2);

static int say_unknown(const char *format, ...)
{
	char why[WHY_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	for (char *at = why; *at; at++)
		*at = *at == '|' ? '/' : (unsigned char)*at < ' ' ? ' ' : *at;
	printf("SPOOLGUARD UNKNOWN - %s\n", why);
	return NAGIOS_UNKNOWN;
}

static void on_timeout(int signal_number)
{
	static const char line[] = "SPOOLGUARD UNKNOWN - the service did not answer in time\n";

	(void)signal_number;
	(void)!write(STDOUT_FILENO, line, sizeof(line) - 1);
	_exit(NAGIOS_UNKNOWN);
}

/* --- arguments --- */

static bool read_range(const char *text, struct nagios_range *range)
{
	return nagios_parse_range(text, range) >= 0;
}

static bool read_timeout(const char *text, unsigned int *ret_seconds)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || seconds == 0 || seconds > TIMEOUT_S_MAX)
		return false;
	*ret_seconds = (unsigned int)seconds;
	return true;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"warning", required_argument, NULL, 'w'},
		{"critical", required_argument, NULL, 'c'},
		{"age-warning", required_argument, NULL, 'a'},
		{"age-critical", required_argument, NULL, 'A'},
		{"timeout", required_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"hostname", required_argument, NULL, 'H'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	bool right = true;
	int option;

	*arguments = (struct arguments){.timeout_s = TIMEOUT_S_DEFAULT};
	opterr = 0;
	while (right && (option = getopt_long(argc, argv, "w:c:t:vH:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			right = read_range(optarg, &arguments->jobs_warning);
			break;
		case 'c':
			right = read_range(optarg, &arguments->jobs_critical);
			break;
		case 'a':
			right = read_range(optarg, &arguments->age_warning);
			break;
		case 'A':
			right = read_range(optarg, &arguments->age_critical);
			break;
		case 't':
			right = read_timeout(optarg, &arguments->timeout_s);
			break;
		case 'v':
			arguments->verbose = true;
			break;
		case 'H':
			break;
		case 'V':
			printf("check_spoolguard %s\n", SPOOLGUARD_VERSION);
			return NAGIOS_OK;
		case 'h':
			fputs(usage, stdout);
			return NAGIOS_OK;
		default:
			return say_unknown("\"%.100s\" is not an option of it, or lacks its value; "
					   "see --help",
				argv[optind - 1]);
		}
	}
	if (!right)
		return say_unknown("\"%.100s\" is no range or number; see --help", optarg);
	if (optind < argc)
		return say_unknown("\"%.100s\" is not an option of it; see --help", argv[optind]);
	return -1;
}

/* --- the question --- */

static bool get_u64(
	struct json_object *object, const char *part, const char *key, uint64_t *ret_value)
{
	struct json_object *inner;

	return json_object_object_get_ex(object, part, &inner) &&
	       message_get_u64(inner, key, ret_value);
}

static bool read_reasons(struct json_object *parameters, struct answer *answer)
{
	const char *weight, *text;

	answer->first = "";
	if (!json_object_object_get_ex(parameters, "reasons", &answer->reasons) ||
		!json_object_is_type(answer->reasons, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(answer->reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(answer->reasons, i);

		if (!message_get_string(reason, "weight", &weight) ||
			!message_get_string(reason, "text", &text))
			return false;
		answer->stops_claims |= strcmp(weight, "stops-claims") == 0;
		answer->locked |= strcmp(weight, "locked") == 0;
		if (i == 0)
			answer->first = text;
	}
	return true;
}

static bool read_answer(struct json_object *parameters, struct answer *answer)
{
	uint64_t jobs_s, debt_s;

	*answer = (struct answer){.stale_s = 0};
	if (!message_get_string(parameters, "state", &answer->state) ||
		!read_reasons(parameters, answer) ||
		!get_u64(parameters, "debt", "jobs_waiting", &answer->waiting) ||
		!get_u64(parameters, "debt", "bytes", &answer->owed_bytes) ||
		!get_u64(parameters, "debt", "oldest_seconds", &debt_s) ||
		!get_u64(parameters, "jobs", "oldest_seconds", &jobs_s))
		return false;
	(void)message_get_u64(parameters, "stale_seconds", &answer->stale_s);
	answer->oldest_s = jobs_s > debt_s ? jobs_s : debt_s;
	return true;
}

/* --- the answer --- */

static enum nagios_result judge_state(const struct answer *answer)
{
	if (answer->stops_claims || answer->locked || strcmp(answer->state, "STOPPED") == 0 ||
		strcmp(answer->state, "LOCKED") == 0)
		return NAGIOS_CRITICAL;
	return strcmp(answer->state, "DEGRADED") == 0 ? NAGIOS_WARNING : NAGIOS_OK;
}

/* What would end the text, or the line. */
static void print_plain(const char *text)
{
	for (; *text; text++)
		putchar(*text == '|' ? '/' : (unsigned char)*text < ' ' ? ' ' : *text);
}

static void print_data(const struct arguments *arguments, const struct answer *answer)
{
	const struct nagios_datum data[] = {
		{"backlog", "", answer->waiting, &arguments->jobs_warning,
			&arguments->jobs_critical},
		{"oldest", "s", answer->oldest_s, &arguments->age_warning,
			&arguments->age_critical},
		{"owed", "B", answer->owed_bytes, NULL, NULL},
	};
	char buf[256];

	printf(" |");
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		printf(" %s", nagios_format(&data[i], buf, sizeof(buf)));
	putchar('\n');
}

static void print_reasons(const struct answer *answer)
{
	for (size_t i = 0; i < json_object_array_length(answer->reasons); i++) {
		const char *text;

		if (!message_get_string(
			    json_object_array_get_idx(answer->reasons, i), "text", &text))
			continue;
		print_plain(text);
		putchar('\n');
	}
}

static int report(const struct arguments *arguments, struct json_object *parameters)
{
	enum nagios_result result;
	struct answer answer;

	if (!read_answer(parameters, &answer))
		return say_unknown(
			"what the service answered is no status; is it another version?");
	result = judge_state(&answer);
	result = nagios_worse(result, nagios_judge(&arguments->jobs_warning,
					      &arguments->jobs_critical, (double)answer.waiting));
	result = nagios_worse(result, nagios_judge(&arguments->age_warning,
					      &arguments->age_critical, (double)answer.oldest_s));
	if (answer.stale_s > STALE_S_MAX)
		result = nagios_worse(result, NAGIOS_UNKNOWN);
	printf("SPOOLGUARD %s - %" PRIu64 " job%s pending", nagios_text(result), answer.waiting,
		answer.waiting == 1 ? "" : "s");
	if (strcmp(answer.state, "READY") != 0) {
		printf(", %s%s", answer.state, answer.first[0] ? ": " : "");
		print_plain(answer.first);
	}
	if (answer.stale_s > STALE_S_MAX)
		printf(", a volume has not answered for %" PRIu64 " s", answer.stale_s);
	print_data(arguments, &answer);
	if (arguments->verbose)
		print_reasons(&answer);
	return (int)result;
}

static int ask(const struct arguments *arguments, const char *path)
{
	_cleanup_(channel_freep) struct channel *channel = NULL;
	struct message answer = {.object = NULL};
	const char *text = "";
	int code, r;

	r = channel_connect(path, &channel);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return say_unknown("spoolguardd is not running (nobody listens at %.200s)", path);
	if (r >= 0)
		r = channel_call(channel, "io.spoolguard.GetStatus", NULL, &answer);
	if (r == -EREMOTEIO && message_get_string(answer.parameters, "text", &text))
		code = say_unknown("the service refused: %.200s", text);
	else if (r == -EREMOTEIO)
		code = say_unknown("the service refused: %.200s", answer.error);
	else if (r < 0)
		code = say_unknown("the service could not be asked: %s", strerror(-r));
	else
		code = report(arguments, answer.parameters);
	message_done(&answer);
	return code;
}

int main(int argc, char **argv)
{
	const char *named = getenv("SPOOLGUARD_SOCKET");
	struct arguments arguments;
	int code;

	code = parse(argc, argv, &arguments);
	if (code >= 0)
		return code;
	signal(SIGALRM, on_timeout);
	alarm(arguments.timeout_s);
	return ask(&arguments, named && named[0] ? named : SOCKET_DEFAULT);
}

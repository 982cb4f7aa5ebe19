/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguardd_main.c - the service, and the process that mounts for it
 *
 * It stays in the foreground, also without --foreground: systemd and every other supervisor of
 * processes want it so, and a shell has "&" and nohup.  The option is taken, so that a unit can
 * say what it means.  What it has to say goes to stderr: one line of JSON for each event.
 *
 * Exit codes: 0 it was asked to end, 1 it could not run, 2 usage.
 */
#include "audit/event_table.h"
#include "base/io.h"
#include "base/utf8.h"
#include "ipc/channel.h"
#include "supervisor/config.h"
#include "supervisor/mounter.h"
#include "supervisor/supervisor.h"
#include "volume/runtime.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN_FD_FIRST 3

enum what { RUN, MOUNT, PRINT_KEYS, PRINT_EVENTS, PRINT_VERSION, PRINT_HELP };

struct arguments {
	const char *config;
	enum what what;
	int listen_fd; /* of the mounter: made by who started it; -1 */
};

static const char usage[] =
	"usage: spoolguardd [--config FILE] [--foreground]\n"
	"       spoolguardd --mounter [--config FILE] [--foreground]\n\n"
	"The service that retires print jobs on encrypted spools, opens its volumes and keeps\n"
	"them open.  It stays in the foreground and writes one line for each event to stderr.\n\n"
	"  --config FILE          default: " CONFIG_PATH_DEFAULT "\n"
	"  --foreground           what it does anyway\n"
	"  --mounter              not the service, but the process that mounts for it\n"
	"  --print-config-keys    every key: section, key, default and what it is for, with tabs\n"
	"                         between them\n"
	"  --print-audit-events   every event of the audit log: name, severity, severity of a "
	"failure,\n"
	"                         whether the host may report it, subject, object, members of "
	"data,\n"
	"                         row of HCD cPP FAU_GEN.1, meaning; with tabs between them\n"
	"  --version, --help\n\n"
	"SIGHUP: read the configuration again.  SIGTERM: end; the volumes stay attached.\n";

static int usage_error(const char *option)
{
	fprintf(stderr,
		"spoolguardd: \"%s\" is not an option of it, or lacks its value; see --help\n",
		option);
	return 2;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"foreground", no_argument, NULL, 'f'},
		{"mounter", no_argument, NULL, 'm'},
		{"listen-fd", required_argument, NULL, 'l'},
		{"print-config-keys", no_argument, NULL, 'k'},
		{"print-audit-events", no_argument, NULL, 'e'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*arguments = (struct arguments){.config = CONFIG_PATH_DEFAULT, .listen_fd = -1};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case 'f':
			break;
		case 'm':
			arguments->what = MOUNT;
			break;
		case 'l':
			arguments->listen_fd = atoi(optarg);
			break;
		case 'k':
			arguments->what = PRINT_KEYS;
			break;
		case 'e':
			arguments->what = PRINT_EVENTS;
			break;
		case 'V':
			arguments->what = PRINT_VERSION;
			break;
		case 'h':
			arguments->what = PRINT_HELP;
			break;
		default:
			return usage_error(argv[optind - 1]);
		}
	}
	return optind < argc ? usage_error(argv[optind]) : 0;
}

static void print_keys(void)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++)
		printf("%s\t%s\t%s\t%s\n", keys[i].section, keys[i].key,
			keys[i].default_value ? keys[i].default_value : "", keys[i].summary);
}

static void print_events(void)
{
	static const char *const subjects[] = {"service", "caller", "host"};

	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++)
		printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", kind->name,
			audit_severity_text(kind->severity), audit_severity_text(kind->on_failure),
			kind->from_host ? "yes" : "no", subjects[kind->subject],
			kind->object ? kind->object : "", kind->data ? kind->data : "",
			kind->hcd ? kind->hcd : "", kind->meaning);
}

static int fail(const struct problem *problem, int error)
{
	char shown[4 * PROBLEM_TEXT_BYTES];
	const char *text = problem_text(problem, error);

	fprintf(stderr, "spoolguardd: %s\n",
		utf8_printable(text, strlen(text), shown, sizeof(shown)));
	return EXIT_FAILURE;
}

/* Made by who started it (--listen-fd; systemd's socket units give 3), or here. */
static int listen_for_service(int given, int *ret_fd, struct problem *problem)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char path[108];
	int r;

	if (given < 0 && pid && count && atol(pid) == (long)getpid() && strcmp(count, "1") == 0)
		given = LISTEN_FD_FIRST;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (given >= 0) {
		*ret_fd = given;
		return fcntl(given, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
	}
	r = mounter_socket(path);
	if (r >= 0 && mkdir(runtime_directory(), 0711) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		r = channel_listen(path, ret_fd);
	if (r == -EADDRINUSE)
		return problem_set(problem, r, "another mounter listens at %s", path);
	if (r < 0)
		return problem_set(problem, r, "the mounter cannot listen in %s: %s",
			runtime_directory(), strerror(-r));
	return 0;
}

static int run_mounter(const struct arguments *arguments)
{
	_cleanup_free_ struct config *config = malloc(sizeof(*config));
	struct problem problem = {""};
	int fd = -1, r;

	if (!config)
		return fail(NULL, -ENOMEM);
	if (geteuid() != 0)
		return fail(&problem,
			problem_set(&problem, -EPERM, "mounting is for root; run it as root"));
	r = config_read(arguments->config, config, &problem);
	if (r >= 0)
		r = listen_for_service(arguments->listen_fd, &fd, &problem);
	if (r >= 0)
		r = mounter_run(config, fd, &problem);
	return r < 0 ? fail(&problem, r) : EXIT_SUCCESS;
}

static int run_service(const struct arguments *arguments)
{
	struct supervisor *supervisor = NULL;
	struct problem problem = {""};
	int r;

	r = supervisor_new(arguments->config, &supervisor, &problem);
	if (r >= 0)
		r = supervisor_run(supervisor, &problem);
	supervisor_free(supervisor);
	return r < 0 ? fail(&problem, r) : EXIT_SUCCESS;
}

/*
 * Names of files may have a job's title in them, and pass through messages, JSON texts and tables:
 * what is freed is overwritten at once.  The C library reads this before main, so the program is
 * started anew with it, unless who started it (our unit) has seen to it.
 */
static void wipe_what_is_freed(char **argv)
{
	static const char tunables[] = "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0";
	const char *set = getenv("GLIBC_TUNABLES");
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (!set && n > 0 && setenv("GLIBC_TUNABLES", tunables, 1) == 0) {
		program[n] = '\0';
		(void)execv(program, argv); /* else it goes on as it is */
	}
	unsetenv("GLIBC_TUNABLES");
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	int r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	switch (arguments.what) {
	case PRINT_KEYS:
		print_keys();
		return EXIT_SUCCESS;
	case PRINT_EVENTS:
		print_events();
		return EXIT_SUCCESS;
	case PRINT_VERSION:
		printf("spoolguardd %s\n", SPOOLGUARD_VERSION);
		return EXIT_SUCCESS;
	case PRINT_HELP:
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	case MOUNT:
		wipe_what_is_freed(argv);
		return run_mounter(&arguments);
	case RUN:
		break;
	}
	wipe_what_is_freed(argv);
	return run_service(&arguments);
}

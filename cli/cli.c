/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include "ipc/fields.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#define REDRAW_NS     200000000u
#define SHOWN_BUFFERS 4u
#define SHOWN_BYTES   (4u * PATH_MAX) /* each byte as \xNN */

/* --- what is said --- */

const char *cli_shown(const char *text)
{
	static char buffers[SHOWN_BUFFERS][SHOWN_BYTES];
	static unsigned int next;
	char *buffer = buffers[next++ % SHOWN_BUFFERS];

	return utf8_printable(text, strlen(text), buffer, SHOWN_BYTES);
}

int cli_fail(const struct problem *problem, int error)
{
	fprintf(stderr, "spoolguard: %s\n", cli_shown(problem_text(problem, error)));
	return CLI_NO;
}

int cli_usage_error(const struct cli_verb *verb, const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "spoolguard %s: %s; see \"spoolguard %s --help\"\n", verb->name,
		cli_shown(text), verb->name);
	return CLI_USAGE;
}

bool cli_read_texts(int argc, char **argv, const struct option *options, const char **const *texts,
	bool *ret_json)
{
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return false;
		if (option == 'j')
			*ret_json = true;
		else
			*texts[option] = optarg;
	}
	return true;
}

const char *cli_typed_option(char **argv)
{
	return optarg && argv[optind - 1] == optarg ? argv[optind - 2] : argv[optind - 1];
}

void cli_warn(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "spoolguard: warning: %s\n", cli_shown(text));
}

void cli_add_u64(struct json_object *object, const char *key, uint64_t value)
{
	fields_add_u64(object, key, value);
}

void cli_add_string(struct json_object *object, const char *key, const char *value)
{
	fields_add_string(object, key, value);
}

void cli_add_bool(struct json_object *object, const char *key, bool value)
{
	fields_add_bool(object, key, value);
}

struct json_object *cli_json(const char *name)
{
	struct json_object *object = json_object_new_object();
	char schema[64];

	snprintf(schema, sizeof(schema), "spoolguard.%s/1", name);
	cli_add_string(object, "schema", schema);
	return object;
}

bool cli_parse_size(
	const struct cli_verb *verb, const char *option, const char *text, uint64_t *ret_bytes)
{
	if (bytes_parse_size(text, ret_bytes) >= 0)
		return true;
	cli_usage_error(verb, "%s: \"%s\" is no size (a number, then K, M, G or T)", option, text);
	return false;
}

void cli_print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* --- passphrases --- */

/*
 * Also libcryptsetup's own copies of keys stay out of core dumps, and of swap where this process
 * may lock memory.
 */
static void hold_secrets(void)
{
	struct rlimit limit;

	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
		(geteuid() != 0 && limit.rlim_cur != RLIM_INFINITY))
		return; /* a limit that is too small would make later allocations fail instead */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/* Whatever happens, the terminal echoes again afterwards. */
static struct termios terminal_before;
static int terminal = -1;

static void restore_terminal(void)
{
	if (terminal >= 0)
		(void)tcsetattr(terminal, TCSAFLUSH, &terminal_before);
	terminal = -1;
}

static void on_signal_at_prompt(int signal_number)
{
	restore_terminal();
	_exit(128 + signal_number);
}

static const struct {
	int number;
	void (*handler)(int);
} prompt_signals[] = {
	{SIGINT, on_signal_at_prompt}, {SIGTERM, on_signal_at_prompt},
	{SIGQUIT, on_signal_at_prompt}, {SIGHUP, on_signal_at_prompt},
	{SIGTSTP, SIG_IGN}, /* stopped, we would leave a terminal that shows nothing */
};

/* One line, read byte by byte into locked memory (no stdio buffer ever holds it). */
static int read_line(int fd, struct secret **ret_line)
{
	_cleanup_secret_ struct secret *line = NULL;
	size_t bytes = 0;
	int r;

	r = secret_new(KEYSTORE_PASSPHRASE_BYTES_MAX, &line);
	if (r < 0)
		return r;
	for (;;) {
		uint8_t *at = secret_bytes(line) + bytes;
		uint8_t surplus = 0;
		bool full = bytes == KEYSTORE_PASSPHRASE_BYTES_MAX;
		ssize_t n = read(fd, full ? &surplus : at, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || (full ? surplus : *at) == '\n')
			break;
		if (full)
			return -EFBIG;
		bytes++;
	}
	secret_truncate(line, bytes);
	*ret_line = line;
	line = NULL;
	return 0;
}

static int ask(int fd, const char *prompt, struct secret **ret_line)
{
	struct sigaction before[ARRAY_SIZE(prompt_signals)];
	struct termios silent;
	int r;

	if (tcgetattr(fd, &terminal_before) < 0)
		return -errno;
	terminal = fd;
	for (size_t i = 0; i < ARRAY_SIZE(prompt_signals); i++) {
		const struct sigaction action = {.sa_handler = prompt_signals[i].handler};

		(void)sigaction(prompt_signals[i].number, &action, &before[i]);
	}
	silent = terminal_before;
	silent.c_lflag &= (tcflag_t) ~(ECHO);
	silent.c_lflag |= ECHONL;
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0)
		r = -errno;
	else
		r = io_write(fd, prompt, strlen(prompt));
	if (r >= 0)
		r = read_line(fd, ret_line);
	restore_terminal();
	for (size_t i = 0; i < ARRAY_SIZE(prompt_signals); i++)
		(void)sigaction(prompt_signals[i].number, &before[i], NULL);
	return r;
}

static int ask_terminal(const char *prompt, bool confirm, struct secret **ret_passphrase,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *first = NULL, *second = NULL;
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	char line[128];
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, -ENOTTY,
			"there is no terminal to ask for a passphrase; give --passphrase-file "
			"(\"-\" is standard input)");
	snprintf(line, sizeof(line), "%s: ", prompt);
	r = ask(fd, line, &first);
	if (r >= 0 && secret_size(first) == 0)
		return problem_set(reterr_problem, -EINVAL,
			"no passphrase was given; an empty one protects nothing");
	if (r >= 0 && confirm) {
		snprintf(line, sizeof(line), "%s, again: ", prompt);
		r = ask(fd, line, &second);
		if (r >= 0 && (secret_size(first) != secret_size(second) ||
				      !secret_is_equal(secret_peek(first), secret_peek(second),
					      secret_size(first))))
			return problem_set(reterr_problem, -EINVAL,
				"the two passphrases differ; nothing was done, try again");
	}
	if (r < 0)
		return problem_set(
			reterr_problem, r, "no passphrase could be read: %s", strerror(-r));
	*ret_passphrase = first;
	first = NULL;
	return 0;
}

static int open_passphrase_file(const char *file)
{
	char *end;
	long number;
	int fd;

	if (strcmp(file, "-") == 0)
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	if (strncmp(file, "fd:", 3) == 0) {
		number = strtol(file + 3, &end, 10);
		if (end == file + 3 || *end != '\0' || number < 0 || number > 65535) {
			errno = EBADF;
			return -1;
		}
		fd = (int)number;
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

int cli_open_passphrase_file(const char *file, int *ret_fd, struct problem *reterr_problem)
{
	int fd = open_passphrase_file(file);

	if (fd < 0)
		return problem_set(reterr_problem, -errno,
			"passphrase file %s cannot be opened: %s; name a readable file, \"-\" for "
			"standard input, or fd:N",
			file, strerror(errno));
	*ret_fd = fd;
	return 0;
}

int cli_read_passphrase(const char *file, const char *prompt, bool confirm,
	struct secret **ret_passphrase, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	hold_secrets();
	if (!file)
		return ask_terminal(prompt, confirm, ret_passphrase, reterr_problem);
	r = cli_open_passphrase_file(file, &fd, reterr_problem);
	if (r < 0)
		return r;
	r = secret_read_fd(fd, KEYSTORE_KEY_FILE_BYTES_MAX, &passphrase);
	if (r == -EFBIG)
		return problem_set(reterr_problem, r,
			"passphrase file %s is longer than %u bytes; use a shorter one", file,
			KEYSTORE_KEY_FILE_BYTES_MAX);
	if (r < 0)
		return problem_set(reterr_problem, r, "passphrase file %s cannot be read: %s", file,
			strerror(-r));
	if (secret_size(passphrase) == 0)
		return problem_set(reterr_problem, -EINVAL,
			"passphrase file %s is empty; an empty passphrase protects nothing", file);
	*ret_passphrase = passphrase;
	passphrase = NULL;
	return 0;
}

/* --- progress --- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

struct shown {
	const char *what;
	uint64_t start_ns;
	uint64_t start_bytes;
	uint64_t drawn_ns;
};

static bool show(void *context, const struct progress *progress)
{
	struct shown *shown = context;
	uint64_t now = clock_monotonic_ns();
	struct progress since = *progress;
	char line[128];
	bool whole = progress->done_bytes >= progress->total_bytes;

	if (shown->what != progress->what) {
		shown->what = progress->what;
		shown->start_ns = now;
		shown->start_bytes = progress->done_bytes;
		shown->drawn_ns = 0;
	}
	if (isatty(STDERR_FILENO) && (now - shown->drawn_ns > REDRAW_NS || whole)) {
		shown->drawn_ns = now;
		progress_line(&since, now - shown->start_ns, line, sizeof(line));
		fprintf(stderr, "\r\033[K%s%s", line, whole ? "\n" : "");
		fflush(stderr);
	}
	return interrupted;
}

const struct progress_sink *cli_progress(void)
{
	static struct shown shown;
	static const struct progress_sink sink = {show, &shown};
	const struct sigaction action = {.sa_handler = on_interrupt};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	return &sink;
}

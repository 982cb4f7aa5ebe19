/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES 65536u
#define END_MARK     '\1'

/* Commands come on 3, answers go to 4; what cupsd and its children print goes to stderr. */
static const char script[] = "set -u -o pipefail\n"
			     ". tests/e2e/lib.sh\n"
			     ". tests/e2e/cupsd.sh\n"
			     "need_cupsd >&4\n"
			     "echo 'a document' >$work/doc\n"
			     "cupsd_start $work/c \"$@\" >&2 3<&- 4>&-\n"
			     "eval \"$prepare\" >&2 3<&- 4>&-\n"
			     "printf '\\1%d\\n' 0 >&4\n"
			     "while IFS= read -r line <&3; do\n"
			     "	eval \"$line\" >$work/said 3<&- 4>&-; code=$?\n"
			     "	cat $work/said >&4; printf '\\1%d\\n' $code >&4\n"
			     "done\n";

static pid_t shell;
static int commands_fd = -1, answers_fd = -1;
static char output[OUTPUT_BYTES];

/* The exit code of the command, or -1 if the shell is gone. */
static int read_answer(void)
{
	size_t length = 0;
	char *mark = NULL;

	output[0] = '\0';
	while (length < sizeof(output) - 1) {
		if (read(answers_fd, output + length, 1) != 1)
			return -1;
		output[++length] = '\0';
		if (output[length - 1] == '\n' && (mark = strrchr(output, END_MARK)))
			break;
	}
	if (!mark)
		return -1;
	length = (size_t)(mark - output);
	*mark = '\0';
	if (length > 0 && output[length - 1] == '\n')
		output[length - 1] = '\0';
	return atoi(mark + 1);
}

static void become_the_shell(int in, int out, const char *directives, const char *prepare)
{
	char text[sizeof(script) + 4096];

	dup2(in, 10);
	dup2(out, 11);
	dup2(10, 3);
	dup2(11, 4);
	close_range(5, ~0u, 0);
	snprintf(text, sizeof(text), "set -- %s\n%s", directives, script);
	setenv("prepare", prepare, 1);
	execlp("bash", "bash", "-c", text, "tests/e2e/cupsd_rig", NULL);
	_exit(127);
}

int cupsd_rig_start(const char *directives, const char *prepare)
{
	int in[2], out[2], status = 0;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return 1;
	shell = fork();
	if (shell == 0)
		become_the_shell(in[0], out[1], directives, prepare);
	close(in[0]);
	close(out[1]);
	commands_fd = in[1];
	answers_fd = out[0];
	if (read_answer() == 0)
		return 0;
	waitpid(shell, &status, 0);
	fputs(output, stdout);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void cupsd_rig_stop(void)
{
	close(commands_fd);
	waitpid(shell, NULL, 0);
}

static const char *run(const char *format, va_list arguments) format_printf(1, 0);

static const char *run(const char *format, va_list arguments)
{
	char command[4096];
	int length = vsnprintf(command, sizeof(command) - 1, format, arguments), code;

	ck_assert_int_lt(length, (int)sizeof(command) - 2);
	strcat(command, "\n");
	ck_assert_int_eq(write(commands_fd, command, (size_t)length + 1), (ssize_t)length + 1);
	code = read_answer();
	ck_assert_msg(code == 0, "%s: %d: %s", command, code, output);
	return output;
}

const char *cupsd_rig(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	run(format, arguments);
	va_end(arguments);
	return output;
}

int cupsd_rig_number(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	run(format, arguments);
	va_end(arguments);
	return atoi(output);
}

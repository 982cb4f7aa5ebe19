/* SPDX-License-Identifier: Apache-2.0 */
#include "base/problem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int problem_set(struct problem *reterr_problem, int error, const char *format, ...)
{
	va_list arguments;

	if (!reterr_problem)
		return error;
	va_start(arguments, format);
	vsnprintf(reterr_problem->text, sizeof(reterr_problem->text), format, arguments);
	va_end(arguments);
	return error;
}

const char *problem_text(const struct problem *problem, int error)
{
	if (problem && problem->text[0] != '\0')
		return problem->text;
	return strerror(error < 0 ? -error : error);
}

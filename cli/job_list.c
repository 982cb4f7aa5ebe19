/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_list.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void job_list_done(struct job_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->entries[i].id);
		free(list->entries[i].path);
	}
	free(list->entries);
	json_object_put(list->numbers);
	*list = (struct job_list){.entries = NULL};
}

/* The number of the job with that id; a new one if it is new. */
static int find_job(struct job_list *list, const char *id, size_t *ret_job)
{
	struct json_object *number;

	if (!list->numbers)
		list->numbers = json_object_new_object();
	if (!list->numbers)
		return -ENOMEM;
	if (json_object_object_get_ex(list->numbers, id, &number)) {
		*ret_job = (size_t)json_object_get_uint64(number);
		return 0;
	}
	number = json_object_new_uint64(list->jobs);
	if (!number)
		return -ENOMEM;
	if (json_object_object_add(list->numbers, id, number) < 0) {
		json_object_put(number);
		return -ENOMEM;
	}
	*ret_job = list->jobs++;
	return 0;
}

int job_list_add(struct job_list *list, const char *id, const char *path)
{
	struct job_entry entry;
	void *grown;

	if (id[0] == '\0' || strlen(id) > JOB_ID_BYTES_MAX || path[0] == '\0')
		return -EINVAL;
	if (list->count >= JOB_LIST_FILES_MAX)
		return -E2BIG;
	if ((list->count & (list->count - 1)) == 0) {
		grown = realloc(list->entries,
			(list->count ? 2 * list->count : 1) * sizeof(list->entries[0]));
		if (!grown)
			return -ENOMEM;
		list->entries = grown;
	}
	entry = (struct job_entry){.id = strdup(id), .path = strdup(path)};
	if (!entry.id || !entry.path || find_job(list, id, &entry.job) < 0) {
		free(entry.id);
		free(entry.path);
		return -ENOMEM;
	}
	list->entries[list->count++] = entry;
	return 0;
}

static int read_lines(struct job_list *list, FILE *from, const char *file, char **line,
	struct problem *reterr_problem)
{
	size_t capacity = 0, number = 0;
	ssize_t n;
	int r;

	while ((n = getline(line, &capacity, from)) >= 0) {
		char *tab;

		number++;
		if (n > 0 && (*line)[n - 1] == '\n')
			(*line)[n - 1] = '\0';
		if ((*line)[0] == '\0')
			continue;
		tab = strchr(*line, '\t');
		if (tab)
			*tab = '\0';
		r = tab ? job_list_add(list, *line, tab + 1) : -EINVAL;
		if (r < 0)
			return problem_set(reterr_problem, r,
				"%s, line %zu: not \"ID<TAB>PATH\", or one of more than %u", file,
				number, JOB_LIST_FILES_MAX);
	}
	return ferror(from) ? problem_set(reterr_problem, -EIO, "%s cannot be read", file) : 0;
}

int job_list_read(struct job_list *list, const char *file, struct problem *reterr_problem)
{
	FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char *line = NULL;
	int r;

	if (!from)
		return problem_set(reterr_problem, -errno, "job list %s cannot be opened: %s", file,
			strerror(errno));
	r = read_lines(list, from, file, &line, reterr_problem);
	free(line);
	if (from != stdin)
		fclose(from);
	return r;
}

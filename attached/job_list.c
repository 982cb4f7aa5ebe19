/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/job_list.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void job_list_done(struct job_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].path);
	for (size_t i = 0; i < list->jobs; i++)
		free(list->ids[i]);
	free(list->entries);
	free(list->ids);
	json_object_put(list->numbers);
	*list = (struct job_list){.entries = NULL};
}

/* Room for one more: doubled when the count is a power of two. */
static int make_room(void **array, size_t count, size_t element_bytes)
{
	void *grown;

	if ((count & (count - 1)) != 0)
		return 0;
	grown = realloc(*array, (count ? 2 * count : 1) * element_bytes);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int new_job(struct job_list *list, const char *id, size_t *ret_job)
{
	struct json_object *number = json_object_new_uint64(list->jobs);
	void *ids = list->ids;
	char *copy = NULL;
	int r = number ? make_room(&ids, list->jobs, sizeof(list->ids[0])) : -ENOMEM;

	list->ids = ids;
	if (r >= 0)
		copy = strdup(id);
	if (!copy || json_object_object_add(list->numbers, id, number) < 0) {
		free(copy);
		json_object_put(number);
		return -ENOMEM;
	}
	list->ids[list->jobs] = copy;
	*ret_job = list->jobs++;
	return 0;
}

int job_list_add_job(struct job_list *list, const char *id, size_t *ret_job)
{
	struct json_object *number;

	if (id[0] == '\0' || strlen(id) > JOB_ID_BYTES_MAX)
		return -EINVAL;
	if (!list->numbers)
		list->numbers = json_object_new_object();
	if (!list->numbers)
		return -ENOMEM;
	if (json_object_object_get_ex(list->numbers, id, &number)) {
		*ret_job = (size_t)json_object_get_uint64(number);
		return 0;
	}
	return list->jobs >= JOB_LIST_FILES_MAX ? -E2BIG : new_job(list, id, ret_job);
}

int job_list_add(struct job_list *list, const char *id, const char *path)
{
	struct job_entry entry = {.id = NULL};
	void *entries = list->entries;
	int r;

	if (path[0] == '\0')
		return -EINVAL;
	if (list->count >= JOB_LIST_FILES_MAX)
		return -E2BIG;
	r = make_room(&entries, list->count, sizeof(list->entries[0]));
	list->entries = entries;
	if (r >= 0)
		r = job_list_add_job(list, id, &entry.job);
	if (r < 0)
		return r;
	entry.id = list->ids[entry.job];
	entry.path = strdup(path);
	if (!entry.path)
		return -ENOMEM;
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

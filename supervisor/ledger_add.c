/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include "supervisor/ledger_impl.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What an announcement comes to. */
struct adding {
	const struct ledger_news *news;
	struct problem *problem;
	struct ledger_entry *entry; /* the same job, seen before; NULL: a new one */
	struct ledger_job job;	    /* as it will be */
	const char **names;	    /* owned array: those that are new, sorted */
	size_t name_count;
	struct ledger_lines lines;
	struct ledger_span *spans; /* owned: of the names, then of the job */
	size_t span_count;
};

/* --- may it be announced? --- */

static bool is_word(const char *text, size_t bytes_max)
{
	size_t bytes = strlen(text);

	if (bytes == 0 || bytes >= bytes_max || !utf8_is_valid(text, bytes))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			return false;
	}
	return true;
}

static int check(const struct ledger_news *news, struct problem *problem)
{
	assert(news->state == LEDGER_BEGUN || news->state == LEDGER_SEEN);
	if (!is_word(news->source, LEDGER_SOURCE_BYTES) || !is_word(news->id, LEDGER_ID_BYTES))
		return problem_set(problem, -EINVAL,
			"a job's id is 1 to %u bytes of text without control characters",
			LEDGER_ID_BYTES - 1);
	if (news->volume_uuid && strlen(news->volume_uuid) >= LEDGER_VOLUME_BYTES)
		return problem_set(problem, -EINVAL, "that is no volume's UUID");
	if (news->file_count > LEDGER_FILES_MAX)
		return problem_set(problem, -E2BIG, "a job has at most %u files", LEDGER_FILES_MAX);
	for (size_t i = 0; i < news->file_count; i++) {
		if (news->files[i][0] != '/' || strlen(news->files[i]) >= PATH_MAX)
			return problem_set(problem, -EINVAL,
				"a job's files are named by absolute paths of less than %d bytes",
				PATH_MAX);
	}
	return 0;
}

/* Nothing in the directory has a name that begins so. */
static bool is_without(const char *directory, const char *beginning)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	bool is = true;

	if (!entries)
		return errno == ENOENT;
	while (is && (errno = 0, entry = readdir(entries)))
		is = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		     strncmp(entry->d_name, beginning, strlen(beginning)) != 0;
	is &= errno == 0;
	closedir(entries);
	return is;
}

/* "/spool/tmp/7/", "/spool/tmp/7-//", or a file. */
static bool is_gone(const char *name)
{
	size_t length = strlen(name);
	char path[PATH_MAX];
	struct stat st;
	char *slash;

	if (name[length - 1] != '/')
		return lstat(name, &st) < 0 && errno == ENOENT;
	if (length < 3 || name[length - 2] != '/')
		return is_without(name, "");
	memcpy(path, name, length - 2);
	path[length - 2] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	return is_without(path[0] ? path : "/", slash + 1);
}

/* Asked without the lock: it looks at the spool. */
static bool are_gone(const struct ledger_news *news)
{
	for (size_t i = 0; i < news->file_count; i++) {
		if (!is_gone(news->files[i]))
			return false;
	}
	return true;
}

static int check_same(const struct adding *adding)
{
	const struct ledger_news *news = adding->news;
	const struct ledger_entry *entry = adding->entry;

	if (news->uid != 0 && news->uid != entry->uid)
		return problem_set(adding->problem, -EPERM,
			"a job with that id is under way, of another user; choose another id");
	if (news->volume_uuid && entry->volume[0] && strcmp(entry->volume, news->volume_uuid) != 0)
		return problem_set(adding->problem, -EXDEV,
			"the job's other files lie on another volume; announce these as a job of "
			"their own");
	return 0;
}

/* --- names that are new --- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int take_names(struct adding *adding)
{
	const struct ledger_news *news = adding->news;
	size_t count = 0;

	adding->names = calloc(news->file_count + 1, sizeof(*adding->names));
	if (!adding->names)
		return -ENOMEM;
	for (size_t i = 0; i < news->file_count; i++)
		adding->names[i] = news->files[i];
	qsort(adding->names, news->file_count, sizeof(*adding->names), compare);
	for (size_t i = 0; i < news->file_count; i++) {
		if (i == 0 || strcmp(adding->names[i], adding->names[i - 1]) != 0)
			adding->names[count++] = adding->names[i];
	}
	adding->name_count = count;
	return 0;
}

static int drop_name(void *context, const char *name)
{
	struct adding *adding = context;
	const char **found;
	size_t place;

	if (adding->name_count == 0)
		return 0;
	found = bsearch(&name, adding->names, adding->name_count, sizeof(*adding->names), compare);
	if (!found)
		return 0;
	place = (size_t)(found - adding->names);
	memmove(found, found + 1, (adding->name_count - place - 1) * sizeof(*found));
	adding->name_count--;
	return 0;
}

static int find_new_names(struct ledger *ledger, struct adding *adding)
{
	int r = take_names(adding);

	if (r >= 0 && adding->entry && adding->name_count > 0)
		r = ledger_read_names(ledger, adding->entry, drop_name, adding);
	/* Names that cannot be read are announced again; twice is no harm. */
	return r == -EBADMSG ? 0 : r;
}

/* L5 */
static int is_nothing_new(struct ledger *ledger, struct adding *adding, bool gone, bool *ret_is)
{
	int r;

	*ret_is = false;
	if (adding->news->state == LEDGER_BEGUN)
		return 0;
	if (adding->news->uid != 0 && adding->news->uid != adding->entry->uid)
		return 0;
	if (!gone)
		return 0;
	r = find_new_names(ledger, adding);
	if (r == -ENOKEY)
		return 0;
	*ret_is = r >= 0 && adding->name_count == 0;
	free(adding->names);
	adding->names = NULL;
	return r;
}

/* --- the lines, and what follows from them --- */

static int describe(struct ledger *ledger, struct adding *adding)
{
	const struct ledger_news *news = adding->news;
	struct ledger_job *job = &adding->job;

	if (adding->entry) {
		ledger_entry_describe(adding->entry, job);
		if (job->state == LEDGER_BEGUN)
			job->state = news->state;
	} else {
		if (ledger_open_jobs(ledger) >= LEDGER_OPEN_MAX)
			return problem_set(adding->problem, -ENOBUFS,
				"%u jobs wait to be retired; no more are taken until some are",
				LEDGER_OPEN_MAX);
		*job = (struct ledger_job){.number = ledger->next,
			.uid = news->uid,
			.state = news->state,
			.seen_wall_s = clock_wall_s()};
		job->changed_wall_s = job->seen_wall_s;
		strcpy(job->source, news->source);
		strcpy(job->id, news->id);
	}
	if (news->volume_uuid)
		strcpy(job->volume, news->volume_uuid);
	if (!job->digests.user[0])
		strcpy(job->digests.user, news->digests.user);
	if (!job->digests.title[0])
		strcpy(job->digests.title, news->digests.title);
	if (job->file_count + adding->name_count > LEDGER_FILES_MAX)
		return problem_set(
			adding->problem, -E2BIG, "a job has at most %u files", LEDGER_FILES_MAX);
	job->file_count += adding->name_count;
	return 0;
}

static bool tells_a_name(const struct adding *adding)
{
	static const struct ledger_digests none;
	const struct ledger_digests *known =
		adding->entry->digests ? adding->entry->digests : &none;

	return strcmp(known->user, adding->job.digests.user) != 0 ||
	       strcmp(known->title, adding->job.digests.title) != 0;
}

static bool changes_anything(const struct adding *adding)
{
	return !adding->entry || tells_a_name(adding) || adding->name_count > 0 ||
	       adding->entry->state != adding->job.state ||
	       strcmp(adding->entry->volume, adding->job.volume) != 0;
}

static int add_line(struct adding *adding, const struct ledger_record *record, size_t names)
{
	struct ledger_span *spans =
		realloc(adding->spans, (adding->span_count + 1) * sizeof(*spans));
	int r;

	if (!spans)
		return -ENOMEM;
	adding->spans = spans;
	r = ledger_lines_add(&adding->lines, record, &spans[adding->span_count]);
	if (r >= 0)
		spans[adding->span_count++].count = (uint32_t)names;
	return r;
}

/* The names come first: a job without its names is never there. */
static int make_lines(struct ledger *ledger, struct adding *adding)
{
	struct ledger_names *names = ledger_names_of(ledger, adding->job.volume);
	struct ledger_record record = {.kind = LEDGER_KIND_FILES};
	int r = 0;

	if (adding->name_count > 0 && !names)
		return problem_set(
			adding->problem, -ENOKEY, "the volume that the files lie on is not open");
	for (size_t at = 0; at < adding->name_count && r >= 0; at += record.sealed.count) {
		r = ledger_names_seal(names, &adding->job, adding->names + at,
			adding->name_count - at, &record.sealed);
		if (r < 0)
			return r;
		r = add_line(adding, &record, record.sealed.count);
		free(record.sealed.bytes);
		record.sealed.bytes = NULL;
	}
	record = (struct ledger_record){.kind = LEDGER_KIND_JOB, .job = adding->job};
	return r < 0 ? r : add_line(adding, &record, 0);
}

static void apply(struct ledger *ledger, struct adding *adding, uint64_t at)
{
	struct ledger_entry *entry = adding->entry;

	for (size_t i = 0; i < adding->span_count; i++)
		adding->spans[i].at += at;
	for (size_t i = 0; i + 1 < adding->span_count; i++)
		ledger_entry_add_span(entry, adding->spans[i]);
	entry->line = adding->spans[adding->span_count - 1];
	entry->file_count = adding->job.file_count;
	strcpy(entry->volume, adding->job.volume);
	ledger_entry_set_digests(entry, &adding->job.digests);
	entry->more_files |= adding->name_count > 0;
	if (entry->state != adding->job.state)
		ledger_table_set_state(&ledger->table, entry, adding->job.state);
}

static int write_it(struct ledger *ledger, struct adding *adding)
{
	_cleanup_(ledger_entry_freep) struct ledger_entry *new = NULL;
	struct ledger_entry *entry = adding->entry;
	uint64_t at;
	int r;

	if (!entry) {
		r = ledger_entry_new(&adding->job, &new);
		if (r < 0)
			return r;
		entry = new;
	}
	r = ledger_entry_reserve_spans(entry, adding->span_count);
	if (r >= 0)
		r = ledger_append(ledger, &adding->lines,
			ledger_reserve(ledger_open_jobs(ledger) + (new != NULL)), &at);
	if (r < 0)
		return problem_set(adding->problem, r,
			"the job cannot be recorded in the state directory: %s; it is not taken: "
			"see to "
			"that disk, then hand it over again",
			strerror(-r));
	if (new) {
		r = ledger_table_add(&ledger->table, new);
		if (r < 0) { /* L6 */
			(void)!ledger_file_cut(ledger->file, at);
			return r;
		}
		new = NULL;
		ledger->next = entry->number + 1;
	}
	adding->entry = entry;
	apply(ledger, adding, at);
	ledger_rewrite_if_due(ledger);
	return 0;
}

static int add(struct ledger *ledger, struct adding *adding, bool gone, bool *ret_known)
{
	const struct ledger_news *news = adding->news;
	int r = ledger_mend(ledger);

	if (r < 0)
		return problem_set(adding->problem, r,
			"the ledger cannot be written to: %s; the job is not taken", strerror(-r));
	adding->entry = ledger_table_find(&ledger->table, news->source, news->id);
	if (adding->entry && adding->entry->state == LEDGER_RETIRED) {
		r = is_nothing_new(ledger, adding, gone, ret_known);
		if (r < 0 || *ret_known)
			return r;
		adding->entry = NULL;
	}
	if (adding->entry)
		r = check_same(adding);
	if (r >= 0)
		r = find_new_names(ledger, adding);
	if (r == -ENOKEY)
		return problem_set(
			adding->problem, r, "the volume that the files lie on is not open");
	if (r >= 0)
		r = describe(ledger, adding);
	if (r < 0 || !changes_anything(adding))
		return r;
	r = make_lines(ledger, adding);
	return r < 0 ? r : write_it(ledger, adding);
}

int ledger_add(struct ledger *ledger, const struct ledger_news *news, uint64_t *ret_number,
	bool *ret_known, struct problem *reterr_problem)
{
	struct adding adding = {.news = news, .problem = reterr_problem};
	bool known = false, gone;
	int r;

	r = check(news, reterr_problem);
	if (r < 0)
		return r;
	gone = are_gone(news);
	(void)pthread_mutex_lock(&ledger->lock);
	r = add(ledger, &adding, gone, &known);
	if (r >= 0) {
		*ret_number = adding.entry->number;
		*ret_known = known;
	}
	(void)pthread_mutex_unlock(&ledger->lock);
	free(adding.names);
	free(adding.spans);
	ledger_lines_done(&adding.lines);
	return r;
}

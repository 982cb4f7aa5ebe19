/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_mirror.h"
#include "audit/export_words.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OURS	"1399867236" /* application_id: "SpGd" */
#define VERSION "1"	     /* user_version */
#define BUSY_MS 2000

static const char schema[] =
	"CREATE TABLE events(sequence INTEGER PRIMARY KEY, time TEXT NOT NULL, boot TEXT,"
	" monotonic_ms INTEGER, event TEXT NOT NULL, severity TEXT, outcome TEXT NOT NULL,"
	" role TEXT, uid INTEGER, origin TEXT, job TEXT, volume TEXT, drive TEXT, detail TEXT,"
	" data TEXT, previous TEXT);"
	"CREATE TABLE jobs(job_id TEXT PRIMARY KEY, state TEXT NOT NULL, finished TEXT,"
	" result TEXT, volume TEXT, sequence INTEGER NOT NULL);"
	"CREATE INDEX jobs_by_sequence ON jobs(sequence);"
	"CREATE TABLE mirror(log TEXT NOT NULL, last INTEGER NOT NULL);"
	"INSERT INTO mirror VALUES('', 0);"
	"PRAGMA application_id = " OURS "; PRAGMA user_version = " VERSION ";";

enum statement { ADD_EVENT, ADD_JOB, DROP_EVENTS, DROP_JOBS, SET_LAST, STATEMENTS };
static const char *const statements[STATEMENTS] = {
	[ADD_EVENT] = "INSERT OR REPLACE INTO events VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[ADD_JOB] = "INSERT OR REPLACE INTO jobs VALUES(?,?,?,?,?,?)",
	[DROP_EVENTS] = "DELETE FROM events WHERE sequence <= ?",
	[DROP_JOBS] = "DELETE FROM jobs WHERE sequence <= ?",
	[SET_LAST] = "UPDATE mirror SET last = ?",
};

struct export_mirror {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	bool begun; /* a transaction */
	uint64_t last, added;
};

static int error_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return -EEXIST;
	default:
		return -EIO;
	}
}

static int execute(struct export_mirror *mirror, const char *text)
{
	return error_of(sqlite3_exec(mirror->db, text, NULL, NULL, NULL));
}

/* The first column of the only row, as a number and as a text to free(). */
static int ask(struct export_mirror *mirror, const char *text, int64_t *ret_number, char **ret_text)
{
	sqlite3_stmt *statement = NULL;
	const char *column;
	int result = sqlite3_prepare_v2(mirror->db, text, -1, &statement, NULL);
	int r = 0;

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result != SQLITE_ROW) {
		r = result == SQLITE_DONE ? -EEXIST : error_of(result);
		sqlite3_finalize(statement);
		return r < 0 ? r : -EIO;
	}
	if (ret_number)
		*ret_number = sqlite3_column_int64(statement, 0);
	if (ret_text) {
		column = (const char *)sqlite3_column_text(statement, 0);
		*ret_text = strdup(column ? column : "");
		r = *ret_text ? 0 : -ENOMEM;
	}
	sqlite3_finalize(statement);
	return r;
}

/* --- opening --- */

/* SQLite would make it readable for all, as the umask has it. */
static int make_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : 0;
}

/* D3 */
static int make_schema(struct export_mirror *mirror)
{
	int64_t id, version, tables;
	int r;

	r = ask(mirror, "PRAGMA application_id", &id, NULL);
	if (r >= 0)
		r = ask(mirror, "PRAGMA user_version", &version, NULL);
	if (r >= 0)
		r = ask(mirror, "SELECT count(*) FROM sqlite_master", &tables, NULL);
	if (r < 0)
		return r;
	if (tables > 0)
		return id == atoll(OURS) && version == atoll(VERSION) ? 0 : -EEXIST;
	r = execute(mirror, "BEGIN IMMEDIATE");
	if (r >= 0)
		r = execute(mirror, schema);
	return r < 0 ? r : execute(mirror, "COMMIT");
}

/* D5 */
static int take_log(struct export_mirror *mirror, const char *log)
{
	char *text = sqlite3_mprintf("BEGIN IMMEDIATE; DELETE FROM events; DELETE FROM jobs;"
				     "UPDATE mirror SET log = %Q, last = 0; COMMIT",
		log);
	int r = text ? execute(mirror, text) : -ENOMEM;

	sqlite3_free(text);
	return r;
}

static int find_last(struct export_mirror *mirror, const char *log)
{
	_cleanup_free_ char *mirrored = NULL;
	int64_t last = 0;
	int r;

	r = ask(mirror, "SELECT log FROM mirror", NULL, &mirrored);
	if (r >= 0 && strcmp(mirrored, log) != 0)
		r = take_log(mirror, log);
	if (r >= 0)
		r = ask(mirror, "SELECT last FROM mirror", &last, NULL);
	if (r >= 0)
		mirror->last = mirror->added = (uint64_t)last;
	return r;
}

static int open_database(struct export_mirror *mirror, const char *path, const char *log)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
	int r;

	r = make_file(path);
	if (r >= 0)
		r = error_of(sqlite3_open_v2(path, &mirror->db, flags, NULL));
	if (r >= 0)
		r = error_of(sqlite3_busy_timeout(mirror->db, BUSY_MS));
	if (r >= 0)
		r = execute(mirror, "PRAGMA journal_mode = DELETE"); /* D1 */
	if (r >= 0)
		r = make_schema(mirror);
	if (r >= 0)
		r = find_last(mirror, log);
	for (size_t i = 0; r >= 0 && i < STATEMENTS; i++)
		r = error_of(sqlite3_prepare_v2(
			mirror->db, statements[i], -1, &mirror->statements[i], NULL));
	return r;
}

int export_mirror_open(const char *path, const char *log, struct export_mirror **ret_mirror,
	struct problem *reterr_problem)
{
	struct export_mirror *mirror = calloc(1, sizeof(*mirror));
	int r;

	if (!mirror)
		return -ENOMEM;
	r = open_database(mirror, path, log);
	if (r >= 0) {
		*ret_mirror = mirror;
		return 0;
	}
	export_mirror_close(mirror);
	if (r == -EEXIST)
		return problem_set(reterr_problem, r,
			"%s is no mirror of an audit log, or is damaged: remove it, and it is made "
			"anew, or name another file",
			path);
	return problem_set(reterr_problem, r, "%s cannot be written: %s", path, strerror(-r));
}

void export_mirror_close(struct export_mirror *mirror)
{
	if (!mirror)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(mirror->statements[i]);
	sqlite3_close(mirror->db);
	free(mirror);
}

uint64_t export_mirror_last(const struct export_mirror *mirror)
{
	return mirror->last;
}

/* --- records --- */

static void set_text(sqlite3_stmt *statement, int column, const char *text)
{
	(void)sqlite3_bind_text(statement, column, text, -1, SQLITE_TRANSIENT);
}

static void set_number(sqlite3_stmt *statement, int column, uint64_t number)
{
	(void)sqlite3_bind_int64(statement, column, (int64_t)number);
}

static int step(struct export_mirror *mirror, enum statement which)
{
	int r = error_of(sqlite3_step(mirror->statements[which]));

	sqlite3_reset(mirror->statements[which]);
	return r;
}

static int step_number(struct export_mirror *mirror, enum statement which, uint64_t number)
{
	set_number(mirror->statements[which], 1, number);
	return step(mirror, which);
}

static int add_event(
	struct export_mirror *mirror, const struct audit_record *record, const char *time)
{
	const struct audit_event *event = &record->event;
	sqlite3_stmt *statement = mirror->statements[ADD_EVENT];

	set_number(statement, 1, record->stamp.sequence);
	set_text(statement, 2, time);
	set_text(statement, 3, record->stamp.boot);
	set_number(statement, 4, record->stamp.monotonic_ms);
	set_text(statement, 5, event->event);
	set_text(statement, 6, audit_severity_text(export_severity(event)));
	set_text(statement, 7, event->outcome);
	set_text(statement, 8, event->role);
	set_number(statement, 9, event->uid);
	set_text(statement, 10, event->origin);
	set_text(statement, 11, event->job);
	set_text(statement, 12, event->volume);
	set_text(statement, 13, event->drive);
	set_text(statement, 14, event->detail);
	set_text(statement, 15,
		event->data ? json_object_to_json_string_ext(event->data,
				      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			    : NULL);
	set_text(statement, 16, record->stamp.previous);
	return step(mirror, ADD_EVENT);
}

static const char *job_state(const char *event)
{
	static const char *const states[][2] = {
		{"job-retired", "retired"},
		{"job-failed", "failed"},
		{"job-held", "held"},
		{"job-released", "waiting"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(states[i][0], event) == 0)
			return states[i][1];
	}
	return NULL;
}

static int add_job(
	struct export_mirror *mirror, const struct audit_record *record, const char *time)
{
	const struct audit_event *event = &record->event;
	const char *state = job_state(event->event);
	sqlite3_stmt *statement = mirror->statements[ADD_JOB];

	if (!event->job || !state)
		return 0;
	set_text(statement, 1, event->job);
	set_text(statement, 2, state);
	set_text(statement, 3, strcmp(state, "retired") == 0 ? time : NULL);
	set_text(statement, 4, event->outcome);
	set_text(statement, 5, event->volume);
	set_number(statement, 6, record->stamp.sequence);
	return step(mirror, ADD_JOB);
}

int export_mirror_add(struct export_mirror *mirror, const struct audit_record *record)
{
	char time[AUDIT_TIME_BYTES];
	int r = 0;

	if (!mirror->begun)
		r = execute(mirror, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	mirror->begun = true;
	audit_time(record->stamp.wall_ms, time);
	r = add_event(mirror, record, time);
	if (r >= 0)
		r = add_job(mirror, record, time);
	if (r >= 0)
		mirror->added = record->stamp.sequence;
	return r;
}

static int drop_old(struct export_mirror *mirror)
{
	uint64_t before;
	int r;

	if (mirror->added <= EXPORT_MIRROR_EVENTS_MAX)
		return 0;
	before = mirror->added - EXPORT_MIRROR_EVENTS_MAX;
	r = step_number(mirror, DROP_EVENTS, before);
	return r < 0 ? r : step_number(mirror, DROP_JOBS, before);
}

int export_mirror_commit(struct export_mirror *mirror)
{
	int r;

	if (!mirror->begun)
		return 0;
	r = drop_old(mirror);
	if (r >= 0)
		r = step_number(mirror, SET_LAST, mirror->added);
	if (r >= 0)
		r = execute(mirror, "COMMIT");
	if (r < 0)
		return r;
	mirror->begun = false;
	mirror->last = mirror->added;
	return 0;
}

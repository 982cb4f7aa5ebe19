/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_residue.h"
#include "base/macros.h"
#include "pipeline/cups_policy.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- does cupsd take that value? --- */

static bool is_preserve_time(const char *value)
{
	double seconds;

	return cups_value_time(value, true, &seconds);
}

static bool is_time(const char *value)
{
	double seconds;

	return cups_value_time(value, false, &seconds);
}

static bool is_integer(const char *value)
{
	long number;

	return cups_value_integer(value, &number);
}

static bool is_boolean(const char *value)
{
	bool truth;

	return cups_value_boolean(value, &truth);
}

static bool is_log_level(const char *value)
{
	int level;

	return cups_value_log_level(value, &level);
}

static bool is_access_log_level(const char *value)
{
	return strcasecmp(value, "all") == 0 || strcasecmp(value, "actions") == 0 ||
	       strcasecmp(value, "config") == 0 || strcasecmp(value, "none") == 0;
}

/* --- does it leave nothing? --- */

static bool is_for_ever(const char *value)
{
	double seconds = 0;

	return cups_value_time(value, true, &seconds) && seconds >= CUPS_TIME_FOREVER;
}

static bool is_no_time(const char *value)
{
	double seconds = 1;

	return cups_value_time(value, false, &seconds) && seconds < 1;
}

static bool is_zero(const char *value)
{
	long number = 1;

	return cups_value_integer(value, &number) && number == 0;
}

static bool is_no(const char *value)
{
	bool truth = true;

	return cups_value_boolean(value, &truth) && !truth;
}

static bool is_quiet(const char *value)
{
	int level = CUPS_LOG_WARN + 1;

	return cups_value_log_level(value, &level) && level <= CUPS_LOG_WARN;
}

static bool is_not_all(const char *value)
{
	return strcasecmp(value, "all") != 0;
}

static bool is_none(const char *value)
{
	return value[0] == '\0' || strcasecmp(value, "none") == 0;
}

/* Only what says nothing of a person or a document: the printer, the job's number, pages, paper. */
static bool names_nobody(const char *format)
{
	static const char *const harmless[] = {"media", "sides", "copies",
		"job-impressions-completed", "job-media-sheets-completed"};

	for (const char *at = strchr(format, '%'); at; at = strchr(at + 1, '%')) {
		const char *end = strchr(at, '}');
		bool is_harmless = false;

		if (at[1] == '%') {
			at++;
			continue;
		}
		if (at[1] != '{') {
			if (strchr("pjTPC", at[1]))
				continue;
			return false;
		}
		for (size_t i = 0; end && i < ARRAY_SIZE(harmless); i++)
			is_harmless |= strlen(harmless[i]) == (size_t)(end - at - 2) &&
				       strncmp(at + 2, harmless[i], strlen(harmless[i])) == 0;
		if (!is_harmless)
			return false;
	}
	return true;
}

/* --- the table --- */

static const struct cups_residue rows[] = {
	{
		.id = "job-files",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_CUPSD,
		.directive = "PreserveJobFiles",
		.wanted = "Yes",
		.default_value = "86400",
		.leaves = "cupsd removes a job's documents by itself, by unlinking them: what was "
			  "printed stays on blocks that are free, and is not overwritten in place",
		.lose = "nothing while spoolguardd runs: it overwrites and removes them; while it "
			"does not, documents stay in the spool",
		.accepts = is_preserve_time,
		.is_fine = is_for_ever,
	},
	{
		.id = "job-history",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_CUPSD,
		.directive = "PreserveJobHistory",
		.wanted = "Yes",
		.default_value = "Yes",
		.leaves = "cupsd forgets a job, its documents and its control file (title, user, "
			  "host) before spoolguardd has seen it, by unlinking them",
		.lose = "nothing: spoolguardd removes a job from the history when it is "
			"overwritten",
		.accepts = is_preserve_time,
		.is_fine = is_for_ever,
	},
	{
		.id = "auto-purge",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_CUPSD,
		.directive = "AutoPurgeJobs",
		.wanted = "No",
		.default_value = "No",
		.leaves =
			"cupsd removes printed jobs that quotas do not need any more, by unlinking "
			"their files",
		.lose = "quotas count a job until spoolguardd has removed it",
		.accepts = is_boolean,
		.is_fine = is_no,
	},
	{
		.id = "max-jobs",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_CUPSD,
		.directive = "MaxJobs",
		.wanted = "0",
		.default_value = "500",
		.leaves =
			"with so many jobs in its memory cupsd removes the oldest printed ones, by "
			"unlinking their files, and refuses new ones if none is printed",
		.lose = "the limit on jobs: a flood of them fills the spool, and is not refused "
			"before",
		.accepts = is_integer,
		.is_fine = is_zero,
	},
	{
		.id = "dirty-interval",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_CUPSD,
		.directive = "DirtyCleanInterval",
		.wanted = "0",
		.default_value = "30",
		.leaves = "a crash of cupsd within that time leaves documents in the spool that no "
			  "control file names, and loses spoolguardd's subscription",
		.lose = "nothing that is noticed: control files are written at once",
		.accepts = is_time,
		.is_fine = is_no_time,
	},
	{
		.id = "log-level",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_CUPSD,
		.directive = "LogLevel",
		.wanted = "warn",
		.default_value = "warn",
		.leaves = "error_log keeps user names, and from debug on titles and whole command "
			  "lines of filters",
		.lose = "detail for finding faults; set it back for the time of a fault, then "
			"overwrite the log",
		.accepts = is_log_level,
		.is_fine = is_quiet,
	},
	{
		.id = "log-history",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_CUPSD,
		.directive = "LogDebugHistory",
		.wanted = "0",
		.default_value = "200",
		.leaves = "when a job fails, so many debug lines of it go to error_log whatever "
			  "LogLevel is: title, user name, command lines of filters",
		.lose = "what led to the failure of a job",
		.accepts = is_integer,
		.is_fine = is_zero,
	},
	{
		.id = "page-log",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_CUPSD,
		.directive = "PageLogFormat",
		.wanted = "",
		.default_value = "%p %u %j %T %P %C %{job-billing} %{job-originating-host-name} "
				 "%{job-name} %{media} %{sides}",
		.leaves = "page_log keeps a line of every job that was ever printed, with what the "
			  "format names (%u is the user, %{job-name} the title)",
		.lose = "accounting from page_log; PageLogFormat \"%p %j %T %P %C\" (the printer, "
			"the "
			"job's number, when, how many pages) may be set instead, and is left alone",
		.is_fine = names_nobody,
	},
	{
		.id = "access-log",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_CUPSD,
		.directive = "AccessLogLevel",
		.wanted = "actions",
		.default_value = "actions",
		.leaves = "access_log keeps every request, also questions, with user names where "
			  "they "
			  "are authenticated",
		.lose = "who asked what; printing and administration are still logged",
		.accepts = is_access_log_level,
		.is_fine = is_not_all,
	},
	{
		.id = "reprint",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_CUPSD,
		.leaves = "between its end and its overwriting a job can be printed again, or "
			  "fetched",
		.lose = "printing a job again, and fetching a document from the queue, for "
			"everybody",
		.mend = "\"spoolguard cups apply\", or in that <Policy>, before every other "
			"<Limit>, a "
			"<Limit> of these operations with \"Require user @spoolguard-nobody\" (a "
			"group that must not exist; \"Deny from all\" does not bind local users)",
	},
	{
		.id = "classification",
		.severity = CUPS_HINT,
		.file = CUPS_CONF_CUPSD,
		.directive = "Classification",
		.default_value = "none",
		.leaves = "cupsd writes once over a file that it removes, after its name is gone, "
			  "with "
			  "one random block repeated: this does not replace the passes, and the "
			  "label "
			  "is printed on every page",
		.mend = "nothing, unless it was set for that overwriting",
		.is_fine = is_none,
	},
	{
		.id = "file-device",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_FILES,
		.directive = "FileDevice",
		.wanted = "No",
		.default_value = "No",
		.leaves = "a queue may be made that writes documents into any file of this machine",
		.lose = "queues that print into a file",
		.accepts = is_boolean,
		.is_fine = is_no,
	},
	{
		.id = "spool-place",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_FILES,
		.leaves = "documents, titles and user names lie unencrypted on a disk, and what is "
			  "freed there is not overwritten",
		.mend = "\"spoolguard cups migrate\" moves it onto an attached volume",
	},
	{
		.id = "temp-place",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_FILES,
		.leaves =
			"what filters make of documents lies unencrypted on a disk, in files that "
			"have no name any more",
		.mend = "do not set TempDir (it is then RequestRoot/tmp), or put it on the volume "
			"or "
			"on a tmpfs",
	},
	{
		.id = "cache-place",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_FILES,
		.leaves = "job.cache and job.cache.O (titles, user names), and rss/ lie "
			  "unencrypted on "
			  "a disk",
		.mend = "\"spoolguard cups migrate\" moves it onto an attached volume",
	},
	{
		.id = "log-place",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_FILES,
		.leaves = "what is logged lies unencrypted on a disk, and so do the copies that "
			  "logrotate makes and removes",
		.mend = "\"spoolguard cups migrate\" moves it onto an attached volume",
	},
	{
		.id = "log-content",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_OTHER,
		.leaves = "what was logged before stays there",
		.mend = "stop cups, \"spoolguard overwrite --remove\" the file, start cups",
	},
	{
		.id = "log-copies",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_OTHER,
		.leaves = "what was logged before stays in a copy",
		.mend = "\"spoolguard overwrite --remove\" the file",
	},
	{
		.id = "queue-device",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_OTHER,
		.leaves = "the queue writes documents elsewhere on this machine",
		.mend = "take the queue away (lpadmin -x), or put that place on the volume too",
	},
	{
		.id = "queue-unknown",
		.severity = CUPS_HINT,
		.file = CUPS_CONF_OTHER,
		.leaves = "the queue's backend is none of CUPS's own: what it writes where is its "
			  "author's choice",
		.mend = "find out whether it keeps files outside of its TMPDIR",
	},
	{
		.id = "subscriptions",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_OTHER,
		.leaves = "events with titles and user names are sent there, and stay where they "
			  "arrive",
		.mend = "cancel the subscription (ipptool, Cancel-Subscription), or do without it",
	},
	{
		.id = "core-dumps",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_OTHER,
		.leaves = "a crash of cupsd or of a filter leaves documents in a core file",
		.lose = "core files of cupsd and of filters",
		.mend = "\"spoolguard cups apply\" sets LimitCORE=0 for cups.service, once the "
			"spool "
			"lies on a volume",
	},
	{
		.id = "host",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_OTHER,
		.leaves = "what programs hold in memory, documents too, reaches a disk unencrypted",
		.mend = "as is said there, then \"spoolguard selftest\"",
	},
	{
		.id = "browsed-log",
		.severity = CUPS_NAMES,
		.file = CUPS_CONF_OTHER,
		.directive = "DebugLogging",
		.default_value = "none",
		.leaves = "cups-browsed keeps what it does, print queues and jobs with their "
			  "users, in "
			  "a log",
		.mend = "take that line out of cups-browsed.conf, restart cups-browsed, "
			"\"spoolguard "
			"overwrite --remove\" its log",
		.is_fine = is_none,
	},
	{
		.id = "filter-debug",
		.severity = CUPS_DOCUMENTS,
		.file = CUPS_CONF_OTHER,
		.leaves = "foomatic-rip writes what it does, with pieces of documents, to "
			  "/tmp/foomatic-rip.log and .ps",
		.mend = "set \"debug: 0\" there, and \"spoolguard overwrite --remove\" these files",
	},
};

const struct cups_residue *cups_residue_rows(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(rows);
	return rows;
}

const struct cups_residue *cups_residue_find(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].id, id) == 0)
			return &rows[i];
	}
	return NULL;
}

const char *cups_residue_line(
	const struct cups_residue *row, char buf[static CUPS_RESIDUE_LINE_BYTES])
{
	snprintf(buf, CUPS_RESIDUE_LINE_BYTES, "%s%s%s", row->directive, row->wanted[0] ? " " : "",
		row->wanted);
	return buf;
}

bool cups_residue_is_line(const char *id, const char *line)
{
	const struct cups_residue *row = cups_residue_find(id);
	char buf[CUPS_RESIDUE_LINE_BYTES];

	if (row && row->directive && row->wanted)
		return strcmp(cups_residue_line(row, buf), line) == 0;
	for (const char *const *ours = cups_policy_refusal; row && *ours; ours++) {
		if (strcmp(id, "reprint") == 0 && strcmp(*ours, line) == 0)
			return true;
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_keys.c - the table of keys, and how the text of each is read
 */
#include "base/bytes.h"
#include "crypto/profile.h"
#include "overwrite/scheme.h"
#include "supervisor/config_impl.h"
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MS_MAX	  (3650ull * 86400u * 1000u) /* ten years */
#define WORDS		  " \t,"
#define SEGMENT_BYTES_MAX (1u << 30)

static bool refuse(char reason[static CONFIG_REASON_BYTES], const char *format, ...)
	format_printf(2, 3);

static bool refuse(char reason[static CONFIG_REASON_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, CONFIG_REASON_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

static void *place(void *section, const struct config_rule *rule)
{
	return (char *)section + rule->offset;
}

/* --- one value --- */

static bool set_text(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	if (strlen(text) >= rule->bytes)
		return refuse(reason, "\"%.100s...\" is too long", text);
	strcpy(place(section, rule), text);
	return true;
}

/* No ".", no "..", no empty component: two texts are the same place only if they are equal. */
static bool is_plain(const char *path)
{
	for (const char *at = path;; at += strcspn(at, "/") + 1) {
		size_t length = strcspn(at, "/");

		if (length == 0 || (length == 1 && at[0] == '.') ||
			(length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		if (at[length] == '\0')
			return true;
	}
}

static bool set_path(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	char path[PATH_MAX];
	size_t length = strlen(text);

	if (text[0] != '/')
		return refuse(reason, "\"%.150s\" is no absolute path; begin it with /", text);
	if (length >= sizeof(path))
		return refuse(reason, "\"%.100s...\" is too long", text);
	strcpy(path, text);
	if (length > 1 && path[length - 1] == '/')
		path[length - 1] = '\0';
	if (path[1] == '\0' || !is_plain(path + 1))
		return refuse(reason,
			"\"%.150s\": write the path without \"//\", \".\" and \"..\", and not / "
			"itself",
			text);
	return set_text(section, rule, path, reason);
}

static bool set_optional_path(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	return text[0] ? set_path(section, rule, text, reason)
		       : set_text(section, rule, text, reason);
}

static bool set_choice(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	size_t used;

	for (int i = 0; rule->choices[i]; i++) {
		if (strcmp(rule->choices[i], text) == 0) {
			memcpy(place(section, rule), &i, sizeof(i)); /* an enum is an int */
			return true;
		}
	}
	used = (size_t)snprintf(reason, CONFIG_REASON_BYTES, "\"%.80s\" is none of:", text);
	for (int i = 0; rule->choices[i] && used < CONFIG_REASON_BYTES; i++)
		used += (size_t)snprintf(
			reason + used, CONFIG_REASON_BYTES - used, " %s", rule->choices[i]);
	return false;
}

static bool set_flag(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	bool *value = place(section, rule);

	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return refuse(reason, "\"%.150s\" is neither yes nor no", text);
	*value = text[0] == 'y';
	return true;
}

static bool set_size(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), bytes;

	if (bytes_parse_size(text, &bytes) < 0)
		return refuse(reason,
			"\"%.150s\" is no size: a number, then K, M, G or T (\"512M\")", text);
	*value = bytes;
	return true;
}

static bool parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{"ms", 1},
		{"s", 1000},
		{"", 1000},
		{"min", 60u * 1000},
		{"h", 3600u * 1000},
		{"d", 86400u * 1000},
	};
	uint64_t number = 0, ms;
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits + strspn(text + digits, " ");

	if (digits == 0 || digits > 15)
		return false;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (bytes_multiply(number, units[i].ms, &ms) < 0 || ms > DURATION_MS_MAX)
			return false;
		*ret_ms = ms;
		return true;
	}
	return false;
}

static bool set_milliseconds(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), ms;

	if (!parse_duration(text, &ms))
		return refuse(reason,
			"\"%.100s\" is no duration: a number, then ms, s, min, h or d (\"30s\"), "
			"up to ten years",
			text);
	*value = ms;
	return true;
}

static bool set_seconds(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), ms;

	if (!parse_duration(text, &ms) || ms % 1000 != 0)
		return refuse(reason,
			"\"%.100s\" is no duration in whole seconds: a number, then s, min, h or d "
			"(\"10min\"), up to ten years",
			text);
	*value = ms / 1000;
	return true;
}

static bool set_age(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), before = *value;

	if (!set_seconds(section, rule, text, reason))
		return false;
	if (*value > 0)
		return true;
	*value = before;
	return refuse(reason, "\"%.100s\" is too short; at least 1s", text);
}

static bool set_segment_size(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), before = *value;

	if (!set_size(section, rule, text, reason))
		return false;
	if (*value >= AUDIT_SEGMENT_BYTES_MIN && *value <= SEGMENT_BYTES_MAX)
		return true;
	*value = before;
	return refuse(reason, "\"%.100s\" is not between %uK and %uM", text,
		AUDIT_SEGMENT_BYTES_MIN >> 10, SEGMENT_BYTES_MAX >> 20);
}

static bool set_schedule(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	struct schedule schedule;

	if (schedule_parse(text, &schedule) < 0)
		return refuse(reason,
			"\"%.80s\" is none of: off, daily 03:00, weekly sun 03:00, monthly 1 03:00 "
			"(days 1 to 28)",
			text);
	*(struct schedule *)place(section, rule) = schedule;
	return true;
}

static bool set_scheme(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	if (text[0] && !scheme_find(text))
		return refuse(reason,
			"there is no scheme \"%.100s\" (\"spoolguard schemes\" lists them)", text);
	return set_text(section, rule, text, reason);
}

static bool set_profile(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	enum profile profile;

	if (text[0] && profile_from_name(text, &profile) < 0)
		return refuse(reason, "there is no profile \"%.100s\" (standard, hcd-cpp)", text);
	return set_text(section, rule, text, reason);
}

static bool set_verify(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	if (text[0] && strcmp(text, "full") != 0 && strcmp(text, "sample") != 0 &&
		strcmp(text, "none") != 0)
		return refuse(reason, "\"%.100s\" is none of: full sample none", text);
	return set_text(section, rule, text, reason);
}

static bool set_approvals(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule);

	if (strlen(text) != 1 || text[0] < '0' || text[0] > '4')
		return refuse(reason, "\"%.100s\" is no number from 0 to 4", text);
	*value = (uint64_t)(text[0] - '0');
	return true;
}

static bool set_pattern(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	if (text[0] == '\0' || strchr(text, '/'))
		return refuse(reason, "\"%.100s\" is no pattern of a file's name", text);
	return set_text(section, rule, text, reason);
}

static bool set_server(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	const char *colon = strrchr(text, ':');

	if (text[0] == '/')
		return set_path(section, rule, text, reason);
	if (!colon || colon == text || colon[1] == '\0' ||
		colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return refuse(reason, "\"%.100s\" is neither a socket's path nor host:port", text);
	return set_text(section, rule, text, reason);
}

static bool set_queue(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	if (strpbrk(text, " \t/#?'\""))
		return refuse(reason, "\"%.100s\" is no name of a queue", text);
	return set_text(section, rule, text, reason);
}

static bool set_enterprise(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	uint64_t *value = place(section, rule), number;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 10 || text[digits] != '\0')
		return refuse(reason, "\"%.100s\" is no number", text);
	number = strtoull(text, NULL, 10);
	if (number == 0 || number > UINT32_MAX)
		return refuse(reason, "\"%.100s\" is no private enterprise number", text);
	*value = number;
	return true;
}

static bool set_device_uuid(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	static const char shape[] = "urn:uuid:00000000-0000-0000-0000-000000000000";

	for (size_t i = 0; text[0] && i < sizeof(shape); i++) {
		bool fits = shape[i] == '0' ? text[i] && strchr("0123456789abcdefABCDEF", text[i])
					    : text[i] == shape[i];

		if (!fits)
			return refuse(reason,
				"\"%.100s\" is no UUID, such as "
				"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
				text);
	}
	return set_text(section, rule, text, reason);
}

/* --- lists --- */

/* The next word of a list, or NULL; false in ret_fits if it is too long for bytes. */
static const char *next_word(const char **at, char *buf, size_t bytes, bool *ret_fits)
{
	size_t length;

	*at += strspn(*at, WORDS);
	length = strcspn(*at, WORDS);
	if (length == 0)
		return NULL;
	*ret_fits = length < bytes;
	if (*ret_fits) {
		memcpy(buf, *at, length);
		buf[length] = '\0';
	}
	*at += length;
	return buf;
}

/* offset is the role. */
static bool set_groups(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	struct config *config = section;
	size_t role = rule->offset, count = 0;
	char groups[CONFIG_GROUPS_MAX][sizeof(config->groups[0][0])] = {""};
	char word[sizeof(config->groups[0][0])];
	const char *at = text;
	bool fits;

	while (next_word(&at, word, sizeof(word), &fits)) {
		if (!fits)
			return refuse(
				reason, "\"%.100s\": a group's name has at most 32 bytes", text);
		if (count == CONFIG_GROUPS_MAX)
			return refuse(reason, "\"%.100s\": a role has at most 8 groups", text);
		strcpy(groups[count++], word);
	}
	memcpy(config->groups[role], groups, sizeof(groups));
	config->group_counts[role] = count;
	return true;
}

static bool check_directory(const char *text, char reason[static CONFIG_REASON_BYTES])
{
	if (text[0] == '/' || !is_plain(text))
		return refuse(reason,
			"\"%.100s\" is no directory of the volume: a path from its root, without "
			"\"//\", \".\" and \"..\"",
			text);
	return true;
}

static bool add_retained(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	struct config_volume *volume = section;
	char word[sizeof(volume->retain[0])];
	const char *at = text;
	bool fits;

	(void)rule;
	while (next_word(&at, word, sizeof(word), &fits)) {
		if (!fits)
			return refuse(reason,
				"\"%.100s\": a directory's name has at most 63 bytes here", text);
		if (!check_directory(word, reason))
			return false;
		if (volume->retain_count == CONFIG_RETAIN_MAX)
			return refuse(reason, "\"%.100s\": a volume retains at most 16 directories",
				word);
		strcpy(volume->retain[volume->retain_count++], word);
	}
	return true;
}

/* "cache:/var/cache/cups" */
static bool add_bind(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	static const struct config_rule at_rule = {
		.offset = offsetof(struct config_bind, at), .bytes = PATH_MAX};
	struct config_volume *volume = section;
	struct config_bind bind = {.directory = ""};
	size_t length = strcspn(text, ":");

	(void)rule;
	if (text[length] != ':' || length >= sizeof(bind.directory))
		return refuse(reason,
			"\"%.100s\" is not DIRECTORY:PLACE (\"cache:/var/cache/cups\"), with at "
			"most 63 bytes before the colon",
			text);
	memcpy(bind.directory, text, length);
	if (!check_directory(bind.directory, reason) ||
		!set_path(&bind, &at_rule, text + length + 1, reason))
		return false;
	if (volume->bind_count == CONFIG_BINDS_MAX)
		return refuse(reason, "\"%.100s\": a volume has at most 8 binds", text);
	volume->binds[volume->bind_count++] = bind;
	return true;
}

/* --- the table --- */

static const char *const on_failure_choices[] = {"hold", "continue-without-receipts", NULL};
static const char *const unlock_choices[] = {"ask", "credential", "key-file", "boot-key", NULL};
static const char *const when_choices[] = {"settled", "unlinked", NULL};
static const char *const scope_choices[] = {"standard", "full", NULL};
static const char *const decommission_verify_choices[] = {"full", "stratified", "hcd", NULL};
static const char *const when_full_choices[] = {"rotate", "stop", NULL};

/* A bool is kept where the second of two choices is meant. */
static bool set_second_choice(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES])
{
	struct config_rule as_enum = *rule;
	int choice = 0;

	as_enum.offset = 0;
	if (!set_choice(&choice, &as_enum, text, reason))
		return false;
	*(bool *)place(section, rule) = choice == 1;
	return true;
}

#define IN(type, member)   .offset = offsetof(type, member)
#define TEXT(type, member) .offset = offsetof(type, member), .bytes = sizeof(((type *)NULL)->member)

#define SERVICE	     "service"
#define ROLES	     "roles"
#define CUPS	     "cups"
#define WIPE	     "wipe"
#define AUDIT	     "audit"
#define DECOMMISSION "decommission"
#define VOLUME	     "volume NAME"
#define WATCH	     "watch NAME"

static const struct config_rule rules[] = {
	{{SERVICE, "socket", "/run/spoolguard/io.spoolguard",
		 "Where the service listens (Varlink)."},
		set_path, TEXT(struct config, socket)},
	{{SERVICE, "state_directory", "/var/lib/spoolguard",
		 "Where the ledger of jobs and the events are kept."},
		set_path, TEXT(struct config, state_directory)},
	{{SERVICE, "on_failure", "hold",
		 "When nothing may be claimed: hold (jobs wait, none is lost) or "
		 "continue-without-receipts."},
		set_choice, IN(struct config, on_failure), .choices = on_failure_choices},
	{{SERVICE, "debt_limit", "0",
		 "New jobs are held while more bytes than this are owed their passes; 0: no "
		 "limit."},
		set_size, IN(struct config, debt_limit_bytes)},
	{{SERVICE, "debt_limit_age", "0",
		 "New jobs are held while the oldest job that is not retired has finished longer "
		 "ago "
		 "than this; 0: no limit."},
		set_seconds, IN(struct config, debt_limit_age_s)},
	{{SERVICE, "retention_limit", "7d",
		 "A job that is held or retained longer than this is named in status; 0: no "
		 "limit."},
		set_seconds, IN(struct config, retention_limit_s)},
	{{SERVICE, "job_abandoned", "60s",
		 "A job that was begun is retired this long after its caller has gone away."},
		set_seconds, IN(struct config, job_abandoned_s)},
	{{SERVICE, "selftest", "daily 03:30",
		 "When the self-tests are run again; they always run at start."},
		set_schedule, IN(struct config, selftest)},
	{{SERVICE, "metrics_file", "",
		 "A text file for node_exporter, written anew when something changed; empty: "
		 "none."},
		set_optional_path, TEXT(struct config, metrics_file)},

	{{ROLES, "pipeline", "lp",
		 "Groups that may begin and complete jobs and ask for the status."},
		set_groups, .offset = CONFIG_PIPELINE},
	{{ROLES, "operator", "lpadmin", "Groups that may sweep, and wipe the spool."}, set_groups,
		.offset = CONFIG_OPERATOR},
	{{ROLES, "technician", "",
		 "Groups that may run self-tests; they never unlock or read data."},
		set_groups, .offset = CONFIG_TECHNICIAN},
	{{ROLES, "administrator", "", "Groups that may do everything; root always may."},
		set_groups, .offset = CONFIG_ADMINISTRATOR},
	{{ROLES, "auditor", "adm", "Groups that may read events, receipts and status."}, set_groups,
		.offset = CONFIG_AUDITOR},

	{{CUPS, "enabled", "yes",
		 "Whether jobs of CUPS are retired; it begins once a volume is mounted where CUPS "
		 "has "
		 "its spool."},
		set_flag, IN(struct config, cups)},
	{{CUPS, "server", "/run/cups/cups.sock", "CUPS: its socket, or host:port."}, set_server,
		TEXT(struct config, cups_server)},
	{{CUPS, "spool", "/var/spool/cups", "The RequestRoot of cups-files.conf."}, set_path,
		TEXT(struct config, cups_spool)},
	{{CUPS, "temp", "/var/spool/cups/tmp", "The TempDir of cups-files.conf."}, set_path,
		TEXT(struct config, cups_temp)},
	{{CUPS, "cache", "/var/cache/cups", "The CacheDir of cups-files.conf."}, set_path,
		TEXT(struct config, cups_cache)},
	{{CUPS, "wake", "/run/cups/spoolguard.wake",
		 "A socket for the notifier; it must lie where CUPS may write to it."},
		set_path, TEXT(struct config, cups_wake)},
	{{CUPS, "poll", "30s", "How often CUPS is asked for jobs if no notification came."},
		set_milliseconds, IN(struct config, cups_poll_ms)},
	{{CUPS, "orphan", "10min",
		 "A file in the spool that belongs to no job for this long is retired."},
		set_seconds, IN(struct config, cups_orphan_s)},
	{{CUPS, "keep_history", "no",
		 "yes: only the files are retired, and the job stays in CUPS with its title and "
		 "user."},
		set_flag, IN(struct config, cups_keep_history)},
	{{CUPS, "state_reason", "yes",
		 "Whether printers show a state reason (IPP) while claims are stopped or jobs wait "
		 "to be overwritten."},
		set_flag, IN(struct config, cups_state_reason)},
	{{CUPS, "restart_command", "",
		 "A shell command that makes CUPS open its files anew, after a wipe has made them "
		 "anew; empty: CUPS is sent a SIGHUP, if it is seen who it is."},
		set_text, TEXT(struct config, cups_restart)},

	{{WIPE, "schedule", "off", "When the spool is wiped without being asked."}, set_schedule,
		IN(struct config, wipe)},
	{{WIPE, "scope", "standard",
		 "What a scheduled wipe takes: standard (all but the retained directories) or full "
		 "(a "
		 "new key)."},
		set_second_choice, IN(struct config, wipe_full), .choices = scope_choices},
	{{WIPE, "confirmation_queue", "",
		 "The queue that a confirmation sheet is printed on; empty: none."},
		set_queue, TEXT(struct config, confirmation_queue)},
	{{WIPE, "confirmation_timeout", "5min", "How long the sheet is waited for."}, set_seconds,
		IN(struct config, confirmation_timeout_s)},

	{{AUDIT, "size", "64M",
		 "What all segments of the audit log may take together; heads of dropped ones "
		 "stay, "
		 "1 kB each."},
		set_size, IN(struct config, audit_size_bytes)},
	{{AUDIT, "segment_size", "1M", "A segment is closed, and signed, before it is larger."},
		set_segment_size, IN(struct config, audit_segment_bytes)},
	{{AUDIT, "segment_age", "1d", "... or when it is older than this."}, set_age,
		IN(struct config, audit_segment_age_s)},
	{{AUDIT, "when_full", "rotate",
		 "rotate (the oldest segment goes, its head stays) or stop (nothing is claimed "
		 "until there is room)."},
		set_choice, IN(struct config, audit_when_full), .choices = when_full_choices},
	{{AUDIT, "journal", "no", "Whether each record is handed on to systemd's journal."},
		set_flag, IN(struct config, audit_journal)},
	{{AUDIT, "journal_socket", "/run/systemd/journal/socket", "Where the journal listens."},
		set_path, TEXT(struct config, audit_journal_socket)},
	{{AUDIT, "syslog", "no", "Whether each record is handed on to syslog (RFC 5424)."},
		set_flag, IN(struct config, audit_syslog)},
	{{AUDIT, "syslog_socket", "/dev/log", "Where syslog listens."}, set_path,
		TEXT(struct config, audit_syslog_socket)},
	{{AUDIT, "sqlite", "",
		 "An SQLite file that mirrors the log, for osquery and the like; empty: none."},
		set_optional_path, TEXT(struct config, audit_sqlite)},
	{{AUDIT, "enterprise_number", "32473",
		 "The private enterprise number of who makes the printer, in syslog's messages; "
		 "32473 is the one for documentation."},
		set_enterprise, IN(struct config, audit_enterprise)},
	{{AUDIT, "device_uuid", "",
		 "The printer's UUID (IPP's printer-uuid), in syslog's messages; empty: none."},
		set_device_uuid, TEXT(struct config, audit_device_uuid)},

	{{DECOMMISSION, "approvals", "0",
		 "How many other persons have to sign before a drive dies; 0 to 4."},
		set_approvals, IN(struct config, decommission.approvals)},
	{{DECOMMISSION, "approvers", "",
		 "The file of their minisign public keys, each behind its comment, which names the "
		 "person; empty: none."},
		set_optional_path, TEXT(struct config, decommission.approvers)},
	{{DECOMMISSION, "approval_window", "1d", "How long after it was asked for one may sign."},
		set_age, IN(struct config, decommission.approval_window_s)},
	{{DECOMMISSION, "verify", "full",
		 "How a drive is read back: full, stratified (samples of the whole drive) or hcd "
		 "(the sectors of the HCD cPP's test)."},
		set_choice, IN(struct config, decommission.verify),
		.choices = decommission_verify_choices},
	{{DECOMMISSION, "scheme", "", "What a drive is overwritten with; empty: the default."},
		set_scheme, TEXT(struct config, decommission.scheme)},
	{{DECOMMISSION, "organization", "", "Whose drives they are, in certificates."}, set_text,
		TEXT(struct config, decommission.organization)},
	{{DECOMMISSION, "location", "", "Where it is done, in certificates."}, set_text,
		TEXT(struct config, decommission.location)},
	{{DECOMMISSION, "contact", "", "Whom to ask, in certificates: telephone, address."},
		set_text, TEXT(struct config, decommission.contact)},
	{{DECOMMISSION, "asset_number", "", "The machine's number in its owner's inventory."},
		set_text, TEXT(struct config, decommission.asset_number)},
	{{DECOMMISSION, "machine_serial", "", "The machine's own serial number."}, set_text,
		TEXT(struct config, decommission.machine_serial)},

	{{VOLUME, "medium", NULL, "The image file or block device; needed."}, set_path,
		TEXT(struct config_volume, medium)},
	{{VOLUME, "mount", NULL, "Where its file system is mounted; needed."}, set_path,
		TEXT(struct config_volume, mount)},
	{{VOLUME, "unlock", "ask",
		 "Where its passphrase comes from: ask (an administrator attaches it), credential "
		 "(systemd's spoolguard.NAME), key-file, or boot-key (made at each boot, in memory "
		 "alone: the spool is lost at power-off)."},
		set_choice, IN(struct config_volume, unlock), .choices = unlock_choices},
	{{VOLUME, "key_file", "", "With key-file: the file; waited for if it is not there yet."},
		set_optional_path, TEXT(struct config_volume, key_file)},
	{{VOLUME, "size", "0", "With boot-key: the size of an image file that does not exist yet."},
		set_size, IN(struct config_volume, size_bytes)},
	{{VOLUME, "scheme", "", "What freed blocks get; empty: what the volume was made with."},
		set_scheme, TEXT(struct config_volume, scheme)},
	{{VOLUME, "verify", "", "How passes are read back: full, sample or none; empty: full."},
		set_verify, TEXT(struct config_volume, verify)},
	{{VOLUME, "profile", "", "standard or hcd-cpp; empty: what the volume was made with."},
		set_profile, TEXT(struct config_volume, profile)},
	{{VOLUME, "bind", NULL,
		 "DIRECTORY:PLACE, a directory of the volume that is mounted elsewhere too; may be "
		 "repeated."},
		add_bind, .repeats = true},
	{{VOLUME, "retain", NULL, "Directories that wipe-spool --standard keeps; may be repeated."},
		add_retained, .repeats = true},

	{{WATCH, "directory", NULL,
		 "A directory of another spooler, on a volume: each file that appears is a job; "
		 "needed."},
		set_path, TEXT(struct config_watch, directory)},
	{{WATCH, "pattern", "*",
		 "Names of its files, as the shell matches them (also @(a|b), !(a|b))."},
		set_pattern, TEXT(struct config_watch, pattern)},
	{{WATCH, "settle", "2s", "A file is finished when nobody has written to it for this long."},
		set_milliseconds, IN(struct config_watch, settle_ms)},
	{{WATCH, "when", "settled",
		 "A file is retired when it has settled, or is unlinked by its spooler (it is kept "
		 "by "
		 "a hard link until then)."},
		set_second_choice, IN(struct config_watch, when_unlinked), .choices = when_choices},
};

static struct config_key keys[ARRAY_SIZE(rules)];

static void fill_keys(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		keys[i] = rules[i].key;
}

const struct config_key *config_keys(size_t *ret_count)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill_keys);
	*ret_count = ARRAY_SIZE(keys);
	return keys;
}

const struct config_rule *config_rule_at(size_t index)
{
	return index < ARRAY_SIZE(rules) ? &rules[index] : NULL;
}

const struct config_rule *config_rule_find(const char *section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (strcmp(rules[i].key.section, section) == 0 &&
			strcmp(rules[i].key.key, key) == 0)
			return &rules[i];
	}
	return NULL;
}

bool config_rule_has_section(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (strcmp(rules[i].key.section, section) == 0)
			return true;
	}
	return false;
}

void config_rule_set_defaults(const char *section, void *at)
{
	char reason[CONFIG_REASON_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct config_rule *rule = &rules[i];
		bool right;

		if (strcmp(rule->key.section, section) != 0 || !rule->key.default_value)
			continue;
		right = rule->set(at, rule, rule->key.default_value, reason);
		assert(right);
		(void)right;
	}
}

const char *config_role_name(enum config_role role)
{
	static const char *const names[] = {
		[CONFIG_PIPELINE] = "pipeline",
		[CONFIG_OPERATOR] = "operator",
		[CONFIG_TECHNICIAN] = "technician",
		[CONFIG_ADMINISTRATOR] = "administrator",
		[CONFIG_AUDITOR] = "auditor",
	};

	assert((size_t)role < ARRAY_SIZE(names));
	return names[role];
}

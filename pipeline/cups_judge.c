/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_policy.h"
#include "pipeline/cups_residue.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- directives --- */

static int judge_row(const struct cups_conf *conf, const struct cups_residue *row, const char *name,
	struct cups_findings *findings)
{
	const struct cups_directive *set = cups_conf_find(conf, row->directive, row->accepts);
	const char *value = set ? cups_directive_value(set) : row->default_value;
	struct cups_finding_source source = {name, set ? set->line : 0, value};

	if (row->is_fine(value))
		return 0;
	return cups_findings_add(findings, row->id, &source, "%s", "");
}

int cups_judge_settings(const struct cups_conf *conf, enum cups_conf_kind file, const char *name,
	struct cups_findings *findings)
{
	const struct cups_residue *rows;
	size_t count;
	int r = 0;

	rows = cups_residue_rows(&count);
	for (size_t i = 0; i < count && r >= 0; i++) {
		if (rows[i].directive && rows[i].file == file)
			r = judge_row(conf, &rows[i], name, findings);
	}
	return r;
}

/* --- policies --- */

static const char *default_policy(const struct cups_conf *conf)
{
	const struct cups_directive *set = cups_conf_find(conf, "DefaultPolicy", NULL);

	return set && set->value ? set->value : "default";
}

static bool is_used(
	const struct cups_conf *conf, const struct cups_conf *queues, const char *policy)
{
	if (strcasecmp(default_policy(conf), policy) == 0)
		return true;
	for (size_t i = 0; queues && i < queues->count; i++) {
		if (cups_directive_is(&queues->items[i], "OpPolicy") &&
			strcasecmp(cups_directive_value(&queues->items[i]), policy) == 0)
			return true;
	}
	return false;
}

/* What the policy lets be done: "Restart-Job, CUPS-Get-Document"; the line that lets the first. */
static unsigned int allowed(
	const struct cups_conf *conf, const char *policy, char *buf, size_t bytes)
{
	unsigned int first = 0, line;

	buf[0] = '\0';
	for (const char *const *operation = cups_policy_operations; *operation; operation++) {
		size_t used = strlen(buf);
		bool refuses;

		if (cups_policy_refuses(conf, policy, *operation, &refuses, &line) < 0 || refuses)
			continue;
		if (first == 0)
			first = line;
		snprintf(buf + used, bytes - used, "%s%s", used ? ", " : "", *operation);
	}
	return first;
}

/* A second <Policy> of one name goes on with the first. */
static bool is_first_of_name(const struct cups_conf *conf, size_t index)
{
	const char *policy = cups_directive_value(&conf->items[index]);

	for (size_t i = 0; i < index; i++) {
		if (cups_policy_begins(&conf->items[i]) &&
			strcasecmp(conf->items[i].value, policy) == 0)
			return false;
	}
	return true;
}

int cups_judge_policies(const struct cups_conf *conf, const struct cups_conf *queues,
	const char *name, struct cups_findings *findings)
{
	bool has_default = false;
	char operations[96];
	int r = 0;

	for (size_t i = 0; i < conf->count && r >= 0; i++) {
		const char *policy = cups_directive_value(&conf->items[i]);
		struct cups_finding_source source = {name, 0, operations};

		if (!cups_policy_begins(&conf->items[i]) || !is_first_of_name(conf, i))
			continue;
		has_default |= strcasecmp(policy, default_policy(conf)) == 0;
		source.line = allowed(conf, policy, operations, sizeof(operations));
		if (source.line)
			r = cups_findings_add(findings, "reprint", &source,
				"the policy \"%s\" lets it be done%s", policy,
				is_used(conf, queues, policy)
					? ""
					: " (no queue uses that policy as far as can be seen)");
	}
	if (r >= 0 && !has_default)
		r = cups_findings_add(findings, "reprint",
			&(struct cups_finding_source){name, 0, "no <Policy>"},
			"there is no <Policy %s>, and the one that cupsd makes up lets users do "
			"it; "
			"take the policies of CUPS's own cupsd.conf (cupsd.conf.default)",
			default_policy(conf));
	return r;
}

/* --- queues --- */

static const struct {
	const char *scheme;
	const char *writes; /* NULL: it sends documents to a printer, and keeps none */
} backends[] = {
	{"ipp", NULL},
	{"ipps", NULL},
	{"http", NULL},
	{"https", NULL},
	{"lpd", NULL},
	{"socket", NULL},
	{"usb", NULL},
	{"parallel", NULL},
	{"serial", NULL},
	{"dnssd", NULL},
	{"mdns", NULL},
	{"snmp", NULL},
	{"bluetooth", NULL},
	{"smb", NULL},
	{"beh", NULL},
	{"implicitclass", NULL},
	{"driverless", NULL},
	{"hp", NULL},
	{"spoolguard", NULL},
	{"file", "each document is written to that file"},
	{"cups-pdf", "each document is kept as PDF (Out in cups-pdf.conf, by default in homes or "
		     "/var/spool/cups-pdf)"},
	{"cups-brf", "each document is kept as a file (by default in the user's home)"},
	{"tea4cups", "documents are copied to temporary files, and given to any program"},
};

static bool has_scheme(const char *uri, const char *scheme)
{
	size_t length = strlen(scheme);

	return strncasecmp(uri, scheme, length) == 0 && (uri[length] == ':' || uri[length] == '\0');
}

static bool is_file_uri(const char *uri)
{
	return has_scheme(uri, "file") && !strstr(uri, "/dev/null");
}

static int judge_queue(
	const struct cups_directive *device, const char *name, struct cups_findings *findings)
{
	const char *uri = cups_directive_value(device);
	char scheme[32];
	struct cups_finding_source source = {name, device->line, scheme};

	/* The rest of a URI may hold a password. */
	snprintf(scheme, sizeof(scheme), "%.*s:", (int)strcspn(uri, ":"), uri);
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!has_scheme(uri, backends[i].scheme))
			continue;
		if (!backends[i].writes || (has_scheme(uri, "file") && !is_file_uri(uri)))
			return 0;
		return cups_findings_add(
			findings, "queue-device", &source, "%s", backends[i].writes);
	}
	return cups_findings_add(findings, "queue-unknown", &source, "%s", "");
}

int cups_judge_queues(
	const struct cups_conf *queues, const char *name, struct cups_findings *findings)
{
	int r = 0;

	for (size_t i = 0; i < queues->count && r >= 0; i++) {
		if (queues->items[i].section && cups_directive_is(&queues->items[i], "DeviceURI"))
			r = judge_queue(&queues->items[i], name, findings);
	}
	return r;
}

const char *cups_queue_to_file(const struct cups_conf *queues)
{
	const char *queue = NULL;

	for (size_t i = 0; i < queues->count; i++) {
		const struct cups_directive *item = &queues->items[i];

		if (item->scope == CUPS_TOP)
			queue = cups_directive_value(item);
		else if (cups_directive_is(item, "DeviceURI") &&
			 is_file_uri(cups_directive_value(item)))
			return queue;
	}
	return NULL;
}

int cups_judge_subscriptions(
	const struct cups_conf *subscriptions, const char *name, struct cups_findings *findings)
{
	int r = 0;

	for (size_t i = 0; i < subscriptions->count && r >= 0; i++) {
		const struct cups_directive *item = &subscriptions->items[i];
		const char *uri = cups_directive_value(item);
		char scheme[32];
		struct cups_finding_source source = {name, item->line, scheme};

		if (!item->section || !cups_directive_is(item, "Recipient") ||
			has_scheme(uri, "spoolguard"))
			continue;
		snprintf(scheme, sizeof(scheme), "%.*s:", (int)strcspn(uri, ":"), uri);
		r = cups_findings_add(findings, "subscriptions", &source, "%s", "");
	}
	return r;
}

/* --- places --- */

static const struct {
	enum cups_path_name name;
	const char *id;
} judged[] = {
	{CUPS_REQUEST_ROOT, "spool-place"},
	{CUPS_TEMP_DIR, "temp-place"},
	{CUPS_CACHE_DIR, "cache-place"},
	{CUPS_ACCESS_LOG, "log-place"},
	{CUPS_ERROR_LOG, "log-place"},
	{CUPS_PAGE_LOG, "log-place"},
};

static int judge_place(const struct cups_path *path, const char *id, const char *files_conf,
	const struct cups_places *places, struct cups_findings *findings)
{
	struct cups_finding_source source = {files_conf, path->line, path->path};

	if (path->path[0] != '/')
		return cups_findings_add(findings, id, &source,
			"%s goes to the system's log or to whoever started cupsd, and is kept "
			"there",
			path->directive);
	if (!cups_path_is_file(path))
		return 0;
	switch (places->find(places->context, path->path)) {
	case CUPS_PLACE_VOLUME:
	case CUPS_PLACE_MEMORY:
		return 0;
	case CUPS_PLACE_DISK:
		return cups_findings_add(findings, id, &source,
			"%s does not lie on a spoolguard volume", path->directive);
	default:
		return cups_findings_doubt(findings, id, &source,
			"on what %s lies cannot be told; run it as root", path->directive);
	}
}

int cups_judge_places(const struct cups_paths *paths, const char *files_conf,
	const struct cups_places *places, struct cups_findings *findings)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(judged) && r >= 0; i++)
		r = judge_place(
			&paths->items[judged[i].name], judged[i].id, files_conf, places, findings);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_export.c - is the audit log sent to another machine?
 */
#include "base/io.h"
#include "cli/check.h"
#include "cli/check_export.h"
#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define CONF_BYTES_MAX (1u << 20)

/* Gives ret_text to free(). */
static int read_conf(const char *path, char **ret_text)
{
	_cleanup_free_ char *text = malloc(CONF_BYTES_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t bytes;
	int r;

	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, text, CONF_BYTES_MAX - 1, &bytes);
	if (r < 0)
		return r;
	text[bytes] = '\0';
	*ret_text = text;
	text = NULL;
	return 0;
}

/* 1: found; 0: not there; -errno: a file could not be read. */
static int find_export(const glob_t *files, struct check_export *ret_export, const char **ret_path)
{
	int worst = 0;

	for (size_t i = 0; i < files->gl_pathc; i++) {
		_cleanup_free_ char *text = NULL;
		int r = read_conf(files->gl_pathv[i], &text);

		*ret_path = files->gl_pathv[i];
		if (r >= 0 && check_export_parse(text, ret_export))
			return 1;
		worst = r < 0 ? r : worst;
	}
	return worst;
}

static void list_files(struct check *check, glob_t *ret_files)
{
	static const char *const patterns[] = {"/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf"};
	const char *root = check->options->host_root ? check->options->host_root : "";

	memset(ret_files, 0, sizeof(*ret_files));
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		char pattern[PATH_MAX + 32];

		snprintf(pattern, sizeof(pattern), "%s%s", root, patterns[i]);
		(void)glob(pattern, i ? GLOB_APPEND : 0, NULL, ret_files);
	}
}

/* What keeps it from being sent; "": nothing. */
static const char *find_gap(const struct config *config, int found,
	const struct check_export *export, char *buf, size_t bytes)
{
	if (!config->audit_syslog)
		return "the service hands nothing to syslog";
	if (!found)
		return "rsyslog has no ruleset for it with a receiver";
	if (strcmp(export->socket, config->audit_syslog_socket) == 0)
		return "";
	snprintf(buf, bytes, "the service hands it to %.200s, and rsyslog takes it from %.200s",
		config->audit_syslog_socket, export->socket[0] ? export->socket : "nowhere");
	return buf;
}

static struct json_object *export_to_json(
	const struct config *config, int found, const struct check_export *export, const char *path)
{
	struct json_object *value = json_object_new_object();
	char text[CHECK_EXPORT_TARGET_BYTES + PATH_MAX + 512], buf[512];
	const char *gap = find_gap(config, found, export, buf, sizeof(buf));

	snprintf(text, sizeof(text), "to %s, %s", export->target, path);
	cli_add_bool(value, "configured", !gap[0]);
	cli_add_bool(value, "tls", export->tls);
	cli_add_bool(value, "verifies_peer", export->verifies_peer);
	cli_add_bool(value, "queued", export->queued);
	cli_add_string(value, "text", gap[0] ? gap : text);
	return value;
}

void check_facts_export(struct check *check)
{
	struct check_export export = {.target = ""};
	const char *path = "";
	glob_t files;
	int r;

	if (!check->has_config) {
		check_no_fact(check, "export", "name the service's configuration: --config", "%s",
			check->no_config);
		return;
	}
	list_files(check, &files);
	r = find_export(&files, &export, &path);
	if (r < 0)
		check_no_fact(check, "export", "run as root", "%s: %s", path, strerror(-r));
	else
		check_fact(check, "export", "the configuration of the service and of rsyslog",
			export_to_json(&check->config, r, &export, path));
	globfree(&files);
}

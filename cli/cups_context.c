/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_context.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CONFIG_DEFAULT "/etc/cups/cupsd.conf"
#define FILES_NAME     "cups-files.conf"

/* --- files --- */

static int open_text(const char *path, struct problem *reterr_problem)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s%s", path, strerror(errno),
			errno == EACCES ? "; run it as root" : "; check the path");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return problem_set(reterr_problem, -EINVAL, "%s is no regular file; check the path", path);
}

int cups_read_text(const char *path, bool may_be_missing, struct cups_text *ret_text,
	struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	char *bytes;
	size_t count = 0;
	int r;

	r = guard_check_confined(path, reterr_problem);
	if (r < 0)
		return r;
	fd = open_text(path, reterr_problem);
	if (fd < 0 && !(fd == -ENOENT && may_be_missing))
		return fd;
	bytes = malloc(CUPS_CONF_BYTES_MAX + 1);
	if (!bytes)
		return -ENOMEM;
	if (fd >= 0) {
		r = io_read_to_end(fd, bytes, CUPS_CONF_BYTES_MAX, &count);
		if (r < 0) {
			free(bytes);
			return problem_set(
				reterr_problem, r, "%s cannot be read: %s", path, strerror(-r));
		}
	}
	bytes[count] = '\0';
	*ret_text = (struct cups_text){bytes, count};
	return 0;
}

/* --- paths --- */

static int set_path(char to[static PATH_MAX], struct problem *reterr_problem, const char *a,
	const char *b, const char *c)
{
	int n = snprintf(to, PATH_MAX, "%s%s%s", a, b, c);

	if (n >= 0 && n < PATH_MAX)
		return 0;
	return problem_set(reterr_problem, -ENAMETOOLONG, "%s%s is too long a path", a, b);
}

int cups_context_path(const struct cups_context *context, const char *path,
	char ret_path[static PATH_MAX], struct problem *reterr_problem)
{
	return set_path(ret_path, reterr_problem, context->options->root, path, "");
}

/* cupsd looks for relative ones from where it stands; we from where we do. */
static int absolute(
	const char *path, char ret_path[static PATH_MAX], struct problem *reterr_problem)
{
	char here[PATH_MAX];

	if (path[0] == '/')
		return set_path(ret_path, reterr_problem, path, "", "");
	if (!getcwd(here, sizeof(here)))
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	return set_path(ret_path, reterr_problem, here, "/", path);
}

static int find_files(struct cups_context *context, struct problem *reterr_problem)
{
	const struct cups_options *options = context->options;
	const char *slash;
	char directory[PATH_MAX];
	int r;

	r = options->config
		    ? absolute(options->config, context->config, reterr_problem)
		    : cups_context_path(context, CONFIG_DEFAULT, context->config, reterr_problem);
	if (r < 0)
		return r;
	if (options->files_config)
		return absolute(options->files_config, context->files_config, reterr_problem);
	slash = strrchr(context->config, '/');
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - context->config + 1),
		context->config);
	return set_path(context->files_config, reterr_problem, directory, FILES_NAME, "");
}

/* --- reading --- */

static int read_both(struct cups_context *context, struct problem *reterr_problem)
{
	int r;

	r = cups_read_text(context->config, false, &context->config_text, reterr_problem);
	if (r >= 0)
		r = cups_read_text(
			context->files_config, true, &context->files_text, reterr_problem);
	if (r < 0)
		return r;
	context->has_files = access(context->files_config, F_OK) == 0;
	r = cups_conf_parse(context->config, context->config_text.bytes, context->config_text.count,
		&context->conf, reterr_problem);
	if (r >= 0)
		r = cups_conf_parse(context->files_config, context->files_text.bytes,
			context->files_text.count, &context->files, reterr_problem);
	return r;
}

/* What of it cannot be read is a doubt for whoever needs it. */
static int read_queues(struct cups_context *context, struct problem *reterr_problem)
{
	struct cups_text text;
	int r;

	r = set_path(context->queues_path, reterr_problem,
		context->paths.items[CUPS_SERVER_ROOT].path, "/printers.conf", "");
	if (r < 0)
		return r;
	context->queues_error = cups_read_text(context->queues_path, true, &text, NULL);
	if (context->queues_error < 0)
		return 0;
	context->queues_error = cups_conf_parse(
		context->queues_path, text.bytes, text.count, &context->queues, NULL);
	cups_text_done(&text);
	return 0;
}

int cups_context_open(const struct cups_options *options, struct cups_context *ret_context,
	struct problem *reterr_problem)
{
	struct cups_context context = {.options = options};
	int r = 0;

	if (options->root[0])
		r = guard_check_confined(options->root, reterr_problem);
	if (r >= 0)
		r = find_files(&context, reterr_problem);
	if (r >= 0)
		r = read_both(&context, reterr_problem);
	if (r >= 0)
		r = cups_paths_get(&context.files, context.config, &context.paths);
	if (r >= 0)
		r = read_queues(&context, reterr_problem);
	if (r < 0) {
		cups_context_done(&context);
		return r;
	}
	*ret_context = context;
	return 0;
}

void cups_context_done(struct cups_context *context)
{
	cups_text_done(&context->config_text);
	cups_text_done(&context->files_text);
	cups_conf_done(&context->conf);
	cups_conf_done(&context->files);
	cups_conf_done(&context->queues);
}

bool cups_is_without(const struct cups_options *options, const char *id)
{
	for (size_t i = 0; i < options->without_count; i++) {
		if (strcmp(options->without[i], id) == 0)
			return true;
	}
	return false;
}

/* --- what a path lies on --- */

enum cups_place cups_context_place(void *context, const char *path)
{
	struct runtime_state state;
	char nearest[PATH_MAX];
	struct statfs fs;
	char *slash;
	int r;

	(void)context;
	if (strlen(path) >= sizeof(nearest))
		return CUPS_PLACE_UNKNOWN;
	strcpy(nearest, path);
	while (statfs(nearest, &fs) < 0) {
		slash = strrchr(nearest, '/');
		if (errno != ENOENT || !slash)
			return CUPS_PLACE_UNKNOWN;
		slash[slash == nearest] = '\0';
	}
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return CUPS_PLACE_MEMORY;
	r = volumes_find_by_file(nearest, &state, NULL);
	return r >= 0 ? CUPS_PLACE_VOLUME : r == -EACCES ? CUPS_PLACE_UNKNOWN : CUPS_PLACE_DISK;
}

/* --- where cupsd answers --- */

/* "*:631", "631", "[::1]", "host": as somebody on this machine reaches it. */
static bool to_address(const char *value, char *ret_address, size_t bytes)
{
	const char *port = strrchr(value, ':');
	int host = port ? (int)(port - value) : (int)strlen(value);

	if (value[0] == '/')
		return snprintf(ret_address, bytes, "%s", value) < (int)bytes;
	if (strspn(value, "0123456789") == strlen(value))
		return snprintf(ret_address, bytes, "localhost:%s", value) < (int)bytes;
	if (value[0] == '[' && (!port || port[-1] != ']')) {
		port = NULL;
		host = (int)strlen(value);
	}
	if (value[0] == '*' || strncmp(value, "0.0.0.0", 7) == 0 || strncmp(value, "[::]", 4) == 0)
		return snprintf(ret_address, bytes, "localhost:%s", port ? port + 1 : "631") <
		       (int)bytes;
	return snprintf(ret_address, bytes, "%.*s:%s", host, value, port ? port + 1 : "631") <
	       (int)bytes;
}

static bool is_listen(const struct cups_directive *item, bool sockets)
{
	return item->scope == CUPS_TOP && item->value && (item->value[0] == '/') == sockets &&
	       (cups_directive_is(item, "Listen") || cups_directive_is(item, "Port"));
}

/* Sockets first: nobody is asked for a password there. */
bool cups_context_address(
	const struct cups_context *context, size_t index, char *ret_address, size_t bytes)
{
	for (int sockets = 1; sockets >= 0; sockets--) {
		for (size_t i = 0; i < context->conf.count; i++) {
			const struct cups_directive *item = &context->conf.items[i];

			if (is_listen(item, sockets) && index-- == 0)
				return to_address(item->value, ret_address, bytes);
		}
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/inprocess_session.h"
#include "base/clock.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

struct ls {
	const char *passphrase_file;
	const char *image;
	const char *directory;
	bool is_long;
	struct json_object *list; /* NULL: text */
};

static const char *type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	default:
		return "special";
	}
}

static void print_json(const struct ls *ls, const struct inprocess_entry *entry)
{
	char when[CLOCK_RFC3339_BYTES];
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "name", entry->name);
	cli_add_string(object, "type", type_of(entry->mode));
	cli_add_u64(object, "bytes", entry->bytes);
	json_object_object_add(object, "mode", json_object_new_int((int)(entry->mode & 07777)));
	cli_add_u64(object, "links", entry->links);
	cli_add_u64(object, "user", entry->uid);
	json_object_object_add(object, "modified",
		json_object_new_string(clock_rfc3339(entry->modified_wall_s, when)));
	json_object_array_add(ls->list, object);
}

static void show(void *context, const struct inprocess_entry *entry)
{
	const struct ls *ls = context;
	char when[CLOCK_RFC3339_BYTES];

	if (ls->list) {
		print_json(ls, entry);
		return;
	}
	if (ls->is_long)
		printf("%c%03o %2" PRIu32 " %6" PRIu32 " %12" PRIu64 " %s ",
			type_of(entry->mode)[0], entry->mode & 0777, entry->links, entry->uid,
			entry->bytes, clock_rfc3339(entry->modified_wall_s, when));
	puts(cli_shown(entry->name));
}

static int list_it(struct ls *ls, bool json)
{
	struct inprocess_session session;
	struct problem problem = {""}, closing = {""};
	struct json_object *object;
	int r, closed;

	r = inprocess_session_open(ls->image, ls->passphrase_file, true, &session, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	ls->list = json ? json_object_new_array() : NULL;
	r = inprocess_list(session.inprocess, ls->directory, show, ls, &problem);
	closed = inprocess_session_close(&session, &closing);
	if (r < 0 || closed < 0) {
		json_object_put(ls->list);
		return r < 0 ? cli_fail(&problem, r) : cli_fail(&closing, closed);
	}
	if (json) {
		object = cli_json("ls");
		json_object_object_add(object, "entries", ls->list);
		cli_print_json(object);
	}
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"passphrase-file", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct ls ls = {.directory = "/"};
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":l", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			ls.passphrase_file = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'l':
			ls.is_long = true;
			break;
		default:
			return cli_usage_error(&cli_verb_ls,
				"\"%s\" is not an option, or needs a value", argv[optind - 1]);
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage_error(&cli_verb_ls, "give IMAGE and perhaps DIR");
	ls.image = argv[optind];
	if (argc - optind == 2)
		ls.directory = argv[optind + 1];
	return list_it(&ls, json);
}

const struct cli_verb cli_verb_ls = {
	.name = "ls",
	.summary = "list the files of an image without mounting it",
	.usage = "usage: spoolguard ls [--passphrase-file F] [-l] [--json] IMAGE [DIR]\n\n"
		 "Lists a directory of the file system of IMAGE, in this process: no root, FUSE,\n"
		 "loop device or mount is needed.\n\n"
		 "  --passphrase-file F  a file, \"-\" or fd:N; else the terminal is asked\n"
		 "  -l                   type, permissions, links, owner, bytes, time of change\n"
		 "  --json               print one object\n",
	.run = run,
};

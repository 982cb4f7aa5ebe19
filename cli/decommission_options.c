/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_options.c - the command line of "spoolguard decommission"
 */
#include "cli/decommission.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELD = 256 }; /* an option that fills a field of the certificate, by its own name */

static const struct option long_options[] = {
	{"dry-run", no_argument, NULL, 'n'},
	{"confirm", required_argument, NULL, 'c'},
	{"scheme", required_argument, NULL, 's'},
	{"verify", required_argument, NULL, 'v'},
	{"certificate", required_argument, NULL, 'C'},
	{"no-sanitize", no_argument, NULL, 'N'},
	{"this-machine", no_argument, NULL, 'T'},
	{"standalone", no_argument, NULL, 'S'},
	{"state", required_argument, NULL, 'd'},
	{"batch", required_argument, NULL, 'b'},
	{"form", required_argument, NULL, 'f'},
	{"backup", required_argument, NULL, 'B'},
	{"search", required_argument, NULL, 't'},
	{"search-file", required_argument, NULL, 'F'},
	{"approvers", required_argument, NULL, 'A'},
	{"approvals", required_argument, NULL, 'a'},
	{"config", required_argument, NULL, 'o'},
	{"json", no_argument, NULL, 'j'},
	{"operator", required_argument, NULL, FIELD},
	{"title", required_argument, NULL, FIELD},
	{"organization", required_argument, NULL, FIELD},
	{"location", required_argument, NULL, FIELD},
	{"contact", required_argument, NULL, FIELD},
	{"asset", required_argument, NULL, FIELD},
	{"machine-serial", required_argument, NULL, FIELD},
	{"source", required_argument, NULL, FIELD},
	{"category-before", required_argument, NULL, FIELD},
	{"category-after", required_argument, NULL, FIELD},
	{"destination", required_argument, NULL, FIELD},
	{"backed-up", required_argument, NULL, FIELD},
	{"backup-location", required_argument, NULL, FIELD},
	{"notes", required_argument, NULL, FIELD},
	{NULL, 0, NULL, 0},
};

/* Adds to a list that has room for most. */
static int add(const char **list, size_t *count, size_t most, const char *name)
{
	if (*count == most)
		return decommission_usage("--%s is given more than %zu times", name, most);
	list[(*count)++] = optarg;
	return 0;
}

static int read_count(const char *text, uint32_t *ret_count)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	if (!*text || *end || count == 0 || count > RECORD_APPROVALS_MAX)
		return decommission_usage(
			"--approvals is 1 to %d, not \"%s\"", RECORD_APPROVALS_MAX, text);
	*ret_count = (uint32_t)count;
	return 0;
}

static int read_scheme(struct decommission_options *options)
{
	options->scheme = scheme_find(optarg);
	return options->scheme
		       ? 0
		       : decommission_usage("there is no scheme \"%s\" (\"spoolguard schemes\" "
					    "lists them)",
				 optarg);
}

static int read_verify(struct decommission_options *options)
{
	options->verify_said = true;
	if (record_verify_parse(optarg, &options->verify) >= 0)
		return 0;
	return decommission_usage("--verify is full, stratified, hcd or none, not \"%s\"", optarg);
}

static int read_field(struct decommission_options *options, const char *name)
{
	if (decommission_form_set(options, name, optarg) >= 0)
		return 0;
	return decommission_usage(
		"--%s is one line of text, and no longer than the certificate has room for", name);
}

static int read_list(int option, const char *name, struct decommission_options *options)
{
	switch (option) {
	case 'c':
		return add(
			options->confirms, &options->confirm_count, DECOMMISSION_DRIVES_MAX, name);
	case 'B':
		return add(options->backups, &options->backup_count, RECORD_VOLUMES_MAX, name);
	default:
		return add(options->search_texts, &options->search_count, RECORD_SEARCH_MAX, name);
	}
}

static int read_flag(int option, struct decommission_options *options)
{
	switch (option) {
	case 'n':
		options->dry_run = true;
		break;
	case 'N':
		options->own_methods = false;
		break;
	case 'T':
		options->this_machine = true;
		break;
	case 'S':
		options->standalone = true;
		break;
	default:
		options->json = true;
		break;
	}
	return 0;
}

static int read_option(int option, const char *name, struct decommission_options *options)
{
	switch (option) {
	case 's':
		return read_scheme(options);
	case 'v':
		return read_verify(options);
	case 'a':
		return read_count(optarg, &options->approvals);
	case FIELD:
		return read_field(options, name);
	case 'c':
	case 'B':
	case 't':
		return read_list(option, name, options);
	case 'C':
		options->certificate = optarg;
		return 0;
	case 'd':
		options->state_directory = optarg;
		return 0;
	case 'b':
		options->batch = optarg;
		return 0;
	case 'f':
		options->form = optarg;
		return 0;
	case 'F':
		options->search_file = optarg;
		return 0;
	case 'A':
		options->approvers = optarg;
		return 0;
	case 'o':
		options->config = optarg;
		return 0;
	default:
		return read_flag(option, options);
	}
}

static int configure(struct decommission_options *options)
{
	struct problem problem = {""};
	int r = decommission_config_read(options, &problem);

	if (r >= 0)
		r = decommission_config_how(options, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	decommission_config_approvals(options);
	decommission_config_state(options);
	return 0;
}

static int check(const struct decommission_options *options, int devices)
{
	if (options->batch && (devices > 0 || options->confirm_count > 0))
		return decommission_usage(
			"with --batch the file names the drives and confirms them; give no other");
	if (options->batch && options->this_machine)
		return decommission_usage("--this-machine is never done from a list");
	if (!options->batch && devices == 0)
		return decommission_usage("name the drives");
	if (devices > DECOMMISSION_DRIVES_MAX)
		return decommission_usage(
			"no more than %d drives at once", DECOMMISSION_DRIVES_MAX);
	if (options->certificate && (devices > 1 || options->batch))
		return decommission_usage("--certificate is for one drive: with several each has "
					  "its own in the state "
					  "directory, or in its line of --batch");
	if (options->approvals && !options->approvers)
		return decommission_usage(
			"--approvals wants --approvers FILE, or a list in the configuration or "
			"in %s",
			DECOMMISSION_APPROVERS);
	return 0;
}

int decommission_parse(int argc, char **argv, struct decommission_options *options)
{
	int option, index, r;

	*options = (struct decommission_options){.own_methods = true};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (option == '?' || option == ':')
			return decommission_usage(
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		r = read_option(option, long_options[index].name, options);
		if (r != 0)
			return r;
	}
	r = configure(options);
	return r != 0 ? r : check(options, argc - optind);
}

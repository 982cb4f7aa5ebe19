/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_public.c - "spoolguard key public": what is to be enrolled where receipts are verified
 *
 * From the state directory; who may not read there asks the service.
 *
 * JSON: {"schema":"spoolguard.device-key/1","key":"RW...","fingerprint","log_root":"RW...",
 *        "log_root_fingerprint","enrolment":"the text"}
 */
#include "audit/trust.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/output_file.h"
#include "cli/service_client.h"
#include "cli/verb_key.h"
#include "keystore/device_keys.h"
#include "supervisor/config.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	const char *config, *output;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			arguments->config = optarg;
		else if (option == 'o')
			arguments->output = optarg;
		else if (option == 'j')
			arguments->json = true;
		else
			return cli_usage_error(&cli_verb_key,
				"\"%s\" means nothing to \"key public\", or lacks its value",
				argv[optind - 1]);
	}
	if (optind != argc)
		return cli_usage_error(&cli_verb_key, "\"key public\" takes no file or device");
	return CLI_YES;
}

/* --- where it comes from --- */

static int read_here(const char *path, char **ret_text, struct problem *reterr_problem)
{
	struct config *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	r = config_read(path, config, reterr_problem);
	if (r >= 0)
		r = device_keys_read_enrolment(config->state_directory, ret_text, reterr_problem);
	free(config);
	return r;
}

static int ask_service(char **ret_text)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *answer;
	int r;

	r = service_client_open(&client, NULL);
	if (r >= 0)
		r = service_client_call(client, "GetDeviceKey", NULL, &answer, NULL);
	if (r < 0)
		return r;
	*ret_text = strdup(service_client_text(answer, "enrolment"));
	json_object_put(answer);
	return *ret_text ? 0 : -ENOMEM;
}

static int find(const struct arguments *arguments, char **ret_text, struct problem *reterr_problem)
{
	int r;

	r = read_here(arguments->config ? arguments->config : CONFIG_PATH_DEFAULT, ret_text,
		reterr_problem);
	if ((r == -EACCES || r == -EPERM || r == -ENOENT) && !arguments->config &&
		ask_service(ret_text) >= 0)
		return 0;
	return r;
}

/* --- print --- */

static int add_key(struct json_object *object, const struct minisign_key *key, const char *name,
	const char *fingerprint_name)
{
	char line[MINISIGN_KEY_LINE_BYTES], fingerprint[MINISIGN_FINGERPRINT_BYTES];
	int r;

	r = minisign_fingerprint(key, fingerprint);
	if (r < 0)
		return r;
	minisign_key_line(key, line);
	cli_add_string(object, name, line);
	cli_add_string(object, fingerprint_name, fingerprint);
	return 0;
}

/* Its text is given to a file, or to stdout; what a person reads out goes to stderr. */
static int print(const struct arguments *arguments, const char *text, struct json_object *object,
	struct problem *reterr_problem)
{
	int r = 0;

	if (arguments->output)
		r = output_file_write(arguments->output, text, strlen(text), reterr_problem);
	if (r < 0)
		return r;
	if (arguments->json) {
		cli_add_string(object, "enrolment", text);
		cli_print_json(json_object_get(object));
		return 0;
	}
	if (!arguments->output)
		fputs(text, stdout);
	fflush(stdout);
	fprintf(stderr,
		"device key fingerprint (SHA-256):     %s\n"
		"audit log root fingerprint (SHA-256): %s\n",
		service_client_text(object, "fingerprint"),
		service_client_text(object, "log_root_fingerprint"));
	return 0;
}

int key_public(int argc, char **argv)
{
	_cleanup_(io_freep) char *text = NULL;
	struct arguments arguments = {.config = NULL};
	struct problem problem = {""};
	struct json_object *object;
	struct trust trust;
	int code, r;

	code = parse(argc, argv, &arguments);
	if (code != CLI_YES)
		return code;
	r = find(&arguments, &text, &problem);
	if (r >= 0)
		r = trust_decode(text, strlen(text), &trust);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	object = cli_json("device-key");
	r = add_key(object, &trust.device, "key", "fingerprint");
	if (r >= 0)
		r = add_key(object, &trust.log_root, "log_root", "log_root_fingerprint");
	if (r >= 0)
		r = print(&arguments, text, object, &problem);
	json_object_put(object);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_approve.c - dual control: the request that is written, the approvals that come in,
 * and what is begun or waits
 *
 * The request is STATE/decommission/ID.request: what is signed, byte by byte.
 */
#include "base/clock.h"
#include "base/durable.h"
#include "base/io.h"
#include "cli/decommission.h"
#include "crypto/minisign_secret.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX (64u << 10)

static int load_policy(const struct decommission_options *options, struct approval_policy *policy,
	struct problem *reterr_problem)
{
	int r = approval_list_load(options->approvers, policy, reterr_problem);

	if (r >= 0) {
		policy->required = options->approvals;
		policy->window_s = options->approval_window_s;
	}
	return r;
}

static int read_request(const struct decommission_options *options, const char *id,
	char ret_path[static TARGET_PATH_BYTES], char *buf)
{
	int r = decommission_path(options, id, "request", ret_path);

	return r < 0 ? r : durable_read(ret_path, buf, REQUEST_BYTES_MAX);
}

static bool is_begun(const struct record *record)
{
	for (int i = 0; i < RECORD_STEPS; i++) {
		if (record->steps[i].state != RECORD_PENDING &&
			record->steps[i].state != RECORD_SKIPPED)
			return true;
	}
	return false;
}

/* Until when a request may be approved; 0: it says nothing of it. */
static int64_t expires(const char *request)
{
	struct json_object *object = json_tokener_parse(request), *until;
	int64_t wall_s = 0;

	if (json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, "expires_wall_s", &until))
		wall_s = json_object_get_int64(until);
	json_object_put(object);
	return wall_s;
}

static int ask(struct decommission_job *job, const struct approval_policy *policy,
	struct problem *reterr_problem)
{
	_cleanup_free_ char *text = NULL;
	char path[TARGET_PATH_BYTES];
	int r = approval_request(job->record, clock_wall_s(), policy->window_s, &text);

	if (r >= 0)
		r = decommission_path(job->options, job->record->id, "request", path);
	if (r >= 0)
		r = durable_write(path, text);
	if (r >= 0) {
		/* Those of an older request are for that one. */
		job->record->approval_count = 0;
		r = record_save(job->options->state_directory, job->record, reterr_problem);
	}
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the request for an approval could not be written: %s; nothing was done",
			strerror(-r));
	return problem_set(reterr_problem, -EAGAIN,
		"%s waits for %u of %u approvals, and nothing was done: \"spoolguard decommission "
		"approve "
		"%s --sign KEY\", or sign %s with minisign; then give the same command again",
		job->device, policy->required, policy->required, job->record->id, path);
}

int decommission_approvals(struct decommission_job *job, struct problem *reterr_problem)
{
	_cleanup_free_ char *buf = malloc(REQUEST_BYTES_MAX);
	char path[TARGET_PATH_BYTES];
	struct approval_policy policy;
	struct record *record = job->record;
	int r;

	if (!buf)
		return -ENOMEM;
	if (job->options->approvals == 0 || is_begun(record))
		return 0;
	record->approvals_required = job->options->approvals;
	r = load_policy(job->options, &policy, reterr_problem);
	if (r < 0)
		return r;
	if (read_request(job->options, record->id, path, buf) < 0 || clock_wall_s() > expires(buf))
		r = ask(job, &policy, reterr_problem);
	else if (record->approval_count < policy.required)
		r = problem_set(reterr_problem, -EAGAIN,
			"%s has %u of %u approvals, and nothing was done: \"spoolguard "
			"decommission "
			"approve %s --sign KEY\", or sign %s with minisign; then give the same "
			"command "
			"again",
			job->device, record->approval_count, policy.required, record->id, path);
	approval_list_done(&policy);
	return r;
}

/* --- decommission approve --- */

struct approve {
	struct decommission_options options;
	const char *id, *key, *passphrase_file, *signature;
};

static int parse_approve(int argc, char **argv, struct approve *approve)
{
	static const struct option options[] = {
		{"sign", required_argument, NULL, 'k'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"signature", required_argument, NULL, 'f'},
		{"approvers", required_argument, NULL, 'a'},
		{"state", required_argument, NULL, 's'},
		{"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'k':
			approve->key = optarg;
			break;
		case 'p':
			approve->passphrase_file = optarg;
			break;
		case 'f':
			approve->signature = optarg;
			break;
		case 'a':
			approve->options.approvers = optarg;
			break;
		case 's':
			approve->options.state_directory = optarg;
			break;
		case 'c':
			approve->options.config = optarg;
			break;
		default:
			return decommission_usage(
				"\"%s\" is not an option of \"approve\", or lacks its value",
				argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return decommission_usage(
			"approve: name one id (\"decommission status\" lists them)");
	if (!approve->key == !approve->signature)
		return decommission_usage("approve: give --sign KEY or --signature FILE");
	approve->id = argv[optind];
	return 0;
}

static int read_key(const struct approve *approve, struct secret **ret_seed,
	struct minisign_key *ret_key, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *text = NULL, *passphrase = NULL;
	_cleanup_close_ int fd = open(approve->key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : secret_read_fd(fd, MINISIGN_TEXT_MAX, &text);

	if (r < 0)
		return problem_set(reterr_problem, r, "the key %s cannot be read: %s", approve->key,
			strerror(-r));
	if (secret_size(text) > 0 && minisign_secret_is_encrypted(text)) {
		r = cli_read_passphrase(approve->passphrase_file, "Passphrase of the key", false,
			&passphrase, reterr_problem);
		if (r < 0)
			return r;
		/* As typed: minisign takes a line. */
		while (secret_size(passphrase) > 0 &&
			secret_peek(passphrase)[secret_size(passphrase) - 1] == '\n')
			secret_truncate(passphrase, secret_size(passphrase) - 1);
	}
	r = secret_size(text) > 0 ? minisign_secret_decode(text, passphrase, ret_seed, ret_key)
				  : -EINVAL;
	if (r == -EPERM)
		return problem_set(reterr_problem, r,
			"the key %s does not open: the passphrase is wrong, or the file damaged",
			approve->key);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s is no secret key of minisign, or it cannot be opened here: %s",
			approve->key, strerror(-r));
	return 0;
}

/* Gives. */
static int make_signature(const struct approve *approve, const char *request, char **ret_signature,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *seed = NULL;
	char comment[MINISIGN_COMMENT_BYTES], *buf;
	struct minisign_key key;
	int r;

	if (approve->key) {
		r = read_key(approve, &seed, &key, reterr_problem);
		if (r < 0)
			return r;
		snprintf(comment, sizeof(comment),
			"timestamp:%lld spoolguard decommission-request %s",
			(long long)clock_wall_s(), approve->id);
		return minisign_sign(seed, &key, request, strlen(request), comment, ret_signature);
	}
	buf = malloc(MINISIGN_TEXT_MAX + 1);
	r = buf ? durable_read(approve->signature, buf, MINISIGN_TEXT_MAX + 1) : -ENOMEM;
	if (r < 0) {
		free(buf);
		return problem_set(reterr_problem, r, "the signature %s cannot be read: %s",
			approve->signature, strerror(-r));
	}
	*ret_signature = buf;
	return 0;
}

static int lock_record(const struct decommission_options *options, const struct record *record,
	int *ret_lock, struct problem *reterr_problem)
{
	char path[TARGET_PATH_BYTES];
	int r = decommission_path(
		options, record->identity.key[0] ? record->identity.key : "none", "lock", path);
	int fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) < 0) {
		close(fd);
		return problem_set(reterr_problem, -EBUSY, "its record is locked");
	}
	*ret_lock = fd;
	return 0;
}

static int accept_approval(struct approve *approve, struct problem *reterr_problem)
{
	_cleanup_(record_freep) struct record *record = NULL;
	_cleanup_free_ char *request = malloc(REQUEST_BYTES_MAX), *signature = NULL;
	_cleanup_close_ int held = -1;
	const char *state = approve->options.state_directory;
	struct approval_policy policy;
	char path[TARGET_PATH_BYTES];
	int r;

	if (!request)
		return -ENOMEM;
	r = record_find(state, approve->id, &record, reterr_problem);
	if (r == -ENOENT)
		return problem_set(reterr_problem, r,
			"no decommissioning \"%s\" was begun here: \"spoolguard decommission "
			"status\" lists "
			"them",
			approve->id);
	if (r >= 0)
		r = lock_record(&approve->options, record, &held, reterr_problem);
	if (r >= 0 && read_request(&approve->options, record->id, path, request) < 0)
		r = problem_set(reterr_problem, -ENOENT,
			"\"%s\" has asked for no approval: there is nothing to sign", approve->id);
	if (r >= 0)
		r = load_policy(&approve->options, &policy, reterr_problem);
	if (r < 0)
		return r;
	fputs(request, stdout);
	r = make_signature(approve, request, &signature, reterr_problem);
	if (r >= 0)
		r = approval_accept(record, request, strlen(request), signature, strlen(signature),
			&policy, clock_wall_s(), reterr_problem);
	approval_list_done(&policy);
	if (r >= 0)
		r = record_save(state, record, reterr_problem);
	if (r >= 0)
		printf("approved by %s (key %s)\n",
			cli_shown(record->approvals[record->approval_count - 1].person.name),
			record->approvals[record->approval_count - 1].key_id);
	return r;
}

int decommission_approve(int argc, char **argv)
{
	struct approve approve = {.options = {.approvals = 1}};
	struct problem problem = {""};
	int r = parse_approve(argc, argv, &approve);

	if (r != 0)
		return r;
	r = decommission_config_read(&approve.options, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	decommission_config_approvals(&approve.options);
	decommission_config_state(&approve.options);
	if (!approve.options.approvers)
		approve.options.approvers = DECOMMISSION_APPROVERS;
	r = accept_approval(&approve, &problem);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

/* --- decommission status --- */

static const char *waits_for(const struct record *record)
{
	if (!is_begun(record) && record->approval_count < record->approvals_required)
		return "approval";
	for (int i = 0; i < RECORD_STEPS; i++) {
		if (record->steps[i].state == RECORD_BEGUN ||
			record->steps[i].state == RECORD_PENDING)
			return record_step_name((enum record_step)i);
	}
	return "certificate";
}

static void add_status(struct json_object *list, const struct record *record, bool json)
{
	struct json_object *object;

	if (!json) {
		printf("%s  %s (%s): next: %s; approvals %u of %u\n", record->id,
			cli_shown(record->identity.serial), cli_shown(record->model),
			waits_for(record), record->approval_count, record->approvals_required);
		return;
	}
	object = json_object_new_object();
	cli_add_string(object, "id", record->id);
	cli_add_string(object, "serial", record->identity.serial);
	cli_add_bool(object, "serial_is_stand_in", record->identity.is_stand_in);
	cli_add_string(object, "model", record->model);
	cli_add_bool(object, "begun", is_begun(record));
	cli_add_string(object, "next", waits_for(record));
	cli_add_u64(object, "approvals", record->approval_count);
	cli_add_u64(object, "approvals_required", record->approvals_required);
	cli_add_string(object, "certificate", record->certificate_path);
	json_object_array_add(list, object);
}

/* KEY.json, and neither a lock nor a finished one. */
static bool is_record(const char *name, char key[static IDENTITY_KEY_BYTES])
{
	size_t length = strcspn(name, ".");

	if (strcmp(name + length, ".json") != 0 || length >= IDENTITY_KEY_BYTES || length == 0)
		return false;
	memcpy(key, name, length);
	key[length] = '\0';
	return true;
}

static int list_all(const char *state, struct json_object *list, bool json)
{
	char path[TARGET_PATH_BYTES], key[IDENTITY_KEY_BYTES];
	struct dirent *entry;
	int code = CLI_YES;
	DIR *directory;

	snprintf(path, sizeof(path), "%.400s/decommission", state);
	directory = opendir(path);
	if (!directory && errno == ENOENT)
		return CLI_YES;
	if (!directory) {
		cli_warn("%s cannot be read: %s", path, strerror(errno));
		return CLI_NO;
	}
	while ((entry = readdir(directory))) {
		_cleanup_(record_freep) struct record *record = NULL;
		struct problem problem = {""};
		int r;

		if (!is_record(entry->d_name, key))
			continue;
		r = record_load(state, key, &record, &problem);
		if (r >= 0)
			add_status(list, record, json);
		else
			code = cli_fail(&problem, r);
	}
	closedir(directory);
	return code;
}

int decommission_status(int argc, char **argv)
{
	struct decommission_options options = {.state_directory = NULL};
	struct json_object *object, *list;
	struct problem problem = {""};
	bool json = false;
	int code, r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
			options.state_directory = argv[++i];
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			options.config = argv[++i];
		else
			return decommission_usage("\"%s\" is not an option of \"status\"", argv[i]);
	}
	r = decommission_config_read(&options, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	decommission_config_state(&options);
	list = json_object_new_array();
	code = list_all(options.state_directory, list, json);
	if (!json) {
		json_object_put(list);
		return code;
	}
	object = cli_json("decommission-status");
	json_object_object_add(object, "decommissionings", list);
	cli_print_json(object);
	return code;
}

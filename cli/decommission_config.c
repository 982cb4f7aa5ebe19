/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_config.c - spoolguard.conf's [decommission]: the defaults of "spoolguard
 * decommission", and the approvals that its command line cannot go below
 *
 * The usual file is the administrator's word in any case: one that --config names adds approvals to
 * it, and takes none away.
 */
#include "base/io.h"
#include "cli/decommission.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_file(const char *path, struct config *config, struct problem *reterr_problem)
{
	struct problem why = {""};
	int r = config_read(path, config, &why);

	if (r < 0)
		return problem_set(reterr_problem, r,
			"%.400s; what drives are decommissioned by is not known, and nothing was "
			"done",
			problem_text(&why, r));
	return 0;
}

/* What the usual file asks for stays. */
static int add_usual(
	struct decommission_options *options, struct config *config, struct problem *reterr_problem)
{
	struct config_decommission *of_file = &options->configured;
	const struct config_decommission *usual = &config->decommission;
	int r = read_file(CONFIG_PATH_DEFAULT, config, reterr_problem);

	if (r < 0 || usual->approvals == 0)
		return r;
	if (of_file->approvals < usual->approvals)
		of_file->approvals = usual->approvals;
	memcpy(of_file->approvers, usual->approvers, sizeof(of_file->approvers));
	of_file->approval_window_s = usual->approval_window_s;
	return 0;
}

int decommission_config_read(struct decommission_options *options, struct problem *reterr_problem)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	const char *path = options->config ? options->config : CONFIG_PATH_DEFAULT;
	int n, r;

	if (!config)
		return -ENOMEM;
	r = read_file(path, config, reterr_problem);
	if (r < 0)
		return r;
	options->configured = config->decommission;
	n = snprintf(options->configured_state, sizeof(options->configured_state), "%s",
		config->state_directory);
	if (n >= (int)sizeof(options->configured_state))
		return problem_set(reterr_problem, -ENAMETOOLONG,
			"%s: state_directory is too long a name", path);
	return strcmp(path, CONFIG_PATH_DEFAULT) == 0 ? 0
						      : add_usual(options, config, reterr_problem);
}

/* --- approvals --- */

void decommission_config_approvals(struct decommission_options *options)
{
	const struct config_decommission *configured = &options->configured;
	const char *named = options->approvers;

	options->approval_window_s = (uint32_t)configured->approval_window_s;
	if (configured->approvals > 0)
		options->approvers = configured->approvers;
	else if (access(DECOMMISSION_APPROVERS, F_OK) == 0)
		options->approvers = DECOMMISSION_APPROVERS;
	else if (!named && options->approvals > 0 && configured->approvers[0])
		options->approvers = configured->approvers;
	if (named && strcmp(named, options->approvers) != 0)
		cli_warn("--approvers %s is not taken: the administrator's list is %s",
			cli_shown(named), cli_shown(options->approvers));
	if (options->approvals < configured->approvals)
		options->approvals = (uint32_t)configured->approvals;
	/* Nobody is without a second person by leaving an option out. */
	if (options->approvers && options->approvals == 0)
		options->approvals = 1;
}

/* --- places and texts --- */

void decommission_config_state(struct decommission_options *options)
{
	const char *state = getenv("SPOOLGUARD_STATE_DIR");

	if (!options->state_directory)
		options->state_directory = state && *state ? state : options->configured_state;
}

static void fill(char *field, const char *text)
{
	if (!field[0])
		snprintf(field, RECORD_TEXT_BYTES, "%.*s", RECORD_TEXT_BYTES - 1, text);
}

static_assert(CONFIG_TEXT_BYTES <= RECORD_TEXT_BYTES, "a certificate has room for it");

void decommission_config_fields(struct decommission_options *options)
{
	const struct config_decommission *configured = &options->configured;

	fill(options->operator_.organization, configured->organization);
	fill(options->operator_.location, configured->location);
	fill(options->operator_.contact, configured->contact);
	fill(options->media.asset_number, configured->asset_number);
	fill(options->media.machine_serial, configured->machine_serial);
}

/* --- scheme and read-back --- */

int decommission_config_how(struct decommission_options *options, struct problem *reterr_problem)
{
	static const enum record_verify verify[] = {
		[CONFIG_VERIFY_FULL] = RECORD_VERIFY_FULL,
		[CONFIG_VERIFY_STRATIFIED] = RECORD_VERIFY_STRATIFIED,
		[CONFIG_VERIFY_HCD] = RECORD_VERIFY_HCD,
	};
	const struct config_decommission *configured = &options->configured;

	if (!options->verify_said)
		options->verify = verify[configured->verify];
	if (options->scheme)
		return 0;
	options->scheme =
		configured->scheme[0] ? scheme_find(configured->scheme) : scheme_default();
	if (options->scheme)
		return 0;
	return problem_set(reterr_problem, -EINVAL,
		"the configuration's [decommission] scheme \"%s\" is not one that is known here",
		configured->scheme);
}

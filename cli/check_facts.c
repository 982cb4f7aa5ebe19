/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts.c - everything that is looked at for "spoolguard check", in one object
 */
#include "base/build_id.h"
#include "base/clock.h"
#include "cli/check.h"
#include "cli/cli.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>

/* --- facts --- */

static struct json_object *list_of_facts(struct check *check)
{
	return json_object_object_get(check->facts, "facts");
}

void check_fact(struct check *check, const char *name, const char *how, struct json_object *value)
{
	struct json_object *fact = json_object_new_object();
	char now[CLOCK_RFC3339_BYTES];

	json_object_object_add(fact, "value", value);
	cli_add_string(fact, "seen", clock_rfc3339(clock_wall_s(), now));
	cli_add_string(fact, "how", how);
	json_object_object_add(list_of_facts(check), name, fact);
}

void check_no_fact(struct check *check, const char *name, const char *mend, const char *format, ...)
{
	struct json_object *fact = json_object_new_object();
	char why[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	cli_add_string(fact, "why", why);
	cli_add_string(fact, "mend", mend);
	json_object_object_add(list_of_facts(check), name, fact);
}

/* --- where to look --- */

static void ask_service(struct check *check)
{
	struct problem problem = {""};
	int r = service_client_open(&check->service, &problem);

	if (r >= 0)
		r = service_client_call(
			check->service, "GetStatus", NULL, &check->status, &problem);
	if (r >= 0)
		return;
	service_client_free(check->service);
	check->service = NULL;
	snprintf(check->no_service, sizeof(check->no_service), "%s",
		r == -ESRCH ? "no service answers" : problem_text(&problem, r));
}

static void read_config(struct check *check)
{
	const char *path = check->options->config ? check->options->config : CONFIG_PATH_DEFAULT;
	struct problem problem = {""};
	int r = config_read(path, &check->config, &problem);

	check->has_config = r >= 0;
	if (r < 0)
		snprintf(check->no_config, sizeof(check->no_config), "%s",
			problem_text(&problem, r));
}

static void read_trust(struct check *check)
{
	const char *path = check->options->trust;
	char own[PATH_MAX + 32];
	struct problem problem = {""};
	int r;

	if (!path && !check->has_config) {
		snprintf(check->no_trust, sizeof(check->no_trust), "%s", check->no_config);
		return;
	}
	snprintf(own, sizeof(own), "%s/keys/enrolment.pub", check->config.state_directory);
	r = trust_read(path ? path : own, &check->trust, &problem);
	check->has_trust = r >= 0;
	if (r < 0)
		snprintf(check->no_trust, sizeof(check->no_trust), "%s",
			path ? problem_text(&problem, r)
			     : "the device's own key could not be read, and no other was given");
}

/* --- all of it --- */

static void add_head(struct check *check)
{
	char now[CLOCK_RFC3339_BYTES], build[BUILD_ID_BYTES];
	struct utsname name;

	cli_add_string(check->facts, "time", clock_rfc3339(clock_wall_s(), now));
	cli_add_string(check->facts, "host", uname(&name) < 0 ? "" : name.nodename);
	cli_add_string(check->facts, "version", SPOOLGUARD_VERSION);
	cli_add_string(check->facts, "build", build_id(build));
	json_object_object_add(check->facts, "facts", json_object_new_object());
}

int check_facts_gather(const struct check_options *options, struct json_object **ret_facts,
	struct problem *reterr_problem)
{
	static struct check check; /* a configuration is large */

	(void)reterr_problem;
	memset(&check, 0, sizeof(check));
	check.options = options;
	check.facts = json_object_new_object();
	if (!check.facts)
		return -ENOMEM;
	add_head(&check);
	ask_service(&check);
	read_config(&check);
	read_trust(&check);
	check_facts_service(&check);
	check_facts_volumes(&check);
	check_facts_cups(&check);
	check_facts_selftest(&check);
	check_facts_state(&check);
	check_facts_log(&check);
	check_facts_receipts(&check);
	check_facts_export(&check);
	json_object_put(check.status);
	service_client_free(check.service);
	*ret_facts = check.facts;
	return 0;
}

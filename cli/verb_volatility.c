/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_volatility.c - "spoolguard volatility": the statement of volatility of the running system
 *
 *   {"schema":"spoolguard.volatility/1","time","host","version","service":bool,
 *    "complete":bool,"places":[{...}],"not_covered":["..."]}      places: volatility.h
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/volatility.h"
#include "supervisor/config.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const not_covered[] = {
	"Printers and other print devices: each has memory, often storage, of its own; its maker's "
	"statement of volatility speaks of it.",
	"Firmware of this machine and of its drives, and caches and reserved areas within drives: "
	"spoolguard stores nothing there and cannot clear them; a drive's own sanitize does.",
	"What users and applications keep of what they printed, on this machine or on others.",
};

static const char *text_of(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	return text ? text : "";
}

static bool flag_of(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

static void print_drive(struct json_object *medium)
{
	struct json_object *drive = json_object_object_get(medium, "drive");

	if (drive)
		printf("  %-16s%s%s%s%s%s%s%s\n", "drive", cli_shown(text_of(drive, "name")),
			text_of(drive, "model")[0] ? ", " : "", cli_shown(text_of(drive, "model")),
			text_of(drive, "serial")[0] == '\0'    ? ""
			: flag_of(drive, "serial_is_stand_in") ? ", known as "
							       : ", serial ",
			cli_shown(text_of(drive, "serial")),
			text_of(drive, "firmware")[0] ? ", firmware " : "",
			cli_shown(text_of(drive, "firmware")));
	if (medium)
		printf("  %-16s%s: %s (%s)\n", "overwriting", text_of(medium, "overwrite"),
			cli_shown(text_of(medium, "reason")), text_of(medium, "clause"));
}

static void print_place(struct json_object *place)
{
	static const char *const columns[][2] = {{"type", "type"}, {"removable", "removable"},
		{"volatile", "volatile"}, {"user-modifiable", "user_modifiable"},
		{"encrypted", "encrypted"}, {"contents", "contents"}, {"cleared", "cleared"},
		{"by", "by"}};
	struct json_object *bytes = json_object_object_get(place, "size_bytes");
	const char *where = text_of(place, "where");
	char size[32];

	printf("\n%s%s%s\n", text_of(place, "place"), where[0] ? ": " : "", cli_shown(where));
	if (bytes)
		printf("  %-16s%s\n", "size",
			bytes_format_size(json_object_get_uint64(bytes), size, sizeof(size)));
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf("  %-16s%s\n", columns[i][0], cli_shown(text_of(place, columns[i][1])));
	print_drive(json_object_object_get(place, "medium"));
	if (!flag_of(place, "known"))
		printf("  %-16s%s\n", "NOT KNOWN", cli_shown(text_of(place, "why")));
}

static struct json_object *make(const struct volatility_options *options)
{
	struct json_object *object = cli_json("volatility"), *places = json_object_new_array();
	struct json_object *list = json_object_new_array();
	char time[CLOCK_RFC3339_BYTES], host[256] = "";
	bool service = false, complete = true;

	(void)gethostname(host, sizeof(host) - 1);
	volatility_add_memory(places);
	volatility_add_volumes(places, options, &service);
	volatility_add_state(places, options);
	volatility_add_cups(places, options);
	volatility_add_host(places);
	for (size_t i = 0; i < json_object_array_length(places); i++)
		complete = complete && flag_of(json_object_array_get_idx(places, i), "known");
	for (size_t i = 0; i < ARRAY_SIZE(not_covered); i++)
		json_object_array_add(list, json_object_new_string(not_covered[i]));
	cli_add_string(object, "time", clock_rfc3339(clock_wall_s(), time));
	cli_add_string(object, "host", host);
	cli_add_string(object, "version", SPOOLGUARD_VERSION);
	cli_add_bool(object, "service", service);
	cli_add_bool(object, "complete", complete);
	json_object_object_add(object, "places", places);
	json_object_object_add(object, "not_covered", list);
	return object;
}

static void print_text(struct json_object *object)
{
	struct json_object *places = json_object_object_get(object, "places");

	printf("Statement of volatility: %s, %s (spoolguard %s)\n",
		cli_shown(text_of(object, "host")), text_of(object, "time"),
		text_of(object, "version"));
	if (!flag_of(object, "service"))
		printf("The service does not answer: what only it knows is said to be not "
		       "known.\n");
	for (size_t i = 0; i < json_object_array_length(places); i++)
		print_place(json_object_array_get_idx(places, i));
	printf("\nNot covered:\n");
	for (size_t i = 0; i < ARRAY_SIZE(not_covered); i++)
		printf("  %s\n", not_covered[i]);
}

static int run(int argc, char **argv)
{
	static const struct option table[] = {
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{"cups-config", required_argument, NULL, 'C'},
		{NULL, 0, NULL, 0},
	};
	struct volatility_options options = {.config = CONFIG_PATH_DEFAULT};
	struct json_object *object;
	bool json = false, complete;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'c')
			options.config = optarg;
		else if (option == 'C')
			options.cups_config = optarg;
		else
			return cli_usage_error(&cli_verb_volatility,
				"\"%s\" is not an option of this verb, or lacks its value",
				cli_typed_option(argv));
	}
	if (optind < argc)
		return cli_usage_error(
			&cli_verb_volatility, "\"%s\" is one word too many", argv[optind]);
	object = make(&options);
	complete = flag_of(object, "complete");
	if (json) {
		cli_print_json(object);
	} else {
		print_text(object);
		json_object_put(object);
	}
	return complete ? CLI_YES : CLI_CANNOT_TELL;
}

const struct cli_verb cli_verb_volatility = {
	.name = "volatility",
	.summary = "the statement of volatility: each place that holds data, and how it is cleared",
	.usage =
		"usage: spoolguard volatility [--json] [--config FILE] [--cups-config FILE]\n\n"
		"Looks at the running system and says of each place that holds data (memory, "
		"spool\n"
		"volumes, the service's state, CUPS's spool, cache and logs, swap, core dumps, "
		"TPM):\n"
		"type, size, whether it can be removed, whether it forgets without power, whether "
		"a\n"
		"user can change it, what lies there, how that is cleared and by whom, on which\n"
		"drive it lies, and what overwriting can promise there (NIST SP 800-88r2).\n\n"
		"  --config FILE        the service's configuration\n"
		"  --cups-config FILE   cupsd.conf\n\n"
		"Nothing is changed.  Without the service, or not as root, what cannot be seen is\n"
		"said to be not known.  Exit code: 0 all of it is known, 3 something is not.\n",
	.run = run,
};

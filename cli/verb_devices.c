/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/devices_print.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct devices {
	struct target **targets; /* owned, each too */
	size_t count, left_out;
	bool refused; /* one that was named cannot be looked at */
};

static void devices_done(struct devices *devices)
{
	for (size_t i = 0; i < devices->count; i++)
		target_free(devices->targets[i]);
	free(devices->targets);
}

static int look_at_named(char **paths, size_t count, struct devices *devices)
{
	struct problem problem;
	int r;

	devices->targets = calloc(count, sizeof(struct target *));
	if (!devices->targets)
		return cli_fail(NULL, -ENOMEM);
	for (size_t i = 0; i < count; i++) {
		problem = (struct problem){""};
		r = target_look(paths[i], NULL, &devices->targets[devices->count], &problem);
		if (r < 0) {
			(void)cli_fail(&problem, r);
			devices->refused = true;
		} else {
			devices->count++;
		}
	}
	return CLI_YES;
}

static int look_at_all(struct devices *devices)
{
	struct problem problem;
	int r = target_list(NULL, &devices->targets, &devices->count, &devices->left_out);

	if (r >= 0)
		return CLI_YES;
	(void)problem_set(
		&problem, r, "the drives cannot be listed: %s; is /sys mounted?", strerror(-r));
	return cli_fail(&problem, r);
}

static void print_json(const struct devices *devices)
{
	struct json_object *object = cli_json("devices");
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < devices->count; i++)
		json_object_array_add(list, devices_to_json(devices->targets[i]));
	json_object_object_add(object, "devices", list);
	cli_add_u64(object, "left_out", devices->left_out);
	cli_print_json(object);
}

static void print_text(const struct devices *devices)
{
	for (size_t i = 0; i < devices->count; i++) {
		if (i > 0)
			putchar('\n');
		devices_print_text(devices->targets[i]);
	}
	if (devices->count == 0 && !devices->refused)
		puts("no drives");
}

static int run(int argc, char **argv)
{
	enum { JSON = 256 };
	static const struct option known[] = {
		{"json", no_argument, NULL, JSON},
		{NULL, 0, NULL, 0},
	};
	_cleanup_(devices_done) struct devices devices = {.count = 0};
	bool json = false;
	int option, r;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		if (option != JSON)
			return cli_usage_error(&cli_verb_devices,
				"\"%s\" is not an option of this verb", cli_typed_option(argv));
		json = true;
	}
	r = optind < argc ? look_at_named(argv + optind, (size_t)(argc - optind), &devices)
			  : look_at_all(&devices);
	if (r != CLI_YES)
		return r;
	if (json)
		print_json(&devices);
	else
		print_text(&devices);
	if (devices.left_out > 0)
		cli_warn("%zu more could not be looked at; name one to be told why",
			devices.left_out);
	return devices.refused ? CLI_NO : CLI_YES;
}

const struct cli_verb cli_verb_devices = {
	.name = "devices",
	.summary = "list the drives: what each is, how it can be made to forget, who uses it",
	.usage =
		"usage: spoolguard devices [--json] [DEVICE...]\n\n"
		"Looks at every drive of this machine, and every loop device, or at each DEVICE "
		"that is\n"
		"named, and changes nothing: model, serial number, WWN, firmware, size, true size "
		"where\n"
		"a part is hidden (HPA, AMA, DCO), sectors, kind of medium, how it is connected, "
		"its own\n"
		"methods to forget with the time that it estimates, and why it has not the "
		"others,\n"
		"health, what on this system uses it, what lies on it, which volumes, and what a "
		"method\n"
		"would reach beside it.  Last what is recommended, and what could be claimed of "
		"it\n"
		"in the terms of SP 800-88r2: Purge, Clear, or neither.\n\n"
		"  --json                one JSON object\n\n"
		"Root is told all.  Others see what sysfs tells; what could not be asked is said.\n"
		"A device without a serial number has a stand-in for one, and it is marked.  A\n"
		"partition, and what stands on drives (LVM, RAID, multipath), is refused, and "
		"the\n"
		"whole drive is named.\n\n"
		"Exit codes: 0 done; 1 a DEVICE cannot be looked at; 2 usage.\n",
	.run = run,
};

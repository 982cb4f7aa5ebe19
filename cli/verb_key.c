/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_key.c - "spoolguard key": key slots and header backups of a volume
 *
 * Works on the medium, attached or not (restore: only when it is not).  A
 * passphrase is asked for at the terminal unless a file is named.
 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/verb_key.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KDF_MEMORY_BYTES_LEAST (1ull << 20) /* less is not worth the name */
#define KDF_MEMORY_BYTES_MOST  (4ull << 30) /* libcryptsetup's limit */
#define KDF_MS_LEAST	       100
#define KDF_MS_MOST	       60000

static int usage_failure(const char *text)
{
	return cli_usage_error(&cli_verb_key, "%s", text);
}

/* --- actions --- */

static int open_keystore(const struct key_arguments *arguments, bool read_only,
	struct keystore **ret_keystore, struct problem *reterr_problem)
{
	return keystore_open(arguments->path, read_only, ret_keystore, reterr_problem);
}

static int read_present(const struct key_arguments *arguments, struct secret **ret_passphrase,
	struct problem *reterr_problem)
{
	return cli_read_passphrase(arguments->passphrase_file, "Present passphrase", false,
		ret_passphrase, reterr_problem);
}

static int run_add_or_change(const struct key_arguments *arguments, bool change)
{
	const struct keystore_kdf kdf = {
		.memory_kib = arguments->kdf_memory_kib, .iteration_ms = arguments->kdf_ms};
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *present = NULL, *added = NULL, *volume_key = NULL;
	struct problem problem = {""};
	int slot = -1, opened, r;

	r = open_keystore(arguments, false, &keystore, &problem);
	if (r >= 0)
		r = read_present(arguments, &present, &problem);
	/* A wrong passphrase shows before a new one is asked for. */
	if (r >= 0 && !arguments->new_file)
		r = keystore_unlock(keystore, present, -1, &volume_key, &opened, &problem);
	if (r >= 0)
		r = cli_read_passphrase(
			arguments->new_file, "New passphrase", true, &added, &problem);
	if (r >= 0 && change)
		r = keystore_change(
			keystore, present, added, &kdf, arguments->slot, &slot, &problem);
	else if (r >= 0)
		r = keystore_add(keystore, present, added, &kdf, arguments->slot, &slot, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	key_tell(arguments->path, change ? "change" : "add", slot);
	return key_print_slot(arguments, keystore, change ? "change" : "add", slot);
}

static int run_add(const struct key_arguments *arguments)
{
	return run_add_or_change(arguments, false);
}

static int run_change(const struct key_arguments *arguments)
{
	return run_add_or_change(arguments, true);
}

/* Without a slot number: the slot that the passphrase opens. */
static int run_remove(const struct key_arguments *arguments)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *passphrase = NULL, *volume_key = NULL;
	struct problem problem = {""};
	int slot = arguments->slot, r;

	r = open_keystore(arguments, false, &keystore, &problem);
	if (r >= 0 && (slot < 0 || arguments->passphrase_file))
		r = read_present(arguments, &passphrase, &problem);
	if (r >= 0 && slot < 0) {
		r = keystore_unlock(keystore, passphrase, -1, &volume_key, &slot, &problem);
		secret_free(passphrase);
		passphrase = NULL;
	}
	if (r >= 0)
		r = keystore_remove(keystore, slot, passphrase, arguments->force, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	key_tell(arguments->path, "remove", slot);
	return key_print_slot(arguments, keystore, "remove", slot);
}

static int run_list(const struct key_arguments *arguments)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct problem problem = {""};
	int r;

	r = open_keystore(arguments, true, &keystore, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	return key_print_list(arguments, keystore);
}

static int run_backup(const struct key_arguments *arguments)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct problem problem = {""};
	int r;

	if (!arguments->backup_file)
		return usage_failure("backup needs --file BACKUP");
	r = open_keystore(arguments, false, &keystore, &problem);
	if (r >= 0)
		r = keystore_backup(keystore, arguments->backup_file, arguments->force, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	key_tell(arguments->path, "backup", -1);
	return key_print_backup(arguments, keystore);
}

static int run_restore(const struct key_arguments *arguments)
{
	struct problem problem = {""};
	int r;

	if (!arguments->backup_file)
		return usage_failure("restore needs --file BACKUP");
	r = keystore_restore(arguments->path, arguments->backup_file, arguments->force, &problem);
	if (r == -EUCLEAN) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL; /* whether anything would be lost or revived */
	}
	if (r < 0)
		return cli_fail(&problem, r);
	key_tell(arguments->path, "restore", -1);
	return key_print_restore(arguments);
}

/* --- the command line --- */

static const struct {
	const char *name;
	int (*run)(const struct key_arguments *arguments);
	const char *options; /* letters of those that mean something here */
} actions[] = {
	{"list", run_list, "j"},
	{"add", run_add, "jpnskt"},
	{"change", run_change, "jpnskt"},
	{"remove", run_remove, "jpsf"},
	{"backup", run_backup, "jbf"},
	{"restore", run_restore, "jbf"},
};

static const struct option long_options[] = {
	{"json", no_argument, NULL, 'j'},
	{"passphrase-file", required_argument, NULL, 'p'},
	{"key-file", required_argument, NULL, 'p'},
	{"new-passphrase-file", required_argument, NULL, 'n'},
	{"new-key-file", required_argument, NULL, 'n'},
	{"slot", required_argument, NULL, 's'},
	{"kdf-memory", required_argument, NULL, 'k'},
	{"kdf-time", required_argument, NULL, 't'},
	{"file", required_argument, NULL, 'b'},
	{"force", no_argument, NULL, 'f'},
	{NULL, 0, NULL, 0},
};

static bool parse_number(const char *text, long least, long most, long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *ret_number >= least &&
	       *ret_number <= most;
}

static bool parse_memory(const char *text, uint32_t *ret_kib)
{
	uint64_t bytes;

	if (bytes_parse_size(text, &bytes) < 0 || bytes < KDF_MEMORY_BYTES_LEAST ||
		bytes > KDF_MEMORY_BYTES_MOST)
		return false;
	*ret_kib = (uint32_t)(bytes >> 10);
	return true;
}

static int parse_option(int option, struct key_arguments *arguments)
{
	long number;

	switch (option) {
	case 'j':
		arguments->json = true;
		return CLI_YES;
	case 'p':
		arguments->passphrase_file = optarg;
		return CLI_YES;
	case 'n':
		arguments->new_file = optarg;
		return CLI_YES;
	case 'b':
		arguments->backup_file = optarg;
		return CLI_YES;
	case 'f':
		arguments->force = true;
		return CLI_YES;
	case 's':
		if (!parse_number(optarg, 0, KEYSTORE_SLOTS_MAX - 1, &number))
			return cli_usage_error(&cli_verb_key,
				"--slot %s: key slots are numbered 0 to %d", optarg,
				KEYSTORE_SLOTS_MAX - 1);
		arguments->slot = (int)number;
		return CLI_YES;
	case 't':
		if (!parse_number(optarg, KDF_MS_LEAST, KDF_MS_MOST, &number))
			return cli_usage_error(&cli_verb_key,
				"--kdf-time %s: give milliseconds from %d to %d", optarg,
				KDF_MS_LEAST, KDF_MS_MOST);
		arguments->kdf_ms = (uint32_t)number;
		return CLI_YES;
	case 'k':
		if (parse_memory(optarg, &arguments->kdf_memory_kib))
			return CLI_YES;
		return cli_usage_error(
			&cli_verb_key, "--kdf-memory %s: give a size from 1M to 4G", optarg);
	default:
		return usage_failure("an option is unknown or lacks its value");
	}
}

static int run(int argc, char **argv)
{
	struct key_arguments arguments = {.slot = -1};
	size_t action = 0;
	int option, r;

	if (argc < 2)
		return usage_failure(
			"say what: list, add, change, remove, backup, restore or public");
	if (strcmp(argv[1], "public") == 0)
		return key_public(argc - 1, argv + 1);
	while (action < ARRAY_SIZE(actions) && strcmp(actions[action].name, argv[1]) != 0)
		action++;
	if (action == ARRAY_SIZE(actions))
		return cli_usage_error(&cli_verb_key, "there is no \"key %s\"", argv[1]);
	argc--;
	argv++;
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option != '?' && !strchr(actions[action].options, option))
			return cli_usage_error(&cli_verb_key, "%s means nothing to \"key %s\"",
				cli_typed_option(argv), actions[action].name);
		r = parse_option(option, &arguments);
		if (r != CLI_YES)
			return r;
	}
	if (optind != argc - 1)
		return usage_failure("name one image file or block device");
	if (arguments.passphrase_file && arguments.new_file &&
		strcmp(arguments.passphrase_file, arguments.new_file) == 0 &&
		(strcmp(arguments.new_file, "-") == 0 ||
			strncmp(arguments.new_file, "fd:", 3) == 0))
		return usage_failure("the present and the new passphrase cannot both come from "
				     "one stream");
	arguments.path = argv[optind];
	return actions[action].run(&arguments);
}

const struct cli_verb cli_verb_key = {
	.name = "key",
	.summary = "key slots and header backups of a volume; the device's public key",
	.usage =
		"usage: spoolguard key list    [--json] PATH\n"
		"       spoolguard key add     [--passphrase-file F] [--new-passphrase-file F]\n"
		"                              [--slot N] [--kdf-memory SIZE] [--kdf-time MS]\n"
		"                              [--json] PATH\n"
		"       spoolguard key change  [the same options] PATH\n"
		"       spoolguard key remove  [--slot N] [--passphrase-file F] [--force] [--json] "
		"PATH\n"
		"       spoolguard key backup  --file BACKUP [--force] [--json] PATH\n"
		"       spoolguard key restore --file BACKUP [--force] [--json] PATH\n"
		"       spoolguard key public [--output FILE] [--config FILE] [--json]\n\n"
		"PATH is the image file or block device; it may be attached (not for restore).\n\n"
		"  --passphrase-file F      a present passphrase; \"-\" is standard input, fd:N a "
		"file\n"
		"                           descriptor; without it the terminal is asked\n"
		"  --key-file F             the same: a key file's content is a passphrase\n"
		"  --new-passphrase-file F  the passphrase to be added; also --new-key-file F\n"
		"  --slot N                 add: into this slot; change: the slot that the "
		"present\n"
		"                           passphrase must open; remove: this slot (a passphrase, "
		"if\n"
		"                           given, must then open another one, that stays).  "
		"Remove\n"
		"                           without it: the slot that the passphrase opens\n"
		"  --kdf-memory SIZE        memory for Argon2id, 1M to 4G (default 64M)\n"
		"  --kdf-time MS            what one try is to cost on this machine (default "
		"2000);\n"
		"                           PBKDF2 never gets less than 600000 iterations\n"
		"  --file BACKUP            the header backup.  It opens the volume with the "
		"passphrases\n"
		"                           of today, for ever: each one is counted in the header\n"
		"  --force                  remove: also the last key, after which nobody can open "
		"the\n"
		"                           volume; backup: replace an earlier backup of this "
		"volume;\n"
		"                           restore: although keys would be lost or revived\n\n"
		"public: prints the device's public key and that of its audit log's root, to be "
		"kept\n"
		"where receipts, certificates and logs will be verified (--trust FILE); stock\n"
		"minisign takes the file too (-p FILE).  Compare the fingerprints by another way "
		"than\n"
		"the file's.  --output writes it to FILE; --config names the service's\n"
		"configuration.\n\n"
		"A changed key comes to lie in another slot: the new one is safe before the old "
		"one\n"
		"goes.  Exit code 3 (restore): the present header cannot be read, so whether "
		"anything\n"
		"would be lost cannot be told.\n",
	.run = run,
};

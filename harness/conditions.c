/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conditions.c - what in the machine around us gives away what the volumes hide
 *
 * None of these makes a claim about the medium untrue; each is a way by which a job, or the key,
 * gets to another place.  So they are of weight HOST: the state is DEGRADED, with the line that
 * ends it.
 */
#include "harness/harness_impl.h"
#include "base/clock.h"
#include "base/io.h"
#include "harness/host.h"
#include "harness/manifest.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_BYTES_MAX 65536u
#define CLOCK_FLOOR_S  1704067200 /* 2024-01-01: there was no build before */
#define CLOCK_SLACK_S  86400
#define KERNEL_NEEDED  "5.14" /* EXT4_IOC_CHECKPOINT */
#define INJECTED_SWAP  "/dev/injected partition 1048572 0 -2\n"

/* --- facts --- */

/* The content of a file below the root.  Gives a string to free(). */
static int read_fact(const struct trial *trial, const char *path, char **ret_text)
{
	const char *root = trial->options->host_root ? trial->options->host_root : "";
	_cleanup_free_ char *text = malloc(TEXT_BYTES_MAX);
	_cleanup_close_ int fd = -1;
	char full[PATH_MAX];
	size_t bytes;
	int r;

	if (!text)
		return -ENOMEM;
	snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, text, TEXT_BYTES_MAX - 1, &bytes);
	if (r < 0)
		return r;
	text[bytes] = '\0';
	*ret_text = text;
	text = NULL;
	return 0;
}

/* The same, or what is injected in its place. */
static int read_or_inject(
	const struct trial *trial, const char *path, const char *injected, char **ret_text)
{
	if (!trial->damage)
		return read_fact(trial, path, ret_text);
	*ret_text = strdup(injected);
	return *ret_text ? 0 : -ENOMEM;
}

static void tell_unread(const char *what, int error, struct outcome *out)
{
	outcome_cannot_tell(out, "mount /proc and /sys", "%s: %s", what, strerror(-error));
}

/* --- swap, hibernation --- */

static enum host_place place_of_swap(const struct trial *trial, const char *name, const char *type)
{
	const char *root = trial->options->host_root ? trial->options->host_root : "";
	char text[HOST_TEXT_BYTES];
	enum host_place place = HOST_UNKNOWN;

	if (strcmp(type, "file") == 0) {
		if (host_find_place(name, &place, text) < 0)
			place = HOST_UNKNOWN;
		return place;
	}
	return host_place_of_device(root, strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
}

/* The first swap space that is neither encrypted nor memory; false: there is none. */
static bool find_open_swap(
	const struct trial *trial, char *swaps, char ret_name[static HOST_TEXT_BYTES])
{
	char name[PATH_MAX], type[32];

	for (char *rest = swaps, *line; (line = strsep(&rest, "\n"));) {
		if (line[0] != '/' || sscanf(line, "%4095s %31s", name, type) != 2 ||
			place_of_swap(trial, name, type) <= HOST_ENCRYPTED)
			continue;
		snprintf(ret_name, HOST_TEXT_BYTES, "%.200s", name);
		return true;
	}
	return false;
}

static void test_swap(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ char *swaps = NULL;
	char name[HOST_TEXT_BYTES];
	int r = read_or_inject(trial, "/proc/swaps", INJECTED_SWAP, &swaps);

	if (r < 0 && r != -ENOENT) /* a kernel without swap has no such file */
		tell_unread("/proc/swaps", r, out);
	else if (r >= 0 && find_open_swap(trial, swaps, name))
		outcome_failed(out, "swapoff it, or put it on dm-crypt or zram",
			"swap on %s is not known to be encrypted: what a print filter holds in "
			"memory may stay there",
			name);
	else
		outcome_ok(out, "no swap, or all of it encrypted or in memory");
}

static bool can_hibernate(const char *state, const char *disk)
{
	const char *offered = strstr(state, "disk");

	return offered && (offered == state || offered[-1] == ' ') && !strstr(disk, "[disabled]");
}

static void test_hibernation(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ char *state = NULL, *disk = NULL, *swaps = NULL;
	char name[HOST_TEXT_BYTES];
	int r;

	r = read_or_inject(trial, "/sys/power/state", "mem disk\n", &state);
	if (r >= 0)
		r = read_or_inject(trial, "/sys/power/disk", "[platform] shutdown\n", &disk);
	if (r >= 0)
		r = read_or_inject(trial, "/proc/swaps", INJECTED_SWAP, &swaps);
	if (r < 0 && r != -ENOENT)
		tell_unread("/sys/power", r, out);
	else if (r >= 0 && can_hibernate(state, disk) && find_open_swap(trial, swaps, name))
		outcome_failed(out,
			"systemctl mask hibernate.target hybrid-sleep.target, or encrypt the swap",
			"hibernation would write all of memory, keys too, to %s", name);
	else
		outcome_ok(out, "hibernation is not possible, or its image would be encrypted");
}

/* --- core dumps --- */

/* A program behind a pipe gets every dump, whatever RLIMIT_CORE says (core(5)); these look at it.
 */
static bool obeys_limit(const char *pattern)
{
	static const char *const known[] = {
		"systemd-coredump", "apport", "/bin/false", "/bin/true"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strstr(pattern, known[i]))
			return true;
	}
	return pattern[0] != '|';
}

static void test_core_dumps(const struct trial *trial, struct outcome *out)
{
	static const char remedy[] = "set LimitCORE=0 for spoolguardd and cups, and "
				     "kernel.core_pattern=|/bin/false";
	_cleanup_free_ char *pattern = NULL;
	struct rlimit limit = {0, 0};
	int r;

	r = read_or_inject(
		trial, "/proc/sys/kernel/core_pattern", "|/usr/bin/injected %p\n", &pattern);
	if (r >= 0 && getrlimit(RLIMIT_CORE, &limit) < 0)
		r = -errno;
	if (r < 0) {
		tell_unread("/proc/sys/kernel/core_pattern", r, out);
		return;
	}
	pattern[strcspn(pattern, "\n")] = '\0';
	if (!obeys_limit(pattern))
		outcome_failed(out, remedy,
			"every crash's memory is handed to \"%.100s\", whatever the limit says",
			pattern);
	else if (limit.rlim_cur != 0)
		outcome_failed(out, remedy, "core dumps are on (RLIMIT_CORE, pattern \"%.100s\")",
			pattern);
	else
		outcome_ok(out, "core dumps are off (RLIMIT_CORE 0, pattern \"%.100s\")", pattern);
}

/* --- kernel --- */

static void test_kernel(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ char *release = NULL;
	unsigned int version = 0, patch = 0;
	int r = read_or_inject(trial, "/proc/sys/kernel/osrelease", "4.19.0\n", &release);

	if (r >= 0 && sscanf(release, "%u.%u", &version, &patch) != 2)
		r = -EBADMSG;
	if (r < 0) {
		tell_unread("/proc/sys/kernel/osrelease", r, out);
		return;
	}
	release[strcspn(release, "\n")] = '\0';
	if (version < 5 || (version == 5 && patch < 14))
		outcome_failed(out, "use Linux " KERNEL_NEEDED " or newer",
			"Linux %.60s cannot empty ext4's journal, where parts of jobs may stay",
			release);
	else
		outcome_ok(out, "Linux %.60s", release);
}

static void test_hard_links(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ char *value = NULL;
	int r = read_or_inject(trial, "/proc/sys/fs/protected_hardlinks", "0\n", &value);

	if (r < 0)
		tell_unread("/proc/sys/fs/protected_hardlinks", r, out);
	else if (value[0] != '1')
		outcome_failed(out, "sysctl fs.protected_hardlinks=1",
			"anybody may link to another's spool file, and keep it from being retired");
	else
		outcome_ok(out, "fs.protected_hardlinks is 1");
}

/* --- clock --- */

static int64_t built_at(const struct harness_options *options)
{
	_cleanup_free_ struct manifest *manifest = NULL;
	char path[PATH_MAX];
	int r = 0;

	if (options->manifest)
		snprintf(path, sizeof(path), "%s", options->manifest);
	else
		r = manifest_find(options->program, path);
	if (r >= 0)
		r = manifest_read(path, &manifest, NULL);
	return r >= 0 && manifest->built_wall_s > CLOCK_FLOOR_S ? manifest->built_wall_s
								: CLOCK_FLOOR_S;
}

static void test_clock(const struct trial *trial, struct outcome *out)
{
	int64_t now = trial->damage ? 0 : clock_wall_s();
	char text[CLOCK_RFC3339_BYTES];

	clock_rfc3339(now, text);
	if (now + CLOCK_SLACK_S < built_at(trial->options))
		outcome_failed(out, "set the clock, and let it be kept (timedatectl set-ntp true)",
			"the clock says %s, which is before this program was built", text);
	else
		outcome_ok(out, "%s", text);
}

/* --- key files, mounts --- */

static void test_key_files(const struct trial *trial, struct outcome *out)
{
	const char *const *files = trial->options->key_files;
	char text[HOST_TEXT_BYTES] = "on an injected disk, not encrypted";
	enum host_place place = HOST_OPEN;
	size_t count = 0;

	for (; files && files[count] && !trial->damage; count++) {
		int r = host_find_place(files[count], &place, text);

		if (r == -ENOENT) /* on a medium that is not put in: apart from the lock */
			continue;
		if (r < 0 || place > HOST_REMOVABLE)
			break;
	}
	if (trial->damage || (files && files[count]))
		outcome_failed(out,
			"keep the key on a removable medium, in a sealed systemd credential, or in "
			"memory only",
			"key beside the lock: %.150s is %s",
			trial->damage ? "a key file" : files[count], text);
	else if (count == 0)
		outcome_skipped(out, "no volume is opened with a key file");
	else
		outcome_ok(out, "%zu key files, none beside its lock", count);
}

/* The options of the last mount at that place.  Points into text. */
static const char *find_options(char *text, const char *mount)
{
	char *found = NULL;

	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		char *field = line, *where = NULL, *options = NULL;

		for (unsigned int i = 0; i < 6 && field; i++) {
			char *word = strsep(&field, " ");

			where = i == 4 ? word : where;
			options = i == 5 ? word : options;
		}
		if (where && options && strcmp(where, mount) == 0)
			found = options;
	}
	return found;
}

static bool has_option(const char *options, const char *wanted)
{
	size_t length = strlen(wanted);

	for (const char *at = options; (at = strstr(at, wanted)); at += length) {
		if ((at == options || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* What is missing at a mount; NULL: nothing is. */
static const char *find_missing_option(const char *options)
{
	static const char *const wanted[] = {"nodev", "nosuid", "noexec"};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!has_option(options, wanted[i]))
			return wanted[i];
	}
	return NULL;
}

static bool judge_mount(const struct trial *trial, const char *mount, struct outcome *out)
{
	static const char remedy[] = "detach the volume, and attach it with --mount";
	_cleanup_free_ char *table = NULL;
	const char *options, *missing;
	int r = read_fact(trial, "/proc/self/mountinfo", &table);

	if (r < 0) {
		tell_unread("/proc/self/mountinfo", r, out);
		return false;
	}
	options = trial->damage ? "rw,relatime" : find_options(table, mount);
	missing = options ? find_missing_option(options) : NULL;
	if (!options)
		outcome_failed(out, remedy, "nothing is mounted at %.200s any more", mount);
	else if (missing)
		outcome_failed(out, remedy, "%.200s is mounted without %s", mount, missing);
	return options && !missing;
}

static void test_mounts(const struct trial *trial, struct outcome *out)
{
	size_t count = 0;

	for (size_t i = 0; i < trial->options->volume_count; i++) {
		const char *mount = trial->options->volumes[i].mount;

		if (mount && !judge_mount(trial, mount, out))
			return;
		count += mount != NULL;
	}
	if (trial->damage)
		(void)judge_mount(trial, "an injected mount", out);
	else if (count == 0)
		outcome_skipped(out, "no volume is mounted");
	else
		outcome_ok(out, "%zu mounts, each nodev, nosuid, noexec", count);
}

void harness_add_conditions(struct harness_table *table)
{
	static const struct {
		const char *name;
		test_function *run;
	} tests[] = {
		{"host/swap", test_swap},
		{"host/hibernation", test_hibernation},
		{"host/core dumps", test_core_dumps},
		{"host/kernel", test_kernel},
		{"host/hard links", test_hard_links},
		{"host/clock", test_clock},
		{"host/key files", test_key_files},
		{"host/mount options", test_mounts},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		harness_add(
			table, HARNESS_CONDITIONS, HARNESS_HOST, tests[i].name, tests[i].run, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_config.c - spoolguard.conf: every key, and every kind of mistake
 *
 * Goal: each key of the table can be set, and is then what the file says; the defaults are a
 * configuration; each mistake is told with its line, its key and its reason, and one mistake does
 * not hide the next.  Method: small files; the table is walked for what the tests must name.
 */
#include "base/io.h"
#include "supervisor/config.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPLAINTS_MAX 64

static char path[] = "/tmp/spoolguard-config.XXXXXX";
static struct config config;
static struct problem problem;

static struct {
	int line;
	char key[80], reason[300];
} complaints[COMPLAINTS_MAX];
static int complaint_count;

static void setup(void)
{
	strcpy(path + strlen(path) - 6, "XXXXXX");
	close(mkstemp(path));
	memset(&config, 0xaa, sizeof(config));
	problem.text[0] = '\0';
	complaint_count = 0;
}

static void teardown(void)
{
	unlink(path);
}

static void write_bytes(const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, bytes), 0);
	close(fd);
}

static void write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

static void read_it(const char *text)
{
	int r;

	write_file(text);
	r = config_read(path, &config, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static void collect(void *context, const struct config_complaint *complaint)
{
	(void)context;
	ck_assert_int_lt(complaint_count, COMPLAINTS_MAX);
	complaints[complaint_count].line = complaint->line;
	snprintf(complaints[complaint_count].key, sizeof(complaints[0].key), "%s", complaint->key);
	snprintf(complaints[complaint_count].reason, sizeof(complaints[0].reason), "%s",
		complaint->reason);
	complaint_count++;
}

static void check_it(void)
{
	int r;

	complaint_count = 0;
	r = config_check(path, collect, NULL, &problem);
	ck_assert_msg(r == complaint_count, "%d, %d complaints", r, complaint_count);
}

static void expect(int index, int line, const char *key, const char *reason)
{
	ck_assert_msg(index < complaint_count, "only %d complaints; missing: %d %s %s",
		complaint_count, line, key, reason);
	ck_assert_msg(complaints[index].line == line && strcmp(complaints[index].key, key) == 0 &&
			      strstr(complaints[index].reason, reason),
		"complaint %d is %d %s: %s; wanted %d %s: %s", index, complaints[index].line,
		complaints[index].key, complaints[index].reason, line, key, reason);
}

/* Exactly this one complaint; and config_read refuses with file, line, key and reason. */
static void complains(const char *text, int line, const char *key, const char *reason)
{
	char where[64];

	write_file(text);
	check_it();
	expect(0, line, key, reason);
	ck_assert_msg(complaint_count == 1, "%s: and: %d %s: %s", text, complaints[1].line,
		complaints[1].key, complaints[1].reason);
	ck_assert_int_eq(config_read(path, &config, &problem), -EINVAL);
	snprintf(where, sizeof(where), "%s, line %d", path, line);
	ck_assert_msg(strstr(problem.text, where) && strstr(problem.text, key) &&
			      strstr(problem.text, reason),
		"%s", problem.text);
}

#define VOLUME "[volume a]\nmedium=/dev/null\nmount=/srv/a\n"

/* --- what is right --- */

START_TEST(an_empty_file_is_the_defaults)
{
	read_it("");
	ck_assert_str_eq(config.file, path);
	ck_assert_str_eq(config.socket, "/run/spoolguard/io.spoolguard");
	ck_assert_str_eq(config.state_directory, "/var/lib/spoolguard");
	ck_assert_int_eq(config.on_failure, CONFIG_HOLD);
	ck_assert_uint_eq(config.debt_limit_bytes, 0);
	ck_assert_uint_eq(config.retention_limit_s, 7 * 86400);
	ck_assert_uint_eq(config.job_abandoned_s, 60);
	ck_assert_int_eq(config.selftest.kind, SCHEDULE_DAILY);
	ck_assert_str_eq(config.metrics_file, "");
	ck_assert_str_eq(config.groups[CONFIG_PIPELINE][0], "lp");
	ck_assert_str_eq(config.groups[CONFIG_OPERATOR][0], "lpadmin");
	ck_assert_uint_eq(config.group_counts[CONFIG_ADMINISTRATOR], 0);
	ck_assert_uint_eq(config.group_counts[CONFIG_TECHNICIAN], 0);
	ck_assert(config.cups && !config.cups_keep_history && !config.wipe_full);
	ck_assert_str_eq(config.cups_spool, "/var/spool/cups");
	ck_assert_uint_eq(config.cups_poll_ms, 30000);
	ck_assert_uint_eq(config.cups_orphan_s, 600);
	ck_assert_int_eq(config.wipe.kind, SCHEDULE_OFF);
	ck_assert_uint_eq(config.volume_count, 0);
	ck_assert_uint_eq(config.watch_count, 0);
}
END_TEST

static const char everything[] =
	"# a comment\n"
	"; another\n"
	"\n"
	"[service]\n"
	"socket = /run/x/sock   ; and a comment behind it\n"
	"state_directory=/var/x/\n"
	"on_failure = continue-without-receipts\n"
	"debt_limit = 2G\n"
	"debt_limit_age = 10min\n"
	"retention_limit = 0\n"
	"job_abandoned = 90\n"
	"selftest = weekly Sat 23:59\n"
	"metrics_file = /var/lib/m/s.prom\n"
	"[roles]\n"
	"pipeline = lp, scan fax\n"
	"operator = ops\n"
	"technician = tech\n"
	"administrator = admins wheel\n"
	"auditor =\n"
	"[cups]\n"
	"enabled = no\n"
	"server = printhost:631\n"
	"spool = /s/cups\n"
	"temp = /s/cups/tmp\n"
	"cache = /c/cups\n"
	"wake = /r/cups/w\n"
	"poll = 500ms\n"
	"orphan = 1h\n"
	"keep_history = yes\n"
	"state_reason = no\n"
	"restart_command = service cups restart\n"
	"[wipe]\n"
	"schedule = monthly 28 00:00\n"
	"scope = full\n"
	"confirmation_queue = front-desk\n"
	"confirmation_timeout = 30 s\n"
	"[decommission]\n"
	"approvals = 2\napprovers = /etc/spoolguard/approvers.pub\n"
	"approval_window = 2h\nverify = stratified\nscheme = dod-5220.22-m\n"
	"organization = Ward & Sons\nlocation = Room 7\ncontact = 555-1\n"
	"asset_number = A-1\nmachine_serial = M-2\n"
	"[audit]\n"
	"journal = yes\njournal_socket = /run/j\nsyslog = yes\n"
	"syslog_socket = /run/spoolguard-syslog/socket\n"
	"sqlite = /var/lib/m/a.db\nenterprise_number = 99999\n"
	"device_uuid = urn:uuid:F81d4fae-7dec-11d0-a765-00a0c91e6bf6\n"
	"size = 2M\n"
	"segment_size = 64K\n"
	"segment_age = 1h\n"
	"when_full = stop\n"
	"[volume spool]\n"
	"  medium = /dev/disk/by-id/x\n"
	"\tmount = /var/spool/cups\n"
	"unlock = key-file\n"
	"key_file = /media/key\n"
	"scheme = dod-5220.22-m\n"
	"verify = sample\n"
	"profile = hcd-cpp\n"
	"bind = cache:/var/cache/cups\n"
	"bind = log/cups:/var/log/cups\n"
	"retain = profiles fonts/local\n"
	"retain = forms\n"
	"[volume scratch-2]\n"
	"medium = /srv/scratch.img\n"
	"mount = /srv/scratch\n"
	"unlock = boot-key\n"
	"size = 512M\n"
	"[watch scan_1]\n"
	"directory = /srv/scratch/scan\n"
	"pattern = *.[pt]*\n"
	"settle = 1500ms\n"
	"when = unlinked\n";

START_TEST(every_key_is_what_the_file_says)
{
	const struct config_volume *volume;

	read_it(everything);
	ck_assert_str_eq(config.socket, "/run/x/sock");
	ck_assert_str_eq(config.state_directory, "/var/x");
	ck_assert_int_eq(config.on_failure, CONFIG_CONTINUE_WITHOUT_RECEIPTS);
	ck_assert_uint_eq(config.debt_limit_bytes, 2ull << 30);
	ck_assert_uint_eq(config.debt_limit_age_s, 600);
	ck_assert_uint_eq(config.retention_limit_s, 0);
	ck_assert_uint_eq(config.job_abandoned_s, 90);
	ck_assert_int_eq(config.selftest.kind, SCHEDULE_WEEKLY);
	ck_assert_int_eq(config.selftest.day, 6);
	ck_assert_int_eq(config.selftest.hour * 60 + config.selftest.minute, 23 * 60 + 59);
	ck_assert_str_eq(config.metrics_file, "/var/lib/m/s.prom");

	ck_assert_uint_eq(config.group_counts[CONFIG_PIPELINE], 3);
	ck_assert_str_eq(config.groups[CONFIG_PIPELINE][2], "fax");
	ck_assert_str_eq(config.groups[CONFIG_OPERATOR][0], "ops");
	ck_assert_uint_eq(config.group_counts[CONFIG_OPERATOR], 1);
	ck_assert_str_eq(config.groups[CONFIG_TECHNICIAN][0], "tech");
	ck_assert_str_eq(config.groups[CONFIG_ADMINISTRATOR][1], "wheel");
	ck_assert_uint_eq(config.group_counts[CONFIG_AUDITOR], 0);

	ck_assert(!config.cups && config.cups_keep_history && !config.cups_state_reason);
	ck_assert_str_eq(config.cups_restart, "service cups restart");
	ck_assert_str_eq(config.cups_server, "printhost:631");
	ck_assert_str_eq(config.cups_spool, "/s/cups");
	ck_assert_str_eq(config.cups_temp, "/s/cups/tmp");
	ck_assert_str_eq(config.cups_cache, "/c/cups");
	ck_assert_str_eq(config.cups_wake, "/r/cups/w");
	ck_assert_uint_eq(config.cups_poll_ms, 500);
	ck_assert_uint_eq(config.cups_orphan_s, 3600);

	ck_assert_int_eq(config.wipe.kind, SCHEDULE_MONTHLY);
	ck_assert_int_eq(config.wipe.day, 28);
	ck_assert(config.wipe_full);
	ck_assert_str_eq(config.confirmation_queue, "front-desk");
	ck_assert_uint_eq(config.confirmation_timeout_s, 30);
	ck_assert_uint_eq(config.decommission.approvals, 2);
	ck_assert_str_eq(config.decommission.approvers, "/etc/spoolguard/approvers.pub");
	ck_assert_uint_eq(config.decommission.approval_window_s, 7200);
	ck_assert_int_eq(config.decommission.verify, CONFIG_VERIFY_STRATIFIED);
	ck_assert_str_eq(config.decommission.scheme, "dod-5220.22-m");
	ck_assert_str_eq(config.decommission.organization, "Ward & Sons");
	ck_assert_str_eq(config.decommission.location, "Room 7");
	ck_assert_str_eq(config.decommission.contact, "555-1");
	ck_assert_str_eq(config.decommission.asset_number, "A-1");
	ck_assert_str_eq(config.decommission.machine_serial, "M-2");
	ck_assert_uint_eq(config.audit_size_bytes, 2u << 20);
	ck_assert_uint_eq(config.audit_segment_bytes, 64u << 10);
	ck_assert_uint_eq(config.audit_segment_age_s, 3600);
	ck_assert_int_eq(config.audit_when_full, LOG_STOP);
	ck_assert(config.audit_journal && config.audit_syslog);
	ck_assert_str_eq(config.audit_syslog_socket, "/run/spoolguard-syslog/socket");
	ck_assert_str_eq(config.audit_journal_socket, "/run/j");
	ck_assert_str_eq(config.audit_sqlite, "/var/lib/m/a.db");
	ck_assert_uint_eq(config.audit_enterprise, 99999);
	ck_assert_str_eq(config.audit_device_uuid, "urn:uuid:F81d4fae-7dec-11d0-a765-00a0c91e6bf6");

	ck_assert_uint_eq(config.volume_count, 2);
	volume = &config.volumes[0];
	ck_assert_str_eq(volume->name, "spool");
	ck_assert_str_eq(volume->medium, "/dev/disk/by-id/x");
	ck_assert_str_eq(volume->mount, "/var/spool/cups");
	ck_assert_int_eq(volume->unlock, CONFIG_UNLOCK_KEY_FILE);
	ck_assert_str_eq(volume->key_file, "/media/key");
	ck_assert_str_eq(volume->scheme, "dod-5220.22-m");
	ck_assert_str_eq(volume->verify, "sample");
	ck_assert_str_eq(volume->profile, "hcd-cpp");
	ck_assert_uint_eq(volume->bind_count, 2);
	ck_assert_str_eq(volume->binds[1].directory, "log/cups");
	ck_assert_str_eq(volume->binds[1].at, "/var/log/cups");
	ck_assert_uint_eq(volume->retain_count, 3);
	ck_assert_str_eq(volume->retain[1], "fonts/local");
	ck_assert_str_eq(volume->retain[2], "forms");
	volume = &config.volumes[1];
	ck_assert_int_eq(volume->unlock, CONFIG_UNLOCK_BOOT_KEY);
	ck_assert_uint_eq(volume->size_bytes, 512u << 20);
	ck_assert_str_eq(volume->scheme, "");
	ck_assert_uint_eq(volume->bind_count, 0);

	ck_assert_uint_eq(config.watch_count, 1);
	ck_assert_str_eq(config.watches[0].name, "scan_1");
	ck_assert_str_eq(config.watches[0].directory, "/srv/scratch/scan");
	ck_assert_str_eq(config.watches[0].pattern, "*.[pt]*");
	ck_assert_uint_eq(config.watches[0].settle_ms, 1500);
	ck_assert(config.watches[0].when_unlinked);
}
END_TEST

/* The service has to start without it: nobody but a decommissioning needs it. */
START_TEST(a_file_of_approvers_that_cannot_be_read_is_told_by_a_check_alone)
{
	write_file("[decommission]\napprovals = 1\napprovers = /nonexistent/keys\n");
	check_it();
	expect(0, 1, "approvers", "/nonexistent/keys cannot be read");
	ck_assert_int_eq(complaint_count, 1);
	ck_assert_int_eq(config_read(path, &config, &problem), 0);
	write_file("[decommission]\napprovals = 1\napprovers = /dev/null\n");
	check_it();
	ck_assert_int_eq(complaint_count, 0);
}
END_TEST

/* So that a new key cannot be left out above. */
START_TEST(the_table_has_no_key_that_this_test_does_not_set)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	char line[80];

	ck_assert_uint_gt(count, 30);
	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "%s", keys[i].key);
		ck_assert_msg(strstr(everything, line), "%s", line);
		ck_assert_uint_gt(strlen(keys[i].summary), 10);
		ck_assert_msg(keys[i].summary[strlen(keys[i].summary) - 1] == '.', "%s", line);
	}
}
END_TEST

START_TEST(what_the_table_calls_the_default_is_no_change)
{
	static struct config plain;
	size_t count;
	const struct config_key *keys = config_keys(&count);
	char text[16384] = "", section[40] = "";

	read_it("[volume NAME]\nmedium=/m\nmount=/n\n[watch NAME]\ndirectory=/d\n");
	plain = config;
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);

		if (strcmp(section, keys[i].section) != 0) {
			snprintf(section, sizeof(section), "%s", keys[i].section);
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "[%s]\n", section);
		}
		if (keys[i].default_value)
			snprintf(text + used, sizeof(text) - used, "%s = %s\n", keys[i].key,
				keys[i].default_value);
		else if (strcmp(keys[i].key, "medium") == 0)
			snprintf(text + used, sizeof(text) - used, "medium = /m\n");
		else if (strcmp(keys[i].key, "mount") == 0)
			snprintf(text + used, sizeof(text) - used, "mount = /n\n");
		else if (strcmp(keys[i].key, "directory") == 0)
			snprintf(text + used, sizeof(text) - used, "directory = /d\n");
	}
	read_it(text);
	ck_assert(memcmp(&config, &plain, sizeof(config)) == 0);
}
END_TEST

START_TEST(the_default_file_may_be_absent_and_no_other)
{
	int r = config_read("/nonexistent/spoolguard.conf", &config, &problem);

	ck_assert_int_eq(r, -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent/spoolguard.conf"));
	if (access(CONFIG_PATH_DEFAULT, F_OK) < 0)
		ck_assert_int_eq(config_read(CONFIG_PATH_DEFAULT, &config, &problem), 0);
}
END_TEST

START_TEST(strange_but_right_files_are_read)
{
	read_it("\xef\xbb\xbf[service]\r\nsocket = /run/s\r\n");
	ck_assert_str_eq(config.socket, "/run/s");
	read_it("[volume   spool]\nmedium = /m\nmount = /n\n[watch\tw]\ndirectory=/d");
	ck_assert_str_eq(config.volumes[0].name, "spool");
	ck_assert_str_eq(config.watches[0].directory, "/d");
	/* An indented line is a line, and no more of the value above it. */
	read_it("[volume v]\nmedium = /m\n    mount = /n\n");
	ck_assert_str_eq(config.volumes[0].mount, "/n");
	ck_assert_str_eq(config.volumes[0].medium, "/m");
	read_it("[cups]\nserver : localhost:631\n");
	ck_assert_str_eq(config.cups_server, "localhost:631");
}
END_TEST

/* --- mistakes --- */

static const struct {
	const char *text;
	int line;
	const char *key, *reason;
} mistakes[] = {
	{"[service]\nsockte = /x\n", 2, "sockte", "no such key"},
	{"[service]\nmedium = /x\n", 2, "medium", "[service] has no such key"},
	{"[Service]\nsocket = /x\n", 1, "[Service]", "no such section"},
	{"\n\n[sevrice]\n", 3, "[sevrice]", "no such section"}, /* even without a key */
	{"[volume]\n", 1, "[volume]", "no name"},
	{"[volume ../x]\n", 1, "[volume ../x]", "no name for a volume"},
	{"[volume 123456789012345678901234567890123]\n", 1,
		"[volume 123456789012345678901234567890123]", "at most 32"},
	{"[watch a b]\n", 1, "[watch a b]", "no name for a watch"},
	{"socket = /x\n[service]\n", 1, "socket", "before the first section"},
	{"[service]\nsocket\n", 2, "", "neither"},
	{"[service\n", 1, "", "neither"},
	{"[service]\n= /x\n", 2, "", "no such key"},
	{"[service]\nsocket = /a\nsocket = /b\n", 3, "socket", "already"},
	{"[service]\n[cups]\n[service]\n", 3, "[service]", "in line 1"},
	{VOLUME "[volume a]\n", 4, "[volume a]", "in line 1"},

	{"[service]\nsocket = run/x\n", 2, "socket", "no absolute path"},
	{"[service]\nsocket =\n", 2, "socket", "no absolute path"},
	{"[service]\nsocket = /run/../etc\n", 2, "socket", "\"..\""},
	{"[service]\nstate_directory = /var//x\n", 2, "state_directory", "\"//\""},
	{"[service]\nstate_directory = /\n", 2, "state_directory", "not / itself"},
	{"[service]\nsocket = /run/12345678901234567890123456789012345678901234567890"
	 "12345678901234567890123456789012345678901234567890123\n",
		1, "socket", "107"},
	{"[service]\non_failure = stop\n", 2, "on_failure", "none of: hold continue"},
	{"[service]\ndebt_limit = lots\n", 2, "debt_limit", "no size"},
	{"[service]\ndebt_limit = 99999999999999999999G\n", 2, "debt_limit", "no size"},
	{"[service]\ndebt_limit_age = 5 minutes\n", 2, "debt_limit_age", "no duration"},
	{"[service]\ndebt_limit_age = 1500ms\n", 2, "debt_limit_age", "whole seconds"},
	{"[service]\nretention_limit = -1\n", 2, "retention_limit", "no duration"},
	{"[service]\nretention_limit = 99999d\n", 2, "retention_limit", "ten years"},
	{"[service]\nselftest = hourly\n", 2, "selftest", "none of: off, daily"},
	{"[service]\nmetrics_file = x.prom\n", 2, "metrics_file", "no absolute path"},
	{"[roles]\noperator = a b c d e f g h i\n", 2, "operator", "at most 8 groups"},
	{"[roles]\nauditor = 123456789012345678901234567890123\n", 2, "auditor", "32 bytes"},
	{"[cups]\nenabled = true\n", 2, "enabled", "neither yes nor no"},
	{"[cups]\nserver = cupshost\n", 2, "server", "host:port"},
	{"[cups]\npoll = often\n", 2, "poll", "no duration"},
	{"[decommission]\napprovals = 5\n", 2, "approvals", "from 0 to 4"},
	{"[decommission]\napprovals = 1\n", 1, "approvers", "nobody could approve"},
	{"[decommission]\napprovals = 0\napprovers = keys\n", 3, "approvers", "no absolute path"},
	{"[decommission]\napproval_window = 0\n", 2, "approval_window", "too short"},
	{"[decommission]\nverify = sample\n", 2, "verify", "full stratified hcd"},
	{"[decommission]\nscheme = shred\n", 2, "scheme", "no scheme"},
	{"[wipe]\nschedule = daily\n", 2, "schedule", "none of"},
	{"[wipe]\nscope = all\n", 2, "scope", "standard full"},
	{"[audit]\nwhen_full = ignore\n", 2, "when_full", "rotate stop"},
	{"[audit]\njournal = maybe\n", 2, "journal", "neither yes nor no"},
	{"[audit]\nsqlite = a.db\n", 2, "sqlite", "no absolute path"},
	{"[audit]\nenterprise_number = 0\n", 2, "enterprise_number", "no private"},
	{"[audit]\nenterprise_number = 4294967296\n", 2, "enterprise_number", "no private"},
	{"[audit]\nenterprise_number = 1a\n", 2, "enterprise_number", "no number"},
	{"[audit]\ndevice_uuid = urn:uuid:1\n", 2, "device_uuid", "no UUID"},
	{"[audit]\nsegment_size = 1K\n", 2, "segment_size", "between 16K"},
	{"[audit]\nsegment_age = 0\n", 2, "segment_age", "too short"},
	{"[audit]\nsize = 1M\n", 1, "size", "room for 8 segments"},
	{"[wipe]\nconfirmation_queue = a queue\n", 2, "confirmation_queue", "no name of a queue"},

	{"[volume a]\nmount=/srv/a\n", 1, "medium", "[volume a] lacks it"},
	{"\n[volume a]\nmedium=/m\n", 2, "mount", "[volume a] lacks it"},
	{VOLUME "unlock = magic\n", 4, "unlock", "ask credential key-file boot-key"},
	{VOLUME "unlock = key-file\n", 1, "key_file", "lacks it"},
	{VOLUME "key_file = /k\n", 1, "key_file", "unlock = key-file alone"},
	{VOLUME "size = 1G\n", 1, "size", "boot-key alone"},
	{VOLUME "scheme = gutmann99\n", 4, "scheme", "no scheme"},
	{VOLUME "verify = maybe\n", 4, "verify", "full sample none"},
	{VOLUME "profile = fips\n", 4, "profile", "no profile"},
	{VOLUME "bind = /var/cache/cups\n", 4, "bind", "DIRECTORY:PLACE"},
	{VOLUME "bind = ../x:/y\n", 4, "bind", "no directory of the volume"},
	{VOLUME "bind = x:y\n", 4, "bind", "no absolute path"},
	{VOLUME "bind=1:/1\nbind=2:/2\nbind=3:/3\nbind=4:/4\nbind=5:/5\nbind=6:/6\nbind=7:/7\n"
		"bind=8:/8\nbind=9:/9\n",
		12, "bind", "at most 8 binds"},
	{VOLUME "retain = /x\n", 4, "retain", "no directory of the volume"},
	{VOLUME "retain = 1 2 3 4 5 6 7 8\nretain = 9 10 11 12 13 14 15 16 17\n", 5, "retain",
		"at most 16"},
	{VOLUME "[volume b]\nmedium=/dev/zero\nmount=/srv/a/\n", 4, "mount",
		"[volume a], in line 1"},
	{VOLUME "[volume b]\nmedium=/dev/zero\nmount=/srv/b\nbind=x:/srv/a\n", 4, "bind",
		"[volume a], in line 1"},
	{VOLUME "[volume b]\nmedium=/dev/null\nmount=/srv/b\n", 4, "medium", "[volume a]'s"},

	{"[watch w]\n", 1, "directory", "[watch w] lacks it"},
	{"[watch w]\ndirectory = /d\npattern = a/b\n", 3, "pattern", "no pattern"},
	{"[watch w]\ndirectory = /d\nwhen = closed\n", 3, "when", "settled unlinked"},
	{"[watch w]\ndirectory = /d\n[watch v]\ndirectory = /d\n", 3, "directory", "[watch w]"},
};

START_TEST(each_mistake_is_told_with_line_key_and_reason)
{
	complains(mistakes[_i].text, mistakes[_i].line, mistakes[_i].key, mistakes[_i].reason);
}
END_TEST

START_TEST(one_mistake_does_not_hide_the_next)
{
	write_file("[service]\nsocket = x\nwrong\n[nonsense]\nsocket = y\n[cups]\npoll = z\n"
		   "[volume a]\nmount = /a\nunlock = key-file\n");
	check_it();
	ck_assert_int_eq(complaint_count, 6);
	expect(0, 2, "socket", "no absolute path");
	expect(1, 3, "", "neither");
	expect(2, 4, "[nonsense]", "no such section"); /* and its keys are passed over */
	expect(3, 7, "poll", "no duration");
	expect(4, 8, "medium", "lacks it");
	expect(5, 8, "key_file", "lacks it");
}
END_TEST

static void append_volume(char *text, size_t bytes, int i)
{
	char line[160];

	snprintf(line, sizeof(line), "[volume v%d]\nmedium=/m%d\nmount=/n%d\n", i, i, i);
	ck_assert_uint_lt(strlen(text) + strlen(line), bytes);
	strcat(text, line);
}

START_TEST(the_seventeenth_volume_is_one_too_many)
{
	char text[4096] = "";

	for (int i = 0; i < CONFIG_VOLUMES_MAX; i++)
		append_volume(text, sizeof(text), i);
	read_it(text);
	ck_assert_uint_eq(config.volume_count, CONFIG_VOLUMES_MAX);
	append_volume(text, sizeof(text), CONFIG_VOLUMES_MAX);
	complains(text, 3 * CONFIG_VOLUMES_MAX + 1, "[volume v16]", "at most 16");
}
END_TEST

START_TEST(the_seventeenth_watch_is_one_too_many)
{
	char text[4096] = "";

	for (int i = 0; i <= CONFIG_WATCHES_MAX; i++) {
		char line[80];

		snprintf(line, sizeof(line), "[watch w%d]\ndirectory=/d%d\n", i, i);
		strcat(text, line);
	}
	complains(text, 2 * CONFIG_WATCHES_MAX + 1, "[watch w16]", "at most 16");
}
END_TEST

START_TEST(a_line_that_would_be_cut_is_refused)
{
	char text[600] = "[service]\nsocket = /";

	memset(text + strlen(text), 'x', 300);
	strcat(text, "\n");
	complains(text, 2, "", "longer than");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const char with_nul[] = "[service]\nsocket = /x\0y\n";

	write_bytes(with_nul, sizeof(with_nul) - 1);
	check_it();
	expect(0, 2, "", "no text");
	complains("[service]\nsocket = /x\xff\n", 2, "", "no text");
	complains("[service]\n\001=\n", 2, "", "no text");
}
END_TEST

START_TEST(a_file_that_others_may_change_is_refused)
{
	write_file("");
	ck_assert_int_eq(chmod(path, 0664), 0);
	ck_assert_int_eq(config_read(path, &config, &problem), -EPERM);
	ck_assert_ptr_nonnull(strstr(problem.text, "chmod"));
	ck_assert_int_eq(config_check(path, collect, NULL, &problem), -EPERM);
	ck_assert_int_eq(config_read("/tmp", &config, &problem), -EINVAL);
	ck_assert_int_eq(config_read("/dev/null", &config, &problem), -EINVAL);
}
END_TEST

START_TEST(a_failed_read_leaves_the_configuration_as_it_was)
{
	static struct config before;

	read_it(everything);
	before = config;
	write_file("[service]\nsocket = /other\nnonsense = 1\n");
	ck_assert_int_eq(config_read(path, &config, &problem), -EINVAL);
	ck_assert(memcmp(&config, &before, sizeof(config)) == 0);
}
END_TEST

START_TEST(roles_have_names)
{
	ck_assert_str_eq(config_role_name(CONFIG_PIPELINE), "pipeline");
	ck_assert_str_eq(config_role_name(CONFIG_AUDITOR), "auditor");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("the file");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, an_empty_file_is_the_defaults);
	tcase_add_test(tcase, every_key_is_what_the_file_says);
	tcase_add_test(tcase, the_table_has_no_key_that_this_test_does_not_set);
	tcase_add_test(tcase, what_the_table_calls_the_default_is_no_change);
	tcase_add_test(tcase, the_default_file_may_be_absent_and_no_other);
	tcase_add_test(tcase, strange_but_right_files_are_read);
	tcase_add_loop_test(
		tcase, each_mistake_is_told_with_line_key_and_reason, 0, (int)ARRAY_SIZE(mistakes));
	tcase_add_test(tcase, one_mistake_does_not_hide_the_next);
	tcase_add_test(tcase, the_seventeenth_volume_is_one_too_many);
	tcase_add_test(tcase, the_seventeenth_watch_is_one_too_many);
	tcase_add_test(tcase, a_line_that_would_be_cut_is_refused);
	tcase_add_test(tcase, bytes_that_are_no_text_are_refused);
	tcase_add_test(tcase, a_file_that_others_may_change_is_refused);
	tcase_add_test(tcase, a_failed_read_leaves_the_configuration_as_it_was);
	tcase_add_test(tcase, a_file_of_approvers_that_cannot_be_read_is_told_by_a_check_alone);
	tcase_add_test(tcase, roles_have_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_judge.c - controls are judged by their facts, by all of them, and by nothing else
 *
 * Goal: F1 to F3 of control.h and Q1 of judge.h.
 * Method: facts of a machine where all is well; each way to spoil one of them, with the parts that
 * have to turn and no others; each member of facts taken away in turn, from the good ones (nothing
 * stays met that rests on it) and from every spoilt ones (nothing becomes met by that).
 */
#include "compliance/judge.h"
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX  256
#define PARTS_TURNED 4

/* A machine where all is well.  A value that is no JSON: tests that passed. */
static const struct {
	const char *name, *value;
} well[] = {
	{"service", "{\"state\":\"READY\",\"reasons\":[{\"key\":\"k\",\"weight\":\"attention\","
		    "\"text\":\"t\"}],\"failed_jobs\":0,\"held_jobs\":1,"
		    "\"selftest_ok\":true,\"selftest_id\":\"1\","
		    "\"selftest_time\":\"t\"}"},
	{"settings", "{\"on_failure\":\"hold\",\"selftest_schedule\":\"daily 03:30\","
		     "\"wipe_schedule\":\"off\",\"wipe_full\":false,\"sources\":[\"cups\"],"
		     "\"log_when_full\":\"rotate\",\"roles\":{\"administrator\":[\"wheel\"],"
		     "\"pipeline\":[\"lp\"],\"auditor\":[\"adm\"]}}"},
	{"headers", "[{\"name\":\"spool\",\"cipher\":\"aes-xts-plain64\",\"key_bits\":512,"
		    "\"slots\":[{\"kdf\":\"argon2id\",\"iterations\":4,\"memory_kib\":65536},"
		    "{\"kdf\":\"pbkdf2\",\"iterations\":600000,\"memory_kib\":0}],"
		    "\"backups\":0,\"lost_token\":false,"
		    "\"filled_before\":false}]"},
	{"debts", "[{\"name\":\"spool\",\"open\":true,\"managed\":true,\"verify\":\"full\","
		  "\"owed_bytes\":4096,\"oldest_owed_seconds\":60,\"unknown_blocks\":0,"
		  "\"stuck_blocks\":0,\"refused_blocks\":0,\"eraser_failed\":false,"
		  "\"sweep_owed\":false}]"},
	{"media", "[{\"name\":\"spool\",\"open\":true,\"overwrite\":\"Clear\",\"reason\":\"r\","
		  "\"clause\":\"c\",\"drives\":[{\"model\":\"m\",\"serial\":\"s\"}]}]"},
	{"keys", "[{\"name\":\"spool\",\"source\":\"key-file\",\"beside\":false,"
		 "\"place\":\"on a stick\"}]"},
	{"cups", "{\"used\":true,\"residue\":0,\"doubts\":0,\"findings\":[],"
		 "\"could_not_tell\":[]}"},
	{"selftest", "algorithm/aes random/noise memory/locked program/manifest"},
	{"conditions", "host/swap host/hibernation host/core-dumps host/kernel host/hard-links "
		       "host/mount-options host/clock"},
	{"log", "{\"good\":true,\"records\":100,\"signed_up_to\":90,\"findings\":[],"
		"\"trust\":\"t\",\"clock_steps\":0}"},
	{"log-files", "{\"open\":true,\"error\":\"\",\"others_read\":false,"
		      "\"others_write\":false,\"bytes\":1,\"size_bytes\":2}"},
	{"events", "{\"records\":100,\"kinds\":{\"audit-started\":1,\"service-started\":1,"
		   "\"selftest\":3,\"job-retired\":90},\"from_host\":1}"},
	{"receipts", "{\"looked_at\":5,\"short\":0,\"unsigned\":0}"},
	{"wipe", "{\"count\":1,\"outcome\":\"success\",\"time\":\"t\"}"},
	{"residue", "{\"count\":1,\"outcome\":\"success\",\"time\":\"t\",\"age_seconds\":60}"},
	{"sandbox", "{\"no_new_privileges\":true,\"filtered\":true}"},
	{"clock", "{\"synchronised\":true}"},
	{"state-place", "{\"place\":\"encrypted\",\"text\":\"on dm-0\"}"},
	{"device-keys", "{\"others_read\":false,\"fingerprint\":\"ab\"}"},
	{"export", "{\"configured\":true,\"tls\":true,\"verifies_peer\":true,"
		   "\"queued\":true,\"text\":\"to a machine\"}"},
};

static const char head[] = "{\"time\":\"2026-11-24T09:00:00Z\",\"host\":\"printer\",\"facts\":{},"
			   "\"days\":[{\"day\":\"2026-11-23\",\"retired_jobs\":3,\"failed_jobs\":1,"
			   "\"debt_bytes\":4096}]}";

/* path: below "facts"; one member is set to a value, and these parts turn to that state. */
static const struct spoiled {
	const char *path, *json;
	enum control_state state;
	const char *parts[PARTS_TURNED];
} spoils[] = {
	{"service/value/failed_jobs", "2", CONTROL_NOT_MET, {"jobs"}},
	{"service/value/reasons/0/weight", "\"stops-claims\"", CONTROL_NOT_MET, {"jobs"}},
	{"service/value/state", "\"LOCKED\"", CONTROL_CANNOT_TELL, {"jobs"}},
	{"service/value/selftest_ok", "false", CONTROL_NOT_MET, {"self-test"}},
	{"settings/value/on_failure", "\"continue-without-receipts\"", CONTROL_NOT_MET,
		{"fail-closed"}},
	{"settings/value/selftest_schedule", "\"off\"", CONTROL_NOT_MET, {"retest"}},
	{"settings/value/roles/administrator/0", "\"lp\"", CONTROL_NOT_MET, {"roles"}},
	{"settings/value/roles/auditor/0", "\"wheel\"", CONTROL_NOT_MET, {"roles"}},
	{"settings/value/sources", "[\"calls\"]", CONTROL_NOT_MET, {"ways-in"}},
	{"headers/value", "[]", CONTROL_CANNOT_TELL,
		{"encrypted", "key-chain", "header-backups", "key-erase"}},
	{"headers/value/0/cipher", "\"aes-cbc-essiv\"", CONTROL_NOT_MET, {"encrypted"}},
	{"headers/value/0/key_bits", "256", CONTROL_NOT_MET, {"encrypted", "key-chain"}},
	{"headers/value/0/lost_token", "true", CONTROL_NOT_MET, {"encrypted"}},
	{"headers/value/0/backups", "1", CONTROL_CANNOT_TELL, {"header-backups"}},
	{"headers/value/0/slots", "[]", CONTROL_CANNOT_TELL, {"key-chain"}},
	{"headers/value/0/slots/0/memory_kib", "19455", CONTROL_NOT_MET, {"key-chain"}},
	{"headers/value/0/slots/1/iterations", "999", CONTROL_NOT_MET, {"key-chain"}},
	{"headers/value/0/slots/1/kdf", "\"plain\"", CONTROL_NOT_MET, {"key-chain"}},
	{"debts/value", "[]", CONTROL_CANNOT_TELL, {"debt", "refused-blocks", "read-back", "wipe"}},
	{"debts/value/0/open", "false", CONTROL_CANNOT_TELL,
		{"debt", "refused-blocks", "read-back", "wipe"}},
	{"media/value/0/open", "false", CONTROL_CANNOT_TELL,
		{"clear", "unavailable", "key-erase", "drives"}},
	{"debts/value/0/managed", "false", CONTROL_NOT_MET, {"debt", "wipe"}},
	{"debts/value/0/sweep_owed", "true", CONTROL_NOT_MET, {"debt"}},
	{"debts/value/0/unknown_blocks", "1", CONTROL_NOT_MET, {"debt"}},
	{"debts/value/0/oldest_owed_seconds", "86401", CONTROL_NOT_MET, {"debt"}},
	{"debts/value/0/stuck_blocks", "1", CONTROL_NOT_MET, {"refused-blocks"}},
	{"debts/value/0/refused_blocks", "1", CONTROL_NOT_MET, {"refused-blocks"}},
	{"debts/value/0/eraser_failed", "true", CONTROL_NOT_MET, {"refused-blocks"}},
	{"debts/value/0/verify", "\"none\"", CONTROL_NOT_MET, {"read-back"}},
	{"media/value/0/overwrite", "\"neither\"", CONTROL_NOT_MET,
		{"clear", "unavailable", "key-erase"}},
	{"headers/value/0/filled_before", "true", CONTROL_NOT_MET, {"key-erase"}},
	{"media/value/0/drives", "[]", CONTROL_CANNOT_TELL, {"drives"}},
	{"media/value/0/drives/0/serial", "\"\"", CONTROL_CANNOT_TELL, {"drives"}},
	{"keys/value/0/beside", "true", CONTROL_NOT_MET, {"key-beside"}},
	{"cups/value/residue", "1", CONTROL_NOT_MET, {"stray"}},
	{"cups/value/doubts", "1", CONTROL_CANNOT_TELL, {"stray"}},
	{"selftest/value/tests/0/result", "\"failed\"", CONTROL_NOT_MET, {"algorithms"}},
	{"selftest/value/tests/0/result", "\"cannot tell\"", CONTROL_CANNOT_TELL, {"algorithms"}},
	{"selftest/value/tests/0/name", "\"other\"", CONTROL_CANNOT_TELL, {"algorithms"}},
	{"selftest/value/tests/1/result", "\"failed\"", CONTROL_NOT_MET, {"random"}},
	{"selftest/value/tests/2/result", "\"failed\"", CONTROL_NOT_MET, {"secrets"}},
	{"selftest/value/tests/3/result", "\"failed\"", CONTROL_NOT_MET, {"programs"}},
	{"conditions/value/tests/0/result", "\"failed\"", CONTROL_NOT_MET, {"swap"}},
	{"conditions/value/tests/1/result", "\"failed\"", CONTROL_NOT_MET, {"hibernation"}},
	{"conditions/value/tests/2/result", "\"failed\"", CONTROL_NOT_MET, {"core-dumps"}},
	{"conditions/value/tests/3/result", "\"failed\"", CONTROL_NOT_MET, {"host"}},
	{"conditions/value/tests/4/result", "\"failed\"", CONTROL_NOT_MET, {"host"}},
	{"conditions/value/tests/5/result", "\"failed\"", CONTROL_NOT_MET, {"host"}},
	{"conditions/value/tests/6/result", "\"failed\"", CONTROL_NOT_MET, {"clock"}},
	{"log/value/good", "false", CONTROL_NOT_MET, {"log"}},
	{"log-files/value/open", "false", CONTROL_NOT_MET, {"log-open"}},
	{"log-files/value/error", "\"e\"", CONTROL_NOT_MET, {"log-open"}},
	{"log-files/value/size_bytes", "0", CONTROL_NOT_MET, {"log-bound"}},
	{"settings/value/log_when_full", "\"panic\"", CONTROL_CANNOT_TELL, {"log-bound"}},
	{"log-files/value/others_read", "true", CONTROL_NOT_MET, {"log-readers"}},
	{"log-files/value/others_write", "true", CONTROL_NOT_MET, {"log-readers"}},
	{"events/value/kinds/audit-started", "0", CONTROL_CANNOT_TELL, {"events"}},
	{"events/value/from_host", "0", CONTROL_CANNOT_TELL, {"host-events"}},
	{"receipts/value/looked_at", "0", CONTROL_CANNOT_TELL, {"receipts"}},
	{"receipts/value/short", "1", CONTROL_NOT_MET, {"receipts"}},
	{"receipts/value/unsigned", "1", CONTROL_NOT_MET, {"receipts"}},
	{"wipe/value/outcome", "\"failure\"", CONTROL_NOT_MET, {"wipe"}},
	{"residue/value/count", "0", CONTROL_CANNOT_TELL, {"residue"}},
	{"residue/value/outcome", "\"failure\"", CONTROL_NOT_MET, {"residue"}},
	{"residue/value/outcome", "\"cannot tell\"", CONTROL_CANNOT_TELL, {"residue"}},
	{"residue/value/age_seconds", "3024001", CONTROL_CANNOT_TELL, {"residue"}},
	{"sandbox/value/no_new_privileges", "false", CONTROL_NOT_MET, {"sandbox"}},
	{"sandbox/value/filtered", "false", CONTROL_NOT_MET, {"sandbox"}},
	{"clock/value/synchronised", "false", CONTROL_NOT_MET, {"clock"}},
	{"state-place/value/place", "\"open\"", CONTROL_NOT_MET, {"state-place"}},
	{"state-place/value/place", "\"unknown\"", CONTROL_CANNOT_TELL, {"state-place"}},
	{"device-keys/value/others_read", "true", CONTROL_NOT_MET, {"device-keys"}},
	{"export/value/configured", "false", CONTROL_NOT_MET, {"export"}},
	{"export/value/tls", "false", CONTROL_NOT_MET, {"export"}},
	{"export/value/verifies_peer", "false", CONTROL_NOT_MET, {"export"}},
	{"export/value/queued", "false", CONTROL_NOT_MET, {"export"}},
};

/* In slow builds not all, but some of all kinds. */
static size_t step(void)
{
	return getenv("SPOOLGUARD_TEST_SCALE") ? 11 : 1;
}

/* --- facts --- */

static struct json_object *tests_of(const char *names)
{
	struct json_object *value = json_object_new_object(), *tests = json_object_new_array();
	char copy[256], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " "))) {
		struct json_object *test = json_object_new_object();

		json_object_object_add(test, "name", json_object_new_string(name));
		json_object_object_add(test, "result", json_object_new_string("ok"));
		json_object_object_add(test, "detail", json_object_new_string("d"));
		json_object_object_add(test, "remedy", json_object_new_string(""));
		json_object_array_add(tests, test);
	}
	json_object_object_add(value, "tests", tests);
	return value;
}

static struct json_object *value_of(const char *text)
{
	return text[0] == '{' || text[0] == '[' ? json_tokener_parse(text) : tests_of(text);
}

static struct json_object *good_facts(void)
{
	struct json_object *facts = json_tokener_parse(head);

	for (size_t i = 0; i < ARRAY_SIZE(well); i++) {
		struct json_object *fact = json_object_new_object();
		struct json_object *value = value_of(well[i].value);

		ck_assert_msg(value != NULL, "%s", well[i].name);
		json_object_object_add(fact, "value", value);
		json_object_object_add(
			fact, "seen", json_object_new_string("2026-11-24T09:00:00Z"));
		json_object_object_add(fact, "how", json_object_new_string("a test"));
		json_object_object_add(json_object_object_get(facts, "facts"), well[i].name, fact);
	}
	return facts;
}

/* Puts value (taken) where path says, from "facts" down; NULL takes the member away. */
static void put(struct json_object *facts, const char *path, struct json_object *value)
{
	struct json_object *at = json_object_object_get(facts, "facts");
	char copy[128], *rest = copy, *word, *next;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strsep(&rest, "/"); (next = strsep(&rest, "/")); word = next)
		at = json_object_is_type(at, json_type_array)
			     ? json_object_array_get_idx(at, (size_t)atoi(word))
			     : json_object_object_get(at, word);
	ck_assert_msg(at != NULL, "no %s", path);
	if (json_object_is_type(at, json_type_array))
		ck_assert_int_eq(json_object_array_put_idx(at, (size_t)atoi(word), value), 0);
	else if (value)
		json_object_object_add(at, word, value);
	else
		json_object_object_del(at, word);
}

static struct json_object *spoiled_facts(const struct spoiled *spoiled)
{
	struct json_object *facts = good_facts();

	put(facts, spoiled->path, json_tokener_parse(spoiled->json));
	return facts;
}

static struct compliance_report judged(struct json_object *facts)
{
	struct compliance_report report;

	ck_assert_int_eq(compliance_judge(facts, NULL, &report), 0);
	return report;
}

/* --- goodness --- */

START_TEST(where_all_is_well_every_control_is_met)
{
	struct json_object *facts = good_facts();
	struct compliance_report report = judged(facts);

	ck_assert_uint_gt(report.count, 30);
	for (size_t i = 0; i < report.count; i++)
		ck_assert_msg(report.controls[i].state == CONTROL_MET && !report.controls[i].remedy,
			"%s: %s", report.controls[i].id, report.controls[i].evidence);
	ck_assert_uint_eq(report.met, report.count);
	ck_assert_str_eq(report.host, "printer");
	ck_assert_uint_eq(report.day_count, 1);
	ck_assert_uint_eq(report.days[0].debt_bytes, 4096);
	compliance_report_done(&report);
	json_object_put(facts);
}
END_TEST

START_TEST(without_any_fact_every_control_cannot_be_told)
{
	struct json_object *facts = json_tokener_parse("{}");
	struct compliance_report report = judged(facts);

	ck_assert_uint_eq(report.cannot_tell, report.count);
	for (size_t i = 0; i < report.count; i++) {
		ck_assert(report.controls[i].evidence[0] != '\0');
		ck_assert(report.controls[i].remedy[0] != '\0');
	}
	compliance_report_done(&report);
	json_object_put(facts);
}
END_TEST

/* --- what is spoiled --- */

static bool is_named(const struct spoiled *spoiled, const char *part)
{
	for (size_t i = 0; i < PARTS_TURNED && spoiled->parts[i]; i++) {
		if (strcmp(spoiled->parts[i], part) == 0)
			return true;
	}
	return false;
}

static void assert_turned(const struct control *control, const struct spoiled *spoiled)
{
	bool turned = false;

	for (size_t i = 0; i < control->part_count; i++) {
		const struct control_part *part = &control->parts[i];
		enum control_state wanted =
			is_named(spoiled, part->id) ? spoiled->state : CONTROL_MET;

		turned |= wanted != CONTROL_MET;
		ck_assert_msg(part->state == wanted, "%s %s: part %s of %s is %s: %s",
			spoiled->path, spoiled->json, part->id, control->id,
			control_state_name(part->state), part->evidence);
		ck_assert(wanted == CONTROL_MET || part->remedy[0] != '\0');
	}
	ck_assert_int_eq(control->state, turned ? spoiled->state : CONTROL_MET);
	if (turned)
		ck_assert(control->evidence[0] != '\0' && control->remedy[0] != '\0');
}

START_TEST(a_spoiled_fact_turns_its_parts_and_no_others)
{
	for (size_t s = 0; s < ARRAY_SIZE(spoils); s++) {
		struct json_object *facts = spoiled_facts(&spoils[s]);
		struct compliance_report report = judged(facts);

		for (size_t i = 0; i < report.count; i++)
			assert_turned(&report.controls[i], &spoils[s]);
		compliance_report_done(&report);
		json_object_put(facts);
	}
}
END_TEST

static bool can_be_spoiled(const struct control_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++) {
		for (size_t j = 0; j < CONTROL_PARTS_MAX && row->parts[j]; j++) {
			if (spoils[i].state == CONTROL_NOT_MET &&
				is_named(&spoils[i], row->parts[j]->id))
				return true;
		}
	}
	return false;
}

START_TEST(every_control_can_be_not_met)
{
	for (size_t i = 0; control_rows[i].id; i++)
		ck_assert_msg(can_be_spoiled(&control_rows[i]), "%s", control_rows[i].id);
}
END_TEST

START_TEST(the_worst_part_is_the_controls)
{
	struct json_object *facts = good_facts();
	struct compliance_report report;

	put(facts, "cups/value/doubts", json_object_new_int(1));
	put(facts, "headers/value/0/cipher", json_object_new_string("none"));
	report = judged(facts);
	ck_assert_str_eq(report.controls[0].id, "hcd-fdp-dsk-ext-1");
	ck_assert_int_eq(report.controls[0].state, CONTROL_NOT_MET);
	ck_assert_ptr_nonnull(strstr(report.controls[0].evidence, "none"));
	compliance_report_done(&report);
	json_object_put(facts);
}
END_TEST

static void assert_unavailable(struct json_object *facts, enum control_state wanted)
{
	struct control_part part;

	ck_assert_int_eq(judge_part(facts, &part_unavailable, &part), 0);
	ck_assert_msg(part.state == wanted, "%s", part.evidence);
	free(part.evidence);
	free(part.remedy);
	free(part.seen);
	free(part.how);
}

START_TEST(where_remnants_stay_only_a_key_that_dies_with_the_power_makes_up_for_them)
{
	struct json_object *facts = good_facts();

	put(facts, "media/value/0/overwrite", json_object_new_string("neither"));
	assert_unavailable(facts, CONTROL_NOT_MET);
	put(facts, "keys/value/0/source", json_object_new_string("boot-key"));
	assert_unavailable(facts, CONTROL_MET);
	put(facts, "keys/value/0/source", json_object_new_string("ask"));
	put(facts, "settings/value/wipe_full", json_object_new_boolean(true));
	assert_unavailable(facts, CONTROL_NOT_MET); /* never */
	put(facts, "settings/value/wipe_schedule", json_object_new_string("daily 02:00"));
	assert_unavailable(facts, CONTROL_CANNOT_TELL);
	json_object_put(facts);
}
END_TEST

/* --- what is taken away --- */

struct members {
	char paths[MEMBERS_MAX * 4][128];
	size_t count;
};

/* Every member of every object below, as a path. */
static void list_members(struct json_object *at, const char *path, struct members *members)
{
	char below[128];

	if (json_object_is_type(at, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(at); i++) {
			snprintf(below, sizeof(below), "%.100s/%zu", path, i);
			list_members(json_object_array_get_idx(at, i), below, members);
		}
	} else if (json_object_is_type(at, json_type_object)) {
		json_object_object_foreach(at, key, value)
		{
			snprintf(below, sizeof(below), "%.80s%s%.40s", path, path[0] ? "/" : "",
				key);
			ck_assert_uint_lt(members->count, ARRAY_SIZE(members->paths));
			strcpy(members->paths[members->count++], below);
			list_members(value, below, members);
		}
	}
}

/* No control that was not met, or could not be told, is met without a fact. */
static void assert_none_became_met(
	const struct compliance_report *before, struct json_object *facts, const char *path)
{
	struct compliance_report after = judged(facts);

	for (size_t i = 0; i < before->count; i++)
		ck_assert_msg(before->controls[i].state == CONTROL_MET ||
				      after.controls[i].state != CONTROL_MET,
			"without %s %s is met: %s", path, before->controls[i].id,
			after.controls[i].evidence);
	compliance_report_done(&after);
}

static void take_each_away(const struct spoiled *spoiled)
{
	static struct members members;
	struct json_object *facts = spoiled_facts(spoiled);
	struct compliance_report before = judged(facts);

	members.count = 0;
	list_members(json_object_object_get(facts, "facts"), "", &members);
	ck_assert_uint_gt(members.count, 100);
	json_object_put(facts);
	for (size_t i = 0; i < members.count; i++) {
		facts = spoiled_facts(spoiled);
		put(facts, members.paths[i], NULL);
		assert_none_became_met(&before, facts, members.paths[i]);
		json_object_put(facts);
	}
	compliance_report_done(&before);
}

START_TEST(no_control_is_met_by_a_fact_that_is_missing)
{
	for (size_t s = 0; s < ARRAY_SIZE(spoils); s += step())
		take_each_away(&spoils[s]);
}
END_TEST

static bool rests_on(const struct control_row *row, const char *fact)
{
	for (size_t i = 0; i < CONTROL_PARTS_MAX && row->parts[i]; i++) {
		for (size_t j = 0; j < JUDGE_FACTS_MAX && row->parts[i]->facts[j]; j++) {
			if (strcmp(row->parts[i]->facts[j], fact) == 0)
				return true;
		}
	}
	return false;
}

START_TEST(a_control_without_one_of_its_facts_cannot_be_told)
{
	struct json_object *good = good_facts();

	json_object_object_foreach(json_object_object_get(good, "facts"), name, fact)
	{
		struct json_object *facts = good_facts();
		struct compliance_report report;
		size_t turned = 0;

		(void)fact;
		put(facts, name, json_tokener_parse("{\"why\":\"no right\",\"mend\":\"be root\"}"));
		report = judged(facts);
		for (size_t i = 0; i < report.count; i++) {
			enum control_state wanted = rests_on(&control_rows[i], name)
							    ? CONTROL_CANNOT_TELL
							    : CONTROL_MET;

			ck_assert_int_eq(report.controls[i].state, wanted);
			if (wanted == CONTROL_MET)
				continue;
			turned++;
			ck_assert_ptr_nonnull(strstr(report.controls[i].evidence, "no right"));
			ck_assert_str_eq(report.controls[i].remedy, "be root");
		}
		ck_assert_msg(turned > 0, "nothing rests on %s", name);
		compliance_report_done(&report);
		json_object_put(facts);
	}
	json_object_put(good);
}
END_TEST

START_TEST(a_member_of_another_type_is_no_fact)
{
	static const char *const others[] = {"null", "17", "\"x\"", "[]", "{}", "true"};
	static struct members members;
	struct json_object *good = good_facts();

	members.count = 0;
	list_members(json_object_object_get(good, "facts"), "", &members);
	for (size_t i = 0; i < members.count * ARRAY_SIZE(others); i += step()) {
		struct json_object *facts = good_facts();
		struct compliance_report report;

		put(facts, members.paths[i / ARRAY_SIZE(others)],
			json_tokener_parse(others[i % ARRAY_SIZE(others)]));
		report = judged(facts); /* it does not crash, and says something of each */
		ck_assert_uint_eq(report.met + report.not_met + report.cannot_tell, report.count);
		compliance_report_done(&report);
		json_object_put(facts);
	}
	json_object_put(good);
}
END_TEST

/* --- the table, and what is said --- */

static bool is_token(const char *id)
{
	for (const char *at = id; *at; at++) {
		if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && *at != '-')
			return false;
	}
	return islower((unsigned char)id[0]);
}

static void assert_modest(const char *text)
{
	static const char *const words[] = {"certif", "complian", "guarante", "conform"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *found = strcasestr(text, words[i]);

		ck_assert_msg(!found || strncmp(found, "certificate", 11) == 0, "%s", text);
	}
	ck_assert_msg(!strchr(text, '\n') && text[0], "\"%s\"", text);
}

START_TEST(rows_are_tokens_once_and_modest)
{
	for (size_t i = 0; control_rows[i].id; i++) {
		const struct control_row *row = &control_rows[i];

		ck_assert_msg(is_token(row->id), "%s", row->id);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(row->id, control_rows[j].id);
		assert_modest(row->title);
		assert_modest(row->person);
		ck_assert_ptr_nonnull(row->parts[0]);
		ck_assert_uint_ne(row->profiles, 0);
		ck_assert_ptr_null(row->parts[CONTROL_PARTS_MAX - 1]);
	}
}
END_TEST

START_TEST(what_is_judged_is_said_modestly)
{
	for (size_t s = 0; s < ARRAY_SIZE(spoils); s += step()) {
		struct json_object *facts = spoiled_facts(&spoils[s]);
		struct compliance_report report = judged(facts);

		for (size_t i = 0; i < report.count; i++) {
			assert_modest(report.controls[i].evidence);
			if (report.controls[i].remedy)
				assert_modest(report.controls[i].remedy);
			ck_assert_ptr_nonnull(
				strstr(report.controls[i].evidence, "2026-11-24T09:00:00Z"));
		}
		compliance_report_done(&report);
		json_object_put(facts);
	}
}
END_TEST

START_TEST(every_profile_has_controls_and_no_other_is_known)
{
	struct json_object *facts = good_facts();
	struct compliance_report report;

	for (size_t i = 0; compliance_profiles[i].name; i++) {
		ck_assert_int_eq(compliance_judge(facts, compliance_profiles[i].name, &report), 0);
		ck_assert_str_eq(report.profile, compliance_profiles[i].name);
		ck_assert_uint_ge(report.count, 2);
		compliance_report_done(&report);
	}
	ck_assert_int_eq(compliance_judge(facts, "none", &report), -ENOENT);
	json_object_put(facts);
}
END_TEST

static bool is_row(const char *id)
{
	for (size_t i = 0; control_rows[i].id; i++) {
		if (strcmp(control_rows[i].id, id) == 0)
			return true;
	}
	return false;
}

START_TEST(mappings_name_controls_that_there_are)
{
	static const char *const wanted[] = {
		"SOX", "GLBA", "FERPA", "HITECH", "E-Privacy", "Basel II", "Dodd-Frank", "COBIT"};
	size_t count = 0;

	for (; compliance_mappings[count].name; count++) {
		const struct compliance_mapping *mapping = &compliance_mappings[count];

		ck_assert_uint_lt(count, ARRAY_SIZE(wanted));
		ck_assert_str_eq(mapping->name, wanted[count]);
		assert_modest(mapping->asks);
		ck_assert_ptr_nonnull(mapping->controls[0]);
		for (size_t i = 0; mapping->controls[i]; i++)
			ck_assert_msg(is_row(mapping->controls[i]), "%s", mapping->controls[i]);
	}
	ck_assert_uint_eq(count, ARRAY_SIZE(wanted));
}
END_TEST

/* --- JSON --- */

static const char *text_at(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	ck_assert_msg(text != NULL, "no %s", key);
	return text;
}

START_TEST(json_has_what_callers_were_promised)
{
	static const char *const keys[] = {"id", "state", "evidence", "remedy", "standard",
		"clause", "title", "person", "parts"};
	struct json_object *facts = good_facts(), *object, *controls;
	struct compliance_report report = judged(facts);

	ck_assert_int_eq(compliance_json(&report, &object), 0);
	ck_assert_str_eq(text_at(object, "schema"), "spoolguard.check/1");
	ck_assert(
		json_object_get_boolean(json_object_object_get(object, "technical_controls_met")));
	controls = json_object_object_get(object, "controls");
	ck_assert_uint_eq(json_object_array_length(controls), report.count);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		(void)text_at(json_object_array_get_idx(controls, 0), keys[i]);
	ck_assert_str_eq(text_at(json_object_array_get_idx(controls, 0), "state"), "met");
	json_object_put(object);
	compliance_report_done(&report);

	put(facts, "debts/value/0/stuck_blocks", json_object_new_int(1));
	report = judged(facts);
	ck_assert_int_eq(compliance_json(&report, &object), 0);
	ck_assert(
		!json_object_get_boolean(json_object_object_get(object, "technical_controls_met")));
	json_object_put(object);
	compliance_report_done(&report);
	json_object_put(facts);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("judge");
	TCase *tc = tcase_create("judge");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, where_all_is_well_every_control_is_met);
	tcase_add_test(tc, without_any_fact_every_control_cannot_be_told);
	tcase_add_test(tc, a_spoiled_fact_turns_its_parts_and_no_others);
	tcase_add_test(tc, every_control_can_be_not_met);
	tcase_add_test(tc, the_worst_part_is_the_controls);
	tcase_add_test(
		tc, where_remnants_stay_only_a_key_that_dies_with_the_power_makes_up_for_them);
	tcase_add_test(tc, no_control_is_met_by_a_fact_that_is_missing);
	tcase_add_test(tc, a_control_without_one_of_its_facts_cannot_be_told);
	tcase_add_test(tc, a_member_of_another_type_is_no_fact);
	tcase_add_test(tc, rows_are_tokens_once_and_modest);
	tcase_add_test(tc, what_is_judged_is_said_modestly);
	tcase_add_test(tc, every_profile_has_controls_and_no_other_is_known);
	tcase_add_test(tc, mappings_name_controls_that_there_are);
	tcase_add_test(tc, json_has_what_callers_were_promised);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

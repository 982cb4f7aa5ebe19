/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_service_decommission.c - a drive's last day as the service records it
 *
 * Goal: what RecordDecommission answers is where the record stands, durable; what cannot be is
 * refused by its name; a flood is bounded, and says so; a destroyed key is said to be.  Method:
 * service_fixture.h; the record is read back from the log's file.
 * Not under valgrind: openat2(2) is unknown to it (3.19).
 */
#include "tests/supervisor/service_fixture.h"
#include <glob.h>

#define ID	"0123456789abcdef0123456789abcdef"
#define DIGEST	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ANOTHER "11111111-2222-4333-8444-555555555555" /* a volume that is not open */
#define STORED	"11111111-2222-4333-8444-666666666666" /* ... with a header backup */

static struct json_object *valid(void)
{
	return parse("{\"drive\":\"WD-1\",\"id\":\"" ID
		     "\",\"step\":\"keys\",\"outcome\":\"begun\",\"method\":\"nvme-sanitize\","
		     "\"detail\":\"one of two\",\"certificate\":\"/var/c.json\","
		     "\"certificate_sha256\":\"" DIGEST "\",\"volume\":\"" ANOTHER "\"}");
}

/* The line of that record as the disk has it now, or NULL; gives. */
static struct json_object *find_on_disk(uint64_t sequence)
{
	struct json_object *found = NULL;
	char pattern[PATH_MAX + 32], line[8300];
	glob_t files;

	snprintf(pattern, sizeof(pattern), "%s/audit/segment-*.jsonl", directory);
	ck_assert_int_eq(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *file = fopen(files.gl_pathv[i], "r");

		ck_assert_ptr_nonnull(file);
		while (!found && fgets(line, sizeof(line), file)) {
			struct json_object *record = json_tokener_parse(line);
			uint64_t number = 0;

			if (message_get_u64(record, "sequence", &number) && number == sequence)
				found = record;
			else
				json_object_put(record);
		}
		fclose(file);
	}
	globfree(&files);
	return found;
}

static const char *member(struct json_object *of, const char *object, const char *name)
{
	struct json_object *inner = json_object_object_get(of, object);
	const char *text = NULL;

	(void)message_get_string(inner, name, &text);
	return text ? text : "";
}

START_TEST(a_step_is_durable_when_it_is_answered_and_stands_where_it_says)
{
	struct channel *channel = dial();
	struct message answer = call(channel, "RecordDecommission", valid());
	struct json_object *record;
	uint64_t sequence = 0;
	const char *text = "";

	ck_assert_msg(!answer.error, "%s: %s", answer.error, text_of(&answer));
	ck_assert(message_get_u64(answer.parameters, "sequence", &sequence));
	ck_assert(message_get_string(answer.parameters, "id", &text));
	ck_assert_uint_eq(strlen(text), 36);
	ck_assert(message_get_string(answer.parameters, "sha256", &text));
	ck_assert_uint_eq(strlen(text), 64);
	message_done(&answer);
	record = find_on_disk(sequence);
	ck_assert_ptr_nonnull(record);
	ck_assert_str_eq(member(record, "object", "drive"), "WD-1");
	ck_assert_str_eq(member(record, "object", "volume"), ANOTHER);
	ck_assert_str_eq(member(record, "subject", "role"), "administrator");
	ck_assert_str_eq(member(record, "data", "id"), ID);
	ck_assert_str_eq(member(record, "data", "step"), "keys");
	ck_assert_str_eq(member(record, "data", "method"), "nvme-sanitize");
	ck_assert_str_eq(member(record, "data", "certificate"), "/var/c.json");
	ck_assert_str_eq(member(record, "data", "certificate_sha256"), DIGEST);
	json_object_put(record);
	channel_free(channel);
}
END_TEST

START_TEST(what_cannot_be_a_step_is_refused_by_its_name_and_not_recorded)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{"drive", "\"\""},
		{"drive", "\"two\\nlines\""},
		{"drive", "7"},
		{"id", "\"12\""},
		{"id", "\"0123456789abcdef0123456789abcdeg\""},
		{"step", "\"\""},
		{"step", "\"The Keys\""},
		{"outcome", "\"well\""},
		{"method", "\"\""},
		{"certificate", "\"\""},
		{"certificate_sha256", "\"12\""},
		{"volume", "\"spool\""},
		{"detail", "{}"},
	};
	struct channel *channel = dial();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_object *in = valid();
		struct message answer;
		const char *name = "";

		json_object_object_add(in, bad[i].name, json_tokener_parse(bad[i].value));
		answer = call(channel, "RecordDecommission", in);
		ck_assert_msg(answer.error && strstr(answer.error, "InvalidParameter"), "%s: %s",
			bad[i].name, answer.error ? answer.error : "done");
		ck_assert(message_get_string(answer.parameters, "parameter", &name));
		ck_assert_str_eq(name, bad[i].name);
		message_done(&answer);
	}
	ck_assert_uint_eq(count_events("decommission"), 0);
	channel_free(channel);
}
END_TEST

START_TEST(a_flood_is_bounded_and_told)
{
	struct channel *channel = dial();
	unsigned int done = 0;

	while (done < 2000) {
		struct message answer = call(channel, "RecordDecommission", valid());
		bool busy = answer.error != NULL;

		if (busy) {
			assert_error(answer, PREFIX "Busy", "nothing was recorded now");
			break;
		}
		message_done(&answer);
		done++;
	}
	ck_assert_uint_ge(done, 100);
	ck_assert_uint_lt(done, 2000);
	channel_free(channel);
}
END_TEST

START_TEST(nobody_but_an_administrator_records_a_step)
{
	static const int roles[] = {
		CONFIG_PIPELINE, CONFIG_OPERATOR, CONFIG_TECHNICIAN, CONFIG_AUDITOR, -1};

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		struct channel *channel = dial_as(20000 + (uid_t)i, roles[i]);

		assert_forbidden(call(channel, "RecordDecommission", valid()), "administrator");
		channel_free(channel);
	}
	ck_assert_uint_eq(count_events("access-denied"), ARRAY_SIZE(roles));
	ck_assert_uint_eq(count_events("decommission"), 0);
}
END_TEST

/* --- keys --- */

static void assert_key(const char *uuid, const char *to, bool is)
{
	struct json_object *all = events_since(supervisor.events, 0, SIZE_MAX, NULL);
	bool found = false;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *record = json_object_array_get_idx(all, i);

		found = found || (strcmp(member(record, "object", "volume"), uuid) == 0 &&
					 strcmp(member(record, "data", "to"), to) == 0);
	}
	json_object_put(all);
	ck_assert_int_eq(found, is);
}

static struct json_object *destroyed(const char *uuid, unsigned int backups)
{
	return parse(
		"{\"volume\":\"%s\",\"act\":\"destroy\",\"header_backups\":%u}", uuid, backups);
}

START_TEST(a_key_is_destroyed_unless_a_backup_has_it_or_it_is_in_use)
{
	struct channel *channel = dial();
	struct message answer;

	assert_done(call(channel, "RecordKeyChange", destroyed(ANOTHER, 0)));
	assert_key(ANOTHER, "destroyed", true);
	assert_done(call(channel, "RecordKeyChange", destroyed(STORED, 2)));
	assert_key(STORED, "deactivated", true);
	assert_key(STORED, "destroyed", false);
	assert_refused(
		call(channel, "RecordKeyChange", destroyed(keepers[0].runtime.uuid, 0)), "is open");
	answer = call(channel, "RecordKeyChange", destroyed("spool", 0));
	ck_assert(answer.error && strstr(answer.error, "InvalidParameter"));
	message_done(&answer);
	assert_key(keepers[0].runtime.uuid, "destroyed", false);
	ck_assert_uint_eq(count_events("key-changed"), 2);
	channel_free(channel);
}
END_TEST

/* --- a volume is closed --- */

static struct json_object *closing(const char *confirm, unsigned int wait_s)
{
	return parse("{\"volume\":\"spool\",\"confirm\":\"%s\",\"wait_s\":%u}", confirm, wait_s);
}

static uint64_t begin_job(struct channel *channel, const char *id)
{
	char path[PATH_MAX];

	make_file(path, id, 0);
	return assert_job(
		call(channel, "JobBegin", parse("{\"id\":\"%s\",\"files\":[\"%s\"]}", id, path)),
		"begun");
}

/* The answer's result: how many were retired, and the others as "source id: why". */
static uint64_t read_result(struct message answer, char *list, size_t bytes)
{
	struct json_object *result, *jobs;
	uint64_t retired = 0;
	bool detached = false;

	ck_assert_msg(!answer.error, "%s: %s", answer.error, text_of(&answer));
	result = json_object_object_get(answer.parameters, "result");
	ck_assert(message_get_u64(result, "jobs_retired", &retired));
	ck_assert(message_get_bool(result, "detached", &detached) && detached);
	jobs = json_object_object_get(result, "jobs_not_retired");
	list[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(jobs); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);
		const char *source = "", *id = "", *why = "";
		size_t used = strlen(list);

		ck_assert(message_get_string(job, "source", &source) &&
			  message_get_string(job, "id", &id) &&
			  message_get_string(job, "why", &why));
		snprintf(list + used, bytes - used, "%s %s: %s\n", source, id, why);
	}
	message_done(&answer);
	return retired;
}

START_TEST(a_volume_is_closed_only_as_it_was_named_and_never_beside_a_wipe)
{
	struct channel *channel = dial();

	assert_refused(call(channel, "CloseForDecommission", closing("other", 1)), "confirm with");
	assert_refused(call(channel, "CloseForDecommission", parse("{\"volume\":\"spool\"}")),
		"confirm with");
	wipe_under_way = true;
	assert_error(call(channel, "CloseForDecommission", closing("spool", 1)), PREFIX "Busy",
		"a wipe");
	wipe_under_way = false;
	ck_assert_int_eq(closure_state(directory, "spool"), CLOSURE_NONE);
	ck_assert_uint_eq(count_events("decommission"), 0);
	ck_assert_int_eq(keepers[0].state, KEEPER_OPEN);
	channel_free(channel);
}
END_TEST

START_TEST(jobs_are_retired_or_listed_then_it_is_closed_and_answers_the_same_again)
{
	struct channel *channel = dial(), *closer = dial();
	uint64_t retires = begin_job(channel, "retires"), held = begin_job(channel, "held");
	char list[1024], again[1024];

	state_set_testing(
		supervisor.state, false); /* else nothing can be retired, nor is waited for */
	begin_job(channel, "stays");
	ck_assert_int_eq(
		ledger_set(supervisor.ledger, held, LEDGER_HELD, "a person looks", NULL), 0);
	end_job(retires, LEDGER_RETIRED, NULL); /* before: it is no job of the last call's */
	retires = begin_job(channel, "later");
	{
		_cleanup_free_ char *text = NULL;
		struct message answer;

		ck_assert_int_eq(message_encode_call(PREFIX "CloseForDecommission",
					 closing(keepers[0].runtime.uuid, 2), &text),
			0);
		ck_assert_int_eq(channel_send(closer, text), 0);
		while (closure_state(directory, "spool") == CLOSURE_NONE)
			usleep(1000);
		assert_refused(
			call(channel, "JobBegin", parse("{\"id\":\"new\",\"volume\":\"spool\"}")),
			"decommissioned");
		end_job(retires, LEDGER_RETIRED, NULL);
		ck_assert_int_eq(channel_receive(closer, 30000, &answer), 0);
		ck_assert_uint_eq(read_result(answer, list, sizeof(list)), 1);
	}
	ck_assert_msg(strstr(list, "call held: a person looks\n") != NULL, "%s", list);
	ck_assert_msg(strstr(list, "call stays: begun\n") != NULL, "%s", list);
	ck_assert_str_eq(closed_as, keepers[0].runtime.uuid);
	ck_assert(closed_when_closed);
	ck_assert_int_eq(keepers[0].state, KEEPER_DECOMMISSIONED);
	ck_assert_uint_eq(read_result(call(channel, "CloseForDecommission", closing("spool", 1)),
				  again, sizeof(again)),
		1);
	ck_assert_str_eq(list, again);
	channel_free(closer);
	channel_free(channel);
}
END_TEST

START_TEST(what_was_interrupted_goes_on)
{
	struct channel *channel = dial();
	uint64_t number = begin_job(channel, "flies");
	char list[1024];

	close_error = -EBUSY;
	assert_error(call(channel, "CloseForDecommission", closing("spool", 0)), PREFIX "Busy",
		"cannot be detached yet: somebody has a file open");
	ck_assert_int_eq(closure_state(directory, "spool"), CLOSURE_CLOSED);
	stop_service();
	close_error = 0;
	start_service();
	channel_free(channel);
	channel = dial();
	(void)number;
	ck_assert_uint_eq(read_result(call(channel, "CloseForDecommission", closing("spool", 1)),
				  list, sizeof(list)),
		0);
	ck_assert_msg(strstr(list, "call flies: begun\n") != NULL, "%s", list);
	channel_free(channel);
}
END_TEST

/* --- the record --- */

START_TEST(what_was_closed_opens_again_only_as_another)
{
	struct closure closure = {.state = CLOSURE_CLOSED, .uuid = ANOTHER, .medium = "/dev/x"};
	struct problem problem = {""};
	char path[PATH_MAX + 32];

	ck_assert_int_eq(closure_check(directory, "v", "/dev/x", ANOTHER, &problem), 0);
	ck_assert_int_eq(closure_save(directory, "v", &closure), 0);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/x", ANOTHER, &problem), -EKEYREVOKED);
	ck_assert(strstr(problem.text, "was decommissioned") != NULL);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/y", ANOTHER, &problem), -EKEYREVOKED);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/x", NULL, &problem), -EKEYREVOKED);
	ck_assert_int_eq(closure_state(directory, "v"), CLOSURE_CLOSED);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/x", STORED, &problem), 0);
	ck_assert_int_eq(closure_state(directory, "v"), CLOSURE_NONE);
	closure.state = CLOSURE_CLOSING;
	ck_assert_int_eq(closure_save(directory, "v", &closure), 0);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/x", ANOTHER, &problem), 0);
	snprintf(path, sizeof(path), "%s/closure.v", directory);
	ck_assert_int_eq(truncate(path, 20), 0);
	ck_assert_int_eq(closure_state(directory, "v"), CLOSURE_CLOSED);
	ck_assert_int_eq(closure_check(directory, "v", "/dev/y", STORED, &problem), -EKEYREVOKED);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_step_is_durable_when_it_is_answered_and_stands_where_it_says,
		what_cannot_be_a_step_is_refused_by_its_name_and_not_recorded,
		a_flood_is_bounded_and_told,
		nobody_but_an_administrator_records_a_step,
		a_key_is_destroyed_unless_a_backup_has_it_or_it_is_in_use,
		a_volume_is_closed_only_as_it_was_named_and_never_beside_a_wipe,
		jobs_are_retired_or_listed_then_it_is_closed_and_answers_the_same_again,
		what_was_interrupted_goes_on,
		what_was_closed_opens_again_only_as_another,
	};

	return run_suite("service_decommission", tests, ARRAY_SIZE(tests));
}

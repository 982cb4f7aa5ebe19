/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_service.c - what callers may ask, what they are answered, and what hangs whom
 *
 * Goal: Y1 and Y2 of service.h, every method's answer as its interface file says, and roles held at
 * the socket.  Method: service_fixture.h; each method is called by each role; volumes that do not
 * answer, sweeps that do not end, queues that are full; parameters of every wrong kind.
 * Not under valgrind: openat2(2) is unknown to it (3.19).
 */
#include "tests/supervisor/service_fixture.h"
#include "tests/support/varlink.h"

static const struct {
	const char *name, *in;
} calls[] = {
	{"GetStatus", "{}"},
	{"Monitor", "{}"},
	{"GetDeviceKey", "{}"},
	{"JobBegin", "{\"id\":\"1\"}"},
	{"JobComplete", "{\"id\":\"1\"}"},
	{"JobList", "{}"},
	{"JobShow", "{\"id\":\"1\"}"},
	{"JobHold", "{\"id\":\"1\",\"reason\":\"asked for\"}"},
	{"JobRelease", "{\"id\":\"1\"}"},
	{"Sweep", "{\"volume\":\"spool\"}"},
	{"WipeSpool", "{\"volume\":\"spool\",\"mode\":\"full\"}"},
	{"SelfTest", "{}"},
	{"Detach", "{\"volume\":\"spool\"}"},
	{"Attach", "{\"volume\":\"spool\"}"},
	{"RecordResidueCheck", "{\"result\":{}}"},
	{"Reload", "{}"},
	{"Events", "{}"},
};

/* --- who may --- */

START_TEST(each_method_is_for_its_roles_and_each_refusal_is_an_event)
{
	struct channel *channels[CONFIG_ROLES + 1], *root = dial();
	size_t refused = 0;

	for (int role = 0; role <= CONFIG_ROLES; role++)
		channels[role] = dial_as(20000 + (uid_t)role, role < CONFIG_ROLES ? role : -1);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (int role = 0; role <= CONFIG_ROLES; role++) {
			unsigned int set = role < CONFIG_ROLES ? ROLES_BIT(role) : 0;
			struct message answer = call(
				channels[role], calls[i].name, json_tokener_parse(calls[i].in));
			bool denied = answer.error &&
				      strcmp(answer.error, PREFIX "PermissionDenied") == 0;
			bool may = (roles_allowed(calls[i].name) & set) != 0;

			/* A job of somebody else's is told apart from a role that one has not. */
			if (may && denied)
				ck_assert_msg(strstr(text_of(&answer), "another user's") != NULL,
					"%s", text_of(&answer));
			else
				ck_assert_msg(denied == !may, "%s by role %d: %s", calls[i].name,
					role, answer.error ? answer.error : "done");
			message_done(&answer);
		}
		assert_done(call(root, "GetStatus", NULL));
	}
	refused = count_events("access-denied");
	/* All of them, but those beyond ten of one uid in a minute. */
	ck_assert_uint_eq(refused, 10 + 8 + 10 + 0 + 10 + 10);
	for (int role = 0; role <= CONFIG_ROLES; role++)
		channel_free(channels[role]);
	channel_free(root);
}
END_TEST

START_TEST(a_refusal_names_the_roles_and_nothing_else)
{
	struct channel *channel = dial_as(ALICE, CONFIG_TECHNICIAN);
	char *text;

	assert_forbidden(call(channel, "Attach", parse("{\"volume\":\"spool\"}")),
		"needs one of the roles administrator; you have technician");
	channel_free(channel);
	ck_assert_uint_eq(count_events("access-denied"), 1);
	text = events_rig_text(supervisor.events);
	ck_assert_ptr_nonnull(strstr(text,
		"\"event\":\"access-denied\",\"subject\":{\"role\":\"technician\",\"uid\":12001},"
		"\"outcome\":\"denied\",\"detail\":\"no role of the caller's allows it\","
		"\"data\":{\"method\":\"Attach\"}"));
	free(text);
}
END_TEST

START_TEST(whoever_is_refused_without_end_fills_no_log)
{
	struct channel *channel = dial_as(ALICE, -1), *other = dial_as(BOB, -1);

	for (int i = 0; i < 200; i++)
		assert_forbidden(call(channel, "Reload", NULL), NULL);
	ck_assert_uint_eq(count_events("access-denied"), 10);
	assert_forbidden(call(other, "Reload", NULL), NULL); /* another's are still seen */
	ck_assert_uint_eq(count_events("access-denied"), 11);
	channel_free(channel);
	channel_free(other);
}
END_TEST

START_TEST(roles_follow_the_configuration_when_it_is_read_again)
{
	struct channel *alice = dial_as(ALICE, CONFIG_OPERATOR), *root = dial();

	assert_forbidden(call(alice, "Events", NULL), NULL);
	strcpy(config.groups[CONFIG_AUDITOR][0], "tty");
	strcpy(config.groups[CONFIG_OPERATOR][0], "no-such-group");
	assert_done(call(root, "Reload", NULL));
	assert_done(call(alice, "Events", NULL));
	assert_forbidden(call(alice, "Sweep", parse("{\"volume\":\"spool\"}")), NULL);
	ck_assert_uint_eq(count_events("role-changed"), 1); /* the group that is none */
	channel_free(alice);
	channel_free(root);
}
END_TEST

/* --- the interface --- */

START_TEST(the_interface_is_described_and_complete)
{
	struct channel *channel = dial();
	struct message answer;
	const char *text, *fault;

	ck_assert_int_eq(channel_call(channel, "org.varlink.service.GetInterfaceDescription",
				 parse("{\"interface\":\"io.spoolguard\"}"), &answer),
		0);
	ck_assert(message_get_string(answer.parameters, "description", &text));
	fault = varlink_check(text);
	ck_assert_msg(!fault, "%s", fault);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		ck_assert_msg(varlink_defines(text, "method", calls[i].name), "%s", calls[i].name);
	ck_assert(varlink_defines(text, "error", "PermissionDenied"));
	ck_assert(varlink_defines(text, "error", "NotFound"));
	ck_assert(varlink_defines(text, "error", "Refused"));
	ck_assert(varlink_defines(text, "error", "Busy"));
	ck_assert(varlink_defines(text, "error", "Failed"));
	message_done(&answer);
	channel_free(channel);
}
END_TEST

START_TEST(the_status_says_what_the_parts_say)
{
	static const char *const keys[] = {"state", "reasons", "volumes", "jobs", "waiting", "debt",
		"selftest", "version", "build"};
	struct channel *channel = dial();
	struct json_object *debt, *jobs;
	struct message answer;
	uint64_t number;
	char path[PATH_MAX];

	keepers[0].owed_bytes = 40960;
	state_set_testing(supervisor.state, false);
	state_raise(supervisor.state, STATE_ATTENTION, "swap", "swap is not encrypted");
	make_file(path, "d1", 0);
	assert_job(call(channel, "JobComplete", parse("{\"id\":\"1\",\"files\":[\"%s\"]}", path)),
		"seen");
	assert_job(call(channel, "JobHold", parse("{\"id\":\"1\",\"reason\":\"the court asked\"}")),
		"held");
	answer = call(channel, "GetStatus", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		ck_assert_msg(
			json_object_object_get(answer.parameters, keys[i]) != NULL, "%s", keys[i]);
	ck_assert_ptr_nonnull(
		strstr(json_object_to_json_string_ext(answer.parameters, JSON_C_TO_STRING_PLAIN),
			"\"state\":\"DEGRADED\""));
	debt = json_object_object_get(answer.parameters, "debt");
	ck_assert(message_get_u64(debt, "bytes", &number) && number == 40960);
	ck_assert(message_get_u64(debt, "blocks", &number) && number == 10);
	ck_assert(message_get_u64(debt, "oldest_seconds", &number) && number == 7);
	ck_assert(message_get_u64(debt, "jobs_waiting", &number) && number == 1);
	jobs = json_object_object_get(answer.parameters, "jobs");
	ck_assert(message_get_u64(jobs, "held", &number) && number == 1);
	ck_assert_ptr_nonnull(strstr(
		json_object_to_json_string_ext(json_object_object_get(answer.parameters, "waiting"),
			JSON_C_TO_STRING_PLAIN),
		"\"id\":\"1\",\"why\":\"the court asked\""));
	ck_assert_ptr_null(json_object_object_get(answer.parameters, "stale_seconds"));
	message_done(&answer);
	channel_free(channel);
}
END_TEST

static atomic_uint told;
static char last_state[32];

static bool hear(void *context, struct json_object *parameters)
{
	const char *state = "";

	(void)context;
	(void)message_get_string(parameters, "state", &state);
	snprintf(last_state, sizeof(last_state), "%s", state);
	return atomic_fetch_add(&told, 1) == 2;
}

static void *monitor(void *argument)
{
	struct channel *channel = argument;
	struct message answer;

	ck_assert_int_eq(
		channel_call_more(channel, PREFIX "Monitor", NULL, -1, hear, NULL, &answer),
		-ECANCELED);
	return NULL;
}

static bool was_told_once(void)
{
	return atomic_load(&told) >= 1;
}

static bool was_told_twice(void)
{
	return atomic_load(&told) >= 2;
}

START_TEST(whoever_monitors_is_told_at_once_and_when_something_changes)
{
	struct channel *channel = dial();
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, monitor, channel), 0);
	wait_until(was_told_once);
	ck_assert_str_eq(last_state, "SELF-TEST");
	usleep(1500000);
	ck_assert_uint_eq(atomic_load(&told), 1); /* nothing is new */
	state_set_testing(supervisor.state, false);
	wait_until(was_told_twice);
	ck_assert_str_eq(last_state, "READY");
	state_raise(supervisor.state, STATE_LOCKS, "volume:spool", "locked");
	pthread_join(thread, NULL);
	ck_assert_str_eq(last_state, "LOCKED");
	channel_free(channel);
}
END_TEST

/* --- long work --- */

static atomic_uint progress_seen;

static bool hear_progress(void *context, struct json_object *parameters)
{
	struct json_object *progress = json_object_object_get(parameters, "progress");
	uint64_t total;

	(void)context;
	ck_assert(message_get_u64(progress, "total_bytes", &total));
	ck_assert_uint_eq(total, 3);
	if (atomic_fetch_add(&progress_seen, 1) == 1)
		atomic_store(&long_work_waits, false);
	return false;
}

START_TEST(a_sweep_tells_how_far_it_is)
{
	struct channel *channel = dial();
	struct message answer;
	uint64_t took;

	atomic_store(&long_work_waits, true);
	ck_assert_int_eq(channel_call_more(channel, PREFIX "Sweep", parse("{\"volume\":\"spool\"}"),
				 -1, hear_progress, NULL, &answer),
		0);
	ck_assert_uint_ge(atomic_load(&progress_seen), 2);
	ck_assert(message_get_u64(
		json_object_object_get(answer.parameters, "result"), "took_ms", &took));
	ck_assert_uint_eq(took, 5);
	message_done(&answer);
	ck_assert_uint_eq(count_events("sweep"), 2);
	channel_free(channel);
}
END_TEST

START_TEST(a_wipe_is_asked_for_by_name_and_goes_on_without_its_caller)
{
	struct channel *channel = dial_as(ALICE, CONFIG_OPERATOR), *gone;
	struct message answer;
	char *text;

	assert_refused(
		call(channel, "WipeSpool", parse("{\"volume\":\"spool\",\"mode\":\"full\"}")),
		"confirm with");
	ck_assert(wiped.full && !wiped.dry_run && wiped.passphrase_fd == -1);
	assert_error(call(channel, "WipeSpool", parse("{\"volume\":\"spool\",\"mode\":\"all\"}")),
		"org.varlink.service.InvalidParameter", NULL);
	assert_error(call(channel, "WipeSpool", parse("{\"volume\":\"nosuch\",\"mode\":\"full\"}")),
		PREFIX "NotFound", "no volume");
	assert_done(call(channel, "WipeSpool",
		parse("{\"volume\":\"%s\",\"mode\":\"standard\",\"dry_run\":true}",
			config.volumes[0].medium)));
	ck_assert(!wiped.full && wiped.dry_run);
	ck_assert_str_eq(wiped_as, "operator 12001 spool");

	atomic_store(&long_work_waits, true);
	atomic_store(&progress_seen, 0);
	ck_assert_int_eq(
		channel_call_more(channel, PREFIX "WipeSpool",
			parse("{\"volume\":\"spool\",\"mode\":\"full\",\"confirm\":\"spool\"}"), -1,
			hear_progress, NULL, &answer),
		0);
	ck_assert_uint_ge(atomic_load(&progress_seen), 2);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(
				 json_object_object_get(answer.parameters, "result"), "result")),
		"successful");
	message_done(&answer);

	gone = dial_as(ALICE, CONFIG_OPERATOR);
	atomic_store(&long_work_waits, true);
	ck_assert_int_eq(
		message_encode_call(PREFIX "WipeSpool",
			parse("{\"volume\":\"spool\",\"mode\":\"full\",\"confirm\":\"spool\"}"),
			&text),
		0);
	ck_assert_int_eq(channel_send(gone, text), 0);
	free(text);
	usleep(50000);
	channel_free(gone);
	usleep(50000);
	ck_assert_uint_eq(atomic_load(&wipes_done), 2);
	atomic_store(&long_work_waits, false);
	for (int i = 0; i < 2000 && atomic_load(&wipes_done) < 3; i++)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&wipes_done), 3);
	channel_free(channel);
}
END_TEST

static bool no_long_work(void)
{
	return atomic_load(&long_work_runs) == 0;
}

static bool three_run(void)
{
	return atomic_load(&long_work_runs) == 3;
}

static struct channel *begin_sweep(void)
{
	struct channel *channel = dial();
	char *text;

	ck_assert_int_eq(
		message_encode_call(PREFIX "Sweep", parse("{\"volume\":\"spool\"}"), &text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	free(text);
	return channel;
}

START_TEST(a_sweep_ends_with_whoever_asked_for_it)
{
	struct channel *channels[3];

	atomic_store(&long_work_waits, true);
	for (size_t i = 0; i < 3; i++)
		channels[i] = begin_sweep();
	wait_until(three_run);
	for (size_t i = 0; i < 3; i++)
		channel_free(channels[i]);
	wait_until(no_long_work); /* although nobody opened the gate */
}
END_TEST

START_TEST(long_work_keeps_nobody_else_waiting_and_its_queue_has_an_end)
{
	struct channel *channels[3 + 8 + 4], *other = dial();
	unsigned int busy = 0, done = 0;
	uint64_t began;
	char path[PATH_MAX];

	atomic_store(&long_work_waits, true);
	for (size_t i = 0; i < 3; i++)
		channels[i] = begin_sweep();
	wait_until(three_run);
	for (size_t i = 3; i < ARRAY_SIZE(channels); i++) {
		channels[i] = begin_sweep();
		usleep(10000); /* in this order */
	}
	began = clock_monotonic_ns();
	make_file(path, "d1", 0);
	assert_done(call(other, "GetStatus", NULL));
	assert_job(call(other, "JobComplete", parse("{\"id\":\"1\",\"files\":[\"%s\"]}", path)),
		"seen");
	assert_done(call(other, "Events", NULL));
	ck_assert_uint_lt(clock_monotonic_ns() - began, 2000000000u);
	atomic_store(&long_work_waits, false);
	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		struct message answer;

		ck_assert_int_eq(channel_receive(channels[i], 10000, &answer), 0);
		if (answer.error)
			ck_assert_str_eq(answer.error, PREFIX "Busy");
		busy += answer.error != NULL;
		done += answer.error == NULL;
		message_done(&answer);
		channel_free(channels[i]);
	}
	ck_assert_uint_eq(done, 3 + 8);
	ck_assert_uint_eq(busy, 4);
	channel_free(other);
}
END_TEST

static bool volume_is_hung(void)
{
	return atomic_load(&volume_hung) > 0;
}

START_TEST(a_volume_that_hangs_makes_the_status_old_and_stops_nothing_else)
{
	struct channel *channel = dial(), *other = dial();
	uint64_t began = clock_monotonic_ns(), stale;
	struct message answer;
	char path[PATH_MAX];

	assert_done(call(channel, "GetStatus", NULL));
	usleep(400000);
	atomic_store(&volume_hangs, true);
	answer = call(channel, "GetStatus", NULL);
	ck_assert(volume_is_hung());
	ck_assert(message_get_u64(answer.parameters, "stale_seconds", &stale));
	ck_assert_uint_eq(
		json_object_array_length(json_object_object_get(answer.parameters, "volumes")), 1);
	message_done(&answer);
	make_file(path, "d1", 0);
	assert_job(call(other, "JobComplete", parse("{\"id\":\"1\",\"files\":[\"%s\"]}", path)),
		"seen");
	ck_assert_uint_lt(clock_monotonic_ns() - began, 5000000000u);
	ck_assert(service_is_alive(service));
	atomic_store(&volume_hangs, false);
	answer = call(channel, "GetStatus", NULL);
	ck_assert_ptr_null(json_object_object_get(answer.parameters, "stale_seconds"));
	message_done(&answer);
	channel_free(channel);
	channel_free(other);
}
END_TEST

/* --- volumes, self-tests, events --- */

static struct message attach_with(struct channel *channel, const char *text)
{
	struct message answer;
	char *message;
	int fds[2];

	assert_done(call(channel, "GetStatus", NULL)); /* from now on it knows us */
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(io_write(fds[1], text, strlen(text)), 0);
	close(fds[1]);
	ck_assert_int_eq(
		message_encode_call(PREFIX "Attach", parse("{\"volume\":\"spool\"}"), &message), 0);
	ck_assert_int_eq(channel_send_with_fd(channel, message, fds[0]), 0);
	close(fds[0]);
	free(message);
	ck_assert_int_eq(channel_receive(channel, 10000, &answer), 0);
	return answer;
}

START_TEST(a_passphrase_comes_by_descriptor)
{
	struct channel *channel = dial_as(ALICE, CONFIG_ADMINISTRATOR);

	assert_done(call(channel, "Detach", parse("{\"volume\":\"spool\"}")));
	ck_assert_int_eq(keepers[0].state, KEEPER_CLOSED);
	assert_refused(call(channel, "Sweep", parse("{\"volume\":\"spool\"}")), "is not open");
	assert_refused(attach_with(channel, "wrong"), "opens nothing");
	assert_done(attach_with(channel, "right"));
	ck_assert_int_eq(keepers[0].state, KEEPER_OPEN);
	assert_done(
		call(channel, "Detach", parse("{\"volume\":\"%s\"}", config.volumes[0].medium)));
	assert_done(call(channel, "Attach", parse("{\"volume\":\"spool\"}")));
	ck_assert_str_eq(passphrase, "");
	assert_error(call(channel, "Attach", parse("{\"volume\":\"other\"}")), PREFIX "NotFound",
		"no volume");
	ck_assert_uint_eq(count_events("management"), 5);
	channel_free(channel);
}
END_TEST

START_TEST(self_tests_are_told_one_by_one)
{
	struct channel *channel = dial_as(ALICE, CONFIG_TECHNICIAN);
	struct message answer = call(channel, "SelfTest", NULL);
	struct json_object *tests = json_object_object_get(answer.parameters, "tests");
	bool ok = false;

	ck_assert(message_get_bool(answer.parameters, "ok", &ok) && ok);
	ck_assert(message_get_bool(answer.parameters, "degraded", &ok) && ok);
	ck_assert_uint_eq(json_object_array_length(tests), 2);
	ck_assert_ptr_nonnull(strstr(
		json_object_to_json_string_ext(
			json_object_array_get_idx(tests, 1), JSON_C_TO_STRING_PLAIN),
		"{\"name\":\"host\\/swap\",\"subject\":\"\",\"ok\":false,\"result\":\"failed\","
		"\"weight\":\"host\",\"detail\":\"\",\"remedy\":\"swapoff -a\"}"));
	message_done(&answer);
	assert_refused(
		call(channel, "SelfTest", parse("{\"inject\":\"aes/xts\"}")), "a volume is open");
	channel_free(channel);
}
END_TEST

START_TEST(events_come_in_portions)
{
	struct channel *channel = dial_as(ALICE, CONFIG_AUDITOR);
	uint64_t since = 0, sequence = 0, count = 0;
	bool more = true;

	for (int i = 0; i < 450; i++)
		events_note(supervisor.events, "volume-warning", NULL, "success", "%d", i);
	for (int rounds = 0; more; rounds++) {
		struct message answer = call(
			channel, "Events", parse("{\"since\":%llu}", (unsigned long long)since));
		struct json_object *events = json_object_object_get(answer.parameters, "events");

		ck_assert_int_lt(rounds, 4);
		ck_assert(message_get_bool(answer.parameters, "more", &more));
		for (size_t i = 0; i < json_object_array_length(events); i++, count++) {
			ck_assert(message_get_u64(
				json_object_array_get_idx(events, i), "sequence", &sequence));
			ck_assert_uint_eq(sequence, count + 1);
		}
		since = sequence + 1;
		message_done(&answer);
	}
	ck_assert_uint_eq(count, 450 + 2); /* the log was opened, and is read */
	channel_free(channel);
}
END_TEST

START_TEST(what_a_reload_did_not_take_is_named)
{
	struct channel *channel = dial();
	struct message answer = call(channel, "Reload", NULL);
	const char *kept;

	ck_assert(message_get_string(answer.parameters, "kept", &kept));
	ck_assert_str_eq(kept, "service/socket");
	message_done(&answer);
	channel_free(channel);
}
END_TEST

/* --- whatever comes --- */

START_TEST(parameters_of_every_wrong_kind_are_named)
{
	static const char *const keys[] = {"id", "volume", "files", "wait", "timeout_s", "state",
		"after", "source", "reason", "inject", "since"};
	static const char *const values[] = {"null", "true", "-1", "1.5", "\"\"", "[]", "{}",
		"[[[1]]]", "[null]", "[\"\"]", "[\"/\"]", "\"\\u0000\"", "18446744073709551615",
		"\"../../etc\"", "9e99"};
	struct channel *channel = dial();

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				struct json_object *in = json_tokener_parse(calls[i].in);
				struct message answer;

				json_object_object_add(in, "timeout_s", json_object_new_int(0));
				json_object_object_add(in, keys[k], json_tokener_parse(values[v]));
				answer = call(channel, calls[i].name, in); /* is answered */
				message_done(&answer);
			}
		}
	}
	channel_free(channel);
}
END_TEST

START_TEST(stopping_answers_whoever_waits)
{
	struct channel *waiting = dial(), *sweeping, *monitoring = dial();
	struct message answer;
	char path[PATH_MAX], *text;
	bool continues;

	make_file(path, "d1", 0);
	ck_assert_int_eq(
		message_encode_call(PREFIX "JobComplete",
			parse("{\"id\":\"1\",\"files\":[\"%s\"],\"wait\":true}", path), &text),
		0);
	ck_assert_int_eq(channel_send(waiting, text), 0);
	free(text);
	ck_assert_int_eq(message_encode_call_more(PREFIX "Monitor", NULL, &text), 0);
	ck_assert_int_eq(channel_send(monitoring, text), 0);
	free(text);
	ck_assert_int_eq(channel_receive(monitoring, 10000, &answer), 0);
	message_done(&answer);
	atomic_store(&long_work_waits, true);
	sweeping = begin_sweep();
	while (count_awaited() == 0 || atomic_load(&long_work_runs) == 0)
		usleep(1000);
	stop_service();
	ck_assert_int_eq(channel_receive(waiting, 1000, &answer), 0);
	assert_job(answer, "seen");
	ck_assert_int_eq(channel_receive(sweeping, 1000, &answer), 0);
	ck_assert_ptr_nonnull(answer.error);
	message_done(&answer);
	do { /* a change may have been told before */
		ck_assert_int_eq(channel_receive(monitoring, 1000, &answer), 0);
		ck_assert_ptr_null(answer.error);
		continues = answer.continues;
		message_done(&answer);
	} while (continues);
	channel_free(waiting);
	channel_free(sweeping);
	channel_free(monitoring);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_method_is_for_its_roles_and_each_refusal_is_an_event,
		a_refusal_names_the_roles_and_nothing_else,
		whoever_is_refused_without_end_fills_no_log,
		roles_follow_the_configuration_when_it_is_read_again,
		the_interface_is_described_and_complete,
		the_status_says_what_the_parts_say,
		whoever_monitors_is_told_at_once_and_when_something_changes,
		a_sweep_tells_how_far_it_is,
		a_sweep_ends_with_whoever_asked_for_it,
		a_wipe_is_asked_for_by_name_and_goes_on_without_its_caller,
		long_work_keeps_nobody_else_waiting_and_its_queue_has_an_end,
		a_volume_that_hangs_makes_the_status_old_and_stops_nothing_else,
		a_passphrase_comes_by_descriptor,
		self_tests_are_told_one_by_one,
		events_come_in_portions,
		what_a_reload_did_not_take_is_named,
		parameters_of_every_wrong_kind_are_named,
		stopping_answers_whoever_waits,
	};

	return run_suite("service", tests, ARRAY_SIZE(tests));
}

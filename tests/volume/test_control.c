/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_control.c - the control socket and its client, end to end, and hostile callers
 *
 * Goal: each method does what control.h says; nothing that a caller sends or leaves
 * undone hurts another caller, the engine, or an orderly end.
 * Method: a real socket in a directory of ours, the project's client at one end, raw
 * bytes at others; the engine is on a disk in memory.
 */
#include "ipc/channel.h"
#include "tests/support/threads.h"
#include "tests/volume/engine_fixture.h"
#include "volume/client.h"
#include "volume/control.h"
#include "volume/runtime.h"
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define UUID   "00000000-0000-4000-8000-000000000001"
#define PREFIX "io.spoolguard.volume."

static char directory[] = "/tmp/spoolguard-control.XXXXXX";
static char socket_path[RUNTIME_PATH_BYTES];
static struct control *control;
static struct client *client;
static pthread_t main_thread;
static bool main_runs;
static unsigned int other_threads; /* and those that accept: they live on */

/* What spoolguard_volume_main.c does after its start. */
static void *serve_until_detached(void *argument)
{
	int r;

	(void)argument;
	control_wait_for_detach(control);
	engine_stop(engine);
	control_quiesce(control);
	r = engine_close(engine);
	engine = NULL;
	control_answer_detach(control, r);
	return NULL;
}

static void start_control(void)
{
	int fd;

	ck_assert_int_eq(channel_listen(socket_path, &fd), 0);
	ck_assert_int_eq(control_new(fd, engine, NULL, &control), 0);
	ck_assert_int_eq(control_start(control), 0);
	other_threads++;
	ck_assert_int_eq(pthread_create(&main_thread, NULL, serve_until_detached, NULL), 0);
	main_runs = true;
	ck_assert_int_eq(client_connect(UUID, &client), 0);
}

static void join_main(void)
{
	if (main_runs)
		pthread_join(main_thread, NULL);
	main_runs = false;
}

/* Detaches, and waits until all is over. */
static int detach(void)
{
	int r = client_detach(client, false);

	join_main();
	client_free(client);
	client = NULL;
	return r;
}

static void setup_control(void)
{
	struct rlimit files = {4096, 4096};
	char path[RUNTIME_PATH_BYTES];

	(void)setrlimit(RLIMIT_NOFILE, &files);
	other_threads = threads_count();
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	setenv("SPOOLGUARD_RUNTIME_DIR", directory, 1);
	ck_assert_int_eq(runtime_path(UUID, "", path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(runtime_path(UUID, "control", socket_path), 0);
	setup();
	start_control();
}

static void teardown_control(void)
{
	char path[RUNTIME_PATH_BYTES];

	if (client)
		ck_assert_int_eq(detach(), 0);
	join_main();
	unlink(socket_path);
	if (runtime_path(UUID, "", path) >= 0)
		rmdir(path);
	rmdir(directory);
	teardown();
	threads_wait_for(other_threads);
}

static uint64_t watch_of(struct client *of, uint64_t first, uint64_t count)
{
	struct extent_list blocks = {0};
	uint64_t watch;

	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){first, count}), 0);
	ck_assert_int_eq(client_watch(of, &blocks, &watch), 0);
	extent_list_done(&blocks);
	return watch;
}

static uint64_t status_u64(const char *name)
{
	struct json_object *status;
	uint64_t value;

	ck_assert_int_eq(client_status(client, &status), 0);
	ck_assert_msg(message_get_u64(status, name, &value), "%s", name);
	json_object_put(status);
	return value;
}

/* --- each method --- */

START_TEST(status_says_what_the_volume_is)
{
	struct json_object *status;
	const char *scheme;
	bool flag;

	make_live(0, 4, 'a');
	ck_assert_int_eq(client_status(client, &status), 0);
	ck_assert(message_get_string(status, "scheme", &scheme));
	ck_assert_str_eq(scheme, "three-pass");
	ck_assert(message_get_bool(status, "managed", &flag) && flag);
	ck_assert(message_get_bool(status, "trusted", &flag) && flag);
	ck_assert(message_get_bool(status, "eraser_failed", &flag) && !flag);
	json_object_put(status);
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
	ck_assert_uint_eq(status_u64("live"), 4);
	ck_assert_uint_eq(status_u64("clean"), DATA_BLOCKS - 4);
	ck_assert_uint_eq(status_u64("stuck"), 0);
	ck_assert_int_eq(client_serve(client), 0);
}
END_TEST

START_TEST(jobs_are_watched_and_condemned_together)
{
	struct retirement done[2];
	uint64_t watches[2];

	make_live(0, 8, 'j');
	watches[0] = watch_of(client, 0, 4);
	watches[1] = watch_of(client, 4, 4);
	ck_assert_uint_ne(watches[0], watches[1]);
	make_live(5, 1, 'n');
	ck_assert_int_eq(client_condemn(client, watches, 2, done), 0);
	ck_assert_uint_eq(done[0].verified_blocks, 4);
	ck_assert_uint_eq(done[1].verified_blocks, 3);
	ck_assert_uint_eq(done[1].lost_blocks, 1);
	ck_assert_uint_eq(done[0].epoch, done[1].epoch);
	ck_assert_uint_eq(done[0].passes, 3);
	ck_assert_int_gt(done[0].pass_durable_wall_s[2], 0);
	ck_assert(reads_as(5, 1, 'n'));
	ck_assert(medium_shows(0, 0x97) && medium_shows(7, 0x97));
	/* and are gone then */
	ck_assert_int_eq(client_condemn(client, watches, 1, done), -ENOENT);
	ck_assert_int_eq(client_unwatch(client, watches[1]), -ENOENT);
}
END_TEST

START_TEST(an_unwatched_job_is_left_alone)
{
	uint64_t watch;

	make_live(0, 4, 'j');
	watch = watch_of(client, 0, 4);
	ck_assert_int_eq(client_unwatch(client, watch), 0);
	ck_assert_int_eq(client_unwatch(client, watch), -ENOENT);
	ck_assert(reads_as(0, 4, 'j'));
}
END_TEST

START_TEST(barriers_and_their_lead)
{
	uint64_t epoch = 99;
	bool lead = false;

	ck_assert_int_eq(client_barrier_leave(client, true), -ENOENT);
	ck_assert_int_eq(client_barrier_enter(client, &lead), 0);
	ck_assert(lead);
	ck_assert_int_eq(client_barrier_enter(client, &lead), -EALREADY);
	make_live(0, 4, 'f');
	ck_assert_int_eq(drop(0, 4), 0);
	ck_assert_int_eq(client_barrier(client, false, &epoch), 0);
	ck_assert_uint_eq(epoch, 1);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_CLEAN);
	ck_assert_int_eq(client_barrier_leave(client, true), 0);
	ck_assert_int_eq(client_barrier(client, true, &epoch), 0);
}
END_TEST

START_TEST(the_sweeps_methods_reach_the_map)
{
	uint8_t written[RESIDUE_FINGERPRINT_BYTES], read[RESIDUE_FINGERPRINT_BYTES];

	for (size_t i = 0; i < sizeof(written); i++)
		written[i] = (uint8_t)(255 - 3 * i);
	ck_assert_int_eq(client_set_fingerprint(client, written), 0);
	ck_assert_int_eq(client_get_fingerprint(client, read), 0);
	ck_assert_mem_eq(read, written, sizeof(read));
	make_live(0, 1, 'a');
	ck_assert_int_eq(client_distrust(client), 0);
	ck_assert_int_eq(class_of(0), RESIDUE_CLASS_UNKNOWN);
	ck_assert_int_eq(client_allow_unknown_discards(client), 0);
	ck_assert_int_eq(drop(0, 1), 0);
	ck_assert_int_ne(class_of(0), RESIDUE_CLASS_UNKNOWN);
	ck_assert_int_eq(client_settle_unknown(client), 0);
	ck_assert_int_eq(class_of(1), RESIDUE_CLASS_LIVE);
	ck_assert_int_eq(client_trust(client), 0);
	ck_assert_int_eq(client_set_sweep_owed(client, true), 0);
	ck_assert_int_eq(client_set_filesystem_expected(client, true), 0);
	ck_assert_int_eq(detach(), 0);
	open_engine();
	ck_assert(engine->info.opened.sweep_owed);
	ck_assert(engine->info.opened.filesystem_expected);
	ck_assert(!engine->info.opened.was_unclean);
	close_engine();
}
END_TEST

/* --- self-tests on the medium --- */

START_TEST(the_medium_is_tested_where_no_job_lies)
{
	struct scratch_report report;

	make_live(0, 4, 'a');
	ck_assert_int_eq(client_selftest_overwrite(client, -1, &report), 0);
	ck_assert_uint_eq(report.blocks, layout.scratch.count);
	ck_assert_uint_eq(report.passes, 4);
	ck_assert_uint_eq(report.different, 0);
	ck_assert_uint_eq(report.refused, 0);
	ck_assert(reads_as(0, 4, 'a'));
	simdisk_break(disk, (struct extent){layout.scratch.first, 2}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(client_selftest_overwrite(client, -1, &report), 0);
	ck_assert_uint_eq(report.refused, 2);
}
END_TEST

START_TEST(a_rotted_page_of_the_map_is_found_while_it_is_in_use)
{
	struct residue_check check;

	ck_assert_int_eq(layout_write(disk, &layout, key), 0);
	make_live(0, 4, 'a');
	ck_assert_int_eq(client_selftest_map(client, -1, &check), 0);
	ck_assert_uint_eq(check.pages, DATA_BLOCKS / PAGE_BLOCKS + 2);
	ck_assert_uint_eq(check.damaged_pages, 0);
	ck_assert_uint_eq(check.whole_superblocks, 2);
	simdisk_flip(disk, (layout.map.first + 1) * BLOCK_BYTES + 99, 0);
	simdisk_flip(disk, layout.superblock.first * BLOCK_BYTES + 99, 0);
	ck_assert_int_eq(client_selftest_map(client, -1, &check), 0);
	ck_assert_uint_eq(check.damaged_pages, 1);
	ck_assert_uint_eq(check.whole_superblocks, 1);
	ck_assert_int_eq(client_selftest_map(client, -1, &check), 0);
	ck_assert_uint_eq(check.damaged_pages, 0);
	ck_assert(reads_as(0, 4, 'a'));
}
END_TEST

static void *test_again_and_again(void *argument)
{
	struct client *own;
	int r = client_connect(UUID, &own);

	for (int i = 0; i < 20 && r >= 0; i++) {
		struct scratch_report report;
		struct residue_check check;

		r = client_selftest_overwrite(own, -1, &report);
		if (r >= 0)
			r = report.different + report.refused > 0
				    ? -EIO
				    : client_selftest_map(own, -1, &check);
		if (r >= 0 && check.damaged_pages > 0)
			r = -EBADMSG;
	}
	client_free(own);
	return r < 0 ? (void *)client : argument;
}

START_TEST(several_test_at_once_while_blocks_are_written_and_freed)
{
	pthread_t threads[3];
	void *failed;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, test_again_and_again, NULL), 0);
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t at = i * 61 % (DATA_BLOCKS - 8);

		ck_assert_int_eq(write_and_wait((struct extent){at, 8}, buf), 0);
		ck_assert_int_eq(engine_flush(engine), 0);
		ck_assert_int_eq(drop(at, 8), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

static void hold_scratch(void *context, const struct simdisk_call *call)
{
	if (call->op == SIMDISK_WRITE && call->at.first == layout.scratch.first)
		pass_gate(context, &(struct simdisk_call){call->op, {layout.data_first, 1}});
}

START_TEST(a_medium_that_hangs_holds_up_its_tester_for_a_while_and_nobody_else)
{
	struct scratch_report report;
	struct residue_check check;
	struct client *own;

	close_gate();
	simdisk_set_hook(disk, hold_scratch, NULL);
	ck_assert_int_eq(client_connect(UUID, &own), 0);
	ck_assert_int_eq(client_selftest_overwrite(own, 200, &report), -ETIMEDOUT);
	ck_assert_int_eq(client_selftest_map(own, 200, &check), -ETIMEDOUT);
	make_live(0, 4, 'a');
	ck_assert_uint_eq(status_u64("live"), 4);
	open_gate();
	client_free(own);
	ck_assert_int_eq(client_selftest_overwrite(client, -1, &report), 0);
}
END_TEST

START_TEST(a_volume_that_is_read_only_is_not_written_to)
{
	struct scratch_report report;
	struct residue_check check;
	uint64_t writes;

	ck_assert_int_eq(detach(), 0);
	options.read_only = true;
	open_engine();
	writes = simdisk_count(disk, SIMDISK_WRITE);
	ck_assert_int_eq(engine_selftest_overwrite(engine, &report), -EROFS);
	ck_assert_int_eq(engine_selftest_map(engine, &check), 0);
	ck_assert_uint_eq(check.damaged_pages, 0);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_WRITE), writes);
	close_engine();
	options.read_only = false;
}
END_TEST

/* --- connections --- */

START_TEST(what_a_connection_holds_ends_with_it)
{
	struct client *other;
	bool lead = false;

	ck_assert_int_eq(client_connect(UUID, &other), 0);
	make_live(0, 4, 'j');
	watch_of(other, 0, 4);
	ck_assert_int_eq(client_barrier_enter(other, &lead), 0);
	ck_assert(lead);
	client_free(other);
	/* The lead is handed on: this would wait for ever otherwise. */
	ck_assert_int_eq(client_barrier_enter(client, &lead), 0);
	ck_assert(lead);
	ck_assert_int_lt(client_condemn(client, &(uint64_t){1}, 1, &(struct retirement){0}),
		0); /* another's watch */
	ck_assert(reads_as(0, 4, 'j'));
}
END_TEST

START_TEST(a_thousand_connections_are_served)
{
	enum { CONNECTIONS = 1000, BEYOND = 64 };
	static struct client *many[CONNECTIONS], *beyond[BEYOND];
	struct client *again;
	struct json_object *status;
	unsigned int refused = 0;

	for (size_t i = 0; i < CONNECTIONS; i++)
		ck_assert_int_eq(client_connect(UUID, &many[i]), 0);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		ck_assert_int_eq(client_status(many[i], &status), 0);
		json_object_put(status);
	}
	/* Beyond the limit a caller is hung up on, and nobody else is disturbed. */
	for (size_t i = 0; i < BEYOND; i++)
		ck_assert_int_eq(client_connect(UUID, &beyond[i]), 0);
	for (size_t i = 0; i < BEYOND; i++) {
		if (client_status(beyond[i], &status) >= 0)
			json_object_put(status);
		else
			refused++;
	}
	for (size_t i = 0; i < BEYOND; i++)
		client_free(beyond[i]);
	ck_assert_uint_eq(refused, CONNECTIONS + 1 + BEYOND - CONTROL_CONNECTIONS_MAX);
	for (size_t i = 0; i < CONNECTIONS; i++)
		client_free(many[i]);
	/* Places are given back. */
	for (size_t i = 0; i < 2 * CONTROL_CONNECTIONS_MAX; i++) {
		int r = client_connect(UUID, &again);

		ck_assert_int_eq(r, 0);
		r = client_status(again, &status);
		client_free(again);
		if (r >= 0)
			json_object_put(status);
		else
			usleep(1000); /* the ends of the thousand are still being noticed */
	}
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
}
END_TEST

START_TEST(watches_of_one_connection_are_limited)
{
	struct extent_list block = {0};
	uint64_t watch, count = 0;
	int r = 0;

	ck_assert_int_eq(extent_list_add(&block, (struct extent){7, 1}), 0);
	while (count < 10000 && (r = client_watch(client, &block, &watch)) >= 0)
		count++;
	extent_list_done(&block);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_uint_ge(count, 4096);
	ck_assert_int_eq(client_unwatch(client, watch), 0);
	watch_of(client, 7, 1); /* a place was given back */
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
}
END_TEST

/* --- hostile calls --- */

static int errno_of_answer(const struct message *answer)
{
	uint64_t number = 0;

	if (!answer->error)
		return 0;
	ck_assert(message_get_u64(answer->parameters, "errno", &number));
	return -(int)number;
}

START_TEST(a_call_that_is_wrong_is_refused_in_its_answer)
{
	static const struct {
		const char *call;
		int error;
	} calls[] = {
		{"{}", -ENOSYS},
		{"{\"method\":\"\"}", -ENOSYS},
		{"{\"method\":\"" PREFIX "\"}", -ENOSYS},
		{"{\"method\":\"" PREFIX "Nothing\"}", -ENOSYS},
		{"{\"method\":\"status\"}", -ENOSYS},
		{"{\"error\":\"" PREFIX "Status\"}", -ENOSYS},
		{"{\"method\":\"" PREFIX "Watch\"}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":7}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[7]}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[1]]}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[1,2,3]]}}",
			-EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[1,0]]}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[-1,1]]}}",
			-EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[\"1\",1]]}}",
			-EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[1,1e9]]}}",
			-EBADMSG},
		{"{\"method\":\"" PREFIX "Watch\",\"parameters\":{\"extents\":[[0,99999999]]}}",
			-ERANGE},
		{"{\"method\":\"" PREFIX
		 "Watch\",\"parameters\":{\"extents\":[[18446744073709551615,"
		 "18446744073709551615]]}}",
			-ERANGE},
		{"{\"method\":\"" PREFIX "Unwatch\"}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Unwatch\",\"parameters\":{\"watch\":77}}", -ENOENT},
		{"{\"method\":\"" PREFIX "Unwatch\",\"parameters\":{\"watch\":-1}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Condemn\"}", -EBADMSG},
		{"{\"method\":\"" PREFIX "Condemn\",\"parameters\":{\"watches\":[1]}}", -ENOENT},
		{"{\"method\":\"" PREFIX "SetFingerprint\"}", -EBADMSG},
		{"{\"method\":\"" PREFIX
		 "SetFingerprint\",\"parameters\":{\"fingerprint\":\"12\"}}",
			-EBADMSG},
		{"{\"method\":\"" PREFIX "SetSweepOwed\",\"parameters\":{\"owed\":1}}", -EBADMSG},
		{"{\"method\":\"" PREFIX "SetFilesystemExpected\"}", -EBADMSG},
		{"{\"method\":\"" PREFIX "BarrierLeave\"}", -ENOENT},
	};
	struct channel *channel;
	struct message answer;

	ck_assert_int_eq(channel_connect(socket_path, &channel), 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		ck_assert_int_eq(channel_send(channel, calls[i].call), 0);
		ck_assert_int_eq(channel_receive(channel, 10000, &answer), 0);
		ck_assert_msg(errno_of_answer(&answer) == calls[i].error, "%s: %d", calls[i].call,
			errno_of_answer(&answer));
		message_done(&answer);
	}
	channel_free(channel);
}
END_TEST

START_TEST(a_condemned_list_names_each_watch_once)
{
	uint64_t watches[2];
	struct retirement done[2];

	make_live(0, 4, 'j');
	watches[0] = watches[1] = watch_of(client, 0, 4);
	ck_assert_int_eq(watch_of(client, 8, 1) > 0, 1);
	ck_assert_int_eq(client_condemn(client, watches, 2, done), -EINVAL);
	ck_assert(reads_as(0, 4, 'j'));
}
END_TEST

START_TEST(bytes_that_are_no_message_end_that_connection_alone)
{
	static const char *const rubbish[] = {"GET / HTTP/1.0\r\n\r\n", "\xff\xff", "{", "[]", ""};
	struct channel *channel;
	struct message answer;

	for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
		ck_assert_int_eq(channel_connect(socket_path, &channel), 0);
		ck_assert_int_eq(channel_send(channel, rubbish[i]), 0);
		ck_assert_int_eq(channel_receive(channel, 10000, &answer), -ECONNRESET);
		channel_free(channel);
	}
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
}
END_TEST

START_TEST(a_caller_that_does_not_listen_disturbs_nobody)
{
	static const char call[] = "{\"method\":\"" PREFIX "Status\"}";
	struct channel *deaf;

	ck_assert_int_eq(channel_connect(socket_path, &deaf), 0);
	for (size_t i = 0; i < 200; i++)
		ck_assert_int_eq(channel_send(deaf, call), 0);
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
	channel_free(deaf);
	ck_assert_uint_eq(status_u64("blocks"), DATA_BLOCKS);
}
END_TEST

/* --- the end --- */

struct caller {
	pthread_t thread;
	int result;
};

static void *ask_to_detach(void *argument)
{
	struct caller *caller = argument;
	struct client *mine;

	caller->result = client_connect(UUID, &mine);
	if (caller->result < 0)
		return NULL;
	caller->result = client_detach(mine, false);
	client_free(mine);
	return NULL;
}

static void *wait_for_barrier(void *argument)
{
	struct caller *caller = argument;
	struct client *mine;
	uint64_t epoch;

	caller->result = client_connect(UUID, &mine);
	if (caller->result < 0)
		return NULL;
	caller->result = client_barrier(mine, false, &epoch);
	client_free(mine);
	return NULL;
}

START_TEST(a_detach_ends_those_who_wait_and_answers_all_who_asked)
{
	enum { WAITERS = 8 };
	struct caller waiters[WAITERS], detachers[2];
	struct client *holder;

	/* Not trusted: no barrier can end by itself. */
	ck_assert_int_eq(client_set_filesystem_expected(client, true), 0);
	ck_assert_int_eq(detach(), 0);
	unlink(socket_path); /* the old listener lives on in this process */
	start_engine();
	start_control();
	client_free(client);
	client = NULL;
	ck_assert_int_eq(client_connect(UUID, &holder), 0);
	watch_of(holder, 0, 4);
	for (size_t i = 0; i < WAITERS; i++)
		ck_assert_int_eq(
			pthread_create(&waiters[i].thread, NULL, wait_for_barrier, &waiters[i]), 0);
	usleep(100000);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(
			pthread_create(&detachers[i].thread, NULL, ask_to_detach, &detachers[i]),
			0);
	for (size_t i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i].thread, NULL);
		ck_assert_int_lt(waiters[i].result, 0);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(detachers[i].thread, NULL);
	/* The second may have come too late to be let in. */
	ck_assert(detachers[0].result == 0 || detachers[1].result == 0);
	join_main();
	ck_assert_ptr_null(engine);
	client_free(holder); /* its watch went with the engine */
	open_engine();
	ck_assert(!engine->info.opened.was_unclean);
	close_engine();
}
END_TEST

START_TEST(a_detach_that_fails_says_so)
{
	make_live(0, 1, 'a');
	ck_assert_int_eq(put(1, 1, 'b'), 0);
	simdisk_fail_from_nth(disk, SIMDISK_FLUSH, 1, EIO);
	ck_assert_int_lt(detach(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("callers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_control, teardown_control);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, status_says_what_the_volume_is);
	tcase_add_test(tcase, jobs_are_watched_and_condemned_together);
	tcase_add_test(tcase, an_unwatched_job_is_left_alone);
	tcase_add_test(tcase, barriers_and_their_lead);
	tcase_add_test(tcase, the_sweeps_methods_reach_the_map);
	tcase_add_test(tcase, the_medium_is_tested_where_no_job_lies);
	tcase_add_test(tcase, a_rotted_page_of_the_map_is_found_while_it_is_in_use);
	tcase_add_test(tcase, several_test_at_once_while_blocks_are_written_and_freed);
	tcase_add_test(tcase, a_medium_that_hangs_holds_up_its_tester_for_a_while_and_nobody_else);
	tcase_add_test(tcase, a_volume_that_is_read_only_is_not_written_to);
	tcase_add_test(tcase, what_a_connection_holds_ends_with_it);
	tcase_add_test(tcase, a_thousand_connections_are_served);
	tcase_add_test(tcase, watches_of_one_connection_are_limited);
	tcase_add_test(tcase, a_call_that_is_wrong_is_refused_in_its_answer);
	tcase_add_test(tcase, a_condemned_list_names_each_watch_once);
	tcase_add_test(tcase, bytes_that_are_no_message_end_that_connection_alone);
	tcase_add_test(tcase, a_caller_that_does_not_listen_disturbs_nobody);
	tcase_add_test(tcase, a_detach_ends_those_who_wait_and_answers_all_who_asked);
	tcase_add_test(tcase, a_detach_that_fails_says_so);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server.c - a service among callers who wish it ill
 *
 * Goal: what server.h promises (I1 to I5): whatever one peer sends, or does not send, or does
 * not read, costs bounded memory, no descriptor, and nobody else's time.
 * Method: a real socket and a server in a thread; good callers through the project's own
 * channel; bad ones with raw bytes, as other users, by the thousand, from processes of their own.
 * Not under qemu-user: it knows neither SO_PEERGROUPS nor SO_PASSRIGHTS.
 * Not under valgrind: callers are forked, and are judged for what they inherited.
 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/channel.h"
#include "ipc/server.h"
#include "tests/support/varlink.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST	 "io.example.test"
#define STRANGER 65534u

static const char description[] = "interface " TEST "\n\n"
				  "method Echo() -> ()\n"
				  "method Later(ms: int) -> ()\n";

static char directory[] = "/tmp/spoolguard-server.XXXXXX";
static char path[64];
static struct server *server;
static pthread_t loop;
static atomic_uint workers, gone_count, ran;
static atomic_bool release_workers;
static struct server_peer last_gone;

static bool is_small(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

/* --- the service under test --- */

static void run_echo(void *context, struct server_call *call)
{
	(void)context;
	atomic_fetch_add(&ran, 1);
	server_reply(call, json_object_get(server_call_parameters(call)), false);
}

struct work {
	struct server_call *call;
	uint64_t number;
	void (*run)(struct server_call *call, uint64_t number);
};

static void *work(void *argument)
{
	struct work *work = argument;

	work->run(work->call, work->number);
	free(work);
	atomic_fetch_sub(&workers, 1);
	return NULL;
}

static void in_thread(struct server_call *call, void (*run)(struct server_call *, uint64_t))
{
	struct work *item = calloc(1, sizeof(*item));
	pthread_attr_t attributes;
	pthread_t thread;

	item->call = call;
	item->run = run;
	(void)message_get_u64(server_call_parameters(call), "n", &item->number);
	atomic_fetch_add(&workers, 1);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	ck_assert_int_eq(pthread_create(&thread, &attributes, work, item), 0);
	pthread_attr_destroy(&attributes);
}

static struct json_object *number(uint64_t n)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "n", json_object_new_uint64(n));
	return out;
}

static void answer_later(struct server_call *call, uint64_t ms)
{
	usleep((useconds_t)ms * 1000);
	server_reply(call, number(ms), false);
}

static void run_later(void *context, struct server_call *call)
{
	(void)context;
	in_thread(call, answer_later);
}

static void stream(struct server_call *call, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		server_reply(call, number(i), true);
	server_reply(call, number(n), false);
}

static void run_stream(void *context, struct server_call *call)
{
	(void)context;
	in_thread(call, stream);
}

static void until_gone(struct server_call *call, uint64_t n)
{
	(void)n;
	while (!server_call_is_gone(call) && !atomic_load(&release_workers))
		usleep(1000);
	server_reply(call, NULL, false);
}

static void run_until_gone(void *context, struct server_call *call)
{
	(void)context;
	in_thread(call, until_gone);
}

static atomic_int flood_result;

static void flood(struct server_call *call, uint64_t n)
{
	char text[1000] = {0};
	int r = 0;

	(void)n;
	memset(text, 'x', sizeof(text) - 1);
	while (r >= 0 && !server_call_is_gone(call)) {
		struct json_object *out = json_object_new_object();

		json_object_object_add(out, "text", json_object_new_string(text));
		r = server_reply(call, out, true);
	}
	atomic_store(&flood_result, r);
	server_reply(call, NULL, false);
}

static void run_flood(void *context, struct server_call *call)
{
	(void)context;
	in_thread(call, flood);
}

static void run_large(void *context, struct server_call *call)
{
	struct json_object *out = json_object_new_object();
	uint64_t bytes = 0;
	char *text;

	(void)context;
	(void)message_get_u64(server_call_parameters(call), "n", &bytes);
	text = calloc(1, bytes + 1);
	memset(text, 'y', bytes);
	json_object_object_add(out, "text", json_object_new_string(text));
	free(text);
	server_reply(call, out, false);
}

/* What the descriptor says; "" if none came. */
static void run_read(void *context, struct server_call *call)
{
	_cleanup_close_ int fd = server_call_take_fd(call);
	struct json_object *out = json_object_new_object();
	char text[64] = "";

	(void)context;
	if (fd >= 0)
		ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
	json_object_object_add(out, "text", json_object_new_string(text));
	server_reply(call, out, false);
}

static void run_peer(void *context, struct server_call *call)
{
	const struct server_peer *peer = server_call_peer(call);
	struct json_object *out = number(peer->uid), *groups = json_object_new_array();

	(void)context;
	for (size_t i = 0; i < peer->group_count; i++)
		json_object_array_add(groups, json_object_new_uint64(peer->groups[i]));
	json_object_object_add(out, "groups", groups);
	server_reply(call, out, false);
}

static const struct server_method methods[] = {
	{"Echo", run_echo},
	{"Later", run_later},
	{"Stream", run_stream},
	{"UntilGone", run_until_gone},
	{"Flood", run_flood},
	{"Large", run_large},
	{"Read", run_read},
	{"Peer", run_peer},
	{"Forbidden", run_echo},
};

static bool allow(void *context, struct server_call *call, const struct server_method *method)
{
	(void)context;
	ck_assert_str_eq(server_call_method(call), method->name);
	if (strcmp(method->name, "Forbidden") != 0)
		return true;
	server_error(call, TEST ".Refused", NULL);
	return false;
}

static bool takes_descriptor(void *context, const struct server_peer *peer)
{
	(void)context;
	return peer->uid == getuid();
}

static void gone(void *context, const struct server_peer *peer)
{
	(void)context;
	last_gone = *peer;
	atomic_fetch_add(&gone_count, 1);
}

static void *run_loop(void *argument)
{
	(void)argument;
	ck_assert_int_eq(server_run(server), 0);
	return NULL;
}

static void setup(void)
{
	struct server_options options = {
		.product = "Test",
		.version = "1",
		.url = "https://example.org",
		.interface = TEST,
		.description = description,
		.methods = methods,
		.method_count = ARRAY_SIZE(methods),
		.allow = allow,
		.takes_descriptor = takes_descriptor,
		.gone = gone,
	};

	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(directory, 0755), 0);
	snprintf(path, sizeof(path), "%s/socket", directory);
	ck_assert_int_eq(channel_listen(path, &options.listen_fd), 0);
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(server_new(&options, &server), 0);
	ck_assert_int_eq(pthread_create(&loop, NULL, run_loop, NULL), 0);
}

static void teardown(void)
{
	server_stop(server);
	pthread_join(loop, NULL);
	atomic_store(&release_workers, true);
	server_free(server); /* calls may be under way still */
	while (atomic_load(&workers) > 0)
		usleep(1000);
	unlink(path);
	rmdir(directory);
}

/* --- good callers --- */

static struct channel *dial(void)
{
	struct channel *channel;

	ck_assert_int_eq(channel_connect(path, &channel), 0);
	return channel;
}

static int call(struct channel *channel, const char *method, struct json_object *in,
	struct message *ret_answer)
{
	_cleanup_free_ char *text = NULL;
	int r;

	ck_assert_int_eq(message_encode_call(method, in, &text), 0);
	r = channel_send(channel, text);
	if (r >= 0)
		r = channel_receive(channel, 20000, ret_answer);
	return r < 0 ? r : ret_answer->error ? -EREMOTEIO : 0;
}

static void assert_echo(struct channel *channel, uint64_t n)
{
	struct message answer;
	uint64_t back = 0;

	ck_assert_int_eq(call(channel, TEST ".Echo", number(n), &answer), 0);
	ck_assert(message_get_u64(answer.parameters, "n", &back));
	ck_assert_uint_eq(back, n);
	message_done(&answer);
}

static void assert_error(struct channel *channel, const char *method, struct json_object *in,
	const char *error, const char *key, const char *value)
{
	struct message answer;
	const char *text = NULL;

	ck_assert_int_eq(call(channel, method, in, &answer), -EREMOTEIO);
	ck_assert_str_eq(answer.error, error);
	if (key) {
		ck_assert(message_get_string(answer.parameters, key, &text));
		ck_assert_str_eq(text, value);
	}
	message_done(&answer);
}

static void wait_until(bool (*holds)(void))
{
	for (int i = 0; i < 20000 && !holds(); i++)
		usleep(1000);
	ck_assert(holds());
}

static bool nobody_is_there(void)
{
	return server_connections(server) == 0 && atomic_load(&workers) == 0;
}

START_TEST(get_info_names_product_and_interfaces)
{
	struct channel *channel = dial();
	struct json_object *interfaces;
	struct message answer;
	const char *text;

	ck_assert_int_eq(call(channel, "org.varlink.service.GetInfo", NULL, &answer), 0);
	ck_assert(message_get_string(answer.parameters, "product", &text));
	ck_assert_str_eq(text, "Test");
	ck_assert(message_get_string(answer.parameters, "vendor", &text));
	ck_assert(message_get_string(answer.parameters, "version", &text));
	ck_assert(message_get_string(answer.parameters, "url", &text));
	interfaces = json_object_object_get(answer.parameters, "interfaces");
	ck_assert_uint_eq(json_object_array_length(interfaces), 2);
	ck_assert_str_eq(json_object_get_string(json_object_array_get_idx(interfaces, 0)),
		"org.varlink.service");
	ck_assert_str_eq(json_object_get_string(json_object_array_get_idx(interfaces, 1)), TEST);
	message_done(&answer);
	channel_free(channel);
}
END_TEST

static void describe(
	struct channel *channel, const char *interface, struct message *answer, const char **text)
{
	struct json_object *in = json_object_new_object();

	json_object_object_add(in, "interface", json_object_new_string(interface));
	ck_assert_int_eq(
		call(channel, "org.varlink.service.GetInterfaceDescription", in, answer), 0);
	ck_assert(message_get_string(answer->parameters, "description", text));
}

START_TEST(interfaces_are_described_as_varlink_wants)
{
	struct channel *channel = dial();
	struct json_object *in = json_object_new_object();
	struct message answer;
	const char *text;

	describe(channel, TEST, &answer, &text);
	ck_assert_str_eq(text, description);
	ck_assert_ptr_null(varlink_check(text));
	message_done(&answer);
	describe(channel, "org.varlink.service", &answer, &text);
	ck_assert_ptr_null(varlink_check(text));
	ck_assert(varlink_defines(text, "method", "GetInfo"));
	ck_assert(varlink_defines(text, "method", "GetInterfaceDescription"));
	ck_assert(varlink_defines(text, "error", "InvalidParameter"));
	message_done(&answer);
	json_object_object_add(in, "interface", json_object_new_string("io.example.none"));
	assert_error(channel, "org.varlink.service.GetInterfaceDescription", in,
		"org.varlink.service.InterfaceNotFound", "interface", "io.example.none");
	assert_error(channel, "org.varlink.service.GetInterfaceDescription", NULL,
		"org.varlink.service.InvalidParameter", "parameter", "interface");
	channel_free(channel);
}
END_TEST

START_TEST(the_judge_of_descriptions_refuses_what_is_none)
{
	static const char *const bad[] = {
		"",
		"interface",
		"interface one",
		"interface a.b",
		"interface a.-b\nmethod A() -> ()",
		"interface a.b\nmethod a() -> ()",
		"interface a.b\nmethod A()",
		"interface a.b\nmethod A() -> (x)",
		"interface a.b\nmethod A() -> (x:)",
		"interface a.b\nmethod A() -> (x: int,)",
		"interface a.b\nmethod A() -> (x: Unknown)",
		"interface a.b\nmethod A() -> (x: ??int)",
		"interface a.b\nmethod A(x_: int) -> ()",
		"interface a.b\nmethod A() -> ()\nerror A ()",
		"interface a.b\nerror A (one, two)",
		"interface a.b\ntype A (one, two: int)",
		"interface a.b\nprocedure A() -> ()",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(varlink_check(bad[i]) != NULL, "accepted: %s", bad[i]);
	ck_assert_ptr_null(varlink_check("interface a.b-c.d\n# words\ntype T (a: ?[]int, b: "
					 "[string]T,\n c: (x, y))\nmethod A(t: T) -> ()"));
}
END_TEST

START_TEST(what_is_not_there_is_named)
{
	struct channel *channel = dial();

	assert_error(channel, TEST ".None", NULL, "org.varlink.service.MethodNotFound", "method",
		TEST ".None");
	assert_error(channel, "io.example.other.Echo", NULL,
		"org.varlink.service.InterfaceNotFound", "interface", "io.example.other");
	assert_error(
		channel, "Echo", NULL, "org.varlink.service.InterfaceNotFound", "interface", "");
	assert_error(channel, "", NULL, "org.varlink.service.InterfaceNotFound", NULL, NULL);
	assert_error(channel, TEST ".", NULL, "org.varlink.service.MethodNotFound", NULL, NULL);
	assert_error(channel, TEST ".Forbidden", NULL, TEST ".Refused", NULL, NULL);
	ck_assert_uint_eq(atomic_load(&ran), 0);
	assert_echo(channel, 5); /* none of it ends the connection */
	channel_free(channel);
}
END_TEST

START_TEST(calls_sent_together_are_answered_one_after_another)
{
	struct channel *channel = dial();
	struct message answer;
	uint64_t n;
	char *text;

	/* The first takes longest. */
	for (uint64_t i = 0; i < 40; i++) {
		ck_assert_int_eq(message_encode_call(i % 8 == 0 ? TEST ".Later" : TEST ".Echo",
					 number(i % 8 == 0 ? 40 - i : i), &text),
			0);
		ck_assert_int_eq(channel_send(channel, text), 0);
		free(text);
	}
	for (uint64_t i = 0; i < 40; i++) {
		ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
		ck_assert(message_get_u64(answer.parameters, "n", &n));
		ck_assert_uint_eq(n, i % 8 == 0 ? 40 - i : i);
		message_done(&answer);
	}
	channel_free(channel);
}
END_TEST

static uint64_t heard;

static bool hear(void *context, struct json_object *parameters)
{
	uint64_t n;

	ck_assert(message_get_u64(parameters, "n", &n));
	ck_assert_uint_eq(n, heard++);
	return context != NULL;
}

START_TEST(a_stream_arrives_in_order_and_only_where_it_is_wanted)
{
	struct channel *channel = dial();
	struct message answer;
	uint64_t n;

	heard = 0;
	ck_assert_int_eq(
		channel_call_more(channel, TEST ".Stream", number(500), -1, hear, NULL, &answer),
		0);
	ck_assert_uint_eq(heard, 500);
	ck_assert(message_get_u64(answer.parameters, "n", &n));
	ck_assert_uint_eq(n, 500);
	message_done(&answer);

	ck_assert_int_eq(call(channel, TEST ".Stream", number(500), &answer), 0);
	ck_assert(message_get_u64(answer.parameters, "n", &n));
	ck_assert_uint_eq(n, 500); /* the last alone */
	message_done(&answer);

	heard = 0;
	ck_assert_int_eq(
		channel_call_more(channel, TEST ".Stream", number(500), -1, hear, &answer, &answer),
		-ECANCELED);
	channel_free(channel);

	channel = dial();
	ck_assert_int_eq(
		channel_call_more(channel, TEST ".Forbidden", NULL, -1, hear, NULL, &answer),
		-EREMOTEIO);
	message_done(&answer);
	channel_free(channel);
}
END_TEST

START_TEST(a_call_that_wants_no_answer_gets_none)
{
	struct channel *channel = dial();
	static const char oneway[] = "{\"method\":\"" TEST ".Echo\",\"oneway\":true}";
	static const char later[] =
		"{\"method\":\"" TEST ".Later\",\"parameters\":{\"n\":20},\"oneway\":true}";

	ck_assert_int_eq(channel_send(channel, oneway), 0);
	ck_assert_int_eq(channel_send(channel, later), 0);
	assert_echo(channel, 7);
	ck_assert_uint_eq(atomic_load(&ran), 2);
	channel_free(channel);
}
END_TEST

START_TEST(a_peer_that_sent_all_it_has_is_answered_before_it_is_let_go)
{
	static const char text[] = "{\"method\":\"" TEST ".Later\",\"parameters\":{\"n\":50}}";
	struct channel *channel = dial();
	struct message answer;

	ck_assert_int_eq(channel_send(channel, text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	ck_assert_int_eq(shutdown(channel_fd(channel), SHUT_WR), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
		message_done(&answer);
	}
	ck_assert_int_eq(channel_receive(channel, 5000, &answer), -ECONNRESET);
	channel_free(channel);
}
END_TEST

START_TEST(whoever_goes_away_takes_his_calls_along)
{
	struct channel *channel = dial();
	char *text;

	ck_assert_int_eq(message_encode_call(TEST ".UntilGone", NULL, &text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0); /* this one never begins */
	free(text);
	while (atomic_load(&workers) == 0)
		usleep(1000);
	channel_free(channel);
	wait_until(nobody_is_there);
	ck_assert_uint_eq(atomic_load(&gone_count), 1);
	ck_assert_uint_eq(last_gone.uid, getuid());
	ck_assert_int_eq(last_gone.pid, getpid());
	ck_assert_uint_ne(last_gone.connection, 0);
}
END_TEST

/* --- descriptors --- */

static int file_with(const char *text)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(io_write(fds[1], text, strlen(text)), 0);
	close(fds[1]);
	return fds[0];
}

static void assert_read(struct channel *channel, const char *expected)
{
	struct message answer;
	const char *text;

	ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
	ck_assert(message_get_string(answer.parameters, "text", &text));
	ck_assert_str_eq(text, expected);
	message_done(&answer);
}

static void send_fds(int fd, const char *text, size_t bytes, const int *fds, size_t count)
{
	struct iovec vector = {(void *)(uintptr_t)text, bytes};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control = {.bytes = {0}};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(sizeof(int) * count),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
	ck_assert_int_eq(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)bytes);
}

static size_t count_descriptors(void)
{
	DIR *entries = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static const char read_call[] = "{\"method\":\"" TEST ".Read\"}";

START_TEST(a_descriptor_comes_with_its_own_call)
{
	struct channel *channel = dial();
	char name[16];
	int fd;

	assert_echo(channel, 1); /* from now on it knows us */
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		fd = file_with(name);
		ck_assert_int_eq(i % 2 == 0 ? channel_send_with_fd(channel, read_call, fd)
					    : channel_send(channel, read_call),
			0);
		close(fd);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		assert_read(channel, i % 2 == 0 ? name : "");
	}
	channel_free(channel);
}
END_TEST

START_TEST(a_call_in_pieces_has_one_descriptor_and_the_others_are_closed)
{
	struct channel *channel = dial();
	int fds[3] = {file_with("first"), file_with("second"), file_with("third")};
	size_t half = sizeof(read_call) / 2, before;

	assert_echo(channel, 1);
	before = count_descriptors();
	for (int i = 0; i < 50; i++) {
		send_fds(channel_fd(channel), read_call, half, fds, 3);
		usleep(i % 2 * 1000);
		send_fds(channel_fd(channel), read_call + half, sizeof(read_call) - half, fds + 1,
			2);
		if (i == 0)
			assert_read(channel, "first");
		else
			assert_read(channel, ""); /* it has been read to its end */
	}
	ck_assert_uint_eq(count_descriptors(), before);
	/* Sent and never used: by a call that ends, by one that does not, by a peer that goes. */
	send_fds(channel_fd(channel), read_call, half, fds, 3);
	channel_free(channel);
	wait_until(nobody_is_there);
	ck_assert_uint_eq(count_descriptors(), before - 2); /* both ends of the channel */
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

/* --- as somebody else --- */

static pid_t as_stranger(void (*run)(void))
{
	const gid_t groups[] = {10001, 10002, 10003};
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	if (getuid() == 0 &&
		(setgroups(3, groups) < 0 || setgid(STRANGER) < 0 || setuid(STRANGER) < 0))
		_exit(9);
	run();
	_exit(0);
}

static void assert_succeeds(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* In another process ck_assert cannot be used. */
#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void tell_who_one_is(void)
{
	struct channel *channel;
	struct json_object *groups;
	struct message answer;
	uint64_t uid;

	NEED(channel_connect(path, &channel) == 0);
	NEED(channel_call(channel, TEST ".Peer", NULL, &answer) == 0);
	NEED(message_get_u64(answer.parameters, "n", &uid) && uid == STRANGER);
	groups = json_object_object_get(answer.parameters, "groups");
	NEED(json_object_array_length(groups) == 3);
	for (size_t i = 0; i < 3; i++)
		NEED(json_object_get_int(json_object_array_get_idx(groups, i)) == 10001 + (int)i);
	message_done(&answer);
	channel_free(channel);
}

START_TEST(the_kernel_says_who_calls)
{
	if (getuid() != 0)
		return;
	assert_succeeds(as_stranger(tell_who_one_is));
}
END_TEST

static void send_what_is_not_taken(void)
{
	struct channel *channel;
	struct message answer;
	const char *text;
	int r;

	NEED(channel_connect(path, &channel) == 0);
	NEED(channel_call(channel, "org.varlink.service.GetInfo", NULL, &answer) == 0);
	message_done(&answer);
	r = channel_send_with_fd(channel, read_call, STDIN_FILENO);
	if (r == -EPERM) /* Linux 6.16 */
		r = channel_send(channel, read_call);
	NEED(r == 0);
	NEED(channel_receive(channel, 5000, &answer) == 0);
	NEED(message_get_string(answer.parameters, "text", &text) && strcmp(text, "") == 0);
	message_done(&answer);
	channel_free(channel);
}

START_TEST(a_descriptor_of_a_stranger_is_not_taken)
{
	size_t before;
	struct channel *channel = dial();

	if (getuid() != 0)
		return;
	assert_echo(channel, 1);
	before = count_descriptors();
	assert_succeeds(as_stranger(send_what_is_not_taken));
	while (server_connections(server) > 1)
		usleep(1000);
	ck_assert_uint_eq(count_descriptors(), before);
	channel_free(channel);
}
END_TEST

/* --- bad callers --- */

static int raw_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Is it cut off within that time?  What it is sent is read, if so wanted. */
static bool is_cut(int fd, int timeout_ms, bool reads)
{
	uint64_t end = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	char buffer[65536];

	while (clock_monotonic_ns() < end) {
		struct pollfd poll_fd = {.fd = fd, .events = reads ? POLLIN : 0};

		if (poll(&poll_fd, 1, 10) <= 0)
			continue;
		if (poll_fd.revents & (POLLHUP | POLLERR))
			return true;
		if (recv(fd, buffer, sizeof(buffer), 0) <= 0)
			return true;
	}
	return false;
}

static void assert_cut(const char *text, size_t bytes)
{
	int fd = raw_connect();

	ck_assert_int_ge(fd, 0);
	(void)send(fd, text, bytes, MSG_NOSIGNAL);
	ck_assert_msg(is_cut(fd, 3000, true), "not cut off: %.60s", text);
	close(fd);
}

START_TEST(what_is_no_call_is_cut_off_at_once)
{
	static const char *const bad[] = {
		"",
		"x",
		"null",
		"[]",
		"{",
		"{}",
		"{\"method\":7}",
		"{\"method\":\"" TEST ".Echo\",\"parameters\":[]}",
		"{\"parameters\":{}}",
		"{\"error\":\"a.b\"}",
		"{\"method\":\"\x80\"}",
		"GET / HTTP/1.1\r\n\r\n",
	};
	struct channel *channel = dial();
	char *deep = malloc(40001);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_cut(bad[i], strlen(bad[i]) + 1);
	memset(deep, '[', 40000);
	deep[40000] = '\0';
	assert_cut(deep, 40001);
	free(deep);
	assert_echo(channel, 3);
	channel_free(channel);
}
END_TEST

START_TEST(the_longest_call_is_answered_and_one_byte_more_is_cut_off)
{
	size_t bytes = SERVER_CALL_BYTES_MAX;
	char *text = malloc(bytes + 2);
	struct message answer;
	struct channel *channel = dial();
	static const char head[] = "{\"method\":\"" TEST ".Peer\",\"parameters\":{\"x\":\"";

	memset(text, 'x', bytes + 1);
	memcpy(text, head, strlen(head));
	strcpy(text + bytes - 3, "\"}}");
	ck_assert_uint_eq(strlen(text), bytes);
	ck_assert_int_eq(channel_send(channel, text), 0);
	ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
	message_done(&answer);
	assert_echo(channel, 1);
	channel_free(channel);
	text[bytes - 3] = 'x';
	strcpy(text + bytes - 2, "\"}}");
	assert_cut(text, bytes + 2);
	free(text);
}
END_TEST

START_TEST(a_reply_that_is_too_long_cuts_the_connection_and_no_more)
{
	struct channel *channel = dial(), *other = dial();
	struct message answer;

	ck_assert_int_eq(call(channel, TEST ".Large", number(900000), &answer), 0);
	message_done(&answer);
	ck_assert_int_eq(call(channel, TEST ".Large", number(2000000), &answer), -ECONNRESET);
	assert_echo(other, 1);
	channel_free(channel);
	channel_free(other);
}
END_TEST

/* One bad peer each: one that sends a byte each 100 ms, one that stopped in a message, one that
 * does not read; beside one that has nothing to say, and stays. */
START_TEST(who_does_not_end_a_message_or_does_not_read_is_cut_off_in_time)
{
	static const char slow[] =
		"{\"method\":\"" TEST ".Echo\",\"parameters\":{\"text\":\"slow\"}}";
	int slow_fd = raw_connect(), half_fd = raw_connect(), deaf_fd = raw_connect();
	struct channel *idle = dial();
	uint64_t begin = clock_monotonic_ns(), took_ms = 0;
	size_t sent = 0;
	ssize_t n = 1;

	ck_assert_int_eq(io_write(half_fd, slow, 20), 0);
	/* Calls whose answers nobody reads, until no more are taken. */
	while (n > 0) {
		n = send(deaf_fd, "{\"method\":\"" TEST ".Echo\",\"parameters\":{\"n\":1}}", 52,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && clock_monotonic_ns() - begin < 300000000u) {
			usleep(1000);
			n = 1;
		}
	}
	while (n != 0 && took_ms < 10000) {
		n = send(slow_fd, slow + (sent++ % 20), 1, MSG_NOSIGNAL);
		if (n < 0)
			break;
		took_ms = (clock_monotonic_ns() - begin) / 1000000u;
		usleep(100000);
	}
	ck_assert_int_eq(n, -1); /* although each byte came in time */
	ck_assert_uint_ge(took_ms, SERVER_MESSAGE_MS - 200);
	ck_assert_uint_le(took_ms, SERVER_MESSAGE_MS + 2000);
	ck_assert(is_cut(half_fd, 1000, false));
	ck_assert(is_cut(deaf_fd, 2000, false));
	assert_echo(idle, 4);
	close(slow_fd);
	close(half_fd);
	close(deaf_fd);
	channel_free(idle);
}
END_TEST

static bool the_flood_is_over(void)
{
	return atomic_load(&flood_result) != 0 && atomic_load(&workers) == 0;
}

START_TEST(a_stream_that_nobody_reads_ends)
{
	struct channel *channel = dial(), *other = dial();
	char *text;

	ck_assert_int_eq(message_encode_call_more(TEST ".Flood", NULL, &text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	free(text);
	wait_until(the_flood_is_over);
	ck_assert_int_eq(atomic_load(&flood_result), -ENOBUFS);
	ck_assert(is_cut(channel_fd(channel), 3000, false));
	assert_echo(other, 1);
	channel_free(channel);
	channel_free(other);
}
END_TEST

/* --- by the thousand --- */

static uint64_t resident_bytes(void)
{
	unsigned long size, resident;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_int_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Fills its part of a call and begins the next peer; some never read what they asked for. */
static void attack(void)
{
	const int peers = is_small() ? 1500 : 6000;
	static const char head[] = "{\"method\":\"" TEST ".Echo\",\"parameters\":{\"x\":[0";
	char *filler = malloc(SERVER_CALL_BYTES_MAX), *many = malloc(SERVER_CALL_BYTES_MAX);
	struct rlimit limit = {8192, 8192};
	int kept[512];

	(void)setrlimit(RLIMIT_NOFILE, &limit);
	memset(filler, '[', SERVER_CALL_BYTES_MAX);
	memset(many, '0', SERVER_CALL_BYTES_MAX);
	memcpy(many, head, strlen(head));
	for (size_t i = strlen(head) + 1; i < SERVER_CALL_BYTES_MAX - 4; i += 2)
		many[i] = ',';
	strcpy(many + SERVER_CALL_BYTES_MAX - 4, "]}}");
	for (size_t i = 0; i < 512; i++)
		kept[i] = -1;
	for (int i = 0; i < peers; i++) {
		int fd = raw_connect();
		int *place = &kept[i % 512];

		if (fd < 0)
			continue;
		(void)send(fd, i % 5 == 0 ? many : filler, i % 3 == 0 ? 10 : SERVER_CALL_BYTES_MAX,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (i % 7 == 0)
			(void)send(fd, "\0{\"method\":\"" TEST ".Peer\"}", 34,
				MSG_NOSIGNAL | MSG_DONTWAIT);
		if (*place >= 0)
			close(*place);
		*place = fd;
	}
	free(filler);
	free(many);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid == pid;
}

START_TEST(thousands_of_bad_callers_neither_fill_memory_nor_keep_others_waiting)
{
	struct channel *channel = dial();
	size_t descriptors, most = 0;
	uint64_t before, worst_ns = 0, worst_bytes = 0, calls = 0;
	pid_t attackers[2];

	assert_echo(channel, 0);
	descriptors = count_descriptors();
	before = resident_bytes();
	for (size_t i = 0; i < 2; i++)
		attackers[i] = as_stranger(attack);
	while (!has_ended(attackers[0]) || !has_ended(attackers[1])) {
		struct channel *fresh = calls % 10 == 0 ? dial() : NULL;
		uint64_t begin = clock_monotonic_ns(), took;

		assert_echo(channel, calls++);
		if (fresh) {
			assert_echo(fresh, calls);
			channel_free(fresh);
		}
		took = clock_monotonic_ns() - begin;
		worst_ns = took > worst_ns ? took : worst_ns;
		if (resident_bytes() > before + worst_bytes)
			worst_bytes = resident_bytes() - before;
		if (server_connections(server) > most)
			most = server_connections(server);
		usleep(500);
	}
	for (size_t i = 0; i < 2; i++)
		assert_succeeds(attackers[i]);
	ck_assert_uint_gt(calls, 20);
	ck_assert_uint_le(most, SERVER_CONNECTIONS_MAX + SERVER_RESERVED_CONNECTIONS);
	ck_assert_msg(worst_ns < 5000000000u, "%ju ms", (uintmax_t)worst_ns / 1000000u);
	if (!is_small())
		ck_assert_msg(worst_bytes < (48u << 20), "%ju bytes", (uintmax_t)worst_bytes);
	while (server_connections(server) > 1)
		usleep(1000);
	ck_assert_uint_eq(count_descriptors(), descriptors);
	channel_free(channel);
}
END_TEST

static void hold_calls_under_way(void)
{
	static const char text[] = "{\"method\":\"" TEST ".UntilGone\"}";

	for (unsigned int i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		int fd = raw_connect();

		if (fd >= 0)
			(void)send(fd, text, sizeof(text), MSG_NOSIGNAL);
	}
	usleep(is_small() ? 3000000 : 1000000);
}

START_TEST(one_user_with_long_calls_leaves_room_for_others)
{
	pid_t attacker;

	if (getuid() != 0)
		return;
	attacker = as_stranger(hold_calls_under_way);
	while (atomic_load(&workers) < SERVER_PEER_CONNECTIONS_MAX) {
		ck_assert(!has_ended(attacker));
		usleep(1000);
	}
	for (int i = 0; i < 50; i++) {
		struct channel *channel = dial();

		assert_echo(channel, 1);
		channel_free(channel);
	}
	ck_assert_uint_le(server_connections(server), SERVER_PEER_CONNECTIONS_MAX + 2);
	assert_succeeds(attacker);
	wait_until(nobody_is_there);
}
END_TEST

START_TEST(who_calls_much_gets_his_turn_and_no_more)
{
	static const char text[] = "{\"method\":\"" TEST ".Echo\"}";
	struct channel *channel = dial();
	uint64_t worst_ns = 0;
	int greedy[8];

	for (size_t i = 0; i < 8; i++)
		greedy[i] = raw_connect();
	for (int round = 0; round < 50; round++) {
		uint64_t begin;

		for (size_t i = 0; i < 8; i++) {
			char buffer[65536];

			for (int n = 0; n < 200; n++)
				(void)send(
					greedy[i], text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
			while (recv(greedy[i], buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
				;
		}
		begin = clock_monotonic_ns();
		assert_echo(channel, 1);
		if (clock_monotonic_ns() - begin > worst_ns)
			worst_ns = clock_monotonic_ns() - begin;
	}
	ck_assert_msg(worst_ns < 1000000000u, "%ju ms", (uintmax_t)worst_ns / 1000000u);
	for (size_t i = 0; i < 8; i++)
		close(greedy[i]);
	channel_free(channel);
}
END_TEST

START_TEST(an_idle_service_uses_no_time)
{
	struct channel *channel = dial();
	struct rusage before, after;

	assert_echo(channel, 1);
	getrusage(RUSAGE_SELF, &before);
	usleep(500000);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw, is_small() ? 50 : 3);
	channel_free(channel);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *tcase = tcase_create("callers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, get_info_names_product_and_interfaces);
	tcase_add_test(tcase, interfaces_are_described_as_varlink_wants);
	tcase_add_test(tcase, the_judge_of_descriptions_refuses_what_is_none);
	tcase_add_test(tcase, what_is_not_there_is_named);
	tcase_add_test(tcase, calls_sent_together_are_answered_one_after_another);
	tcase_add_test(tcase, a_stream_arrives_in_order_and_only_where_it_is_wanted);
	tcase_add_test(tcase, a_call_that_wants_no_answer_gets_none);
	tcase_add_test(tcase, a_peer_that_sent_all_it_has_is_answered_before_it_is_let_go);
	tcase_add_test(tcase, whoever_goes_away_takes_his_calls_along);
	tcase_add_test(tcase, a_descriptor_comes_with_its_own_call);
	tcase_add_test(tcase, a_call_in_pieces_has_one_descriptor_and_the_others_are_closed);
	tcase_add_test(tcase, the_kernel_says_who_calls);
	tcase_add_test(tcase, a_descriptor_of_a_stranger_is_not_taken);
	tcase_add_test(tcase, what_is_no_call_is_cut_off_at_once);
	tcase_add_test(tcase, the_longest_call_is_answered_and_one_byte_more_is_cut_off);
	tcase_add_test(tcase, a_reply_that_is_too_long_cuts_the_connection_and_no_more);
	tcase_add_test(tcase, who_does_not_end_a_message_or_does_not_read_is_cut_off_in_time);
	tcase_add_test(tcase, a_stream_that_nobody_reads_ends);
	tcase_add_test(tcase, thousands_of_bad_callers_neither_fill_memory_nor_keep_others_waiting);
	tcase_add_test(tcase, one_user_with_long_calls_leaves_room_for_others);
	tcase_add_test(tcase, who_calls_much_gets_his_turn_and_no_more);
	tcase_add_test(tcase, an_idle_service_uses_no_time);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_fixture.h - a real volume with a mounter that looks after it, and a supervisor around it
 *
 * The keeper is played: what it knows it asks of the volume, and a renewal it asks of the mounter,
 * which is the real one (build/spoolguardd --mounter).  There is no CUPS, no retirer and no policy.
 */
#ifndef SPOOLGUARD_TESTS_SUPERVISOR_WIPE_FIXTURE_H
#define SPOOLGUARD_TESTS_SUPERVISOR_WIPE_FIXTURE_H

#include "ipc/message.h"
#include "supervisor/ledger.h"
#include "supervisor/ledger_key.h"
#include "supervisor/mounter_client.h"
#include "supervisor/supervisor.h"
#include "supervisor/wipe.h"
#include "supervisor/wipe_record.h"
#include "tests/support/events_rig.h"
#include "tests/support/attached_fixture.h"
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

static char state_directory[PATH_MAX / 2], image[PATH_MAX / 2], bound[PATH_MAX / 2];
static struct supervisor supervisor;
static struct config config;
static struct problem problem;
static pid_t mounter;
static char mounter_path[108];

/* --- the keeper --- */

struct keeper {
	const struct config_volume *volume;
	bool closed;
};
static struct keeper keeper = {&config.volumes[0], false};

struct keeper *supervisor_find_keeper(struct supervisor *of, const char *volume)
{
	(void)of;
	return strcmp(volume, "spool") == 0 ? &keeper : NULL;
}

enum keeper_state keeper_state(struct keeper *of)
{
	return of->closed ? KEEPER_CLOSED : KEEPER_OPEN;
}

const char *keeper_state_text(enum keeper_state of)
{
	return of == KEEPER_OPEN ? "open" : "closed";
}

const struct config_volume *keeper_volume(const struct keeper *of)
{
	return of->volume;
}

int keeper_runtime(struct keeper *of, struct runtime_state *ret_state)
{
	struct client *client;

	if (of->closed || runtime_find(image, ret_state) < 0 ||
		client_connect(ret_state->uuid, &client) < 0)
		return -ENOTCONN;
	client_free(client);
	return 0;
}

int keeper_renew(struct keeper *of, const struct keeper_renewal *how,
	struct json_object **ret_report, struct problem *reterr_problem)
{
	struct mounter_client *client;
	int r = mounter_client_new(mounter_path, &client);

	if (r < 0)
		return r;
	r = mounter_client_renew(client, of->volume->name, how->passphrase_fd, how->by_force,
		ret_report, reterr_problem);
	mounter_client_free(client);
	return r;
}

/* --- the scene --- */

static void write_config(void)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/conf", scratch_path());
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"[service]\nstate_directory = %s\n[cups]\nenabled = no\n"
		"[volume spool]\nmedium = %s\nmount = %s\nunlock = key-file\nkey_file = %s/key\n"
		"bind = cache:%s\nretain = mailbox fax/in\n",
		state_directory, image, mount_point, scratch_path(), bound);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(config_read(path, &config, &problem), 0);
}

static void start_mounter(void)
{
	char program[PATH_MAX], conf[PATH_MAX], log[PATH_MAX];

	snprintf(program, sizeof(program), "%.*s/spoolguardd",
		(int)(strrchr(command, '/') - command), command);
	snprintf(conf, sizeof(conf), "%s/conf", scratch_path());
	snprintf(log, sizeof(log), "%s/mounter.log", scratch_path());
	snprintf(mounter_path, sizeof(mounter_path), "%s/run/mounter", scratch_path());
	mounter = fork();
	if (mounter == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(program, program, "--mounter", "--config", conf, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && !mounter_client_is_there(mounter_path); i++)
		usleep(20000);
	ck_assert(mounter_client_is_there(mounter_path));
}

static void kill_mounter(void)
{
	kill(mounter, SIGKILL);
	/* It may be another process's child. */
	if (waitpid(mounter, NULL, 0) < 0) {
		for (int i = 0; i < 500 && mounter_client_is_there(mounter_path); i++)
			usleep(10000);
	}
}

/* As a keeper does it when the service starts. */
static void open_volume_again(void)
{
	struct mounter_client *client;
	struct json_object *report = NULL;
	int r;

	ck_assert_int_eq(mounter_client_new(mounter_path, &client), 0);
	r = mounter_client_attach(client, "spool", -1, &report, &problem);
	ck_assert_msg(r == 0, "%s", problem.text);
	json_object_put(report);
	mounter_client_free(client);
	ck_assert_int_eq(runtime_find(image, &state), 0);
}

static void make_scene(void)
{
	char path[PATH_MAX];
	int fd;

	scratch_make();
	snprintf(path, sizeof(path), "%s/run", scratch_path());
	setenv("SPOOLGUARD_RUNTIME_DIR", path, 1);
	snprintf(mount_point, sizeof(mount_point), "%s/mnt", scratch_path());
	snprintf(image, sizeof(image), "%s/image", scratch_path());
	snprintf(bound, sizeof(bound), "%s/bound", scratch_path());
	snprintf(state_directory, sizeof(state_directory), "%s/state", scratch_path());
	ck_assert_int_eq(mkdir(state_directory, 0700), 0);
	ck_assert_int_eq(mkdir(bound, 0750), 0);
	run_command("format --size 64M --kdf-memory 32M --kdf-time 50 --passphrase-file - image");
	snprintf(path, sizeof(path), "%s/key", scratch_path());
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(io_write(fd, "secret", 6), 0);
	close(fd);
	write_config();
	start_mounter();
	open_volume_again();
}

static void end_scene(void)
{
	char line[4 * PATH_MAX];

	kill_mounter();
	snprintf(line, sizeof(line),
		"exec >/dev/null 2>&1; '%s' detach --all; chattr -i '%s' '%s'; chmod 700 '%s'",
		command, mount_point, bound, mount_point);
	(void)!system(line);
	scratch_remove();
}

static void open_events(void)
{
	supervisor.events = events_rig_open(state_directory);
	supervisor.keys = events_rig_keys();
}

static void make_supervisor(void)
{
	ck_assert_int_eq(state_new(NULL, NULL, &supervisor.state), 0);
	open_events();
	state_set_testing(supervisor.state, false);
	supervisor.config = &config;
	keeper.closed = false;
}

/* The child is the service: threads, and the log, are one process's. */
static pid_t fork_service(void)
{
	pid_t child;

	events_rig_close(supervisor.events);
	supervisor.events = NULL;
	child = fork();
	if (child == 0)
		open_events();
	return child;
}

static void end_supervisor(void)
{
	ledger_close(supervisor.ledger);
	events_rig_close(supervisor.events);
	state_free(supervisor.state);
	supervisor = (struct supervisor){.ledger = NULL};
}

/* --- files --- */

static may_be_unused void make_directory(const char *name, mode_t mode, uid_t uid)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	ck_assert_int_eq(chown(path, uid, uid), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static may_be_unused void make_text(const char *name, const char *text, size_t times)
{
	char path[PATH_MAX + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	for (size_t i = 0; i < times; i++)
		fprintf(file, "%s line %zu\n", text, i);
	fflush(file);
	fsync(fileno(file));
	fclose(file);
}

static may_be_unused bool has_text(const char *name, const char *text)
{
	char path[PATH_MAX + 64], line[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	(void)!fgets(line, sizeof(line), file);
	fclose(file);
	return strncmp(line, text, strlen(text)) == 0;
}

static may_be_unused bool is_directory_of(const char *name, mode_t mode, uid_t uid)
{
	char path[PATH_MAX + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == mode &&
	       st.st_uid == uid;
}

/* How often spoolguard inspect finds a text, on the medium or decrypted, wherever: 0 or 1. */
static may_be_unused bool is_found(const char *text)
{
	char line[3 * PATH_MAX];
	int code;

	snprintf(line, sizeof(line),
		"cd '%s' && '%s' detach image >>log 2>&1 && printf secret | '%s' inspect "
		"--passphrase-file - --search '%s' image >inspected 2>&1",
		scratch_path(), command, command, text);
	code = system(line);
	open_volume_again();
	ck_assert_msg(code == 0 || WEXITSTATUS(code) == 1, "%d: %s", code, line);
	return code != 0;
}

/* --- the wipe --- */

static may_be_unused struct wipe_request request_of(bool full)
{
	return (struct wipe_request){
		.volume = "spool",
		.full = full,
		.confirm = "spool",
		.role = "operator",
		.uid = 1000,
		.passphrase_fd = -1,
	};
}

static may_be_unused uint64_t number_in(struct json_object *report, const char *key)
{
	struct json_object *numbers;
	uint64_t value;

	ck_assert(json_object_object_get_ex(report, "numbers", &numbers));
	ck_assert_msg(message_get_u64(numbers, key, &value), "%s", key);
	return value;
}

static may_be_unused const char *text_in(struct json_object *report, const char *key)
{
	const char *text;

	ck_assert_msg(message_get_string(report, key, &text), "%s", key);
	return text;
}

#endif

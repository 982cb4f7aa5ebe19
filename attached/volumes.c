/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/volumes.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int device_of(const char *file, dev_t *ret_device)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(file, '/');
	struct stat st;

	if (lstat(file, &st) == 0) {
		*ret_device = st.st_dev;
		return 0;
	}
	if (!slash)
		strcpy(directory, ".");
	else if ((size_t)(slash - file) + 1 < sizeof(directory))
		*stpncpy(directory, file, (size_t)(slash - file) + 1) = '\0';
	else
		return -ENAMETOOLONG;
	if (stat(directory, &st) < 0)
		return -errno;
	*ret_device = st.st_dev;
	return 0;
}

int volumes_check_allowed(struct problem *reterr_problem)
{
	struct runtime_state ignored;

	if (runtime_at(0, &ignored) != -EACCES)
		return 0;
	return problem_set(reterr_problem, -EACCES,
		"attached volumes are for root alone (their control sockets, and the calls that "
		"empty free space and journal); run as root");
}

int volumes_check_managed(const struct runtime_state *state, struct client *client,
	const char *what, struct problem *reterr_problem)
{
	struct json_object *status;
	bool managed;
	int r = client_status(client, &status);

	if (r < 0)
		return problem_set(reterr_problem, r, "the process that serves %s: %s", state->path,
			strerror(-r));
	managed = json_object_get_boolean(json_object_object_get(status, "managed"));
	json_object_put(status);
	if (managed)
		return 0;
	return problem_set(reterr_problem, -EOPNOTSUPP,
		"%s has no residue map: it is served as encryption only, and %s is not to be had; "
		"a volume made by \"spoolguard format\" has one",
		state->path, what);
}

int volumes_find_by_file(
	const char *file, struct runtime_state *ret_state, struct problem *reterr_problem)
{
	struct runtime_state state;
	struct stat st;
	dev_t device = 0;
	int r;

	r = volumes_check_allowed(reterr_problem);
	if (r < 0)
		return r;
	r = device_of(file, &device);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", file, strerror(-r));
	for (size_t i = 0; runtime_at(i, &state) >= 0; i++) {
		if (state.mount[0] && stat(state.mount, &st) == 0 && st.st_dev == device) {
			*ret_state = state;
			return 0;
		}
	}
	return problem_set(reterr_problem, -ENODEV,
		"%s does not lie on a mounted spoolguard volume; \"spoolguard status\" lists them",
		file);
}

int volumes_find_by_medium(
	const char *path, struct runtime_state *ret_state, struct problem *reterr_problem)
{
	int r = volumes_check_allowed(reterr_problem);

	if (r < 0)
		return r;
	r = runtime_find(path, ret_state);
	if (r >= 0)
		return 0;
	if (r == -ENOENT && access(path, F_OK) == 0)
		return problem_set(reterr_problem, -ENODEV,
			"%s is not attached; attach it first (\"spoolguard attach\")", path);
	return problem_set(reterr_problem, r, "%s: %s", path, strerror(-r));
}

int volumes_connect(const struct runtime_state *state, struct client **ret_client,
	struct problem *reterr_problem)
{
	int r = client_connect(state->uuid, ret_client);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return problem_set(reterr_problem, -ESRCH,
			"the process that served %s is gone; attach it again (nothing that was "
			"flushed is lost)",
			state->path);
	if (r < 0)
		return problem_set(reterr_problem, r, "the process that serves %s: %s", state->path,
			strerror(-r));
	return 0;
}

const char *volumes_assess_medium(const struct runtime_state *state, struct json_object *status,
	char buf[static MEDIUM_TEXT_BYTES], enum medium_promise *ret_promise)
{
	bool direct = json_object_get_boolean(json_object_object_get(status, "direct"));
	_cleanup_close_ int fd = open(state->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct medium_verdict verdict = {MEDIUM_NOT_IN_PLACE, "the medium is gone"};

	if (fd >= 0 && medium_assess(fd, direct, &verdict) < 0)
		verdict = (struct medium_verdict){
			MEDIUM_NOT_IN_PLACE, "what it is cannot be found out"};
	if (ret_promise)
		*ret_promise = verdict.promise;
	return medium_describe(&verdict, buf);
}

bool volumes_is_managed(struct client *client)
{
	struct json_object *status;
	bool managed;

	if (client_status(client, &status) < 0)
		return false;
	managed = json_object_get_boolean(json_object_object_get(status, "managed"));
	json_object_put(status);
	return managed;
}

uint64_t volumes_status_u64(struct json_object *status, const char *key)
{
	return json_object_get_uint64(json_object_object_get(status, key));
}

bool volumes_status_bool(struct json_object *status, const char *key)
{
	return json_object_get_boolean(json_object_object_get(status, key));
}

const char *volumes_status_string(struct json_object *status, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(status, key));

	return text ? text : "";
}

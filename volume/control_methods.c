/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/control_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- barriers --- */

int method_barrier_enter(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	if (connection->leads)
		return -EALREADY;
	connection->leads = engine_barrier_enter(connection->control->engine);
	control_add_bool(out, "lead", connection->leads);
	return 0;
}

int method_barrier_leave(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool done = false;

	(void)out;
	if (!connection->leads)
		return -ENOENT;
	(void)message_get_bool(in, "done", &done);
	connection->leads = false;
	engine_barrier_leave(connection->control->engine, done);
	return 0;
}

int method_barrier(struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	uint64_t epoch = 0;
	bool all = false;
	int r;

	(void)message_get_bool(in, "all", &all);
	r = all ? engine_barrier_all(engine, &epoch) : engine_barrier(engine, &epoch);
	control_add_u64(out, "epoch", epoch);
	return r;
}

/* --- sweep --- */

int method_serve(struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	if (connection->control->port)
		fuse_port_serve(connection->control->port);
	return 0;
}

int method_trust(struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	engine_trust(connection->control->engine);
	return 0;
}

int method_distrust(struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	return residue_distrust(engine_residue(connection->control->engine));
}

int method_allow_unknown_discards(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	residue_allow_unknown_discards(engine_residue(connection->control->engine));
	return 0;
}

int method_settle_unknown(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	return residue_settle_unknown(engine_residue(connection->control->engine));
}

int method_get_fingerprint(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint8_t bytes[RESIDUE_FINGERPRINT_BYTES];
	char text[2 * RESIDUE_FINGERPRINT_BYTES + 1];

	(void)in;
	residue_get_fingerprint(engine_residue(connection->control->engine), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	control_add_string(out, "fingerprint", text);
	return 0;
}

int method_set_fingerprint(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint8_t bytes[RESIDUE_FINGERPRINT_BYTES];
	const char *text;

	(void)out;
	if (!message_get_string(in, "fingerprint", &text) || strlen(text) != 2 * sizeof(bytes) ||
		strspn(text, "0123456789abcdef") != strlen(text))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		unsigned int byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EBADMSG;
		bytes[i] = (uint8_t)byte;
	}
	residue_set_fingerprint(engine_residue(connection->control->engine), bytes);
	return 0;
}

int method_set_sweep_owed(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool owed;

	(void)out;
	if (!message_get_bool(in, "owed", &owed))
		return -EBADMSG;
	return residue_set_sweep_owed(engine_residue(connection->control->engine), owed);
}

int method_set_filesystem_expected(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool expected;

	(void)out;
	if (!message_get_bool(in, "expected", &expected))
		return -EBADMSG;
	return residue_set_filesystem_expected(
		engine_residue(connection->control->engine), expected);
}

int method_grow(struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint64_t blocks = 0;
	int r;

	(void)in;
	r = engine_grow(connection->control->engine, &blocks);
	control_add_u64(out, "blocks", blocks);
	return r;
}

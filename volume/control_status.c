/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/profile.h"
#include "volume/control_impl.h"
#include <string.h>
#include <unistd.h>

static const char *verify_name(enum verify_mode verify)
{
	return verify == VERIFY_FULL ? "full" : verify == VERIFY_SAMPLE ? "sample" : "none";
}

static void add_map(struct engine *engine, struct json_object *out)
{
	struct residue_stuck stuck[16];
	struct json_object *list = json_object_new_array();
	struct residue_counts counts;
	struct engine_debt debt;
	size_t count;

	residue_get_counts(engine_residue(engine), &counts);
	engine_get_debt(engine, &debt);
	control_add_u64(out, "clean", counts.clean);
	control_add_u64(out, "live", counts.live);
	control_add_u64(out, "residue", counts.residue);
	control_add_u64(out, "suspect", counts.suspect);
	control_add_u64(out, "unknown", counts.unknown);
	control_add_u64(out, "stuck", counts.stuck);
	control_add_u64(out, "owed_bytes", (counts.residue + counts.suspect) * BLOCK_BYTES);
	control_add_u64(out, "oldest_owed_seconds", debt.oldest_owed_s);
	control_add_bool(out, "owed_from_before", debt.from_before);
	control_add_u64(out, "refused", counts.dead);
	control_add_u64(out, "erased_blocks", debt.erased_blocks);
	control_add_u64(out, "parked_writes", debt.parked_writes);
	control_add_bool(out, "eraser_failed", debt.eraser_failed);
	control_add_bool(out, "trusted", residue_is_trusted(engine_residue(engine)));
	count = residue_get_stuck(engine_residue(engine), stuck, ARRAY_SIZE(stuck));
	for (size_t i = 0; i < count && i < ARRAY_SIZE(stuck); i++) {
		struct json_object *entry = json_object_new_object();

		control_add_u64(entry, "block", stuck[i].block);
		control_add_string(entry, "error", strerror(-stuck[i].error));
		json_object_array_add(list, entry);
	}
	json_object_object_add(out, "stuck_blocks", list);
}

static void add_caveats(struct json_object *out)
{
	struct json_object *list = json_object_new_array();

	for (const char *const *caveat = profile_caveats(); *caveat; caveat++)
		json_object_array_add(list, json_object_new_string(*caveat));
	json_object_object_add(out, "not_approved", list);
	control_add_bool(out, "fips_provider", profile_has_fips_provider());
}

int method_status(struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	struct engine_info info;

	(void)in;
	engine_get_info(engine, &info);
	control_add_bool(out, "managed", info.managed);
	control_add_bool(out, "read_only", info.read_only);
	control_add_bool(out, "direct", info.direct);
	control_add_string(out, "uuid", info.uuid);
	control_add_u64(out, "block_bytes", info.block_bytes);
	control_add_u64(out, "blocks", info.blocks);
	control_add_u64(out, "process", (uint64_t)getpid());
	control_add_string(out, "port", connection->control->nbd ? "nbd" : "fuse");
	if (connection->control->nbd) {
		control_add_u64(out, "clients", nbd_port_clients(connection->control->nbd));
		control_add_bool(out, "foreign_writes", connection->control->foreign_writes);
	}
	add_caveats(out);
	if (!info.managed)
		return 0;
	control_add_u64(out, "medium_bytes_most", info.medium_bytes_most);
	control_add_string(out, "scheme", info.scheme->name);
	control_add_string(out, "verify", verify_name(info.verify));
	control_add_string(out, "profile", profile_name(info.token.profile));
	control_add_bool(out, "filled_before", info.token.filled_before);
	control_add_u64(out, "header_backups", info.token.backups);
	control_add_bool(out, "was_unclean", info.opened.was_unclean);
	control_add_u64(out, "damaged_pages", info.opened.damaged_pages);
	control_add_u64(out, "suspect_at_attach", info.opened.suspect_blocks);
	control_add_bool(out, "sweep_owed", residue_is_sweep_owed(engine_residue(engine)));
	control_add_bool(out, "filesystem_expected", info.opened.filesystem_expected);
	add_map(engine, out);
	return 0;
}

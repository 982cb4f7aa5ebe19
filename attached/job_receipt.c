/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/job_receipt.h"
#include "base/clock.h"
#include "ipc/fields.h"
#include <string.h>

void job_receipt_add(struct job_receipt *receipt, const struct retirement *retirement)
{
	struct retirement *total = &receipt->total;

	total->requested_blocks += retirement->requested_blocks;
	total->lost_blocks += retirement->lost_blocks;
	total->not_owed_blocks += retirement->not_owed_blocks;
	total->written_blocks += retirement->written_blocks;
	total->durable_blocks += retirement->durable_blocks;
	total->verified_blocks += retirement->verified_blocks;
	total->refused_blocks += retirement->refused_blocks;
	total->unjudged_blocks += retirement->unjudged_blocks;
	if (retirement->passes == 0) /* a file without blocks needed no pass */
		return;
	total->passes = retirement->passes;
	memcpy(total->pass_durable_wall_s, retirement->pass_durable_wall_s,
		sizeof(total->pass_durable_wall_s));
	if (retirement->epoch > total->epoch)
		total->epoch = retirement->epoch;
}

struct json_object *job_receipt_to_json(const struct job_receipt *receipt)
{
	struct json_object *object = json_object_new_object(), *times = json_object_new_array();
	const struct retirement *total = &receipt->total;
	char text[CLOCK_RFC3339_BYTES];

	fields_add_string(object, "schema", "spoolguard.job/1");
	fields_add_string(object, "id", receipt->id);
	fields_add_string(object, "result", receipt->retired ? "retired" : "failed");
	fields_add_string(object, "time", clock_rfc3339(receipt->wall_s, text));
	fields_add_string(object, "volume", receipt->volume_uuid);
	fields_add_u64(object, "files", receipt->files);
	fields_add_u64(object, "erased_files", receipt->erased_files);
	fields_add_u64(object, "removed_files", receipt->removed_files);
	if (receipt->gone_files > 0)
		fields_add_u64(object, "gone_files", receipt->gone_files);
	fields_add_u64(object, "bytes", receipt->bytes);
	fields_add_u64(object, "extents", receipt->extents);
	fields_add_string(object, "scheme", receipt->scheme);
	fields_add_string(object, "verify", receipt->verify);
	fields_add_u64(object, "passes", total->passes);
	for (uint32_t i = 0; i < total->passes; i++)
		json_object_array_add(times,
			json_object_new_string(clock_rfc3339(total->pass_durable_wall_s[i], text)));
	json_object_object_add(object, "pass_times", times);
	fields_add_u64(object, "requested_blocks", total->requested_blocks);
	fields_add_u64(object, "written_blocks", total->written_blocks);
	fields_add_u64(object, "durable_blocks", total->durable_blocks);
	fields_add_u64(object, "verified_blocks", total->verified_blocks);
	fields_add_u64(object, "not_owed_blocks", total->not_owed_blocks);
	fields_add_u64(object, "lost_blocks", total->lost_blocks);
	fields_add_u64(object, "refused_blocks", total->refused_blocks);
	fields_add_u64(object, "unjudged_blocks", total->unjudged_blocks);
	fields_add_u64(object, "epoch", total->epoch);
	fields_add_u64(object, "barrier_epoch", receipt->barrier_epoch);
	if (receipt->led) {
		fields_add_bool(object, "journal_discarded", receipt->journal_discarded);
		fields_add_u64(object, "unreached_free_blocks", receipt->unreached_blocks);
	}
	fields_add_u64(object, "backlog_blocks", receipt->backlog_blocks);
	fields_add_string(object, "limits",
		"blocks of other deleted files that ext4 reused before their discard got one "
		"overwrite, by the new data");
	fields_add_string(object, "medium", receipt->medium);
	fields_add_u64(object, "took_ms", receipt->took_ms);
	return object;
}

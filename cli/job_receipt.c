/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_receipt.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include <inttypes.h>
#include <stdio.h>
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

static void print_json(const struct job_receipt *receipt)
{
	struct json_object *object = cli_json("job"), *times = json_object_new_array();
	const struct retirement *total = &receipt->total;
	char text[CLOCK_RFC3339_BYTES];

	cli_add_string(object, "id", receipt->id);
	cli_add_string(object, "result", receipt->retired ? "retired" : "failed");
	cli_add_string(object, "time", clock_rfc3339(clock_wall_s(), text));
	cli_add_string(object, "volume", receipt->volume_uuid);
	cli_add_u64(object, "files", receipt->files);
	cli_add_u64(object, "erased_files", receipt->erased_files);
	cli_add_u64(object, "removed_files", receipt->removed_files);
	cli_add_u64(object, "bytes", receipt->bytes);
	cli_add_u64(object, "extents", receipt->extents);
	cli_add_string(object, "scheme", receipt->scheme);
	cli_add_string(object, "verify", receipt->verify);
	cli_add_u64(object, "passes", total->passes);
	for (uint32_t i = 0; i < total->passes; i++)
		json_object_array_add(times,
			json_object_new_string(clock_rfc3339(total->pass_durable_wall_s[i], text)));
	json_object_object_add(object, "pass_times", times);
	cli_add_u64(object, "requested_blocks", total->requested_blocks);
	cli_add_u64(object, "written_blocks", total->written_blocks);
	cli_add_u64(object, "durable_blocks", total->durable_blocks);
	cli_add_u64(object, "verified_blocks", total->verified_blocks);
	cli_add_u64(object, "not_owed_blocks", total->not_owed_blocks);
	cli_add_u64(object, "lost_blocks", total->lost_blocks);
	cli_add_u64(object, "refused_blocks", total->refused_blocks);
	cli_add_u64(object, "unjudged_blocks", total->unjudged_blocks);
	cli_add_u64(object, "epoch", total->epoch);
	cli_add_u64(object, "barrier_epoch", receipt->barrier_epoch);
	if (receipt->led) {
		cli_add_bool(object, "journal_discarded", receipt->journal_discarded);
		cli_add_u64(object, "unreached_free_blocks", receipt->unreached_blocks);
	}
	cli_add_u64(object, "backlog_blocks", receipt->backlog_blocks);
	cli_add_string(object, "limits",
		"blocks of other deleted files that ext4 reused before their discard got one "
		"overwrite, by the new data");
	cli_add_string(object, "medium", receipt->medium);
	cli_add_u64(object, "took_ms", receipt->took_ms);
	cli_print_json(object);
}

static void print_text(const struct job_receipt *receipt)
{
	const struct retirement *total = &receipt->total;
	char size[32];

	printf("job %s %s: %zu of %zu files erased and removed, %s in %" PRIu64 " extents, %" PRIu64
	       " ms\n",
		cli_shown(receipt->id), receipt->retired ? "retired" : "NOT RETIRED",
		receipt->removed_files, receipt->files,
		bytes_format_size(receipt->bytes, size, sizeof(size)), receipt->extents,
		receipt->took_ms);
	printf("  %s, %" PRIu32 " passes, read-back %s: blocks requested %" PRIu64
	       ", written %" PRIu64 ", durable %" PRIu64 ", verified %" PRIu64,
		receipt->scheme, total->passes, receipt->verify, total->requested_blocks,
		total->written_blocks, total->durable_blocks, total->verified_blocks);
	if (total->not_owed_blocks > 0)
		printf(", never written or clean already %" PRIu64, total->not_owed_blocks);
	if (total->lost_blocks > 0)
		printf(", changed hands %" PRIu64, total->lost_blocks);
	if (total->refused_blocks > 0)
		printf(", refused by the medium %" PRIu64, total->refused_blocks);
	if (total->unjudged_blocks > 0)
		printf(", not judged yet %" PRIu64, total->unjudged_blocks);
	printf("\n  batch %" PRIu64 ", barrier %" PRIu64, total->epoch, receipt->barrier_epoch);
	if (receipt->led)
		printf("; journal %s; free but held back by the file system: %" PRIu64 " blocks",
			receipt->journal_discarded ? "discarded" : "NOT discarded (Linux < 5.14)",
			receipt->unreached_blocks);
	printf("; owed by others: %" PRIu64 " blocks\n  medium: %s\n", receipt->backlog_blocks,
		receipt->medium);
}

void job_receipt_print(const struct job_receipt *receipt, bool json)
{
	if (json)
		print_json(receipt);
	else
		print_text(receipt);
}

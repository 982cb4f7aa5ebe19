/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_print.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include <inttypes.h>
#include <stdio.h>

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

void receipt_print(const struct job_receipt *receipt, bool json)
{
	if (json)
		cli_print_json(job_receipt_to_json(receipt));
	else
		print_text(receipt);
}

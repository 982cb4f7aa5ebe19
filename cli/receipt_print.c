/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_print.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_first_line(struct json_object *receipt)
{
	const char *result = service_client_text(receipt, "result");
	uint64_t gone = service_client_number(receipt, "gone_files");
	char size[32];

	printf("job %s %s: %" PRIu64 " of %" PRIu64 " files erased and removed",
		cli_shown(service_client_text(receipt, "id")),
		strcmp(result, "retired") == 0 ? "retired" : "NOT RETIRED",
		service_client_number(receipt, "removed_files"),
		service_client_number(receipt, "files"));
	if (gone > 0)
		printf(", %" PRIu64 " were not there any more", gone);
	printf(", %s in %" PRIu64 " extents, %" PRIu64 " ms\n",
		bytes_format_size(service_client_number(receipt, "bytes"), size, sizeof(size)),
		service_client_number(receipt, "extents"),
		service_client_number(receipt, "took_ms"));
	if (service_client_text(receipt, "claims_why")[0])
		printf("  NOT CLAIMED: %s\n",
			cli_shown(service_client_text(receipt, "claims_why")));
}

static void print_blocks(struct json_object *receipt)
{
	static const struct {
		const char *key, *text;
	} exceptions[] = {
		{"not_owed_blocks", "never written or clean already"},
		{"lost_blocks", "changed hands"},
		{"refused_blocks", "refused by the medium"},
		{"unjudged_blocks", "not judged yet"},
	};

	printf("  %s, %" PRIu64 " passes, read-back %s: blocks requested %" PRIu64
	       ", written %" PRIu64 ", durable %" PRIu64 ", verified %" PRIu64,
		service_client_text(receipt, "scheme"), service_client_number(receipt, "passes"),
		service_client_text(receipt, "verify"),
		service_client_number(receipt, "requested_blocks"),
		service_client_number(receipt, "written_blocks"),
		service_client_number(receipt, "durable_blocks"),
		service_client_number(receipt, "verified_blocks"));
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++) {
		uint64_t blocks = service_client_number(receipt, exceptions[i].key);

		if (blocks > 0)
			printf(", %s %" PRIu64, exceptions[i].text, blocks);
	}
}

static void print_text(struct json_object *receipt)
{
	print_first_line(receipt);
	print_blocks(receipt);
	printf("\n  batch %" PRIu64 ", barrier %" PRIu64, service_client_number(receipt, "epoch"),
		service_client_number(receipt, "barrier_epoch"));
	if (json_object_object_get(receipt, "journal_discarded"))
		printf("; journal %s; free but held back by the file system: %" PRIu64 " blocks",
			service_client_flag(receipt, "journal_discarded")
				? "discarded"
				: "NOT discarded (Linux < 5.14)",
			service_client_number(receipt, "unreached_free_blocks"));
	printf("; owed by others: %" PRIu64 " blocks\n  medium: %s\n",
		service_client_number(receipt, "backlog_blocks"),
		cli_shown(service_client_text(receipt, "medium")));
}

void receipt_print_object(struct json_object *receipt, bool json)
{
	if (json) {
		cli_print_json(receipt);
		return;
	}
	print_text(receipt);
	json_object_put(receipt);
}

void receipt_print(const struct job_receipt *receipt, bool json)
{
	receipt_print_object(job_receipt_to_json(receipt), json);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_print.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *shown(struct json_object *object, const char *key)
{
	return cli_shown(service_client_text(object, key));
}

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
		shown(receipt, "scheme"), service_client_number(receipt, "passes"),
		shown(receipt, "verify"), service_client_number(receipt, "requested_blocks"),
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

/* --- signed --- */

static void print_times(struct json_object *receipt)
{
	struct json_object *times = json_object_object_get(receipt, "pass_times");
	size_t count =
		json_object_is_type(times, json_type_array) ? json_object_array_length(times) : 0;

	for (size_t i = 0; i < count; i++)
		printf("%s%s", i == 0 ? "  passes durable: " : ", ",
			cli_shown(json_object_get_string(json_object_array_get_idx(times, i))));
	if (count > 0)
		putchar('\n');
}

static void print_drive(struct json_object *receipt)
{
	static const char *const names[] = {"model", "serial", "firmware", "wwn"};
	struct json_object *verdict = json_object_object_get(receipt, "media_verdict");
	struct json_object *drive = json_object_object_get(receipt, "drive");

	if (verdict)
		printf("  overwriting there promises %s (%s): %s [%s]\n",
			strcmp(service_client_text(verdict, "overwrite"), "neither") == 0
				? "neither Clear nor Purge"
				: shown(verdict, "overwrite"),
			shown(verdict, "class"), shown(verdict, "reason"),
			shown(verdict, "clause"));
	if (!json_object_is_type(drive, json_type_object))
		return;
	printf("  drive %s", shown(drive, "name"));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (service_client_text(drive, names[i])[0])
			printf(", %s %s", names[i], shown(drive, names[i]));
	}
	putchar('\n');
}

static void print_grounds(struct json_object *receipt)
{
	struct json_object *log = json_object_object_get(receipt, "log");

	printf("  volume %s", shown(receipt, "volume"));
	if (service_client_text(receipt, "key_state")[0])
		printf(", its key is %s", shown(receipt, "key_state"));
	printf("; self-test %s\n", shown(receipt, "selftest"));
	printf("  spoolguard %s, build %s\n", shown(receipt, "version"), shown(receipt, "build"));
	printf("  device %s\n", shown(receipt, "device"));
	printf("  stands on record %" PRIu64 " of the audit log %s\n",
		service_client_number(log, "sequence"), shown(log, "id"));
}

/* P5: it belongs to what is said. */
static void print_not_claimed(struct json_object *receipt)
{
	static const char *const texts[] = {"limits", "files_missing_why"};
	uint64_t unknown = service_client_number(receipt, "files_unknown");

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (service_client_text(receipt, texts[i])[0])
			printf("  not claimed: %s\n", shown(receipt, texts[i]));
	}
	if (unknown > 0)
		printf("  not claimed: %" PRIu64 " files, whose names were lost\n", unknown);
	printf("  not claimed: copies outside of this volume (the printer's memory, backups, the "
	       "sender's)\n");
}

void receipt_print_signed(struct json_object *receipt)
{
	printf("receipt %s of job %s/%s, %s\n", shown(receipt, "receipt"), shown(receipt, "source"),
		shown(receipt, "id"), shown(receipt, "time"));
	print_text(receipt);
	print_times(receipt);
	print_drive(receipt);
	print_grounds(receipt);
	print_not_claimed(receipt);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/inspect_print.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SIZE_BYTES  32
#define SHOWN_BYTES 80 /* of a string or a path */

static const char *size_of(uint64_t bytes, char buf[static SIZE_BYTES])
{
	return bytes_format_size(bytes, buf, SIZE_BYTES);
}

static void print_header(const struct inspect_report *report)
{
	char size[SIZE_BYTES];

	printf("header       LUKS2 %s, aes-xts-plain64, 512-bit key, sectors of %" PRIu32
	       " bytes, data from byte %" PRIu64 "\n",
		report->uuid, report->segment.sector_bytes, report->segment.data_offset_bytes);
	printf("key slots    %zu:", report->slot_count);
	for (size_t i = 0; i < report->slot_count; i++) {
		const struct keystore_slot *slot = &report->slots[i];

		printf("%s %d %s", i ? "," : "", slot->number, slot->kdf);
		if (slot->memory_kib > 0)
			printf(" %s", size_of((uint64_t)slot->memory_kib << 10, size));
	}
	putchar('\n');
	if (report->token.present)
		printf("token        scheme %s, profile %s, %" PRIu32 " header backups%s\n",
			report->token.scheme, profile_name(report->token.profile),
			report->token.backups,
			report->token.filled_before ? ", the medium held data before" : "");
	else
		printf("token        none\n");
}

static void print_stuck(const struct inspect_report *report)
{
	char time[CLOCK_RFC3339_BYTES];

	for (size_t i = 0; i < report->stuck_count; i++)
		printf("stuck        block %" PRIu64 ", now spare %" PRIu64 ": %s, %s\n",
			report->stuck[i].block, report->stuck[i].spare,
			strerror(-report->stuck[i].error),
			clock_rfc3339(report->stuck[i].wall_s, time));
}

static void print_map(const struct inspect_report *report)
{
	const struct residue_counts *counts = &report->counts;

	if (!report->is_managed) {
		printf("map          none: encryption only, nothing is overwritten\n");
		return;
	}
	if (!report->has_map) {
		printf("map          cannot be opened\n");
		return;
	}
	printf("map          %" PRIu64 " pages, %" PRIu64 " damaged slots; %s%s%s\n",
		report->map_pages, report->damaged_slots,
		report->opened.was_unclean ? "not detached in order" : "detached in order",
		report->opened.sweep_owed ? ", a sweep is owed" : "",
		report->opened.filesystem_expected ? "" : ", no file system expected");
	printf("blocks       %" PRIu64 ": clean %" PRIu64 ", live %" PRIu64 ", residue %" PRIu64
	       ", suspect %" PRIu64 ", unknown %" PRIu64 "; stuck %" PRIu64 "\n",
		report->blocks, counts->clean, counts->live, counts->residue, counts->suspect,
		counts->unknown, counts->stuck);
	print_stuck(report);
}

static void print_filesystem(const struct inspect_report *report)
{
	const struct ext4_report *ext4 = &report->ext4;
	char label[SHOWN_BYTES];

	if (!ext4->is_ext4) {
		printf("file system  none that is known\n");
		return;
	}
	printf("file system  ext4 \"%s\" %s, %" PRIu64 " blocks, mounted %" PRIu32 " times%s%s\n",
		utf8_printable(ext4->label, strlen(ext4->label), label, sizeof(label)), ext4->uuid,
		ext4->blocks, ext4->mount_count,
		ext4->needs_recovery ? ", needs journal recovery" : "",
		ext4->has_errors ? ", with recorded errors" : "");
	if (ext4->warning.text[0] != '\0')
		printf("             %s\n", ext4->warning.text);
}

static void print_classes(const char *what, const uint64_t *counts)
{
	printf("%-12s", what);
	for (int class = 0; class <= RESIDUE_CLASS_UNKNOWN; class ++)
		printf("%s %s %" PRIu64, class ? "," : "", inspect_class_name(class),
			counts[class]);
	putchar('\n');
}

static void print_compared(const struct inspect_report *report)
{
	const struct inspect_compared *compared = &report->compared;

	if (!report->has_map)
		return;
	if (report->is_compared) {
		print_classes("free blocks", compared->free);
		print_classes("in use", compared->owned);
	}
	printf("clean blocks show the last pattern %" PRIu64 ", zeros %" PRIu64
	       ", another byte %" PRIu64 ", random (not judged) %" PRIu64 ", anything else %" PRIu64
	       "\n",
		compared->clean_last_pattern, compared->clean_zeros, compared->clean_other_byte,
		compared->clean_random, compared->clean_not_blank);
}

static void print_findings(const struct inspect_report *report)
{
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct inspect_finding *finding = &report->findings[i];

		printf("FINDING      %s: ", inspect_finding_words(finding->kind));
		if (finding->extent.count == 1)
			printf("%" PRIu64 "\n", finding->extent.first);
		else
			printf("%" PRIu64 " to %" PRIu64 "\n", finding->extent.first,
				extent_end(finding->extent) - 1);
	}
	if (report->finding_count == INSPECT_FINDINGS_MAX)
		printf("             (no more are listed)\n");
	for (size_t i = 0; i < report->reason_count; i++)
		printf("CANNOT TELL  %s\n", cli_shown(report->reasons[i].text));
}

static void print_example(const struct inspect_example *example)
{
	char path[4 * SHOWN_BYTES];

	printf("             %s: byte %" PRIu64, inspect_place_words(example->place),
		example->offset_bytes);
	if (inspect_place_is_decrypted(example->place))
		printf(" of the volume, block %" PRIu64, example->offset_bytes / BLOCK_BYTES);
	if (example->has_class)
		printf(" (%s)", inspect_class_name(example->class));
	if (example->form != SEARCH_AS_GIVEN)
		printf(", as %s", search_form_name(example->form));
	if (example->is_seam)
		printf(", across two blocks that do not adjoin");
	if (example->inode != 0)
		printf(", inode %" PRIu32, example->inode);
	if (example->path)
		printf(", %s",
			utf8_printable(example->path, strlen(example->path), path, sizeof(path)));
	putchar('\n');
}

static void print_search(
	const struct inspect_searched *searched, const struct search *search, size_t index)
{
	char shown[SHOWN_BYTES];
	size_t bytes;
	const uint8_t *text = search_text(search, index, &bytes);

	printf("search       \"%s\": raw medium %" PRIu64 ", decrypted volume %" PRIu64 "\n",
		utf8_printable(text, bytes, shown, sizeof(shown)), searched->raw_hits,
		searched->decrypted_hits);
	for (size_t p = 0; p < INSPECT_PLACES; p++) {
		if (searched->hits[p] == 0)
			continue;
		printf("FOUND        %" PRIu64 " times: %s\n", searched->hits[p],
			inspect_place_words(p));
		for (size_t e = 0; e < searched->example_count; e++) {
			if (searched->examples[e].place == p)
				print_example(&searched->examples[e]);
		}
	}
}

void inspect_print_text(
	const char *path, const struct inspect_report *report, const struct search *search)
{
	static const char *const verdicts[] = {
		[INSPECT_NOTHING_FOUND] = "nothing found, all that was compared agrees",
		[INSPECT_FOUND] = "FOUND, see below",
		[INSPECT_CANNOT_TELL] = "nothing found, but not all could be judged",
	};
	char size[SIZE_BYTES];

	printf("%s: %s\n", cli_shown(path), verdicts[inspect_verdict_of(report)]);
	printf("medium       %s\n", size_of(report->medium_bytes, size));
	print_header(report);
	print_map(report);
	print_filesystem(report);
	print_compared(report);
	print_findings(report);
	for (size_t i = 0; i < report->searched_count; i++)
		print_search(&report->searched[i], search, i);
	if (report->chance_hits > 0.01)
		printf("note         strings this short are expected %.2g times by chance\n",
			report->chance_hits);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_writer.c - for scripts: certificates of the fixture, signed, with their key
 *
 * usage: certificate_writer FILE KEY.pub [VARIANT...]
 *
 *   large     20 TB, 500 bad sectors, a hidden area that was not opened
 *   long      every text as long as it may be, and in several scripts
 *   open=N    N sentences of what remains open
 *   bare      nothing that a person would fill in
 *   stand-in  the serial is a stand-in
 *   cut       the overwrite was cut off in its last pass
 *   sample    read back by sample
 *   purge     a verdict that its facts do not allow
 */
#include "tests/support/certificate_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct certificate_fixture fixture;

static void must(int r)
{
	if (r < 0)
		abort();
}

static void make_large(struct record *record)
{
	struct record_overwrite *o = &record->overwrite;

	record->bytes = 20000588955648;
	record->hidden = (struct record_hidden){.bytes_before = record->bytes,
		.bytes_native = record->bytes + (2ull << 40),
		.bytes_after = record->bytes,
		.hpa = true};
	extent_list_clear(&o->refused);
	extent_list_clear(&o->mismatched);
	for (uint64_t i = 0; i < 500; i++)
		must(extent_list_add(
			&o->refused, (struct extent){(i * 7919 * 1000003) % 39063650304, 1}));
	o->requested_bytes = record->bytes;
	o->written_bytes = o->durable_bytes = o->read_bytes = o->verified_bytes =
		record->bytes - extent_list_blocks(&o->refused) * 512;
}

static void lengthen(char *text, size_t bytes)
{
	static const char *const words = "Überlänge 長い名前 Ω≈ç √∫ \xf0\x9f\x96\xa8 WWWWWWWWWW ";
	const size_t length = strlen(words);

	memset(text, 'x', bytes);
	for (size_t at = 0; at + length < bytes; at += length)
		memcpy(text + at, words, length);
	text[bytes - 1] = '\0';
}

#define LENGTHEN(text) lengthen(text, sizeof(text))

static void make_long(struct record *record, struct verdict *verdict)
{
	LENGTHEN(record->operator_.name);
	LENGTHEN(record->operator_.organization);
	LENGTHEN(record->media.notes);
	LENGTHEN(record->media.asset_number);
	LENGTHEN(record->media.destination);
	LENGTHEN(record->media.source);
	LENGTHEN(record->model);
	LENGTHEN(record->vendor);
	LENGTHEN(record->host);
	LENGTHEN(record->approvals[0].person.name);
	LENGTHEN(verdict->reason);
	LENGTHEN(verdict->means);
	for (size_t i = 0; i < verdict->open_count; i++)
		LENGTHEN(verdict->open[i]);
}

static void make_open(struct verdict *verdict, size_t count)
{
	verdict->open_count = count;
	for (size_t i = 0; i < count; i++)
		snprintf(verdict->open[i], sizeof(verdict->open[i]),
			"Uncertain %zu: sectors that the drive has exchanged may still hold what "
			"stood in them; no command of this interface reaches them, and the drive "
			"counts %zu of them.",
			i + 1, i * 3);
}

static void make_bare(struct record *record)
{
	memset(&record->operator_, 0, sizeof(record->operator_));
	record->operator_.uid = (uid_t)-1;
	memset(&record->media, 0, sizeof(record->media));
}

static void make_cut(struct record_overwrite *o)
{
	o->reached = (struct sanitize_position){2, 3000000000};
	o->passes[2].durable_wall_s = 0;
	o->written_bytes = o->durable_bytes = 3000000000ull * 512 - 1024;
	o->read_bytes = o->verified_bytes = 0;
	extent_list_clear(&o->mismatched);
}

static void make_sample(struct record_overwrite *o)
{
	o->verify = RECORD_VERIFY_STRATIFIED;
	o->read_bytes = o->verified_bytes = o->requested_bytes / 10;
	extent_list_clear(&o->mismatched);
}

static void make(const char *variant)
{
	struct record *record = fixture.record;

	if (strcmp(variant, "large") == 0)
		make_large(record);
	else if (strcmp(variant, "long") == 0)
		make_long(record, &fixture.verdict);
	else if (strncmp(variant, "open=", 5) == 0)
		make_open(&fixture.verdict, strtoul(variant + 5, NULL, 10));
	else if (strcmp(variant, "bare") == 0)
		make_bare(record);
	else if (strcmp(variant, "stand-in") == 0)
		record->identity.is_stand_in = true;
	else if (strcmp(variant, "cut") == 0)
		make_cut(&record->overwrite);
	else if (strcmp(variant, "sample") == 0)
		make_sample(&record->overwrite);
	else if (strcmp(variant, "purge") == 0)
		fixture.verdict.reached = DRIVE_PURGE;
	else
		exit(2);
}

static int write_key(const char *path)
{
	FILE *to = fopen(path, "we");
	char *text;
	int r = minisign_key_encode(&fixture.key, "a drive's last day", &text);

	if (!to || r < 0 || fputs(text, to) < 0 || fclose(to) != 0)
		return 1;
	free(text);
	return 0;
}

int main(int argc, char **argv)
{
	char sha256[RECORD_DIGEST_BYTES];
	struct json_object *certificate;
	struct problem problem = {""};
	int r;

	if (argc < 3)
		return 2;
	certificate_fixture_init(&fixture);
	for (int i = 3; i < argc; i++)
		make(argv[i]);
	r = certificate_make(fixture.record, &fixture.verdict, &certificate);
	if (r >= 0)
		r = certificate_write(certificate, argv[1], &fixture.signer, sha256, &problem);
	json_object_put(certificate);
	if (r < 0) {
		fprintf(stderr, "certificate_writer: %s\n", problem_text(&problem, r));
		return 1;
	}
	puts(sha256);
	r = write_key(argv[2]);
	certificate_fixture_done(&fixture);
	return r;
}

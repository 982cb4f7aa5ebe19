/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/certificate_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES	 4000787030016ull
#define BEGAN_S	 1795000000
#define HEX_ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX_TWOS "2222222222222222222222222222222222222222222222222222222222222222"

/* Of a text that fits: "to" is an array. */
#define SET(to, text) snprintf(to, sizeof(to), "%s", text)

/* Not by Check: programs use this too. */
static void must(int r)
{
	if (r < 0)
		abort();
}

static void fill_drive(struct record *record)
{
	SET(record->id, "00112233445566778899aabbccddeeff");
	record->began_wall_s = BEGAN_S;
	record->ended_wall_s = BEGAN_S + 86400;
	SET(record->version, "0.1.0");
	SET(record->build, "0123456789abcdef0123456789abcdef01234567");
	SET(record->host, "drucker-süd");
	SET(record->selftest_id, "st-17");
	record->selftest_ok = true;
	SET(record->identity.name, "sdb");
	SET(record->identity.model, "ST4000NM0035");
	SET(record->identity.serial, "ZC1ABCDE");
	record->identity.bytes = BYTES;
	record->class = DRIVE_ROTATIONAL;
	record->overwrite_promise = DRIVE_CLEAR;
	SET(record->overwrite_reason, "a rotational disk is written in place");
	SET(record->overwrite_clause, "SP 800-88r2 3.1.1");
	SET(record->transport, "sata");
	SET(record->vendor, "Seagate");
	SET(record->model, "ST4000NM0035");
	SET(record->firmware, "TN02");
	SET(record->wwn, "naa.5000c500a1b2c3d4");
	SET(record->serial, "            ZC1ABCDE");
	record->opal = record->several_controllers = record->namespaces_known = true;
	record->reach_count = 1;
	SET(record->reaches[0].what, "LUN 1");
	SET(record->reaches[0].device, "/dev/sdc");
	record->reaches[0].untouched = true;
	record->bytes = BYTES;
	record->logical_bytes = 512;
	record->physical_bytes = 4096;
	SET(record->health_before, "passed");
	SET(record->health_after, "passed, 2 sectors pending");
	record->hidden = (struct record_hidden){
		.bytes_before = BYTES - (8ull << 30),
		.bytes_native = BYTES,
		.bytes_after = BYTES,
		.hpa = true,
		.lifted = true,
	};
}

static void fill_person(struct record_person *person, const char *name, const char *title)
{
	SET(person->name, name);
	SET(person->title, title);
	SET(person->organization, "Müller & Söhne Kopiertechnik GmbH");
	SET(person->location, "Köln, Werkstatt 2");
	SET(person->contact, "+49 221 555 0100");
	person->uid = (uid_t)-1;
}

static void fill_people(struct record *record)
{
	fill_person(&record->operator_, "Jürgen Großmann", "Servicetechniker");
	record->operator_.uid = 1000;
	record->approvals_required = 1;
	record->approval_count = 1;
	fill_person(&record->approvals[0].person, "Åsa Öberg", "Datenschutzbeauftragte");
	SET(record->approvals[0].key_id, "0123456789abcdef");
	SET(record->approvals[0].fingerprint, HEX_ONES);
	record->approvals[0].signed_wall_s = BEGAN_S - 600;
	SET(record->approvals[0].statement_sha256, HEX_TWOS);
	SET(record->media.asset_number, "INV-2021-0042");
	SET(record->media.machine_serial, "XRX-C8155-998877");
	SET(record->media.source, "MFP, 2nd floor, human resources");
	SET(record->media.categorization_before, "confidential");
	SET(record->media.categorization_after, "public");
	SET(record->media.destination, "external reuse");
	SET(record->media.backed_up, "no");
	SET(record->media.backup_location, "none");
	SET(record->media.notes, "returned at the end of the lease");
}

static void fill_steps(struct record *record)
{
	for (int i = 0; i < RECORD_STEPS; i++)
		record->steps[i] = (struct record_progress){
			.state = RECORD_DONE,
			.began_wall_s = BEGAN_S + 100 * i,
			.ended_wall_s = BEGAN_S + 100 * i + 90,
			.resumes = (uint32_t)i,
		};
	record->steps[RECORD_CERTIFICATE].state = RECORD_BEGUN;
	record->steps[RECORD_CERTIFICATE].ended_wall_s = 0;
	SET(record->steps[RECORD_SANITIZE].detail, "the drive's method changed nothing");
	record->jobs_retired = 3;
	record->jobs_not_retired = 1;
	SET(record->jobs_detail, "job cups/17 was printing");
}

static void fill_volumes(struct record *record)
{
	record->volume_count = 2;
	for (uint32_t i = 0; i < 2; i++) {
		struct record_volume *volume = &record->volumes[i];

		snprintf(volume->uuid, sizeof(volume->uuid),
			"11111111-2222-3333-4444-55555555555%u", i);
		snprintf(volume->device, sizeof(volume->device), "sdb%u", i + 1);
		volume->first_byte = (1ull << 20) + ((uint64_t)i << 40);
		volume->is_spoolguard = i == 0;
		volume->slots_before = volume->slots_destroyed = 2 + i;
		volume->copies_destroyed = volume->proven_closed = true;
		volume->backups = volume->backups_destroyed = i;
		volume->filled_before = i == 1;
		volume->detached = i == 0;
	}
	SET(record->volumes[1].detail, "the backup on the administrator's stick was destroyed");
}

static void fill_method(struct record *record)
{
	struct record_method *method = &record->methods[0];

	record->method_count = 1;
	*method = (struct record_method){
		.kind = METHOD_ATA_SANITIZE_OVERWRITE,
		.state = METHOD_FAILED,
		.drive_said_done = true,
		.erase_begun = true,
		.witnessed = true,
		.step = METHOD_STEP_ERASE,
		.step_done = true,
		.began_wall_s = BEGAN_S + 200,
		.ended_wall_s = BEGAN_S + 290,
		.resumes = 1,
		.detail = "the drive says done, and changed nothing",
		.status_bytes = METHOD_STATUS_BYTES,
		.judged = true,
		.witness = {.taken = 2128,
			.held_data = 1999,
			.survived = 1999,
			.first_survivor = 7,
			.verdict = WITNESS_SURVIVED},
	};
	for (unsigned int i = 0; i < METHOD_STATUS_BYTES; i++) {
		method->status_before[i] = (uint8_t)i;
		method->status_after[i] = (uint8_t)(255 - i);
	}
}

static void add(struct extent_list *list, uint64_t first, uint64_t count)
{
	must(extent_list_add(list, (struct extent){first, count}));
}

static void fill_overwrite(struct record_overwrite *overwrite)
{
	static const struct record_pass passes[] = {
		{PASS_BYTE, 0x35, "", BEGAN_S + 20000},
		{PASS_RANDOM, 0, HEX_ONES, BEGAN_S + 40000},
		{PASS_BYTE, 0x97, "", BEGAN_S + 60000},
	};

	SET(overwrite->scheme, "three-pass");
	overwrite->verify = RECORD_VERIFY_FULL;
	overwrite->pass_count = ARRAY_SIZE(passes);
	memcpy(overwrite->passes, passes, sizeof(passes));
	overwrite->block_bytes = 512;
	overwrite->reached = (struct sanitize_position){3, 0};
	overwrite->requested_bytes = BYTES;
	overwrite->written_bytes = BYTES - 3ull * 512;
	overwrite->durable_bytes = BYTES - 3ull * 512;
	overwrite->read_bytes = BYTES - 3ull * 512;
	overwrite->verified_bytes = BYTES - 4ull * 512;
	add(&overwrite->refused, 1000, 2);
	add(&overwrite->refused, 5000000000, 1);
	add(&overwrite->mismatched, 2000000000, 1);
	overwrite->took_ns = 72000000000001;
}

static void fill_rest(struct record *record)
{
	static const char *const labels[] = {"canary", "host name", "IP address (hexadecimal)"};

	record->search_count = ARRAY_SIZE(labels);
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		SET(record->searches[i].label, labels[i]);
		SET(record->searches[i].sha256, HEX_TWOS);
	}
	record->searched_bytes = BYTES - 3ull * 512;
	record->unreadable_bytes = 3ull * 512;
	record->log_before =
		(struct record_log){"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", 100, HEX_ONES};
	record->log_after =
		(struct record_log){"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", 140, HEX_TWOS};
}

static void add_part(struct verdict *verdict, const char *means, enum drive_sanitization reached,
	const char *reason, const char *clause)
{
	struct verdict_part *part = &verdict->parts[verdict->part_count++];

	SET(part->means, means);
	part->reached = reached;
	SET(part->reason, reason);
	SET(part->clause, clause);
}

static void fill_verdict(struct verdict *verdict)
{
	verdict->reached = DRIVE_NEITHER;
	SET(verdict->reason, "3 sectors were refused");
	add_part(verdict, "ATA SANITIZE, overwrite", DRIVE_NEITHER,
		"the drive says that it ended, and sectors that held data still show it", "");
	add_part(verdict, "overwrite, three-pass", DRIVE_NEITHER, "3 sectors were refused",
		"SP 800-88r2 3.1.1");
	SET(verdict->open[0], "3 sectors refused the passes: what stood there may stand there.");
	SET(verdict->open[1], "The drive says of a method that it ended well, and it did not.");
	verdict->open_count = 2;
}

static int sign(void *context, const void *message, size_t bytes, const char *trusted_comment,
	char **ret_signature)
{
	struct certificate_fixture *fixture = context;

	return minisign_sign(
		fixture->seed, &fixture->key, message, bytes, trusted_comment, ret_signature);
}

void certificate_fixture_init(struct certificate_fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->record = calloc(1, sizeof(*fixture->record));
	must(fixture->record ? 0 : -1);
	fill_drive(fixture->record);
	fill_people(fixture->record);
	fill_steps(fixture->record);
	fill_volumes(fixture->record);
	fill_method(fixture->record);
	fill_overwrite(&fixture->record->overwrite);
	fill_rest(fixture->record);
	fill_verdict(&fixture->verdict);
	must(minisign_key_new(&fixture->seed, &fixture->key));
	fixture->signer = (struct certificate_signer){sign, &fixture->key, fixture};
}

void certificate_fixture_done(struct certificate_fixture *fixture)
{
	extent_list_done(&fixture->record->overwrite.refused);
	extent_list_done(&fixture->record->overwrite.mismatched);
	free(fixture->record);
	secret_free(fixture->seed);
}

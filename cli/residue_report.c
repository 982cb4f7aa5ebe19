/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_report.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/cli.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *id, *what;
	bool judged;
} places[PLACES] = {
	[PLACE_MEMORY] = {"memory", "memory of spoolguard's processes", true},
	[PLACE_CUPS_MEMORY] = {"cups-memory", "memory of cupsd (told, not judged)", false},
	[PLACE_SPOOL] = {"spool", "files in CUPS's spool and temporary directory", true},
	[PLACE_CUPS_CACHE] = {"cups-cache", "CUPS's cache (job.cache and its last version)", true},
	[PLACE_CUPS_LOGS] = {"cups-logs", "CUPS's access, error and page logs", true},
	[PLACE_CUPS_CONFIG] = {"cups-config", "files that cupsd keeps beside cupsd.conf", true},
	[PLACE_STATE] = {"state", "the service's ledger, events and receipts", true},
	[PLACE_SYSTEM_LOGS] = {"system-logs", "the system's journal and logs, if written since",
		true},
	[PLACE_SWAP] = {"swap", "swap", true},
	[PLACE_DECRYPTED] = {"decrypted", "every block of the volume, decrypted beneath its map",
		true},
	[PLACE_MEDIUM] = {"medium", "the raw medium, as it lies", true},
};

static const char *const state_names[] = {"clean", "found", "not searched", "left out"};

static const struct {
	const char *name, *words;
} ways[] = {
	[WAY_CUPS_CANCELLED] = {"cups-cancelled",
		"a job through CUPS, submitted on hold and cancelled: nothing was printed"},
	[WAY_CUPS_PRINTED] = {"cups-printed", "a job through CUPS, printed by filters and printer"},
	[WAY_CALL] = {"call", "a job announced to the service, as a printer program does"},
	[WAY_DIRECT] = {"direct", "a file retired by this command, without the service"},
};

/* --- filling it --- */

const char *residue_place_id(enum residue_place_name name)
{
	return places[name].id;
}

int residue_place_find(const char *id, enum residue_place_name *ret_name)
{
	for (enum residue_place_name name = 0; name < PLACES; name++) {
		if (strcmp(places[name].id, id) == 0) {
			*ret_name = name;
			return 0;
		}
	}
	return -ENOENT;
}

bool residue_place_is_judged(enum residue_place_name name)
{
	return places[name].judged;
}

void residue_reason(struct residue_report *report, const char *format, ...)
{
	va_list arguments;

	if (report->reason_count == RESIDUE_REASONS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(report->reasons[report->reason_count++].text, PROBLEM_TEXT_BYTES, format,
		arguments);
	va_end(arguments);
}

void residue_place_fail(struct residue_place *place, const char *format, ...)
{
	va_list arguments;

	if (place->why[0] == '\0') { /* the first reason is enough */
		va_start(arguments, format);
		vsnprintf(place->why, sizeof(place->why), format, arguments);
		va_end(arguments);
	}
	if (place->state == PLACE_CLEAN)
		place->state = PLACE_NOT_SEARCHED;
}

void residue_place_hit(struct residue_place *place, const struct search_hit *hit, const char *where)
{
	place->hits[hit->index]++;
	residue_place_show(place, hit, where);
}

void residue_place_show(
	struct residue_place *place, const struct search_hit *hit, const char *where)
{
	struct residue_example *example;

	place->state = PLACE_FOUND;
	if (place->example_count == RESIDUE_EXAMPLES_MAX)
		return;
	example = &place->examples[place->example_count++];
	*example = (struct residue_example){
		.word = (enum canary_word)hit->index, .form = hit->form, .offset = hit->offset};
	snprintf(example->where, sizeof(example->where), "%s", where);
}

/* --- the verdict --- */

uint64_t residue_hits(const struct residue_report *report)
{
	uint64_t hits = 0;

	for (enum residue_place_name name = 0; name < PLACES; name++) {
		for (enum canary_word word = 0; word < CANARY_WORDS; word++)
			hits += places[name].judged ? report->places[name].hits[word] : 0;
	}
	return hits;
}

enum residue_verdict residue_verdict_of(const struct residue_report *report)
{
	if (!report->is_planted)
		return RESIDUE_UNKNOWN;
	if (residue_hits(report) > 0)
		return RESIDUE_IS_FOUND;
	if (!report->is_retired)
		return report->is_interrupted ? RESIDUE_UNKNOWN : RESIDUE_NOT_RETIRED;
	if (report->seen[CANARY_TEXT] == 0 || report->is_interrupted || report->reason_count > 0)
		return RESIDUE_UNKNOWN;
	for (enum residue_place_name name = 0; name < PLACES; name++) {
		if (places[name].judged && report->places[name].state == PLACE_NOT_SEARCHED)
			return RESIDUE_UNKNOWN;
	}
	return RESIDUE_IS_CLEAN;
}

const char *residue_verdict_name(enum residue_verdict verdict)
{
	static const char *const names[] = {"clean", "found", "not retired", "cannot tell"};

	return names[verdict];
}

/* --- what no hit can be seen through --- */

static const char *const never_covered[] = {
	"text that was compressed, encoded or made into an image before it was stored",
	"what a drive keeps out of the host's reach: remapped sectors, flash that is not mapped",
	"free blocks of other file systems, memory of the kernel and of other programs",
};

static const char *not_covered_by_way(enum residue_way way)
{
	static const char *const texts[] = {
		[WAY_CUPS_CANCELLED] =
			"filters and printer: it was cancelled before (--print prints one)",
		[WAY_CUPS_PRINTED] = "what the printer itself keeps",
		[WAY_CALL] = "CUPS: the job did not go through it",
		[WAY_DIRECT] = "CUPS and the service: the job went through neither",
	};

	return texts[way];
}

/* --- JSON --- */

static struct json_object *hits_to_json(const uint64_t hits[static CANARY_WORDS])
{
	struct json_object *object = json_object_new_object();

	for (enum canary_word word = 0; word < CANARY_WORDS; word++)
		cli_add_u64(object, canary_word_name(word), hits[word]);
	return object;
}

static struct json_object *examples_to_json(const struct residue_place *place)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < place->example_count; i++) {
		const struct residue_example *example = &place->examples[i];
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "word", canary_word_name(example->word));
		cli_add_string(object, "form", search_form_name(example->form));
		cli_add_u64(object, "offset", example->offset);
		cli_add_string(object, "where", example->where);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *places_to_json(const struct residue_report *report)
{
	struct json_object *array = json_object_new_array();

	for (enum residue_place_name name = 0; name < PLACES; name++) {
		const struct residue_place *place = &report->places[name];
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "id", places[name].id);
		cli_add_string(object, "what", places[name].what);
		cli_add_string(object, "state", state_names[place->state]);
		cli_add_bool(object, "judged", places[name].judged);
		if (place->why[0])
			cli_add_string(object, "why", place->why);
		cli_add_u64(object, "bytes", place->bytes);
		cli_add_u64(object, "things", place->things);
		json_object_object_add(object, "hits", hits_to_json(place->hits));
		json_object_object_add(object, "examples", examples_to_json(place));
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *reasons_to_json(const struct residue_report *report)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < report->reason_count; i++)
		json_object_array_add(array, json_object_new_string(report->reasons[i].text));
	return array;
}

static struct json_object *volume_to_json(const struct residue_report *report)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "name", report->volume_name);
	cli_add_string(object, "uuid", report->uuid);
	cli_add_string(object, "medium", report->medium);
	cli_add_string(object, "promise", report->promise);
	return object;
}

static struct json_object *way_to_json(const struct residue_report *report)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "name", ways[report->way].name);
	cli_add_string(object, "words", ways[report->way].words);
	if (report->queue[0])
		cli_add_string(object, "queue", report->queue);
	return object;
}

static struct json_object *job_to_json(const struct residue_report *report)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "id", report->job_id);
	cli_add_string(object, "state", report->is_retired ? "retired" : report->job_state);
	if (report->receipt_digest[0])
		cli_add_string(object, "receipt_digest", report->receipt_digest);
	return object;
}

static struct json_object *not_covered_to_json(const struct residue_report *report)
{
	struct json_object *array = json_object_new_array();

	json_object_array_add(array, json_object_new_string(not_covered_by_way(report->way)));
	for (size_t i = 0; i < ARRAY_SIZE(never_covered); i++)
		json_object_array_add(array, json_object_new_string(never_covered[i]));
	return array;
}

struct json_object *residue_report_to_json(const struct residue_report *report)
{
	enum residue_verdict verdict = residue_verdict_of(report);
	struct json_object *object = cli_json("residue-check");
	char began[CLOCK_RFC3339_BYTES];

	cli_add_string(object, "id", report->id);
	json_object_object_add(object, "ok",
		verdict == RESIDUE_UNKNOWN ? NULL
					   : json_object_new_boolean(verdict == RESIDUE_IS_CLEAN));
	cli_add_string(object, "verdict", residue_verdict_name(verdict));
	cli_add_u64(object, "hits", residue_hits(report));
	json_object_object_add(object, "reasons", reasons_to_json(report));
	cli_add_string(object, "began", clock_rfc3339(report->began_wall_s, began));
	cli_add_u64(object, "took_ms", report->took_ms);
	json_object_object_add(object, "volume", volume_to_json(report));
	json_object_object_add(object, "way", way_to_json(report));
	json_object_object_add(object, "job", job_to_json(report));
	json_object_object_add(object, "seen_before", hits_to_json(report->seen));
	json_object_object_add(object, "places", places_to_json(report));
	json_object_object_add(object, "not_covered", not_covered_to_json(report));
	cli_add_bool(object, "recorded", report->is_recorded);
	cli_add_string(object, "version", SPOOLGUARD_VERSION);
	return object;
}

/* --- text --- */

static void print_place(enum residue_place_name name, const struct residue_place *place)
{
	char size[32];

	printf("  %-13s %-12s  %s, %s\n", places[name].id, state_names[place->state],
		places[name].what, bytes_format_size(place->bytes, size, sizeof(size)));
	if (place->why[0])
		printf("                not all of it: %s\n", place->why);
	if (place->state != PLACE_FOUND)
		return;
	printf("                text %" PRIu64 ", title %" PRIu64 ", user %" PRIu64 " times\n",
		place->hits[CANARY_TEXT], place->hits[CANARY_TITLE], place->hits[CANARY_USER]);
	for (size_t i = 0; places[name].judged && i < place->example_count; i++) {
		const struct residue_example *example = &place->examples[i];

		printf("                %s (%s) at byte %" PRIu64 " of %s\n",
			canary_word_name(example->word), search_form_name(example->form),
			example->offset, cli_shown(example->where));
	}
}

static void print_verdict(const struct residue_report *report)
{
	switch (residue_verdict_of(report)) {
	case RESIDUE_IS_CLEAN:
		printf("CLEAN: of the canary job nothing is left in any place that was "
		       "searched.\n");
		break;
	case RESIDUE_IS_FOUND:
		printf("FOUND: %" PRIu64 " remains of the canary job, where the places above say; "
		       "see to these first (\"spoolguard cups check\", \"spoolguard selftest\").\n",
			residue_hits(report));
		break;
	case RESIDUE_NOT_RETIRED:
		printf("NOT RETIRED: the canary job is %s; \"spoolguard status\" says why.\n",
			report->job_state[0] ? report->job_state : "not known");
		break;
	case RESIDUE_UNKNOWN:
		printf("CANNOT TELL whether anything is left; the lines above say why.\n");
		break;
	}
}

void residue_report_print(const struct residue_report *report)
{
	printf("residue check %s of volume %s (%s)\n", report->id,
		cli_shown(report->volume_name[0] ? report->volume_name : report->medium),
		report->uuid);
	printf("  way            %s\n", ways[report->way].words);
	printf("  job            %s, %s\n", cli_shown(report->job_id),
		report->is_retired ? "retired" : report->job_state);
	printf("  seen before    text %" PRIu64 ", title %" PRIu64 ", user %" PRIu64
	       " times, by the same search\n",
		report->seen[CANARY_TEXT], report->seen[CANARY_TITLE], report->seen[CANARY_USER]);
	for (enum residue_place_name name = 0; name < PLACES; name++)
		print_place(name, &report->places[name]);
	printf("not covered\n  %s\n", not_covered_by_way(report->way));
	for (size_t i = 0; i < ARRAY_SIZE(never_covered); i++)
		printf("  %s\n", never_covered[i]);
	printf("of the medium\n  %s\n", report->promise);
	for (size_t i = 0; i < report->reason_count; i++)
		printf("cannot tell: %s\n", report->reasons[i].text);
	print_verdict(report);
}

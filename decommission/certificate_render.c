/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the top down: title, verdict, the form (person, validation, media, details, destination),
 * the medium as a band, what was measured, what remains uncertain (in what room is left),
 * signatures, and what the page stands on.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "decommission/certificate_impl.h"
#include "decommission/page.h"
#include <cairo-pdf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW	   10.4
#define LABEL	   88.0 /* of a field's name */
#define BOTTOM	   (PAGE_HEIGHT - PAGE_MARGIN)
#define FOOT	   92.0 /* signatures and the page's grounds */
#define COLUMN	   (PAGE_INNER / 2)
#define OPEN_SIZE  6.6
#define OPEN_ROW   (OPEN_SIZE * 1.28)
#define LINES_MOST 3u

static const struct page_style plain = {7.2, false}, small = {6.2, false};

struct form {
	struct page page;
	const struct record *record;
	const struct verdict *verdict;
	const char *sha256;
	const struct minisign_key *signer;
};

static void field(struct form *form, double x, double width, const char *name, const char *value)
{
	const double y = form->page.y + plain.size;

	(void)page_text(&form->page, x, y, LABEL - 3, small, name);
	if (value && value[0])
		(void)page_text(&form->page, x + LABEL, y, width - LABEL - 4, plain, value);
	else
		page_rule(&form->page, x + LABEL, y + 1, width - LABEL - 6, 0.7);
}

/* Two side by side, then the next row. */
static void fields(struct form *form, const char *left_name, const char *left,
	const char *right_name, const char *right)
{
	field(form, PAGE_MARGIN, COLUMN, left_name, left);
	if (right_name)
		field(form, PAGE_MARGIN + COLUMN, COLUMN, right_name, right);
	form->page.y += ROW;
}

static void wide(struct form *form, const char *name, const char *value)
{
	field(form, PAGE_MARGIN, PAGE_INNER, name, value);
	form->page.y += ROW;
}

/* One line of text over the whole width. */
static void line(struct form *form, const char *format, ...) format_printf(2, 3);
static void line(struct form *form, const char *format, ...)
{
	char text[2 * RECORD_LINE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)page_text(
		&form->page, PAGE_MARGIN, form->page.y + plain.size, PAGE_INNER, plain, text);
	form->page.y += ROW;
}

static const char *time_text(int64_t wall_s, char buf[static CLOCK_RFC3339_BYTES])
{
	return wall_s == 0 ? "" : clock_rfc3339(wall_s, buf);
}

/* --- the top --- */

static void draw_not_verified(struct form *form)
{
	cairo_t *cairo = form->page.cairo;

	cairo_save(cairo);
	cairo_set_source_rgb(cairo, 1, 0.80, 0.80);
	cairo_select_font_face(
		cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
	cairo_set_font_size(cairo, 78);
	cairo_translate(cairo, PAGE_MARGIN + 20, PAGE_HEIGHT - 170);
	cairo_rotate(cairo, -0.86);
	cairo_move_to(cairo, 0, 0);
	cairo_show_text(cairo, "NOT VERIFIED");
	cairo_restore(cairo);
}

static void draw_head(struct form *form)
{
	char text[96];

	(void)page_text(&form->page, PAGE_MARGIN, form->page.y + 14, 320,
		(struct page_style){15, true}, "Certificate of sanitization");
	snprintf(text, sizeof(text), "no. %s", form->record->id);
	(void)page_text(
		&form->page, PAGE_MARGIN + PAGE_INNER - 190, form->page.y + 9, 190, plain, text);
	(void)page_text(&form->page, PAGE_MARGIN + PAGE_INNER - 190, form->page.y + 18, 190, small,
		"fields: SP 800-88r1 appendix G, SP 800-88r2 4.6");
	form->page.y += 24;
}

static const char *verdict_words(enum drive_sanitization reached)
{
	return reached == DRIVE_PURGE	? "PURGE"
	       : reached == DRIVE_CLEAR ? "CLEAR"
					: "NEITHER CLEAR NOR PURGE";
}

static void draw_verdict(struct form *form)
{
	const double top = form->page.y;
	char text[RECORD_LINE_BYTES + RECORD_TEXT_BYTES];

	if (!form->signer) {
		cairo_set_source_rgb(form->page.cairo, 0.75, 0, 0);
		(void)page_text(&form->page, PAGE_MARGIN, form->page.y + 9, PAGE_INNER,
			(struct page_style){8.5, true},
			"NOT VERIFIED: this page was made without a key to verify the JSON file "
			"by. It proves nothing.");
		cairo_set_source_rgb(form->page.cairo, 0, 0, 0);
		form->page.y += 13;
	}
	form->page.y += 3;
	(void)page_text(&form->page, PAGE_MARGIN + 6, form->page.y + 12, PAGE_INNER - 12,
		(struct page_style){13, true}, verdict_words(form->verdict->reached));
	form->page.y += 17;
	snprintf(text, sizeof(text), "%s%s%s", form->verdict->means,
		form->verdict->means[0] ? ": " : "", form->verdict->reason);
	page_wrap(&form->page, PAGE_MARGIN + 6, PAGE_INNER - 12, plain, 2, text);
	form->page.y += 4;
	cairo_set_line_width(form->page.cairo, 1);
	cairo_rectangle(form->page.cairo, PAGE_MARGIN, form->signer ? top : top + 13, PAGE_INNER,
		form->page.y - (form->signer ? top : top + 13));
	cairo_stroke(form->page.cairo);
}

/* --- the form --- */

static void draw_persons(struct form *form)
{
	const struct record_person *person = &form->record->operator_;

	page_title(&form->page, "Person performing sanitization, and validation (by hand)");
	fields(form, "name", person->name, "validated by", "");
	fields(form, "title", person->title, "title", "");
	fields(form, "organization", person->organization, "organization", "");
	fields(form, "location", person->location, "location", "");
	fields(form, "telephone, mail", person->contact, "telephone, mail", "");
}

static void draw_media(struct form *form)
{
	const struct record *record = form->record;
	char bytes[96], type[160], serial[IDENTITY_SERIAL_BYTES + 40];

	snprintf(bytes, sizeof(bytes), "%llu bytes, sectors of %u",
		(unsigned long long)record->bytes, record->logical_bytes);
	snprintf(type, sizeof(type), "%s%s%s", drive_class_name(record->class),
		record->transport[0] ? ", " : "", record->transport);
	snprintf(serial, sizeof(serial), "%s%s", record->identity.serial,
		record->identity.is_stand_in ? " (stand-in: it tells none)" : "");
	page_title(&form->page, "Media");
	fields(form, "manufacturer", record->vendor, "serial number", serial);
	fields(form, "model", record->model, "WWN, EUI", record->wwn);
	fields(form, "firmware", record->firmware, "media type", type);
	fields(form, "size", bytes, "property number", record->media.asset_number);
	fields(form, "source", record->media.source, "machine's serial",
		record->media.machine_serial);
	fields(form, "categorization before", record->media.categorization_before, "data backed up",
		record->media.backed_up);
	fields(form, "backup location", record->media.backup_location, "health after",
		record->health_after);
}

static const char *verification_words(const struct record *record)
{
	if (record->overwrite.read_bytes == 0)
		return "";
	switch (record->overwrite.verify) {
	case RECORD_VERIFY_FULL:
		return "full: every block read back";
	case RECORD_VERIFY_STRATIFIED:
		return "quick sampling: stratified, with first and last block";
	case RECORD_VERIFY_HCD:
		return "other: sector list of the HCD cPP test";
	case RECORD_VERIFY_NONE:
		break;
	}
	return "none";
}

static void draw_details(struct form *form)
{
	const struct record *record = form->record;
	char tool[RECORD_LINE_BYTES + 3 * RECORD_TEXT_BYTES], began[CLOCK_RFC3339_BYTES],
		ended[CLOCK_RFC3339_BYTES];
	struct certificate_derived derived;

	certificate_derive(record, form->verdict, &derived);
	snprintf(tool, sizeof(tool), "%s, build %s; self-test %s %s", derived.tool, record->build,
		record->selftest_id, record->selftest_ok ? "passed" : "NOT PASSED");
	page_title(&form->page, "Sanitization");
	fields(form, "method",
		form->verdict->reached == DRIVE_NEITHER
			? "none that can be claimed"
			: drive_sanitization_name(form->verdict->reached),
		"technique",
		form->verdict->means[0] ? form->verdict->means : "none that can be claimed");
	wide(form, "technique, details", derived.technique_details);
	wide(form, "tool, version", tool);
	fields(form, "verification", verification_words(record), "categorization after",
		record->media.categorization_after);
	fields(form, "began", time_text(record->began_wall_s, began), "ended",
		time_text(record->ended_wall_s, ended));
	fields(form, "destination", record->media.destination, "host", record->host);
	wide(form, "notes", record->media.notes);
}

/* --- what was measured --- */

static void draw_methods(struct form *form)
{
	char text[RECORD_LINE_BYTES] = "none";
	size_t used = 0;

	for (uint32_t i = 0; i < form->record->method_count && used < sizeof(text) - 1; i++) {
		const struct record_method *method = &form->record->methods[i];
		char witness[80] = "no witness";
		int n;

		if (method->judged)
			snprintf(witness, sizeof(witness), "%llu of %llu blocks with data survived",
				(unsigned long long)method->witness.survived,
				(unsigned long long)method->witness.held_data);
		n = snprintf(text + used, sizeof(text) - used, "%s%s %s (%s)", i > 0 ? "; " : "",
			method_name(method->kind), method_state_name(method->state), witness);
		used += n > 0 ? (size_t)n : 0;
	}
	wide(form, "drive's own methods", text);
}

static void draw_overwrite(struct form *form)
{
	const struct record_overwrite *o = &form->record->overwrite;
	char text[RECORD_LINE_BYTES], pass[8];
	size_t used;

	if (o->requested_bytes == 0) {
		wide(form, "overwrite", "none");
		return;
	}
	used = (size_t)snprintf(text, sizeof(text), "%s (", o->scheme);
	for (uint32_t i = 0; i < o->pass_count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			i > 0 ? ", " : "", certificate_pass_text(&o->passes[i], pass));
	snprintf(text + used, sizeof(text) - used, "); %u of %u passes ended", o->reached.pass,
		o->pass_count);
	wide(form, "overwrite", text);
	snprintf(text, sizeof(text), "requested %llu, written %llu, durable %llu, verified %llu",
		(unsigned long long)o->requested_bytes, (unsigned long long)o->written_bytes,
		(unsigned long long)o->durable_bytes, (unsigned long long)o->verified_bytes);
	wide(form, "bytes", text);
	snprintf(text, sizeof(text), "%llu blocks of %u bytes refused, %llu read back otherwise",
		(unsigned long long)extent_list_blocks(&o->refused), o->block_bytes,
		(unsigned long long)extent_list_blocks(&o->mismatched));
	wide(form, "bad sectors", text);
}

static void draw_keys(struct form *form)
{
	uint32_t slots = 0, destroyed = 0, closed = 0, backups = 0, reached = 0;
	char text[RECORD_LINE_BYTES];

	for (uint32_t i = 0; i < form->record->volume_count; i++) {
		const struct record_volume *volume = &form->record->volumes[i];

		slots += volume->slots_before;
		destroyed += volume->slots_destroyed;
		closed += volume->proven_closed;
		backups += volume->backups;
		reached += volume->backups_destroyed;
	}
	snprintf(text, sizeof(text),
		"%u volumes; %u of %u key slots destroyed; %u volumes proven closed; header "
		"backups: %u known, %u destroyed",
		form->record->volume_count, destroyed, slots, closed, backups, reached);
	wide(form, "keys", form->record->volume_count == 0 ? "no volume was on it" : text);
}

static void draw_search(struct form *form)
{
	uint64_t hits = 0;
	char text[RECORD_LINE_BYTES], size[32];

	for (uint32_t i = 0; i < form->record->search_count; i++)
		hits += form->record->searches[i].hits;
	snprintf(text, sizeof(text), "%u texts, %llu hits in %s searched; %llu bytes unreadable",
		form->record->search_count, (unsigned long long)hits,
		bytes_format_size(form->record->searched_bytes, size, sizeof(size)),
		(unsigned long long)form->record->unreadable_bytes);
	wide(form, "search of the medium", form->record->search_count == 0 ? "none" : text);
	snprintf(text, sizeof(text), "%llu retired, %llu not retired",
		(unsigned long long)form->record->jobs_retired,
		(unsigned long long)form->record->jobs_not_retired);
	wide(form, "jobs", text);
}

static void draw_approvals(struct form *form)
{
	char text[RECORD_LINE_BYTES] = "none required";
	size_t used = 0;

	for (uint32_t i = 0; i < form->record->approval_count && used < sizeof(text) - 1; i++) {
		const struct record_approval *approval = &form->record->approvals[i];
		int n = snprintf(text + used, sizeof(text) - used, "%s%s (key %s)",
			i > 0 ? "; " : "", approval->person.name, approval->key_id);

		used += n > 0 ? (size_t)n : 0;
	}
	wide(form, "approved by", text);
}

static void draw_measured(struct form *form)
{
	page_title(&form->page, "The medium, and what was done to it");
	page_band(&form->page, form->record);
	draw_methods(form);
	draw_overwrite(form);
	draw_keys(form);
	draw_search(form);
	draw_approvals(form);
}

/* --- what remains uncertain: as much of each as all have room for --- */

static unsigned int lines_wanted(struct form *form, unsigned int each)
{
	const struct page_style style = {OPEN_SIZE, false};
	unsigned int all = 0;

	for (size_t i = 0; i < form->verdict->open_count; i++) {
		unsigned int lines =
			page_lines(&form->page, PAGE_INNER - 9, style, form->verdict->open[i]);

		all += lines < each ? lines : each;
	}
	return all;
}

static void draw_open(struct form *form)
{
	const struct page_style style = {OPEN_SIZE, false};
	unsigned int room, each = LINES_MOST;
	size_t shown = form->verdict->open_count;

	page_title(&form->page, "What remains uncertain");
	room = (unsigned int)((BOTTOM - FOOT - form->page.y) / OPEN_ROW);
	if (shown == 0)
		line(form, "Nothing that the program knows of.");
	while (each > 1 && lines_wanted(form, each) > room)
		each--;
	if (shown > room)
		shown = room - 1;
	for (size_t i = 0; i < shown; i++) {
		(void)page_text(&form->page, PAGE_MARGIN, form->page.y + OPEN_SIZE, 8, style, "-");
		page_wrap(&form->page, PAGE_MARGIN + 8, PAGE_INNER - 9, style, each,
			form->verdict->open[i]);
	}
	if (shown < form->verdict->open_count)
		line(form, "... and %zu more: see \"open\" in the JSON file [JSON]",
			form->verdict->open_count - shown);
}

/* --- the foot --- */

static void draw_foot(struct form *form)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES] = "none: it was not verified";

	form->page.y = BOTTOM - FOOT + 4;
	page_title(&form->page, "Signatures (by hand)");
	form->page.y += 8;
	fields(form, "performed, date", "", "validated, date", "");
	page_title(&form->page, "What this page stands on");
	if (form->signer)
		(void)!minisign_fingerprint(form->signer, fingerprint);
	wide(form, "SHA-256 of the JSON", form->sha256);
	wide(form, "signer's fingerprint", fingerprint);
	page_wrap(&form->page, PAGE_MARGIN, PAGE_INNER, small, 2,
		"The JSON file is what is signed; this page shows what it says. Verify it: "
		"minisign -V -p TRUSTED-KEY -m FILE. "
		"Where [JSON] stands a text was cut, and is whole in the file.");
}

static void draw_all(struct form *form)
{
	if (!form->signer)
		draw_not_verified(form);
	cairo_set_source_rgb(form->page.cairo, 0, 0, 0);
	draw_head(form);
	draw_verdict(form);
	draw_persons(form);
	draw_media(form);
	draw_details(form);
	draw_measured(form);
	draw_open(form);
	draw_foot(form);
	cairo_show_page(form->page.cairo);
}

/* --- the file --- */

struct buffer {
	char *bytes; /* owned */
	size_t used, room;
};

static cairo_status_t append(void *closure, const unsigned char *data, unsigned int bytes)
{
	struct buffer *buffer = closure;

	if (bytes > buffer->room - buffer->used) {
		size_t room = 2 * buffer->room + bytes;
		char *grown = realloc(buffer->bytes, room);

		if (!grown)
			return CAIRO_STATUS_WRITE_ERROR;
		buffer->bytes = grown;
		buffer->room = room;
	}
	memcpy(buffer->bytes + buffer->used, data, bytes);
	buffer->used += bytes;
	return CAIRO_STATUS_SUCCESS;
}

/* The same bytes whenever it is made: the dates are the certificate's. */
static void set_metadata(cairo_surface_t *surface, const struct record *record)
{
	char title[RECORD_LINE_BYTES], shown[RECORD_LINE_BYTES], date[CLOCK_RFC3339_BYTES];
	int64_t wall_s = record->ended_wall_s ? record->ended_wall_s : record->began_wall_s;

	snprintf(
		title, sizeof(title), "Certificate of sanitization of %s", record->identity.serial);
	(void)clock_rfc3339(wall_s, date);
	cairo_pdf_surface_restrict_to_version(surface, CAIRO_PDF_VERSION_1_4);
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE,
		utf8_printable(title, strlen(title), shown, sizeof(shown)));
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT, record->id);
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "spoolguard");
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, date);
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_MOD_DATE, date);
}

static int draw_pdf(struct form *form, struct buffer *buffer)
{
	cairo_surface_t *surface =
		cairo_pdf_surface_create_for_stream(append, buffer, PAGE_WIDTH, PAGE_HEIGHT);
	cairo_status_t status;

	set_metadata(surface, form->record);
	form->page = (struct page){.cairo = cairo_create(surface), .y = PAGE_MARGIN - 6};
	draw_all(form);
	status = cairo_status(form->page.cairo);
	cairo_destroy(form->page.cairo);
	cairo_surface_finish(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	return status == CAIRO_STATUS_SUCCESS ? 0 : -EIO;
}

int certificate_render(struct json_object *certificate, const char *sha256,
	const struct minisign_key *signer, char **ret_pdf, size_t *ret_bytes,
	struct problem *reterr_problem)
{
	struct verdict *verdict = calloc(1, sizeof(*verdict));
	struct buffer buffer = {.bytes = NULL};
	struct record *record = NULL;
	struct form form;
	int r;

	r = verdict ? certificate_decode(certificate, &record, verdict, reterr_problem) : -ENOMEM;
	if (r >= 0) {
		form = (struct form){
			.record = record, .verdict = verdict, .sha256 = sha256, .signer = signer};
		r = draw_pdf(&form, &buffer);
		if (r < 0)
			(void)problem_set(reterr_problem, r, "the page cannot be drawn");
	}
	record_free(record);
	free(verdict);
	if (r < 0) {
		free(buffer.bytes);
		return r;
	}
	*ret_pdf = buffer.bytes;
	*ret_bytes = buffer.used;
	return 0;
}

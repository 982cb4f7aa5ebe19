/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_search.c - Search: strings come masked, are in clear here for one call, and are wiped
 */
#include "base/hex.h"
#include "volume/client.h"
#include "volume/control_impl.h"
#include <errno.h>
#include <string.h>

/* One string: its digits are of masked bytes. */
static int add_string(
	struct search *search, struct json_object *item, const uint8_t *mask, struct secret *plain)
{
	const char *text;
	size_t digits;
	int r;

	if (!json_object_is_type(item, json_type_string))
		return -EBADMSG;
	text = json_object_get_string(item);
	digits = strlen(text);
	if (digits > (size_t)2 * CLIENT_SEARCH_BYTES_MAX ||
		hex_decode(text, digits, secret_bytes(plain), digits / 2) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < digits / 2; i++)
		secret_bytes(plain)[i] ^= mask[i];
	r = search_add(search, secret_bytes(plain), digits / 2);
	return r == -EINVAL ? -EBADMSG : r;
}

static int get_strings(struct json_object *in, struct search *search)
{
	_cleanup_secret_ struct secret *plain = NULL;
	uint8_t mask[CLIENT_SEARCH_BYTES_MAX];
	struct json_object *strings;
	const char *text;
	int r;

	if (!message_get_string(in, "mask", &text) ||
		hex_decode(text, strlen(text), mask, sizeof(mask)) < 0 ||
		!json_object_object_get_ex(in, "strings", &strings) ||
		!json_object_is_type(strings, json_type_array) ||
		json_object_array_length(strings) > ENGINE_STRINGS_MAX)
		return -EBADMSG;
	r = secret_new(CLIENT_SEARCH_BYTES_MAX, &plain);
	for (size_t i = 0; r >= 0 && i < json_object_array_length(strings); i++)
		r = add_string(search, json_object_array_get_idx(strings, i), mask, plain);
	return r;
}

static struct json_object *found_to_json(const struct engine_found *found)
{
	struct json_object *item = json_object_new_object();

	control_add_u64(item, "string", found->hit.index);
	control_add_u64(item, "form", (uint64_t)found->hit.form);
	control_add_u64(item, "offset", found->hit.offset);
	control_add_u64(item, "bytes", found->hit.bytes);
	control_add_u64(item, "class", (uint64_t)found->class);
	return item;
}

int method_search(struct connection *connection, struct json_object *in, struct json_object *out)
{
	_cleanup_(search_freep) struct search *search = NULL;
	struct engine_search_report report;
	struct json_object *found, *counts;
	struct extent at;
	const char *area;
	int r;

	if (!message_get_string(in, "area", &area) || !message_get_u64(in, "first", &at.first) ||
		!message_get_u64(in, "count", &at.count))
		return -EBADMSG;
	r = search_new(&search);
	if (r >= 0)
		r = get_strings(in, search);
	if (r >= 0)
		r = engine_search(connection->control->engine, search,
			strcmp(area, "spare") == 0 ? ENGINE_AREA_SPARE : ENGINE_AREA_DATA, at,
			&report);
	if (r < 0)
		return r;
	control_add_u64(out, "blocks", report.area_blocks);
	control_add_u64(out, "unreadable_blocks", report.unreadable_blocks);
	control_add_u64(out, "hits", report.hits);
	counts = json_object_new_array();
	for (size_t i = 0; i < search_count(search); i++)
		json_object_array_add(counts, json_object_new_uint64(report.hits_of[i]));
	json_object_object_add(out, "hits_of", counts);
	found = json_object_new_array();
	for (size_t i = 0; i < report.found_count; i++)
		json_object_array_add(found, found_to_json(&report.found[i]));
	json_object_object_add(out, "found", found);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_extents.c - lists of blocks in a certificate: bounded, and the whole list bound by
 * its digest
 */
#include "base/hex.h"
#include "crypto/hash.h"
#include "decommission/certificate_fields.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int digest(const struct extent_list *list, char ret_hex[static 2 * SHA256_BYTES + 1])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	uint8_t sum[SHA256_BYTES];
	char line[48];
	int r = hash_new(&hash);

	for (size_t i = 0; i < list->count && r >= 0; i++) {
		int n = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n",
			list->items[i].first, list->items[i].count);

		r = hash_update(hash, line, (size_t)n);
	}
	if (r >= 0)
		r = hash_finish(hash, sum);
	if (r >= 0)
		(void)hex_encode(sum, sizeof(sum), ret_hex);
	return r;
}

static int append(struct json_object *listed, struct extent extent)
{
	struct json_object *pair = json_object_new_array_ext(2);
	int r = field_append(listed, pair);

	if (r >= 0)
		r = field_append(pair, json_object_new_uint64(extent.first));
	if (r >= 0)
		r = field_append(pair, json_object_new_uint64(extent.count));
	return r;
}

int field_add_extents(struct json_object *object, const char *key, const struct extent_list *list)
{
	struct json_object *made, *listed;
	char sha256[2 * SHA256_BYTES + 1];
	int r;

	r = field_add_object(object, key, &made);
	if (r >= 0)
		r = field_add(made, "extents", json_object_new_uint64(list->count));
	if (r >= 0)
		r = field_add(made, "blocks", json_object_new_uint64(extent_list_blocks(list)));
	if (r >= 0)
		r = field_add_array(made, "listed", &listed);
	for (size_t i = 0; i < list->count && i < CERTIFICATE_EXTENTS_MAX && r >= 0; i++)
		r = append(listed, list->items[i]);
	if (r >= 0)
		r = digest(list, sha256);
	if (r >= 0)
		r = field_add_text(made, "sha256", sha256);
	return r;
}

/* --- back --- */

struct extents_head {
	uint64_t extents, blocks;
	char sha256[2 * SHA256_BYTES + 1];
};
static const struct field head_fields[] = {
	U64_FIELD("extents", struct extents_head, extents),
	U64_FIELD("blocks", struct extents_head, blocks),
	TEXT_FIELD("sha256", struct extents_head, sha256),
};

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && json_object_get_string(value)[0] != '-';
}

/* In order, and apart, as a list keeps them: so each list has one text. */
static int take(struct json_object *pair, struct extent_list *list)
{
	struct extent extent;

	if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2 ||
		!is_number(json_object_array_get_idx(pair, 0)) ||
		!is_number(json_object_array_get_idx(pair, 1)))
		return -EBADMSG;
	extent.first = json_object_get_uint64(json_object_array_get_idx(pair, 0));
	extent.count = json_object_get_uint64(json_object_array_get_idx(pair, 1));
	if (extent.count == 0 || !extent_is_within(extent, UINT64_MAX) ||
		(list->count > 0 && extent.first <= extent_end(list->items[list->count - 1])))
		return -EBADMSG;
	return extent_list_add(list, extent);
}

static int check(const struct extent_list *list, const struct extents_head *head)
{
	char sha256[2 * SHA256_BYTES + 1];
	int r;

	if (list->count < head->extents)
		return list->count == CERTIFICATE_EXTENTS_MAX &&
				       extent_list_blocks(list) < head->blocks
			       ? 0
			       : -EBADMSG;
	r = digest(list, sha256);
	if (r < 0)
		return r;
	return list->count == head->extents && extent_list_blocks(list) == head->blocks &&
			       strcmp(sha256, head->sha256) == 0
		       ? 0
		       : -EBADMSG;
}

int field_get_extents(struct json_object *object, const char *key, struct extent_list *ret_list,
	uint64_t *ret_blocks, struct problem *reterr_problem)
{
	struct extent_list list = {.count = 0};
	struct json_object *made, *listed;
	struct extents_head head;
	int r;

	r = field_get(object, key, json_type_object, &made, reterr_problem);
	if (r >= 0)
		r = fields_decode(
			head_fields, ARRAY_SIZE(head_fields), made, key, &head, reterr_problem);
	if (r >= 0)
		r = field_get(made, "listed", json_type_array, &listed, reterr_problem);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_object_array_length(listed) && r >= 0; i++)
		r = take(json_object_array_get_idx(listed, i), &list);
	if (r >= 0)
		r = check(&list, &head);
	if (r < 0) {
		extent_list_done(&list);
		return problem_set(reterr_problem, r,
			"its list \"%s\" does not fit its own count, blocks and digest", key);
	}
	extent_list_done(ret_list);
	*ret_list = list;
	if (ret_blocks)
		*ret_blocks = head.blocks;
	return 0;
}

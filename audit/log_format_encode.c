/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_format.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t log_root_encode(const struct log_root *root, char ret_text[static LOG_HEAD_BYTES_MAX])
{
	char device[MINISIGN_KEY_LINE_BYTES], key[MINISIGN_KEY_LINE_BYTES], time[AUDIT_TIME_BYTES];

	minisign_key_line(&root->device, device);
	minisign_key_line(&root->key, key);
	return (size_t)snprintf(ret_text, LOG_HEAD_BYTES_MAX,
		"{\"schema\":\"" LOG_ROOT_SCHEMA
		"\",\"log\":\"%s\",\"time\":\"%s\",\"device\":\"%s\",\"segment\":1,\"key\":\"%s\"}"
		"\n",
		root->log, audit_time(root->wall_ms, time), device, key);
}

size_t log_head_encode(const struct log_head *head, char ret_text[static LOG_HEAD_BYTES_MAX])
{
	char key[MINISIGN_KEY_LINE_BYTES], time[AUDIT_TIME_BYTES];

	minisign_key_line(&head->next_key, key);
	return (size_t)snprintf(ret_text, LOG_HEAD_BYTES_MAX,
		"{\"schema\":\"" LOG_HEAD_SCHEMA "\",\"log\":\"%s\",\"segment\":%" PRIu64
		",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":%" PRIu64
		",\"bytes\":%" PRIu64 ",\"sha256\":\"%s\",\"last_record\":\"%s\","
		"\"previous_head\":\"%s\",\"time\":\"%s\",\"next_segment\":%" PRIu64
		",\"next_key\":\"%s\"}\n",
		head->log, head->segment, head->first, head->last, head->records, head->bytes,
		head->sha256, head->last_record, head->previous_head,
		audit_time(head->wall_ms, time), head->segment + 1, key);
}

int log_position_encode(
	const struct audit_position *position, char ret_text[static LOG_POSITION_BYTES])
{
	char text[LOG_POSITION_BYTES], check[AUDIT_HEX_BYTES];
	uint8_t digest[SHA256_BYTES];
	int n, r;

	n = snprintf(text, sizeof(text),
		"{\"schema\":\"" LOG_POSITION_SCHEMA "\",\"log\":\"%s\",\"segment\":%" PRIu64
		",\"sequence\":%" PRIu64 ",\"sha256\":\"%s\"",
		position->log, position->segment, position->sequence, position->sha256);
	r = hash_sha256(text, (size_t)n, digest);
	if (r < 0)
		return r;
	n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"check\":\"%s\"",
		hex_encode(digest, sizeof(digest), check));
	assert(n > 0 && n < (int)LOG_POSITION_BYTES - 2);
	memset(ret_text, ' ', LOG_POSITION_BYTES);
	memcpy(ret_text, text, (size_t)n);
	memcpy(ret_text + LOG_POSITION_BYTES - 2, "}\n", 2);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/log_signer.h"

static int device_public(void *context, struct minisign_key *ret_key)
{
	*ret_key = *device_keys_public(context);
	return 0;
}

static int device_sign(void *context, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature)
{
	return device_keys_sign(context, message, bytes, trusted_comment, ret_signature);
}

static int log_public(void *context, struct minisign_key *ret_key)
{
	return device_keys_log_public(context, ret_key);
}

static int log_sign(void *context, const void *message, size_t bytes, const char *trusted_comment,
	char **ret_signature)
{
	return device_keys_log_sign(context, message, bytes, trusted_comment, ret_signature);
}

static int log_next(void *context, struct minisign_key *ret_key)
{
	return device_keys_log_next(context, ret_key);
}

static int log_advance(void *context)
{
	return device_keys_log_advance(context);
}

static int log_restart(void *context)
{
	return device_keys_log_restart(context);
}

void log_signer_init(struct device_keys *keys, struct log_signer *ret_signer)
{
	*ret_signer = (struct log_signer){
		.context = keys,
		.device_public = device_public,
		.device_sign = device_sign,
		.log_public = log_public,
		.log_sign = log_sign,
		.log_next = log_next,
		.log_advance = log_advance,
		.log_restart = log_restart,
	};
}

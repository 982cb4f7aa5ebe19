/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_signer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(int r)
{
	if (r < 0) {
		fprintf(stderr, "memory_signer: %s\n", strerror(-r));
		abort();
	}
}

static int before(struct memory_signer *signer)
{
	return signer->before ? signer->before(signer->context) : 0;
}

static int device_public(void *context, struct minisign_key *ret_key)
{
	*ret_key = ((struct memory_signer *)context)->device;
	return 0;
}

static int device_sign(
	void *context, const void *message, size_t bytes, const char *comment, char **ret_signature)
{
	struct memory_signer *signer = context;
	int r = before(signer);

	return r < 0 ? r
		     : minisign_sign(signer->device_seed, &signer->device, message, bytes, comment,
			       ret_signature);
}

static int log_public(void *context, struct minisign_key *ret_key)
{
	*ret_key = ((struct memory_signer *)context)->log_key;
	return 0;
}

static int log_sign(
	void *context, const void *message, size_t bytes, const char *comment, char **ret_signature)
{
	struct memory_signer *signer = context;
	int r = before(signer);

	return r < 0 ? r
		     : minisign_sign(signer->log_seed, &signer->log_key, message, bytes, comment,
			       ret_signature);
}

static int log_next(void *context, struct minisign_key *ret_key)
{
	struct memory_signer *signer = context;
	int r = before(signer);

	if (r >= 0 && !signer->next_seed)
		r = minisign_key_new(&signer->next_seed, &signer->next_key);
	if (r >= 0)
		*ret_key = signer->next_key;
	return r;
}

static int log_advance(void *context)
{
	struct memory_signer *signer = context;
	int r = before(signer);

	if (r < 0)
		return r;
	if (!signer->next_seed)
		return -ENOKEY;
	secret_free(signer->log_seed);
	signer->log_seed = signer->next_seed;
	signer->log_key = signer->next_key;
	signer->next_seed = NULL;
	signer->advances++;
	return 0;
}

static int log_restart(void *context)
{
	struct memory_signer *signer = context;
	int r = before(signer);

	if (r < 0)
		return r;
	secret_free(signer->log_seed);
	secret_free(signer->next_seed);
	signer->log_seed = signer->next_seed = NULL;
	r = minisign_key_new(&signer->log_seed, &signer->log_key);
	signer->root = signer->log_key;
	signer->restarts++;
	return r;
}

static void init_calls(struct memory_signer *signer)
{
	*signer = (struct memory_signer){
		.signer =
			{
				.context = signer,
				.device_public = device_public,
				.device_sign = device_sign,
				.log_public = log_public,
				.log_sign = log_sign,
				.log_next = log_next,
				.log_advance = log_advance,
				.log_restart = log_restart,
			},
	};
}

void memory_signer_init(struct memory_signer *signer)
{
	init_calls(signer);
	require(minisign_key_new(&signer->device_seed, &signer->device));
	require(minisign_key_new(&signer->log_seed, &signer->log_key));
	signer->root = signer->log_key;
}

static void copy_seed(const struct secret *from, struct secret **ret_seed)
{
	if (from)
		require(secret_new_copy(secret_peek(from), secret_size(from), ret_seed));
}

void memory_signer_copy(struct memory_signer *signer, const struct memory_signer *from)
{
	init_calls(signer);
	copy_seed(from->device_seed, &signer->device_seed);
	copy_seed(from->log_seed, &signer->log_seed);
	copy_seed(from->next_seed, &signer->next_seed);
	signer->device = from->device;
	signer->log_key = from->log_key;
	signer->next_key = from->next_key;
	signer->root = from->root;
	signer->advances = from->advances;
	signer->restarts = from->restarts;
}

void memory_signer_done(struct memory_signer *signer)
{
	secret_free(signer->device_seed);
	secret_free(signer->log_seed);
	secret_free(signer->next_seed);
	signer->device_seed = signer->log_seed = signer->next_seed = NULL;
}

void memory_signer_trust(const struct memory_signer *signer, struct trust *ret_trust)
{
	*ret_trust = (struct trust){
		.device = signer->device, .has_log_root = true, .log_root = signer->root};
}

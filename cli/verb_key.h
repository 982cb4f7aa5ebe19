/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_key.h - what the files of the verb "key" share: its arguments, and what it prints
 *
 * JSON: {"schema":"spoolguard.key/1","action":...,"path":...,...}; see verb_key_print.c.
 */
#ifndef SPOOLGUARD_CLI_VERB_KEY_H
#define SPOOLGUARD_CLI_VERB_KEY_H

#include "keystore/keystore.h"
#include <stdbool.h>
#include <stdint.h>

struct key_arguments {
	const char *path;
	const char *passphrase_file; /* NULL: the terminal */
	const char *new_file;	     /* likewise */
	const char *backup_file;
	int slot;		 /* -1: not given */
	uint32_t kdf_memory_kib; /* 0: default */
	uint32_t kdf_ms;	 /* likewise */
	bool force;
	bool json;
};

/* key_public.c; argv[0] is "public".  Returns an enum cli_exit, as the others. */
int key_public(int argc, char **argv);

/* key_tell.c: act: "add", "change", "remove", "backup", "restore"; slot: -1: none. */
void key_tell(const char *path, const char *act, int slot);

/* Each returns an enum cli_exit. */
int key_print_list(const struct key_arguments *arguments, const struct keystore *keystore);
/* After add, change, remove. */
int key_print_slot(const struct key_arguments *arguments, const struct keystore *keystore,
	const char *action, int slot);
int key_print_backup(const struct key_arguments *arguments, const struct keystore *keystore);
int key_print_restore(const struct key_arguments *arguments);

#endif

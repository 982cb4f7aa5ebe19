/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - the spoolguard token in the LUKS2 header: JSON, encoded and decoded
 *
 * Pure.  {"type":"spoolguard","keyslots":[],"version":1,"superblock_offset":"4194304",
 *  "scheme":"three-pass","profile":"standard","filled_before":false,"backups":0,"key_generation":1}
 * 64-bit numbers are strings, as elsewhere in LUKS2 metadata.
 */
#ifndef SPOOLGUARD_KEYSTORE_TOKEN_H
#define SPOOLGUARD_KEYSTORE_TOKEN_H

#include "keystore/keystore.h"

#define TOKEN_TYPE    "spoolguard"
#define TOKEN_VERSION 1

/* Gives a string to free().  -ENOMEM. */
must_check int token_encode(const struct keystore_token *token, char **ret_json);
/* -EBADMSG: not a spoolguard token, or damaged; -EPROTONOSUPPORT: of a newer version. */
must_check int token_decode(const char *json, struct keystore_token *ret_token);

#endif

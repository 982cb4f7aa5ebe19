/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_impl.h - the table of keys, for those who read the file by it
 *
 * A rule says where a key's value goes and how its text is read.  Offsets count from the struct
 * of the key's section: struct config, struct config_volume or struct config_watch.
 */
#ifndef SPOOLGUARD_SUPERVISOR_CONFIG_IMPL_H
#define SPOOLGUARD_SUPERVISOR_CONFIG_IMPL_H

#include "supervisor/config.h"

#define CONFIG_REASON_BYTES 256

struct config_rule;

/* False, with a reason, if the text is no such value; the value is then as it was. */
typedef bool config_setter(void *section, const struct config_rule *rule, const char *text,
	char reason[static CONFIG_REASON_BYTES]);

struct config_rule {
	struct config_key key;
	config_setter *set;
	size_t offset;
	size_t bytes;		    /* of a text */
	const char *const *choices; /* of an enum, in its order; NULL ends it */
	bool repeats;		    /* each line of it adds one */
};

/* NULL past the last. */
const struct config_rule *config_rule_at(size_t index);
/* section: as in the table, "volume NAME".  NULL: there is no such key. */
const struct config_rule *config_rule_find(const char *section, const char *key);
/* Is there a section of that name in the table? */
bool config_rule_has_section(const char *section);
/* Every key of that section as its default says. */
void config_rule_set_defaults(const char *section, void *at);

#endif

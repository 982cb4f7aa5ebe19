/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/roles.h"
#include "base/io.h"
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BYTES_LEAST 1024u
#define GROUP_BYTES_MOST  (1u << 20) /* of a group with very many members */

#define PIPELINE      ROLES_BIT(CONFIG_PIPELINE)
#define OPERATOR      ROLES_BIT(CONFIG_OPERATOR)
#define TECHNICIAN    ROLES_BIT(CONFIG_TECHNICIAN)
#define ADMINISTRATOR ROLES_BIT(CONFIG_ADMINISTRATOR)
#define AUDITOR	      ROLES_BIT(CONFIG_AUDITOR)
#define EVERY	      (PIPELINE | OPERATOR | TECHNICIAN | ADMINISTRATOR | AUDITOR)

/* roles.h draws it. */
static const struct {
	const char *method;
	unsigned int allowed;
	unsigned int own; /* of those: for their own jobs alone */
} table[] = {
	{"GetStatus", EVERY, 0},
	{"Monitor", EVERY, 0},
	{"GetDeviceKey", EVERY, 0},
	{"JobBegin", PIPELINE | ADMINISTRATOR, 0},
	{"JobComplete", PIPELINE | ADMINISTRATOR, 0},
	{"JobList", PIPELINE | OPERATOR | ADMINISTRATOR | AUDITOR, PIPELINE},
	{"JobShow", PIPELINE | OPERATOR | ADMINISTRATOR | AUDITOR, PIPELINE},
	{"JobHold", OPERATOR | ADMINISTRATOR, 0},
	{"JobRelease", OPERATOR | ADMINISTRATOR, 0},
	{"Sweep", OPERATOR | ADMINISTRATOR, 0},
	{"WipeSpool", OPERATOR | ADMINISTRATOR, 0},
	{"SelfTest", TECHNICIAN | ADMINISTRATOR, 0},
	{"Detach", TECHNICIAN | ADMINISTRATOR, 0},
	{"Attach", ADMINISTRATOR, 0},
	{"RecordResidueCheck", ADMINISTRATOR, 0},
	{"Reload", ADMINISTRATOR, 0},
	{"Events", ADMINISTRATOR | AUDITOR, 0},
	{"RecordHostEvent", ADMINISTRATOR, 0},
	{"RecordKeyChange", ADMINISTRATOR, 0},
	{"CloseForDecommission", ADMINISTRATOR, 0},
	{"RecordDecommission", ADMINISTRATOR, 0},
	{"SetLogAside", ADMINISTRATOR, 0},
};

/* --- groups --- */

static int find_group(const char *name, gid_t *ret_gid)
{
	_cleanup_free_ char *buffer = NULL;
	struct group group, *found;

	for (size_t bytes = GROUP_BYTES_LEAST; bytes <= GROUP_BYTES_MOST; bytes *= 4) {
		int error;

		free(buffer);
		buffer = malloc(bytes);
		if (!buffer)
			return -ENOMEM;
		error = getgrnam_r(name, &group, buffer, bytes, &found);
		if (error == ERANGE)
			continue;
		if (!found)
			return error ? -error : -ENOENT;
		*ret_gid = group.gr_gid;
		return 0;
	}
	return -ERANGE;
}

void roles_read(const struct config *config,
	void (*complain)(void *context, enum config_role role, const char *group), void *context,
	struct roles *ret_roles)
{
	ret_roles->count = 0;
	for (enum config_role role = 0; role < CONFIG_ROLES; role++) {
		for (size_t i = 0; i < config->group_counts[role]; i++) {
			const char *name = config->groups[role][i];
			gid_t gid = 0;

			if (find_group(name, &gid) < 0) {
				if (complain)
					complain(context, role, name);
				continue;
			}
			ret_roles->members[ret_roles->count].gid = gid;
			ret_roles->members[ret_roles->count++].role = role;
		}
	}
}

unsigned int roles_of(
	const struct roles *roles, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
	unsigned int set = uid == 0 ? ADMINISTRATOR : 0;

	for (size_t i = 0; i < roles->count; i++) {
		bool is_in = roles->members[i].gid == gid;

		for (size_t k = 0; k < group_count && !is_in; k++)
			is_in = roles->members[i].gid == groups[k];
		if (is_in)
			set |= ROLES_BIT(roles->members[i].role);
	}
	return set;
}

/* --- what they may --- */

unsigned int roles_allowed(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].method, method) == 0)
			return table[i].allowed;
	}
	return 0;
}

static unsigned int own_of(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].method, method) == 0)
			return table[i].own;
	}
	return 0;
}

/* The first of these that the set has; those that see more come first, the administrator last. */
int roles_check(unsigned int set, const char *method, struct roles_verdict *ret_verdict)
{
	static const enum config_role order[] = {CONFIG_OPERATOR, CONFIG_AUDITOR, CONFIG_TECHNICIAN,
		CONFIG_PIPELINE, CONFIG_ADMINISTRATOR};
	unsigned int allowed = roles_allowed(method), own = own_of(method), may = set & allowed;

	if (allowed == 0)
		return -ENOENT;
	if (may == 0)
		return -EACCES;
	if (may & ~own)
		may &= ~own;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!(may & ROLES_BIT(order[i])))
			continue;
		ret_verdict->role = order[i];
		ret_verdict->own = (own & ROLES_BIT(order[i])) != 0;
		break;
	}
	return 0;
}

const char *roles_text(unsigned int set, char buf[static ROLES_TEXT_BYTES])
{
	size_t used = 0;

	buf[0] = '\0';
	for (enum config_role role = 0; role < CONFIG_ROLES; role++) {
		if (set & ROLES_BIT(role))
			used += (size_t)snprintf(buf + used, ROLES_TEXT_BYTES - used, "%s%s",
				used > 0 ? ", " : "", config_role_name(role));
	}
	return set ? buf : strcpy(buf, "no role");
}

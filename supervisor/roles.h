/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles.h - who may do what (P8)
 *
 * A caller is a uid, a gid and supplementary groups, as the kernel says (ipc/server.h, I4).
 * The configuration gives groups to roles; root is administrator, whatever stands there.
 *
 *                        pipeline  operator  technician  administrator  auditor
 *   GetStatus               x         x          x             x           x
 *   Monitor                 x         x          x             x           x
 *   GetDeviceKey            x         x          x             x           x
 *   JobBegin                x                                  x
 *   JobComplete             x                                  x
 *   JobList                own        x                        x           x
 *   JobShow                own        x                        x           x
 *   JobHold                           x                        x
 *   JobRelease                        x                        x
 *   Sweep                             x                        x
 *   WipeSpool                         x                        x
 *   SelfTest                                     x             x
 *   Detach                                       x             x
 *   Attach                                                     x
 *   RecordResidueCheck                                         x
 *   Reload                                                     x
 *   Events                                                     x           x
 *   RecordHostEvent                                            x
 *   RecordKeyChange                                            x
 *   CloseForDecommission                                       x
 *   RecordDecommission                                         x
 *   SetLogAside                                                x
 *
 *   O1  A method that is not in the table is for nobody.
 *   O2  A technician takes a drive out and never unlocks one, nor reads what jobs there were.
 *   O3  An auditor reads, and changes nothing.
 *   O4  An administrator may read as well, but is not an auditor for that: what he does and reads
 *       stands under his own role.
 *   O5  "own": the jobs that this uid has announced, and no others.
 */
#ifndef SPOOLGUARD_SUPERVISOR_ROLES_H
#define SPOOLGUARD_SUPERVISOR_ROLES_H

#include "supervisor/config.h"
#include <sys/types.h>

#define ROLES_MEMBERS_MAX (CONFIG_ROLES * CONFIG_GROUPS_MAX)
#define ROLES_TEXT_BYTES  64

#define ROLES_BIT(role) (1u << (role))

/* The configuration's groups, by number. */
struct roles {
	struct {
		gid_t gid;
		enum config_role role;
	} members[ROLES_MEMBERS_MAX];
	size_t count;
};

/* Asks for each group's number, once; complain is told of each that does not exist. */
void roles_read(const struct config *config,
	void (*complain)(void *context, enum config_role role, const char *group), void *context,
	struct roles *ret_roles);

/* A set of ROLES_BIT()s. */
unsigned int roles_of(
	const struct roles *roles, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);

struct roles_verdict {
	enum config_role role; /* by which it is allowed: not the administrator's if another
				  allows it too */
	bool own;	       /* for the caller's own jobs alone (O5) */
};
/* -EACCES; -ENOENT: no such method (O1). */
must_check int roles_check(unsigned int set, const char *method, struct roles_verdict *ret_verdict);

/* "pipeline, auditor", or "no role"; returns buf. */
const char *roles_text(unsigned int set, char buf[static ROLES_TEXT_BYTES]);
/* Those that may: "operator, administrator". */
unsigned int roles_allowed(const char *method);

#endif

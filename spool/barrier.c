/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/barrier.h"
#include <string.h>

int barrier_run(const struct spool_port *port, int mount_fd, bool all,
	struct barrier_report *ret_report, struct problem *reterr_problem)
{
	struct barrier_report report = {.epoch = 0};
	int r, left;

	r = port->barrier_enter(port->context, &report.led);
	if (r >= 0 && report.led) {
		r = free_space_hand_back(mount_fd, &report.free_space, reterr_problem);
		left = port->barrier_leave(port->context, r >= 0);
		if (r < 0)
			return r;
		r = left;
	}
	if (r >= 0)
		r = port->barrier(port->context, all, &report.epoch);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the volume could not finish what is owed: %s; see \"spoolguard status\"",
			strerror(-r));
	*ret_report = report;
	return 0;
}

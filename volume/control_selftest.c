/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/control_impl.h"

int method_selftest_overwrite(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	struct scratch_report report;
	int r;

	(void)in;
	r = engine_selftest_overwrite(engine, &report);
	if (r < 0)
		return r;
	control_add_u64(out, "blocks", report.blocks);
	control_add_u64(out, "passes", report.passes);
	control_add_u64(out, "different", report.different);
	control_add_u64(out, "refused", report.refused);
	return 0;
}

int method_selftest_map(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	struct residue_check check;
	int r;

	(void)in;
	r = engine_selftest_map(engine, &check);
	if (r < 0)
		return r;
	control_add_u64(out, "pages", check.pages);
	control_add_u64(out, "damaged_pages", check.damaged_pages);
	control_add_u64(out, "whole_superblocks", check.whole_superblocks);
	return 0;
}

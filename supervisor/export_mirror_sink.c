/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_mirror_sink.c - the mirror (audit/export_mirror.h) as a sink
 */
#include "audit/export_mirror.h"
#include "supervisor/export_sink.h"
#include <errno.h>
#include <stdlib.h>

struct mirror_sink {
	struct export_sink sink;
	struct export_mirror *mirror;
};

/* A reader that holds the file for long: its turn comes again. */
static int again(int r)
{
	return r == -EBUSY ? -EAGAIN : r;
}

static int mirror_send(struct export_sink *sink, const struct audit_record *record,
	const struct export_source *source, const char *line, size_t line_bytes)
{
	(void)source, (void)line, (void)line_bytes;
	return again(export_mirror_add(((struct mirror_sink *)sink)->mirror, record));
}

static int mirror_confirm(struct export_sink *sink)
{
	return again(export_mirror_commit(((struct mirror_sink *)sink)->mirror));
}

static uint64_t mirror_last(const struct export_sink *sink)
{
	return export_mirror_last(((const struct mirror_sink *)sink)->mirror);
}

static void mirror_close(struct export_sink *sink)
{
	export_mirror_close(((struct mirror_sink *)sink)->mirror);
	free(sink);
}

int export_sink_mirror(const char *path, const char *log, struct export_sink **ret_sink,
	struct problem *reterr_problem)
{
	static const struct export_sink_ops ops = {
		mirror_send, mirror_confirm, mirror_last, mirror_close};
	struct mirror_sink *it = calloc(1, sizeof(*it));
	int r;

	if (!it)
		return -ENOMEM;
	it->sink.ops = &ops;
	r = export_mirror_open(path, log, &it->mirror, reterr_problem);
	if (r < 0) {
		free(it);
		return r;
	}
	*ret_sink = &it->sink;
	return 0;
}

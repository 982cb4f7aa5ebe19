/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_impl.h - what exporter.c (its thread, what others see) and exporter_send.c (records, and
 * the file that says how far) share
 */
#ifndef SPOOLGUARD_SUPERVISOR_EXPORTER_IMPL_H
#define SPOOLGUARD_SUPERVISOR_EXPORTER_IMPL_H

#include "audit/log_reader.h"
#include "supervisor/export_sink.h"
#include "supervisor/exporter.h"
#include <limits.h>
#include <pthread.h>

struct exporter {
	enum exporter_kind kind;
	char log_path[PATH_MAX], place_path[PATH_MAX], target[PATH_MAX];
	char host[256], device_uuid[64];
	struct export_source source;
	uint64_t (*newest)(void *context);
	void *context;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news; /* by the monotonic clock */
	bool woken, stop;
	uint64_t stop_ns;
	struct exporter_status status; /* guarded by lock */
	uint64_t since_ns;	       /* of behind_ms */

	/* The thread's own. */
	char log[AUDIT_BOOT_BYTES];
	struct export_sink *sink;
	struct log_reader *reader;
	struct audit_record record; /* read, and not sent yet, if has_record */
	bool has_record;
	uint64_t sent, confirmed;
	char place_log[AUDIT_BOOT_BYTES]; /* the log that confirmed is of */
	unsigned int unconfirmed;	  /* records since the last confirmation */
};

/* Returns whether to stop; news ends it early only if for_news. */
bool exporter_pause(struct exporter *exporter, uint64_t ms, bool for_news);
void exporter_drop_record(struct exporter *exporter);
void exporter_read_place(struct exporter *exporter);
void exporter_tell_place(struct exporter *exporter);
void exporter_tell_away(struct exporter *exporter, const struct problem *problem);
/* Until nothing durable is left, or it is to stop.  Errors: of the sink, of the log. */
must_check int exporter_send_all(struct exporter *exporter);

#endif

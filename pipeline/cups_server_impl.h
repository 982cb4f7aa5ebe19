/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_server_impl.h - for the parts of cups_server: a request, its answer, and what it says
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_SERVER_IMPL_H
#define SPOOLGUARD_PIPELINE_CUPS_SERVER_IMPL_H

#include "pipeline/cups_server.h"
#include <cups/cups.h>
#include <stdint.h>

/* Any answer that is longer is nonsense: 500 jobs take 150 KiB. */
#define CUPS_ANSWER_BYTES_MAX (8u << 20)

/* In one answer; cupsd gives no more at once to those who ask for expensive attributes. */
#define CUPS_PAGE_JOBS 500

struct cups_server {
	char host[256]; /* or the path of a socket */
	int port;	/* 0: a socket */
	unsigned int timeout_ms;
	int page_jobs; /* CUPS_PAGE_JOBS, but in tests */

	http_t *http;	      /* NULL: not connected */
	uint64_t deadline_ns; /* of the call that runs */
	size_t answer_bytes;  /* read of its answer */
	char said[64];	      /* the name of the last answer's status code */
};

/* Of a request that must not be sent twice (C3). */
enum cups_repeat { CUPS_REPEAT, CUPS_ONCE };

/* A request for operation at the whole server, with who asks; NULL: no memory. */
ipp_t *cups_server_request(ipp_op_t operation);
/* The same at a queue or a job. */
ipp_t *cups_server_queue_request(ipp_op_t operation, const char *queue);
ipp_t *cups_server_job_request(ipp_op_t operation, int id);

/* requested-attributes */
void cups_server_want(ipp_t *request, const char *const *names, size_t count);

/*
 * Takes request (NULL: -ENOMEM), sends it and data_bytes of data behind it.  On success
 * *ret_answer, if wanted, has a status code below 0x400; what else cupsd says is one of the
 * errors of cups_server.h.
 */
must_check int cups_server_ask(struct cups_server *server, ipp_t *request, enum cups_repeat repeat,
	const void *data, size_t data_bytes, ipp_t **ret_answer, struct problem *reterr_problem);

/* The answer lacks what every answer to this question has. */
must_check int cups_server_nonsense(struct cups_server *server, struct problem *reterr_problem);

static inline may_be_unused void ipp_deletep(ipp_t **ipp)
{
	ippDelete(*ipp);
}
#define _cleanup_ipp_ _cleanup_(ipp_deletep)

/* fallback if there is no value, or one of another kind. */
int cups_server_integer(ipp_attribute_t *attribute, int fallback);
/* "" if it is no text; cut to bytes; what is not printable ASCII becomes "?". */
void cups_server_text(ipp_attribute_t *attribute, int index, char *buf, size_t bytes);

/*
 * Reads the groups of one kind (the jobs, the printers): take gets each attribute, end is called
 * behind the last of each group.  Either may stop it with < 0.
 */
struct cups_groups {
	ipp_tag_t tag;
	void (*take)(void *context, const char *name, ipp_attribute_t *attribute);
	int (*end)(void *context);
	void *context;
};
must_check int cups_server_each_group(ipp_t *answer, const struct cups_groups *groups);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_impl.h - what of a record stands where in a certificate
 *
 * Both ways go by these tables: certificate_make() by them, and certificate_decode() back, so that
 * whoever has a certificate has all that its verdict was judged from.
 */
#ifndef SPOOLGUARD_DECOMMISSION_CERTIFICATE_IMPL_H
#define SPOOLGUARD_DECOMMISSION_CERTIFICATE_IMPL_H

#include "decommission/certificate.h"
#include "decommission/certificate_fields.h"

struct field_table {
	const struct field *fields;
	size_t count;
};

/* Of struct record, unless another is named. */
extern const struct field_table certificate_head_table; /* in the object itself */
extern const struct field_table certificate_media_table, certificate_hidden_table,
	certificate_promise_table, certificate_details_table, certificate_jobs_table,
	certificate_selftest_table, certificate_program_table;
extern const struct field_table certificate_person_table;    /* record_person */
extern const struct field_table certificate_approval_table;  /* record_approval, with its person */
extern const struct field_table certificate_reach_table;     /* record_reach */
extern const struct field_table certificate_step_table;	     /* record_progress */
extern const struct field_table certificate_volume_table;    /* record_volume */
extern const struct field_table certificate_method_table;    /* record_method */
extern const struct field_table certificate_witness_table;   /* witness_report */
extern const struct field_table certificate_overwrite_table; /* record_overwrite */
extern const struct field_table certificate_pass_table;	     /* record_pass */
extern const struct field_table certificate_search_table;    /* record_search */
extern const struct field_table certificate_log_table;	     /* record_log */
extern const struct field_table certificate_verdict_table;   /* verdict */
extern const struct field_table certificate_part_table;	     /* verdict_part */

/* What is derived from what the certificate says elsewhere: for its form's fields. */
struct certificate_derived {
	char technique_details[RECORD_LINE_BYTES]; /* "": none */
	char tool[RECORD_LINE_BYTES];
	bool read_back; /* something was */
};
void certificate_derive(const struct record *record, const struct verdict *verdict,
	struct certificate_derived *ret_derived);

const char *certificate_pass_text(const struct record_pass *pass, char buf[static 8]);

#endif

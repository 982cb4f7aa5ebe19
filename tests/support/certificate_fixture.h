/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_fixture.h - a drive's last day as a record has it when everything was filled in
 *
 * A disk of 4 TB that took a sanitize which lied, then the three passes; two volumes, two persons.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CERTIFICATE_FIXTURE_H
#define SPOOLGUARD_TESTS_SUPPORT_CERTIFICATE_FIXTURE_H

#include "decommission/certificate.h"

struct certificate_fixture {
	struct record *record;
	struct verdict verdict;
	struct secret *seed;
	struct minisign_key key;
	struct certificate_signer signer; /* context is the fixture */
};

/* Errors end the test. */
void certificate_fixture_init(struct certificate_fixture *fixture);
void certificate_fixture_done(struct certificate_fixture *fixture);

#endif

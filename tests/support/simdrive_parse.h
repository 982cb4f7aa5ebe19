/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_parse.h - a model's options as words of a command line: "lie", "sanitize_ms=500"
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_PARSE_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_PARSE_H

#include "tests/support/simdrive.h"

/* False: there is no such option. */
bool simdrive_parse(struct simdrive_options *options, const char *word);
/* Listens on 127.0.0.1 (0: any free port) and says "port N" on stdout.  -1: said why. */
int simdrive_listen(const char *program, unsigned int port);

#endif

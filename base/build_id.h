/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_id.h - which build the running program is: the id that the linker wrote into it
 */
#ifndef SPOOLGUARD_BASE_BUILD_ID_H
#define SPOOLGUARD_BASE_BUILD_ID_H

#define BUILD_ID_BYTES 65 /* of 32 bytes in hex, and a NUL */

/* "" if the linker wrote none; returns buf.  Threads: any. */
const char *build_id(char buf[static BUILD_ID_BYTES]);

#endif

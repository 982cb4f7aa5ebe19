/* SPDX-License-Identifier: Apache-2.0 */
/* interface.c - io.spoolguard.varlink, as it is handed out; the Makefile makes bytes of it */
#include "supervisor/service.h"

const char service_interface[] = {
#include <spoolguard/interface.inc>
	'\0'};

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# spoolguard-check.sh - one rule of spoolguard-xccdf.xml, for OpenSCAP's script check engine
#
# The engine clears the environment, but for XCCDF_RESULT_* (exit codes) and what the rule exports:
# XCCDF_VALUE_program (the command), XCCDF_VALUE_profile ("spoolguard check --profile").  Prints what
# is not met, or cannot be told, with its remedy.
program=${XCCDF_VALUE_program:?}
profile=${XCCDF_VALUE_profile:-all}
PATH=/usr/sbin:/usr/bin:/sbin:/bin

if [ ! -x "$program" ]; then
	echo "$program: there is no such program"
	exit "${XCCDF_RESULT_ERROR:-103}"
fi
"$program" check --profile "$profile" 2>&1
case $? in
0) exit "${XCCDF_RESULT_PASS:-101}" ;;
1) exit "${XCCDF_RESULT_FAIL:-102}" ;;
3) exit "${XCCDF_RESULT_UNKNOWN:-104}" ;;
*) exit "${XCCDF_RESULT_ERROR:-103}" ;;
esac

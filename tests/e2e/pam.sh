#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# pam.sh - logins that fail, and a lockout, come into the audit log by the PAM lines that are shipped
#
# The lines of packaging/pam/common-auth.example.in in a directory of PAM's configuration of our own, with a
# tally of pam_faillock there: a wrong password is one record, the third try is the lockout's, and nobody's
# name is in the log.  Without a service nothing is held up.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
command -v jq >/dev/null || skip "needs jq"
security=$(dirname "$(find /lib /usr/lib -name pam_faillock.so 2>/dev/null | head -n 1)")
[ -e "$security/pam_exec.so" ] || skip "needs pam_faillock and pam_exec"
. "$(dirname "$0")/service_lib.sh"

user=nobody
mkdir "$work/pam.d" "$work/tally"
cat >"$work/event" <<HOOK
#!/bin/sh
PATH=$build:\$PATH SPOOLGUARD_SOCKET=$SPOOLGUARD_SOCKET exec $root/packaging/pam/spoolguard-pam-event "\$1"
HOOK
chmod 755 "$work/event"
sed -E -e "s|@libexecdir@/spoolguard-pam-event|$work/event|" \
	-e "s|(pam_faillock.so [a-z]*)|\1 dir=$work/tally deny=2 unlock_time=600|" -e 's|pam_unix.so|& nodelay|' \
	"$root/packaging/pam/common-auth.example.in" >"$work/pam.d/sgtest"
cat >"$work/login.py" <<'PY'
import ctypes, sys
libpam, libc = ctypes.CDLL("libpam.so.0"), ctypes.CDLL("libc.so.6")
libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
class Response(ctypes.Structure):
    _fields_ = [("resp", ctypes.c_void_p), ("retcode", ctypes.c_int)]
Conversation = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
@Conversation
def converse(count, messages, responses, data):
    made = libc.calloc(count, ctypes.sizeof(Response))
    for i in range(count):
        Response.from_address(made + i * ctypes.sizeof(Response)).resp = libc.strdup(b"wrong")
    responses[0] = made
    return 0
class Conv(ctypes.Structure):
    _fields_ = [("conv", Conversation), ("data", ctypes.c_void_p)]
handle, conv = ctypes.c_void_p(), Conv(converse, None)
r = libpam.pam_start_confdir(b"sgtest", sys.argv[1].encode(), ctypes.byref(conv), sys.argv[2].encode(), ctypes.byref(handle))
if r == 0:
    libpam.pam_set_item(handle, 4, ctypes.c_char_p(b"192.0.2.99"))  # PAM_RHOST
    r = libpam.pam_authenticate(handle, 0)
    libpam.pam_end(handle, r)
sys.exit(1 if r else 0)
PY
login() { python3 "$work/login.py" "$user" "$work/pam.d" && fail "a wrong password opens"; }

configure '[cups]' 'enabled = no'
start_service
seen service-ready
login
wait_until 20 has_event '.event == "authentication-failed"' || fail "no record of a failed login: $(events)"
has_event '.event == "authentication-failed" and .subject.origin == "192.0.2.99" and (.data.user | length) == 64 and (.detail | test("sgtest"))' ||
	fail "the record says $(events)"
has_event '.event == "login-limit"' && fail "locked out after one try"
login
login
wait_until 20 has_event '.event == "login-limit" and .outcome == "denied"' || fail "no record of the lockout: $(events)"
[ "$(events 'select(.event == "authentication-failed")' | wc -l)" = 2 ] || fail "who is locked out was let try: $(events)"
log_lines | jq -c 'del(.subject.role)' | grep -q "$user" && fail "a user's name is in the log"
ok "failed logins and the lockout are recorded, by the lines that are shipped"
"$sg" audit match --user "$user" --state-directory "$state" --json >"$work/out" || fail "audit match: $(cat "$work/out")"
ok "an auditor who is given the name finds them"
stop_service TERM || fail "it did not end in order"
began=$(date +%s%N)
login
[ $((($(date +%s%N) - began) / 1000000)) -lt 5000 ] || fail "a login waits for a service that is not there"
ok "without a service logins go on as they are"
echo "$pass_count checks passed"

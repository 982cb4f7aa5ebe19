# SPDX-License-Identifier: Apache-2.0
# cupsd.sh - private instances of Debian's cupsd; sourced after lib.sh, not run
#
#   cupsd_start DIR [DIRECTIVE...]   a cupsd whose every file lies below DIR; each DIRECTIVE is a
#                                    line of cupsd.conf; lines of $cups_files_conf, if set, are added
#                                    to cups-files.conf, after ours (the last one counts).
#                                    RequestRoot is $cupsd_spool if set, else DIR/spool.  With
#                                    cupsd_policy=system who may do what is as CUPS ships it; else
#                                    everybody may do everything, without a password.
#   cupsd_stop | cupsd_restart       in order; what it owes to its files is written
#   cupsd_kill                       kill -9 of the scheduler and of all that it started
#   cupsd_hang | cupsd_resume        SIGSTOP and SIGCONT of the scheduler alone
#   cupsd_up                         starts the one that was stopped or killed again
#   cupsd_use DIR                    with several: the one that all others mean from now on
#   queue_raw NAME [SECONDS]         takes documents as they are; its backend reads them and takes SECONDS
#   queue_failing NAME               a raw queue whose jobs are aborted
#   queue_raster NAME                the whole filter chain: pdftopdf, ghostscript, pwg raster
#   queue_ps NAME                    texttopdf, pdftops: a PostScript printer
#   job_submit QUEUE FILE...         prints the job's id; LP_OPTIONS are given to lp
#   job_state ID                     prints the number of its state (3 pending, 4 held, 5 processing,
#                                    6 stopped, 7 cancelled, 8 aborted, 9 completed), nothing if unknown
#   job_wait ID STATE [SECONDS]      until it is in that state ("gone": until nobody knows it)
#   spool_files                      the names in the spool directory, sorted
#   ipp OPERATION [LINE...]          one IPP request to the server with these further lines of ipptool
#
# After cupsd_start: $cupsd_dir $cupsd_pid $cupsd_socket $cupsd_port $cupsd_spool_dir $cupsd_uri,
# and CUPS_SERVER says lp, lpadmin, lpstat and ipptool which one is meant.
#
# The filters are the system's; backend/ and notifier/ of DIR/bin are own directories, in which a test
# may put what it likes.  A file with mode 0700 there runs as root, others as lp.  cupsctl must not be
# used: with WebInterface No it takes over the configuration of the system's cupsd.
# What was started ends with the script (lib.sh), also after a failure.

cupsd_dir= cupsd_pid= cupsd_dirs=()

need_cupsd() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	local tool
	for tool in cupsd lp lpadmin ipptool; do
		command -v $tool >/dev/null || skip "needs $tool"
	done
}

# The scheduler starts backends as lp: it has to get to DIR.
cupsd_let_through() {
	local at=$1
	while [ "$at" != / ] && [ "$at" != "${SPOOLGUARD_CONFINE:-/var/tmp}" ] && [ "$at" != /var/tmp ]; do
		chmod a+x "$at"
		at=$(dirname "$at")
	done
	[ "$at" = / ] || [ -k "$at" ] || chmod a+x "$at"
}

cupsd_backends() {
	cat >"$1/slowsink" <<'BACKEND'
#!/bin/sh
# slowsink:/SECONDS reads the document, takes so long, and is content
[ $# = 0 ] && { echo 'direct slowsink "Unknown" "Slow sink"'; exit 0; }
cat "${6:--}" >/dev/null
sleep "${DEVICE_URI##*/}"
BACKEND
	cat >"$1/failing" <<'BACKEND'
#!/bin/sh
# failing:/ reads the document and cancels the job as one that it cannot print
[ $# = 0 ] && { echo 'direct failing "Unknown" "Failing"'; exit 0; }
cat "${6:--}" >/dev/null
exit 1
BACKEND
	chmod 755 "$1/slowsink" "$1/failing"
}

# A tree of our own, in which tests may put backends and notifiers.
cupsd_server_bin() {
	local kind
	mkdir -p "$1"/backend "$1"/notifier
	for kind in cgi-bin daemon driver filter monitor; do
		ln -sfn /usr/lib/cups/$kind "$1/$kind"
	done
	for kind in backend notifier; do
		cp -p /usr/lib/cups/$kind/* "$1/$kind/" 2>/dev/null
	done
	cupsd_backends "$1/backend"
}

cupsd_free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Who may do what.
cupsd_policies() {
	if [ "${cupsd_policy:-open}" = system ]; then
		sed -n '/^<Location/,$p' /usr/share/cups/cupsd.conf.default
		return
	fi
	cat <<'CONF'
DefaultAuthType None
<Location />
Order allow,deny
Allow all
</Location>
<Policy default>
<Limit All>
Order allow,deny
Allow all
</Limit>
</Policy>
CONF
}

cupsd_configure() { # cupsd_configure DIR SPOOL PORT [DIRECTIVE...]
	local d=$1 spool=$2 port=$3
	shift 3
	cat >"$d/etc/cups-files.conf" <<CONF
User lp
Group lp
SystemGroup root lpadmin
FileDevice Yes
AccessLog $d/log/access_log
ErrorLog $d/log/error_log
PageLog $d/log/page_log
CacheDir $d/cache
RequestRoot $spool
TempDir $spool/tmp
ServerRoot $d/etc
StateDir $d/run
ServerBin $d/bin
${cups_files_conf:-}
CONF
	cat >"$d/etc/cupsd.conf" <<CONF
Listen 127.0.0.1:$port
Listen $d/run/cups.sock
LogLevel warn
WebInterface No
Browsing No
$(printf '%s\n' "$@")
$(cupsd_policies)
CONF
}

cupsd_use() {
	cupsd_dir=$1
	cupsd_socket=$1/run/cups.sock
	cupsd_pid=$(cat "$1/cupsd.pid" 2>/dev/null)
	cupsd_port=$(cat "$1/cupsd.port")
	cupsd_spool_dir=$(sed -n 's/^RequestRoot //p' "$1/etc/cups-files.conf" | tail -n 1)
	cupsd_uri=ipp://127.0.0.1:$cupsd_port
	export CUPS_SERVER=$cupsd_socket
	unset CUPS_USER IPP_PORT
}

cupsd_start() { # cupsd_start DIR [DIRECTIVE...]
	local d=$1 port
	shift
	port=$(cupsd_free_port)
	cupsd_dirs+=("$d")
	mkdir -p "$d"/{etc,log,cache,run} "${cupsd_spool:-$d/spool}/tmp"
	[ ${#d} -le 90 ] || fail "cupsd: the path of its socket would be too long"
	cupsd_let_through "$d"
	cupsd_server_bin "$d/bin"
	cupsd_configure "$d" "${cupsd_spool:-$d/spool}" "$port" "$@"
	echo "$port" >"$d/cupsd.port"
	cupsd_use "$d"
	cupsd_up
}

cupsd_up() {
	local i
	rm -f "$cupsd_socket"
	setsid cupsd -f -c "$cupsd_dir/etc/cupsd.conf" -s "$cupsd_dir/etc/cups-files.conf" \
		>>"$cupsd_dir/log/stderr" 2>&1 </dev/null &
	cupsd_pid=$!
	disown "$cupsd_pid"
	echo "$cupsd_pid" >"$cupsd_dir/cupsd.pid"
	for i in $(seq 100); do
		lpstat -r 2>/dev/null | grep -q 'is running' && return 0
		kill -0 "$cupsd_pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$cupsd_dir/log/stderr" "$cupsd_dir/log/error_log" >&2 2>/dev/null
	fail "cupsd did not start"
}

# All that it started is in the session that setsid made, and nothing else is.
cupsd_session() { ps -o pid= -s "$cupsd_pid"; }

cupsd_gone() { # has ended, and so has all that it started
	local i pid
	for i in $(seq 100); do
		pid=$(cupsd_session)
		[ -n "${pid// /}" ] || break
		[ "$i" -lt 50 ] || kill -9 $pid 2>/dev/null
		sleep 0.1
	done
	rm -f "$cupsd_dir/cupsd.pid"
	cupsd_pid=
	return 0
}

cupsd_stop() {
	[ -n "$cupsd_pid" ] || return 0
	kill -TERM "$cupsd_pid" 2>/dev/null
	kill -CONT "$cupsd_pid" 2>/dev/null
	cupsd_gone
}

cupsd_kill() {
	local all
	[ -n "$cupsd_pid" ] || return 0
	all=$(cupsd_session)
	kill -9 $all 2>/dev/null
	cupsd_gone
}

cupsd_end_all() {
	local d
	for d in "${cupsd_dirs[@]}"; do
		cupsd_pid=$(cat "$d/cupsd.pid" 2>/dev/null)
		cupsd_dir=$d
		cupsd_kill
	done
}
at_exit+=(cupsd_end_all)

cupsd_restart() { cupsd_stop && cupsd_up; }
cupsd_hang() { kill -STOP "$cupsd_pid"; }
cupsd_resume() { kill -CONT "$cupsd_pid"; }

# --- queues and jobs ---

queue_add() { # queue_add NAME OPTION...
	local name=$1
	shift
	lpadmin -p "$name" "$@" -o printer-error-policy=abort-job -E 2>"$cupsd_dir/log/lpadmin" ||
		fail "lpadmin: $(cat "$cupsd_dir/log/lpadmin")"
}

queue_raw() { queue_add "$1" -v "slowsink:/${2:-0}" -m raw; }
queue_failing() { queue_add "$1" -v failing:/ -m raw; }
queue_raster() { queue_add "$1" -v "slowsink:/${2:-0}" -m drv:///cupsfilters.drv/pwgrast.ppd; }
queue_ps() { queue_add "$1" -v "slowsink:/${2:-0}" -m drv:///sample.drv/generic.ppd; }

job_submit() { # job_submit QUEUE FILE...
	local queue=$1 said
	shift
	said=$(lp -d "$queue" ${LP_OPTIONS:-} "$@" 2>&1) || fail "lp: $said"
	echo "$said" | sed -n 's/^request id is .*-\([0-9]*\) .*/\1/p'
}

ipp() { # ipp OPERATION [LINE...]: what it answers, as ipptool shows it
	local operation=$1
	shift
	{
		echo '{'
		echo "OPERATION $operation"
		echo 'GROUP operation-attributes-tag'
		echo 'ATTR charset attributes-charset utf-8'
		echo 'ATTR naturalLanguage attributes-natural-language en'
		printf '%s\n' "$@"
		echo '}'
	} >"$cupsd_dir/request.test"
	ipptool -tv -T 10 "$cupsd_uri/" "$cupsd_dir/request.test"
}

job_state() {
	ipp Get-Job-Attributes "ATTR uri job-uri $cupsd_uri/jobs/$1" \
		'ATTR name requesting-user-name root' 'ATTR keyword requested-attributes job-state' |
		sed -n 's/^ *job-state (enum) = //p' |
		sed 's/^pending$/3/; s/^pending-held$/4/; s/^processing$/5/; s/^processing-stopped$/6/
			s/^canceled$/7/; s/^aborted$/8/; s/^completed$/9/'
}

job_wait() { # job_wait ID STATE [SECONDS]
	local want=$2 tries=$((${3:-20} * 20)) got
	[ "$want" != gone ] || want=
	while :; do
		got=$(job_state "$1")
		[ "$got" != "$want" ] || return 0
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "job $1 is in state \"$got\" and not in \"$want\""
		sleep 0.05
	done
}

spool_files() { find "$cupsd_spool_dir" -maxdepth 1 -type f -printf '%f\n' | sort; }

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rsyslog.sh - packaging/rsyslog/60-spoolguard.conf, with Debian's rsyslog at both ends
#
# Two private rsyslogd: the printer's runs the shipped file (its target, paths and waits are
# exchanged), the log server's takes syslog over TLS.  Messages come from "spoolguard audit
# export".  A message is known by its number: none is missing at the end, and the order is kept.
#
# Syslog over TLS has no acknowledgement.  A record that is under way when a log server ends may be
# lost: what it had received and not kept, and the first that is sent after it said goodbye.  The gap
# in the numbers shows it, and "audit export --since" sends it again.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
for program in rsyslogd certtool python3; do command -v $program >/dev/null || skip "needs $program"; done
python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"
for driver in lmnsd_gtls lmnsd_ossl; do
	[ -e "$(ls /usr/lib/*/rsyslog/$driver.so 2>/dev/null | head -1)" ] || skip "needs rsyslog-gnutls and rsyslog-openssl"
done

certs=$work/certs
received=$work/received
socket=$work/run-syslog/socket
port=$((20000 + $$ % 20000))
printer=0
server=0
mkdir "$certs" "$work/printer" "$work/server" "$work/run-syslog"

# --- certificates, as docs/EXPORTING.md makes them ---
certificate() { # certificate NAME CA [LINES...]: signed by CA, or, if that is NAME, by itself
	local name=$1 ca=$2 how=(--generate-certificate --load-ca-certificate "$certs/$2.pem" --load-ca-privkey "$certs/$2-key.pem")
	shift 2
	[ "$name" != "$ca" ] || how=(--generate-self-signed)
	certtool --generate-privkey --key-type ecdsa --outfile "$certs/$name-key.pem" 2>/dev/null || fail "a key for $name"
	printf '%s\n' "cn = \"$name\"" 'expiration_days = 30' "$@" >"$certs/$name.template"
	certtool "${how[@]}" --load-privkey "$certs/$name-key.pem" --template "$certs/$name.template" \
		--outfile "$certs/$name.pem" 2>/dev/null || fail "a certificate for $name"
}
certificate ca ca ca cert_signing_key
certificate other-ca other-ca ca cert_signing_key
for name in loghost.test printer7.test; do
	certificate $name ca "dns_name = \"$name\"" signing_key tls_www_client tls_www_server
done
certificate stranger.test other-ca 'dns_name = "printer7.test"' 'dns_name = "loghost.test"' signing_key tls_www_client tls_www_server

# --- the two ---
printer_conf() { # printer_conf CERTIFICATE
	{
		echo "global(workDirectory=\"$work/printer\" maxMessageSize=\"8k\")"
		echo 'module(load="imuxsock" SysSock.Use="off")'
		sed -e "s|/run/spoolguard-syslog/socket|$socket|; s|target=\"loghost.example\" port=\"6514\"|target=\"127.0.0.1\" port=\"$port\"|" \
			-e "s|loghost.example|loghost.test|; s|/etc/spoolguard/export/ca.pem|$certs/ca.pem|" \
			-e "s|/etc/spoolguard/export/cert.pem|$certs/$1.pem|; s|/etc/spoolguard/export/key.pem|$certs/$1-key.pem|" \
			-e 's|resumeInterval="10" action.resumeIntervalMax="60"|resumeInterval="1" action.resumeIntervalMax="1"|' \
			"$root/packaging/rsyslog/60-spoolguard.conf"
	} >"$work/printer.conf"
	! grep -E '^[^#]*(example|/etc/|/run/)' "$work/printer.conf" || fail "not everything of the shipped file was exchanged"
	rsyslogd -N1 -f "$work/printer.conf" >"$work/out" 2>&1 || fail "the shipped file: $(cat "$work/out")"
}
server_conf() { # server_conf CERTIFICATE
	cat >"$work/server.conf" <<CONF
global(workDirectory="$work/server" maxMessageSize="8k" defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="$certs/ca.pem"
	defaultNetstreamDriverCertFile="$certs/$1.pem" defaultNetstreamDriverKeyFile="$certs/$1-key.pem")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name" PermittedPeer=["printer7.test"])
template(name="parsed" type="string" string="%structured-data%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%pri%|%rawmsg%\n")
input(type="imtcp" port="$port" address="127.0.0.1" ruleset="keep")
ruleset(name="keep" queue.type="Direct") { action(type="omfile" file="$received" template="parsed" asyncWriting="off" flushOnTXEnd="on") }
CONF
}
start_printer() {
	rm -f "$socket"
	rsyslogd -n -i "$work/printer.pid" -f "$work/printer.conf" >>"$work/printer.log" 2>&1 &
	printer=$!
	pids+=("$printer")
	wait_for test -S "$socket" || fail "the printer's rsyslogd: $(cat "$work/printer.log")"
}
start_server() {
	rsyslogd -n -i "$work/server.pid" -f "$work/server.conf" >>"$work/server.log" 2>&1 &
	server=$!
	pids+=("$server")
	wait_for listens || fail "the log server: $(cat "$work/server.log")"
}
end() { # end SIGNAL PROCESS WHO
	kill -"$1" "$2"
	wait "$2" 2>/dev/null
	pids=("${pids[@]/$2/}")
	rm -f "$work/$3.pid"
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
wait_for() { # wait_for COMMAND...
	local deadline=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.1
	done
}

# --- messages ---
python3 "$root/tests/audit/make_log.py" "$work/log" --records 700 || fail "make_log.py"
"$sg" audit export --format rfc5424 --output "$work/messages" "$work/log/audit" || fail "export"
feed() { python3 "$root/tests/tools/syslog_feed.py" "$socket" "$work/messages" "$@"; } # FIRST LAST
all_numbers() { grep -o '^\(\[[^|]*\)\? sequence="[0-9]*"' "$received" | grep -o '[0-9]*"$' | tr -d '"'; }
numbers() { all_numbers | awk '!seen[$1]++'; } # a record that comes again after a crash has its old number
has_up_to() { [ "$(numbers 2>/dev/null | wc -l)" -ge "$1" ]; }
# complete LAST: 1 to LAST are there, none is missing, in order
complete() {
	wait_for has_up_to "$1" || fail "$(numbers | wc -l) of $1 came; missing: $(comm -13 <(numbers | sort -u) <(seq "$1" | sort) | sort -n | head -5 | tr '\n' ' ') $(tail -3 "$work/printer.log")"
	numbers | cmp -s - <(seq "$1") || fail "not 1 to $1 in order: $(numbers | awk '$1 != last + 1 {print last "->" $1} {last = $1}' | head)"
}

# --- what arrives, and as what ---
printer_conf printer7.test
server_conf loghost.test
start_server
start_printer
feed 1 100
complete 100
cut -d'|' -f7- "$received" | cmp - <(head -100 "$work/messages") || fail "a message was changed on its way"
[ "$(head -1 "$received" | cut -d'|' -f5)" = "$(head -1 "$work/messages" | cut -d' ' -f6)" ] || fail "it was not parsed: $(head -1 "$received")"
ok "records arrive over mutual TLS, byte for byte, in order"

# --- the server is away ---
end KILL "$server" server
feed 101 250
start_server
complete 250
ok "the server was away: nothing is missing, the order is kept"

# --- the printer's rsyslogd is killed with a full queue ---
end KILL "$server" server
feed 251 300
wait_for grep -q 'sequence=\\\?"300' "$work"/printer/spoolguard.0* || fail "the queue is not on disk: $(ls -l "$work/printer")"
end KILL "$printer" printer
start_printer
start_server
complete 300
ok "rsyslogd was killed meanwhile: its queue goes on from the disk"

# --- wrong certificates: nothing goes to a server that is not ours, nor is anything lost at one that refuses us ---
end KILL "$server" server
server_conf stranger.test
start_server
feed 301 320
wait_for grep -qi "not permitted to talk to peer\|certificate" "$work/printer.log" || fail "a stranger's server is not told: $(cat "$work/printer.log")"
sleep 2
[ "$(numbers | wc -l)" = 300 ] || fail "records went to a stranger"
end KILL "$server" server
server_conf loghost.test
start_server
complete 320
ok "a server with another's certificate gets nothing, and the right one all of it later"

end TERM "$printer" printer
printer_conf stranger.test
start_printer
mark=$(wc -l <"$work/server.log")
feed 321 340
refused() { tail -n +"$((mark + 1))" "$work/server.log" | grep -qi "certificate"; }
wait_for refused || fail "the server takes a stranger: $(tail -3 "$work/server.log")"
sleep 2
[ "$(numbers | wc -l)" = 320 ] || fail "the server took a stranger's records"
end KILL "$printer" printer
printer_conf printer7.test
start_printer
complete 340
ok "a server that refuses our certificate loses us nothing"

# --- ended while records flow ---
feed 341 700 &
feeder=$!
pids+=("$feeder")
wait_for has_up_to 420
end KILL "$server" server
start_server
wait_for has_up_to 540
end TERM "$server" server
start_server
wait "$feeder" || fail "the feeder"
has_last() { [ "$(numbers | tail -1)" = 700 ]; }
wait_for has_last || fail "the end did not come: $(numbers | tail -1)"
numbers | sort -nc || fail "the order was not kept: $(numbers | awk '$1 <= last {print last "->" $1} {last = $1}' | head)"
missing=$((700 - $(numbers | wc -l)))
[ "$missing" -lt 50 ] || fail "$missing are missing"
if [ "$missing" -gt 0 ]; then
	first=$(comm -13 <(numbers | sort) <(seq 700 | sort) | sort -n | head -1)
	"$sg" audit export --format rfc5424 --since "$first" --output "unix:$socket" "$work/log/audit" || fail "sending again"
	wait_for has_up_to 700 || fail "sent again, and not there: $(numbers | wc -l)"
fi
ok "a server that ends while they flow: the order is kept; what it lost ($missing) shows, and was sent again"
echo "$pass_count checks passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit_export.sh - "spoolguard audit export": each format is read back by a program that is not ours
#
# Logs are made by tests/audit/make_log.py; one more has texts that mean harm.  Read by python's
# csv, sqlite3 and a reader of RFC 5424 written from its grammar, and by prometheus_client.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3 # the one whose packages are Debian's
[ -x $python ] || skip "needs $python"
$python -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"

log=$work/log
$python "$root/tests/audit/make_log.py" "$log" --records 1000 --segment-bytes 40000 --drop 1 --torn || fail "make_log.py"
export_log() { "$sg" audit export "$@" "$log/audit"; }

# --- the command line ---
refuses 2 "say which" "$sg" audit export "$log/audit"
refuses 2 "no such format" "$sg" audit export --format xml "$log/audit"
refuses 2 "name its directory" "$sg" audit export --format json "$log/audit"
refuses 2 "name its file" "$sg" audit export --format sqlite "$log/audit"
refuses 2 "only rfc5424" "$sg" audit export --format csv --output unix:/nowhere "$log/audit"
refuses 3 "there is no log" "$sg" audit export --format csv "$work/nothing"
refuses 1 "cannot be written" "$sg" audit export --format csv --output "$work/none/x.csv" "$log/audit"

# --- json: the log itself ---
export_log --format json --output "$work/copy" || fail "json"
"$sg" audit verify --trust "$log/enrolment.pub" "$work/copy/audit" >"$work/out" || fail "the copy does not verify: $(cat "$work/out")"
grep -q "audit-position: at hand" "$work/out" || fail "the copy has no position: $(cat "$work/out")"
refuses 1 "there already" "$sg" audit export --format json --output "$work/copy" "$log/audit"
ok "json: a copy that verifies elsewhere, up to the end of the log"

# --- rfc5424, csv, sqlite, openmetrics ---
export_log --format rfc5424 --output "$work/log.txt" || fail "rfc5424"
export_log --format csv >"$work/log.csv" || fail "csv"
export_log --format sqlite --output "$work/log.db" || fail "sqlite"
export_log --format openmetrics >"$work/log.prom" || fail "openmetrics"
[ "$(stat -c %a "$work/log.txt")" = 600 ] || fail "an export may be read by $(stat -c %a "$work/log.txt")"
[ -z "$(find "$work" -name '*spoolguard-new*')" ] || fail "left over: $(ls "$work")"

# Lines that nobody would write: each text would break out of its place if it were not escaped.
$python - "$work/hostile.jsonl" <<'PYTHON' || fail "hostile.jsonl"
import json, sys
texts = ['=1+2', '@SUM(A1)', '-1', '"]\\[evil@1 x="y"] all is well', "'); DROP TABLE events; --", 'a,b"c', '{x="y"} 1', 'caf\u00e9']
with open(sys.argv[1], "w") as out:
    for number, text in enumerate(texts, 1):
        out.write(json.dumps({
            "sequence": number, "time": "2026-11-24T09:00:00.123Z", "monotonic_ms": 1, "boot": "9b810e76-6ec9-d286-63ca-828dd5f4b3b2",
            "event": "job-retired", "subject": {"role": "service", "uid": 0, "origin": text},
            "object": {"job": text, "volume": text, "drive": text}, "outcome": "success", "detail": text,
            "data": {"files": text}, "previous": "0" * 64}, separators=(",", ":")) + "\n")
PYTHON
for format in rfc5424 csv sqlite openmetrics; do
	"$sg" audit export --format $format --output "$work/hostile.$format" "$work/hostile.jsonl" || fail "hostile $format"
done

$python - "$work" "$log" <<'PYTHON' || fail "what was exported is not what the log has"
import csv, glob, json, re, sqlite3, sys

work, log = sys.argv[1:]

def records(files):
    found = []
    for file in sorted(files):
        for line in open(file, newline="\n"):
            if line.endswith("\n"):
                found.append(json.loads(line))
    return found

def read_rfc5424(line):
    head = re.fullmatch(r'<(\d{1,3})>1 (\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) (\[.*)\n', line)
    assert head and len(line.encode()) <= 2049, line
    rest, elements = head[7], {}
    while rest.startswith("["):
        name = re.match(r'\[([^ =\]"]{1,32})', rest)
        rest, parameters = rest[name.end():], {}
        while rest.startswith(" "):
            one = re.match(r' ([^ =\]"]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"', rest)
            assert one, rest
            parameters[one[1]] = re.sub(r'\\(["\\\]])', r'\1', one[2])
            rest = rest[one.end():]
        assert rest.startswith("]"), rest
        rest = rest[1:]
        assert name[1] not in elements, line
        elements[name[1]] = parameters
    return int(head[1]), head[2], head[6], elements, rest

def same(got, wanted):
    assert got == wanted, (got, wanted)

def compare(wanted, messages, table, database):
    lines = open(messages, encoding="utf-8", newline="\n").readlines()
    rows = list(csv.reader(open(table, encoding="utf-8", newline="")))
    same(rows[0][:5], ["Index", "Date", "Time", "Event ID", "Event description"])
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    events = db.execute("SELECT * FROM events ORDER BY sequence").fetchall()
    same(len(lines), len(wanted)), same(len(rows) - 1, len(wanted)), same(len(events), len(wanted))
    for record, line, row, event in zip(wanted, lines, rows[1:], events):
        priority, time, message_id, elements, _ = read_rfc5424(line)
        own = elements["spoolguard@32473"]
        assert 104 <= priority <= 111, line
        same([time, message_id, own["sequence"], own["previous"]],
             [record["time"], record["event"], str(record["sequence"]), record["previous"]])
        same(set(elements), {"timeQuality", "origin", "meta", "spoolguard@32473"})
        same(elements["meta"]["sequenceId"], str(record["sequence"]))
        same(len(row), 10)
        same(row[0], str(record["sequence"])), same(row[1] + "T" + row[2], record["time"][:19])
        assert all(not field or field[0] not in "=+-@\t\r" for field in row), row
        same([event["time"], event["event"], event["outcome"], event["previous"]],
             [record[key] for key in ("time", "event", "outcome", "previous")])
        for key in ("job", "volume", "drive"):
            value = (record.get("object") or {}).get(key)
            same(event[key], value)
            same(own.get(key), value)
        same(event["detail"], record.get("detail"))
        same(json.loads(event["data"] or "null"), record.get("data"))
    same(db.execute("PRAGMA journal_mode").fetchone()[0], "delete")
    jobs = {r["object"]["job"] for r in wanted if r["event"].startswith("job-") and "job" in r.get("object", {})}
    same({row[0] for row in db.execute("SELECT job_id FROM jobs")}, jobs)

good = records(glob.glob(log + "/audit/segment-*.jsonl"))
compare(good, work + "/log.txt", work + "/log.csv", work + "/log.db")
compare(records([work + "/hostile.jsonl"]), work + "/hostile.rfc5424", work + "/hostile.csv", work + "/hostile.sqlite")

text = open(work + "/log.prom").read()
assert text.endswith("\n# EOF\n"), text
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
except ImportError:
    print("prometheus_client is not there: OpenMetrics was looked at only")
    sys.exit(0)
found = {}
for family in parse(text):
    for sample in family.samples:
        found[sample.name, sample.labels.get("event"), sample.labels.get("outcome")] = sample.value
for event, outcome in {(r["event"], r["outcome"]) for r in good}:
    same(found["spoolguard_log_records_total", event, outcome],
         sum(r["event"] == event and r["outcome"] == outcome for r in good))
same(found["spoolguard_log_last_record", None, None], good[-1]["sequence"])
same(found["spoolguard_log_jobs_retired_total", None, None],
     sum(r["event"] == "job-retired" and r["outcome"] == "success" for r in good))
list(parse(open(work + "/hostile.openmetrics").read()))
PYTHON
ok "rfc5424, csv, sqlite, openmetrics: each read back, also texts that mean harm"

# --- since, bad lines ---
[ "$(export_log --format csv --since 990 | wc -l)" = 12 ] || fail "--since 990"
{ cat "$work/hostile.jsonl"; echo "no record"; } >"$work/bad.jsonl"
"$sg" audit export --format csv --output "$work/bad.csv" "$work/bad.jsonl" 2>"$work/err"
[ $? = 1 ] || fail "a line that is no record: exit 0"
grep -q "1 lines are no records" "$work/err" || fail "bad lines: $(cat "$work/err")"
[ "$(wc -l <"$work/bad.csv")" = 9 ] || fail "the others are not there"
ok "--since, and lines that are no records"

# --- to a socket ---
$python - "$work" <<'PYTHON' &
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1] + "/socket")
with open(sys.argv[1] + "/received", "wb") as out:
    for _ in range(880):
        out.write(receiver.recv(8192) + b"\n")
PYTHON
receiver=$!
pids+=("$receiver")
for _ in $(seq 200); do [ -S "$work/socket" ] && break; sleep 0.05; done
timeout 60 "$sg" audit export --format rfc5424 --output "unix:$work/socket" "$log/audit" || fail "to a socket"
wait "$receiver" || fail "the receiver"
cmp "$work/received" "$work/log.txt" || fail "a socket got other messages than a file"
ok "a socket gets every message, in order"
echo "$pass_count checks passed"

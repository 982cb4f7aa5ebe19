#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a JSON document fit a JSON schema (draft 7), by python3-jsonschema?

    validate_json.py SCHEMA [DOCUMENT]

Exit status 0: it does; 1: it does not, and each place is printed; 3: python3-jsonschema is not here.
"""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("validate_json: python3-jsonschema is not installed", file=sys.stderr)
    sys.exit(3)

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
if len(sys.argv) > 2:
    with open(sys.argv[2], encoding="utf-8") as file:
        document = json.load(file)
else:
    document = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(schema)
faults = list(jsonschema.Draft7Validator(schema).iter_errors(document))
for fault in faults:
    print("/".join(str(part) for part in fault.absolute_path) + ": " + fault.message[:200])
sys.exit(1 if faults else 0)

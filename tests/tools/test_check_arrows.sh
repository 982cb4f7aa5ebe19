#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_check_arrows.sh - the arrow checker passes this tree and catches each kind of violation
#
# Method: a copy of the Makefile and of the headers, one file with one wrong line added each time.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/arrows.XXXXXX")
trap 'rm -rf "$tree"' EXIT

for folder in $(awk '/^FOLDERS[ \t]*:=/ { sub(/^[^=]*=/, ""); print }' "$root/Makefile"); do
	mkdir -p "$tree/$folder" "$tree/tests/$folder"
	cp "$root/$folder"/*.[ch] "$tree/$folder" || exit 1
done
cp "$root/Makefile" "$tree"
mkdir -p "$tree/tests/support"
cp "$root/tests/support"/*.h "$tree/tests/support"

failed=0
passes() { # passes WHAT
	if ! said=$("$root/tools/check-arrows.sh" "$tree" 2>&1); then
		echo "FAILED: $1 is refused: $said"
		failed=1
	fi
}
catches() { # catches RULE FILE LINE
	echo "$3" > "$tree/$2"
	said=$("$root/tools/check-arrows.sh" "$tree" 2>&1)
	code=$?
	if [ $code != 1 ] || ! grep -q "^$2:1: .*($1)" <<< "$said"; then
		echo "FAILED: $1 not caught (exit $code): $2: $3: $said"
		failed=1
	fi
	rm "$tree/$2"
}

passes "this tree"
catches A1 base/x.c '#include "crypto/hash.h"'
catches A1 crypto/x.h '#include "blockdev/blockdev.h"'
catches A1 overwrite/x.c '	#  include "keystore/keystore.h"'
catches A1 spool/x.c '#include "volume/engine.h"'
catches A2 base/x.c '#include "bytes.h"'
catches A2 cli/x.c '#include "base/no_such_header.h"'
catches A2 cli/x.c '#include "tests/support/simdisk.h"'
catches A2 cli/x.c '#include <base/bytes.h>'
catches A3 blockdev/x.c '#include <openssl/evp.h>'
catches A3 volume/x.c '#include <sodium.h>'
catches A3 cli/x.c '#include <libcryptsetup.h>'
catches A3 volume/x.c '#include <ext2fs/ext2fs.h>'
catches A3 cli/x.c '#include <fuse_lowlevel.h>'
catches A4 tests/base/x.c '#include "blockdev/raw.h"'
passes "this tree again"
echo '#include <openssl/evp.h>' > "$tree/tests/base/x.c"
passes "a test that names OpenSSL"
exit $failed

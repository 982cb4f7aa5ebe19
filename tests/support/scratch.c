/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scratch.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char path[PATH_MAX / 4];
static char fast[PATH_MAX / 4 + 8]; /* "": none */

void scratch_make(void)
{
	const char *temporary = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/spoolguard-scratch.XXXXXX",
		temporary ? temporary : "/var/tmp");
	if (!mkdtemp(path))
		abort();
}

void scratch_make_fast(void)
{
	scratch_make();
	snprintf(fast, sizeof(fast), "%s/fast", path);
	if (mkdir(fast, 0700) < 0)
		abort();
	(void)!mount("tmpfs", fast, "tmpfs", 0, "mode=700");
}

void scratch_remove(void)
{
	/* A loop device is found by its file, so what that lies in is unmounted after it. */
	static const char script[] =
		"exec >/dev/null 2>&1; "
		"findmnt -nro TARGET | grep -F '%s/' | grep -v '/medium$' | sort -r | "
		"xargs -r -n1 umount; "
		"losetup -nO NAME,BACK-FILE | grep -F ' %s/' | while read -r loop file; do "
		"losetup -d $loop; done; "
		"findmnt -nro TARGET | grep -F '%s/' | sort -r | xargs -r -n1 umount; rm -rf '%s'";
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command), script, path, path, path, path);
	if (system(command) != 0)
		fprintf(stderr, "%s could not be removed\n", path);
}

const char *scratch_path(void)
{
	return fast[0] ? fast : path;
}

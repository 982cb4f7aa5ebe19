/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include <string.h>

bool path_is_at_or_below(const char *path, const char *directory)
{
	size_t bytes = strlen(directory);

	while (bytes > 0 && directory[bytes - 1] == '/')
		bytes--;
	return strncmp(path, directory, bytes) == 0 && (path[bytes] == '/' || path[bytes] == '\0');
}

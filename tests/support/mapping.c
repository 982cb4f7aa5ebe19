/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/mapping.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *mapping_open(pid_t pid)
{
	char path[64];
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	ck_assert_msg(smaps != NULL, "%s", path);
	return smaps;
}

bool mapping_next(FILE *smaps, struct mapping *ret_mapping)
{
	char line[512];
	bool begun = false;

	while (fgets(line, sizeof(line), smaps)) {
		struct mapping head = {0};

		if (!begun &&
			sscanf(line, "%lx-%lx %4s", &head.first, &head.end, head.access) == 3) {
			*ret_mapping = head;
			ret_mapping->is_stack = strstr(line, "[stack") != NULL;
			begun = true;
		} else if (begun &&
			   (strncmp(line, "Rss:", 4) == 0 || strncmp(line, "Swap:", 5) == 0)) {
			ret_mapping->has_pages |= strtoul(strchr(line, ':') + 1, NULL, 10) > 0;
		} else if (begun && strncmp(line, "VmFlags:", 8) == 0) {
			ret_mapping->is_locked = strstr(line, " lo") != NULL;
			ret_mapping->is_undumpable = strstr(line, " dd") != NULL;
			return true;
		}
	}
	return false;
}

struct mapping mapping_of(const void *at)
{
	unsigned long address = (unsigned long)at;
	FILE *smaps = mapping_open(getpid());
	struct mapping mapping;
	bool found = false;

	while (!found && mapping_next(smaps, &mapping))
		found = address >= mapping.first && address < mapping.end;
	fclose(smaps);
	ck_assert_msg(found, "%p is not mapped", at);
	return mapping;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/threads.h"
#include <check.h>
#include <dirent.h>
#include <unistd.h>

#define STEP_US	  2000
#define STEPS_MAX 15000

unsigned int threads_count(void)
{
	DIR *directory = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int count = 0;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

void threads_wait_for(unsigned int count)
{
	for (unsigned int i = 0; i < STEPS_MAX && threads_count() > count; i++)
		usleep(STEP_US);
	ck_assert_uint_le(threads_count(), count);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/threads.h"
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#define STEP_US	  2000
#define STEPS_MAX 15000

static void *nothing(void *argument)
{
	return argument;
}

/* The thread sanitizer has a thread of its own, from the first that is made on: it counts always.
 */
static void wake_sanitizer(void)
{
	static bool awake;
	pthread_t thread;

	if (awake)
		return;
	ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
	pthread_join(thread, NULL);
	awake = true;
}

unsigned int threads_count(void)
{
	const struct dirent *entry;
	unsigned int count = 0;
	DIR *directory;

	wake_sanitizer();
	directory = opendir("/proc/self/task");
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_range_lock.c - who waits for whom (L1, L2), and that nobody waits for nothing
 *
 * Method: a second thread asks and says when it got what it asked for; then
 * many threads at random runs, each block's users counted.
 */
#include "base/clock.h"
#include "blockdev/range_lock.h"
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static struct range_lock lock;

struct asker {
	pthread_t thread;
	struct extent run;
	bool exclusive;
	atomic_bool has;
	atomic_bool may_go;
};

static void *ask(void *argument)
{
	struct asker *asker = argument;
	struct range_holder holder;

	if (asker->exclusive)
		range_lock_exclusive(&lock, asker->run, &holder);
	else
		range_lock_shared(&lock, asker->run, &holder);
	asker->has = true;
	while (!asker->may_go)
		usleep(500);
	range_lock_release(&lock, &holder);
	return NULL;
}

static void start(struct asker *asker, uint64_t first, uint64_t count, bool exclusive)
{
	unsigned int before = 0, after;

	*asker = (struct asker){.run = {first, count}, .exclusive = exclusive};
	pthread_mutex_lock(&lock.mutex);
	for (struct range_holder *h = lock.first; h; h = h->next)
		before++;
	pthread_mutex_unlock(&lock.mutex);
	ck_assert_int_eq(pthread_create(&asker->thread, NULL, ask, asker), 0);
	do { /* until it is in the queue */
		usleep(500);
		after = 0;
		pthread_mutex_lock(&lock.mutex);
		for (struct range_holder *h = lock.first; h; h = h->next)
			after++;
		pthread_mutex_unlock(&lock.mutex);
	} while (after == before);
}

static bool gets_it(struct asker *asker)
{
	for (unsigned int i = 0; i < 2000 && !asker->has; i++)
		usleep(1000);
	return asker->has;
}

static bool waits(struct asker *asker)
{
	usleep(30000);
	return !asker->has;
}

static void finish(struct asker *asker)
{
	asker->may_go = true;
	pthread_join(asker->thread, NULL);
}

static void setup(void)
{
	range_lock_init(&lock);
}

static void teardown(void)
{
	range_lock_done(&lock); /* asserts that nobody is left */
}

START_TEST(sharers_do_not_wait_for_each_other)
{
	struct asker a, b;

	start(&a, 0, 10, false);
	start(&b, 5, 10, false);
	ck_assert(gets_it(&a) && gets_it(&b));
	finish(&a);
	finish(&b);
}
END_TEST

START_TEST(an_exclusive_one_waits_for_every_sharer_that_overlaps)
{
	struct asker a, b, alone;

	start(&a, 0, 10, false);
	start(&b, 9, 5, false);
	start(&alone, 9, 1, true);
	ck_assert(waits(&alone));
	finish(&a);
	ck_assert(waits(&alone));
	finish(&b);
	ck_assert(gets_it(&alone));
	finish(&alone);
}
END_TEST

START_TEST(runs_that_only_touch_do_not_meet)
{
	struct asker a, b, c;

	start(&a, 10, 10, true);
	start(&b, 0, 10, true);
	start(&c, 20, 1, false);
	ck_assert(gets_it(&a) && gets_it(&b) && gets_it(&c));
	finish(&a);
	finish(&b);
	finish(&c);
}
END_TEST

START_TEST(a_sharer_that_came_later_waits_behind_the_exclusive_one)
{
	struct asker first, alone, late, elsewhere;

	start(&first, 0, 10, false);
	start(&alone, 0, 10, true);
	start(&late, 5, 1, false);
	start(&elsewhere, 10, 1, false);
	ck_assert(gets_it(&first) && gets_it(&elsewhere));
	ck_assert(waits(&alone) && waits(&late));
	finish(&first);
	ck_assert(gets_it(&alone));
	ck_assert(waits(&late));
	finish(&alone);
	ck_assert(gets_it(&late));
	finish(&late);
	finish(&elsewhere);
}
END_TEST

START_TEST(exclusive_ones_go_in_the_order_they_came)
{
	enum { ASKERS = 5 };
	struct asker askers[ASKERS];

	for (size_t i = 0; i < ASKERS; i++)
		start(&askers[i], 3, 1, true);
	for (size_t i = 0; i < ASKERS; i++) {
		ck_assert(gets_it(&askers[i]));
		for (size_t j = i + 1; j < ASKERS; j++)
			ck_assert(!askers[j].has);
		finish(&askers[i]);
	}
}
END_TEST

/* --- many --- */

enum { BLOCKS = 32, THREADS = 4, ROUNDS = 5000 };

static atomic_int users[BLOCKS]; /* sharers, or -1 */
static atomic_bool broken;

static void use(struct extent run, bool exclusive, bool enter)
{
	for (uint64_t b = run.first; b < extent_end(run); b++) {
		int is = exclusive ? atomic_fetch_add(&users[b], enter ? -1 : 1)
				   : atomic_fetch_add(&users[b], enter ? 1 : -1);

		if (enter && (exclusive ? is != 0 : is < 0))
			broken = true;
	}
}

static void *hammer(void *argument)
{
	unsigned int random = *(unsigned int *)argument;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct extent run = {(uint64_t)rand_r(&random) % BLOCKS, 0};
		bool exclusive = rand_r(&random) % 3 == 0;
		struct range_holder holder;

		run.count = 1 + (uint64_t)rand_r(&random) % (BLOCKS - run.first);
		if (exclusive)
			range_lock_exclusive(&lock, run, &holder);
		else
			range_lock_shared(&lock, run, &holder);
		use(run, exclusive, true);
		use(run, exclusive, false);
		range_lock_release(&lock, &holder);
	}
	return NULL;
}

START_TEST(no_block_is_ever_held_against_the_rules)
{
	unsigned int seeds[THREADS];
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		seeds[i] = i + 1;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, &seeds[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert(!broken);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range_lock");
	TCase *tcase = tcase_create("who waits for whom");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, sharers_do_not_wait_for_each_other);
	tcase_add_test(tcase, an_exclusive_one_waits_for_every_sharer_that_overlaps);
	tcase_add_test(tcase, runs_that_only_touch_do_not_meet);
	tcase_add_test(tcase, a_sharer_that_came_later_waits_behind_the_exclusive_one);
	tcase_add_test(tcase, exclusive_ones_go_in_the_order_they_came);
	tcase_add_test(tcase, no_block_is_ever_held_against_the_rules);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

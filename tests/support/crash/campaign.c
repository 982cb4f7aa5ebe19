/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/campaign.h"
#include "base/clock.h"
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERAS 3u

uint64_t crash_setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

void crash_workload(const struct crash_profile *profile, uint64_t seed,
	const struct crash_options *options, struct crash_stats *stats,
	struct crash_verdict *verdict)
{
	struct crash_era *era = malloc(sizeof(*era));
	struct crash_rig rig;

	if (!era)
		abort();
	crash_era_init(era, &rig, profile, seed);
	for (unsigned int i = 0; i < ERAS && !crash_is_wrong(&era->verdict); i++) {
		if (i > 0)
			crash_era_cut(era);
		crash_era_run(era);
		if (!crash_is_wrong(&era->verdict) && !profile->lies)
			crash_era_audit(era);
		if (!crash_is_wrong(&era->verdict))
			crash_explore(era, options, stats);
	}
	if (crash_is_wrong(&era->verdict))
		crash_wrong(verdict, "%s (workload \"%s\", seed %" PRIu64 ")", era->verdict.text,
			profile->name, seed);
	crash_era_done(era);
	free(era);
}

/* What the processes share. */
struct shared {
	_Atomic uint64_t next;
	_Atomic uint64_t visited;
	_Atomic bool wrong;
	struct crash_stats stats[16];
	struct crash_verdict verdicts[16];
};

/* Some workloads are explored to the last subset, the others more widely. */
static struct crash_options options_of(const struct crash_campaign *campaign, uint64_t number)
{
	bool deep = number % 11 == 7;

	if (campaign->brief)
		return (struct crash_options){
			.exhaustive_sectors = 1, .samples = 2, .pay_one_in = 8, .rot_one_in = 200};
	return (struct crash_options){.exhaustive_sectors = deep ? 12 : 3,
		.samples = deep ? 48 : 20,
		.pay_one_in = 8,
		.rot_one_in = deep ? 128 : 48};
}

static void add(struct crash_stats *sum, const struct crash_stats *more)
{
	sum->events += more->events;
	sum->visited += more->visited;
	sum->distinct += more->distinct;
	sum->paid += more->paid;
	sum->rotted += more->rotted;
}

static void work_on(
	const struct crash_campaign *campaign, struct shared *shared, unsigned int process)
{
	uint64_t until = clock_monotonic_ns() + campaign->seconds * 1000000000u;

	/* Thousands of attaches a second: their buffers need not go back to the kernel. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);

	while (shared->visited < campaign->states && !shared->wrong &&
		(campaign->seconds == 0 || clock_monotonic_ns() < until)) {
		uint64_t number = shared->next++;
		struct crash_profile profile = crash_profiles[number % crash_profile_count];
		struct crash_options options = options_of(campaign, number);
		struct crash_stats stats = {0};

		if (campaign->only && strcmp(campaign->only, profile.name) != 0)
			continue;
		profile.lies = campaign->lying;
		crash_workload(&profile, campaign->seed + number, &options, &stats,
			&shared->verdicts[process]);
		shared->visited += stats.visited;
		add(&shared->stats[process], &stats);
		if (!campaign->quiet)
			printf("  seed %-8" PRIu64 " %-14s %4" PRIu64 " events %7" PRIu64
			       " states %7" PRIu64 " distinct %6" PRIu64 " paid %6" PRIu64
			       " with a damaged slot\n",
				campaign->seed + number, profile.name, stats.events, stats.visited,
				stats.distinct, stats.paid, stats.rotted);
		fflush(stdout);
		if (crash_is_wrong(&shared->verdicts[process]))
			shared->wrong = true;
	}
}

void crash_campaign_run(const struct crash_campaign *campaign, struct crash_stats *ret_stats,
	struct crash_verdict *verdict)
{
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int processes = campaign->processes ? campaign->processes : 1;
	pid_t children[16];

	if (shared == MAP_FAILED)
		abort();
	if (processes > ARRAY_SIZE(children))
		processes = ARRAY_SIZE(children);
	fflush(stdout);
	for (unsigned int i = 0; i < processes; i++) {
		children[i] = fork();
		if (children[i] < 0)
			abort();
		if (children[i] == 0) {
			work_on(campaign, shared, i);
			_exit(0);
		}
	}
	*ret_stats = (struct crash_stats){0};
	for (unsigned int i = 0; i < processes; i++) {
		int status = 0;

		waitpid(children[i], &status, 0);
		if (status != 0)
			crash_wrong(verdict, "the simulator's process died (status %#x)", status);
		add(ret_stats, &shared->stats[i]);
		if (crash_is_wrong(&shared->verdicts[i]))
			crash_wrong(verdict, "%s", shared->verdicts[i].text);
	}
	munmap(shared, sizeof(*shared));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutants.c - each deliberate defect of the map and the eraser must be caught
 *
 * Built by "make MUTANTS=1" and run by tests/tools/test_mutants.sh.  For each mutant
 * (base/mutant.h) the means are tried until one catches it, the likeliest first:
 * crash states of random work, work under I/O errors, races.  One that survives all of
 * them is a failure; so is a means that catches something where there is no mutant.
 *
 *   mutants [NUMBER]   all, or one
 */
#include "base/mutant.h"
#include "tests/support/crash/campaign.h"
#include "tests/support/crash/faults.h"
#include "tests/support/crash/races.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a build without mutants nothing could be caught. */
#ifdef SPOOLGUARD_MUTANTS
static const bool has_mutants = true;
#else
static const bool has_mutants;
static enum mutant mutant_active;
#endif

#define STATES_MOST  40000u
#define SECONDS_MOST 40u
#define SECONDS_HUNG 90u
#define SEED	     1u

enum means { CRASHES, FAULTS, RACES, MEANS_COUNT };

static const struct {
	enum mutant mutant;
	const char *name;
	enum means likely;
	const char *workload; /* that meets it soonest */
} mutants[] = {
	{MUTANT_NONE, "(no mutant)", CRASHES, NULL},
	{MUTANT_NO_FLUSH_AFTER_PREMARK, "no flush after a premark", CRASHES, NULL},
	{MUTANT_NO_PREMARK, "no premark", CRASHES, NULL},
	{MUTANT_NO_FLUSH_BEFORE_LIVE, "no data flush before LIVE", CRASHES, NULL},
	{MUTANT_LIVE_SET_AFTER_FLUSH, "LIVE set taken after the flush", CRASHES, "threads"},
	{MUTANT_NO_FLUSH_AFTER_PAGES, "no flush after the pages", CRASHES, NULL},
	{MUTANT_NO_RESIDUE_BEFORE_PASS, "no RESIDUE before pass 1", CRASHES, NULL},
	{MUTANT_NO_FLUSH_BETWEEN_PASSES, "no flush between passes", CRASHES, NULL},
	{MUTANT_NO_FLUSH_AFTER_LAST_PASS, "no flush after the last pass", CRASHES, NULL},
	{MUTANT_NO_READ_BACK, "no read-back", FAULTS, NULL},
	{MUTANT_SAME_SLOT, "pages do not alternate", CRASHES, "growth"},
	{MUTANT_TRUST_OLDER_SLOT, "a damaged slot is passed over", CRASHES, NULL},
	{MUTANT_NO_DRAIN_ON_DISCARD, "no drain before a discard", RACES, NULL},
	{MUTANT_NO_DRAIN_ON_ERASE, "no drain before an erasure", RACES, NULL},
	{MUTANT_WRITE_OVER_RESIDUE, "writes over RESIDUE", CRASHES, NULL},
	{MUTANT_OPEN_IS_CLEAN, "recovery believes a premark", CRASHES, NULL},
	{MUTANT_FAILED_WRITE_IS_CLEAN, "a failed first write is clean", FAULTS, NULL},
	{MUTANT_FLUSH_RETRY, "a failed flush does not stop", FAULTS, NULL},
	{MUTANT_RETIRE_IGNORES_WRITES, "retirement ignores writes", CRASHES, NULL},
	{MUTANT_NO_FLUSH_BEFORE_PASS, "no flush before pass 1", CRASHES, NULL},
	{MUTANT_CLOSE_WITHOUT_FLUSH, "the clean mark is not flushed", CRASHES, NULL},
	{MUTANT_OPEN_WITHOUT_MARK, "an attach leaves the clean mark", CRASHES, NULL},
	{MUTANT_STUCK_ONE_SLOT, "a remapped block in one slot", CRASHES, "bad blocks"},
	{MUTANT_STUCK_NOT_HEALED, "one slot is not healed at attach", FAULTS, NULL},
	{MUTANT_STUCK_NOT_FLUSHED, "a spare is used before it is listed", CRASHES, "bad blocks"},
	{MUTANT_GROW_ONE_SLOT, "the new size in one slot", CRASHES, "growth"},
	{MUTANT_GROW_WITHOUT_PAGES, "the new size before its pages", CRASHES, "growth"},
	{MUTANT_FAILED_MAP_WRITE, "a failed map write does not stop", FAULTS, NULL},
	{MUTANT_NO_DRAIN_ON_CONDEMN, "no drain before a block is condemned", RACES, NULL},
	{MUTANT_NO_DRAIN_ON_EVICT, "no drain before a window is closed", RACES, NULL},
	{MUTANT_NO_DRAIN_ON_CLOSE, "no drain before an orderly end", RACES, NULL},
	{MUTANT_READ_WITHOUT_RANGE, "reads hold no range", RACES, NULL},
	{MUTANT_WRITE_WITHOUT_RANGE, "writes hold no range", RACES, NULL},
	{MUTANT_COMMITS_OVERLAP, "a commit counts on an older one", RACES, NULL},
	{MUTANT_GROW_DURING_COMMIT, "growth does not wait for a commit", RACES, NULL},
	{MUTANT_FORMAT_NOT_FLUSHED, "a format is not flushed", FAULTS, NULL},
};

_Static_assert(ARRAY_SIZE(mutants) == MUTANT_COUNT, "a mutant without a line here");

/* What the child says of its mutant. */
struct outcome {
	struct crash_verdict verdict;
	char by[64];
	uint64_t states;
};

static void try_crashes(const char *workload, struct outcome *outcome)
{
	struct crash_campaign campaign = {.seed = SEED,
		.states = STATES_MOST,
		.seconds = SECONDS_MOST,
		.quiet = true,
		.only = workload};
	struct crash_stats stats;

	crash_campaign_run(&campaign, &stats, &outcome->verdict);
	outcome->states += stats.visited;
	/* Before a first state: by R1 or P4 on the log of the run itself. */
	snprintf(outcome->by, sizeof(outcome->by), "%s",
		stats.visited ? "crash states" : "the log of the run");
}

static void try_faults(struct outcome *outcome)
{
	for (size_t i = 0; i < crash_fault_sweep_count && !crash_is_wrong(&outcome->verdict); i++) {
		crash_fault_sweep_run(&crash_fault_sweeps[i], SEED, &outcome->verdict);
		snprintf(outcome->by, sizeof(outcome->by), "%s", crash_fault_sweeps[i].name);
	}
}

static void try_races(struct outcome *outcome)
{
	for (size_t i = 0; i < crash_race_count && !crash_is_wrong(&outcome->verdict); i++) {
		crash_races[i].run(&outcome->verdict);
		snprintf(outcome->by, sizeof(outcome->by), "%s", crash_races[i].name);
	}
}

static void hunt(size_t index, struct outcome *outcome)
{
	mutant_active = mutants[index].mutant;
	for (unsigned int i = 0; i < MEANS_COUNT && !crash_is_wrong(&outcome->verdict); i++) {
		switch ((mutants[index].likely + i) % MEANS_COUNT) {
		case CRASHES:
			try_crashes(mutants[index].workload, outcome);
			if (mutants[index].workload && !crash_is_wrong(&outcome->verdict))
				try_crashes(NULL, outcome);
			break;
		case FAULTS:
			try_faults(outcome);
			break;
		case RACES:
			try_races(outcome);
			break;
		}
	}
}

/* In a process of its own: a mutant may abort or hang. */
static pid_t start(size_t index, struct outcome *outcome)
{
	pid_t child = fork();

	if (child < 0)
		abort();
	if (child > 0)
		return child;
	alarm(SECONDS_HUNG + 3 * SECONDS_MOST);
	hunt(index, outcome);
	_exit(0);
}

static bool report(size_t index, int status, const struct outcome *outcome)
{
	bool wrong = crash_is_wrong(&outcome->verdict);
	bool caught = wrong || status != 0;
	bool expected = mutants[index].mutant != MUTANT_NONE;
	const char *text = outcome->verdict.text;

	if (status != 0 && !wrong)
		text = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
			       ? "it hangs"
			       : "it stops at an assertion";
	printf("%-4s %2zu %-37s %6" PRIu64 " states  %s\n", caught == expected ? "ok" : "FAIL",
		index, mutants[index].name, outcome->states,
		caught	   ? (wrong ? outcome->by : "")
		: expected ? "SURVIVES"
			   : "nothing was caught");
	if (caught)
		printf("          %.150s\n", text);
	fflush(stdout);
	return caught == expected;
}

int main(int argc, char **argv)
{
	size_t only = argc > 1 ? strtoul(argv[1], NULL, 10) : MUTANT_COUNT;
	struct outcome *outcomes = mmap(NULL, MUTANT_COUNT * sizeof(*outcomes),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int running = 0, jobs = (unsigned int)crash_setting("JOBS", 2);
	pid_t children[MUTANT_COUNT] = {0};
	bool all_well = true;

	if (!has_mutants) {
		puts("skipped: mutants are not in this build (make mutants)");
		return 77;
	}
	if (outcomes == MAP_FAILED)
		abort();
	for (size_t next = 0; next < MUTANT_COUNT || running > 0;) {
		int status = 0;
		pid_t child;

		if (next < MUTANT_COUNT && running < jobs) {
			if (only == MUTANT_COUNT || only == next) {
				children[next] = start(next, &outcomes[next]);
				running++;
			}
			next++;
			continue;
		}
		child = wait(&status);
		running--;
		for (size_t i = 0; i < MUTANT_COUNT; i++) {
			if (children[i] == child)
				all_well &= report(i, status, &outcomes[i]);
		}
	}
	return all_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

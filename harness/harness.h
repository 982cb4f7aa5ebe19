/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.h - the self-tests: is what every claim rests on right, on this machine, now?
 *
 * Run at the start of the service, on demand and on schedule (FPT_TST_EXT.1; FIPS 140-2 4.9.1:
 * on demand, with the status reported).  A library: it prints nothing, and it decides nothing. What
 * follows from a result is the caller's, by the test's weight:
 *
 *   HARNESS_CLAIM  not passed: nothing may be claimed (no receipt, no certificate) until a run
 *                  passes again; an administrator is needed
 *   HARNESS_HOST   not passed: what is claimed stays true, but the machine around it leaks; the
 *                  state is DEGRADED, and the result's remedy says how to end that
 *
 *   H1  A test that could not be made is never a passed one: it is HARNESS_SKIPPED only where
 *       there is nothing to test (no such device, a volume without a map), and
 *       HARNESS_CANNOT_TELL where there is; the latter counts as a failure counts.
 *   H2  Every test has an injection of the same name that damages the thing under test, and then
 *       fails: that one and no other.
 *   H3  Nothing of a run outlives it but the report, and the last pattern in the scratch areas.
 *   H4  A result names no job and no user; details hold no secret, no noise and no key.
 *
 * Threads: one run at a time in a process (-EBUSY); it may be any thread with 256 KiB of stack.  A
 * child process is forked for a moment (the guard page's test): it takes no lock, touches only
 * memory, and is waited for by its number.
 * Time: about a second, most of it Argon2id and the media; harness_report.took_ms says.
 */
#ifndef SPOOLGUARD_HARNESS_HARNESS_H
#define SPOOLGUARD_HARNESS_HARNESS_H

#include "base/macros.h"
#include "base/problem.h"
#include "blockdev/residue.h"
#include "overwrite/scratch.h"
#include <stdbool.h>
#include <stdint.h>

#define HARNESS_NAME_BYTES    64
#define HARNESS_SUBJECT_BYTES 256
#define HARNESS_DETAIL_BYTES  384
#define HARNESS_ID_BYTES      33 /* 128 random bits in hex, and a NUL */

enum harness_verdict {
	HARNESS_OK,
	HARNESS_FAILED,
	HARNESS_SKIPPED,     /* there is nothing to test; detail says why */
	HARNESS_CANNOT_TELL, /* there is, and it could not be tested (H1) */
};

enum harness_weight {
	HARNESS_CLAIM,
	HARNESS_HOST,
};

/* What may be asked for by itself. */
enum harness_group {
	HARNESS_ALGORITHMS = 1u << 0, /* known answers, pairwise consistency of a signing key */
	HARNESS_RANDOM = 1u << 1,   /* SP 800-90B 4.4 on raw noise; sanity of what is conditioned */
	HARNESS_PATTERNS = 1u << 2, /* passes, streams, sampling plan */
	HARNESS_MEMORY = 1u << 3,   /* secrets are locked, not dumped, guarded */
	HARNESS_PROGRAMS = 1u << 4, /* our programs against the build manifest */
	HARNESS_MEDIA = 1u << 5,    /* options.volumes: scratch area, header, map */
	HARNESS_CONDITIONS = 1u << 6, /* of the host: swap, core dumps, ... */
	HARNESS_ALL = (1u << 7) - 1,
};

struct harness_result {
	char name[HARNESS_NAME_BYTES];	     /* "medium/overwrite" */
	char subject[HARNESS_SUBJECT_BYTES]; /* the volume it is about, or "" */
	enum harness_verdict verdict;
	enum harness_weight weight;
	char detail[HARNESS_DETAIL_BYTES]; /* what was tested, by which standard; what differed */
	char remedy[HARNESS_DETAIL_BYTES]; /* one line for the administrator; "" if it passed */
};

struct harness_report {
	char id[HARNESS_ID_BYTES]; /* of this run: receipts name it */
	int64_t began_wall_s;
	uint64_t took_ms;
	bool claims;   /* every test of weight CLAIM passed or was skipped */
	bool degraded; /* some test of weight HOST did not */
	bool injected; /* a fault was injected: the report says nothing of this machine */
	struct harness_result *results; /* owned */
	size_t count;
};

/* --- volumes --- */

/*
 * An attached volume: only its process may write to the medium, so it does, and answers
 * (volume/client.h: client_selftest_*; attached/selftest_port.h is the one in use).
 *
 * 0, or -errno if there is no answer.  What is nothing to test: -EOPNOTSUPP, it has no map;
 * -EROFS, it is read-only.  damage: an injection, -EPERM where the process takes none.
 */
struct harness_port {
	int (*overwrite)(void *context, bool damage, struct scratch_report *ret_report);
	int (*map)(void *context, bool damage, struct residue_check *ret_check);
};

struct harness_volume {
	const char *name;  /* subject of its results */
	const char *path;  /* the medium */
	const char *mount; /* where its file system is mounted, or NULL */
	const struct harness_port
		*port; /* NULL: it is not attached, and path is opened for a moment */
	void *context;
};

/* --- running --- */

struct harness_options {
	unsigned int groups; /* of enum harness_group; 0: all */
	const struct harness_volume *volumes;
	size_t volume_count;
	const char
		*manifest; /* NULL: where the build or "make install" puts it, seen from program */
	const char *program; /* NULL: /proc/self/exe */
	const char
		*host_root; /* NULL: this machine's; else a directory with proc and sys (tests) */
	const char *const
		*key_files; /* a key file for each unattended volume, ends with NULL; may be NULL */
	const char *inject; /* NULL: nothing */
	bool allow_inject;  /* the caller has made sure that no volume is open */
};

/*
 * 0 also if tests failed: the report says.  -EINVAL: no injection has that name; -EPERM:
 * injections are not allowed here (allow_inject, or a test build); -EBUSY: a run is under way;
 * -ENOMEM.
 */
must_check int harness_run(const struct harness_options *options,
	struct harness_report **ret_report, struct problem *reterr_problem);
void harness_report_free(struct harness_report *report);
DEFINE_CLEANUP(struct harness_report *, harness_report_free)

/* The index-th test that can be injected, which is every test; NULL past the last. */
const char *harness_injection(size_t index);

/* "ok", "failed", "skipped", "cannot tell"; "claim", "host": for people and for programs. */
const char *harness_verdict_name(enum harness_verdict verdict);
const char *harness_weight_name(enum harness_weight weight);
/* True for what stops or degrades something: failed, cannot tell. */
bool harness_result_is_bad(const struct harness_result *result);

#endif

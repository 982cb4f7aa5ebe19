/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - a secret's memory as the kernel has it: locked, not dumped, guarded
 *
 * crypto/secret.h asks for all three.  Here the kernel is asked what came of it: the flags of the
 * mapping in /proc/self/smaps, and what a write behind the end does to a process.
 */
#include "harness/harness_impl.h"
#include "crypto/secret.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIED_BYTES (64u << 10)

/* A sanitizer's runtime makes mlock() do nothing: its shadow is larger than any memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_SANITIZED 1
#else
#define MEMORY_SANITIZED 0
#endif

static const char remedy[] = "raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity), or run as root";

/* --- what the kernel says of a mapping --- */

struct mapping {
	uint64_t locked_kib; /* of the mapping */
	bool is_locked;	     /* "lo" */
	bool is_not_dumped;  /* "dd" */
};

struct smaps {
	FILE *file;
	char *line;
	size_t line_bytes;
};

static void smaps_done(struct smaps *smaps)
{
	if (smaps->file)
		fclose(smaps->file);
	free(smaps->line);
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *at = strstr(flags, flag);

	return at && at[-1] == ' ' && (at[2] == ' ' || at[2] == '\n' || at[2] == '\0');
}

/* -ENOENT: no such mapping; -ENOSYS: this kernel tells no flags. */
static int find_mapping(const void *address, struct mapping *ret_mapping)
{
	_cleanup_(smaps_done) struct smaps smaps = {.file = fopen("/proc/self/smaps", "re")};
	struct mapping mapping = {.is_locked = false};
	uintptr_t wanted = (uintptr_t)address, first, end;
	bool inside = false;

	if (!smaps.file)
		return -errno;
	while (getline(&smaps.line, &smaps.line_bytes, smaps.file) > 0) {
		if (sscanf(smaps.line, "%" SCNxPTR "-%" SCNxPTR " ", &first, &end) == 2) {
			if (inside)
				return -ENOSYS;
			inside = wanted >= first && wanted < end;
		} else if (inside && strncmp(smaps.line, "Locked:", 7) == 0) {
			mapping.locked_kib = strtoull(smaps.line + 7, NULL, 10);
		} else if (inside && strncmp(smaps.line, "VmFlags:", 8) == 0) {
			mapping.is_locked = has_flag(smaps.line, "lo");
			mapping.is_not_dumped = has_flag(smaps.line, "dd");
			*ret_mapping = mapping;
			return 0;
		}
	}
	return inside ? -ENOSYS : -ENOENT;
}

/* The line of /proc/self/status, in KiB. */
static int read_locked(uint64_t *ret_kib)
{
	_cleanup_(smaps_done) struct smaps status = {.file = fopen("/proc/self/status", "re")};

	if (!status.file)
		return -errno;
	while (getline(&status.line, &status.line_bytes, status.file) > 0) {
		if (strncmp(status.line, "VmLck:", 6) == 0) {
			*ret_kib = strtoull(status.line + 6, NULL, 10);
			return 0;
		}
	}
	return -ENOSYS;
}

/* --- tests --- */

struct tried {
	struct secret *secret;
	struct mapping mapping;
	uint64_t before_kib, after_kib; /* locked by the process */
};

/* damage_with: what undoes the protection, or NULL. */
static int try_secret(int (*damage_with)(void *, size_t), struct tried *tried)
{
	int r;

	r = read_locked(&tried->before_kib);
	if (r >= 0)
		r = secret_new(TRIED_BYTES, &tried->secret);
	if (r >= 0 && damage_with && damage_with(secret_bytes(tried->secret), TRIED_BYTES) < 0)
		r = -errno;
	if (r >= 0)
		r = read_locked(&tried->after_kib);
	if (r >= 0)
		r = find_mapping(secret_peek(tried->secret), &tried->mapping);
	secret_free(tried->secret);
	tried->secret = NULL;
	return r;
}

static void tell_not_tried(int error, struct outcome *out)
{
	if (error == -ENOMEM)
		outcome_failed(out, remedy, "no locked memory is given to a secret of %u bytes",
			TRIED_BYTES);
	else if (error == -ENOSYS)
		outcome_cannot_tell(out, "use a kernel with CONFIG_PROC_PAGE_MONITOR",
			"this kernel does not say what is locked");
	else
		outcome_cannot_tell(
			out, "mount /proc", "what is locked cannot be read: %s", strerror(-error));
}

static int unlock(void *at, size_t bytes)
{
	return munlock(at, bytes);
}

static void test_locked(const struct trial *trial, struct outcome *out)
{
	struct tried tried = {.secret = NULL};
	int r = try_secret(trial->damage ? unlock : NULL, &tried);

	if (r < 0)
		tell_not_tried(r, out);
	else if (MEMORY_SANITIZED && !trial->damage)
		outcome_skipped(out, "this build has a sanitizer, which locks nothing");
	else if (!tried.mapping.is_locked || tried.mapping.locked_kib < TRIED_BYTES / 1024)
		outcome_failed(out, remedy,
			"%" PRIu64 " KiB of a secret of %u KiB are locked (VmLck %" PRIu64
			" KiB before, %" PRIu64 " KiB after): it may reach swap",
			tried.mapping.locked_kib, TRIED_BYTES / 1024, tried.before_kib,
			tried.after_kib);
	else
		outcome_ok(out,
			"a secret of %u KiB is locked (VmLck %" PRIu64 " KiB before, %" PRIu64
			" KiB after)",
			TRIED_BYTES / 1024, tried.before_kib, tried.after_kib);
}

static int allow_dump(void *at, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)at & ~(page - 1);

	return madvise((void *)first, (uintptr_t)at + bytes - first, MADV_DODUMP);
}

static void test_not_dumped(const struct trial *trial, struct outcome *out)
{
	struct tried tried = {.secret = NULL};
	int r = try_secret(trial->damage ? allow_dump : NULL, &tried);

	if (r < 0)
		tell_not_tried(r, out);
	else if (!tried.mapping.is_not_dumped)
		outcome_failed(out, "use a kernel that knows MADV_DONTDUMP (3.4)",
			"a secret's memory would be part of a core dump");
	else
		outcome_ok(out, "a secret's memory is no part of a core dump (flag dd)");
}

/* --- the guard page --- */

/* In the child: nothing but memory and system calls. */
static void step_over(uint8_t *end, bool damage)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(SIGSEGV, SIG_DFL);
	if (damage)
		(void)mprotect(
			(void *)((uintptr_t)end & ~(page - 1)), page, PROT_READ | PROT_WRITE);
	*(volatile uint8_t *)end = 1;
	_exit(0);
}

/* How the child ended. */
static int try_guard(bool damage, int *ret_status)
{
	_cleanup_secret_ struct secret *secret = NULL;
	pid_t child;
	int r;

	r = secret_new(TRIED_BYTES, &secret);
	if (r < 0)
		return r;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		step_over(secret_bytes(secret) + secret_size(secret), damage);
	while (waitpid(child, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void test_guard(const struct trial *trial, struct outcome *out)
{
	int status = 0, r = try_guard(trial->damage, &status);

	if (r < 0)
		outcome_cannot_tell(out, "give the service memory and processes",
			"no child process could try it: %s", strerror(-r));
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		outcome_ok(out, "a write behind a secret's end ends the process (SIGSEGV)");
	else
		outcome_failed(
			out, "check libsodium", "a write behind a secret's end goes on unnoticed");
}

void harness_add_memory(struct harness_table *table)
{
	harness_add(table, HARNESS_MEMORY, HARNESS_CLAIM, "memory/locked", test_locked, 0);
	harness_add(table, HARNESS_MEMORY, HARNESS_CLAIM, "memory/not dumped", test_not_dumped, 0);
	harness_add(table, HARNESS_MEMORY, HARNESS_CLAIM, "memory/guard page", test_guard, 0);
}

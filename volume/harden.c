/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/harden.h"
#include <cap-ng.h>
#include <errno.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define FILES_WANTED	 2048u
#define MAPPED_BYTES_MIN (64 << 10)

/* A sanitizer's runtime makes system calls of its own and shadows the address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HARDEN_SANITIZED 1
#else
#define HARDEN_SANITIZED 0
#endif

/*
 * Locked memory cannot be given back by madvise(), which is how the C library would shrink the
 * heaps of threads: one flood of parked writes stayed resident for good.  So buffers are mappings
 * of their own, and what is small comes from the one heap that brk() shrinks.
 */
static void keep_heap_small(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
}

int harden_early(struct problem *reterr_problem)
{
	const struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit files;

	keep_heap_small();
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return problem_set(reterr_problem, -errno, "core dumps cannot be switched off: %s",
			strerror(errno));
	/* A descriptor for each control connection. */
	if (getrlimit(RLIMIT_NOFILE, &files) >= 0 && files.rlim_cur < FILES_WANTED) {
		files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)setrlimit(
		RLIMIT_MEMLOCK, &all); /* only root may; mlockall tells whether it was needed */
	if (!HARDEN_SANITIZED && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return problem_set(reterr_problem, -errno,
			"memory cannot be locked (%s), so keys might reach swap; run as root or "
			"raise RLIMIT_MEMLOCK",
			strerror(errno));
	/* Needs CAP_SYS_RESOURCE; without it a machine that is short of memory may be slower,
	 * nothing worse. */
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	return 0;
}

static const char *const allowed[] = {
	/* transfers */
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"preadv",
	"pwritev",
	"lseek",
	"fsync",
	"fdatasync",
	"fallocate",
	"fstat",
	"newfstatat",
	"statx",
	"ioctl",
	"fcntl",
	"close",
	"dup",
	"splice",
	"vmsplice",
	"pipe2",
	/* connections */
	"accept4",
	"recvfrom",
	"sendto",
	"recvmsg",
	"sendmsg",
	"getsockopt",
	"setsockopt",
	"getpeername",
	"poll",
	"ppoll",
	"shutdown",
	/* memory */
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"brk",
	"mlock",
	"munlock",
	"mlock2",
	/* threads and time */
	"futex",
	"clone",
	"clone3",
	"set_robust_list",
	"rseq",
	"rt_sigprocmask",
	"rt_sigaction",
	"rt_sigreturn",
	"sigaltstack",
	"gettid",
	"getpid",
	"tgkill",
	"sched_yield",
	"sched_getaffinity",
	"nanosleep",
	"clock_nanosleep",
	"clock_gettime",
	"gettimeofday",
	"time",
	"restart_syscall",
	"ioprio_set",
	"exit",
	"exit_group",
	"prlimit64",
	"getrusage",
	"prctl",
	/* random numbers, and its own socket at the end */
	"getrandom",
	"unlink",
	"unlinkat",
	"getuid",
	"geteuid",
};

/* Nothing of ours and nothing of a library's ever asks for these: somebody else is in here. */
static const char *const deadly[] = {"execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "mount", "umount2", "init_module", "finit_module", "bpf"};

/*
 * What is not on the list is answered "no such call", not with death: a C library that looks
 * for a setting (glibc opens /proc/sys/vm/overcommit_memory when it gives heap back) must
 * not take the spool down.
 */
static int allow_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(deadly) && r >= 0; i++) {
		int number = seccomp_syscall_resolve_name(deadly[i]);

		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0);
	}

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r >= 0; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);

		if (number != __NR_SCMP_ERROR) /* not every architecture has every call */
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	if (r >= 0)
		r = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return r;
}

static bool may_lock_without_privilege(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

int harden_late(struct problem *reterr_problem)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return problem_set(reterr_problem, -errno, "privileges cannot be given up: %s",
			strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	/* Where the limit could not be lifted, this one capability is what keeps memory locked. */
	if (!may_lock_without_privilege())
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_IPC_LOCK);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return problem_set(reterr_problem, -EPERM, "capabilities cannot be dropped");
	if (HARDEN_SANITIZED)
		return 0;
	r = allow_calls();
	if (r < 0)
		return problem_set(reterr_problem, r, "the system call filter cannot be set: %s",
			strerror(-r));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_scan.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <unistd.h>

#define TRANSFER_BYTES	 ((size_t)1 << 20)
#define DEPTH_MAX	 16u
#define PAUSE_MOST_US	 200000u /* an interrupt is heard so soon */
#define REGION_BYTES_MAX (UINT64_C(16) << 30)

int residue_scan_init(struct residue_scan *scan)
{
	int r = io_alloc(TRANSFER_BYTES, &scan->buf);

	scan->began_ns = clock_monotonic_ns();
	return r;
}

void residue_scan_done(struct residue_scan *scan)
{
	if (scan->buf)
		secret_wipe(scan->buf, TRANSFER_BYTES);
	free(scan->buf);
	scan->buf = NULL;
}

void residue_scan_begin(struct residue_scan *scan, const char *what, uint64_t total_bytes)
{
	scan->progress = (struct progress){what, 0, total_bytes};
}

/* Of what has no known length only the name is shown. */
static bool is_stopped(const struct residue_scan *scan)
{
	struct progress shown = scan->progress;

	if (shown.total_bytes == 0)
		shown = (struct progress){shown.what ? shown.what : "search", 0, 1};
	return progress_report(scan->sink, &shown);
}

int residue_scan_pace(struct residue_scan *scan, uint64_t bytes)
{
	scan->progress.done_bytes += bytes;
	scan->paced_bytes += bytes;
	for (;;) {
		uint64_t took_ns = clock_monotonic_ns() - scan->began_ns, due_ns, wait_us;

		if (is_stopped(scan))
			return -ECANCELED;
		if (scan->rate_bytes == 0)
			return 0;
		due_ns = (uint64_t)((double)scan->paced_bytes * 1e9 / (double)scan->rate_bytes);
		if (due_ns <= took_ns)
			return 0;
		wait_us = (due_ns - took_ns) / 1000;
		usleep((useconds_t)(wait_us < PAUSE_MOST_US ? wait_us : PAUSE_MOST_US));
	}
}

/* --- matches --- */

struct finding {
	struct residue_place *place;
	char where[RESIDUE_WHERE_BYTES];
	uint64_t base; /* of the stream's offsets */
};

static void found(void *context, const struct search_hit *hit)
{
	struct finding *finding = context;
	struct search_hit at = *hit;

	at.offset -= finding->base;
	residue_place_hit(finding->place, &at, finding->where);
}

void residue_scan_path(
	const struct residue_scan *scan, const char *path, char ret[static RESIDUE_WHERE_BYTES])
{
	snprintf(ret, RESIDUE_WHERE_BYTES, "%s", path);
	for (enum canary_word word = 0; word < CANARY_WORDS; word++) {
		_cleanup_secret_ struct secret *text = NULL;
		char *at;

		if (residue_canary_reveal(scan->canary, word, &text) < 0) {
			snprintf(ret, RESIDUE_WHERE_BYTES, "a file");
			return;
		}
		while ((at = strstr(ret, (const char *)secret_peek(text))) != NULL)
			memset(at, '*', CANARY_WORD_BYTES);
	}
}

/* --- files and devices --- */

/* Z1 */
static int open_to_search(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_DIRECT);

	if (fd >= 0 || errno != EINVAL)
		return fd >= 0 ? fd : -errno;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

/* To the end of what the descriptor gives; r < 0 of a read that failed. */
static int feed(struct residue_scan *scan, int fd, struct search_stream *stream,
	struct residue_place *place, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t want = to - from < TRANSFER_BYTES ? (size_t)(to - from) : TRANSFER_BYTES;
		ssize_t n;
		int r;

		n = pread(fd, scan->buf, (want + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
			(off_t)from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if ((size_t)n > want)
			n = (ssize_t)want;
		search_stream_feed(stream, from, scan->buf, (size_t)n);
		place->bytes += (uint64_t)n;
		from += (uint64_t)n;
		r = residue_scan_pace(scan, (uint64_t)n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int length_of(int fd, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode)) {
		*ret_bytes = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return -EMEDIUMTYPE;
	return ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
}

int residue_scan_file(struct residue_scan *scan, struct residue_place *place, const char *path)
{
	_cleanup_(search_stream_freep) struct search_stream *stream = NULL;
	struct finding finding = {.place = place};
	_cleanup_close_ int fd = -1;
	uint64_t bytes = 0;
	int r;

	residue_scan_path(scan, path, finding.where);
	fd = open_to_search(path);
	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? fd : length_of(fd, &bytes);
	if (r >= 0)
		r = search_stream_new(scan->search, found, &finding, &stream);
	if (r >= 0)
		r = feed(scan, fd, stream, place, 0, bytes);
	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r < 0)
		residue_place_fail(place, "%s: %s", finding.where, strerror(-r));
	else
		place->things++;
	return 0;
}

/* --- directories --- */

struct tree {
	struct residue_scan *scan;
	struct residue_place *place;
	int64_t since_s;
	dev_t device;
};

static int search_directory(struct tree *tree, const char *path, unsigned int depth);

static int search_entry(struct tree *tree, const char *path, unsigned int depth)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0; /* it has gone */
	if (S_ISDIR(st.st_mode) && tree->scan->skip_hidden && strrchr(path, '/')[1] == '.')
		return 0;
	if (S_ISDIR(st.st_mode))
		return st.st_dev == tree->device ? search_directory(tree, path, depth + 1) : 0;
	if (!S_ISREG(st.st_mode) || st.st_mtime < tree->since_s)
		return 0;
	return residue_scan_file(tree->scan, tree->place, path);
}

static int search_directory(struct tree *tree, const char *path, unsigned int depth)
{
	char where[RESIDUE_WHERE_BYTES];
	struct dirent *entry;
	DIR *directory;
	int r = 0;

	residue_scan_path(tree->scan, path, where);
	directory = depth < DEPTH_MAX ? opendir(path) : NULL;
	if (!directory) {
		if (depth >= DEPTH_MAX || errno != ENOENT)
			residue_place_fail(tree->place, "%s: %s", where,
				depth < DEPTH_MAX ? strerror(errno) : "directories lie too deep");
		return 0;
	}
	while (r >= 0 && (entry = readdir(directory))) {
		char file[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < PATH_MAX)
			r = search_entry(tree, file, depth);
		else
			residue_place_fail(tree->place, "%s: a path is too long", where);
	}
	closedir(directory);
	return r;
}

int residue_scan_tree(struct residue_scan *scan, struct residue_place *place, const char *directory,
	int64_t since_s)
{
	struct tree tree = {.scan = scan, .place = place, .since_s = since_s};
	struct stat st;

	if (stat(directory, &st) < 0) {
		if (errno != ENOENT)
			residue_place_fail(place, "%.100s: %s", directory, strerror(errno));
		return 0;
	}
	tree.device = st.st_dev;
	return search_directory(&tree, directory, 0);
}

/* --- memory --- */

/* A line of /proc/PID/maps: what may be written to. */
static bool is_region(const char *line, uint64_t *ret_from, uint64_t *ret_to)
{
	char rights[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", ret_from, ret_to, rights) != 3)
		return false;
	return rights[0] == 'r' && rights[1] == 'w' && !strstr(line, "[v") && *ret_to > *ret_from &&
	       *ret_to - *ret_from <= REGION_BYTES_MAX;
}

/* Pages that cannot be read (a device's, or gone meanwhile) are passed over one by one. */
static int search_region(struct residue_scan *scan, struct residue_place *place, int fd,
	struct search_stream *stream, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t want = to - from < TRANSFER_BYTES ? (size_t)(to - from) : TRANSFER_BYTES;
		ssize_t n = pread(fd, scan->buf, want, (off_t)from);
		int r;

		if (n <= 0) {
			from += BLOCK_BYTES;
			continue;
		}
		search_stream_feed(stream, from, scan->buf, (size_t)n);
		place->bytes += (uint64_t)n;
		from += (uint64_t)n;
		r = residue_scan_pace(scan, (uint64_t)n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int search_maps(struct residue_scan *scan, struct residue_place *place, FILE *maps, int fd,
	struct search_stream *stream)
{
	char line[PATH_MAX + 128];
	uint64_t from, to, before = place->bytes;
	int r = 0;

	while (r >= 0 && fgets(line, sizeof(line), maps)) {
		if (is_region(line, &from, &to))
			r = search_region(scan, place, fd, stream, from, to);
	}
	return r < 0 ? r : place->bytes == before ? -EIO : 0;
}

int residue_scan_memory(
	struct residue_scan *scan, struct residue_place *place, pid_t pid, const char *name)
{
	_cleanup_(search_stream_freep) struct search_stream *stream = NULL;
	struct finding finding = {.place = place};
	_cleanup_close_ int fd = -1;
	char path[64];
	FILE *maps;
	int r;

	if (pid == getpid())
		return 0;
	snprintf(finding.where, sizeof(finding.where), "%s (process %d)", name, (int)pid);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	r = maps ? 0 : -errno;
	if (r >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	if (r >= 0)
		r = search_stream_new(scan->search, found, &finding, &stream);
	if (r >= 0)
		r = search_maps(scan, place, maps, fd, stream);
	if (maps)
		fclose(maps);
	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r < 0)
		residue_place_fail(place, "%s: %s", finding.where, strerror(-r));
	else
		place->things++;
	return 0;
}

/* The program that a process runs; also one that was replaced on the disk since. */
static bool read_program(const char *process, char ret_path[static PATH_MAX])
{
	char path[300];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", process);
	n = readlink(path, ret_path, PATH_MAX - 1);
	if (n > 0)
		ret_path[n] = '\0';
	return n > 0;
}

int residue_scan_programs(
	struct residue_scan *scan, struct residue_place *place, pid_t like, const char *name)
{
	char process[16], program[PATH_MAX], other[PATH_MAX];
	struct dirent *entry;
	DIR *directory;
	int r = 0;

	snprintf(process, sizeof(process), "%d", (int)like);
	directory = read_program(process, program) ? opendir("/proc") : NULL;
	if (!directory) {
		residue_place_fail(place, "%s (process %s): %s", name, process, strerror(errno));
		return 0;
	}
	while (r >= 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
			!read_program(entry->d_name, other) || strcmp(program, other) != 0)
			continue;
		r = residue_scan_memory(scan, place, (pid_t)atoi(entry->d_name), name);
	}
	closedir(directory);
	return r;
}

/* --- swap --- */

/* A name in /proc/swaps has its blanks as octal numbers. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at;) {
		if (at[0] == '\\' && strspn(at + 1, "01234567") >= 3) {
			*to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
}

int residue_scan_swap(struct residue_scan *scan, struct residue_place *place)
{
	char line[PATH_MAX + 256];
	FILE *swaps = fopen("/proc/swaps", "re");
	int r = 0;

	if (!swaps) {
		residue_place_fail(place, "/proc/swaps: %s", strerror(errno));
		return 0;
	}
	while (r >= 0 && fgets(line, sizeof(line), swaps)) {
		if (line[0] != '/')
			continue;
		line[strcspn(line, " \t\n")] = '\0';
		unescape(line);
		if (access(line, F_OK) < 0)
			residue_place_fail(place, "%s: %s", line, strerror(errno));
		else
			r = residue_scan_file(scan, place, line);
	}
	fclose(swaps);
	return r;
}

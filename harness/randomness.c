/* SPDX-License-Identifier: Apache-2.0 */
/*
 * randomness.c - the raw noise source, and the generators that everything draws from
 *
 * Where the machine has a noise source (/dev/hwrng), SP 800-90B's health tests are made on what it
 * gives, with cutoffs from the entropy that its driver claims (health.h).  The output of a
 * generator is conditioned: a broken source behind it does not show there.  The same tests on it
 * find a generator that is stuck, and are named for what they are: a sanity check.
 *
 * A sound source fails such a test once in about a million windows.  So one that failed is drawn
 * from once more, and has failed if it does so again.
 */
#include "harness/harness_impl.h"
#include "base/io.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "harness/health.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NOISE_DEVICE	"/dev/hwrng"
#define NOISE_FACTS	"/sys/class/misc/hw_random/"
#define NOISE_WAIT_MS	5000
#define CLAIM_IF_SILENT 1.0 /* bits a byte, where the driver claims nothing */

enum source { SOURCE_NOISE, SOURCE_SYSTEM, SOURCE_GENERATOR };
enum { REPETITION = 1, PROPORTION = 2 };

static const struct kind {
	const char *name;
	enum source source;
	unsigned int tests;
} kinds[] = {
	{"random/noise repetition count", SOURCE_NOISE, REPETITION},
	{"random/noise adaptive proportion", SOURCE_NOISE, PROPORTION},
	{"random/system sanity", SOURCE_SYSTEM, REPETITION | PROPORTION},
	{"random/generator sanity", SOURCE_GENERATOR, REPETITION | PROPORTION},
};

struct draw {
	const struct kind *kind;
	char from[48];
	double min_entropy; /* bits a sample */
	unsigned int run, most;
	unsigned int run_cutoff, most_cutoff;
};

/* --- samples --- */

static int read_fact(const char *name, char *buf, size_t buf_bytes)
{
	_cleanup_close_ int fd = -1;
	char path[96];
	size_t bytes;
	int r;

	snprintf(path, sizeof(path), NOISE_FACTS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, buf, buf_bytes - 1, &bytes);
	if (r < 0)
		return r;
	buf[bytes] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* The driver claims bits of entropy in 1024 bits. */
static void describe_noise(struct draw *draw)
{
	char quality[16];
	long claimed = 0;

	if (read_fact("rng_current", draw->from, sizeof(draw->from)) < 0)
		snprintf(draw->from, sizeof(draw->from), NOISE_DEVICE);
	if (read_fact("rng_quality", quality, sizeof(quality)) >= 0)
		claimed = strtol(quality, NULL, 10);
	draw->min_entropy =
		claimed > 0 && claimed <= 1024 ? 8.0 * (double)claimed / 1024 : CLAIM_IF_SILENT;
}

/* -ENOENT, -ENODEV: there is no source; -ETIMEDOUT: it gives nothing. */
static int read_noise(uint8_t *samples, size_t count)
{
	_cleanup_close_ int fd = open(NOISE_DEVICE, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	for (int waited_ms = 0; count > 0;) {
		ssize_t n = read(fd, samples, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == EAGAIN)) { /* it does not tell poll() when */
			if (waited_ms >= NOISE_WAIT_MS)
				return -ETIMEDOUT;
			waited_ms += 10;
			(void)poll(NULL, 0, 10);
			continue;
		}
		if (n < 0)
			return -errno;
		samples += n;
		count -= (size_t)n;
	}
	return 0;
}

static int read_system(uint8_t *samples, size_t count)
{
	for (size_t got = 0; got < count;) {
		ssize_t n = getrandom(samples + got, count - got, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		got += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int read_source(struct draw *draw, uint8_t *samples, size_t count)
{
	draw->min_entropy = 8;
	switch (draw->kind->source) {
	case SOURCE_NOISE:
		describe_noise(draw);
		return read_noise(samples, count);
	case SOURCE_SYSTEM:
		snprintf(draw->from, sizeof(draw->from), "getrandom");
		return read_system(samples, count);
	case SOURCE_GENERATOR:
		snprintf(draw->from, sizeof(draw->from), "our generator");
		return random_bytes(samples, count);
	}
	abort();
}

/*
 * A source that is stuck takes this one's place, also where there is none.  For the proportion: one
 * value nearly always, but no run of it that is long enough for the other test.
 */
static void get_stuck(const struct draw *draw, uint8_t *samples, size_t count)
{
	unsigned int run = health_repetition_cutoff(draw->min_entropy) - 1;

	for (size_t i = 0; i < count; i++) {
		if (draw->kind->tests & REPETITION || i % (run + 1) != run)
			samples[i] = 0x5a;
		else
			samples[i] = 0xa5;
	}
}

/* --- tests --- */

static bool is_healthy(const struct draw *draw)
{
	return (!(draw->kind->tests & REPETITION) || draw->run < draw->run_cutoff) &&
	       (!(draw->kind->tests & PROPORTION) || draw->most < draw->most_cutoff);
}

static int draw_once(struct draw *draw, bool damage)
{
	uint8_t samples[HEALTH_SAMPLES];
	int r = read_source(draw, samples, sizeof(samples));

	if (damage) {
		get_stuck(draw, samples, sizeof(samples));
		r = 0;
	}
	if (r < 0)
		return r;
	draw->run = health_longest_run(samples, sizeof(samples));
	draw->most = health_most_frequent(samples, sizeof(samples));
	draw->run_cutoff = health_repetition_cutoff(draw->min_entropy);
	draw->most_cutoff = health_proportion_cutoff(draw->min_entropy);
	secret_wipe(samples, sizeof(samples));
	return 0;
}

static void describe(const struct draw *draw, char *text, size_t text_bytes)
{
	char run[64] = "", most[64] = "";

	if (draw->kind->tests & REPETITION)
		snprintf(run, sizeof(run), "; longest run %u, cutoff %u (4.4.1)", draw->run,
			draw->run_cutoff);
	if (draw->kind->tests & PROPORTION)
		snprintf(most, sizeof(most), "; %u of %u alike, cutoff %u (4.4.2)", draw->most,
			HEALTH_WINDOW, draw->most_cutoff);
	snprintf(text, text_bytes,
		"%u bytes of %s, %s %.2f bits each%s%s; SP 800-90B, alpha 2^-%u%s", HEALTH_SAMPLES,
		draw->from, draw->kind->source == SOURCE_NOISE ? "claimed" : "taken for",
		draw->min_entropy, run, most, HEALTH_ALPHA_BITS,
		draw->kind->source == SOURCE_NOISE ? "" : "; a sanity check of conditioned output");
}

static void tell_no_samples(const struct draw *draw, int error, struct outcome *out)
{
	if (draw->kind->source == SOURCE_NOISE &&
		(error == -ENOENT || error == -ENODEV || error == -ENXIO))
		outcome_skipped(out, "this machine offers no raw noise source (" NOISE_DEVICE ")");
	else if (error == -EACCES || error == -EPERM)
		outcome_cannot_tell(out, "run as root", NOISE_DEVICE ": %s", strerror(-error));
	else
		outcome_cannot_tell(out,
			"check the noise source, or take it out of use (its kernel module)",
			"%s: %s", draw->from, strerror(-error));
}

static void test_source(const struct trial *trial, struct outcome *out)
{
	struct draw draw = {.kind = &kinds[trial->index]};
	char text[HARNESS_DETAIL_BYTES];
	int r;

	r = draw_once(&draw, trial->damage);
	if (r >= 0 && !is_healthy(&draw))
		r = draw_once(&draw, trial->damage);
	if (r < 0) {
		tell_no_samples(&draw, r, out);
		return;
	}
	describe(&draw, text, sizeof(text));
	if (is_healthy(&draw))
		outcome_ok(out, "%s", text);
	else
		outcome_failed(out,
			draw.kind->source == SOURCE_NOISE
				? "take the noise source out of use, or replace it"
				: "stop using this machine for keys: its random numbers repeat",
			"failed twice: %s", text);
}

void harness_add_randomness(struct harness_table *table)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		harness_add(table, HARNESS_RANDOM, HARNESS_CLAIM, kinds[i].name, test_source, i);
}

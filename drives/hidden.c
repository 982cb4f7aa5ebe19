/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/hidden.h"
#include "base/bytes.h"
#include "drives/ata_impl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	SET_MAX = 0xf9,
	SET_MAX_EXT = 0x37,
	ACCESSIBLE_MAX = 0x78,
	SET_ACCESSIBLE = 0x0001, /* features */
	CONFIGURATION = 0xb1,
	RESTORE = 0xc0, /* features */
	STAYS = 1,	/* count: also after the power is gone */
	TRIES = 3,
	SIZE_BYTES = 32,
};

#define STEP_HPA "lift-hpa"
#define STEP_AMA "lift-ama"
#define STEP_DCO "restore-dco"

static int note(const struct hidden_run *run, const char *step, bool done)
{
	int r = run->record(run->context, METHOD_KINDS, step, done);

	return r < 0 ? r : 0;
}

/* What is said last stands; what was refused before it is kept. */
static void say(struct hidden_result *result, const char *text, const char *more)
{
	size_t used = strlen(result->detail);

	snprintf(result->detail + used, sizeof(result->detail) - used, "%s%s%s",
		used > 0 ? "; " : "", text, more);
}

/* 1: done; 0: refused, and said; -errno. */
static int send(const struct hidden_run *run, const char *step, struct ata_command *ata,
	const char *what, struct hidden_result *result)
{
	int r = note(run, step, false), taken;

	if (r < 0)
		return r;
	taken = ata_send(run->port, ata);
	if (taken < 0)
		return taken;
	if (taken == 0)
		say(result, what, ata->refusal);
	r = note(run, step, true);
	return r < 0 ? r : taken;
}

/*
 * The native address is asked for right before, as the standard wants; something else that uses
 * the drive may come between, so that a refusal is tried again.
 */
static int lift_hpa(const struct hidden_run *run, const struct ata_identity *identity,
	uint64_t highest, bool stays, struct hidden_result *result)
{
	struct ata_command set = {.refusal = "its native address is not told"};
	int r = note(run, STEP_HPA, false), taken = 0;

	if (r < 0)
		return r;
	for (unsigned int tries = 0; taken == 0 && tries < TRIES; tries++) {
		if (ata_native_highest(run->port, identity) != highest)
			continue;
		set = (struct ata_command){.command = identity->extended ? SET_MAX_EXT : SET_MAX,
			.extended = identity->extended,
			.count = stays ? STAYS : 0,
			.lba = highest};
		taken = ata_send(run->port, &set);
		if (taken < 0)
			return taken;
	}
	if (taken == 0)
		say(result, "SET MAX ADDRESS: ", set.refusal);
	return note(run, STEP_HPA, true);
}

static int lift_ama(const struct hidden_run *run, uint64_t highest, struct hidden_result *result)
{
	struct ata_command set = {.command = ACCESSIBLE_MAX,
		.extended = true,
		.features = SET_ACCESSIBLE,
		.lba = highest};

	return send(run, STEP_AMA, &set, "SET ACCESSIBLE MAX ADDRESS: ", result);
}

/* What lies behind an address that was set.  anew: also where it is open now, to have it stay. */
static int lift_address(
	const struct hidden_run *run, bool stays, bool anew, struct hidden_result *result)
{
	struct ata_identity identity;
	uint64_t highest;
	int r = ata_identify(run->port, &identity);

	if (r < 0)
		return r;
	if (!identity.ama && !identity.hpa)
		return 0;
	highest = ata_native_highest(run->port, &identity);
	if (highest + 1 < identity.sectors || (highest + 1 == identity.sectors && !anew))
		return 0;
	if (identity.ama)
		return anew && highest + 1 == identity.sectors ? 0 : lift_ama(run, highest, result);
	return lift_hpa(run, &identity, highest, stays, result);
}

/* A permanent end of the HPA is taken once, so that it comes last. */
static int lift_all(
	const struct hidden_run *run, const struct drive_facts *facts, struct hidden_result *result)
{
	struct ata_command restore = {.command = CONFIGURATION, .features = RESTORE};
	bool restores = facts->dco && run->restore_dco;
	int r = 0;

	if (facts->hpa || facts->ama)
		r = lift_address(run, run->permanent && !restores, false, result);
	if (r >= 0 && restores)
		r = send(run, STEP_DCO, &restore, "DEVICE CONFIGURATION RESTORE: ", result);
	if (r >= 0 && restores)
		r = lift_address(run, run->permanent, run->permanent && facts->hpa, result);
	return r;
}

static void say_end(const struct hidden_run *run, struct hidden_result *result)
{
	char size[SIZE_BYTES], text[FACTS_WHY_BYTES / 2];

	if (result->bytes_native == 0) {
		say(result, "its native size is not told any more", "");
		return;
	}
	if (!result->lifted) {
		bytes_format_size(result->bytes_native - result->bytes_after, size, sizeof(size));
		snprintf(text, sizeof(text), "%s stay hidden", size);
		say(result, text, "");
		if (result->dco && !run->restore_dco)
			say(result, "to restore its configuration was not asked for", "");
		return;
	}
	bytes_format_size(result->bytes_after - result->bytes_before, size, sizeof(size));
	snprintf(text, sizeof(text), "%s more can be reached", size);
	say(result, text, result->hpa && !run->permanent ? ", until the drive loses power" : "");
	if (result->bytes_of_device > 0 && result->bytes_of_device < result->bytes_after)
		say(result, "the system still has the old size: have it scan the drive anew", "");
}

/* NULL, or why there is nothing to do. */
static const char *nothing_to_do(const struct drive_facts *facts)
{
	if (!facts->is_ata)
		return "no command of its interface opens hidden areas";
	if (facts->native_bytes == 0)
		return "the drive does not tell its native size: what is hidden is not known";
	return facts->hpa || facts->ama || facts->dco ? NULL : "nothing is hidden";
}

int hidden_lift(
	const struct hidden_run *run, struct drive_facts *facts, struct hidden_result *ret_result)
{
	struct hidden_result result = {.bytes_before = facts->bytes,
		.bytes_after = facts->bytes,
		.bytes_native = facts->native_bytes,
		.bytes_of_device = run->port->bytes,
		.hpa = facts->hpa,
		.ama = facts->ama,
		.dco = facts->dco};
	const char *why_not = nothing_to_do(facts);
	struct drive_facts after;
	int r;

	assert(run->record); /* L1 */
	*ret_result = result;
	if (why_not) {
		say(ret_result, why_not, "");
		return 0;
	}
	r = lift_all(run, facts, &result);
	if (r < 0)
		return r;
	if (run->port->ops->rescan)
		(void)run->port->ops->rescan(run->port->context);
	r = facts_ask(run->port, &after);
	if (r < 0)
		return r;
	result.bytes_after = after.bytes;
	result.bytes_native = after.native_bytes;
	result.bytes_of_device = run->port->bytes;
	result.lifted = after.bytes > 0 && after.bytes == after.native_bytes; /* L2 */
	say_end(run, &result);
	*facts = after;
	*ret_result = result;
	return 0;
}

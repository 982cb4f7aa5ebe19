/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ata_security.c - SECURITY ERASE UNIT, normal and enhanced (ACS-4 4.18, 7.37 to 7.42)
 *
 *   no password --SET PASSWORD--> password set --ERASE PREPARE, ERASE UNIT--> no password
 *                                      |  ^
 *                             power cut v  | UNLOCK
 *                                    locked --ERASE PREPARE, ERASE UNIT--> no password
 *
 *   U1  The only password that is ever set is METHOD_ATA_PASSWORD, and that is recorded first.
 *   U2  It is taken off again after an erase that was refused or failed.
 *   U3  The state is what IDENTIFY says before and after each step: a bridge that swallows
 *       commands answers them all.  An erase that is done has taken the password off.
 *   U4  A drive that somebody else locked gets one try of the documented password, so that what
 *       an earlier run left behind is opened, and the drive's few tries are not used up.
 */
#include "drives/ata_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	PASSWORD_AT = 2,
	ENHANCED = 1 << 1, /* of word 0 of ERASE UNIT; for the user password all else is 0 */
};

#define STEP_SET_PASSWORD "set-password"
#define STEP_UNLOCK	  "unlock"
#define STEP_TAKE_OFF	  "take-password-off"

/* 1, 0 (refused), or -errno: not delivered, and the result is LOST. */
static int send(const struct method_run *run, struct method_result *result, struct ata_command *ata)
{
	int r = ata_send(run->port, ata);

	if (r < 0)
		method_say(result, METHOD_LOST, "the drive did not answer: %s", strerror(-r));
	return r;
}

static int send_password(const struct method_run *run, struct method_result *result,
	struct ata_command *ata, uint8_t flags)
{
	uint8_t page[ATA_PAGE_BYTES] = {flags};

	memcpy(page + PASSWORD_AT, METHOD_ATA_PASSWORD, strlen(METHOD_ATA_PASSWORD));
	ata->data = page;
	ata->to_drive = true;
	ata->count = 1;
	return send(run, result, ata);
}

static int look(const struct method_run *run, struct method_result *result,
	struct ata_identity *ret_identity)
{
	int r = ata_identify(run->port, ret_identity);

	if (r < 0)
		method_say(
			result, METHOD_LOST, "the drive does not tell its state: %s", strerror(-r));
	return r;
}

/* --- before --- */

static int say_frozen(struct method_result *result)
{
	method_say(result, METHOD_READY,
		"its security is frozen: suspend the machine and wake it, or switch the drive off "
		"and on, then try again");
	return -EPERM;
}

static int say_expired(struct method_result *result)
{
	method_say(result, METHOD_READY,
		"too many wrong passwords were tried: switch the drive off and on, then try "
		"again");
	return -EPERM;
}

/* U4 */
static int unlock(const struct method_run *run, struct method_result *result)
{
	struct ata_command ata = {.command = ATA_UNLOCK};
	int r = method_note(run, STEP_UNLOCK, false);

	if (r < 0)
		return r;
	r = send_password(run, result, &ata, 0);
	if (r < 0)
		return r;
	if (r == 0) {
		method_say(result, METHOD_READY,
			"it is locked with a password that is not known here: unlock it with that, "
			"or with its master password, then try again");
		return -EPERM;
	}
	return method_note(run, STEP_UNLOCK, true);
}

/* U1.  1: it is set; 0: FAILED is said. */
static int set_password(const struct method_run *run, struct method_result *result)
{
	struct ata_command ata = {.command = ATA_SET_PASSWORD};
	struct ata_identity identity;
	int r = method_note(run, STEP_SET_PASSWORD, false), taken;

	if (r < 0)
		return r;
	taken = send_password(run, result, &ata, 0);
	if (taken < 0)
		return taken;
	r = look(run, result, &identity);
	if (r >= 0)
		r = method_note(run, STEP_SET_PASSWORD, true);
	if (r < 0)
		return r;
	if (taken > 0 && identity.enabled)
		return 1;
	if (taken == 0)
		method_say(result, METHOD_FAILED, "the drive refuses a password: %s", ata.refusal);
	else
		method_say(result, METHOD_FAILED,
			"the drive has no password after one was set: the command came to nothing");
	return 0;
}

/* --- the erase --- */

static int prepare_and_erase(
	const struct method_run *run, struct method_result *result, struct ata_command *erase)
{
	struct ata_command prepare = {.command = ATA_ERASE_PREPARE};
	bool enhanced = run->kind == METHOD_ATA_ENHANCED_SECURITY_ERASE;
	int r = method_note(run, METHOD_STEP_ERASE, false);

	if (r < 0)
		return r;
	r = send(run, result, &prepare);
	if (r < 0)
		return r;
	if (r == 0) {
		memcpy(erase->refusal, prepare.refusal, sizeof(erase->refusal));
		return 0;
	}
	return send_password(run, result, erase, enhanced ? ENHANCED : 0);
}

static int erase(const struct method_run *run, struct method_result *result)
{
	struct ata_command command = {
		.command = ATA_ERASE_UNIT, .timeout_ms = method_command_ms(run)};
	struct ata_identity identity;
	int taken = prepare_and_erase(run, result, &command), r;

	if (taken < 0)
		return taken;
	r = look(run, result, &identity);
	if (r < 0)
		return r;
	if (taken == 0) {
		method_say(
			result, METHOD_FAILED, "the drive refuses the erase: %s", command.refusal);
	} else if (identity.enabled || identity.locked) { /* U3 */
		method_say(result, METHOD_FAILED,
			"the drive says that it succeeded, and has kept its password: the command "
			"came to nothing");
	} else {
		result->progress = PROGRESS_WHOLE;
		method_say(result, METHOD_DONE, "the drive says that it succeeded");
	}
	return 0;
}

static int check_state(struct method_result *result, const struct ata_identity *identity)
{
	if (identity->frozen)
		return say_frozen(result);
	return identity->count_expired ? say_expired(result) : 0;
}

int ata_security_start(const struct method_run *run, struct method_result *result)
{
	struct ata_identity identity;
	int r = ata_identify(run->port, &identity);

	if (r >= 0)
		r = check_state(result, &identity);
	if (r >= 0 && identity.locked)
		r = unlock(run, result);
	if (r >= 0)
		r = set_password(run, result);
	return r <= 0 ? r : erase(run, result);
}

/*
 * Locked, the password is ours by the record.  A drive that was cut off in the middle of an erase
 * may take nothing but the erase; one that does not take it is tried with UNLOCK.
 */
int ata_security_resume(const struct method_run *run, struct method_result *result)
{
	struct ata_identity identity;
	int r = look(run, result, &identity);

	if (r < 0)
		return r;
	r = check_state(result, &identity);
	if (r < 0)
		return r;
	if (!identity.locked)
		return ata_security_start(run, result);
	r = erase(run, result);
	if (r < 0 || result->state == METHOD_DONE)
		return r;
	return ata_security_start(run, result);
}

/* Asked only after its answer was lost. */
int ata_security_poll(const struct method_run *run, struct method_result *result)
{
	struct ata_identity identity;
	int r = ata_identify(run->port, &identity);

	if (r < 0)
		return r;
	method_say(result, METHOD_FAILED, "the erase was cut off, and its end is not known");
	return 0;
}

/* --- after --- */

static void say_kept(struct method_result *result, const char *why)
{
	size_t used = strlen(result->detail);

	snprintf(result->detail + used, sizeof(result->detail) - used,
		"; a password stays set (\"%s\" if it is ours): %s", METHOD_ATA_PASSWORD, why);
}

/* U2.  Whatever becomes of it, what was said of the erase stays said. */
static int take_off(const struct method_run *run, struct method_result *result, bool locked)
{
	struct ata_command open = {.command = ATA_UNLOCK}, off = {.command = ATA_TAKE_OFF};
	struct method_result ignored;
	struct ata_identity identity;
	int r = locked ? send_password(run, &ignored, &open, 0) : 1;

	if (r > 0)
		r = send_password(run, &ignored, &off, 0);
	if (r >= 0 && ata_identify(run->port, &identity) >= 0 && !identity.enabled)
		return 0;
	say_kept(result, r < 0			   ? strerror(-r)
			 : off.refusal[0] != '\0'  ? off.refusal
			 : open.refusal[0] != '\0' ? open.refusal
						   : "taken off, it says, and it is there");
	return r < 0 ? r : 0;
}

int ata_security_finish(const struct method_run *run, struct method_result *result)
{
	struct ata_identity identity;
	int r, noted;

	if (result->state != METHOD_FAILED)
		return 0;
	r = ata_identify(run->port, &identity);
	if (r < 0) {
		say_kept(result, "it does not tell its state");
		return r;
	}
	if (!identity.enabled)
		return 0;
	r = method_note(run, STEP_TAKE_OFF, false);
	if (r < 0)
		return r;
	r = take_off(run, result, identity.locked);
	noted = r < 0 ? r : method_note(run, STEP_TAKE_OFF, true);
	return noted;
}

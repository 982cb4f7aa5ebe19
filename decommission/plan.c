/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/plan.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SERVER_COMM "spoolguard-volu" /* the kernel keeps 15 bytes of a program's name */

static void refuse(struct plan *plan, const char *format, ...) format_printf(2, 3);
static void refuse(struct plan *plan, const char *format, ...)
{
	va_list arguments;

	/* The first ones are enough to refuse. */
	if (plan->refusal_count == PLAN_REFUSALS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(plan->refusals[plan->refusal_count++], RECORD_LINE_BYTES, format, arguments);
	va_end(arguments);
}

static void note(struct plan *plan, const char *format, ...) format_printf(2, 3);
static void note(struct plan *plan, const char *format, ...)
{
	va_list arguments;

	if (plan->note_count == PLAN_NOTES_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(plan->notes[plan->note_count++], RECORD_LINE_BYTES, format, arguments);
	va_end(arguments);
}

static void say(char line[static RECORD_LINE_BYTES], const char *format, ...) format_printf(2, 3);
static void say(char line[static RECORD_LINE_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, RECORD_LINE_BYTES, format, arguments);
	va_end(arguments);
}

/* --- P1: who uses it --- */

static bool is_mount_of_volume(const struct target *target, const char *where)
{
	for (size_t i = 0; i < target->volume_count; i++) {
		if (target->volumes[i].attached && target->volumes[i].mount[0] &&
			strcmp(target->volumes[i].mount, where) == 0)
			return true;
	}
	return false;
}

static bool has_attached_volume(const struct target *target)
{
	for (size_t i = 0; i < target->volume_count; i++) {
		if (target->volumes[i].attached)
			return true;
	}
	return false;
}

bool plan_is_own_use(const struct target *target, const struct usage *use)
{
	switch (use->kind) {
	case USAGE_VOLUME:
		return true;
	case USAGE_MOUNT:
		return is_mount_of_volume(target, use->text);
	case USAGE_OPEN:
		return has_attached_volume(target) &&
		       strncmp(use->text, SERVER_COMM, strlen(SERVER_COMM)) == 0;
	default:
		return false;
	}
}

static const char *way_out(enum usage_kind kind)
{
	switch (kind) {
	case USAGE_MOUNT:
		return "unmount it first";
	case USAGE_SWAP:
		return "end that with swapoff first";
	case USAGE_LVM:
		return "a member of LVM is not a drive of its own: take it out of its volume group "
		       "first";
	case USAGE_RAID:
		return "a member of a RAID is not a drive of its own: take it out of the array "
		       "first";
	case USAGE_MULTIPATH:
		return "one path is not the drive: remove the map (multipath -f), and leave one "
		       "path "
		       "connected";
	case USAGE_MAPPED:
		return "end that mapping (dmsetup remove) first";
	case USAGE_LOOP:
		return "detach that loop device (losetup -d) first";
	case USAGE_OPEN:
		return "end that program first";
	case USAGE_SYSTEM:
		return "if this machine itself is what dies, say --this-machine";
	case USAGE_VOLUME:
	case USAGE_UNKNOWN:
		break;
	}
	return "find out what it is first";
}

/* What the running system has of its own disk is told once, as that (P4). */
static bool is_system_use(const struct usage *use)
{
	return use->kind == USAGE_SYSTEM || use->kind == USAGE_MOUNT || use->kind == USAGE_SWAP;
}

static void look_at_uses(struct plan *plan, const struct plan_request *request)
{
	const struct target *target = plan->target;
	char text[USAGE_TEXT_BYTES + DRIVE_TEXT_BYTES];

	for (size_t i = 0; i < target->uses.count; i++) {
		const struct usage *use = &target->uses.items[i];

		if (plan_is_own_use(target, use))
			continue;
		if (target->is_system && (is_system_use(use) || request->this_machine))
			continue;
		refuse(plan, "%s is in use (%s): %s", target->path,
			usage_describe(use, text, sizeof(text)), way_out(use->kind));
	}
}

static void look_at_drive(struct plan *plan)
{
	const struct target *target = plan->target;

	if (target->is_twin)
		refuse(plan,
			"%s cannot be told from another drive that is connected (%s \"%s\"): "
			"disconnect "
			"all of them but the one that is meant",
			target->path,
			target->identity.is_stand_in ? "it tells no serial number, stand-in"
						     : "serial number",
			target->identity.serial);
	if (target->read_only)
		refuse(plan,
			"%s is read-only, and nothing on it can be destroyed: end its write "
			"protection "
			"(a switch, blockdev --setrw), or destroy it by other means",
			target->path);
	if (target->facts.sanitize.in_progress)
		note(plan, "a sanitize that was begun earlier runs in the drive; it is waited for");
	if (target->facts.opal)
		note(plan,
			"TCG Opal: the drive has locking of its own%s; a revert by the PSID on its "
			"label "
			"is not supported here",
			target->facts.opal_locked ? ", and a range of it is locked" : "");
	if (target->identity.is_stand_in)
		note(plan,
			"the drive tells no serial number: \"%s\" is a stand-in that spoolguard "
			"made",
			target->identity.serial);
	if (target->facts.hpa || target->facts.ama || target->facts.dco)
		note(plan,
			"part of the drive is hidden (%s%s%s): it is opened first where the drive "
			"allows "
			"it",
			target->facts.hpa ? " HPA" : "", target->facts.ama ? " AMA" : "",
			target->facts.dco ? " DCO" : "");
}

/* --- P2, P4 --- */

static void look_at_places(struct plan *plan, const struct plan_request *request)
{
	const char *path = plan->target->path;

	if (request->state_on_target)
		refuse(plan,
			"the state directory %s lies on %s, which dies: no power cut could be "
			"survived; "
			"name a directory on another medium: --state DIR",
			request->state_directory, path);
	if (request->log_on_target)
		refuse(plan,
			"the audit log lies on %s, which dies: copy it to another medium first "
			"(\"spoolguard audit export\"), and name a directory there: --state DIR",
			path);
	if (request->certificate_on_target)
		refuse(plan,
			"the certificate %s would lie on %s, which dies: name a file on another "
			"medium: "
			"--certificate FILE",
			request->certificate, path);
}

static void look_at_system(struct plan *plan, const struct plan_request *request)
{
	const char *path = plan->target->path;

	if (!plan->target->is_system)
		return;
	if (!request->this_machine)
		refuse(plan,
			"%s is the disk that this system runs from: if that is meant, say "
			"--this-machine, "
			"at a terminal",
			path);
	else if (request->batch)
		refuse(plan,
			"%s is the disk that this system runs from: it is never done from a list; "
			"name it "
			"alone, with --this-machine, at a terminal",
			path);
	else if (!request->typed)
		refuse(plan,
			"%s is the disk that this system runs from: its serial has to be typed at "
			"a "
			"terminal; --confirm is not enough",
			path);
	plan->keys_only = true;
	note(plan, "the system runs from this disk, and no boot could take up what comes after its "
		   "keys: "
		   "they die now; for the rest start another system, or put the drive into a "
		   "workbench, and "
		   "run \"spoolguard decommission --standalone\" there");
}

/* --- P3: the drive's own methods --- */

static bool is_named(const struct plan_request *request, const char *device)
{
	for (size_t i = 0; i < request->named_count; i++) {
		if (strcmp(request->named[i], device) == 0)
			return true;
	}
	return false;
}

static void judge_reach(
	struct plan_method *method, const struct target *target, const struct plan_request *request)
{
	const struct method_offer *offer = &target->facts.methods[method->kind];

	if (offer->reach == REACH_NAMESPACE)
		return;
	for (size_t i = 0; i < target->reach_count; i++) {
		const struct target_reach *reach = &target->reaches[i];

		if (reach->untouched)
			continue;
		if (reach->in_use)
			say(method->why_not, "it would take %s%s%s too, which is in use",
				reach->what, reach->device[0] ? ", " : "", reach->device);
		else if (!reach->device[0])
			say(method->why_not,
				"it would take %s too, which this system does not show, so that "
				"nobody "
				"can name it",
				reach->what);
		else if (!is_named(request, reach->device))
			say(method->why_not,
				"it would take %s too, which was not named: name %s as well if it "
				"is to "
				"die",
				reach->what, reach->device);
		else
			continue;
		return;
	}
	if (offer->reach == REACH_SUBSYSTEM && target->facts.interface == INTERFACE_NVME &&
		!target->facts.namespaces_known)
		say(method->why_not, "it would take namespaces that the drive does not list");
}

static void choose_methods(struct plan *plan, const struct plan_request *request)
{
	const struct target *target = plan->target;

	for (int kind = 0; kind < METHOD_KINDS; kind++) {
		const struct method_offer *offer = &target->facts.methods[kind];
		struct plan_method *method = &plan->methods[plan->method_count];

		if (!target->facts_known || !offer->offered)
			continue;
		plan->method_count++;
		method->kind = (enum method_kind)kind;
		method->promise = target_promise(method->kind, target->class);
		method->estimated_s = offer->estimated_s;
		if (!request->own_methods)
			say(method->why_not, "--no-sanitize was said");
		else if (plan->keys_only)
			say(method->why_not, "no boot from this disk could take it up");
		else
			judge_reach(method, target, request);
		method->taken = !method->why_not[0];
	}
}

static const struct plan_method *first_taken(const struct plan *plan)
{
	for (size_t i = 0; i < plan->method_count; i++) {
		if (plan->methods[i].taken)
			return &plan->methods[i];
	}
	return NULL;
}

/* --- steps and their times --- */

static uint64_t seconds(double bytes, uint64_t bytes_per_s)
{
	return bytes_per_s ? (uint64_t)(bytes / (double)bytes_per_s) + 1 : PLAN_UNKNOWN;
}

/* How much of the medium is read back: the stratified layout takes two samples of at least 5 %. */
static double read_share(enum record_verify verify)
{
	return verify == RECORD_VERIFY_FULL ? 1.0 : verify == RECORD_VERIFY_STRATIFIED ? 0.1 : 0.0;
}

static void set_step(struct plan *plan, enum record_step which, bool needed, uint64_t estimated_s,
	const char *format, ...) format_printf(5, 6);
static void set_step(struct plan *plan, enum record_step which, bool needed, uint64_t estimated_s,
	const char *format, ...)
{
	struct plan_step *step = &plan->steps[which];
	va_list arguments;

	step->step = which;
	step->needed = needed;
	step->estimated_s = needed ? estimated_s : 0;
	va_start(arguments, format);
	vsnprintf(step->what, sizeof(step->what), format, arguments);
	va_end(arguments);
}

static void plan_volumes(struct plan *plan)
{
	const struct target *target = plan->target;
	size_t attached = 0;
	uint32_t slots = 0, backups = 0;

	for (size_t i = 0; i < target->volume_count; i++) {
		attached += target->volumes[i].attached;
		slots += target->volumes[i].key_slots;
		backups += target->volumes[i].backups;
	}
	if (attached)
		set_step(plan, RECORD_INTAKE, true, PLAN_UNKNOWN,
			"jobs of %zu attached volumes are retired or counted, then the volumes "
			"detached",
			attached);
	else
		set_step(plan, RECORD_INTAKE, false, 0, "no volume on it is attached");
	if (target->volume_count == 0)
		set_step(plan, RECORD_KEYS, false, 0, "no encrypted volume was found on it");
	else
		set_step(plan, RECORD_KEYS, true, 1,
			"%u key slots of %zu volumes, and both copies of each header", slots,
			target->volume_count);
	if (backups)
		note(plan,
			"%u header backups are known to have been made: whoever has one and its "
			"passphrase opens the volume for as long as its data is there; name their "
			"files "
			"with --backup FILE to have them destroyed too",
			backups);
}

static void plan_erasures(struct plan *plan, const struct plan_request *request)
{
	const struct target *target = plan->target;
	const struct plan_method *method = first_taken(plan);
	double bytes = (double)target->identity.bytes;

	if (method)
		set_step(plan, RECORD_SANITIZE, true, method->estimated_s, "%s by the drive itself",
			method_name(method->kind));
	else
		set_step(plan, RECORD_SANITIZE, false, 0, "%s",
			plan->method_count ? "every method that the drive offers is left out"
					   : "the drive offers no method of its own");
	if (plan->keys_only) {
		set_step(plan, RECORD_OVERWRITE, false, 0,
			"no boot from this disk could take it up");
		set_step(plan, RECORD_SEARCH, false, 0, "nothing was overwritten");
	} else {
		set_step(plan, RECORD_OVERWRITE, true,
			seconds(bytes * (request->scheme->pass_count + read_share(request->verify)),
				request->read_bytes_per_s),
			"%s: %u passes over every addressable byte, read-back %s",
			request->scheme->name, request->scheme->pass_count,
			record_verify_name(request->verify));
		set_step(plan, RECORD_SEARCH, request->searches,
			seconds(bytes, request->read_bytes_per_s), "%s",
			request->searches
				? "the medium is searched for what is known of this machine"
				: "nothing to search for");
	}
	set_step(plan, RECORD_CERTIFICATE, true, 1, "signed, to %s",
		request->certificate ? request->certificate : "the state directory");
}

static void sum_times(struct plan *plan)
{
	plan->estimated_s = 0;
	for (int i = 0; i < RECORD_STEPS; i++) {
		/* How long jobs take is not known, and no reason to say nothing of the rest. */
		if (i == RECORD_INTAKE || !plan->steps[i].needed)
			continue;
		if (plan->steps[i].estimated_s == PLAN_UNKNOWN) {
			plan->estimated_s = PLAN_UNKNOWN;
			return;
		}
		plan->estimated_s += plan->steps[i].estimated_s;
	}
}

/* --- what can be said at the end --- */

static void judge(struct plan *plan)
{
	const struct target *target = plan->target;
	const struct plan_method *best = NULL;

	if (plan->keys_only) {
		plan->reachable = DRIVE_NEITHER;
		snprintf(plan->why, sizeof(plan->why),
			"keys alone are destroyed: cryptographic erase is performed, not claimed");
		return;
	}
	/* A method that ends well ends the search for others. */
	best = first_taken(plan);
	plan->reachable = target->overwrite.overwrite;
	snprintf(plan->why, sizeof(plan->why), "%s", target->overwrite.reason);
	if (!best || best->promise <= plan->reachable)
		return;
	plan->reachable = best->promise;
	snprintf(plan->why, sizeof(plan->why),
		"%s by the drive, if it ends well and what is read before and after agrees with "
		"that",
		method_name(best->kind));
}

void plan_make(
	const struct target *target, const struct plan_request *request, struct plan *ret_plan)
{
	*ret_plan = (struct plan){.target = target};
	look_at_system(ret_plan, request);
	look_at_uses(ret_plan, request);
	look_at_drive(ret_plan);
	look_at_places(ret_plan, request);
	choose_methods(ret_plan, request);
	plan_volumes(ret_plan);
	plan_erasures(ret_plan, request);
	sum_times(ret_plan);
	judge(ret_plan);
}

int plan_check_confirmed(const struct target *target, const char *const *confirms, size_t count,
	struct problem *reterr_problem)
{
	for (size_t i = 0; i < count; i++) {
		if (target->identity.serial[0] && strcmp(confirms[i], target->identity.serial) == 0)
			return 0;
	}
	if (count == 0)
		return problem_set(reterr_problem, -EPERM,
			"%s: nothing was done: to have this drive die, say its %s: --confirm %s",
			target->path,
			target->identity.is_stand_in ? "stand-in for a serial" : "serial",
			target->identity.serial);
	return problem_set(reterr_problem, -EPERM,
		"%s is not the drive \"%s\"; nothing was done: --dry-run prints the serial of each",
		target->path, confirms[count - 1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_identity.c - R2, R3: which drive it is, and whether another could be taken for it
 *
 * The serial that people see is the drive's own word, else sysfs's.  The key is of sysfs alone:
 * what the drive answers may be missing the next time.
 */
#include "decommission/target_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

static const struct target_present *find_present(const struct target_scene *scene, dev_t device)
{
	for (size_t i = 0; i < scene->present_count; i++) {
		if (scene->present[i].device == device)
			return &scene->present[i];
	}
	return NULL;
}

/* Two namespaces of one drive have its serial, and are told apart by their numbers. */
static bool are_parts_of_one(const struct target_present *a, const struct target_present *b)
{
	return a->family[0] && strcmp(a->family, b->family) == 0 && a->number != b->number;
}

static bool is_twin(const struct target_scene *scene, const struct target_present *own)
{
	for (size_t i = 0; i < scene->present_count; i++) {
		const struct target_present *other = &scene->present[i];

		/* None of both is the same, too: who has neither could be anybody. */
		if (other->device != own->device && strcmp(other->serial, own->serial) == 0 &&
			strcmp(other->wwn, own->wwn) == 0 && !are_parts_of_one(own, other))
			return true;
	}
	return false;
}

static void copy_text(char *to, size_t to_bytes, const char *from)
{
	if (from[0])
		snprintf(to, to_bytes, "%.63s", from);
}

/* What sysfs tells, where the device could not be opened, or a test has its own. */
static void identify_by_stack(
	struct identity *identity, const struct drive_layer *layer, const char *name)
{
	*identity = (struct identity){.bytes = layer->bytes};
	snprintf(identity->name, sizeof(identity->name), "%.63s", name);
	snprintf(identity->serial, sizeof(identity->serial), "%.159s", layer->serial);
	identity_word(identity->serial);
	identity->is_stand_in = layer->serial_is_stand_in;
}

static int bind_key(struct identity *identity, const struct drive_facts *facts,
	const struct target_present *present)
{
	const char *serial = present ? present->serial : "", *wwn = present ? present->wwn : "";
	char words[2 * DRIVE_TEXT_BYTES + 2 * DRIVE_SERIAL_BYTES];

	if (!serial[0] && !wwn[0] && !identity->is_stand_in)
		serial = identity->serial;
	if (!serial[0] && !wwn[0])
		serial = facts->serial;
	if (serial[0] || wwn[0])
		snprintf(words, sizeof(words), "drive %.159s %.191s %u", serial, wwn,
			present && present->family[0] ? present->number : 0);
	else
		snprintf(words, sizeof(words), "drive without a serial %.63s %" PRIu64,
			identity->model, identity->bytes);
	return identity_bind(identity, words);
}

int target_identify(
	struct target *target, int fd, const struct target_scene *scene, const char *name)
{
	const struct target_present *present = find_present(scene, target->device);
	const struct drive_layer *layer = &target->stack.layers[0];
	struct identity *identity = &target->identity;
	char serial[FACTS_TEXT_BYTES];

	if (fd < 0 || scene->places->sysfs || identity_read(fd, identity) < 0)
		identify_by_stack(identity, layer, name);
	copy_text(identity->model, sizeof(identity->model), layer->model);
	copy_text(identity->model, sizeof(identity->model), target->facts.model);
	if (target->class == DRIVE_LOOP)
		return 0; /* its own key is of its file */
	if (layer->serial[0] && !layer->serial_is_stand_in) {
		snprintf(identity->serial, sizeof(identity->serial), "%.159s", layer->serial);
		identity_word(identity->serial);
		identity->is_stand_in = false;
	}
	snprintf(serial, sizeof(serial), "%s", target->facts.serial);
	identity_word(serial);
	if (serial[0]) {
		snprintf(identity->serial, sizeof(identity->serial), "%s", serial);
		identity->is_stand_in = false;
	}
	target->is_twin = present && is_twin(scene, present);
	return bind_key(identity, &target->facts, present);
}

/* --- then and now --- */

static bool is_size_kept(
	const struct identity *then, const struct drive_facts *facts_then, const struct target *now)
{
	if (now->identity.bytes == then->bytes)
		return true;
	/* A hidden area was opened since. */
	return facts_then && (facts_then->hpa || facts_then->dco || facts_then->ama) &&
	       now->identity.bytes > then->bytes && now->identity.bytes <= facts_then->native_bytes;
}

int target_compare(const struct identity *then, const struct drive_facts *facts_then,
	const struct target *now, struct problem *reterr_problem)
{
	const struct identity *is = &now->identity;
	bool same_serial =
		then->is_stand_in ? is->is_stand_in : strcmp(then->serial, is->serial) == 0;

	if (!same_serial || (then->key[0] && strcmp(then->key, is->key) != 0))
		return problem_set(reterr_problem, -ESTALE,
			"%s is another drive: its serial is %s, and it was %s; connect that drive, "
			"or begin anew with this one",
			now->path, is->serial, then->serial);
	if (facts_then && facts_then->wwn[0] && now->facts.wwn[0] &&
		strcmp(facts_then->wwn, now->facts.wwn) != 0)
		return problem_set(reterr_problem, -ESTALE,
			"%s is another drive: its WWN is %s, and it was %s; connect that drive, or "
			"begin anew with this one",
			now->path, now->facts.wwn, facts_then->wwn);
	if (!is_size_kept(then, facts_then, now))
		return problem_set(reterr_problem, -ESTALE,
			"%s is another drive: it has %" PRIu64 " bytes, and it had %" PRIu64
			"; connect that drive, or begin anew with this one",
			now->path, is->bytes, then->bytes);
	return 0;
}

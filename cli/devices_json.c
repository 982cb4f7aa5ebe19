/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/devices_print.h"

/* Text that is not there is null. */
static void add_text(struct json_object *object, const char *key, const char *text)
{
	if (text[0])
		cli_add_string(object, key, text);
	else
		json_object_object_add(object, key, NULL);
}

static void add_known(struct json_object *object, const char *key, bool known, uint64_t value)
{
	if (known)
		cli_add_u64(object, key, value);
	else
		json_object_object_add(object, key, NULL);
}

static struct json_object *methods_to_json(const struct drive_facts *facts)
{
	static const char *const reaches[] = {[REACH_DEVICE] = "device",
		[REACH_NAMESPACE] = "namespace",
		[REACH_SUBSYSTEM] = "subsystem"};
	struct json_object *list = json_object_new_array();

	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		const struct method_offer *offer = &facts->methods[kind];
		struct json_object *object;

		if (!offer->offered && !offer->why_not[0])
			continue; /* the interface has no such method */
		object = json_object_new_object();
		cli_add_string(object, "name", method_name((enum method_kind)kind));
		cli_add_bool(object, "offered", offer->offered);
		add_known(object, "estimated_s", offer->offered && offer->estimated_s != UINT64_MAX,
			offer->estimated_s);
		add_text(object, "reach", offer->offered ? reaches[offer->reach] : "");
		add_text(object, "why_not", offer->offered ? "" : offer->why_not);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *uses_to_json(const struct usage_list *uses)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < uses->count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "kind", usage_kind_name(uses->items[i].kind));
		cli_add_string(object, "device", uses->items[i].device);
		cli_add_string(object, "text", uses->items[i].text);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *parts_to_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < target->part_count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "device", target->parts[i].device);
		cli_add_u64(object, "bytes", target->parts[i].bytes);
		add_text(object, "holds", target->parts[i].holds);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *volumes_to_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < target->volume_count; i++) {
		const struct target_volume *volume = &target->volumes[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "uuid", volume->uuid);
		cli_add_string(object, "device", volume->device);
		cli_add_bool(object, "spoolguard", volume->is_spoolguard);
		cli_add_bool(object, "attached", volume->attached);
		add_text(object, "mount", volume->mount);
		cli_add_bool(object, "damaged", volume->damaged);
		add_known(object, "key_slots", !volume->damaged, volume->key_slots);
		add_known(object, "backups", volume->is_spoolguard, volume->backups);
		if (volume->is_spoolguard)
			cli_add_bool(object, "filled_before", volume->filled_before);
		else
			json_object_object_add(object, "filled_before", NULL);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *reaches_to_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < target->reach_count; i++) {
		const struct target_reach *reach = &target->reaches[i];
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "what", reach->what);
		add_text(object, "device", reach->device);
		cli_add_bool(object, "in_use", reach->in_use);
		cli_add_bool(object, "untouched", reach->untouched);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *hidden_to_json(const struct drive_facts *facts)
{
	struct json_object *object = json_object_new_object();

	cli_add_bool(object, "hpa", facts->hpa);
	cli_add_bool(object, "dco", facts->dco);
	cli_add_bool(object, "ama", facts->ama);
	return object;
}

static struct json_object *health_to_json(const struct drive_facts *facts)
{
	struct json_object *object;

	if (!facts->health_known)
		return NULL;
	object = json_object_new_object();
	cli_add_bool(object, "healthy", facts->healthy);
	cli_add_string(object, "text", facts->health);
	return object;
}

static struct json_object *opal_to_json(const struct drive_facts *facts)
{
	struct json_object *object = json_object_new_object();

	cli_add_bool(object, "detected", facts->opal);
	cli_add_bool(object, "locked", facts->opal_locked);
	return object;
}

/* ATA's; null of other drives. */
static struct json_object *security_to_json(const struct drive_facts *facts)
{
	struct json_object *object;

	if (!facts->is_ata)
		return NULL;
	object = json_object_new_object();
	cli_add_bool(object, "supported", facts->security.supported);
	cli_add_bool(object, "enabled", facts->security.enabled);
	cli_add_bool(object, "locked", facts->security.locked);
	cli_add_bool(object, "frozen", facts->security.frozen);
	cli_add_bool(object, "count_expired", facts->security.count_expired);
	return object;
}

static struct json_object *sanitize_to_json(const struct drive_facts *facts)
{
	struct json_object *object;

	if (!facts->sanitize.idle_known)
		return NULL;
	object = json_object_new_object();
	cli_add_bool(object, "in_progress", facts->sanitize.in_progress);
	cli_add_bool(object, "failed", facts->sanitize.failed);
	cli_add_u64(object, "percent", facts->sanitize.progress * UINT64_C(100) / 65536);
	return object;
}

static struct json_object *overwrite_to_json(const struct drive_verdict *verdict)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "verdict", drive_sanitization_name(verdict->overwrite));
	cli_add_string(object, "why", verdict->reason);
	cli_add_string(object, "clause", verdict->clause);
	return object;
}

static struct json_object *advice_to_json(const struct target *target)
{
	struct target_advice advice = target_advise(target);
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "method", devices_method(advice.method));
	cli_add_string(object, "verdict", drive_sanitization_name(advice.verdict));
	cli_add_string(object, "why", advice.why);
	return object;
}

static void add_identity(struct json_object *object, const struct target *target)
{
	const struct drive_facts *facts = &target->facts;

	cli_add_string(object, "path", target->path);
	add_text(object, "vendor", facts->vendor);
	add_text(object, "model", target->identity.model);
	add_text(object, "serial", target->identity.serial);
	cli_add_bool(object, "serial_is_stand_in", target->identity.is_stand_in);
	cli_add_bool(object, "is_twin", target->is_twin);
	add_text(object, "wwn", devices_wwn(target));
	add_text(object, "firmware", devices_firmware(target));
	add_text(object, "key", target->identity.key);
	cli_add_string(object, "class", drive_class_name(target->class));
	add_text(object, "transport", target->transport);
}

struct json_object *devices_to_json(const struct target *target)
{
	const struct drive_facts *facts = &target->facts;
	struct json_object *object = json_object_new_object();

	add_identity(object, target);
	cli_add_u64(object, "bytes", target->identity.bytes);
	add_known(object, "native_bytes", facts->native_bytes > 0, facts->native_bytes);
	json_object_object_add(
		object, "hidden", target->facts_known ? hidden_to_json(facts) : NULL);
	add_known(object, "logical_bytes", facts->logical_bytes > 0, facts->logical_bytes);
	add_known(object, "physical_bytes", facts->physical_bytes > 0, facts->physical_bytes);
	cli_add_bool(object, "read_only", target->read_only);
	cli_add_bool(object, "asked", target->facts_known);
	add_text(object, "not_asked", target->unasked);
	json_object_object_add(object, "methods", methods_to_json(facts));
	json_object_object_add(object, "health", health_to_json(facts));
	json_object_object_add(object, "opal", target->facts_known ? opal_to_json(facts) : NULL);
	json_object_object_add(object, "security", security_to_json(facts));
	json_object_object_add(object, "sanitize", sanitize_to_json(facts));
	cli_add_bool(object, "is_system", target->is_system);
	json_object_object_add(object, "in_use_by", uses_to_json(&target->uses));
	add_text(object, "holds", target->holds);
	json_object_object_add(object, "partitions", parts_to_json(target));
	json_object_object_add(object, "volumes", volumes_to_json(target));
	json_object_object_add(object, "reaches", reaches_to_json(target));
	json_object_object_add(object, "overwrite", overwrite_to_json(&target->overwrite));
	json_object_object_add(object, "recommendation", advice_to_json(target));
	return object;
}

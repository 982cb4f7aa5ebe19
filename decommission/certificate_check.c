/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signature says who wrote it, and no more.  What a certificate says twice has to agree: so it is
 * decoded, made again, and held against what was given; then its numbers, and its verdict, are
 * judged from what it says was done.
 */
#include "decommission/certificate_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 128

/* --- what is derived --- */

static bool agrees(struct json_object *made, struct json_object *given, const char *path,
	char ret_where[static PATH_BYTES]);

static bool array_agrees(struct json_object *made, struct json_object *given, const char *path,
	char ret_where[static PATH_BYTES])
{
	size_t count = json_object_array_length(made);

	for (size_t i = 0; i < count; i++) {
		if (!agrees(json_object_array_get_idx(made, i), json_object_array_get_idx(given, i),
			    path, ret_where))
			return false;
	}
	return json_object_array_length(given) == count;
}

/* Members that a later minor version added are its own. */
static bool object_agrees(struct json_object *made, struct json_object *given, const char *path,
	char ret_where[static PATH_BYTES])
{
	json_object_object_foreach(made, key, value)
	{
		struct json_object *other = NULL;
		char below[PATH_BYTES];

		snprintf(below, sizeof(below), "%.80s%s%.40s", path, path[0] ? "." : "", key);
		if (!json_object_object_get_ex(given, key, &other) ||
			!agrees(value, other, below, ret_where))
			return false;
	}
	return true;
}

static bool agrees(struct json_object *made, struct json_object *given, const char *path,
	char ret_where[static PATH_BYTES])
{
	bool same;

	snprintf(ret_where, PATH_BYTES, "%s", path);
	/* These carry their own digest, and were held against it; a long one is not whole here. */
	if (strcmp(path, "overwrite.refused") == 0 || strcmp(path, "overwrite.mismatched") == 0)
		return true;
	if (strcmp(path, "schema") == 0)
		return true; /* document_verify() has judged it */
	if (json_object_get_type(made) != json_object_get_type(given))
		return false;
	if (json_object_is_type(made, json_type_object))
		return object_agrees(made, given, path, ret_where);
	if (json_object_is_type(made, json_type_array))
		return array_agrees(made, given, path, ret_where);
	same = json_object_equal(made, given);
	return same;
}

static int check_derived(struct json_object *certificate, const struct record *record,
	const struct verdict *verdict, struct problem *reterr_problem)
{
	struct json_object *made;
	char where[PATH_BYTES] = "";
	int r = certificate_make(record, verdict, &made);

	if (r < 0)
		return problem_set(reterr_problem, r, "%s", strerror(-r));
	if (!agrees(made, certificate, "", where))
		r = problem_set(reterr_problem, -EBADMSG,
			"what it says as \"%s\" is not what its facts say", where);
	json_object_put(made);
	return r;
}

/* --- numbers --- */

struct order { /* the first is not above the second */
	const char *less, *more;
	uint64_t a, b;
};

static int check_orders(const struct order *orders, size_t count, struct problem *reterr_problem)
{
	for (size_t i = 0; i < count; i++) {
		if (orders[i].a > orders[i].b)
			return problem_set(reterr_problem, -EBADMSG,
				"it says more %s (%llu) than %s (%llu)", orders[i].less,
				(unsigned long long)orders[i].a, orders[i].more,
				(unsigned long long)orders[i].b);
	}
	return 0;
}

static uint64_t end_of(const struct extent_list *list)
{
	return list->count == 0 ? 0 : extent_end(list->items[list->count - 1]);
}

static int check_overwrite(const struct record *record, struct problem *reterr_problem)
{
	const struct record_overwrite *o = &record->overwrite;
	const uint64_t block = o->block_bytes ? o->block_bytes : 1;
	const uint64_t blocks = (record->bytes + block - 1) / block;
	const uint64_t untouched =
		o->requested_bytes > o->written_bytes ? o->requested_bytes - o->written_bytes : 0;
	const struct order orders[] = {
		{"bytes requested", "the medium has", o->requested_bytes, record->bytes},
		{"bytes written", "requested", o->written_bytes, o->requested_bytes},
		{"bytes durable", "written", o->durable_bytes, o->written_bytes},
		{"bytes verified", "durable", o->verified_bytes, o->durable_bytes},
		{"bytes verified", "read", o->verified_bytes, o->read_bytes},
		{"passes ended", "the scheme has", o->reached.pass, o->pass_count},
		{"blocks refused", "the medium has", end_of(&o->refused), blocks},
		{"blocks refused", "not written", extent_list_blocks(&o->refused),
			untouched / block},
		{"blocks mismatched", "the medium has", end_of(&o->mismatched), blocks},
		{"blocks mismatched", "read and not verified", extent_list_blocks(&o->mismatched),
			o->read_bytes > o->verified_bytes
				? (o->read_bytes - o->verified_bytes) / block
				: 0},
	};
	int r = check_orders(orders, ARRAY_SIZE(orders), reterr_problem);

	for (uint32_t i = 0; i < o->reached.pass && r >= 0; i++) {
		if (o->passes[i].durable_wall_s == 0)
			r = problem_set(reterr_problem, -EBADMSG,
				"pass %u of the overwrite ended, and was never durable", i + 1);
	}
	return r;
}

static int check_volumes(const struct record *record, struct problem *reterr_problem)
{
	int r = 0;

	for (uint32_t i = 0; i < record->volume_count && r >= 0; i++) {
		const struct record_volume *v = &record->volumes[i];
		const struct order orders[] = {
			{"key slots destroyed", "there were", v->slots_destroyed, v->slots_before},
			{"header backups destroyed", "known", v->backups_destroyed, v->backups},
		};

		r = check_orders(orders, ARRAY_SIZE(orders), reterr_problem);
	}
	return r;
}

static int check_methods(const struct record *record, struct problem *reterr_problem)
{
	int r = 0;

	for (uint32_t i = 0; i < record->method_count && r >= 0; i++) {
		const struct record_method *method = &record->methods[i];
		const struct witness_report *w = &method->witness;
		const struct order orders[] = {
			{"witnesses with data", "taken", w->held_data, w->taken},
			{"witnesses surviving", "with data", w->survived, w->held_data},
		};

		r = check_orders(orders, ARRAY_SIZE(orders), reterr_problem);
		if (r >= 0 && method->judged &&
			(w->survived > 0) != (w->verdict == WITNESS_SURVIVED))
			r = problem_set(reterr_problem, -EBADMSG,
				"what the witness of %s saw is not what it says of it",
				method_name(method->kind));
		if (r >= 0 && w->survived > 0 && method->state == METHOD_DONE)
			r = problem_set(reterr_problem, -EBADMSG,
				"%s is called done, and sectors survived it",
				method_name(method->kind));
	}
	return r;
}

static int check_times(const struct record *record, struct problem *reterr_problem)
{
	for (int i = 0; i < RECORD_STEPS; i++) {
		const struct record_progress *step = &record->steps[i];

		/* What had nothing to do ends without having begun. */
		if (step->state == RECORD_NOT_NEEDED || step->state == RECORD_SKIPPED)
			continue;
		if (step->ended_wall_s != 0 && step->began_wall_s == 0)
			return problem_set(reterr_problem, -EBADMSG,
				"its step \"%s\" ended, and never began",
				record_step_name((enum record_step)i));
	}
	return 0;
}

/* --- approvals and verdict --- */

static bool is_digest(const char *text)
{
	return strlen(text) == RECORD_DIGEST_BYTES - 1 &&
	       strspn(text, "0123456789abcdef") == RECORD_DIGEST_BYTES - 1;
}

static int check_approvals(const struct record *record, struct problem *reterr_problem)
{
	if (record->approval_count < record->approvals_required)
		return problem_set(reterr_problem, -EBADMSG, "it needed %u approvals, and has %u",
			record->approvals_required, record->approval_count);
	for (uint32_t i = 0; i < record->approval_count; i++) {
		const struct record_approval *approval = &record->approvals[i];

		if (!is_digest(approval->fingerprint) || !is_digest(approval->statement_sha256) ||
			strlen(approval->key_id) != 16 || approval->signed_wall_s == 0)
			return problem_set(reterr_problem, -EBADMSG,
				"an approval of it does not say by which key, of what and when");
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(approval->fingerprint, record->approvals[j].fingerprint) == 0)
				return problem_set(reterr_problem, -EBADMSG,
					"two approvals of it are by one key");
		}
	}
	return 0;
}

/*
 * The most that these facts can carry, whoever judged them and by whatever rules: Purge needs a
 * method of the drive's own that ended, and of which a witness saw no survivor; Clear that, or a
 * medium that is written in place of which every byte took every pass.
 */
static enum drive_sanitization ceiling(const struct record *record, const char **ret_why)
{
	const struct record_overwrite *o = &record->overwrite;

	for (uint32_t i = 0; i < record->search_count; i++) {
		*ret_why = "what was searched for was found on the medium";
		if (record->searches[i].hits > 0)
			return DRIVE_NEITHER;
	}
	*ret_why = "";
	for (uint32_t i = 0; i < record->method_count; i++) {
		const struct record_method *method = &record->methods[i];

		if (method->state == METHOD_DONE && method->judged && method->witness.survived == 0)
			return DRIVE_PURGE;
	}
	*ret_why = "no method of the drive's own ended with a witness that saw no survivor";
	if (record->overwrite_promise >= DRIVE_CLEAR && o->pass_count > 0 &&
		o->reached.pass == o->pass_count && o->requested_bytes >= record->bytes &&
		o->durable_bytes == o->requested_bytes && o->refused.count == 0 &&
		o->mismatched.count == 0)
		return DRIVE_CLEAR;
	*ret_why = "no method of the drive's own ended with a witness that saw no survivor, and "
		   "not every byte took every pass on a medium that is written in place";
	return DRIVE_NEITHER;
}

/* By the rules of this version, from what is signed. */
static int check_judged(
	const struct record *record, const struct verdict *claimed, struct problem *reterr_problem)
{
	struct verdict *judged = calloc(1, sizeof(*judged));
	int r = 0;

	if (!judged)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	verdict_judge(record, judged);
	if (claimed->reached > judged->reached)
		r = problem_set(reterr_problem, -EBADMSG,
			"it claims %s, and what it says was done is judged %s: %.300s",
			drive_sanitization_name(claimed->reached),
			drive_sanitization_name(judged->reached), judged->reason);
	free(judged);
	return r;
}

static int check_verdict(
	const struct record *record, const struct verdict *claimed, struct problem *reterr_problem)
{
	enum drive_sanitization best = DRIVE_NEITHER, most;
	const char *why;

	for (size_t i = 0; i < claimed->part_count; i++) {
		if (claimed->parts[i].reached > best)
			best = claimed->parts[i].reached;
	}
	if (claimed->reached > best)
		return problem_set(reterr_problem, -EBADMSG,
			"it claims %s, and the best of its parts is %s",
			drive_sanitization_name(claimed->reached), drive_sanitization_name(best));
	most = ceiling(record, &why);
	if (claimed->reached > most)
		return problem_set(reterr_problem, -EBADMSG,
			"it claims %s, and what it says was done reaches %s at most: %s",
			drive_sanitization_name(claimed->reached), drive_sanitization_name(most),
			why);
	return check_judged(record, claimed, reterr_problem);
}

int certificate_check(struct json_object *certificate, struct problem *reterr_problem)
{
	static int (*const checks[])(const struct record *, struct problem *) = {
		check_overwrite, check_volumes, check_methods, check_times, check_approvals};
	struct verdict *claimed = calloc(1, sizeof(*claimed));
	struct record *record = NULL;
	int r = claimed ? certificate_decode(certificate, &record, claimed, reterr_problem)
			: problem_set(reterr_problem, -ENOMEM, "not enough memory");

	if (r >= 0)
		r = check_derived(certificate, record, claimed, reterr_problem);
	for (size_t i = 0; i < ARRAY_SIZE(checks) && r >= 0; i++)
		r = checks[i](record, reterr_problem);
	if (r >= 0)
		r = check_verdict(record, claimed, reterr_problem);
	record_free(record);
	free(claimed);
	return r;
}

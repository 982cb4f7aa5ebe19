/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_roles.c - every method for every role, and who has which
 *
 * Goal: what roles.h draws is what is allowed, and what P8 and O1 to O5 say holds whatever the
 * table says.  Method: the drawing is written here again, as people read it, and each set of
 * roles is tried with each method; the groups are those that every system has.
 */
#include "supervisor/roles.h"
#include <check.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* p o t a u: allowed to pipeline, operator, technician, administrator, auditor; "." is not, "w" is
 * for own jobs. */
static const struct {
	const char *method, *roles;
} drawing[] = {
	{"GetStatus", "xxxxx"},
	{"Monitor", "xxxxx"},
	{"GetDeviceKey", "xxxxx"},
	{"JobBegin", "x..x."},
	{"JobComplete", "x..x."},
	{"JobList", "wx.xx"},
	{"JobShow", "wx.xx"},
	{"JobHold", ".x.x."},
	{"JobRelease", ".x.x."},
	{"Sweep", ".x.x."},
	{"WipeSpool", ".x.x."},
	{"SelfTest", "..xx."},
	{"Detach", "..xx."},
	{"Attach", "...x."},
	{"RecordResidueCheck", "...x."},
	{"Reload", "...x."},
	{"Events", "...xx"},
	{"RecordHostEvent", "...x."},
	{"SetLogAside", "...x."},
	{"RecordKeyChange", "...x."},
	{"CloseForDecommission", "...x."},
	{"RecordDecommission", "...x."},
};

static const enum config_role columns[] = {
	CONFIG_PIPELINE, CONFIG_OPERATOR, CONFIG_TECHNICIAN, CONFIG_ADMINISTRATOR, CONFIG_AUDITOR};

START_TEST(each_role_may_what_the_drawing_says)
{
	struct roles_verdict verdict;

	for (size_t m = 0; m < ARRAY_SIZE(drawing); m++) {
		for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
			char mark = drawing[m].roles[c];
			int r = roles_check(ROLES_BIT(columns[c]), drawing[m].method, &verdict);

			ck_assert_msg(r == (mark == '.' ? -EACCES : 0), "%s by %s: %d",
				drawing[m].method, config_role_name(columns[c]), r);
			if (r < 0)
				continue;
			ck_assert_int_eq(verdict.role, columns[c]);
			ck_assert_int_eq(verdict.own, mark == 'w');
		}
	}
}
END_TEST

/* A caller may what one of his roles may, and sees no less for having another. */
START_TEST(roles_add_up)
{
	struct roles_verdict verdict;

	for (unsigned int set = 0; set < ROLES_BIT(CONFIG_ROLES); set++) {
		for (size_t m = 0; m < ARRAY_SIZE(drawing); m++) {
			bool may = false, own = true;

			for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
				if (!(set & ROLES_BIT(columns[c])) || drawing[m].roles[c] == '.')
					continue;
				may = true;
				own &= drawing[m].roles[c] == 'w';
			}
			ck_assert_int_eq(
				roles_check(set, drawing[m].method, &verdict), may ? 0 : -EACCES);
			if (!may)
				continue;
			ck_assert(set & ROLES_BIT(verdict.role));
			ck_assert(roles_allowed(drawing[m].method) & ROLES_BIT(verdict.role));
			ck_assert_int_eq(verdict.own, own);
		}
	}
}
END_TEST

START_TEST(a_method_that_is_not_in_the_table_is_for_nobody)
{
	struct roles_verdict verdict;

	ck_assert_int_eq(roles_check(~0u, "Unheard", &verdict), -ENOENT);
	ck_assert_int_eq(roles_check(~0u, "", &verdict), -ENOENT);
	ck_assert_int_eq(roles_check(~0u, "getstatus", &verdict), -ENOENT);
}
END_TEST

START_TEST(nobody_without_a_role_may_anything)
{
	struct roles_verdict verdict;

	for (size_t m = 0; m < ARRAY_SIZE(drawing); m++)
		ck_assert_int_eq(roles_check(0, drawing[m].method, &verdict), -EACCES);
}
END_TEST

START_TEST(technicians_never_unlock_and_auditors_never_change)
{
	static const char *const changing[] = {"JobBegin", "JobComplete", "JobHold", "JobRelease",
		"Sweep", "WipeSpool", "SelfTest", "Detach", "Attach", "Reload", "RecordHostEvent",
		"SetLogAside", "RecordDecommission", "CloseForDecommission"};
	static const char *const reading[] = {"JobList", "JobShow", "Events"};
	struct roles_verdict verdict;

	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		ck_assert_int_eq(
			roles_check(ROLES_BIT(CONFIG_AUDITOR), changing[i], &verdict), -EACCES);
	for (size_t i = 0; i < ARRAY_SIZE(reading); i++)
		ck_assert_int_eq(
			roles_check(ROLES_BIT(CONFIG_TECHNICIAN), reading[i], &verdict), -EACCES);
	ck_assert_int_eq(roles_check(ROLES_BIT(CONFIG_TECHNICIAN), "Attach", &verdict), -EACCES);
}
END_TEST

START_TEST(an_administrator_who_reads_does_so_as_one)
{
	struct roles_verdict verdict;

	ck_assert_int_eq(roles_check(ROLES_BIT(CONFIG_ADMINISTRATOR), "Events", &verdict), 0);
	ck_assert_int_eq(verdict.role, CONFIG_ADMINISTRATOR);
	ck_assert_int_eq(roles_check(ROLES_BIT(CONFIG_ADMINISTRATOR) | ROLES_BIT(CONFIG_AUDITOR),
				 "Events", &verdict),
		0);
	ck_assert_int_eq(verdict.role, CONFIG_AUDITOR);
}
END_TEST

/* --- who has which --- */

static char complaints[256];

static void complain(void *context, enum config_role role, const char *group)
{
	(void)context;
	snprintf(complaints + strlen(complaints), sizeof(complaints) - strlen(complaints), "%s=%s;",
		config_role_name(role), group);
}

static gid_t number_of(const char *group)
{
	struct group *found = getgrnam(group);

	ck_assert_ptr_nonnull(found);
	return found->gr_gid;
}

static void give(struct config *config, enum config_role role, const char *group)
{
	strcpy(config->groups[role][config->group_counts[role]++], group);
}

START_TEST(groups_give_roles_and_unknown_groups_are_told)
{
	static struct config config;
	struct roles roles;
	gid_t groups[2] = {number_of("adm"), number_of("tty")};

	give(&config, CONFIG_PIPELINE, "daemon");
	give(&config, CONFIG_PIPELINE, "no-such-group");
	give(&config, CONFIG_OPERATOR, "tty");
	give(&config, CONFIG_AUDITOR, "adm");
	give(&config, CONFIG_ADMINISTRATOR, "another that is none");
	roles_read(&config, complain, NULL, &roles);
	ck_assert_str_eq(complaints, "pipeline=no-such-group;administrator=another that is none;");
	ck_assert_uint_eq(roles.count, 3);

	ck_assert_uint_eq(roles_of(&roles, 1000, 54321, NULL, 0), 0);
	ck_assert_uint_eq(
		roles_of(&roles, 1000, number_of("daemon"), NULL, 0), ROLES_BIT(CONFIG_PIPELINE));
	ck_assert_uint_eq(roles_of(&roles, 1000, 54321, groups, 1), ROLES_BIT(CONFIG_AUDITOR));
	ck_assert_uint_eq(roles_of(&roles, 1000, number_of("daemon"), groups, 2),
		ROLES_BIT(CONFIG_PIPELINE) | ROLES_BIT(CONFIG_AUDITOR) |
			ROLES_BIT(CONFIG_OPERATOR));
	/* A number that is root's as a group gives nothing. */
	ck_assert_uint_eq(roles_of(&roles, 1000, 0, NULL, 0), 0);
}
END_TEST

START_TEST(root_is_administrator_with_no_group_at_all)
{
	static struct config config;
	struct roles roles;

	roles_read(&config, NULL, NULL, &roles);
	ck_assert_uint_eq(roles_of(&roles, 0, 0, NULL, 0), ROLES_BIT(CONFIG_ADMINISTRATOR));
	ck_assert_uint_eq(roles_of(&roles, 1, 0, NULL, 0), 0);
}
END_TEST

START_TEST(sets_are_told_in_words)
{
	char text[ROLES_TEXT_BYTES];

	ck_assert_str_eq(roles_text(0, text), "no role");
	ck_assert_str_eq(roles_text(ROLES_BIT(CONFIG_AUDITOR), text), "auditor");
	ck_assert_str_eq(roles_text(roles_allowed("Sweep"), text), "operator, administrator");
	ck_assert_uint_lt(
		strlen(roles_text(ROLES_BIT(CONFIG_ROLES) - 1, text)), ROLES_TEXT_BYTES - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roles");
	TCase *tcase = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, each_role_may_what_the_drawing_says);
	tcase_add_test(tcase, roles_add_up);
	tcase_add_test(tcase, a_method_that_is_not_in_the_table_is_for_nobody);
	tcase_add_test(tcase, nobody_without_a_role_may_anything);
	tcase_add_test(tcase, technicians_never_unlock_and_auditors_never_change);
	tcase_add_test(tcase, an_administrator_who_reads_does_so_as_one);
	tcase_add_test(tcase, groups_give_roles_and_unknown_groups_are_told);
	tcase_add_test(tcase, root_is_administrator_with_no_group_at_all);
	tcase_add_test(tcase, sets_are_told_in_words);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_process.c - which cupsd has which configuration, where it answers, how its mount is
 * called
 *
 * Goal: command lines are read as cupsd reads them; addresses of Listen become ones that this
 * machine reaches; units are named as systemd-escape names them.
 */
#include "cli/cups_context.h"
#include "cli/cups_process.h"
#include "cli/cups_units.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *arguments; /* parted by NULs, and with one at the end */
	size_t bytes;
	const char *config;
} lines[] = {
#define LINE(text) text, sizeof(text)
	{LINE("cupsd"), NULL},
	{LINE("/usr/sbin/cupsd\0-l"), NULL},
	{LINE("cupsd\0-c\0/a/cupsd.conf"), "/a/cupsd.conf"},
	{LINE("cupsd\0-f\0-s\0/a/x\0-c\0/a/y"), "/a/y"},
	{LINE("cupsd\0-fc\0/a/y\0-s\0/a/x"), "/a/y"},
	{LINE("cupsd\0-sc\0/a/x\0/a/y"), "/a/y"},
	{LINE("cupsd\0-C\0z.conf"), "z.conf"},
	{LINE("cupsd\0-c"), NULL},
	{LINE("cupsd\0-s\0-c"), NULL},
#undef LINE
};

START_TEST(a_command_line_is_read_as_cupsd_reads_it)
{
	const char *config = cups_process_config(lines[_i].arguments, lines[_i].bytes - 1);

	ck_assert_pstr_eq(config, lines[_i].config);
}
END_TEST

START_TEST(a_configuration_that_no_cupsd_has_is_not_found)
{
	struct cups_process process;

	ck_assert_int_eq(cups_process_find("/nowhere/cupsd.conf", &process), -ESRCH);
}
END_TEST

START_TEST(a_process_is_known_by_its_start_too)
{
	struct cups_process process = {.pid = getpid(), .started = 1};
	uint64_t bytes;

	ck_assert(!cups_process_is_alive(&process));
	ck_assert_int_eq(cups_process_core_limit(&process, &bytes), 0);
	process.pid = 0x3fffffff;
	ck_assert(!cups_process_is_alive(&process));
	ck_assert_int_eq(cups_process_core_limit(&process, &bytes), -ENOENT);
}
END_TEST

START_TEST(sockets_come_first_and_every_address_is_one_of_this_machine)
{
	static const char text[] = "Port 631\nListen *:8631\nListen [::1]:632\nListen [::]:633\n"
				   "Listen printer.example\nListen /run/x.sock\nListen 0.0.0.0:5\n"
				   "Listen [fe80::1]\n<Location />\nListen /no\n</Location>\n";
	static const char *const expected[] = {"/run/x.sock", "localhost:631", "localhost:8631",
		"[::1]:632", "localhost:633", "printer.example:631", "localhost:5",
		"[fe80::1]:631"};
	struct cups_context context = {.options = NULL};
	char address[128];
	size_t i;

	ck_assert_int_eq(cups_conf_parse("x", text, strlen(text), &context.conf, NULL), 0);
	for (i = 0; cups_context_address(&context, i, address, sizeof(address)); i++) {
		ck_assert_uint_lt(i, ARRAY_SIZE(expected));
		ck_assert_str_eq(address, expected[i]);
	}
	ck_assert_uint_eq(i, ARRAY_SIZE(expected));
	cups_conf_done(&context.conf);
}
END_TEST

START_TEST(a_mount_has_the_name_that_systemd_gives_it)
{
	static const struct {
		const char *path, *name;
	} names[] = {
		{"/var/spool/cups", "var-spool-cups"},
		{"//srv//my-spool/", "srv-my\\x2dspool"},
		{"/.hidden/a.b", "\\x2ehidden-a.b"},
		{"/a b/\xc3\xa9", "a\\x20b-\\xc3\\xa9"},
		{"/", "-"},
	};
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_int_eq(cups_unit_escape(names[i].path, name, sizeof(name)), 0);
		ck_assert_str_eq(name, names[i].name);
	}
	ck_assert_int_eq(cups_unit_escape("/var/spool/cups", name, 12), -ENAMETOOLONG);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_process");
	TCase *tcase = tcase_create("all");

	tcase_add_loop_test(
		tcase, a_command_line_is_read_as_cupsd_reads_it, 0, (int)ARRAY_SIZE(lines));
	tcase_add_test(tcase, a_configuration_that_no_cupsd_has_is_not_found);
	tcase_add_test(tcase, a_process_is_known_by_its_start_too);
	tcase_add_test(tcase, sockets_come_first_and_every_address_is_one_of_this_machine);
	tcase_add_test(tcase, a_mount_has_the_name_that_systemd_gives_it);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volatility.h - the statement of volatility: each place that holds data, as this machine has it
 *
 * A place is a JSON object, in the columns that such statements have:
 *
 *   {"id","place","where",                what it is, and its path or name
 *    "type","size_bytes"|null,            "RAM", "rotational", "flash", ...
 *    "removable",                         "no", "field-replaceable", "removable", "not known"
 *    "volatile","user_modifiable","encrypted",     "yes", "no", "not known"
 *    "contents","cleared","by",           what lies there; how it goes; who makes it go
 *    "known":bool,"why",                  false: what could not be found out, and what to do
 *    "medium":{...}}                      attached/medium_report.h, where there is one
 *
 *   V1  A column says what was seen just now; what was not seen says "not known", never "no".
 *   V2  No title, user or file name of a job is in it; no key.
 */
#ifndef SPOOLGUARD_CLI_VOLATILITY_H
#define SPOOLGUARD_CLI_VOLATILITY_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL: "not known"; the strings are copied. */
struct volatility_place {
	const char *id, *place, *where;
	const char *type, *removable, *is_volatile, *user_modifiable, *encrypted;
	uint64_t size_bytes; /* 0: not known, or of no meaning */
	const char *contents, *cleared, *by;
	const char *why;	    /* what is not known; NULL: all is known */
	struct json_object *medium; /* taken; may be NULL */
};

void volatility_add(struct json_object *places, const struct volatility_place *place);

struct volatility_options {
	const char *config;	 /* spoolguard.conf */
	const char *cups_config; /* cupsd.conf; NULL: the system's */
};

/* Each adds its places. */
void volatility_add_memory(struct json_object *places);
void volatility_add_volumes(
	struct json_object *places, const struct volatility_options *options, bool *ret_service);
void volatility_add_state(struct json_object *places, const struct volatility_options *options);
void volatility_add_cups(struct json_object *places, const struct volatility_options *options);
void volatility_add_host(struct json_object *places);

/* What a file or directory lies on, or the nearest directory above it that is there. */
struct volatility_ground {
	struct json_object *medium; /* for volatility_add(); NULL: not known, or a volume of ours */
	char type[64], removable[32];
	char encrypted[16], is_volatile[16];
	char text[PATH_MAX + 64]; /* "/var/cache/cups, on sda2, not encrypted" */
	char volume[PATH_MAX];	  /* the medium of the attached volume that it is on; "" */
};
void volatility_find_ground(const char *path, struct volatility_ground *ret_ground);
/* Adds a directory or file of the host: what it lies on fills the columns that this tells. */
void volatility_add_directory(
	struct json_object *places, const char *path, struct volatility_place place);
/* Of a medium as medium_report.h has it. */
const char *volatility_type(struct json_object *medium, char *buf, size_t bytes);
const char *volatility_removable(struct json_object *medium);

/* The first line of a file of the kernel; false: it is not to be read. */
bool volatility_read_line(const char *path, char *text, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macros.h - the few GNU extensions that this project uses, and no others
 *
 * C17 plus: __attribute__((cleanup, warn_unused_result, format, noreturn, unused, fallthrough)),
 * typeof is not used, statement expressions are not used.
 */
#ifndef SPOOLGUARD_BASE_MACROS_H
#define SPOOLGUARD_BASE_MACROS_H

#include <stddef.h>

/* A function that can fail: its result may not be ignored. */
#define must_check	    __attribute__((warn_unused_result))
#define format_printf(f, a) __attribute__((format(printf, f, a)))
#define may_be_unused	    __attribute__((unused))
#define falls_through	    __attribute__((fallthrough)) /* to the next case, on purpose */

/* _cleanup_(closep) int fd = -1; */
#define _cleanup_(f) __attribute__((cleanup(f)))

/* Defines "static inline void NAMEp(TYPE *p)" for use with _cleanup_: NAME must take NULL. */
#define DEFINE_CLEANUP(type, name)                                                                 \
	static inline may_be_unused void name##p(type *p)                                          \
	{                                                                                          \
		name(*p);                                                                          \
	}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"

#ifdef SPOOLGUARD_MUTANTS
#include <stdlib.h>
#include <string.h>

enum mutant mutant_active = MUTANT_NONE;

void mutant_choose_from_environment(void)
{
	const char *name = getenv("SPOOLGUARD_MUTANT");

	if (name && strcmp(name, "erase-nothing") == 0)
		mutant_active = MUTANT_ERASE_NOTHING;
}
#else
typedef int mutant_not_in_this_build; /* an empty translation unit is not C */
#endif

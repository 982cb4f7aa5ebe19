/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"

#ifdef SPOOLGUARD_MUTANTS
enum mutant mutant_active = MUTANT_NONE;
#else
typedef int mutant_not_in_this_build; /* an empty translation unit is not C */
#endif

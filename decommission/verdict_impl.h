/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_impl.h - for verdict*.c
 */
#ifndef SPOOLGUARD_DECOMMISSION_VERDICT_IMPL_H
#define SPOOLGUARD_DECOMMISSION_VERDICT_IMPL_H

#include "decommission/verdict.h"

bool verdict_is_nvme(const struct record *record);
bool verdict_is_flash(const struct record *record);
/* A part of it is hidden still. */
bool verdict_is_hidden(const struct record *record);
bool verdict_has_survivor(const struct record *record);
/* The subsystem may hold more than this namespace. */
bool verdict_has_others(const struct record *record);

/* Fills open, once the parts are judged. */
void verdict_list_open(const struct record *record, struct verdict *verdict);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_table.h - the ledger's jobs in memory, and where their lines lie in the file
 *
 * In the order of their numbers; found by number and by (source, id), of which the newest counts.
 * Names of files and receipts are not in memory: they are read from their lines.
 *
 * Threads: one at a time.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_TABLE_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_TABLE_H

#include "base/macros.h"
#include "supervisor/ledger.h"

struct ledger_span {
	uint64_t at;	/* in the file */
	uint32_t bytes; /* without the newline; 0: there is none */
	uint32_t count; /* names in it */
};

struct ledger_entry {
	uint64_t number;
	char *key; /* owned: source, newline, id */
	char volume[LEDGER_VOLUME_BYTES];
	uid_t uid;
	enum ledger_state state;
	uint32_t attempts;
	int64_t seen_wall_s, changed_wall_s;
	size_t file_count;
	char *why;			/* owned; NULL: nothing to say */
	struct ledger_digests *digests; /* owned; NULL: none */
	bool has_receipt;
	bool more_files; /* announced since it was RETIRING */
	struct ledger_span line;
	struct ledger_span *files; /* owned */
	size_t files_count;
};

struct lh_table;
struct ledger_table {
	struct ledger_entry **entries; /* owned, and so is each */
	size_t count, capacity;
	struct lh_table *by_key;
	uint64_t by_state[LEDGER_FAILED + 1];
};

must_check int ledger_table_init(struct ledger_table *table);
void ledger_table_done(struct ledger_table *table);

/* A job that is in no table yet, from its line. */
must_check int ledger_entry_new(const struct ledger_job *job, struct ledger_entry **ret_entry);
void ledger_entry_free(struct ledger_entry *entry);
/* Without memory they are missing, not the job. */
void ledger_entry_set_digests(struct ledger_entry *entry, const struct ledger_digests *digests);
DEFINE_CLEANUP(struct ledger_entry *, ledger_entry_free)

/* Takes the entry on success; its number is none of the table's.  -ENOMEM. */
must_check int ledger_table_add(struct ledger_table *table, struct ledger_entry *entry);
struct ledger_entry *ledger_table_get(const struct ledger_table *table, uint64_t number);
/* NULL source: any, by a walk. */
struct ledger_entry *ledger_table_find(
	const struct ledger_table *table, const char *source, const char *id);
/* Forgets the oldest RETIRED jobs until so many are left. */
void ledger_table_forget(struct ledger_table *table, size_t keep);

void ledger_table_set_state(
	struct ledger_table *table, struct ledger_entry *entry, enum ledger_state state);
void ledger_entry_set_why(struct ledger_entry *entry, const char *why);
/* Makes room for one span more, so that the next _add_span cannot fail.  -ENOMEM. */
must_check int ledger_entry_reserve_spans(struct ledger_entry *entry, size_t more);
void ledger_entry_add_span(struct ledger_entry *entry, struct ledger_span span);
size_t ledger_entry_names_known(const struct ledger_entry *entry);
uint64_t ledger_entry_bytes(const struct ledger_entry *entry); /* of its lines, with newlines */

/* All but the receipt. */
void ledger_entry_describe(const struct ledger_entry *entry, struct ledger_job *ret_job);

#endif

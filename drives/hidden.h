/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hidden.h - areas of an ATA drive that no path shows, opened so that they can be overwritten
 *
 *   visible < HPA, or above the accessible max address < hidden by a configuration overlay
 *   SET MAX ADDRESS, SET ACCESSIBLE MAX ADDRESS        DEVICE CONFIGURATION RESTORE
 *
 *   L1  Recorded first, as a method's steps are (method.h, H1): "lift-hpa", "lift-ama",
 *       "restore-dco", with METHOD_KINDS for the kind, as none is at work.
 *   L2  Opened is what IDENTIFY says afterwards, and nothing else: all of the native size.
 *   L3  A restored configuration brings back what the drive left its factory with, features and
 *       limits too; so it is done only if it is asked for.  An overlay is restored after the HPA is
 *       open, as drives refuse it before.
 *   L4  Doing it again is harmless: after a power cut, ask the facts anew and call it again.  What
 *       was opened for a while only is hidden again then.
 *
 * An accessible max address has no "for a while", and a drive takes a new one, or a permanent end
 * of the HPA, once for each time it is powered up.
 * Sources: ACS-3 (HPA, DCO), ACS-4 (accessible max address).
 * Threads: one for each drive.
 */
#ifndef SPOOLGUARD_DRIVES_HIDDEN_H
#define SPOOLGUARD_DRIVES_HIDDEN_H

#include "drives/method.h"

#define HIDDEN_DETAIL_BYTES 512

struct hidden_run {
	const struct command_port *port;
	bool permanent;	       /* false: the HPA comes back when the drive loses power */
	bool restore_dco;      /* L3 */
	method_record *record; /* required */
	void *context;
};

struct hidden_result {
	uint64_t bytes_before, bytes_after; /* by IDENTIFY */
	uint64_t bytes_native;		    /* 0: not known */
	uint64_t bytes_of_device; /* as the system's block path has it afterwards; 0: not known */
	bool hpa, ama, dco;	  /* what hid something before */
	bool lifted;		  /* something was hidden, and all of it is open now (L2) */
	char detail[HIDDEN_DETAIL_BYTES]; /* in words, always */
};

/* For whoever decides on restore_dco. */
#define HIDDEN_DCO_WARNING                                                                         \
	"restoring the drive's configuration (DCO) brings back all that it left the factory "      \
	"with: "                                                                                   \
	"its whole size, and features that somebody had taken away"

/*
 * facts: as they are now; on success as they are after it.  0: whatever became of it, ret_result
 * says it; -errno: a command was not delivered, or the record function's, and nothing is known but
 * the record.
 */
must_check int hidden_lift(
	const struct hidden_run *run, struct drive_facts *facts, struct hidden_result *ret_result);

#endif

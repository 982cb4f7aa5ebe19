/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - what the volume process answers on its socket
 *
 * Interface io.spoolguard.volume (Varlink), for the one who attached the volume:
 * the socket is his alone (mode 0600 in a directory of mode 0700).
 *
 *   Status() -> counts, debt, scheme, medium
 *   Serve()                        from now on writes are taken (see attach.c)
 *   Watch(extents) -> watch    Condemn(watches) -> retirements    Unwatch(watch)
 *   BarrierEnter() -> lead         BarrierLeave(done)                Barrier(all) -> epoch
 *   Trust()  Distrust()  AllowUnknownDiscards()  SettleUnknown()
 *   GetFingerprint() -> fingerprint  SetFingerprint(fingerprint)
 *   SetSweepOwed(owed)  SetFilesystemExpected(expected)
 *   Grow() -> blocks               the medium has grown; take its new size
 *   SelfTestOverwrite() -> blocks, passes, different, refused    every pass, on the scratch area
 *   SelfTestMap() -> pages, damaged_pages, whole_superblocks     the map, read back
 *   Search(area, first, count, strings, mask) -> blocks, unreadable_blocks, hits, found
 *                                  strings in what the medium decrypts to (engine_search)
 *   Detach(disconnect)             answers when everything is recorded, then the process ends;
 *                                  an NBD port with clients is refused (EBUSY) unless "disconnect"
 *
 * Strings of a search come masked (client_search), so that no message has them in clear.
 *
 * A watch, and the lead of a barrier, belong to a connection and end with it.
 * Threads: one for each connection, at most CONTROL_CONNECTIONS_MAX.
 */
#ifndef SPOOLGUARD_VOLUME_CONTROL_H
#define SPOOLGUARD_VOLUME_CONTROL_H

#include "volume/engine.h"
#include "volume/fuse_port.h"
#include "volume/nbd_port.h"

#define CONTROL_CONNECTIONS_MAX 1024

struct control;

/* listen_fd is taken.  engine and port are borrowed (port may be NULL). */
must_check int control_new(
	int listen_fd, struct engine *engine, struct fuse_port *port, struct control **ret_control);
/* Before control_start(): it is served through NBD.  Borrowed. */
void control_use_nbd(struct control *control, struct nbd_port *port, bool foreign_writes);
must_check int control_start(struct control *control);
/* Waits until somebody asked to detach; control_answer_detach tells him how it went, and all others
 * who asked. */
void control_wait_for_detach(struct control *control);
/*
 * Returns when no call is in the engine, and from then on none enters it (-ESHUTDOWN): between
 * engine_stop(), which wakes those who wait in it, and engine_close().
 */
void control_quiesce(struct control *control);
void control_answer_detach(struct control *control, int result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_port.h - what the spool asks (spool/port.h), answered by the volume process
 */
#ifndef SPOOLGUARD_ATTACHED_VOLUME_PORT_H
#define SPOOLGUARD_ATTACHED_VOLUME_PORT_H

#include "spool/port.h"
#include "volume/client.h"

/* client is borrowed for the life of the port. */
struct spool_port volume_port(struct client *client);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/identity.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/hash.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define EDGE_BYTES   4096u /* of each end of the device, for a stand-in */
#define STAND_IN_HEX 8

void identity_word(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (isgraph((unsigned char)*from))
			*to++ = *from;
		else if (to > text && to[-1] != '_')
			*to++ = '_';
	}
	while (to > text && to[-1] == '_')
		to--;
	*to = '\0';
}

static bool find_serial(dev_t device, char *serial, size_t bytes)
{
	static const char *const places[] = {
		"dm/uuid", "md/uuid", "device/serial", "serial", "device/wwid", "wwid"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (device_attribute(device, places[i], serial, bytes) < 0)
			continue;
		identity_word(serial);
		if (serial[0] != '\0')
			return true;
	}
	return false;
}

static int digest_hex(const void *data, size_t bytes, char *hex, size_t hex_bytes)
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(data, bytes, digest);

	for (size_t i = 0; r >= 0 && 2 * i + 1 < hex_bytes; i++)
		snprintf(hex + 2 * i, hex_bytes - 2 * i, "%02x", digest[i]);
	return r;
}

/* What stays the same of a loop device: its file, which was born once. */
static bool describe_backing(dev_t device, char *text, size_t bytes)
{
	struct device_backing backing;
	struct statx stx = {.stx_mask = 0};

	if (device_backing(device, &backing) < 0 || backing.block != 0)
		return false;
	if (statx(AT_FDCWD, backing.path, 0, STATX_INO | STATX_BTIME, &stx) < 0 ||
		stx.stx_ino != backing.inode)
		stx.stx_btime.tv_sec = 0;
	snprintf(text, bytes, "file %u:%u %" PRIu64 " %lld.%u", major(backing.device),
		minor(backing.device), (uint64_t)backing.inode, (long long)stx.stx_btime.tv_sec,
		stx.stx_btime.tv_nsec);
	return true;
}

static int digest_edges(int fd, uint64_t bytes, uint8_t ret_digest[static SHA256_BYTES])
{
	uint64_t edge = bytes < EDGE_BYTES ? bytes : EDGE_BYTES;
	uint8_t edges[2 * EDGE_BYTES] = {0};
	int r;

	r = io_pread(fd, edges, edge, 0);
	if (r >= 0)
		r = io_pread(fd, edges + EDGE_BYTES, edge, bytes - edge);
	return r < 0 ? r : hash_sha256(edges, sizeof(edges), ret_digest);
}

static int make_stand_in(int fd, dev_t device, const char *backing, struct identity *identity)
{
	char facts[256], hex[STAND_IN_HEX + 1], size[32];
	uint8_t edges[SHA256_BYTES] = {0};
	int n, r = 0;

	if (!backing)
		r = digest_edges(fd, identity->bytes, edges);
	if (r < 0)
		return r;
	n = snprintf(facts, sizeof(facts) - sizeof(edges), "%u:%u %" PRIu64 " %.128s ",
		major(device), minor(device), identity->bytes, backing ? backing : "");
	memcpy(facts + n, edges, sizeof(edges));
	r = digest_hex(facts, (size_t)n + sizeof(edges), hex, sizeof(hex));
	if (r < 0)
		return r;
	bytes_format_size(identity->bytes, size, sizeof(size));
	identity_word(size);
	snprintf(identity->serial, sizeof(identity->serial), "%.63s-%.31s-%s", identity->name, size,
		hex);
	identity->is_stand_in = true;
	return 0;
}

static int make_key(const char *lasting, const char *partition, struct identity *identity)
{
	char facts[IDENTITY_SERIAL_BYTES + 64];

	snprintf(facts, sizeof(facts), "%s %s %" PRIu64, lasting, partition, identity->bytes);
	return digest_hex(facts, strlen(facts), identity->key, sizeof(identity->key));
}

/* "" for a whole device. */
static void read_partition(dev_t device, char *text, size_t bytes)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	size_t got = 0;

	text[0] = '\0';
	snprintf(
		path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(device), minor(device));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && io_read_to_end(fd, text, bytes - 1, &got) >= 0)
		text[got] = '\0';
	identity_word(text);
}

int identity_read(int fd, struct identity *ret_identity)
{
	struct identity identity = {.bytes = 0};
	char backing[128], partition[16];
	char serial[IDENTITY_SERIAL_BYTES - 32];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	if (ioctl(fd, BLKGETSIZE64, &identity.bytes) < 0)
		return -errno;
	r = device_name(st.st_rdev, identity.name);
	if (r < 0)
		return r;
	if (device_attribute(st.st_rdev, "device/model", identity.model, sizeof(identity.model)) <
		0)
		identity.model[0] = '\0';
	identity_word(identity.model);
	read_partition(st.st_rdev, partition, sizeof(partition));

	if (find_serial(st.st_rdev, serial, sizeof(serial))) {
		snprintf(identity.serial, sizeof(identity.serial), "%s%s%s", serial,
			partition[0] ? "-part" : "", partition);
		r = make_key(serial, partition, &identity);
	} else if (describe_backing(st.st_rdev, backing, sizeof(backing))) {
		r = make_stand_in(fd, st.st_rdev, backing, &identity);
		if (r >= 0)
			r = make_key(backing, partition, &identity);
	} else {
		r = make_stand_in(fd, st.st_rdev, NULL, &identity);
	}
	if (r < 0)
		return r;
	*ret_identity = identity;
	return 0;
}

int identity_bind(struct identity *identity, const char *words)
{
	return digest_hex(words, strlen(words), identity->key, sizeof(identity->key));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/fuse_port.h"
#include "base/io.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* In front of a WRITE's data the kernel puts fuse_in_header and fuse_write_in: 80 bytes; a READ
 * is as long. */
#define WRITE_HEADER_BYTES 80u
#define PAGE_BYTES	   4096u
#define THREAD_STACK_BYTES (256u << 10)
#define BACKGROUND_MAX	   512 /* writes that wait for the eraser must not block reads */

struct worker {
	struct fuse_port *port;
	pthread_t thread;
	bool running;
	/*
	 * PAGE_BYTES + FUSE_PORT_TRANSFER_BYTES and a bit: the data of a WRITE begins on a page;
	 * that of a READ is put there too, for the request ends where the page begins.
	 */
	uint8_t *request;
};

struct fuse_port {
	struct engine *engine;
	struct engine_info info;
	struct fuse_session *session;
	struct worker workers[FUSE_PORT_WORKERS];
	atomic_bool serving;
};

/* A WRITE that waits for the eraser, and its data. */
struct parked_write {
	struct engine_write write;
	fuse_req_t request;
	uint8_t *buffer;
	size_t bytes;
};

static _Thread_local struct worker *this_worker;

static uint8_t *data_of(const struct worker *worker)
{
	return worker->request + PAGE_BYTES;
}

static struct fuse_port *port_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static uint64_t size_of(struct fuse_port *port)
{
	struct engine_info info;

	engine_get_info(port->engine, &info);
	return info.blocks * info.block_bytes;
}

static void fill_attributes(struct fuse_port *port, struct stat *st)
{
	*st = (struct stat){
		.st_ino = FUSE_ROOT_ID,
		.st_mode = S_IFREG | (port->info.read_only ? 0400 : 0600),
		.st_nlink = 1,
		.st_size = (off_t)size_of(port),
		.st_blksize = BLOCK_BYTES,
	};
	st->st_blocks = st->st_size / 512;
}

/* What the kernel's block layer knows: a volume that has stopped is a device that fails. */
static int errno_of(int result)
{
	return result == -ENOTRECOVERABLE ? EIO : result < 0 ? -result : 0;
}

static void do_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct stat st;

	(void)inode;
	(void)info;
	fill_attributes(port_of(request), &st);
	fuse_reply_attr(request, &st, 0);
}

/* The size is the volume's; nothing else of the file can be changed. */
static void do_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *attributes, int what,
	struct fuse_file_info *info)
{
	(void)attributes;
	if (what &
		(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(request, EPERM);
	else
		do_getattr(request, inode, info);
}

static void do_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->direct_io = 1;
	fuse_reply_open(request, info);
}

static void do_statfs(fuse_req_t request, fuse_ino_t inode)
{
	struct fuse_port *port = port_of(request);
	const struct statvfs st = {
		.f_bsize = BLOCK_BYTES, /* loop takes its discard granularity from here */
		.f_frsize = BLOCK_BYTES,
		.f_blocks = size_of(port) / BLOCK_BYTES,
		.f_namemax = 255,
	};

	(void)inode;
	fuse_reply_statfs(request, &st);
}

/* The run of blocks that offset and bytes name; false if they are not whole blocks of the volume.
 */
static bool to_extent(struct fuse_port *port, off_t offset, uint64_t bytes, struct extent *ret_at)
{
	uint32_t block = port->info.block_bytes;

	if (offset < 0 || (uint64_t)offset % block != 0 || bytes % block != 0)
		return false;
	*ret_at = (struct extent){(uint64_t)offset / block, bytes / block};
	return true;
}

static void do_read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset,
	struct fuse_file_info *info)
{
	struct fuse_port *port = port_of(request);
	uint64_t size = size_of(port);
	struct extent at;
	int r;

	(void)inode;
	(void)info;
	if (offset >= 0 && (uint64_t)offset >= size) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	if (bytes > size - (uint64_t)offset)
		bytes = (size_t)(size - (uint64_t)offset);
	if (bytes > FUSE_PORT_TRANSFER_BYTES || !to_extent(port, offset, bytes, &at)) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	r = engine_read(port->engine, at, data_of(this_worker));
	if (r < 0)
		fuse_reply_err(request, errno_of(r));
	else
		fuse_reply_buf(request, (const char *)data_of(this_worker), bytes);
	secret_wipe(data_of(this_worker), bytes);
}

static void reply_write(fuse_req_t request, int result, size_t bytes)
{
	if (result < 0)
		fuse_reply_err(request, errno_of(result));
	else
		fuse_reply_write(request, bytes);
}

static void complete_parked(struct engine_write *write, int result)
{
	struct parked_write *parked = (struct parked_write *)write;

	reply_write(parked->request, result, parked->bytes);
	if (result < 0) /* it may not have been encrypted in its place */
		secret_wipe(parked->write.buf, parked->bytes);
	free(parked->buffer);
	free(parked);
}

static int alloc_request(uint8_t **ret_buffer)
{
	void *buffer = NULL;
	int r = io_alloc(PAGE_BYTES + FUSE_PORT_TRANSFER_BYTES + PAGE_BYTES, &buffer);

	if (r >= 0)
		*ret_buffer = buffer;
	return r;
}

/*
 * What the parked write takes along: a copy of a small one, for many may wait; the worker's own
 * buffer of a large one, for one that nobody has touched yet in its place.  *ret_buffer is the
 * parked write's; *ret_next the worker's, once it is parked.
 */
static int take_data(struct worker *worker, size_t bytes, uint8_t **ret_buffer, void **ret_data,
	uint8_t **ret_next)
{
	void *copy = NULL;
	int r;

	if (bytes > FUSE_PORT_TRANSFER_BYTES / 2) {
		r = alloc_request(ret_next);
		*ret_buffer = worker->request;
		*ret_data = data_of(worker);
		return r;
	}
	r = io_alloc(bytes, &copy);
	if (r < 0)
		return r;
	memcpy(copy, data_of(worker), bytes);
	secret_wipe(data_of(worker), bytes);
	*ret_buffer = copy;
	*ret_data = copy;
	*ret_next = worker->request;
	return 0;
}

static int park(struct worker *worker, fuse_req_t request, struct extent at, size_t bytes)
{
	struct parked_write *parked = malloc(sizeof(*parked));
	uint8_t *buffer, *next;
	void *data;
	int r;

	if (!parked || take_data(worker, bytes, &buffer, &data, &next) < 0) {
		free(parked);
		return -ENOMEM;
	}
	*parked = (struct parked_write){
		.write = {.at = at, .buf = data, .complete = complete_parked},
		.request = request,
		.buffer = buffer,
		.bytes = bytes,
	};
	r = engine_park(worker->port->engine, &parked->write);
	if (r < 0) {
		if (buffer != worker->request)
			secret_wipe(buffer, bytes);
		free(buffer == worker->request ? next : buffer);
		free(parked);
		return r;
	}
	worker->request = next; /* the parked write may be done and gone by now */
	return 0;
}

/* A WRITE whose data lies in this worker's request buffer, page-aligned: encrypted there, never
 * copied. */
static void do_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t bytes,
	off_t offset, struct fuse_file_info *info)
{
	struct fuse_port *port = port_of(request);
	struct worker *worker = this_worker;
	struct extent at;
	int r;

	(void)inode;
	(void)info;
	assert((const uint8_t *)data == data_of(worker));
	if (!to_extent(port, offset, bytes, &at)) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	if (!atomic_load(&port->serving)) {
		fuse_reply_err(request, EIO);
		return;
	}
	r = engine_write(port->engine, at, data_of(worker));
	if (r == -EBUSY) {
		r = park(worker, request, at, bytes);
		if (r >= 0)
			return;
	}
	if (r < 0)
		secret_wipe(data_of(worker), bytes);
	reply_write(request, r, bytes);
}

static void do_fsync(
	fuse_req_t request, fuse_ino_t inode, int data_only, struct fuse_file_info *info)
{
	int r = engine_flush(port_of(request)->engine);

	(void)inode;
	(void)data_only;
	(void)info;
	fuse_reply_err(request, r < 0 ? EIO : 0);
}

static void do_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length,
	struct fuse_file_info *info)
{
	struct fuse_port *port = port_of(request);
	struct extent at;
	int r;

	(void)inode;
	(void)info;
	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) || !port->info.managed) {
		fuse_reply_err(request, EOPNOTSUPP);
		return;
	}
	if (length <= 0 || !to_extent(port, offset, (uint64_t)length, &at)) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	r = engine_discard(port->engine, at);
	fuse_reply_err(request, errno_of(r));
}

static void do_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_write = FUSE_PORT_TRANSFER_BYTES;
	connection->max_read = FUSE_PORT_TRANSFER_BYTES;
	connection->max_background = BACKGROUND_MAX;
	connection->congestion_threshold = BACKGROUND_MAX * 3 / 4;
	connection->want &= ~(
		unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	connection->want |= connection->capable & FUSE_CAP_ASYNC_DIO;
}

static const struct fuse_lowlevel_ops operations = {
	.init = do_init,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.fsync = do_fsync,
	.statfs = do_statfs,
	.fallocate = do_fallocate,
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct fuse_port *port = worker->port;

	this_worker = worker;
	while (!fuse_session_exited(port->session)) {
		/* The header lies right before the page that the data begins on. */
		struct fuse_buf buf = {.mem = data_of(worker) - WRITE_HEADER_BYTES};
		int r = fuse_session_receive_buf(port->session, &buf);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		fuse_session_process_buf(port->session, &buf);
	}
	return NULL;
}

int fuse_port_new(struct engine *engine, int fuse_fd, struct fuse_port **ret_port)
{
	char name[] = "spoolguard-volume";
	char options[32];
	char *argv[] = {name, options, NULL};
	struct fuse_args arguments = FUSE_ARGS_INIT(2, argv);
	struct fuse_port *port = calloc(1, sizeof(*port));
	char mount[32];
	int r = 0;

	snprintf(options, sizeof(options), "-omax_read=%u", FUSE_PORT_TRANSFER_BYTES);
	if (!port) {
		close(fuse_fd);
		return -ENOMEM;
	}
	port->engine = engine;
	engine_get_info(engine, &port->info);
	for (size_t i = 0; i < FUSE_PORT_WORKERS && r >= 0; i++) {
		port->workers[i].port = port;
		r = alloc_request(&port->workers[i].request);
	}
	if (r >= 0) {
		port->session = fuse_session_new(&arguments, &operations, sizeof(operations), port);
		r = port->session ? 0 : -EINVAL;
	}
	snprintf(mount, sizeof(mount), "/dev/fd/%d", fuse_fd);
	if (r >= 0 && fuse_session_mount(port->session, mount) != 0)
		r = -EIO;
	fuse_opt_free_args(&arguments);
	if (r < 0) {
		fuse_port_free(port);
		return r;
	}
	*ret_port = port;
	return 0;
}

int fuse_port_start(struct fuse_port *port)
{
	pthread_attr_t attributes;
	int r = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	for (size_t i = 0; i < FUSE_PORT_WORKERS && r >= 0; i++) {
		r = -pthread_create(&port->workers[i].thread, &attributes, work, &port->workers[i]);
		port->workers[i].running = r >= 0;
	}
	pthread_attr_destroy(&attributes);
	return r;
}

void fuse_port_serve(struct fuse_port *port)
{
	atomic_store(&port->serving, true);
}

void fuse_port_free(struct fuse_port *port)
{
	if (!port)
		return;
	if (port->session)
		fuse_session_exit(port->session);
	for (size_t i = 0; i < FUSE_PORT_WORKERS; i++) {
		if (port->workers[i].running)
			pthread_join(
				port->workers[i].thread, NULL); /* they end when the mount does */
		free(port->workers[i].request);
	}
	if (port->session)
		fuse_session_destroy(port->session);
	free(port);
}

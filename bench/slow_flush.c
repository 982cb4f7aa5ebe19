/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow_flush.c - a file seen through FUSE whose every flush takes a while longer
 *
 * A disk that has to write its cache out: transfers as fast as below, flushes
 * delayed.  The file appears in the place of MOUNTPOINT, itself a file, and takes
 * I/O in several threads until it is unmounted.
 *
 * usage: slow_flush FILE MOUNTPOINT MILLISECONDS
 */
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct layer {
	int fd;
	useconds_t delay_us;
};

static const struct layer *layer_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static void do_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct stat st;

	(void)info;
	if (fstat(layer_of(request)->fd, &st) < 0) {
		fuse_reply_err(request, errno);
		return;
	}
	st.st_ino = inode;
	fuse_reply_attr(request, &st, 1);
}

/* Accepted and ignored: mode and owner are the file's below. */
static void do_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *attributes, int what,
	struct fuse_file_info *info)
{
	(void)attributes;
	if (what & FUSE_SET_ATTR_SIZE)
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

static void do_read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset,
	struct fuse_file_info *info)
{
	void *buf = malloc(bytes);
	ssize_t n = buf ? pread(layer_of(request)->fd, buf, bytes, offset) : -1;

	(void)inode;
	(void)info;
	if (n < 0)
		fuse_reply_err(request, buf ? errno : ENOMEM);
	else
		fuse_reply_buf(request, buf, (size_t)n);
	free(buf);
}

static void do_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t bytes,
	off_t offset, struct fuse_file_info *info)
{
	ssize_t n = pwrite(layer_of(request)->fd, data, bytes, offset);

	(void)inode;
	(void)info;
	if (n < 0)
		fuse_reply_err(request, errno);
	else
		fuse_reply_write(request, (size_t)n);
}

static void do_fsync(
	fuse_req_t request, fuse_ino_t inode, int data_only, struct fuse_file_info *info)
{
	const struct layer *layer = layer_of(request);
	int error = fdatasync(layer->fd) < 0 ? errno : 0;

	(void)inode;
	(void)data_only;
	(void)info;
	usleep(layer->delay_us);
	fuse_reply_err(request, error);
}

static void do_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length,
	struct fuse_file_info *info)
{
	(void)inode;
	(void)info;
	fuse_reply_err(
		request, fallocate(layer_of(request)->fd, mode, offset, length) < 0 ? errno : 0);
}

static void do_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_read = connection->max_write = 1u << 20; /* as the mount option says */
}

static const struct fuse_lowlevel_ops operations = {
	.init = do_init,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.fsync = do_fsync,
	.fallocate = do_fallocate,
};

int main(int argc, char **argv)
{
	char options[] = "-ofsname=slow_flush,max_read=1048576,allow_other";
	char *arguments[] = {argv[0], options, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, arguments);
	struct fuse_session *session;
	struct layer layer;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: slow_flush FILE MOUNTPOINT MILLISECONDS\n");
		return 2;
	}
	layer.delay_us = (useconds_t)atoi(argv[3]) * 1000;
	layer.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (layer.fd < 0) {
		perror(argv[1]);
		return 1;
	}
	session = fuse_session_new(&args, &operations, sizeof(operations), &layer);
	if (!session || fuse_session_mount(session, argv[2]) != 0)
		return 1;
	if (fuse_daemonize(0) != 0) /* the caller goes on when it is mounted */
		return 1;
	r = fuse_session_loop_mt(session, NULL);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return r == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   FILE.minisig.new, FILE.new written and flushed, read back and verified
 *   FILE.minisig named, then FILE: who finds a certificate finds its signature
 *   the directory flushed
 *
 * Whatever instant it is cut off: there is no FILE, or FILE and its signature.
 */
#include "audit/document.h"
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "decommission/certificate.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
	char file[PATH_MAX], file_new[PATH_MAX];
	char signature[PATH_MAX], signature_new[PATH_MAX];
};

static int name_all(const char *path, struct names *names)
{
	const size_t longest = strlen(path) + sizeof(".minisig.new");

	if (path[0] == '\0' || path[strlen(path) - 1] == '/')
		return -EISDIR;
	if (longest > PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(names->file, PATH_MAX, "%s", path);
	snprintf(names->file_new, PATH_MAX, "%s.new", path);
	snprintf(names->signature, PATH_MAX, "%s.minisig", path);
	snprintf(names->signature_new, PATH_MAX, "%s.minisig.new", path);
	return 0;
}

static const char *id_of(struct json_object *certificate)
{
	const char *id = json_object_get_string(json_object_object_get(certificate, "certificate"));

	return id ? id : "";
}

/* --- on the disk --- */

static int write_new(const char *path, const char *text, size_t bytes)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* What an interrupted run left. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = io_write(fd, text, bytes);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int flush_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int fd = -1;
	char directory[PATH_MAX] = ".";

	if (slash)
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Not over a file that is there; not every file system can promise that (NFS, an old FAT). */
static int give_name(const char *from, const char *to)
{
	struct stat st;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) >= 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (lstat(to, &st) >= 0)
		return -EEXIST;
	return rename(from, to) < 0 ? -errno : 0;
}

/* --- verified --- */

/* What lies on the disk, not what was meant to: it is read again. */
static int verify_files(const char *path, const char *signature,
	const struct certificate_signer *signer, const char *id, struct problem *reterr_problem)
{
	struct json_object *read = NULL;
	int r = document_read(
		path, signature, signer->public_key, CERTIFICATE_SCHEMA, &read, reterr_problem);

	if (r >= 0 && strcmp(id_of(read), id) != 0)
		r = problem_set(reterr_problem, -EEXIST, "%.600s: it is another certificate", path);
	json_object_put(read);
	return r;
}

static int digest_text(const char *text, size_t bytes, char ret_sha256[static RECORD_DIGEST_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(text, bytes, digest);

	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_sha256);
	return r;
}

/* A run that was cut off behind its last rename finds its own certificate. */
static int take_present(const struct names *names, const struct certificate_signer *signer,
	const char *id, char ret_sha256[static RECORD_DIGEST_BYTES], struct problem *reterr_problem)
{
	struct document document = {.text = NULL};
	int r;

	r = verify_files(names->file, names->signature, signer, id, NULL);
	if (r >= 0)
		r = document_load(names->file, NULL, &document, NULL);
	if (r >= 0)
		r = digest_text(document.text, document.bytes, ret_sha256);
	if (r >= 0)
		r = flush_directory(names->file);
	document_done(&document);
	if (r < 0)
		return problem_set(reterr_problem, -EEXIST,
			"%.600s is there already, and is not this run's certificate; name another "
			"file",
			names->file);
	return 0;
}

struct texts {
	char *document, *signature; /* owned */
	char sha256[RECORD_DIGEST_BYTES];
};

static int make_texts(struct json_object *certificate, const struct certificate_signer *signer,
	struct texts *texts)
{
	char comment[sizeof("spoolguard " CERTIFICATE_SCHEMA "/1 ") + RECORD_ID_BYTES];
	int r = document_encode(certificate, &texts->document);

	if (r < 0)
		return r;
	snprintf(comment, sizeof(comment), "spoolguard " CERTIFICATE_SCHEMA "/1 %.32s",
		id_of(certificate));
	r = digest_text(texts->document, strlen(texts->document), texts->sha256);
	if (r >= 0)
		r = signer->sign(signer->context, texts->document, strlen(texts->document), comment,
			&texts->signature);
	return r;
}

static int write_both(const struct names *names, const struct texts *texts,
	const struct certificate_signer *signer, const char *id, struct problem *reterr_problem)
{
	struct problem why = {""};
	int r;

	r = write_new(names->signature_new, texts->signature, strlen(texts->signature));
	if (r >= 0)
		r = write_new(names->file_new, texts->document, strlen(texts->document));
	if (r >= 0)
		r = verify_files(names->file_new, names->signature_new, signer, id, &why);
	/* A signature without its file is what was cut off here: nobody ever had the file. */
	if (r >= 0 && rename(names->signature_new, names->signature) < 0)
		r = -errno;
	if (r >= 0)
		r = give_name(names->file_new, names->file);
	if (r >= 0)
		r = flush_directory(names->file);
	if (r >= 0)
		return 0;
	unlink(names->file_new);
	unlink(names->signature_new);
	return problem_set(reterr_problem, r, "the certificate cannot be written to %.300s: %.300s",
		names->file, problem_text(&why, r));
}

int certificate_write(struct json_object *certificate, const char *path,
	const struct certificate_signer *signer, char ret_sha256[static RECORD_DIGEST_BYTES],
	struct problem *reterr_problem)
{
	struct texts texts = {.document = NULL};
	struct names names;
	struct stat st;
	int r;

	r = name_all(path, &names);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the certificate cannot be written to \"%.300s\": %s", path, strerror(-r));
	if (lstat(path, &st) >= 0)
		return take_present(&names, signer, id_of(certificate), ret_sha256, reterr_problem);
	r = make_texts(certificate, signer, &texts);
	if (r < 0)
		(void)problem_set(
			reterr_problem, r, "the certificate cannot be signed: %s", strerror(-r));
	else
		r = write_both(&names, &texts, signer, id_of(certificate), reterr_problem);
	if (r >= 0)
		memcpy(ret_sha256, texts.sha256, sizeof(texts.sha256));
	free(texts.document);
	free(texts.signature);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "base/io.h"
#include "cli/verb_certificate.h"
#include "crypto/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void certificate_file_done(struct certificate_file *file)
{
	document_done(&file->document);
	json_object_put(file->object);
	*file = (struct certificate_file){.object = NULL};
}

/* Without its signature. */
static int load_text(const char *path, struct document *document, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s", strerror(errno));
	text = malloc(DOCUMENT_BYTES_MAX + 1);
	if (!text)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	r = io_read_to_end(fd, text, DOCUMENT_BYTES_MAX, &document->bytes);
	if (r < 0) {
		free(text);
		return problem_set(reterr_problem, r, "%s",
			r == -EFBIG ? "it is too long to be a certificate" : strerror(-r));
	}
	text[document->bytes] = '\0';
	document->text = text;
	return 0;
}

static bool is_certificate(struct json_object *object)
{
	const char *schema = json_object_get_string(json_object_object_get(object, "schema"));

	return schema &&
	       strncmp(schema, CERTIFICATE_SCHEMA "/1", sizeof(CERTIFICATE_SCHEMA) + 1) == 0;
}

static int take_unverified(struct certificate_file *file, struct problem *reterr_problem)
{
	file->object = json_tokener_parse(file->document.text);
	if (!json_object_is_type(file->object, json_type_object) || !is_certificate(file->object))
		return problem_set(reterr_problem, -EBADMSG,
			"it is no certificate of sanitization that this version knows");
	return 0;
}

static int take_verified(
	const struct trust *trust, struct certificate_file *file, struct problem *reterr_problem)
{
	return document_verify(file->document.text, file->document.bytes, file->document.signature,
		file->document.signature_bytes, &trust->device, CERTIFICATE_SCHEMA, &file->object,
		reterr_problem);
}

static int digest(struct certificate_file *file)
{
	uint8_t sum[SHA256_BYTES];
	int r = hash_sha256(file->document.text, file->document.bytes, sum);

	if (r >= 0)
		(void)hex_encode(sum, sizeof(sum), file->sha256);
	return r;
}

int certificate_file_read(const char *path, const char *signature, const struct trust *trust,
	struct certificate_file *ret_file, struct problem *reterr_problem)
{
	struct certificate_file file = {.object = NULL};
	struct problem why = {""};
	int r;

	/* Its line names the file itself. */
	if (trust) {
		r = document_load(path, signature, &file.document, reterr_problem);
		if (r < 0)
			return r == -EBADMSG ? -EIO : r;
	} else {
		r = load_text(path, &file.document, &why);
	}
	if (r >= 0)
		r = digest(&file);
	if (r >= 0)
		r = trust ? take_verified(trust, &file, &why) : take_unverified(&file, &why);
	if (r < 0) {
		certificate_file_done(&file);
		return problem_set(
			reterr_problem, r, "%.200s: %.500s", path, problem_text(&why, r));
	}
	*ret_file = file;
	return 0;
}

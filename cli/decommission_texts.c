/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_texts.c - what a medium is searched for: what is known of this machine and its
 * administrator, and what the user names
 *
 * Of each only a label is ever shown (N3).
 */
#include "base/io.h"
#include "base/search.h"
#include "cli/decommission.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_MAX 12 /* the rest is the user's */

static bool is_known(const struct search *search, const char *text, size_t bytes)
{
	for (size_t i = 0; i < search_count(search); i++) {
		size_t known_bytes;
		const uint8_t *known = search_text(search, i, &known_bytes);

		if (known_bytes == bytes && memcmp(known, text, bytes) == 0)
			return true;
	}
	return false;
}

static int add(struct decommission_texts *texts, const char *label, const char *text)
{
	size_t bytes = strlen(text);
	int r;

	if (is_known(texts->search, text, bytes))
		return 0;
	if (texts->count == RECORD_SEARCH_MAX)
		return -E2BIG;
	r = search_add(texts->search, text, bytes);
	if (r < 0)
		return r;
	texts->labels[texts->count] = strdup(label);
	return texts->labels[texts->count++] ? 0 : -ENOMEM;
}

/* What is too short to tell anything is not searched for, and there is room for the user's. */
static int add_own(struct decommission_texts *texts, const char *label, const char *text)
{
	if (strlen(text) < SEARCH_BYTES_MIN || texts->count >= OWN_MAX)
		return 0;
	return add(texts, label, text);
}

static int add_address(struct decommission_texts *texts, const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
	const uint8_t *at = (const uint8_t *)&in->sin_addr;
	char text[INET6_ADDRSTRLEN], hex[9];
	int r;

	if (address->sa_family == AF_INET6) {
		if (IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
			!inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)))
			return 0;
		return add_own(texts, "IP address (text)", text);
	}
	if (address->sa_family != AF_INET || at[0] == 127 ||
		!inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)))
		return 0;
	r = add_own(texts, "IP address (text)", text);
	snprintf(hex, sizeof(hex), "%02X%02X%02X%02X", at[0], at[1], at[2], at[3]);
	if (r >= 0)
		r = add_own(texts, "IP address (hexadecimal)", hex);
	snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", at[0], at[1], at[2], at[3]);
	return r < 0 ? r : add_own(texts, "IP address (hexadecimal)", hex);
}

static int add_addresses(struct decommission_texts *texts)
{
	struct ifaddrs *all;
	int r = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (struct ifaddrs *at = all; at && r >= 0; at = at->ifa_next) {
		if (at->ifa_addr)
			r = add_address(texts, at->ifa_addr);
	}
	freeifaddrs(all);
	return r;
}

/* Everybody is called root: whose login it is tells more. */
static int add_administrator(
	struct decommission_texts *texts, const struct decommission_options *options)
{
	const char *login = getenv("SUDO_USER");
	struct passwd *entry;
	char name[RECORD_TEXT_BYTES];
	int r = add_own(texts, "administrator's name", options->operator_.name);

	if (!login)
		login = getlogin();
	if (!login || strcmp(login, "root") == 0)
		return r;
	if (r >= 0)
		r = add_own(texts, "administrator's login", login);
	entry = getpwnam(login);
	if (r < 0 || !entry || !entry->pw_gecos)
		return r;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry->pw_gecos, ","), entry->pw_gecos);
	return add_own(texts, "administrator's name", name);
}

static int explain(int error, const char *what, struct problem *reterr_problem)
{
	if (error == -EINVAL || error == -EFBIG)
		return problem_set(reterr_problem, error,
			"%s: a text to search for has %u to %u bytes: shorter ones are found by "
			"chance",
			what, SEARCH_BYTES_MIN, SEARCH_BYTES_MAX);
	if (error == -E2BIG)
		return problem_set(reterr_problem, error,
			"%s: there are more than %u texts to search for; name fewer", what,
			RECORD_SEARCH_MAX);
	return error;
}

static int add_file(
	struct decommission_texts *texts, const char *path, struct problem *reterr_problem)
{
	char line[SEARCH_BYTES_MAX + 3];
	FILE *file = fopen(path, "re");
	int r = 0;

	if (!file)
		return problem_set(
			reterr_problem, -errno, "%s cannot be read: %s", path, strerror(errno));
	while (r >= 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			r = add(texts, "text from a file", line);
	}
	secret_wipe(line, sizeof(line));
	fclose(file);
	return r < 0 ? explain(r, path, reterr_problem) : 0;
}

int decommission_texts_make(const struct decommission_options *options,
	struct decommission_texts *ret_texts, struct problem *reterr_problem)
{
	struct decommission_texts texts = {.count = 0};
	char host[RECORD_TEXT_BYTES] = "";
	int r = search_new(&texts.search);

	if (r < 0)
		return r;
	if (gethostname(host, sizeof(host) - 1) == 0)
		r = add_own(&texts, "host name", host);
	if (r >= 0)
		r = add_administrator(&texts, options);
	if (r >= 0)
		r = add_addresses(&texts);
	for (size_t i = 0; i < options->search_count && r >= 0; i++)
		r = explain(add(&texts, "text given", options->search_texts[i]), "--search",
			reterr_problem);
	if (r >= 0 && options->search_file)
		r = add_file(&texts, options->search_file, reterr_problem);
	if (r < 0) {
		decommission_texts_done(&texts);
		return r;
	}
	*ret_texts = texts;
	return 0;
}

void decommission_texts_done(struct decommission_texts *texts)
{
	search_free(texts->search);
	for (size_t i = 0; i < texts->count; i++)
		free(texts->labels[i]);
	*texts = (struct decommission_texts){.count = 0};
}

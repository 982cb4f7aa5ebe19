/* SPDX-License-Identifier: Apache-2.0 */
#include "base/build_id.h"
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ALIGN4(n) (((n) + 3u) & ~(size_t)3u)

/* Notes: a header, the name, the description, each from a multiple of four on. */
static void read_notes(const uint8_t *at, size_t bytes, char *buf)
{
	ElfW(Nhdr) note;

	while (bytes > sizeof(note)) {
		size_t name, all;

		memcpy(&note, at, sizeof(note));
		name = sizeof(note) + ALIGN4(note.n_namesz);
		all = name + ALIGN4(note.n_descsz);
		if (all > bytes)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
			note.n_descsz < BUILD_ID_BYTES / 2 + 1 &&
			memcmp(at + sizeof(note), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
			for (size_t i = 0; i < note.n_descsz; i++)
				snprintf(buf + 2 * i, 3, "%02x", at[name + i]);
			return;
		}
		at += all;
		bytes -= all;
	}
}

/* The program itself comes first. */
static int look(struct dl_phdr_info *info, size_t info_bytes, void *buf)
{
	(void)info_bytes;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_NOTE && ((char *)buf)[0] == '\0')
			read_notes((const uint8_t *)(uintptr_t)(info->dlpi_addr + header->p_vaddr),
				header->p_memsz, buf);
	}
	return 1;
}

const char *build_id(char buf[static BUILD_ID_BYTES])
{
	buf[0] = '\0';
	(void)dl_iterate_phdr(look, buf);
	return buf;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel of a standby's shell.  It is never run: the standby is held and its memory overwritten.  It only
 * has to be what libxl accepts as a PVH kernel, so that the shell's memory map equals the real guest's.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domain/helper/helper.h"

#define LOAD_ADDRESS 0x100000U /* 1 MiB, where PVH kernels lie */
#define NT_XEN_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY, public/elfnote.h */

struct stub {
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr[2];
	struct {
		Elf32_Nhdr hdr;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t code[4];
};

static void fill(struct stub *s)
{
	static const uint8_t halt[] = { 0xf4, 0xeb, 0xfd, 0x90 }; /* 1: hlt; jmp 1b */

	memset(s, 0, sizeof(*s));
	memcpy(s->ehdr.e_ident, ELFMAG, SELFMAG);
	s->ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	s->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	s->ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	s->ehdr.e_type = ET_EXEC;
	s->ehdr.e_machine = EM_386;
	s->ehdr.e_version = EV_CURRENT;
	s->ehdr.e_entry = LOAD_ADDRESS;
	s->ehdr.e_phoff = offsetof(struct stub, phdr);
	s->ehdr.e_ehsize = sizeof(s->ehdr);
	s->ehdr.e_phentsize = sizeof(s->phdr[0]);
	s->ehdr.e_phnum = 2;
	s->ehdr.e_shentsize = sizeof(Elf32_Shdr);
	s->phdr[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
				   .p_offset = offsetof(struct stub, code),
				   .p_vaddr = LOAD_ADDRESS,
				   .p_paddr = LOAD_ADDRESS,
				   .p_filesz = sizeof(s->code),
				   .p_memsz = sizeof(s->code),
				   .p_flags = PF_R | PF_X,
				   .p_align = 4 };
	s->phdr[1] = (Elf32_Phdr){ .p_type = PT_NOTE,
				   .p_offset = offsetof(struct stub, note),
				   .p_filesz = sizeof(s->note),
				   .p_memsz = sizeof(s->note),
				   .p_flags = PF_R,
				   .p_align = 4 };
	s->note.hdr = (Elf32_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = NT_XEN_PHYS32_ENTRY };
	memcpy(s->note.name, "Xen", 4);
	s->note.entry = LOAD_ADDRESS;
	memcpy(s->code, halt, sizeof(halt));
}

int stub_kernel(char *path, size_t len)
{
	char page[4096] = { 0 };
	struct stub s;
	int fd = memfd_create("kemari-stub", 0);

	if (fd < 0)
		return -errno;
	fill(&s);
	memcpy(page, &s, sizeof(s));
	if (write(fd, page, sizeof(page)) != sizeof(page)) {
		close(fd);
		return -EIO;
	}
	snprintf(path, len, "/proc/%d/fd/%d", getpid(), fd);
	return fd;
}

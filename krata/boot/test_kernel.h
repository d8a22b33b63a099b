// For tests: an ELF file that says what a Linux kernel says.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace krata::boot {

struct TestKernel {
  static constexpr std::uint64_t kBase = 0xffff'ffff'8000'0000;
  static constexpr std::uint64_t kP2m = 0x80'0000'0000;

  struct Load {
    std::uint64_t address = 0;
    std::string bytes;
    std::uint64_t size = 0;
  };
  std::vector<Load> loads{{.address = 0x100'0000, .bytes = std::string(0x3000, 'T'), .size = 0x3000},
                          {.address = 0x120'0000, .bytes = std::string(0x1800, 'D'), .size = 0x5000}};
  // As Linux 6.1 has them; the numbers are those of xen/elfnote.h.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> notes{
      {3, kBase}, {4, 0}, {1, kBase + 0x100'0100}, {2, kBase + 0x100'1000}, {15, kP2m}, {16, 1}};

  void set(std::uint32_t note, std::optional<std::uint64_t> value) {
    std::erase_if(notes, [&](const auto& entry) { return entry.first == note; });
    if (value) {
      notes.emplace_back(note, *value);
    }
  }

  [[nodiscard]] std::string elf() const {
    std::string note_bytes;
    for (const auto& [type, value] : notes) {
      const Elf64_Nhdr head{.n_namesz = 4, .n_descsz = 8, .n_type = type};
      append(note_bytes, head);
      note_bytes.append("Xen", 4);
      append(note_bytes, value);
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(loads.size() + 1);
    std::string file;
    append(file, header);
    std::string contents;
    const std::uint64_t begin = sizeof(header) + header.e_phnum * sizeof(Elf64_Phdr);
    const auto add = [&](std::uint32_t type, const Load& load) {
      Elf64_Phdr entry{};
      entry.p_type = type;
      entry.p_offset = begin + contents.size();
      entry.p_paddr = load.address;
      entry.p_filesz = load.bytes.size();
      entry.p_memsz = load.size;
      append(file, entry);
      contents += load.bytes;
    };
    for (const Load& load : loads) {
      add(PT_LOAD, load);
    }
    add(PT_NOTE, {.address = 0, .bytes = note_bytes, .size = note_bytes.size()});
    return file + contents;
  }

 private:
  template <typename Plain>
  static void append(std::string& out, const Plain& plain) {
    out.append(reinterpret_cast<const char*>(&plain), sizeof(plain));
  }
};

}  // namespace krata::boot

#include "krata/boot/image.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "krata/xen/types.h"

namespace krata::boot {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint64_t kLargeBytes = std::uint64_t{2} << 20U;
constexpr std::size_t kMaxNoteBytes = 64 << 10;
constexpr std::string_view kNoteName{"Xen\0", 4};  // as it lies in a note

// The numbers of xen/elfnote.h.
enum class Note : std::uint32_t {
  entry = 1,
  hypercall_page = 2,
  virt_base = 3,
  paddr_offset = 4,
  init_p2m = 15,
  mod_start_pfn = 16,
};
struct Notes {
  std::array<std::optional<std::uint64_t>, 19> values;  // of notes that are a number
  [[nodiscard]] std::optional<std::uint64_t> operator[](Note note) const {
    return values.at(static_cast<std::size_t>(note));
  }
};

Error wrong(std::string what) { return {ErrorCode::invalid_input, "the kernel's ELF file: " + std::move(what)}; }

// A T of the file, if it is whole there.
template <typename T>
std::optional<T> record_at(std::string_view file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) {
    return std::nullopt;
  }
  T record;
  std::memcpy(&record, file.data() + offset, sizeof(T));
  return record;
}

std::optional<std::string_view> part(std::string_view file, std::uint64_t offset, std::uint64_t bytes) {
  if (offset > file.size() || bytes > file.size() - offset) {
    return std::nullopt;
  }
  return file.substr(offset, bytes);
}

Result<std::vector<Elf64_Phdr>> headers_of(std::string_view file) {
  const auto header = record_at<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64 || header->e_type != ET_EXEC) {
    return wrong("no program for x86_64");
  }
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > kMaxSegments) {
    return wrong(fmt::format("{} program headers of {} bytes", header->e_phnum, header->e_phentsize));
  }
  std::vector<Elf64_Phdr> headers;
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    const auto found = header->e_phoff > file.size()
                           ? std::nullopt
                           : record_at<Elf64_Phdr>(file, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!found) {
      return wrong("cut off in its program headers");
    }
    headers.push_back(*found);
  }
  return headers;
}

std::size_t padded(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }

std::optional<std::uint64_t> number_in(std::string_view value) {
  std::uint64_t number = 0;
  if (value.size() != 4 && value.size() != 8) {
    return std::nullopt;
  }
  std::memcpy(&number, value.data(), value.size());
  return number;
}

Result<void> read_notes(std::string_view bytes, Notes& notes) {
  while (bytes.size() >= sizeof(Elf64_Nhdr)) {
    const auto header = *record_at<Elf64_Nhdr>(bytes, 0);
    const std::uint64_t value_at = sizeof(header) + padded(header.n_namesz);
    const auto name = part(bytes, sizeof(header), header.n_namesz);
    const auto value = part(bytes, value_at, header.n_descsz);
    if (!name || !value) {
      return wrong("a note that goes beyond its segment");
    }
    if (*name == kNoteName && header.n_type < notes.values.size()) {
      notes.values.at(header.n_type) = number_in(*value);
    }
    bytes.remove_prefix(std::min<std::size_t>(value_at + padded(header.n_descsz), bytes.size()));
  }
  return {};
}

Result<Segment> segment_of(std::string_view file, const Elf64_Phdr& header) {
  const auto bytes = part(file, header.p_offset, header.p_filesz);
  if (!bytes || header.p_memsz < header.p_filesz) {
    return wrong(fmt::format("a segment of {} bytes at {} that the file has not", header.p_filesz, header.p_offset));
  }
  if (header.p_paddr > kMaxKernelEnd || header.p_memsz > kMaxKernelEnd - header.p_paddr) {
    return wrong(
        fmt::format("a segment of {} bytes for address {:#x}, beyond the first GiB", header.p_memsz, header.p_paddr));
  }
  return Segment{.address = header.p_paddr, .bytes = *bytes, .size = header.p_memsz};
}

Result<void> no_overlap(std::vector<Segment>& segments) {
  std::ranges::sort(segments, {}, &Segment::address);
  for (std::size_t i = 1; i < segments.size(); ++i) {
    if (segments[i - 1].address + segments[i - 1].size > segments[i].address) {
      return wrong(fmt::format("two segments for address {:#x}", segments[i].address));
    }
  }
  return {};
}

// Slots of the highest page table, 512 GiB each: Xen has some for itself (asm-x86/config.h: 256 to 271).
bool is_own_slot(std::uint64_t address) {
  const std::uint64_t slot = (address >> 39U) & 511U;
  const auto upper = static_cast<std::int64_t>(address) >> 47U;
  return (upper == 0 || upper == -1) && (slot < 256 || slot > 271);
}

Result<void> take_notes(const Notes& notes, KernelImage& image) {
  const auto base = notes[Note::virt_base];
  const auto entry = notes[Note::entry];
  const auto p2m = notes[Note::init_p2m];
  if (!base || !entry) {
    return wrong(
        "it has no notes for Xen, so it cannot be a paravirtualised guest: take one with CONFIG_XEN_PV, as "
        "Debian's are");
  }
  if (!p2m || notes[Note::mod_start_pfn].value_or(0) == 0) {
    return wrong("it is older than Linux 4.3, whose notes say how it takes its memory");
  }
  if (notes[Note::paddr_offset].value_or(0) != 0) {
    return wrong("the note PADDR_OFFSET is not 0");
  }
  if (!is_own_slot(*base) || !is_own_slot(*base + kMaxKernelEnd) || *base + 2 * kMaxKernelEnd - 1 < *base ||
      *base % kLargeBytes != 0) {
    return wrong(fmt::format("the note VIRT_BASE is {:#x}, where no kernel can be", *base));
  }
  if (!is_own_slot(*p2m) || *p2m % (std::uint64_t{1} << 39U) != 0 || *p2m >> 39U == *base >> 39U) {
    return wrong(fmt::format("the note INIT_P2M is {:#x}, where no list can be", *p2m));
  }
  if (*entry < *base + image.begin || *entry >= *base + image.end) {
    return wrong(fmt::format("it begins at {:#x}, outside of itself", *entry));
  }
  image.base = *base;
  image.entry = *entry;
  image.p2m = *p2m;
  if (const auto page = notes[Note::hypercall_page]) {
    const std::uint64_t address = *page - *base;
    if (address % xen::kPageBytes != 0 || address < image.begin || address >= image.end) {
      return wrong(fmt::format("the note HYPERCALL_PAGE is {:#x}, outside of it", *page));
    }
    image.hypercall_page = address;
  }
  return {};
}

}  // namespace

Result<KernelImage> parse_kernel(std::string_view elf) {
  KRAIT_TRY(const auto headers, headers_of(elf));
  KernelImage image;
  Notes notes;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_LOAD && header.p_memsz != 0) {
      KRAIT_TRY(const auto segment, segment_of(elf, header));
      image.segments.push_back(segment);
    } else if (header.p_type == PT_NOTE) {
      const auto bytes = part(elf, header.p_offset, header.p_filesz);
      if (!bytes || bytes->size() > kMaxNoteBytes) {
        return wrong(fmt::format("notes of {} bytes at {}", header.p_filesz, header.p_offset));
      }
      KRAIT_CHECK(read_notes(*bytes, notes));
    }
  }
  if (image.segments.empty()) {
    return wrong("nothing in it is to be loaded");
  }
  KRAIT_CHECK(no_overlap(image.segments));
  image.begin = image.segments.front().address;
  image.end = image.segments.back().address + image.segments.back().size;
  KRAIT_CHECK(take_notes(notes, image));
  return image;
}

}  // namespace krata::boot

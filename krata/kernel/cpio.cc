#include "krata/kernel/cpio.h"

#include <fmt/format.h>

#include <utility>

namespace krata::kernel {

namespace {

constexpr std::uint32_t kDirectory = 0040000;  // of inode(7)
constexpr std::uint32_t kRegular = 0100000;
constexpr std::size_t kAlignment = 4;

}  // namespace

std::string CpioWriter::padding_of(std::uint64_t bytes) {
  return std::string((kAlignment - bytes % kAlignment) % kAlignment, '\0');
}

// All but the contents.
void CpioWriter::add(std::string_view name, std::uint32_t mode, std::uint32_t bytes) {
  constexpr std::uint32_t kNone = 0;
  const std::uint32_t links = (mode & kDirectory) != 0 ? 2 : 1;
  out_ += "070701";
  for (const std::uint32_t field : {next_inode_++, mode, kNone, kNone, links, kNone, bytes, kNone, kNone, kNone, kNone,
                                    static_cast<std::uint32_t>(name.size() + 1), kNone}) {
    out_ += fmt::format("{:08x}", field);
  }
  out_ += name;
  out_ += '\0';
  out_ += padding_of(out_.size());
}

void CpioWriter::add_directory(std::string_view name, unsigned mode) { add(name, kDirectory | mode, 0); }

void CpioWriter::add_file(std::string_view name, std::string_view bytes, unsigned mode) {
  begin_file(name, static_cast<std::uint32_t>(bytes.size()), mode);
  out_ += bytes;
  out_ += padding_of(bytes.size());
}

void CpioWriter::begin_file(std::string_view name, std::uint32_t bytes, unsigned mode) {
  add(name, kRegular | mode, bytes);
}

std::string CpioWriter::finish() && {
  next_inode_ = 0;
  add("TRAILER!!!", 0, 0);
  return std::move(out_);
}

}  // namespace krata::kernel

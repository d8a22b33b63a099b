// A part of a BPF array made with BPF_F_MMAPABLE, mapped into the process.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "common/result.h"

namespace krait::datapath {

// Owns the mapping, not the map. Move-only. Every page of a mapping counts as resident memory of the process, touched
// or not (the kernel inserts them all, mm/vmalloc.c remap_vmalloc_range): map what is needed, for as long as it is.
class MappedMap {
 public:
  // `bytes` from `offset_bytes` on, readable and writable. Fails when the map is smaller.
  static common::Result<MappedMap> map(int map_fd, std::size_t offset_bytes, std::size_t bytes);

  MappedMap() = default;
  MappedMap(MappedMap&& other) noexcept
      : pages_(std::exchange(other.pages_, {})), memory_(std::exchange(other.memory_, {})) {}
  MappedMap& operator=(MappedMap&& other) noexcept {
    std::swap(pages_, other.pages_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  MappedMap(const MappedMap&) = delete;
  MappedMap& operator=(const MappedMap&) = delete;
  ~MappedMap();

  [[nodiscard]] std::span<std::byte> memory() const { return memory_; }

 private:
  std::span<std::byte> pages_;   // whole pages of the system's, around the memory
  std::span<std::byte> memory_;  // what was asked for
};

}  // namespace krait::datapath

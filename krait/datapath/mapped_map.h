// The memory of an mmapable BPF array, shared with the kernel.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"

namespace krait::datapath {

// Owns the mapping, not the map's descriptor. Move-only.
class MappedMap {
 public:
  // `bytes` is rounded up to whole pages. Fails with system.
  static common::Result<MappedMap> map(int map_fd, std::size_t bytes);

  MappedMap() = default;
  MappedMap(MappedMap&& other) noexcept;
  MappedMap& operator=(MappedMap&& other) noexcept;
  MappedMap(const MappedMap&) = delete;
  MappedMap& operator=(const MappedMap&) = delete;
  ~MappedMap();

  [[nodiscard]] std::span<std::byte> memory() const { return memory_; }

 private:
  std::span<std::byte> memory_;
};

}  // namespace krait::datapath

// What a disk's back end needs of the world around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.h"

namespace krata::block {

// A part of one page that the zone has granted, and our memory for it.
struct Copy {
  std::uint32_t grant = 0;
  std::uint16_t offset_bytes = 0;  // in the zone's page; offset and length stay within 4096
  std::uint16_t length_bytes = 0;
  std::byte* ours = nullptr;
  bool to_zone = false;
  bool done = false;  // set by the port: whether the hypervisor did it
};

// GNTTABOP_copy by /dev/xen/gntdev: bytes are moved by the hypervisor, so a grant that is revoked, foreign or made up
// gives `done` false and never a signal.
class GrantCopier {
 public:
  virtual ~GrantCopier() = default;
  // Does all it can of at most kMaxCopies, and sets `done` of each. Fails only where nothing can be copied any more.
  virtual common::Result<void> copy(std::span<Copy> copies) = 0;
};
inline constexpr std::size_t kMaxCopies = 64;

class Notifier {
 public:
  virtual ~Notifier() = default;
  virtual void notify() = 0;  // the zone's event channel
};

// What holds the sectors. Blocks.
class Medium {
 public:
  virtual ~Medium() = default;
  [[nodiscard]] virtual std::uint64_t sectors() const = 0;
  [[nodiscard]] virtual bool read_only() const = 0;
  // The ranges lie within sectors(). False: an error of the medium, which the zone gets as such.
  virtual bool read(std::uint64_t sector, std::span<std::byte> into) = 0;
  virtual bool write(std::uint64_t sector, std::span<const std::byte> from) = 0;
  virtual bool flush() = 0;
  virtual bool discard(std::uint64_t sector, std::uint64_t sectors) = 0;
};

}  // namespace krata::block

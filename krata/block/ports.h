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

// By /dev/xen/gntdev. GNTTABOP_copy: bytes are moved by the hypervisor, so a grant that is revoked, foreign or made up
// gives `done` false and never a signal. A page that is mapped stays, whatever becomes of its grant and its zone.
class GrantedPages {
 public:
  virtual ~GrantedPages() = default;
  // Does all it can of at most kMaxCopies, and sets `done` of each. Fails only where nothing can be copied any more.
  virtual common::Result<void> copy(std::span<Copy> copies) = 0;
  // Where the pages of at most kMaxCopies grants are in this process's memory, each at a multiple of 4096, for as long
  // as the disk is there: of a zone that lends them that long. The zone goes on writing there. False: not all of them
  // are to be had, copy.
  virtual bool find(std::span<const std::uint32_t> grants, std::span<std::byte*> pages) = 0;
};
inline constexpr std::size_t kMaxCopies = 64;

// One behind the other: at most kMaxCopies.
using Pieces = std::span<const std::span<std::byte>>;

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
  virtual bool read(std::uint64_t sector, Pieces into) = 0;
  virtual bool write(std::uint64_t sector, Pieces from) = 0;
  virtual bool flush() = 0;
  virtual bool discard(std::uint64_t sector, std::uint64_t sectors) = 0;
};

}  // namespace krata::block

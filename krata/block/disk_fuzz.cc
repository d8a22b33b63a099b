// Whatever a zone writes into its ring and its pages, and whenever, the disk stays within its medium and its own
// memory, and answers at most what was asked. The input is the ring, once at the start and further bytes of it during
// each copy.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "krata/block/disk.h"
#include "tests/require.h"

using namespace krata::block;

namespace {

constexpr std::uint64_t kSectors = 64;

class CheckedMedium : public Medium {
 public:
  [[nodiscard]] std::uint64_t sectors() const override { return kSectors; }
  [[nodiscard]] bool read_only() const override { return false; }
  bool read(std::uint64_t sector, std::span<std::byte> into) override {
    check(sector, into.size() / kSectorBytes);
    std::ranges::fill(into, std::byte{1});
    return true;
  }
  bool write(std::uint64_t sector, std::span<const std::byte> from) override {
    check(sector, from.size() / kSectorBytes);
    return true;
  }
  bool flush() override { return true; }
  bool discard(std::uint64_t sector, std::uint64_t sectors) override {
    check(sector, sectors);
    return true;
  }

 private:
  static void check(std::uint64_t sector, std::uint64_t sectors) {
    krait::require(sectors > 0 && sector < kSectors && sectors <= kSectors - sector, "within the medium");
  }
};

class HostileZone : public GrantCopier, public Notifier {
 public:
  HostileZone(std::span<std::byte> ring, std::span<const std::byte> script) : ring_(ring), script_(script) {}

  void write_ring() {
    const std::size_t size = std::min(ring_.size(), script_.size());
    std::copy_n(script_.begin(), size, ring_.begin());
    script_ = script_.subspan(size / 2);
    for (std::size_t at = size; at < ring_.size() && size > 0; ++at) {
      ring_[at] = ring_[at % size];
    }
  }

  common::Result<void> copy(std::span<Copy> copies) override {
    krait::require(copies.size() <= kMaxCopies, "so many copies at a time");
    for (Copy& copy : copies) {
      krait::require(copy.length_bytes > 0 && copy.offset_bytes + copy.length_bytes <= kPageBytes, "within a page");
      copy.done = copy.grant % 5 != 0;
      for (std::size_t i = 0; copy.done && !copy.to_zone && i < copy.length_bytes; ++i) {
        copy.ours[i] = script_.empty() ? std::byte{0} : script_[i % script_.size()];
      }
    }
    write_ring();
    return {};
  }
  void notify() override {}

 private:
  std::span<std::byte> ring_;
  std::span<const std::byte> script_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alignas(8) std::array<std::byte, kPageBytes> ring{};
  HostileZone zone(ring, std::as_bytes(std::span(data, size)));
  zone.write_ring();
  CheckedMedium medium;
  DiskMemory memory;
  Disk disk(ring, memory, medium, zone, zone);
  for (int turn = 0; turn < 4 && disk.serve() != Progress::broken; ++turn) {
  }
  return 0;
}

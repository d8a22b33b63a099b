// Whatever a zone writes into its ring and its pages, and whenever, the disk stays within its medium and its own
// memory, and answers at most what was asked. The input is the ring, once at the start and further bytes of it during
// each copy.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
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
  bool read(std::uint64_t sector, Pieces into) override {
    check(sector, sectors_of(into));
    for (const auto& piece : into) {
      std::ranges::fill(piece, std::byte{1});
    }
    return true;
  }
  bool write(std::uint64_t sector, Pieces from) override {
    check(sector, sectors_of(from));
    return true;
  }
  bool flush() override { return true; }
  bool discard(std::uint64_t sector, std::uint64_t sectors) override {
    check(sector, sectors);
    return true;
  }

 private:
  static std::uint64_t sectors_of(Pieces pieces) {
    krait::require(!pieces.empty() && pieces.size() <= kMaxCopies, "so many pieces at a time");
    std::uint64_t bytes = 0;
    for (const auto& piece : pieces) {
      bytes += piece.size();
    }
    return bytes / kSectorBytes;
  }
  static void check(std::uint64_t sector, std::uint64_t sectors) {
    krait::require(sectors > 0 && sector < kSectors && sectors <= kSectors - sector, "within the medium");
  }
};

class HostileZone : public GrantedPages, public Notifier {
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
  // Some are lent; the pages are checked by the sanitizer.
  bool find(std::span<const std::uint32_t> grants, std::span<std::byte*> pages) override {
    krait::require(grants.size() <= kMaxCopies && grants.size() == pages.size(), "so many grants at a time");
    if (std::ranges::any_of(grants, [](std::uint32_t grant) { return grant % 3 != 0; })) {
      return false;
    }
    std::ranges::transform(grants, pages.begin(), [this](std::uint32_t grant) { return lent_[grant / 3 % 2].get(); });
    write_ring();
    return true;
  }
  void notify() override {}

 private:
  std::array<std::unique_ptr<std::byte[]>, 2> lent_{std::make_unique<std::byte[]>(kPageBytes),
                                                    std::make_unique<std::byte[]>(kPageBytes)};
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

#include "lab/zone/scribble.h"

#include <array>
#include <atomic>
#include <cstring>

#include "krata/xen/grants.h"

namespace lab {

using common::Error;
using common::ErrorCode;
using common::Result;
namespace xen = krata::xen;

namespace {

// Offsets of xen/io/xs_wire.h.
constexpr std::size_t kRequestsTaken = 2048;
constexpr std::size_t kRequestsPut = 2052;
constexpr std::size_t kAnswersTaken = 2056;
constexpr std::size_t kAnswersPut = 2060;
constexpr std::uint32_t kRingBytes = 1024;

std::atomic_ref<std::uint32_t> index(std::span<std::byte> page, std::size_t offset) {
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(page.data() + offset));
}

void put_long_request(std::span<std::byte> page) {
  constexpr std::array<std::uint32_t, 4> kHeader{2, 1, 0, 0xffff'ffff};  // READ, of that many bytes
  const std::uint32_t at = index(page, kRequestsPut);
  for (std::uint32_t i = 0; i < sizeof(kHeader); ++i) {
    page[(at + i) % kRingBytes] = reinterpret_cast<const std::byte*>(kHeader.data())[i];
  }
  index(page, kRequestsPut) = at + sizeof(kHeader);
}

}  // namespace

Result<void> scribble(xen::DomainId domain, const std::string& kind) {
  KRAIT_TRY(const auto grants, xen::GrantDevice::open());
  const std::array<xen::GrantRef, 1> ref{xen::kStoreGrant};
  KRAIT_TRY(const auto mapping, grants->map(domain, ref));
  const auto page = mapping.bytes();
  if (kind == "jump") {
    index(page, kRequestsPut) += 2 * kRingBytes;
  } else if (kind == "back") {
    index(page, kRequestsPut) -= 100;
  } else if (kind == "taken") {
    index(page, kAnswersTaken) += 100;
  } else if (kind == "long") {
    put_long_request(page);
  } else if (kind == "own") {
    index(page, kRequestsTaken) += 3;
    index(page, kAnswersPut) += 5;
  } else {
    return Error(ErrorCode::invalid_input, "jump, back, taken, long or own");
  }
  return {};
}

}  // namespace lab

#include "krata/block/handshake.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "krata/block/blkif.h"

namespace krata::block {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::string_view kProtocol = "x86_64-abi";  // XEN_IO_PROTO_ABI_X86_64 of xen/io/protocols.h
// Linux's front end sets four megabytes aside for a disk whose pages it lends: of a smaller one all is read once, and
// that is that.
constexpr std::uint64_t kMinLentSectors = (std::uint64_t{8} << 20U) / kSectorBytes;
constexpr unsigned kReadOnlyDisk = 4;                   // VDISK_READONLY of xen/io/blkif.h
constexpr std::uint32_t kMaxEventChannels = 1U << 17U;  // of the FIFO ABI (xen/event_channel.h)

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && !text.empty() && end == text.data() + text.size() ? std::optional(number)
                                                                                   : std::nullopt;
}

std::optional<std::uint32_t> number_at(const Keys& keys, std::string_view name) {
  const auto found = keys.find(name);
  return found == keys.end() ? std::nullopt : number_of(found->second);
}

Error malformed(std::string_view key) {
  return {ErrorCode::invalid_input, fmt::format("the zone's front end wrote no proper {}", key)};
}

BusState state_of(std::optional<std::string_view> text) {
  const auto number = text ? number_of(*text) : std::nullopt;
  return number && *number <= static_cast<std::uint32_t>(BusState::closed)
             ? BusState{static_cast<std::uint8_t>(*number)}
             : BusState::unknown;
}

}  // namespace

bool borrows(const DiskDescription& disk) { return disk.sectors >= kMinLentSectors; }

Keys offered_keys(const DiskDescription& disk) {
  Keys keys{{"feature-flush-cache", "1"},
            {"feature-max-indirect-segments", fmt::format("{}", kMaxIndirectSegments)},
            {"max-ring-page-order", fmt::format("{}", kMaxRingPageOrder)}};
  if (borrows(disk)) {
    keys.emplace("feature-persistent", "1");
  }
  if (!disk.read_only) {
    keys.emplace("feature-discard", "1");
    keys.emplace("discard-granularity", fmt::format("{}", kPageBytes));
    keys.emplace("discard-alignment", "0");
  }
  return keys;
}

Keys connected_keys(const DiskDescription& disk) {
  return {{"sectors", fmt::format("{}", disk.sectors)},
          {"sector-size", fmt::format("{}", kSectorBytes)},
          {"physical-sector-size", fmt::format("{}", kSectorBytes)},
          {"info", fmt::format("{}", disk.read_only ? kReadOnlyDisk : 0)}};
}

Result<RingPlace> ring_place(const Keys& front_end) {
  if (const auto protocol = front_end.find("protocol"); protocol != front_end.end() && protocol->second != kProtocol) {
    return malformed("protocol (x86_64-abi is served)");
  }
  RingPlace place;
  const auto channel = number_at(front_end, "event-channel");
  if (!channel || *channel == 0 || *channel >= kMaxEventChannels) {
    return malformed("event-channel");
  }
  place.event_channel = *channel;
  place.lends = number_at(front_end, "feature-persistent") == 1U;
  std::uint32_t order = 0;
  if (front_end.contains("ring-page-order")) {
    const auto said = number_at(front_end, "ring-page-order");
    if (!said || *said > kMaxRingPageOrder) {
      return malformed("ring-page-order");
    }
    order = *said;
  }
  for (std::uint32_t i = 0; i < 1U << order; ++i) {
    const std::string key = order == 0 && front_end.contains("ring-ref") ? "ring-ref" : fmt::format("ring-ref{}", i);
    const auto grant = number_at(front_end, key);
    if (!grant || std::ranges::find(place.grants, *grant) != place.grants.end()) {
      return malformed(key);
    }
    place.grants.push_back(*grant);
  }
  return place;
}

Step next_step(BusState ours, std::optional<std::string_view> front_end_state) {
  if (!front_end_state) {
    return Step::finish;
  }
  switch (state_of(front_end_state)) {
    case BusState::initialising:
      // A front end that begins anew under a ring that is in use: that is let go of first.
      return ours == BusState::connected ? Step::disconnect : ours == BusState::init_wait ? Step::wait : Step::offer;
    case BusState::initialised:
    case BusState::connected:
      return ours == BusState::init_wait ? Step::connect : Step::wait;
    case BusState::closing:
    case BusState::closed:
      return ours == BusState::closed ? Step::wait : Step::disconnect;
    case BusState::init_wait:
    case BusState::unknown:
      break;
  }
  return Step::wait;
}

}  // namespace krata::block

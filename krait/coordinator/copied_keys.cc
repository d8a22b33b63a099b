#include "krait/coordinator/copied_keys.h"

#include <fmt/format.h>

#include <utility>

namespace krait::coordinator {

namespace {

constexpr unsigned kMostTakeovers = 10;
constexpr std::int64_t kSwiftUs = 60'000'000;
constexpr std::int64_t kHoldUs = 600'000'000;

std::string place_text(const std::optional<common::Ip>& place) {
  return place ? place->text() : "an address that is not known";
}

}  // namespace

CopiedKeys::Verdict CopiedKeys::on_second(std::uint64_t host, const Places& places, std::int64_t now_us) {
  Seen& seen = seen_[host];
  if (now_us - seen.last_us > (seen.is_copied ? kHoldUs : kSwiftUs)) {
    seen = {};
  }
  seen.last_us = now_us;
  seen.places = places;
  if (!seen.is_copied && seen.times < kMostTakeovers) {
    ++seen.times;
    return Verdict::take_over;
  }
  return std::exchange(seen.is_copied, true) ? Verdict::refuse : Verdict::refuse_and_tell;
}

std::optional<CopiedKeys::Places> CopiedKeys::places_of(std::uint64_t host, std::int64_t now_us) const {
  const auto found = seen_.find(host);
  const bool is_copied = found != seen_.end() && found->second.is_copied && now_us - found->second.last_us <= kHoldUs;
  return is_copied ? std::optional(found->second.places) : std::nullopt;
}

std::string places_text(const CopiedKeys::Places& places) {
  return fmt::format("{} and {}", place_text(places.connected), place_text(places.other));
}

}  // namespace krait::coordinator

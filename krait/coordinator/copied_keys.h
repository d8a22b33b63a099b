// Hosts whose link's key several machines have, as a copied disk makes them: each would end the other's connection for
// ever. From some point on the one that is connected stays. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/ip.h"

namespace krait::coordinator {

class CopiedKeys {
 public:
  enum class Verdict : std::uint8_t { take_over, refuse, refuse_and_tell };
  struct Places {  // where the two call from, as far as it is known
    std::optional<common::Ip> connected{};
    std::optional<common::Ip> other{};
    bool operator==(const Places&) const = default;
  };

  // A host calls that is connected already. Whoever has lost a connection does so once in a while; who does so ten
  // times with less than a minute between is two. `now_us`: a clock that is never set.
  Verdict on_second(std::uint64_t host, const Places& places, std::int64_t now_us);
  // While both call; until ten minutes after one of them was refused last.
  [[nodiscard]] std::optional<Places> places_of(std::uint64_t host, std::int64_t now_us) const;
  void forget(std::uint64_t host) { seen_.erase(host); }

 private:
  struct Seen {
    unsigned times = 0;
    std::int64_t last_us = 0;
    bool is_copied = false;
    Places places{};
  };
  std::map<std::uint64_t, Seen> seen_;  // by host
};

// "192.0.2.1 and 192.0.2.9".
std::string places_text(const CopiedKeys::Places& places);

}  // namespace krait::coordinator

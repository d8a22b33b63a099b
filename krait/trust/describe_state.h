// What a state's bytes are made of, for both who write them: from a state, and from what hosts are told.
#pragma once

#include <string>
#include <type_traits>

#include "krait/trust/describe.h"
#include "krait/trust/state.h"

namespace krait::trust {

inline constexpr std::size_t kMaxLists = 4096;
inline constexpr std::size_t kMaxRows = kMaxRoutes + 2;  // of a host: its own identity's, its routes', that of "*"

inline const std::string& name_of(const Joined& joined) { return joined.host.value.binding.name; }
inline const std::string& name_of(const Signed<KeyChange>& change) { return change.value.host; }
inline const std::string& name_of(const Advice& advice) { return advice.host; }

template <typename Codec, typename Value>
void describe_entry(Codec& codec, Value& entry) {
  using Item = std::remove_const_t<Value>;
  if constexpr (std::is_same_v<Item, Joined>) {
    describe_signed(codec, entry.grant);
    describe_signed(codec, entry.host);
  } else if constexpr (std::is_same_v<Item, Advice>) {
    describe_name(codec, entry.host);
    codec.optional(entry.endpoint, [](auto& inner, auto& endpoint) {
      describe_ip(inner, endpoint.ip);
      inner.integer(endpoint.port);
      inner.require(endpoint.port != 0, "a port of 0");
    });
    codec.integer(entry.keepalive_s);
  } else {
    describe_signed(codec, entry);
  }
}

}  // namespace krait::trust

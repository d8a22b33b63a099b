// What connections ask and are sent. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "krata/store/watch.h"

namespace krata::store {

// A domain's connection has the domain's number, which never changes; others begin here.
inline constexpr ConnectionId kFirstSocket = ConnectionId{1} << 32U;

struct Request {
  std::uint32_t operation = 0;
  std::uint32_t id = 0;
  std::uint32_t transaction = 0;
  std::string_view payload;  // at most kMaxPayloadBytes
};

struct Message {
  ConnectionId to = 0;
  bool is_event = false;
  std::string bytes;  // with its header
};
using Messages = std::vector<Message>;

}  // namespace krata::store

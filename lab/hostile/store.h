// A well-behaved client of xenstore, one question at a time, on this domain's ring; and the ring itself, for those who
// are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lab/hostile/machine.h"

namespace hostile {

// Offsets of the ring's indices in its page (xen/io/xs_wire.h).
inline constexpr std::size_t kRequestsTaken = 2048;
inline constexpr std::size_t kRequestsPut = 2052;
inline constexpr std::size_t kAnswersTaken = 2056;
inline constexpr std::size_t kAnswersPut = 2060;
inline constexpr std::uint32_t kRingBytes = 1024;

// Numbers of requests, of the same header.
enum class Request : std::uint32_t {
  directory = 1,
  read = 2,
  watch = 4,
  transaction_start = 6,
  transaction_end = 7,
  introduce = 8,
  release = 9,
  write = 11,
  make = 12,
  remove = 13,
  set_permissions = 14,
  event = 15,
  error = 16,
  resume = 18,
  set_target = 19,
  reset_watches = 21,
};

struct Header {
  std::uint32_t request;
  std::uint32_t number;
  std::uint32_t transaction;
  std::uint32_t bytes;
};

// Puts it in, waiting for room.
void send(Request request, std::string_view payload, std::uint32_t transaction = 0);
// The answer to what was sent first; events are passed over. An error begins with "E".
Text answer();
std::uint64_t events_passed();  // but for those of this domain's own data/
Text ask(Request request, std::string_view payload, std::uint32_t transaction = 0);

// Paths are this domain's own, or whole.
Text read(std::string_view path);
Text write(std::string_view path, std::string_view value, std::uint32_t transaction = 0);
Text write(std::string_view path, std::uint64_t value);
// Until it has that value. False: not within ten seconds.
bool await(std::string_view path, std::string_view value);

}  // namespace hostile

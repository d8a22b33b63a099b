// Whatever a zone sends, the host's end stays bounded; whatever a host sends, the zone's does. The input is a script:
// of messages that are well formed but for their payloads, and of raw bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "krata/channel/channel.h"
#include "krata/channel/zone_channel.h"

using namespace krata::channel;

namespace {

constexpr std::size_t kMostWaiting = std::size_t{1} << 20U;

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void play(std::string_view script, Channel& host, zone::ZoneChannel& zone) {
  while (script.size() > 4) {
    const auto kind = static_cast<std::uint8_t>(script[0]);
    const auto session = static_cast<std::uint8_t>(script[1]) % 4U;
    const std::size_t size = static_cast<unsigned char>(script[2]);
    const std::string_view payload = script.substr(3, size);
    script.remove_prefix(3 + payload.size());
    std::string bytes;
    if (kind == 255) {
      bytes = payload;
    } else {
      append_message(bytes, Kind{static_cast<std::uint16_t>(kind % 20U)}, session, payload);
    }
    host.feed(bytes);
    zone.feed(bytes);
    if (kind % 7 == 0) {
      host.input(session, payload);
      zone.output(session, Stream::error, payload.substr(0, zone.output_room(session)));
      host.output_taken(session, size);
      zone.input_taken(session, size);
    }
    while (host.next_event()) {
    }
    while (zone.next_event()) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Channel host;
  zone::ZoneChannel zone;
  std::string hello;
  append_message(hello, Kind::hello, 0, write_hello_answer({.state = State::running}));
  host.feed(hello);
  zone.feed(host.to_send());
  (void)host.start({.arguments = {"a"}});
  play({reinterpret_cast<const char*>(data), size}, host, zone);
  check(host.to_send().size() <= kMostWaiting && zone.to_send().size() <= kMostWaiting);
  return 0;
}

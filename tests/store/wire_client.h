// One client's end of xenstore's protocol: over a socket, or over a ring in a file (xen_stand_in.c).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "krata/store/wire.h"

namespace krata::store {

struct Received {
  std::uint32_t operation = 0;
  std::uint32_t request = 0;
  std::uint32_t transaction = 0;
  std::string payload;

  bool operator==(const Received&) const = default;
};

std::string message(Operation operation, std::string_view payload, std::uint32_t request = 1,
                    std::uint32_t transaction = 0);

// Takes a whole message off the front of `bytes`.
std::optional<Received> take_message(std::string& bytes);

// A stream of bytes both ways. Waits no longer than kPatience for anything.
class Wire {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  virtual ~Wire() = default;
  virtual bool put(std::string_view bytes) = 0;  // false: nobody takes them
  virtual std::string get() = 0;                 // what has come, at least a byte; empty: nothing comes any more
};

std::unique_ptr<Wire> connect_socket(const std::string& path);  // nullptr: nobody listens
// `folder` as in xen_stand_in.c; the file of the ring is made when it is missing, and zeroed.
std::unique_ptr<Wire> connect_ring(const std::string& folder, std::uint32_t domain);

class WireClient {
 public:
  explicit WireClient(std::unique_ptr<Wire> wire) : wire_(std::move(wire)) {}

  bool send(std::string_view bytes) { return wire_->put(bytes); }
  // The next message; nothing: the connection has ended.
  std::optional<Received> receive();
  // Sends a request and gives everything up to its answer, which comes last, but for events behind it.
  std::vector<Received> ask(Operation operation, std::string_view payload, std::uint32_t transaction = 0);
  // The same, when the events are of no interest.
  std::optional<Received> answer(Operation operation, std::string_view payload, std::uint32_t transaction = 0);

 private:
  std::unique_ptr<Wire> wire_;
  std::string bytes_;
  std::uint32_t last_request_ = 1000;
};

}  // namespace krata::store

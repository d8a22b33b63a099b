// What others change about an interface, told by rtnetlink's notifications. The kernel tells nothing about WireGuard
// peers and TCX programs: those have to be looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/netlink/link.h"
#include "common/result.h"

struct nlmsghdr;

namespace netlink {

struct Noticed {
  bool interface = false;             // the interface, its addresses, routes or TC filters
  bool underlay = false;              // other links, addresses or routes: the path to peers may be another one
  bool lost = false;                  // more came than the socket holds: anything may have changed
  std::optional<NewHome> moved_to{};  // the interface went to another network namespace

  [[nodiscard]] bool any() const { return interface || moved_to || underlay || lost; }
};

// Notes in `noticed` what one message says about the interface with that name or index. Pure; a malformed message says
// nothing.
void note_change(const nlmsghdr& message, std::string_view interface, std::uint32_t index, Noticed& noticed);

// A subscription in the caller's network namespace. Not thread-safe. Needs no capability.
class Watch {
 public:
  static common::Result<Watch> open();

  [[nodiscard]] int fd() const { return fd_.get(); }  // readable when there is something to read
  // Takes everything that has come. Never blocks.
  common::Result<Noticed> read(std::string_view interface, std::uint32_t index);

 private:
  explicit Watch(common::Fd fd) : fd_(std::move(fd)) {}

  common::Fd fd_;
};

}  // namespace netlink

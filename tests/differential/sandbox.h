// A host for stories to play on: a network namespace with three interfaces and whatever routes are asked for.
#pragma once

#include <array>

#include "common/fd.h"
#include "common/result.h"
#include "tests/model/naive.h"

namespace krait::differential {

class Sandbox {
 public:
  // Takes the calling thread into a new network namespace, for good. Needs root.
  static common::Result<Sandbox> make();

  // Replaces all routes but those that the kernel makes by itself.
  common::Result<void> set(const naive::Routing& routing);

 private:
  Sandbox(std::array<common::Fd, 3> interfaces, common::Fd netlink)
      : interfaces_(std::move(interfaces)), netlink_(std::move(netlink)) {}

  common::Result<void> change(std::uint16_t type, const naive::Route& route) const;

  std::array<common::Fd, 3> interfaces_;  // TUNs; each is there as long as its descriptor
  common::Fd netlink_;
  naive::Routing routing_;
};

}  // namespace krait::differential

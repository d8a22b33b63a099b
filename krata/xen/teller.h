// Which domains there are, told by a process of its own: it alone holds the device for hypercalls, by which everything
// can be done to this machine, and it answers one question. Whoever takes over the program that asks gains the answers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "common/fd.h"
#include "common/result.h"
#include "krata/xen/hypervisor.h"

namespace krata::xen {

enum class Life : std::uint8_t {
  gone,  // or destroyed, and somebody still has a page of it
  shut_down,
  runs,
};

class Teller {
 public:
  using Ask = std::function<common::Result<std::optional<DomainInfo>>(DomainId domain)>;  // as Hypervisor::domain_info
  // Both are called in the new process, which holds no other descriptor than its end and what `open` opens.
  struct Parts {
    std::function<common::Result<Ask>()> open;
    std::function<common::Result<void>()> give_away;  // what asking does not take
  };

  Teller() = default;

  // Forks, so the caller has one thread. Fails as `open` and `give_away` do. The process ends with this object, and
  // with the caller's process, however that ends.
  static common::Result<Teller> start(const Parts& parts);

  // Blocks as long as a hypercall takes. Fails when the process has ended: there will be no answer any more.
  [[nodiscard]] common::Result<Life> look(DomainId domain) const;

 private:
  explicit Teller(common::Fd fd) : fd_(std::move(fd)) {}

  common::Fd fd_;
};

}  // namespace krata::xen

// Reads what the kernel has. Blocks on the kernel only.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "common/netlink/watch.h"
#include "common/result.h"
#include "krait/enforce/held.h"
#include "krait/enforce/observed.h"
#include "krait/plan/plan.h"
#include "krait/wireguard/state.h"

namespace krait::enforce {

// Asked when the interface is missing: the namespace that it went to, if it went to one.
using MovedTo = std::function<std::optional<netlink::NewHome>()>;

// What the observation is for.
struct Looking {
  const plan::Plan& plan;
  std::uint64_t revision = 0;             // of the plan, when it has no image any more: it was in force
  std::optional<model::PublicKey> key{};  // that the interface is to have; none: WireGuard is not looked at
  // That WireGuard was set up by last, which is the plan's own where nothing is to change; null: the agent begins.
  const model::WireguardImage* previous = nullptr;
  MovedTo moved_to{};  // none: what is missing is absent
};

// What is known beside the plain facts.
struct Sight {
  Observed observed;
  std::string name;                            // of the interface now, where it is here
  std::uint32_t interface_index = 0;           // likewise
  std::optional<netlink::NewHome> new_home{};  // where it was moved
};

// Where the interface is, and nothing else of the sight; one that moved counts as absent. A failure is another than
// that it cannot be found.
common::Result<Sight> locate(const Held& held);
// Notes in `held` which interface it is now.
common::Result<Sight> observe(Held& held, const Looking& looking);

// Peers that have announced a key may go over to it at any moment, and their addresses with them.
bool awaits_keys(const model::WireguardImage& image);

// Found by the interface's name, or by its number: krait did not make it.
bool is_strangers(const Held& held, const wireguard::Whereabouts& where);

}  // namespace krait::enforce

// Going over to another key: this host's, and those of peers that have announced theirs.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/enforce/enforcer.h"
#include "krait/enforce/key_files.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

// The file first: an agent that is killed between the two steps finds the new key there and gives it to the interface.
Result<model::PublicKey> Enforcer::rotate_key() {
  if (!managed()) {
    return Error(ErrorCode::unsupported, fmt::format("{} is only guarded: its key is not krait's", interface()));
  }
  KRAIT_CHECK(check_name());
  KRAIT_TRY(auto exchange, KeyExchange::begin(plan_.mesh.host));
  if (auto changed = wireguard::change_key(interface(), exchange.key()); !changed) {
    const auto back = exchange.undo();
    return common::passed_on(changed, back ? "the former key stays in use" : back.error().text());
  }
  exchange.settle();
  held_.key = exchange.key().public_key();
  return *held_.key;
}

Result<Enforcer::OwnKeys> Enforcer::prepare_key() {
  if (!managed()) {
    return Error(ErrorCode::unsupported, fmt::format("{} is only guarded: its key is not krait's", interface()));
  }
  KRAIT_TRY(const auto key, load_key(plan_.mesh.host));
  KRAIT_TRY(const auto next, waiting_key(plan_.mesh.host));
  return OwnKeys{key.public_key(), next.public_key()};
}

Result<void> Enforcer::check_announced() const {
  KRAIT_TRY(const auto file, next_key_file(plan_.mesh.host));
  KRAIT_TRY(const auto next, wireguard::PrivateKey::load(file));
  if (!network_ || network_->announced_key != next.public_key()) {
    return Error(ErrorCode::permission, "the network does not know the key that waits: peers would not follow");
  }
  return {};
}

bool Enforcer::awaits_peers_keys() const { return managed() && awaits_keys(plan_.wireguard); }

Result<bool> Enforcer::follow_peers_keys() {
  if (held_.interface_index == 0 || !check_name()) {
    return false;  // inspect() tells
  }
  auto gone_over = wireguard::has_rotated_peer(plan_.wireguard);
  if (!gone_over || !*gone_over) {
    return gone_over;
  }
  // Giving the addresses to the new key takes them from the former one: the kernel moves each in one step.
  const Wanted wanted{.plan = plan_, .wireguard = plan_.wireguard, .previous = &plan_.wireguard};
  KRAIT_CHECK(Work(held_, wanted).carry_out(Step::apply), "follow a peer's new key");
  return true;
}

}  // namespace krait::enforce

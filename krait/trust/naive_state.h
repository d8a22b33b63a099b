// For tests: a host's state put together by itself, as docs/signed_state.md says, tree by tree. What told.h gives is
// held against it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "krait/trust/author.h"

namespace krait::trust {

inline std::set<std::string> identities_of(const HostBinding& binding) {
  std::set<std::string> names{binding.identity};
  for (const Route& route : binding.routes) {
    names.insert(route.identity);
  }
  return names;
}

// One host's part while it is put together.
class PartMaker {
 public:
  PartMaker(const Network& network, State& state) : network_(network), state_(state) {}

  void make(const HostBinding& self) {
    own_ = identities_of(self);
    for (const auto& [identity, row] : network_.policy_book.rows()) {
      if (is_met(identity)) {
        std::ranges::copy(network_.hosts_book.hosts_of(identity), std::inserter(shown_, shown_.end()));
      }
    }
    shown_.insert(self.name);
    for (const std::string& name : shown_) {
      show_bound(name);
    }
    for (const auto& [name, joined] : network_.joined) {
      const auto theirs = identities_of(joined.host.value.binding);
      if (name == self.name || std::ranges::any_of(theirs, [&](const auto& identity) { return is_met(identity); })) {
        show_joined(joined);
      }
    }
    finish();
  }

 private:
  [[nodiscard]] bool is_met(const std::string& identity) const {
    return std::ranges::any_of(own_, [&](const auto& own) { return network_.policy_book.may_talk(own, identity); });
  }

  void show(const HostBinding& binding) {
    identities_.merge(identities_of(binding));
    hosts_keys_.push_back(host_place(binding.name));
    const auto change = network_.key_changes.find(binding.name);
    if (change != network_.key_changes.end() && change->second.value.serial > binding.key_serial) {
      state_.key_changes.push_back(change->second);
    }
  }

  void show_bound(const std::string& name) {
    if (const HostBinding* binding = network_.hosts_book.find(name)) {
      show(*binding);
    }
  }

  void show_joined(const Joined& joined) {
    const HostBinding& binding = joined.host.value.binding;
    // Once an administrator has taken a host into the book, or taken it back, its token no longer counts.
    if (!check_join(joined.grant, joined.host, network_.lists.back().value, network_.hosts_book,
                    joined.host.value.made_s)) {
      return;
    }
    show(binding);
    hosts_keys_.push_back(removed_place(grant_id(joined.grant)));
    hosts_keys_.push_back(removed_place(joined_id(joined.host)));
    for (const common::Ip& address : binding.addresses) {
      hosts_keys_.push_back(address_place(address));
    }
    for (const Route& route : binding.routes) {
      hosts_keys_.push_back(route_place(route.prefix));
    }
    state_.joined.push_back(joined);
  }

  void finish() {
    std::vector<Key> policy_keys{settings_place()};
    own_.insert(std::string(kAnyIdentity));
    identities_.insert(own_.begin(), own_.end());
    for (const std::string& identity : identities_) {
      policy_keys.push_back(identity_place(identity));
    }
    for (const std::string& identity : own_) {
      const auto row = network_.policy_book.rows().find(identity);
      if (row != network_.policy_book.rows().end()) {
        state_.rows.emplace(identity, whole_of(row->second));
      }
    }
    std::ranges::sort(state_.key_changes, {}, [](const auto& change) { return change.value.host; });
    state_.hosts_part = part_of(network_.hosts_book.tree(), std::move(hosts_keys_));
    state_.policy_part = part_of(network_.policy_book.tree(), std::move(policy_keys));
  }

  const Network& network_;
  State& state_;
  std::set<std::string> own_;
  std::set<std::string> shown_;       // bound hosts
  std::set<std::string> identities_;  // of all that are shown
  std::vector<Key> hosts_keys_;
};

// The state for one host, bound or joined: itself, everybody with an identity that may talk with one of its own, and
// the proofs. `list_version`: the host's anchor's. Fails with not_found when there is no such host.
inline common::Result<State> state_for(const Network& network, std::string_view host, std::uint64_t list_version,
                                       std::vector<Advice> advice = {}) {
  State state{.lists = {},
              .hosts = network.hosts,
              .policy = network.policy,
              .hosts_part = {},
              .policy_part = {},
              .rows = {},
              .joined = {},
              .key_changes = {},
              .advice = std::move(advice)};
  std::ranges::copy_if(network.lists, std::back_inserter(state.lists),
                       [&](const Signed<AdminList>& list) { return list.value.version > list_version; });
  const std::string name(host);
  const HostBinding* self = network.hosts_book.find(name);
  const auto joined = network.joined.find(name);
  if (self == nullptr && joined == network.joined.end()) {
    return common::Error(common::ErrorCode::not_found, fmt::format("there is no host {}", name));
  }
  PartMaker(network, state).make(self != nullptr ? *self : joined->second.host.value.binding);
  std::ranges::sort(state.advice, {}, &Advice::host);
  return state;
}

}  // namespace krait::trust

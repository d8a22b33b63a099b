// Who may vouch for whom, and a host's part of the network.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "krait/trust/author.h"
#include "krait/trust/describe.h"

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::optional<Role> role_of(const AdminList& list, const crypto::VerifyKey& key) {
  const auto found = std::ranges::find(list.administrators, key, &Administrator::key);
  return found == list.administrators.end() ? std::nullopt : std::optional(found->role);
}

Error not_vouched(const std::string& host, std::string_view why) {
  return {ErrorCode::invalid_input, fmt::format("{} came with a token, and {}", host, why)};
}

std::set<std::string> identities_of(const HostBinding& binding) {
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

}  // namespace

bool is_private(const common::Prefix& prefix) {
  static const auto kPrivate =
      std::to_array<common::Prefix>({*common::Prefix::parse("10.0.0.0/8"), *common::Prefix::parse("172.16.0.0/12"),
                                     *common::Prefix::parse("192.168.0.0/16"), *common::Prefix::parse("100.64.0.0/10"),
                                     *common::Prefix::parse("fc00::/7")});
  return std::ranges::any_of(kPrivate, [&](const common::Prefix& range) {
    return range.contains(prefix.ip) && range.length <= prefix.length;
  });
}

bool may_sign_hosts(const AdminList& list, const crypto::VerifyKey& key) { return role_of(list, key) == Role::admin; }

bool may_sign_policy(const AdminList& list, const crypto::VerifyKey& key) {
  const auto role = role_of(list, key);
  return role == Role::admin || role == Role::policy;
}

Result<void> check_vouched(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list) {
  const HostBinding& binding = host.value.binding;
  const Grant& terms = grant.value;
  if (terms.network != list.network || !may_sign_hosts(list, grant.signer) || !is_genuine(grant)) {
    return not_vouched(binding.name, "the token is not signed by an admin of this network");
  }
  if (host.value.grant != grant_id(grant) || host.signer != terms.token || !is_genuine(host)) {
    return not_vouched(binding.name, "the token did not sign for it");
  }
  if (host.value.made_s < terms.made_s || host.value.made_s > terms.expires_s) {
    return not_vouched(binding.name, "the token was not valid then");
  }
  if (binding.identity != terms.identity) {
    return not_vouched(binding.name, fmt::format("the token is for {}, not for {}", terms.identity, binding.identity));
  }
  if (binding.routes != terms.routes) {
    return not_vouched(binding.name, "its routes are not those of the token");
  }
  for (const common::Ip& address : binding.addresses) {
    if (!is_private(common::Prefix::host(address))) {
      return not_vouched(binding.name, fmt::format("its address {} is not a private network's", address.text()));
    }
    if (std::ranges::none_of(terms.pools, [&](const common::Prefix& pool) { return pool.contains(address); })) {
      return not_vouched(binding.name, fmt::format("its address {} is not one of the token's", address.text()));
    }
  }
  return {};
}

Result<void> check_join(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list,
                        const HostsBook& book, std::int64_t now_s) {
  const HostBinding& binding = host.value.binding;
  KRAIT_CHECK(check_vouched(grant, host, list));
  if (now_s > grant.value.expires_s) {
    return not_vouched(binding.name, "the token has expired");
  }
  if (book.was_taken_back(grant_id(grant)) || book.was_taken_back(joined_id(host))) {
    return not_vouched(binding.name, "it was taken back");
  }
  if (const HostBinding* other = book.find(binding.name)) {
    return not_vouched(binding.name, fmt::format("there is a host {} already", other->name));
  }
  return book.is_free(binding);
}

Result<State> state_for(const Network& network, std::string_view host, std::uint64_t list_version,
                        std::vector<Advice> advice) {
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
    return Error(ErrorCode::not_found, fmt::format("there is no host {}", name));
  }
  PartMaker(network, state).make(self != nullptr ? *self : joined->second.host.value.binding);
  std::ranges::sort(state.advice, {}, &Advice::host);
  return state;
}

}  // namespace krait::trust

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "krait/trust/author.h"
#include "krait/trust/describe.h"
#include "krait/trust/state.h"

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;
using crypto::Hash;

namespace {

Error refusal(std::string why) { return {ErrorCode::invalid_input, std::move(why)}; }

class Verifier {
 public:
  Verifier(const State& state, const Anchor& anchor, const Asker& asker)
      : state_(state), anchor_(anchor), asker_(asker) {}

  Result<Verified> run() {
    KRAIT_TRY(verified_.anchor,
              follow_statements(anchor_, {state_.lists, state_.hosts, state_.policy}, asker_.may_go_back));
    verified_.anchor.key_serials.clear();
    KRAIT_CHECK(check_roots());
    KRAIT_CHECK(read_bound_hosts());
    KRAIT_CHECK(read_joined_hosts());
    KRAIT_CHECK(follow_key_changes());
    KRAIT_CHECK(find_self());
    KRAIT_CHECK(check_nothing_twice());
    KRAIT_CHECK(read_settings());
    KRAIT_CHECK(read_rows());
    KRAIT_CHECK(collect_identities());
    take_advice();
    return std::move(verified_);
  }

 private:
  // A pair's rule, from whichever row it was read.
  struct Found {
    PairRule as;
    std::set<std::pair<std::string, std::string>> pairs;
  };

  [[nodiscard]] const AdminList& list() const { return verified_.anchor.list.value; }
  [[nodiscard]] const Hash& network() const { return anchor_.list.value.network; }

  Result<void> check_roots() {
    if (state_.hosts_part.root() != state_.hosts.value.root) {
      return refusal("the hosts are not those under the signed root");
    }
    if (state_.policy_part.root() != state_.policy.value.root) {
      return refusal("the identities are not those under the signed root");
    }
    return {};
  }

  Result<void> read_bound_hosts() {
    Result<void> done;
    state_.hosts_part.for_each([&](const Key& key, const Bytes& value) {
      if (!done || value.empty() || value[0] != static_cast<std::uint8_t>(Kind::host_binding)) {
        return;
      }
      auto binding = parse_host_binding(value);
      if (!binding) {
        done = std::move(binding.error());
      } else if (host_place(binding->name) != key) {
        done = refusal(fmt::format("the binding of {} is in another's place", binding->name));
      } else {
        hosts_.emplace_back().binding = std::move(*binding);
      }
    });
    return done;
  }

  Result<void> must_be_absent(const Key& key, const std::string& host, std::string_view what) {
    switch (state_.hosts_part.look_up(key).what) {
      case Shown::What::absent:
        return {};
      case Shown::What::present:
        return refusal(fmt::format("{} came with a token, and {}", host, what));
      case Shown::What::hidden:
        break;
    }
    return refusal(fmt::format("{} came with a token, and it is not shown whether {}", host, what));
  }

  Result<void> check_unclaimed(const Joined& joined) {
    const HostBinding& binding = joined.host.value.binding;
    KRAIT_CHECK(must_be_absent(removed_place(grant_id(joined.grant)), binding.name, "the token was taken back"));
    KRAIT_CHECK(must_be_absent(removed_place(joined_id(joined.host)), binding.name, "the host was removed"));
    KRAIT_CHECK(must_be_absent(host_place(binding.name), binding.name, "an administrator's host has that name"));
    for (const common::Ip& address : binding.addresses) {
      KRAIT_CHECK(must_be_absent(address_place(address), binding.name, "its address " + address.text() + " is taken"));
    }
    for (const Route& route : binding.routes) {
      KRAIT_CHECK(
          must_be_absent(route_place(route.prefix), binding.name, "its route " + route.prefix.text() + " is taken"));
    }
    return {};
  }

  Result<void> read_joined_hosts() {
    std::map<Hash, std::uint32_t> uses;
    for (const Joined& joined : state_.joined) {
      KRAIT_CHECK(check_vouched(joined.grant, joined.host, list()));
      KRAIT_CHECK(check_unclaimed(joined));
      if (++uses[joined.host.value.grant] > joined.grant.value.uses) {
        return refusal(fmt::format("more hosts than the {} that it may came with the token of {}",
                                   joined.grant.value.uses, joined.host.value.binding.name));
      }
      KnownHost& host = hosts_.emplace_back();
      host.binding = joined.host.value.binding;
      host.joined = true;
    }
    std::ranges::sort(hosts_, {}, [](const KnownHost& host) { return host.binding.name; });
    return {};
  }

  KnownHost* find_host(const std::string& name) {
    const auto found =
        std::ranges::lower_bound(hosts_, name, {}, [](const KnownHost& host) { return host.binding.name; });
    return found != hosts_.end() && found->binding.name == name ? &*found : nullptr;
  }

  Result<void> follow_key_changes() {
    for (const Signed<KeyChange>& change : state_.key_changes) {
      KnownHost* host = find_host(change.value.host);
      if (host == nullptr) {
        return refusal(fmt::format("{} changes its key, and is not shown", change.value.host));
      }
      if (change.value.network != network() || change.signer != host->binding.host_key || !is_genuine(change)) {
        return refusal(fmt::format("the new key of {} is not signed by that host", change.value.host));
      }
      if (change.value.serial <= host->binding.key_serial) {
        return refusal(fmt::format("the key of {} is one that an administrator has replaced", change.value.host));
      }
      host->binding.key = change.value.key;
      host->next_key = change.value.next_key;
      host->binding.key_serial = change.value.serial;
    }
    for (const KnownHost& host : hosts_) {
      const auto seen = anchor_.key_serials.find(host.binding.host_key);
      if (!asker_.may_go_back && seen != anchor_.key_serials.end() && seen->second > host.binding.key_serial) {
        return refusal(fmt::format("the key of {} is older than the one that this host has seen", host.binding.name));
      }
      if (host.binding.key_serial > 0) {
        verified_.anchor.key_serials[host.binding.host_key] = host.binding.key_serial;
      }
    }
    return {};
  }

  Result<void> find_self() {
    KnownHost* self = find_host(asker_.name);
    if (self == nullptr) {
      const bool is_gone = state_.hosts_part.look_up(host_place(asker_.name)).what == Shown::What::absent;
      return refusal(is_gone ? fmt::format("{} is not one of the hosts any more", asker_.name)
                             : fmt::format("it does not show this host, {}", asker_.name));
    }
    if (asker_.key && self->binding.key != asker_.key && self->next_key != asker_.key) {
      return refusal(fmt::format("{} is bound to the key {}, and this host has {}", asker_.name,
                                 model::key_text(self->binding.key), model::key_text(*asker_.key)));
    }
    verified_.self = std::move(*self);
    hosts_.erase(hosts_.begin() + (self - hosts_.data()));
    verified_.peers = std::move(hosts_);
    return {};
  }

  template <typename Visit>
  void for_each_host(const Visit& visit) const {
    visit(verified_.self);
    for (const KnownHost& peer : verified_.peers) {
      visit(peer);
    }
  }

  Result<void> check_nothing_twice() {
    std::set<std::string_view> names;
    std::set<model::PublicKey> keys;
    std::set<common::Prefix> prefixes;
    std::string twice;
    const auto once = [&](auto& set, const auto& value, const KnownHost& host, std::string_view what) {
      if (!set.insert(value).second && twice.empty()) {
        twice = fmt::format("{} has {} of another host", host.binding.name, what);
      }
    };
    for_each_host([&](const KnownHost& host) {
      once(names, std::string_view(host.binding.name), host, "the name");
      once(keys, host.binding.key, host, "the key");
      if (host.next_key) {
        once(keys, *host.next_key, host, "the next key");
      }
      for (const common::Ip& address : host.binding.addresses) {
        once(prefixes, common::Prefix::host(address), host, "the address " + address.text());
      }
      for (const Route& route : host.binding.routes) {
        once(prefixes, route.prefix, host, "the route " + route.prefix.text());
      }
    });
    return twice.empty() ? Result<void>() : refusal(twice);
  }

  Result<void> read_settings() {
    const Shown shown = state_.policy_part.look_up(settings_place());
    if (shown.what == Shown::What::hidden) {
      return refusal("the settings are not shown");
    }
    if (shown.what == Shown::What::present) {
      KRAIT_TRY(verified_.settings, parse_settings(*shown.value));
    }
    return {};
  }

  Result<IdentityItem> identity_item(const std::string& name) {
    const Shown shown = state_.policy_part.look_up(identity_place(name));
    if (shown.what == Shown::What::absent) {
      return refusal(fmt::format("the policy has no identity {}", name));
    }
    if (shown.what == Shown::What::hidden) {
      return refusal(fmt::format("the identity {} is not shown", name));
    }
    KRAIT_TRY(auto item, parse_identity_item(*shown.value));
    if (item.name != name) {
      return refusal(fmt::format("the identity {} is in the place of {}", item.name, name));
    }
    return item;
  }

  Result<void> read_rows() {
    own_.insert(std::string(kAnyIdentity));
    own_.insert(verified_.self.binding.identity);
    for (const Route& route : verified_.self.binding.routes) {
      own_.insert(route.identity);
    }
    for (const std::string& name : own_) {
      KRAIT_TRY(const auto item, identity_item(name));
      const auto row = state_.rows.find(name);
      if (row == state_.rows.end() || row->second.root() != item.row) {
        return refusal(fmt::format("the rules of {} are not those under the signed root", name));
      }
      if (!row->second.is_complete()) {
        return refusal(fmt::format("rules of {} were left out", name));
      }
      KRAIT_CHECK(read_row(name, row->second));
    }
    if (state_.rows.size() != own_.size()) {
      return refusal("there are rules of identities that are not this host's");
    }
    for (auto& [name, found] : rules_) {
      verified_.rules.push_back(
          {.name = name, .as = std::move(found.as), .pairs = {found.pairs.begin(), found.pairs.end()}});
    }
    return {};
  }

  Result<void> read_row(const std::string& name, const Part& row) {
    Result<void> done;
    row.for_each([&](const Key& key, const Bytes& value) {
      if (!done) {
        return;
      }
      auto pair = parse_pair_rules(value);
      if (!pair) {
        done = std::move(pair.error());
      } else if (pair_place(pair->other) != key) {
        done = refusal(fmt::format("the rules of {} and {} are in another's place", name, pair->other));
      } else {
        done = take_pair(name, *pair);
      }
    });
    return done;
  }

  Result<void> take_pair(const std::string& name, PairRules& pair) {
    KRAIT_CHECK(know_tag(pair.other, pair.tag));
    for (PairRule& rule : pair.rules) {
      auto ends = rule.forward ? std::pair(name, pair.other) : std::pair(pair.other, name);
      rule.forward = true;
      const auto [found, fresh] = rules_.try_emplace(rule.name, Found{.as = rule, .pairs = {}});
      if (!fresh && !(found->second.as == rule)) {
        return refusal(fmt::format("the rule {} is not the same for all that it concerns", rule.name));
      }
      found->second.pairs.insert(std::move(ends));
    }
    return {};
  }

  Result<void> know_tag(const std::string& name, std::uint32_t tag) {
    const auto [found, fresh] = tags_.try_emplace(name, tag);
    return fresh || found->second == tag ? Result<void>()
                                         : refusal(fmt::format("the identity {} has two numbers", name));
  }

  Result<void> learn_identity(const std::string& name) {
    if (tags_.contains(name)) {
      return {};
    }
    KRAIT_TRY(const auto item, identity_item(name));
    return know_tag(name, item.tag);
  }

  Result<void> collect_identities() {
    Result<void> done;
    for_each_host([&](const KnownHost& host) {
      done = done ? learn_identity(host.binding.identity) : std::move(done);
      for (const Route& route : host.binding.routes) {
        done = done ? learn_identity(route.identity) : std::move(done);
      }
    });
    KRAIT_CHECK(std::move(done));
    std::set<std::uint32_t> numbers;
    for (const auto& [name, tag] : tags_) {
      if (name == kAnyIdentity) {
        continue;
      }
      if (!numbers.insert(tag).second) {
        return refusal(fmt::format("the identity {} has the number of another", name));
      }
      verified_.identities.emplace_back(name, tag);
    }
    return {};
  }

  void take_advice() {
    for (KnownHost& peer : verified_.peers) {
      const auto found = std::ranges::lower_bound(state_.advice, peer.binding.name, {}, &Advice::host);
      if (found != state_.advice.end() && found->host == peer.binding.name) {
        peer.endpoint = found->endpoint;
        peer.keepalive_s = found->keepalive_s;
      }
    }
  }

  const State& state_;
  const Anchor& anchor_;
  const Asker& asker_;
  Verified verified_;
  std::vector<KnownHost> hosts_;
  std::set<std::string> own_;  // identities whose rows are read
  std::map<std::string, Found> rules_;
  std::map<std::string, std::uint32_t> tags_;
};

}  // namespace

Result<Verified> verify_state(const State& state, const Anchor& anchor, const Asker& asker) {
  return Verifier(state, anchor, asker).run();
}

}  // namespace krait::trust

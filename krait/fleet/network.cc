#include "krait/fleet/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/config/load.h"
#include "krait/fleet/rows.h"

namespace krait::fleet {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::set<std::string> identities_in(const trust::HostBinding& binding) {
  std::set<std::string> names{binding.identity};
  for (const trust::Route& route : binding.routes) {
    names.insert(route.identity);
  }
  return names;
}

// Identities whose rows are not the same in both, and who could or can talk with them: their peers change.
void compare(const trust::PolicyBook& before, const trust::PolicyBook& after, Concerned& concerned) {
  const auto differs = [](const trust::PolicyBook& book, const std::string& name, const trust::Tree& row) {
    const auto found = book.rows().find(name);
    return found == book.rows().end() || found->second.root() != row.root();
  };
  for (const auto& [name, row] : after.rows()) {
    if (differs(before, name, row)) {
      concerned.identities.insert(name);
    }
  }
  for (const auto& [name, row] : before.rows()) {
    if (!after.rows().contains(name)) {
      concerned.identities.insert(name);
    }
  }
  concerned.all = concerned.all || before.settings() != after.settings() ||
                  concerned.identities.contains(std::string(trust::kAnyIdentity));
}

}  // namespace

std::optional<common::Endpoint> Host::endpoint() const {
  if (!endpoints.empty()) {
    return endpoints.front();
  }
  if (behind_nat) {
    return mapped;
  }
  return seen && listen_port != 0 ? std::optional(common::Endpoint{*seen, listen_port}) : std::nullopt;
}

const Host* Network::find_host(std::uint64_t number) const {
  const auto found = hosts_.find(number);
  return found == hosts_.end() ? nullptr : &found->second;
}

const Host* Network::find_host(const std::string& name) const {
  const auto found = number_of_name_.find(name);
  return found == number_of_name_.end() ? nullptr : find_host(found->second);
}

const Host* Network::find_link(const LinkKey& key) const {
  const auto found = number_of_link_.find(key);
  return found == number_of_link_.end() ? nullptr : find_host(found->second);
}

const trust::HostBinding* Network::binding(const std::string& name) const {
  if (const trust::HostBinding* bound = trusted_.hosts_book.find(name)) {
    return bound;
  }
  const trust::Joined* by_token = joined(name);
  return by_token == nullptr ? nullptr : &by_token->host.value.binding;
}

const trust::Joined* Network::joined(const std::string& name) const {
  for (const auto* hosts : {&trusted_.joined, &waiting_}) {
    if (const auto found = hosts->find(name); found != hosts->end()) {
      return &found->second;
    }
  }
  return nullptr;
}

std::set<std::string> Network::identities_of(const std::string& host) const {
  const trust::HostBinding* bound = binding(host);
  return bound == nullptr ? std::set<std::string>() : identities_in(*bound);
}

// Who may talk with the host is concerned by what it is, and it by them.
void Network::touch(const std::string& host, Concerned& concerned) const {
  concerned.hosts.insert(host);
  for (const std::string& own : identities_of(host)) {
    concerned.identities.merge(trusted_.policy_book.talks_with(own));
  }
}

Result<Concerned> Network::absorb(const std::vector<Row>& rows) {
  Concerned concerned;
  for (const Row& row : rows) {
    KRAIT_CHECK(take(row, concerned), fmt::format("row {} of kind {}", row.key, static_cast<std::uint32_t>(row.kind)));
  }
  if (std::ranges::any_of(rows, [](const Row& row) { return row.kind == Kind::policy; })) {
    KRAIT_CHECK(enter_policy(concerned));
  }
  KRAIT_CHECK(check_roots());
  refresh(rows, concerned);
  return concerned;
}

Result<void> Network::check_roots() const {
  if (trusted_.lists.empty() || !trust::is_genuine(trusted_.hosts) || !trust::is_genuine(trusted_.policy)) {
    return Error(ErrorCode::invalid_input, "the store's network is not signed");
  }
  if (trusted_.hosts.value.root != trusted_.hosts_book.root()) {
    return Error(ErrorCode::invalid_input, "the store's hosts are not those that an administrator signed");
  }
  if (trusted_.policy.value.root != trusted_.policy_book.root()) {
    return Error(ErrorCode::invalid_input, "the store's policy is not the one that an administrator signed");
  }
  return {};
}

Result<void> Network::take(const Row& row, Concerned& concerned) {
  switch (row.kind) {
    case Kind::settings: {
      KRAIT_TRY(settings_, parse_settings(row.value.value_or("")));
      return {};
    }
    case Kind::admin_list: {
      KRAIT_TRY(auto list, trust::parse_admin_list(view_of(row.value.value_or(""))));
      std::erase_if(trusted_.lists, [&](const auto& other) { return other.value.version == list.value.version; });
      trusted_.lists.push_back(std::move(list));
      std::ranges::sort(trusted_.lists, {}, [](const auto& each) { return each.value.version; });
      concerned.all = true;
      return {};
    }
    case Kind::statement:
      return take_statement(row);
    case Kind::binding:
      return take_binding(row, concerned);
    case Kind::taken_back: {
      crypto::Hash hash{};
      if (row.key.size() == hash.size()) {
        std::ranges::transform(row.key, hash.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
        trusted_.hosts_book.take_back(hash);
      }
      return {};
    }
    case Kind::joined:
      return take_joined(row, concerned);
    case Kind::key_change: {
      trusted_.key_changes.erase(row.key);
      if (row.value) {
        KRAIT_TRY(trusted_.key_changes[row.key], trust::parse_key_change(view_of(*row.value)));
      }
      touch(row.key, concerned);
      return {};
    }
    case Kind::host:
      return take_host(row, concerned);
    case Kind::token: {
      tokens_.erase(row.key);
      if (row.value) {
        KRAIT_TRY(tokens_[row.key], parse_token(*row.value));
      }
      return {};
    }
    case Kind::policy:
      return take_policy(row);
    case Kind::address: {
      const auto address = common::Ip::parse(row.key);
      if (address && row.value) {
        const std::size_t at = row.value->find(' ');
        addresses_[*address] = {row.value->substr(0, at),
                                at == std::string::npos ? 0 : std::atoll(row.value->c_str() + at + 1)};
      } else if (address) {
        addresses_.erase(*address);
      }
      return {};
    }
  }
  return {};  // a newer version's, which changes nothing that this one knows
}

Result<void> Network::take_statement(const Row& row) {
  if (row.key == "hosts") {
    KRAIT_TRY(trusted_.hosts, trust::parse_hosts_statement(view_of(row.value.value_or(""))));
  } else {
    KRAIT_TRY(trusted_.policy, trust::parse_policy_statement(view_of(row.value.value_or(""))));
  }
  return {};
}

Result<void> Network::take_binding(const Row& row, Concerned& concerned) {
  touch(row.key, concerned);
  if (!row.value) {
    trusted_.hosts_book.remove(row.key);
    return {};
  }
  KRAIT_TRY(const auto bound, trust::parse_host_binding(view_of(*row.value)));
  KRAIT_CHECK(trusted_.hosts_book.put(bound));
  touch(row.key, concerned);
  return {};
}

Result<void> Network::take_joined(const Row& row, Concerned& concerned) {
  touch(row.key, concerned);
  for (auto* hosts : {&trusted_.joined, &waiting_}) {
    if (const auto found = hosts->find(row.key); found != hosts->end()) {
      joined_keys_.erase(found->second.host.value.binding.key);
      for (const trust::Route& route : found->second.host.value.binding.routes) {
        if (const auto own = joined_routes_.find(route.prefix); own != joined_routes_.end() && own->second == row.key) {
          joined_routes_.erase(own);
        }
      }
      hosts->erase(found);
    }
  }
  if (!row.value) {
    return {};
  }
  KRAIT_TRY(auto by_token, parse_joined(*row.value));
  joined_keys_[by_token.host.value.binding.key] = row.key;
  for (const trust::Route& route : by_token.host.value.binding.routes) {
    joined_routes_[route.prefix] = row.key;
  }
  const Host* host = find_host(row.key);
  auto& to = host != nullptr && host->waits_for_approval ? waiting_ : trusted_.joined;
  to[row.key] = std::move(by_token);
  touch(row.key, concerned);
  return {};
}

void Network::drop_host(std::uint64_t number) {
  const auto found = hosts_.find(number);
  if (found != hosts_.end()) {
    number_of_name_.erase(found->second.name);
    number_of_link_.erase(found->second.link_key);
    hosts_.erase(found);
  }
}

Result<void> Network::take_host(const Row& row, Concerned& concerned) {
  const auto number = static_cast<std::uint64_t>(std::strtoull(row.key.c_str(), nullptr, 10));
  if (const Host* former = find_host(number)) {
    touch(former->name, concerned);
    concerned.numbers.insert(number);
    drop_host(number);
  }
  if (!row.value) {
    return {};
  }
  KRAIT_TRY(auto host, parse_host(*row.value));
  auto& from = host.waits_for_approval ? trusted_.joined : waiting_;
  auto& to = host.waits_for_approval ? waiting_ : trusted_.joined;
  if (auto by_token = from.extract(host.name)) {
    to.insert(std::move(by_token));
  }
  number_of_name_[host.name] = number;
  if (host.link_key != LinkKey{}) {  // of one that has left
    number_of_link_[host.link_key] = number;
  }
  const std::string name = host.name;
  hosts_[number] = std::move(host);
  touch(name, concerned);
  return {};
}

Result<void> Network::take_policy(const Row& row) {
  KRAIT_TRY(auto policy, parse_policy_text(row.value.value_or("")));
  const std::uint64_t number = policy.number;
  policies_[number] = std::move(policy);
  return {};
}

Result<Network::ReadPolicy> Network::read_policy(const std::string& text, const std::string& file) const {
  if (!model_) {
    KRAIT_TRY(auto model, config::parse_policy(text, file));
    KRAIT_TRY(auto book, trust::PolicyBook::of(model));
    return ReadPolicy{text, std::move(model), std::move(book)};
  }
  KRAIT_TRY(auto model, config::parse_policy_after({model_text_, *model_}, text, file));
  const trust::PolicyBook::Former former{*model_, trusted_.policy_book};
  KRAIT_TRY(auto book, trust::PolicyBook::of(model, &former));
  return ReadPolicy{text, std::move(model), std::move(book)};
}

// Of many that come at once only the last one counts.
Result<void> Network::enter_policy(Concerned& concerned) {
  for (auto& [number, policy] : policies_) {
    if (number != policies_.rbegin()->first) {
      std::string().swap(policy.text);
    }
  }
  PolicyText& policy = policies_.rbegin()->second;
  std::optional<ReadPolicy> read = std::exchange(read_, {});
  if (!read || read->text != policy.text) {
    KRAIT_TRY(read, read_policy(policy.text, fmt::format("policy {}", policy.number)));
  }
  std::string().swap(policy.text);
  compare(trusted_.policy_book, read->book, concerned);
  trusted_.policy_book = std::move(read->book);
  model_ = std::move(read->model);
  model_text_ = std::move(read->text);
  return {};
}

std::vector<Row> found(const Settings& settings, const trust::Signed<trust::AdminList>& list,
                       const trust::Signed<trust::HostsStatement>& hosts,
                       const trust::Signed<trust::PolicyStatement>& policy) {
  return {{Kind::settings, "", text_of(settings)},
          {Kind::admin_list, key_of(list.value.version), string_of(trust::encode(list))},
          {Kind::statement, "hosts", string_of(trust::encode(hosts))},
          {Kind::statement, "policy", string_of(trust::encode(policy))}};
}

}  // namespace krait::fleet

#include <fmt/format.h>

#include <algorithm>

#include "krait/trust/author.h"
#include "krait/trust/describe.h"

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;
using crypto::Hash;

namespace {

constexpr std::size_t kMaxRemoved = std::size_t{1} << 20U;

Bytes owner_value(const std::string& name) {
  Writer writer;
  describe_kind(writer, Kind::owner);
  describe_name(writer, name);
  return writer.take();
}

Bytes removed_value() {
  Writer writer;
  describe_kind(writer, Kind::removed);
  return writer.take();
}

// What a host has in the tree.
std::vector<std::pair<Key, Bytes>> leaves_of(const HostBinding& binding) {
  std::vector<std::pair<Key, Bytes>> leaves{{host_place(binding.name), encode(binding)}};
  for (const common::Ip& address : binding.addresses) {
    leaves.emplace_back(address_place(address), owner_value(binding.name));
  }
  for (const Route& route : binding.routes) {
    leaves.emplace_back(route_place(route.prefix), owner_value(binding.name));
  }
  return leaves;
}

template <typename Map, typename Key>
Result<void> check_owner(const Map& owners, const Key& key, const std::string& name, std::string_view what) {
  const auto found = owners.find(key);
  if (found == owners.end() || found->second == name) {
    return {};
  }
  return Error(ErrorCode::invalid_input, fmt::format("{} of {} is that of {}", what, name, found->second));
}

}  // namespace

Result<void> HostsBook::is_free(const HostBinding& binding) const {
  // What is written must be readable.
  KRAIT_TRY(const auto read, parse_host_binding(encode(binding)), "bind the host " + binding.name);
  static_cast<void>(read);
  KRAIT_CHECK(check_owner(keys_, binding.key, binding.name, "the key"));
  for (const common::Ip& address : binding.addresses) {
    KRAIT_CHECK(check_owner(addresses_, common::Prefix::host(address), binding.name, "the address " + address.text()));
  }
  for (const Route& route : binding.routes) {
    KRAIT_CHECK(check_owner(routes_, route.prefix, binding.name, "the route " + route.prefix.text()));
  }
  return {};
}

void HostsBook::enter(const HostBinding& binding) {
  keys_[binding.key] = binding.name;
  by_identity_[binding.identity].insert(binding.name);
  for (const common::Ip& address : binding.addresses) {
    addresses_[common::Prefix::host(address)] = binding.name;
  }
  for (const Route& route : binding.routes) {
    routes_[route.prefix] = binding.name;
    by_identity_[route.identity].insert(binding.name);
  }
  hosts_[binding.name] = binding;
}

Result<void> HostsBook::put(const HostBinding& binding) {
  KRAIT_CHECK(is_free(binding));
  remove(binding.name);
  enter(binding);
  for (auto& [key, value] : leaves_of(binding)) {
    tree_.put(key, std::move(value));
  }
  return {};
}

void HostsBook::remove(std::string_view name) {
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) {
    return;
  }
  const HostBinding binding = std::move(found->second);
  hosts_.erase(found);
  for (const auto& [key, value] : leaves_of(binding)) {
    tree_.erase(key);
  }
  const auto forget = [&](const std::string& identity) {
    const auto group = by_identity_.find(identity);
    if (group != by_identity_.end() && group->second.erase(binding.name) != 0 && group->second.empty()) {
      by_identity_.erase(group);
    }
  };
  keys_.erase(binding.key);
  forget(binding.identity);
  for (const common::Ip& address : binding.addresses) {
    addresses_.erase(common::Prefix::host(address));
  }
  for (const Route& route : binding.routes) {
    routes_.erase(route.prefix);
    forget(route.identity);
  }
}

void HostsBook::take_back(const Hash& grant_or_joined) {
  removed_.insert(grant_or_joined);
  tree_.put(removed_place(grant_or_joined), removed_value());
}

const std::string* HostsBook::owner_of(const model::PublicKey& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second;
}

const std::string* HostsBook::owner_of(const common::Prefix& route) const {
  const auto found = routes_.find(route);
  return found == routes_.end() ? nullptr : &found->second;
}

const HostBinding* HostsBook::find(std::string_view name) const {
  const auto found = hosts_.find(name);
  return found == hosts_.end() ? nullptr : &found->second;
}

const std::set<std::string>& HostsBook::hosts_of(const std::string& identity) const {
  static const std::set<std::string> kNobody;
  const auto found = by_identity_.find(identity);
  return found == by_identity_.end() ? kNobody : found->second;
}

Bytes HostsBook::save() const {
  Writer writer;
  describe_kind(writer, Kind::hosts_book);
  writer.number(hosts_.size(), 4);
  for (const auto& [name, binding] : hosts_) {
    describe(writer, binding);
  }
  writer.number(removed_.size(), 4);
  for (const Hash& id : removed_) {
    writer.raw(id);
  }
  return writer.take();
}

Result<HostsBook> HostsBook::load(BytesView bytes) {
  Reader reader(bytes, "the book of hosts");
  describe_kind(reader, Kind::hosts_book);
  std::vector<HostBinding> hosts;
  reader.list(hosts, kMaxHosts, [](auto& inner, auto& binding) { describe(inner, binding); });
  std::vector<Hash> removed;
  reader.list(removed, kMaxRemoved, [](auto& inner, auto& id) { inner.raw(id); });
  reader.require(ascends(hosts, &HostBinding::name) && ascends(removed), "hosts out of order");
  KRAIT_CHECK(reader.finish());
  HostsBook book;
  std::vector<std::pair<Key, Bytes>> leaves;
  for (const HostBinding& binding : hosts) {
    KRAIT_CHECK(book.is_free(binding));
    book.enter(binding);
    std::ranges::move(leaves_of(binding), std::back_inserter(leaves));
  }
  for (const Hash& id : removed) {
    book.removed_.insert(id);
    leaves.emplace_back(removed_place(id), removed_value());
  }
  book.tree_ = Tree::of(std::move(leaves));
  return book;
}

}  // namespace krait::trust

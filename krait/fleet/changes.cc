// What may be changed, and by which rows.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/config/load.h"
#include "krait/config/names.h"
#include "krait/crypto/key_check.h"
#include "krait/fleet/network.h"
#include "krait/fleet/rows.h"

namespace krait::fleet {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Error refused(std::string text) { return {ErrorCode::invalid_input, std::move(text)}; }

Result<void> check_name(const std::string& name) {
  if (const auto fault = config::check_name(name)) {
    return refused(fmt::format("{}; {}", fault->message, fault->hint));
  }
  return {};
}

Result<void> check_wireguard_key(const model::PublicKey& key) {
  return crypto::is_x25519_key(key) ? Result<void>()
                                    : refused(
                                          "the WireGuard key is none: all zeros, or another point of small order, "
                                          "with which everybody could compute what is agreed on; make another one");
}

// Every peer would leave it out, and nobody would be told why.
Result<void> check_keys(const trust::HostBinding& binding) {
  KRAIT_CHECK(check_wireguard_key(binding.key), binding.name);
  return crypto::is_ed25519_key(binding.host_key)
             ? Result<void>()
             : refused(fmt::format("the key that {} signs with is none of Ed25519: no point, or one of small order; "
                                   "have the host join with another one",
                                   binding.name));
}

// The address `offset` places after the first of a prefix; nothing: it is outside.
std::optional<common::Ip> address_at(const common::Prefix& prefix, std::uint64_t offset) {
  common::Ip ip = prefix.masked().ip;
  const std::size_t bytes = ip.bits() / 8U;
  for (std::size_t i = bytes; i-- > 0 && offset != 0; offset >>= 8U) {
    const std::uint64_t sum = ip.bytes[i] + (offset & 0xFFU);
    ip.bytes[i] = static_cast<std::uint8_t>(sum);
    offset += sum >> 8U << 8U;
  }
  return prefix.contains(ip) && offset == 0 ? std::optional(ip) : std::nullopt;
}

// The first and the last of an IPv4 network mean the network and everybody in it (RFC 919), the first of an IPv6
// network its routers (RFC 4291, 2.6.1).
bool is_usable(const common::Prefix& prefix, const common::Ip& address) {
  if (prefix.length + 1 >= address.bits()) {
    return true;
  }
  if (address.family == common::Family::v6) {
    return address != prefix.masked().ip;
  }
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8U | address.bytes[i];
  }
  const std::uint32_t mask = static_cast<std::uint32_t>((std::uint64_t{1} << (32U - prefix.length)) - 1);
  return (value & mask) != 0 && (value & mask) != mask;
}

constexpr std::uint64_t kMaxTried = 1U << 22U;  // addresses of a prefix that are looked at

}  // namespace

bool Network::is_free(const common::Ip& address, std::int64_t now_s) const {
  const auto found = addresses_.find(address);
  return found == addresses_.end() ||
         (found->second.released_s != 0 && now_s - found->second.released_s >= kAddressRestS);
}

// One of each pool: what the host has already, else one that was never given; those lie behind the last one that was,
// most of the time.
Result<std::vector<common::Ip>> Network::free_addresses(const trust::Grant& grant, const std::vector<common::Ip>& kept,
                                                        const std::vector<Offer>& reserved, std::int64_t now_s) const {
  std::set<common::Ip> taken;
  for (const Offer& offer : reserved) {
    taken.insert(offer.addresses.begin(), offer.addresses.end());
  }
  for (const trust::Route& route : grant.routes) {
    if (route.prefix == common::Prefix::host(route.prefix.ip)) {
      taken.insert(route.prefix.ip);
    }
  }
  std::vector<common::Ip> addresses;
  for (const common::Prefix& pool : grant.pools) {
    const auto can_be_given = [&](const common::Ip& address) {
      return is_usable(pool, address) && !taken.contains(address) && is_free(address, now_s) &&
             owner_of(common::Prefix::host(address), "") == nullptr;
    };
    const auto same = std::ranges::find_if(
        kept, [&](const common::Ip& address) { return pool.contains(address) && can_be_given(address); });
    std::optional<common::Ip> found = same == kept.end() ? std::nullopt : std::optional(*same);
    for (std::uint64_t offset = 1; offset < kMaxTried && !found; ++offset) {
      const auto address = address_at(pool, offset);
      if (!address) {
        break;
      }
      if (can_be_given(*address)) {
        found = address;
      }
    }
    if (!found) {
      return Error(ErrorCode::limit,
                   fmt::format("no address of {} is free; give the network a larger prefix", pool.text()));
    }
    addresses.push_back(*found);
  }
  std::ranges::sort(addresses);
  return addresses;
}

std::string Network::free_name(const std::string& wish, const std::vector<Offer>& reserved) const {
  const auto is_taken = [&](const std::string& name) {
    return find_host(name) != nullptr || binding(name) != nullptr ||
           std::ranges::any_of(reserved, [&](const Offer& offer) { return offer.name == name; });
  };
  std::string name = wish;
  for (unsigned number = 2; is_taken(name); ++number) {
    const std::string end = fmt::format("-{}", number);
    name = wish.substr(0, trust::kMaxNameBytes - end.size()) + end;
  }
  return name;
}

Result<Offer> Network::offer(const Applicant& applicant, const std::vector<Offer>& reserved, std::int64_t now_s) const {
  KRAIT_CHECK(check_name(applicant.name));
  const std::string key = crypto::verify_key_text(applicant.token);
  const auto found = tokens_.find(key);
  if (found == tokens_.end()) {
    return refused("the token is none of this network's");
  }
  const Token& token = found->second;
  const trust::Grant& grant = token.grant.value;
  if (trusted_.hosts_book.was_taken_back(trust::grant_id(token.grant)) ||
      !trust::may_sign_hosts(trusted_.lists.back().value, token.grant.signer)) {
    return refused("the token was revoked");
  }
  const auto offered = std::ranges::count_if(reserved, [&](const Offer& other) { return other.token == key; });
  if (std::cmp_less_equal(token.uses_left, offered)) {
    return refused("the token is spent");
  }
  if (now_s > grant.expires_s) {
    return refused(fmt::format("the token has expired, {} s ago by the coordinator's clock", now_s - grant.expires_s));
  }
  if (!trusted_.policy_book.rows().contains(grant.identity)) {
    return Error(ErrorCode::unavailable,
                 fmt::format("the policy does not know the identity {} yet; apply one that does", grant.identity));
  }
  for (const trust::Route& route : grant.routes) {
    if (!trusted_.policy_book.rows().contains(route.identity)) {
      return Error(ErrorCode::unavailable,
                   fmt::format("the policy does not know the identity {} of the route {} yet; apply one that does",
                               route.identity, route.prefix.text()));
    }
  }
  KRAIT_CHECK(check_routes_free(grant.routes));
  KRAIT_CHECK(check_wireguard_key(applicant.key));
  if (is_key_of_another(applicant.key, "")) {
    return refused("the WireGuard key is another host's; make one of its own");
  }
  KRAIT_TRY(auto addresses, free_addresses(grant, applicant.addresses, reserved, now_s));
  return Offer{free_name(applicant.name, reserved), key, token.grant, applicant.key, std::move(addresses)};
}

Result<std::vector<Row>> Network::enrol(const Offer& offer, const Applicant& applicant,
                                        const trust::Signed<trust::JoinedHost>& joined, std::int64_t now_s) const {
  const trust::HostBinding& binding = joined.value.binding;
  if (binding.name != offer.name || binding.addresses != offer.addresses || binding.key != offer.key ||
      binding.key_serial != 0) {
    return refused("the host signed something else than it was offered");
  }
  KRAIT_CHECK(check_keys(binding));
  if (find_host(offer.name) != nullptr || is_key_of_another(offer.key, "") ||
      find_link(applicant.link_key) != nullptr) {
    return refused("another host came first with this name or key; join again");
  }
  for (const common::Ip& address : offer.addresses) {
    if (!is_free(address, now_s)) {
      return refused(fmt::format("{} was given to another host meanwhile; join again", address.text()));
    }
  }
  KRAIT_CHECK(check_places(binding, {}));
  const auto found = tokens_.find(offer.token);
  if (found == tokens_.end() || found->second.uses_left == 0) {
    return refused("the token is spent");
  }
  KRAIT_CHECK(trust::check_join(offer.grant, joined, trusted_.lists.back().value, trusted_.hosts_book, now_s));
  Token token = found->second;
  --token.uses_left;
  Settings settings = settings_;
  const Host host{.number = ++settings.last_host,
                  .name = offer.name,
                  .link_key = applicant.link_key,
                  .endpoints = applicant.endpoints,
                  .seen = applicant.seen,
                  .listen_port = applicant.listen_port,
                  .behind_nat = applicant.behind_nat,
                  .waits_for_approval = settings_.approval,
                  .token = offer.token,
                  .joined_s = now_s};
  std::vector<Row> rows{{Kind::settings, "", text_of(settings)},
                        {Kind::token, offer.token, text_of(token)},
                        {Kind::joined, offer.name, joined_text({offer.grant, joined})},
                        {Kind::host, key_of(host.number), text_of(host)}};
  for (const common::Ip& address : offer.addresses) {
    rows.push_back({Kind::address, address.text(), offer.name});
  }
  return rows;
}

Result<std::vector<Row>> Network::add_token(const Token& token) const {
  const trust::Grant& grant = token.grant.value;
  const trust::AdminList& list = trusted_.lists.back().value;
  if (!trust::is_genuine(token.grant) || !trust::may_sign_hosts(list, token.grant.signer) ||
      grant.network != list.network) {
    return refused("the token is not signed by an admin of this network");
  }
  for (const common::Prefix& pool : grant.pools) {
    if (std::ranges::none_of(settings_.prefixes, [&](const common::Prefix& own) {
          return own.contains(pool.ip) && own.length <= pool.length;
        })) {
      return refused(fmt::format("{} is not in the network's prefixes", pool.text()));
    }
  }
  const std::string key = crypto::verify_key_text(grant.token);
  if (const auto known = tokens_.find(key); known != tokens_.end()) {
    return known->second.grant == token.grant ? Result<std::vector<Row>>(std::vector<Row>())
                                              : refused("there is another token with this key");
  }
  KRAIT_CHECK(check_routes_free(grant.routes));
  Token added = token;
  added.uses_left = grant.uses;
  return std::vector<Row>{{Kind::token, key, text_of(added)}};
}

void Network::release_addresses(const trust::HostBinding& binding, std::int64_t now_s, std::vector<Row>& rows) const {
  for (const common::Ip& address : binding.addresses) {
    rows.push_back({Kind::address, address.text(), fmt::format("{} {}", binding.name, now_s)});
  }
}

Result<std::vector<Row>> Network::edit_hosts(const HostsEdit& edit,
                                             const trust::Signed<trust::HostsStatement>& statement,
                                             std::int64_t now_s) const {
  if (statement == trusted_.hosts) {
    return std::vector<Row>();  // asked once more by who did not hear the answer
  }
  return edit_hosts_under(trusted_.lists.back().value, edit, statement, now_s);
}

Result<std::vector<Row>> Network::edit_hosts_under(const trust::AdminList& list, const HostsEdit& edit,
                                                   const trust::Signed<trust::HostsStatement>& statement,
                                                   std::int64_t now_s) const {
  if (!trust::is_genuine(statement) || !trust::may_sign_hosts(list, statement.signer) ||
      statement.value.network != list.network) {
    return refused("the change is not signed by an admin of this network");
  }
  if (statement.value.revision <= trusted_.hosts.value.revision) {
    return Error(ErrorCode::unavailable, "the hosts were changed meanwhile; try again");
  }
  trust::HostsBook book = trusted_.hosts_book;
  std::vector<Row> rows{{Kind::statement, "hosts", string_of(trust::encode(statement))}};
  for (const std::string& name : edit.remove) {
    const trust::HostBinding* bound = binding(name);
    const Host* host = find_host(name);
    if (bound == nullptr && host == nullptr) {
      return Error(ErrorCode::not_found, fmt::format("there is no host {}", name));
    }
    if (bound != nullptr) {
      release_addresses(*bound, now_s, rows);
    }
    book.remove(name);
    rows.push_back({Kind::binding, name, std::nullopt});
    rows.push_back({Kind::joined, name, std::nullopt});
    rows.push_back({Kind::key_change, name, std::nullopt});
    if (host != nullptr) {
      rows.push_back({Kind::host, key_of(host->number), std::nullopt});
    }
  }
  for (const crypto::Hash& hash : edit.take_back) {
    book.take_back(hash);
    rows.push_back({Kind::taken_back, string_of(hash), ""});
  }
  std::set<std::string> touched(edit.remove.begin(), edit.remove.end());
  for (const trust::HostBinding& bound : edit.put) {
    touched.insert(bound.name);
  }
  for (const trust::HostBinding& bound : edit.put) {
    KRAIT_CHECK(check_keys(bound));
    KRAIT_CHECK(check_places(bound, touched));
    KRAIT_CHECK(book.put(bound));
    rows.push_back({Kind::binding, bound.name, string_of(trust::encode(bound))});
    rows.push_back({Kind::joined, bound.name, std::nullopt});
    for (const common::Ip& address : bound.addresses) {
      rows.push_back({Kind::address, address.text(), bound.name});
    }
    if (const Host* host = find_host(bound.name); host != nullptr && host->waits_for_approval) {
      Host approved = *host;
      approved.waits_for_approval = false;
      rows.push_back({Kind::host, key_of(host->number), text_of(approved)});
    }
  }
  if (book.root() != statement.value.root) {
    return Error(ErrorCode::unavailable, "the hosts were changed meanwhile; try again");
  }
  return rows;
}

Result<std::vector<Row>> Network::apply_policy(PolicyText policy,
                                               const trust::Signed<trust::PolicyStatement>& statement) const {
  const trust::AdminList& list = trusted_.lists.back().value;
  if (!trust::is_genuine(statement) || !trust::may_sign_policy(list, statement.signer) ||
      statement.value.network != list.network) {
    return refused("the policy is not signed by an administrator of this network");
  }
  if (statement == trusted_.policy) {
    return std::vector<Row>();  // asked once more by who did not hear the answer
  }
  if (statement.value.revision <= trusted_.policy.value.revision) {
    return Error(ErrorCode::unavailable, "another policy was applied meanwhile; look at it, and try again");
  }
  KRAIT_TRY(auto read, read_policy(policy.text, "the policy"));
  if (read.book.root() != statement.value.root) {
    return refused("what is signed is not the policy that came with it");
  }
  KRAIT_CHECK(check_identities_of_hosts(read.book));
  policy.number = policies_.empty() ? 1 : policies_.rbegin()->first + 1;
  policy.rules = read.model.rules.size();
  policy.identities = read.model.identities.size();
  read_ = std::move(read);
  return std::vector<Row>{{Kind::policy, key_of(policy.number), text_of(policy)},
                          {Kind::statement, "policy", string_of(trust::encode(statement))}};
}

Result<void> Network::check_next_list(const trust::Signed<trust::AdminList>& list) const {
  const trust::AdminList& former = trusted_.lists.back().value;
  if (!trust::is_genuine(list) || !trust::may_sign_hosts(former, list.signer) || list.value.network != former.network) {
    return refused("the list is not signed by an admin of the one before");
  }
  if (list.value.version != former.version + 1) {
    return Error(ErrorCode::unavailable, "the list was changed meanwhile; try again");
  }
  std::set<std::string_view> names;
  for (const trust::Administrator& administrator : list.value.administrators) {
    if (!names.insert(administrator.name).second) {
      return refused(fmt::format("two administrators are called {}", administrator.name));
    }
  }
  return {};
}

Result<std::vector<Row>> Network::change_admins(const AdminsEdit& edit, std::int64_t now_s) const {
  const trust::Signed<trust::AdminList>& signed_list = edit.list ? *edit.list : trusted_.lists.back();
  const trust::AdminList& list = signed_list.value;
  if (signed_list == trusted_.lists.back() && edit.policy_statement == trusted_.policy &&
      edit.hosts_statement == trusted_.hosts) {
    return std::vector<Row>();  // likewise
  }
  if (edit.list) {
    KRAIT_CHECK(check_next_list(*edit.list));
  }
  const trust::Signed<trust::PolicyStatement>& policy = edit.policy_statement;
  if (!trust::is_genuine(policy) || !trust::may_sign_policy(list, policy.signer) ||
      policy.value.network != list.network) {
    return refused("the policy is not signed anew by an administrator of the next list");
  }
  if (policy.value.revision <= trusted_.policy.value.revision || policy.value.root != trusted_.policy.value.root) {
    return Error(ErrorCode::unavailable, "the policy was changed meanwhile; try again");
  }
  for (const auto& [name, by_token] : trusted_.joined) {
    const bool is_taken_in = std::ranges::any_of(edit.hosts.put, [&](const auto& bound) { return bound.name == name; });
    if (!trust::may_sign_hosts(list, by_token.grant.signer) && !is_taken_in) {
      return Error(ErrorCode::unavailable,
                   fmt::format("nobody would vouch for {} any more; take it in (host approve), and try again", name));
    }
  }
  std::vector<Row> rows{{Kind::admin_list, key_of(list.version), string_of(trust::encode(signed_list))},
                        {Kind::statement, "policy", string_of(trust::encode(policy))}};
  KRAIT_TRY(auto hosts, edit_hosts_under(list, edit.hosts, edit.hosts_statement, now_s));
  std::ranges::move(hosts, std::back_inserter(rows));
  return rows;
}

bool Network::is_key_of_another(const model::PublicKey& key, const std::string& host) const {
  if (const auto joined = joined_keys_.find(key); joined != joined_keys_.end() && joined->second != host) {
    return true;
  }
  if (const std::string* bound = trusted_.hosts_book.owner_of(key); bound != nullptr && *bound != host) {
    return true;
  }
  return std::ranges::any_of(trusted_.key_changes, [&](const auto& entry) {
    return entry.first != host && (entry.second.value.key == key || entry.second.value.next_key == key);
  });
}

const std::string* Network::owner_of(const common::Prefix& prefix, std::string_view host) const {
  if (prefix.length == prefix.ip.bits()) {
    const auto found = addresses_.find(prefix.ip);
    if (found != addresses_.end() && found->second.released_s == 0 && found->second.host != host) {
      return &found->second.host;
    }
  }
  if (const auto found = joined_routes_.find(prefix); found != joined_routes_.end() && found->second != host) {
    return &found->second;
  }
  const std::string* owner = trusted_.hosts_book.owner_of(prefix);
  return owner != nullptr && *owner != host ? owner : nullptr;
}

Result<void> Network::check_places(const trust::HostBinding& binding, const std::set<std::string>& changed) const {
  std::vector<common::Prefix> prefixes;
  std::vector<std::string> identities{binding.identity};
  for (const trust::Route& route : binding.routes) {
    prefixes.push_back(route.prefix);
    identities.push_back(route.identity);
    if (std::ranges::any_of(binding.addresses,
                            [&](const auto& ip) { return common::Prefix::host(ip) == route.prefix; })) {
      return refused(fmt::format("the route {} is the host's own address", route.prefix.text()));
    }
  }
  for (const common::Ip& address : binding.addresses) {
    prefixes.push_back(common::Prefix::host(address));
  }
  for (const common::Prefix& prefix : prefixes) {
    const std::string* owner = owner_of(prefix, binding.name);
    if (owner != nullptr && !changed.contains(*owner)) {
      return refused(fmt::format("{} is host {}'s already", prefix.text(), *owner));
    }
  }
  const auto shown = entries_.find(binding.name);
  for (const std::string& identity : identities) {
    const bool has_it = shown != entries_.end() && shown->second.identities.contains(identity);
    if (!has_it && !trusted_.policy_book.rows().contains(identity)) {
      return refused(fmt::format("the policy does not know the identity {}; apply one that does first", identity));
    }
  }
  return {};
}

Result<void> Network::check_routes_free(const std::vector<trust::Route>& routes) const {
  for (const trust::Route& route : routes) {
    if (const std::string* owner = owner_of(route.prefix, "")) {
      return refused(fmt::format("{} is host {}'s already", route.prefix.text(), *owner));
    }
  }
  return {};
}

// Who is shown with an identity that the policy does not have is refused by everybody, and with it the policy.
Result<void> Network::check_identities_of_hosts(const trust::PolicyBook& book) const {
  for (const auto& [identity, members] : members_) {
    if (!book.rows().contains(identity)) {
      return refused(
          fmt::format("host {} has the identity {}, or a network behind it, which this policy does not know; "
                      "give it another one first (host set-identity, host set-routes), or remove it",
                      members.entries.begin()->first, identity));
    }
  }
  return {};
}

Result<std::vector<Row>> Network::change_key(const Host& host, const trust::Signed<trust::KeyChange>& change) const {
  const trust::HostBinding* bound = binding(host.name);
  if (bound == nullptr || !trust::is_genuine(change) || change.signer != bound->host_key ||
      change.value.host != host.name || change.value.network != trusted_.lists.back().value.network) {
    return refused("the change of key is not this host's");
  }
  for (const model::PublicKey& key : {change.value.key, change.value.next_key.value_or(change.value.key)}) {
    KRAIT_CHECK(check_wireguard_key(key));
    if (is_key_of_another(key, host.name)) {
      return refused("the key is another host's");
    }
  }
  const auto former = trusted_.key_changes.find(host.name);
  if (change.value.serial <= bound->key_serial ||
      (former != trusted_.key_changes.end() && change.value.serial <= former->second.value.serial)) {
    return refused("the change of key is older than the one that is known");
  }
  return std::vector<Row>{{Kind::key_change, host.name, string_of(trust::encode(change))}};
}

std::vector<Row> Network::leave(const Host& host) const {
  std::vector<Row> rows;
  // The tree has it until an administrator signs another; nobody may come with its key from now on.
  Host left = host;
  left.left = true;
  left.link_key = {};
  rows.push_back({Kind::host, key_of(host.number), text_of(left)});
  rows.push_back({Kind::joined, host.name, std::nullopt});
  return rows;
}

std::optional<Host> Network::as_seen(const Host& reporter, const std::string& peer,
                                     const common::Endpoint& endpoint) const {
  const Host* host = find_host(peer);
  if (host == nullptr || host->name == reporter.name || !host->behind_nat || !host->endpoints.empty() ||
      host->seen != endpoint.ip || endpoint.port == 0 || host->mapped == endpoint) {
    return std::nullopt;
  }
  const auto own = identities_of(reporter.name);
  const auto theirs = identities_of(peer);
  const bool may_talk = std::ranges::any_of(own, [&](const std::string& one) {
    return std::ranges::any_of(theirs,
                               [&](const std::string& other) { return trusted_.policy_book.may_talk(one, other); });
  });
  if (!may_talk) {
    return std::nullopt;
  }
  Host changed = *host;
  changed.mapped = endpoint;
  return changed;
}

std::vector<Row> Network::update_host(const Host& host) { return {{Kind::host, key_of(host.number), text_of(host)}}; }

std::vector<Row> Network::update_settings(const Settings& settings) {
  return {{Kind::settings, "", text_of(settings)}};
}

}  // namespace krait::fleet

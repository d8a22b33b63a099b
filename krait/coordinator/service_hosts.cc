// What hosts say, and what they are answered.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>

#include "krait/config/findings.h"
#include "krait/config/names.h"
#include "krait/control/version.h"
#include "krait/coordinator/service.h"
#include "krait/fleet/rows.h"
#include "krait/wire/key_pair.h"

namespace krait::coordinator {

using common::Error;
using common::Result;

namespace {

// Those that krait.toml may name too: no group's, nobody's.
std::vector<common::Endpoint> endpoints_of(const std::vector<std::string>& texts) {
  std::vector<common::Endpoint> endpoints;
  for (const std::string& text : texts) {
    const auto read = config::read_endpoint(text);
    if (const auto* endpoint = read ? std::get_if<common::Endpoint>(&*read) : nullptr) {
      endpoints.push_back(*endpoint);
    }
  }
  return endpoints;
}

std::vector<common::Ip> addresses_of(const std::vector<std::string>& texts) {
  std::vector<common::Ip> addresses;
  for (const std::string& text : texts) {
    if (const auto address = common::Ip::parse(text)) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

wire::RefusalCode code_of(const Error& error) {
  const bool for_good =
      error.code() == common::ErrorCode::invalid_input || error.code() == common::ErrorCode::not_found;
  return for_good ? wire::RefusalCode::wrong : wire::RefusalCode::later;
}

}  // namespace

SessionId Service::on_connected(Peer& peer, const fleet::LinkKey& key, std::optional<common::Ip> from) {
  const SessionId id = next_session_++;
  Session& session = sessions_[id];
  session.peer = &peer;
  session.key = key;
  session.from = from;
  session.since_s = clock_.unix_s();
  // Anybody has a key: whoever comes with one that is no host's takes the place of the one before.
  constexpr std::size_t kMaxStrangers = 1024;
  if (strangers_.size() >= kMaxStrangers && network_->find_link(key) == nullptr) {
    end_stranger(strangers_.begin()->first);
  }
  strangers_.emplace(id, clock_.steady_us());
  return id;
}

std::size_t Service::end_strangers() {
  constexpr std::int64_t kPatienceUs = 30'000'000;
  while (!strangers_.empty() && clock_.steady_us() - strangers_.begin()->second >= kPatienceUs) {
    end_stranger(strangers_.begin()->first);
  }
  return strangers_.size();
}

void Service::end_stranger(SessionId id) {
  strangers_.erase(id);
  if (Session& session = sessions_.at(id); !session.ending) {
    refuse(session, wire::RefusalCode::later, "it has not said in time which host it is, nor joined");
  }
}

void Service::on_message(SessionId id, wire::Message& message) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.ending) {
    return;
  }
  Session& session = found->second;
  if (!session.greeted && !std::holds_alternative<wire::Hello>(message)) {
    refuse(session, wire::RefusalCode::wrong, "say hello first");
    return;
  }
  std::visit([&](auto& body) { on(id, session, body); }, message);
}

void Service::on_drained(SessionId id) {
  if (const auto found = sessions_.find(id); found != sessions_.end()) {
    push(found->second);
  }
}

void Service::on_gone(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return;
  }
  settle(id, false, "it went offline");
  if (const auto own = session_of_host_.find(found->second.host); own != session_of_host_.end() && own->second == id) {
    session_of_host_.erase(own);
  }
  joining_.erase(id);
  strangers_.erase(id);
  unlist(id, found->second);
  remember(found->second);
  sessions_.erase(id);
}

void Service::remember(Session& session) {
  if (session.held.told != nullptr && network_->find_host(session.host) != nullptr) {
    left_[session.host] = {std::move(session.held), session.sent};
    session.held = {};
  }
}

void Service::refuse(Session& session, wire::RefusalCode code, std::string text) {
  ++counters_.refusals;
  session.ending = true;
  text.resize(std::min(text.size(), wire::kMaxTextBytes));
  session.peer->send(wire::Refused{code, std::move(text)});
  session.peer->finish();
}

void Service::refuse(Session& session, const Error& error) { refuse(session, code_of(error), error.text()); }

// Once a connection: the answer is longer than the greeting, and anybody may send it.
void Service::on(SessionId id, Session& session, wire::Hello& hello) {
  if (session.greeted) {
    refuse(session, wire::RefusalCode::wrong, "it has said hello already");
    return;
  }
  const std::uint32_t version = wire::common_version(hello);
  if (version == 0) {
    refuse(session, wire::RefusalCode::version,
           fmt::format("this coordinator speaks versions {} to {} of the protocol; upgrade the older one",
                       wire::kLeastVersion, wire::kMostVersion));
    return;
  }
  session.greeted = true;
  const fleet::Host* host = network_->find_link(session.key);
  if (host != nullptr && !may_take_over(session, *host)) {
    return;
  }
  session.peer->send(welcome(version, host != nullptr));
  if (host != nullptr) {
    bind(id, session, host->number);
  }
}

wire::Welcome Service::welcome(std::uint32_t version, bool known) const {
  wire::Welcome welcome{.version = version,
                        .program = fmt::format("krait-coordinator {}", control::kVersion),
                        .network = {},
                        .revision = revision_,
                        .known = known};
  const crypto::Hash& network = network_->trusted().lists.back().value.network;
  std::copy_n(network.begin(), welcome.network.size(), welcome.network.begin());
  return welcome;
}

// A link that is refused before it was welcomed calls again after an ever longer while.
bool Service::may_take_over(Session& session, const fleet::Host& host) {
  const auto former = session_of_host_.find(host.number);
  if (former == session_of_host_.end() || sessions_.at(former->second).ending) {
    return true;
  }
  const CopiedKeys::Places places{.connected = sessions_.at(former->second).from, .other = session.from};
  const auto verdict = copied_keys_.on_second(host.number, places, clock_.steady_us());
  if (verdict == CopiedKeys::Verdict::take_over) {
    return true;
  }
  if (verdict == CopiedKeys::Verdict::refuse_and_tell && complain_) {
    complain_(
        fmt::format("two machines call with the key of host {0}, from {1}, and drove each other off; the first one "
                    "stays connected, the other is refused. Was a disk copied? Strike it off (krait-coordinator host "
                    "remove {0}), then on both machines: krait leave, delete WireGuard's key file, and krait join, "
                    "with a token each",
                    host.name, places_text(places)));
  }
  refuse(session, wire::RefusalCode::later,
         fmt::format("another machine is connected with this host's key; was a disk copied? They call from {}, and an "
                     "administrator has to strike the host off (host remove {})",
                     places_text(places), host.name));
  return false;
}

// The newest connection of a host counts: the former one's other end may be long gone.
void Service::bind(SessionId id, Session& session, std::uint64_t host) {
  session.host = host;
  if (const auto former = session_of_host_.find(host); former != session_of_host_.end() && former->second != id) {
    Session& other = sessions_.at(former->second);
    other.ending = true;
    other.watching = false;
    unlist(former->second, other);
    remember(other);
    settle(former->second, false, "it connected anew");
    other.peer->finish();
  }
  session_of_host_[host] = id;
  strangers_.erase(id);
}

void Service::on(SessionId id, Session& session, wire::Join& join) {
  if (const fleet::Host* host = network_->find_host(session.host)) {
    const trust::HostBinding* binding = network_->binding(host->name);
    const auto change = network_->trusted().key_changes.find(host->name);
    const bool has_changed_to =
        change != network_->trusted().key_changes.end() && change->second.value.key == join.wireguard_key;
    if (binding == nullptr || (binding->key != join.wireguard_key && !has_changed_to)) {
      refuse(session, wire::RefusalCode::wrong, fmt::format("this host has joined already, as {}", host->name));
    } else {
      say_joined(session, *host);
    }
    return;
  }
  auto pending = std::make_unique<Pending>();
  fleet::Applicant& applicant = pending->applicant;
  applicant = {.token = {join.token},
               .name = std::move(join.name),
               .key = join.wireguard_key,
               .link_key = session.key,
               .endpoints = endpoints_of(join.endpoints),
               .seen = session.from,
               .listen_port = join.listen_port,
               .behind_nat = join.behind_nat,
               .addresses = addresses_of(join.addresses)};
  auto offer = network_->offer(applicant, reserved(), clock_.unix_s());
  if (!offer) {
    refuse(
        session,
        offer.error().code() == common::ErrorCode::invalid_input ? wire::RefusalCode::token : wire::RefusalCode::later,
        offer.error().text());
    return;
  }
  wire::Offer message{.grant = fleet::string_of(trust::encode(offer->grant)), .name = offer->name};
  for (const common::Ip& address : offer->addresses) {
    message.addresses.push_back(address.text());
  }
  // The last ones: a token that was made under an older list has expired long since.
  const auto& lists = network_->trusted().lists;
  for (const auto& list : std::span(lists).last(std::min(lists.size(), wire::kMaxLists))) {
    message.admin_lists.push_back(fleet::string_of(trust::encode(list)));
  }
  pending->offer = std::move(*offer);
  session.pending = std::move(pending);
  joining_.insert(id);
  session.peer->send(message);
}

void Service::on(SessionId id, Session& session, wire::Seal& seal) {
  if (!session.pending || !session.pending->offer) {
    refuse(session, wire::RefusalCode::wrong, "there was no offer");
    return;
  }
  const auto joined = trust::parse_joined_host(fleet::view_of(seal.joined));
  if (!joined) {
    refuse(session, joined.error());
    return;
  }
  const std::unique_ptr<Pending> pending = std::move(session.pending);
  joining_.erase(id);
  const auto done = change(fmt::format("token {}", pending->offer->token),
                           fmt::format("host {} joins", pending->offer->name), [&](const fleet::Network& network) {
                             return network.enrol(*pending->offer, pending->applicant, *joined, clock_.unix_s());
                           });
  if (!done) {
    refuse(session, done.error());
    return;
  }
  ++counters_.joins;
  const fleet::Host* host = network_->find_link(session.key);
  bind(id, session, host->number);
  say_joined(session, *host);
}

void Service::say_joined(Session& session, const fleet::Host& host) {
  wire::Joined joined{.host = host.number, .name = host.name, .waits_for_approval = host.waits_for_approval};
  if (const trust::HostBinding* binding = network_->binding(host.name)) {
    for (const common::Ip& address : binding->addresses) {
      joined.addresses.push_back(address.text());
    }
  }
  session.peer->send(joined);
}

void Service::on(SessionId id, Session& session, wire::Watch& watch) {
  const fleet::Host* host = network_->find_host(session.host);
  if (host == nullptr) {
    refuse(session, wire::RefusalCode::unknown_key,
           "the network has no host with this key; it was removed, or has not joined");
    return;
  }
  if (session.watching) {  // a state may be a million times as long as the message that asks for it
    refuse(session, wire::RefusalCode::wrong, "it watches already");
    return;
  }
  session.watching = true;
  session.behind = true;
  list(id, session);
  if (host->waits_for_approval) {
    return;
  }
  const fleet::Telling telling = network_->telling_for(*host);
  if (!recognise(session, watch, telling)) {
    if (!may_once_more(session, &Budget::states, "it asks for a whole state more than 30 times a minute")) {
      return;
    }
    send_state(session, telling, true);
    expect(id, host->name);
  } else if (session.held.told == telling.told && session.held.self == telling.self) {
    session.held = telling;
    session.sent = revision_;
    session.behind = false;
    session.peer->send(wire::Confirmed{revision_});
  } else {
    send_state(session, telling, false);
    expect(id, host->name);
  }
}

// Whether the host holds what it would be told now, or what it was told when it was here last.
bool Service::recognise(Session& session, const wire::Watch& watch, const fleet::Telling& telling) {
  const auto left = left_.extract(session.host);
  if (watch.holds == 0 || watch.digest.empty()) {
    return false;
  }
  const auto is_held = [&](const fleet::Telling& candidate) {
    const wire::KeyHash digest = wire::hash_of(fleet::string_of(trust::encode_view(candidate.view())));
    return std::ranges::equal(digest, watch.digest,
                              [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
  };
  if (!left.empty() && left.mapped().sent == watch.holds && is_held(left.mapped().held)) {
    session.held = left.mapped().held;
    session.sent = left.mapped().sent;
    return true;
  }
  if (is_held(telling)) {
    session.held = telling;
    return true;
  }
  return false;
}

std::size_t Service::rotate_keys(const std::set<std::string>& hosts, bool go) {
  std::size_t told = 0;
  for (const auto& [number, id] : session_of_host_) {
    const Session& session = sessions_.at(id);
    const fleet::Host* host = network_->find_host(number);
    if (host != nullptr && session.watching && !session.ending && (hosts.empty() || hosts.contains(host->name))) {
      session.peer->send(wire::RotateKey{go});
      ++told;
    }
  }
  return told;
}

void Service::confirm_leases() {
  for (const auto& [number, id] : session_of_host_) {
    Session& session = sessions_.at(id);
    if (session.watching && !session.behind && !session.ending && session.sent != 0 && session.peer->idle()) {
      session.sent = revision_;
      session.peer->send(wire::Confirmed{revision_});
    }
  }
}

void Service::on(SessionId id, Session& session, wire::Enforced& enforced) {
  session.failure = config::printable(enforced.failure);  // an administrator's terminal shows it
  if (session.failure.empty()) {
    session.enforced = std::max(session.enforced, std::min(enforced.revision, session.sent));
    settle(id, true, "");
  }
}

void Service::on(SessionId /*id*/, Session& session, wire::Here& here) {
  const fleet::Host* host = network_->find_host(session.host);
  if (host == nullptr) {
    return;
  }
  fleet::Host now = *host;
  now.endpoints = endpoints_of(here.endpoints);
  now.seen = session.from;
  now.mapped = now.seen == host->seen ? host->mapped : std::nullopt;  // one address has one NAT
  now.listen_port = here.listen_port != 0 ? here.listen_port : host->listen_port;
  std::map<std::uint64_t, fleet::Host> changed;
  if (now != *host) {
    changed.emplace(now.number, now);
  }
  for (const wire::Seen& seen : here.seen) {
    const auto endpoint = common::Endpoint::parse(seen.endpoint);
    if (const auto peer = endpoint ? network_->as_seen(*host, seen.name, *endpoint) : std::nullopt) {
      changed.insert_or_assign(peer->number, *peer);
    }
  }
  if (changed.empty() || !may_say_more(session)) {
    return;
  }
  const auto done =
      change(fmt::format("host {}", host->name), "says where hosts can be called", [&](const fleet::Network& network) {
        std::vector<fleet::Row> rows;
        for (const auto& [number, moved] : changed) {
          if (network.find_host(number) != nullptr) {
            std::ranges::move(fleet::Network::update_host(moved), std::back_inserter(rows));
          }
        }
        return rows;
      });
  if (!done) {
    refuse(session, done.error());
  }
}

// Each change is a revision, on disk: nobody makes others pay for one after the other.
bool Service::may_say_more(Session& session) {
  return may_once_more(session, &Budget::changes, "it changes what is known of it more than 30 times a minute");
}

// Whatever connection it comes by.
bool Service::may_once_more(Session& session, unsigned Budget::* what, const char* why_not) {
  constexpr std::int64_t kWindowUs = 60'000'000;
  constexpr unsigned kMost = 30;
  const std::int64_t now_us = clock_.steady_us();
  Budget& budget = budgets_[session.host];
  if (now_us - budget.begun_us > kWindowUs) {
    budget = {.begun_us = now_us};
  }
  if (++(budget.*what) <= kMost) {
    return true;
  }
  refuse(session, wire::RefusalCode::later, why_not);
  return false;
}

void Service::on(SessionId /*id*/, Session& session, wire::KeyChange& change_of_key) {
  const fleet::Host* host = network_->find_host(session.host);
  const auto signed_change = trust::parse_key_change(fleet::view_of(change_of_key.change));
  if (host == nullptr || !signed_change) {
    refuse(session, wire::RefusalCode::wrong, "a change of key that cannot be read");
    return;
  }
  if (!may_say_more(session)) {
    return;
  }
  const std::string name = host->name;
  const auto done = change(fmt::format("host {}", name), "announces a key", [&](const fleet::Network& network) {
    const fleet::Host* announcer = network.find_host(name);
    return announcer == nullptr ? Result<std::vector<fleet::Row>>(Error(common::ErrorCode::not_found, "it is gone"))
                                : network.change_key(*announcer, *signed_change);
  });
  if (!done) {
    refuse(session, done.error());
  }
}

void Service::on(SessionId /*id*/, Session& session, wire::Leave& /*leave*/) {
  const fleet::Host* host = network_->find_host(session.host);
  if (host == nullptr) {
    refuse(session, wire::RefusalCode::removed, "the network has no such host any more");
    return;
  }
  const std::string name = host->name;
  const auto done =
      change(fmt::format("host {}", name), fmt::format("host {} leaves", name), [&](const fleet::Network& network) {
        const fleet::Host* leaver = network.find_host(name);
        return leaver == nullptr ? std::vector<fleet::Row>() : network.leave(*leaver);
      });
  if (!done) {
    refuse(session, done.error());
  }
}

// What only coordinators say, or a newer version: nothing to answer.
template <typename Other>
void Service::on(SessionId /*id*/, Session& session, Other& /*other*/) {
  if constexpr (!std::is_same_v<Other, std::monostate>) {
    refuse(session, wire::RefusalCode::wrong, "that is not for hosts to say");
  }
}

}  // namespace krait::coordinator

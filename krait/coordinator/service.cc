#include "krait/coordinator/service.h"

#include <algorithm>
#include <utility>

#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr int kMaxAttempts = 50;  // of a change that others come before

}  // namespace

Result<void> Service::load() {
  std::vector<fleet::Row> rows;
  KRAIT_TRY(revision_, ledger_.read_since(0, rows));
  KRAIT_CHECK(network_->absorb(rows), "read the network");
  return {};
}

// --- Changes
// -----------------------------------------------------------------------------------------------------------

Result<std::uint64_t> Service::change(const std::string& who, const std::string& what, const Make& make) {
  const std::int64_t begun_us = clock_.steady_us();
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    KRAIT_TRY(auto rows, make(*network_));
    KRAIT_TRY(const auto committed, ledger_.commit({revision_, who, what, clock_.unix_s(), rows}));
    if (!committed) {
      KRAIT_CHECK(catch_up());
      continue;
    }
    ++counters_.commits;
    revision_ = *committed;
    KRAIT_TRY(const auto concerned, network_->absorb(rows), "take in what was committed");
    spread(concerned, begun_us);
    return revision_;
  }
  return Error(ErrorCode::unavailable, "other coordinators change the network all the time; try again");
}

Result<void> Service::catch_up() {
  std::vector<fleet::Row> rows;
  const std::int64_t begun_us = clock_.steady_us();
  KRAIT_TRY(const auto newest, ledger_.read_since(revision_, rows));
  if (newest == revision_) {
    return {};
  }
  KRAIT_TRY(const auto concerned, network_->absorb(rows), "take in what another coordinator committed");
  revision_ = newest;
  spread(concerned, begun_us);
  return {};
}

// Tells those whose state it changes. Who is slow is told of the newest state alone, once it has read what is on its
// way.
void Service::spread(const fleet::Concerned& concerned, std::int64_t begun_us) {
  look_for_struck_off();
  last_concerned_.clear();
  last_begun_us_ = begun_us;
  for (const auto& [number, id] : session_of_host_) {
    Session& session = sessions_.at(id);
    const fleet::Host* host = network_->find_host(number);
    if (!session.watching || host == nullptr) {
      continue;
    }
    const auto meets = [&](const std::string& identity) { return concerned.identities.contains(identity); };
    if (concerned.all || concerned.hosts.contains(host->name) ||
        (!concerned.identities.empty() && std::ranges::any_of(network_->identities_of(host->name), meets))) {
      session.behind = true;
      last_concerned_.insert(id);
    }
  }
  for (const SessionId id : last_concerned_) {
    push(sessions_.at(id));
  }
}

void Service::look_for_struck_off() {
  std::vector<SessionId> gone;
  for (const auto& [number, id] : session_of_host_) {
    const fleet::Host* host = network_->find_host(number);
    if (host == nullptr || host->link_key != sessions_.at(id).key) {
      gone.push_back(id);
    }
  }
  for (const SessionId id : gone) {
    Session& session = sessions_.at(id);
    session_of_host_.erase(session.host);
    refuse(session, wire::RefusalCode::removed, "this host was removed from the network");
    settle(id, false, "it was removed");
  }
}

void Service::push(Session& session) {
  if (!session.behind || !session.watching || session.ending || !session.peer->idle()) {
    return;
  }
  const fleet::Host* host = network_->find_host(session.host);
  if (host == nullptr || host->waits_for_approval) {
    return;
  }
  auto state = network_->state_for(*host, 0);
  if (!state) {
    refuse(session, state.error());
    return;
  }
  send_state(session, std::make_shared<const trust::State>(std::move(*state)), session.held == nullptr);
}

void Service::send_state(Session& session, std::shared_ptr<const trust::State> state, bool whole) {
  const trust::Bytes bytes = trust::encode_state(*state, whole ? nullptr : session.held.get());
  const std::string text = fleet::string_of(bytes);
  wire::State message{.base = whole ? 0 : session.sent, .revision = revision_, .bytes = {}, .more = true};
  for (std::size_t at = 0; message.more; at += wire::kMaxStateChunkBytes) {
    message.bytes = text.substr(at, wire::kMaxStateChunkBytes);
    message.more = text.size() - at > wire::kMaxStateChunkBytes;
    session.peer->send(message);
  }
  ++counters_.states_sent;
  counters_.snapshots_sent += whole ? 1 : 0;
  counters_.state_bytes += text.size();
  session.held = std::move(state);
  session.sent = revision_;
  session.behind = false;
}

// --- Who waits
// ---------------------------------------------------------------------------------------------------------

Service::WaitId Service::wait(OnSpread done) {
  const WaitId id = next_wait_++;
  Wait& wait = waits_[id];
  wait.spread.revision = revision_;
  wait.spread.concerned = last_concerned_.size();
  wait.open = last_concerned_;
  wait.begun_us = last_begun_us_;
  wait.done = std::move(done);
  if (wait.open.empty()) {
    const Wait finished = std::move(wait);
    waits_.erase(id);
    finished.done(finished.spread);
  }
  return id;
}

Spread Service::give_up(WaitId id) {
  const auto found = waits_.find(id);
  if (found == waits_.end()) {
    return {};
  }
  Spread spread = std::move(found->second.spread);
  for (const SessionId open : found->second.open) {
    const Session& session = sessions_.at(open);
    const fleet::Host* host = network_->find_host(session.host);
    spread.failing.emplace_back(host == nullptr ? "" : host->name,
                                session.failure.empty() ? "it has not answered yet" : session.failure);
  }
  waits_.erase(found);
  return spread;
}

void Service::settle(SessionId id, bool enforcing, const std::string& why) {
  last_concerned_.erase(id);
  std::vector<Wait> finished;
  for (auto each = waits_.begin(); each != waits_.end();) {
    Wait& wait = each->second;
    const auto session = sessions_.find(id);
    const bool done = !enforcing || (session != sessions_.end() && session->second.enforced >= wait.spread.revision);
    if (done && wait.open.erase(id) != 0) {
      if (enforcing) {
        ++wait.spread.enforcing;
        wait.spread.last_us = clock_.steady_us() - wait.begun_us;
      } else {
        const fleet::Host* host = session == sessions_.end() ? nullptr : network_->find_host(session->second.host);
        wait.spread.failing.emplace_back(host == nullptr ? "" : host->name, why);
      }
    }
    if (wait.open.empty()) {
      finished.push_back(std::move(wait));
      each = waits_.erase(each);
    } else {
      ++each;
    }
  }
  for (const Wait& wait : finished) {
    wait.done(wait.spread);
  }
}

HostState Service::state_of(const fleet::Host& host) const {
  const auto found = session_of_host_.find(host.number);
  if (found == session_of_host_.end()) {
    return {};
  }
  const Session& session = sessions_.at(found->second);
  return {true, session.enforced, session.sent, session.behind, session.failure, session.since_s};
}

std::vector<fleet::Offer> Service::reserved() const {
  std::vector<fleet::Offer> offers;
  for (const SessionId id : joining_) {
    const auto& pending = sessions_.at(id).pending;
    if (pending && pending->offer) {
      offers.push_back(*pending->offer);
    }
  }
  return offers;
}

}  // namespace krait::coordinator

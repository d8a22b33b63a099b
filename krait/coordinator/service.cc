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
// So many changes long it is known what a host holds that has gone: what is not shared with today's state is memory.
constexpr std::uint64_t kRememberedRevisions = 64;

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
    if (rows.empty()) {
      return revision_;
    }
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
  if (newest < revision_) {
    return start_over();
  }
  KRAIT_TRY(const auto concerned, network_->absorb(rows), "take in what another coordinator committed");
  revision_ = newest;
  spread(concerned, begun_us);
  return {};
}

// The database has gone back: a backup was restored, or a standby took over that had not heard of everything. Whoever
// is connected calls again, and is told what holds now.
Result<void> Service::start_over() {
  auto network = std::make_unique<fleet::Network>();
  std::vector<fleet::Row> rows;
  KRAIT_TRY(const auto newest, ledger_.read_since(0, rows));
  KRAIT_CHECK(network->absorb(rows), "read the network anew");
  network_ = std::move(network);
  revision_ = newest;
  differences_.clear();
  left_.clear();
  for (auto& [id, session] : sessions_) {
    unlist(id, session);
    session.held = {};
    session.pending.reset();
    if (!session.ending) {
      refuse(session, wire::RefusalCode::later,
             "what the coordinator keeps has gone back to an older revision; call again");
    }
    settle(id, false, "what the coordinator keeps has gone back to an older revision");
  }
  joining_.clear();
  return {};
}

// Tells those whose state it changes. Who is slow is told of the newest state alone, once it has read what is on its
// way.
void Service::spread(const fleet::Concerned& concerned, std::int64_t begun_us) {
  look_for_struck_off(concerned);
  differences_.clear();
  std::erase_if(left_, [&](const auto& each) {
    return each.second.sent + kRememberedRevisions < revision_ || network_->find_host(each.first) == nullptr;
  });
  std::set<SessionId> late = std::move(last_.open);  // with a change before: who waits for this one waits for them too
  last_ = {};
  last_.open = sessions_of(concerned);
  last_.begun_us = begun_us;
  for (const SessionId id : last_.open) {
    Session& session = sessions_.at(id);
    session.behind = true;
    push(session);
  }
  last_.open.merge(late);
  last_.spread.revision = revision_;
  last_.spread.concerned = last_.open.size();
}

std::set<SessionId> Service::sessions_of(const fleet::Concerned& concerned) {
  std::set<SessionId> found;
  for (const std::string& name : concerned.hosts) {
    const fleet::Host* host = network_->find_host(name);
    const auto id = host == nullptr ? session_of_host_.end() : session_of_host_.find(host->number);
    if (id != session_of_host_.end() && sessions_.at(id->second).watching) {
      list(id->second, sessions_.at(id->second));  // it may have other identities now
      found.insert(id->second);
    }
  }
  for (const auto& [identity, sessions] : watching_) {
    if (concerned.all) {
      found.insert(sessions.begin(), sessions.end());
    }
  }
  for (const std::string& identity : concerned.identities) {
    if (const auto sessions = watching_.find(identity); sessions != watching_.end()) {
      found.insert(sessions->second.begin(), sessions->second.end());
    }
  }
  return found;
}

void Service::list(SessionId id, Session& session) {
  unlist(id, session);
  if (const fleet::Host* host = network_->find_host(session.host)) {
    const auto identities = network_->identities_of(host->name);
    session.identities.assign(identities.begin(), identities.end());
  }
  for (const std::string& identity : session.identities) {
    watching_[identity].insert(id);
  }
}

void Service::unlist(SessionId id, Session& session) {
  for (const std::string& identity : session.identities) {
    const auto sessions = watching_.find(identity);
    sessions->second.erase(id);
    if (sessions->second.empty()) {
      watching_.erase(sessions);
    }
  }
  session.identities.clear();
}

void Service::look_for_struck_off(const fleet::Concerned& concerned) {
  for (const std::uint64_t number : concerned.numbers) {
    const fleet::Host* host = network_->find_host(number);
    if (host == nullptr) {
      budgets_.erase(number);
      copied_keys_.forget(number);
    }
    const auto found = session_of_host_.find(number);
    if (found == session_of_host_.end() || (host != nullptr && host->link_key == sessions_.at(found->second).key)) {
      continue;
    }
    const SessionId id = found->second;
    session_of_host_.erase(found);
    Session& session = sessions_.at(id);
    unlist(id, session);
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
  send_state(session, network_->telling_for(*host), session.held.told == nullptr);
}

void Service::send_state(Session& session, const fleet::Telling& telling, bool whole) {
  const Frames made = frames_for(session, telling, whole);
  for (const wire::Frame& frame : made.frames) {
    session.peer->send(frame);
  }
  ++counters_.states_sent;
  counters_.snapshots_sent += whole ? 1 : 0;
  counters_.state_bytes += made.state_bytes;
  session.held = telling;
  session.sent = revision_;
  session.behind = false;
}

// A whole state is its host's alone; a difference is mostly the same for all who have the same identities.
Service::Frames Service::frames_for(const Session& session, const fleet::Telling& telling, bool whole) {
  if (whole) {
    return frames_of(trust::encode_view(telling.view()), 0);
  }
  const fleet::Telling& held = session.held;
  if (!trust::is_common(telling.view(), held.view())) {
    const trust::View known = held.view();
    return frames_of(trust::encode_view(telling.view(), &known), session.sent);
  }
  Difference& difference = differences_[{held.told.get(), telling.told.get(), session.sent}];
  Frames frames{.frames = {}, .state_bytes = difference.state_bytes};
  if (difference.then.lock() == held.told && difference.now.lock() == telling.told) {
    for (const auto& each : difference.frames) {
      frames.frames.push_back(each.lock());
    }
    if (std::ranges::none_of(frames.frames, [](const wire::Frame& frame) { return frame == nullptr; })) {
      return frames;
    }
  }
  const trust::View known{.told = *held.told};
  frames = frames_of(trust::encode_view({.told = *telling.told}, &known), session.sent);
  difference = {.then = held.told,
                .now = telling.told,
                .frames = {frames.frames.begin(), frames.frames.end()},
                .state_bytes = frames.state_bytes};
  return frames;
}

Service::Frames Service::frames_of(const trust::Bytes& bytes, std::uint64_t base) const {
  Frames made{.frames = {}, .state_bytes = bytes.size()};
  const std::string text = fleet::string_of(bytes);
  wire::State message{.base = base, .revision = revision_, .bytes = {}, .more = true};
  for (std::size_t at = 0; message.more; at += wire::kMaxStateChunkBytes) {
    message.bytes = text.substr(at, wire::kMaxStateChunkBytes);
    message.more = text.size() - at > wire::kMaxStateChunkBytes;
    made.frames.push_back(wire::make_frame(wire::encode(message)));
  }
  return made;
}

// --- Who waits
// ---------------------------------------------------------------------------------------------------------

// From where the last change has come: whoever asks later, after another coordinator's change, is told of all of it.
Service::WaitId Service::wait(OnSpread done) {
  const WaitId id = next_wait_++;
  Wait& wait = waits_[id] = last_;
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

// Whoever comes without the newest state is waited for too: it may have been another coordinator's host until now.
void Service::expect(SessionId id, const std::string& host) {
  const auto expect_in = [&](Wait& wait) {
    if (wait.open.insert(id).second) {
      const auto is_host = [&](const auto& failing) { return failing.first == host; };
      wait.spread.concerned += std::erase_if(wait.spread.failing, is_host) == 0 ? 1 : 0;
    }
  };
  expect_in(last_);
  for (auto& [number, wait] : waits_) {
    expect_in(wait);
  }
}

// It enforces the last state that it was sent, and none newer concerns it.
bool Service::has_all(const Session& session) {
  return !session.behind && session.sent != 0 && session.enforced >= session.sent;
}

void Service::settle(SessionId id, bool enforcing, const std::string& why) {
  const auto session = sessions_.find(id);
  const auto settle_in = [&](Wait& wait) {
    const bool done = !enforcing || (session != sessions_.end() &&
                                     (session->second.enforced >= wait.spread.revision || has_all(session->second)));
    if (!done || wait.open.erase(id) == 0) {
      return;
    }
    if (enforcing) {
      ++wait.spread.enforcing;
      wait.spread.last_us = clock_.steady_us() - wait.begun_us;
      return;
    }
    const fleet::Host* host = session == sessions_.end() ? nullptr : network_->find_host(session->second.host);
    wait.spread.failing.emplace_back(host == nullptr ? "" : host->name, why);
  };
  settle_in(last_);
  // Who has gone is nobody's who asks later.
  last_.spread.concerned -= last_.spread.failing.size();
  last_.spread.failing.clear();
  std::vector<Wait> finished;
  for (auto each = waits_.begin(); each != waits_.end();) {
    settle_in(each->second);
    if (each->second.open.empty()) {
      finished.push_back(std::move(each->second));
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
  const auto copied = copied_keys_.places_of(host.number, clock_.steady_us());
  if (found == session_of_host_.end()) {
    return {.copied = copied};
  }
  const Session& session = sessions_.at(found->second);
  return {true, session.enforced, session.sent, session.behind, session.failure, session.since_s, copied};
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

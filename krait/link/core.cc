#include "krait/link/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/control/version.h"
#include "krait/wire/key_pair.h"

namespace krait::link {

using common::Result;

namespace {

trust::BytesView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Of the whole state's bytes.
std::string digest_of(const trust::State& state) {
  const trust::Bytes bytes = trust::encode_state(state);
  const wire::KeyHash hash = wire::hash_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// Of hosts; mostly a change is one of the policy.
bool tell_the_same(const trust::State& a, const trust::State& b) {
  return a.hosts_part.is_the_very(b.hosts_part) && a.joined == b.joined && a.advice == b.advice;
}

std::string bounded(std::string text) {
  text.resize(std::min(text.size(), wire::kMaxTextBytes));
  return text;
}

}  // namespace

void Core::remember(std::string_view whole) {
  if (auto state = trust::parse_state(view_of(whole))) {
    held_ = std::move(*state);
    unknown_peers_ = !peers_without_endpoint().empty();
  }
}

void Core::on_open() {
  on_lost();  // of the former one
  said_.clear();
  incoming_.clear();
  surroundings_.send(wire::Hello{.program = fmt::format("krait-link {}", control::kVersion)});
}

void Core::on_message(wire::Message& message) {
  std::visit([&](auto& body) { on(body); }, message);
}

void Core::on(wire::Welcome& welcome) {
  if (!welcome.known) {
    surroundings_.give_up(
        "the coordinator does not know this host; it was removed, or has not joined: krait join TOKEN", true);
    return;
  }
  surroundings_.send(wire::Here{.endpoints = where_.endpoints, .listen_port = where_.listen_port});
  surroundings_.send(wire::Watch{.holds = held_ ? std::max<std::uint64_t>(revision_, 1) : 0,
                                 .digest = held_ ? digest_of(*held_) : std::string()});
}

void Core::on(wire::State& state) {
  if (incoming_.size() + state.bytes.size() > trust::kMaxStateBytes) {
    surroundings_.give_up("the coordinator sends a state that is too large", false);
    return;
  }
  incoming_ += state.bytes;
  if (!state.more) {
    take(state.base, state.revision);
  }
}

// What cannot be read is the coordinator's fault or the network's: a whole state mends it.
void Core::take(std::uint64_t base, std::uint64_t revision) {
  const std::string bytes = std::exchange(incoming_, {});
  const bool whole = base == 0;
  if (!whole && (!held_ || base != revision_)) {
    surroundings_.give_up("the coordinator sent what has changed since another state", false);
    return;
  }
  auto state = trust::parse_state(view_of(bytes), whole ? nullptr : &*held_);
  if (!state) {
    held_.reset();
    surroundings_.give_up("the coordinator sent no state: " + state.error().text(), false);
    return;
  }
  const bool other_hosts = !held_ || !tell_the_same(*held_, *state);
  held_ = std::move(*state);
  revision_ = revision;
  confirmed_ = false;
  if (other_hosts) {
    unknown_peers_ = !peers_without_endpoint().empty();
  }
  if (const auto kept = surroundings_.keep(*held_); !kept) {
    failure_ = bounded(kept.error().text());
    report();
    return;
  }
  hand_over();
}

void Core::hand_over() {
  const auto done = try_hand_over();
  failure_ = done ? std::string() : bounded(done.error().text());
  report();
}

// What has come over a connection that is still there is the newest; the lease begins anew once the agent has it.
Result<void> Core::try_hand_over() {
  KRAIT_CHECK(surroundings_.hand_over());  // costs nothing where the agent has it
  if (!confirmed_) {
    KRAIT_CHECK(surroundings_.confirm());
    confirmed_ = true;
  }
  return {};
}

std::set<std::string> Core::peers_without_endpoint() const {
  std::set<std::string> names;
  if (held_) {
    held_->hosts_part.for_each([&](const trust::Key&, const trust::Bytes& value) {
      if (const auto bound = trust::parse_host_binding(value)) {
        names.insert(bound->name);
      }
    });
    for (const trust::Joined& joined : held_->joined) {
      names.insert(joined.host.value.binding.name);
    }
    for (const trust::Advice& advice : held_->advice) {
      if (advice.endpoint) {
        names.erase(advice.host);
      }
    }
    names.erase(where_.name);
  }
  return names;
}

void Core::look_at_peers() {
  if (!has_peers_to_look_at()) {
    return;
  }
  const auto seen = surroundings_.seen_peers();
  if (!seen) {
    return;  // the agent is away: there is another time
  }
  const std::set<std::string> unknown = peers_without_endpoint();
  wire::Here here{.endpoints = where_.endpoints, .listen_port = where_.listen_port, .seen = {}};
  for (const auto& [name, endpoint] : *seen) {
    const auto said = said_.find(name);
    const bool is_news = said == said_.end() ? unknown.contains(name) : said->second != endpoint;
    if (is_news && here.seen.size() < wire::kMaxSeen) {
      here.seen.push_back({.host = 0, .endpoint = endpoint, .name = name});
      said_[name] = endpoint;
    }
  }
  if (!here.seen.empty()) {
    surroundings_.send(here);
  }
}

void Core::report() { surroundings_.send(wire::Enforced{revision_, failure_}); }

void Core::on(wire::Confirmed& confirmed) {
  revision_ = confirmed.now;
  confirmed_ = false;
  hand_over();
}

void Core::try_again() {
  if (!is_settled()) {
    hand_over();
  }
}

void Core::on(wire::Refused& refused) {
  const bool for_good = refused.code == wire::RefusalCode::removed || refused.code == wire::RefusalCode::unknown_key ||
                        refused.code == wire::RefusalCode::version;
  surroundings_.give_up("the coordinator refuses: " + refused.text, for_good);
}

}  // namespace krait::link

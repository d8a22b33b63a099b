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

std::string bounded(std::string text) {
  text.resize(std::min(text.size(), wire::kMaxTextBytes));
  return text;
}

}  // namespace

void Core::remember(std::string_view whole) {
  if (auto state = trust::parse_state(view_of(whole))) {
    held_ = std::move(*state);
  }
}

void Core::on_open() {
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
  held_ = std::move(*state);
  revision_ = revision;
  if (const auto kept = surroundings_.keep(*held_); !kept) {
    failure_ = bounded(kept.error().text());
    report();
    return;
  }
  hand_over();
}

void Core::hand_over() {
  const auto done = surroundings_.hand_over();
  failure_ = done ? std::string() : bounded(done.error().text());
  report();
}

void Core::report() { surroundings_.send(wire::Enforced{revision_, failure_}); }

void Core::on(wire::Confirmed& confirmed) {
  revision_ = confirmed.now;
  auto done = surroundings_.hand_over();  // costs nothing where the agent has it
  if (done) {
    done = surroundings_.confirm();
  }
  failure_ = done ? std::string() : bounded(done.error().text());
  report();
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

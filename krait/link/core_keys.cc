// Going over to another WireGuard key when the coordinator says so. What it says is not signed: all that it can bring
// about is a key of this host's own, and a handshake.
#include <utility>

#include "krait/link/core.h"

namespace krait::link {

using common::Error;
using common::ErrorCode;
using common::Result;

std::optional<Core::Announced> Core::announced() const {
  if (!held_) {
    return std::nullopt;
  }
  for (const auto& change : held_->key_changes) {
    if (change.value.host == where_.name) {
      return Announced{.serial = change.value.serial, .next = change.value.next_key};
    }
  }
  std::optional<Announced> found;
  held_->hosts_part.for_each([&](const trust::Key&, const trust::Bytes& value) {
    const auto bound = trust::parse_host_binding(value);
    if (bound && bound->name == where_.name) {
      found = Announced{.serial = bound->key_serial, .next = {}};
    }
  });
  for (const trust::Joined& joined : held_->joined) {
    if (joined.host.value.binding.name == where_.name) {
      found = Announced{.serial = joined.host.value.binding.key_serial, .next = {}};
    }
  }
  return found;
}

Result<void> Core::say_keys(std::uint64_t serial, const OwnKeys& keys, bool next) {
  trust::KeyChange change{
      .network = held_->hosts.value.network, .host = where_.name, .serial = serial, .key = keys.key, .next_key = {}};
  if (next) {
    change.next_key = keys.next;
  }
  KRAIT_TRY(const auto signed_change, surroundings_.sign(std::move(change)));
  const trust::Bytes bytes = trust::encode(signed_change);
  surroundings_.send(wire::KeyChange{std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  return {};
}

// Said once more where it is known already: whoever asked waits for it.
Result<void> Core::announce_key(const Announced& known) {
  KRAIT_TRY(const auto keys, surroundings_.prepare_key());
  return known.next == keys.next ? Result<void>() : say_keys(known.serial + 1, keys, true);
}

// A link that ended between the agent's step and what it was to say of it finds the key in force, and says it now.
Result<void> Core::go_over(const Announced& known) {
  if (!known.next) {
    return {};
  }
  KRAIT_TRY(auto keys, surroundings_.prepare_key());
  if (keys.key != *known.next) {
    if (keys.next != *known.next) {
      return Error(ErrorCode::not_found, "the key that was announced is not there any more; announce another one");
    }
    KRAIT_CHECK(surroundings_.rotate_key());
    keys.key = *known.next;
  }
  return say_keys(known.serial + 1, keys, false);
}

void Core::on(wire::RotateKey& order) {
  const auto known = announced();
  if (!known) {
    return;
  }
  if (const auto done = order.go ? go_over(*known) : announce_key(*known); !done) {
    surroundings_.complain("the WireGuard key stays: " + done.error().text());
  }
}

}  // namespace krait::link

// Going over to another key: this host's, and those of peers that have announced theirs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "krait/enforce/enforcer.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr const char* kIsCredential =
    "the key comes from the service manager: put the new one into the credential, then systemctl restart krait-agent";

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("rename {} to {}", from, to));
  }
  return {};
}

}  // namespace

Result<std::string> next_key_file(const model::Host& host) {
  if (host.private_key_file.empty()) {
    return Error(ErrorCode::unsupported, kIsCredential);
  }
  return host.private_key_file + ".next";
}

// The file first: an agent that is killed between the two steps finds the new key there and gives it to the interface.
Result<model::PublicKey> Enforcer::rotate_key() {
  if (!managed()) {
    return Error(ErrorCode::unsupported, fmt::format("{} is only guarded: its key is not krait's", interface_));
  }
  if (auto named = check_name(); !named) {
    return named.error();
  }
  const std::string& file = plan_.mesh.host.private_key_file;
  const auto next_file_of_host = next_key_file(plan_.mesh.host);
  if (!next_file_of_host) {
    return next_file_of_host.error();
  }
  const std::string& next_file = *next_file_of_host;
  const std::string former_file = file + ".former";
  auto key = wireguard::PrivateKey::load(next_file);
  if (!key) {
    return key.error().code() == ErrorCode::not_found
               ? Error(ErrorCode::not_found, fmt::format("there is no {}; make the next key and tell the peers of it "
                                                         "first: krait key next",
                                                         next_file))
               : common::passed_on(key, "read the next key");
  }
  ::unlink(former_file.c_str());
  if (::link(file.c_str(), former_file.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("keep {} as {}", file, former_file));
  }
  auto done = rename_file(next_file, file);
  if (!done) {
    ::unlink(former_file.c_str());
    return done.error();
  }
  if (auto changed = wireguard::change_key(interface_, *key); !changed) {
    auto back = rename_file(file, next_file);
    back = back ? rename_file(former_file, file) : std::move(back);
    return common::passed_on(changed, back ? "the former key stays in use" : back.error().text());
  }
  ::unlink(former_file.c_str());
  key_ = key->public_key();
  return *key_;
}

bool Enforcer::awaits_peers_keys() const {
  return managed() && std::ranges::any_of(plan_.mesh.peers,
                                          [](const model::Peer& peer) { return peer.next_public_key.has_value(); });
}

Result<bool> Enforcer::follow_peers_keys() {
  if (interface_index_ == 0 || !check_name()) {
    return false;  // inspect() tells
  }
  auto gone_over = wireguard::has_rotated_peer(plan_.wireguard);
  if (!gone_over || !*gone_over) {
    return gone_over;
  }
  // Giving the addresses to the new key takes them from the former one: the kernel moves each in one step.
  auto applied = wireguard::apply(plan_.wireguard, nullptr, &plan_.wireguard);
  if (!applied) {
    return common::passed_on(applied, "follow a peer's new key");
  }
  clamp_mss_to(applied->mtu_bytes);
  return true;
}

}  // namespace krait::enforce

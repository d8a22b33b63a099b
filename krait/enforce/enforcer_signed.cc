// A host that has joined a network: what krait-link offers, and how long that counts.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/enforce/enforcer.h"
#include "krait/enforce/source.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::int64_t kNsPerS = 1'000'000'000;

// A lease is written anew when a sixteenth of it is gone: access shrinks that much too early at most.
constexpr std::uint32_t kLeaseParts = 16;

Error not_joined() {
  return {ErrorCode::unsupported, "this host goes by its files, and takes no state; krait join changes that"};
}

}  // namespace

Result<control::Applied> Enforcer::take_state() {
  if (!network_) {
    return not_joined();
  }
  KRAIT_TRY(const auto host, plan::load_joined_host(options_.joined_file));
  auto taken = take(host);
  network_->refused = taken ? std::string() : taken.error().text();
  return taken;
}

// Kept before it is in force: an agent that is killed between the two goes on from what its host has seen.
Result<control::Applied> Enforcer::take(const plan::JoinedHost& host) {
  KRAIT_CHECK(check_name());
  KRAIT_TRY(const auto key, own_key(host));
  KRAIT_TRY(auto offered, plan::load_offered(host, key, may_go_back_));
  plan::SignedFiles& made = offered.signed_files;
  if (goal_ == Goal::enforce && faults().empty() && made.files.policy.digest == plan_.policy.digest) {
    return stay();  // whether it is the newest, the link does not know by that
  }
  made.confirmed_s = clock_.look({plan_.mesh.file, plan_.policy.file}).now.unix_ns / kNsPerS;
  plan::set_lease(made.files.policy, made.settings, made.confirmed_s);
  const auto network = network_state(made);
  return put_files_in_force(std::move(made.files), network, [&]() -> Result<void> {
    KRAIT_CHECK(plan::save_kept(host, offered.kept));
    may_go_back_ = false;
    return plan::save_confirmed(host, network.confirmed_s);
  });
}

Result<void> Enforcer::confirm_state() {
  if (!network_) {
    return not_joined();
  }
  const std::int64_t now_s = clock_.look({plan_.mesh.file, plan_.policy.file}).now.unix_ns / kNsPerS;
  const std::int64_t since_s = now_s - network_->confirmed_s;
  if (since_s >= 0 && since_s < std::max<std::int64_t>(1, network_->lease_s / kLeaseParts)) {
    return {};
  }
  KRAIT_TRY(const auto host, plan::load_joined_host(options_.joined_file));
  KRAIT_CHECK(plan::save_confirmed(host, now_s));
  network_->confirmed_s = now_s;
  return renew_lease();
}

Result<void> Enforcer::renew_lease() {
  if (network_->lease_s == 0) {
    return {};
  }
  plan::set_lease(plan_.policy, {.lease_s = network_->lease_s}, network_->confirmed_s);
  if (!held_.datapath.active()) {
    return {};  // what is denied as a whole is compiled again once it is not
  }
  KRAIT_TRY(auto plan, compile_anew());
  KRAIT_TRY(auto ran, reconcile(Goal::enforce_policy, plan, nullptr));
  follow_policy(std::move(plan));
  return result_of(std::move(ran));
}

}  // namespace krait::enforce

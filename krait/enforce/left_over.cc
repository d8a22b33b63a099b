#include "krait/enforce/left_over.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "krait/enforce/datapath_options.h"
#include "krait/enforce/host_settings.h"
#include "krait/enforce/own_link.h"
#include "krait/enforce/reconcile.h"
#include "krait/enforce/source.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct LeftOver {
  std::string interface;
  bool managed = false;  // it is krait's own, to be deleted
};

// An interface that something else made must not be deleted.
Result<void> check_is_own(const std::string& interface) {
  const auto where = wireguard::find_link(interface, 0);
  if (!where || where->is_marked || unmarked_own_link(interface) != 0) {
    return {};
  }
  return Error(ErrorCode::invalid_input,
               fmt::format("{0} is an interface that krait did not make, so it is not ours to delete; to stop guarding "
                           "it: krait down --iface {0}",
                           interface));
}

Result<LeftOver> left_over(const EnforcerOptions& options) {
  if (options.guarded_interface) {
    return LeftOver{.interface = *options.guarded_interface};
  }
  KRAIT_TRY(const std::string interface, interface_named(options));
  if (datapath::only_guards(datapath_options(interface))) {  // with a key of the files' or without
    return LeftOver{.interface = interface};
  }
  KRAIT_CHECK(check_is_own(interface));
  return LeftOver{.interface = interface, .managed = true};
}

// An agent that lives holds the lock: it was asked at another socket than its own, or its socket is gone.
Result<void> check_is_unlocked(const std::string& interface) {
  if (::access(interface_lock_path(interface).c_str(), F_OK) != 0) {
    return {};
  }
  auto lock = lock_interface(interface);
  if (!lock) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("an agent that does not answer here keeps {}; name its control socket (krait down --socket "
                    "SOCKET), or end it first (systemctl stop krait-agent)",
                    interface));
  }
  return {};
}

// The steps without an agent's data path: what is left is found by its pins.
class LeftOverWork final : public StepPort {
 public:
  explicit LeftOverWork(std::string interface) : interface_(std::move(interface)) {}

  Result<void> carry_out(Step step) override {
    switch (step) {
      case Step::deny:
        return datapath::Datapath::deny_all_left_over(datapath_options(interface_));
      case Step::withdraw: {
        model::WireguardImage nobody;
        nobody.interface = interface_;
        auto withdrawn = wireguard::withdraw(nobody);
        return withdrawn ? Result<void>() : std::move(withdrawn.error());
      }
      case Step::remove_link:
        return wireguard::remove_link(interface_);
      case Step::detach:
        return remove_datapath(interface_, wireguard::link_index(interface_).value_or(0));
      case Step::restore:
        return restore_settings(interface_);
      default:
        return Error(ErrorCode::system, fmt::format("{} is for an agent to do", name_of(step)));
    }
  }

 private:
  std::string interface_;
};

// False: there is nothing.
Result<bool> end_left_over(const EnforcerOptions& options, Goal goal) {
  KRAIT_TRY(auto found, left_over(options));
  const auto& [interface, managed] = found;
  const bool is_here = wireguard::link_index(interface).has_value();
  const bool is_link_left = managed && is_here && goal == Goal::nothing;
  if (!datapath::has_pins(datapath_options(interface)) && !is_link_left) {
    return false;
  }
  KRAIT_CHECK(check_is_unlocked(interface));
  const Observed observed{.place = is_here ? Place::here : Place::absent, .is_attached = is_here};
  LeftOverWork work(interface);
  auto outcome = run(steps({.goal = goal, .is_managed = managed}, observed), work);
  if (outcome.failed) {
    return std::move(outcome.failed->error).with_context(fmt::format("{}: {}", interface, doing(outcome.failed->step)));
  }
  if (goal == Goal::nothing) {
    ::unlink(interface_lock_path(interface).c_str());
  }
  return true;
}

}  // namespace

Result<bool> remove_left_over(const EnforcerOptions& options) { return end_left_over(options, Goal::nothing); }

Result<bool> drain_left_over(const EnforcerOptions& options) { return end_left_over(options, Goal::deny); }

}  // namespace krait::enforce

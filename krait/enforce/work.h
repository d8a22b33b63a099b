// The steps, carried out in the kernel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/netlink/watch.h"
#include "common/result.h"
#include "krait/enforce/held.h"
#include "krait/enforce/reconcile.h"
#include "krait/plan/plan.h"
#include "krait/wireguard/key.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

// What the steps are to bring about. All of it outlives the work.
struct Wanted {
  const plan::Plan& plan;
  const model::WireguardImage& wireguard;      // the plan's, or nobody
  const wireguard::PrivateKey* key = nullptr;  // none: the interface's is kept, and read from its file if it is lost
  const model::WireguardImage* previous = nullptr;  // that was applied before; none when the agent starts
  std::string present_name{};                       // of the interface
  std::optional<netlink::NewHome> new_home{};
};

// One run's. What make_room opened takes the data path's place when it is attached, and else is let go of at the end.
class Work final : public StepPort {
 public:
  Work(Held& held, const Wanted& wanted) : held_(held), wanted_(wanted) {}

  common::Result<void> carry_out(Step step) override;

  [[nodiscard]] const wireguard::Changes& changes() const { return changes_; }
  // What somebody else had changed and is as it was; sentences.
  [[nodiscard]] const std::vector<std::string>& mended() const { return mended_; }

 private:
  [[nodiscard]] datapath::Datapath& datapath() { return successor_ ? *successor_ : held_.datapath; }

  common::Result<void> make_link();
  common::Result<void> rename();
  common::Result<void> remove_there();
  common::Result<void> make_room();
  common::Result<void> publish();
  common::Result<void> set_ways();
  common::Result<void> attach();
  common::Result<void> get_ahead();
  common::Result<void> pin();
  common::Result<void> withdraw();
  common::Result<void> apply();
  common::Result<void> detach();

  Held& held_;
  const Wanted& wanted_;
  std::optional<datapath::Datapath> successor_;
  wireguard::Changes changes_;
  std::optional<model::PublicKey> device_key_;  // that withdraw() found
  std::vector<std::string> mended_;
};

}  // namespace krait::enforce

// What is not as it should be and was not put right, in words: of what was seen, and of what came of the steps. Pure.
#pragma once

#include <string>
#include <vector>

#include "krait/control/state.h"
#include "krait/enforce/observe.h"
#include "krait/enforce/reconcile.h"
#include "krait/plan/plan.h"
#include "krait/wireguard/state.h"

namespace krait::enforce {

struct About {
  const std::string& interface;
  bool is_managed = true;
};

// Of where the interface is after the run. `was_removed_there`: see Held.
std::vector<control::Fault> place_faults(const About& about, const Sight& sight, const Outcome& outcome,
                                         bool was_removed_there);
std::vector<control::Fault> step_faults(const About& about, const Outcome& outcome);
std::vector<control::Fault> refusal_faults(const std::vector<wireguard::Refusal>& refused);
// Of hosts with which no key can be computed, so that they are no peers.
std::vector<control::Fault> pair_faults(const plan::Plan& plan);

// What goes by the name would meet a stranger's, or nobody: invalid_input, with the hint.
common::Result<void> check_name(const About& about, const Sight& sight);

// Why a run ended, and whose policy decides now.
common::Error run_error(const About& about, const Observed& before, Outcome outcome);

// `were_refused`: some of them, before.
std::string changes_text(const std::string& interface, const wireguard::Changes& changes, bool were_refused);

}  // namespace krait::enforce

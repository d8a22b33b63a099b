#include "krait/enforce/steps.h"

namespace krait::enforce {

namespace {

using List = common::StepList<Step>;

bool is_here(const Observed& observed) { return observed.place == Place::here || observed.place == Place::renamed; }

// What makes the plan's policy the one in force: it may be in the kernel, denied as a whole.
Step switch_of(const Observed& observed) {
  return observed.has_policy && observed.has_room ? Step::resume : Step::publish;
}

// Nobody decides yet: shut, then peers, then open. The fence comes before the interface is up and takes packets.
std::vector<PlannedStep> bring_up(const Observed& observed) {
  List list;
  list.add({observed.place == Place::renamed ? Step::rename : Step::make_link});
  list.add_if(!observed.has_room, Step::make_room);
  list.add({Step::set_ways, Step::deny, Step::attach, Step::pin});
  list.add_beside({Step::get_ahead, Step::fence});
  list.add({Step::withdraw, Step::apply});
  list.add({switch_of(observed)});
  return list.take();
}

// From one policy to another under traffic. An address that moves from one peer to another must never be the wrong
// identity's: it is taken from the old peer before the switch and given to the new one after.
std::vector<PlannedStep> switch_over(const Desired& desired, const Observed& observed) {
  const bool is_whole = desired.goal == Goal::enforce && desired.is_managed;
  List list;
  list.add_if(!observed.has_room, Step::make_room);
  list.add_if(is_whole && observed.place == Place::renamed, Step::rename);
  list.add_if(is_whole && !observed.is_applied, Step::withdraw);
  list.add({Step::set_ways, switch_of(observed)});
  if (is_here(observed)) {
    list.add({Step::attach, Step::pin});
    list.add_beside({Step::get_ahead, Step::fence});
  }
  list.add_if(is_whole && !observed.is_applied, Step::apply);
  return list.take();
}

// The plan's policy is switched on: whatever else differs is put right, what is shut first.
std::vector<PlannedStep> put_right(const Desired& desired, const Observed& observed) {
  List list;
  list.add({Step::attach});
  list.add_in_any_case({Step::get_ahead, Step::pin, Step::set_ways, Step::fence});
  if (desired.goal == Goal::enforce && desired.is_managed) {
    list.add_if(observed.place == Place::renamed, Step::rename);
    if (!observed.is_applied || observed.place == Place::renamed) {
      list.add({Step::withdraw, Step::apply});
    }
  }
  return list.take();
}

// Without the interface a policy can be switched all the same, for whoever brings it back.
std::vector<PlannedStep> without_interface(const Desired& desired, const Observed& observed) {
  List list;
  const bool is_unjudged_there = observed.place == Place::moved && !observed.is_judged_there;
  list.add_if(is_unjudged_there && desired.is_managed && desired.goal == Goal::enforce, Step::remove_there);
  if (!observed.is_in_force() && (observed.is_active || !desired.is_managed)) {
    list.add_if(!observed.has_room, Step::make_room);
    list.add({Step::set_ways, Step::publish});
  }
  // Without the tunnel its networks are reached some other way, or not at all, and the addresses are nobody's.
  list.add_if(!desired.is_managed && observed.place == Place::absent, Step::open_fence);
  return list.take();
}

std::vector<PlannedStep> enforce(const Desired& desired, const Observed& observed) {
  const bool is_policy_alone = desired.goal == Goal::enforce_policy;
  if (is_policy_alone && (!observed.is_active || observed.is_in_force())) {
    return {};
  }
  if (!is_here(observed) && (is_policy_alone || !desired.is_managed || observed.place != Place::absent)) {
    return without_interface(desired, observed);
  }
  if (is_here(observed) && observed.is_in_force()) {
    return put_right(desired, observed);
  }
  // What somebody else manages is in use already: there the policy is switched on before programs are attached.
  const bool is_in_use = (is_here(observed) && observed.is_judged()) || !desired.is_managed || is_policy_alone;
  return is_in_use ? switch_over(desired, observed) : bring_up(observed);
}

std::vector<PlannedStep> deny(const Desired& desired, const Observed& observed) {
  List list;
  list.add({Step::deny});
  if (is_here(observed) && !observed.is_attached) {
    list.add_beside({Step::attach, Step::pin});
  }
  list.add_if(desired.is_managed && observed.place == Place::renamed, Step::rename);
  list.add_if(desired.is_managed && is_here(observed), Step::withdraw);
  return list.take();
}

// What is only guarded goes on without krait: nothing of it is shut first. Where the interface is deleted, that shuts
// it whatever came of denying.
std::vector<PlannedStep> end(const Desired& desired, const Observed& observed) {
  List list;
  if (desired.is_managed && is_here(observed)) {
    list.add_beside({Step::deny});
    list.add_if(observed.place == Place::renamed, Step::rename);
    list.add_beside({Step::withdraw});
    list.add({Step::remove_link});
  }
  list.add({Step::detach, Step::restore});
  return list.take();
}

}  // namespace

std::vector<PlannedStep> steps(const Desired& desired, const Observed& observed) {
  switch (desired.goal) {
    case Goal::enforce:
    case Goal::enforce_policy:
      return enforce(desired, observed);
    case Goal::deny:
      return deny(desired, observed);
    case Goal::nothing:
      break;
  }
  return end(desired, observed);
}

}  // namespace krait::enforce

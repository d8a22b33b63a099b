// What the kernel says of one interface, as plain values: what the order of the next steps depends on.
#pragma once

#include <cstdint>

namespace krait::enforce {

enum class Place : std::uint8_t {
  here,
  renamed,  // it is here, under another name
  absent,   // there is none
  taken,    // there is none, and an interface that krait did not make has its name
  moved,    // to another network namespace
};

struct Observed {
  Place place = Place::absent;
  bool is_judged_there = false;  // in the namespace that it moved to: krait's programs went along

  bool has_room = true;           // the maps that are open hold the plan's policy
  bool is_attached = false;       // krait's programs are on the interface
  bool is_active = false;         // a policy is switched on
  bool may_other_decide = false;  // the attached programs may judge by other maps, which have a policy of their own
  bool has_policy = false;        // the policy in the kernel, switched on or denied as a whole, is the plan's
  bool is_applied = false;        // peers, addresses, routes, key and port are the plan's

  // A policy decides about every packet of the interface.
  [[nodiscard]] bool is_judged() const { return is_attached && (is_active || may_other_decide); }
  // The plan's policy is switched on; it decides where programs are attached.
  [[nodiscard]] bool is_in_force() const { return is_active && has_policy && has_room; }
};

}  // namespace krait::enforce

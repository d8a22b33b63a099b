// One thing done to the kernel.
#pragma once

#include <cstdint>
#include <string_view>

namespace krait::enforce {

// name, what an error says was being done, what it does. Each looks at the kernel itself and touches only what differs:
// it may be repeated.
#define KRAIT_STEPS(X)                                                                                         \
  X(make_link, "make the interface")                    /* down and without peers */                           \
  X(rename, "give the interface its name back")         /* which somebody else took */                         \
  X(remove_there, "delete the interface there")         /* in the network namespace that it moved to */        \
  X(make_room, "make room for the policy")              /* maps beside those in force, until attach */         \
  X(deny, "deny everything")                            /* from the next packet on, until publish or resume */ \
  X(publish, "switch the policy")                       /* to the plan's */                                    \
  X(resume, "switch the policy on again")               /* what deny took out of force */                      \
  X(set_ways, "look for the networks behind this host") /* where they are reached */                           \
  X(attach, "attach the programs")                      /* and the guard */                                    \
  X(get_ahead, "get ahead of other programs")           /* that somebody put before krait's */                 \
  X(pin, "pin the data path")                           /* what is attached */                                 \
  X(fence, "fence the other interfaces off")            /* from addresses that are behind the tunnel */        \
  X(open_fence, "take the fence away")                  /* there is no tunnel any more */                      \
  X(withdraw, "withdraw peers")                         /* and addresses: whatever the plan has elsewhere */   \
  X(apply, "set up peers, addresses and routes")        /* everything else of WireGuard */                     \
  X(remove_link, "remove the interface")                /* with its addresses and routes */                    \
  X(detach, "take the data path off")                   /* programs, guard, fence and pins */                  \
  X(restore, "put the host's settings back")            /* what the kernel changed with the interface */

enum class Step : std::uint8_t {
#define KRAIT_STEP(name, doing) name,
  KRAIT_STEPS(KRAIT_STEP)
#undef KRAIT_STEP
};

constexpr std::string_view name_of(Step step) {
  switch (step) {
#define KRAIT_STEP(name, doing) \
  case Step::name:              \
    return #name;
    KRAIT_STEPS(KRAIT_STEP)
#undef KRAIT_STEP
  }
  return {};
}

constexpr std::string_view doing(Step step) {
  switch (step) {
#define KRAIT_STEP(name, doing) \
  case Step::name:              \
    return doing;
    KRAIT_STEPS(KRAIT_STEP)
#undef KRAIT_STEP
  }
  return {};
}

}  // namespace krait::enforce

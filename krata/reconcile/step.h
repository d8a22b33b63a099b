// One thing done for one zone.
#pragma once

#include <cstdint>
#include <string_view>

namespace krata::reconcile {

// name, what an error says was being done, what it does. Each may be repeated: it looks first and touches only what
// differs.
#define KRATA_STEPS(X)                                                                            \
  X(make_folder, "make the zone's folder")          /* with its logs */                           \
  X(make_root, "make the image's file system")      /* shared by zones of the same image */       \
  X(make_bundle, "write the zone's bundle")         /* what its first process needs to know */    \
  X(build, "build the domain")                      /* paused, with nothing in it that ran */     \
  X(note_built, "write down the domain")            /* from then on it is this run's */           \
  X(add_devices, "write the zone's devices")        /* into the store */                          \
  X(serve_disks, "serve the zone's disks")          /* processes of their own */                  \
  X(hear, "listen to the zone")                     /* console and channel */                     \
  X(unpause, "start the domain")                    /* the container runs from here on */         \
  X(ask_to_stop, "ask the zone to stop")            /* the image's signal */                      \
  X(halt, "pause the domain")                       /* for good: it says nothing from then on */  \
  X(drain, "read the zone's last words")            /* all that its console and channel hold */   \
  X(note_end, "write down how the container ended") /* and when */                                \
  X(let_go, "let go of the zone's console")         /* and channel: nobody maps its pages then */ \
  X(destroy, "destroy the domain")                  /* its memory goes */                         \
  X(stop_disks, "end the processes of the disks")   /* which hold its pages too */                \
  X(remove_devices, "remove the zone's devices")    /* from the store */                          \
  X(remove_bundle, "remove the zone's bundle")      /* and what else a run alone needs */         \
  X(begin_again, "begin the next run")              /* in the record */                           \
  X(remove_folder, "remove the zone's folder")      /* with its logs */                           \
  X(forget, "forget the zone")                      /* its record: nobody looks after it then */

enum class Step : std::uint8_t {
#define KRATA_STEP(name, doing) name,
  KRATA_STEPS(KRATA_STEP)
#undef KRATA_STEP
};

constexpr std::string_view name_of(Step step) {
  switch (step) {
#define KRATA_STEP(name, doing) \
  case Step::name:              \
    return #name;
    KRATA_STEPS(KRATA_STEP)
#undef KRATA_STEP
  }
  return {};
}

constexpr std::string_view doing(Step step) {
  switch (step) {
#define KRATA_STEP(name, doing) \
  case Step::name:              \
    return doing;
    KRATA_STEPS(KRATA_STEP)
#undef KRATA_STEP
  }
  return {};
}

}  // namespace krata::reconcile

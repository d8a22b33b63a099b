// What there is of one zone, as plain values: what the order of the next steps depends on.
#pragma once

#include <cstdint>

namespace krata::reconcile {

enum class Domain : std::uint8_t {
  none,
  half,     // the record does not name it: nothing ran in it, or it is a former run's
  ready,    // built and written down, and paused
  running,  // the record's
  over,     // likewise; its kernel has ended, and its memory can still be read
  dying,    // whichever: destroyed, and there while somebody has its pages
};

struct Observed {
  Domain domain = Domain::none;
  bool was_built = false;  // the record names a domain for this run
  bool has_end = false;    // the record says how this run ended

  bool has_folder = false;
  bool has_root = false;
  bool has_bundle = false;
  bool has_devices = false;
  bool has_disks = false;  // processes serve them
  bool is_heard = false;   // this process reads its console and channel

  bool may_start = false;         // it is its turn
  bool was_asked = false;         // to stop, by this process
  bool is_patience_over = false;  // it was, and had its time; or is not to be asked
  bool is_overdue = false;        // its container has ended, and it had its time to do so too
  bool has_given_up = false;      // a step on the way to a running container failed
  bool is_restart_due = false;    // the run has ended, and the next one is to begin now
};

}  // namespace krata::reconcile

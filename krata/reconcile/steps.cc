#include "krata/reconcile/steps.h"

namespace krata::reconcile {

namespace {

using List = common::StepList<Step>;

// From nothing to a domain that the record names; what follows is the same as for one that is found.
std::vector<PlannedStep> launch(const Observed& observed) {
  List list;
  list.add_if(!observed.has_folder, Step::make_folder);
  list.add_if(!observed.has_root, Step::make_root);
  list.add_if(!observed.has_bundle, Step::make_bundle);
  // What a former domain of this zone left would be this one's.
  list.add_if(observed.has_disks, Step::stop_disks);
  list.add_if(observed.has_devices, Step::remove_devices);
  if (observed.may_start) {
    list.add({Step::build, Step::note_built, Step::add_devices, Step::serve_disks, Step::hear, Step::unpause});
  }
  return list.take();
}

std::vector<PlannedStep> start(const Observed& observed) {
  List list;
  list.add_if(!observed.has_devices, Step::add_devices);
  list.add_if(!observed.has_disks, Step::serve_disks);
  list.add_if(!observed.is_heard, Step::hear);
  list.add({Step::unpause});
  return list.take();
}

// Whatever of the daemon's or its helpers' ended: the zone waits for them, and loses nothing.
std::vector<PlannedStep> keep_up(const Observed& observed) {
  List list;
  list.add_beside_if(!observed.has_disks, Step::serve_disks);
  list.add_beside_if(!observed.is_heard, Step::hear);
  return list.take();
}

// What it said last and how it ended, from its memory. Where that cannot be read, again and again, the zone ends
// without.
void add_last_words(List& list, const Observed& observed) {
  if (observed.has_given_up) {
    list.add_beside_if(!observed.is_heard, Step::hear);
    list.add_beside_if(true, Step::drain);
  } else {
    list.add_if(!observed.is_heard, Step::hear);
    list.add({Step::drain});
  }
  list.add({Step::note_end});
}

// All is written down before anything is let go.
std::vector<PlannedStep> conclude(const Observed& observed) {
  List list;
  add_last_words(list, observed);
  return list.take();
}

// A domain that goes takes the pages along that this process and the disks' have of it.
std::vector<PlannedStep> let_die(const Observed& observed) {
  List list;
  list.add_if(observed.is_heard, Step::let_go);
  list.add_if(observed.has_disks, Step::stop_disks);
  return list.take();
}

// It says nothing any more from then on.
std::vector<PlannedStep> end_now(const Observed& observed) {
  List list;
  list.add({Step::halt});
  add_last_words(list, observed);
  return list.take();
}

std::vector<PlannedStep> run(const Observed& observed) {
  switch (observed.domain) {
    case Domain::none:
      return observed.was_built ? std::vector<PlannedStep>{{Step::note_end}} : launch(observed);
    case Domain::half:
      return {{Step::destroy}};
    case Domain::ready:
      return start(observed);
    case Domain::running:
      return observed.is_overdue ? end_now(observed) : keep_up(observed);
    case Domain::over:
      return conclude(observed);
    case Domain::dying:
      break;
  }
  return let_die(observed);
}

// Its patience begins whether or not it can be heard.
std::vector<PlannedStep> ask(const Observed& observed) {
  List list;
  list.add_beside_if(!observed.has_disks, Step::serve_disks);
  list.add_beside_if(!observed.is_heard, Step::hear);
  list.add_if(!observed.was_asked, Step::ask_to_stop);
  return list.take();
}

std::vector<PlannedStep> stop(const Observed& observed) {
  switch (observed.domain) {
    case Domain::over:
      return conclude(observed);
    case Domain::running:
      return observed.is_patience_over || observed.is_overdue ? end_now(observed) : ask(observed);
    case Domain::ready:
      return end_now(observed);
    case Domain::half:
    case Domain::none:
    case Domain::dying:
      break;
  }
  return {{Step::note_end}};
}

std::vector<PlannedStep> clear(model::Goal goal, const Observed& observed) {
  List list;
  list.add_beside_if(observed.is_heard, Step::let_go);
  list.add_if(observed.domain != Domain::none && observed.domain != Domain::dying, Step::destroy);
  list.add_beside_if(observed.has_disks, Step::stop_disks);
  if (observed.domain == Domain::dying) {
    return list.take();
  }
  list.add_if(observed.has_devices, Step::remove_devices);
  list.add_if(observed.has_bundle, Step::remove_bundle);
  if (observed.domain != Domain::none || observed.is_heard || observed.has_disks) {
    return list.take();  // it is looked at again first
  }
  if (goal == model::Goal::forget) {
    list.add_if(observed.has_folder, Step::remove_folder);
    list.add({Step::forget});
  }
  list.add_if(goal == model::Goal::run && observed.is_restart_due, Step::begin_again);
  return list.take();
}

}  // namespace

std::vector<PlannedStep> steps(model::Goal goal, const Observed& observed) {
  if (observed.has_end) {
    return clear(goal, observed);
  }
  if (goal == model::Goal::run && !observed.has_given_up) {
    return run(observed);
  }
  return stop(observed);
}

bool is_launch(model::Goal goal, const Observed& observed) {
  return goal == model::Goal::run && !observed.has_end && !observed.has_given_up &&
         ((observed.domain == Domain::none && !observed.was_built) || observed.domain == Domain::ready);
}

}  // namespace krata::reconcile

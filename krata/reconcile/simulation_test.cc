// Every order of steps, held against a world in which any step fails, or seems to, helpers and domains end by
// themselves or are ended, the owner changes his mind, and the daemon is killed at each step: no zone may be harmed, no
// line and no end be lost, and nothing be left over.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "krata/reconcile/restart.h"
#include "krata/reconcile/simulated_world.h"

namespace krata::reconcile::simulation {
namespace {

struct Swap {
  Step first;
  Step second;
};

void plant(const std::optional<Swap>& defect, std::vector<PlannedStep>& steps) {
  if (!defect) {
    return;
  }
  const auto a = std::ranges::find(steps, defect->first, &PlannedStep::step);
  const auto b = std::ranges::find(steps, defect->second, &PlannedStep::step);
  if (a != steps.end() && b != steps.end()) {
    std::iter_swap(a, b);
  }
}

// Between any two steps something happens.
class Disturbed final : public StepPort {
 public:
  Disturbed(World& world, Random& random, bool is_quiet) : world_(world), random_(random), is_quiet_(is_quiet) {}

  common::Result<Progress> carry_out(Step step) override {
    if (is_killed_) {
      return common::Error(common::ErrorCode::system, "nobody is there");
    }
    if (!is_quiet_) {
      world_.live();
      is_killed_ = one_in(random_, 25);
      if (is_killed_ && one_in(random_, 2)) {
        return common::Error(common::ErrorCode::system, "nobody is there");
      }
      if (one_in(random_, 12)) {
        world_.next_failure = one_in(random_, 2) ? World::Failure::before : World::Failure::after;
      }
    }
    return world_.carry_out(step);
  }
  [[nodiscard]] bool is_killed() const { return is_killed_; }

 private:
  World& world_;
  Random& random_;
  bool is_quiet_;
  bool is_killed_ = false;
};

class History {
 public:
  History(std::uint64_t seed, std::optional<Swap> defect) : random_(seed), world_(random_), defect_(defect) {
    world_.may_restart = one_in(random_, 3);
  }

  std::string live() {
    for (int turns = 5 + below(random_, 30); turns > 0 && world_.record && world_.violation.empty(); --turns) {
      befall();
      look();
    }
    return world_.violation.empty() ? settle() : world_.violation;
  }

 private:
  void befall() {
    world_.live();
    switch (below(random_, 15)) {
      case 0:
        world_.kill_daemon();
        break;
      case 1:
        world_.kill_disks();
        break;
      case 2:
        if (one_in(random_, 4)) {
          world_.destroy_from_outside();
        }
        break;
      case 3:
        if (one_in(random_, 3) && world_.record->goal == model::Goal::run) {
          world_.record->goal = model::Goal::stop;
          world_.record->is_to_start = false;
        }
        break;
      case 4:
        if (one_in(random_, 6)) {
          world_.record->goal = model::Goal::forget;
        }
        break;
      case 5:
        world_.is_patience_over = world_.was_asked;
        world_.is_overdue = world_.record->heard_end.has_value();
        break;
      case 6:
        world_.is_held = world_.is_held || one_in(random_, 3);
        break;
      case 7:
        if (world_.record->end && world_.record->goal != model::Goal::forget) {
          world_.record->goal = model::Goal::run;
          world_.record->is_to_start = true;
          world_.is_held = false;
        }
        break;
      default:
        break;
    }
  }

  void look() {
    const Observed observed = world_.observe();
    const model::Goal wanted = goal_now(world_.record->goal, world_.is_held);
    auto planned = steps(wanted, observed);
    plant(defect_, planned);
    Disturbed port(world_, random_, is_quiet_);
    const Outcome outcome = run(planned, port);
    if (port.is_killed()) {
      world_.kill_daemon();
    } else if (outcome.failed && is_launch(wanted, observed)) {
      world_.has_given_up = true;
    }
    if (!world_.violation.empty() && in_.empty()) {
      for (const PlannedStep& step : planned) {
        in_ += fmt::format(" {}", name_of(step.step));
      }
      world_.violation += ", in:" + in_;
    }
  }

  // Nobody meddles any more and nothing fails.
  std::string settle() {
    is_quiet_ = true;
    for (int turns = 0; turns < 40 && world_.record; ++turns) {
      if (turns == 10) {
        world_.record->goal = model::Goal::forget;
      }
      world_.live();
      world_.is_overdue = world_.record->heard_end.has_value();
      look();
      if (!world_.violation.empty()) {
        return world_.violation;
      }
    }
    if (world_.record) {
      return "the zone is not forgotten";
    }
    if (!world_.domains.empty()) {
      return "a domain is left";
    }
    return world_.said == world_.logged
               ? ""
               : fmt::format("{} lines of {} logged", world_.logged.size(), world_.said.size());
  }

  Random random_;
  World world_;
  std::optional<Swap> defect_;
  bool is_quiet_ = false;
  std::string in_;
};

TEST(Simulation, NoZoneIsHarmedAndNothingIsLostOrLeftInAnyHistory) {
#ifdef KRAIT_SANITIZED
  constexpr std::uint64_t kHistories = 10'000;
#else
  constexpr std::uint64_t kHistories = 50'000;
#endif
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    const std::string violation = History(seed, std::nullopt).live();
    ASSERT_EQ(violation, "") << "history " << seed;
  }
}

std::optional<std::string> found(const Swap& defect) {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    if (std::string violation = History(seed, defect).live(); !violation.empty()) {
      return violation;
    }
  }
  return std::nullopt;
}

// These must come in this order: the simulation finds it where they do not.
TEST(Simulation, FindsAWrongOrder) {
  for (const auto& [first, second] : std::array<std::pair<Step, Step>, 12>{{{Step::make_folder, Step::make_bundle},
                                                                            {Step::make_bundle, Step::build},
                                                                            {Step::build, Step::note_built},
                                                                            {Step::note_built, Step::unpause},
                                                                            {Step::add_devices, Step::serve_disks},
                                                                            {Step::add_devices, Step::unpause},
                                                                            {Step::serve_disks, Step::unpause},
                                                                            {Step::halt, Step::note_end},
                                                                            {Step::drain, Step::note_end},
                                                                            {Step::hear, Step::drain},
                                                                            {Step::destroy, Step::stop_disks},
                                                                            {Step::remove_folder, Step::forget}}}) {
    EXPECT_TRUE(found({first, second}).has_value()) << name_of(second) << " before " << name_of(first);
  }
}

}  // namespace
}  // namespace krata::reconcile::simulation

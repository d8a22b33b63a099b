// A host in memory for simulation_test.cc, with one zone on it: its domain with a console, the processes of its disks,
// its files and nodes, its record. It knows what each step does, and nothing of the order in which steps come.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "krata/reconcile/reconcile.h"

namespace krata::reconcile::simulation {

using Random = std::mt19937_64;

inline int below(Random& random, int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); }
inline bool one_in(Random& random, int chances) { return below(random, chances) == 0; }

constexpr std::size_t kRingLines = 4;  // then the zone waits

struct SimulatedDomain {
  std::uint32_t id = 0;
  std::uint32_t run = 0;
  bool is_paused = true;
  bool has_run = false;
  bool is_over = false;
  bool is_dying = false;
  std::vector<int> ring{};         // what it said and nobody has read
  std::optional<int> last_word{};  // how its container ended, likewise
  std::optional<int> told{};       // what that was, read or not
};

struct Record {
  model::Goal goal = model::Goal::run;
  std::uint32_t run = 1;
  std::optional<std::uint32_t> domain{};
  std::optional<int> heard_end{};  // the zone's last word, read
  std::optional<int> end{};        // the code; kLost: nobody knows
  bool is_to_start = false;
};

constexpr int kLost = -1;

class World {
 public:
  enum class Failure : std::uint8_t { none, before, after };  // nothing was done; it was, and nobody knows

  explicit World(Random& random) : random_(random) {}

  std::optional<Record> record = Record{};
  std::vector<SimulatedDomain> domains;
  bool has_folder = false;
  bool has_root = false;
  bool has_bundle = false;
  bool has_devices = false;
  bool has_disks = false;
  Failure next_failure = Failure::none;
  // The daemon's memory.
  bool is_heard = false;
  bool was_asked = false;
  bool is_held = false;
  bool is_patience_over = false;
  bool has_given_up = false;
  bool may_restart = false;
  bool is_overdue = false;
  bool may_start = false;
  // What must come out.
  std::vector<int> said;
  std::vector<int> logged;
  std::string violation;

  [[nodiscard]] SimulatedDomain* current() { return domains.empty() ? nullptr : &domains.back(); }
  [[nodiscard]] bool is_recorded(const SimulatedDomain& domain) const { return record && record->domain == domain.id; }

  [[nodiscard]] Observed observe() {
    reap();
    may_start = one_in(random_, 2);
    Observed observed{.was_built = record->domain.has_value(),
                      .has_end = record->end.has_value(),
                      .has_folder = has_folder,
                      .has_root = has_root,
                      .has_bundle = has_bundle,
                      .has_devices = has_devices,
                      .has_disks = has_disks,
                      .is_heard = is_heard,
                      .may_start = may_start,
                      .was_asked = was_asked,
                      .is_patience_over = is_patience_over || record->goal == model::Goal::forget,
                      .is_overdue = is_overdue,
                      .has_given_up = has_given_up,
                      .is_restart_due = (may_restart && record->end.value_or(0) != 0) || record->is_to_start};
    if (const SimulatedDomain* domain = current(); domain != nullptr) {
      observed.domain = domain->is_dying        ? Domain::dying
                        : !is_recorded(*domain) ? Domain::half
                        : domain->is_over       ? Domain::over
                        : domain->is_paused     ? Domain::ready
                                                : Domain::running;
    }
    return observed;
  }

  common::Result<Progress> carry_out(Step step) {
    const Failure failure = std::exchange(next_failure, Failure::none);
    if (failure == Failure::before) {
      return common::Error(common::ErrorCode::system, "it failed");
    }
    if ((step == Step::drain || step == Step::ask_to_stop) && !is_heard) {
      return common::Error(common::ErrorCode::system, "it is not heard");
    }
    const Progress progress = effect(step);
    reap();
    if (failure == Failure::after) {
      return common::Error(common::ErrorCode::system, "it seems to have failed");
    }
    return progress;
  }

  // The zone itself, and what befalls the host.
  void live() {
    SimulatedDomain* domain = current();
    if (domain == nullptr || domain->is_dying) {
      return;
    }
    if (!domain->is_paused && !domain->is_over) {
      speak(*domain);
    }
    if (is_heard && !domain->ring.empty() && one_in(random_, 2)) {
      read_ring(*domain);
    }
  }
  void kill_disks() { has_disks = false; }
  void destroy_from_outside() {
    if (SimulatedDomain* domain = current(); domain != nullptr && !domain->is_dying) {
      lose_words();  // what others destroy is not ours to keep
      domain->is_dying = true;
    }
  }
  void kill_daemon() { is_heard = was_asked = is_held = is_patience_over = has_given_up = is_overdue = false; }

 private:
  void note(std::string text) { violation = violation.empty() ? std::move(text) : violation; }

  void lose_words() {
    said.resize(logged.size());
    domains.back().ring.clear();
    domains.back().last_word.reset();
    domains.back().told = record->heard_end;
  }

  void speak(SimulatedDomain& domain) {
    if (domain.ring.size() < kRingLines && one_in(random_, 2)) {
      domain.ring.push_back(static_cast<int>(said.size()));
      said.push_back(domain.ring.back());
    }
    if (!domain.told && one_in(random_, was_asked ? 4 : 30)) {
      if (!one_in(random_, 5)) {
        domain.last_word = domain.told = below(random_, 3);
      }
      domain.is_over = !domain.told || !one_in(random_, 6);  // or it hangs
    }
  }

  void read_ring(SimulatedDomain& domain) {
    logged.insert(logged.end(), domain.ring.begin(), domain.ring.end());
    domain.ring.clear();
    if (domain.last_word) {
      require(record->domain == domain.id, "another run's end");
      record->heard_end = std::exchange(domain.last_word, std::nullopt);
    }
  }

  // A domain goes when nobody has its pages any more.
  void reap() {
    std::erase_if(domains, [&](const SimulatedDomain& domain) { return domain.is_dying && !is_heard && !has_disks; });
  }

  Progress effect(Step step) {
    SimulatedDomain* domain = current();
    switch (step) {
      case Step::make_folder:
        has_folder = true;
        break;
      case Step::make_root:
        if (!has_root && one_in(random_, 2)) {
          return Progress::pending;
        }
        has_root = true;
        break;
      case Step::make_bundle:
        require(has_folder, "a bundle without its folder");
        has_bundle = true;
        break;
      case Step::build:
        require(domain == nullptr, "a second domain");
        require(has_root && has_bundle, "a domain without its files");
        require(may_start, "a domain before its turn");
        domains.push_back({.id = next_id_++, .run = record->run});
        break;
      case Step::note_built:
        require(domain != nullptr, "no domain to write down");
        record->domain = domains.empty() ? 0 : domains.back().id;
        break;
      case Step::add_devices:
        require(domain != nullptr, "devices of no domain");
        has_devices = true;
        break;
      case Step::serve_disks:
        require(has_devices && domain != nullptr, "disks without devices");
        has_disks = true;
        break;
      case Step::hear:
        require(has_folder && domain != nullptr, "no place for the log");
        is_heard = domain != nullptr;
        break;
      case Step::unpause:
        unpause(domain);
        break;
      case Step::ask_to_stop:
        was_asked = true;
        break;
      case Step::halt:
        if (domain != nullptr) {
          domain->is_paused = true;
        }
        break;
      case Step::drain:
        if (domain != nullptr) {
          read_ring(*domain);
        }
        break;
      case Step::note_end:
        note_end(domain);
        break;
      case Step::let_go:
        is_heard = false;
        break;
      case Step::destroy:
        destroy(domain);
        break;
      case Step::stop_disks:
        require(domain == nullptr || domain->is_dying || !domain->has_run, "a zone loses its disks");
        has_disks = false;
        break;
      case Step::remove_devices:
        require(domain == nullptr || domain->is_dying || !domain->has_run, "a zone loses its devices");
        has_devices = false;
        break;
      case Step::remove_bundle:
        has_bundle = false;
        break;
      case Step::begin_again:
        require(domains.empty() && !has_devices && !has_disks, "a new run on an old one's things");
        require(record->end.has_value(), "a new run while one is under way");
        record = Record{.goal = record->goal, .run = record->run + 1};
        has_given_up = was_asked = is_patience_over = is_overdue = false;
        break;
      case Step::remove_folder:
        require(domains.empty(), "a log is lost");
        has_folder = false;
        break;
      case Step::forget:
        require(domains.empty() && !has_devices && !has_disks && !has_bundle && !has_folder && !is_heard,
                "something is left over");
        record.reset();
        break;
    }
    return Progress::done;
  }

  void unpause(SimulatedDomain* domain) {
    require(domain != nullptr && is_recorded(*domain), "a domain that nobody wrote down runs");
    require(has_devices && has_disks, "a zone boots without its disks");
    require(!record->end, "a run that has ended runs");
    if (domain != nullptr) {
      domain->is_paused = false;
      domain->has_run = true;
    }
  }

  void note_end(const SimulatedDomain* domain) {
    if (domain != nullptr && !domain->is_dying && is_recorded(*domain)) {
      require(domain->is_over || domain->is_paused, "the end of a zone that runs");
      if (has_given_up) {
        lose_words();
      }
      require(domain->ring.empty() && !domain->last_word, "an end before the last words");
    }
    if (const SimulatedDomain* last = current();
        last != nullptr && last->run == record->run && last->told && !has_given_up) {
      require(record->heard_end == last->told, "another end than the zone's");
    }
    record->end = record->heard_end.value_or(kLost);
  }

  void destroy(SimulatedDomain* domain) {
    if (domain == nullptr) {
      return;
    }
    require(!domain->has_run || record->end.has_value() || domain->run != record->run, "a zone is destroyed that runs");
    require(domain->ring.empty(), "lines are lost");
    domain->is_dying = true;
  }

  void require(bool holds, std::string_view what) {
    if (!holds) {
      note(std::string(what));
    }
  }

  Random& random_;
  std::uint32_t next_id_ = 1;
};

}  // namespace krata::reconcile::simulation

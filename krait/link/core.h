// The link's mind: what it says to the coordinator, and when the agent is asked to take a state. Knows no socket and no
// file but by Surroundings, so that tests and the fleet's benchmark run the very same. Single-threaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/trust/state.h"
#include "krait/wire/message.h"

namespace krait::link {

class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual void send(const wire::Message& message) = 0;
  // Lays a state where the agent looks for it; durable.
  virtual common::Result<void> keep(const trust::State& state) = 0;
  // Has the agent take what was laid there. Fails with what the agent says.
  virtual common::Result<void> hand_over() = 0;
  // Tells the agent that what it has is the newest.
  virtual common::Result<void> confirm() = 0;
  // The connection is of no use any more. `for_good`: nor will another one be, before somebody has done something.
  virtual void give_up(const std::string& why, bool for_good) = 0;
};

// What the host says of where it can be called.
struct Where {
  std::vector<std::string> endpoints;
  std::uint16_t listen_port = 51820;
};

class Core {
 public:
  explicit Core(Surroundings& surroundings) : surroundings_(surroundings) {}

  // What was kept when the program ended last; before the first connection.
  void remember(std::string_view whole);
  void set_where(Where where) { where_ = std::move(where); }

  void on_open();
  void on_message(wire::Message& message);
  // Asks the agent again where it could not be asked, or refused.
  void try_again();

  // The agent enforces what the coordinator sent last.
  [[nodiscard]] bool is_settled() const { return failure_.empty(); }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }  // of what is held; 0: of a former connection
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool holds_some() const { return held_.has_value(); }

 private:
  void on(wire::Welcome& welcome);
  void on(wire::State& state);
  void on(wire::Confirmed& confirmed);
  void on(wire::Refused& refused);
  template <typename Other>
  void on(Other& /*other*/) {}  // a newer version's

  void take(std::uint64_t base, std::uint64_t revision);
  void hand_over();
  void report();

  Surroundings& surroundings_;
  Where where_;
  std::optional<trust::State> held_;
  std::uint64_t revision_ = 0;  // that the coordinator gave it
  std::string incoming_;        // parts of a state that has not come to its end
  std::string failure_;         // why the agent does not enforce what is held; empty: it does
};

}  // namespace krait::link

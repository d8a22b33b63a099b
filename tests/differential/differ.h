// Runs a case through the real program and the naive evaluator, and makes a failing one small.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/datapath/packet_runner.h"
#include "tests/differential/random_case.h"
#include "tests/differential/sandbox.h"
#include "tests/model/naive.h"

namespace krait::differential {

// Something done to a compiled image before it is published: a planted defect of the compiler.
using Tamper = std::function<void(std::vector<std::byte>&)>;

struct Planted {
  naive::Defects in_model;
  Tamper in_image;
};

class Tally;

// The program on trial, on a host of its own. A case begins by letting so much time pass that every flow of the case
// before is dead.
class Trial {
 public:
  // Takes the calling thread into a new network namespace.
  static common::Result<Trial> begin(Planted planted = {});

  // What decides where the program keeps its flows.
  [[nodiscard]] const naive::FlowTable& flow_table() const { return table_; }

  // What the two disagreed about, with the step's number, or nothing. Fails when a case could not be run.
  common::Result<std::optional<std::string>> run(const Case& story);

  // Drops steps, rules and bindings while the two still disagree.
  common::Result<Case> shrink(Case story);

 private:
  Trial(Sandbox sandbox, datapath::PacketRunner runner, const naive::FlowTable& table, Planted planted)
      : sandbox_(std::move(sandbox)),
        runner_(std::move(runner)),
        planted_(std::move(planted)),
        table_(table),
        model_(table, planted_.in_model) {}

  common::Result<void> start_over(const naive::Routing& routing);
  common::Result<void> publish(const Revision& revision);
  common::Result<std::optional<std::string>> take(const Case& story, const Step& step, Tally& tally);
  common::Result<std::optional<std::string>> compare(const Step& step, Tally& tally);
  bool still_fails(const Case& story);

  Sandbox sandbox_;
  datapath::PacketRunner runner_;
  Planted planted_;
  naive::FlowTable table_;
  naive::Evaluator model_;  // of all cases: dead flows have their places too
  std::uint64_t revision_ = 0;
  std::vector<krait_rule_record> records_;  // of the snapshot in force
  std::vector<std::uint32_t> rule_of_record_;
};

}  // namespace krait::differential

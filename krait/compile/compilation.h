// The steps of compiling with all that they leave behind, for compile_snapshot() and for Editor.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/cells.h"
#include "krait/compile/classes.h"
#include "krait/compile/compile.h"
#include "krait/compile/effort.h"
#include "krait/compile/records.h"
#include "krait/compile/rows.h"

namespace krait::compile {

// Not movable: its parts refer to each other, and to the policy, which must outlive it.
struct Compilation {
  Compilation(const model::Policy& policy_in, const Origin& origin)
      : policy(policy_in),
        classes(classify(policy_in)),
        records(number_rules(policy_in, origin.now, origin.former)),
        cells(policy_in, deadlines(policy_in, origin.now, records), effort),
        builder(policy_in, classes, cells, effort) {}
  Compilation(const Compilation&) = delete;
  Compilation& operator=(const Compilation&) = delete;

  // Fails with ErrorCode::limit.
  common::Result<void> build(const Bounds& bounds);
  // The image, with room for so many more short rows; `header` becomes its header.
  [[nodiscard]] Snapshot image(const std::vector<Binding>& bindings, std::uint64_t revision, std::uint32_t spare_rows);

  const model::Policy& policy;
  Classes classes;
  Records records;
  Effort effort;
  Cells cells;
  RowBuilder builder;
  krait_snapshot_header header{};
};

}  // namespace krait::compile

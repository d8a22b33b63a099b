#include "krait/compile/evaluate.h"

#include "krait/abi/snapshot.h"
#include "krait/compile/snapshot_reader.h"

namespace krait::compile {

Judgement evaluate(const Snapshot& snapshot, const Question& question, std::uint64_t boot_ns) {
  const Reader reader(snapshot.image);
  const std::uint32_t row = reader.row_of(question.from, question.to);
  const std::uint32_t cell = reader.at_moment(reader.cell_of(row, reader.class_of(question.selector)), boot_ns);
  Judgement judgement;
  judgement.action = cell & KRAIT_CELL_ALLOW ? model::Action::allow : model::Action::deny;
  judgement.expired = (cell & KRAIT_CELL_EXPIRED) != 0;
  if (const std::uint32_t number = cell & KRAIT_CELL_RULE; number != 0) {
    judgement.rule = snapshot.rule_of_record[number - 1];
  }
  return judgement;
}

}  // namespace krait::compile

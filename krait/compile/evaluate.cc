#include "krait/compile/evaluate.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <vector>

#include "krait/abi/snapshot.h"

namespace krait::compile {

namespace {

// Elements of a section, copied out: the image has no alignment to rely on.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> image) : image_(image) {
    std::memcpy(&header_, image.data(), sizeof(header_));
  }

  [[nodiscard]] const krait_snapshot_header& header() const { return header_; }

  template <typename T>
  [[nodiscard]] T at(std::uint32_t page, std::size_t index) const {
    T element;
    std::memcpy(&element, image_.data() + std::size_t{page} * KRAIT_PAGE_BYTES + index * sizeof(T), sizeof(T));
    return element;
  }

 private:
  std::span<const std::byte> image_;
  krait_snapshot_header header_{};
};

std::uint32_t cell_of(const Reader& reader, std::uint32_t row, std::uint32_t port_class) {
  const krait_snapshot_header& header = reader.header();
  if (row & KRAIT_ROW_SHORT) {
    const auto runs = reader.at<krait_short_row>(header.short_row_page, row & ~KRAIT_ROW_SHORT);
    std::uint32_t cell = 0;
    for (const krait_run& run : runs.runs) {
      cell = run.first_class <= port_class ? run.cell : cell;
    }
    return cell;
  }
  const auto word = reader.at<krait_word>(header.word_page, std::size_t{row} * header.word_stride + port_class / 64);
  const std::uint64_t up_to_class = word.begins & (~0ULL >> (63 - port_class % 64));
  const std::size_t cell = word.base + static_cast<std::size_t>(std::popcount(up_to_class)) - 1;
  return reader.at<std::uint32_t>(header.cell_page, cell);
}

std::uint32_t cell_at(const Reader& reader, std::uint32_t cell, std::uint64_t boot_ns) {
  while (cell & KRAIT_CELL_TIMED) {
    const auto moment = reader.at<krait_moment>(reader.header().moment_page, cell & KRAIT_CELL_RULE);
    cell = boot_ns < moment.boot_ns ? moment.before : moment.after;
  }
  return cell;
}

}  // namespace

Judgement evaluate(const Snapshot& snapshot, const Question& question, std::uint64_t boot_ns) {
  const Reader reader(snapshot.image);
  const krait_snapshot_header& header = reader.header();
  const auto source_class = reader.at<krait_slot>(header.slot_page, question.from).source_class;
  const auto destination_class = reader.at<krait_slot>(header.slot_page, question.to).destination_class;
  const auto port_class = reader.at<std::uint32_t>(header.port_class_page, question.selector);
  const auto row = reader.at<std::uint32_t>(header.matrix_page,
                                            std::size_t{source_class} * header.matrix_stride + destination_class);
  const std::uint32_t cell = cell_at(reader, cell_of(reader, row, port_class), boot_ns);
  Judgement judgement;
  judgement.action = cell & KRAIT_CELL_ALLOW ? model::Action::allow : model::Action::deny;
  judgement.expired = (cell & KRAIT_CELL_EXPIRED) != 0;
  if (const std::uint32_t number = cell & KRAIT_CELL_RULE; number != 0) {
    judgement.rule = snapshot.rule_of_record[number - 1];
  }
  return judgement;
}

namespace {

std::string_view name_of(model::Action action) { return action == model::Action::allow ? "allow" : "deny"; }

// The first selector of the test that is judged otherwise than expected.
std::optional<Judgement> first_surprise(const Snapshot& snapshot, const model::PolicyTest& test,
                                        std::uint64_t boot_ns) {
  for (const model::SelectorRange& range : test.selectors) {
    for (std::uint32_t selector = range.first; selector <= range.last; ++selector) {
      const Judgement judgement = evaluate(snapshot, {test.from, test.to, selector}, boot_ns);
      if (judgement.action != test.expect) {
        return judgement;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

common::Result<void> run_policy_tests(const Snapshot& snapshot, const model::Policy& policy, std::uint64_t boot_ns) {
  std::vector<common::Diagnostic> failed;
  for (const model::PolicyTest& test : policy.tests) {
    const auto surprise = first_surprise(snapshot, test, boot_ns);
    if (!surprise) {
      continue;
    }
    const std::string by =
        surprise->rule ? fmt::format("{} rule \"{}\" (line {})", surprise->expired ? "after the expiry of" : "by",
                                     policy.rules[*surprise->rule].name, policy.rules[*surprise->rule].at.line)
                       : "since no rule matches";
    failed.push_back({policy.file, test.at.line, test.at.column,
                      fmt::format("the test expects {} from \"{}\" to \"{}\" {}, but the policy says {} {}",
                                  name_of(test.expect), policy.identities[test.from].name,
                                  policy.identities[test.to].name, test.port, name_of(surprise->action), by),
                      "mend the rules, or the test if it is wrong"});
  }
  if (!failed.empty()) {
    return common::Error::from_diagnostics(std::move(failed));
  }
  return {};
}

}  // namespace krait::compile

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krait/abi/selector.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/evaluate.h"
#include "krait/compile/snapshot_reader.h"

namespace krait::compile {

namespace {

constexpr std::size_t kMaxFailures = 20;  // that are reported

std::string_view name_of(model::Action action) { return action == model::Action::allow ? "allow" : "deny"; }

// The port classes by selector. All but class 0 ascend with the selectors.
class PortClasses {
 public:
  explicit PortClasses(const Reader& reader)
      : class_of_(KRAIT_SELECTORS),
        next_named_(KRAIT_SELECTORS + 1, KRAIT_SELECTORS),
        next_unnamed_(next_named_),
        first_of_class_(KRAIT_SELECTORS + 1, KRAIT_SELECTORS) {
    for (std::uint32_t selector = KRAIT_SELECTORS; selector-- > 0;) {
      class_of_[selector] = reader.class_of(selector);
      first_of_class_[class_of_[selector]] = selector;
      const bool is_named = class_of_[selector] != 0;
      next_named_[selector] = is_named ? selector : next_named_[selector + 1];
      next_unnamed_[selector] = is_named ? next_unnamed_[selector + 1] : selector;
    }
  }

  [[nodiscard]] std::uint32_t class_of(std::uint32_t selector) const { return class_of_[selector]; }
  // The first selector from this one on that a rule names, or none does; KRAIT_SELECTORS: there is none.
  [[nodiscard]] std::uint32_t next_named(std::uint32_t selector) const { return next_named_[selector]; }
  [[nodiscard]] std::uint32_t next_unnamed(std::uint32_t selector) const { return next_unnamed_[selector]; }

  // The first selector of this class; KRAIT_SELECTORS for no class.
  [[nodiscard]] std::uint32_t first_of_class(std::uint32_t port_class) const {
    return port_class < first_of_class_.size() ? first_of_class_[port_class] : KRAIT_SELECTORS;
  }

 private:
  std::vector<std::uint32_t> class_of_;
  std::vector<std::uint32_t> next_named_;
  std::vector<std::uint32_t> next_unnamed_;
  std::vector<std::uint32_t> first_of_class_;
};

// The cells of the rows that are not short: where the verdict changes, so that a test steps over all cells that are
// alike.
class LongRows {
 public:
  LongRows(const Reader& reader, std::uint32_t cells, std::uint64_t boot_ns)
      : reader_(reader), allowed_(cells), next_change_(cells) {
    for (std::uint32_t i = cells; i-- > 0;) {
      const auto cell = reader.at<std::uint32_t>(reader.header().cell_page, i);
      allowed_[i] = (reader.at_moment(cell, boot_ns) & KRAIT_CELL_ALLOW) != 0;
      next_change_[i] = i + 1 < cells && allowed_[i + 1] == allowed_[i] ? next_change_[i + 1] : i + 1;
    }
  }

  // The first class from this one on that is allowed or not; ~0 when there is none.
  [[nodiscard]] std::uint32_t first(std::uint32_t row, std::uint32_t port_class, bool allowed) const {
    const std::size_t here = reader_.cell_number(row, port_class);
    if (allowed_[here] == allowed) {
      return port_class;
    }
    return class_of(row, next_change_[here]);
  }

 private:
  // Where the run of this cell begins.
  [[nodiscard]] std::uint32_t class_of(std::uint32_t row, std::uint32_t cell) const {
    std::uint32_t low = 0;
    for (std::uint32_t high = reader_.header().word_stride; high - low > 1;) {
      const std::uint32_t middle = (low + high) / 2;
      (reader_.word_of(row, middle).base <= cell ? low : high) = middle;
    }
    const krait_word word = reader_.word_of(row, low);
    std::uint64_t begins = word.begins;
    for (std::uint32_t i = word.base; i < cell && begins != 0; ++i) {
      begins &= begins - 1;
    }
    return begins == 0 ? ~0U : 64 * low + static_cast<std::uint32_t>(std::countr_zero(begins));
  }

  const Reader& reader_;
  std::vector<bool> allowed_;
  std::vector<std::uint32_t> next_change_;
};

// Finds out about all selectors of a range at once.
class RangeJudge {
 public:
  RangeJudge(const Snapshot& snapshot, std::uint64_t boot_ns)
      : reader_(snapshot.image), boot_ns_(boot_ns), ports_(reader_), long_rows_(reader_, snapshot.cells, boot_ns) {}

  // The first selector of the test that is judged otherwise than expected.
  [[nodiscard]] std::optional<std::uint32_t> first_surprise(const model::PolicyTest& test) const {
    const model::Action other = test.expect == model::Action::allow ? model::Action::deny : model::Action::allow;
    const std::uint32_t row = reader_.row_of(test.from, test.to);
    for (const model::SelectorRange& range : test.selectors) {
      if (const auto selector = first(row, range, other)) {
        return selector;
      }
    }
    return std::nullopt;
  }

 private:
  // The first selector of the range that is judged so.
  [[nodiscard]] std::optional<std::uint32_t> first(std::uint32_t row, const model::SelectorRange& range,
                                                   model::Action action) const {
    const bool allowed = action == model::Action::allow;
    std::uint32_t found = KRAIT_SELECTORS;
    if (const std::uint32_t unnamed = ports_.next_unnamed(range.first); unnamed <= range.last) {
      found = first_class(row, 0, allowed) == 0 ? unnamed : found;
    }
    if (const std::uint32_t named = ports_.next_named(range.first); named <= range.last) {
      const std::uint32_t first = ports_.class_of(named);
      const std::uint32_t port_class = first_class(row, first, allowed);
      found = std::min(found, port_class == first ? named : ports_.first_of_class(port_class));
    }
    return found <= range.last ? std::optional(found) : std::nullopt;
  }

  // The first class of the row from this one on that is allowed or not; ~0 when there is none.
  [[nodiscard]] std::uint32_t first_class(std::uint32_t row, std::uint32_t port_class, bool allowed) const {
    if ((row & KRAIT_ROW_SHORT) == 0) {
      return long_rows_.first(row, port_class, allowed);
    }
    const auto short_row = reader_.at<krait_short_row>(reader_.header().short_row_page, row & ~KRAIT_ROW_SHORT);
    const krait_run* const runs = short_row.runs;
    for (std::uint32_t i = 0; i < KRAIT_SHORT_RUNS && runs[i].first_class != ~0U; ++i) {
      const bool is_last = i + 1 == KRAIT_SHORT_RUNS || runs[i + 1].first_class == ~0U;
      const bool is_behind = !is_last && runs[i + 1].first_class <= port_class;
      if (!is_behind && ((reader_.at_moment(runs[i].cell, boot_ns_) & KRAIT_CELL_ALLOW) != 0) == allowed) {
        return std::max(port_class, runs[i].first_class);
      }
    }
    return ~0U;
  }

  Reader reader_;
  std::uint64_t boot_ns_;
  PortClasses ports_;
  LongRows long_rows_;
};

common::Diagnostic failure(const model::Policy& policy, const model::PolicyTest& test, const Judgement& judgement) {
  const std::string by = judgement.rule
                             ? fmt::format("{} rule \"{}\" (line {})", judgement.expired ? "after the expiry of" : "by",
                                           policy.rules[*judgement.rule].name, policy.rules[*judgement.rule].at.line)
                             : "since no rule matches";
  return {policy.file, test.at.line, test.at.column,
          fmt::format("the test expects {} from \"{}\" to \"{}\" {}, but the policy says {} {}", name_of(test.expect),
                      policy.identities[test.from].name, policy.identities[test.to].name, test.port,
                      name_of(judgement.action), by),
          "change the rules, or the test if it is wrong"};
}

}  // namespace

common::Result<void> run_policy_tests(const Snapshot& snapshot, const model::Policy& policy, std::uint64_t boot_ns) {
  if (policy.tests.empty()) {
    return {};
  }
  const RangeJudge judge(snapshot, boot_ns);
  std::vector<common::Diagnostic> failed;
  for (const model::PolicyTest& test : policy.tests) {
    if (const auto selector = judge.first_surprise(test)) {
      failed.push_back(failure(policy, test, evaluate(snapshot, {test.from, test.to, *selector}, boot_ns)));
    }
    if (failed.size() == kMaxFailures) {
      failed.back().hint += fmt::format("; at most {} are shown, so check again then", kMaxFailures);
      break;
    }
  }
  if (!failed.empty()) {
    return common::Error::from_diagnostics(std::move(failed));
  }
  return {};
}

}  // namespace krait::compile

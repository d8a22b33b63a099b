// What a change of the rules takes, until the first packet is judged by it and until the call returns: krait, nft,
// iptables and ipset, interleaved in one run. Needs root; works in namespaces of its own. Writes tables to the folder
// that its argument names.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/net/command.h"
#include "bench/net/filtered_arena.h"
#include "bench/net/probe.h"
#include "bench/table.h"
#include "krait/compile/editor.h"

namespace {

using namespace krait;
using namespace krait::bench;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;        // the median of so many is printed
constexpr double kTimeoutS = 60;  // for a tool to take its rules
constexpr double kAimOneRuleUs = 100;

// One rule is granted in a policy of so many, or a whole revision of so many takes the place of another.
struct Change {
  std::uint32_t rules = 0;
  bool one_rule = false;
  const char* text = "";
};
constexpr Change kChanges[] = {
    {10000, true, "one rule of 10000"}, {1000, false, "all of 1000"}, {100000, false, "all of 100000"}};

// A tool at work on a change: both of its rule lists, and how it is told.
class Subject {
 public:
  static common::Result<std::unique_ptr<Subject>> make(Tool tool, const Change& change, const std::string& bpffs) {
    auto rules = make_rules(change.rules);
    auto filtered = make_filtered_arena(tool, rules, bpffs, kTimeoutS);
    if (!filtered) {
      return std::move(filtered.error());
    }
    auto probe = Probe::make(filtered->arena);
    if (!probe) {
      return std::move(probe.error());
    }
    auto subject = std::unique_ptr<Subject>(new Subject(std::move(*filtered), change, std::move(*probe)));
    subject->last_ = rules.back();
    subject->granted_ = subject->prepared(rules);
    rules.pop_back();
    subject->revoked_ = subject->prepared(rules);
    if (tool == Tool::krait && change.one_rule) {
      if (auto ready = subject->begin_edits(); !ready) {
        return std::move(ready.error());
      }
    }
    return subject;
  }

  common::Result<void> measure_once() {
    if (filtered_.timed_out) {
      return {};
    }
    if (auto done = in_place([&] { return revoke(); }); !done) {
      return done;
    }
    probe_->begin();
    const auto start = Clock::now();
    auto done = in_place([&] { return grant(); });
    const auto returned = Clock::now();
    if (!done) {
      return done;
    }
    const auto seen = probe_->arrival();
    if (!seen) {
      return seen.error();
    }
    visible_us_.push_back(std::chrono::duration<double, std::micro>(*seen - start).count());
    return_us_.push_back(std::chrono::duration<double, std::micro>(returned - start).count());
    return {};
  }

  [[nodiscard]] Tool tool() const { return filtered_.tool; }
  [[nodiscard]] const Change& change() const { return change_; }
  [[nodiscard]] const std::vector<double>& visible_us() const { return visible_us_; }
  [[nodiscard]] const std::vector<double>& return_us() const { return return_us_; }

 private:
  // A list as the tool takes it.
  struct Prepared {
    Scale scale;
    std::string text;
  };

  Subject(FilteredArena filtered, const Change& change, std::unique_ptr<Probe> probe)
      : filtered_(std::move(filtered)), change_(change), probe_(std::move(probe)) {}

  [[nodiscard]] Prepared prepared(const std::vector<HostRule>& rules) const {
    switch (filtered_.tool) {
      case Tool::krait:
        return {.scale = krait_scale(rules), .text = ""};
      case Tool::iptables:
        return {.scale = {}, .text = iptables_text(rules, false)};
      case Tool::nft_map:
        return {.scale = {}, .text = nft_text(rules, {.map = true})};
      default:
        return {.scale = {}, .text = nft_text(rules, {})};
    }
  }

  template <typename Work>
  common::Result<void> in_place(const Work& work) const {
    return filtered_.tool == Tool::krait ? work() : inside(filtered_.arena.guarded, work);
  }

  common::Result<void> publish(const Prepared& list) {
    auto snapshot = compile::compile_snapshot(list.scale.bindings, list.scale.policy, 1);
    return snapshot ? filtered_.krait->publish(snapshot->image) : std::move(snapshot.error());
  }

  common::Result<void> begin_edits() {
    auto editor = compile::Editor::create(granted_.scale.bindings, granted_.scale.policy, revision_);
    if (!editor) {
      return std::move(editor.error());
    }
    auto done = filtered_.krait->publish(editor->snapshot().image);
    done = done ? filtered_.krait->snapshot().begin_edits() : std::move(done);
    editor_ = std::move(*editor);
    return done;
  }

  // Makes the last rule what it was, or one that decides nothing.
  common::Result<void> edit(bool granted) {
    const auto last = static_cast<std::uint32_t>(granted_.scale.policy.rules.size() - 1);
    model::Rule rule = granted_.scale.policy.rules[last];
    if (!granted) {
      rule.selectors.clear();
    }
    const auto patches = editor_->replace(last, rule);
    if (!patches) {
      return common::Error(common::ErrorCode::system, "the change was no edit");
    }
    filtered_.krait->snapshot().edit(*patches, ++revision_);
    return filtered_.krait->snapshot().wait_for_readers();
  }

  common::Result<void> replace(const Prepared& list) {
    switch (filtered_.tool) {
      case Tool::krait:
        return publish(list);
      case Tool::iptables:
        return must_run({"iptables-restore"}, list.text);
      default:
        return must_run({"nft", "-f", "-"}, list.text);
    }
  }

  common::Result<void> grant() {
    if (!change_.one_rule) {
      return replace(granted_);
    }
    switch (filtered_.tool) {
      case Tool::krait:
        return edit(true);
      case Tool::nft_list:
        return must_run({"nft", "add", "rule", "ip", "bench", "guard", nft_rule(last_)}, "");
      case Tool::nft_map:
        return must_run({"nft", "add", "element", "ip", "bench", "allowed", nft_element_block()}, "");
      case Tool::iptables:
        return must_run(iptables_arguments("-A"), "");
      case Tool::ipset:
        return must_run({"ipset", "add", "allowed", ipset_element(last_)}, "");
      default:
        return replace(granted_);
    }
  }

  common::Result<void> revoke() {
    if (change_.one_rule) {
      switch (filtered_.tool) {
        case Tool::krait:
          return edit(false);
        case Tool::nft_map:
          return must_run({"nft", "delete", "element", "ip", "bench", "allowed", nft_element_block()}, "");
        case Tool::iptables:
          return must_run(iptables_arguments("-D"), "");
        case Tool::ipset:
          return must_run({"ipset", "del", "allowed", ipset_element(last_)}, "");
        default:
          break;
      }
    }
    return replace(revoked_);
  }

  [[nodiscard]] std::string nft_element_block() const { return "{ " + nft_element(last_) + " : accept }"; }
  [[nodiscard]] std::vector<std::string> iptables_arguments(const char* action) const {
    std::vector<std::string> words = {"iptables", action};
    const std::string rule = iptables_rule(last_);
    for (std::size_t at = 0; at < rule.size();) {
      const std::size_t end = std::min(rule.find(' ', at), rule.size());
      words.push_back(rule.substr(at, end - at));
      at = end + 1;
    }
    return words;
  }

  FilteredArena filtered_;
  Change change_;
  std::unique_ptr<Probe> probe_;
  HostRule last_;
  Prepared granted_;
  Prepared revoked_;
  std::optional<compile::Editor> editor_;  // krait, one rule
  std::uint64_t revision_ = 1;
  std::vector<double> visible_us_;
  std::vector<double> return_us_;
};

using Subjects = std::vector<std::unique_ptr<Subject>>;

common::Result<Subjects> make_subjects(const std::string& bpffs) {
  Subjects subjects;
  for (const Change& change : kChanges) {
    for (const Tool tool : {Tool::krait, Tool::nft_list, Tool::nft_map, Tool::iptables, Tool::ipset}) {
      if (tool == Tool::ipset && !change.one_rule) {
        continue;  // a whole set is restored and swapped: two calls, no revision
      }
      auto subject = Subject::make(tool, change, bpffs);
      if (!subject) {
        return std::move(subject.error());
      }
      subjects.push_back(std::move(*subject));
    }
  }
  return subjects;
}

Table table_of(const Subjects& subjects) {
  Table table{.header = {"change", "tool", "visible after (us)", "returns after (us)"}};
  const auto text = [](const std::vector<double>& samples) {
    return samples.empty() ? fmt::format("> {:.0f} s to load", kTimeoutS) : fmt::format("{:.0f}", median(samples));
  };
  for (const auto& subject : subjects) {
    table.rows.push_back(
        {subject->change().text, name_of(subject->tool()), text(subject->visible_us()), text(subject->return_us())});
  }
  return table;
}

common::Result<double> start_a_program_us() {
  std::vector<double> samples;
  for (int round = 0; round < kRounds; ++round) {
    const auto outcome = run({"true"}, "", kTimeoutS);
    if (!outcome) {
      return outcome.error();
    }
    samples.push_back(outcome->seconds * 1e6);
  }
  return median(samples);
}

common::Result<void> run_all(const std::string& folder) {
  auto sandbox = Sandbox::enter();
  if (!sandbox) {
    return std::move(sandbox.error());
  }
  auto subjects = make_subjects(sandbox->folder());
  if (!subjects) {
    return std::move(subjects.error());
  }
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& subject : *subjects) {
      if (auto done = subject->measure_once(); !done) {
        return passed_on(done, fmt::format("{}, {}", name_of(subject->tool()), subject->change().text));
      }
    }
  }
  const auto start_us = start_a_program_us();
  if (!start_us) {
    return start_us.error();
  }
  const Table table = table_of(*subjects);
  fmt::print(
      "## Changing the rules\n\nFrom the call until the first packet on the other CPU is let through, and until the "
      "call returns. The tools are\nprograms; starting one that does nothing took {:.0f} us. krait edits the compiled "
      "policy for one rule, and compiles and\npublishes it for all. Medians of {} rounds.\n\n{}\n",
      *start_us, kRounds, markdown(table));
  const double one_rule_us = median(subjects->front()->visible_us());
  fmt::print("{}\n",
             aim_line(fmt::format("krait: one rule of 10000 granted and visible within {:.0f} us", kAimOneRuleUs),
                      one_rule_us <= kAimOneRuleUs, fmt::format("{:.0f} us", one_rule_us)));
  return write_csv(table, folder, "updates");
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run_all(argc > 1 ? argv[1] : ""); !done) {
    fmt::print(stderr, "bench_updates: {}\n", done.error().text());
    return 2;
  }
  return 0;
}

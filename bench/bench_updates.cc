// What a change of the rules takes, until the first packet is judged by it and until the call returns: krait, nft,
// iptables and ipset, interleaved in one run. Needs root; works in namespaces of its own. Writes tables to the folder
// that its argument names.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/net/agent_host.h"
#include "bench/net/command.h"
#include "bench/net/filtered_arena.h"
#include "bench/net/probe.h"
#include "bench/table.h"
#include "krait/compile/compile.h"

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

// Somebody who changes the rules: revokes the last one of a list, and grants it again.
class Operator {
 public:
  virtual ~Operator() = default;
  virtual common::Result<void> revoke() = 0;
  virtual common::Result<void> prepare_grant() { return {}; }  // what is not measured: the file is written
  virtual common::Result<void> grant() = 0;
  virtual common::Result<std::unique_ptr<Probe>> make_probe() = 0;
};

struct Lists {
  std::vector<HostRule> granted;
  std::vector<HostRule> revoked;  // without the last
};

// krait: a changed file, then `krait reload`.
class KraitOperator : public Operator {
 public:
  static common::Result<std::unique_ptr<Operator>> make(const Lists& lists) {
    KRAIT_TRY(auto host, AgentHost::start(lists.granted));
    const std::uint32_t hosts = hosts_of(lists.granted);
    auto made = std::make_unique<KraitOperator>();
    made->granted_ = krait_policy_text(lists.granted, hosts);
    made->revoked_ = krait_policy_text(lists.revoked, hosts);
    made->host_ = std::move(host);
    return std::unique_ptr<Operator>(std::move(made));
  }

  common::Result<void> revoke() override {
    auto done = host_->write_policy(revoked_);
    return done ? host_->reload() : std::move(done);
  }
  common::Result<void> prepare_grant() override { return host_->write_policy(granted_); }
  common::Result<void> grant() override { return host_->reload(); }
  common::Result<std::unique_ptr<Probe>> make_probe() override { return host_->make_probe(); }

 private:
  std::unique_ptr<AgentHost> host_;
  std::string granted_;
  std::string revoked_;
};

// Only what krait asks of the kernel: a compiled image in the place of another.
class ImageOperator : public Operator {
 public:
  static common::Result<std::unique_ptr<Operator>> make(const Lists& lists, const std::string& bpffs) {
    auto made = std::make_unique<ImageOperator>();
    auto filtered = make_filtered_arena(Tool::krait, lists.granted, bpffs, kTimeoutS);
    auto granted = compiled(lists.granted);
    auto revoked = compiled(lists.revoked);
    if (!filtered || !granted || !revoked) {
      return std::move(!filtered ? filtered.error() : !granted ? granted.error() : revoked.error());
    }
    made->filtered_ = std::move(*filtered);
    made->granted_ = std::move(*granted);
    made->revoked_ = std::move(*revoked);
    return std::unique_ptr<Operator>(std::move(made));
  }

  common::Result<void> revoke() override { return filtered_->krait->publish(revoked_.image); }
  common::Result<void> grant() override { return filtered_->krait->publish(granted_.image); }
  common::Result<std::unique_ptr<Probe>> make_probe() override { return Probe::make(filtered_->arena); }

 private:
  static common::Result<compile::Snapshot> compiled(const std::vector<HostRule>& rules) {
    const Scale scale = krait_scale(rules);
    return compile::compile_snapshot(scale.bindings, scale.policy, 1);
  }

  std::optional<FilteredArena> filtered_;
  compile::Snapshot granted_;
  compile::Snapshot revoked_;
};

// Another tool's command, for one rule where it has one, else for the whole list.
class ToolOperator : public Operator {
 public:
  static common::Result<std::unique_ptr<Operator>> make(Tool tool, bool one_rule, const Lists& lists,
                                                        const std::string& bpffs) {
    KRAIT_TRY(auto filtered, make_filtered_arena(tool, lists.granted, bpffs, kTimeoutS));
    if (filtered.timed_out) {
      return std::unique_ptr<Operator>();
    }
    auto made = std::make_unique<ToolOperator>();
    made->filtered_ = std::move(filtered);
    made->one_rule_ = one_rule;
    made->last_ = lists.granted.back();
    made->granted_ = made->text_of(lists.granted);
    made->revoked_ = made->text_of(lists.revoked);
    return std::unique_ptr<Operator>(std::move(made));
  }

  common::Result<void> revoke() override {
    return inside(filtered_->arena.guarded, [&] { return one_rule_ ? revoke_one() : replace(revoked_); });
  }
  common::Result<void> grant() override {
    return inside(filtered_->arena.guarded, [&] { return one_rule_ ? grant_one() : replace(granted_); });
  }
  common::Result<std::unique_ptr<Probe>> make_probe() override { return Probe::make(filtered_->arena); }

 private:
  [[nodiscard]] std::string text_of(const std::vector<HostRule>& rules) const {
    return filtered_->tool == Tool::iptables ? iptables_text(rules, false)
                                             : nft_text(rules, {.map = filtered_->tool == Tool::nft_map});
  }

  common::Result<void> replace(const std::string& text) const {
    return filtered_->tool == Tool::iptables ? must_run({"iptables-restore"}, text)
                                             : must_run({"nft", "-f", "-"}, text);
  }

  common::Result<void> grant_one() {
    switch (filtered_->tool) {
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

  common::Result<void> revoke_one() {
    switch (filtered_->tool) {
      case Tool::nft_map:
        return must_run({"nft", "delete", "element", "ip", "bench", "allowed", nft_element_block()}, "");
      case Tool::iptables:
        return must_run(iptables_arguments("-D"), "");
      case Tool::ipset:
        return must_run({"ipset", "del", "allowed", ipset_element(last_)}, "");
      default:
        return replace(revoked_);
    }
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

  std::optional<FilteredArena> filtered_;
  bool one_rule_ = false;
  HostRule last_;
  std::string granted_;
  std::string revoked_;
};

// Whose work is compared.
enum class Who : std::uint8_t { krait, image, nft_list, nft_map, iptables, ipset };

constexpr std::pair<Who, const char*> kWho[] = {
    {Who::krait, "krait reload"}, {Who::image, "krait, its calls to the kernel"},
    {Who::nft_list, "nft rules"}, {Who::nft_map, "nft verdict map"},
    {Who::iptables, "iptables"},  {Who::ipset, "iptables with ipset"}};

common::Result<std::unique_ptr<Operator>> make_operator(Who who, const Change& change, const std::string& bpffs) {
  Lists lists{.granted = make_rules(change.rules), .revoked = {}};
  lists.revoked.assign(lists.granted.begin(), lists.granted.end() - 1);
  switch (who) {
    case Who::krait:
      return KraitOperator::make(lists);
    case Who::image:
      return ImageOperator::make(lists, bpffs);
    case Who::nft_list:
      return ToolOperator::make(Tool::nft_list, change.one_rule, lists, bpffs);
    case Who::nft_map:
      return ToolOperator::make(Tool::nft_map, change.one_rule, lists, bpffs);
    case Who::iptables:
      return ToolOperator::make(Tool::iptables, change.one_rule, lists, bpffs);
    case Who::ipset:
      return ToolOperator::make(Tool::ipset, change.one_rule, lists, bpffs);
  }
  return common::Error(common::ErrorCode::system, "nobody");
}

// An operator at work on a change. None: the tool did not take the rules in time.
struct Subject {
  Who who = Who::krait;
  const char* name = "";
  const Change* change = nullptr;
  std::unique_ptr<Operator> operates;
  std::unique_ptr<Probe> probe;  // goes before the operator
  std::vector<double> visible_us{};
  std::vector<double> return_us{};
};

common::Result<void> measure_once(Subject& subject) {
  if (!subject.operates) {
    return {};
  }
  auto done = subject.operates->revoke();
  done = done ? subject.operates->prepare_grant() : std::move(done);
  if (!done) {
    return done;
  }
  subject.probe->begin();
  const auto start = Clock::now();
  done = subject.operates->grant();
  const auto returned = Clock::now();
  if (!done) {
    return done;
  }
  KRAIT_TRY(const auto seen, subject.probe->arrival());
  subject.visible_us.push_back(std::chrono::duration<double, std::micro>(seen - start).count());
  subject.return_us.push_back(std::chrono::duration<double, std::micro>(returned - start).count());
  return {};
}

using Subjects = std::vector<Subject>;

// A whole set is restored and swapped: two calls, no revision.
bool is_compared(Who who, const Change& change) { return who != Who::ipset || change.one_rule; }

// An agent has the machine's places for itself: there is one krait at a time.
common::Result<Subject> make_subject(Who who, const char* name, const Change& change, const std::string& bpffs) {
  KRAIT_TRY(auto operates, make_operator(who, change, bpffs));
  Subject subject{.who = who, .name = name, .change = &change, .operates = std::move(operates), .probe = {}};
  if (subject.operates) {
    KRAIT_TRY(auto probe, subject.operates->make_probe());
    subject.probe = std::move(probe);
  }
  return subject;
}

common::Result<Subjects> measure_change(const Change& change, int rounds, const std::string& bpffs) {
  Subjects subjects;
  for (const auto& [who, name] : kWho) {
    if (!is_compared(who, change)) {
      continue;
    }
    KRAIT_TRY(auto subject, make_subject(who, name, change, bpffs), fmt::format("{}, {}", name, change.text));
    subjects.push_back(std::move(subject));
  }
  for (int round = 0; round < rounds; ++round) {
    for (Subject& subject : subjects) {
      KRAIT_CHECK(measure_once(subject), fmt::format("{}, {}", subject.name, change.text));
    }
  }
  for (Subject& subject : subjects) {  // their machines are needed again
    subject.probe.reset();
    subject.operates.reset();
  }
  return subjects;
}

Table table_of(const Subjects& subjects) {
  Table table{.header = {"change", "tool", "visible after (us)", "returns after (us)"}};
  const auto text = [](const std::vector<double>& samples) {
    return samples.empty() ? fmt::format("> {:.0f} s to load", kTimeoutS) : fmt::format("{:.0f}", median(samples));
  };
  for (const Subject& subject : subjects) {
    table.rows.push_back({subject.change->text, subject.name, text(subject.visible_us), text(subject.return_us)});
  }
  return table;
}

common::Result<double> start_a_program_us() {
  std::vector<double> samples;
  for (int round = 0; round < kRounds; ++round) {
    KRAIT_TRY(const auto outcome, run({"true"}, "", kTimeoutS));
    samples.push_back(outcome.seconds * 1e6);
  }
  return median(samples);
}

common::Result<void> run_all(const Extent& extent) {
  KRAIT_TRY(auto sandbox, Sandbox::enter());
  Subjects subjects;
  for (const Change& change : extent.smallest ? std::span(kChanges).subspan(1, 1) : std::span(kChanges)) {
    KRAIT_TRY(auto measured, measure_change(change, extent.rounds(kRounds), sandbox.folder()));
    std::ranges::move(measured, std::back_inserter(subjects));
  }
  KRAIT_TRY(const auto start_us, start_a_program_us());
  const Table table = table_of(subjects);
  fmt::print(
      "## Changing the rules\n\nFrom the start of the command until the first packet on the other CPU is let through, "
      "and "
      "until the command returns.\nStarting a program that does nothing took {:.0f} us. krait's agent reads a changed "
      "file "
      "and compiles all of it, whatever changed;\nbeside it what it asks of the kernel alone, with the image ready. "
      "Medians "
      "of {} rounds.\n\n{}\n",
      start_us, extent.rounds(kRounds), markdown(table));
  if (!extent.smallest) {
    const double one_rule_us = median(subjects.front().visible_us);
    fmt::print("{}\n", aim_line(fmt::format("krait reload: one rule of 10000 granted and visible within {:.0f} us",
                                            kAimOneRuleUs),
                                one_rule_us <= kAimOneRuleUs, fmt::format("{:.0f} us", one_rule_us)));
  }
  return write_csv(table, extent.folder, "updates");
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run_all(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_updates: {}\n", done.error().text());
    return 2;
  }
  return 0;
}

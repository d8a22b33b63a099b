#include "tests/differential/differ.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/compile/compile.h"

namespace krait::differential {
namespace {

// Longer than any flow lives (KRAIT_TCP_ESTABLISHED_S).
constexpr std::uint64_t kForgetS = 500000;
// Room for the largest random policy; a policy that outgrows it fails the run, which is then to be raised.
constexpr std::uint32_t kSnapshotPages = 4096;

naive::Verdict verdict_of(const datapath::Run& run, const std::vector<std::uint32_t>& rule_of_record) {
  naive::Verdict verdict;
  verdict.allowed = run.allowed;
  verdict.reason = static_cast<krait_reason>(run.trace.reason);
  verdict.source_tag = run.trace.source_tag;
  verdict.destination_tag = run.trace.destination_tag;
  if (run.trace.rule != 0) {
    verdict.rule = rule_of_record.at(run.trace.rule - 1);
  }
  return verdict;
}

// Removes runs of elements, halves first, while `fails` holds.
template <typename T, typename Fails>
void drop_needless(std::vector<T>& list, const Fails& fails) {
  for (std::size_t size = std::max<std::size_t>(list.size() / 2, 1); size > 0; size /= 2) {
    for (std::size_t at = 0; at < list.size();) {
      const std::vector<T> before = list;
      const auto first = list.begin() + static_cast<std::ptrdiff_t>(at);
      list.erase(first, first + static_cast<std::ptrdiff_t>(std::min(size, list.size() - at)));
      if (!fails()) {
        list = before;
        at += size;
      }
    }
  }
}

// Lets the story begin with the revision that its first step publishes, where it still fails then.
template <typename Fails>
void begin_with_first_published(Case& story, const Fails& fails) {
  if (story.steps.empty() || story.steps.front().kind != Step::Kind::publish) {
    return;
  }
  const Case before = story;
  story.revisions.front() = before.revisions[before.steps.front().revision];
  story.steps.erase(story.steps.begin());
  if (!fails()) {
    story = before;
  }
}

}  // namespace

// Every packet of a run, counted once more.
class Tally {
 public:
  void count(const naive::Verdict& verdict, krait_direction direction, std::size_t frame_bytes) {
    krait_count& count = expected_[verdict.reason][direction];
    count.packets += 1;
    count.bytes += frame_bytes - packets::kEthernetBytes;
  }

  // What the program's counters got wrong between the two readings.
  [[nodiscard]] std::optional<std::string> difference(const datapath::Counters& before,
                                                      const datapath::Counters& after) const {
    for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
      krait_count all_drops{};
      for (int reason = 1; reason < KRAIT_REASON_COUNT; ++reason) {
        const krait_count moved =
            minus(after.drops[reason].by_direction[direction], before.drops[reason].by_direction[direction]);
        all_drops = plus(all_drops, moved);
        // Frames that no kernel presents are dropped, but by nobody who counts.
        if (reason != KRAIT_REASON_TRUNCATED && !same(moved, expected_[reason][direction])) {
          return fmt::format("counter of reason {}, direction {}: {} packets, {} bytes, but {} and {} were dropped",
                             reason, direction, moved.packets, moved.bytes, expected_[reason][direction].packets,
                             expected_[reason][direction].bytes);
        }
      }
      const krait_count allowed =
          minus(all_pairs(after, direction, KRAIT_ALLOW), all_pairs(before, direction, KRAIT_ALLOW));
      const krait_count dropped =
          minus(all_pairs(after, direction, KRAIT_DROP), all_pairs(before, direction, KRAIT_DROP));
      if (!same(allowed, expected_[KRAIT_ALLOWED][direction]) || !same(dropped, all_drops)) {
        return fmt::format("the pairs of direction {} do not add up: {} allowed, not {}; {} dropped, not {}", direction,
                           allowed.packets, expected_[KRAIT_ALLOWED][direction].packets, dropped.packets,
                           all_drops.packets);
      }
    }
    return std::nullopt;
  }

 private:
  static bool same(const krait_count& a, const krait_count& b) { return a.packets == b.packets && a.bytes == b.bytes; }
  static krait_count plus(const krait_count& a, const krait_count& b) {
    return {a.packets + b.packets, a.bytes + b.bytes};
  }
  static krait_count minus(const krait_count& a, const krait_count& b) {
    return {a.packets - b.packets, a.bytes - b.bytes};
  }
  static krait_count all_pairs(const datapath::Counters& counters, int direction, krait_verdict verdict) {
    krait_count sum{};
    for (const datapath::PairCount& pair : counters.pairs) {
      sum = plus(sum, pair.count[direction][verdict]);
    }
    return sum;
  }

  krait_count expected_[KRAIT_REASON_COUNT][KRAIT_DIRECTIONS] = {};
};

common::Result<Trial> Trial::begin(Planted planted) {
  KRAIT_TRY(auto sandbox, Sandbox::make(), "make a host");
  KRAIT_TRY(auto runner,
            datapath::PacketRunner::load(kSnapshotPages, datapath::RunMode::traced, datapath::Routes::asked),
            "load the program");
  KRAIT_TRY(auto seeds, runner.flow_seeds(), "read the flow table's seeds");
  const naive::FlowTable table{seeds, datapath::TableSizes{}.flow_buckets()};
  return Trial(std::move(sandbox), std::move(runner), table, std::move(planted));
}

common::Result<void> Trial::start_over(const naive::Routing& routing) {
  runner_.advance(kForgetS);
  model_.start_over(kForgetS);
  records_.clear();
  model_.route(routing);
  KRAIT_CHECK(sandbox_.set(routing));
  std::vector<datapath::WayBehind> ways;
  for (const naive::Way& way : routing.ways) {
    ways.push_back({way.part, way.network.length, way.is_own, way.interfaces});
  }
  return runner_.set_ways_behind(ways);
}

common::Result<void> Trial::publish(const Revision& revision) {
  model_.publish(revision.policy, revision.bindings);
  const common::Moment now{.unix_ns = model_.unix_s() * 1'000'000'000, .boot_ns = runner_.boot_ns()};
  KRAIT_TRY(
      auto snapshot,
      compile::compile_snapshot(revision.bindings, revision.policy, ++revision_, {.now = now, .former = records_}),
      "compile a random policy");
  const auto records = compile::rule_records(snapshot.image);
  records_.assign(records.begin(), records.end());
  rule_of_record_ = snapshot.rule_of_record;
  if (planted_.in_image) {
    planted_.in_image(snapshot.image);
  }
  // No packet is on its way, so nobody need be waited for.
  KRAIT_CHECK(runner_.fill_inactive(snapshot.image));
  runner_.switch_over();
  return {};
}

common::Result<std::optional<std::string>> Trial::compare(const Step& step, Tally& tally) {
  KRAIT_TRY(auto run,
            runner_.run(step.frame, {.direction = step.direction, .interface = kGuarded, .came_in = step.came_in}),
            step.text());
  const naive::Verdict program = verdict_of(run, rule_of_record_);
  const naive::Verdict expected =
      model_.run(step.frame, step.direction, {.interface = kGuarded, .came_in = step.came_in});
  tally.count(expected, step.direction, step.frame.size());
  if (program == expected) {
    return std::optional<std::string>();
  }
  return std::optional(fmt::format("{}\n  program: {}\n  model:   {}", step.text(), program.text(), expected.text()));
}

common::Result<std::optional<std::string>> Trial::take(const Case& story, const Step& step, Tally& tally) {
  switch (step.kind) {
    case Step::Kind::pause:
      runner_.advance(step.seconds);
      model_.advance(step.seconds);
      break;
    case Step::Kind::publish: {
      KRAIT_CHECK(publish(story.revisions[step.revision]), "publish");
      break;
    }
    case Step::Kind::packet:
      return compare(step, tally);
  }
  return std::optional<std::string>();
}

common::Result<std::optional<std::string>> Trial::run(const Case& story) {
  Tally tally;
  KRAIT_TRY(const auto before, runner_.counters());
  KRAIT_CHECK(start_over(story.routing), "set up a host");
  Step first;
  first.kind = Step::Kind::publish;
  KRAIT_CHECK(take(story, first, tally));
  for (std::size_t i = 0; i < story.steps.size(); ++i) {
    KRAIT_TRY(auto difference, take(story, story.steps[i], tally), fmt::format("step {}", i));
    if (difference) {
      return std::optional(fmt::format("step {}: {}", i, *difference));
    }
  }
  KRAIT_TRY(const auto after, runner_.counters());
  return tally.difference(before, after);
}

bool Trial::still_fails(const Case& story) {
  const auto outcome = run(story);
  return outcome && outcome->has_value();
}

common::Result<Case> Trial::shrink(Case story) {
  const auto fails = [&] { return still_fails(story); };
  if (!fails()) {
    return common::Error(common::ErrorCode::system, "the case does not fail again");
  }
  for (std::size_t before = 0; before != story.text().size();) {
    before = story.text().size();
    drop_needless(story.steps, fails);
    begin_with_first_published(story, fails);
    drop_needless(story.routing.routes, fails);
    drop_needless(story.routing.ways, fails);
    for (Revision& revision : story.revisions) {
      drop_needless(revision.policy.rules, fails);
      drop_needless(revision.bindings, fails);
    }
  }
  return story;
}

}  // namespace krait::differential

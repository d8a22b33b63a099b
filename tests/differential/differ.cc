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

naive::Verdict verdict_of(const datapath::Run& run) {
  naive::Verdict verdict;
  verdict.allowed = run.allowed;
  verdict.reason = static_cast<krait_reason>(run.trace.reason);
  verdict.source_tag = run.trace.source_tag;
  verdict.destination_tag = run.trace.destination_tag;
  if (run.trace.rule != 0) {
    verdict.rule = run.trace.rule - 1;
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

}  // namespace

common::Result<Trial> Trial::begin(Planted planted) {
  auto runner = datapath::PacketRunner::load(kSnapshotPages);
  if (!runner) {
    return common::passed_on(runner, "load the program");
  }
  return Trial(std::move(*runner), std::move(planted));
}

common::Result<void> Trial::publish(const Revision& revision) {
  auto snapshot = compile::compile_snapshot(revision.bindings, revision.policy, ++revision_);
  if (!snapshot) {
    return common::passed_on(snapshot, "compile a random policy");
  }
  if (planted_.in_image) {
    planted_.in_image(snapshot->image);
  }
  // No packet is on its way, so nobody need be waited for.
  if (auto filled = runner_.fill_inactive(snapshot->image); !filled) {
    return filled;
  }
  runner_.switch_over();
  return {};
}

common::Result<std::optional<std::string>> Trial::run(const Case& story) {
  naive::Evaluator model(planted_.in_model);
  runner_.advance(kForgetS);
  const auto publish_both = [&](const Revision& revision) {
    model.publish(revision.policy, revision.bindings);
    return publish(revision);
  };
  if (auto published = publish_both(story.revisions.front()); !published) {
    return common::passed_on(published, "publish");
  }
  for (std::size_t i = 0; i < story.steps.size(); ++i) {
    const Step& step = story.steps[i];
    if (step.kind == Step::Kind::pause) {
      runner_.advance(step.seconds);
      model.advance(step.seconds);
    } else if (step.kind == Step::Kind::publish) {
      if (auto published = publish_both(story.revisions[step.revision]); !published) {
        return common::passed_on(published, "publish");
      }
    } else {
      auto run = runner_.run(step.frame, {.direction = step.direction, .relayed = step.relayed});
      if (!run) {
        return common::passed_on(run, fmt::format("run step {}: {}", i, step.text()));
      }
      const naive::Verdict program = verdict_of(*run);
      const naive::Verdict expected = model.run(step.frame, step.direction, step.relayed);
      if (program != expected) {
        return std::optional(
            fmt::format("step {}: {}\n  program: {}\n  model:   {}", i, step.text(), program.text(), expected.text()));
      }
    }
  }
  return std::optional<std::string>();
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
    for (Revision& revision : story.revisions) {
      drop_needless(revision.policy.rules, fails);
      drop_needless(revision.bindings, fails);
    }
  }
  return story;
}

}  // namespace krait::differential

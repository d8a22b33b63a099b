#include "tests/bpf/guard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "krait/abi/selector.h"
#include "krait/compile/compile.h"

namespace krait::bpf_test {
namespace {

struct Named {
  std::uint32_t tag;
  const char* name;
};

// In the order of Policy::identities.
constexpr Named kIdentities[] = {{kWeb, "web"}, {kDb, "db"},     {kOffice, "office"}, {kSite, "site"},
                                 {kLab, "lab"}, {kBoss, "boss"}, {kCellar, "cellar"}};

std::uint32_t index_of(std::uint32_t tag) {
  std::uint32_t index = 0;
  while (kIdentities[index].tag != tag) {
    ++index;
  }
  return index;
}

// Hosts: 0 is this one.
constexpr std::uint32_t kWebHost = 1;
constexpr std::uint32_t kOfficeHost = 2;

compile::Binding own(std::string_view address, std::uint32_t tag, std::uint32_t host) {
  return {common::Prefix::host(*common::Ip::parse(address)), index_of(tag), host, false};
}

compile::Binding behind(std::uint32_t host, std::string_view prefix, std::uint32_t tag) {
  return {*common::Prefix::parse(prefix), index_of(tag), host, true};
}

std::vector<compile::Binding> mesh() {
  return {own("10.90.0.1", kWeb, kWebHost),
          own("fd90::1", kWeb, kWebHost),
          own("10.90.0.2", kDb, 0),
          own("fd90::2", kDb, 0),
          own("10.90.0.3", kOffice, kOfficeHost),
          own("fd90::3", kOffice, kOfficeHost),
          behind(kOfficeHost, "10.20.0.0/16", kSite),
          behind(kOfficeHost, "fd20::/32", kSite),
          behind(kOfficeHost, "10.20.5.0/24", kLab),
          behind(kOfficeHost, "10.20.5.9/32", kBoss),
          behind(0, "10.30.0.0/16", kCellar),
          behind(0, "fd30::/32", kCellar)};
}

model::Subjects subjects(std::uint32_t tag) {
  if (tag == kAny) {
    return {true, {}};
  }
  return {false, {index_of(tag)}};
}

model::Rule rule(model::Action action, std::string name, std::uint32_t from, std::uint32_t to,
                 model::SelectorRange selectors) {
  return {.name = std::move(name),
          .action = action,
          .from = subjects(from),
          .to = subjects(to),
          .selectors = {selectors},
          .expires = {},
          .at = {}};
}

model::SelectorRange range(std::uint32_t base, std::uint32_t first, std::uint32_t last) {
  return {base + first, base + last};
}

const char* reason_name(std::uint32_t reason) {
#define KRAIT_REASON_NAME(name, label, meaning) label,
  static constexpr const char* kNames[] = {"allowed", KRAIT_REASONS(KRAIT_REASON_NAME)};
#undef KRAIT_REASON_NAME
  return reason < KRAIT_REASON_COUNT ? kNames[reason] : "no reason";
}

// Every drop counter's movement, but that of `reason` (one packet in this direction).
testing::AssertionResult drop_counters_moved(const Outcome& outcome, std::uint32_t reason) {
  for (std::uint32_t i = 0; i < KRAIT_REASON_COUNT; ++i) {
    for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
      const std::uint64_t moved = outcome.after.drops[i].by_direction[direction].packets -
                                  outcome.before.drops[i].by_direction[direction].packets;
      const std::uint64_t expected = i == reason && reason != KRAIT_ALLOWED && direction == outcome.direction ? 1 : 0;
      if (moved != expected) {
        return testing::AssertionFailure()
               << fmt::format("the counter of drops \"{}\", direction {}, moved by {}, not {}", reason_name(i),
                              direction, moved, expected);
      }
    }
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult as_the_model_says(const Outcome& outcome) {
  if (outcome.program == outcome.model) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "program: " << outcome.program.text() << "; model: " << outcome.model.text();
}

}  // namespace

model::SelectorRange tcp(std::uint16_t first, std::uint16_t last) { return range(KRAIT_SELECTOR_TCP, first, last); }
model::SelectorRange tcp(std::uint16_t port) { return tcp(port, port); }
model::SelectorRange udp(std::uint16_t port) { return range(KRAIT_SELECTOR_UDP, port, port); }
model::SelectorRange sctp(std::uint16_t port) { return range(KRAIT_SELECTOR_SCTP, port, port); }
model::SelectorRange icmp(std::uint8_t type) { return range(KRAIT_SELECTOR_ICMP, type, type); }
model::SelectorRange icmpv6(std::uint8_t type) { return range(KRAIT_SELECTOR_ICMPV6, type, type); }
model::SelectorRange protocol(std::uint8_t number) { return range(KRAIT_SELECTOR_PROTO, number, number); }
model::SelectorRange everything() { return {0, KRAIT_SELECTORS - 1}; }

model::Rule allow(std::string name, std::uint32_t from, std::uint32_t to, model::SelectorRange selectors) {
  return rule(model::Action::allow, std::move(name), from, to, selectors);
}

model::Rule deny(std::string name, std::uint32_t from, std::uint32_t to, model::SelectorRange selectors) {
  return rule(model::Action::deny, std::move(name), from, to, selectors);
}

testing::AssertionResult passes(const Outcome& outcome) {
  if (!outcome.program.allowed) {
    return testing::AssertionFailure() << "dropped: " << reason_name(outcome.program.reason);
  }
  const auto agreed = as_the_model_says(outcome);
  return agreed ? drop_counters_moved(outcome, KRAIT_ALLOWED) : agreed;
}

testing::AssertionResult passes_by(const Outcome& outcome, std::string_view rule) {
  if (outcome.program.allowed && outcome.rule != rule) {
    return testing::AssertionFailure() << "by the rule \"" << outcome.rule << "\"";
  }
  return passes(outcome);
}

testing::AssertionResult drops(const Outcome& outcome, krait_reason reason) {
  if (outcome.program.allowed || outcome.program.reason != reason) {
    return testing::AssertionFailure() << "not dropped as " << reason_name(reason) << ": "
                                       << reason_name(outcome.program.reason);
  }
  const auto agreed = as_the_model_says(outcome);
  return agreed ? drop_counters_moved(outcome, reason) : agreed;
}

void Guard::SetUp() {
  if (geteuid() != 0) {
    GTEST_SKIP() << "skipped: loading BPF programs needs root";
  }
  bindings_ = mesh();
  if (!runner_) {
    load_anew();
  } else {
    runner_->advance(KRAIT_TCP_ESTABLISHED_S + 1);
    model_->start_over(KRAIT_TCP_ESTABLISHED_S + 1);
  }
}

void Guard::load_anew() {
  auto runner = datapath::PacketRunner::load(1024);
  ASSERT_TRUE(runner) << runner.error().text();
  runner_ = std::move(*runner);
  const auto seeds = runner_->flow_seeds();
  ASSERT_TRUE(seeds) << seeds.error().text();
  model_.emplace(naive::FlowTable{*seeds, datapath::TableSizes{}.flow_buckets()});
}

void Guard::policy(std::vector<model::Rule> rules) {
  rules_ = rules;
  model::Policy policy;
  for (const Named& identity : kIdentities) {
    policy.identities.push_back({identity.name, identity.tag, {}});
  }
  policy.rules = std::move(rules);
  const common::Moment now{.unix_ns = model_->unix_s() * 1'000'000'000, .boot_ns = runner_->boot_ns()};
  const auto snapshot = compile::compile_snapshot(bindings_, policy, ++revision_, {.now = now, .former = records_});
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  const auto published = runner_->publish(snapshot->image);
  ASSERT_TRUE(published) << published.error().text();
  const auto records = compile::rule_records(snapshot->image);
  records_.assign(records.begin(), records.end());
  rule_of_record_ = snapshot->rule_of_record;
  model_->publish(std::move(policy), bindings_);
}

void Guard::rewrite_flows(const std::function<void(krait_flow_bucket&)>& rewrite) {
  const auto rewritten = runner_->rewrite_flows(rewrite);
  ASSERT_TRUE(rewritten) << rewritten.error().text();
}

datapath::Counters Guard::counters() {
  auto counters = runner_->counters();
  EXPECT_TRUE(counters) << counters.error().text();
  return counters ? std::move(*counters) : datapath::Counters{};
}

Outcome Guard::run(const packets::Bytes& frame, datapath::RunOptions options) {
  Outcome outcome;
  outcome.direction = options.direction;
  outcome.before = counters();
  const auto run = runner_->run(frame, options);
  EXPECT_TRUE(run) << run.error().text();
  if (!run) {
    return outcome;
  }
  outcome.after = counters();
  outcome.program = {run->allowed, static_cast<krait_reason>(run->trace.reason), run->trace.source_tag,
                     run->trace.destination_tag, std::nullopt};
  if (run->trace.rule != 0) {
    outcome.program.rule = rule_of_record_.at(run->trace.rule - 1);
    outcome.rule = rules_.at(*outcome.program.rule).name;
  }
  outcome.rejected = run->rejected;
  outcome.frame = run->frame;
  outcome.model = model_->run(frame, options.direction, {options.interface, options.came_in});
  return outcome;
}

std::uint64_t Guard::hits(std::string_view rule) {
  const auto counts = runner_->rule_counts();
  EXPECT_TRUE(counts) << counts.error().text();
  for (std::size_t record = 0; counts && record < counts->size(); ++record) {
    const std::uint32_t index = rule_of_record_.at(record);
    if (index != compile::kNoRule && rules_.at(index).name == rule) {
      return (*counts)[record].packets;
    }
  }
  return 0;
}

std::vector<krait_event> Guard::events() {
  auto events = runner_->events();
  EXPECT_TRUE(events) << events.error().text();
  return events ? std::move(*events) : std::vector<krait_event>{};
}

Outcome Guard::in(const Packet& packet) { return run(packet.frame(), {.direction = KRAIT_INGRESS}); }
Outcome Guard::out(const Packet& packet) { return run(packet.frame(), {.direction = KRAIT_EGRESS}); }
Outcome Guard::relay(const Packet& packet) {
  return run(packet.frame(), {.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex});
}
Outcome Guard::forward(const Packet& packet) {
  return run(packet.frame(), {.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex + 1});
}

void Guard::advance(std::uint64_t seconds) {
  runner_->advance(seconds);
  model_->advance(seconds);
}

}  // namespace krait::bpf_test

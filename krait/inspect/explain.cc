#include "krait/inspect/explain.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "common/memory.h"
#include "krait/abi/reasons.h"
#include "krait/abi/selector.h"
#include "krait/compile/compile.h"
#include "krait/compile/evaluate.h"
#include "krait/control/protocol.h"
#include "krait/datapath/packet_runner.h"
#include "krait/inspect/probe_packet.h"
#include "krait/plan/clock_keeper.h"
#include "krait/plan/plan.h"

namespace krait::inspect {

using common::Error;
using common::ErrorCode;
using common::Ip;
using common::Result;

namespace {

struct Ends {
  Ip source;
  Ip destination;
};

// Addresses for documentation (RFC 5737, RFC 3849).
Ends ends_of(std::uint32_t selector) {
  return is_icmpv6(selector) ? Ends{*Ip::parse("2001:db8::1"), *Ip::parse("2001:db8::2")}
                             : Ends{*Ip::parse("192.0.2.1"), *Ip::parse("192.0.2.2")};
}

std::string_view meaning_of(std::uint32_t reason) {
#define KRAIT_REASON_MEANING(name, label, meaning) meaning,
  static constexpr std::array<std::string_view, KRAIT_REASON_COUNT> kMeanings{"", KRAIT_REASONS(KRAIT_REASON_MEANING)};
#undef KRAIT_REASON_MEANING
  return reason < kMeanings.size() ? kMeanings[reason] : "a reason that this program does not know";
}

bool is_policy_reason(std::uint32_t reason) {
  return reason == KRAIT_ALLOWED || reason == KRAIT_REASON_DENIED_BY_RULE || reason == KRAIT_REASON_NO_RULE ||
         reason == KRAIT_REASON_RULE_EXPIRED || reason == KRAIT_REASON_ICMP_ERROR_UNRELATED;
}

std::string note_of(std::uint32_t reason) {
  if (reason == KRAIT_REASON_RULE_EXPIRED) {
    return "this rule allowed it until it expired";
  }
  if (is_policy_reason(reason)) {
    return reason == KRAIT_REASON_ICMP_ERROR_UNRELATED
               ? "an ICMP error that speaks of a live flow would get that flow's verdict"
               : "";
  }
  return fmt::format("dropped before any rule is asked: {} ({})", meaning_of(reason), control::reason_label(reason));
}

// What the data path drops whatever the policy says (RFC 4861: neighbour discovery).
bool is_neighbour_discovery(std::uint32_t selector) {
  return selector >= KRAIT_SELECTOR_ICMPV6 + 133 && selector <= KRAIT_SELECTOR_ICMPV6 + 137;
}

Explanation by_model(const compile::Judgement& judgement, std::uint32_t selector) {
  if (is_neighbour_discovery(selector)) {
    return {.allowed = false, .rule = {}, .by_program = false, .note = note_of(KRAIT_REASON_NEIGHBOUR_DISCOVERY)};
  }
  return {.allowed = judgement.action == model::Action::allow,
          .rule = judgement.rule,
          .by_program = false,
          .note = judgement.expired ? note_of(KRAIT_REASON_RULE_EXPIRED) : ""};
}

Result<datapath::Run> run_probe(datapath::PacketRunner& runner, const compile::Snapshot& snapshot,
                                std::uint32_t selector) {
  KRAIT_CHECK(runner.publish(snapshot.image));
  const Ends ends = ends_of(selector);
  return runner.run(probe_packet(selector, ends.source, ends.destination), {.direction = KRAIT_INGRESS});
}

Result<Explanation> by_program(const datapath::Run& run, const compile::Judgement& judgement) {
  Explanation explanation{.allowed = run.allowed, .rule = {}, .by_program = true, .note = note_of(run.trace.reason)};
  if (!is_policy_reason(run.trace.reason)) {
    return explanation;
  }
  if (run.trace.rule != 0) {
    explanation.rule = run.trace.rule - 1;  // a policy that goes on from nothing numbers its rules in order
  }
  if (explanation.allowed != (judgement.action == model::Action::allow) || explanation.rule != judgement.rule) {
    return Error(ErrorCode::system,
                 "the BPF program and the compiled policy disagree about this packet; please report it");
  }
  return explanation;
}

}  // namespace

Result<Explanation> explain(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector) {
  const Ends ends = ends_of(selector);
  const std::vector<compile::Binding> bindings{
      {.prefix = common::Prefix::host(ends.source), .identity = from, .host = 1},
      {.prefix = common::Prefix::host(ends.destination), .identity = to}};
  const common::Moment now = plan::time_by({policy.file}).now;
  auto snapshot =
      common::within_memory([&] { return compile::compile_snapshot(bindings, policy, 1, {.now = now, .former = {}}); });
  if (!snapshot) {
    return snapshot.error();
  }
  const compile::Judgement judgement = compile::evaluate(*snapshot, {from, to, selector}, now.boot_ns);
  auto runner = datapath::PacketRunner::load(plan::pages_of(*snapshot));
  if (!runner) {
    Explanation explanation = by_model(judgement, selector);
    const std::string why = runner.error().code() == ErrorCode::permission ? "this process may not load BPF programs"
                                                                           : runner.error().text();
    explanation.note += fmt::format("{}not judged by the BPF program: {}", explanation.note.empty() ? "" : "; ", why);
    return explanation;
  }
  runner->set_boot_ns(now.boot_ns);
  KRAIT_TRY(auto run, run_probe(*runner, *snapshot, selector), "run the BPF program");
  return by_program(run, judgement);
}

}  // namespace krait::inspect

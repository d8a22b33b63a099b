#include <fmt/format.h>

#include <map>
#include <string>

#include "krait/datapath/packet_runner.h"
#include "krait/inspect/frame.h"
#include "krait/inspect/inspect.h"
#include "krait/inspect/local_sources.h"
#include "krait/inspect/pcap.h"
#include "krait/plan/plan.h"

namespace krait::inspect {

using cli::Json;
using cli::Output;
using cli::TraceFlags;
using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Runs packets one after the other; the flows that they make stay from one to the next.
class Tracer {
 public:
  static Result<Tracer> open(const TraceFlags& flags);

  Result<void> trace(LinkType link_type, const Captured& packet, Output& output);

 private:
  Tracer(plan::Plan plan, datapath::PacketRunner runner, std::string direction);
  [[nodiscard]] krait_direction direction_of(std::span<const std::byte> frame) const;
  [[nodiscard]] Json name_of(std::uint32_t tag) const;
  void report(const datapath::Run& run, krait_direction direction, Output& output) const;

  plan::Plan plan_;
  datapath::PacketRunner runner_;
  std::string direction_;
  LocalSources local_sources_;
  std::map<std::uint32_t, std::string> names_;
  std::uint64_t number_ = 0;
};

Tracer::Tracer(plan::Plan plan, datapath::PacketRunner runner, std::string direction)
    : plan_(std::move(plan)),
      runner_(std::move(runner)),
      direction_(std::move(direction)),
      local_sources_(plan_.bindings) {
  for (const model::Identity& identity : plan_.policy.identities) {
    names_.emplace(identity.tag, identity.name);
  }
}

Result<Tracer> Tracer::open(const TraceFlags& flags) {
  auto plan = plan::make_plan(flags.config, flags.policy);
  if (!plan) {
    return plan.error();
  }
  auto runner = datapath::PacketRunner::load(plan::pages_of(plan->snapshot));
  if (!runner) {
    if (runner.error().code() == ErrorCode::permission) {
      return Error(ErrorCode::permission, "krait trace runs the BPF program and so needs root; run it with sudo");
    }
    return common::passed_on(runner, "load the BPF program");
  }
  runner->set_boot_ns(common::now().boot_ns);
  KRAIT_CHECK(runner->publish(plan->snapshot.image));
  return Tracer(std::move(*plan), std::move(*runner), flags.direction);
}

krait_direction Tracer::direction_of(std::span<const std::byte> frame) const {
  if (direction_ != "auto") {
    return direction_ == "egress" ? KRAIT_EGRESS : KRAIT_INGRESS;
  }
  const auto source = source_of(frame);
  return source && local_sources_.contains(*source) ? KRAIT_EGRESS : KRAIT_INGRESS;
}

Json Tracer::name_of(std::uint32_t tag) const {
  const auto found = names_.find(tag);
  return found == names_.end() ? Json() : Json(found->second);
}

Result<void> Tracer::trace(LinkType link_type, const Captured& packet, Output& output) {
  const auto frame = frame_of(link_type, packet, datapath::PacketRunner::max_frame_bytes());
  const krait_direction direction = direction_of(frame);
  auto run = runner_.run(frame, {.direction = direction});
  ++number_;
  if (!run) {
    return common::passed_on(run, fmt::format("run packet {}", number_));
  }
  report(*run, direction, output);
  return {};
}

void Tracer::report(const datapath::Run& run, krait_direction direction, Output& output) const {
  const auto& rules = plan_.snapshot.rule_of_record;
  const bool by_rule = run.trace.rule != 0 && run.trace.rule <= rules.size();
  const model::Rule* rule = by_rule ? &plan_.policy.rules[rules[run.trace.rule - 1]] : nullptr;
  Json json{{"n", number_}, {"verdict", run.allowed ? "allow" : "drop"}};
  json["reason"] = run.allowed ? Json() : Json(control::reason_label(run.trace.reason));
  json["from"] = name_of(run.trace.source_tag);
  json["to"] = name_of(run.trace.destination_tag);
  json["direction"] = direction == KRAIT_EGRESS ? "egress" : "ingress";
  json["rule"] = rule != nullptr ? Json(rule->name) : Json();
  if (output.json()) {
    output.report({}, json);
    return;
  }
  const auto shown = [&](const char* key) { return json[key].is_null() ? "?" : json[key].get<std::string>(); };
  std::string text = fmt::format("{:>6}  {:<5}  {:<7}  {} -> {}", number_, run.allowed ? "allow" : "drop",
                                 json["direction"].get<std::string>(), shown("from"), shown("to"));
  if (!run.allowed) {
    text += fmt::format("  {}", control::reason_label(run.trace.reason));
  }
  if (rule != nullptr) {
    text += fmt::format("  by rule \"{}\" ({}:{})", rule->name, plan_.policy.file, rule->at.line);
  }
  output.report(text, json);
}

}  // namespace

Result<void> trace(const TraceFlags& flags, Output& output) {
  KRAIT_TRY(auto file, PcapFile::open(flags.pcap));
  KRAIT_TRY(auto tracer, Tracer::open(flags));
  for (;;) {
    KRAIT_TRY(auto packet, file.next());
    if (!packet) {
      return {};
    }
    KRAIT_CHECK(tracer.trace(file.link_type(), *packet, output));
  }
}

}  // namespace krait::inspect

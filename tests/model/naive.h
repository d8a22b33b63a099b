// A second opinion on every packet: the documented behaviour written down as plainly as possible, with linear scans and
// std::map, in order to be obviously right. It shares no code with krait/compile or the BPF program; from krait/abi it
// takes numbers only.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krait/compile/compile.h"
#include "krait/model/policy.h"
#include "tests/model/headers.h"

namespace krait::naive {

struct Verdict {
  bool allowed = false;
  krait_reason reason = KRAIT_ALLOWED;
  std::uint32_t source_tag = 0;       // 0: none
  std::uint32_t destination_tag = 0;  // 0: none
  std::optional<std::uint32_t> rule;  // index of the deciding one

  bool operator==(const Verdict&) const = default;
  [[nodiscard]] std::string text() const;
};

// Mistakes that can be planted, so that the differential test can show that it would find them in the program.
struct Defects {
  bool range_edge = false;          // a range ends one selector early
  bool direction = false;           // from and to are mixed up
  bool class_merge = false;         // the last identity is taken for the first
  bool fragment_ports = false;      // later fragments are judged as if their ports were 0
  bool shortest_prefix = false;     // the shortest covering prefix wins
  bool allow_wins = false;          // an allow beats a deny
  bool reply_makes_flow = false;    // what passes as a reply turns its flow round
  bool no_time_out = false;         // flows live for ever
  bool verdict_remembered = false;  // a reply to a live flow passes whatever the policy says now
  bool no_expiry = false;           // rules stay for ever
  bool duration_restarts = false;   // every publish starts a rule's duration again
};

// What a policy says about one direction.
struct Opinion {
  bool allowed = false;
  std::optional<std::uint32_t> rule;
  bool expired = false;  // denied, but by the expiry of that rule

  bool operator==(const Opinion&) const = default;
};

// `from` and `to` are indexes into policy.identities; `expired` says it of each rule, and empty of none.
Opinion opinion(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
                const Defects& defects = {}, const std::vector<bool>& expired = {});

class Evaluator {
 public:
  explicit Evaluator(const Defects& defects = {}) : defects_(defects) {}

  // Flows and remembered fragments stay.
  void publish(model::Policy policy, std::vector<compile::Binding> bindings);
  // What calendars say when the evaluator is made.
  static constexpr std::int64_t kFirstUnixS = 1'800'000'000;
  [[nodiscard]] std::int64_t unix_s() const { return kFirstUnixS + static_cast<std::int64_t>(now_s_); }
  void advance(std::uint64_t seconds) { now_s_ += seconds; }
  Verdict run(std::span<const std::byte> frame, krait_direction direction, bool relayed);

 private:
  struct Place {
    std::uint32_t identity = 0;
    bool local = false;
  };
  // A flow by its two ends. For ICMP queries the "ports" are the identifier and the request's type.
  struct FlowKey {
    common::Ip low;
    common::Ip high;
    std::uint16_t low_port = 0;
    std::uint16_t high_port = 0;
    std::uint8_t protocol = 0;
    auto operator<=>(const FlowKey&) const = default;
  };
  struct Flow {
    std::uint64_t seen_s = 0;
    Tuple initial;         // a packet in the initiator's direction
    bool opening = false;  // TCP: only SYNs were seen
    bool initiator_finished = false;
    bool responder_finished = false;
    bool reset = false;
  };
  struct FragmentKey {
    common::Ip source;
    common::Ip destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  // 0 in IPv6
    auto operator<=>(const FragmentKey&) const = default;
  };
  struct Fragment {
    std::uint64_t seen_s = 0;
    Tuple tuple;
  };

  [[nodiscard]] std::optional<Place> find(const common::Ip& ip) const;
  [[nodiscard]] Opinion opinion_on(const Tuple& tuple) const;  // both ends are known
  [[nodiscard]] static FlowKey key_of(const Tuple& tuple);
  [[nodiscard]] static bool opened_by(const Flow& flow, const Tuple& tuple);
  [[nodiscard]] bool live(const Flow& flow) const;
  Flow* live_flow(const Tuple& tuple);
  krait_reason check_addresses(const Headers& headers, krait_direction direction, bool relayed, Verdict& verdict) const;
  krait_reason recall_fragment(Headers& headers) const;
  krait_reason judge(const Headers& headers, Verdict& verdict);
  void note_allowed(const Headers& headers, Flow* flow);
  std::optional<krait_reason> judge_icmp_error(const Headers& headers, Verdict& verdict);
  void open_flow(const Headers& headers);
  void refresh_flow(Flow& flow, const Headers& headers) const;

  // A rule as it was when its duration began.
  struct Loaded {
    model::Rule rule;
    std::uint64_t at_s = 0;
  };
  [[nodiscard]] std::vector<bool> expired_now() const;

  Defects defects_;
  std::optional<model::Policy> policy_;
  std::map<std::string, Loaded> loaded_;  // by the rule's name
  std::vector<compile::Binding> bindings_;
  std::uint64_t now_s_ = 0;
  std::map<FlowKey, Flow> flows_;
  std::map<FragmentKey, Fragment> fragments_;
};

}  // namespace krait::naive

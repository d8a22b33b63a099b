#include "tests/model/naive.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

namespace krait::naive {
namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;

// A flow's time stamp is renewed when it is older than this, so that a busy flow is rarely written.
constexpr std::uint64_t kRefreshS = 1;

bool is_v6(const common::Ip& ip) { return ip.family == common::Family::v6; }

bool asks_to_open(const Headers& headers) { return (headers.tcp_flags & (kSyn | kAck)) == kSyn; }

// The type of the ICMP request that this reply type answers.
std::optional<std::uint8_t> request_answered_by(const Tuple& tuple) {
  struct Pair {
    bool v6;
    std::uint8_t request;
    std::uint8_t reply;
  };
  static constexpr Pair kPairs[] = {{false, 8, 0},   {false, 13, 14},  {false, 15, 16},
                                    {false, 17, 18}, {true, 128, 129}, {true, 139, 140}};
  for (const Pair& pair : kPairs) {
    if (tuple.is_icmp() && pair.v6 == is_v6(tuple.source) && pair.reply == tuple.icmp_type) {
      return pair.request;
    }
  }
  return std::nullopt;
}

bool is_request(const Tuple& tuple) {
  const std::uint8_t type = tuple.icmp_type;
  return tuple.is_icmp() &&
         (is_v6(tuple.source) ? type == 128 || type == 139 : type == 8 || type == 13 || type == 15 || type == 17);
}

bool is_error(const Tuple& tuple) {
  const std::uint8_t type = tuple.icmp_type;
  return tuple.is_icmp() && (is_v6(tuple.source) ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12);
}

bool may_open(const Tuple& tuple) { return !tuple.is_icmp() || is_request(tuple); }

bool may_answer(const Tuple& tuple) { return !tuple.is_icmp() || request_answered_by(tuple).has_value(); }

// The packet that this one would answer.
Tuple turned_round(const Tuple& tuple) {
  Tuple turned = tuple;
  std::swap(turned.source, turned.destination);
  std::swap(turned.source_port, turned.destination_port);
  if (const auto request = request_answered_by(tuple)) {
    turned.icmp_type = *request;
  }
  return turned;
}

bool covers(const common::Prefix& prefix, const common::Ip& ip) {
  if (prefix.ip.family != ip.family) {
    return false;
  }
  for (unsigned bit = 0; bit < prefix.length; ++bit) {
    const unsigned shift = 7 - bit % 8;
    if ((prefix.ip.bytes[bit / 8] >> shift & 1U) != (ip.bytes[bit / 8] >> shift & 1U)) {
      return false;
    }
  }
  return true;
}

// ::ffff:0:0/96 in an IPv6 header: an IPv4 host's address in disguise, nobody's.
bool is_mapped(const common::Ip& ip) {
  return is_v6(ip) && std::all_of(ip.bytes.begin(), ip.bytes.begin() + 10, [](auto byte) { return byte == 0; }) &&
         ip.bytes[10] == 0xff && ip.bytes[11] == 0xff;
}

bool includes(const model::Subjects& subjects, std::uint32_t identity) {
  return subjects.any ||
         std::find(subjects.identities.begin(), subjects.identities.end(), identity) != subjects.identities.end();
}

bool matches(const model::Rule& rule, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
             const Defects& defects) {
  if (defects.direction) {
    std::swap(from, to);
  }
  if (!includes(rule.from, from) || !includes(rule.to, to)) {
    return false;
  }
  return std::any_of(rule.selectors.begin(), rule.selectors.end(), [&](const model::SelectorRange& range) {
    const std::uint32_t last = defects.range_edge && range.last > range.first ? range.last - 1 : range.last;
    return selector >= range.first && selector <= last;
  });
}

struct Packet {
  std::uint32_t from;
  std::uint32_t to;
  std::uint32_t selector;
};

// The first rule with this action that has expired, or that has not.
std::optional<std::uint32_t> first_match(const model::Policy& policy, model::Action action, const Packet& packet,
                                         const Defects& defects, const std::function<bool(std::uint32_t)>& counts) {
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    if (policy.rules[i].action == action && counts(i) &&
        matches(policy.rules[i], packet.from, packet.to, packet.selector, defects)) {
      return i;
    }
  }
  return std::nullopt;
}

// What makes two rules the same one, loaded twice.
bool same_rule(const model::Rule& a, const model::Rule& b) {
  return a.action == b.action && a.from.any == b.from.any && a.from.identities == b.from.identities &&
         a.to.any == b.to.any && a.to.identities == b.to.identities && a.selectors == b.selectors &&
         a.expires == b.expires;
}

}  // namespace

std::string Verdict::text() const {
  return fmt::format("{} reason {} from {} to {} rule {}", allowed ? "allow" : "drop", static_cast<int>(reason),
                     source_tag, destination_tag, rule ? fmt::format("{}", *rule) : "none");
}

Opinion opinion(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
                const Defects& defects, const std::vector<bool>& expired) {
  if (defects.class_merge) {
    const std::uint32_t last = static_cast<std::uint32_t>(policy.identities.size()) - 1;
    from = from == last ? 0 : from;
    to = to == last ? 0 : to;
  }
  const Packet packet{from, to, selector};
  const auto is_over = [&](std::uint32_t rule) { return !expired.empty() && expired[rule]; };
  const auto holds = [&](std::uint32_t rule) { return !is_over(rule); };
  const auto deny = first_match(policy, model::Action::deny, packet, defects, holds);
  const auto allow = first_match(policy, model::Action::allow, packet, defects, holds);
  if (deny && !(defects.allow_wins && allow)) {
    return {false, deny, false};
  }
  if (allow) {
    return {true, allow, false};
  }
  const auto allowed_once = first_match(policy, model::Action::allow, packet, defects, is_over);
  return {false, allowed_once, allowed_once.has_value()};
}

void Evaluator::publish(model::Policy policy, std::vector<compile::Binding> bindings) {
  policy_ = std::move(policy);
  bindings_ = std::move(bindings);
  std::map<std::string, Loaded> loaded;
  for (const model::Rule& rule : policy_->rules) {
    const auto before = loaded_.find(rule.name);
    const bool goes_on = before != loaded_.end() && same_rule(before->second.rule, rule) && !defects_.duration_restarts;
    loaded[rule.name] = {rule, goes_on ? before->second.at_s : now_s_};
  }
  loaded_ = std::move(loaded);
}

std::vector<bool> Evaluator::expired_now() const {
  std::vector<bool> expired;
  for (const model::Rule& rule : policy_->rules) {
    bool over = false;
    if (rule.expires && rule.expires->kind == model::Expiry::Kind::at) {
      over = unix_s() >= rule.expires->seconds;
    } else if (rule.expires) {
      over = now_s_ - loaded_.at(rule.name).at_s >= static_cast<std::uint64_t>(rule.expires->seconds);
    }
    expired.push_back(over && !defects_.no_expiry);
  }
  return expired;
}

std::optional<Evaluator::Place> Evaluator::find(const common::Ip& ip) const {
  const compile::Binding* best = nullptr;
  for (const compile::Binding& binding : bindings_) {
    const bool better = best == nullptr || (defects_.shortest_prefix ? binding.prefix.length < best->prefix.length
                                                                     : binding.prefix.length > best->prefix.length);
    if (covers(binding.prefix, ip) && better) {
      best = &binding;
    }
  }
  if (best == nullptr || is_mapped(ip)) {
    return std::nullopt;
  }
  return Place{best->identity, best->local};
}

Opinion Evaluator::opinion_on(const Tuple& tuple) const {
  return opinion(*policy_, find(tuple.source)->identity, find(tuple.destination)->identity, tuple.selector(), defects_,
                 expired_now());
}

Evaluator::FlowKey Evaluator::key_of(const Tuple& tuple) {
  FlowKey key{tuple.source, tuple.destination, tuple.source_port, tuple.destination_port, tuple.protocol};
  if (tuple.is_icmp()) {
    // Requests of either end with one identifier are two flows: the low end is always who asked.
    const auto request = request_answered_by(tuple);
    if (request) {
      std::swap(key.low, key.high);
    }
    key.low_port = tuple.identifier;
    key.high_port = request.value_or(tuple.icmp_type);
    return key;
  }
  if (std::tie(key.high, key.high_port) < std::tie(key.low, key.low_port)) {
    std::swap(key.low, key.high);
    std::swap(key.low_port, key.high_port);
  }
  return key;
}

// The packet travels the way of the flow's first one.
bool Evaluator::opened_by(const Flow& flow, const Tuple& tuple) {
  if (tuple.is_icmp()) {
    return is_request(tuple);
  }
  return flow.initial.source == tuple.source && flow.initial.source_port == tuple.source_port &&
         flow.initial.destination == tuple.destination;
}

bool Evaluator::live(const Flow& flow) const {
  std::uint64_t silence_s = KRAIT_OTHER_S;
  if (flow.initial.protocol == kTcp) {
    silence_s = KRAIT_TCP_ESTABLISHED_S;
    if (flow.reset) {
      silence_s = KRAIT_TCP_RESET_S;
    } else if (flow.initiator_finished && flow.responder_finished) {
      silence_s = KRAIT_TCP_CLOSING_S;
    } else if (flow.opening) {
      silence_s = KRAIT_TCP_OPENING_S;
    }
  } else if (flow.initial.protocol == kUdp) {
    silence_s = KRAIT_UDP_S;
  } else if (flow.initial.protocol == kIcmp || flow.initial.protocol == kIcmpv6) {  // in either family
    silence_s = KRAIT_ICMP_S;
  }
  return defects_.no_time_out || now_s_ - flow.seen_s <= silence_s;
}

Evaluator::Flow* Evaluator::live_flow(const Tuple& tuple) {
  if (!may_open(tuple) && !may_answer(tuple)) {
    return nullptr;
  }
  const auto found = flows_.find(key_of(tuple));
  return found != flows_.end() && live(found->second) ? &found->second : nullptr;
}

void Evaluator::open_flow(const Headers& headers) {
  Flow flow;
  flow.seen_s = now_s_;
  flow.initial = headers.tuple;
  flow.opening = headers.tuple.protocol == kTcp && asks_to_open(headers);
  flows_[key_of(headers.tuple)] = flow;
}

void Evaluator::refresh_flow(Flow& flow, const Headers& headers) const {
  const Flow before = flow;
  if (headers.tuple.protocol == kTcp) {
    const bool by_initiator = opened_by(flow, headers.tuple);
    if ((headers.tcp_flags & kRst) != 0) {
      flow.reset = true;
    } else {
      if ((headers.tcp_flags & kFin) != 0) {
        (by_initiator ? flow.initiator_finished : flow.responder_finished) = true;
      }
      if (!asks_to_open(headers)) {
        flow.opening = false;
      }
      if (by_initiator) {
        flow.reset = false;  // it is still in use, so it was not reset
      }
    }
  }
  const bool changed = before.opening != flow.opening || before.reset != flow.reset ||
                       before.initiator_finished != flow.initiator_finished ||
                       before.responder_finished != flow.responder_finished;
  if (changed || now_s_ - flow.seen_s > kRefreshS) {
    flow.seen_s = now_s_;
  }
}

krait_reason Evaluator::check_addresses(const Headers& headers, krait_direction direction, bool relayed,
                                        Verdict& verdict) const {
  const auto source = find(headers.tuple.source);
  const auto destination = find(headers.tuple.destination);
  verdict.source_tag = source ? policy_->identities[source->identity].tag : 0;
  verdict.destination_tag = destination ? policy_->identities[destination->identity].tag : 0;
  if (!source) {
    return KRAIT_REASON_UNKNOWN_SOURCE;
  }
  if (direction == KRAIT_INGRESS && source->local) {
    return KRAIT_REASON_SOURCE_IS_LOCAL;
  }
  if (direction == KRAIT_EGRESS && !source->local && !relayed) {
    return KRAIT_REASON_SOURCE_NOT_LOCAL;
  }
  return destination ? KRAIT_ALLOWED : KRAIT_REASON_UNKNOWN_DESTINATION;
}

// What the first fragment said stands in for what a later one does not carry.
krait_reason Evaluator::recall_fragment(Headers& headers) const {
  const Tuple& tuple = headers.tuple;
  const auto found = fragments_.find(
      {tuple.source, tuple.destination, headers.fragment_id, is_v6(tuple.source) ? std::uint8_t{0} : tuple.protocol});
  if (found == fragments_.end() || now_s_ - found->second.seen_s > KRAIT_FRAGMENT_S) {
    return KRAIT_REASON_FRAGMENT_UNKNOWN;
  }
  headers.tuple = found->second.tuple;
  headers.tcp_flags = kAck;
  if (headers.tuple.protocol == kTcp && headers.fragment_offset_bytes == 8) {
    return KRAIT_REASON_FRAGMENT_OVERLAP;  // IPv6: the later fragment itself need not say that it is TCP
  }
  if (defects_.fragment_ports) {
    headers.tuple.source_port = 0;
    headers.tuple.destination_port = 0;
  }
  return KRAIT_ALLOWED;
}

std::optional<krait_reason> Evaluator::judge_icmp_error(const Headers& headers, Verdict& verdict) {
  if (!headers.spoken_of || headers.spoken_of->source != headers.tuple.destination ||
      !find(headers.spoken_of->destination)) {
    return std::nullopt;
  }
  const Flow* flow = live_flow(*headers.spoken_of);
  if (flow == nullptr) {
    return std::nullopt;
  }
  const Opinion flows = opinion_on(flow->initial);
  verdict.rule = flows.rule;
  return flows.allowed || defects_.verdict_remembered ? KRAIT_ALLOWED : KRAIT_REASON_FLOW_REVOKED;
}

// The policy allows the packet's own direction: what becomes of the flow?
void Evaluator::note_allowed(const Headers& headers, Flow* flow) {
  const bool keeps_initiator = flow != nullptr && !asks_to_open(headers) &&
                               (opened_by(*flow, headers.tuple) || opinion_on(turned_round(headers.tuple)).allowed);
  if (keeps_initiator) {
    refresh_flow(*flow, headers);
  } else if (may_open(headers.tuple) && (headers.tcp_flags & kRst) == 0) {
    open_flow(headers);
  }
}

krait_reason Evaluator::judge(const Headers& headers, Verdict& verdict) {
  if (is_error(headers.tuple) && !headers.later_fragment) {
    if (const auto reason = judge_icmp_error(headers, verdict)) {
      return *reason;
    }
  }
  const Opinion own = opinion_on(headers.tuple);
  verdict.rule = own.rule;
  Flow* flow = live_flow(headers.tuple);
  if (own.allowed) {
    note_allowed(headers, flow);
    return KRAIT_ALLOWED;
  }
  krait_reason refusal = own.expired ? KRAIT_REASON_RULE_EXPIRED
                         : own.rule  ? KRAIT_REASON_DENIED_BY_RULE
                                     : KRAIT_REASON_NO_RULE;
  if (!own.rule && is_error(headers.tuple) && !headers.later_fragment) {
    refusal = KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  if (flow == nullptr || !may_answer(headers.tuple) || opened_by(*flow, headers.tuple)) {
    return refusal;
  }
  // A SYN asks and does not answer, unless both ends open at once (RFC 9293 3.5).
  if (asks_to_open(headers) && !flow->opening) {
    return refusal;
  }
  const Opinion initiators = opinion_on(turned_round(headers.tuple));
  verdict.rule = initiators.rule;
  if (!initiators.allowed && !defects_.verdict_remembered) {
    return KRAIT_REASON_FLOW_REVOKED;
  }
  defects_.reply_makes_flow ? open_flow(headers) : refresh_flow(*flow, headers);
  return KRAIT_ALLOWED;
}

Verdict Evaluator::run(std::span<const std::byte> frame, krait_direction direction, bool relayed) {
  Verdict verdict;
  Headers headers = read_frame(frame);
  verdict.reason = policy_ || frame.size() <= 14 ? headers.problem : KRAIT_REASON_NO_POLICY;
  if (verdict.reason != KRAIT_ALLOWED) {
    return verdict;
  }
  const common::Ip& to = headers.tuple.destination;
  if (is_v6(to) && headers.tuple.is_icmp() && headers.tuple.icmp_type >= 133 && headers.tuple.icmp_type <= 137) {
    verdict.reason = KRAIT_REASON_NEIGHBOUR_DISCOVERY;
  } else if (is_v6(to) ? to.bytes[0] == 0xff : to.bytes[0] >> 4U == 0xe) {
    verdict.reason = KRAIT_REASON_MULTICAST;
  } else if (!is_v6(to) && std::all_of(to.bytes.begin(), to.bytes.begin() + 4, [](auto b) { return b == 0xff; })) {
    verdict.reason = KRAIT_REASON_BROADCAST;
  } else if (headers.later_fragment) {
    verdict.reason = recall_fragment(headers);
  }
  // Both ends are named also where something else has decided.
  const krait_reason addresses = check_addresses(headers, direction, relayed, verdict);
  if (verdict.reason == KRAIT_ALLOWED) {
    verdict.reason = addresses;
  }
  if (verdict.reason == KRAIT_ALLOWED) {
    verdict.reason = judge(headers, verdict);
  }
  verdict.allowed = verdict.reason == KRAIT_ALLOWED;
  if (verdict.allowed && headers.first_fragment) {
    const Tuple& tuple = headers.tuple;
    fragments_[{tuple.source, tuple.destination, headers.fragment_id,
                is_v6(tuple.source) ? std::uint8_t{0} : tuple.protocol}] = {now_s_, tuple};
  }
  return verdict;
}

}  // namespace krait::naive

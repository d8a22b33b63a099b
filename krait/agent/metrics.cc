#include "krait/agent/metrics.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "krait/abi/reasons.h"
#include "krait/control/protocol.h"
#include "krait/control/version.h"

namespace krait::agent {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr const char* kDirections[KRAIT_DIRECTIONS] = {"ingress", "egress"};
constexpr const char* kVerdicts[KRAIT_VERDICTS] = {"drop", "allow"};

MetricFamily family(const char* name, const char* help, MetricType type) { return {name, help, type, {}}; }

template <typename Number>
void add(MetricFamily& family, Labels labels, Number value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

template <typename Number>
MetricFamily gauge(const char* name, const char* help, Number value) {
  MetricFamily result = family(name, help, MetricType::Gauge);
  add(result, {}, value);
  return result;
}

class TagNames {
 public:
  explicit TagNames(const model::Policy& policy) {
    for (const model::Identity& identity : policy.identities) {
      names_.emplace(identity.tag, identity.name);
    }
  }
  // A counter outlives the policy that named its tags.
  [[nodiscard]] std::string of(std::uint32_t tag) const {
    const auto found = names_.find(tag);
    return tag == 0 ? "unknown" : found != names_.end() ? std::string(found->second) : fmt::format("tag:{}", tag);
  }

 private:
  std::unordered_map<std::uint32_t, std::string_view> names_;
};

void add_pairs(std::vector<MetricFamily>& families, const TagNames& names, const datapath::Counters& counters) {
  auto packets = family("krait_packets_total", "Packets judged, as on the wire.", MetricType::Counter);
  auto bytes = family("krait_bytes_total", "Bytes of the packets judged, from the IP header on.", MetricType::Counter);
  for (const datapath::PairCount& pair : counters.pairs) {
    const std::string source = pair.overflow ? "overflow" : names.of(pair.source_tag);
    const std::string destination = pair.overflow ? "overflow" : names.of(pair.destination_tag);
    for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
      for (int verdict = 0; verdict < KRAIT_VERDICTS; ++verdict) {
        const krait_count& count = pair.count[direction][verdict];
        if (count.packets == 0) {
          continue;
        }
        const Labels labels{{"source", source},
                            {"destination", destination},
                            {"direction", kDirections[direction]},
                            {"verdict", kVerdicts[verdict]}};
        add(packets, labels, count.packets);
        add(bytes, labels, count.bytes);
      }
    }
  }
  families.push_back(std::move(packets));
  families.push_back(std::move(bytes));
}

void add_drops(std::vector<MetricFamily>& families, const datapath::Counters& counters) {
  auto drops = family("krait_drops_total", "Packets dropped, by reason.", MetricType::Counter);
  auto bytes = family("krait_drop_bytes_total", "Bytes of the packets dropped, by reason.", MetricType::Counter);
  for (std::uint32_t reason = KRAIT_ALLOWED + 1; reason < KRAIT_REASON_COUNT; ++reason) {
    for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
      const krait_count& count = counters.drops[reason].by_direction[direction];
      const Labels labels{{"reason", std::string(control::reason_label(reason))},
                          {"direction", kDirections[direction]}};
      add(drops, labels, count.packets);
      add(bytes, labels, count.bytes);
    }
  }
  families.push_back(std::move(drops));
  families.push_back(std::move(bytes));
}

// Of a large policy most rules are silent: only those that decided something are shown.
void add_rules(std::vector<MetricFamily>& families, const model::Policy& policy, const control::Rules& rules) {
  auto packets = family("krait_rule_packets_total", "Packets that the rule decided.", MetricType::Counter);
  auto bytes = family("krait_rule_bytes_total", "Bytes of the packets that the rule decided.", MetricType::Counter);
  auto info = family("krait_rule_info", "Where the rules that decided packets stand.", MetricType::Gauge);
  for (std::size_t i = 0; i < policy.rules.size() && i < rules.of_rule.size(); ++i) {
    const model::Rule& rule = policy.rules[i];
    const krait_count& count = rules.of_rule[i].count;
    if (count.packets == 0) {
      continue;
    }
    add(packets, {{"rule", rule.name}}, count.packets);
    add(bytes, {{"rule", rule.name}}, count.bytes);
    add(info,
        {{"rule", rule.name},
         {"action", rule.action == model::Action::allow ? "allow" : "deny"},
         {"file", policy.file},
         {"line", fmt::format("{}", rule.at.line)}},
        1);
  }
  families.push_back(std::move(packets));
  families.push_back(std::move(bytes));
  families.push_back(std::move(info));
}

// By what tells a peer: its name, or the key of one that the configuration does not have. A peer that announced its
// next key is two of WireGuard's, and one here.
std::map<std::string, wireguard::PeerStatus> peers_by_label(const control::State& state) {
  std::map<std::string, wireguard::PeerStatus> peers;
  for (const control::PeerState& peer : state.peers) {
    const auto& more = peer.wireguard;
    auto& sum = peers[peer.name.empty() ? model::key_text(more.public_key) : peer.name];
    sum.last_handshake_s = std::max(sum.last_handshake_s, more.last_handshake_s);
    sum.received_bytes += more.received_bytes;
    sum.sent_bytes += more.sent_bytes;
  }
  return peers;
}

void add_peers(std::vector<MetricFamily>& families, const control::State& state) {
  const auto peers = peers_by_label(state);
  families.push_back(gauge("krait_peers", "Peers of the interface.", peers.size()));
  auto handshake = family("krait_peer_last_handshake_seconds", "Unix time of the peer's last handshake; 0: none yet.",
                          MetricType::Gauge);
  auto received = family("krait_peer_received_bytes_total", "Bytes received from the peer.", MetricType::Counter);
  auto sent = family("krait_peer_sent_bytes_total", "Bytes sent to the peer.", MetricType::Counter);
  for (const auto& [label, peer] : peers) {
    const Labels labels{{"peer", label}};
    add(handshake, labels, peer.last_handshake_s);
    add(received, labels, peer.received_bytes);
    add(sent, labels, peer.sent_bytes);
  }
  families.push_back(std::move(handshake));
  families.push_back(std::move(received));
  families.push_back(std::move(sent));
}

}  // namespace

std::string metrics_text(const model::Policy& policy, const control::State& state, const control::Rules& rules) {
  std::vector<MetricFamily> families;
  auto build = family("krait_build_info", "The agent's version.", MetricType::Gauge);
  add(build, {{"version", control::kVersion}}, 1);
  families.push_back(std::move(build));
  auto attached = family("krait_attached", "1: the data path is attached to the interface.", MetricType::Gauge);
  add(attached, {{"interface", state.interface}, {"kind", std::string(control::attachment_name(state.attachment))}},
      state.attachment == datapath::Attachment::none ? 0 : 1);
  families.push_back(std::move(attached));
  families.push_back(gauge("krait_policy_revision", "The policy revision in force.", state.revision));
  families.push_back(gauge("krait_policy_rules", "Rules of the policy in force.", policy.rules.size()));
  families.push_back(gauge("krait_policy_identities", "Identities of the policy in force.", policy.identities.size()));
  add_pairs(families, TagNames(policy), state.counters);
  add_drops(families, state.counters);
  add_rules(families, policy, rules);
  add_peers(families, state);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace krait::agent

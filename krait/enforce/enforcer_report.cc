// What an Enforcer tells of what is in force.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "krait/enforce/enforcer.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

using common::Result;

control::Stage Enforcer::stage() const {
  if (held_.interface_index == 0) {
    return control::Stage::absent;
  }
  return held_.datapath.active() ? control::Stage::enforcing : control::Stage::attached;
}

Result<control::Rules> Enforcer::rules() const {
  KRAIT_TRY(auto counts, held_.datapath.rule_counts(), "read the rules' counters");
  control::Rules rules{.interface = interface(), .revision = held_.datapath.revision(), .of_rule = {}};
  rules.of_rule.resize(plan_.policy.rules.size());
  const auto& rule_of_record = plan_.snapshot.rule_of_record;
  for (std::uint32_t number = 0; number < rule_of_record.size() && number < counts.size(); ++number) {
    if (rule_of_record[number] != compile::kNoRule) {
      rules.of_rule[rule_of_record[number]] = {.number = number, .count = counts[number], .expires_in_s = {}};
    }
  }
  KRAIT_TRY(const auto records, held_.datapath.rule_records());
  const auto left_ns = compile::time_left_ns(plan_.policy, {.now = clock_.now().now, .former = records});
  for (std::size_t i = 0; i < rules.of_rule.size(); ++i) {
    if (left_ns[i] != compile::kNever) {
      rules.of_rule[i].expires_in_s = left_ns[i] / 1'000'000'000;
    }
  }
  return rules;
}

Result<control::State> Enforcer::state() const {
  auto counters = held_.datapath.counters();
  if (!counters) {
    return common::passed_on(counters, "read the counters");
  }
  control::State state;
  state.interface = interface();
  state.network = network_;
  state.interface_index = held_.interface_index;
  state.managed = managed();
  state.stage = stage();
  state.faults = faults();
  std::ranges::move(time_faults(), std::back_inserter(state.faults));
  if (!unchecked_sources_.empty()) {
    state.faults.push_back(
        {.what = "the kernel may take packets with this host's own IPv4 addresses from its neighbours: " +
                 unchecked_sources_,
         .hint = "use a kernel with routing rules, or drop them: nft fib saddr type local iif != lo, at prerouting"});
  }
  state.time = clock_.now();
  // The programs of an interface that is gone are attached to nothing.
  state.attachment = state.stage == control::Stage::absent ? datapath::Attachment::none : held_.datapath.attachment();
  state.revision = held_.datapath.revision();
  state.counters = std::move(*counters);
  auto device = wireguard::status(interface());
  if (!device || device->interface_index != held_.interface_index) {
    return state;  // guarding something that is not WireGuard, or the interface is gone: the counters still stand
  }
  state.public_key = device->public_key;
  std::map<model::PublicKey, const model::Peer*> known;
  for (const model::Peer& peer : plan_.mesh.peers) {
    known.emplace(peer.public_key, &peer);
    if (peer.next_public_key) {
      known.emplace(*peer.next_public_key, &peer);
    }
  }
  for (const wireguard::PeerStatus& peer : device->peers) {
    const auto found = known.find(peer.public_key);
    const bool here = found != known.end();
    state.peers.push_back({.name = here ? found->second->name : "",
                           .identity = here ? found->second->identity.name : "",
                           .wireguard = peer,
                           .next_key = here && found->second->next_public_key == peer.public_key});
  }
  return state;
}

}  // namespace krait::enforce

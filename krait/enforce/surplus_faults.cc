#include "krait/enforce/surplus_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

namespace {

// Enough for the one who mends them one by one.
constexpr std::size_t kMaxSurplusFaults = 10;
constexpr std::size_t kMaxSurplusPrefixes = 4;

std::string list_of(const std::vector<common::Prefix>& prefixes) {
  std::string text;
  for (std::size_t i = 0; i < prefixes.size() && i < kMaxSurplusPrefixes; ++i) {
    text += (i == 0 ? "" : ", ") + prefixes[i].text();
  }
  return prefixes.size() <= kMaxSurplusPrefixes
             ? text
             : fmt::format("{} and {} more", text, prefixes.size() - kMaxSurplusPrefixes);
}

control::Fault surplus_fault(const std::string& interface, const wireguard::Surplus& surplus, const model::Mesh& mesh) {
  const std::string key = model::key_text(surplus.public_key);
  const std::string prefixes = list_of(surplus.prefixes);
  const auto peer = std::ranges::find_if(mesh.peers, [&](const model::Peer& candidate) {
    return candidate.public_key == surplus.public_key || candidate.next_public_key == surplus.public_key;
  });
  if (peer == mesh.peers.end()) {
    return {
        .what = fmt::format("{} has a peer that {} does not have, {}, and lets it send from {}: it speaks as "
                            "whoever has these addresses",
                            interface, mesh.file, key, prefixes),
        .hint = fmt::format("wg set {} peer {} remove; or add it to {}, then krait reload", interface, key, mesh.file)};
  }
  std::string given;
  for (const model::Address& address : peer->addresses) {
    given += (given.empty() ? "" : ",") + common::Prefix::host(address.ip).text();
  }
  for (const model::Route& route : peer->routes) {
    given += "," + route.prefix.text();
  }
  return {
      .what = fmt::format("{} lets the peer {} send from {}, which {} does not give it wholly: it speaks as whoever "
                          "has these addresses",
                          interface, peer->name, prefixes, mesh.file),
      .hint = fmt::format("wg set {} peer {} allowed-ips {}; or give it the addresses in {}, then krait reload",
                          interface, key, given, mesh.file)};
}

}  // namespace

std::vector<control::Fault> surplus_faults(const plan::Plan& plan, const std::string& interface) {
  const auto surplus = wireguard::surplus(interface, plan.wireguard);
  if (!surplus) {
    return {{.what = surplus.error().text(), .hint = {}}};
  }
  std::vector<control::Fault> faults;
  for (std::size_t i = 0; i < surplus->size(); ++i) {
    if (i == kMaxSurplusFaults) {
      faults.push_back({.what = fmt::format("so may {} more peers of {}", surplus->size() - i, interface),
                        .hint = fmt::format("wg show {} allowed-ips", interface)});
      break;
    }
    faults.push_back(surplus_fault(interface, (*surplus)[i], plan.mesh));
  }
  return faults;
}

}  // namespace krait::enforce

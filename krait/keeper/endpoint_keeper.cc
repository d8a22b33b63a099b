#include "krait/keeper/endpoint_keeper.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "krait/wireguard/wireguard.h"

namespace krait::keeper {

using common::Result;

Result<std::unique_ptr<EndpointKeeper>> EndpointKeeper::create(common::Loop& loop, common::Log& log) {
  std::unique_ptr<EndpointKeeper> keeper(new EndpointKeeper(log));
  auto resolver =
      Resolver::create(loop, [it = keeper.get()](const std::vector<Found>& answers) { it->on_answers(answers); });
  if (!resolver) {
    return common::passed_on(resolver, "look up endpoints");
  }
  keeper->resolver_ = std::move(*resolver);
  return keeper;
}

void EndpointKeeper::configured(const std::string& interface, const model::Mesh& mesh) {
  interface_ = interface;
  names_.configure(mesh);
  on_minute();
}

void EndpointKeeper::on_minute() {
  if (names_.empty()) {
    return;
  }
  const auto device = wireguard::status(interface_);
  if (!device) {
    return;  // the interface is gone; whoever brings it back says so
  }
  for (const std::string& name : names_.due(device->peers, std::time(nullptr))) {
    resolver_->look_up(name);
  }
}

void EndpointKeeper::on_answers(const std::vector<Found>& answers) {
  const auto device = wireguard::status(interface_);
  if (!device) {
    return;
  }
  std::vector<wireguard::PeerEndpoint> endpoints;
  for (const Found& answer : answers) {
    report(answer);
    const auto wanted = names_.answered(answer.name, answer.addresses, device->peers, std::time(nullptr));
    endpoints.insert(endpoints.end(), wanted.begin(), wanted.end());
    if (!wanted.empty()) {
      log_.info(fmt::format("the endpoint {} is at {}", answer.name, wanted.front().endpoint.ip.text()));
    }
  }
  if (endpoints.empty()) {
    return;
  }
  if (auto set = wireguard::set_endpoints(interface_, endpoints); !set) {
    log_.error("endpoints by name: " + set.error().text());
  }
}

void EndpointKeeper::report(const Found& answer) {
  std::string failure = answer.failure;
  if (failure.empty() && names_.all_carried(answer.addresses)) {
    failure = "the tunnel itself carries the address " + answer.addresses.front().text();
  }
  if (!failure.empty() && names_.failed(answer.name, failure)) {
    log_.warning(fmt::format("the endpoint {} has no address: {}; looking again every minute", answer.name, failure));
  }
}

void EndpointKeeper::annotate(control::State& state) const {
  for (control::PeerState& peer : state.peers) {
    if (const auto* named = names_.find(peer.wireguard.public_key)) {
      peer.endpoint_name = named->endpoint.text();
      peer.endpoint_failure = named->failure;
    }
  }
}

}  // namespace krait::keeper

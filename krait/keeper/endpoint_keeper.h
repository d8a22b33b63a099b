// Keeps peers reachable whose endpoints are DNS names: looks the names up when EndpointNames says so, and gives the
// kernel what comes back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/event/loop.h"
#include "common/log.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/keeper/endpoint_names.h"
#include "krait/keeper/resolver.h"
#include "krait/model/mesh.h"

namespace krait::keeper {

// One thread, the loop's; never blocks but for the kernel's answer. A name without an address is logged once.
class EndpointKeeper {
 public:
  static common::Result<std::unique_ptr<EndpointKeeper>> create(common::Loop& loop, common::Log& log);

  // After the configuration came into force, at start and at every reload. Looks up what is due at once.
  void configured(const std::string& interface, const model::Mesh& mesh);

  // Once a minute. Without names it does nothing.
  void on_minute();

  // Fills in the peers' names and failures.
  void annotate(control::State& state) const;

 private:
  explicit EndpointKeeper(common::Log& log) : log_(log) {}
  void on_answers(const std::vector<Found>& answers);
  void report(const Found& answer);

  common::Log& log_;
  std::string interface_;
  EndpointNames names_;
  std::unique_ptr<Resolver> resolver_;
};

}  // namespace krait::keeper

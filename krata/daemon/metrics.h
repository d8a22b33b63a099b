// The metrics page in Prometheus' text format.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "krata/control/view.h"

namespace krata::daemon {

// Pure. `store_requests`: as StoreClient::requests() gives them; empty where the store counts none.
std::string metrics_text(const std::vector<control::ZoneView>& zones,
                         const std::map<std::string, std::uint64_t>& store_requests);

}  // namespace krata::daemon

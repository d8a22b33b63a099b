// The metrics page in Prometheus' text format.
#pragma once

#include <string>
#include <vector>

#include "krata/control/view.h"

namespace krata::daemon {

// Pure.
std::string metrics_text(const std::vector<control::ZoneView>& zones);

}  // namespace krata::daemon

// The metrics page (Prometheus' text format, version 0.0.4). Pure.
#pragma once

#include <cstdint>
#include <string>

#include "krait/coordinator/service.h"

namespace krait::coordinator {

// `bad_handshakes`: connections that ended before they had shown a key. `database_answers`: it did when last asked.
std::string metrics_text(const Service& service, std::uint64_t bad_handshakes, bool database_answers);

}  // namespace krait::coordinator

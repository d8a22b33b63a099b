// What both fuzz targets of this folder ask of an answer.
#pragma once

#include <tuple>

#include "common/result.h"
#include "krait/config/findings.h"
#include "tests/require.h"

namespace krait::config {

inline void require_findings(const common::Error& error) {
  const auto& found = error.diagnostics();
  require(error.code() == common::ErrorCode::invalid_input, "every error is invalid_input");
  require(!found.empty() && found.size() <= kMaxFindings, "1 to 20 findings");
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(found[i].line >= 1 && found[i].column >= 1, "every finding has its place");
    require(!found[i].message.empty() && found[i].message.size() < 1000, "a message is there and short");
    for (const char c : found[i].text()) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "no control character in a message");
    }
    if (i > 0) {
      require(std::tie(found[i - 1].line, found[i - 1].column) <= std::tie(found[i].line, found[i].column),
              "findings ascend");
    }
  }
}

}  // namespace krait::config

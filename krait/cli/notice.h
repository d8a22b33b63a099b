// What an agent says of its start. Pure.
#pragma once

#include <string>
#include <string_view>

namespace krait::cli {

// Of one datagram of sd_notify(3), lines NAME=VALUE: the two names that matter here.
struct Notice {
  bool ready = false;
  std::string status;  // free of control characters
};

Notice parse_notice(std::string_view datagram);

}  // namespace krait::cli

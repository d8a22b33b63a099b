// Running ip, nft, iptables and ipset.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krait::bench {

struct Outcome {
  double seconds = 0;      // from before the program is started until it has ended
  bool timed_out = false;  // it was killed after the time-out
};

// Runs a program with `input` as its standard input, in the calling thread's namespaces. Its standard output is
// dropped. Fails with system when it cannot be started or ends with another status than 0; its standard error is in the
// message.
common::Result<Outcome> run(const std::vector<std::string>& argv, std::string_view input, double timeout_s);

// The same, and nothing but its success matters.
common::Result<void> must_run(const std::vector<std::string>& argv, std::string_view input);

}  // namespace krait::bench

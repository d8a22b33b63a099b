// What a reload takes, from the request on the agent's control socket to its answer, without starting a program for it:
// bench_reload ROUNDS asks so many times and prints the median in milliseconds. For lab/bench_peers.sh.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "krait/control/client.h"

namespace {

using namespace krait;

common::Result<double> median_ms(int rounds) {
  std::vector<double> times_us;
  for (int round = 0; round < rounds; ++round) {
    common::Result<control::Json> answer;
    times_us.push_back(
        bench::microseconds([&] { answer = control::ask(control::kDefaultSocket, control::Request::reload); }));
    if (!answer) {
      return std::move(answer.error());
    }
  }
  return bench::median(std::move(times_us)) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view number = argc > 1 ? argv[1] : "";
  int rounds = 0;
  std::from_chars(number.data(), number.data() + number.size(), rounds);
  if (rounds < 1) {
    fmt::print(stderr, "usage: bench_reload ROUNDS\n");
    return 1;
  }
  const auto median = median_ms(rounds);
  if (!median) {
    fmt::print(stderr, "bench_reload: {}\n", median.error().text());
    return 1;
  }
  fmt::print("{:.1f}\n", *median);
}

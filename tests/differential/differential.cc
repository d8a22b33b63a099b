// differential [--seconds N] [--seed S]: random cases through the program and the model, from seed S on, for N seconds
// (20 when not said). Prints a case that they disagree about as small as it gets, and exits 1. Needs root.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "tests/differential/differ.h"
#include "tests/differential/recording.h"

namespace {

using namespace krait;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::uint64_t seconds = 20;
  std::uint64_t seed = 1;
};

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc || (name != "--seconds" && name != "--seed")) {
      return std::nullopt;
    }
    const std::string_view text = argv[i + 1];
    std::uint64_t& value = name == "--seed" ? arguments.seed : arguments.seconds;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return std::nullopt;
    }
  }
  return arguments;
}

using Recording = std::vector<packets::Bytes>;

int report(differential::Trial& trial, std::uint64_t seed, const Recording& recording, const std::string& difference) {
  fmt::print("seed {}: they disagree at {}\n", seed, difference);
  const auto small = trial.shrink(differential::random_case(seed, trial.flow_table(), recording));
  if (!small) {
    fmt::print("not made smaller: {}\n", small.error().text());
    return 1;
  }
  const auto again = trial.run(*small);
  fmt::print("as small as it gets:\n{}{}\n", small->text(), again && *again ? **again : "it does not fail again");
  return 1;
}

// Tables fill with dead flows; a new program begins with empty ones.
constexpr std::uint64_t kCasesPerProgram = 1000;

int run(const Arguments& arguments) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(arguments.seconds);
  std::uint64_t seed = arguments.seed;
  std::uint64_t steps = 0;
  const auto recording = differential::load_recording();
  if (!recording) {
    fmt::print(stderr, "differential: {}\n", recording.error().text());
    return 2;
  }
  while (Clock::now() < end) {
    auto trial = differential::Trial::begin();
    if (!trial) {
      fmt::print(stderr, "differential: {}\n", trial.error().text());
      return 2;
    }
    for (std::uint64_t i = 0; i < kCasesPerProgram && Clock::now() < end; ++i, ++seed) {
      const differential::Case story = differential::random_case(seed, trial->flow_table(), *recording);
      const auto outcome = trial->run(story);
      if (!outcome) {
        fmt::print(stderr, "differential: seed {}: {}\n", seed, outcome.error().text());
        return 2;
      }
      if (*outcome) {
        return report(*trial, seed, *recording, **outcome);
      }
      steps += story.steps.size();
    }
  }
  fmt::print("seeds {}..{}: {} steps, no difference\n", arguments.seed, seed - 1, steps);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "use: differential [--seconds N] [--seed S]\n");
    return 2;
  }
  return run(*arguments);
}

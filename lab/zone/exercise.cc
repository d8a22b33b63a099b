#include "lab/zone/exercise.h"

#include <fmt/format.h>

#include <cstdio>

#include "lab/zone/store_client.h"

namespace lab {

using common::Error;
using common::ErrorCode;
using common::Result;
using krata::store::Operation;

namespace {

constexpr const char* kPulse = "data/pulse";
constexpr const char* kCounter = "data/counter";
constexpr const char* kStop = "data/stop";

struct Score {
  unsigned rounds = 0;
  unsigned events = 0;
  unsigned redone = 0;  // transactions
};

Result<void> expect(StoreClient& store, const char* path, unsigned value) {
  KRAIT_TRY(const std::string found, store.read(path));
  if (found != std::to_string(value)) {
    return Error(ErrorCode::system, fmt::format("{} is {}, and was written as {}", path, found, value));
  }
  return {};
}

// Each write of the pulse has to be told of.
Result<bool> pulse(StoreClient& store, Score& score) {
  KRAIT_CHECK(store.write(kPulse, std::to_string(score.rounds)));
  KRAIT_CHECK(expect(store, kPulse, score.rounds));
  while (true) {
    KRAIT_TRY(const std::string path, store.next_event());
    ++score.events;
    if (path == kStop && store.read(kStop)) {
      return true;
    }
    if (path == kPulse) {
      return false;
    }
  }
}

// Adds one in a transaction, which is begun anew as often as it is told to.
Result<void> count(StoreClient& store, Score& score) {
  while (true) {
    KRAIT_TRY(const std::string started, store.ask(Operation::transaction_start, std::string(1, '\0')));
    const auto transaction = static_cast<std::uint32_t>(std::stoul(started));
    auto value = store.read(kCounter, transaction);
    if (value) {
      const auto next = std::to_string(std::stoul(*value) + 1);
      if (auto written = store.write(kCounter, next, transaction); !written) {
        value = written.error();
      }
    }
    const auto ended = store.ask(Operation::transaction_end, std::string("T\0", 2), transaction);
    if (ended && value) {
      return {};
    }
    const Error& why = ended ? value.error() : ended.error();
    if (!why.text().ends_with("EAGAIN")) {
      return why;
    }
    ++score.redone;
  }
}

}  // namespace

Result<void> exercise(const std::string& device) {
  KRAIT_TRY(auto store, StoreClient::open(device));
  Score score;
  KRAIT_CHECK(store.write(kCounter, "0"));
  KRAIT_CHECK(store.watch(kStop));
  KRAIT_CHECK(store.watch(kPulse));
  fmt::print("exercise: begun\n");
  std::fflush(stdout);
  while (true) {
    ++score.rounds;
    KRAIT_TRY(const bool is_stopped, pulse(store, score));
    KRAIT_CHECK(count(store, score));
    KRAIT_CHECK(expect(store, kCounter, score.rounds));
    if (is_stopped) {
      fmt::print("exercise: {} rounds, {} events, {} transactions done again\n", score.rounds, score.events,
                 score.redone);
      return {};
    }
  }
}

}  // namespace lab

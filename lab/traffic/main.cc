// krait-lab-traffic: traffic whose every record is counted, for the demo and the lab's scenarios.
#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/traffic/state.h"
#include "lab/traffic/traffic.h"

namespace {

constexpr std::string_view kUsage = R"(usage:
  krait-lab-traffic serve|send tcp|udp ADDRESS:PORT STATE [RECORDS-PER-SECOND]
                                   runs until SIGTERM; STATE is the file that the calls below read
  krait-lab-traffic show STATE     prints the counts as JSON
  krait-lab-traffic ready STATE SECONDS        waits until it listens, or sends
  krait-lab-traffic wait STATE RECORDS SECONDS waits until that many records have been received
  krait-lab-traffic more STATE RECORDS SECONDS the same, counted from now on
  krait-lab-traffic pause STATE    UDP: ends the sending of the process that writes STATE, not its receiving
  krait-lab-traffic stop STATE     ends the process that writes STATE and waits for its end
Waiting in vain gives exit status 1, wrong use and other failures 2.
)";

using Arguments = std::span<const std::string>;

int fail(const common::Error& error) {
  fmt::print(stderr, "krait-lab-traffic: {}\n", error.text());
  return 2;
}

int usage() {
  fmt::print(stderr, "{}", kUsage);
  return 2;
}

bool parse_number(const std::string& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

int run_traffic(Arguments args) {
  const auto endpoint = common::Endpoint::parse(args[2]);
  lab::Plan plan;
  if (!endpoint || (args.size() == 5 && !parse_number(args[4], plan.records_per_s))) {
    return usage();
  }
  plan.endpoint = *endpoint;
  plan.state_file = args[3];
  const bool serve = args[0] == "serve";
  common::Result<void> done;
  if (args[1] == "tcp") {
    done = serve ? lab::serve_tcp(plan) : lab::send_tcp(plan);
  } else if (args[1] == "udp") {
    done = serve ? lab::serve_udp(plan) : lab::send_udp(plan);
  } else {
    return usage();
  }
  return done ? 0 : fail(done.error());
}

int wait_for(const lab::State& state, Arguments args) {
  std::uint64_t records = 0;
  std::uint64_t seconds = 0;
  if (!parse_number(args.back(), seconds) || (args.size() == 4 && !parse_number(args[2], records))) {
    return usage();
  }
  if (args[0] == "more") {
    records += state.counts().received;
  }
  const bool ready = args[0] == "ready";
  const bool held = state.wait(
      [&](const lab::Counts& counts) { return ready ? counts.phase != lab::Phase::none : counts.received >= records; },
      seconds * 1000);
  return held ? 0 : 1;
}

// Signals the writer and waits for what it does then.
int tell(const lab::State& state, int signal_number, lab::Phase phase) {
  const auto pid = static_cast<pid_t>(state.counts().pid.load());
  if (pid <= 0 || ::kill(pid, signal_number) != 0) {
    return 1;
  }
  return state.wait([&](const lab::Counts& counts) { return counts.phase == phase; }, 5000) ? 0 : 1;
}

int dispatch(Arguments args) {
  const std::string command = args.empty() ? "" : args[0];
  if ((command == "serve" || command == "send") && (args.size() == 4 || args.size() == 5)) {
    return run_traffic(args);
  }
  const bool waits =
      (command == "ready" && args.size() == 3) || ((command == "wait" || command == "more") && args.size() == 4);
  const bool plain = (command == "show" || command == "stop" || command == "pause") && args.size() == 2;
  if (!waits && !plain) {
    return usage();
  }
  const auto state = lab::State::open(args[1]);
  if (!state) {
    return fail(state.error());
  }
  if (command == "show") {
    fmt::print("{}\n", state->json());
    return 0;
  }
  if (command == "stop") {
    return tell(*state, SIGTERM, lab::Phase::finished);
  }
  return command == "pause" ? tell(*state, SIGUSR1, lab::Phase::paused) : wait_for(*state, args);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  return dispatch(args);
}

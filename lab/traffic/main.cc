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
  krait-lab-traffic serve|send tcp ADDRESS:PORT STATE [RECORDS-PER-SECOND]
  krait-lab-traffic serve|send udp ADDRESS:PORT STATE [RECORDS-PER-SECOND [RECORD-BYTES [SEGMENTS]]]
                                   runs until SIGTERM; STATE is the file that the calls below read; SEGMENTS records go to
                                   the kernel in one piece
  krait-lab-traffic show STATE FIELD...        prints these counts in a line: connections, sent, received, misplaced, last_ns, ...
  krait-lab-traffic ready STATE SECONDS        waits until it listens, or sends
  krait-lab-traffic wait STATE RECORDS SECONDS waits until that many records have been received
  krait-lab-traffic more STATE RECORDS SECONDS the same, counted from now on
  krait-lab-traffic within STATE AFTER UNTIL   prints how many records came then (Unix times in nanoseconds)
  krait-lab-traffic pause STATE    UDP: ends the sending of the process that writes STATE, not its receiving
  krait-lab-traffic stop STATE     ends the process that writes STATE and waits for its end
  krait-lab-traffic icmp ADDRESS HEX           sends an ICMP or ICMPv6 message, from its type on; fills in the checksum
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

bool parse_within(const std::string& text, std::uint64_t least, std::uint64_t most, std::uint64_t& number) {
  return parse_number(text, number) && number >= least && number <= most;
}

bool parse_sizes(Arguments args, lab::Plan& plan) {
  return (args.empty() || parse_number(args[0], plan.records_per_s)) &&
         (args.size() < 2 || parse_within(args[1], lab::kFewestRecordBytes, lab::kMaxRecordBytes, plan.record_bytes)) &&
         (args.size() < 3 || parse_within(args[2], 1, lab::kMaxSegments, plan.segments));
}

int run_traffic(Arguments args) {
  const auto endpoint = common::Endpoint::parse(args[2]);
  lab::Plan plan;
  if (!endpoint || !parse_sizes(args.subspan(4), plan)) {
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

int send_icmp(const std::string& address, std::string_view hex) {
  const auto to = common::Ip::parse(address);
  std::vector<std::byte> message(hex.size() / 2);
  for (std::size_t i = 0; i < message.size(); ++i) {
    unsigned value = 0;
    const char* from = hex.data() + 2 * i;
    if (std::from_chars(from, from + 2, value, 16).ptr != from + 2) {
      return usage();
    }
    message[i] = static_cast<std::byte>(value);
  }
  if (!to || hex.size() % 2 != 0) {
    return usage();
  }
  const auto sent = lab::send_icmp(*to, message);
  return sent ? 0 : fail(sent.error());
}

int show(const lab::State& state, Arguments fields) {
  std::string line;
  for (const auto& name : fields) {
    const auto field = state.field(name);
    if (!field) {
      return usage();
    }
    line += fmt::format("{}{}", line.empty() ? "" : " ", *field);
  }
  std::puts(line.c_str());
  return 0;
}

int count_within(const lab::State& state, Arguments args) {
  std::uint64_t after_ns = 0;
  std::uint64_t until_ns = 0;
  if (!parse_number(args[2], after_ns) || !parse_number(args[3], until_ns)) {
    return usage();
  }
  fmt::print("{}\n", state.received_within(after_ns, until_ns));
  return 0;
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
  if ((command == "serve" || command == "send") && args.size() >= 4 && args.size() <= (args[1] == "udp" ? 7 : 5)) {
    return run_traffic(args);
  }
  if (command == "icmp" && args.size() == 3) {
    return send_icmp(args[1], args[2]);
  }
  const bool waits = (command == "ready" && args.size() == 3) ||
                     ((command == "wait" || command == "more" || command == "within") && args.size() == 4);
  const bool plain =
      (command == "show" && args.size() >= 3) || ((command == "stop" || command == "pause") && args.size() == 2);
  if (!waits && !plain) {
    return usage();
  }
  const auto state = lab::State::open(args[1]);
  if (!state) {
    return fail(state.error());
  }
  if (command == "show") {
    return show(*state, args.subspan(2));
  }
  if (command == "within") {
    return count_within(*state, args);
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

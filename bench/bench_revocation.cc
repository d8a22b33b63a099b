// Packets that get through after the call that revokes their right has returned, under as much load as one CPU makes:
// krait, and nft with the usual "established first". Needs root; works in namespaces of its own. Writes a table to the
// folder that its argument names.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/net/command.h"
#include "bench/net/krait_filter.h"
#include "bench/net/load.h"
#include "bench/net/rules.h"
#include "bench/table.h"

namespace {

using namespace krait;
using namespace krait::bench;
using std::chrono::milliseconds;

constexpr std::uint32_t kRules = 1000;
constexpr int kRounds = 5;  // the median of so many is printed, and the most that got through in any
constexpr milliseconds kBefore{200};
constexpr milliseconds kAfter{1000};

enum class Guard : std::uint8_t { krait, nft };

struct Case {
  Guard guard = Guard::krait;
  Protocol protocol = Protocol::udp;
  Way way = Way::to_guarded;
  std::vector<double> before_per_s{};
  std::vector<double> offered_after{};
  std::vector<double> through_after{};
};

// What came past the guarded host's filter since the namespace was made, both directions: packets given to the
// transport protocols (behind nft's input hook), and packets handed to the veth (behind the output hook and TC). Call
// it inside.
common::Result<std::uint64_t> packets_through() {
  std::uint64_t packets = 0;
  std::ifstream snmp("/proc/thread-self/net/snmp");
  for (std::string names, values; std::getline(snmp, names) && std::getline(snmp, values);) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    for (std::string name, value; name_words >> name && value_words >> value;) {
      packets += names.starts_with("Ip:") && name == "InDelivers" ? std::stoull(value) : 0;
    }
  }
  std::ifstream devices("/proc/thread-self/net/dev");
  for (std::string line; std::getline(devices, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) {
      fields.push_back(word);
    }
    // name, eight counters of what was received, then the packets sent are the second.
    constexpr std::size_t kSentPackets = 10;
    packets += fields.size() > kSentPackets && fields[0] == "veth0:" ? std::stoull(fields[kSentPackets]) : 0;
  }
  if (packets == 0) {
    return common::Error(common::ErrorCode::system, "the counters of the guarded host are not there");
  }
  return packets;
}

// The rules with the two of the measured traffic, to the guarded host or from it, or without.
std::vector<HostRule> rules_for(const Case& measured, bool granted) {
  auto rules = make_rules(kRules);
  rules.resize(rules.size() - kMinRules);
  if (granted) {
    const bool inwards = measured.way == Way::to_guarded;
    rules.push_back({.from = inwards ? kPeer : kGuarded,
                     .to = inwards ? kGuarded : kPeer,
                     .tcp = measured.protocol == Protocol::tcp,
                     .port = kServicePort});
  }
  return rules;
}

// The guarded host, and how its rules are replaced.
class GuardedHost {
 public:
  static common::Result<GuardedHost> make(Guard guard, const std::string& bpffs) {
    KRAIT_TRY(auto arena, make_arena());
    GuardedHost host(guard, std::move(arena));
    if (guard == Guard::krait) {
      KRAIT_TRY(auto filter, KraitFilter::attach(host.arena_, krait_scale(rules_for({}, true)), bpffs));
      host.krait_ = std::move(filter);
    }
    return host;
  }

  common::Result<void> apply(const std::vector<HostRule>& rules) {
    if (guard_ == Guard::krait) {
      auto image = image_of(rules);
      return image ? krait_->publish(*image) : std::move(image.error());
    }
    const std::string text = nft_text(rules, {.established_first = true, .map = false, .output_too = true});
    return inside(arena_.guarded, [&] { return must_run({"nft", "-f", "-"}, text); });
  }

  [[nodiscard]] const Arena& arena() const { return arena_; }

 private:
  GuardedHost(Guard guard, Arena arena) : guard_(guard), arena_(std::move(arena)) {}
  static common::Result<std::vector<std::byte>> image_of(const std::vector<HostRule>& rules) {
    const Scale scale = krait_scale(rules);
    KRAIT_TRY(auto snapshot, compile::compile_snapshot(scale.bindings, scale.policy, 1));
    return std::move(snapshot.image);
  }

  Guard guard_;
  Arena arena_;
  std::optional<KraitFilter> krait_;
};

common::Result<void> measure_once(GuardedHost& host, Case& measured) {
  KRAIT_CHECK(host.apply(rules_for(measured, true)));
  KRAIT_TRY(auto load, Load::start(host.arena(), measured.protocol, measured.way));
  const auto through = [&] { return inside(host.arena().guarded, packets_through); };
  std::this_thread::sleep_for(kBefore);  // TCP has grown its window
  const auto first = through();
  std::this_thread::sleep_for(kBefore);
  const auto second = through();
  const auto revoked = host.apply(rules_for(measured, false));
  const auto after = through();
  const std::uint64_t offered = load.offered();
  std::this_thread::sleep_for(kAfter);
  const auto last = through();
  if (!first || !second || !revoked || !after || !last) {
    return common::Error(common::ErrorCode::system, "revoke and count");
  }
  measured.before_per_s.push_back(static_cast<double>(*second - *first) / (kBefore.count() / 1000.0));
  measured.offered_after.push_back(static_cast<double>(load.offered() - offered));
  measured.through_after.push_back(static_cast<double>(*last - *after));
  return {};
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Guard guard : {Guard::krait, Guard::nft}) {
    for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
      for (const Way way : {Way::to_guarded, Way::from_guarded}) {
        cases.push_back({.guard = guard, .protocol = protocol, .way = way});
      }
    }
  }
  return cases;
}

Table table_of(const std::vector<Case>& cases) {
  Table table{.header = {"filter", "traffic", "direction", "packets/s before", "still through in 1 s", "at most"}};
  for (const Case& one : cases) {
    table.rows.push_back({one.guard == Guard::krait ? "krait" : "nft established first",
                          one.protocol == Protocol::udp ? "UDP" : "TCP", one.way == Way::to_guarded ? "in" : "out",
                          fmt::format("{:.0f}", median(one.before_per_s)),
                          fmt::format("{:.0f}", median(one.through_after)),
                          fmt::format("{:.0f}", *std::ranges::max_element(one.through_after))});
  }
  return table;
}

void print_report(const std::vector<Case>& cases, const Table& table, int rounds) {
  fmt::print(
      "## Revocation under load\n\nPackets that passed the filter, both ways, in the second after the call that "
      "revoked the right had returned. {}\nrules; medians of {} rounds, and the most of any round.\n\n{}\n",
      kRules, rounds, markdown(table));
  double most = 0;
  double min_offered = 1e18;
  for (const Case& one : cases) {
    if (one.guard == Guard::krait) {
      most = std::max(most, *std::ranges::max_element(one.through_after));
      if (one.protocol == Protocol::udp) {
        min_offered = std::min(min_offered, *std::ranges::min_element(one.offered_after));
      }
    }
  }
  fmt::print("{}\n", aim_line("krait lets nothing through after the call has returned", most == 0,
                              fmt::format("{:.0f} packets in any round, of at least {:.0f} UDP packets sent", most,
                                          min_offered)));
}

common::Result<void> run_all(const Extent& extent) {
  KRAIT_TRY(auto sandbox, Sandbox::enter());
  auto krait_host = GuardedHost::make(Guard::krait, sandbox.folder());
  auto nft_host = GuardedHost::make(Guard::nft, sandbox.folder());
  if (!krait_host || !nft_host) {
    return krait_host ? std::move(nft_host.error()) : std::move(krait_host.error());
  }
  auto cases = all_cases();
  for (int round = 0; round < extent.rounds(kRounds); ++round) {
    for (Case& one : cases) {
      KRAIT_CHECK(measure_once(one.guard == Guard::krait ? *krait_host : *nft_host, one));
    }
  }
  const Table table = table_of(cases);
  print_report(cases, table, extent.rounds(kRounds));
  return write_csv(table, extent.folder, "revocation");
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run_all(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_revocation: {}\n", done.error().text());
    return 2;
  }
  return 0;
}

// What the program costs per packet, by BPF_PROG_TEST_RUN on this kernel: against an empty program, at several policy
// sizes, all in one run. Needs root. Writes tables to the folder that its argument names.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/scale.h"
#include "bench/table.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"
#include "tests/packets/packet.h"

namespace {

using namespace krait;
using datapath::PacketRunner;

constexpr std::uint32_t kSizes[] = {10, 100, 1000, 10000, 100000};
constexpr int kRounds = 11;                // the median of so many is printed
constexpr std::uint32_t kRepeat = 100000;  // runs on one packet of an established flow
constexpr std::uint32_t kSingles = 2000;   // packets of a round that each are another one
constexpr double kAimNs = 45;              // over the empty program: established, IPv4
constexpr double kAimGrowth = 1.1;         // at 100,000 rules over that at 10
constexpr std::size_t kStep = 4;           // by so many rows each round begins later: none is always the first
constexpr std::uint16_t kFirstPort = 1024;
constexpr std::uint32_t kMaxPorts = 64000;
static_assert(kRounds * kSingles <= kMaxPorts);

enum class Kind { established, reply, denied, new_flow, scattered };

constexpr std::pair<Kind, const char*> kKinds[] = {{Kind::established, "established"},
                                                   {Kind::reply, "reply"},
                                                   {Kind::denied, "denied"},
                                                   {Kind::new_flow, "new flow"},
                                                   {Kind::scattered, "any host"}};

struct Row {
  std::uint32_t rules = 0;  // 0: the empty program
  common::Family family = common::Family::v4;
  Kind kind = Kind::established;
  std::uint32_t sent = 0;  // singly, so far; fewer than kMaxPorts in a run
  std::vector<double> samples_ns{};
};

packets::Bytes frame_of(Kind kind, common::Family family, std::uint16_t source_port) {
  const common::Ip client = bench::host(0, family);
  const common::Ip server = bench::host(1, family);
  switch (kind) {
    case Kind::reply:
      return packets::Packet(server, client).tcp(bench::kServicePort, source_port, packets::kAck).payload(64).frame();
    case Kind::denied:
      return packets::Packet(client, server).tcp(source_port, 1, packets::kAck).payload(64).frame();
    case Kind::new_flow:
      return packets::Packet(client, server).tcp(source_port, bench::kServicePort, packets::kSyn).frame();
    case Kind::established:
    case Kind::scattered:
      break;
  }
  return packets::Packet(client, server).tcp(source_port, bench::kServicePort, packets::kAck).payload(64).frame();
}

datapath::TimeOptions options_of(const Row& row, std::uint32_t repeat) {
  return {.run = {.direction = row.kind == Kind::reply ? KRAIT_EGRESS : KRAIT_INGRESS},
          .repeat = repeat,
          .program = row.rules == 0 ? datapath::Timed::empty : datapath::Timed::verdict};
}

// From one host after the other, in no order, to any service: most are denied. What one packet has looked up is not in
// the caches for the next.
packets::Bytes scattered_frame(const Row& row) {
  constexpr std::uint32_t kOddFactor = 40503;
  const std::uint32_t hosts = bench::usual_size(row.rules).hosts;
  const std::uint32_t number = row.sent * kOddFactor % hosts;
  const common::Ip client = bench::host(number == 1 ? 0 : number, row.family);
  const auto port = static_cast<std::uint16_t>(bench::kFirstRulePort + row.sent % bench::kRulePorts);
  return packets::Packet(client, bench::host(1, row.family)).tcp(kFirstPort, port, packets::kAck).payload(64).frame();
}

packets::Bytes next_frame(const Row& row) {
  return row.kind == Kind::scattered
             ? scattered_frame(row)
             : frame_of(row.kind, row.family, static_cast<std::uint16_t>(kFirstPort + row.sent));
}

// Every packet is another one: one run each, whose time holds the cost of measuring it too, as the empty program's
// does.
common::Result<double> time_singly(PacketRunner& runner, Row& row) {
  std::vector<double> samples;
  for (std::uint32_t i = 0; i < kSingles; ++i, ++row.sent) {
    KRAIT_TRY(const auto ns, runner.time_ns(next_frame(row), options_of(row, 1)));
    samples.push_back(ns);
  }
  return bench::median(std::move(samples));
}

bool runs_singly(Kind kind) { return kind == Kind::new_flow || kind == Kind::scattered; }

common::Result<double> time_row(PacketRunner& runner, Row& row) {
  if (runs_singly(row.kind)) {
    return time_singly(runner, row);
  }
  constexpr std::uint16_t kPort = 1000;  // never among the new flows
  if (row.rules != 0) {
    const auto opened = runner.run(frame_of(Kind::established, row.family, kPort), {});
    const auto run = runner.run(frame_of(row.kind, row.family, kPort), options_of(row, 1).run);
    if (!opened || !run) {
      return opened ? run.error() : opened.error();
    }
    if (run->allowed == (row.kind == Kind::denied)) {
      return common::Error(common::ErrorCode::system, "the packet to be measured met another verdict than was meant");
    }
  }
  KRAIT_TRY(const auto ns, runner.time_ns(frame_of(row.kind, row.family, kPort), options_of(row, kRepeat)));
  return static_cast<double>(ns);
}

common::Result<PacketRunner> runner_at(std::uint32_t rules) {
  const bench::Scale scale = bench::make_scale(rules);
  KRAIT_TRY(const auto snapshot, compile::compile_snapshot(scale.bindings, scale.policy, 1));
  KRAIT_TRY(auto runner, PacketRunner::load(static_cast<std::uint32_t>(snapshot.image.size() / KRAIT_PAGE_BYTES),
                                            datapath::RunMode::production));
  KRAIT_CHECK(runner.publish(snapshot.image));
  return runner;
}

std::vector<Row> all_rows(std::span<const std::uint32_t> sizes) {
  std::vector<Row> rows = {{.rules = 0}, {.rules = 0, .kind = Kind::new_flow}};
  for (const std::uint32_t rules : sizes) {
    for (const common::Family family : {common::Family::v4, common::Family::v6}) {
      for (const auto& [kind, name] : kKinds) {
        rows.push_back({.rules = rules, .family = family, .kind = kind});
      }
    }
  }
  return rows;
}

// A line for each size, a column for each family and kind of packet.
bench::Table table_of(const std::vector<Row>& rows) {
  bench::Table table{.header = {"rules"}};
  const double empty = bench::median(rows[0].samples_ns);
  const double empty_once = bench::median(rows[1].samples_ns);
  for (std::size_t i = 2; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (table.rows.empty() || row.rules != rows[i - 1].rules) {
      table.rows.push_back({fmt::format("{}", row.rules)});
    }
    if (table.rows.size() == 1) {
      table.header.push_back(fmt::format("{} {}", row.family == common::Family::v4 ? "IPv4" : "IPv6",
                                         kKinds[static_cast<std::size_t>(row.kind)].second));
    }
    const double base = runs_singly(row.kind) ? empty_once : empty;
    table.rows.back().push_back(fmt::format("{:.0f}", bench::median(row.samples_ns) - base));
  }
  return table;
}

double established_ns(const std::vector<Row>& rows, std::uint32_t rules) {
  for (std::size_t i = 2; i < rows.size(); ++i) {
    if (rows[i].rules == rules && rows[i].kind == Kind::established && rows[i].family == common::Family::v4) {
      return bench::median(rows[i].samples_ns) - bench::median(rows[0].samples_ns);
    }
  }
  return 0;
}

void print_report(const std::vector<Row>& rows, const bench::Table& table, int rounds) {
  fmt::print("## The program alone: nanoseconds a packet\n\n");
  fmt::print(
      "By BPF_PROG_TEST_RUN, over an empty program: {:.0f} ns, and {:.0f} ns where each packet is another one (\"new "
      "flow\", \"any host\").\nTCP, 100-byte packets, medians of {} rounds.\n\n",
      bench::median(rows[0].samples_ns), bench::median(rows[1].samples_ns), rounds);
  fmt::print("{}\n", bench::markdown(table));
  const double least = established_ns(rows, rows[2].rules);
  const double most = established_ns(rows, rows.back().rules);
  fmt::print("{}", bench::aim_line(fmt::format("established IPv4 at most {:.0f} ns over the empty program", kAimNs),
                                   std::max(least, most) <= kAimNs,
                                   fmt::format("{:.0f} ns at 10 rules, {:.0f} ns at 100000", least, most)));
  fmt::print("{}\n", bench::aim_line(fmt::format("100000 rules cost at most {:.1f} times what 10 do", kAimGrowth),
                                     most <= kAimGrowth * least, fmt::format("{:.2f} times", most / least)));
}

int fail(const common::Error& error) {
  fmt::print(stderr, "bench_program: {}\n", error.text());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Extent extent = bench::extent_of(argc, argv);
  const auto sizes = extent.sizes(kSizes);
  std::vector<PacketRunner> runners;
  for (const std::uint32_t rules : sizes) {
    auto runner = runner_at(rules);
    if (!runner) {
      return fail(runner.error());
    }
    runners.push_back(std::move(*runner));
  }
  std::vector<Row> rows = all_rows(sizes);
  for (int round = 0; round < extent.rounds(kRounds); ++round) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Row& row = rows[(i + static_cast<std::size_t>(round) * kStep) % rows.size()];
      std::size_t at = 0;
      while (row.rules != 0 && sizes[at] != row.rules) {
        ++at;
      }
      const auto ns = time_row(runners[at], row);
      if (!ns) {
        return fail(ns.error());
      }
      row.samples_ns.push_back(*ns);
    }
  }
  const bench::Table table = table_of(rows);
  print_report(rows, table, extent.rounds(kRounds));
  if (auto written = bench::write_csv(table, extent.folder, "program"); !written) {
    return fail(written.error());
  }
  return 0;
}

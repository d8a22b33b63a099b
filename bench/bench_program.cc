// What the program costs per packet, by BPF_PROG_TEST_RUN on this kernel: against an empty program, at several policy
// sizes, all in one run. Needs root.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/scale.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"
#include "tests/packets/packet.h"

namespace {

using namespace krait;
using datapath::PacketRunner;

constexpr std::uint32_t kSizes[] = {10, 1000, 100000};
constexpr int kRounds = 11;                // the median of so many is printed
constexpr std::uint32_t kRepeat = 100000;  // runs on one packet of an established flow
constexpr std::uint32_t kNewFlows = 2000;  // packets of a round that each open a flow
constexpr double kAimNs = 45;              // over the empty program: established, IPv4

enum class Kind { established, reply, denied, new_flow };

constexpr std::pair<Kind, const char*> kKinds[] = {{Kind::established, "established"},
                                                   {Kind::reply, "reply"},
                                                   {Kind::denied, "denied, new"},
                                                   {Kind::new_flow, "new flow"}};

struct Row {
  std::uint32_t rules = 0;  // 0: the empty program
  common::Family family = common::Family::v4;
  Kind kind = Kind::established;
  std::vector<double> samples_ns;
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
      break;
  }
  return packets::Packet(client, server).tcp(source_port, bench::kServicePort, packets::kAck).payload(64).frame();
}

datapath::TimeOptions options_of(const Row& row, std::uint32_t repeat) {
  return {.run = {.direction = row.kind == Kind::reply ? KRAIT_EGRESS : KRAIT_INGRESS},
          .repeat = repeat,
          .empty_program = row.rules == 0};
}

// Every packet opens another flow: one run each, whose time holds the cost of measuring it too, as the empty program's
// does.
common::Result<double> time_new_flows(PacketRunner& runner, const Row& row, std::uint32_t& serial) {
  std::vector<double> samples;
  for (std::uint32_t i = 0; i < kNewFlows; ++i, ++serial) {
    const auto port = static_cast<std::uint16_t>(1024 + serial % 64000);
    const auto ns = runner.time_ns(frame_of(row.kind, row.family, port), options_of(row, 1));
    if (!ns) {
      return ns.error();
    }
    samples.push_back(*ns);
  }
  return bench::median(std::move(samples));
}

common::Result<double> time_row(PacketRunner& runner, const Row& row, std::uint32_t& serial) {
  if (row.kind == Kind::new_flow) {
    return time_new_flows(runner, row, serial);
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
  const auto ns = runner.time_ns(frame_of(row.kind, row.family, kPort), options_of(row, kRepeat));
  if (!ns) {
    return ns.error();
  }
  return static_cast<double>(*ns);
}

common::Result<PacketRunner> runner_at(std::uint32_t rules) {
  const bench::Scale scale = bench::make_scale(rules);
  const auto snapshot = compile::compile_snapshot(scale.bindings, scale.policy, 1);
  if (!snapshot) {
    return snapshot.error();
  }
  auto runner = PacketRunner::load(static_cast<std::uint32_t>(snapshot->image.size() / KRAIT_PAGE_BYTES));
  if (!runner) {
    return runner;
  }
  if (auto published = runner->publish(snapshot->image); !published) {
    return published.error();
  }
  return runner;
}

std::vector<Row> all_rows() {
  std::vector<Row> rows = {{0, common::Family::v4, Kind::established, {}}, {0, common::Family::v4, Kind::new_flow, {}}};
  for (const auto& [kind, name] : kKinds) {
    for (const common::Family family : {common::Family::v4, common::Family::v6}) {
      for (const std::uint32_t rules : kSizes) {
        rows.push_back({rules, family, kind, {}});
      }
    }
  }
  return rows;
}

void print_table(const std::vector<Row>& rows) {
  const double empty = bench::median(rows[0].samples_ns);
  const double empty_once = bench::median(rows[1].samples_ns);
  fmt::print("ns a packet by BPF_PROG_TEST_RUN, medians of {} rounds (TCP, 100-byte packets; tracing on)\n", kRounds);
  fmt::print("empty program: {:.0f} ns; run once at a time, as for new flows: {:.0f} ns\n\n", empty, empty_once);
  fmt::print("{:<14}{:<8}", "ns over empty", "family");
  for (const std::uint32_t rules : kSizes) {
    fmt::print("{:>15}", fmt::format("{} rules", rules));
  }
  fmt::print("\n");
  constexpr std::size_t kColumns = std::size(kSizes);
  for (std::size_t i = 2; i < rows.size(); i += kColumns) {
    const Row& first = rows[i];
    fmt::print("{:<14}{:<8}", kKinds[static_cast<std::size_t>(first.kind)].second,
               first.family == common::Family::v4 ? "IPv4" : "IPv6");
    for (std::size_t column = 0; column < kColumns; ++column) {
      const double base = first.kind == Kind::new_flow ? empty_once : empty;
      fmt::print("{:>15.0f}", bench::median(rows[i + column].samples_ns) - base);
    }
    fmt::print("\n");
  }
  const double over = bench::median(rows[2].samples_ns) - empty;
  fmt::print("\naim: established IPv4 at most {:.0f} ns over the empty program: {} ({:.0f} ns at {} rules)\n", kAimNs,
             over <= kAimNs ? "met" : "missed", over, kSizes[0]);
}

int fail(const common::Error& error) {
  fmt::print(stderr, "bench_program: {}\n", error.text());
  return 2;
}

}  // namespace

int main() {
  std::vector<PacketRunner> runners;
  for (const std::uint32_t rules : kSizes) {
    auto runner = runner_at(rules);
    if (!runner) {
      return fail(runner.error());
    }
    runners.push_back(std::move(*runner));
  }
  std::vector<Row> rows = all_rows();
  std::uint32_t serial = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (Row& row : rows) {
      std::size_t at = 0;
      while (row.rules != 0 && kSizes[at] != row.rules) {
        ++at;
      }
      const auto ns = time_row(runners[at], row, serial);
      if (!ns) {
        return fail(ns.error());
      }
      row.samples_ns.push_back(*ns);
    }
  }
  print_table(rows);
  return 0;
}

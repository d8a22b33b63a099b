// What the program costs per packet that this host passes on between its peers and a network behind it, where the
// kernel's routes are asked, beside packets between hosts, where they are not: by BPF_PROG_TEST_RUN on this kernel, in
// a network namespace of its own, all in one run. Needs root. Writes its table to the folder that its argument names.
#include <fmt/format.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/scale.h"
#include "bench/table.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"
#include "tests/differential/random_routing.h"
#include "tests/differential/sandbox.h"
#include "tests/packets/packet.h"

namespace {

using namespace krait;
using common::Family;
using common::Ip;
using common::Result;
using datapath::PacketRunner;

constexpr std::uint32_t kRules = 1000;
constexpr int kRounds = 31;  // the median of so many is printed
constexpr std::uint32_t kRepeat = 50000;
constexpr std::uint16_t kClientPort = 1000;

enum class Kind { to_host, to_network, from_network, elsewhere };

constexpr std::pair<Kind, const char*> kKinds[] = {{Kind::to_host, "between hosts"},
                                                   {Kind::to_network, "from a peer to a network behind this host"},
                                                   {Kind::from_network, "back from that network"},
                                                   {Kind::elsewhere, "a stranger's, on another interface: the fence"}};

struct Row {
  Kind kind = Kind::to_host;
  Family family = Family::v4;
  std::vector<double> samples_ns{};
};

common::Prefix network_behind(Family family) {
  Ip ip = bench::host(0, family);
  ip.bytes[1] = 44;
  return {ip, static_cast<std::uint8_t>(family == Family::v4 ? 24 : 64)};
}

Ip host_behind(Family family) {
  Ip ip = network_behind(family).ip;
  ip.bytes[family == Family::v4 ? 3 : 15] = 7;
  return ip;
}

Ip stranger(Family family) { return *Ip::parse(family == Family::v4 ? "198.51.100.9" : "2001:db8::9"); }

packets::Bytes frame_of(const Row& row) {
  if (row.kind == Kind::elsewhere) {
    return packets::Packet(stranger(row.family), bench::host(1, row.family)).udp(51820, 51820).payload(64).frame();
  }
  const Ip client = bench::host(0, row.family);
  const Ip server = row.kind == Kind::to_host ? bench::host(1, row.family) : host_behind(row.family);
  if (row.kind == Kind::from_network) {
    return packets::Packet(server, client).tcp(bench::kServicePort, kClientPort, packets::kAck).payload(64).frame();
  }
  return packets::Packet(client, server).tcp(kClientPort, bench::kServicePort, packets::kAck).payload(64).frame();
}

datapath::RunOptions options_of(const Row& row) {
  const bool leaves = row.kind == Kind::from_network;
  return {.direction = leaves ? KRAIT_EGRESS : KRAIT_INGRESS,
          .interface = differential::kGuarded,
          .came_in = leaves ? differential::kLan : 0};
}

common::Result<PacketRunner> make_runner() {
  bench::Scale scale = bench::make_scale(kRules);
  std::vector<datapath::WayBehind> ways;
  for (const Family family : {Family::v4, Family::v6}) {
    scale.bindings.push_back({.prefix = network_behind(family), .identity = 1, .host = 0, .routed = true});
    const common::Prefix network = network_behind(family);
    ways.push_back({.prefix = network, .network_length = network.length, .interfaces = {differential::kLan}});
  }
  KRAIT_TRY(const auto snapshot, compile::compile_snapshot(scale.bindings, scale.policy, 1));
  KRAIT_TRY(auto runner, PacketRunner::load(static_cast<std::uint32_t>(snapshot.image.size() / KRAIT_PAGE_BYTES),
                                            datapath::RunMode::production, datapath::Routes::asked));
  auto done = runner.set_ways_behind(ways);
  done = done ? runner.publish(snapshot.image) : std::move(done);
  if (!done) {
    return std::move(done.error());
  }
  return runner;
}

common::Result<void> set_routes(differential::Sandbox& sandbox) {
  naive::Routing routing;
  for (const Family family : {Family::v4, Family::v6}) {
    routing.routes.push_back({.to = network_behind(family), .interface = differential::kLan});
    routing.routes.push_back({.to = common::Prefix::host(bench::host(0, family)), .interface = differential::kGuarded});
  }
  return sandbox.set(routing);
}

// A stranger's is the fence's, which says nothing of what it lets pass: the kernel counts no drop.
common::Result<void> check_passes(PacketRunner& runner, const Row& row) {
  if (row.kind == Kind::elsewhere) {
    const auto counters = runner.counters();
    const bool dropped =
        counters && counters->drops[KRAIT_REASON_OUTSIDE_TUNNEL].by_direction[KRAIT_INGRESS].packets != 0;
    return !counters ? Result<void>(counters.error())
           : dropped ? common::Error(common::ErrorCode::system, "the fence dropped the packet to be measured")
                     : Result<void>();
  }
  KRAIT_TRY(const auto run, runner.run(frame_of(row), options_of(row)));
  return run.allowed ? Result<void>()
                     : common::Error(common::ErrorCode::system, "the packet to be measured was not allowed");
}

common::Result<double> time_row(PacketRunner& runner, const Row& row, bool empty_program) {
  const datapath::Timed program = empty_program                 ? datapath::Timed::empty
                                  : row.kind == Kind::elsewhere ? datapath::Timed::fence
                                                                : datapath::Timed::verdict;
  const auto ns = runner.time_ns(frame_of(row), {.run = options_of(row), .repeat = kRepeat, .program = program});
  KRAIT_CHECK(check_passes(runner, row));
  if (!ns) {
    return ns.error();
  }
  return static_cast<double>(*ns);
}

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const Family family : {Family::v4, Family::v6}) {
    for (const auto& [kind, name] : kKinds) {
      rows.push_back({.kind = kind, .family = family});
    }
  }
  return rows;
}

bench::Table table_of(const std::vector<Row>& rows) {
  bench::Table table{.header = {"established TCP", "IPv4", "of one between hosts", "IPv6", "of one between hosts"}};
  constexpr std::size_t kEach = std::size(kKinds);
  for (std::size_t i = 0; i < kEach; ++i) {
    const auto ns = [&](std::size_t at) { return bench::median(rows[at].samples_ns); };
    table.rows.push_back({kKinds[i].second, fmt::format("{:.0f}", ns(i)), fmt::format("{:.2f}", ns(i) / ns(0)),
                          fmt::format("{:.0f}", ns(kEach + i)), fmt::format("{:.2f}", ns(kEach + i) / ns(kEach))});
  }
  return table;
}

common::Result<void> measure(std::vector<Row>& rows, int rounds) {
  KRAIT_TRY(auto sandbox, differential::Sandbox::make());
  KRAIT_CHECK(set_routes(sandbox));
  KRAIT_TRY(auto runner, make_runner());
  for (int round = 0; round < rounds; ++round) {
    for (Row& row : rows) {
      const auto empty_ns = time_row(runner, row, true);
      const auto ns = time_row(runner, row, false);
      if (!ns || !empty_ns) {
        return ns ? empty_ns.error() : ns.error();
      }
      row.samples_ns.push_back(*ns - *empty_ns);
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Extent extent = bench::extent_of(argc, argv);
  std::vector<Row> rows = all_rows();
  auto done = measure(rows, extent.rounds(kRounds));
  const bench::Table table = done ? table_of(rows) : bench::Table();
  if (done) {
    fmt::print("## Networks behind this host: nanoseconds a packet\n\n");
    fmt::print("By BPF_PROG_TEST_RUN, over an empty program, {} rules, medians of {} rounds.\n\n{}\n", kRules,
               extent.rounds(kRounds), bench::markdown(table));
    done = bench::write_csv(table, extent.folder, "forwarding");
  }
  if (!done) {
    fmt::print(stderr, "bench_forwarding: {}\n", done.error().text());
    return 2;
  }
  return 0;
}

// Packets and bytes per second through a veth: krait, nft, iptables and ipset on the receiving side, at several numbers
// of rules, interleaved in one run. Needs root; works in namespaces of its own. Writes tables to the folder that its
// argument names.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/net/filtered_arena.h"
#include "bench/net/load.h"
#include "bench/table.h"

namespace {

using namespace krait::bench;

constexpr std::uint32_t kSizes[] = {10, 100, 1000, 10000, 100000};
constexpr int kRounds = 5;  // the median of so many is printed
constexpr int kPairs = 3;   // of krait and no filter with TCP, in a round
constexpr double kRoundS = 0.3;
constexpr double kLoadTimeoutS = 60;  // for a tool to take its rules
constexpr double kAimTcp = 0.95;      // of no filter
constexpr double kAimGrowth = 1.1;    // of the CPU time a packet, at 100,000 rules over that at 10

// No filter first, then krait.
constexpr Tool kTools[] = {Tool::none,     Tool::krait, Tool::nft_list,        Tool::nft_map,
                           Tool::iptables, Tool::ipset, Tool::nft_established, Tool::iptables_established};

struct Cell {
  Tool tool = Tool::none;
  std::uint32_t rules = 0;
  FilteredArena filtered;
  std::vector<double> udp_packets_per_s{};
  std::vector<double> udp_cpu_ns{};
  std::vector<double> tcp_bytes_per_s{};
};

// "Established first" says something about connections only.
bool is_tcp_only(Tool tool) { return tool == Tool::nft_established || tool == Tool::iptables_established; }

common::Result<std::vector<Cell>> make_cells(std::span<const std::uint32_t> sizes, const std::string& bpffs) {
  std::vector<Cell> cells;
  for (const std::uint32_t rules : sizes) {
    const auto list = make_rules(rules);
    for (const Tool tool : kTools) {
      KRAIT_TRY(auto filtered, make_filtered_arena(tool, list, bpffs, kLoadTimeoutS));
      cells.push_back({.tool = tool, .rules = rules, .filtered = std::move(filtered)});
    }
  }
  return cells;
}

common::Result<void> measure_udp(Cell& cell) {
  KRAIT_TRY(const auto rate, measure(cell.filtered.arena, Protocol::udp, kRoundS));
  cell.udp_packets_per_s.push_back(rate.per_s);
  cell.udp_cpu_ns.push_back(rate.sender_cpu_ns);
  return {};
}

common::Result<void> measure_tcp(Cell& cell) {
  KRAIT_TRY(const auto rate, measure(cell.filtered.arena, Protocol::tcp, kRoundS));
  cell.tcp_bytes_per_s.push_back(rate.per_s);
  return {};
}

common::Result<void> measure_cell(Cell& cell) {
  if (cell.filtered.timed_out) {
    return {};
  }
  auto done = is_tcp_only(cell.tool) ? common::Result<void>() : measure_udp(cell);
  return done ? measure_tcp(cell) : std::move(done);
}

// The cells of one size. TCP's figures scatter more than UDP's, and krait has an aim there.
common::Result<void> measure_size(std::span<Cell> cells) {
  for (int pair = 1; pair < kPairs; ++pair) {
    for (Cell& cell : cells.first(2)) {
      KRAIT_CHECK(measure_tcp(cell), fmt::format("{} at {} rules", name_of(cell.tool), cell.rules));
    }
  }
  for (Cell& cell : cells) {
    KRAIT_CHECK(measure_cell(cell), fmt::format("{} at {} rules", name_of(cell.tool), cell.rules));
  }
  return {};
}

using Samples = std::vector<double> Cell::*;

std::string median_text(const Cell& cell, Samples samples, double unit, int digits) {
  if (cell.filtered.timed_out) {
    return "not loaded";
  }
  return (cell.*samples).empty() ? "" : fmt::format("{:.{}f}", median(cell.*samples) / unit, digits);
}

// A line for each size, a column for each tool.
template <typename Text>
Table table_of(const std::vector<Cell>& cells, bool with_tcp_only, const Text& text) {
  Table table{.header = {"rules"}};
  for (const Tool tool : kTools) {
    if (with_tcp_only || !is_tcp_only(tool)) {
      table.header.emplace_back(name_of(tool));
    }
  }
  for (const Cell& cell : cells) {
    if (cell.tool == kTools[0]) {
      table.rows.push_back({fmt::format("{}", cell.rules)});
    }
    if (with_tcp_only || !is_tcp_only(cell.tool)) {
      table.rows.back().push_back(text(cell));
    }
  }
  return table;
}

const Cell& find(const std::vector<Cell>& cells, Tool tool, std::uint32_t rules) {
  return *std::ranges::find_if(cells, [&](const Cell& cell) { return cell.tool == tool && cell.rules == rules; });
}

std::string aims(const std::vector<Cell>& cells, std::span<const std::uint32_t> sizes) {
  std::vector<double> ratios;
  for (const std::uint32_t rules : sizes) {
    ratios.push_back(median(find(cells, Tool::krait, rules).tcp_bytes_per_s) /
                     median(find(cells, Tool::none, rules).tcp_bytes_per_s));
  }
  const double worst = *std::ranges::min_element(ratios);
  const Cell& most = find(cells, Tool::krait, sizes.back());
  const Cell& least = find(cells, Tool::krait, sizes.front());
  const double growth = median(most.udp_cpu_ns) / median(least.udp_cpu_ns);
  return aim_line(
             "TCP with krait within 5% of no filter, at every size", worst >= kAimTcp,
             fmt::format("{:.3f} of no filter at the worst size, {:.3f} at the middle one", worst, median(ratios))) +
         aim_line("krait's CPU time a UDP packet at 100000 rules at most 1.1 times that at 10", growth <= kAimGrowth,
                  fmt::format("{:.3f} times", growth));
}

struct Part {
  const char* file;
  const char* title;
  Table table;
};

std::vector<Part> parts_of(const std::vector<Cell>& cells) {
  const auto medians = [&](Samples samples, bool with_tcp_only, double unit, int digits) {
    return table_of(cells, with_tcp_only, [&](const Cell& cell) { return median_text(cell, samples, unit, digits); });
  };
  return {{"udp", "UDP: thousands of 64-byte packets a second that reach the receiver",
           medians(&Cell::udp_packets_per_s, false, 1000, 1)},
          {"udp_cpu", "UDP: nanoseconds of CPU a packet, from the sender's system call to the receiver's socket",
           medians(&Cell::udp_cpu_ns, false, 1, 0)},
          {"tcp", "TCP: Gbit/s of one connection", medians(&Cell::tcp_bytes_per_s, true, 1e9 / 8, 2)},
          {"load", "Seconds until the rules were loaded", table_of(cells, true, [](const Cell& cell) {
             return cell.filtered.timed_out ? fmt::format("> {:.0f}", kLoadTimeoutS)
                                            : fmt::format("{:.3f}", cell.filtered.load_s);
           })}};
}

common::Result<void> run(const Extent& extent) {
  const auto sizes = extent.sizes(kSizes);
  KRAIT_TRY(auto sandbox, Sandbox::enter());
  KRAIT_TRY(auto cells, make_cells(sizes, sandbox.folder()));
  for (int round = 0; round < extent.rounds(kRounds); ++round) {
    for (std::size_t size = 0; size < sizes.size(); ++size) {
      KRAIT_CHECK(measure_size(std::span(cells).subspan(size * std::size(kTools), std::size(kTools))));
    }
  }
  fmt::print("## Through a veth: packets and bytes a second\n\nMedians of {} rounds; the matching rule is the last.\n",
             extent.rounds(kRounds));
  for (const Part& part : parts_of(cells)) {
    fmt::print("\n{}\n\n{}", part.title, markdown(part.table));
    KRAIT_CHECK(write_csv(part.table, extent.folder, part.file));
  }
  fmt::print("\n{}\n", aims(cells, sizes));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_throughput: {}\n", done.error().text());
    return 2;
  }
  return 0;
}

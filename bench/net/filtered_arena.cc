#include "bench/net/filtered_arena.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "bench/measure.h"
#include "bench/net/command.h"
#include "bench/net/sockets.h"

namespace krait::bench {
namespace {

common::Result<Outcome> load_krait(FilteredArena& made, const std::vector<HostRule>& rules, const std::string& bpffs) {
  const Scale scale = krait_scale(rules);
  common::Result<void> done;
  const double us = microseconds([&] {
    auto filter = KraitFilter::attach(made.arena, scale, bpffs);
    if (!filter) {
      done = std::move(filter.error());
      return;
    }
    made.krait = std::move(*filter);
  });
  if (!done) {
    return std::move(done.error());
  }
  return Outcome{.seconds = us / 1e6};
}

common::Result<Outcome> load_ipset(const std::vector<HostRule>& rules, double timeout_s) {
  auto set = run({"ipset", "restore"}, ipset_text(rules), timeout_s);
  if (!set || set->timed_out) {
    return set;
  }
  auto rule = run({"iptables-restore"}, iptables_set_text(), timeout_s);
  if (rule) {
    rule->seconds += set->seconds;
  }
  return rule;
}

// In the guarded host's namespace.
common::Result<Outcome> load_tool(Tool tool, const std::vector<HostRule>& rules, double timeout_s) {
  const auto nft = [&](const NftOptions& options) {
    return run({"nft", "-f", "-"}, nft_text(rules, options), timeout_s);
  };
  const auto iptables = [&](bool established) {
    return run({"iptables-restore"}, iptables_text(rules, established), timeout_s);
  };
  switch (tool) {
    case Tool::none:
    case Tool::krait:
      break;
    case Tool::nft_list:
      return nft({});
    case Tool::nft_map:
      return nft({.map = true});
    case Tool::nft_established:
      return nft({.established_first = true});
    case Tool::iptables:
      return iptables(false);
    case Tool::iptables_established:
      return iptables(true);
    case Tool::ipset:
      return load_ipset(rules, timeout_s);
  }
  return Outcome{};
}

// Sees that the filter is at work: a datagram that no rule allows does not arrive, a later one that the last rule
// allows does.
common::Result<void> check(const FilteredArena& made) {
  const std::array<char, 8> sent{};
  std::array<char, 8> got{};
  auto denied = udp_ends(made.arena, Way::to_guarded, kServicePort + 1);
  auto allowed = udp_ends(made.arena, Way::to_guarded);
  if (!denied || !allowed) {
    return denied ? std::move(allowed.error()) : std::move(denied.error());
  }
  if (::send(denied->sender.get(), sent.data(), sent.size(), 0) < 0 ||
      ::send(allowed->sender.get(), sent.data(), sent.size(), 0) < 0 ||
      ::recv(allowed->receiver.get(), got.data(), got.size(), 0) < 0) {
    return common::Error::from_errno(errno, "send a datagram that the rules allow");
  }
  const bool arrived = ::recv(denied->receiver.get(), got.data(), got.size(), MSG_DONTWAIT) >= 0;
  if (arrived != (made.tool == Tool::none)) {
    return common::Error(common::ErrorCode::system, "the filter does not drop what no rule allows");
  }
  return {};
}

}  // namespace

const char* name_of(Tool tool) {
  switch (tool) {
    case Tool::none:
      return "no filter";
    case Tool::krait:
      return "krait";
    case Tool::nft_list:
      return "nft rules";
    case Tool::nft_map:
      return "nft verdict map";
    case Tool::iptables:
      return "iptables";
    case Tool::ipset:
      return "iptables with ipset";
    case Tool::nft_established:
      return "nft established first";
    case Tool::iptables_established:
      return "iptables established first";
  }
  return "";
}

common::Result<FilteredArena> make_filtered_arena(Tool tool, const std::vector<HostRule>& rules,
                                                  const std::string& bpffs, double timeout_s) {
  KRAIT_TRY(auto arena, make_arena());
  FilteredArena made{.tool = tool, .arena = std::move(arena)};
  KRAIT_TRY(auto outcome,
            tool == Tool::krait ? load_krait(made, rules, bpffs)
                                : inside(made.arena.guarded, [&] { return load_tool(tool, rules, timeout_s); }),
            std::string("load ") + name_of(tool));
  made.load_s = outcome.seconds;
  made.timed_out = outcome.timed_out;
  KRAIT_CHECK(made.timed_out ? common::Result<void>() : check(made), name_of(tool));
  return made;
}

}  // namespace krait::bench

// Where a host's routes lead into the networks behind it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/ip.h"
#include "common/netlink/network.h"
#include "krait/datapath/ways.h"

namespace krait::enforce {

// Of the configuration. No prefix twice.
struct Networks {
  std::span<const common::Prefix> behind;  // this host
  std::span<const common::Prefix> beyond;  // behind its peers
};

struct WaysBehind {
  std::vector<datapath::WayBehind> ways;    // ascending, each once, at most KRAIT_WAYS unless more are behind this host
  std::vector<common::Prefix> without_way;  // networks behind this host, as they were given
  std::size_t left_out = 0;                 // ways beyond, for which there was no room
};

// A network's ways are its own routes: those to it or to parts of it that are no parts of another of the networks, and
// of connected networks that it is a part of, unless another of the networks lies between. No wider route is, which
// leads to whoever is there when the network's own is gone. None leads through the guarded interface. Addresses of the
// host's own in one of the networks behind it are ways too. Of networks behind peers only routes to parts of them
// count, or a second route to all of one: those parts are not behind the peer. What a router advertised counts nowhere.
WaysBehind ways_behind(const Networks& networks, std::span<const netlink::Route> routes, std::uint32_t guarded_index);

}  // namespace krait::enforce

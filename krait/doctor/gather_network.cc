#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "common/file.h"
#include "krait/doctor/gather.h"
#include "krait/doctor/nftables.h"
#include "krait/enforce/datapath_options.h"
#include "krait/enforce/own_link.h"
#include "krait/wireguard/wireguard.h"

namespace krait::doctor {

using common::Result;

namespace {

constexpr std::size_t kMaxProcBytes = std::size_t{16} << 20U;
constexpr std::uint32_t kLoopback = 1;  // LOOPBACK_IFINDEX, include/net/flow.h

std::optional<int> read_number(const std::string& path) {
  const auto text = common::read_file(path, 4096);
  int value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) {
    return std::nullopt;
  }
  return value;
}

std::optional<int> read_sysctl(const std::string& path) { return read_number("/proc/sys/net/" + path); }

void gather_sysctls(Facts& facts) {
  facts.sysctls.rp_filter_all = read_sysctl("ipv4/conf/all/rp_filter");
  if (facts.link.link) {
    facts.sysctls.rp_filter_interface = read_sysctl(fmt::format("ipv4/conf/{}/rp_filter", facts.interface));
  }
  facts.sysctls.forward_v4 = read_sysctl("ipv4/ip_forward");
  facts.sysctls.forward_v6 = read_sysctl("ipv6/conf/all/forwarding");
}

// The name of the process that has the socket of this inode; empty when it is not to be seen.
std::string process_with_socket(const std::string& inode) {
  const std::string wanted = fmt::format("socket:[{}]", inode);
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::error_code closed;
    for (const auto& fd : std::filesystem::directory_iterator(process.path() / "fd", closed)) {
      if (std::filesystem::read_symlink(fd.path(), closed).string() == wanted) {
        const auto command = common::read_file(process.path() / "comm", 64);
        return command ? command->substr(0, command->find('\n')) : std::string();
      }
    }
  }
  return {};
}

// Columns of /proc/net/udp: sl, local_address as ADDRESS:PORT in hexadecimal, ..., inode as the tenth.
void gather_port(std::uint16_t port, PortFacts& found) {
  const std::string wanted = fmt::format(":{:04X}", port);
  for (const char* file : {"/proc/net/udp", "/proc/net/udp6"}) {
    const auto text = common::read_file(file, kMaxProcBytes);
    std::istringstream lines(text.value_or(""));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::vector<std::string> column;
      for (std::string word; words >> word;) {
        column.push_back(word);
      }
      if (column.size() < 10 || !column[1].ends_with(wanted)) {
        continue;
      }
      found.used = true;
      found.process = process_with_socket(column[9]);
      found.by_kernel = found.process.empty() && ::geteuid() == 0;
      if (!found.by_kernel) {
        return;
      }
    }
  }
}

// systemd-networkd and NetworkManager each keep a file a link.
std::string manager_of(std::uint32_t index) {
  const auto networkd = common::read_file(fmt::format("/run/systemd/netif/links/{}", index), 1U << 16U);
  if (networkd && networkd->find("ADMIN_STATE=unmanaged") == std::string::npos &&
      networkd->find("ADMIN_STATE=") != std::string::npos) {
    return "systemd-networkd";
  }
  const auto manager = common::read_file(fmt::format("/run/NetworkManager/devices/{}", index), 1U << 16U);
  if (manager && manager->find("managed=true") != std::string::npos &&
      manager->find("nm-owned=true") != std::string::npos) {
    return "NetworkManager";
  }
  return {};
}

void gather_tcx(Facts& facts) {
  InterfaceFacts& link = facts.link;
  for (const bool ingress : {true, false}) {
    auto programs = datapath::tcx_programs(link.link->index, ingress);
    if (!programs) {
      facts.kernel.has_bpf = programs.error().sys_errno() != ENOSYS;
      link.tcx_error = programs.error().text();
      return;
    }
    facts.kernel.has_tcx = programs->has_value();
    if (*programs) {
      (ingress ? link.tcx_ingress : link.tcx_egress) = std::move(**programs);
    }
  }
}

Result<void> gather_interface(netlink::Network& network, Facts& facts) {
  const auto found = std::ranges::find(facts.network.links, facts.interface, &netlink::Link::name);
  if (found == facts.network.links.end()) {
    if (const auto any = datapath::tcx_programs(kLoopback, true)) {
      facts.kernel.has_tcx = any->has_value();
    } else {
      facts.kernel.has_bpf = any.error().sys_errno() != ENOSYS;
    }
    return {};
  }
  facts.link.link = *found;
  KRAIT_TRY(auto filters, network.filters(found->index));
  facts.link.filters = std::move(filters);
  facts.link.manager = manager_of(found->index);
  facts.link.threaded = read_number(fmt::format("/sys/class/net/{}/threaded", facts.interface)).value_or(0) == 1;
  gather_tcx(facts);
  if (found->kind == "wireguard") {
    const auto where = wireguard::find_link(facts.interface, found->index);
    facts.link.foreign = ::geteuid() == 0 && where && !where->is_marked &&
                         !datapath::only_guards(enforce::datapath_options(facts.interface)) &&
                         enforce::unmarked_own_link(facts.interface) == 0;
    if (const auto status = wireguard::status(facts.interface)) {
      facts.link.listen_port = status->listen_port;
    }
  }
  return {};
}

Result<void> gather_endpoints(netlink::Network& network, Facts& facts) {
  if (!facts.config.mesh) {
    return {};
  }
  std::vector<common::Ip> destinations;
  for (const model::Peer& peer : facts.config.mesh->peers) {
    if (peer.endpoint) {
      destinations.push_back(peer.endpoint->ip);
      facts.network.endpoints.push_back({peer.name, *peer.endpoint, {}});
    }
  }
  KRAIT_TRY(const auto ways, network.ways_to(destinations));
  for (std::size_t i = 0; i < ways.size(); ++i) {
    facts.network.endpoints[i].way = ways[i];
  }
  return {};
}

}  // namespace

Result<void> gather_network(Facts& facts) {
  KRAIT_TRY(auto network, netlink::Network::open());
  const auto take = [](auto result, auto& into) -> Result<void> {
    if (!result) {
      return result.error();
    }
    into = std::move(*result);
    return {};
  };
  for (auto done : {take(network.links(), facts.network.links), take(network.addresses(), facts.network.addresses),
                    take(network.routes(), facts.network.routes), take(network.rules(), facts.network.rules),
                    take(network.qdiscs(), facts.network.qdiscs), gather_interface(network, facts),
                    gather_endpoints(network, facts)}) {
    if (!done) {
      return done;
    }
  }
  gather_sysctls(facts);
  if (facts.config.mesh) {
    gather_port(facts.config.mesh->host.listen_port, facts.port);
  }
  return {};
}

void gather_firewall(Facts& facts) {
  auto listed = list_ruleset();
  auto ruleset = listed ? parse_ruleset(*listed) : Result<Ruleset>(listed.error());
  if (ruleset) {
    facts.firewall.ruleset = std::move(*ruleset);
  } else {
    facts.firewall.error = ruleset.error().text();
  }
  // There where iptables-legacy has made a table once; only root may read it.
  const auto legacy = common::read_file("/proc/net/ip_tables_names", 4096);
  if (legacy) {
    facts.firewall.legacy_tables = !legacy->empty();
  } else if (legacy.error().code() == common::ErrorCode::not_found) {
    facts.firewall.legacy_tables = false;
  }
}

}  // namespace krait::doctor

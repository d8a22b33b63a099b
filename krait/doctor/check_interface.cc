#include <fmt/format.h>

#include <algorithm>

#include "krait/doctor/checks.h"

namespace krait::doctor {

namespace {

// Where krait puts its clsact filters (krait/datapath/attachment.cc).
constexpr std::uint32_t kGuardPriority = 0xffff;

// What WireGuard adds to a packet: the outer header, UDP (8), its own header and tag (32).
constexpr std::uint32_t kOverheadV4Bytes = 60;
constexpr std::uint32_t kOverheadV6Bytes = 80;

// From this version on the kernel's WireGuard sets it by itself (drivers/net/wireguard/device.c); the stable series
// before took that back.
constexpr std::pair<unsigned, unsigned> kThreadedByDefault{6, 16};

bool is_ours(std::string_view program) { return program.starts_with("krait_"); }

const char* side(bool ingress) { return ingress ? "ingress" : "egress"; }

std::string name_of(const datapath::AttachedProgram& program) {
  return program.name.empty() ? fmt::format("id {}", program.id) : program.name;
}

std::string name_of(const netlink::Filter& filter) {
  return filter.program.empty() ? fmt::format("{} filter of priority {}", filter.kind, filter.priority)
                                : filter.program;
}

Finding ahead(const Facts& facts, const std::string& program, bool ingress, std::string hint) {
  return {"programs", Grade::problem,
          fmt::format("{} runs ahead of krait on {}'s {}: it may change packets, or let them in unjudged", program,
                      facts.interface, side(ingress)),
          std::move(hint)};
}

Finding behind(const Facts& facts, const std::string& program, bool ingress) {
  return {"programs", Grade::warning,
          fmt::format("{} stands behind krait on {}'s {}, where no packet comes: krait's verdict is the last", program,
                      facts.interface, side(ingress)),
          "attach it elsewhere, or remove it"};
}

// How krait is attached: by the agent's word, and without one by what is there.
std::string attachment_of(const Facts& facts) {
  if (facts.agent.answers) {
    return facts.agent.attachment;
  }
  const auto has_tcx = [](const auto& programs) {
    return std::ranges::any_of(programs, [](const auto& program) { return is_ours(program.name); });
  };
  if (has_tcx(facts.link.tcx_ingress) || has_tcx(facts.link.tcx_egress)) {
    return "tcx";
  }
  const bool has_filter = std::ranges::any_of(facts.link.filters, [](const auto& filter) {
    return is_ours(filter.program) && filter.priority != kGuardPriority;
  });
  return has_filter ? "clsact" : "none";
}

// Foreign TCX programs of one direction, and whether ours is there.
void check_tcx(const Facts& facts, bool tcx, bool ingress, Findings& findings) {
  const auto& programs = ingress ? facts.link.tcx_ingress : facts.link.tcx_egress;
  bool seen_ours = false;
  bool all_seen = facts.link.tcx_error.empty();
  for (const datapath::AttachedProgram& program : programs) {
    if (is_ours(program.name)) {
      seen_ours = true;
    } else if (program.name.empty()) {
      all_seen = false;
      findings.push_back({"programs", Grade::skipped,
                          fmt::format("only root may see whose TCX program {} is", program.id),
                          "run krait doctor as root"});
    } else if (!tcx) {
      findings.push_back(ahead(facts, name_of(program), ingress, "detach it"));
    } else if (seen_ours) {
      findings.push_back(behind(facts, name_of(program), ingress));
    } else {
      findings.push_back(ahead(facts, name_of(program), ingress, "detach it, or attach it behind: BPF_F_AFTER"));
    }
  }
  if (tcx && all_seen && !seen_ours) {
    findings.push_back({"programs", Grade::problem,
                        fmt::format("krait's TCX program is gone from {}'s {}", facts.interface, side(ingress)),
                        "krait reload, or restart the agent"});
  }
}

// The clsact filters of one direction: ours first (where there is no TCX), the guard last.
void check_filters(const Facts& facts, bool tcx, bool ingress, Findings& findings) {
  bool seen_ours = tcx;
  bool seen_guard = false;
  for (const netlink::Filter& filter : facts.link.filters) {
    if (filter.ingress != ingress) {
      continue;
    }
    if (is_ours(filter.program)) {
      (filter.priority == kGuardPriority ? seen_guard : seen_ours) = true;
    } else if (!seen_ours) {
      findings.push_back(ahead(facts, name_of(filter), ingress,
                               fmt::format("tc filter del dev {} {} pref {}, then krait reload", facts.interface,
                                           side(ingress), filter.priority)));
    } else {
      findings.push_back(behind(facts, name_of(filter), ingress));
    }
  }
  const char* hint = "restart the agent";
  if (!seen_ours) {
    findings.push_back({"programs", Grade::problem,
                        fmt::format("krait's filter is gone from {}'s {}", facts.interface, side(ingress)), hint});
  }
  if (!seen_guard) {
    findings.push_back({"programs", Grade::problem,
                        fmt::format("the guard is missing behind {}'s {}: without krait's program it would stand open",
                                    facts.interface, side(ingress)),
                        hint});
  }
}

std::optional<std::uint32_t> link_mtu(const NetworkFacts& network, std::uint32_t index) {
  const auto found = std::ranges::find(network.links, index, &netlink::Link::index);
  return found == network.links.end() ? std::nullopt : std::optional(found->mtu_bytes);
}

}  // namespace

Findings check_interface(const Facts& facts) {
  if (facts.interface.empty()) {
    return {{"interface", Grade::skipped, "the configuration does not say which one it is", ""}};
  }
  const auto& link = facts.link.link;
  Findings findings;
  if (!link) {
    const bool guards = facts.agent.answers && facts.agent.mode == "guard";
    return {{"interface", Grade::problem, fmt::format("there is no interface {}", facts.interface),
             guards ? "whoever manages it has to make it; the agent guards it as soon as it is there"
                    : "systemctl start krait-agent, or krait up"}};
  }
  if (facts.agent.mode != "guard" && link->kind != "wireguard") {
    return {{"interface", Grade::problem,
             fmt::format("{} is a {} interface, and krait needs the name for WireGuard", facts.interface,
                         link->kind.empty() ? "physical" : link->kind),
             "rename it, or set another `interface` in krait.toml"}};
  }
  if (!facts.agent.answers && facts.link.foreign) {
    return {{"interface", Grade::problem,
             fmt::format("{} is an interface that krait did not make, and so leaves as it is", facts.interface),
             fmt::format("to have it guarded: krait-agent --iface {}; to have one of krait's own: set another "
                         "`interface` in krait.toml",
                         facts.interface)}};
  }
  if (!link->up) {
    return {{"interface", Grade::problem, fmt::format("{} is down", facts.interface),
             fmt::format("ip link set {} up", facts.interface)}};
  }
  if (!facts.link.manager.empty() && facts.agent.mode != "guard") {
    return {{"interface", Grade::warning,
             fmt::format("{} manages {} too, and may remove the addresses and routes that krait gives it",
                         facts.link.manager, facts.interface),
             facts.link.manager == "NetworkManager"
                 ? fmt::format("nmcli device set {0} managed no; for good: unmanaged-devices=interface-name:{0} under "
                               "[keyfile] in /etc/NetworkManager/conf.d/krait.conf",
                               facts.interface)
                 : fmt::format("in /etc/systemd/network/10-krait.network: [Match] Name={}, [Link] Unmanaged=yes; then "
                               "networkctl reload",
                               facts.interface)}};
  }
  if (facts.link.threaded && version_of(facts.kernel.release) < kThreadedByDefault) {
    return {
        {"interface", Grade::warning,
         fmt::format("{} has threaded NAPI, with which kernels before {}.{} stop receiving from a peer now and then "
                     "(CVE-2026-52945)",
                     facts.interface, kThreadedByDefault.first, kThreadedByDefault.second),
         fmt::format("echo 0 >/sys/class/net/{}/threaded", facts.interface)}};
  }
  return {{"interface", Grade::ok, fmt::format("{} is up, MTU {}", facts.interface, link->mtu_bytes), ""}};
}

Findings check_port(const Facts& facts) {
  if (!facts.config.mesh || facts.agent.mode == "guard") {
    return {{"port", Grade::skipped, "krait does not set it", ""}};
  }
  const std::uint16_t port = facts.config.mesh->host.listen_port;
  const bool ours = facts.link.listen_port && facts.link.link && facts.link.link->up;
  if (ours && *facts.link.listen_port == port) {
    return {{"port", Grade::ok, fmt::format("{} listens on UDP port {}", facts.interface, port), ""}};
  }
  const bool up = facts.link.link && facts.link.link->up;
  if (up && !facts.link.listen_port && facts.port.used && facts.port.process.empty() && !facts.root) {
    return {{"port", Grade::skipped, fmt::format("somebody listens on UDP port {}, only root may see who", port),
             "run krait doctor as root"}};
  }
  if (facts.port.used) {
    const std::string who = facts.port.by_kernel         ? "another interface of the kernel's"
                            : facts.port.process.empty() ? "another program"
                                                         : facts.port.process;
    return {{"port", Grade::problem, fmt::format("UDP port {} is taken by {}", port, who),
             fmt::format("end it, or set another listen_port in {} and in the peers' endpoints", facts.config.file)}};
  }
  if (ours) {
    return {{"port", Grade::problem,
             fmt::format("{} listens on UDP port {}, but the configuration says {}", facts.interface,
                         *facts.link.listen_port, port),
             "krait reload"}};
  }
  return {{"port", Grade::ok, fmt::format("UDP port {} is free", port), ""}};
}

Findings check_programs(const Facts& facts) {
  if (!facts.link.link) {
    return {{"programs", Grade::skipped, "there is no interface", ""}};
  }
  const std::string attachment = attachment_of(facts);
  if (!facts.agent.answers && attachment == "none") {
    return {{"programs", Grade::skipped, "no agent runs, and nothing of krait's is to be seen", ""}};
  }
  Findings findings;
  if (!facts.link.tcx_error.empty()) {
    findings.push_back({"programs", Grade::skipped,
                        fmt::format("TCX programs are not to be seen: {}", facts.link.tcx_error),
                        "run krait doctor as root"});
  }
  for (const bool ingress : {true, false}) {
    check_tcx(facts, attachment == "tcx", ingress, findings);
    check_filters(facts, attachment == "tcx", ingress, findings);
  }
  if (findings.empty()) {
    findings.push_back(
        {"programs", Grade::ok,
         fmt::format("krait's stand first on {} ({}), the guard behind them", facts.interface, attachment), ""});
  }
  return findings;
}

Findings check_mtu(const Facts& facts) {
  if (!facts.link.link) {
    return {{"mtu", Grade::skipped, "there is no interface", ""}};
  }
  const std::uint32_t own = facts.link.link->mtu_bytes;
  for (const EndpointFacts& endpoint : facts.network.endpoints) {
    const std::uint32_t overhead =
        endpoint.endpoint.ip.family == common::Family::v4 ? kOverheadV4Bytes : kOverheadV6Bytes;
    const std::uint32_t path =
        endpoint.way.mtu_bytes != 0 ? endpoint.way.mtu_bytes : link_mtu(facts.network, endpoint.way.index).value_or(0);
    if (!endpoint.way.reachable || path == 0 || own + overhead <= path) {
      continue;
    }
    return {
        {"mtu", Grade::warning,
         fmt::format("{} has MTU {}, but the way to {} ({}) carries {} bytes, {} of them WireGuard's: large packets "
                     "are fragmented or lost",
                     facts.interface, own, endpoint.peer, endpoint.endpoint.ip.text(), path, overhead),
         fmt::format("ip link set {} mtu {}", facts.interface, path > overhead ? path - overhead : path)}};
  }
  return {{"mtu", Grade::ok, fmt::format("{} bytes fit the way to every endpoint", own), ""}};
}

Findings check_reverse_path(const Facts& facts) {
  const SysctlFacts& sysctls = facts.sysctls;
  if (!sysctls.rp_filter_all || !sysctls.rp_filter_interface) {
    return {{"rp_filter", Grade::skipped, "there is no interface", ""}};
  }
  // The kernel takes the greater of the two; 1 is strict (Documentation/networking/ip-sysctl.rst).
  const int value = std::max(*sysctls.rp_filter_all, *sysctls.rp_filter_interface);
  if (value == 1) {
    const bool by_all = *sysctls.rp_filter_all == 1;
    return {
        {"rp_filter", Grade::warning,
         fmt::format("net.ipv4.conf.{}.rp_filter is 1 (strict): what comes from an address that the main route does "
                     "not lead back through {} is dropped without a trace",
                     by_all ? "all" : facts.interface, facts.interface),
         fmt::format("sysctl -w net.ipv4.conf.{}.rp_filter=2", facts.interface)}};
  }
  return {{"rp_filter", Grade::ok, value == 0 ? "off" : "loose", ""}};
}

Findings check_forwarding(const Facts& facts) {
  if (!facts.config.mesh) {
    return {{"forwarding", Grade::skipped, "the configuration does not say what is behind this host", ""}};
  }
  if (facts.config.mesh->host.routes.empty()) {
    return {{"forwarding", Grade::ok, "not needed: no network is routed behind this host", ""}};
  }
  Findings findings;
  const auto need = [&](common::Family family, std::optional<int> value, const char* name) {
    const auto& routes = facts.config.mesh->host.routes;
    const auto route = std::ranges::find(routes, family, [](const model::Route& r) { return r.prefix.ip.family; });
    if (route != routes.end() && value && *value == 0) {
      findings.push_back(
          {"forwarding", Grade::problem,
           fmt::format("{} is behind this host, but {} is 0: nothing gets there", route->prefix.text(), name),
           fmt::format("sysctl -w {}=1, and for good in /etc/sysctl.d/krait.conf", name)});
    }
  };
  need(common::Family::v4, facts.sysctls.forward_v4, "net.ipv4.ip_forward");
  need(common::Family::v6, facts.sysctls.forward_v6, "net.ipv6.conf.all.forwarding");
  if (findings.empty()) {
    findings.push_back({"forwarding", Grade::ok, "on, for the networks behind this host", ""});
  }
  return findings;
}

}  // namespace krait::doctor

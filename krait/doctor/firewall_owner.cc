#include "krait/doctor/firewall_owner.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace krait::doctor {

namespace {

struct Commands {
  Owner owner;
  std::string_view name;
  std::string_view port;
  std::string_view input;
  std::string_view forward;
};

constexpr std::array<Commands, 5> kCommands{{
    {.owner = Owner::nft,
     .name = "nftables",
     .port = "nft insert rule {family} {table} {chain} udp dport {port} accept",
     .input = "nft insert rule {family} {table} {chain} iifname {interface} accept",
     .forward = "nft insert rule {family} {table} {chain} iifname {interface} accept && "
                "nft insert rule {family} {table} {chain} oifname {interface} accept"},
    {.owner = Owner::iptables,
     .name = "iptables",
     .port = "{iptables} -I {chain} -p udp --dport {port} -j ACCEPT",
     .input = "{iptables} -I {chain} -i {interface} -j ACCEPT",
     .forward = "{iptables} -I {chain} -i {interface} -j ACCEPT && {iptables} -I {chain} -o {interface} -j ACCEPT"},
    {.owner = Owner::firewalld,
     .name = "firewalld",
     .port = "firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload",
     .input = "firewall-cmd --permanent --zone=trusted --add-interface={interface} && firewall-cmd --reload",
     .forward = "let a policy of firewalld's accept what comes from and goes to the zone of the interface; "
                "see docs/coexistence.md"},
    {.owner = Owner::ufw,
     .name = "ufw",
     .port = "ufw allow {port}/udp",
     .input = "ufw allow in on {interface}",
     .forward = "ufw route allow in on {interface} && ufw route allow out on {interface}"},
    {.owner = Owner::docker,
     .name = "Docker",
     .port = "{iptables} -I {chain} -p udp --dport {port} -j ACCEPT",
     .input = "{iptables} -I {chain} -i {interface} -j ACCEPT",
     .forward = "{iptables} -I DOCKER-USER -i {interface} -j ACCEPT && "
                "{iptables} -I DOCKER-USER -o {interface} -j ACCEPT"},
}};

const Commands& commands_of(Owner owner) { return *std::ranges::find(kCommands, owner, &Commands::owner); }

}  // namespace

Owner owner_of(const Ruleset& ruleset, const Chain& chain) {
  if (chain.table == "firewalld") {
    return Owner::firewalld;
  }
  const auto has = [&](std::string_view start) {
    return std::ranges::any_of(ruleset.chains, [&](const auto& entry) {
      return entry.second.family == chain.family && entry.second.table == chain.table &&
             entry.second.name.starts_with(start);
    });
  };
  if (has("ufw-") || has("ufw6-")) {
    return Owner::ufw;
  }
  if (has("DOCKER-USER") && chain.hook == "forward") {
    return Owner::docker;
  }
  return chain.name == "INPUT" || chain.name == "FORWARD" ? Owner::iptables : Owner::nft;
}

std::string chain_text(Owner owner, const Chain& chain) {
  return fmt::format("{} (chain {} of table {} {})", commands_of(owner).name, chain.name, chain.family, chain.table);
}

std::string firewall_hint(Owner owner, const Chain& chain, Purpose purpose, const Wanted& wanted) {
  const Commands& commands = commands_of(owner);
  const std::string_view command = purpose == Purpose::port    ? commands.port
                                   : purpose == Purpose::input ? commands.input
                                                               : commands.forward;
  return fmt::format(fmt::runtime(command), fmt::arg("family", chain.family), fmt::arg("table", chain.table),
                     fmt::arg("chain", chain.name), fmt::arg("port", wanted.port),
                     fmt::arg("interface", wanted.interface),
                     fmt::arg("iptables", chain.family == "ip6" ? "ip6tables" : "iptables"));
}

}  // namespace krait::doctor

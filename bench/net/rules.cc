#include "bench/net/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>

#include "bench/net/arena.h"
#include "krait/abi/selector.h"

namespace krait::bench {
namespace {

constexpr std::uint32_t kMaxHosts = 1000;

std::string address(std::uint32_t number) { return host(number, common::Family::v4).text(); }
const char* protocol(const HostRule& rule) { return rule.tcp ? "tcp" : "udp"; }

}  // namespace

std::vector<HostRule> make_rules(std::uint32_t count) {
  std::vector<HostRule> rules;
  std::mt19937 random(1);
  const std::uint32_t hosts = std::clamp(count, kGuarded, kMaxHosts);
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
  while (rules.size() + kMinRules < count) {
    rules.push_back({.from = 1 + below(hosts),
                     .to = 1 + below(hosts),
                     .tcp = below(2) == 0,
                     .port = static_cast<std::uint16_t>(kFirstRulePort + below(kRulePorts))});
  }
  rules.push_back({.from = kPeer, .to = kGuarded, .tcp = true, .port = kServicePort});
  rules.push_back({.from = kPeer, .to = kGuarded, .tcp = false, .port = kServicePort});
  return rules;
}

std::string nft_rule(const HostRule& rule) {
  return fmt::format("ip saddr {} ip daddr {} {} dport {} accept", address(rule.from), address(rule.to), protocol(rule),
                     rule.port);
}

std::string nft_element(const HostRule& rule) {
  return fmt::format("{} . {} . {} . {}", address(rule.from), address(rule.to), protocol(rule), rule.port);
}

namespace {

std::string nft_chain(const char* name, const char* hook, const std::vector<HostRule>& rules,
                      const NftOptions& options) {
  std::string text = fmt::format("chain {} {{\ntype filter hook {} priority 0; policy drop;\n", name, hook);
  if (options.established_first) {
    text += "ct state established,related accept\n";
  }
  if (options.map) {
    return text + "ip saddr . ip daddr . meta l4proto . th dport vmap @allowed\n}\n";
  }
  for (const HostRule& rule : rules) {
    fmt::format_to(std::back_inserter(text), "{}\n", nft_rule(rule));
  }
  return text + "}\n";
}

}  // namespace

std::string nft_text(const std::vector<HostRule>& rules, const NftOptions& options) {
  // Deleting needs a table to delete.
  std::string text = "table ip bench\ndelete table ip bench\ntable ip bench {\n";
  auto out = std::back_inserter(text);
  if (options.map) {
    text += "map allowed {\ntype ipv4_addr . ipv4_addr . inet_proto . inet_service : verdict\nelements = {\n";
    for (const HostRule& rule : rules) {
      fmt::format_to(out, "{} : accept,\n", nft_element(rule));
    }
    text += "}\n}\n";
  }
  text += nft_chain("guard", "input", rules, options);
  if (options.output_too) {
    text += nft_chain("leave", "output", rules, options);
  }
  return text + "}\n";
}

std::string iptables_rule(const HostRule& rule) {
  return fmt::format("INPUT -s {}/32 -d {}/32 -p {} -m {} --dport {} -j ACCEPT", address(rule.from), address(rule.to),
                     protocol(rule), protocol(rule), rule.port);
}

std::string iptables_text(const std::vector<HostRule>& rules, bool established_first) {
  std::string text = "*filter\n:INPUT DROP [0:0]\n";
  if (established_first) {
    text += "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
  }
  for (const HostRule& rule : rules) {
    fmt::format_to(std::back_inserter(text), "-A {}\n", iptables_rule(rule));
  }
  return text + "COMMIT\n";
}

std::string ipset_element(const HostRule& rule) {
  return fmt::format("{},{}:{},{}", address(rule.from), protocol(rule), rule.port, address(rule.to));
}

std::string ipset_text(const std::vector<HostRule>& rules) {
  std::string text = "create allowed hash:ip,port,ip maxelem 200000\n";
  for (const HostRule& rule : rules) {
    fmt::format_to(std::back_inserter(text), "add allowed {} -exist\n", ipset_element(rule));
  }
  return text;
}

std::string iptables_set_text() {
  return "*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set allowed src,dst,dst -j ACCEPT\nCOMMIT\n";
}

std::uint32_t hosts_of(const std::vector<HostRule>& rules) {
  std::uint32_t hosts = kGuarded;
  for (const HostRule& rule : rules) {
    hosts = std::max({hosts, rule.from, rule.to});
  }
  return hosts;
}

std::string krait_host_text(std::uint32_t hosts, const std::string& policy_file) {
  std::string text = fmt::format(
      "[host]\nname = \"host{0}\"\nidentity = \"host{0}\"\naddresses = [\"{1}\"]\nprivate_key_file = \"/nowhere\"\n"
      "policy = \"{2}\"\n",
      kGuarded, address(kGuarded), policy_file);
  auto out = std::back_inserter(text);
  for (std::uint32_t i = 1; i <= hosts; ++i) {
    if (i != kGuarded) {
      // A key that nobody has: 32 bytes in base64, of which the number is a part.
      fmt::format_to(out,
                     "[[peer]]\nname = \"host{0}\"\nidentity = \"host{0}\"\naddresses = [\"{1}\"]\n"
                     "public_key = \"{0:0>8}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n",
                     i, address(i));
    }
  }
  return text;
}

std::string krait_policy_text(const std::vector<HostRule>& rules, std::uint32_t hosts) {
  std::string text;
  auto out = std::back_inserter(text);
  for (std::uint32_t i = 1; i <= hosts; ++i) {
    fmt::format_to(out, "[[identity]]\nname = \"host{}\"\n", i);
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    fmt::format_to(out,
                   "[[rule]]\nname = \"rule {}\"\naction = \"allow\"\nfrom = [\"host{}\"]\nto = [\"host{}\"]\n"
                   "ports = [\"{}/{}\"]\n",
                   i + 1, rules[i].from, rules[i].to, protocol(rules[i]), rules[i].port);
  }
  return text;
}

Scale krait_scale(const std::vector<HostRule>& rules) {
  Scale scale;
  const std::uint32_t hosts = hosts_of(rules);
  for (std::uint32_t i = 0; i < hosts; ++i) {
    scale.policy.identities.push_back({fmt::format("host{}", i + 1), i + 1, {}});
    scale.bindings.push_back({common::Prefix::host(host(i + 1, common::Family::v4)), i, i + 1 == kGuarded ? 0 : i + 1});
  }
  for (const HostRule& rule : rules) {
    const std::uint32_t selector = (rule.tcp ? KRAIT_SELECTOR_TCP : KRAIT_SELECTOR_UDP) + rule.port;
    model::Rule made;
    made.name = fmt::format("rule {}", scale.policy.rules.size() + 1);
    made.action = model::Action::allow;
    made.from.identities = {rule.from - 1};
    made.to.identities = {rule.to - 1};
    made.selectors = {{selector, selector}};
    scale.policy.rules.push_back(std::move(made));
  }
  return scale;
}

}  // namespace krait::bench

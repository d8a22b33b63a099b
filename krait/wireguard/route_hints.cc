#include "krait/wireguard/route_hints.h"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/netlink/socket.h"

namespace krait::wireguard {

using common::Error;
using common::Result;
using netlink::Message;
using netlink::Network;
using netlink::Rule;
using netlink::Socket;

namespace {

// Of the kernel's rules for local, main and default (net/ipv4/fib_rules.c).
constexpr std::uint32_t kLocalPriority = 0;
constexpr std::uint32_t kMainPriority = 32766;
constexpr std::uint32_t kDefaultPriority = 32767;

Message rule_message(std::uint16_t type, std::uint16_t flags, std::uint32_t priority) {
  Message message(type, static_cast<std::uint16_t>(NLM_F_ACK | flags));
  fib_rule_hdr header{};
  header.family = AF_INET;
  header.action = FR_ACT_TO_TBL;
  header.table = RT_TABLE_MAIN;
  message.put_header(header);
  message.put_number(FRA_PRIORITY, priority);
  return message;
}

}  // namespace

std::optional<std::uint32_t> free_priority(std::span<const Rule> rules) {
  for (const Rule& rule : rules) {
    const bool is_kernels =
        rule.priority == kLocalPriority || rule.priority == kMainPriority || rule.priority == kDefaultPriority;
    if (rule.family == common::Family::v4 && !is_kernels) {
      return std::nullopt;
    }
  }
  return kMainPriority - 1;
}

Result<void> check_every_source() {
  auto network = Network::open();
  KRAIT_TRY(auto rules, network ? network->rules() : network.error(), "look for routing rules");
  const bool has_rules = std::ranges::any_of(rules, [](const Rule& rule) { return rule.family == common::Family::v4; });
  if (!has_rules) {
    return Error(common::ErrorCode::unsupported, "this kernel has no routing rules (CONFIG_IP_MULTIPLE_TABLES)");
  }
  const auto priority = free_priority(rules);
  auto socket = Socket::open(NETLINK_ROUTE);
  if (!priority || !socket) {
    return socket ? Result<void>() : std::move(socket.error());
  }
  Message adds = rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, *priority);
  KRAIT_CHECK(socket->request(adds), "add a routing rule");
  Message removes = rule_message(RTM_DELRULE, 0, *priority);
  auto removed = socket->request(removes);
  return removed ? Result<void>() : common::passed_on(removed, "remove the routing rule");
}

}  // namespace krait::wireguard

#include "common/netlink/rule.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "common/netlink/attributes.h"

namespace netlink {

std::optional<Rule> parse_rule(const nlmsghdr& message) {
  const auto header = message_header<fib_rule_hdr>(message);
  const auto family = header ? family_of(header->family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWRULE || !family) {
    return std::nullopt;
  }
  const auto table = find_attributes<FRA_DPORT_RANGE + 1>(message, sizeof *header);
  Rule rule;
  rule.family = *family;
  rule.priority = attribute_value<std::uint32_t>(table[FRA_PRIORITY]).value_or(0);
  rule.table = attribute_value<std::uint32_t>(table[FRA_TABLE]).value_or(header->table);
  switch (header->action) {
    case FR_ACT_TO_TBL:
      rule.action = RuleAction::table;
      break;
    case FR_ACT_BLACKHOLE:
    case FR_ACT_UNREACHABLE:
    case FR_ACT_PROHIBIT:
      rule.action = RuleAction::refuse;
      break;
    default:
      rule.action = RuleAction::other;
  }
  rule.source = table[FRA_SRC] != nullptr ? attribute_prefix(table[FRA_SRC], *family, header->src_len) : std::nullopt;
  rule.destination =
      table[FRA_DST] != nullptr ? attribute_prefix(table[FRA_DST], *family, header->dst_len) : std::nullopt;
  for (const int type :
       {FRA_IIFNAME, FRA_OIFNAME, FRA_FWMARK, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE}) {
    rule.narrowed = rule.narrowed || table[static_cast<std::size_t>(type)] != nullptr;
  }
  rule.narrowed =
      rule.narrowed || header->tos != 0 || attribute_value<std::uint8_t>(table[FRA_L3MDEV]).value_or(0) != 0;
  rule.inverted = (header->flags & FIB_RULE_INVERT) != 0;
  const auto suppressed = attribute_value<std::uint32_t>(table[FRA_SUPPRESS_PREFIXLEN]);
  if (suppressed && *suppressed != ~0U) {
    rule.suppressed_length = suppressed;
  }
  return rule;
}

}  // namespace netlink

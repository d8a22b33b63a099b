#include "common/netlink/tc.h"

#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "common/netlink/attributes.h"

namespace netlink {

namespace {

std::string hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

}  // namespace

FirstPrograms first_programs(std::span<const Filter> filters) {
  const auto first = [&](bool ingress) {
    const auto found = std::ranges::find(filters, ingress, &Filter::ingress);
    return found == filters.end() ? 0 : found->program_id;
  };
  return {.ingress_id = first(true), .egress_id = first(false)};
}

std::optional<Qdisc> parse_qdisc(const nlmsghdr& message) {
  const auto header = message_header<tcmsg>(message);
  if (message.nlmsg_type != RTM_NEWQDISC || !header) {
    return std::nullopt;
  }
  const auto table = find_attributes<TCA_OPTIONS + 1>(message, sizeof *header);
  return Qdisc{.index = static_cast<std::uint32_t>(header->tcm_ifindex),
               .kind = attribute_text(table[TCA_KIND]),
               .handle = header->tcm_handle,
               .parent = header->tcm_parent};
}

std::optional<Filter> parse_filter(const nlmsghdr& message, bool ingress) {
  const auto header = message_header<tcmsg>(message);
  // Handle 0 is the head of the filters of one priority, not one of them.
  if (message.nlmsg_type != RTM_NEWTFILTER || !header || header->tcm_handle == 0) {
    return std::nullopt;
  }
  const auto table = find_attributes<TCA_OPTIONS + 1>(message, sizeof *header);
  Filter filter{.index = static_cast<std::uint32_t>(header->tcm_ifindex),
                .ingress = ingress,
                .priority = TC_H_MAJ(header->tcm_info) >> 16U,
                .handle = header->tcm_handle,
                .kind = attribute_text(table[TCA_KIND]),
                .program = {},
                .program_tag = {}};
  if (filter.kind == "bpf" && table[TCA_OPTIONS] != nullptr) {
    const auto options = find_attributes<TCA_BPF_ID + 1>(*table[TCA_OPTIONS]);
    filter.program = attribute_text(options[TCA_BPF_NAME]);
    filter.program_id = attribute_value<std::uint32_t>(options[TCA_BPF_ID]).value_or(0);
    if (options[TCA_BPF_TAG] != nullptr) {
      filter.program_tag = hexadecimal(attribute_payload(*options[TCA_BPF_TAG]));
    }
  }
  return filter;
}

}  // namespace netlink

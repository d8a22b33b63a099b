// Traffic control as rtnetlink describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

struct nlmsghdr;

namespace netlink {

struct Qdisc {
  std::uint32_t index = 0;
  std::string kind;
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;
};

// A filter of the clsact qdisc, in the order in which they run.
struct Filter {
  std::uint32_t index = 0;
  bool ingress = false;
  std::uint32_t priority = 0;
  std::uint32_t handle = 0;
  std::string kind;
  std::string program;           // its name; empty when it is no BPF filter
  std::uint32_t program_id = 0;  // likewise 0
  std::string program_tag;       // 16 hexadecimal digits
};

// The BPF programs of the first filters of a link's clsact qdisc, by the kernel's numbers.
struct FirstPrograms {
  std::uint32_t ingress_id = 0;  // 0: no filter, or one of another kind
  std::uint32_t egress_id = 0;
};

// Of a link's filters, as Network::filters() lists them.
FirstPrograms first_programs(std::span<const Filter> filters);

// Readers; empty when the message is of another type or malformed.
std::optional<Qdisc> parse_qdisc(const nlmsghdr& message);
std::optional<Filter> parse_filter(const nlmsghdr& message, bool ingress);

}  // namespace netlink

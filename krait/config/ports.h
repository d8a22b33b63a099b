// Selectors (krait/abi/selector.h) as text, both ways.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/config/findings.h"
#include "krait/model/policy.h"

namespace krait::config {

// What one element of `ports` (or a test's `port`) means: "any", "tcp/8000-8100", "icmp/echo-request", "proto/89" ...
std::expected<std::vector<model::SelectorRange>, Fault> read_port(std::string_view text);

// Sorted, with overlapping and adjacent ranges joined.
std::vector<model::SelectorRange> normalized(std::vector<model::SelectorRange> ranges);

// The range for people, in the words of a policy: "any", "tcp", "tcp/8000-8100", "icmp/echo-request"; where it spans
// protocols, several of these with ", " between. icmp/ stands for the IPv4 type and icmpv6/ for the IPv6 one, so that
// what read_port makes of a name of both families comes out as two.
std::string selector_text(model::SelectorRange range);

// The one selector of a packet. `protocol`: tcp, udp, sctp (these need `port`, 1..65535), icmp, icmpv6 (these need
// `type`: a name, or a number 0..255; icmp is IPv4's), gre, esp, proto/N or N (these take neither). Fails with
// invalid_input; the message names the options --port and --type.
common::Result<std::uint32_t> selector_of(std::string_view protocol, std::optional<std::uint32_t> port,
                                          std::optional<std::string_view> type);

}  // namespace krait::config

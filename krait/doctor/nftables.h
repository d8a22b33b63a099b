// The rules of nftables as they are, by libnftables. Changes nothing.
#pragma once

#include <string>

#include "common/result.h"

namespace krait::doctor {

// The JSON of `nft -j list ruleset`, of the caller's network namespace; without a table where the kernel has no
// nftables loaded (asking would load it). Needs CAP_NET_ADMIN (permission). Blocks for the kernel's answer only.
common::Result<std::string> list_ruleset();

}  // namespace krait::doctor

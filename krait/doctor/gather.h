// Gathers the facts that the checks look at: netlink, /proc, /sys, the agent. Changes nothing; what the caller may not
// see is left empty. Blocks on the kernel, on files and on the agent's answer.
#pragma once

#include <string>

#include "common/result.h"
#include "krait/doctor/facts.h"

namespace krait::doctor {

struct Where {
  std::string config;
  std::string socket;
  std::string joined{};  // the file of a host that has joined a network, in place of `config` where it is there
};

// Fails only where nothing at all could be learnt: the kernel does not answer netlink.
common::Result<Facts> gather(const Where& where);

// Each fills in its part; gather() calls them in this order.
void gather_config(const Where& where, Facts& facts);
void gather_host(const Where& where, Facts& facts);
common::Result<void> gather_network(Facts& facts);
void gather_firewall(Facts& facts);

}  // namespace krait::doctor

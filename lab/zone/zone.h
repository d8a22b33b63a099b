// One zone, from its kernel's file to its end: what the tests of krata's lowest parts need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/xen/types.h"

namespace lab {

struct ZoneOptions {
  std::string kernel;
  std::string initramfs;  // empty: none
  std::string command_line;
  std::string name = "zone";
  std::string store;  // the socket of krata-store; empty: the zone has no store
  std::uint64_t memory_mib = 128;
  std::uint32_t vcpus = 1;
};

// Builds the zone, prints what its console says, and destroys it when it has shut down. Prints how it went, and how
// long it took. Fails where it crashed.
common::Result<void> run_zone(const ZoneOptions& options);

// Three lines: which domains there are, the hypervisor's free memory, and how many ports of domain 0 are in use.
common::Result<void> print_facts();

// Four lines: the memory that the domain has, its CPUs, and its share of them.
common::Result<void> print_limits(krata::xen::DomainId domain);

// "read PATH" or "write PATH VALUE".
common::Result<void> ask_store(const std::string& socket, const std::vector<std::string>& request);

common::Result<void> destroy_domain(krata::xen::DomainId domain);

}  // namespace lab

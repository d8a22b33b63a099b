// One zone, from its kernel's file to its end: what the tests of krata's lowest parts need.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace lab {

struct ZoneOptions {
  std::string kernel;
  std::string initramfs;
  std::string command_line;
  std::string store;  // the socket of krata-store; empty: the zone has no store
  std::uint64_t memory_mib = 80;
  std::uint32_t vcpus = 1;
};

// Builds the zone, prints what its console says, and destroys it when it has shut down. Prints how it went, and how
// long it took. Fails where it crashed.
common::Result<void> run_zone(const ZoneOptions& options);

// "NUMBER dying|shutdown|running MEMORY-KIB", a line for each domain.
common::Result<void> list_domains();

// The ELF file in a kernel image.
common::Result<void> unpack_kernel(const std::string& kernel, const std::string& to);

}  // namespace lab

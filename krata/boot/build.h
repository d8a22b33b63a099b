// Builds a paravirtualised domain around a Linux kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/xen/domain.h"
#include "krata/xen/hypervisor.h"

namespace krata::boot {

// A part of an initramfs: bytes, or all of a file that is open for reading, lent, and is never in this process's
// memory.
struct Part {
  std::string_view bytes = {};
  int file = -1;
  std::uint64_t file_bytes = 0;

  [[nodiscard]] std::uint64_t size() const { return file < 0 ? bytes.size() : file_bytes; }
};

struct BuildRequest {
  std::string_view kernel;      // an ELF file: see kernel_elf() in payload.h
  int kernel_file = -1;         // the same open for reading, lent: most of it is then never in this process's memory
  std::vector<Part> initramfs;  // one behind the other as the kernel takes it, compressed or not; may be empty
  std::string command_line;     // at most kMaxCommandLineBytes of start_info.h, no nul
  std::uint64_t memory_kib = 0;
  std::uint64_t max_memory_kib = 0;  // to which it may grow; 0: memory_kib
  std::uint32_t vcpus = 1;
  xen::DomainHandle handle{};
};

// What is left to do: write the zone's nodes into the store, introduce it there, unpause it.
struct BuiltDomain {
  xen::Domain domain;  // paused
  // Ports in the new domain, offered to domain 0: whoever serves the ring binds to them.
  xen::Port console_port = 0;
  xen::Port store_port = 0;
  // The rings' pages. Grants kConsoleGrant and kStoreGrant of xen/types.h let domain 0 map them.
  xen::Frame console_frame = 0;
  xen::Frame store_frame = 0;
};

// Blocks while memory is cleared and copied, some 100 ms. Whatever fails, no domain is left. Fails with invalid_input
// (no kernel for this), limit (too little memory for kernel and initramfs, or the hypervisor has no such amount) and as
// hypercalls do.
common::Result<BuiltDomain> build(xen::Hypervisor& hypervisor, const BuildRequest& request);

}  // namespace krata::boot

// What the hypervisor tells of the machine, and how it shares out CPUs; as a port that tests can stand in for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/xen/types.h"

namespace krata::xen {

struct HostInfo {
  std::uint32_t cpus = 0;
  std::uint32_t cpu_khz = 0;
  std::uint64_t memory_kib = 0;        // of the machine
  std::uint64_t free_memory_kib = 0;   // for domains; what is still to be cleared is not counted
  std::uint64_t dirty_memory_kib = 0;  // of domains that are gone, and not cleared yet
};

struct CpuPlace {
  std::optional<std::uint32_t> core;  // nothing: the CPU is off, or nobody knows
  std::optional<std::uint32_t> socket;
  std::optional<std::uint32_t> node;
};

// Of a domain, by the scheduler credit2 (docs/man/xl.cfg.5 of Xen: cpu_weight, cap).
struct CpuShare {
  std::uint16_t weight = 256;  // 1 to 65535, beside other domains
  std::uint16_t cap = 0;       // hundredths of a CPU; 0: none
};

// What of a PC the hypervisor plays for a domain, by its own word.
struct Emulation {
  std::uint32_t devices = 0;     // XEN_X86_EMU_* of xen/arch-x86/xen.h
  std::uint32_t clock_mode = 0;  // tsc_mode of xen/arch-x86/cpuid.h
};

class Host {
 public:
  virtual ~Host() = default;

  [[nodiscard]] virtual common::Result<HostInfo> info() const = 0;
  // In the order of the CPUs' numbers.
  [[nodiscard]] virtual common::Result<std::vector<CpuPlace>> cpu_places() const = 0;
  // What the hypervisor has logged, as far as its ring has kept it: at most 64 KiB. Zones write there too, with a
  // debugging hypervisor: not to be shown raw.
  [[nodiscard]] virtual common::Result<std::string> log() const = 0;
  // Fails with unsupported where the hypervisor runs another scheduler.
  [[nodiscard]] virtual common::Result<CpuShare> cpu_share(DomainId domain) const = 0;
  virtual common::Result<void> set_cpu_share(DomainId domain, const CpuShare& share) = 0;
  // Pauses the domain for a moment. It cannot be the one that asks.
  [[nodiscard]] virtual common::Result<Emulation> emulation(DomainId domain) const = 0;
  // How many ports of the domain are in use.
  [[nodiscard]] virtual common::Result<std::uint32_t> ports_in_use(DomainId domain) const = 0;
};

// Fails as open_hypervisor() does.
common::Result<std::unique_ptr<Host>> open_host();

}  // namespace krata::xen

// What the machine has, what the hypervisor says of itself, and how it shares CPUs out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/xen/types.h"

namespace krata::xen {

struct HostInfo {
  std::uint32_t cpus = 0;  // online
  std::uint32_t threads_per_core = 0;
  std::uint32_t cores_per_socket = 0;
  std::uint32_t nodes = 0;
  std::uint32_t cpu_khz = 0;
  std::uint64_t total_kib = 0;
  std::uint64_t free_kib = 0;  // what is being scrubbed included: it can be had
};

// Where a CPU is. kNowhere: the hypervisor does not know.
struct CpuPlace {
  std::uint32_t core = 0;
  std::uint32_t socket = 0;
  std::uint32_t node = 0;
};
inline constexpr std::uint32_t kNowhere = ~0U;

// As krata/xen/hypervisor.h: each call is one hypercall, and fails as system calls do.
class HostControl {
 public:
  virtual ~HostControl() = default;

  [[nodiscard]] virtual common::Result<HostInfo> info() const = 0;
  [[nodiscard]] virtual common::Result<std::vector<CpuPlace>> cpus() const = 0;  // by their numbers
  // The end of the hypervisor's log, at most kMaxConsoleBytes. It may hold what guests have written.
  [[nodiscard]] virtual common::Result<std::string> console_log() const = 0;
  // `weight` 1 to 65535 against other domains', which have 256; `cap` per cent of one CPU at most, 0: no limit. Fails
  // with unsupported where the scheduler is not credit2, Xen's default.
  virtual common::Result<void> share_cpus(DomainId domain, std::uint32_t weight, std::uint32_t cap) = 0;
};

inline constexpr std::size_t kMaxConsoleBytes = std::size_t{64} << 10U;

common::Result<std::unique_ptr<HostControl>> open_host_control();

}  // namespace krata::xen

// What krata asks of the hypervisor, as a port that tests can stand in for. xen.h opens the real one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/xen/mapping.h"
#include "krata/xen/types.h"

namespace krata::xen {

using DomainHandle = std::array<std::uint8_t, 16>;  // a UUID, in the order in which it is written

struct DomainSettings {
  DomainHandle handle{};
  std::uint32_t vcpus = 1;                // 1 to kMaxVcpus
  std::uint32_t max_event_ports = 1023;   // the highest port that the domain may have
  std::int32_t max_grant_frames = 64;     // of its grant table: 512 grants each
  std::int32_t max_maptrack_frames = 64;  // for what it maps of others
  std::uint64_t max_memory_kib = 0;
};

inline constexpr std::uint32_t kMaxVcpus = 32;  // what a shared_info page has room for: XEN_LEGACY_MAX_VCPUS

// Why a domain has stopped: SHUTDOWN_* of xen/sched.h. Any other number is a guest's own.
enum class ShutdownReason : std::uint8_t { poweroff = 0, reboot = 1, suspend = 2, crash = 3, watchdog = 4 };

struct DomainInfo {
  DomainId id = 0;
  DomainHandle handle{};
  bool is_dying = false;  // destroyed; memory of it is still mapped or granted somewhere
  bool is_paused = false;
  bool is_blocked = false;  // waits for an event
  bool is_running = false;  // on a CPU at this moment
  std::optional<ShutdownReason> shutdown;
  std::uint64_t memory_kib = 0;  // that it has
  std::uint64_t max_memory_kib = 0;
  std::uint64_t cpu_time_ns = 0;  // of all its CPUs since it began
  std::uint32_t online_vcpus = 0;
  Frame shared_info_frame = 0;
};

// Where the first CPU of a 64-bit paravirtualised domain begins. Addresses are the domain's own.
struct VcpuStart {
  std::uint64_t entry = 0;
  std::uint64_t stack = 0;       // its upper end
  std::uint64_t start_info = 0;  // passed in rsi
  Frame page_table = 0;          // of the highest level
};

struct Grant {
  GrantRef ref = 0;
  Frame frame = 0;
};

// Each call is one hypercall or a few, and blocks no longer than those take. They fail as system calls do; with
// permission where this domain may not ask that, not_found where there is no such domain.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // A paused domain with no memory. domain.h has its owner.
  virtual common::Result<DomainId> create_domain(const DomainSettings& settings) = 0;
  // Takes memory and everything else from it. Its number stays in use until nobody maps its pages any more.
  virtual common::Result<void> destroy_domain(DomainId domain) = 0;
  virtual common::Result<void> pause_domain(DomainId domain) = 0;
  virtual common::Result<void> unpause_domain(DomainId domain) = 0;

  // Nothing: there is no such domain.
  [[nodiscard]] virtual common::Result<std::optional<DomainInfo>> domain_info(DomainId domain) const = 0;
  // All domains, domain 0 first, in the order of their numbers.
  [[nodiscard]] virtual common::Result<std::vector<DomainInfo>> domains() const = 0;

  // How much the domain may have, whatever it is asked to give up or to take.
  virtual common::Result<void> set_max_memory(DomainId domain, std::uint64_t kib) = 0;
  // Gives the domain memory for its pages 0 to pages - 1. Returns the machine's frame of each.
  virtual common::Result<std::vector<Frame>> populate(DomainId domain, std::uint64_t pages) = 0;
  // Maps the frames behind each other, writable.
  virtual common::Result<Mapping> map(DomainId domain, std::span<const Frame> frames) = 0;

  // A port in `domain` to which `remote` may bind.
  virtual common::Result<Port> allocate_unbound_port(DomainId domain, DomainId remote) = 0;
  // Lets domain 0 map these frames of `domain` by the grants.
  virtual common::Result<void> seed_grants(DomainId domain, std::span<const Grant> grants) = 0;
  // Writes the page from which a kernel that asks for one calls the hypervisor.
  virtual common::Result<void> write_hypercall_page(DomainId domain, Frame frame) = 0;
  // Makes a page table that a domain is built with one that the hypervisor has checked. Nobody may have it mapped
  // writable.
  virtual common::Result<void> pin_page_table(DomainId domain, Frame highest_level) = 0;
  // Zeroes the page that the hypervisor shares with the domain; no CPU of it takes events yet.
  virtual common::Result<void> prepare_shared_info(DomainId domain) = 0;
  virtual common::Result<void> start_vcpu(DomainId domain, const VcpuStart& start) = 0;

  // What the hypervisor calls itself: "xen-4.17-x86_64".
  [[nodiscard]] virtual const std::string& name() const = 0;
};

}  // namespace krata::xen

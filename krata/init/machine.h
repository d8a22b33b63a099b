// What the zone's first process does to the whole machine: a port, so that all around it can run as an ordinary
// process.
#pragma once

#include <cstdint>

namespace krata::init {

class Machine {
 public:
  virtual ~Machine() = default;
  // SIGKILL to every process but this one.
  virtual void kill_everyone() = 0;
  // How many processes the kernel has killed for want of memory since it started.
  [[nodiscard]] virtual std::uint64_t out_of_memory_kills() const = 0;
  // Tells of CPUs that the host gives back, which nobody uses until use_new_cpus(). -1: nobody tells.
  [[nodiscard]] virtual int cpu_events() const = 0;
  virtual void use_new_cpus() = 0;
  // Ends the container's disks cleanly, then the machine. In the zone it does not return.
  virtual void power_off() = 0;
};

}  // namespace krata::init

// The zone's console: what its kernel says goes to a log.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "krata/console/log_file.h"
#include "krata/daemon/host.h"
#include "krata/daemon/pace.h"
#include "krata/xen/byte_ring.h"

namespace krata::daemon {

class ConsoleLink {
 public:
  static common::Result<std::unique_ptr<ConsoleLink>> open(Host& host, std::uint32_t domain, std::uint32_t port,
                                                           const std::string& log_path, std::uint32_t run);
  ConsoleLink(const ConsoleLink&) = delete;
  ConsoleLink& operator=(const ConsoleLink&) = delete;
  ~ConsoleLink();

  // All that is there, in no matter what time. Fails where it cannot be written down.
  common::Result<void> drain();

 private:
  ConsoleLink(Host& host, std::uint32_t domain, xen::GrantMapping page, console::LogFile log, std::uint32_t run);
  void take();
  struct Taken {
    std::size_t bytes = 0;
    std::size_t lines = 0;
  };
  common::Result<Taken> take_some(std::size_t max_bytes);

  Host& host_;
  std::uint32_t domain_;
  xen::GrantMapping page_;
  xen::ByteRing ring_;
  xen::EventChannel event_;
  console::LogFile log_;
  console::LineMaker lines_;
  std::vector<console::Line> waiting_;  // for room on the disk
  std::unique_ptr<Pace> pace_;
  std::uint32_t taken_;  // of the ring: the zone gets the room back when the bytes are in the log
  bool is_broken_ = false;
  bool is_waiting_ = false;  // for room on the disk, which was said
};

}  // namespace krata::daemon

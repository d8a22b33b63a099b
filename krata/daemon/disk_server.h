// A zone's disks are served by one process, krata-block, which outlives this one. A lock that it holds says that it is
// there, and whose number the file has.
#pragma once

#include <sys/types.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"
#include "krata/control/view.h"
#include "krata/daemon/devices.h"
#include "krata/daemon/paths.h"

namespace krata::daemon {

// What krata-block has counted of those that it has served, in the files by which it goes on after its death. It writes
// them without anybody's rights; what is in them is numbers, and may be any.
std::vector<control::DiskUse> disk_uses(const std::string& folder, const std::vector<Disk>& disks);

class DiskServer {
 public:
  // `ended` is called from the loop when the process is gone.
  DiskServer(common::Loop& loop, std::string folder, std::function<void()> ended)
      : loop_(loop), folder_(std::move(folder)), ended_(std::move(ended)) {}
  DiskServer(const DiskServer&) = delete;
  DiskServer& operator=(const DiskServer&) = delete;
  ~DiskServer() { forget(); }

  // Looks, and from then on waits for its end.
  [[nodiscard]] bool is_running();
  common::Result<void> start(const Paths& paths, std::uint32_t domain, const std::vector<Disk>& disks);
  // SIGKILL: what it has answered to the zone it has written. True: it is gone.
  bool stop();

 private:
  [[nodiscard]] std::string lock_path() const { return folder_ + "/block.pid"; }
  [[nodiscard]] std::optional<pid_t> holder() const;
  void await(pid_t pid);
  void forget();

  common::Loop& loop_;
  std::string folder_;
  std::function<void()> ended_;
  common::Fd process_;  // a pidfd
  common::Loop::Token token_ = 0;
};

}  // namespace krata::daemon

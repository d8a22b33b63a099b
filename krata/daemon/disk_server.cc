#include "krata/daemon/disk_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "krata/daemon/child.h"

namespace krata::daemon {

using common::Error;
using common::Fd;
using common::Result;

std::optional<pid_t> DiskServer::holder() const {
  const Fd file(::open(lock_path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid() || ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
    return std::nullopt;
  }
  std::array<char, 32> text{};
  if (::pread(file.get(), text.data(), text.size() - 1, 0) <= 0) {
    return std::nullopt;  // it has only begun
  }
  const long pid = std::strtol(text.data(), nullptr, 10);
  return pid > 1 ? std::optional(static_cast<pid_t>(pid)) : std::nullopt;
}

void DiskServer::forget() {
  if (token_ != 0) {
    loop_.remove(std::exchange(token_, 0));
  }
  process_.reset();
}

void DiskServer::await(pid_t pid) {
  if (token_ != 0) {
    return;
  }
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process_.valid()) {
    return;
  }
  if (auto token = loop_.add(process_.get(), EPOLLIN, [this](std::uint32_t) {
        forget();
        ended_();
      })) {
    token_ = *token;
  }
}

bool DiskServer::is_running() {
  const auto pid = holder();
  if (!pid) {
    forget();
    return false;
  }
  await(*pid);
  return true;
}

Result<void> DiskServer::start(const Paths& paths, std::uint32_t domain, const std::vector<Disk>& disks) {
  std::vector<std::string> words{paths.program("krata-block"), "--domain", std::to_string(domain), "--state", folder_};
  for (const Disk& disk : disks) {
    words.insert(words.end(),
                 {"--disk", fmt::format("{}={}{}", disk.number, disk.file, disk.is_read_only ? ":ro" : "")});
  }
  KRAIT_CHECK(start_detached(words, folder_ + "/block.log", lock_path()));
  if (const auto pid = holder()) {
    await(*pid);
  }
  return {};
}

bool DiskServer::stop() {
  const auto pid = holder();
  if (!pid) {
    forget();
    return true;
  }
  await(*pid);
  if (token_ != 0) {
    std::ignore = ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
  }
  return false;
}

}  // namespace krata::daemon

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
#include <cstring>
#include <tuple>
#include <utility>

#include "common/file.h"
#include "krata/block/counters.h"
#include "krata/daemon/child.h"

namespace krata::daemon {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMaxMemoryBytes = 4096;

}  // namespace

std::vector<control::DiskUse> disk_uses(const std::string& folder, const std::vector<Disk>& disks) {
  std::vector<control::DiskUse> uses;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const auto bytes = common::read_file(fmt::format("{}/block-{}", folder, disks[i].number), kMaxMemoryBytes);
    block::Counters counters;
    if (!bytes || bytes->size() < block::kCountersAt + sizeof(counters)) {
      continue;  // not served yet
    }
    std::memcpy(&counters, bytes->data() + block::kCountersAt, sizeof(counters));
    uses.push_back({.disk = fmt::format("xvd{}", static_cast<char>('a' + i)),
                    .reads = counters.reads,
                    .writes = counters.writes,
                    .flushes = counters.flushes,
                    .read_bytes = counters.read_bytes,
                    .written_bytes = counters.written_bytes,
                    .errors = counters.errors});
  }
  return uses;
}

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
  std::vector<std::string> words{
      paths.program("krata-block"), "--domain", std::to_string(domain), "--state", folder_, "--user", paths.disk_user};
  for (const Disk& disk : disks) {
    words.insert(words.end(),
                 {"--disk", fmt::format("{}={}:{}", disk.number, disk.is_read_only ? "ro" : "rw", disk.file)});
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

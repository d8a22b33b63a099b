#include "bench/net/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

namespace krait::bench {
namespace {

// Where the kernel groups processes by session, a process's own priority counts within the session only (sched(7)).
constexpr const char* kAutogroup = "/proc/self/autogroup";

}  // namespace

common::Result<common::Fd> current_namespace() {
  common::Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return common::Error::from_errno(errno, "open this thread's network namespace");
  }
  return fd;
}

common::Result<void> enter_namespace(int fd) {
  if (::setns(fd, CLONE_NEWNET) != 0) {
    return common::Error::from_errno(errno, "enter a network namespace");
  }
  return {};
}

common::Result<Namespace> Namespace::create() {
  KRAIT_TRY(auto outside, current_namespace());
  if (::unshare(CLONE_NEWNET) != 0) {
    return common::Error::from_errno(errno, "make a network namespace");
  }
  auto made = current_namespace();
  KRAIT_CHECK(enter_namespace(outside.get()));
  if (!made) {
    return std::move(made.error());
  }
  Namespace space;
  space.fd_ = std::move(*made);
  return space;
}

common::Result<Sandbox> Sandbox::enter() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return common::Error::from_errno(errno, "make namespaces");
  }
  std::string folder = "/tmp/krait-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return common::Error::from_errno(errno, "make " + folder);
  }
  Sandbox sandbox(std::move(folder));
  sandbox.go_ahead();
  if (::mount("bpf", sandbox.folder_.c_str(), "bpf", 0, nullptr) != 0) {
    return common::Error::from_errno(errno, "mount a BPF file system");
  }
  return sandbox;
}

void Sandbox::go_ahead() {
  constexpr int kHighest = -20;
  ::setpriority(PRIO_PROCESS, 0, kHighest);
  std::ifstream group(kAutogroup);
  std::string name;
  std::string word;
  if (group >> name >> word >> group_nice_) {
    std::ofstream(kAutogroup) << kHighest;
  }
}

Sandbox::~Sandbox() {
  if (!folder_.empty()) {
    std::ofstream(kAutogroup) << group_nice_;
    ::umount2(folder_.c_str(), MNT_DETACH);
    ::rmdir(folder_.c_str());
  }
}

}  // namespace krait::bench

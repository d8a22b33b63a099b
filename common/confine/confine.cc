#include "common/confine/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/mount.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <vector>

#include "common/fd.h"

namespace common {

namespace {

constexpr std::size_t kMaxEntryBytes = 16384;  // of the list of users
constexpr int kMaxCapability = 63;

// What a server on descriptors calls, and the C library for it.
constexpr std::array kCalls{
    SCMP_SYS(accept4),
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fallocate),
    SCMP_SYS(fcntl),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(unlink),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

struct Account {
  uid_t user = 0;
  gid_t group = 0;
};

Result<Account> find_account(const std::string& name) {
  std::vector<char> text(kMaxEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (const int failed = ::getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found); failed != 0) {
    return Error::from_errno(failed, "look for the user " + name);
  }
  if (found == nullptr) {
    return Error(
        ErrorCode::not_found,
        fmt::format("there is no user {}, whose this process should become; make it: useradd --system {}", name, name));
  }
  if (entry.pw_uid == 0 || entry.pw_gid == 0) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is root: name a user without rights", name));
  }
  return Account{.user = entry.pw_uid, .group = entry.pw_gid};
}

// A mount that has no place in any tree: who has it as its root sees nothing else.
Result<void> enter_nothing() {
  const Fd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context.valid() || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return Error::from_errno(errno, "make an empty file system");
  }
  constexpr unsigned kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, kAttributes)));
  if (!mount.valid() || ::fchdir(mount.get()) != 0 || ::chroot(".") != 0) {
    return Error::from_errno(errno, "enter an empty file system");
  }
  return {};
}

Result<void> become(const Account& account) {
  for (int capability = 0; capability <= kMaxCapability; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
      return Error::from_errno(errno, "give up capabilities");
    }
  }
  // A change from root to somebody else empties the other sets (capabilities(7)).
  if (::setgroups(0, nullptr) != 0 || ::setresgid(account.group, account.group, account.group) != 0 ||
      ::setresuid(account.user, account.user, account.user) != 0) {
    return Error::from_errno(errno, fmt::format("become user {}", account.user));
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error::from_errno(errno, "give up to get rights");
  }
  return {};
}

using Filter = std::unique_ptr<void, decltype(&::seccomp_release)>;

int allow(scmp_filter_ctx filter, int call, const scmp_arg_cmp& where) {
  return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &where);
}

int add_rules(scmp_filter_ctx filter, std::span<const unsigned long> ioctls) {
  int failed = 0;
  const auto note = [&failed](int result) { failed = failed != 0 ? failed : result; };
  for (const int call : kCalls) {
    note(::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, nullptr));
  }
  const scmp_arg_cmp is_no_code{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
  note(allow(filter, SCMP_SYS(mmap), is_no_code));
  note(allow(filter, SCMP_SYS(mprotect), is_no_code));
  for (const unsigned long request : ioctls) {
    // The kernel looks at its lower half alone.
    note(allow(filter, SCMP_SYS(ioctl),
               {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffff'ffffU, .datum_b = request}));
  }
  const auto self = static_cast<scmp_datum_t>(::getpid());
  note(allow(filter, SCMP_SYS(tgkill), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = self, .datum_b = 0}));
  return failed;
}

Result<void> forbid_calls(std::span<const unsigned long> ioctls) {
  const Filter filter(::seccomp_init(SCMP_ACT_KILL_PROCESS), ::seccomp_release);
  if (filter == nullptr) {
    return Error::from_errno(ENOMEM, "make a filter of system calls");
  }
  int failed = add_rules(filter.get(), ioctls);
  failed = failed != 0 ? failed : ::seccomp_load(filter.get());
  return failed == 0 ? Result<void>() : Error::from_errno(-failed, "forbid system calls");
}

}  // namespace

Result<void> confine(const Confinement& wanted) {
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission,
                 fmt::format("only root can become {} and see nothing of the file system", wanted.user));
  }
  KRAIT_TRY(const auto account, find_account(wanted.user));
  ::tzset();  // a log's time; later there is no file to read it from
  KRAIT_CHECK(enter_nothing());
  KRAIT_CHECK(become(account));
  return forbid_calls(wanted.ioctls);
}

}  // namespace common

#include "common/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "common/file.h"
#include "common/test_folder.h"

namespace common {
namespace {

// Ends a child by SIGABRT in a folder of its own; true: the kernel says that it dumped a core.
bool dumps_core(bool forbidden) {
  const common::TestFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit whole{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (::chdir(folder.path().c_str()) != 0 || ::setrlimit(RLIMIT_CORE, &whole) != 0) {
      ::_exit(1);
    }
    if (forbidden) {
      forbid_memory_dumps();
    }
    ::signal(SIGABRT, SIG_DFL);
    ::kill(::getpid(), SIGABRT);
    ::_exit(2);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  return WCOREDUMP(status);
}

TEST(ForbidMemoryDumps, LeavesNoCore) { EXPECT_FALSE(dumps_core(true)); }

TEST(ForbidMemoryDumps, LeavesTheProcessItsOwnFiles) {
  const pid_t child = ::fork();
  if (child == 0) {
    forbid_memory_dumps();
    ::_exit(::prctl(PR_GET_DUMPABLE) == 0 && read_file("/proc/self/stat", 65536) &&
                    ::access("/proc/self/exe", X_OK) == 0 && ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) >= 0
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace common

// krait-lab-enter PID COMMAND...: becomes the command in the network and the mounts of that process. nsenter loads
// three libraries first, and busybox's runs its own ip where another is meant.
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: krait-lab-enter PID COMMAND...\n", stderr);
    return 2;
  }
  const auto process = static_cast<int>(::syscall(SYS_pidfd_open, std::atoi(argv[1]), 0));
  if (process < 0 || ::setns(process, CLONE_NEWNET | CLONE_NEWNS) != 0) {
    std::perror("krait-lab-enter: enter the namespaces");
    return 125;
  }
  ::execvp(argv[2], argv + 2);
  std::perror(argv[2]);
  return 127;
}

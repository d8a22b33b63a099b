// Each in a child, which is confined and then does something.
#include "common/confine/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <string>

#include "common/fd.h"
#include "common/file.h"

namespace common {
namespace {

constexpr std::array<unsigned long, 1> kRequests{FIONREAD};
constexpr int kNotConfined = 99;

// How a child ends that is confined and then calls `act`, whose result is its exit code. `while_it_waits`: what the
// parent sees of it meanwhile.
int confined(const std::function<int()>& act, const std::function<void(pid_t)>& while_it_waits = {}) {
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  EXPECT_EQ(::pipe(ready.data()), 0);
  EXPECT_EQ(::pipe(go.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (const auto done = confine({.user = "nobody", .ioctls = kRequests}); !done) {
      std::fprintf(stderr, "%s\n", done.error().text().c_str());
      ::_exit(kNotConfined);
    }
    char byte = 0;
    if (::write(ready[1], "r", 1) != 1 || ::read(go[0], &byte, 1) != 1) {
      ::_exit(kNotConfined);
    }
    ::_exit(act());
  }
  ::close(ready[1]);
  char byte = 0;
  if (::read(ready[0], &byte, 1) == 1 && while_it_waits) {
    while_it_waits(child);
  }
  EXPECT_EQ(::write(go[1], "g", 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  for (const int fd : {ready[0], go[0], go[1]}) {
    ::close(fd);
  }
  return status;
}

bool is_ended_by_the_filter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

class Confine : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */) != 1) {
      GTEST_SKIP() << "it needs root";
    }
  }
};

TEST_F(Confine, NothingIsLeftOfItsRights) {
  std::string status;
  std::string root;
  const int end = confined([] { return 0; },
                           [&](pid_t child) {
                             const std::string folder = "/proc/" + std::to_string(child);
                             status = read_file(folder + "/status", 65536).value_or("");
                             const Fd inside(::open((folder + "/root/etc").c_str(), O_RDONLY));
                             root = inside.valid() ? "etc" : "";
                           });
  EXPECT_EQ(end, 0);
  EXPECT_NE(status.find("\nUid:\t65534\t65534\t65534\t65534\n"), std::string::npos) << status;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_NE(status.find(std::string("\n") + set + ":\t0000000000000000\n"), std::string::npos) << set << status;
  }
  EXPECT_NE(status.find("\nGroups:\t \n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos);
  EXPECT_NE(status.find("\nSeccomp:\t2\n"), std::string::npos);
  EXPECT_EQ(root, "");
}

TEST_F(Confine, WhatItNeedsItMayGoOnDoing) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  EXPECT_EQ(confined([&] {
              const std::string text(100'000, 'x');  // of the heap
              int waiting = 0;
              return ::write(pipe[1], text.data(), 3) == 3 && ::ioctl(pipe[0], FIONREAD, &waiting) == 0 && waiting == 3
                         ? 0
                         : 1;
            }),
            0);
}

TEST_F(Confine, AnythingElseEndsIt) {
  EXPECT_TRUE(is_ended_by_the_filter(confined([] { return ::open("/", O_RDONLY); }))) << "to open a file";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }))) << "to make a socket";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] { return ::fork(); }))) << "to start a process";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] { return ::kill(::getppid(), 0); }))) << "to send a signal";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] { return ::setuid(0); }))) << "to be root again";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : 1;
  }))) << "to map memory that is executed";
  EXPECT_TRUE(is_ended_by_the_filter(confined([] {
    int flag = 1;
    return ::ioctl(0, FIONBIO, &flag);
  }))) << "another ioctl";
}

TEST_F(Confine, AUserThatIsNoneIsSaid) {
  const auto none = confine({.user = "nobody-at-all", .ioctls = {}});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code(), ErrorCode::not_found);
  EXPECT_FALSE(confine({.user = "root", .ioctls = {}}).has_value());
}

}  // namespace
}  // namespace common

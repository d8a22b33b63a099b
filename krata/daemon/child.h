// A program that is run for its answer, while the loop goes on.
#pragma once

#include <sys/types.h>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"

namespace krata::daemon {

struct ChildEnd {
  int exit_code = 0;   // 128 + signal where that ended it
  std::string output;  // at most kMaxChildOutput
  std::string errors;  // the first kMaxChildErrors bytes
};

inline constexpr std::size_t kMaxChildOutput = std::size_t{8} << 20U;  // beyond that it is ended
inline constexpr std::size_t kMaxChildErrors = 4096;

// One thread, inside a Loop that outlives it. The destructor ends the program (SIGKILL).
class Child {
 public:
  // `words`: the program's path first. Nothing else is open in it, and its input is empty. `ended` is called once, from
  // the loop, and may destroy the child.
  static common::Result<std::unique_ptr<Child>> start(common::Loop& loop, const std::vector<std::string>& words,
                                                      std::function<void(const ChildEnd&)> ended);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

 private:
  struct Pipe {
    common::Fd fd;
    common::Loop::Token token = 0;
  };

  Child(common::Loop& loop, std::function<void(const ChildEnd&)> ended) : loop_(loop), ended_(std::move(ended)) {}
  common::Result<void> watch(Pipe& pipe, std::string& into, std::size_t max_bytes, bool is_ended_beyond);
  void close(Pipe& pipe);
  void finish_if_over();

  common::Loop& loop_;
  std::function<void(const ChildEnd&)> ended_;
  pid_t pid_ = -1;
  Pipe output_;
  Pipe errors_;
  ChildEnd end_;
};

// Starts a program in a session of its own, which outlives this process; its output goes to `log_path`. Nobody waits
// for it: it is init's child. `words` as above. It holds a lock (flock(2)) on `lock_path` as long as it lives, and its
// number is in that file: there before this returns. Fails with unavailable while another one holds the lock.
common::Result<void> start_detached(const std::vector<std::string>& words, const std::string& log_path,
                                    const std::string& lock_path);

}  // namespace krata::daemon

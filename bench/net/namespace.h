// Network namespaces without names: they end with their last user. Nothing here touches the namespace that the process
// was started in.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "common/fd.h"
#include "common/result.h"

namespace krait::bench {

class Namespace {
 public:
  // A new one. The calling thread is where it was afterwards.
  static common::Result<Namespace> create();

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  common::Fd fd_;
};

// The calling thread's namespace.
common::Result<common::Fd> current_namespace();
common::Result<void> enter_namespace(int fd);

// Does `work`, which returns a Result, with the calling thread in `space`; other threads stay where they are.
template <typename Work>
std::invoke_result_t<Work> inside(const Namespace& space, const Work& work) {
  KRAIT_TRY(auto outside, current_namespace());
  KRAIT_CHECK(enter_namespace(space.fd()));
  auto result = work();
  KRAIT_CHECK(enter_namespace(outside.get()));
  return result;
}

// Takes the calling thread into a network and a mount namespace of its own, with a folder for a BPF file system.
// Threads made later follow. The folder goes with this object.
class Sandbox {
 public:
  static common::Result<Sandbox> enter();

  Sandbox(Sandbox&& other) noexcept : folder_(std::exchange(other.folder_, {})), group_nice_(other.group_nice_) {}
  Sandbox& operator=(Sandbox&& other) = delete;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox();

  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  explicit Sandbox(std::string folder) : folder_(std::move(folder)) {}
  void go_ahead();

  std::string folder_;
  int group_nice_ = 0;  // of the session, before
};

}  // namespace krait::bench

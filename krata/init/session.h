// One process of the container with its input and output: the container's own, or one of `exec`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "krata/bundle/process.h"
#include "krata/channel/zone_channel.h"
#include "krata/init/spawn.h"

namespace krata::init {

// Single-threaded, inside a loop, which outlives it as the channel does.
class Session {
 public:
  // `moved` is called when something was given to the channel.
  Session(common::Loop& loop, channel::zone::ZoneChannel& channel, channel::SessionId id, Spawned process,
          bool terminal, std::function<void()> moved);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] pid_t pid() const { return process_.pid; }

  void take_input(std::string_view bytes);
  void end_input();
  void resize(bundle::WindowSize size);
  void signal(int number);
  // The host has sent SIGKILL: that is why it ends.
  [[nodiscard]] bool was_killed() const { return was_killed_; }

  // The process has ended so. What it has written goes first; others that hold its output open are waited for so long.
  void set_exit(const channel::Exit& exit, std::chrono::milliseconds patience);
  // The channel may have room again. True: the session is over, its exit was told, and it can go.
  bool pump();

 private:
  // One of the descriptors with its place in the loop; none is watched while nothing can be done about it.
  struct Watched {
    common::Fd* fd = nullptr;
    common::Loop::Token token = 0;
  };
  struct Source {
    channel::Stream stream;
    Watched watched;
    bool ended = false;
  };

  void watch(Watched& watched, bool wanted, std::uint32_t events);
  bool read_some(Source& source);
  void end(Source& source);
  void write_input();
  void close_input();
  void update();

  common::Loop& loop_;
  channel::zone::ZoneChannel& channel_;
  channel::SessionId id_;
  Spawned process_;
  bool terminal_;
  bool was_killed_ = false;
  std::function<void()> moved_;
  std::string input_;
  bool input_ended_ = false;
  Watched input_watch_;
  Source output_;
  Source error_;
  std::optional<channel::Exit> exit_;
  common::Timer patience_;
  bool impatient_ = false;
};

}  // namespace krata::init

// One conversation with a coordinator, for programs that do nothing else meanwhile.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/event/loop.h"
#include "common/result.h"
#include "krait/wire/connection.h"
#include "krait/wire/message.h"

namespace krait::wire {

struct TalkOptions {
  KeyHash server{};     // who must answer; anybody else is told nothing
  std::string program;  // as Hello has it
  FrameLimits frames;
};

// Says hello once the other end has shown its key. Single-threaded; the loop and the TLS settings outlive it.
class Talk final : public ConnectionUser {
 public:
  using OnMessage = std::function<common::Result<void>(Message&)>;

  Talk(common::Loop& loop, Tls& tls, TalkOptions options) : loop_(loop), tls_(tls), options_(std::move(options)) {}

  // Blocks until end() or a failure: unavailable where nobody answers for `patience`, or ends the connection; what the
  // coordinator says where it refuses; what `answer` fails with.
  common::Result<void> run(const std::string& address, std::chrono::seconds patience);
  // What is done with each message but a refusal; before run().
  void set_answer(OnMessage answer) { answer_ = std::move(answer); }
  void send(const Message& message);
  void end() { loop_.stop(); }

  void on_open() override;
  void on_frame(std::string_view bytes) override;
  void on_closed(const std::string& why) override;

 private:
  void fail(common::Error error);

  common::Loop& loop_;
  Tls& tls_;
  TalkOptions options_;
  OnMessage answer_;
  std::unique_ptr<Connection> connection_;
  std::optional<common::Error> failure_;
};

}  // namespace krait::wire

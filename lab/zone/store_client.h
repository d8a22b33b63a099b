// A client of xenstore that waits for each answer: on the store's socket, or on the device by which a kernel lends its
// ring.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "krata/store/session.h"
#include "krata/store/wire.h"

namespace lab {

class StoreClient {
 public:
  static common::Result<StoreClient> connect(const std::string& path);

  static common::Result<StoreClient> open(const std::string& device);

  // Fails with the store's error; its name is the end of the text.
  common::Result<std::string> ask(krata::store::Operation operation, std::string_view payload,
                                  std::uint32_t transaction = 0);
  common::Result<void> write(const std::string& path, std::string_view value, std::uint32_t transaction = 0);

  common::Result<std::string> read(const std::string& path, std::uint32_t transaction = 0);
  common::Result<void> watch(const std::string& path);

  // Readable when an event, or the end, is there.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The path of the next event. Blocks until there is one.
  common::Result<std::string> next_event();

 private:
  explicit StoreClient(common::Fd fd) : fd_(std::move(fd)) {}
  struct Received {
    std::uint32_t operation = 0;
    std::string payload;
  };
  common::Result<Received> next();

  common::Fd fd_;
  krata::store::Inbox inbox_;
  std::deque<std::string> events_;  // that came before an answer
};

}  // namespace lab

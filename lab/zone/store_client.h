// A client of xenstore's socket that waits for each answer.
#pragma once

#include <cstdint>
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

  // Fails with the store's error. Events that come meanwhile are dropped: each of them is an occasion to look, no more.
  common::Result<std::string> ask(krata::store::Operation operation, std::string_view payload,
                                  std::uint32_t transaction = 0);
  common::Result<void> write(const std::string& path, std::string_view value);

  // Readable when an event, or the end, is there.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Blocks until a message is there.
  common::Result<void> next_event();

 private:
  explicit StoreClient(common::Fd fd) : fd_(std::move(fd)) {}
  struct Received {
    std::uint32_t operation = 0;
    std::string payload;
  };
  common::Result<Received> next();

  common::Fd fd_;
  krata::store::Inbox inbox_;
};

}  // namespace lab

// For tests: krata-store's own server, in a thread, with no rings.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>

#include "common/event/loop.h"
#include "common/event/unix_socket.h"
#include "common/test_folder.h"
#include "krata/store/client.h"
#include "krata/store/no_rings.h"
#include "krata/store/server.h"

namespace krata::store {

class ServedStore {
 public:
  ServedStore() {
    socket_.emplace(common::ControlSocket::listen(path_, "", 0600).value());
    loop_ = common::Loop::create().value();
    server_ = Server::serve(*loop_, socket_->take(), store_, nullptr).value();
    thread_ = std::thread([this] { std::ignore = loop_->run(); });
    client_ = StoreClient::connect(path_).value();
  }
  ServedStore(const ServedStore&) = delete;
  ServedStore& operator=(const ServedStore&) = delete;
  ~ServedStore() {
    loop_->stop();
    client_.reset();  // which wakes the loop
    thread_.join();
  }

  [[nodiscard]] StoreClient& client() { return *client_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  common::TestFolder folder_;
  std::string path_ = folder_.at("socket");
  NoRings rings_;
  Store store_{rings_, Quota{}, false};
  std::optional<common::ControlSocket> socket_;
  std::unique_ptr<common::Loop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::unique_ptr<StoreClient> client_;
};

}  // namespace krata::store

// Serves requests on a listening stream socket: the control socket and the metrics page. Never blocks, bounded in
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "krait/agent/loop.h"

namespace krait::agent {

// The longest request; a client that sends more without completing one is answered by the Answerer or cut off.
inline constexpr std::size_t kMostRequestBytes = 8192;

struct Client {
  bool root = false;  // SO_PEERCRED says user 0
};

struct Answer {
  std::string bytes;
  std::size_t consumed = 0;  // bytes of the input that made up the request
  bool close = false;        // after the bytes
};

// Looks at the input that has arrived and answers the first whole request in it, or nothing when more is needed.
using Answerer = std::function<std::optional<Answer>(std::string_view input, const Client& client)>;

// One thread, inside a Loop. At most `most_clients` at a time: a further one takes the place of the oldest, of a client
// of root only when it is root itself.
class StreamServer {
 public:
  // The loop must outlive the server.
  static common::Result<std::unique_ptr<StreamServer>> serve(Loop& loop, common::Fd listener, Answerer answerer,
                                                             std::size_t most_clients = 32);
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;
  ~StreamServer();

 private:
  enum class Phase : std::uint8_t {
    open,
    ending,
    draining
  };  // ending: close after output; draining: only reads to the end
  struct Connection {
    common::Fd fd;
    Client client;
    Loop::Token token = 0;
    std::string input;
    std::string output;
    std::size_t written = 0;
    std::size_t drained = 0;
    bool end_of_input = false;
    Phase phase = Phase::open;
  };
  using Id = std::uint64_t;  // ascending by age

  StreamServer(Loop& loop, common::Fd listener, Answerer answerer, std::size_t most_clients);
  void accept_all();
  void admit(common::Fd fd);
  bool make_room(const Client& client);
  void handle(Id id, std::uint32_t events);
  bool read_input(Connection& connection);
  void answer_all(Connection& connection);
  bool write_output(Connection& connection);
  bool settle(Connection& connection);
  void close(Id id);

  Loop& loop_;
  common::Fd listener_;
  Loop::Token listener_token_ = 0;
  Answerer answerer_;
  std::size_t most_clients_;
  std::map<Id, Connection> connections_;
  Id next_ = 1;
};

}  // namespace krait::agent

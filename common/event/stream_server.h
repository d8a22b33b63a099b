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

#include "common/event/loop.h"
#include "common/event/peer_credentials.h"
#include "common/event/timer.h"
#include "common/fd.h"

namespace common {

// The longest request; a client that sends more without completing one is answered by the Answerer or cut off.
inline constexpr std::size_t kMaxRequestBytes = 8192;

// What clients may take. Who may change something is held to `clients` and `idle_ms` only.
struct StreamLimits {
  std::size_t clients = 32;         // at a time; a further one takes the place of the oldest
  std::size_t clients_of_user = 8;  // of one user of a Unix socket; a further one takes the place of the user's oldest
  std::size_t waiting_bytes = std::size_t{8} << 20U;  // of answers that nobody has read yet, beside the newest
  std::uint32_t idle_ms = 60'000;                     // without a byte either way; cut off after once or twice that
  std::size_t request_bytes = kMaxRequestBytes;       // of the longest request
};

struct Answer {
  std::string bytes;
  std::size_t consumed = 0;  // bytes of the input that made up the request
  bool close = false;        // after the bytes
  // Takes the connection over once the bytes have left, with the input behind the request; the server forgets it.
  std::function<void(Fd connection, std::string input)> take_over = {};
};

// Looks at the input that has arrived and answers the first whole request in it, or nothing when more is needed.
using Answerer = std::function<std::optional<Answer>(std::string_view input, const Client& client)>;

// One thread, inside a Loop. Answers one request of a client at a time, then the others' turn comes. A client that may
// change something never has to give way to one that may not. While nobody is connected it never wakes up.
class StreamServer {
 public:
  // The loop must outlive the server.
  static Result<std::unique_ptr<StreamServer>> serve(Loop& loop, Fd listener, Answerer answerer,
                                                     const Rights& rights = {}, const StreamLimits& limits = {});
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
    Fd fd;
    Client client;
    Loop::Token token = 0;
    std::string input;
    std::string output;
    std::size_t written = 0;
    std::size_t drained = 0;
    bool end_of_input = false;
    bool more = false;   // the input may hold another whole request
    bool moved = false;  // bytes went either way since the last look at who is idle
    Phase phase = Phase::open;
    std::function<void(Fd connection, std::string input)> take_over;
  };
  using Id = std::uint64_t;  // ascending by age

  using Connections = std::map<Id, Connection>;

  StreamServer(Loop& loop, Fd listener, Answerer answerer, const Rights& rights, const StreamLimits& limits);
  Result<void> watch();
  void accept_some();
  void admit(Fd fd);
  bool make_room(const Client& client);
  void handle(Id id, std::uint32_t events);
  bool read_input(Connection& connection);
  void answer_one(Connection& connection);
  bool write_output(Connection& connection);
  bool settle(Connection& connection);
  void bound_waiting(Id newest);
  void look_for_idle();
  void close(Id id);
  void hand_over(Id id);
  // The oldest connection but `except` for which `matches` holds.
  template <typename Matches>
  std::optional<Id> oldest(Id except, const Matches& matches) const;

  Loop& loop_;
  Fd listener_;
  Timer idle_timer_;
  Loop::Token listener_token_ = 0;
  Answerer answerer_;
  Rights rights_;
  StreamLimits limits_;
  Connections connections_;
  Id next_ = 1;
};

}  // namespace common

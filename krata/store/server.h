// The store on a Unix stream socket. Never blocks; bounded in memory whatever clients do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"
#include "krata/store/session.h"
#include "krata/store/store.h"

namespace krata::store {

struct ServerLimits {
  std::size_t clients = 512;                                // at a time; further ones are turned away
  std::size_t waiting_bytes = std::size_t{256} << 10U;      // while more wait for a client, nothing is read from it
  std::size_t waiting_event_bytes = std::size_t{1} << 20U;  // of events: a client with more is let go
};

// What writes down the changes that outlive the process. Called before any message leaves that follows from them.
class ChangeKeeper {
 public:
  virtual ~ChangeKeeper() = default;
  virtual common::Result<void> keep(const Changes& changes) = 0;
};

// What carries into a domain's ring what the store has for it. Called when it is written down.
class RingCarrier {
 public:
  virtual ~RingCarrier() = default;
  virtual void carry(DomainId domain) = 0;
};

// One thread, inside a Loop. All clients are served in turn: none more than one read's worth of requests before the
// others.
class Server {
 public:
  // `listener` listens and does not block. The other things must outlive the server. `keeper` may be null. When changes
  // cannot be kept, the loop is stopped, nothing that follows from them leaves, and failure() says why.
  static common::Result<std::unique_ptr<Server>> serve(common::Loop& loop, common::Fd listener, Store& store,
                                                       ChangeKeeper* keeper, const ServerLimits& limits = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Who has the rings; null: nobody. Must outlive the server or be taken back.
  void set_carrier(RingCarrier* carrier) { carrier_ = carrier; }
  // Writes down what has changed, then hands out what follows from it; messages for rings have been queued. False: it
  // could not be written down.
  bool send(Messages& messages);

  [[nodiscard]] const common::Result<void>& failure() const { return failure_; }
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    common::Fd fd;
    common::Loop::Token token = 0;
    std::uint32_t events = 0;  // that the loop waits for
    Inbox inbox;
    Outbox outbox;
    bool is_ending = false;
    bool has_more = false;  // the inbox may hold another whole request
    bool is_dirty = false;  // listed in dirty_
  };

  Server(common::Loop& loop, common::Fd listener, Store& store, ChangeKeeper* keeper, const ServerLimits& limits);
  common::Result<void> watch();
  void accept_some();
  void admit(common::Fd fd);
  void handle(ConnectionId id, std::uint32_t events);
  bool read_some(Client& client);
  void answer_waiting(ConnectionId id, Client& client);
  bool deliver(Messages& messages);
  void flush_dirty();
  bool write_some(Client& client);
  void settle(ConnectionId id, Client& client);
  void mark_dirty(ConnectionId id, Client& client);
  void close(ConnectionId id);
  [[nodiscard]] bool is_full(const Client& client) const;

  common::Loop& loop_;
  common::Fd listener_;
  common::Loop::Token listener_token_ = 0;
  Store& store_;
  ChangeKeeper* keeper_;
  ServerLimits limits_;
  std::unordered_map<ConnectionId, Client> clients_;
  ConnectionId next_ = kFirstSocket;
  std::vector<ConnectionId> dirty_;
  RingCarrier* carrier_ = nullptr;
  std::vector<DomainId> dirty_rings_;
  Messages messages_;
  std::string chunk_;
  common::Result<void> failure_;
};

}  // namespace krata::store

// Something that answers xenstore's requests of several clients, for a test that compares two of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "krata/store/no_rings.h"
#include "krata/store/session.h"
#include "krata/store/store.h"
#include "tests/store/debian_daemon.h"
#include "tests/store/wire_client.h"

namespace krata::store {

inline constexpr std::size_t kSockets = 2;  // clients 0 and 1 are sockets of domain 0,
inline constexpr std::size_t kZones = 3;    // clients 2, 3, 4 the domains 1, 2, 3
inline constexpr std::size_t kClients = kSockets + kZones;

inline DomainId domain_of(std::size_t client) {
  return static_cast<DomainId>(client < kSockets ? 0 : client + 1 - kSockets);
}

struct Step {
  std::size_t client = 0;
  Operation operation = Operation::read;
  std::string payload;
  std::uint32_t transaction = 0;
};

// What each client was sent: of the one that asked the answer too.
using Outcome = std::vector<std::vector<Received>>;

class Subject {
 public:
  virtual ~Subject() = default;
  virtual Outcome take(const Step& step) = 0;
  // The domain's ring is new: to be called after a RELEASE, before its next INTRODUCE.
  virtual void renew(std::size_t client) = 0;
};

// A domain that was released is one that the hypervisor has no more.
class FakeRings : public NoRings {
 public:
  Answer<RingPlace> connect(DomainId domain, std::uint64_t, std::uint32_t) override {
    gone_.erase(domain);
    return {};
  }
  void disconnect(DomainId domain) override { gone_.insert(domain); }
  [[nodiscard]] bool exists(DomainId domain) const override { return !gone_.contains(domain); }

 private:
  std::set<DomainId> gone_;
};

// The store itself, without sockets.
class OurStore : public Subject {
 public:
  explicit OurStore(const Quota& quota);
  Outcome take(const Step& step) override;
  void renew(std::size_t) override {}

  [[nodiscard]] const Store& store() const { return store_; }

 private:
  FakeRings rings_;
  Store store_;
};

// A daemon of Debian's. When it has died, outcomes are empty.
class TheirStore : public Subject {
 public:
  explicit TheirStore(std::unique_ptr<DebianDaemon> daemon);
  Outcome take(const Step& step) override;
  void renew(std::size_t client) override;

 private:
  std::unique_ptr<DebianDaemon> daemon_;
  std::vector<std::unique_ptr<WireClient>> clients_;
  std::map<DomainId, bool> has_ring_;
};

inline ConnectionId connection_of(std::size_t client) {
  return client < kSockets ? kFirstSocket + client : domain_of(client);
}

}  // namespace krata::store

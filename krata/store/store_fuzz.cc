// Fuzz target: any bytes as requests of four clients, two of them domains, to a store with small quotas. After each,
// the store must be in order, and another one that is told the changes only must be the same.
//
// A request is five bytes: client, operation, transaction, and how many of the following bytes make up the payload
// (two). Bytes below 32 stand for a piece of a path or another string that leads somewhere.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "krata/store/no_rings.h"
#include "krata/store/record.h"
#include "krata/store/session.h"
#include "krata/store/store.h"
#include "tests/require.h"

namespace krata::store {

namespace {

using krait::require;

constexpr Quota kQuota{.nodes = 8,
                       .watches = 3,
                       .transactions = 2,
                       .transaction_nodes = 12,
                       .node_size = 200,
                       .path_max = 100,
                       .permissions = 3,
                       .transaction_bytes = 2000};
constexpr std::array<ConnectionId, 4> kClients{kFirstSocket, kFirstSocket + 1, 1, 2};
constexpr std::array<std::string_view, 32> kPieces{std::string_view("\0", 1),
                                                   "/",
                                                   "/a",
                                                   "/b",
                                                   "/c",
                                                   "/d",
                                                   "/local/domain/1",
                                                   "/local/domain/2",
                                                   "@releaseDomain",
                                                   "@introduceDomain",
                                                   "n0",
                                                   "n1",
                                                   "n2",
                                                   "r0",
                                                   "r1",
                                                   "r2",
                                                   "w1",
                                                   "b1",
                                                   "b2",
                                                   "T",
                                                   "F",
                                                   "1",
                                                   "2",
                                                   "3",
                                                   "quota",
                                                   "set",
                                                   "nodes",
                                                   "a",
                                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                                   "0",
                                                   "-1"};

std::string picture(const Store& store) {
  std::string bytes;
  for (const Change& change : store.saved()) {
    append_change(bytes, change);
  }
  return bytes;
}

void count_nodes(const Node& node, std::map<DomainId, std::uint32_t>& counts) {
  std::uint32_t listing_bytes = 0;
  require(node.permissions != nullptr && !node.permissions->empty(), "a node has an owner");
  ++counts[node.permissions->front().domain];
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    require(i == 0 || node.children[i - 1]->name < node.children[i]->name, "children are in order");
    listing_bytes += static_cast<std::uint32_t>(node.children[i]->name.size() + 1);
    count_nodes(*node.children[i], counts);
  }
  require(node.listing_bytes == listing_bytes, "a node knows how long the list of its children is");
}

class Run {
 public:
  Run() : store_(rings_, kQuota, true), mirror_(rings_, kQuota, true) {
    store_.connect(kClients[0]);
    store_.connect(kClients[1]);
  }

  void request(ConnectionId from, std::uint32_t operation, std::uint32_t transaction, std::string_view payload) {
    const bool is_known = from >= kFirstSocket || store_.is_introduced(static_cast<DomainId>(from));
    const std::uint32_t owned = store_.tree().nodes_of(static_cast<DomainId>(from));
    Messages messages;
    store_.handle(from, {.operation = operation, .id = 77, .transaction = transaction, .payload = payload}, messages);
    std::size_t answers = 0;
    for (const Message& message : messages) {
      const Header header = read_header(message.bytes);
      require(header.payload_bytes == message.bytes.size() - kHeaderBytes, "a message says how long it is");
      require(header.payload_bytes <= kMaxPayloadBytes, "no message is too long");
      require(message.is_event == (header.operation == 15), "an event is one");
      answers += message.is_event ? 0 : 1;
      require(message.is_event || (message.to == from && header.request == 77 && header.transaction == transaction),
              "an answer names its request");
    }
    require(answers == (is_known ? 1U : 0U), "one answer");
    if (from < kFirstSocket) {
      const std::uint32_t now = store_.tree().nodes_of(static_cast<DomainId>(from));
      require(now <= store_.quota().nodes || now <= owned, "a domain makes no more nodes than it may");
    }
    check();
  }

  void check() {
    std::map<DomainId, std::uint32_t> counts;
    count_nodes(store_.tree().root(), counts);
    for (DomainId domain = 0; domain < 4; ++domain) {
      require(store_.tree().nodes_of(domain) == counts[domain], "nodes are counted right");
    }
    for (const ConnectionId zone : {ConnectionId{1}, ConnectionId{2}}) {
      require(store_.watches().count(zone) <= store_.quota().watches + 1, "watches are bounded");
      require(store_.open_transactions(zone) <= store_.quota().transactions + 1, "transactions are bounded");
    }
    std::string record;
    for (const Change& change : store_.take_changes()) {
      append_change(record, change);
    }
    const auto changes = read_changes(record);
    require(changes.has_value(), "changes can be read");
    for (const Change& change : *changes) {
      require(mirror_.restore(change).has_value(), "changes fit");
    }
    require(picture(store_) == picture(mirror_), "changes tell all");
  }

  // A store that is given the whole state is the same one.
  void check_saved() {
    Store restored(rings_, kQuota, false);
    for (const Change& change : store_.saved()) {
      require(restored.restore(change).has_value(), "a saved state fits");
    }
    require(picture(restored) == picture(store_), "a saved state is whole");
  }

 private:
  NoRings rings_;
  Store store_;
  Store mirror_;
};

}  // namespace

}  // namespace krata::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krata::store;
  Run run;
  int requests = 0;
  while (size >= 5 && ++requests <= 60) {
    const ConnectionId from = kClients[data[0] % kClients.size()];
    const std::uint32_t operation = data[1] % 32U;
    const std::uint32_t transaction = data[2] % 6U;
    std::size_t bytes = std::min<std::size_t>(data[3] + std::size_t{data[4]} * 256, size - 5);
    std::string payload;
    for (const std::uint8_t byte : std::basic_string_view<std::uint8_t>(data + 5, bytes)) {
      payload += byte < kPieces.size() ? std::string(kPieces[byte]) : std::string(1, static_cast<char>(byte));
    }
    payload.resize(std::min(payload.size(), kMaxPayloadBytes));
    run.request(from, operation, transaction, payload);
    data += 5 + bytes;
    size -= 5 + bytes;
  }
  run.check_saved();
  return 0;
}

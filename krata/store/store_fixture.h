// For tests of the store: clients by name, requests in a line.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "krata/store/no_rings.h"
#include "krata/store/store.h"

namespace krata::store {

// "a|b|" with nul bytes for the bars, as the protocol's documentation writes them.
inline std::string bytes_of(std::string_view text) {
  std::string bytes(text);
  for (char& c : bytes) {
    c = c == '|' ? '\0' : c;
  }
  return bytes;
}
inline std::string text_of_bytes(std::string_view bytes) {
  std::string text(bytes);
  for (char& c : text) {
    c = c == '\0' ? '|' : c;
  }
  return text;
}

class TestStore {
 public:
  explicit TestStore(const Quota& quota = {}, bool keeps_changes = false) : store(rings, quota, keeps_changes) {
    store.connect(kDomain0);
  }

  static constexpr ConnectionId kDomain0 = kFirstSocket;

  // The answer's payload with bars for nuls; an error is its name. Events of anybody are collected.
  std::string ask(ConnectionId from, Operation operation, std::string_view payload, std::uint32_t transaction = 0) {
    Messages messages;
    const std::string request = bytes_of(payload);
    store.handle(from,
                 {.operation = std::to_underlying(operation), .id = 7, .transaction = transaction, .payload = request},
                 messages);
    std::string answer = "no answer";
    for (const Message& message : messages) {
      const std::string text = text_of_bytes(std::string_view(message.bytes).substr(kHeaderBytes));
      if (message.is_event) {
        events.emplace_back(message.to, text);
      } else {
        answer = text;
      }
    }
    return answer;
  }
  std::string ask(Operation operation, std::string_view payload, std::uint32_t transaction = 0) {
    return ask(kDomain0, operation, payload, transaction);
  }
  std::uint32_t start(ConnectionId from = kDomain0) {
    return static_cast<std::uint32_t>(number_of(ask(from, Operation::transaction_start, "|")));
  }
  // A domain with a folder of its own.
  void introduce(DomainId domain) {
    const std::string number = std::to_string(domain);
    ask(Operation::introduce, number + "|1|1|");
    ask(Operation::mkdir, "/local/domain/" + number + "|");
    ask(Operation::set_permissions, "/local/domain/" + number + "|n" + number + "|");
    events.clear();
  }
  // What has been told since the last call, of one connection: "path|token|" each.
  std::vector<std::string> told(ConnectionId to) {
    std::vector<std::string> mine;
    std::erase_if(events, [&](const auto& event) {
      if (event.first == to) {
        mine.push_back(event.second);
      }
      return event.first == to;
    });
    return mine;
  }

  NoRings rings;
  Store store;
  std::vector<std::pair<ConnectionId, std::string>> events;
};

}  // namespace krata::store

#include "tests/store/subject.h"

#include <unistd.h>

#include <utility>

namespace krata::store {

OurStore::OurStore(const Quota& quota) : store_(rings_, quota, false) {
  for (std::size_t client = 0; client < kSockets; ++client) {
    store_.connect(connection_of(client));
  }
}

Outcome OurStore::take(const Step& step) {
  Messages messages;
  store_.handle(connection_of(step.client),
                {.operation = std::to_underlying(step.operation),
                 .id = 1,
                 .transaction = step.transaction,
                 .payload = step.payload},
                messages);
  std::vector<Outbox> boxes(kClients);
  for (const Message& message : messages) {
    boxes[message.to >= kFirstSocket ? message.to - kFirstSocket : kSockets + message.to - 1].add(message);
  }
  Outcome outcome(kClients);
  for (std::size_t client = 0; client < kClients; ++client) {
    std::string bytes(boxes[client].waiting());
    while (auto received = take_message(bytes)) {
      outcome[client].push_back(std::move(*received));
    }
  }
  return outcome;
}

TheirStore::TheirStore(std::unique_ptr<DebianDaemon> daemon) : daemon_(std::move(daemon)), clients_(kClients) {
  for (std::size_t client = 0; client < kSockets; ++client) {
    clients_[client] = std::make_unique<WireClient>(connect_socket(daemon_->socket()));
  }
}

void TheirStore::renew(std::size_t client) {
  clients_[client] = std::make_unique<WireClient>(connect_ring(daemon_->folder(), domain_of(client)));
}

// A second request, which changes nothing, tells that a client has been sent all: answers come in order.
Outcome TheirStore::take(const Step& step) {
  Outcome outcome(kClients);
  if (step.operation == Operation::release && step.client < kSockets) {
    // The domain is gone for the hypervisor too: otherwise xenstored keeps what others have granted it.
    ::unlink((daemon_->folder() + "/ring-" + std::to_string(number_of(step.payload))).c_str());
  }
  std::vector<Received> all = clients_[step.client]->ask(step.operation, step.payload, step.transaction);
  if (step.operation == Operation::introduce || step.operation == Operation::release) {
    const auto domain = static_cast<std::size_t>(number_of(step.payload));
    const bool is_done = !all.empty() && all.back().operation == std::to_underlying(step.operation);
    if (is_done && domain >= 1 && domain <= kZones) {
      has_ring_[static_cast<DomainId>(domain)] = step.operation == Operation::introduce;
    }
  }
  for (std::size_t client = 0; client < kClients; ++client) {
    if (client >= kSockets && !has_ring_[domain_of(client)]) {
      continue;
    }
    std::vector<Received> more = clients_[client]->ask(Operation::get_domain_path, std::string_view("0\0", 2));
    if (more.empty()) {
      return {};
    }
    std::vector<Received>& mine = client == step.client ? all : outcome[client];
    more.pop_back();
    std::ranges::move(more, std::back_inserter(mine));
  }
  for (Received& received : all) {
    received.request = received.operation == std::to_underlying(Operation::watch_event) ? 0 : 1;
  }
  outcome[step.client] = std::move(all);
  return outcome;
}

}  // namespace krata::store

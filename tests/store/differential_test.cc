// The same requests to this store and to Debian's, seeded: the same answers and the same events.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/store/script.h"
#include "tests/store/subject.h"

namespace krata::store {

namespace {

// Small, so that they are met.
constexpr Quota kQuota{.nodes = 30, .watches = 6, .transactions = 3, .node_size = 160, .permissions = 3};

std::string shown(std::string_view bytes) {
  std::string text(bytes.substr(0, 120));
  std::ranges::replace(text, '\0', '|');
  return text;
}

std::string shown(const Outcome& outcome) {
  std::ostringstream text;
  for (std::size_t client = 0; client < outcome.size(); ++client) {
    for (const Received& received : outcome[client]) {
      text << "  client " << client << ": " << received.operation << " " << shown(received.payload) << "\n";
    }
  }
  return text.str();
}

// The permissions on the way to what the request names.
std::string permissions_of(const Tree& tree, const Step& step) {
  const auto path = absolute_path(step.payload.substr(0, step.payload.find('\0')), domain_of(step.client));
  std::string text;
  for (std::string_view at = path ? std::string_view(*path) : "/";; at = parent_of(at)) {
    const Node* node = tree.find(at);
    text.append("  ")
        .append(at)
        .append(" ")
        .append(node == nullptr ? "none" : shown(text_of(*node->permissions)))
        .append("\n");
    if (at == "/") {
      return text;
    }
  }
}

std::string shown(const Step& step) {
  std::ostringstream text;
  text << "client " << step.client << " operation " << std::to_underlying(step.operation) << " transaction "
       << step.transaction << ": " << shown(step.payload);
  return text.str();
}

// A generation count is any number. Whether @releaseDomain comes before the answer to RELEASE depends, in xenstored, on
// what else still refers to the domain.
Outcome comparable(Outcome outcome) {
  for (auto& messages : outcome) {
    std::ranges::stable_partition(messages, [](const Received& received) {
      return received.operation != std::to_underlying(Operation::release);
    });
    for (Received& received : messages) {
      if (received.operation == std::to_underlying(Operation::directory_part)) {
        received.payload.erase(0, received.payload.find('\0'));
      }
    }
  }
  return outcome;
}

std::uint64_t rounds() {
  const char* wanted = std::getenv("KRATA_STORE_ROUNDS");
  return wanted == nullptr ? 4 : std::strtoull(wanted, nullptr, 10);
}

// Whether nothing that a request of a transaction looks at has changed since the start. Where it has, xenstored shows
// what is new, and this store what was there at the start; only how the transaction ends can be compared.
bool sees_the_same(const Tree& start, const Tree& now, const Step& step) {
  const std::string given = step.payload.substr(0, step.payload.find('\0'));
  const std::string path = *absolute_path(given, domain_of(step.client));
  if (start.find(path) != now.find(path)) {
    return false;
  }
  for (std::string_view above = path; above != "/"; above = parent_of(above)) {
    const Node* then_node = start.find(parent_of(above));
    const Node* now_node = now.find(parent_of(above));
    if ((then_node == nullptr) != (now_node == nullptr) ||
        (then_node != nullptr && then_node->generation != now_node->generation)) {
      return false;
    }
  }
  return true;
}

// Whether a node that is not the domain's own names it in its permissions. xenstored may leave such an entry to
// whatever domain has the number next; this store takes it out (store_test.cc).
bool is_granted_something(const Node& node, std::string_view domain) {
  const auto id = static_cast<DomainId>(number_of(domain));
  const Permissions& permissions = *node.permissions;
  return std::find_if(permissions.begin() + 1, permissions.end(),
                      [&](const Permission& entry) { return entry.domain == id; }) != permissions.end() ||
         std::ranges::any_of(node.children, [&](const NodeRef& child) { return is_granted_something(*child, domain); });
}

void compare_with_xenstored(std::uint64_t seed) {
  OurStore ours(kQuota);
  TheirStore theirs(DebianDaemon::start(DaemonKind::xenstored, kQuota, kZones));
  Script script(seed);
  for (std::size_t client = kSockets; client < kClients; ++client) {
    theirs.renew(client);
  }
  std::vector<Step> opening = Script::opening();
  std::ranges::reverse(opening);
  // Debian's has this from its start.
  ours.take({.operation = Operation::mkdir, .payload = std::string("/tool/xenstored\0", 16)});
  std::map<std::pair<std::size_t, std::uint32_t>, Tree> starts;
  for (int number = 0; number < 1500; ++number) {
    Step step = opening.empty() ? script.next() : opening.back();
    if (!opening.empty()) {
      opening.pop_back();
    }
    if (step.operation == Operation::introduce &&
        !ours.store().is_introduced(static_cast<DomainId>(number_of(step.payload)))) {
      theirs.renew(kSockets - 1 + static_cast<std::size_t>(number_of(step.payload)));
    }
    if (step.operation == Operation::release && is_granted_something(ours.store().tree().root(), step.payload)) {
      continue;
    }
    if (step.transaction != 0 && step.operation != Operation::transaction_end &&
        !sees_the_same(starts.at({step.client, step.transaction}), ours.store().tree(), step)) {
      continue;
    }
    const Outcome our_outcome = ours.take(step);
    const Outcome their_outcome = theirs.take(step);
    ASSERT_FALSE(their_outcome.empty()) << "no answer to step " << number << ": " << shown(step);
    if (getenv("TRACE")) std::cerr << number << shown(step) << "\n" << shown(our_outcome);
    if (step.operation == Operation::transaction_start && !our_outcome[step.client].empty()) {
      const auto id = static_cast<std::uint32_t>(number_of(our_outcome[step.client].front().payload));
      starts.insert_or_assign({step.client, id}, ours.store().tree());
    }
    ASSERT_EQ(comparable(our_outcome), comparable(their_outcome))
        << "seed " << seed << ", step " << number << ": " << shown(step) << "\nours:\n"
        << shown(our_outcome) << "theirs:\n"
        << shown(their_outcome) << "permissions:\n"
        << permissions_of(ours.store().tree(), step);
    script.learn(step, our_outcome);
  }
}

TEST(Differential, AnswersAsXenstored) {
  if (!DebianDaemon::is_installed(DaemonKind::xenstored)) {
    GTEST_SKIP() << "xen-utils-4.17 is not installed";
  }
  const char* first = std::getenv("KRATA_STORE_SEED");
  const std::uint64_t start = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  for (std::uint64_t seed = start; seed < start + rounds(); ++seed) {
    ASSERT_NO_FATAL_FAILURE(compare_with_xenstored(seed));
  }
}

}  // namespace

}  // namespace krata::store

// The same requests to this store and to Debian's, seeded: the same answers and the same events.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "tests/store/script.h"
#include "tests/store/subject.h"

namespace krata::store {

namespace {

constexpr int kSteps = 1500;

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
    text.append("  ").append(at).append(" ").append(node == nullptr ? "none" : shown(text_of(*node->permissions)));
    text.append("\n");
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

std::string path_of(const Step& step) {
  return *absolute_path(step.payload.substr(0, step.payload.find('\0')), domain_of(step.client));
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* wanted = std::getenv(variable);
  return wanted == nullptr ? otherwise : std::strtoull(wanted, nullptr, 10);
}

// Whether nothing that a request of a transaction looks at has changed since the start. Where it has, xenstored shows
// what is new, and this store what was there at the start; only how the transaction ends can be compared.
bool sees_the_same(const Tree& start, const Tree& now, const Step& step) {
  const std::string path = path_of(step);
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

// Whether a node names a domain in its permissions that is not its owner. xenstored may leave such an entry to whatever
// domain has the number next; this store takes it out (store_test.cc).
bool grants(const Node& node, DomainId domain) {
  const Permissions& permissions = *node.permissions;
  return std::any_of(permissions.begin() + 1, permissions.end(),
                     [&](const auto& entry) { return entry.domain == domain; }) ||
         std::ranges::any_of(node.children, [&](const NodeRef& child) { return grants(*child, domain); });
}

// This store and one of Debian's, with the same clients.
class Comparison {
 public:
  Comparison(DaemonKind kind, const Quota& quota, std::uint64_t seed)
      : ours_(quota), theirs_(DebianDaemon::start(kind, quota, kZones)), script_(seed), seed_(seed) {
    for (std::size_t client = kSockets; client < kClients; ++client) {
      theirs_.renew(client);
    }
    // Debian's have this from their start.
    ours_.take({.operation = Operation::mkdir, .payload = std::string("/tool/xenstored\0", 16)});
  }
  virtual ~Comparison() = default;
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  void run() {
    for (const Step& step : Script::opening()) {
      ASSERT_NO_FATAL_FAILURE(take(step));
    }
    while (number_ < kSteps) {
      const Step step = script_.next();
      ++number_;
      if (is_comparable(step)) {
        ASSERT_NO_FATAL_FAILURE(take(step));
      }
    }
    EXPECT_GT(taken_, kSteps / 5) << "hardly anything was compared";
  }

 protected:
  // Whether both are meant to answer the same.
  virtual bool is_comparable(const Step& step) = 0;
  // Without what need not be the same.
  virtual Outcome essence(const Step& step, Outcome outcome) const = 0;

  [[nodiscard]] const Tree& tree() const { return ours_.store().tree(); }
  // The tree at the start of the transaction.
  [[nodiscard]] const Tree& start_of(const Step& step) const { return starts_.at({step.client, step.transaction}); }

 private:
  void take(const Step& step) {
    const auto domain = static_cast<DomainId>(number_of(step.payload));
    if (step.operation == Operation::introduce && step.client < kSockets && !ours_.store().is_introduced(domain)) {
      theirs_.renew(kSockets - 1 + domain);
    }
    const Outcome ours = ours_.take(step);
    const Outcome theirs = theirs_.take(step);
    ASSERT_FALSE(theirs.empty()) << "seed " << seed_ << ", step " << number_ << ": no answer: " << shown(step);
    if (step.operation == Operation::transaction_start && !ours[step.client].empty()) {
      const auto id = static_cast<std::uint32_t>(number_of(ours[step.client].front().payload));
      starts_.insert_or_assign({step.client, id}, tree());
    }
    ASSERT_EQ(essence(step, ours), essence(step, theirs))
        << "seed " << seed_ << ", step " << number_ << ": " << shown(step) << "\nours:\n"
        << shown(ours) << "theirs:\n"
        << shown(theirs) << "permissions:\n"
        << permissions_of(tree(), step);
    script_.learn(step, ours);
    ++taken_;
  }

  OurStore ours_;
  TheirStore theirs_;
  Script script_;
  std::uint64_t seed_;
  int number_ = 0;
  int taken_ = 0;
  std::map<std::pair<std::size_t, std::uint32_t>, Tree> starts_;
};

// Small quotas, so that they are met. Answers and events, to the order.
class WithXenstored : public Comparison {
 public:
  explicit WithXenstored(std::uint64_t seed)
      : Comparison(DaemonKind::xenstored,
                   {.nodes = 30, .watches = 6, .transactions = 3, .node_size = 160, .permissions = 3}, seed) {}

 protected:
  bool is_comparable(const Step& step) override {
    if (step.operation == Operation::release) {
      return !grants(tree().root(), static_cast<DomainId>(number_of(step.payload)));
    }
    return step.transaction == 0 || step.operation == Operation::transaction_end ||
           sees_the_same(start_of(step), tree(), step);
  }

  // A generation count is any number. Whether @releaseDomain comes before the answer to RELEASE depends, in xenstored,
  // on what else still refers to the domain.
  Outcome essence(const Step&, Outcome outcome) const override {
    for (auto& messages : outcome) {
      const auto answer = std::ranges::find(messages, std::to_underlying(Operation::release), &Received::operation);
      if (answer != messages.end()) {
        std::rotate(answer, answer + 1, messages.end());
      }
      for (Received& received : messages) {
        if (received.operation == std::to_underlying(Operation::directory_part)) {
          received.payload.erase(0, received.payload.find('\0'));
        }
      }
    }
    return outcome;
  }
};

// Domain 0's answers only. oxenstored lists children by name, tells watchers in an order of its own, merges
// transactions, and has other ideas of what zones may know and own.
class WithOxenstored : public Comparison {
 public:
  explicit WithOxenstored(std::uint64_t seed) : Comparison(DaemonKind::oxenstored, {}, seed) {}

 protected:
  bool is_comparable(const Step& step) override {
    switch (step.operation) {
      case Operation::directory_part:     // has none
      case Operation::release:            // keeps the domain's nodes until the hypervisor says that it is gone
      case Operation::resume:             // EINVAL for a domain that is not shut down
      case Operation::set_target:         // asks the hypervisor
      case Operation::transaction_start:  // what it merges
      case Operation::transaction_end:
        return false;
      case Operation::set_permissions:  // special paths are nodes
        return step.client < kSockets && !is_special(step.payload);
      default:
        return step.client < kSockets;
    }
  }

  Outcome essence(const Step& step, Outcome outcome) const override {
    Outcome answers(1);
    for (Received& received : outcome.at(step.client)) {
      if (received.operation == std::to_underlying(Operation::directory)) {
        received.payload = sorted(received.payload);
      }
      if (received.operation != std::to_underlying(Operation::watch_event)) {
        answers.front().push_back(std::move(received));
      }
    }
    return answers;
  }

 private:
  static std::string sorted(std::string_view listing) {
    std::vector<std::string_view> names = *strings_of(listing);
    std::ranges::sort(names);
    std::string text;
    for (const std::string_view name : names) {
      // Where it keeps the permissions of special paths.
      if (!is_special(name)) {
        text.append(name).append(1, '\0');
      }
    }
    return text;
  }
};

template <typename Kind>
void compare(std::uint64_t default_rounds) {
  const std::uint64_t start = number_from("KRATA_STORE_SEED", 1);
  const std::uint64_t rounds = number_from("KRATA_STORE_ROUNDS", default_rounds);
  for (std::uint64_t seed = start; seed < start + rounds; ++seed) {
    Kind comparison(seed);
    ASSERT_NO_FATAL_FAILURE(comparison.run());
  }
}

TEST(Differential, AnswersAsXenstored) {
  if (!DebianDaemon::is_installed(DaemonKind::xenstored)) {
    GTEST_SKIP() << "xen-utils-4.17 is not installed";
  }
  compare<WithXenstored>(4);
}

TEST(Differential, AnswersAsOxenstored) {
  if (!DebianDaemon::is_installed(DaemonKind::oxenstored)) {
    GTEST_SKIP() << "xen-utils-4.17 is not installed";
  }
  compare<WithOxenstored>(2);
}

}  // namespace

}  // namespace krata::store

// Everything that a coordinator may do that lies, by a seed: it holds all that was ever signed, and no key. What a host
// takes is compared with what the administrators have said, by a judgement that shares nothing with the one tested.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "krait/trust/network_test.h"
#include "krait/trust/node.h"

namespace krait::trust {
namespace {

constexpr std::array<const char*, 5> kIdentities{"web", "db", "office", "gateway", "jump"};

// What was said in one revision.
struct Said {
  Network network;
  model::Policy policy;
  std::map<std::string, HostBinding> hosts;  // bound, and joined and not taken back
};

std::string random_policy(Random& random) {
  std::string text;
  for (const char* identity : kIdentities) {
    text += fmt::format("[[identity]]\nname = \"{}\"\n", identity);
  }
  const auto subject = [&] { return random() % 4 == 0 ? "*" : kIdentities[random() % kIdentities.size()]; };
  const unsigned rules = 2 + random() % 6;
  for (unsigned i = 0; i < rules; ++i) {
    text += fmt::format(
        "[[rule]]\nname = \"rule {}\"\naction = \"{}\"\nfrom = \"{}\"\nto = \"{}\"\nports = \"tcp/{}-{}\"\n", i,
        random() % 3 == 0 ? "deny" : "allow", subject(), subject(), 10 + random() % 5, 15 + random() % 5);
  }
  return text;
}

// Deny wins over allow, and what nobody allows is denied: docs/configuration.md.
bool allows(const model::Policy& policy, const std::string& from, const std::string& to, std::uint32_t port) {
  bool allowed = false;
  for (const model::Rule& rule : policy.rules) {
    const auto names = [&](const model::Subjects& subjects, const std::string& name) {
      return subjects.any || std::ranges::any_of(subjects.identities, [&](std::uint32_t index) {
               return policy.identities[index].name == name;
             });
    };
    const bool holds = names(rule.from, from) && names(rule.to, to) &&
                       std::ranges::any_of(rule.selectors, [&](const model::SelectorRange& range) {
                         return range.first <= port && port <= range.last;
                       });
    if (holds && rule.action == model::Action::deny) {
      return false;
    }
    allowed = allowed || holds;
  }
  return allowed;
}

bool allows(const Verified& verified, const std::string& from, const std::string& to, std::uint32_t port) {
  bool allowed = false;
  for (const KnownRule& rule : verified.rules) {
    const bool holds = std::ranges::any_of(rule.pairs,
                                           [&](const auto& pair) {
                                             return (pair.first == from || pair.first == "*") &&
                                                    (pair.second == to || pair.second == "*");
                                           }) &&
                       std::ranges::any_of(rule.as.selectors, [&](const model::SelectorRange& range) {
                         return range.first <= port && port <= range.last;
                       });
    if (holds && rule.as.action == model::Action::deny) {
      return false;
    }
    allowed = allowed || holds;
  }
  return allowed;
}

class History {
 public:
  explicit History(std::uint32_t seed) : random_(seed) {
    Network network = authors_.network();
    network.hosts_book.remove("lonely1");
    authors_.sign_hosts(network);
    said_.push_back({.network = std::move(network), .policy = policy_of(kPolicy), .hosts = {}});
    settle();
    for (int i = 0; i < 6; ++i) {
      said_.push_back(said_.back());
      change(said_.back());
      settle();
    }
  }

  [[nodiscard]] const std::vector<Said>& said() const { return said_; }
  Random& random() { return random_; }

 private:
  void settle() {
    Said& now = said_.back();
    now.hosts = {now.network.hosts_book.hosts().begin(), now.network.hosts_book.hosts().end()};
    for (const auto& [name, joined] : now.network.joined) {
      if (!now.network.hosts_book.was_taken_back(joined_id(joined.host))) {
        now.hosts.emplace(name, joined.host.value.binding);
      }
    }
  }

  void change(Said& now) {
    switch (random_() % 4) {
      case 0: {
        const std::string text = (random_() % 2 == 0 ? "preshared_keys = true\n" : "") + random_policy(random_);
        now.policy = policy_of(text);
        authors_.set_policy(now.network, text, random_() % 2 == 0 ? kAdmin : kPolicyAdmin);
        return;
      }
      case 1: {
        const auto number = static_cast<std::uint8_t>(20 + random_() % 30);
        static_cast<void>(now.network.hosts_book.put(
            host(fmt::format("host{}", number), kIdentities[random_() % kIdentities.size()], number)));
        break;
      }
      case 2:
        if (now.network.hosts_book.find("web2") != nullptr) {
          now.network.hosts_book.remove("web2");
        } else if (!now.network.joined.empty()) {
          now.network.hosts_book.take_back(joined_id(now.network.joined.begin()->second.host));
        }
        break;
      default: {
        if (now.network.joined.empty()) {
          now.network.joined.emplace("web9", authors_.joined(host("web9", "web", 99), authors_.grant()));
        }
        return;  // nobody signs anything
      }
    }
    authors_.sign_hosts(now.network);
  }

  Random random_;
  Authors authors_;
  std::vector<Said> said_;
};

NodePtr without_something(const NodePtr& node, Random& random) {
  if (!node) {
    return nullptr;
  }
  if (node->kind != Node::Kind::branch) {
    switch (random() % 3) {
      case 0:
        return nullptr;
      case 1:
        return make_pruned(node->hash);
      default:
        return node->kind == Node::Kind::leaf ? make_stub(node->leaf->key, value_hash(node->leaf->value)) : nullptr;
    }
  }
  if (random() % 5 == 0) {
    return make_pruned(node->hash);
  }
  const bool right = random() % 2 == 0;
  return right ? make_branch(node->left, without_something(node->right, random))
               : make_branch(without_something(node->left, random), node->right);
}

// Of the policy's tree, with or without keys of pairs: the other of the two.
NodePtr with_other_settings(const NodePtr& node) {
  if (!node || node->kind == Node::Kind::branch) {
    return node ? make_branch(with_other_settings(node->left), with_other_settings(node->right)) : nullptr;
  }
  if (node->kind != Node::Kind::leaf || node->leaf->key != settings_place()) {
    return node;
  }
  Settings settings = *parse_settings(node->leaf->value);
  settings.preshared_keys = !settings.preshared_keys;
  return make_leaf(node->leaf->key, encode(settings));
}

State state_of(const Said& said, const std::string& name) {
  auto state = state_for(said.network, name, 1);
  return state ? std::move(*state) : State();
}

// Lies once. `all` is what was ever sent to anybody.
void lie(State& state, const std::vector<State>& all, Random& random) {
  const State& other = all[random() % all.size()];
  const auto any_row = [&](State& of) -> Part* {
    if (of.rows.empty()) {
      return nullptr;
    }
    return &std::next(of.rows.begin(), static_cast<std::ptrdiff_t>(random() % of.rows.size()))->second;
  };
  switch (random() % 16) {
    case 0:
      state.hosts_part = Part(without_something(state.hosts_part.node(), random));
      return;
    case 1:
      state.policy_part = Part(without_something(state.policy_part.node(), random));
      return;
    case 2:
      if (Part* row = any_row(state)) {
        *row = Part(without_something(row->node(), random));
      }
      return;
    case 3:
      if (state.rows.size() > 1) {
        std::swap(state.rows.begin()->second, state.rows.rbegin()->second);
      }
      return;
    case 4:
      state.hosts = other.hosts;
      return;
    case 5:
      state.policy = other.policy;
      return;
    case 6:
      state.hosts = other.hosts;
      state.hosts_part = other.hosts_part;
      return;
    case 7:
      state.policy = other.policy;
      state.policy_part = other.policy_part;
      state.rows = other.rows;
      return;
    case 8:
      state.hosts_part = other.hosts_part;
      return;
    case 9:
      state.rows = other.rows;
      return;
    case 10:
      state.joined = other.joined;
      return;
    case 11: {
      // A host of its own, with a key that nobody has heard of.
      Authors authors;
      Joined joined = authors.joined(host("mallory", "jump", 77), authors.grant());
      joined.host = sign(joined.host.value, key_of(77));
      state.joined.push_back(joined);
      return;
    }
    case 12: {
      state.hosts.value.revision += random() % 3;
      state.policy.value.hosts_at_least = 0;
      return;
    }
    case 13: {
      HostsBook book;
      static_cast<void>(book.put(host("web1", "jump", 11)));
      state.hosts_part = whole_of(book.tree());
      state.hosts.value.root = book.root();
      return;
    }
    case 14:
      state.policy_part = Part(with_other_settings(state.policy_part.node()));
      return;
    default:
      state.advice.push_back({.host = "db1", .endpoint = common::Endpoint{ip("192.0.2.66"), 1}});
      return;
  }
}

// Bytes changed, cut off, doubled.
Bytes garbled(Bytes bytes, Random& random) {
  switch (random() % 4) {
    case 0:
      bytes.resize(random() % bytes.size());
      return bytes;
    case 1: {
      const std::size_t at = random() % bytes.size();
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random()));
      return bytes;
    }
    case 2:
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()));
      return bytes;
    default:
      bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
      return bytes;
  }
}

// Nothing but what the administrators said in the revisions that the host says to have taken.
void expect_truth(const Verified& verified, const std::vector<Said>& said, const std::string& trace) {
  const auto hosts = std::ranges::find_if(
      said, [&](const Said& one) { return one.network.hosts.value.revision == verified.anchor.hosts_revision; });
  const auto rules = std::ranges::find_if(
      said, [&](const Said& one) { return one.network.policy.value.revision == verified.anchor.policy_revision; });
  ASSERT_TRUE(hosts != said.end() && rules != said.end()) << trace;
  // Joined hosts come without a revision: those of any later one count until they are taken back.
  std::map<std::string, HostBinding> bindings;
  for (const Said& one : said) {
    if (one.network.hosts.value.revision == verified.anchor.hosts_revision) {
      bindings.insert(one.hosts.begin(), one.hosts.end());
    }
  }
  ASSERT_EQ(verified.self.binding, bindings.at(verified.self.binding.name)) << trace;
  for (const KnownHost& peer : verified.peers) {
    const auto found = bindings.find(peer.binding.name);
    ASSERT_TRUE(found != bindings.end() && found->second == peer.binding) << trace << peer.binding.name;
  }
  ASSERT_EQ(verified.settings.preshared_keys, rules->policy.preshared_keys) << trace;
  const std::string& own = verified.self.binding.identity;
  for (const char* other : kIdentities) {
    for (const std::uint32_t port : {9U, 12U, 16U, 19U, 22U, 23U, 5432U}) {
      ASSERT_EQ(allows(verified, own, other, port), allows(rules->policy, own, other, port))
          << trace << own << " to " << other << " port " << port;
      ASSERT_EQ(allows(verified, other, own, port), allows(rules->policy, other, own, port))
          << trace << other << " to " << own << " port " << port;
    }
  }
}

bool tells_the_same(const Verified& a, const Verified& b) {
  const auto names = [](const Verified& of) {
    std::vector<HostBinding> all;
    for (const KnownHost& peer : of.peers) {
      all.push_back(peer.binding);
    }
    return all;
  };
  return names(a) == names(b) && a.self.binding == b.self.binding && a.anchor == b.anchor && a.settings == b.settings;
}

TEST(AttacksTest, NeverWidenWhatTheAdministratorsSaid) {
  std::map<std::string, int> refusals;
  int taken = 0;
  int honest = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    History history(seed);
    Random& random = history.random();
    std::vector<State> all;
    for (const Said& said : history.said()) {
      for (const char* name : {"web1", "db1", "gate1"}) {
        all.push_back(state_of(said, name));
      }
    }
    const std::string name = std::array{"web1", "db1", "gate1"}[random() % 3];
    Anchor anchor{.list = history.said()[0].network.lists[0]};
    const Asker who = asker(history.said()[0].network, name);
    for (int step = 0; step < 60; ++step) {
      const std::string trace = fmt::format("seed {} step {}: ", seed, step);
      State state = state_of(history.said()[random() % history.said().size()], name);
      const bool is_honest = random() % 6 == 0;
      for (unsigned lies = is_honest ? 0 : 1 + random() % 2; lies > 0; --lies) {
        lie(state, all, random);
      }
      const auto verdict = verify_state(state, anchor, who);
      if (!verdict) {
        ++refusals[verdict.error().text().substr(0, 24)];
        continue;
      }
      honest += is_honest ? 1 : 0;
      ++taken;
      ASSERT_GE(verdict->anchor.hosts_revision, anchor.hosts_revision) << trace;
      ASSERT_GE(verdict->anchor.policy_revision, anchor.policy_revision) << trace;
      expect_truth(*verdict, history.said(), trace);
      if (HasFatalFailure()) {
        return;
      }
      anchor = verdict->anchor;
    }
  }
  EXPECT_GT(taken, 60) << "the test lies so much that it tests nothing";
  EXPECT_GT(honest, 15);
  EXPECT_GT(refusals.size(), 8U) << "too few kinds of lies are told";
}

TEST(AttacksTest, NeverTakeGarbledBytesForSomethingElse) {
  int refused = 0;
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    History history(seed);
    Random& random = history.random();
    const Said& said = history.said().back();
    const Anchor anchor{.list = said.network.lists[0]};
    const Asker who = asker(said.network, "db1");
    const State state = state_of(said, "db1");
    const auto truth = verify_state(state, anchor, who);
    ASSERT_TRUE(truth) << truth.error().text();
    const Bytes bytes = encode_state(state);
    for (int step = 0; step < 300; ++step) {
      const Bytes sent = garbled(bytes, random);
      if (sent == bytes) {
        continue;
      }
      const auto read = parse_state(sent);
      const auto verdict = read ? verify_state(*read, anchor, who) : common::Result<Verified>(read.error());
      refused += verdict ? 0 : 1;
      ASSERT_TRUE(!verdict || tells_the_same(*verdict, *truth)) << "seed " << seed << " step " << step;
    }
  }
  EXPECT_GT(refused, 1750);
}

}  // namespace
}  // namespace krait::trust

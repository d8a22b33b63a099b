// Cuts against the parts that they stand for, and books that follow on others against books made from scratch; by
// seeds.
#include "krait/trust/told.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "krait/trust/cut.h"
#include "krait/trust/network_test.h"

namespace krait::trust {
namespace {

Key key_number(std::uint32_t number) { return host_place(fmt::format("host-{}", number)); }

// A tree of some of 40 keys, and a choice of keys that are asked for.
struct Asked {
  Tree tree;
  std::vector<Key> keys;
  std::vector<Key> own;
  [[nodiscard]] Cut cut() const { return {tree, keys, own}; }
  [[nodiscard]] Part part() const {
    std::vector<Key> all = keys;
    all.insert(all.end(), own.begin(), own.end());
    return part_of(tree, std::move(all));
  }
};

std::vector<Key> some_keys(Random& random, std::uint32_t of) {
  std::vector<Key> keys;
  for (std::uint32_t i = 0; i < 40; ++i) {
    if (random() % of == 0) {
      keys.push_back(key_number(i));
    }
  }
  std::ranges::sort(keys);
  return keys;
}

Asked changed(Asked asked, Random& random) {
  for (std::uint32_t i = random() % 4; i > 0; --i) {
    if (random() % 3 == 0) {
      asked.tree.erase(key_number(random() % 40));
    } else {
      asked.tree.put(key_number(random() % 40), {static_cast<std::uint8_t>(random())});
    }
  }
  if (random() % 3 == 0) {
    asked.keys = some_keys(random, 1 + random() % 8);
  }
  if (random() % 3 == 0) {
    asked.own = some_keys(random, 20);
  }
  return asked;
}

TEST(Cuts, AreThePartsThatTheyStandFor) {
  Random random(1);
  std::size_t shorter = 0;
  for (int round = 0; round < 1500; ++round) {
    Asked then = changed({}, random);
    for (std::uint32_t i = random() % 30; i > 0; --i) {
      then.tree.put(key_number(random() % 40), {static_cast<std::uint8_t>(random())});
    }
    const Asked now = changed(then, random);
    ASSERT_EQ(encode_cut(now.cut()), encode_part(now.part())) << round;
    const Cut known = then.cut();
    const Bytes difference = encode_cut(now.cut(), &known);
    const Part held = then.part();
    const auto read = parse_part(difference, &held);
    ASSERT_TRUE(read) << round << ": " << read.error().text();
    ASSERT_EQ(encode_part(*read), encode_part(now.part())) << round;
    shorter += difference.size() < encode_cut(now.cut()).size() ? 1 : 0;
  }
  EXPECT_GT(shorter, 500U);
}

TEST(Cuts, KnowWhomADifferenceDoesNotTellOf) {
  Random random(2);
  std::size_t untold = 0;
  std::size_t told = 0;
  for (int round = 0; round < 400; ++round) {
    Asked then = changed(changed(changed({}, random), random), random);
    Asked now = changed(then, random);
    then.own.clear();
    now.own.clear();
    const Cut known = then.cut();
    const Bytes difference = encode_cut(now.cut(), &known);
    for (std::uint32_t i = 0; i < 40; ++i) {
      const Key key = key_number(i);
      const bool is_same = is_untold(now.cut(), known, key);
      const auto with = [&](Asked asked) {
        if (!std::ranges::binary_search(asked.keys, key)) {
          asked.keys.insert(std::ranges::upper_bound(asked.keys, key), key);
        }
        return asked;
      };
      const Asked now_with = with(now);
      const Asked then_with = with(then);
      const Cut known_with = then_with.cut();
      if (is_same) {
        ASSERT_EQ(encode_cut(now_with.cut(), &known_with), difference) << round << " " << i;
      }
      ++(is_same ? untold : told);
    }
  }
  EXPECT_GT(untold, 1000U);
  EXPECT_GT(told, 1000U);
}

std::string policy_text(const std::vector<std::string>& rules, std::uint32_t identities) {
  std::string text;
  for (std::uint32_t i = 0; i < identities; ++i) {
    text += fmt::format("[[identity]]\nname = \"i{}\"\n", i);
  }
  for (const std::string& rule : rules) {
    text += rule;
  }
  return text;
}

std::string some_rule(Random& random, std::uint32_t name) {
  const auto side = [&]() -> std::string {
    const std::uint32_t one = random() % 6;
    switch (random() % 5) {
      case 0:
        return "\"*\"";
      case 1:
        return fmt::format("[\"i{}\", \"i{}\"]", one, (one + 1 + random() % 5) % 6);
      default:
        return fmt::format("\"i{}\"", one);
    }
  };
  return fmt::format("[[rule]]\nname = \"r{}\"\naction = \"{}\"\nfrom = {}\nto = {}\nports = \"tcp/{}\"\n", name,
                     random() % 4 == 0 ? "deny" : "allow", side(), side(), 1 + random() % 9);
}

TEST(PolicyBooks, ThatFollowAreThoseMadeFromScratch) {
  Random random(3);
  std::vector<std::string> rules;
  std::uint32_t next = 0;
  std::uint32_t identities = 6;
  std::optional<model::Policy> former;
  PolicyBook book;
  std::size_t shared = 0;
  for (int round = 0; round < 300; ++round) {
    for (std::uint32_t i = 1 + random() % 3; i > 0; --i) {
      const auto at = rules.begin() + static_cast<std::ptrdiff_t>(rules.empty() ? 0 : random() % rules.size());
      if (rules.size() > 12 || (random() % 4 == 0 && !rules.empty())) {
        rules.erase(at);
      } else {
        rules.insert(at, some_rule(random, next++));
      }
    }
    identities = random() % 10 == 0 ? 6 + random() % 3 : identities;
    const auto model = config::parse_policy(policy_text(rules, identities), "policy.toml");
    ASSERT_TRUE(model) << model.error().text();
    const auto scratch = PolicyBook::of(*model, {});
    std::optional<PolicyBook::Former> known;
    if (former) {
      known.emplace(PolicyBook::Former{*former, book});
    }
    const auto followed = PolicyBook::of(*model, {}, known ? &*known : nullptr);
    ASSERT_TRUE(scratch && followed);
    ASSERT_EQ(followed->save(), scratch->save()) << round;
    ASSERT_EQ(followed->root(), scratch->root()) << round;
    for (const auto& [one, row] : scratch->rows()) {
      ASSERT_EQ(followed->talks_with(one), scratch->talks_with(one)) << round;
      for (const auto& [other, other_row] : scratch->rows()) {
        ASSERT_EQ(followed->may_talk(one, other), scratch->may_talk(one, other)) << round;
        if (other != kAnyIdentity) {
          ASSERT_EQ(scratch->talks_with(one).contains(other), scratch->may_talk(one, other)) << one << " " << other;
        }
      }
      const auto before = book.rows().find(one);
      shared +=
          before != book.rows().end() && before->second.node() == followed->rows().find(one)->second.node() ? 1 : 0;
    }
    book = *followed;
    former = *model;
  }
  EXPECT_GT(shared, 300U);  // rows that no change names are the very same
}

}  // namespace
}  // namespace krait::trust

#include <gtest/gtest.h>

#include "krata/store/store_fixture.h"

namespace krata::store {

namespace {

using Strings = std::vector<std::string>;
using enum Operation;

TEST(Nodes, AreWrittenReadListedAndRemoved) {
  TestStore t;
  EXPECT_EQ(t.ask(Operation::write, "/a/b|one"), "OK|");
  EXPECT_EQ(t.ask(Operation::read, "/a/b|"), "one");
  EXPECT_EQ(t.ask(Operation::read, "/a|"), "") << "a parent is made, without a value";
  EXPECT_EQ(t.ask(mkdir, "/a/c|"), "OK|");
  EXPECT_EQ(t.ask(directory, "/a|"), "b|c|");
  EXPECT_EQ(t.ask(Operation::remove, "/a|"), "OK|");
  EXPECT_EQ(t.ask(Operation::read, "/a/b|"), "ENOENT|");
  EXPECT_EQ(t.ask(Operation::remove, "/a|"), "OK|") << "gone already";
  EXPECT_EQ(t.ask(Operation::remove, "/a/b|"), "ENOENT|") << "not even the one above is there";
  EXPECT_EQ(t.ask(Operation::remove, "/|"), "EINVAL|");
}

TEST(Nodes, KeepTheOrderInWhichTheyWereMade) {
  TestStore t;
  for (const char* name : {"z", "a", "m"}) {
    t.ask(Operation::write, std::string("/d/") + name + "|");
  }
  EXPECT_EQ(t.ask(directory, "/d|"), "z|a|m|");
  t.ask(Operation::remove, "/d/a|");
  t.ask(Operation::write, "/d/a|");
  EXPECT_EQ(t.ask(directory, "/d|"), "z|m|a|");
}

TEST(Paths, AreRefusedUnlessWellFormed) {
  TestStore t;
  for (const char* path : {"", "//a", "/a/", "/a//b", "/a^", "/a b", "@releaseDomain"}) {
    EXPECT_EQ(t.ask(Operation::read, std::string(path) + "|"), "EINVAL|") << path;
    EXPECT_EQ(t.ask(Operation::write, std::string(path) + "|x"), "EINVAL|") << path;
  }
  EXPECT_EQ(t.ask(Operation::read, "/a"), "EINVAL|") << "no nul";
  EXPECT_EQ(t.ask(Operation::read, "/a|b|"), "EINVAL|") << "more than a path";
  EXPECT_EQ(t.ask(Operation::write, "/" + std::string(kMaxAbsolutePathBytes - 1, 'a') + "|"), "OK|");
  EXPECT_EQ(t.ask(Operation::write, "/" + std::string(kMaxAbsolutePathBytes, 'a') + "|"), "EINVAL|");
  EXPECT_EQ(t.ask(Operation::write, std::string(kMaxRelativePathBytes + 1, 'a') + "|"), "EINVAL|");
}

TEST(Paths, OfADomainAreRelativeToItsFolder) {
  TestStore t;
  t.introduce(3);
  EXPECT_EQ(t.ask(3, Operation::write, "data/x|v"), "OK|");
  EXPECT_EQ(t.ask(Operation::read, "/local/domain/3/data/x|"), "v");
}

TEST(Directories, TooLongForAMessageComeInParts) {
  TestStore t;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "entry-number-" + std::to_string(i);
    t.ask(Operation::write, "/big/" + name + "|");
    expected += name + "|";
  }
  EXPECT_EQ(t.ask(directory, "/big|"), "E2BIG|");
  std::string got;
  std::string generation;
  for (bool is_last = false; !is_last;) {
    const std::string part = t.ask(directory_part, "/big|" + std::to_string(got.size()) + "|");
    ASSERT_LE(part.size(), kMaxPayloadBytes);
    const std::size_t bar = part.find('|');
    ASSERT_TRUE(generation.empty() || generation == part.substr(0, bar)) << "nothing has changed meanwhile";
    generation = part.substr(0, bar);
    is_last = part.ends_with("||");
    got += part.substr(bar + 1, part.size() - bar - 1 - (is_last ? 1 : 0));
  }
  EXPECT_EQ(got, expected);
  t.ask(Operation::write, "/big/one-more|");
  EXPECT_NE(t.ask(directory_part, "/big|0|").substr(0, generation.size() + 1), generation + "|");
}

TEST(Permissions, DecideWhoReadsAndWrites) {
  TestStore t;
  t.introduce(1);
  t.introduce(2);
  t.ask(1, Operation::write, "secret|s");
  EXPECT_EQ(t.ask(2, Operation::read, "/local/domain/1/secret|"), "EACCES|");
  EXPECT_EQ(t.ask(2, Operation::read, "/local/domain/1/nothing|"), "EACCES|") << "what exists is not to be found out";
  EXPECT_EQ(t.ask(1, set_permissions, "secret|n1|r2|"), "OK|");
  EXPECT_EQ(t.ask(2, Operation::read, "/local/domain/1/secret|"), "s");
  EXPECT_EQ(t.ask(2, Operation::write, "/local/domain/1/secret|x"), "EACCES|");
  EXPECT_EQ(t.ask(2, set_permissions, "/local/domain/1/secret|n1|b2|"), "EACCES|");
  EXPECT_EQ(t.ask(1, set_permissions, "secret|n2|"), "EPERM|") << "only domain 0 gives a node away";
  EXPECT_EQ(t.ask(set_permissions, "/local/domain/1/secret|n2|"), "OK|");
  EXPECT_EQ(t.ask(1, Operation::read, "secret|"), "EACCES|");
  EXPECT_EQ(t.ask(get_permissions, "/local/domain/1/secret|"), "n2|");
}

TEST(Permissions, OfATargetHoldForWhoHasIt) {
  TestStore t;
  t.introduce(1);
  t.introduce(2);
  EXPECT_EQ(t.ask(2, Operation::write, "/local/domain/1/x|"), "EACCES|");
  EXPECT_EQ(t.ask(set_target, "2|1|"), "OK|");
  EXPECT_EQ(t.ask(2, Operation::write, "/local/domain/1/x|"), "OK|");
  EXPECT_EQ(t.ask(Operation::release, "1|"), "OK|");
  t.introduce(1);
  EXPECT_EQ(t.ask(2, Operation::write, "/local/domain/1/x|"), "EACCES|") << "another domain with the same number";
}

TEST(Domains, MayNotDoWhatIsDomain0s) {
  TestStore t;
  t.introduce(1);
  for (const Operation operation :
       {Operation::introduce, Operation::release, resume, set_target, control, is_domain_introduced}) {
    EXPECT_EQ(t.ask(1, operation, "1|1|1|"), "EACCES|");
  }
  EXPECT_EQ(t.ask(1, set_permissions, "@releaseDomain|n1|"), "EACCES|");
  EXPECT_EQ(t.ask(1, get_domain_path, "1|"), "/local/domain/1|");
}

TEST(Domains, TakeTheirNodesAndRightsWithThem) {
  TestStore t;
  t.introduce(1);
  t.introduce(2);
  t.ask(1, Operation::write, "a/b|x");
  t.ask(Operation::write, "/shared|");
  t.ask(set_permissions, "/shared|n0|r1|r2|");
  t.ask(set_permissions, "@releaseDomain|n0|r1|");
  t.ask(Operation::watch, "@releaseDomain|plain|");
  t.ask(Operation::watch, "@releaseDomain|named|1|");
  t.ask(Operation::watch, "@releaseDomain/1|only|");
  t.ask(Operation::watch, "@releaseDomain/2|other|");
  t.events.clear();
  EXPECT_EQ(t.ask(Operation::release, "1|"), "OK|");
  EXPECT_EQ(t.told(TestStore::kDomain0),
            (Strings{"@releaseDomain|plain|", "@releaseDomain/1|named|", "@releaseDomain/1|only|"}));
  EXPECT_EQ(t.ask(directory, "/local/domain|"), "2|");
  EXPECT_EQ(t.ask(get_permissions, "/shared|"), "n0|r2|");
  EXPECT_EQ(t.store.tree().nodes_of(1), 0U);
  EXPECT_EQ(t.ask(is_domain_introduced, "1|"), "F|");
  t.introduce(1);
  EXPECT_EQ(t.ask(1, Operation::watch, "@releaseDomain|mine|"), "OK|");
  t.events.clear();
  t.ask(Operation::release, "2|");
  EXPECT_EQ(t.told(1), Strings{}) << "the right was another domain's";
}

TEST(Domains, AreToldOfShutDownOnceUntilResumed) {
  TestStore t;
  t.introduce(1);
  t.ask(Operation::watch, "@releaseDomain|t|");
  t.events.clear();
  const auto shut_down = [&] {
    Messages messages;
    t.store.domain_shut_down(1, messages);
    return messages.size();
  };
  EXPECT_EQ(shut_down(), 1U);
  EXPECT_EQ(shut_down(), 0U);
  EXPECT_EQ(t.ask(resume, "1|"), "OK|");
  EXPECT_EQ(shut_down(), 1U);
}

TEST(Watches, TellOfWhatIsBelowInOrder) {
  TestStore t;
  EXPECT_EQ(t.ask(Operation::watch, "/a|up|"), "OK|");
  EXPECT_EQ(t.ask(Operation::watch, "/a/b|at|"), "OK|");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a|up|", "/a/b|at|"})) << "each at once, when it is set";
  t.ask(Operation::write, "/a/b/c|x");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a/b/c|up|", "/a/b/c|at|"}));
  t.ask(Operation::write, "/ab|x");
  EXPECT_EQ(t.told(TestStore::kDomain0), Strings{}) << "a name that begins alike";
  t.ask(Operation::remove, "/a|");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a/b|at|", "/a|up|"}));
  EXPECT_EQ(t.ask(Operation::watch, "/a|up|"), "EEXIST|");
  EXPECT_EQ(t.ask(Operation::unwatch, "/a|up|"), "OK|");
  EXPECT_EQ(t.ask(Operation::unwatch, "/a|up|"), "ENOENT|");
}

TEST(Watches, GoNoDeeperThanTheyAreTold) {
  TestStore t;
  t.ask(Operation::watch, "/a|0|0|");
  t.ask(Operation::watch, "/a|1|1|");
  t.events.clear();
  t.ask(Operation::write, "/a|");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a|0|", "/a|1|"}));
  t.ask(Operation::write, "/a/b|");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a/b|1|"}));
  t.ask(Operation::write, "/a/b/c|");
  EXPECT_EQ(t.told(TestStore::kDomain0), Strings{});
  EXPECT_EQ(t.ask(Operation::watch, "/a|x|deep|"), "EINVAL|");
  EXPECT_EQ(t.ask(Operation::watch, "@releaseDomain|x|2|"), "EINVAL|");
}

TEST(Watches, TellADomainOnlyOfWhatItMayRead) {
  TestStore t;
  t.introduce(1);
  t.ask(Operation::write, "/private/x|");
  t.ask(1, Operation::watch, "/|all|");
  t.ask(1, Operation::watch, "@introduceDomain|i|");
  t.events.clear();
  t.ask(Operation::write, "/private/x|new");
  t.ask(Operation::remove, "/private/x|");
  t.ask(Operation::introduce, "5|1|1|");
  EXPECT_EQ(t.told(1), Strings{});
  t.ask(set_permissions, "/private|n0|r1|");
  EXPECT_EQ(t.told(1), (Strings{"/private|all|"}));
  t.ask(set_permissions, "/private|n0|");
  EXPECT_EQ(t.told(1), (Strings{"/private|all|"})) << "it could read it until now";
}

TEST(Watches, OfRelativePathsSpeakInRelativePaths) {
  TestStore t;
  t.introduce(1);
  t.ask(1, Operation::watch, "device|d|");
  t.ask(1, Operation::write, "device/vif|");
  EXPECT_EQ(t.told(1), (Strings{"device|d|", "device/vif|d|"}));
}

TEST(Transactions, ShowTheTreeAsItWasAtTheStart) {
  TestStore t;
  t.ask(Operation::write, "/a|old");
  const std::uint32_t id = t.start();
  t.ask(Operation::write, "/a|new");
  EXPECT_EQ(t.ask(Operation::read, "/a|", id), "old");
  EXPECT_EQ(t.ask(Operation::write, "/mine|x", id), "OK|");
  EXPECT_EQ(t.ask(Operation::read, "/mine|", id), "x");
  EXPECT_EQ(t.ask(Operation::read, "/mine|"), "ENOENT|");
  EXPECT_EQ(t.ask(transaction_end, "T|", id), "EAGAIN|") << "what it read has changed";
  EXPECT_EQ(t.ask(Operation::read, "/mine|"), "ENOENT|");
  EXPECT_EQ(t.ask(transaction_end, "T|", id), "ENOENT|") << "it is over";
}

TEST(Transactions, ThatDoNotMeetBothComeTrue) {
  TestStore t;
  t.ask(Operation::write, "/a/x|");
  t.ask(Operation::write, "/b/x|");
  const std::uint32_t first = t.start();
  const std::uint32_t second = t.start();
  t.ask(Operation::write, "/a/x|1", first);
  t.ask(Operation::write, "/b/x|2", second);
  EXPECT_EQ(t.ask(transaction_end, "T|", second), "OK|");
  EXPECT_EQ(t.ask(transaction_end, "T|", first), "OK|");
  EXPECT_EQ(t.ask(Operation::read, "/a/x|"), "1");
  EXPECT_EQ(t.ask(Operation::read, "/b/x|"), "2");
}

TEST(Transactions, TellOfTheirChangesWhenTheyComeTrue) {
  TestStore t;
  t.ask(Operation::watch, "/a|w|");
  t.events.clear();
  const std::uint32_t given_up = t.start();
  t.ask(Operation::write, "/a/1|", given_up);
  EXPECT_EQ(t.ask(transaction_end, "F|", given_up), "OK|");
  const std::uint32_t id = t.start();
  t.ask(Operation::write, "/a/1|x", id);
  t.ask(Operation::write, "/a/1|y", id);
  t.ask(Operation::write, "/a/2|x", id);
  t.ask(Operation::write, "/a/3|x", id);
  t.ask(Operation::remove, "/a/3|", id);
  EXPECT_EQ(t.told(TestStore::kDomain0), Strings{});
  EXPECT_EQ(t.ask(transaction_end, "T|", id), "OK|");
  EXPECT_EQ(t.told(TestStore::kDomain0), (Strings{"/a/1|w|", "/a/2|w|"}))
      << "one for each, none for what came and went";
}

TEST(Transactions, AreWhatTheyAreAskedAs) {
  TestStore t;
  const std::uint32_t id = t.start();
  EXPECT_EQ(t.ask(transaction_start, "|", id), "EBUSY|");
  EXPECT_EQ(t.ask(Operation::read, "/|", id + 1), "ENOENT|");
  EXPECT_EQ(t.ask(transaction_end, "X|", id), "EINVAL|");
  EXPECT_EQ(t.ask(transaction_end, "T|"), "ENOENT|");
  t.ask(Operation::watch, "/a|w|", 99);
  EXPECT_EQ(t.ask(reset_watches, "|", id), "OK|") << "also from within one (CVE-2026-23557)";
  EXPECT_EQ(t.ask(Operation::read, "/|", id), "ENOENT|");
  EXPECT_EQ(t.store.watches().count(TestStore::kDomain0), 0U);
}

TEST(Transactions, OfOneConnectionAreNotAnothers) {
  TestStore t;
  t.store.connect(TestStore::kDomain0 + 1);
  const std::uint32_t id = t.start();
  EXPECT_EQ(t.ask(TestStore::kDomain0 + 1, Operation::read, "/|", id), "ENOENT|");
}

TEST(Requests, OfUnknownKindsAreRefused) {
  TestStore t;
  for (const std::uint32_t operation : {15U, 16U, 20U, 23U, 65535U, ~0U}) {
    EXPECT_EQ(t.ask(static_cast<Operation>(operation), "|"), "ENOSYS|") << operation;
  }
}

}  // namespace

}  // namespace krata::store

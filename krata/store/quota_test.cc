#include <gtest/gtest.h>

#include "krata/store/store_fixture.h"

namespace krata::store {

namespace {

using enum Operation;

class Quotas : public testing::Test {
 protected:
  Quotas() { t_.introduce(1); }

  TestStore t_{Quota{.nodes = 5,
                     .watches = 2,
                     .transactions = 2,
                     .transaction_nodes = 6,
                     .node_size = 200,
                     .path_max = 40,
                     .permissions = 3,
                     .transaction_bytes = 1000}};
};

TEST_F(Quotas, BoundNodes) {
  EXPECT_EQ(t_.ask(1, Operation::write, "a/b/c/d|"), "OK|") << "with its folder, five";
  EXPECT_EQ(t_.ask(1, Operation::write, "e|"), "ENOSPC|");
  EXPECT_EQ(t_.ask(1, mkdir, "e|"), "ENOSPC|");
  EXPECT_EQ(t_.ask(1, Operation::write, "a|again"), "OK|") << "no new node";
  EXPECT_EQ(t_.ask(1, Operation::remove, "a/b/c/d|"), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "e|"), "OK|");
  EXPECT_EQ(t_.ask(Operation::write, "/local/domain/1/f|"), "OK|") << "domain 0 is not bound";
}

TEST_F(Quotas, BoundNodesOfTransactionsThatComeTrueTogether) {
  const std::uint32_t first = t_.start(1);
  const std::uint32_t second = t_.start(1);
  t_.ask(Operation::write, "/local/domain/1/p|");
  t_.ask(Operation::write, "/local/domain/1/q|");
  EXPECT_EQ(t_.ask(set_permissions, "/local/domain/1/p|n1|"), "OK|");
  EXPECT_EQ(t_.ask(1, transaction_end, "F|", first), "OK|");
  EXPECT_EQ(t_.ask(1, transaction_end, "F|", second), "OK|");
  const std::uint32_t third = t_.start(1);
  EXPECT_EQ(t_.ask(1, Operation::write, "p/1|", third), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "p/2|", third), "OK|");
  t_.ask(set_permissions, "/local/domain/1/q|n1|");
  EXPECT_EQ(t_.ask(1, transaction_end, "T|", third), "OK|") << "five now";
  const std::uint32_t fourth = t_.start(1);
  t_.ask(1, Operation::remove, "p/1|", fourth);
  EXPECT_EQ(t_.ask(1, Operation::write, "p/3|", fourth), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "p/4|", fourth), "ENOSPC|");
  EXPECT_EQ(t_.ask(1, transaction_end, "T|", fourth), "OK|");
  EXPECT_EQ(t_.store.tree().nodes_of(1), 5U);
}

TEST_F(Quotas, AreNotOutrunByTwoTransactions) {
  t_.ask(1, Operation::write, "a|");
  t_.ask(1, Operation::write, "b|");
  const std::uint32_t first = t_.start(1);
  const std::uint32_t second = t_.start(1);
  EXPECT_EQ(t_.ask(1, Operation::write, "a/1|", first), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "a/2|", first), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "b/1|", second), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "b/2|", second), "OK|");
  EXPECT_EQ(t_.ask(1, transaction_end, "T|", first), "OK|");
  EXPECT_EQ(t_.ask(1, transaction_end, "T|", second), "ENOSPC|");
  EXPECT_EQ(t_.store.tree().nodes_of(1), 5U);
}

TEST_F(Quotas, BoundTheSizeOfNodes) {
  EXPECT_EQ(t_.ask(1, Operation::write, "a|" + std::string(150, 'x')), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "a|" + std::string(170, 'x')), "ENOSPC|");
  EXPECT_EQ(t_.ask(1, Operation::write, "b|" + std::string(170, 'x')), "ENOSPC|");
  EXPECT_EQ(t_.ask(1, Operation::read, "b|"), "ENOENT|");
}

TEST_F(Quotas, BoundPaths) {
  EXPECT_EQ(t_.ask(1, Operation::write, std::string(40, 'a') + "|"), "OK|") << "what is in front is not counted";
  EXPECT_EQ(t_.ask(1, Operation::write, std::string(41, 'a') + "|"), "EINVAL|");
}

TEST_F(Quotas, BoundPermissions) {
  t_.ask(1, Operation::write, "a|");
  EXPECT_EQ(t_.ask(1, set_permissions, "a|n1|r2|r3|"), "OK|");
  EXPECT_EQ(t_.ask(1, set_permissions, "a|n1|r2|r3|r4|"), "ENOSPC|");
}

TEST_F(Quotas, BoundWatches) {
  for (const char* token : {"1", "2", "3"}) {
    EXPECT_EQ(t_.ask(1, Operation::watch, std::string("a|") + token + "|"), "OK|");
  }
  EXPECT_EQ(t_.ask(1, Operation::watch, "a|4|"), "E2BIG|");
  t_.ask(1, Operation::unwatch, "a|1|");
  EXPECT_EQ(t_.ask(1, Operation::watch, "a|4|"), "OK|");
}

TEST_F(Quotas, BoundTransactions) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(t_.start(1), 0U);
  }
  EXPECT_EQ(t_.ask(1, transaction_start, "|"), "ENOSPC|");
}

TEST_F(Quotas, BoundWhatATransactionLooksAt) {
  const std::uint32_t id = t_.start(1);
  std::string last;
  for (int i = 0; i < 6; ++i) {
    last = t_.ask(1, Operation::read, std::to_string(i) + "|", id);
  }
  EXPECT_EQ(last, "ENOSPC|");
}

TEST_F(Quotas, BoundWhatATransactionWrites) {
  const std::uint32_t id = t_.start(1);
  std::string last;
  for (int i = 0; i < 10 && last != "ENOSPC|"; ++i) {
    last = t_.ask(1, Operation::write, "a|" + std::string(150, 'x'), id);
  }
  EXPECT_EQ(last, "ENOSPC|");
}

// Each transaction keeps the nodes as they were at its start.
TEST_F(Quotas, BoundWhatIsKeptForTransactions) {
  t_.ask(1, Operation::write, "a|");
  const std::uint32_t id = t_.start(1);
  EXPECT_EQ(t_.ask(1, Operation::read, "a|", id), "");
  for (int i = 0; i < 100; ++i) {
    t_.ask(1, Operation::write, "a|" + std::string(100, 'x'));
    const std::uint32_t other = t_.start(1);
    t_.ask(1, transaction_end, "F|", other);
  }
  EXPECT_EQ(t_.ask(1, Operation::read, "a|", id), "");
  EXPECT_LE(t_.store.tree().copied_bytes(), 4000U) << "one copy, and no more while nothing new is shared";
  for (int i = 0; i < 20; ++i) {
    t_.start(1);
    t_.ask(1, Operation::write, "a|" + std::string(100, 'x'));
  }
  EXPECT_EQ(t_.ask(1, Operation::read, "a|", id), std::string(100, 'x')) << "its snapshot is gone";
  EXPECT_EQ(t_.ask(1, transaction_end, "T|", id), "EAGAIN|");
}

TEST_F(Quotas, MayBeSetAtRunTime) {
  EXPECT_EQ(t_.ask(control, "quota|set|nodes|1|"), "OK|");
  EXPECT_EQ(t_.ask(1, Operation::write, "a|"), "ENOSPC|");
  EXPECT_EQ(t_.ask(control, "quota|set|nonsense|1|"), "EINVAL|");
  EXPECT_NE(t_.ask(control, "quota|").find("nodes: 1"), std::string::npos);
}

TEST_F(Quotas, RequestsAreCounted) {
  t_.ask(1, Operation::read, "nothing|");
  t_.ask(1, Operation::write, "a|x");
  const std::string text = t_.ask(control, "requests|");
  EXPECT_NE(text.find("read: 1\nget_permissions: 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("write: 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("refused: 1\n"), std::string::npos) << text;
  EXPECT_EQ(t_.ask(1, control, "requests|"), "EACCES|") << "no zone's to know";
}

}  // namespace

}  // namespace krata::store

// Against krata-store's own server, in a thread.
#include "krata/store/client.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "krata/store/server_fixture.h"

namespace krata::store {
namespace {

class ClientTest : public testing::Test {
 protected:
  common::TestFolder folder_;
  ServedStore served_;
  StoreClient* client_ = &served_.client();
};

TEST_F(ClientTest, WritesReadsAndRemoves) {
  ASSERT_TRUE(client_->write("/a/b", "value"));
  EXPECT_EQ(client_->read("/a/b").value(), "value");
  ASSERT_TRUE(client_->set_permissions("/a/b", {"n5", "r0"}));
  ASSERT_TRUE(client_->remove("/a"));
  ASSERT_TRUE(client_->remove("/a"));
  EXPECT_EQ(client_->find("/a/b").value(), std::nullopt);
  const auto read = client_->read("/a/b");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), common::ErrorCode::not_found);
  EXPECT_EQ(read.error().text(), "xenstore refuses /a/b: ENOENT");
}

TEST_F(ClientTest, ListsMoreThanOneAnswerHolds) {
  std::vector<NewNode> nodes;
  for (int i = 0; i < 300; ++i) {
    nodes.push_back({"/list/node-with-a-rather-long-name-" + std::to_string(i), std::to_string(i), {}});
  }
  ASSERT_TRUE(client_->write(nodes)) << "more than are asked for at once";
  auto names = client_->directory("/list").value();
  EXPECT_EQ(names.size(), 300U);
  std::ranges::sort(names);
  EXPECT_EQ(names.front(), "node-with-a-rather-long-name-0");
  const auto all = client_->read_all("/list");
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_EQ(all->size(), 300U);
  EXPECT_EQ(all->at("node-with-a-rather-long-name-7"), "7");
  EXPECT_EQ(all->at("node-with-a-rather-long-name-299"), "299");
  ASSERT_TRUE(client_->write("/empty", ""));
  EXPECT_EQ(client_->directory("/empty").value(), std::vector<std::string>{});
  EXPECT_TRUE(client_->read_all("/empty").value().empty());
  EXPECT_FALSE(client_->directory("/missing"));
  EXPECT_FALSE(client_->read_all("/missing"));
}

TEST_F(ClientTest, OfManyTellsWhichIsRefused) {
  const std::vector<NewNode> nodes{{"/a", "1", {"n0", "r5"}}, {"/a b", "2", {}}, {"/c", "3", {}}};
  const auto done = client_->write(nodes);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().text(), "xenstore refuses /a b: EINVAL");
  EXPECT_EQ(client_->read("/a").value(), "1") << "the answers that nobody waited for are not taken for others";
  EXPECT_EQ(client_->read("/c").value(), "3");
  const std::vector<NewNode> longer{{"/d", std::string(5000, 'x'), {}}};
  const auto refused = client_->write(longer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), common::ErrorCode::limit);
}

TEST_F(ClientTest, TellsOfChanges) {
  ASSERT_TRUE(client_->watch("/w", "token"));
  ASSERT_TRUE(client_->write("/w/x", "1"));
  std::vector<std::string> seen;
  while (seen.size() < 2) {
    if (const auto event = client_->next_event().value()) {
      EXPECT_EQ(event->token, "token");
      seen.push_back(event->path);
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"/w", "/w/x"}));
  ASSERT_TRUE(client_->unwatch("/w", "token"));
}

TEST_F(ClientTest, SaysWhenNobodyIsThere) {
  const auto client = StoreClient::connect(folder_.at("other"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code(), common::ErrorCode::unavailable);
}

}  // namespace
}  // namespace krata::store

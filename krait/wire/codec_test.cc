#include <gtest/gtest.h>

#include <cstring>

#include "krait/wire/message.h"

namespace krait::wire {
namespace {

model::PublicKey key(std::uint8_t byte) {
  model::PublicKey made{};
  made.fill(byte);
  return made;
}

Message there_and_back(const Message& message) {
  auto read = decode(encode(message));
  EXPECT_TRUE(read) << read.error().text();
  return read ? *read : Message{};
}

TEST(Codec, BringsEveryMessageBack) {
  const std::vector<Message> messages{
      Hello{1, 7, "krait-link 9"},
      Welcome{1, "krait-coordinator 9", {1, 2, 3}, 77, true},
      Join{key(9), "web1", key(4), 51820, {"192.0.2.1:51820", "[2001:db8::1]:4"}, true, {"10.90.0.7", "fd90::7"}},
      Offer{"grant", {"10.0.0.1", "fd00::1"}, {"one", "two"}, "web1-2"},
      Seal{"joined"},
      Joined{5, "web1", {"10.0.0.1"}, true},
      Watch{9, std::string(32, 'd')},
      State{3, 4, std::string("\0\1\2", 3), true},
      Confirmed{12},
      Enforced{12, "no room"},
      Here{{"192.0.2.9:1"}, 99, {{4, "192.0.2.4:5", "web1"}}},
      KeyChange{"change"},
      Leave{},
      Refused{RefusalCode::token, "spent"},
      Ask{4, "{}"},
      Answer{4, R"({"version":1})"},
      RotateKey{true}};
  for (const Message& message : messages) {
    EXPECT_EQ(there_and_back(message), message) << message.index();
  }
  EXPECT_EQ(messages.size() + 1, std::variant_size_v<Message>) << "a message is missing above";
}

// What a newer version says and this one does not know.
TEST(Codec, PassesOverWhatItDoesNotKnow) {
  const std::string unknown_body("\xfa\x3e\x02hi", 5);  // field 1007, two bytes
  const auto read = decode(unknown_body);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*read));
  // The same inside a message: Watch with a field 200.
  const auto known = decode(std::string("\x2a\x05\x08\x05\xc0\x0c\x01", 7));
  ASSERT_TRUE(known) << known.error().text();
  EXPECT_EQ(std::get<Watch>(*known).holds, 5U);
}

TEST(Codec, RefusesWhatBreaksTheBounds) {
  const auto refused = [](const Message& message, std::string_view why) {
    const auto read = decode(encode(message));
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().text().find(why), std::string::npos) << read.error().text();
  };
  refused(Hello{0, 1, ""}, "without versions");
  refused(Hello{3, 2, ""}, "without versions");
  refused(Join{.name = std::string(kMaxTextBytes + 1, 'a')}, "name that is too long");
  refused(Join{.endpoints = std::vector<std::string>(kMaxEndpoints + 1, "x")}, "too many endpoints");
  refused(Join{.addresses = std::vector<std::string>(kMaxEndpoints + 1, "x")}, "too many endpoints or addresses");
  refused(Watch{1, "short"}, "digest");
  refused(State{.bytes = std::string(kMaxStateChunkBytes + 1, 'x')}, "too much of a state");
  refused(Here{.seen = std::vector<Seen>(kMaxSeen + 1)}, "too many peers");
  refused(Offer{.admin_lists = std::vector<std::string>(kMaxLists + 1)}, "too many lists");
  EXPECT_FALSE(decode("\xff\xff\xff"));
}

TEST(Codec, GoesOnWithTheHighestVersionOfBoth) {
  EXPECT_EQ(common_version({1, 1, ""}), 1U);
  EXPECT_EQ(common_version({1, 99, ""}), kMostVersion);
  EXPECT_EQ(common_version({kMostVersion + 1, 99, ""}), 0U);
}

}  // namespace
}  // namespace krait::wire

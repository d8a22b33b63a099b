// Messages as each release has said them, kept for the releases after it: tests/golden/wire/NUMBER.txt, a line each,
// the name of the message and its bytes. What a release has said it goes on to understand; a new one adds a file.
// KRAIT_GOLDEN=write writes the file of the present version; one that was released is never written again.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>

#include "common/file.h"
#include "krait/wire/message.h"

namespace krait::wire {
namespace {

constexpr const char* kFirst = "tests/golden/wire/1.txt";

std::vector<std::pair<std::string, Message>> first_release() {
  TokenKey token{};
  token.fill(7);
  model::PublicKey key{};
  key.fill(9);
  return {{"hello", Hello{1, 1, "krait-link 0.1.0"}},
          {"welcome", Welcome{1, "krait-coordinator 0.1.0", {1, 2, 3, 4}, 77, true}},
          {"join", Join{token, "web1", key, 51820, {"192.0.2.1:51820", "[2001:db8::1]:51820"}, true}},
          {"offer", Offer{"grant", {"10.90.0.1", "fd90::1"}, {"list"}, "web1-2"}},
          {"seal", Seal{"joined"}},
          {"joined", Joined{5, "web1", {"10.90.0.1"}, true}},
          {"watch", Watch{9, std::string(32, 'd')}},
          {"state", State{3, 4, std::string("\0\1\2", 3), true}},
          {"confirmed", Confirmed{12}},
          {"enforced", Enforced{12, "no room"}},
          {"here", Here{{"192.0.2.9:51820"}, 51820, {{0, "198.51.100.4:4000", "db1"}}}},
          {"key_change", KeyChange{"change"}},
          {"rotate_key", RotateKey{true}},
          {"leave", Leave{}},
          {"refused", Refused{RefusalCode::token, "the token is spent"}},
          {"ask", Ask{4, R"({"request":"status"})"}},
          {"answer", Answer{4, R"({"version":1})"}}};
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(Recorded, MessagesOfTheFirstReleaseAreUnderstood) {
  if (const char* write = std::getenv("KRAIT_GOLDEN"); write != nullptr && std::string(write) == "write") {
    std::string text;
    for (const auto& [name, message] : first_release()) {
      text += name + " " + hex(encode(message)) + "\n";
    }
    ASSERT_TRUE(common::write_file(kFirst, text, 0644));
  }
  const auto text = common::read_file(kFirst, std::size_t{1} << 20U);
  ASSERT_TRUE(text) << text.error().text();
  std::istringstream lines(*text);
  std::map<std::string, std::string> recorded;
  for (std::string line; std::getline(lines, line);) {
    recorded[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
  }
  const auto expected = first_release();
  EXPECT_EQ(recorded.size(), expected.size());
  EXPECT_EQ(expected.size() + 1, std::variant_size_v<Message>) << "a message is missing above";
  for (const auto& [name, message] : expected) {
    const auto read = decode(bytes_of(recorded[name]));
    ASSERT_TRUE(read) << name << ": " << read.error().text();
    EXPECT_EQ(*read, message) << name;
  }
}

// And what this release says, the first one understands: no field has another number or kind.
TEST(Recorded, MessagesAreSaidAsTheFirstReleaseSaidThem) {
  const auto text = common::read_file(kFirst, std::size_t{1} << 20U);
  ASSERT_TRUE(text) << text.error().text();
  for (const auto& [name, message] : first_release()) {
    EXPECT_NE(text->find(name + " " + hex(encode(message)) + "\n"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace krait::wire

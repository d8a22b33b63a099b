#include "krait/inspect/pcap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "krait/inspect/local_sources.h"

namespace krait::inspect {
namespace {

std::string word(std::uint32_t value, bool big_endian) {
  std::string text;
  for (unsigned i = 0; i < 4; ++i) {
    text += static_cast<char>(value >> (big_endian ? 24 - 8 * i : 8 * i));
  }
  return text;
}

// The classic format's header (draft-ietf-opsawg-pcap): magic, version 2.4, zone, accuracy, snapshot length, link type.
std::string header(std::uint32_t link_type, std::uint32_t magic = 0xa1b2c3d4U, bool big_endian = false) {
  const std::uint32_t version = big_endian ? 0x00020004U : 0x00040002U;
  return word(magic, big_endian) + word(version, big_endian) + word(0, big_endian) + word(0, big_endian) +
         word(65535, big_endian) + word(link_type, big_endian);
}
std::string record(const std::string& bytes, std::uint32_t original, bool big_endian = false) {
  return word(1, big_endian) + word(2, big_endian) + word(static_cast<std::uint32_t>(bytes.size()), big_endian) +
         word(original, big_endian) + bytes;
}

class PcapTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  common::Result<PcapFile> open(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return PcapFile::open(path_);
  }
  std::string path_ = testing::TempDir() + "krait-pcap-" + std::to_string(::getpid());
};

TEST_F(PcapTest, ReadsEveryMagic) {
  for (const bool big_endian : {false, true}) {
    for (const std::uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU}) {  // microseconds, nanoseconds
      auto file = open(header(101, magic, big_endian) + record("E123", 9, big_endian));
      ASSERT_TRUE(file) << file.error().text();
      EXPECT_EQ(file->link_type(), LinkType::raw);
      auto packet = file->next();
      ASSERT_TRUE(packet && *packet);
      EXPECT_EQ((*packet)->bytes.size(), 4);
      EXPECT_EQ((*packet)->original_bytes, 9);
      EXPECT_EQ((*packet)->bytes[0], std::byte{'E'});
      packet = file->next();
      ASSERT_TRUE(packet);
      EXPECT_FALSE(*packet);
    }
  }
}

TEST_F(PcapTest, KnowsTheLinkTypes) {
  EXPECT_EQ(open(header(1))->link_type(), LinkType::ethernet);
  EXPECT_EQ(open(header(12))->link_type(), LinkType::raw);
  EXPECT_EQ(open(header(14))->link_type(), LinkType::raw);
  EXPECT_EQ(open(header(228))->link_type(), LinkType::ipv4);
  EXPECT_EQ(open(header(229))->link_type(), LinkType::ipv6);
  const auto other = open(header(113));
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().text().find("LINUX_SLL"), std::string::npos) << other.error().text();
}

TEST_F(PcapTest, RefusesWhatIsNoCapture) {
  EXPECT_FALSE(open(""));
  EXPECT_FALSE(open("this is a text and no capture at all, however long it is"));
  std::filesystem::remove(path_);
  EXPECT_EQ(PcapFile::open(path_).error().code(), common::ErrorCode::invalid_input);
}

TEST_F(PcapTest, SaysWhereAFileIsDamaged) {
  auto file = open(header(101) + record("E123", 4) + record("E123", 4).substr(0, 18));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->next());
  EXPECT_FALSE(file->next());
}

TEST(LocalSources, LongestPrefixWins) {
  const auto binding = [](const char* prefix, bool local) {
    return compile::Binding{.prefix = *common::Prefix::parse(prefix), .identity = 0, .host = local ? 0U : 1U};
  };
  const LocalSources sources({binding("10.0.0.0/8", true), binding("10.1.0.0/16", false), binding("10.1.2.3/32", true),
                              binding("fd90::/16", true), binding("fd90::2/128", false)});
  const auto local = [&](const char* ip) { return sources.contains(*common::Ip::parse(ip)); };
  EXPECT_TRUE(local("10.2.0.1"));
  EXPECT_FALSE(local("10.1.0.1"));
  EXPECT_TRUE(local("10.1.2.3"));
  EXPECT_FALSE(local("192.0.2.1"));
  EXPECT_TRUE(local("fd90::1"));
  EXPECT_FALSE(local("fd90::2"));
  EXPECT_FALSE(local("::1"));
}

}  // namespace
}  // namespace krait::inspect

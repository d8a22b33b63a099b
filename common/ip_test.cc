#include "common/ip.h"

#include <gtest/gtest.h>

#include <string>

namespace common {
namespace {

std::string again(std::string_view text) {
  const auto ip = Ip::parse(text);
  return ip ? ip->text() : "refused";
}

std::string prefix_again(std::string_view text) {
  const auto prefix = Prefix::parse(text);
  return prefix ? prefix->text() : "refused";
}

std::string endpoint_again(std::string_view text) {
  const auto endpoint = Endpoint::parse(text);
  return endpoint ? endpoint->text() : "refused";
}

TEST(Ip, ReadsBothFamilies) {
  EXPECT_EQ(again("10.90.0.1"), "10.90.0.1");
  EXPECT_EQ(again("FD90:0:0::1"), "fd90::1");
  EXPECT_EQ(again("::"), "::");
  EXPECT_EQ(again("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
  EXPECT_EQ(Ip::parse("10.0.0.1")->bits(), 32);
  EXPECT_EQ(Ip::parse("::1")->bits(), 128);
}

TEST(Ip, RefusesEverythingElse) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"", "10", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1",
                                      "0x0a.0.0.1", "10.0.0.1/32", "fe80::1%eth0", "1::2::3", ":::", "host"}) {
    EXPECT_EQ(again(text), "refused") << text;
  }
  EXPECT_EQ(again("10.0.0.1\0"sv), "refused");
  EXPECT_EQ(again(std::string(1000, '1')), "refused");
}

TEST(Ip, MapsIpv4) {
  EXPECT_EQ((Ip{Family::v6, Ip::parse("10.0.0.1")->mapped()}.text()), "::ffff:10.0.0.1");
  EXPECT_EQ(Ip::parse("fd90::1")->mapped(), Ip::parse("fd90::1")->bytes);
}

TEST(Prefix, ReadsLengths) {
  EXPECT_EQ(prefix_again("10.20.0.0/16"), "10.20.0.0/16");
  EXPECT_EQ(prefix_again("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(prefix_again("::/128"), "::/128");
  for (const std::string_view text :
       {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8 ", "10.0.0.0/-1", "::/129",
        "10.0.0.0/8/8", "/8", "10.0.0.0/256", "10.0.0.0/264"}) {
    EXPECT_EQ(prefix_again(text), "refused") << text;
  }
}

TEST(Prefix, MasksOnEveryLength) {
  EXPECT_EQ(Prefix::parse("10.20.30.255/25")->masked().text(), "10.20.30.128/25");
  EXPECT_EQ(Prefix::parse("255.255.255.255/0")->masked().text(), "0.0.0.0/0");
  EXPECT_EQ(Prefix::parse("fd90:ffff::1/17")->masked().text(), "fd90:8000::/17");
  const Ip ones = *Ip::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  for (std::uint8_t length = 0; length <= 128; ++length) {
    const Prefix masked = Prefix{ones, length}.masked();
    int set = 0;
    for (const std::uint8_t byte : masked.ip.bytes) {
      set += __builtin_popcount(byte);
    }
    EXPECT_EQ(set, length);
    EXPECT_FALSE(masked.has_host_bits());
    EXPECT_EQ((Prefix{ones, length}.has_host_bits()), length < 128);
  }
}

TEST(Prefix, ContainsItsAddressesOnly) {
  const Prefix net = *Prefix::parse("10.20.0.0/15");
  EXPECT_TRUE(net.contains(*Ip::parse("10.20.0.0")));
  EXPECT_TRUE(net.contains(*Ip::parse("10.21.255.255")));
  EXPECT_FALSE(net.contains(*Ip::parse("10.22.0.0")));
  EXPECT_FALSE(net.contains(*Ip::parse("10.19.255.255")));
  EXPECT_FALSE(Prefix::parse("::/0")->contains(*Ip::parse("10.20.0.1")));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*Ip::parse("::1")));
}

TEST(Endpoint, WantsAddressAndPort) {
  EXPECT_EQ(endpoint_again("192.0.2.2:51820"), "192.0.2.2:51820");
  EXPECT_EQ(endpoint_again("[2001:db8::2]:1"), "[2001:db8::2]:1");
  EXPECT_EQ(endpoint_again("192.0.2.2:65535"), "192.0.2.2:65535");
  for (const std::string_view text :
       {"", ":", ":5", "192.0.2.2", "192.0.2.2:", "192.0.2.2:0", "192.0.2.2:65536", "192.0.2.2:051", "2001:db8::2:5",
        "[192.0.2.2]:5", "[2001:db8::2]", "[2001:db8::2]5", "[]:5", "host:5", "192.0.2.2:5 "}) {
    EXPECT_EQ(endpoint_again(text), "refused") << text;
  }
}

}  // namespace
}  // namespace common

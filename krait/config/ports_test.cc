#include "krait/config/ports.h"

#include <gtest/gtest.h>

#include <string>

#include "krait/abi/selector.h"

namespace krait::config {
namespace {

using Ranges = std::vector<model::SelectorRange>;

Ranges ranges(std::string_view text) {
  auto read = read_port(text);
  return read ? normalized(*std::move(read)) : Ranges{};
}

std::string back(std::string_view text) {
  std::string result;
  for (const model::SelectorRange& range : ranges(text)) {
    result += (result.empty() ? "" : "; ") + selector_text(range);
  }
  return result;
}

constexpr model::SelectorRange one(std::uint32_t selector) { return {selector, selector}; }

TEST(ReadPort, ReadsProtocolsWithPorts) {
  EXPECT_EQ(ranges("any"), (Ranges{{0, KRAIT_SELECTORS - 1}}));
  EXPECT_EQ(ranges("tcp"), (Ranges{{0, 65535}}));
  EXPECT_EQ(ranges("tcp/1"), (Ranges{one(1)}));
  EXPECT_EQ(ranges("tcp/65535"), (Ranges{one(65535)}));
  EXPECT_EQ(ranges("udp/8000-8100"), (Ranges{{KRAIT_SELECTOR_UDP + 8000, KRAIT_SELECTOR_UDP + 8100}}));
  EXPECT_EQ(ranges("udp/53-53"), (Ranges{one(KRAIT_SELECTOR_UDP + 53)}));
  EXPECT_EQ(ranges("sctp"), (Ranges{{KRAIT_SELECTOR_SCTP, KRAIT_SELECTOR_SCTP + 65535}}));
}

TEST(ReadPort, ReadsIcmp) {
  EXPECT_EQ(ranges("icmp"), (Ranges{{KRAIT_SELECTOR_ICMP, KRAIT_SELECTOR_PROTO - 1}}));
  EXPECT_EQ(ranges("icmpv6"), (Ranges{{KRAIT_SELECTOR_ICMPV6, KRAIT_SELECTOR_PROTO - 1}}));
  EXPECT_EQ(ranges("icmp/echo-request"), (Ranges{one(KRAIT_SELECTOR_ICMP + 8), one(KRAIT_SELECTOR_ICMPV6 + 128)}));
  EXPECT_EQ(ranges("icmpv6/echo-request"), (Ranges{one(KRAIT_SELECTOR_ICMPV6 + 128)}));
  EXPECT_EQ(ranges("icmp/timestamp-request"), (Ranges{one(KRAIT_SELECTOR_ICMP + 13)}));
  EXPECT_EQ(ranges("icmp/packet-too-big"), (Ranges{one(KRAIT_SELECTOR_ICMPV6 + 2)}));
  EXPECT_EQ(ranges("icmp/8"), (Ranges{one(KRAIT_SELECTOR_ICMP + 8)}));
  EXPECT_EQ(ranges("icmp/255"), (Ranges{one(KRAIT_SELECTOR_ICMP + 255)}));
  EXPECT_EQ(ranges("icmpv6/0"), (Ranges{one(KRAIT_SELECTOR_ICMPV6)}));
  EXPECT_EQ(ranges("icmpv6/neighbor-solicitation"), ranges("icmpv6/neighbour-solicitation"));
}

TEST(ReadPort, ReadsOtherProtocols) {
  EXPECT_EQ(ranges("gre"), (Ranges{one(KRAIT_SELECTOR_PROTO + 47)}));
  EXPECT_EQ(ranges("esp"), (Ranges{one(KRAIT_SELECTOR_PROTO + 50)}));
  EXPECT_EQ(ranges("proto/89"), (Ranges{one(KRAIT_SELECTOR_PROTO + 89)}));
  EXPECT_EQ(ranges("proto/0"), (Ranges{one(KRAIT_SELECTOR_PROTO)}));
  EXPECT_EQ(ranges("proto/255"), (Ranges{one(KRAIT_SELECTOR_PROTO + 255)}));
}

TEST(ReadPort, NumbersMeanTheSameAsNames) {
  EXPECT_EQ(ranges("proto/6"), ranges("tcp"));
  EXPECT_EQ(ranges("proto/17"), ranges("udp"));
  EXPECT_EQ(ranges("proto/132"), ranges("sctp"));
  EXPECT_EQ(ranges("proto/1"), (Ranges{{KRAIT_SELECTOR_ICMP, KRAIT_SELECTOR_ICMP + 255}}));
  EXPECT_EQ(ranges("proto/58"), ranges("icmpv6"));
  EXPECT_EQ(ranges("proto/47"), ranges("gre"));
}

TEST(ReadPort, RefusesWithAMend) {
  for (const char* const text : {"",
                                 "/",
                                 "tcp/",
                                 "tcp/0",
                                 "tcp/65536",
                                 "tcp/99999999999999999999",
                                 "tcp/-1",
                                 "tcp/1-",
                                 "tcp/-",
                                 "tcp/0-5",
                                 "tcp/5-4",
                                 "tcp/1-2-3",
                                 "tcp/08",
                                 "tcp/ 8",
                                 "tcp /8",
                                 " tcp",
                                 "tcp\n",
                                 "TCP",
                                 "tcp/http",
                                 "tcp/80/",
                                 "icmp/",
                                 "icmp/256",
                                 "icmp/-1",
                                 "icmp/8-9",
                                 "icmp/Echo-Request",
                                 "icmpv6/source-quench",
                                 "icmpv6/256",
                                 "proto",
                                 "proto/",
                                 "proto/256",
                                 "proto/x",
                                 "gre/5",
                                 "any/5",
                                 "esp/1",
                                 "5432",
                                 "*",
                                 "ip",
                                 "any "}) {
    const auto read = read_port(text);
    ASSERT_FALSE(read) << text;
    EXPECT_FALSE(read.error().message.empty()) << text;
    EXPECT_FALSE(read.error().hint.empty()) << text;
  }
  const auto long_one = read_port(std::string(1 << 20, 'a'));
  ASSERT_FALSE(long_one);
  EXPECT_LT(long_one.error().message.size(), 1000U);
}

TEST(Normalized, JoinsWhatTouches) {
  EXPECT_EQ(normalized({{5, 6}, {1, 2}, {3, 3}, {9, 9}, {5, 5}}), (Ranges{{1, 3}, {5, 6}, {9, 9}}));
  EXPECT_EQ(normalized({{1, 10}, {2, 3}}), (Ranges{{1, 10}}));
  EXPECT_EQ(normalized({}), Ranges{});
}

TEST(SelectorText, SpeaksLikeAPolicy) {
  for (const char* const text :
       {"any", "tcp", "tcp/5432", "tcp/8000-8100", "udp/53", "sctp", "icmp", "icmpv6", "icmpv6/echo-request", "gre",
        "esp", "proto/89", "proto/1", "icmp/timestamp-request", "icmpv6/packet-too-big", "icmp/200"}) {
    EXPECT_EQ(back(text), text);
  }
  EXPECT_EQ(back("icmp/echo-request"), "icmp/echo-request; icmpv6/echo-request");
  EXPECT_EQ(selector_text({0, 131071}), "tcp, udp");
  EXPECT_EQ(selector_text({65535, 65536}), "tcp/65535, udp/0");
  EXPECT_EQ(selector_text({KRAIT_SELECTOR_SCTP + 1, KRAIT_SELECTOR_PROTO + 2}), "sctp/1-65535, icmp, proto/0-2");
  EXPECT_EQ(selector_text({KRAIT_SELECTOR_ICMP + 3, KRAIT_SELECTOR_ICMPV6 + 1}), "icmp/3-255, icmpv6/0-1");
}

TEST(SelectorText, EverySelectorReadsBackAsItself) {
  for (std::uint32_t selector = 0; selector < KRAIT_SELECTORS; ++selector) {
    if (selector % 65536 == 0 && selector < KRAIT_SELECTOR_ICMP) {
      continue;  // port 0 has a text but cannot be written in a policy
    }
    const std::string text = selector_text(one(selector));
    const Ranges read = ranges(text);
    ASSERT_FALSE(read.empty()) << selector << " " << text;
    const bool own_name =
        selector >= KRAIT_SELECTOR_PROTO && read.front().last - read.front().first > 1;  // proto/6 is tcp
    EXPECT_TRUE(own_name || read.front() == one(selector)) << selector << " " << text;
  }
}

std::string selector(std::string_view protocol, std::optional<std::uint32_t> port,
                     std::optional<std::string_view> type) {
  const auto result = selector_of(protocol, port, type);
  return result ? std::to_string(*result) : result.error().text();
}

TEST(SelectorOf, IsThatOfOnePacket) {
  EXPECT_EQ(selector("tcp", 5432, {}), "5432");
  EXPECT_EQ(selector("6", 5432, {}), "5432");
  EXPECT_EQ(selector("udp", 53, {}), std::to_string(KRAIT_SELECTOR_UDP + 53));
  EXPECT_EQ(selector("icmp", {}, "echo-request"), std::to_string(KRAIT_SELECTOR_ICMP + 8));
  EXPECT_EQ(selector("icmpv6", {}, "echo-request"), std::to_string(KRAIT_SELECTOR_ICMPV6 + 128));
  EXPECT_EQ(selector("icmp", {}, "0"), std::to_string(KRAIT_SELECTOR_ICMP));
  EXPECT_EQ(selector("58", {}, "1"), std::to_string(KRAIT_SELECTOR_ICMPV6 + 1));
  EXPECT_EQ(selector("gre", {}, {}), std::to_string(KRAIT_SELECTOR_PROTO + 47));
  EXPECT_EQ(selector("proto/89", {}, {}), std::to_string(KRAIT_SELECTOR_PROTO + 89));
  EXPECT_EQ(selector("89", {}, {}), std::to_string(KRAIT_SELECTOR_PROTO + 89));
}

TEST(SelectorOf, SaysWhichOptionIsMissing) {
  EXPECT_EQ(selector("tcp", {}, {}), "tcp has ports; give --port");
  EXPECT_EQ(selector("tcp", 0, {}), "bad port 0; give --port 1 to 65535");
  EXPECT_EQ(selector("tcp", 65536, {}), "bad port 65536; give --port 1 to 65535");
  EXPECT_EQ(selector("tcp", 80, "echo-request"), "tcp has no types; leave --type out");
  EXPECT_EQ(selector("icmp", {}, {}), "icmp has types; give --type");
  EXPECT_EQ(selector("icmp", 8, "echo-request"), "icmp has no ports; leave --port out");
  EXPECT_EQ(selector("icmp", {}, "packet-too-big"), "\"packet-too-big\" is a type of ICMPv6 only; give --proto icmpv6");
  EXPECT_EQ(selector("icmp", {}, "echo-reqest"), "unknown ICMP type \"echo-reqest\"; did you mean \"echo-request\"?");
  EXPECT_EQ(selector("icmp", {}, "nothing-near"),
            "unknown ICMP type \"nothing-near\"; give --type a number 0-255 or a name such as echo-request");
  EXPECT_EQ(selector("tcpp", 80, {}), "\"tcpp\" is not one protocol; did you mean \"tcp\"?");
  EXPECT_EQ(selector("443", 80, {}),
            "\"443\" is not one protocol; write tcp, udp, sctp, icmp, icmpv6, gre, esp or a protocol number 0-255");
  EXPECT_EQ(selector("gre", 5, {}), "gre has no ports; leave --port out");
  EXPECT_EQ(selector("gre", {}, "5"), "gre has no types; leave --type out");
  for (const char* const protocol : {"any", "tcp/80", "icmp/echo-request", "", "256", "http", "proto/256"}) {
    EXPECT_FALSE(selector_of(protocol, 80, {})) << protocol;
  }
}

}  // namespace
}  // namespace krait::config

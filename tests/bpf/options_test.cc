// What a rule may say besides allow and deny: until when, with an answer, with events; and what it counts.
#include <sched.h>

#include <algorithm>
#include <cstring>

#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::Bytes;
using packets::kAck;
using packets::kFin;
using packets::kRst;
using packets::kSyn;

class Options : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      load_anew();
    }
  }
};

model::Rule expiring(model::Rule rule, std::int64_t seconds) {
  rule.expires = {model::Expiry::Kind::after, seconds};
  return rule;
}

model::Rule expiring_at(model::Rule rule, std::int64_t seconds_from_now) {
  rule.expires = {model::Expiry::Kind::at, naive::Evaluator::kFirstUnixS + seconds_from_now};
  return rule;
}

model::Rule rejecting(model::Rule rule) {
  rule.reject = true;
  return rule;
}

model::Rule logging(model::Rule rule) {
  rule.log = true;
  return rule;
}

Packet request() { return Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kSyn); }
Packet reply() { return Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40000, kSyn | kAck); }
Packet more() { return Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kAck); }

TEST_F(Options, AccessEndsAtTheVeryMoment) {
  policy({expiring(allow("for a while", kWeb, kDb, tcp(5432)), 60)});
  EXPECT_TRUE(passes_by(in(request()), "for a while"));
  EXPECT_TRUE(passes(out(reply())));
  advance(59);
  EXPECT_TRUE(passes(in(more())));
  EXPECT_TRUE(passes(out(reply())));
  advance(1);
  const Outcome over = in(more());
  EXPECT_TRUE(drops(over, KRAIT_REASON_RULE_EXPIRED));
  EXPECT_EQ(over.rule, "for a while");
  EXPECT_TRUE(drops(out(reply()), KRAIT_REASON_FLOW_REVOKED));
}

TEST_F(Options, ADenyEndsToo) {
  policy({expiring_at(deny("maintenance", kAny, kDb, everything()), 30), allow("web to db", kWeb, kDb, tcp(5432))});
  EXPECT_TRUE(drops(in(request()), KRAIT_REASON_DENIED_BY_RULE));
  advance(30);
  EXPECT_TRUE(passes_by(in(request()), "web to db"));
}

TEST_F(Options, EveryMomentHasItsRule) {
  policy({expiring(allow("first", kWeb, kDb, tcp(5432)), 10), expiring_at(allow("second", kWeb, kAny, tcp(5432)), 30),
          expiring(deny("not at first", kAny, kDb, tcp(5432)), 5), allow("at last", kAny, kAny, tcp(5000, 6000))});
  EXPECT_TRUE(drops(in(request()), KRAIT_REASON_DENIED_BY_RULE));
  advance(5);
  EXPECT_TRUE(passes_by(in(request()), "first"));
  advance(5);
  EXPECT_TRUE(passes_by(in(request()), "second"));
  advance(20);
  EXPECT_TRUE(passes_by(in(request()), "at last"));
}

TEST_F(Options, TwoHundredAndFiftyFiveMomentsInOneCell) {
  std::vector<model::Rule> rules;
  for (int i = 0; i < 255; ++i) {
    rules.push_back(expiring(allow("until " + std::to_string(i), kWeb, kDb, tcp(5432)), i + 1));
  }
  policy(rules);
  for (int second = 0; second < 255; ++second) {
    ASSERT_TRUE(passes_by(in(request()), "until " + std::to_string(second)));
    advance(1);
  }
  EXPECT_TRUE(drops(in(request()), KRAIT_REASON_RULE_EXPIRED));
}

TEST_F(Options, ADurationBeginsOnce) {
  policy({expiring(allow("visit", kWeb, kDb, tcp(5432)), 60)});
  advance(40);
  policy({allow("another", kAny, kAny, udp(53)), expiring(allow("visit", kWeb, kDb, tcp(5432)), 60)});
  EXPECT_TRUE(passes_by(in(request()), "visit"));
  advance(20);
  EXPECT_TRUE(drops(in(request()), KRAIT_REASON_RULE_EXPIRED)) << "the reload did not start it again";
  policy({expiring(allow("visit", kWeb, kDb, tcp(5432)), 61)});
  EXPECT_TRUE(passes_by(in(request()), "visit")) << "another duration is another visit";
}

TEST_F(Options, WhatHasExpiredBeforeDoesNothing) {
  policy({expiring_at(allow("past", kWeb, kDb, tcp(5432)), -5), expiring_at(deny("gone", kAny, kAny, everything()), 0),
          allow("dns", kWeb, kDb, udp(53))});
  EXPECT_TRUE(drops(in(request()), KRAIT_REASON_RULE_EXPIRED));
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").udp(4000, 53)), "dns"));
}

TEST_F(Options, CountsByRule) {
  policy({allow("web to db", kWeb, kDb, tcp(5432)), deny("no telnet", kAny, kDb, tcp(23))});
  in(request());
  out(reply());
  in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 23, kSyn));
  in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 24, kSyn));
  EXPECT_EQ(hits("web to db"), 2U);
  EXPECT_EQ(hits("no telnet"), 1U);
  policy({allow("new", kWeb, kDb, tcp(1)), allow("web to db", kWeb, kDb, tcp(5432))});
  in(request());
  EXPECT_EQ(hits("web to db"), 3U) << "a rule keeps its counter, wherever it stands";
  EXPECT_EQ(hits("new"), 0U);
}

TEST_F(Options, ReportsDrops) {
  policy({deny("no telnet", kAny, kDb, tcp(23))});
  in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 23, kSyn));
  const auto reported = events();
  ASSERT_EQ(reported.size(), 1U);
  const krait_event& event = reported.front();
  EXPECT_EQ(event.reason, KRAIT_REASON_DENIED_BY_RULE);
  EXPECT_EQ(event.source_tag, kWeb);
  EXPECT_EQ(event.destination_tag, kDb);
  EXPECT_EQ(event.rule, 1U);
  EXPECT_EQ(event.direction, KRAIT_INGRESS);
  EXPECT_EQ(event.protocol, packets::kTcp);
  EXPECT_EQ(__builtin_bswap16(event.source_port_be), 40000);
  EXPECT_EQ(__builtin_bswap16(event.destination_port_be), 23);
}

TEST_F(Options, ReportsWhatALoggingRuleOpens) {
  policy({logging(allow("web to db", kWeb, kDb, tcp(5432))), allow("dns", kWeb, kDb, udp(53))});
  in(request());
  out(reply());
  in(more());
  in(Packet("10.90.0.1", "10.90.0.2").udp(4000, 53));
  const auto reported = events();
  ASSERT_EQ(reported.size(), 1U) << "one for the connection, none for its packets or for other rules";
  EXPECT_EQ(reported.front().reason, KRAIT_ALLOWED);
  EXPECT_EQ(reported.front().rule, 1U);
}

// Keeps the thread on the CPU where it is: each CPU reports for itself.
class OneCpu {
 public:
  OneCpu() {
    ::sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof(one), &one);
  }
  ~OneCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_{};
};

TEST_F(Options, ReportsOnlySoManyASecond) {
  const OneCpu here;
  policy({});
  for (unsigned i = 0; i < KRAIT_EVENTS_A_SECOND + 9; ++i) {
    in(request());
  }
  EXPECT_EQ(events().size(), KRAIT_EVENTS_A_SECOND);
  in(Packet("192.0.2.1", "10.90.0.2").tcp(1, 2, kSyn));
  EXPECT_EQ(events().size(), 1U) << "another reason has a measure of its own";
  advance(1);
  in(request());
  const auto later = events();
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later.front().suppressed, 9U);
}

// --- reject ----------------------------------------------------------------------------------------------------------

std::uint8_t byte(const Bytes& frame, std::size_t at) {
  return static_cast<std::uint8_t>(frame.at(packets::kEthernetBytes + at));
}
std::uint32_t number(const Bytes& frame, std::size_t at, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value = value << 8U | byte(frame, at + i);
  }
  return value;
}

// RFC 1071, over these bytes of the packet and a sum to begin with: 0xffff when the checksum in it is right.
std::uint32_t sum(const Bytes& frame, std::size_t first, std::size_t behind, std::uint32_t start = 0) {
  for (std::size_t at = first; at + 1 < behind; at += 2) {
    start += number(frame, at, 2);
  }
  while (start >> 16U != 0) {
    start = (start & 0xffffU) + (start >> 16U);
  }
  return start;
}

constexpr std::uint32_t kRight = 0xffff;

// IPv4's and IPv6's answers to a packet from db to web.
void expect_ipv4(const Bytes& answer, std::size_t bytes, std::uint8_t protocol) {
  ASSERT_EQ(answer.size(), packets::kEthernetBytes + bytes);
  EXPECT_EQ(number(answer, 2, 2), bytes);
  EXPECT_EQ(byte(answer, 9), protocol);
  EXPECT_EQ(number(answer, 12, 4), 0x0a5a0001U) << "from web";
  EXPECT_EQ(number(answer, 16, 4), 0x0a5a0002U) << "to db";
  EXPECT_EQ(sum(answer, 0, 20), kRight);
}

TEST_F(Options, RejectsAConnectionWithAReset) {
  policy({rejecting(deny("not allowed", kDb, kWeb, everything()))});
  const Outcome outcome = out(Packet("10.90.0.2", "10.90.0.1").tcp(41000, 80, kSyn));
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_DENIED_BY_RULE));
  ASSERT_TRUE(outcome.rejected);
  const Bytes& answer = outcome.frame;
  expect_ipv4(answer, 40, packets::kTcp);
  EXPECT_EQ(number(answer, 20, 2), 80U);
  EXPECT_EQ(number(answer, 22, 2), 41000U);
  EXPECT_EQ(number(answer, 24, 4), 0U);
  EXPECT_EQ(number(answer, 28, 4), 1U) << "acknowledges the SYN";
  EXPECT_EQ(byte(answer, 33), kRst | kAck);
  EXPECT_EQ(sum(answer, 20, 40, sum(answer, 12, 20, packets::kTcp + 20)), kRight);
}

TEST_F(Options, RejectsARunningConnection) {
  policy({rejecting(deny("not allowed", kDb, kWeb, everything()))});
  const Outcome outcome = out(Packet("10.90.0.2", "10.90.0.1").tcp(41000, 80, kAck).payload(300));
  ASSERT_TRUE(outcome.rejected);
  expect_ipv4(outcome.frame, 40, packets::kTcp);
  EXPECT_EQ(byte(outcome.frame, 33), kRst) << "with the sequence number that was acknowledged";
}

TEST_F(Options, RejectsOtherProtocolsWithAnIcmpError) {
  policy({rejecting(deny("not allowed", kDb, kWeb, everything()))});
  const Packet denied = Packet("10.90.0.2", "10.90.0.1").udp(5000, 53).payload(2);
  const Outcome outcome = out(denied);
  ASSERT_TRUE(outcome.rejected);
  const Bytes& answer = outcome.frame;
  expect_ipv4(answer, 56, packets::kIcmp);
  EXPECT_EQ(byte(answer, 20), 3) << "unreachable";
  EXPECT_EQ(byte(answer, 21), 13) << "administratively prohibited";
  EXPECT_EQ(sum(answer, 20, 56), kRight);
  const Bytes quoted = denied.ip();
  EXPECT_TRUE(std::equal(quoted.begin(), quoted.begin() + 28, answer.begin() + packets::kEthernetBytes + 28));
}

TEST_F(Options, RejectsIpv6) {
  policy({rejecting(deny("not allowed", kDb, kWeb, everything()))});
  const Outcome tcp = out(Packet("fd90::2", "fd90::1").tcp(41000, 80, kSyn | kFin).payload(7));
  ASSERT_TRUE(tcp.rejected);
  ASSERT_EQ(tcp.frame.size(), packets::kEthernetBytes + 60);
  EXPECT_EQ(number(tcp.frame, 4, 2), 20U);
  EXPECT_EQ(number(tcp.frame, 48, 4), 9U) << "SYN, FIN and 7 bytes";
  EXPECT_EQ(sum(tcp.frame, 40, 60, sum(tcp.frame, 8, 40, packets::kTcp + 20)), kRight);
  const Outcome udp = out(Packet("fd90::2", "fd90::1").udp(5000, 53).payload(900));
  ASSERT_TRUE(udp.rejected);
  ASSERT_EQ(udp.frame.size(), packets::kEthernetBytes + 96);
  EXPECT_EQ(byte(udp.frame, 6), packets::kIcmpv6);
  EXPECT_EQ(byte(udp.frame, 40), 1) << "unreachable";
  EXPECT_EQ(byte(udp.frame, 41), 1) << "administratively prohibited";
  EXPECT_EQ(sum(udp.frame, 40, 96, sum(udp.frame, 8, 40, packets::kIcmpv6 + 56)), kRight);
}

TEST_F(Options, RejectsAfterTheExpiry) {
  policy({rejecting(expiring(allow("visit", kDb, kWeb, tcp(80)), 10))});
  EXPECT_TRUE(passes(out(Packet("10.90.0.2", "10.90.0.1").tcp(41000, 80, kSyn))));
  advance(10);
  const Outcome outcome = out(Packet("10.90.0.2", "10.90.0.1").tcp(41000, 80, kAck));
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_RULE_EXPIRED));
  EXPECT_TRUE(outcome.rejected);
}

TEST_F(Options, RejectsNothingElse) {
  policy({rejecting(deny("not allowed", kAny, kAny, everything()))});
  EXPECT_FALSE(in(request()).rejected) << "a peer's packet";
  EXPECT_FALSE(relay(Packet("10.90.0.1", "10.90.0.3").tcp(1, 2, kSyn)).rejected) << "somebody else's packet";
  EXPECT_FALSE(out(Packet("10.90.0.2", "10.90.0.1").tcp(1, 2, kRst)).rejected) << "a reset";
  EXPECT_FALSE(out(Packet("10.90.0.2", "10.90.0.1").icmp(0, 0, 7)).rejected) << "an echo reply";
  EXPECT_FALSE(out(Packet("10.90.0.2", "10.90.0.1").icmp_error(3, 3, request())).rejected) << "an error";
  EXPECT_FALSE(out(Packet("10.90.0.2", "10.90.0.1").udp(1, 2).fragment(9, 800, false)).rejected) << "a later fragment";
  EXPECT_FALSE(out(Packet("10.90.0.2", "192.0.2.9").tcp(1, 2, kSyn)).rejected) << "to nobody: no rule denied it";
  EXPECT_TRUE(out(Packet("10.90.0.2", "10.90.0.1").icmp(8, 0, 7)).rejected) << "an echo request";
}

}  // namespace
}  // namespace krait::bpf_test

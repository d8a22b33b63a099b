// The MSS option of TCP connections that pass through: lowered to the interface's MTU, and nothing else of any packet.
#include <bit>
#include <cstring>

#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::Bytes;
using packets::kAck;
using packets::kEthernetBytes;
using packets::kRst;
using packets::kSyn;

constexpr std::uint32_t kMtu = 1420;
constexpr std::size_t kTcpBytes = 20;

Bytes bytes(std::initializer_list<int> values) {
  Bytes result;
  for (const int value : values) {
    result.push_back(static_cast<std::byte>(value));
  }
  return result;
}

Bytes mss(std::uint16_t value) { return bytes({2, 4, value >> 8, value & 0xff}); }

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::uint32_t sum(std::span<const std::byte> data, std::uint32_t from = 0) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    from += std::to_integer<std::uint32_t>(data[i]) << (i % 2 == 0 ? 8U : 0U);
  }
  return from;
}

// The place of the TCP header in a frame without IP options or extension headers.
std::size_t tcp_at(const Bytes& frame) {
  return kEthernetBytes + (std::to_integer<int>(frame[kEthernetBytes]) >> 4 == 4 ? 20 : 40);
}

// 0xffff: as an intact packet must sum up (RFC 9293 3.1), pseudo header included.
std::uint32_t checksum(const Bytes& frame) {
  const std::span<const std::byte> all(frame);
  const std::size_t at = tcp_at(frame);
  const std::size_t addresses = at == kEthernetBytes + 20 ? 8 : 32;
  std::uint32_t total = sum(all.subspan(at - addresses, addresses));
  total = sum(all.subspan(at), total) + packets::kTcp + static_cast<std::uint32_t>(frame.size() - at);
  total = (total & 0xffff) + (total >> 16);
  return (total & 0xffff) + (total >> 16);
}

class Mss : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      policy({allow("all", kAny, kAny, everything())});
      clamp_mss_to(kMtu);
    }
  }

  // A segment with these options (whole words) and a right checksum.
  static Bytes segment(bool v6, std::uint8_t flags, const Bytes& options, const Bytes& data = {}) {
    Packet packet = v6 ? Packet("fd90::1", "fd90::3") : Packet("10.90.0.1", "10.90.0.3");
    packet.tcp(40000, 5432, flags).tcp_header_words(static_cast<std::uint8_t>(5 + options.size() / 4));
    Bytes frame = packet.payload(options + data).frame();
    const std::uint32_t missing = 0xffff - checksum(frame);
    frame[tcp_at(frame) + 16] = static_cast<std::byte>(missing >> 8);
    frame[tcp_at(frame) + 17] = static_cast<std::byte>(missing);
    EXPECT_EQ(checksum(frame), 0xffffU);
    return frame;
  }

  // The frame as krait passes it on: from one peer to another.
  Bytes passed(const Bytes& frame) {
    return passed(frame, {.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex});
  }
  Bytes passed(const Bytes& frame, datapath::RunOptions options) {
    const Outcome outcome = run(frame, options);
    EXPECT_TRUE(passes(outcome));
    EXPECT_EQ(outcome.frame.size(), frame.size());
    return outcome.frame;
  }

  // What must come out: the options replaced, the checksum right, nothing else changed.
  void expect_options(const Bytes& frame, const Bytes& options, const Bytes& out) {
    Bytes expected = frame;
    const std::size_t at = tcp_at(frame);
    std::ranges::copy(options, expected.begin() + static_cast<std::ptrdiff_t>(at + kTcpBytes));
    std::ranges::copy(std::span(out).subspan(at + 16, 2), expected.begin() + static_cast<std::ptrdiff_t>(at + 16));
    EXPECT_EQ(packets::hex(out), packets::hex(expected));
    EXPECT_EQ(checksum(out), 0xffffU);
  }
};

TEST_F(Mss, IsLoweredToTheMtuInBothDirections) {
  for (const bool v6 : {false, true}) {
    const std::uint16_t most = v6 ? 1360 : 1380;
    for (const std::uint8_t flags : {kSyn, static_cast<std::uint8_t>(kSyn | kAck)}) {
      for (const std::uint16_t asked :
           {static_cast<std::uint16_t>(most + 1), std::uint16_t{1460}, std::uint16_t{65535}}) {
        const Bytes frame = segment(v6, flags, mss(asked));
        expect_options(frame, mss(most), passed(frame));
      }
      const Bytes fits = segment(v6, flags, mss(most));
      EXPECT_EQ(packets::hex(passed(fits)), packets::hex(fits));
    }
    Packet to_us = v6 ? Packet("fd90::1", "fd30::1") : Packet("10.90.0.1", "10.30.0.1");
    Bytes behind = to_us.tcp(40000, 5432, kSyn).tcp_header_words(6).payload(mss(1460)).frame();
    const std::uint32_t missing = 0xffff - checksum(behind);
    behind[tcp_at(behind) + 16] = static_cast<std::byte>(missing >> 8);
    behind[tcp_at(behind) + 17] = static_cast<std::byte>(missing);
    expect_options(behind, mss(most), passed(behind, {.direction = KRAIT_INGRESS}));
  }
}

TEST_F(Mss, IsFoundWhereverItStands) {
  const Bytes sack = bytes({4, 2});
  const Bytes timestamp = bytes({8, 10, 1, 2, 3, 4, 5, 6, 7, 8});
  const Bytes nop = bytes({1});
  const Bytes end = bytes({0});
  const auto around = [&](const Bytes& before, const Bytes& after) {
    const Bytes frame = segment(false, kSyn, before + mss(1460) + after, bytes({9, 9, 9}));
    expect_options(frame, before + mss(1380) + after, passed(frame));
  };
  around({}, sack + timestamp + nop + bytes({3, 3, 7}));
  around(nop, nop + nop + end);                                              // at an odd offset
  around(sack + nop + nop + timestamp + nop + nop, {});                      // the last
  around(timestamp + timestamp + timestamp + sack + nop, bytes({1, 0, 0}));  // 40 bytes of options, odd
  Bytes nops(36, std::byte{1});
  around(nops, {});
}

TEST_F(Mss, OtherPacketsAreLeftAlone) {
  const Bytes large = mss(1460);
  const auto untouched = [&](const Bytes& frame, datapath::RunOptions options) {
    EXPECT_EQ(packets::hex(passed(frame, options)), packets::hex(frame));
  };
  const datapath::RunOptions relayed{.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex};
  untouched(segment(false, kSyn, {}), relayed);
  untouched(segment(false, kSyn, mss(0)), relayed);
  untouched(segment(false, kSyn, {}, large), relayed);  // data that looks like the option
  untouched(segment(false, kSyn, bytes({0, 2, 4, 5}) + bytes({0xb4, 0, 0, 0})), relayed);  // behind the end of the list
  Packet own("10.90.0.2", "10.90.0.1");
  untouched(own.tcp(5432, 40000, kSyn).tcp_header_words(6).payload(large).frame(), {.direction = KRAIT_EGRESS});
  ASSERT_TRUE(passes(run(segment(false, kSyn, large), relayed)));
  untouched(segment(false, kAck, large), relayed);
  untouched(segment(false, kRst | kAck, large), relayed);
  clamp_mss_to(0);
  untouched(segment(false, kSyn, large), relayed);
}

TEST_F(Mss, BrokenOptionsAreLeftAlone) {
  const datapath::RunOptions relayed{.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex};
  for (const Bytes& options : {
           bytes({2, 3, 5, 180}),
           bytes({2, 5, 5, 180}),
           bytes({2, 0, 5, 180}),
           bytes({2, 255, 5, 180}),
           bytes({5, 0, 2, 4, 5, 180, 0, 0}),
           bytes({5, 1, 2, 4, 5, 180, 0, 0}),
           bytes({5, 255, 2, 4, 5, 180, 0, 0}),
           bytes({1, 2, 4, 5}),
           bytes({1, 1, 2, 4}),
           bytes({1, 1, 1, 2}),
           bytes({8, 6, 2, 4, 5, 180, 2, 4}),
       }) {
    const Bytes frame = segment(false, kSyn, options, bytes({0xb4, 1, 2, 3}));
    EXPECT_EQ(packets::hex(passed(frame, relayed)), packets::hex(frame)) << packets::hex(options);
  }
}

TEST_F(Mss, ADeniedPacketIsNotTouched) {
  policy({deny("none", kAny, kAny, everything())});
  const Bytes frame = segment(false, kSyn, mss(1460));
  const Outcome outcome = run(frame, {.direction = KRAIT_EGRESS, .came_in = datapath::kLoopbackIndex});
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_DENIED_BY_RULE));
  EXPECT_EQ(packets::hex(outcome.frame), packets::hex(frame));
}

}  // namespace
}  // namespace krait::bpf_test

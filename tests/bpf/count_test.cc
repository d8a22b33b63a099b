// Counters: by pair of identities, direction and verdict, and by drop reason.
#include <algorithm>

#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::kAck;
using packets::kSyn;

class Count : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      load_anew();
    }
  }

  krait_count pair(std::uint32_t source, std::uint32_t destination, krait_direction direction, krait_verdict verdict) {
    const datapath::Counters all = counters();
    const auto found = std::find_if(all.pairs.begin(), all.pairs.end(), [&](const datapath::PairCount& pair) {
      return pair.source_tag == source && pair.destination_tag == destination && !pair.overflow;
    });
    return found == all.pairs.end() ? krait_count{} : found->count[direction][verdict];
  }
};

Packet request() { return Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kSyn); }       // 40 bytes
Packet reply() { return Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40000, kSyn | kAck); }  // 40 bytes

TEST_F(Count, PairsByDirectionAndVerdict) {
  policy({allow("web to db", kWeb, kDb, tcp(5432))});
  in(request());
  in(request());
  out(reply());
  in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5433, kSyn).payload(100));
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_ALLOW).packets, 2U);
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_ALLOW).bytes, 80U);
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_DROP).packets, 1U);
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_DROP).bytes, 140U);
  EXPECT_EQ(pair(kDb, kWeb, KRAIT_EGRESS, KRAIT_ALLOW).packets, 1U);
  EXPECT_EQ(pair(kDb, kWeb, KRAIT_INGRESS, KRAIT_ALLOW).packets, 0U);
}

TEST_F(Count, UnknownEndsHaveTagZero) {
  policy({});
  in(Packet("192.0.2.1", "10.90.0.2").tcp(1, 2, kSyn));
  out(Packet("10.90.0.2", "192.0.2.1").tcp(1, 2, kSyn));
  EXPECT_EQ(pair(0, kDb, KRAIT_INGRESS, KRAIT_DROP).packets, 1U);
  EXPECT_EQ(pair(kDb, 0, KRAIT_EGRESS, KRAIT_DROP).packets, 1U);
}

TEST_F(Count, GsoPacketsCountTheirSegments) {
  policy({allow("web to db", kWeb, kDb, tcp(5432))});
  const Packet large = Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kAck).payload(1400);
  run(large.frame(), {.direction = KRAIT_INGRESS, .gso_segments = 10});
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_ALLOW).packets, 10U);
  EXPECT_EQ(pair(kWeb, kDb, KRAIT_INGRESS, KRAIT_ALLOW).bytes, 1440U);
  policy({});
  const Outcome outcome = run(large.frame(), {.direction = KRAIT_INGRESS, .gso_segments = 10});
  const auto drops_of = [](const datapath::Counters& all) {
    return all.drops[KRAIT_REASON_NO_RULE].by_direction[KRAIT_INGRESS].packets;
  };
  EXPECT_EQ(drops_of(outcome.after) - drops_of(outcome.before), 10U);
}

TEST_F(Count, DropsCountBytesByDirection) {
  policy({});
  out(reply());
  const krait_drop_count count = counters().drops[KRAIT_REASON_NO_RULE];
  EXPECT_EQ(count.by_direction[KRAIT_EGRESS].bytes, 40U);
  EXPECT_EQ(count.by_direction[KRAIT_INGRESS].bytes, 0U);
}

// What is dropped and what passes adds up, however many pairs there are.
TEST_F(Count, NothingIsLostWhenPairsAreMany) {
  policy({allow("all", kAny, kAny, everything())});
  const char* const sources[] = {"10.90.0.1", "10.90.0.3", "10.20.0.1", "10.20.5.1", "10.20.5.9"};
  const char* const destinations[] = {"10.90.0.2", "10.30.0.1", "10.90.0.1", "10.20.0.1"};
  for (const char* source : sources) {
    for (const char* destination : destinations) {
      in(Packet(source, destination).tcp(1, 2, kSyn));
    }
  }
  std::uint64_t packets = 0;
  for (const datapath::PairCount& pair : counters().pairs) {
    packets += pair.count[KRAIT_INGRESS][KRAIT_ALLOW].packets;
  }
  EXPECT_EQ(packets, 20U);
  EXPECT_EQ(pair(kBoss, kCellar, KRAIT_INGRESS, KRAIT_ALLOW).packets, 1U);
}

}  // namespace
}  // namespace krait::bpf_test

// The differential test has teeth: it finds each planted defect. Needs root.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <set>

#include "krait/abi/selector.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/compile/evaluate.h"
#include "tests/differential/differ.h"
#include "tests/differential/recording.h"

namespace krait::differential {
namespace {

constexpr std::uint64_t kSeeds =
    6000;  // ten times what the rarest defect takes: the flow table's seeds are others each time

class Differential : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: loading BPF programs needs root";
    }
  }
};

// The first seed whose case shows a difference.
std::optional<std::uint64_t> find(Planted planted) {
  auto trial = Trial::begin(std::move(planted));
  if (!trial) {
    ADD_FAILURE() << trial.error().text();
    return std::nullopt;
  }
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto outcome = trial->run(random_case(seed, trial->flow_table()));
    if (!outcome) {
      ADD_FAILURE() << outcome.error().text();
      return std::nullopt;
    }
    if (*outcome) {
      return seed;
    }
  }
  return std::nullopt;
}

std::byte* section(std::vector<std::byte>& image, std::uint32_t page) {
  return image.data() + std::size_t{page} * KRAIT_PAGE_BYTES;
}

krait_snapshot_header header_of(const std::vector<std::byte>& image) {
  krait_snapshot_header header;
  std::memcpy(&header, image.data(), sizeof(header));
  return header;
}

// Every range begins one selector late.
void shift_port_classes(std::vector<std::byte>& image) {
  using PortClass = std::uint32_t;
  std::byte* classes = section(image, header_of(image).port_class_page);
  std::memmove(classes + sizeof(PortClass), classes, (KRAIT_SELECTORS - 1) * sizeof(PortClass));
}

// The second identity is taken for the first.
void merge_identity_classes(std::vector<std::byte>& image) {
  const krait_snapshot_header header = header_of(image);
  std::byte* slots = section(image, header.slot_page);
  krait_slot first;
  krait_slot second;
  std::memcpy(&first, slots, sizeof(first));
  std::memcpy(&second, slots + sizeof(first), sizeof(second));
  if (second.tag != 0) {  // there is a second
    second.source_class = first.source_class;
    second.destination_class = first.destination_class;
    std::memcpy(slots + sizeof(first), &second, sizeof(second));
  }
}

void delay_moments(std::vector<std::byte>& image) {
  const krait_snapshot_header header = header_of(image);
  std::byte* moments = section(image, header.moment_page);
  for (std::size_t at = 0;
       at + sizeof(krait_moment) <= std::size_t{header.rule_page - header.moment_page} * KRAIT_PAGE_BYTES;
       at += sizeof(krait_moment)) {
    krait_moment moment;
    std::memcpy(&moment, moments + at, sizeof(moment));
    moment.boot_ns += 1'000'000'000;
    std::memcpy(moments + at, &moment, sizeof(moment));
  }
}

// What the defects of an image do, said without running it: one that plants something else proves nothing.
class Plants : public testing::Test {
 protected:
  static constexpr std::uint32_t kFirst = KRAIT_SELECTOR_TCP + 8000;
  static constexpr std::uint32_t kLast = KRAIT_SELECTOR_TCP + 8100;

  void SetUp() override {
    model::Policy policy;
    policy.identities = {{.name = "web", .tag = 1, .at = {}}, {.name = "db", .tag = 2, .at = {}}};
    policy.rules.push_back({.name = "range",
                            .action = model::Action::allow,
                            .from = {false, {0}},
                            .to = {false, {1}},
                            .selectors = {{kFirst, kLast}},
                            .expires = model::Expiry{.kind = model::Expiry::Kind::after, .seconds = 60},
                            .at = {}});
    const std::vector<compile::Binding> bindings = {{*common::Prefix::parse("10.90.0.1/32"), 0, 1, false},
                                                    {*common::Prefix::parse("10.90.0.2/32"), 1, 0, false}};
    auto compiled =
        compile::compile_snapshot(bindings, policy, 1, {.now = {.unix_ns = 0, .boot_ns = kNow}, .former = {}});
    ASSERT_TRUE(compiled) << compiled.error().text();
    snapshot_ = std::move(*compiled);
  }

  bool allows(std::uint32_t selector, std::uint64_t after_ns = 0) const {
    return compile::evaluate(snapshot_, {.from = 0, .to = 1, .selector = selector}, kNow + after_ns).action ==
           model::Action::allow;
  }

  std::size_t different_classes() {
    std::set<std::uint16_t> classes;
    for (std::size_t i = 0; i < 2; ++i) {
      krait_slot slot;
      std::memcpy(&slot, section(snapshot_.image, header_of(snapshot_.image).slot_page) + i * sizeof(slot),
                  sizeof(slot));
      classes.insert(slot.source_class);
    }
    return classes.size();
  }

  static constexpr std::uint64_t kNow = 1'000'000'000;
  compile::Snapshot snapshot_;
};

TEST_F(Plants, ARangeBeginsAndEndsOneLate) {
  EXPECT_TRUE(!allows(kFirst - 1) && allows(kFirst) && allows(kLast) && !allows(kLast + 1));
  shift_port_classes(snapshot_.image);
  EXPECT_TRUE(!allows(kFirst) && allows(kFirst + 1) && allows(kLast + 1) && !allows(kLast + 2));
}

TEST_F(Plants, TwoIdentitiesAreOne) {
  EXPECT_EQ(different_classes(), 2U);
  merge_identity_classes(snapshot_.image);
  EXPECT_EQ(different_classes(), 1U);
}

TEST_F(Plants, ARuleExpiresASecondLate) {
  constexpr std::uint64_t kEnd = 60'000'000'000;
  EXPECT_TRUE(allows(kFirst, kEnd - 1) && !allows(kFirst, kEnd));
  delay_moments(snapshot_.image);
  EXPECT_TRUE(allows(kFirst, kEnd) && !allows(kFirst, kEnd + 1'000'000'000));
}

TEST_F(Differential, FindsDefectsOfTheCompiler) {
  EXPECT_TRUE(find({.in_model = {}, .in_image = merge_identity_classes})) << "identity classes";
  EXPECT_TRUE(find({.in_model = {}, .in_image = shift_port_classes})) << "range edges";
}

TEST_F(Differential, FindsDefectsOfTheJudgement) {
  EXPECT_TRUE(find({.in_model = {.range_edge = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.direction = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.class_merge = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.shortest_prefix = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.allow_wins = true}, .in_image = {}}));
}

TEST_F(Differential, FindsDefectsOfExpiries) {
  EXPECT_TRUE(find({.in_model = {.no_expiry = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.duration_restarts = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {}, .in_image = delay_moments})) << "every rule expires a second late";
}

TEST_F(Differential, FindsDefectsOfFlowsAndFragments) {
  EXPECT_TRUE(find({.in_model = {.fragment_ports = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.reply_makes_flow = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.no_time_out = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.verdict_remembered = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.rst_keeps_opening = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.responder_keeps_alive = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.anybody_speaks = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.oldest_of_all = true}, .in_image = {}}));
}

TEST_F(Differential, FindsDefectsOfWhereAPacketComesFromAndGoes) {
  EXPECT_TRUE(find({.in_model = {.speaks_from_anywhere = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.kept_is_network = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.route_elsewhere = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.unknown_is_own = true}, .in_image = {}}));
  EXPECT_TRUE(find({.in_model = {.local_destination_goes = true}, .in_image = {}}));
}

// Replies, fragments and ICMP errors of real stacks, on top of what random packets find.
TEST_F(Differential, ReplaysRealPackets) {
  const auto recording = load_recording();
  ASSERT_TRUE(recording) << recording.error().text();
  ASSERT_GT(recording->size(), 300U);
  auto trial = Trial::begin();
  ASSERT_TRUE(trial) << trial.error().text();
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    const auto outcome = trial->run(random_case(seed, trial->flow_table(), *recording));
    ASSERT_TRUE(outcome) << outcome.error().text();
    ASSERT_FALSE(*outcome) << "seed " << seed << ": " << **outcome;
  }
}

TEST_F(Differential, ShrinksAFailingCase) {
  auto trial = Trial::begin({.in_model = {.direction = true}, .in_image = {}});
  ASSERT_TRUE(trial) << trial.error().text();
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto outcome = trial->run(random_case(seed, trial->flow_table()));
    ASSERT_TRUE(outcome) << outcome.error().text();
    if (*outcome) {
      const auto small = trial->shrink(random_case(seed, trial->flow_table()));
      ASSERT_TRUE(small) << small.error().text();
      EXPECT_EQ(small->steps.size(), 1U) << small->text();
      EXPECT_LE(small->revisions.front().policy.rules.size(), 1U) << small->text();
      return;
    }
  }
  FAIL() << "no difference found";
}

}  // namespace
}  // namespace krait::differential

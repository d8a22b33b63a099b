// The fence's bookkeeping on interfaces of a namespace of our own, by TCX links and by clsact filters: what `tc` shows
// afterwards. What it does to packets is in tests/bpf/whereabouts_test.cc.
#include "krait/datapath/fence.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/fd.h"
#include "krait/datapath/object.h"
#include "krait/datapath/tcx.h"
#include "tests/own_namespaces.h"

namespace krait::datapath {
namespace {

bool nobody(std::uint32_t /*interface_index*/) { return false; }
bool somebody(std::uint32_t /*interface_index*/) { return true; }

// A program that lets everything go on to the next one.
common::Fd program() {
  std::array<bpf_insn, 2> instructions{};
  instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  instructions[0].imm = -1;  // TC_ACT_UNSPEC
  instructions[1].code = BPF_JMP | BPF_EXIT;
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  return common::Fd(
      bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", instructions.data(), instructions.size(), &options));
}

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    text += static_cast<char>(c);
  }
  ::pclose(pipe);
  return text;
}

std::string qdiscs(const char* interface) { return output_of(std::string("tc qdisc show dev ") + interface); }
std::string filters(const char* interface) {
  return output_of(std::string("tc filter show dev ") + interface + " ingress");
}

class FenceOnLinks : public OwnNamespaces, public testing::WithParamInterface<Attachment> {
 protected:
  void SetUp() override {
    OwnNamespaces::SetUp();
    if (is_unprepared()) {
      return;
    }
    run("ip link add one type veth peer name one_peer; ip link add two type veth peer name two_peer");
    one_ = ::if_nametoindex("one");
    two_ = ::if_nametoindex("two");
    program_ = program();
    ASSERT_TRUE(program_.valid());
    if (GetParam() == Attachment::tcx) {
      const auto probe = make_tcx_link(one_, kTcxIngress, program_.get());
      ASSERT_TRUE(probe);
      if (!*probe) {
        GTEST_SKIP() << "skipped: this kernel has no TCX";
      }
    }
  }

  static void run(const std::string& commands) { ASSERT_EQ(std::system(commands.c_str()), 0) << commands; }

  [[nodiscard]] Fence fence(const char* interface = "tunnel", const InUse& is_in_use = nobody) const {
    auto pins = Pins::open((directory_ / "bpf").string(), interface);
    EXPECT_TRUE(pins) << pins.error().text();
    return {.pins = *pins, .interface = interface, .kind = GetParam(), .is_in_use = is_in_use};
  }

  // As an agent that has just started, and holds no links.
  Fenced put(const std::vector<std::uint32_t>& indexes, const common::Fd& program,
             const char* interface = "tunnel") const {
    FenceLinks links;
    return put(indexes, program, links, interface);
  }
  Fenced put(const std::vector<std::uint32_t>& indexes, const common::Fd& program, FenceLinks& links,
             const char* interface = "tunnel") const {
    std::vector<Post> posts;
    for (const std::uint32_t index : indexes) {
      posts.push_back({.interface_index = index, .program_fd = program.get()});
    }
    return put_fence(fence(interface), posts, links);
  }

  // The program at the first place of an interface's ingress; 0: none.
  static std::uint32_t first(std::uint32_t index, const char* name) {
    if (GetParam() == Attachment::tcx) {
      std::array<std::uint32_t, kMaxPrograms> ids{};
      auto count = static_cast<std::uint32_t>(ids.size());
      bpf_prog_query(static_cast<int>(index), kTcxIngress, 0, nullptr, ids.data(), &count);
      return ids[0];
    }
    const std::string text = filters(name);
    const std::size_t at = text.find(" id ");
    return at == std::string::npos ? 0 : static_cast<std::uint32_t>(std::stoul(text.substr(at + 4)));
  }
  [[nodiscard]] std::uint32_t on_one() const { return first(one_, "one"); }
  [[nodiscard]] std::uint32_t on_two() const { return first(two_, "two"); }

  std::uint32_t one_ = 0;
  std::uint32_t two_ = 0;
  common::Fd program_;
};
INSTANTIATE_TEST_SUITE_P(ByLinksAndByFilters, FenceOnLinks, testing::Values(Attachment::tcx, Attachment::clsact));

using Indexes = std::vector<std::uint32_t>;

TEST_P(FenceOnLinks, StandsWhereItIsWantedAndNowhereElse) {
  const std::uint32_t id = program_id(program_.get());
  const std::string before = qdiscs("one") + qdiscs("two");
  Fenced done = put({one_, two_}, program_);
  EXPECT_TRUE(done.failures.empty());
  EXPECT_EQ(done.put, (Indexes{one_, two_}));
  EXPECT_EQ(on_one(), id);
  EXPECT_EQ(on_two(), id);
  EXPECT_TRUE(put({one_, two_}, program_).put.empty()) << "another agent finds it there";
  EXPECT_TRUE(put({two_}, program_).put.empty());
  EXPECT_EQ(on_one(), 0U);
  EXPECT_EQ(on_two(), id);
  take_fence(fence());
  EXPECT_EQ(on_two(), 0U);
  EXPECT_EQ(qdiscs("one") + qdiscs("two"), before);
}

TEST_P(FenceOnLinks, AnotherProgramTakesItsPlace) {
  ASSERT_TRUE(put({one_, two_}, program_).failures.empty());
  const common::Fd next = program();
  const Fenced done = put({one_, two_}, next);
  EXPECT_EQ(done.put, (Indexes{one_, two_}));
  EXPECT_EQ(on_one(), program_id(next.get()));
  EXPECT_EQ(on_two(), program_id(next.get()));
}

TEST_P(FenceOnLinks, IsPutBackWhereSomebodyTookIt) {
  ASSERT_TRUE(put({one_, two_}, program_).failures.empty());
  std::filesystem::remove(directory_ / "bpf/tunnel/fence" / std::to_string(one_));
  std::ignore = std::system("tc qdisc del dev one clsact 2>/dev/null");
  ASSERT_EQ(on_one(), 0U);
  EXPECT_EQ(put({one_, two_}, program_).put, Indexes{one_});
  EXPECT_EQ(on_one(), program_id(program_.get()));
}

// An agent that lives holds its links: what somebody takes is their pins.
TEST_P(FenceOnLinks, ALostPinEndsNothing) {
  if (GetParam() != Attachment::tcx) {
    return;  // filters stay by themselves
  }
  FenceLinks links;
  ASSERT_TRUE(put({one_}, program_, links).failures.empty());
  std::filesystem::remove(directory_ / "bpf/tunnel/fence" / std::to_string(one_));
  EXPECT_EQ(on_one(), program_id(program_.get()));
  EXPECT_TRUE(put({one_}, program_, links).put.empty());
  links.clear();
  EXPECT_EQ(on_one(), program_id(program_.get())) << "it is pinned again";
}

TEST_P(FenceOnLinks, AnInterfaceThatIsGoneIsNoFailure) {
  ASSERT_TRUE(put({one_, two_}, program_).failures.empty());
  run("ip link del one");
  const Fenced done = put({one_, two_}, program_);
  EXPECT_TRUE(done.failures.empty()) << done.failures[0].error.text();
  EXPECT_TRUE(done.put.empty());
  take_fence(fence());
  EXPECT_EQ(on_two(), 0U);
}

TEST_P(FenceOnLinks, EachTunnelHasItsOwn) {
  const common::Fd other = program();
  ASSERT_TRUE(put({one_}, program_).failures.empty());
  ASSERT_TRUE(put({one_}, other, "second").failures.empty());
  take_fence(fence("tunnel", somebody));
  EXPECT_EQ(on_one(), program_id(other.get()));
  take_fence(fence("second"));
  EXPECT_EQ(on_one(), 0U);
}

TEST_P(FenceOnLinks, WhatOthersHaveThereStays) {
  run("tc qdisc add dev one clsact; tc qdisc add dev two ingress");
  run("tc filter add dev two ingress prio 7 protocol ip bpf da bytecode '1,6 0 0 4294967295'");
  const std::string before = qdiscs("one") + qdiscs("two") + filters("two");
  const Fenced done = put({one_, two_}, program_);
  ASSERT_TRUE(done.failures.empty()) << done.failures[0].error.text();
  EXPECT_EQ(done.put.size(), 2U);
  take_fence(fence());
  EXPECT_EQ(qdiscs("one") + qdiscs("two") + filters("two"), before);
}

TEST_P(FenceOnLinks, AQdiscThatOthersUseByNowStays) {
  ASSERT_TRUE(put({one_}, program_).failures.empty());
  std::ignore = std::system("tc qdisc add dev one clsact 2>/dev/null");
  run("tc filter add dev one egress prio 7 protocol ip bpf da bytecode '1,6 0 0 4294967295'");
  take_fence(fence("tunnel", somebody));
  EXPECT_NE(output_of("tc filter show dev one egress").find("pref 7"), std::string::npos);
}

// A filter of another kind has the first place: before 6.6 there can be no other one.
TEST_P(FenceOnLinks, SaysWhereItCannotStand) {
  run("tc qdisc add dev one clsact");
  run("tc filter add dev one ingress prio 1 protocol ip bpf da bytecode '1,6 0 0 4294967295'");
  const Fenced done = put({one_, two_}, program_);
  if (GetParam() == Attachment::tcx) {
    EXPECT_TRUE(done.failures.empty());
    return;
  }
  ASSERT_EQ(done.failures.size(), 1U);
  EXPECT_EQ(done.failures[0].interface_index, one_);
  EXPECT_NE(done.failures[0].error.text().find("attach a clsact filter to ingress"), std::string::npos);
  EXPECT_EQ(on_two(), program_id(program_.get()));
}

}  // namespace
}  // namespace krait::datapath

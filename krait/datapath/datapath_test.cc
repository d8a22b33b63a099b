// The datapath on a real layer-3 device: a TUN in a network and mount namespace of its own. What is written into it
// arrives as WireGuard's packets do.
#include "krait/datapath/datapath.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/fd.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/pins.h"
#include "krait/datapath/snapshot_map.h"
#include "krait/datapath/tcx.h"
#include "tests/own_namespaces.h"
#include "tests/packets/packet.h"

namespace krait::datapath {
namespace {

bool unused(std::uint32_t /*interface_index*/) { return false; }

using packets::Packet;

constexpr const char* kInterface = "tun0";

model::Policy policy_with(std::vector<model::Rule> rules) {
  model::Policy policy;
  policy.identities = {{"web", 10, {}}, {"db", 20, {}}};
  policy.rules = std::move(rules);
  return policy;
}

model::Rule allow_web_to_db(std::uint32_t port) {
  return {.name = "r",
          .action = model::Action::allow,
          .from = {false, {0}},
          .to = {false, {1}},
          .selectors = {{KRAIT_SELECTOR_TCP + port, KRAIT_SELECTOR_TCP + port}},
          .at = {}};
}

std::vector<std::byte> image_of(const model::Policy& policy) {
  const std::vector<compile::Binding> bindings{
      {common::Prefix::host(*common::Ip::parse("10.90.0.1")), 0, 1},
      {common::Prefix::host(*common::Ip::parse("10.90.0.2")), 1},
  };
  return compile::compile_snapshot(bindings, policy, 7)->image;
}

// IP packets that this namespace's stack has received: they came past TC.
std::uint64_t received_by_stack() {
  std::ifstream file("/proc/thread-self/net/snmp");
  std::string name;
  std::string names;
  std::string values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    for (std::string value; name_words >> name && value_words >> value;) {
      if (names.starts_with("Ip:") && name == "InReceives") {
        return std::stoull(value);
      }
    }
  }
  return 0;
}

class DatapathOnTun : public OwnNamespaces {
 protected:
  void SetUp() override {
    OwnNamespaces::SetUp();
    if (is_unprepared()) {
      return;
    }
    bpffs_ = directory_ / "bpf";
    make_tun();
  }

  void make_tun() {
    tun_.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(tun_.valid());
    ifreq request{};
    std::strcpy(request.ifr_name, kInterface);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    ASSERT_EQ(::ioctl(tun_.get(), TUNSETIFF, &request), 0);
    const common::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0);
    ASSERT_EQ(::ioctl(socket.get(), SIOCGIFINDEX, &request), 0);
    index_ = static_cast<std::uint32_t>(request.ifr_ifindex);
  }

  [[nodiscard]] Options options(std::uint32_t pages = 0) const { return {kInterface, bpffs_.string(), pages}; }

  Datapath open(std::uint32_t pages = 0) {
    auto datapath = Datapath::open(options(pages));
    EXPECT_TRUE(datapath) << datapath.error().text();
    return std::move(*datapath);
  }

  // True when the packet reached the stack.
  bool arrives(std::uint16_t port, std::string_view from = "10.90.0.1") {
    const std::uint64_t before = received_by_stack();
    const auto bytes = Packet(from, "10.90.0.2").tcp(40000, port, packets::kSyn).ip();
    EXPECT_EQ(::write(tun_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return received_by_stack() != before;
  }

  static std::uint64_t drops(const Datapath& datapath, krait_reason reason) {
    return datapath.counters()->drops[reason].by_direction[KRAIT_INGRESS].packets;
  }

  std::filesystem::path bpffs_;
  common::Fd tun_;
  std::uint32_t index_ = 0;
};

TEST_F(DatapathOnTun, DeniesEverythingUntilThereIsAPolicy) {
  ASSERT_TRUE(arrives(5432)) << "nothing is attached yet";
  Datapath datapath = open();
  ASSERT_TRUE(datapath.attach(index_));
  EXPECT_FALSE(datapath.active());
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_POLICY), 1U);
}

TEST_F(DatapathOnTun, SwitchesTheWholePolicy) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(datapath.attach(index_));
  EXPECT_EQ(datapath.revision(), 7U);
  EXPECT_TRUE(arrives(5432));
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_RULE), 1U);
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(80)}))));
  EXPECT_TRUE(arrives(80));
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_RULE), 2U);
  EXPECT_FALSE(arrives(80, "10.90.0.7"));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_UNKNOWN_SOURCE), 1U);
}

// Somebody's program that lets everything pass, ahead of all others on ingress. An invalid descriptor: no TCX here.
common::Fd put_pass_all_ahead(std::uint32_t interface_index) {
  const std::array<bpf_insn, 2> pass{
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const common::Fd program(
      bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pass_all", "GPL", pass.data(), pass.size(), nullptr));
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = kBefore;
  return common::Fd(bpf_link_create(program.get(), static_cast<int>(interface_index), kTcxIngress, &options));
}

TEST_F(DatapathOnTun, GetsAheadOfAnotherProgram) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(datapath.attach(index_));
  if (datapath.attachment() != Attachment::tcx) {
    GTEST_SKIP() << "skipped: this kernel has no TCX";
  }
  EXPECT_TRUE(datapath.is_first(index_, {}));
  const common::Fd other = put_pass_all_ahead(index_);
  ASSERT_TRUE(other.valid()) << std::strerror(errno);
  EXPECT_FALSE(datapath.is_first(index_, {}));
  EXPECT_TRUE(arrives(80)) << "the other program decides";
  auto anew = Datapath::open(options(), Open::load);
  ASSERT_TRUE(anew) << anew.error().text();
  const auto mended = anew->attach(index_);
  ASSERT_TRUE(mended) << mended.error().text();
  EXPECT_TRUE(mended->order);
  EXPECT_TRUE(anew->is_first(index_, {}));
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(drops(*anew, KRAIT_REASON_NO_RULE), 1U);
  EXPECT_TRUE(arrives(5432));
}

TEST_F(DatapathOnTun, OutlivesItsOwnerAndIsAdopted) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    EXPECT_FALSE(arrives(80));
  }
  EXPECT_TRUE(has_pins(options()));
  EXPECT_TRUE(arrives(5432));
  EXPECT_FALSE(arrives(80));
  Datapath second = open();
  EXPECT_EQ(second.revision(), 7U);
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 2U) << "the counters go on";
  ASSERT_TRUE(second.attach(index_));
  EXPECT_TRUE(arrives(5432));
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 3U);
}

TEST_F(DatapathOnTun, GivesALargerPolicyALargerMap) {
  Datapath small = open();
  ASSERT_TRUE(small.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(small.attach(index_));
  std::vector<std::byte> large = image_of(policy_with({allow_web_to_db(80)}));
  large.resize(std::size_t{5000} * KRAIT_PAGE_BYTES);
  const auto refused = small.publish(large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), common::ErrorCode::limit);
  EXPECT_TRUE(arrives(5432)) << "a refused policy changes nothing";
  Datapath wide = open(5000);
  ASSERT_TRUE(wide.publish(large));
  EXPECT_TRUE(arrives(5432)) << "the new map takes over with the program, not before";
  ASSERT_TRUE(wide.attach(index_));
  EXPECT_TRUE(arrives(80));
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(wide, KRAIT_REASON_NO_RULE), 1U);
  Datapath next = open();
  EXPECT_EQ(next.revision(), 7U) << "the larger map is the pinned one";
  const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
  const auto map = SnapshotMap::open(pinned.get(), 1);
  ASSERT_TRUE(map) << map.error().text();
  EXPECT_NE(map->control().flags & KRAIT_CONTROL_OWN_QDISC, 0U) << "who made the qdisc is not forgotten";
}

// The size of a map that the next agent would find.
std::uint32_t pinned_entries(const std::filesystem::path& bpffs, const char* pin) {
  bpf_attr attributes{};
  const std::string path = bpffs / kInterface / pin;
  attributes.pathname = reinterpret_cast<std::uint64_t>(path.c_str());
  const common::Fd map(static_cast<int>(::syscall(SYS_bpf, BPF_OBJ_GET, &attributes, sizeof(attributes))));
  bpf_map_info info{};
  attributes = {};
  attributes.info.bpf_fd = static_cast<std::uint32_t>(map.get());
  attributes.info.info_len = sizeof(info);
  attributes.info.info = reinterpret_cast<std::uint64_t>(&info);
  EXPECT_EQ(::syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)), 0);
  return info.max_entries;
}

// Packets from web to db that were dropped.
std::uint64_t pair_drops(const Datapath& datapath) {
  const Counters counters = *datapath.counters();
  std::uint64_t packets = 0;
  for (const PairCount& pair : counters.pairs) {
    packets += pair.source_tag == 10 && pair.destination_tag == 20 ? pair.count[KRAIT_INGRESS][KRAIT_DROP].packets : 0;
  }
  return packets;
}

TEST_F(DatapathOnTun, TablesOfAnotherSizeTakeOverWithTheProgram) {
  Datapath first = open();
  ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(first.attach(index_));
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(pinned_entries(bpffs_, "flows"), 1 + 131072 / KRAIT_FLOW_WAYS);
  Options other = options();
  other.tables = {.flows = 2048, .pairs = 128, .fragments = 100};
  EXPECT_FALSE(first.has_room(other));
  auto opened = Datapath::open(other);
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(pinned_entries(bpffs_, "flows"), 1 + 131072 / KRAIT_FLOW_WAYS) << "not before the program";
  Datapath second = std::move(*opened);
  EXPECT_TRUE(second.has_room(other));
  ASSERT_TRUE(second.attach(index_));
  EXPECT_EQ(pinned_entries(bpffs_, "flows"), 1 + 2048 / KRAIT_FLOW_WAYS);
  EXPECT_EQ(pinned_entries(bpffs_, "pairs"), 128 / KRAIT_PAIR_SLOTS);
  EXPECT_EQ(pinned_entries(bpffs_, "fragments"), 100U);
  EXPECT_TRUE(arrives(5432)) << "the policy is where it was";
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 2U) << "these counters keep their size, and go on";
  EXPECT_EQ(pair_drops(second), 1U) << "these begin anew";
  auto third = Datapath::open(other);
  ASSERT_TRUE(third) << third.error().text();
  EXPECT_EQ(pair_drops(*third), 1U) << "the next agent adopts them";
}

TEST_F(DatapathOnTun, ABufferGrowsNoFurtherThanItMay) {
  Options narrow = options(200);
  narrow.max_snapshot_pages = 256;
  auto opened = Datapath::open(narrow);
  ASSERT_TRUE(opened) << opened.error().text();
  ASSERT_TRUE(opened->attach(index_));
  EXPECT_EQ(pinned_entries(bpffs_, "snapshot"), 1 + 2 * 256U);
}

TEST_F(DatapathOnTun, FailsClosedWithoutItsPrograms) {
  {
    Datapath datapath = open();
    ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(datapath.attach(index_));
    if (datapath.attachment() != Attachment::tcx) {
      GTEST_SKIP() << "skipped: this kernel has no TCX, whose pins can be removed";
    }
    ASSERT_TRUE(arrives(5432));
    ASSERT_TRUE(std::filesystem::remove(bpffs_ / kInterface / "link_ingress"));
    EXPECT_TRUE(arrives(5432)) << "while an agent runs it holds the links";
    EXPECT_FALSE(arrives(80));
  }
  // The kernel detaches the link from a work queue some moments later (kernel/bpf/syscall.c, bpf_link_put).
  int tries = 0;
  while (arrives(5432)) {
    ASSERT_LT(++tries, 100'000) << "the guard behind does not drop";
  }
  Datapath next = open();
  const auto mended = next.attach(index_);
  ASSERT_TRUE(mended);
  EXPECT_TRUE(mended->program);
  EXPECT_FALSE(mended->guard);
  EXPECT_TRUE(arrives(5432));
}

TEST_F(DatapathOnTun, AnUnchangedStartTouchesNothing) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    EXPECT_FALSE(*first.keep_pins());
    EXPECT_FALSE(first.attach(index_)->any());
  }
  Datapath second = open();
  EXPECT_TRUE(second.is_attached(index_));
  EXPECT_FALSE(second.attach(index_)->any());
  EXPECT_FALSE(*second.keep_pins());
  EXPECT_TRUE(*second.is_published(image_of(policy_with({allow_web_to_db(5432)}))));
  EXPECT_FALSE(*second.is_published(image_of(policy_with({allow_web_to_db(80)}))));
}

TEST_F(DatapathOnTun, PinsWhatSomebodyUnpinned) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(datapath.attach(index_));
  ASSERT_EQ(::umount2(bpffs_.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(arrives(5432)) << "the agent holds everything";
  EXPECT_TRUE(*datapath.keep_pins());
  EXPECT_FALSE(*datapath.keep_pins());
  EXPECT_TRUE(open().is_attached(index_)) << "the next agent finds it";
  ASSERT_TRUE(std::filesystem::remove(bpffs_ / kInterface / "program_egress"));
  EXPECT_TRUE(*datapath.keep_pins());
}

TEST_F(DatapathOnTun, ProgramsOfAnotherBuildAreReplacedUnderTheSameMaps) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    EXPECT_FALSE(arrives(80));
  }
  {
    const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
    SnapshotMap::open(pinned.get(), 1)->control().build = 1;
  }
  Datapath second = open();
  const auto mended = second.attach(index_);
  ASSERT_TRUE(mended) << mended.error().text();
  EXPECT_TRUE(mended->program);
  EXPECT_TRUE(arrives(5432));
  EXPECT_FALSE(arrives(80));
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 2U) << "the counters go on";
  EXPECT_FALSE(open().attach(index_)->any()) << "the next start finds its own build";
}

// A snapshot map of another version: its policy cannot be read, a new one takes over with the program.
TEST_F(DatapathOnTun, AnotherVersionsMapsJudgeUntilTheNewOnesDo) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
  }
  {
    const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
    SnapshotMap::open(pinned.get(), 1)->control().abi_version = KRAIT_ABI_VERSION + 1;
  }
  Datapath second = open();
  EXPECT_FALSE(second.active());
  EXPECT_EQ(second.last_revision(), 7U) << "revisions go on";
  EXPECT_TRUE(arrives(5432)) << "the former program judges by the former map";
  ASSERT_TRUE(second.publish(image_of(policy_with({allow_web_to_db(80)}))));
  EXPECT_TRUE(arrives(5432));
  ASSERT_TRUE(second.attach(index_));
  EXPECT_TRUE(arrives(80));
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 1U);
}

// The flow table's first bucket as it is pinned.
krait_flow_bucket change_flows_head(const std::filesystem::path& bpffs, std::uint64_t layout) {
  const common::Fd map = Pins::at(bpffs.string(), kInterface).get("flows");
  krait_flow_bucket head{};
  std::uint32_t key = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(map.get());
  attributes.key = reinterpret_cast<std::uint64_t>(&key);
  attributes.value = reinterpret_cast<std::uint64_t>(&head);
  EXPECT_EQ(::syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)), 0);
  const krait_flow_bucket before = head;
  head.marks[1] = layout;
  EXPECT_EQ(::syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof(attributes)), 0);
  return before;
}

TEST_F(DatapathOnTun, FlowsThatCannotBeCarriedOverAreNotTouched) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
    SnapshotMap::open(pinned.get(), 1)->control().build = 1;
  }
  EXPECT_EQ(change_flows_head(bpffs_, 99).marks[1], KRAIT_FLOWS_LAYOUT);
  const auto refused = Datapath::open(options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), common::ErrorCode::unsupported);
  EXPECT_NE(refused.error().text().find("layout 99"), std::string::npos) << refused.error().text();
  EXPECT_TRUE(arrives(5432)) << "what is in force stays so";
  EXPECT_FALSE(arrives(80));
}

// How many flows the pinned table remembers.
std::size_t pinned_flow_count(const std::filesystem::path& bpffs) {
  const common::Fd map = Pins::at(bpffs.string(), kInterface).get("flows");
  std::size_t count = 0;
  for (std::uint32_t key = 1; key < pinned_entries(bpffs, "flows"); ++key) {
    krait_flow_bucket bucket{};
    bpf_attr attributes{};
    attributes.map_fd = static_cast<std::uint32_t>(map.get());
    attributes.key = reinterpret_cast<std::uint64_t>(&key);
    attributes.value = reinterpret_cast<std::uint64_t>(&bucket);
    EXPECT_EQ(::syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)), 0);
    count += static_cast<std::size_t>(std::ranges::count_if(bucket.marks, [](auto mark) { return mark != 0; }));
  }
  return count;
}

TEST_F(DatapathOnTun, FlowsOfTheFormerLayoutAreCarriedOver) {
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    ASSERT_TRUE(arrives(5432));
    const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
    SnapshotMap::open(pinned.get(), 1)->control().build = 1;
  }
  ASSERT_EQ(pinned_flow_count(bpffs_), 1U);
  change_flows_head(bpffs_, 1);
  Datapath second = open();
  EXPECT_EQ(change_flows_head(bpffs_, 1).marks[1], 1U) << "not before the program";
  ASSERT_TRUE(second.attach(index_));
  EXPECT_EQ(change_flows_head(bpffs_, KRAIT_FLOWS_LAYOUT).marks[1], KRAIT_FLOWS_LAYOUT);
  EXPECT_EQ(pinned_flow_count(bpffs_), 1U);
}

// Killed after it had attached and before its pins were in their place: the next agent finds the attached set.
TEST_F(DatapathOnTun, FindsTheAttachedSetOfAnAgentThatWasKilledBetween) {
  const std::filesystem::path pins = bpffs_ / kInterface;
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
  }
  Options other = options();
  other.tables.flows = 2048;
  {
    auto second = Datapath::open(other);
    ASSERT_TRUE(second) << second.error().text();
    ASSERT_TRUE(second->attach(index_));
  }
  // As if the moves had just begun: all but the first are still to be done.
  std::filesystem::create_directory(pins / "next");
  for (const auto& entry : std::filesystem::directory_iterator(pins)) {
    const std::string name = entry.path().filename();
    if (name != "next" && !name.starts_with("link_") && name != "snapshot") {
      std::filesystem::rename(entry.path(), pins / "next" / name);
    }
  }
  auto third = Datapath::open(other);
  ASSERT_TRUE(third) << third.error().text();
  EXPECT_FALSE(std::filesystem::exists(pins / "next"));
  EXPECT_FALSE(third->attach(index_)->any()) << "it is what is attached";
  // And a set that was never attached is thrown away.
  std::filesystem::create_directory(pins / "next");
  std::filesystem::rename(pins / "events", pins / "next" / "events");
  Datapath fourth = std::move(*Datapath::open(other));
  EXPECT_FALSE(std::filesystem::exists(pins / "next"));
  EXPECT_TRUE(arrives(5432));
}

TEST_F(DatapathOnTun, HostilePinsAreReplaced) {
  const std::filesystem::path pins = bpffs_ / kInterface;
  {
    Datapath first = open();
    ASSERT_TRUE(first.publish(image_of(policy_with({allow_web_to_db(5432)}))));
    ASSERT_TRUE(first.attach(index_));
    const common::Fd pinned = Pins::at(bpffs_.string(), kInterface).get("snapshot");
    SnapshotMap::open(pinned.get(), 4)->control().active = 12345;
  }
  std::filesystem::remove(pins / "rules");
  std::filesystem::rename(pins / "drops", pins / "rules");
  std::filesystem::remove(pins / "flows");
  std::filesystem::rename(pins / "program_guard", pins / "flows");
  EXPECT_FALSE(arrives(5432)) << "a control page that leads nowhere denies";
  Datapath second = open();
  EXPECT_FALSE(second.active());
  ASSERT_TRUE(second.publish(image_of(policy_with({allow_web_to_db(80)}))));
  ASSERT_TRUE(second.attach(index_));
  EXPECT_TRUE(arrives(80));
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(second, KRAIT_REASON_NO_RULE), 1U);
}

// Without sysfs nothing tells whether the kernel has BTF, so that must not be blamed for another failure.
TEST_F(DatapathOnTun, NamesTheFailureWhereSysfsIsMissing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(::umount2("/sys", MNT_DETACH), 0);
  const common::Fd next(::dup(tun_.get()));
  const rlimit few{.rlim_cur = static_cast<rlim_t>(next.get()) + 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto refused = Datapath::open(options());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(::mount("sysfs", "/sys", "sysfs", 0, nullptr), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno(), EMFILE) << refused.error().text();
  EXPECT_NE(refused.error().text().find("load the BPF programs"), std::string::npos) << refused.error().text();
  EXPECT_EQ(refused.error().text().find("BTF"), std::string::npos) << refused.error().text();
}

TEST_F(DatapathOnTun, DeniesEverythingAndResumes) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(datapath.attach(index_));
  ASSERT_TRUE(arrives(5432));
  ASSERT_TRUE(datapath.deny_all());
  EXPECT_FALSE(arrives(5432));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_POLICY), 1U);
  ASSERT_TRUE(datapath.resume());
  EXPECT_TRUE(arrives(5432));
}

TEST_F(DatapathOnTun, HasNothingToResumeWhereNothingWasInForce) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.deny_all());
  const auto resumed = datapath.resume();
  ASSERT_FALSE(resumed);
  EXPECT_EQ(resumed.error().code(), common::ErrorCode::not_found) << resumed.error().text();
}

TEST_F(DatapathOnTun, AttachesAnewWhenTheDeviceWasMadeAnew) {
  Datapath datapath = open();
  ASSERT_TRUE(datapath.publish(image_of(policy_with({allow_web_to_db(5432)}))));
  ASSERT_TRUE(datapath.attach(index_));
  make_tun();
  ASSERT_TRUE(arrives(80)) << "nobody guards the new device";
  ASSERT_TRUE(datapath.attach(index_));
  EXPECT_FALSE(arrives(80));
  EXPECT_TRUE(arrives(5432));
  EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_RULE), 1U);
}

// What the agent's user puts in the place of krait's folders leads root nowhere.
TEST_F(DatapathOnTun, FollowsNoLinkToPins) {
  const std::filesystem::path home = std::filesystem::temp_directory_path() / "krait-datapath-home";
  const std::filesystem::path precious = home / kInterface / "precious";
  std::filesystem::create_directories(precious);
  // The file system's own place, where nothing is mounted.
  std::filesystem::remove_all(bpffs_);
  std::filesystem::create_directory_symlink(home, bpffs_);
  EXPECT_FALSE(has_pins(options()));
  EXPECT_TRUE(Datapath::remove(options(), index_, unused));
  EXPECT_FALSE(Datapath::open(options()));
  EXPECT_TRUE(std::filesystem::exists(precious));
  std::filesystem::remove(bpffs_);
  // The interface's folder, and a pin.
  {
    Datapath datapath = open();
    ASSERT_TRUE(datapath.publish(image_of(policy_with({}))));
    ASSERT_TRUE(datapath.attach(index_));
  }
  const Pins pins = Pins::at(bpffs_.string(), kInterface);
  std::filesystem::rename(bpffs_ / kInterface / "snapshot", bpffs_ / "elsewhere");
  std::filesystem::create_symlink(bpffs_ / "elsewhere", bpffs_ / kInterface / "snapshot");
  EXPECT_FALSE(pins.get("snapshot").valid());
  std::filesystem::rename(bpffs_ / kInterface, bpffs_ / "moved");
  std::filesystem::create_directory_symlink(home / kInterface, bpffs_ / kInterface);
  EXPECT_FALSE(pins.any());
  pins.remove("precious");
  EXPECT_FALSE(pins.replace("precious", tun_.get()));
  EXPECT_TRUE(pins.remove_all()) << "the link itself goes";
  EXPECT_TRUE(std::filesystem::exists(precious));
  std::filesystem::rename(bpffs_ / "moved", bpffs_ / kInterface);
  ASSERT_TRUE(Datapath::remove(options(), index_, unused));
  std::filesystem::remove_all(home);
}

TEST_F(DatapathOnTun, RemoveRestoresTheDevice) {
  {
    Datapath datapath = open();
    ASSERT_TRUE(datapath.publish(image_of(policy_with({}))));
    ASSERT_TRUE(datapath.attach(index_));
    ASSERT_FALSE(arrives(5432));
    EXPECT_EQ(drops(datapath, KRAIT_REASON_NO_RULE), 1U);
  }
  ASSERT_TRUE(Datapath::remove(options(), index_, unused));
  EXPECT_FALSE(has_pins(options()));
  EXPECT_FALSE(rundir::is_bpffs(bpffs_)) << "the file system is unmounted";
  EXPECT_TRUE(arrives(5432));
}

}  // namespace
}  // namespace krait::datapath

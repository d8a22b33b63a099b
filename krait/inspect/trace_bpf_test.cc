// `krait trace` as it is installed, on a capture made here.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/answer.h"
#include "common/test_folder.h"
#include "krait/abi/selector.h"
#include "krait/cli/krait_program.h"
#include "krait/inspect/probe_packet.h"

namespace krait::inspect {
namespace {

using cli::Ran;
using common::Ip;
using control::Json;
using Packet = std::vector<std::byte>;

constexpr const char* kWeb = "10.90.0.1";
constexpr const char* kDb = "10.90.0.2";

constexpr const char* kConfig = R"([host]
name = "db1"
identity = "db"
addresses = ["10.90.0.2", "fd90::2"]
private_key_file = "/none.key"
policy = "policy.toml"
[[peer]]
name = "web1"
identity = "web"
public_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="
addresses = ["10.90.0.1", "fd90::1"]
)";
constexpr const char* kPolicy = R"([[identity]]
name = "web"
[[identity]]
name = "db"
[[rule]]
name = "web to db"
action = "allow"
from = ["web"]
to = ["db"]
ports = ["tcp/5432", "icmp/echo-request"]
)";

void put(std::string& file, std::uint32_t value) { file.append(reinterpret_cast<const char*>(&value), sizeof(value)); }

Packet packet_of(std::uint32_t selector, const char* source, const char* destination) {
  Packet frame = probe_packet(selector, *Ip::parse(source), *Ip::parse(destination));
  frame.erase(frame.begin(), frame.begin() + kEthernetBytes);
  return frame;
}
// The other end's answer to a SYN of probe_packet().
Packet syn_ack() {
  Packet packet = packet_of(KRAIT_SELECTOR_TCP + 49152, kDb, kWeb);
  packet[20] = std::byte{5432 >> 8U};
  packet[21] = std::byte{5432 & 0xff};
  packet[33] = std::byte{0x12};
  return packet;
}

class TraceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    std::ofstream(folder_.at("krait.toml")) << kConfig;
    std::ofstream(folder_.at("policy.toml")) << kPolicy;
    for (const std::uint32_t field : {0xa1b2c3d4U, 0x00040002U, 0U, 0U, 262144U, 101U}) {
      put(capture_, field);
    }
  }

  void add(const Packet& packet, std::size_t captured, std::size_t original) {
    put(capture_, 0);
    put(capture_, 0);
    put(capture_, static_cast<std::uint32_t>(captured));
    put(capture_, static_cast<std::uint32_t>(original));
    capture_.append(reinterpret_cast<const char*>(packet.data()), captured);
  }
  void add(const Packet& packet) { add(packet, packet.size(), packet.size()); }

  std::vector<Json> trace(const std::vector<std::string>& more = {}) {
    std::ofstream(folder_.at("in.pcap"), std::ios::binary) << capture_;
    std::vector<std::string> arguments{"trace", "--config", folder_.at("krait.toml"), "--pcap", folder_.at("in.pcap"),
                                       "-o",    "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = cli::krait_program(arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    std::istringstream lines(ran.out);
    std::vector<Json> result;
    for (std::string line; std::getline(lines, line);) {
      result.push_back(common::parse_json_object(line).value_or(Json::object()));
    }
    return result;
  }

  common::TestFolder folder_;
  std::string capture_;
};

TEST_F(TraceTest, FollowsAConversation) {
  add(syn_ack());  // nobody asked yet
  add(packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb));
  add(syn_ack());
  const auto lines = trace();
  ASSERT_EQ(lines.size(), 3);
  EXPECT_EQ(lines[0].dump(),
            R"({"n":1,"verdict":"drop","reason":"no_rule","from":"db","to":"web","direction":"egress","rule":null})");
  EXPECT_EQ(
      lines[1].dump(),
      R"({"n":2,"verdict":"allow","reason":null,"from":"web","to":"db","direction":"ingress","rule":"web to db"})");
  EXPECT_EQ(
      lines[2].dump(),
      R"({"n":3,"verdict":"allow","reason":null,"from":"db","to":"web","direction":"egress","rule":"web to db"})");
}

TEST_F(TraceTest, TakesTheDirectionItIsGiven) {
  add(packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb));
  EXPECT_EQ(trace({"--direction", "egress"})[0]["reason"], "source_not_local");
  EXPECT_EQ(trace({"--direction", "ingress"})[0]["verdict"], "allow");
}

TEST_F(TraceTest, TakesAnotherPolicy) {
  add(packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb));
  std::ofstream(folder_.at("other.toml")) << "[[identity]]\nname = \"web\"\n[[identity]]\nname = \"db\"\n";
  EXPECT_EQ(trace({"--policy", folder_.at("other.toml")})[0]["reason"], "no_rule");
}

TEST_F(TraceTest, TellsWhyStrangePacketsAreDropped) {
  const Packet stranger = packet_of(KRAIT_SELECTOR_TCP + 5432, "198.51.100.9", kDb);
  add(stranger);
  add({}, 0, 0);
  add({std::byte{0x10}, std::byte{0}});
  const Packet syn = packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb);
  add(syn, 30, syn.size());                    // the capture cut the TCP header
  add(Packet(syn.begin(), syn.begin() + 30));  // the wire did
  add(packet_of(KRAIT_SELECTOR_ICMPV6 + 128, "fd90::1", "fd90::2"));
  const auto lines = trace();
  ASSERT_EQ(lines.size(), 6);
  EXPECT_EQ(lines[0]["reason"], "unknown_source");
  EXPECT_TRUE(lines[0]["from"].is_null());
  EXPECT_EQ(lines[1]["reason"], "truncated");
  EXPECT_EQ(lines[2]["reason"], "not_ip");
  EXPECT_EQ(lines[3]["reason"], "truncated");
  EXPECT_EQ(lines[4]["reason"], "truncated");
  EXPECT_EQ(lines[5]["verdict"], "allow");
}

TEST_F(TraceTest, TakesCutAndLongPackets) {
  Packet syn = packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb);
  syn.resize(60'000, std::byte{1});
  syn[2] = std::byte{60'000 >> 8U};
  syn[3] = std::byte{60'000 & 0xffU};
  add(syn);
  add(syn, 54, syn.size());
  syn[2] = std::byte{0xff};  // says more than was on the wire
  add(syn);
  const auto lines = trace();
  ASSERT_EQ(lines.size(), 3);
  EXPECT_EQ(lines[0]["verdict"], "allow") << lines[0];
  EXPECT_EQ(lines[1]["verdict"], "allow") << lines[1];
  EXPECT_EQ(lines[2]["reason"], "truncated") << lines[2];
}

TEST_F(TraceTest, SaysWhatItLacks) {
  add(packet_of(KRAIT_SELECTOR_TCP + 5432, kWeb, kDb));
  trace();
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  const Ran refused = cli::run_program(
      KRAIT_INSPECT_PROGRAM,
      {"trace", "--config", folder_.at("krait.toml"), "--pcap", folder_.at("in.pcap"), "-o", "json"}, 65534);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.json()["code"], "permission");
  EXPECT_NE(refused.err.find("needs root"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace krait::inspect

// The most that the default limits are meant for, from files to a judged packet: 65,536 hosts with two addresses each,
// 1,000 identities that the rules tell apart, 100,000 rules. It must fit into a machine of 4 GiB.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "common/test_folder.h"
#include "krait/datapath/packet_runner.h"
#include "krait/plan/plan.h"
#include "krait/wireguard/wireguard.h"
#include "tests/packets/packet.h"

namespace krait {
namespace {

constexpr std::uint32_t kHosts = 65'536;
constexpr std::uint32_t kIdentities = 1'000;
constexpr std::uint32_t kRules = 100'000;
constexpr std::uint16_t kServicePort = 5432;
constexpr std::uint32_t kPorts = 200;
// What the agent and its maps may take of the 4 GiB; the rest is the kernel's and everybody else's.
constexpr std::uint64_t kMaxBytes = std::uint64_t{2} << 30U;

std::string v4(std::uint32_t host) { return fmt::format("10.{}.{}.{}", host >> 16U, host >> 8U & 0xffU, host & 0xffU); }
std::string v6(std::uint32_t host) { return fmt::format("fd00::{:x}:{:x}", host >> 16U, host & 0xffffU); }

std::string entry(std::uint32_t host) {
  return fmt::format("name = \"host{0}\"\nidentity = \"identity{1}\"\naddresses = [\"{2}\", \"{3}\"]\n", host,
                     host % kIdentities, v4(host), v6(host));
}

// This host is number 1.
void write_mesh(const std::string& path, const std::string& policy) {
  std::ofstream file(path);
  file << "[host]\n" << entry(1) << "private_key_file = \"/none.key\"\npolicy = \"" << policy << "\"\n";
  for (std::uint32_t host = 0; host < kHosts; ++host) {
    if (host == 1) {
      continue;
    }
    model::PublicKey key{};
    key[0] = 1;
    key[1] = static_cast<std::uint8_t>(host);
    key[2] = static_cast<std::uint8_t>(host >> 8U);
    file << "[[peer]]\n" << entry(host) << "public_key = \"" << model::key_text(key) << "\"\n";
  }
}

void write_policy(const std::string& path) {
  std::ofstream file(path);
  for (std::uint32_t i = 0; i < kIdentities; ++i) {
    file << "[[identity]]\nname = \"identity" << i << "\"\n";
  }
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < kRules; ++i) {
    const auto from = i == 0 ? 0 : random() % kIdentities;
    const auto to = i == 0 ? 1 : random() % kIdentities;
    const auto port = i == 0 ? kServicePort : 10'000 + random() % kPorts;
    file << fmt::format(
        "[[rule]]\nname = \"rule {}\"\naction = \"allow\"\nfrom = \"identity{}\"\nto = \"identity{}\"\nports = "
        "\"tcp/{}\"\n",
        i, from, to, port);
  }
}

// The number behind `name`; 0 when the file does not have it.
std::uint64_t number_in(const std::filesystem::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) {
      return std::stoull(line.substr(line.find_first_of("0123456789")));
    }
  }
  return 0;
}

// Of all BPF maps and programs that this process holds.
std::uint64_t kernel_bytes() {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    bytes += number_in(entry.path(), "memlock:");
  }
  return bytes;
}

class Greatest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: loading BPF programs needs root";
    }
  }

  common::TestFolder folder_;
};

TEST_F(Greatest, FitsIntoFourGibibytes) {
  const std::string config = folder_.at("krait.toml");
  write_policy(folder_.at("policy.toml"));
  write_mesh(config, "policy.toml");
  auto plan = plan::make_plan(config);
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->bindings.size(), 2 * kHosts);
  EXPECT_EQ(plan->snapshot.identity_classes, kIdentities + 1);
  auto runner = datapath::PacketRunner::load(plan::pages_of(plan->snapshot));
  ASSERT_TRUE(runner) << runner.error().text();
  ASSERT_TRUE(runner->publish(plan->snapshot.image));
  for (const auto& [from, to] : {std::pair(v4(0), v4(1)), std::pair(v6(0), v6(1))}) {
    const auto allowed = runner->run(packets::Packet(from, to).tcp(40000, kServicePort, packets::kSyn).frame(), {});
    ASSERT_TRUE(allowed) << allowed.error().text();
    EXPECT_TRUE(allowed->allowed);
    const auto denied = runner->run(packets::Packet(from, to).tcp(40000, 80, packets::kSyn).frame(), {});
    ASSERT_TRUE(denied) << denied.error().text();
    EXPECT_EQ(denied->trace.reason, KRAIT_REASON_NO_RULE);
  }
  const std::uint64_t own_bytes = number_in("/proc/self/status", "VmHWM:") * 1024;
  const std::uint64_t map_bytes = kernel_bytes();
  RecordProperty("process_mib", static_cast<int>(own_bytes >> 20U));
  RecordProperty("maps_mib", static_cast<int>(map_bytes >> 20U));
  fmt::print("snapshot {} MiB, process at most {} MiB, maps {} MiB\n", plan->snapshot.image.size() >> 20U,
             own_bytes >> 20U, map_bytes >> 20U);
  EXPECT_GT(map_bytes, plan->snapshot.image.size()) << "the kernel says what maps take";
  EXPECT_LT(own_bytes + map_bytes, kMaxBytes);
}

}  // namespace
}  // namespace krait

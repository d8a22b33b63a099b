#include "krata/bundle/bundle.h"

#include <gtest/gtest.h>

#include "krata/bundle/bytes.h"

namespace krata::bundle {
namespace {

Bundle small() {
  Bundle bundle;
  bundle.zone_id = "01234567-89ab-cdef-0123-456789abcdef";
  bundle.hostname = "web-1";
  bundle.process = {.arguments = {"/bin/true"}, .environment = {"PATH=/bin", "EMPTY="}};
  return bundle;
}

Bundle full() {
  Bundle bundle = small();
  bundle.process = {.arguments = {"sh", "-c", "", "\xff\n\x1b"},
                    .environment = {"A=1", "A=2=3"},
                    .working_directory = "/srv/../x",
                    .user = "www-data:1000",
                    .terminal = true,
                    .size = {.rows = 24, .columns = 80}};
  bundle.stop_signal = 64;
  bundle.image_device = "vda";
  bundle.scratch_device = "xvdc";
  bundle.scratch_bytes = 0xffff'ffff'ffff'ffffU;
  bundle.disks = {{.device = "xvdd", .path = "/data", .file_system = "ext4", .read_only = true},
                  {.device = "xvde", .path = "/a/b", .file_system = "erofs"}};
  bundle.hosts = {{.address = "10.0.0.1", .names = "a b.example"}, {.address = "fd00::1", .names = "c"}};
  bundle.name_servers = {"9.9.9.9", "fd00::53"};
  bundle.search_domains = {"example.org"};
  bundle.resolver_options = {"ndots:2"};
  bundle.keys = {{.name = "token", .bytes = std::string("a\0b", 3)}, {.name = "empty", .bytes = ""}};
  return bundle;
}

std::string written(const Bundle& bundle) {
  auto disk = write_bundle(bundle);
  EXPECT_TRUE(disk) << disk.error().text();
  return disk ? *std::move(disk) : std::string();
}

std::string refusal(const Bundle& bundle) {
  const auto disk = write_bundle(bundle);
  return disk ? "" : disk.error().text();
}

std::string reading(std::string_view disk) {
  const auto bundle = read_bundle(disk);
  return bundle ? "" : bundle.error().text();
}

TEST(Bundle, ReadsWhatWasWritten) {
  for (const Bundle& bundle : {small(), full()}) {
    const std::string disk = written(bundle);
    EXPECT_EQ(disk.size() % kSectorBytes, 0U);
    const auto read = read_bundle(disk + std::string(4096, 'x'));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, bundle);
    EXPECT_EQ(written(*read), disk);
  }
}

TEST(Bundle, SaysHowMuchOfADiskToRead) {
  const std::string disk = written(full());
  const auto bytes = bundle_bytes(std::string_view(disk).substr(0, kSectorBytes));
  ASSERT_TRUE(bytes);
  EXPECT_LE(*bytes, disk.size());
  EXPECT_GT(*bytes + kSectorBytes, disk.size());
  EXPECT_TRUE(read_bundle(std::string_view(disk).substr(0, *bytes)));
  EXPECT_NE(reading(std::string_view(disk).substr(0, *bytes - 1)).find("the disk ends before it"), std::string::npos);
}

// Whichever bit of it is another, it is refused.
TEST(Bundle, NoticesEveryChangedBit) {
  const std::string disk = written(small());
  const std::size_t bytes = *bundle_bytes(disk);
  for (std::size_t at = 0; at < bytes * 8; ++at) {
    std::string changed = disk;
    changed[at / 8] = static_cast<char>(changed[at / 8] ^ (1 << (at % 8)));
    EXPECT_FALSE(read_bundle(changed)) << "bit " << at;
  }
}

TEST(Bundle, SaysWhichVersionItIsOf) {
  std::string disk = written(small());
  disk[8] = 2;
  const auto bundle = read_bundle(disk);
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().code(), common::ErrorCode::unsupported);
  EXPECT_NE(bundle.error().text().find("version 2"), std::string::npos);
  EXPECT_NE(reading("hsqs and so on").find("no bundle"), std::string::npos);
}

TEST(Bundle, RefusesToWriteWhatNoReaderTakes) {
  const auto with = [](auto change) {
    Bundle bundle = full();
    change(bundle);
    return refusal(bundle);
  };
  EXPECT_NE(with([](Bundle& b) { b.zone_id = "0123"; }).find("UUID"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.hostname = "a b"; }).find("host name"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.hostname = std::string(65, 'a'); }).find("host name"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.process.arguments.clear(); }).find("no command"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.process.arguments[1] = std::string("a\0", 2); }).find("zero byte"),
            std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.process.environment = {"NAME"}; }).find("NAME=VALUE"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.process.working_directory = "srv"; }).find("working directory"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.process.user = "a:b:c"; }).find("USER:GROUP"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.stop_signal = 65; }).find("65 is no signal"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.image_device = "../sda"; }).find("device"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.disks[0].path = "/a/../b"; }).find("'..'"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.disks[0].path = "/"; }).find("whole image"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.hosts[0].names = "a\nb"; }).find("host's name"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.name_servers = {"1.1.1.1\noptions x"}; }).find("name server"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.keys[0].name = "../x"; }).find("name of a key"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.keys[0].bytes.resize(kMaxKeyBytes + 1); }).find("65537 bytes"), std::string::npos);
  EXPECT_NE(with([](Bundle& b) { b.disks.assign(kMaxDisks + 1, b.disks[0]); }).find("17 disks"), std::string::npos);
  EXPECT_NE(
      with([](Bundle& b) { b.process.arguments.assign(20, std::string(kMaxStringBytes, 'a')); }).find("is the most"),
      std::string::npos);
}

}  // namespace
}  // namespace krata::bundle

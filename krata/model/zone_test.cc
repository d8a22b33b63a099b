#include "krata/model/zone.h"

#include <gtest/gtest.h>

#include "krata/model/limits.h"
#include "krata/model/zone_json.h"

namespace krata::model {
namespace {

using common::Json;

ZoneSpec whole() {
  ZoneSpec spec;
  spec.name = "web-1";
  spec.image = "localhost/app:1";
  spec.command = {"sh", "-c", "echo hello"};
  spec.env = {"A=b", "EMPTY="};
  spec.workdir = "/srv";
  spec.user = "www:www";
  spec.hostname = "web";
  spec.kernel = "6.12";
  spec.resources = {.cpus = 2, .memory_mib = 512, .weight = 100, .cap = 150};
  spec.tty = true;
  spec.input = true;
  spec.disks = {{.file = "/var/lib/data.img", .mount = "/data", .read_only = true}};
  spec.restart = Restart::on_failure;
  return spec;
}

std::string refusal(const ZoneSpec& spec) {
  const auto checked = check(spec);
  return checked ? "" : checked.error().text();
}

TEST(ZoneId, TextAndBack) {
  std::array<std::uint8_t, 16> random{};
  random.fill(0xff);
  const ZoneId id = ZoneId::of_random(random);
  EXPECT_EQ(id.text(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  EXPECT_EQ(ZoneId::parse(id.text()), id);
}

TEST(ZoneId, RefusesOtherTexts) {
  for (const char* text : {"", "ffffffff-ffff-4fff-bfff-fffffffffff", "FFFFFFFF-ffff-4fff-bfff-ffffffffffff",
                           "ffffffff+ffff-4fff-bfff-ffffffffffff", "ffffffff-ffff-4fff-bfff-ffffffffffffa"}) {
    EXPECT_EQ(ZoneId::parse(text), std::nullopt) << text;
  }
}

TEST(ZoneSpec, JsonAndBack) {
  const auto back = spec_from_json(spec_json(whole()));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, whole());
}

TEST(ZoneSpec, RefusesWhatItDoesNotKnow) {
  Json json = spec_json(whole());
  json["privileged"] = true;
  EXPECT_EQ(spec_from_json(json).error().text(), "no member is called privileged");
  json = spec_json(whole());
  json["cpus"] = "2";
  EXPECT_EQ(spec_from_json(json).error().text(), "the member cpus must be a whole number below 2^32");
  json = spec_json(whole());
  json["disks"][0]["mode"] = 1;
  EXPECT_EQ(spec_from_json(json).error().text(), "a disk: no member is called mode");
  EXPECT_EQ(spec_from_json(Json::array()).error().text(), "an object is needed");
}

TEST(ZoneSpec, NamesAreLabelsAndNoIds) {
  for (const char* name : {"a", "web-1", "0"}) {
    EXPECT_TRUE(is_name(name)) << name;
  }
  for (const char* name : {"", "-a", "a-", "A", "a_b", "a.b", "../x", "ffffffff-ffff-4fff-bfff-ffffffffffff"}) {
    EXPECT_FALSE(is_name(name)) << name;
  }
  EXPECT_FALSE(is_name(std::string(limits::kNameBytes + 1, 'a')));
}

TEST(ZoneSpec, SaysWhatIsWrong) {
  ZoneSpec spec = whole();
  EXPECT_EQ(refusal(spec), "");
  spec.env = {"=x"};
  EXPECT_EQ(refusal(spec), "the variable =x has no name and value; write NAME=VALUE");
  spec = whole();
  spec.disks.push_back({.file = "/other", .mount = "/data"});
  EXPECT_EQ(refusal(spec), "two disks are to be mounted at /data");
  spec = whole();
  spec.disks.push_back({.file = "/var/lib/data.img", .mount = "/more"});
  EXPECT_EQ(refusal(spec), "/var/lib/data.img is given twice and may be written to; write :ro behind both");
  spec = whole();
  spec.disks[0].mount = "/a/../b";
  EXPECT_EQ(refusal(spec), "where a disk is mounted has the part '..'; write the path without it");
  spec.disks[0].mount = "/a//b";
  EXPECT_EQ(refusal(spec), "where a disk is mounted has the part ''; write the path without it");
  spec.disks[0].mount = "/..data";
  EXPECT_EQ(refusal(spec), "");
  spec.disks[0] = {.file = "/scratch.img", .mount = "/"};
  EXPECT_EQ(refusal(spec), "");
  spec.disks[0].read_only = true;
  EXPECT_EQ(refusal(spec), "the disk at / keeps what the container writes, and cannot be read-only");
  spec = whole();
  spec.resources.memory_mib = 10;
  EXPECT_EQ(refusal(spec), "a zone's memory is 80M at least and 1048576M at most");
  spec = whole();
  spec.user = "www data";
  EXPECT_EQ(refusal(spec), "the user is not one word of 1 to 255 printable ASCII characters");
  spec = whole();
  spec.kernel = "../../etc/passwd";
  EXPECT_EQ(refusal(spec), "a kernel is given by its name; see krata kernel list");
  spec = whole();
  spec.command.assign(limits::kWords + 1, "a");
  EXPECT_EQ(check(spec).error().code(), common::ErrorCode::limit);
  spec.command.assign(64, std::string(limits::kWordBytes, 'a'));
  EXPECT_EQ(check(spec).error().code(), common::ErrorCode::limit);
}

TEST(Words, MemoryAndDisks) {
  EXPECT_EQ(parse_memory("512M").value(), 512U);
  EXPECT_EQ(parse_memory("2G").value(), 2048U);
  EXPECT_EQ(parse_memory("300").value(), 300U);
  for (const char* text : {"", "M", "12K", "1.5G", "-1", "4294967296", "4194304G"}) {
    EXPECT_FALSE(parse_memory(text)) << text;
  }
  const auto disk = parse_disk("/a:b.img:/data:ro").value();
  EXPECT_EQ(disk, (DiskSpec{.file = "/a:b.img", .mount = "/data", .read_only = true}));
  EXPECT_FALSE(parse_disk("/a.img"));
  EXPECT_FALSE(parse_disk(":/data"));
}

TEST(End, JsonAndBack) {
  const End end{.reason = End::Reason::out_of_memory, .code = 137, .signal = 9, .text = "killed"};
  EXPECT_EQ(end_from_json(end_json(end)).value(), end);
  EXPECT_FALSE(end_from_json({{"reason", "unknown"}, {"code", 0}, {"signal", 0}}));
  EXPECT_FALSE(end_from_json({{"reason", "exited"}, {"code", 256}, {"signal", 0}}));
}

}  // namespace
}  // namespace krata::model

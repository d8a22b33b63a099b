#include "krait/inspect/event_text.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>

#include "krait/abi/reasons.h"

namespace krait::inspect {
namespace {

constexpr common::Moment kNow{.unix_ns = 1'700'000'000'000'000'000, .boot_ns = 60'000'000'000};

Json names_answer() {
  return {{"policy", "p.toml"},
          {"identities", {{{"name", "web"}, {"tag", 5}}}},
          {"rules", {{{"rule", "r"}, {"number", 2}, {"line", 7}}}}};
}

TEST(EventText, NamesWhatTheNumbersMean) {
  krait_event event{};
  event.boot_ns = kNow.boot_ns - 1'500'000'000;
  event.reason = KRAIT_REASON_NO_RULE;
  event.protocol = 6;
  event.source_tag = 5;
  event.destination_tag = 6;
  event.rule = 3;
  event.destination_port_be = htons(443);
  const Json json = event_json(event, EventNames(names_answer()), kNow);
  EXPECT_EQ(json["time"], "2023-11-14T22:13:18.500Z");
  EXPECT_EQ(json["from"], "web");
  EXPECT_EQ(json["to"], "tag:6");
  EXPECT_EQ(json["rule"], "r");
  EXPECT_EQ(json["line"], 7);
  EXPECT_EQ(json["destination_port"], 443);
  EXPECT_NE(event_text(json).find("by rule \"r\" (p.toml:7)"), std::string::npos);
}

TEST(EventText, TakesAnyBytes) {
  krait_event event{};
  for (const int byte : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
    std::memset(&event, byte, sizeof(event));
    EXPECT_FALSE(event_text(event_json(event, EventNames(Json(5)), kNow)).empty());
    EXPECT_FALSE(event_text(event_json(event, EventNames(Json{{"rules", {1, {{"number", "x"}}}}}), {})).empty());
  }
}

TEST(EventText, DatesAnEventOfTheFutureAsOfNow) {
  krait_event event{};
  event.boot_ns = ~0ULL;
  EXPECT_EQ(event_json(event, EventNames(Json()), kNow)["time"], "2023-11-14T22:13:20.000Z");
}

}  // namespace
}  // namespace krait::inspect

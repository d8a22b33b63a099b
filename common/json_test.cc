#include "common/json.h"

#include <gtest/gtest.h>

namespace common {
namespace {

TEST(Json, GivesMembersOfTheirKind) {
  const Json json{{"text", "a"}, {"number", 7}, {"object", {{"x", 1}}}, {"list", {1, 2}}, {"none", nullptr}};
  EXPECT_EQ(text_at(json, "text"), "a");
  EXPECT_EQ(number_at(json, "number"), 7U);
  EXPECT_EQ(find_number(json, "number"), 7U);
  EXPECT_EQ(object_at(json, "object").size(), 1U);
  EXPECT_EQ(list_at(json, "list").size(), 2U);
  ASSERT_NE(find_member(json, "none"), nullptr);
  EXPECT_TRUE(find_member(json, "none")->is_null());
}

TEST(Json, ReadsAnotherKindAsNothing) {
  for (const Json& odd : {Json(), Json(true), Json(-5), Json(1e300), Json("x"), Json({1, "x"}), Json({{"a", 1}})}) {
    for (const Json& json : {odd, Json{{"key", odd}}}) {
      EXPECT_EQ(find_number(json, "key"), std::nullopt) << json;
      EXPECT_EQ(number_at(json, "key"), 0U) << json;
      EXPECT_TRUE(text_at(json, "key", "else") == "else" || odd == "x") << json;
      EXPECT_TRUE(object_at(json, "key").is_object()) << json;
      EXPECT_TRUE(list_at(json, "key").is_array()) << json;
    }
    EXPECT_EQ(find_member(odd, "key"), nullptr) << odd;
  }
}

TEST(Json, HoldsTheLargestNumber) {
  EXPECT_EQ(number_at(parse_json(R"({"n":18446744073709551615})"), "n"), 18446744073709551615U);
  EXPECT_EQ(find_number(parse_json(R"({"n":18446744073709551616})"), "n"), std::nullopt);
}

TEST(Json, TooDeepIsNone) {
  const auto nested = [](std::size_t depth, const char* open, const char* close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) {
      text += open;
    }
    text += "0";
    for (std::size_t i = 0; i < depth; ++i) {
      text += close;
    }
    return text;
  };
  EXPECT_FALSE(parse_json(nested(kMaxJsonDepth, "[", "]")).is_discarded());
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth + 1, "[", "]")).is_discarded());
  EXPECT_TRUE(parse_json(nested(150'000, R"({"":)", "}")).is_discarded());
  EXPECT_FALSE(parse_json('"' + std::string(200, '[') + R"(\"[")").is_discarded()) << "what is quoted does not nest";
}

}  // namespace
}  // namespace common

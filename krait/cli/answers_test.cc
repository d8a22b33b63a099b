#include "krait/cli/answers.h"

#include <gtest/gtest.h>

namespace krait::cli {
namespace {

TEST(StatusText, SaysWhoIsThere) {
  const std::string text = status_text({{"interface", "wg0"},
                                        {"agent", {{"pid", 7}, {"version", "1"}, {"mode", "manage"}}},
                                        {"peers", {{{"name", "db1"}, {"identity", "db"}, {"handshake_age_s", 5}}}},
                                        {"drops", {{"no_rule", 3}, {"spoofed", 0}}}});
  EXPECT_NE(text.find("wg0: managed by krait-agent 1 (pid 7)"), std::string::npos) << text;
  EXPECT_NE(text.find("db1 (db)  no endpoint  handshake 5 s ago"), std::string::npos) << text;
  EXPECT_NE(text.find("no_rule: 3"), std::string::npos) << text;
  EXPECT_EQ(text.find("spoofed"), std::string::npos) << text;
}

TEST(StatusText, SaysThatPairsShareKeys) {
  const auto of_network = [](const Json& preshared) {
    return status_text({{"interface", "wg0"}, {"network", {{"id", "n"}, {"preshared_keys", preshared}}}});
  };
  EXPECT_NE(of_network(true).find("preshared keys: one for each pair of hosts"), std::string::npos);
  EXPECT_EQ(of_network(false).find("preshared"), std::string::npos);
  EXPECT_EQ(of_network("x").find("preshared"), std::string::npos);
}

TEST(RulesText, SaysWhatEachDecided) {
  const std::string text = rules_text(
      {{"policy", "p.toml"},
       {"rules", {{{"rule", "r"}, {"action", "allow"}, {"line", 3}, {"packets", 9}, {"expires_in_s", 3660}}}}});
  EXPECT_NE(text.find("allow \"r\"  p.toml:3  expires in 1 h 1 min"), std::string::npos) << text;
}

// Another version's answer, or no agent's.
TEST(Answers, OfAnotherKindReadAsNothing) {
  for (const Json& odd : {Json(), Json(5), Json("x"), Json({1, "x", nullptr}), Json({{"a", 1}})}) {
    Json answer;
    for (const char* key :
         {"agent", "peers", "packets", "drops", "rules", "policy", "changes", "interface", "revision"}) {
      answer[key] = odd;
    }
    EXPECT_FALSE(status_text(answer).empty());
    EXPECT_FALSE(rules_text(answer).empty());
    EXPECT_FALSE(reload_text(answer).empty());
  }
}

}  // namespace
}  // namespace krait::cli

#include "krata/bundle/image_process.h"

#include <gtest/gtest.h>

namespace krata::bundle {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view kConfig = R"({"architecture":"amd64","config":{"Entrypoint":["/entry"],"Cmd":["a","b"],
  "Env":["PATH=/bin","A=1","A=2"],"WorkingDir":"/srv","User":"web:web","StopSignal":"SIGQUIT"}})";

ImageProcess process_of(std::string_view config, const Overrides& overrides = {}) {
  auto result = image_process(config, overrides);
  EXPECT_TRUE(result) << result.error().text();
  return result ? *std::move(result) : ImageProcess();
}

std::string refusal(std::string_view config, const Overrides& overrides = {}) {
  const auto result = image_process(config, overrides);
  return result ? "" : result.error().text();
}

TEST(ImageProcess, TakesWhatTheImageSays) {
  const auto result = process_of(kConfig);
  EXPECT_EQ(result.process.arguments, (Texts{"/entry", "a", "b"}));
  EXPECT_EQ(result.process.environment, (Texts{"PATH=/bin", "A=2"}));
  EXPECT_EQ(result.process.working_directory, "/srv");
  EXPECT_EQ(result.process.user, "web:web");
  EXPECT_EQ(result.stop_signal, 3U);
  EXPECT_FALSE(result.process.terminal);
}

TEST(ImageProcess, LetsTheUserChooseOtherwise) {
  const auto result = process_of(
      kConfig, {.command = {"x"}, .environment = {"A", "B=3"}, .working_directory = "/", .user = "", .terminal = true});
  EXPECT_EQ(result.process.arguments, (Texts{"/entry", "x"}));
  EXPECT_EQ(result.process.environment, (Texts{"PATH=/bin", "B=3", "TERM=xterm"}));
  EXPECT_EQ(result.process.working_directory, "/");
  EXPECT_EQ(result.process.user, "");
  EXPECT_TRUE(result.process.terminal);
}

TEST(ImageProcess, HasWhatTheImageLeavesOut) {
  const auto result = process_of(R"({"config":{"Cmd":["sh"],"Entrypoint":null,"Env":null,"WorkingDir":""}})");
  EXPECT_EQ(result.process.arguments, (Texts{"sh"}));
  EXPECT_EQ(result.process.working_directory, "/");
  EXPECT_EQ(result.process.environment, (Texts{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}));
  EXPECT_EQ(result.stop_signal, 15U);
}

TEST(ImageProcess, TakesFoldersAsBelowTheRoot) {
  EXPECT_EQ(process_of(R"({"config":{"Cmd":["a"],"WorkingDir":"app/x"}})").process.working_directory, "/app/x");
}

TEST(ImageProcess, SaysWhatIsWrong) {
  EXPECT_NE(refusal("{}").find("neither Entrypoint nor Cmd"), std::string::npos);
  EXPECT_NE(refusal("[]").find("no JSON object"), std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":"sh"}})").find("Cmd is no list"), std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":[1]}})").find("no list of texts"), std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":["a"],"User":5}})").find("User is no text"), std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":["a"]}})", {.working_directory = "x"}).find("working directory"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":["a\u0000"]}})").find("zero byte"), std::string::npos);
  EXPECT_NE(refusal(R"({"config":{"Cmd":["a"],"StopSignal":"SIGFOO"}})").find("no signal"), std::string::npos);
}

TEST(ImageProcess, KnowsSignals) {
  for (const auto& [name, number] : {std::pair("SIGTERM", 15U),
                                     {"KILL", 9U},
                                     {"1", 1U},
                                     {"RTMIN+3", 37U},
                                     {"SIGRTMIN", 34U},
                                     {"RTMAX-1", 63U},
                                     {"SIGPOLL", 29U}}) {
    const auto found = signal_number(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(*found, number) << name;
  }
  for (const char* name : {"", "0", "65", "-1", "SIGSIGTERM", "RTMIN+31", "RTMIN-1", "RTMAX+1", "TERM ", "9x"}) {
    EXPECT_FALSE(signal_number(name)) << name;
  }
  for (std::uint32_t number = 1; number <= 64; ++number) {
    EXPECT_EQ(*signal_number(signal_name(number)), number);
  }
}

}  // namespace
}  // namespace krata::bundle

// Policies that multiply, from their files: within the default limits each is compiled or refused by a named limit, in
// bounded time and memory, and `krait policy check` says the same as `krait check` and the agent.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

#include "common/file.h"
#include "common/test_folder.h"
#include "krait/plan/plan.h"

namespace krait {
namespace {

// On an idle machine they are 3 s; a loaded one takes longer. What is not bounded takes minutes.
constexpr long kMaxSeconds = 20;
constexpr long kMaxMib = 400;

struct Answer {
  std::string text;  // "ok", or the error
  long cpu_s = 0;
  long mib = 0;
};

// What `call` says in a process of its own.
Answer ask(const std::function<std::string()>& call) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string text = call();
    const bool written = ::write(ends[1], text.data(), std::min<std::size_t>(text.size(), 4096)) > 0;
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  Answer answer;
  answer.text = common::read_to_end(ends[0], 4096, "an answer").value();
  ::close(ends[0]);
  int status = 0;
  rusage usage{};
  EXPECT_EQ(::wait4(child, &status, 0, &usage), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  answer.cpu_s = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  answer.mib = usage.ru_maxrss / 1024;
  return answer;
}

class Worst : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_.at("krait.toml")) << "[host]\nname = \"a\"\nidentity = \"i0\"\naddresses = [\"10.0.0.1\"]\n"
                                               "private_key_file = \"/none.key\"\npolicy = \"policy.toml\"\n";
    policy_.open(folder_.at("policy.toml"));
  }

  void identities(int count) {
    for (int i = 0; i < count; ++i) {
      policy_ << "[[identity]]\nname = \"i" << i << "\"\n";
    }
  }
  void rule(int number, std::string_view from, std::string_view to, std::string_view ports,
            std::string_view more = "") {
    policy_ << fmt::format("[[rule]]\nname = \"r{}\"\naction = \"allow\"\nfrom = \"{}\"\nto = \"{}\"\nports = {}\n{}",
                           number, from, to, ports, more);
  }
  // What both say.
  std::string said() {
    policy_.close();
    const std::string policy = folder_.at("policy.toml");
    const Answer alone = ask([&] {
      const auto checked = plan::check_policy(policy);
      return checked ? "ok" : checked.error().text();
    });
    const Answer both = ask([&] {
      const auto plan = plan::make_plan(folder_.at("krait.toml"));
      return plan ? "ok" : plan.error().text();
    });
    for (const Answer& answer : {alone, both}) {
      EXPECT_LT(answer.cpu_s, kMaxSeconds);
      EXPECT_LT(answer.mib, kMaxMib);
    }
    // The agent names krait.toml by its path.
    std::string text = both.text;
    const std::string config = folder_.at("krait.toml");
    if (const auto at = text.find(config); at != std::string::npos) {
      text.replace(at, config.size(), "krait.toml");
    }
    EXPECT_EQ(alone.text, text);
    return alone.text;
  }
  void expect_refused(std::string_view limit) {
    const std::string text = said();
    EXPECT_NE(text.find(limit), std::string::npos) << text;
  }

  common::TestFolder folder_;
  std::ofstream policy_;
};

TEST_F(Worst, AsManyExpiriesAsRulesOnOnePair) {
  identities(2);
  for (int i = 0; i < 100'000; ++i) {
    rule(i, "i0", "i1", "\"any\"", fmt::format("expires = \"{}m\"\n", 1 + i));
  }
  expect_refused("100000 expiries change what one packet may do, 99745 more than the limit of 255");
}

TEST_F(Worst, EachToAnyAndAnyToEach) {
  identities(3'000);
  for (int i = 0; i < 3'000; ++i) {
    rule(2 * i, fmt::format("i{}", i), "*", fmt::format("\"tcp/{}\"", 1 + i));
    rule(2 * i + 1, "*", fmt::format("i{}", i), fmt::format("\"tcp/{}\"", 10'001 + i));
  }
  expect_refused("takes more than the limit of 80000000 steps");
}

TEST_F(Worst, AsManyPairsAndRowsAsFit) {
  identities(1'000);
  for (int i = 0; i < 1'000; ++i) {
    rule(2 * i, fmt::format("i{}", i), "*", fmt::format("\"tcp/{}\"", 1 + i));
    rule(2 * i + 1, "*", fmt::format("i{}", i), fmt::format("\"tcp/{}\"", 10'001 + i));
  }
  EXPECT_EQ(said(), "ok");
}

// Each rule names ten identities times eleven: most of the time goes into reading them and into the pairs.
TEST_F(Worst, ListsOfMany) {
  constexpr int kIdentities = 3'900;
  identities(kIdentities);
  for (int i = 0; i < 40'000; ++i) {
    const auto list = [&](int count, int step) {
      std::vector<std::string> names;
      for (int n = 0; n < count; ++n) {
        names.push_back(fmt::format("\"i{}\"", (i * step + n * 353) % kIdentities));
      }
      return fmt::format("{}", fmt::join(names, ","));
    };
    policy_ << fmt::format("[[rule]]\nname = \"r{}\"\naction = \"allow\"\nfrom = [{}]\nto = [{}]\nports = \"tcp/{}\"\n",
                           i, list(10, 7), list(11, 11), 1 + i % 2);
  }
  expect_refused("takes the policy over 4000000 pairs");
}

TEST_F(Worst, TestsOfAnyPort) {
  identities(2);
  rule(0, "i0", "i1", "\"any\"");
  for (int i = 0; i < 200'000; ++i) {
    policy_ << "[[test]]\nfrom = \"i0\"\nto = \"i1\"\nport = \"any\"\nexpect = \"allow\"\n";
  }
  EXPECT_EQ(said(), "ok");
}

TEST_F(Worst, AFileOfNothingButValues) {
  identities(1);
  policy_ << "[[rule]]\nname = \"r\"\naction = \"allow\"\nfrom = \"i0\"\nto = \"i0\"\nports = [";
  for (int i = 0; i < 5'000'000; ++i) {
    policy_ << "\"tcp/1\",";
  }
  policy_ << "]\n";
  expect_refused(
      "reading this file takes more than the limit of 360 MiB of memory; split the policy, or raise rules in");
}

TEST_F(Worst, MoreRulesThanTheDefaultLimit) {
  identities(1);
  for (int i = 0; i < 100'001; ++i) {
    rule(i, "i0", "i0", "\"tcp/1\"");
  }
  expect_refused(
      "100001 rules, 1 more than the limit of 100000; raise rules in [limits] of krait.toml to at least 100001");
}

}  // namespace
}  // namespace krait

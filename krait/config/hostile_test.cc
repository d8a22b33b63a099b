// Files that are huge or made to hurt: refused or read within seconds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "krait/config/guard.h"
#include "krait/config/load.h"

namespace krait::config {
namespace {

using Clock = std::chrono::steady_clock;

// Generous, for a loaded machine; quadratic time would take minutes.
constexpr std::chrono::seconds kMost{20};

std::string filled(std::string_view text, std::size_t bytes) {
  const std::size_t whole = (bytes + text.size() - 1) / text.size() * text.size();
  std::string result(text);
  result.reserve(whole);
  while (result.size() < whole) {
    result.append(result, 0, whole - result.size());
  }
  return result;
}

// Whether the text is refused in time. What costs time is the same for both files.
void expect_refused(const std::string& text) {
  const auto begin = Clock::now();
  const auto policy = parse_policy(text, "p");
  EXPECT_LT(Clock::now() - begin, kMost);
  ASSERT_FALSE(policy);
  EXPECT_LT(policy.error().text().size(), 20'000U);
}

TEST(Hostile, WholeFilesOfOneThing) {
  for (const std::string_view text :
       {std::string_view("["), std::string_view("{"), std::string_view("\""), std::string_view("'"),
        std::string_view("\0", 1), std::string_view("\xff"), std::string_view("a."), std::string_view("[[a]]\n"),
        std::string_view("[a]\n"), std::string_view("="), std::string_view("]"), std::string_view("9")}) {
    SCOPED_TRACE(text);
    expect_refused(filled(text, kMaxFileBytes - 8));
  }
}

TEST(Hostile, LongTokens) {
  const std::string long_text(std::size_t{4} << 20U, 'a');
  expect_refused(long_text + " = 1");
  expect_refused("x = \"" + long_text + "\"");
  expect_refused("[[identity]]\nname = \"" + long_text + "\"");
  expect_refused("x = " + std::string(std::size_t{4} << 20U, '9'));
  expect_refused("# " + long_text);
}

TEST(Hostile, WhatTheParserSearchesOneByOne) {
  expect_refused(filled("[[p]]\n[[p.a]]\n[[p.a]]\n", 22 * (kMaxDots / 2 - 1)));
  expect_refused(filled("[[p]]\na.b=1\na.c=1\n", 18 * (kMaxDots / 2 - 1)));
  expect_refused(filled("[[p]]\n[p.a.b]\n[p.c.d]\n[p.a]\n", 28 * (kMaxDots / 5 - 1)));
}

TEST(Hostile, NothingButFaults) {
  std::string text = "[[identity]]\nname = 'a'\n";
  for (int i = 0; i < 20'000; ++i) {
    text += fmt::format(
        "[[rule]]\nname = 'r'\naction = 'x'\nfrom = ['u{0}']\nto = ['v{0}']\nports = ['tcq/{0}']\nz{0} = 1\n", i);
  }
  expect_refused(text);
}

TEST(Hostile, ManyIdentitiesAndAListOfUnknownOnes) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) {
    text += fmt::format("[[identity]]\nname = 'a-rather-long-name-of-an-identity-{}'\n", i);
  }
  text += "[[rule]]\nname = 'r'\naction = 'allow'\nto = '*'\nports = 'any'\nfrom = [";
  for (int i = 0; i < 50'000; ++i) {
    text += fmt::format("'another-long-name-of-an-identity-{}',", i);
  }
  expect_refused(text + "]\n");
}

TEST(Hostile, UnknownIdentitiesAmongManyLongNames) {
  const std::string like(54, 'a');
  std::string text;
  for (int i = 0; i < 400'000; ++i) {
    text += fmt::format("[[identity]]\nname = '{}{:06}'\n", like, i);
  }
  for (int i = 0; i < 20; ++i) {
    text += fmt::format("[[rule]]\nname = 'r{0}'\naction = 'allow'\nfrom = '{1}x{0:05}'\nto = '*'\nports = 'any'\n", i,
                        like);
  }
  expect_refused(text);
}

TEST(Large, AHundredThousandRules) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += fmt::format("[[identity]]\nname = 'id{}'\n", i);
  }
  for (int i = 0; i < 100'000; ++i) {
    text += fmt::format(
        "[[rule]]\nname = 'rule {0}'\naction = 'allow'\nfrom = ['id{1}']\nto = ['id{2}']\nports = ['tcp/{3}']\n", i,
        i % 1000, i * 7 % 1000, 1 + i % 65535);
  }
  const auto begin = Clock::now();
  const auto policy = parse_policy(text, "p");
  EXPECT_LT(Clock::now() - begin, kMost);
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->rules.size(), 100'000U);
}

std::string key_text(std::uint32_t number) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text(42, 'A');
  for (std::size_t i = 0; i < 6; ++i) {
    text[i] = kDigits[number >> (6 * i) & 63U];
  }
  return text + "E=";
}

TEST(Large, SixtyFiveThousandPeers) {
  std::string text = "[host]\nname = 'h'\nidentity = 'web'\naddresses = ['10.0.0.1']\nprivate_key_file = 'k'\n";
  for (std::uint32_t i = 0; i < 65536; ++i) {
    text += fmt::format(
        "[[peer]]\nname = 'p{0}'\nidentity = 'db'\npublic_key = '{1}'\nendpoint = '192.0.2.2:51820'\n"
        "addresses = ['10.1.{2}.{3}']\n[[peer.routes]]\nprefix = 'fd20:{0:x}::/64'\nidentity = 'office'\n",
        i % 65536, key_text(i), i / 256, i % 256);
  }
  const auto begin = Clock::now();
  const auto mesh = parse_mesh(text, "k");
  EXPECT_LT(Clock::now() - begin, kMost);
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_EQ(mesh->peers.size(), 65536U);
}

}  // namespace
}  // namespace krait::config

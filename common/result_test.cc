#include "common/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <expected>
#include <memory>
#include <string>

namespace common {
namespace {

Result<std::unique_ptr<int>> made(bool good) {
  if (!good) {
    return Error(ErrorCode::unavailable, "nobody is there");
  }
  return std::make_unique<int>(5);
}

Result<int> outer(bool good) {
  auto inner = made(good);
  if (!inner) {
    return passed_on(inner, "ask");
  }
  return **inner;
}

TEST(Result, CarriesMoveOnlyValues) { EXPECT_EQ(outer(true).value(), 5); }

TEST(Result, PassesErrorsOnWithContext) {
  auto result = outer(false);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(std::move(result.error()).with_context("reload").text(), "reload: ask: nobody is there");
}

Result<void> needs(bool good) { return good ? Result<void>() : Error(ErrorCode::limit, "too many"); }

struct Steps {
  int done = 0;
  int contexts = 0;
};

std::string counted(Steps& steps) {
  ++steps.contexts;
  return "start";
}

Result<int> tried(bool first, bool second, Steps& steps) {
  KRAIT_TRY(const auto number, made(first));
  ++steps.done;
  KRAIT_CHECK(needs(second), counted(steps));
  ++steps.done;
  return *number;
}

TEST(Try, GoesOnWithTheValue) {
  Steps steps;
  EXPECT_EQ(tried(true, true, steps).value(), 5);
  EXPECT_EQ(steps.done, 2);
  EXPECT_EQ(steps.contexts, 0) << "a context is made for an error only";
}

TEST(Try, ReturnsTheFirstError) {
  Steps steps;
  const auto result = tried(false, false, steps);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(result.error().text(), "nobody is there");
  EXPECT_EQ(steps.done, 0);
}

TEST(Try, AddsItsContext) {
  Steps steps;
  const auto result = tried(true, false, steps);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::limit);
  EXPECT_EQ(result.error().text(), "start: too many");
  EXPECT_EQ(steps.done, 1);
}

Result<std::unique_ptr<int>> twice(bool good) {
  KRAIT_TRY(auto number, made(true));
  KRAIT_TRY(*number, [good]() -> Result<int> {
    KRAIT_TRY(const auto inner, made(good), "inside");
    return *inner * 2;
  }());
  return number;
}

TEST(Try, MovesValuesAndStandsInsideOfItself) {
  EXPECT_EQ(**twice(true), 10);
  EXPECT_EQ(twice(false).error().text(), "inside: nobody is there");
}

std::expected<int, std::string> with_another_error(bool good) {
  const auto ask = [good]() -> std::expected<int, std::string> {
    return good ? std::expected<int, std::string>(1) : std::unexpected("no");
  };
  KRAIT_TRY(const int number, ask());
  return number + 1;
}

TEST(Try, TakesOtherErrorsToo) {
  EXPECT_EQ(with_another_error(true).value(), 2);
  EXPECT_EQ(with_another_error(false).error(), "no");
}

TEST(Error, TakesItsCodeFromErrno) {
  EXPECT_EQ(Error::from_errno(EPERM, "x").code(), ErrorCode::permission);
  EXPECT_EQ(Error::from_errno(EACCES, "x").code(), ErrorCode::permission);
  EXPECT_EQ(Error::from_errno(ENOENT, "x").code(), ErrorCode::not_found);
  EXPECT_EQ(Error::from_errno(ENODEV, "x").code(), ErrorCode::not_found);
  EXPECT_EQ(Error::from_errno(EOPNOTSUPP, "x").code(), ErrorCode::unsupported);
  EXPECT_EQ(Error::from_errno(EIO, "x").code(), ErrorCode::system);
  EXPECT_EQ(Error::from_errno(ENOENT, "open f").text(), "open f (No such file or directory)");
}

TEST(Error, ShowsOneDiagnosticALine) {
  const auto error =
      Error::from_diagnostics({{"a.toml", 3, 7, "bad port", "write a number"}, {"a.toml", 0, 0, "is gone", ""}});
  EXPECT_EQ(error.code(), ErrorCode::invalid_input);
  EXPECT_EQ(error.text(), "a.toml:3:7: bad port; write a number\na.toml: is gone");
  EXPECT_EQ((Diagnostic{"", 0, 0, "nobody knows it", "wait"}).text(), "nobody knows it; wait");
}

}  // namespace
}  // namespace common

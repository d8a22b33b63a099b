#include "common/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

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
}

}  // namespace
}  // namespace common

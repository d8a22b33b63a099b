#include "common/frame/frame.h"

#include <gtest/gtest.h>

#include <array>
#include <new>
#include <string>

namespace common {
namespace {

struct Ran {
  int code = 0;
  std::string said;  // on standard error
};

Ran run(const std::string& flag, std::function<Result<void>(Log&)> serve) {
  std::string socket;
  const std::array<const char*, 2> words{"example", flag.c_str()};
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const int code = run_in_frame(2, words.data(),
                                {.program = "example",
                                 .add_flags = [&](cli::Command command) { command.option("--socket", socket, ""); },
                                 .serve = std::move(serve)});
  testing::internal::GetCapturedStdout();
  return {.code = code, .said = testing::internal::GetCapturedStderr()};
}

TEST(Frame, HowItEndedIsTheExitCode) {
  EXPECT_EQ(run("--socket=a", [](Log&) { return Result<void>(); }).code, 0);
  const Ran wrong =
      run("--socket=a", [](Log&) { return Result<void>(Error(ErrorCode::invalid_input, "a is no socket")); });
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.said.find("example error: a is no socket"), std::string::npos) << wrong.said;
  EXPECT_EQ(run("--socket=a", [](Log&) { return Result<void>(Error(ErrorCode::unavailable, "gone")); }).code, 2);
}

TEST(Frame, WrongUseServesNothing) {
  bool has_served = false;
  const auto serve = [&](Log&) {
    has_served = true;
    return Result<void>();
  };
  EXPECT_EQ(run("--nonsense", serve).code, 1);
  EXPECT_EQ(run("--help", serve).code, 0);
  EXPECT_FALSE(has_served);
}

TEST(Frame, NoMemoryIsAFailureAsOthers) {
  const Ran ran = run("--socket=a", [](Log&) -> Result<void> { throw std::bad_alloc(); });
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.said.find("example error: "), std::string::npos) << ran.said;
}

}  // namespace
}  // namespace common

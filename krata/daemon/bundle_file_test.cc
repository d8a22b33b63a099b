#include "krata/daemon/bundle_file.h"

#include <gtest/gtest.h>

namespace krata::daemon {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kConfig =
    R"({"config":{"Entrypoint":["server"],"Env":["PATH=/bin","MODE=image","LEVEL=1"],"WorkingDir":"/srv","User":"www"}})";

model::ZoneRecord launched() {
  model::ZoneRecord record;
  record.spec.name = "web";
  record.spec.env = {"MODE=zone", "COLOR=red"};
  return record;
}

TEST(ExecProcess, IsWhereTheContainersOwnIs) {
  const auto process = exec_process(launched(), kConfig, {.command = {"id", "-u"}});
  ASSERT_TRUE(process) << process.error().text();
  EXPECT_EQ(process->arguments, (Words{"id", "-u"}));
  EXPECT_EQ(process->environment, (Words{"PATH=/bin", "LEVEL=1", "MODE=zone", "COLOR=red"}));
  EXPECT_EQ(process->working_directory, "/srv");
  EXPECT_EQ(process->user, "www");
  EXPECT_FALSE(process->terminal);
}

// What looks a variable up takes the first of its name.
TEST(ExecProcess, EachVariableIsThereOnceWithTheCommandsValue) {
  const auto process = exec_process(launched(), kConfig, {.command = {"env"}, .env = {"MODE=exec", "LEVEL=2"}});
  ASSERT_TRUE(process) << process.error().text();
  EXPECT_EQ(process->environment, (Words{"PATH=/bin", "COLOR=red", "MODE=exec", "LEVEL=2"}));
}

TEST(ExecProcess, ATerminalHasATypeUnlessOneIsNamed) {
  const auto shell = exec_process(launched(), kConfig, {.command = {"sh"}, .tty = true});
  ASSERT_TRUE(shell) << shell.error().text();
  EXPECT_EQ(shell->environment.back(), "TERM=xterm");
  const auto named = exec_process(launched(), kConfig, {.command = {"sh"}, .env = {"TERM=linux"}, .tty = true});
  ASSERT_TRUE(named) << named.error().text();
  EXPECT_EQ(named->environment.back(), "TERM=linux");
}

TEST(ExecProcess, TheCommandsPlaceAndUserCount) {
  const auto process =
      exec_process(launched(), kConfig, {.command = {"sh"}, .workdir = "/tmp", .user = "0:0", .size = {24, 80}});
  ASSERT_TRUE(process) << process.error().text();
  EXPECT_EQ(process->working_directory, "/tmp");
  EXPECT_EQ(process->user, "0:0");
  EXPECT_EQ(process->size.columns, 80);
}

}  // namespace
}  // namespace krata::daemon

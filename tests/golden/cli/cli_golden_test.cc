// Runs the commands of tests/golden/cli/*.golden, without any privilege, and compares what they print. A file is a
// transcript:
//   $ PROGRAM ARGUMENTS   then standard output, standard error with "! " in front, and "[exit N]" unless N is 0
// KRAIT_GOLDEN=write writes the transcripts anew; look at the difference before committing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/file.h"

namespace {

using common::Fd;

const std::filesystem::path kFolder = "tests/golden/cli";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

std::string read_from_start(const Fd& fd) {
  ::lseek(fd.get(), 0, SEEK_SET);
  return common::read_to_end(fd.get(), std::size_t{1} << 20U, "what a command printed").value();
}

// Even root has no capability behind this: exec no longer gives any.
[[noreturn]] void become(std::vector<char*> words, int out, int err) {
  ::setenv("HOME", "/", 1);
  for (const char* variable :
       {"KRAIT_CONFIG", "KRAIT_SOCKET", "KRAIT_IFACE", "KRAIT_METRICS", "KRATA_SOCKET", "KRATA_REGISTRY", "KRATA_STORE",
        "KRAIT_COORDINATOR", "KRAIT_COORDINATOR_PROFILE", "KRAIT_COORDINATOR_SOCKET", "KRAIT_COORDINATOR_STATE",
        "KRAIT_ADMIN_KEY", "KRAIT_JOINED"}) {
    ::unsetenv(variable);
  }
  ::dup2(out, 1);
  ::dup2(err, 2);
  const bool was_root = ::geteuid() == 0;
  const bool ready = ::chdir(kFolder.c_str()) == 0 && (!was_root || ::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT) == 0);
  if (ready) {
    ::execv((std::string(KRAIT_PROGRAMS) + "/" + words.front()).c_str(), words.data());
  }
  ::_exit(127);
}

std::string transcript_of(const std::string& command) {
  std::vector<std::string> arguments = words_of(command);
  std::vector<char*> words;
  for (std::string& argument : arguments) {
    words.push_back(argument.data());
  }
  words.push_back(nullptr);
  const Fd out(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const Fd err(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const pid_t child = ::fork();
  if (child == 0) {
    become(words, out.get(), err.get());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  std::string transcript = "$ " + command + "\n" + read_from_start(out);
  std::istringstream errors(read_from_start(err));
  for (std::string line; std::getline(errors, line);) {
    transcript += "! " + line + "\n";
  }
  const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return exit_code == 0 ? transcript : transcript + "[exit " + std::to_string(exit_code) + "]\n";
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".golden") {
      names.push_back(entry.path().stem());
    }
  }
  return names;
}

class GoldenCli : public testing::TestWithParam<std::string> {};

TEST_P(GoldenCli, SaysWhatIsExpected) {
  const std::string file = kFolder / (GetParam() + ".golden");
  const auto expected = common::read_file(file, std::size_t{1} << 20U);
  ASSERT_TRUE(expected) << expected.error().text();
  std::istringstream lines(*expected);
  std::string said;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("$ ")) {
      said += transcript_of(line.substr(2));
    }
  }
  ASSERT_FALSE(said.empty()) << "a transcript without a command";
  const char* const write = std::getenv("KRAIT_GOLDEN");
  if (write != nullptr && std::string(write) == "write") {
    ASSERT_TRUE(common::write_file(file, said, 0644));
    return;
  }
  EXPECT_EQ(*expected, said);  // prints a difference line by line
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenCli, testing::ValuesIn(names()), [](const auto& test) { return test.param; });

}  // namespace

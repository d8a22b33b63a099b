// For tests and benchmarks: a folder of one's own, which goes with its scope.
#pragma once

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX's, not ISO C's

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

namespace common {

class TestFolder {
 public:
  // Where the system has temporary files. Ends the process where there can be none: nothing could be tested.
  TestFolder() : path_((std::filesystem::temp_directory_path() / "krait-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) {
      std::perror("make a folder for a test");
      std::abort();
    }
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace common

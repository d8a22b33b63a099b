// What `krait doctor` says about one thing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace krait::doctor {

enum class Grade : std::uint8_t {
  ok,
  warning,  // it works, but may surprise
  problem,  // it does not work, or not safely
  skipped,  // could not be looked at; the finding says why
};

struct Finding {
  std::string name;  // of the check; several findings may share it
  Grade grade = Grade::ok;
  std::string found;  // one sentence
  std::string hint;   // what to do, a command where there is one; empty when there is nothing to do
};

using Findings = std::vector<Finding>;

constexpr std::string_view grade_name(Grade grade) {
  switch (grade) {
    case Grade::ok:
      return "ok";
    case Grade::warning:
      return "warning";
    case Grade::problem:
      return "problem";
    case Grade::skipped:
      return "skipped";
  }
  return "";
}

}  // namespace krait::doctor

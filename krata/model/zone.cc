#include "krata/model/zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "krata/bundle/check.h"
#include "krata/model/limits.h"

namespace krata::model {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::array<std::pair<std::string_view, End::Reason>, 7> kReasons{
    {{"exited", End::Reason::exited},
     {"signalled", End::Reason::signalled},
     {"out_of_memory", End::Reason::out_of_memory},
     {"panicked", End::Reason::panicked},
     {"stopped", End::Reason::stopped},
     {"lost", End::Reason::lost},
     {"not_started", End::Reason::not_started}}};

Error wrong(std::string text) { return {ErrorCode::invalid_input, std::move(text)}; }

bool is_lower_or_digit(char character) {
  return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return byte < 0x20 || byte == 0x7f;
  });
}

Result<void> check_words(const std::vector<std::string>& words, std::string_view what, std::size_t& bytes) {
  if (words.size() > limits::kWords) {
    return Error(ErrorCode::limit,
                 fmt::format("{} has {} words; at most {} are taken", what, words.size(), limits::kWords));
  }
  for (const std::string& word : words) {
    bytes += word.size() + 1;
    if (word.size() > limits::kWordBytes || bytes > limits::kSpecBytes) {
      return Error(ErrorCode::limit, fmt::format("{} is too long: a word has at most {} bytes, all together {}", what,
                                                 limits::kWordBytes, limits::kSpecBytes));
    }
    if (word.find('\0') != std::string::npos) {
      return wrong(fmt::format("{} holds a NUL byte", what));
    }
  }
  return {};
}

Result<void> check_env(const std::vector<std::string>& env) {
  for (const std::string& variable : env) {
    const auto equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return wrong(fmt::format("the variable {} has no name and value; write NAME=VALUE", variable.substr(0, 64)));
    }
  }
  return {};
}

Result<void> check_path(const std::string& path, std::string_view what) {
  if (!path.starts_with('/') || path.size() > limits::kPathBytes || has_control(path)) {
    return wrong(fmt::format("{} must be an absolute path of at most {} bytes without control characters", what,
                             limits::kPathBytes));
  }
  return {};
}

Result<void> check_disks(const std::vector<DiskSpec>& disks) {
  if (disks.size() > limits::kDisks) {
    return Error(ErrorCode::limit, fmt::format("a zone has at most {} disks", limits::kDisks));
  }
  for (std::size_t i = 0; i < disks.size(); ++i) {
    KRAIT_CHECK(check_path(disks[i].file, "a disk's file"));
    KRAIT_CHECK(check_path(disks[i].mount, "where a disk is mounted"));
    KRAIT_CHECK(bundle::check_path(disks[i].mount, "where a disk is mounted"));
    if (disks[i].mount == "/" && disks[i].read_only) {
      return wrong("the disk at / keeps what the container writes, and cannot be read-only");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (disks[j].mount == disks[i].mount) {
        return wrong(fmt::format("two disks are to be mounted at {}", disks[i].mount));
      }
      if (disks[j].file == disks[i].file && !(disks[i].read_only && disks[j].read_only)) {
        return wrong(fmt::format("{} is given twice and may be written to; write :ro behind both", disks[i].file));
      }
    }
  }
  return {};
}

Result<void> check_text(const std::string& text, std::string_view what, std::size_t most) {
  if (text.size() > most || has_control(text)) {
    return wrong(fmt::format("{} must have at most {} bytes and no control characters", what, most));
  }
  return {};
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= limits::kNameBytes && is_lower_or_digit(text.front()) &&
         is_lower_or_digit(text.back()) &&
         std::ranges::all_of(text, [](char character) { return is_lower_or_digit(character) || character == '-'; }) &&
         !ZoneId::parse(text);
}

Result<void> check(const Resources& resources) {
  if (resources.cpus == 0 || resources.cpus > limits::kMaxCpus) {
    return wrong(fmt::format("a zone has 1 to {} CPUs", limits::kMaxCpus));
  }
  if (resources.memory_mib < limits::kMinMemoryMib || resources.memory_mib > limits::kMaxMemoryMib) {
    return wrong(
        fmt::format("a zone's memory is {}M at least and {}M at most", limits::kMinMemoryMib, limits::kMaxMemoryMib));
  }
  if (resources.weight == 0 || resources.weight > limits::kMaxWeight) {
    return wrong(fmt::format("a zone's weight is 1 to {}", limits::kMaxWeight));
  }
  if (resources.cap > resources.cpus * 100) {
    return wrong(
        fmt::format("a zone of {} CPUs has a cap of at most {} per cent", resources.cpus, resources.cpus * 100));
  }
  return {};
}

Result<void> check(const ZoneSpec& spec) {
  if (!is_name(spec.name)) {
    return wrong(fmt::format("a zone's name has 1 to {} of a to z, 0 to 9 and inner dashes, and is no UUID",
                             limits::kNameBytes));
  }
  if (spec.image.empty()) {
    return wrong("a zone needs an image");
  }
  KRAIT_CHECK(check_text(spec.image, "the image's name", limits::kImageBytes));
  std::size_t bytes = 0;
  KRAIT_CHECK(check_words(spec.command, "the command", bytes));
  KRAIT_CHECK(check_words(spec.env, "the environment", bytes));
  KRAIT_CHECK(check_env(spec.env));
  if (!spec.workdir.empty()) {
    KRAIT_CHECK(check_path(spec.workdir, "the working directory"));
  }
  KRAIT_CHECK(bundle::check_user(spec.user));
  if (!spec.hostname.empty() && !is_name(spec.hostname)) {
    return wrong(fmt::format("a host name has 1 to {} of a to z, 0 to 9 and inner dashes", limits::kNameBytes));
  }
  if (!spec.kernel.empty() && (spec.kernel.front() == '.' || spec.kernel.find('/') != std::string::npos)) {
    return wrong("a kernel is given by its name; see krata kernel list");
  }
  KRAIT_CHECK(check_text(spec.kernel, "the kernel's name", limits::kNameBytes * 2));
  KRAIT_CHECK(check(spec.resources));
  return check_disks(spec.disks);
}

std::string_view name_of(End::Reason reason) {
  return std::ranges::find(kReasons, reason, &std::pair<std::string_view, End::Reason>::second)->first;
}

std::optional<End::Reason> reason_of(std::string_view name) {
  const auto found = std::ranges::find(kReasons, name, &std::pair<std::string_view, End::Reason>::first);
  return found == kReasons.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace krata::model

#include "common/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace common {

namespace {

bool is_stderr(const char* stream) {
  struct stat info{};
  return stream != nullptr && ::fstat(STDERR_FILENO, &info) == 0 &&
         stream == fmt::format("{}:{}", info.st_dev, info.st_ino);
}

// Of syslog(3).
int priority_of(int level) {
  constexpr int kError = 3;
  constexpr int kWarning = 4;
  constexpr int kInfo = 6;
  return level == spdlog::level::err ? kError : level == spdlog::level::warn ? kWarning : kInfo;
}

}  // namespace

Log::Log(const std::string& program)
    : logger_(std::make_unique<spdlog::logger>(program, std::make_shared<spdlog::sinks::stderr_sink_st>())),
      is_journal_(is_stderr(std::getenv("JOURNAL_STREAM"))) {
  logger_->set_pattern(is_journal_ ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
  logger_->flush_on(spdlog::level::info);
}

Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;
Log::~Log() = default;

void Log::info(std::string_view text) { write(spdlog::level::info, text); }
void Log::warning(std::string_view text) { write(spdlog::level::warn, text); }
void Log::error(std::string_view text) { write(spdlog::level::err, text); }

void Log::write(int level, std::string_view text) {
  while (!text.empty()) {
    std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    // What a file or a client said must not be able to forge entries or drive a terminal.
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    const auto named = static_cast<spdlog::level::level_enum>(level);
    if (is_journal_) {
      const auto word = spdlog::level::to_string_view(named);
      line = fmt::format("<{}>{}: {}", priority_of(level), std::string_view(word.data(), word.size()), line);
    }
    logger_->log(named, std::string_view(line));
  }
}

}  // namespace common

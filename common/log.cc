#include "common/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

namespace common {

Log::Log(const std::string& program)
    : logger_(std::make_unique<spdlog::logger>(program, std::make_shared<spdlog::sinks::stderr_sink_st>())) {
  logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
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
    logger_->log(static_cast<spdlog::level::level_enum>(level), std::string_view(line));
  }
}

}  // namespace common

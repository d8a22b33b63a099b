// A program's log: one line per event on standard error, never a secret. Where that is systemd's journal
// ($JOURNAL_STREAM, systemd.exec(5)) each line has its priority in front (sd-daemon(3)), and no time, which the journal
// has itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace common {

// Writes at once, blocking on standard error only. Not thread-safe. Owned by main and lent to whoever has something to
// say.
class Log {
 public:
  explicit Log(const std::string& program);
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;
  ~Log();

  // A text of several lines becomes as many entries; control characters are shown as '?'.
  void info(std::string_view text);
  void warning(std::string_view text);
  void error(std::string_view text);

 private:
  void write(int level, std::string_view text);

  std::unique_ptr<spdlog::logger> logger_;
  bool is_journal_;
};

}  // namespace common

#include "krait/doctor/journal.h"

#include <fmt/format.h>
#include <systemd/sd-journal.h>

#include <memory>
#include <string_view>
#include <vector>

#include "common/calendar.h"

namespace krait::doctor {

namespace {

struct JournalCloser {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};

std::string time_text(std::uint64_t unix_us) {
  return fmt::format("{}.{:06}Z", common::utc_text(unix_us / 1'000'000, "%Y-%m-%dT%H:%M:%S"), unix_us % 1'000'000);
}

std::string line_of(sd_journal* journal) {
  constexpr std::string_view kField = "MESSAGE=";
  const void* bytes = nullptr;
  std::size_t size = 0;
  std::uint64_t unix_us = 0;
  if (sd_journal_get_data(journal, "MESSAGE", &bytes, &size) < 0 || size < kField.size()) {
    return {};
  }
  sd_journal_get_realtime_usec(journal, &unix_us);
  const std::string_view text(static_cast<const char*>(bytes), size);
  return fmt::format("{} {}\n", time_text(unix_us), text.substr(kField.size()));
}

}  // namespace

common::Result<std::string> journal_of(const std::string& program, std::size_t max_lines) {
  sd_journal* opened = nullptr;
  if (const int error = sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY); error < 0) {
    return common::Error::from_errno(-error, "open the journal");
  }
  const std::unique_ptr<sd_journal, JournalCloser> journal(opened);
  const std::string match = "_COMM=" + program;
  if (const int error = sd_journal_add_match(journal.get(), match.data(), match.size()); error < 0) {
    return common::Error::from_errno(-error, "search the journal");
  }
  std::vector<std::string> lines;
  sd_journal_seek_tail(journal.get());
  while (lines.size() < max_lines && sd_journal_previous(journal.get()) > 0) {
    lines.push_back(line_of(journal.get()));
  }
  std::string text;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    text += *line;
  }
  return text;
}

}  // namespace krait::doctor

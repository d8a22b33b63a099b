// Fuzz target: any bytes as the file of the latest time.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "krait/model/known_time.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace krait::model;
  constexpr std::int64_t kBuiltNs = 1'780'000'000'000'000'000;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = parse_record(text, kBuiltNs);
  if (!record) {
    return 0;
  }
  require(record_text(*record) == text, "a record's text is its only one");
  const LatestTimes at_most = latest_at(*record, record->boot_id, std::uint64_t{1} << 60U);
  require(at_most.any_ns >= record->latest.any_ns, "a record's times only go on");
  const KnownTime known = known_time({.clock = {.unix_ns = kBuiltNs, .boot_ns = 1},
                                      .synchronized = record->boot_ns % 2 == 0,
                                      .built_ns = kBuiltNs,
                                      .latest = record->latest,
                                      .files = {}});
  require(known.latest.any_ns >= known.latest.synchronized_ns, "what NTP said is among what was seen");
  return 0;
}

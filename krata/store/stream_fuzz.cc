// Fuzz target: any bytes as what arrives of a client, in pieces that the bytes themselves choose. The requests must be
// those of the same bytes in one piece.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "krata/store/record.h"
#include "krata/store/session.h"
#include "tests/require.h"

namespace krata::store {

namespace {

struct Seen {
  std::uint32_t operation = 0;
  std::uint32_t id = 0;
  std::uint32_t transaction = 0;
  std::string payload;
  bool operator==(const Seen&) const = default;
};

void take_all(Inbox& inbox, std::vector<Seen>& seen) {
  while (const auto request = inbox.next()) {
    krait::require(request->payload.size() <= kMaxPayloadBytes, "no request is too long");
    seen.push_back({request->operation, request->id, request->transaction, std::string(request->payload)});
  }
}

}  // namespace

}  // namespace krata::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krata::store;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Inbox whole;
  std::vector<Seen> expected;
  whole.append(bytes);
  take_all(whole, expected);

  Inbox pieces;
  std::vector<Seen> seen;
  for (std::size_t at = 0; at < size;) {
    const std::size_t piece = 1 + data[at] % 40U;
    pieces.append(bytes.substr(at, piece));
    take_all(pieces, seen);
    at += piece;
  }
  krait::require(seen == expected && pieces.is_broken() == whole.is_broken(), "pieces make no difference");

  // The same bytes as a record of the state.
  const auto changes = read_changes(bytes);
  if (changes) {
    std::string again;
    for (const Change& change : *changes) {
      append_change(again, change);
    }
    const auto read = read_changes(again);
    krait::require(read && read->size() == changes->size(), "changes read as they were written");
  }
  return 0;
}

// Fuzz target: any bytes as each of the items, as a part of a tree and as a state. The first byte says which.
#include <cstddef>
#include <cstdint>

#include "krait/trust/author.h"
#include "tests/require.h"

namespace {

using namespace krait;
using namespace krait::trust;

template <typename T, typename Write>
void has_one_encoding(BytesView bytes, const common::Result<T>& parsed, const Write& write) {
  if (!parsed) {
    require(!parsed.error().text().empty(), "a refusal says why");
    return;
  }
  const Bytes again = write(*parsed);
  require(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()), "what is read has one encoding");
}

void read_as(std::uint8_t which, BytesView bytes) {
  const auto write = [](const auto& value) { return encode(value); };
  switch (which % 15) {
    case 0:
      return has_one_encoding(bytes, parse_host_binding(bytes), write);
    case 1:
      return has_one_encoding(bytes, parse_pair_rules(bytes), write);
    case 2:
      return has_one_encoding(bytes, parse_identity_item(bytes), write);
    case 3:
      return has_one_encoding(bytes, parse_settings(bytes), write);
    case 4:
      return has_one_encoding(bytes, parse_admin_list(bytes), write);
    case 5:
      return has_one_encoding(bytes, parse_hosts_statement(bytes), write);
    case 6:
      return has_one_encoding(bytes, parse_policy_statement(bytes), write);
    case 7:
      return has_one_encoding(bytes, parse_grant(bytes), write);
    case 8:
      return has_one_encoding(bytes, parse_joined_host(bytes), write);
    case 9:
      return has_one_encoding(bytes, parse_key_change(bytes), write);
    case 10:
      return has_one_encoding(bytes, parse_anchor(bytes), [](const Anchor& anchor) { return encode_anchor(anchor); });
    case 11:
      return has_one_encoding(bytes, parse_state(bytes), [](const State& state) { return encode_state(state); });
    case 12:
      return has_one_encoding(bytes, HostsBook::load(bytes), [](const HostsBook& book) { return book.save(); });
    case 13:
      return has_one_encoding(bytes, PolicyBook::load(bytes), [](const PolicyBook& book) { return book.save(); });
    default:
      return has_one_encoding(bytes, parse_part(bytes), [](const Part& part) { return encode_part(part); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const BytesView bytes(data + 1, size - 1);
  read_as(data[0], bytes);
  // Whatever is verified is refused or given, never more.
  if (auto state = parse_state(bytes)) {
    const Anchor anchor{.list = state->lists.empty() ? Signed<AdminList>() : state->lists[0]};
    const auto verified = verify_state(*state, anchor, {.name = "db1", .key = {}, .may_go_back = true});
    require(verified || !verified.error().text().empty(), "a refusal says why");
  }
  return 0;
}

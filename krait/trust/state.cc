// The bytes of a state and of an anchor.
#include "krait/trust/state.h"

#include <algorithm>

#include "krait/trust/describe_state.h"
#include "krait/trust/kept.h"

namespace krait::trust {

using common::Result;

namespace {

template <typename Item>
const Item* find_in(const std::vector<Item>& entries, const std::string& name) {
  const auto found = std::ranges::lower_bound(entries, name, {}, [](const Item& entry) { return name_of(entry); });
  return found != entries.end() && name_of(*found) == name ? &*found : nullptr;
}

// The hosts whose entry has gone, and the entries that are new or others.
template <typename Item>
void write_changes(Writer& writer, const std::vector<Item>& entries, const std::vector<Item>& known) {
  std::vector<std::string> gone;
  for (const Item& entry : known) {
    if (find_in(entries, name_of(entry)) == nullptr) {
      gone.push_back(name_of(entry));
    }
  }
  std::vector<Item> put;
  std::ranges::copy_if(entries, std::back_inserter(put), [&](const Item& entry) {
    const Item* former = find_in(known, name_of(entry));
    return former == nullptr || !(*former == entry);
  });
  writer.list(gone, kMaxHosts, [](auto& inner, const auto& name) { describe_name(inner, name); });
  writer.list(put, kMaxHosts, [](auto& inner, const auto& entry) { describe_entry(inner, entry); });
}

template <typename Item>
std::vector<Item> read_changes(Reader& reader, const std::vector<Item>& known) {
  std::vector<std::string> gone;
  reader.list(gone, kMaxHosts, [](auto& inner, auto& name) { describe_name(inner, name); });
  std::vector<Item> put;
  reader.list(put, kMaxHosts, [](auto& inner, auto& entry) { describe_entry(inner, entry); });
  const auto name = [](const Item& entry) { return name_of(entry); };
  reader.require(ascends(gone) && ascends(put, name), "hosts out of order");
  std::vector<Item> entries;
  std::size_t kept = 0;
  for (const Item& entry : known) {
    const bool is_gone = std::ranges::binary_search(gone, name_of(entry));
    kept += is_gone ? 1 : 0;
    if (!is_gone && find_in(put, name_of(entry)) == nullptr) {
      entries.push_back(entry);
    }
  }
  reader.require(kept == gone.size(), "a host has gone that was not there");
  std::ranges::move(put, std::back_inserter(entries));
  std::ranges::sort(entries, {}, name);
  return entries;
}

Part read_part(Reader& reader, const Part* known) {
  auto part = parse_part(reader.blob(kMaxStateBytes), known);
  reader.require(part.has_value(), part ? "" : "a part of a tree that is none");
  return part ? std::move(*part) : Part();
}

const Part* row_of(const State* state, const std::string& identity) {
  if (state == nullptr) {
    return nullptr;
  }
  const auto found = state->rows.find(identity);
  return found == state->rows.end() ? nullptr : &found->second;
}

const State& or_nothing(const State* state) {
  static const State kNothing;
  return state != nullptr ? *state : kNothing;
}

void read_rows(Reader& reader, const State* known, State& state) {
  const std::uint64_t rows = reader.number(4);
  reader.require(rows <= kMaxRows, "too many rows");
  std::string former;
  for (std::uint64_t i = 0; i < rows && reader.good(); ++i) {
    std::string name;
    describe_identity(reader, name);
    reader.require(i == 0 || former < name, "rows out of order");
    state.rows.emplace(name, read_part(reader, row_of(known, name)));
    former = std::move(name);
  }
}

template <typename Codec, typename Value>
void describe_anchor(Codec& codec, Value& anchor) {
  describe_kind(codec, Kind::anchor);
  describe_signed(codec, anchor.list);
  codec.integer(anchor.hosts_revision);
  codec.raw(anchor.hosts_root);
  codec.integer(anchor.policy_revision);
  codec.raw(anchor.policy_root);
}

}  // namespace

Bytes encode_state(const State& state, const State* known) {
  Writer writer;
  describe_kind(writer, Kind::state);
  writer.list(state.lists, kMaxLists, [](auto& inner, const auto& list) { describe_signed(inner, list); });
  describe_signed(writer, state.hosts);
  describe_signed(writer, state.policy);
  writer.blob(encode_part(state.hosts_part, known == nullptr ? nullptr : &known->hosts_part));
  writer.blob(encode_part(state.policy_part, known == nullptr ? nullptr : &known->policy_part));
  writer.number(state.rows.size(), 4);
  for (const auto& [name, row] : state.rows) {
    describe_identity(writer, name);
    writer.blob(encode_part(row, row_of(known, name)));
  }
  const State& former = or_nothing(known);
  write_changes(writer, state.joined, former.joined);
  write_changes(writer, state.key_changes, former.key_changes);
  write_changes(writer, state.advice, former.advice);
  return writer.take();
}

Result<State> parse_state(BytesView bytes, const State* known) {
  if (bytes.size() > kMaxStateBytes) {
    return common::Error(common::ErrorCode::limit, "the state is larger than 32 MiB");
  }
  Reader reader(bytes, "the state");
  State state;
  describe_kind(reader, Kind::state);
  reader.list(state.lists, kMaxLists, [](auto& inner, auto& list) { describe_signed(inner, list); });
  describe_signed(reader, state.hosts);
  describe_signed(reader, state.policy);
  state.hosts_part = read_part(reader, known == nullptr ? nullptr : &known->hosts_part);
  state.policy_part = read_part(reader, known == nullptr ? nullptr : &known->policy_part);
  read_rows(reader, known, state);
  const State& former = or_nothing(known);
  state.joined = read_changes(reader, former.joined);
  state.key_changes = read_changes(reader, former.key_changes);
  state.advice = read_changes(reader, former.advice);
  KRAIT_CHECK(reader.finish());
  return state;
}

Bytes encode_anchor(const Anchor& anchor) {
  Writer writer;
  describe_anchor(writer, anchor);
  writer.number(anchor.key_serials.size(), 4);
  for (const auto& [key, serial] : anchor.key_serials) {
    writer.raw(key.bytes);
    writer.integer(serial);
  }
  return writer.take();
}

Result<Anchor> parse_anchor(BytesView bytes) {
  Reader reader(bytes, "the anchor");
  Anchor anchor;
  describe_anchor(reader, anchor);
  const std::uint64_t count = reader.number(4);
  reader.require(count <= kMaxHosts, "too long a list");
  for (std::uint64_t i = 0; i < count && reader.good(); ++i) {
    crypto::VerifyKey key;
    std::uint64_t serial = 0;
    reader.raw(key.bytes);
    reader.integer(serial);
    reader.require(anchor.key_serials.empty() || std::prev(anchor.key_serials.end())->first < key, "keys out of order");
    anchor.key_serials.emplace(key, serial);
  }
  KRAIT_CHECK(reader.finish());
  return anchor;
}

Bytes encode_kept(const Anchor& anchor, const State& state) {
  Writer writer;
  describe_kind(writer, Kind::kept);
  writer.blob(encode_anchor(anchor));
  writer.blob(encode_state(state));
  return writer.take();
}

Result<std::pair<Anchor, State>> parse_kept(BytesView bytes) {
  Reader reader(bytes, "the kept state");
  describe_kind(reader, Kind::kept);
  const BytesView of_anchor = reader.blob(kMaxKeptBytes);
  const BytesView of_state = reader.blob(kMaxStateBytes);
  KRAIT_CHECK(reader.finish());
  KRAIT_TRY(auto anchor, parse_anchor(of_anchor));
  KRAIT_TRY(auto state, parse_state(of_state));
  return std::pair(std::move(anchor), std::move(state));
}

}  // namespace krait::trust

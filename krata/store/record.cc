#include "krata/store/record.h"

#include <array>
#include <optional>
#include <type_traits>
#include <utility>

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// The first byte of a change is its place in the variant: new kinds go to the end of it.
static_assert(std::is_same_v<std::variant_alternative_t<0, Change>, TreeChange>);
static_assert(std::is_same_v<std::variant_alternative_t<12, Change>, TransactionClosed>);
static_assert(std::is_same_v<std::variant_alternative_t<15, Change>, RingSaid>);
static_assert(std::variant_size_v<Change> == 16);

// Both directions go over the fields of each kind by the same list, so that they cannot differ.
template <typename Stream>
bool transfer(Stream& stream, auto& change) {
  using Kind = std::remove_cvref_t<decltype(change)>;
  if constexpr (std::is_same_v<Kind, TreeChange>) {
    return stream.all(change.kind, change.path, change.value, change.permissions);
  } else if constexpr (std::is_same_v<Kind, SavedNode>) {
    return stream.all(change.path, change.value, change.permissions, change.generation);
  } else if constexpr (std::is_same_v<Kind, SavedGeneration>) {
    return stream.all(change.generation);
  } else if constexpr (std::is_same_v<Kind, SpecialPermissions>) {
    return stream.all(change.special, change.permissions);
  } else if constexpr (std::is_same_v<Kind, DomainIntroduced>) {
    return stream.all(change.domain, change.page, change.port);
  } else if constexpr (std::is_same_v<Kind, DomainForgotten>) {
    return stream.all(change.domain);
  } else if constexpr (std::is_same_v<Kind, DomainTargeted>) {
    return stream.all(change.domain, change.target);
  } else if constexpr (std::is_same_v<Kind, DomainShutDown>) {
    return stream.all(change.domain, change.is_down);
  } else if constexpr (std::is_same_v<Kind, WatchSet>) {
    auto& watch = change.watch;
    return stream.all(watch.connection, watch.path, watch.given, watch.token, watch.depth);
  } else if constexpr (std::is_same_v<Kind, WatchGone>) {
    return stream.all(change.connection, change.path, change.token);
  } else if constexpr (std::is_same_v<Kind, WatchesGone>) {
    return stream.all(change.connection);
  } else if constexpr (std::is_same_v<Kind, RingStarted>) {
    return stream.all(change.domain, change.taken, change.put, change.is_broken);
  } else if constexpr (std::is_same_v<Kind, RingTaken>) {
    return stream.all(change.domain, change.taken, change.rest);
  } else if constexpr (std::is_same_v<Kind, RingSaid>) {
    return stream.all(change.domain, change.is_event, change.bytes);
  } else {
    static_assert(std::is_same_v<Kind, TransactionOpened> || std::is_same_v<Kind, TransactionClosed>);
    return stream.all(change.connection, change.id);
  }
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  bool all(const auto&... fields) { return (put(fields), ...), true; }
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) {
      out_ += static_cast<char>(value | 0x80U);
    }
    out_ += static_cast<char>(value);
  }

 private:
  void put(std::unsigned_integral auto value) { number(value); }
  void put(TreeChange::Kind kind) { number(std::to_underlying(kind)); }
  void put(Special special) { number(std::to_underlying(special)); }
  void put(const std::string& text) {
    number(text.size());
    out_ += text;
  }
  void put(const std::optional<std::uint32_t>& value) { number(value ? std::uint64_t{*value} + 1 : 0); }
  void put(const Permissions& permissions) {
    number(permissions.size());
    for (const Permission& entry : permissions) {
      number(entry.domain);
      number(std::to_underlying(entry.access));
    }
  }
  void put(const SharedPermissions& permissions) { put(permissions == nullptr ? Permissions{} : *permissions); }

  std::string& out_;
};

// Every get gives false where the bytes end too soon or mean nothing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool is_at_end() const { return bytes_.empty(); }
  bool all(auto&... fields) { return (get(fields) && ...); }
  bool number(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) {
        return true;
      }
    }
    return false;
  }

 private:
  template <typename Value>
  bool bounded(Value& value, std::uint64_t most) {
    std::uint64_t read = 0;
    if (!number(read) || read > most) {
      return false;
    }
    value = static_cast<Value>(read);
    return true;
  }
  bool get(bool& value) { return bounded(value, 1); }
  bool get(std::uint32_t& value) { return bounded(value, UINT32_MAX); }
  bool get(std::uint64_t& value) { return number(value); }
  bool get(TreeChange::Kind& kind) { return bounded(kind, std::to_underlying(TreeChange::Kind::remove)); }
  bool get(Special& special) { return bounded(special, std::to_underlying(Special::release_domain)); }
  bool get(std::string& text) {
    std::uint64_t size = 0;
    if (!number(size) || size > bytes_.size()) {
      return false;
    }
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool get(std::optional<std::uint32_t>& value) {
    std::uint64_t read = 0;
    if (!bounded(read, std::uint64_t{UINT32_MAX} + 1)) {
      return false;
    }
    value = read == 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(read - 1));
    return true;
  }
  bool get(Permissions& permissions) {
    std::uint64_t count = 0;
    if (!number(count) || count > bytes_.size()) {
      return false;
    }
    permissions.resize(count);
    for (Permission& entry : permissions) {
      if (!bounded(entry.domain, kMaxDomainId) || !bounded(entry.access, std::to_underlying(Access::both))) {
        return false;
      }
    }
    return true;
  }
  bool get(SharedPermissions& permissions) {
    Permissions read;
    if (!get(read)) {
      return false;
    }
    permissions = read.empty() ? nullptr : std::make_shared<const Permissions>(std::move(read));
    return true;
  }

  std::string_view bytes_;
};

template <std::size_t... kPlaces>
std::optional<Change> change_of(std::size_t place, std::index_sequence<kPlaces...>) {
  std::optional<Change> change;
  std::ignore = ((place == kPlaces && (change.emplace(std::in_place_index<kPlaces>), true)) || ...);
  return change;
}

}  // namespace

void append_change(std::string& out, const Change& change) {
  Writer writer(out);
  writer.number(change.index());
  std::visit([&](const auto& kind) { transfer(writer, kind); }, change);
}

Result<Changes> read_changes(std::string_view bytes) {
  Reader reader(bytes);
  Changes changes;
  while (!reader.is_at_end()) {
    std::uint64_t place = 0;
    auto change = reader.number(place) ? change_of(place, std::make_index_sequence<std::variant_size_v<Change>>())
                                       : std::optional<Change>();
    if (!change || !std::visit([&](auto& kind) { return transfer(reader, kind); }, *change)) {
      return Error(ErrorCode::invalid_input, "a record of the state holds no changes that this version knows");
    }
    changes.push_back(std::move(*change));
  }
  return changes;
}

}  // namespace krata::store

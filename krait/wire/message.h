// What hosts and their coordinator say to each other, as plain values: proto/krait/v1/wire.proto says what each field
// means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "krait/model/public_key.h"

namespace krait::wire {

inline constexpr std::uint32_t kLeastVersion = 1;  // that this program speaks
inline constexpr std::uint32_t kMostVersion = 1;

// What one message may hold; a longer one, or one with more, is refused.
inline constexpr std::size_t kMaxTextBytes = 1024;                      // of a name, a program, a failure
inline constexpr std::size_t kMaxSignedBytes = std::size_t{64} << 10U;  // of a grant, a list of administrators
inline constexpr std::size_t kMaxSealBytes = std::size_t{128} << 10U;   // a host with 1,024 routes
inline constexpr std::size_t kMaxLists = 64;
inline constexpr std::size_t kMaxStateChunkBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxEndpoints = 8;
inline constexpr std::size_t kMaxSeen = 64;
// Of one message: from a host, and to a host. Requests of administrators, who are known, may be longer.
inline constexpr std::size_t kMaxHostFrameBytes = std::size_t{160} << 10U;
inline constexpr std::size_t kMaxStateFrameBytes = std::size_t{4} << 20U;
inline constexpr std::size_t kMaxAdminFrameBytes = std::size_t{64} << 20U;

using NetworkId = std::array<std::uint8_t, 16>;

struct Hello {
  std::uint32_t least_version = kLeastVersion;
  std::uint32_t most_version = kMostVersion;
  std::string program{};
  bool operator==(const Hello&) const = default;
};

struct Welcome {
  std::uint32_t version = kMostVersion;
  std::string program{};
  NetworkId network{};
  std::uint64_t revision = 0;
  bool known = false;
  bool operator==(const Welcome&) const = default;
};

using TokenKey = std::array<std::uint8_t, 32>;

struct Join {
  TokenKey token{};
  std::string name{};
  model::PublicKey wireguard_key{};
  std::uint16_t listen_port = 0;
  std::vector<std::string> endpoints{};
  bool behind_nat = false;
  std::vector<std::string> addresses{};
  bool operator==(const Join&) const = default;
};

struct Offer {
  std::string grant{};
  std::vector<std::string> addresses{};
  std::vector<std::string> admin_lists{};
  std::string name{};
  bool operator==(const Offer&) const = default;
};

struct Seal {
  std::string joined{};
  bool operator==(const Seal&) const = default;
};

struct Joined {
  std::uint64_t host = 0;
  std::string name{};
  std::vector<std::string> addresses{};
  bool waits_for_approval = false;
  bool operator==(const Joined&) const = default;
};

struct Watch {
  std::uint64_t holds = 0;
  std::string digest{};  // 32 bytes or none
  bool operator==(const Watch&) const = default;
};

struct State {
  std::uint64_t base = 0;  // 0: a whole state
  std::uint64_t revision = 0;
  std::string bytes{};
  bool more = false;
  bool operator==(const State&) const = default;
};

struct Confirmed {
  std::uint64_t now = 0;
  bool operator==(const Confirmed&) const = default;
};

struct Enforced {
  std::uint64_t revision = 0;
  std::string failure{};
  bool operator==(const Enforced&) const = default;
};

struct Seen {
  std::uint64_t host = 0;
  std::string endpoint{};
  std::string name{};
  bool operator==(const Seen&) const = default;
};

struct Here {
  std::vector<std::string> endpoints{};
  std::uint16_t listen_port = 0;
  std::vector<Seen> seen{};
  bool operator==(const Here&) const = default;
};

struct KeyChange {
  std::string change{};
  bool operator==(const KeyChange&) const = default;
};

struct RotateKey {
  bool go = false;
  bool operator==(const RotateKey&) const = default;
};

struct Leave {
  bool operator==(const Leave&) const = default;
};

enum class RefusalCode : std::uint8_t { none, version, unknown_key, token, wrong, later, removed };

struct Refused {
  RefusalCode code = RefusalCode::none;
  std::string text{};
  bool operator==(const Refused&) const = default;
};

struct Ask {
  std::uint64_t number = 0;
  std::string request{};
  bool operator==(const Ask&) const = default;
};

struct Answer {
  std::uint64_t number = 0;
  std::string answer{};
  bool operator==(const Answer&) const = default;
};

// monostate: a newer version's, to be passed over.
using Message = std::variant<std::monostate, Hello, Welcome, Join, Joined, Watch, State, Confirmed, Enforced, Here,
                             KeyChange, Offer, Seal, Leave, Refused, Ask, Answer, RotateKey>;

// The bytes of one frame, without its length. Pure.
std::string encode(const Message& message);
// Any bytes give a message within the bounds above, or invalid_input. Pure.
common::Result<Message> decode(std::string_view bytes);

// The version that both sides go on with; 0: there is none.
std::uint32_t common_version(const Hello& hello);

}  // namespace krait::wire

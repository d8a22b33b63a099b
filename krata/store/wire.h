// The bytes of xenstore's protocol: headers, strings, error names. Pure; wire.cc is the only file that sees Xen's
// header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace krata::store {

// The numbers are those of xen/io/xs_wire.h (wire.cc asserts each).
enum class Operation : std::uint32_t {
  control = 0,
  directory = 1,
  read = 2,
  get_permissions = 3,
  watch = 4,
  unwatch = 5,
  transaction_start = 6,
  transaction_end = 7,
  introduce = 8,
  release = 9,
  get_domain_path = 10,
  write = 11,
  mkdir = 12,
  remove = 13,
  set_permissions = 14,
  watch_event = 15,
  error = 16,
  is_domain_introduced = 17,
  resume = 18,
  set_target = 19,
  reset_watches = 21,
  directory_part = 22,
};

inline constexpr std::size_t kOperations = 23;
// "transaction_start"; empty: there is no such operation.
std::string_view name_of(Operation operation);

inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kMaxPayloadBytes = 4096;
inline constexpr std::size_t kMaxAbsolutePathBytes = 3072;
inline constexpr std::size_t kMaxRelativePathBytes = 2048;

// What a request is refused with. The protocol sends the name, not a number.
enum class Refusal : std::uint8_t {
  einval,
  eacces,
  eexist,
  enoent,
  enospc,
  enosys,
  ebusy,
  eagain,
  e2big,
  eperm,
};

std::string_view name_of(Refusal refusal);  // "EINVAL"

// What a request comes to. A refusal is an answer that the client is sent, no failure of this program (that would be a
// common::Result).
template <typename T>
using Answer = std::expected<T, Refusal>;

struct Header {
  std::uint32_t operation = 0;  // any number: what arrives need not be one of Operation
  std::uint32_t request = 0;
  std::uint32_t transaction = 0;
  std::uint32_t payload_bytes = 0;
};

// `bytes` holds at least kHeaderBytes. Host order, as the protocol has it.
Header read_header(std::string_view bytes);

// Appends a whole message to `out`; header.payload_bytes is not looked at. `payload` has at most kMaxPayloadBytes.
void append_message(std::string& out, Header header, std::string_view payload);

// The strings of a payload, each of which must end with a nul. Nothing where the last one does not.
std::optional<std::vector<std::string_view>> strings_of(std::string_view payload);

// A payload that is one string and its nul, nothing else.
Answer<std::string_view> single_string(std::string_view payload);

// As atoi(3) reads, which the documentation allows ("parsing errors and values out of range generally go undetected")
// and xenstored does: digits as far as they go, 0 without any. Stops at the ends of the type.
std::int32_t number_of(std::string_view text);

}  // namespace krata::store

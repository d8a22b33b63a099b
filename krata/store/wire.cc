#include "krata/store/wire.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include <xen/io/xs_wire.h>

namespace krata::store {

namespace {

constexpr bool is(Operation operation, xsd_sockmsg_type type) { return std::to_underlying(operation) == type; }

static_assert(is(Operation::control, XS_CONTROL) && is(Operation::directory, XS_DIRECTORY));
static_assert(is(Operation::read, XS_READ) && is(Operation::get_permissions, XS_GET_PERMS));
static_assert(is(Operation::watch, XS_WATCH) && is(Operation::unwatch, XS_UNWATCH));
static_assert(is(Operation::transaction_start, XS_TRANSACTION_START));
static_assert(is(Operation::transaction_end, XS_TRANSACTION_END));
static_assert(is(Operation::introduce, XS_INTRODUCE) && is(Operation::release, XS_RELEASE));
static_assert(is(Operation::get_domain_path, XS_GET_DOMAIN_PATH) && is(Operation::write, XS_WRITE));
static_assert(is(Operation::mkdir, XS_MKDIR) && is(Operation::remove, XS_RM));
static_assert(is(Operation::set_permissions, XS_SET_PERMS) && is(Operation::watch_event, XS_WATCH_EVENT));
static_assert(is(Operation::error, XS_ERROR) && is(Operation::is_domain_introduced, XS_IS_DOMAIN_INTRODUCED));
static_assert(is(Operation::resume, XS_RESUME) && is(Operation::set_target, XS_SET_TARGET));
static_assert(is(Operation::reset_watches, XS_RESET_WATCHES) && is(Operation::directory_part, XS_DIRECTORY_PART));
static_assert(sizeof(xsd_sockmsg) == kHeaderBytes);
static_assert(kMaxPayloadBytes == XENSTORE_PAYLOAD_MAX);
static_assert(kMaxAbsolutePathBytes == XENSTORE_ABS_PATH_MAX && kMaxRelativePathBytes == XENSTORE_REL_PATH_MAX);

constexpr std::array<std::string_view, 10> kNames{"EINVAL", "EACCES", "EEXIST", "ENOENT", "ENOSPC",
                                                  "ENOSYS", "EBUSY",  "EAGAIN", "E2BIG",  "EPERM"};

}  // namespace

std::string_view name_of(Operation operation) {
  constexpr std::array<std::string_view, kOperations> kNamesOfOperations{"control",
                                                                         "directory",
                                                                         "read",
                                                                         "get_permissions",
                                                                         "watch",
                                                                         "unwatch",
                                                                         "transaction_start",
                                                                         "transaction_end",
                                                                         "introduce",
                                                                         "release",
                                                                         "get_domain_path",
                                                                         "write",
                                                                         "mkdir",
                                                                         "remove",
                                                                         "set_permissions",
                                                                         "",
                                                                         "",
                                                                         "is_domain_introduced",
                                                                         "resume",
                                                                         "set_target",
                                                                         "",
                                                                         "reset_watches",
                                                                         "directory_part"};
  const auto number = std::to_underlying(operation);
  return number < kNamesOfOperations.size() ? kNamesOfOperations.at(number) : std::string_view();
}

std::string_view name_of(Refusal refusal) { return kNames.at(std::to_underlying(refusal)); }

Header read_header(std::string_view bytes) {
  xsd_sockmsg raw{};
  std::memcpy(&raw, bytes.data(), sizeof(raw));
  return {.operation = raw.type, .request = raw.req_id, .transaction = raw.tx_id, .payload_bytes = raw.len};
}

void append_message(std::string& out, Header header, std::string_view payload) {
  const xsd_sockmsg raw{.type = header.operation,
                        .req_id = header.request,
                        .tx_id = header.transaction,
                        .len = static_cast<std::uint32_t>(payload.size())};
  out.append(reinterpret_cast<const char*>(&raw), sizeof(raw));
  out.append(payload);
}

std::optional<std::vector<std::string_view>> strings_of(std::string_view payload) {
  std::vector<std::string_view> strings;
  while (!payload.empty()) {
    const std::size_t end = payload.find('\0');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    strings.push_back(payload.substr(0, end));
    payload.remove_prefix(end + 1);
  }
  return strings;
}

Answer<std::string_view> single_string(std::string_view payload) {
  if (payload.empty() || payload.find('\0') != payload.size() - 1) {
    return std::unexpected(Refusal::einval);
  }
  return payload.substr(0, payload.size() - 1);
}

std::int32_t number_of(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  std::int64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') {
      break;
    }
    value = std::min<std::int64_t>(value * 10 + (digit - '0'), std::numeric_limits<std::int32_t>::max());
  }
  return static_cast<std::int32_t>(negative ? -value : value);
}

}  // namespace krata::store

#include "krait/coordinator/ask.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "common/answer.h"
#include "common/event/unix_socket.h"
#include "common/file.h"
#include "krait/wire/message.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

constexpr std::size_t kLengthBytes = 4;

// As krait/wire/connection.h has it.
std::string frame_of(const std::string& text) {
  std::string frame;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    frame += static_cast<char>(text.size() >> 8U * i & 0xFFU);
  }
  return frame + text;
}

Result<std::string> read_frame(int fd) {
  std::array<char, kLengthBytes> head{};
  KRAIT_TRY(const auto got, common::read_into(fd, head, "the coordinator's answer"));
  std::size_t size = 0;
  for (const char byte : head) {
    size = size << 8U | static_cast<unsigned char>(byte);
  }
  if (got != head.size() || size > wire::kMaxAdminFrameBytes) {
    return Error(ErrorCode::unavailable, "the coordinator ended before it answered");
  }
  std::string text(size, '\0');
  KRAIT_TRY(const auto all, common::read_into(fd, text, "the coordinator's answer"));
  return all == size ? Result<std::string>(std::move(text))
                     : Error(ErrorCode::unavailable, "the coordinator ended before it had answered");
}

}  // namespace

Result<Json> ask(const std::string& socket, const Json& request) {
  auto fd = common::connect_unix(socket);
  if (!fd && fd.error().code() == ErrorCode::unavailable) {
    return Error(ErrorCode::unavailable, fmt::format("no coordinator serves at {}; start it: systemctl start "
                                                     "krait-coordinator",
                                                     socket));
  }
  if (!fd) {
    return fd.error();
  }
  const std::string text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > wire::kMaxAdminFrameBytes) {
    return Error(ErrorCode::limit, "the request is too long for the coordinator");
  }
  KRAIT_CHECK(common::write_all(fd->get(), frame_of(text), "the coordinator's socket"));
  KRAIT_TRY(const auto line, read_frame(fd->get()));
  auto json = common::parse_json_object(line);
  if (!json || json->value("version", Json()) != common::kAnswerVersion) {
    return Error(ErrorCode::system, "the coordinator's answer is not of this program's version");
  }
  if (json->contains("error")) {
    return common::error_from_json(*json);
  }
  return std::move(*json);
}

}  // namespace krait::coordinator
